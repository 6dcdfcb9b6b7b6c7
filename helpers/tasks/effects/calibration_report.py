"""What is said of the calibration of effect metrics: interactions, published scores, protocols."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import scores
from helpers.data.contract import DataError
from helpers.metrics.effects.facts import METRICS
from helpers.summaries import draw_means
from helpers.tasks.departures import Departure
from helpers.tasks.effects.calibration import PREDICTIONS
from helpers.tasks.prediction_panel import BY_UNITS, OF_MEANS, control_scores

TASK = "interaction-calibration"

DEPARTURES = (
    Departure(
        "negative control",
        "the mean of the data set, for every metric but one (Mejia et al.)",
        "the best of no change, the mean and another perturbation, metric by metric",
        "design choice",
        "What is easy to beat depends on the metric: a shuffled profile has the right noise, the "
        "mean has none.",
    ),
    Departure(
        "controls",
        "the same cells in the predicted and in the observed change",
        "disjoint halves",
        "design choice",
        "Shared controls put the error of one mean on both sides, where it counts as agreement.",
    ),
    Departure(
        "classes of interactions",
        "opposite needs both singles and the double on one side, which excludes it",
        "opposite: the double moves a gene against the sum of the singles",
        "bug",
        "The released condition cannot be met; its second branch has the wrong sign as well.",
    ),
    Departure(
        "area under precision and recall",
        "points sorted by precision, then the trapezoid",
        "average precision; the released form is kept beside it",
        "bug",
        "Sorted by precision, points of a curve change places, and the area is another one.",
    ),
    Departure(
        "finding interactions",
        "the size of the predicted deviation, over all pairs",
        "the same, and among pairs of one additive magnitude",
        "design choice",
        "For no change the deviation is the additive effect: it ranks by magnitude alone.",
    ),
)


def real_controls(screen, *, context: str, seed: int, **most) -> tuple[pd.DataFrame, str]:
    """Every metric on the controls that a real screen has, and what it lacks, in words.

    Parameters
    ----------
    screen : Step
    context : str
    seed : int
    **most
        See `control_scores`.

    Returns
    -------
    DataFrame
        Of `control_scores`; held-out guides and replicates beside the technical duplicate, each
        against halves of its own.
    str
    """
    table = control_scores(screen, seed=seed, context=context, **most).result()
    tables, lacking = [table], []
    for halving, name in BY_UNITS.items():
        try:
            held_out = control_scores(
                screen, seed=seed, context=context, halving=halving, needs=OF_MEANS, **most
            ).result()
        except DataError as error:
            lacking.append(f"{name} ({error})")
            continue
        tables.append(held_out[held_out["prediction"] == name])
    if not lacking:
        return pd.concat(
            tables, ignore_index=True
        ), "The screen has guides and replicates to hold out."
    return pd.concat(tables, ignore_index=True), f"Not there: {'; '.join(lacking)}."


def score_rows(results: Mapping[int, dict], *, dataset: str) -> pd.DataFrame:
    """Results of `interaction_calibration` by seed, as a score table; a screen is a unit."""
    tables = [
        scores.rows(
            task=TASK,
            dataset=dataset,
            split="halves of cells",
            model=row["model"],
            metric=metric,
            role=PREDICTIONS[row["model"]],
            unit_kind="screen",
            unit=f"screen {seed}",
            seed=seed,
            n=result["n_pairs"],
            value=np.nan if row[metric] is None else row[metric],
        )
        for seed, result in results.items()
        for row in result["scores"]
        for metric in METRICS
        if metric in row
    ]
    return pd.concat(tables, ignore_index=True)


def interaction_means(score_table: pd.DataFrame) -> pd.DataFrame:
    """Means over screens: `metric`, `model`, `role`, `mean`, `low`, `high`, `n_draws`."""
    facts = {name: METRICS[name] for name in METRICS}
    means = draw_means(score_table, ["metric", "model"], metrics=facts)
    return means.assign(role=means["model"].map(PREDICTIONS))


def class_table(results: Mapping[int, dict]) -> pd.DataFrame:
    """Counts of classes, one row a screen and definition."""
    rows = [
        {"screen": f"screen {seed}", "definition": kind} | result[kind]
        for seed, result in results.items()
        for kind in ("classes", "legacy")
    ]
    table = pd.DataFrame(rows).fillna(0)
    counts = table.columns.drop(["screen", "definition"])
    named = table["definition"].map({"classes": "this book", "legacy": "released code"})
    return table.astype(dict.fromkeys(counts, int)).assign(definition=named)


def of_no_change(score_table: pd.DataFrame) -> str:
    """Says what predicting no change is worth, and what of it is magnitude alone."""
    means = score_table.groupby(["metric", "model"])["value"].mean()
    plain = means.get(("interaction_auroc", "no change"), np.nan)
    matched = means.get(("interaction_auroc_matched", "no change"), np.nan)
    duplicate = means.get(("interaction_auroc_matched", "technical duplicate"), np.nan)
    if np.isnan([plain, matched, duplicate]).any():
        return "No interaction was called here: predictions cannot be ranked by what they find."
    said = f"No change has an AUROC of {plain:.2f}"
    lost = plain - 0.5
    kept = matched - 0.5
    if lost <= 0.02:
        return f"{said}: it finds nothing here."
    if kept < 0.5 * lost:
        said += f", but of {matched:.2f} among pairs of one additive magnitude: most is magnitude"
    else:
        said += f", and still of {matched:.2f} among pairs of one additive magnitude"
    return f"{said}. The technical duplicate has {duplicate:.2f} there."


def of_calls(results: Mapping[int, dict], *, planted: bool) -> str:
    """Says how much is called where interactions were planted, or where none was."""
    share = np.mean([r["called"] for r in results.values()])
    most = max(r["called"] for r in results.values())
    pairs = sum(r["n_pairs"] for r in results.values())
    if planted:
        return f"{share:.2%} of {pairs:,} pairs of a double and a gene are called interactions."
    verdict = "as it should be" if most < 1e-3 else "more than the thousandth that is acceptable"
    return (
        f"Where nothing interacts, {share:.3%} of {pairs:,} pairs are called, at most {most:.3%} "
        f"in a screen: {verdict}."
    )


def of_claimed(claimed: pd.DataFrame) -> str:
    """Says how many models claim buffering more often than any other class of interaction."""
    classes = ["synergy", "buffering", "opposite"]
    own = claimed[claimed["model"] != "no change"].dropna(subset=classes)
    if own.empty:
        return "No model's claims are at hand."
    most = int((own["buffering"] > own[["synergy", "opposite"]].max(axis=1)).sum())
    return (
        f"Of {len(own)} model{'s' * (len(own) > 1)} {most} claim{'s' * (most == 1)} buffering more "
        "often than any other class."
    )


def of_example(table: pd.DataFrame) -> str:
    """Says how closely our functions give the published scores."""
    gaps = [
        (table[m] - table[f"{m}, ours"]).abs().max() for m in ("l2", "pearson", "pearson_delta")
    ]
    largest = float(np.nanmax(gaps))
    if largest < 1e-6:
        return f"All published values come out, to {largest:.0e}."
    return f"Published values and ours differ by up to {largest:.2g}."
