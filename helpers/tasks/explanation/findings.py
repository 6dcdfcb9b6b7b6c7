"""What the tier answers: can an explanation be believed?"""

import numpy as np
import pandas as pd

from helpers.stats import mean_interval
from helpers.tasks.findings import Finding, with_interval
from helpers.tasks.requirements import CannotAnswer

EASY, HARD = "no gene shared", "4 groups a gene"
MODEL = "MLP"
TRUE, FAITHFUL = "feature_agreement_global", "pgi_local"


def faithful_and_true(tables, *, n_resamples: int, seed: int) -> str:
    """How far agreement with planted genes, and faithfulness, move when classes share genes."""
    table = tables["explanation/faithful-is-not-true"]
    own = table[(table["model"] == MODEL) & table["dataset"].isin([EASY, HARD])]
    by_draw = own.groupby(["metric", "dataset", "seed"])["value"].mean()
    found = {}
    for metric in (TRUE, FAITHFUL):
        if metric not in by_draw.index or by_draw[metric].index.unique("dataset").size < 2:
            what = "agreement with planted genes" if metric == TRUE else "faithfulness"
            raise CannotAnswer(f"{what} was not scored in both simulations ({EASY}; {HARD})")
        wide = by_draw[metric].unstack("dataset").dropna()  # noqa: PD010
        change = wide[HARD] - wide[EASY]
        ends = mean_interval(change) if len(change) > 1 else (np.nan, np.nan)
        values = [change.mean(), *ends, wide[EASY].mean(), wide[HARD].mean()]
        found[metric] = pd.Series(values, ["mean", "low", "high", "easy", "hard"])
    return about_faith(found[TRUE], found[FAITHFUL])


def about_faith(true: pd.Series, faithful: pd.Series) -> str:
    """The sentence, of the changes of both (`mean`, `low`, `high`) and where they start and end."""
    says = (
        f"an explanation of a network names {true['easy']:.0%} of the planted genes where classes "
        f"share none and {true['hard']:.0%} where they share them, a change of "
        f"{with_interval(*true[['mean', 'low', 'high']])}; its faithfulness changes by "
        f"{with_interval(*faithful[['mean', 'low', 'high']])}."
    )
    if np.isnan([true["low"], faithful["low"]]).any():
        return f"Too few draws were made to say: {says}"
    if true["high"] < 0 and faithful["high"] >= 0:
        return f"Not because it is faithful to its model: {says}"
    if true["high"] < 0:
        return f"As far as faithfulness warns of it: {says}"
    return f"Nothing here speaks against it: {says}"


FINDINGS = (
    Finding(
        "Can an explanation be believed?",
        "explanation/faithful-is-not-true",
        ("explanation/faithful-is-not-true",),
        faithful_and_true,
        "simulated profiles whose informative genes are planted, and Integrated Gradients",
        "another simulation, another method of explanation",
        front=True,
    ),
)
