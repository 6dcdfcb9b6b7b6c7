"""What is said of unseen pairs: departures, rows, comparisons, sentences."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.comparisons import as_family, compare, equivalence_margin, paired
from helpers.metrics.discovery.facts import METRICS
from helpers.stats import MIN_UNITS
from helpers.summaries import group_means
from helpers.tasks.departures import Departure
from helpers.tasks.discovery.unseen_pairs import BOOSTED, COPY, DUPLICATE, LPM, ROLES, TASK, TRUTH
from helpers.tasks.findings import listed, with_interval
from helpers.tasks.requirements import CannotAnswer
from helpers.words import Words

DEPARTURES = (
    Departure(
        "Baselines",
        "Global mean, readout mean, no perturbation, CatBoost on embeddings",
        "The same, and the perturbation in other contexts: copied, recentred, additive, linear",
        "design choice",
        "A pair whose parts were both seen is a missing entry of a table; a copy of the column is "
        "what one tries first. Such a copy is absent from the released code.",
    ),
    Departure(
        "Seeds",
        "One split (seed 13), five seeds of the network",
        "Several seeds of the split, each with data of its own",
        "design choice",
        "An error bar over networks says nothing of other pairs.",
    ),
    Departure(
        "Unknown perturbations",
        "Silently predicted as the control",
        "The same prediction, scored apart as uncovered",
        "design choice",
        "A mean over both hides what the model cannot know.",
    ),
    Departure(
        "Metrics",
        "All values of the test set as one vector",
        "A value a pair, before and after the mean of the context is taken off",
        "design choice",
        "Differences between readouts, which every perturbation shares, fill the one vector.",
    ),
    Departure(
        "Embedding look-up",
        "Names without the prefix of the data, and a table without a row for the control",
        "With the prefix, and a row of zeros",
        "bug",
        "The first makes every perturbation the control; the second gives each gene the vector of "
        "the next one. The released unit test passes, as its embedding holds a control.",
    ),
    Departure(
        "No perturbation",
        "The value of control rows; NaN where a context has none, as in LINCS",
        "Zero, as values are relative to controls",
        "bug",
        "A floor that is NaN is no floor.",
    ),
    Departure(
        "Batches",
        "Scalar values from anywhere",
        "Whole profiles, as many as come nearest to as many values",
        "design choice",
        "The same function and loss, several times faster (see the page on the model).",
    ),
)


def score_rows(found: pd.DataFrame, *, world: str, model: str, seed: int) -> pd.DataFrame:
    """Result of `pair_scores` as rows; a pair of a draw is a cluster."""
    return scores.rows(
        task=TASK,
        dataset=f"simulated: {world}",
        split=found["stratum"],
        model=model,
        metric=found["metric"],
        role=ROLES[model],
        unit_kind=found["unit_kind"],
        unit=found["unit"],
        cluster=f"{seed} " + found["unit"].astype(str),
        seed=seed,
        n=found["n"],
        value=found["value"],
    )


def chosen(rows: pd.DataFrame, metric: str, stratum: str = "covered") -> pd.DataFrame:
    """Rows of a metric in one stratum."""
    return rows[(rows["metric"] == metric) & (rows["split"] == stratum)]


def covered(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of perturbations that another context has."""
    return rows[rows["split"] == "covered"]


def boosted(rows: pd.DataFrame) -> pd.DataFrame:
    """Means of the rank, of boosted trees in each form and of the copy."""
    own = chosen(rows, "profile_rank")
    found = means(own[own["model"].isin([*BOOSTED, COPY])])
    return found.assign(dataset=found["dataset"].str.removeprefix("simulated: "))


def metric_table(rows: pd.DataFrame, world: str) -> pd.DataFrame:
    """Models x metrics, means over their units, in one world."""
    own = rows[rows["dataset"] == f"simulated: {world}"]
    found = own.pivot_table("value", "model", "metric", dropna=False)
    asked = [m for m in METRICS if m in found.columns]
    return found.loc[[m for m in ROLES if m in found.index], asked].reset_index()


def means(rows: pd.DataFrame, *, n_resamples: int = 2_000) -> pd.DataFrame:
    """Mean of one metric over pairs, with its interval in its range, in the order of `ROLES`."""
    table = group_means(rows, ["dataset", "model"], n_resamples=n_resamples)
    fact = METRICS[rows["metric"].iloc[0]]
    ends = ["low", "high"]
    table[ends] = table[ends].clip(fact.low, fact.high)
    order = list(ROLES)
    return table.sort_values("model", key=lambda names: names.map(order.index), kind="stable")


def against_lpm(rows: pd.DataFrame, *, seed: int, n_resamples: int = 5_000) -> pd.DataFrame:
    """LPM less every other candidate or floor, on the pairs that both predict, in each world.

    A difference within a tenth of the way from the copy to the second measurement is *tied*.

    Returns
    -------
    DataFrame
        `dataset`, and the columns of `helpers.comparisons.compare`; `model` is LPM. Of fewer than
        six pairs the verdict is *cannot*.
    """
    parts = []
    for world, own in rows.groupby("dataset", sort=False):
        mean = own.groupby("model")["value"].mean()
        ends = [mean.get(name, np.nan) for name in (COPY, DUPLICATE)]
        usable = np.isfinite(ends).all() and ends[0] != ends[1]
        margin = equivalence_margin(*ends) if usable else 0.0
        for other in [m for m in ROLES if ROLES[m] != "ceiling" and m != LPM and m in mean]:
            parts.append(_pair(own, other, margin, seed, n_resamples).assign(dataset=world))
    return pd.concat(parts, ignore_index=True)


def _pair(
    own, other: str, margin: float, seed: int, n_resamples: int, model: str = LPM
) -> pd.DataFrame:
    both = own[own["model"].isin([model, other])]
    wide = both.pivot_table("value", ["seed", "unit"], "model").dropna()
    if len(wide) < MIN_UNITS or wide.shape[1] < 2:
        row = {"model": model, "other": other, "verdict": "cannot", "n_units": len(wide)}
        empty = dict.fromkeys(("difference", "low", "high", "p_value", "p_holm"), np.nan)
        return pd.DataFrame([row | empty])
    table = paired(both, missing="drop")
    return compare(
        table.table[[model, other]],
        table.clusters,
        better=METRICS[both["metric"].iloc[0]].better,
        margin=margin,
        n_resamples=n_resamples,
        rng=np.random.default_rng(seed),
    )


# Sentences ------------------------------------------------------------------------------------


def about_copy(pairs: pd.DataFrame, world: str, rivals=("copy, recentred", COPY)) -> Words:
    """LPM against the better of both copies, in one world."""
    own = pairs[(pairs["dataset"] == f"simulated: {world}") & pairs["other"].isin(rivals)]
    own = own[own["difference"].notna()]
    if own.empty:
        return "LPM and a copy share too few pairs to be compared."
    row = own.loc[own["difference"].idxmin()]
    by = with_interval(row["difference"], row["low"], row["high"])
    word = {"better": "better than", "worse": "worse than", "tied": "tied with"}
    against = f"{word.get(row['verdict'], 'not told apart from')} {_named(row['other'])}"
    return f"LPM is {against}: correlations differ by {by}."


def _named(model: str) -> str:
    return {
        COPY: "a plain copy of the perturbation from other contexts",
        "copy, recentred": "a copy that is moved to the mean of the context",
    }.get(model, model)


def in_short(pairs: pd.DataFrame, worlds) -> Words:
    """The answer of the page: against copies in both worlds, and a linear model in the first."""
    verdict = {}
    for world in worlds:
        own = pairs[pairs["dataset"] == f"simulated: {world}"]
        named = own[own["other"].isin([COPY, "copy, recentred"])]["verdict"].tolist()
        verdict[world] = (
            "better" if named and set(named) == {"better"} else "worse" if "worse" in named else ""
        )
    gate, other = (verdict[world] for world in worlds)
    linear = pairs[
        (pairs["dataset"] == f"simulated: {worlds[0]}") & (pairs["other"] == "low-rank linear")
    ]
    beaten = linear["verdict"].tolist() == ["worse"]
    more = " A low-rank linear model of the same table is better still in the first." * beaten
    if gate == "better" and other == "worse":
        return (
            "A large perturbation model predicts a pair better than a copy where contexts let "
            "programs through in part, and worse than a copy where each perturbation has an effect "
            f"of its own.{more}"
        )
    if gate == other == "better":
        return (
            f"A large perturbation model predicts a pair better than a copy in both worlds.{more}"
        )
    if gate == other == "worse":
        return "A copy from another context predicts a pair better than the model in both worlds."
    told = [
        f"{'better' if v == 'better' else 'worse' if v == 'worse' else 'not told apart'} ({w})"
        for w, v in verdict.items()
    ]
    return f"Against a copy from other contexts the model is {listed(told)}.{more}"


def about_linear(pairs: pd.DataFrame, world: str) -> Words:
    """LPM against linear models that know the same table."""
    own = pairs[pairs["dataset"] == f"simulated: {world}"].set_index("other")
    there = [m for m in ("low-rank linear", "additive two-way") if m in own.index]
    if not there:
        raise CannotAnswer("no linear model was scored")
    told = []
    for name in there:
        row = own.loc[name]
        if np.isnan(row["difference"]):
            told.append(f"not compared with the {name} model")
            continue
        word = {"better": "better than", "worse": "worse than", "tied": "tied with"}
        by = f"{row['difference']:+.2f}".replace("-", "\N{MINUS SIGN}")
        told.append(f"{word.get(row['verdict'], 'undecided against')} the {name} model ({by})")
    return f"LPM is {listed(told)}."


def about_ceiling(rows: pd.DataFrame, world: str) -> Words:
    """Where the model stands between the plain copy and a second measurement."""
    own = rows[rows["dataset"] == f"simulated: {world}"].groupby("model")["value"].mean()
    if own.reindex([COPY, DUPLICATE, TRUTH, LPM]).isna().any():
        return "A copy, a second measurement or the planted truth was not scored."
    floor, top, best = own[COPY], own[DUPLICATE], own[TRUTH]
    if not top > floor:
        return (
            f"A second measurement correlates by {top:.2f}, no more than the plain copy "
            f"({floor:.2f}): nothing is left to be won."
        )
    share = (own[LPM] - floor) / (top - floor)
    truth = (
        f"The planted truth itself has {best:.2f} against one noisy measurement, and a second "
        f"measurement {top:.2f}"
    )
    if share < 0:
        return f"LPM ({own[LPM]:.2f}) lies below the plain copy ({floor:.2f}). {truth}."
    said = (
        f"From the plain copy ({floor:.2f}) to a second measurement LPM goes {share:.0%} of the "
        "way."
    )
    if share > 1:
        return f"{said} {truth}: a model that averages over many profiles may pass a noisy repeat."
    return f"{said} {truth}."


def about_uncovered(rows: pd.DataFrame) -> Words:
    """What LPM knows of perturbations that no other context has."""
    own = rows[rows["metric"] == "profile_rank"]
    found = {
        s: own[(own["split"] == s) & (own["model"] == LPM)]["value"]
        for s in ("covered", "uncovered")
    }
    if found["uncovered"].dropna().empty:
        return "No test perturbation is uncovered."
    n = int(found["uncovered"].notna().sum())
    return (
        f"Among covered pairs {found['covered'].mean():.0%} of the other profiles lie farther from "
        f"LPM's prediction than the right one, among {n} uncovered pairs "
        f"{found['uncovered'].mean():.0%}: there it predicts the control, the same for all, and "
        "50 % is chance. LPM completes a table; it does not extrapolate to new symbols."
    )


def about_flattened(rows: pd.DataFrame, world: str) -> Words:
    """How much of the flattened correlation knows no perturbation."""
    own = rows[(rows["dataset"] == f"simulated: {world}") & (rows["split"] == "covered")]
    flat = own[own["metric"] == "flat_pearson"].groupby("model")["value"].mean()
    mean, lpm = flat["readout mean"], flat[LPM]
    return (
        f"Over all values at once the mean of the context correlates by {mean:.2f}, LPM by "
        f"{lpm:.2f}. The first knows no perturbation: it knows which readout is which."
    )


def about_mistakes(
    rows: pd.DataFrame, world: str, *, seed: int = 0, n_resamples: int = 5_000
) -> Words:
    """What two mistakes of a released baseline cost, where a gene was seen elsewhere and where not.

    Parameters
    ----------
    rows : DataFrame
        Of both strata.
    """
    own = rows[(rows["dataset"] == f"simulated: {world}") & (rows["metric"] == "profile_rank")]
    own = own[own["model"].isin(BOOSTED)]
    right, off, _ = BOOSTED
    told, costs = [], {}
    for stratum, part in own.groupby("split", sort=False):
        found = means(part).set_index("model")
        shares = ", ".join(
            f"{with_interval(*found.loc[name, ['mean', 'low', 'high']])} {how}"
            for name, how in zip(
                BOOSTED, ("repaired", "one row off", "without the prefix"), strict=True
            )
        )
        told.append(f"of {found['n_units'].min()} {stratum} pairs {shares}")
        costs[stratum] = _pair(part, off, 0.0, seed, n_resamples, right)
    lost = []
    for stratum, row in zip(costs, as_family(pd.concat(costs)).to_dict("records"), strict=True):
        by = with_interval(row["difference"], row["low"], row["high"])
        word = {"better": "lower", "worse": "higher"}.get(row["verdict"])
        lost.append(
            f"{word} for {stratum} pairs (repaired less one row off: {by})"
            if word
            else f"not shown to differ for {stratum} pairs"
        )
    return (
        f"Boosted trees in the world {world}, share of other profiles that lie farther, where 0.50 "
        f"is chance: {'; '.join(told)}. Without the prefix the baseline knows no perturbation. One "
        f"row off, the share is {'; '.join(lost)}."
    )


# Real: shares between floor and ceiling --------------------------------------------------------


STRATA = {"10 or fewer": (0, 10), "11 to 50": (11, 50), "more than 50": (51, np.inf)}
"""Genes that change in K562."""


def transfer_shares(
    table: pd.DataFrame, *, n_resamples: int = 2_000, seed: int = 0
) -> pd.DataFrame:
    """How far from floor to ceiling the agreement of two contexts goes, by state and stratum.

    Parameters
    ----------
    table : DataFrame
        Of `helpers.data.sets.gwt_cd4_perturbseq`.

    Returns
    -------
    DataFrame
        `state`, `changed in K562`, means `floor`, `between`, `ceiling` over knock-downs whose
        ceiling is known, `share` = (between - floor) / (ceiling - floor) with its percentile
        interval over knock-downs `low`, `high`, and `n`. NaN where the ceiling is not above the
        floor.
    """
    rows, rng = [], np.random.default_rng(seed)
    known = table[table["donors"].notna()]
    for state, own in known.groupby("state", sort=False):
        for name, (low, high) in {"all": (0, np.inf), **STRATA}.items():
            part = own[own["n_changed_k562"].between(low, high)]
            values = part[["random", "between", "donors"]].to_numpy()
            if len(values) < MIN_UNITS:
                continue
            floor, between, ceiling = values.mean(axis=0)
            drawn = values[rng.integers(len(values), size=(n_resamples, len(values)))].mean(axis=1)
            share, drawn = _share(floor, between, ceiling), _share(*drawn.T)
            ends = np.nanquantile(drawn, [0.025, 0.975]) if np.isfinite(share) else [np.nan] * 2
            rows.append([state, name, floor, between, ceiling, float(share), *ends, len(values)])
    columns = ["state", "changed in K562", "floor", "between", "ceiling", "share", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "n"])


def _share(floor, between, ceiling):
    gap = np.asarray(ceiling - floor, float)
    return np.divide(between - floor, gap, out=np.full(gap.shape, np.nan), where=gap > 0)


def transfer_rows(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """Correlations as rows: the floor, the copy, the ceiling."""
    named = {"random": ("random pair", "floor"), "between": ("copy from K562", "floor")}
    named["donors"] = ("other donors", "ceiling")
    parts = [
        scores.rows(
            task="context-transfer",
            dataset=dataset,
            split=table["state"],
            model=model,
            metric="reported_correlation",
            role=role,
            unit_kind="perturbation",
            unit=table["perturbation"],
            seed=0,
            value=table[column],
        )
        for column, (model, role) in named.items()
    ]
    return pd.concat(parts, ignore_index=True)


def about_transfer(shares: pd.DataFrame) -> Words:
    """What a copy between contexts reaches on real cells."""
    own = shares[shares["changed in K562"] == "all"]
    if own.empty:
        return "No state has enough knock-downs whose ceiling is known."
    low, high = own["share"].min(), own["share"].max()
    least, most = own["n"].min(), own["n"].max()
    span = f"{low:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{low:.0%} to {high:.0%}"
    way = f": a plain copy goes {span} of the way" if np.isfinite([low, high]).all() else ""
    said = (
        f"Of knock-downs whose ceiling is known ({least:,} to {most:,} a state), "
        f"effects in K562 cells agree with those in T cells by a mean correlation of "
        f"{own['between'].min():.2f} to {own['between'].max():.2f}, random pairs by "
        f"{own['floor'].mean():.3f}, halves of the donors by {own['ceiling'].min():.2f} to "
        f"{own['ceiling'].max():.2f}{way}. That is the most that can be said, as halves of the "
        "donors are noisier than all of them."
    )
    strong = shares[shares["changed in K562"] == "more than 50"]["between"].mean()
    weak = shares[shares["changed in K562"] == "10 or fewer"]["between"].mean()
    if np.isfinite([strong, weak]).all():
        said += (
            f" The correlation is {weak:.2f} where ten or fewer genes change in K562, "
            f"{strong:.2f} where more than fifty do."
        )
    return said
