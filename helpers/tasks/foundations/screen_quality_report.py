"""What is said of a screen's quality: what it lacks, scores, counts of calls, curves."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import scores
from helpers.stats import cluster_bootstrap
from helpers.tasks.findings import with_interval
from helpers.tasks.foundations.screen_quality import FEWEST_CONTROLS, LEVEL

TASK = "screen-quality"
FLOORS = {"control-guide": "non-targeting guides", "control-draw": "draws of controls"}
METRICS = {
    "reliability": "split_half_correlation",
    "guide_concordance": "guide_concordance",
    "responders": "responder_fraction",
    "edistance": "edistance",
    "p_value": "edistance_p_value",
    "n_de": "n_de_genes",
}


def score_rows(table: pd.DataFrame, *, dataset: str, context: str, seed: int) -> pd.DataFrame:
    """Result of `quality` as rows of the score table; what cannot be had is NaN.

    Guide concordance is left out where guides are not known, and for floors.
    """
    tables = []
    for column, metric in METRICS.items():
        rows = table
        if column == "guide_concordance":
            rows = table[table["n_guide_pairs"].notna()]
        if rows.empty:
            continue
        floor = rows["kind"] != "perturbation"
        tables.append(
            scores.rows(
                task=TASK,
                dataset=dataset,
                split=context,
                model=rows["kind"].map({"perturbation": "perturbations", **FLOORS}),
                metric=metric,
                role=np.where(floor, "floor", "candidate"),
                unit_kind=rows["kind"],
                unit=rows.index,
                cluster=np.where(floor, rows.index, rows["target"]),
                seed=seed,
                n=rows["n_cells"],
                value=rows[column].astype(float),
            )
        )
    return pd.concat(tables, ignore_index=True)


def lacks(overview: pd.DataFrame) -> pd.Series:
    """What each context of a screen lacks, in words, from the result of `overview`."""
    unmeasured = overview["perturbations"] - overview["measured_targets"]
    parts = {
        f"{FEWEST_CONTROLS} controls, so that nothing is measured": (
            overview["controls"] < FEWEST_CONTROLS
        ),
        "guides": overview["control_guides"].isna(),
        "replicates": ~overview["replicates"],
        "a second batch": overview["batches"] == 1,
        "library sizes before genes were dropped": overview["panel"],
        "the target's own expression for {} perturbation{s}": unmeasured > 0,
    }
    said = [
        "; ".join(
            part.format(n, s="s" * int(n != 1)) for part, holds in parts.items() if holds[context]
        )
        or "nothing"
        for context, n in unmeasured.items()
    ]
    return pd.Series(said, index=overview.index, name="lacks")


def summary(quality: Mapping[tuple[str, str], pd.DataFrame]) -> pd.DataFrame:
    """One row a context: how much of what was measured comes out again.

    Parameters
    ----------
    quality : mapping
        Of (data set, context) to the result of `quality`.

    Returns
    -------
    DataFrame
        Counts of calls, and medians over perturbations; NaN where nothing could be measured.
    """
    rows = []
    for (dataset, context), found in quality.items():
        perturbed = found[found["kind"] == "perturbation"]
        floor = found[found["kind"] != "perturbation"]
        able = floor[floor["least_p"] <= LEVEL]
        rows.append(
            {
                "data set": dataset,
                "context": context,
                "perturbations": len(perturbed),
                "E-test, q ≤ 0.05": int((perturbed["q_value"] <= LEVEL).sum()),
                "could be called": int(perturbed["q_value"].notna().sum()),
                "floors, p ≤ 0.05": (
                    f"{(able['p_value'] <= LEVEL).sum()} of {len(able)}" if len(able) else "none"
                ),
                "median reliability": _median(perturbed["reliability"]),
                "of floors": _median(floor["reliability"]),
                "median guide concordance": _median(perturbed["guide_concordance"]),
                "median DE genes": _median(perturbed["n_de"]),
                "median change of target": _median(perturbed["on_target_change"]),
                "responders stated": int(perturbed["responders"].notna().sum()),
            }
        )
    return pd.DataFrame(rows)


def called(summary: pd.DataFrame) -> pd.Series:
    """Perturbations called, of those that the E-test could call; of `summary`."""
    return pd.Series(
        [
            f"{n} of {able}" if able else "none could be"
            for n, able in zip(summary["E-test, q ≤ 0.05"], summary["could be called"], strict=True)
        ],
        index=summary.index,
    )


def in_short(reliable: pd.DataFrame | None, answers: pd.DataFrame | None) -> str:
    """In how many contexts effects come out again, and how many questions these can answer.

    Parameters
    ----------
    reliable : DataFrame, optional
        Mean split-half correlations: `dataset`, `split`, `role`, `mean`, `low`, `high`.
    answers : DataFrame, optional
        Of `answerability.matrix`: `verdict`, a row a task and context.
    """
    said = [_above_floors(reliable), _answerable(answers)]
    said = [one for one in said if one]
    return " ".join(said) or "No real screen was measured."


def _above_floors(reliable: pd.DataFrame | None) -> str:
    if reliable is None:
        return ""
    where = reliable.set_index(["dataset", "split"])
    own = where[where["role"] == "candidate"]
    floor = where[where["role"] == "floor"].groupby(level=[0, 1])["high"].max()
    both = own.assign(floor=floor).dropna(subset=["mean", "low", "floor"])
    if both.empty:
        return (
            "No context has perturbations and floors enough to say whether effects come out again."
        )
    above = both[both["low"] > both["floor"]]
    said = f"Effects come out again, above the floor for certain, in {len(above)} of {len(both)} "
    said += f"context{'s' * (len(both) > 1)} with intervals"
    if above.empty:
        return f"{said}."
    best = above.loc[above["mean"].idxmax()]
    by = with_interval(*best[["mean", "low", "high"]])
    return f"{said}, best in {', '.join(dict.fromkeys(best.name))}: split-half correlation {by}."


def _answerable(answers: pd.DataFrame | None) -> str:
    if answers is None or answers.empty:
        return ""
    n = answers["verdict"].value_counts()
    yes, few, cannot = (int(n.get(v, 0)) for v in ("yes", "power-limited", "cannot"))
    return (
        f"Of {len(answers)} pairs of a task and a context, {yes} can be answered, {few} with "
        f"little power, and {cannot} cannot."
    )


SILENT = 0.1  # median reliability of half the cells below which a context shows no effects


def silent(summary: pd.DataFrame) -> list[tuple[str, str]]:
    """Data set and context of each row of `summary` with a median reliability below `SILENT`."""
    rows = summary[summary["median reliability"] < SILENT]
    return list(zip(rows["data set"], rows["context"], strict=True))


def named(contexts: list[tuple[str, str]]) -> str:
    """Contexts with their data sets, in words."""
    return "; ".join(f"{context} of {dataset}" for dataset, context in contexts) or "none"


def of_silent(
    quality: Mapping[tuple[str, str], pd.DataFrame], contexts: list[tuple[str, str]]
) -> str:
    """What the energy distance calls where the reliability is below `SILENT`."""
    if not contexts:
        return "It is below one tenth in none of them"
    perturbed = {w: quality[w][quality[w]["kind"] == "perturbation"] for w in contexts}
    called = [
        f"{unit} in {context}"
        for (_, context), found in perturbed.items()
        for unit in found.index[found["q_value"] <= LEVEL]
    ]
    n = sum(map(len, perturbed.values()))
    return (
        f"Where it is below one tenth ({named(contexts)}), the energy distance calls {len(called)} "
        f"of {n} perturbations" + (f" ({', '.join(called)})" if called else "")
    )


def effects_of(quality: Mapping[tuple[str, str], pd.DataFrame], dataset: str) -> pd.DataFrame:
    """What was found of the perturbations of a data set, all contexts under each other."""
    found = [
        table[table["kind"] == "perturbation"].reset_index().assign(context=context)
        for (name, context), table in quality.items()
        if name == dataset
    ]
    return pd.concat(found) if found else pd.DataFrame(columns=["context", "unit", "q_value"])


def most_reliable(found: pd.DataFrame | None, n: int = 5) -> str:
    """Which perturbations of one context come out again best; None where it was not measured."""
    if found is None:
        return "nothing is measured, for want of controls"
    reliability = found.loc[found["kind"] == "perturbation", "reliability"]
    order = reliability.dropna().sort_values(ascending=False, kind="stable").iloc[:n]
    if order.empty:
        return (
            "no perturbation has a reliability, for which each half needs cells enough and "
            "controls of their batches"
        )
    if len(order) == 1:
        return f"the only reliability is {order.iloc[0]:.2f}, of {order.index[0]}"
    return (
        f"the most reliable are {', '.join(order.index)}, none of them below {order.iloc[-1]:.2f}"
    )


def beside_published(ranks: pd.DataFrame) -> str:
    """How our distances rank beside published ones, screen by screen."""
    parts = []
    for screen, rows in ranks.groupby("screen", sort=False):
        by = rows.set_index("measure")
        energy, norm = (by.loc[m, "spearman"] for m in ("edistance", "effect_norm"))
        what = rows["compared"].iloc[0]
        if np.isnan([energy, norm]).any():
            parts.append(f"in {screen} no rank correlation over {what}s could be had")
            continue
        parts.append(
            f"in {screen} the energy distance correlates by {energy:.2f} "
            f"over {by.loc['edistance', 'n']} {what}s, the plain norm of the effect by {norm:.2f}"
        )
    said = "; ".join(parts)
    return said[:1].upper() + said[1:]


def out_of_reach(quality: Mapping[tuple[str, str], pd.DataFrame]) -> str:
    """What the energy test leaves out, as a sentence: `quality` as in `summary`."""
    columns = ["kind", "p_value", "least_p"]
    tested = pd.concat(quality.values()) if quality else pd.DataFrame(columns=columns)
    tested = tested[tested["p_value"].notna()]
    n, n_floors = (
        int((tested.loc[chosen, "least_p"] > LEVEL).sum())
        for chosen in (tested["kind"] == "perturbation", tested["kind"] != "perturbation")
    )
    if not n + n_floors:
        return "Every unit that was tested has cells enough to be called"
    return (
        f"{_count(n, 'perturbation')} and {_count(n_floors, 'floor')} share their batches with so "
        "few controls that no way to exchange them could give a p-value of 5 %: they are left out "
        "of the calls, and of what these are counted among"
    )


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _median(values: pd.Series) -> float:
    known = values.dropna()
    return float(known.median()) if len(known) else np.nan


def curve(table: pd.DataFrame, *, by: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Mean correlation of each group with a 95 % interval that resamples units.

    Returns
    -------
    DataFrame
        The columns of `by`, `mean`, `low`, `high` (NaN for a single unit), `n`. Correlations that
        are NaN are not in it.
    """
    rows = []
    for key, group in table[table["correlation"].notna()].groupby(by, sort=True):
        estimate = cluster_bootstrap(group["correlation"], group["unit"], rng=rng)
        rows.append([*key, *estimate, len(group)])
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "n"])
