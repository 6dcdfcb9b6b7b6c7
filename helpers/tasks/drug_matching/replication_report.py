"""What is said of second measurements."""

import pandas as pd

from helpers.stats import cluster_means, wilson_interval
from helpers.tasks.findings import with_interval


def about_diseases(found: pd.DataFrame) -> str:
    """How many diseases find their own contrast first."""
    if found.empty:
        return "No disease was measured twice."
    n, first = len(found), int((found["place"] == 1).sum())
    low, high = wilson_interval(first, n)
    says = (
        f"{first} of {n} diseases (95 % interval {low:.0%} to {high:.0%}) find their own contrast "
        f"first of {found['n'].iloc[0]}; Spearman is {found['own'].mean():.2f} with their own and "
        f"{found['others'].mean():.2f} with others"
    )
    return f"{_head('diseases', low, high, chance=1 / found['n'].iloc[0])}: {says}."


def about_drugs(found: pd.DataFrame, *, rng) -> str:
    """How high a drug's own signature stands among all."""
    if found.empty:
        return "No drug was measured twice."
    (row,) = cluster_means(found["percentile"].to_numpy(), found["unit"], rng=rng).itertuples()
    says = (
        f"by the second measurement a drug's own signature stands above a share of "
        f"{with_interval(row.mean, row.low, row.high)} of the others, where chance is 0.5, and "
        f"first in {found['first'].mean():.1%} of cases (means over {len(found)} drugs)"
    )
    return f"{_head('drugs', row.low, row.high, chance=0.5)}: {says}."


def _head(what: str, low: float, high: float, *, chance: float) -> str:
    if low > chance:
        return f"{what.capitalize()} replicate"
    if high < chance:
        return f"{what.capitalize()} do not replicate"
    return f"It is undecided whether {what} replicate"


def about_strata(means: pd.DataFrame) -> str:
    """Whether reversal does better with drugs that replicate; means by stratum."""
    if len(means) < 2:
        return "Too few drugs were measured twice to be divided."
    own = means.set_index("stratum")
    better, worse = own.loc["replicate better"], own.loc["replicate worse"]
    says = (
        f"{with_interval(better['mean'], better['low'], better['high'])} among drugs that "
        f"replicate better, {with_interval(worse['mean'], worse['low'], worse['high'])} among the "
        "others"
    )
    if better["low"] > worse["high"]:
        return f"Reversal is better where drugs replicate: {says}."
    if better["high"] < worse["low"]:
        return f"Reversal is worse where drugs replicate: {says}."
    return f"It is undecided whether reversal is better where drugs replicate: {says}."
