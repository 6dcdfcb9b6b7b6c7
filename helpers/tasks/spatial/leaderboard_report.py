"""What is said of the published leaderboard: rows of scores, departures, sentences."""

import pandas as pd

from helpers import scores
from helpers.stats import cluster_bootstrap
from helpers.tasks.departures import Departure
from helpers.tasks.findings import listed, with_interval
from helpers.tasks.spatial.leaderboard import clusters
from helpers.words import Words

TASK = "leaderboard"
DATASET = "SpaRED, project page of 2024-07-17"
PRINTED = {"mse": "expression_mse", "pcc": "expression_pearson"}
LARGE = "MHSI"
"""The data set whose errors are several times those of all others."""

DEPARTURES = (
    Departure(
        "How data sets are averaged",
        "Means of errors on the scale of each data set",
        "Ranks in each data set, compared over data sets",
        "design choice",
        "In a mean of errors the data set with the largest ones has the largest weight.",
    ),
    Departure(
        "Independent data sets",
        "26, each counted once",
        "24 clusters: two are slides of a third one",
        "design choice",
        "The same slides are otherwise counted twice.",
    ),
    Departure(
        "Data sets without a test slide",
        "15 of 26 in the same columns: the validation slide, on which the checkpoint was chosen",
        "Shown apart",
        "design choice",
        "There the slide that chose the checkpoint is the one that is reported.",
    ),
    Departure(
        "Which model is best",
        "The smallest mean",
        "Letters of what is told apart, over all pairs",
        "design choice",
        "A difference of means says nothing without its interval over data sets.",
    ),
)


def rows(table: pd.DataFrame) -> pd.DataFrame:
    """The printed numbers as rows of scores; a data set is a unit."""
    parts = [
        scores.rows(
            task=TASK,
            dataset=DATASET,
            protocol="published",
            model=table["model"],
            metric=metric,
            role="reported",
            unit_kind="data set",
            unit=table["data set"],
            cluster=clusters(table["data set"]),
            seed=0,
            value=table[column],
        )
        for column, metric in PRINTED.items()
    ]
    return pd.concat(parts, ignore_index=True)


def lacking(table: pd.DataFrame) -> Words:
    """Which cells of the printed table are empty."""
    empty = table[table[["mse", "pcc"]].isna().any(axis=1)]
    if empty.empty:
        return "no cell is empty"
    cells = [f"{r['model']} on {r['data set']}" for r in empty.to_dict("records")]
    return f"not printed: {listed(cells)}"


def about_size(table: pd.DataFrame) -> Words:
    """How many models, data sets and pairs of numbers the printed table has."""
    pairs = table[["mse", "pcc"]].notna().all(axis=1).sum()
    models, sets = table["model"].nunique(), table["data set"].nunique()
    return f"{models} models, {sets} data sets, {pairs} pairs of numbers ({lacking(table)})."


def about_average(means: pd.DataFrame) -> Words:
    """Who has the best averages, and whether one data set decides."""
    first = means["mean MSE"].idxmin()
    other = means["mean MSE without"].idxmin()
    worst = means["mean MSE"].idxmax()
    said = (
        f"{first} has the smallest mean error, {means.loc[first, 'mean MSE']:.3f}; without {LARGE} "
        f"{'it is still ' if first == other else ''}{other}, with "
        f"{means.loc[other, 'mean MSE without']:.3f}."
    )
    drop = 1 - means.loc[worst, "mean MSE without"] / means.loc[worst, "mean MSE"]
    return f"{said} The mean of {worst} falls by {drop:.0%} when that one data set goes."


def about_weights(found: pd.DataFrame) -> Words:
    """What share the heaviest data set has of the differences between mean errors."""
    first = found.iloc[0]
    said = (
        f"{first['data set']} alone accounts for {first['share']:.0%} of the differences between "
        "the mean errors of the models"
    )
    if first["share"] > 0.5:
        return f"{said}: more than the other {len(found) - 1} data sets together."
    return f"{said}; no data set decides alone."


def about_standings(found: pd.DataFrame, pairs: pd.DataFrame, what: Words) -> Words:
    """Which models share a letter with the first, and how many pairs are told apart."""
    lead = found.sort_values("mean rank", kind="stable")
    first = set(lead["letters"].iloc[0])
    ahead = [m for m, own in zip(lead["model"], lead["letters"], strict=True) if first & set(own)]
    apart = int(pairs["verdict"].isin(["better", "worse"]).sum())
    said = (
        f"By {what}, {apart} of {len(pairs)} pairs of models are told apart over "
        f"{found['n'].iloc[0]} data sets in {found['n_clusters'].iloc[0]} clusters."
    )
    if len(ahead) == 1:
        return f"{said} {ahead[0]} ranks first, and is told apart from all others."
    return f"{said} {ahead[0]} ranks first; not told from it: {listed(ahead[1:])}."


def about_pair(pairs: pd.DataFrame, one: str, other: str) -> Words:
    """Whether one model ranks before another one, of all pairs."""
    chosen = pairs[
        ((pairs["model"] == one) & (pairs["other"] == other))
        | ((pairs["model"] == other) & (pairs["other"] == one))
    ].iloc[0]
    sign = 1 if chosen["model"] == one else -1
    gap = sign * chosen["difference"]
    ends = sorted((sign * chosen["low"], sign * chosen["high"]))
    told = f"{abs(gap):.1f} ranks {'before' if gap < 0 else 'behind'} {other}"
    interval = f"95 % interval of the difference {ends[0]:.1f} to {ends[1]:.1f}".replace(
        "-", "\N{MINUS SIGN}"
    )
    if chosen["verdict"] in ("better", "worse"):
        return f"{one} is {told} on average ({interval}), which holds after correction."
    return f"{one} is {told} on average ({interval}): the two are not told apart."


def about_copies(found: pd.DataFrame) -> Words:
    """Which cells of the page are those of another data set, digit for digit."""
    if found.empty:
        return "No cell of the page repeats both numbers of another one."
    cells = [
        f"{r['model']} on {r['data set']} has both numbers of {r['model']} on {r['same as']} "
        f"({r['mse']:g} and {r['pcc']:g})"
        for r in found.to_dict("records")
    ]
    head = "One cell is" if len(found) == 1 else f"{len(found)} cells are"
    return f"{head} copied: {listed(cells)}. Which cell of a pair is right, the page does not say."


def about_tested(table: pd.DataFrame, tested: pd.Series, *, rng) -> Words:
    """Whether another model leads on data sets with a slide to test on than on those without.

    Parameters
    ----------
    table : DataFrame
        `data set`, `model`, `pcc`.
    tested : Series of bool
        Which of its rows are of a data set with a slide to test on.
    rng : numpy.random.Generator
        Of the bootstrap over clusters of data sets.
    """
    halves = [
        table[rows].pivot_table("pcc", "data set", "model", sort=False)
        for rows in (tested, ~tested)
    ]
    one, other = (half.mean().idxmax() for half in halves)
    said = (
        f"On the {len(halves[0])} data sets with a slide to test on {one} has the highest mean "
        f"correlation, on the other {len(halves[1])}"
    )
    if one == other:
        return f"{said} it has too."
    each = [(half[one] - half[other]).dropna() for half in halves]
    gaps = [cluster_bootstrap(gap, clusters(gap.index), rng=rng) for gap in each]
    said += (
        f" {other}. {one} less {other}: {with_interval(*gaps[0], 3)} on the former, "
        f"{with_interval(*gaps[1], 3)} on the latter"
    )
    if gaps[0][1] > 0 > gaps[1][2]:
        return f"{said}: another model leads."
    return f"{said}: that another model leads is not shown."
