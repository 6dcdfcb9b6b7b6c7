"""What is said of the published leaderboard: rows of scores, departures, sentences."""

import pandas as pd

from helpers import scores
from helpers.tasks.departures import Departure
from helpers.tasks.findings import listed
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
        "The data set with the largest errors otherwise decides the order alone.",
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
        "Where selection and report coincide, the model with most settings to choose from gains.",
    ),
    Departure(
        "Which model is best",
        "The smallest mean",
        "Letters of what is told apart, over all pairs",
        "design choice",
        "A difference in the third digit over 26 data sets is one that another 26 would turn.",
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
        f"{first['data set']} alone makes {first['share']:.0%} of what the mean errors of the "
        "models differ by"
    )
    if first["share"] > 0.5:
        return f"{said}: more than the other {len(found) - 1} data sets together."
    return f"{said}; no data set decides alone."


def about_standings(found: pd.DataFrame, pairs: pd.DataFrame, what: Words) -> Words:
    """Which models share the first letter, and how many pairs are told apart."""
    lead = found.sort_values("mean rank", kind="stable")
    letter = lead["letters"].iloc[0][0]
    ahead = [m for m, own in zip(lead["model"], lead["letters"], strict=True) if letter in own]
    apart = int(pairs["verdict"].isin(["better", "worse"]).sum())
    said = (
        f"By {what}, {apart} of {len(pairs)} pairs of models are told apart over "
        f"{found['n'].iloc[0]} data sets in {found['n_clusters'].iloc[0]} clusters."
    )
    if len(ahead) == 1:
        return f"{said} {ahead[0]} stands alone in front."
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
    return f"{head} copied: {listed(cells)}. Which of the two is right the page does not say."


def about_tested(with_test: pd.DataFrame, without: pd.DataFrame) -> Words:
    """Whether the order is the same on data sets with and without a slide to test on."""
    names = [m for m in with_test.index if m in without.index]
    a, b = with_test.loc[names, "mean PCC"], without.loc[names, "mean PCC"]
    rho = a.rank().corr(b.rank())
    said = (
        f"On the {int(with_test['data sets'].max())} data sets with a slide to test on "
        f"{a.idxmax()} has the highest mean correlation, on the other "
        f"{int(without['data sets'].max())} {b.idxmax()} "
        f"(rank correlation of the two orders {rho:.2f})"
    ).replace("-", "\N{MINUS SIGN}")
    if a.idxmax() == b.idxmax():
        return f"{said}: the same model leads."
    return f"{said}: another model leads."
