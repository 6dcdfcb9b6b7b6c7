"""What the tier answers: can an explanation be believed?"""

import numpy as np
import pandas as pd

from helpers.plots.page import number
from helpers.tasks.explanation import claims
from helpers.tasks.findings import Finding, Ledger, listed
from helpers.tasks.requirements import CannotAnswer

EASY, HARD = "no gene shared", "4 groups a gene"
MODEL = "MLP"
EXPLAINED = ("MLP", "L2 regression")
TRUE, ONE, FAITHFUL = claims.CLASS, claims.ONE, claims.PGI


def faithful_and_true(tables, *, n_resamples: int, seed: int) -> str:
    """How far agreement with planted genes, and faithfulness, move when groups share genes."""
    table = tables["explanation/faithful-is-not-true"]
    own = table[(table["model"] == MODEL) & table["dataset"].isin([EASY, HARD])]
    by_draw = own.groupby(["metric", "dataset", "seed"])["value"].mean()
    found = {}
    for metric in (TRUE, ONE, FAITHFUL):
        if metric not in by_draw.index or by_draw[metric].index.unique("dataset").size < 2:
            what = "faithfulness" if metric == FAITHFUL else "agreement with planted genes"
            raise CannotAnswer(f"{what} was not scored in both simulations ({EASY}; {HARD})")
        wide = by_draw[metric].unstack("dataset").dropna()  # noqa: PD010
        found[metric] = claims.change(wide[EASY], wide[HARD])
        found[metric]["easy"], found[metric]["hard"] = wide[EASY].mean(), wide[HARD].mean()
    return about_faith(found[TRUE], found[ONE], found[FAITHFUL])


def faith_in_short(table: pd.DataFrame) -> str:
    """The answer of the page, of the scores that it leaves."""
    tables = {"explanation/faithful-is-not-true": table}
    try:
        return faithful_and_true(tables, n_resamples=1, seed=0)
    except CannotAnswer as refusal:
        return f"Not answered in this build: {refusal.reason}."


def about_faith(true: pd.Series, one: pd.Series, faithful: pd.Series) -> str:
    """The sentence, of the changes (`mean`, `low`, `high`), and where they start and end.

    Parameters
    ----------
    true, one, faithful : Series
        Agreement with planted genes, of class averages and of single samples; faithfulness.
    """

    easy, hard, easy_one, hard_one = (
        f"{100 * found[end]:.0f} %" for found in (true, one) for end in ("easy", "hard")
    )
    says = (
        f"of the planted genes, the average explanation of a class by a network names {easy} where "
        f"groups of genes share none and {hard} where a gene is in four groups on average, a "
        f"change of {claims.points(true)}; the explanation of a single sample names {easy_one} and "
        f"{hard_one}. Its faithfulness, the prediction gap, changes by {claims.points(faithful)}."
    )
    if np.isnan([true["low"], faithful["low"]]).any():
        return f"Too few draws were made to say: {says}"
    if true["high"] < 0 and true["high"] < faithful["low"]:
        return f"Not for being faithful to its model: {says}"
    if true["high"] < 0 and faithful["high"] < 0:
        return f"As far as faithfulness warns of it: {says}"
    if true["high"] < 0:
        return f"Whether faithfulness warns of it is undecided: {says}"
    head = "Nothing here speaks against it" if true["low"] > 0 else "It is undecided"
    return f"{head}: {says}"


def tests_or_explanations(tables, *, n_resamples: int, seed: int) -> str:
    """Explanations of a network and of a regression against Welch's test, in each design."""
    table = tables[claims.METHODS]
    own = table[(table["task"] == "attribution") & (table["metric"] == TRUE)]
    pairs = [(model, design) for model in EXPLAINED for design in own["dataset"].unique()]
    changes = {}
    for model, design in pairs:
        here = own[own["dataset"] == design]
        shares = (claims.means_of(here, "cluster", model=m) for m in ("Welch t", f"IG, {model}"))
        changes[model, design] = claims.change(*shares, confidence=1 - 0.05 / len(pairs))
    return about_tests(changes)


def about_tests(changes: dict[tuple[str, str], pd.Series]) -> str:
    """The sentence, of what explanations name beyond the test.

    Parameters
    ----------
    changes : dict of (model, design) to `mean`, `low`, `high`
        The intervals hold for all of them together.
    """
    if not changes:
        raise CannotAnswer("no list of genes was scored against planted ones")
    ends = pd.DataFrame(changes).T.astype(float)
    better, worse = ends["low"] > 0, ends["high"] < 0
    if better.all():
        head = "Yes"
    elif better.any() and worse.any():
        head = "It depends on the design, or on the model"
    elif better.any():
        head = "Shown in some comparisons only"
    elif worse.all():
        head = "No, the test is better"
    elif worse.any():
        head = "Not shown in any comparison, and the test is better in some"
    else:
        head = "It is undecided"
    each = "; ".join(
        f"for the {model} "
        + listed(
            f"{_points(mean, low, high)} with {design}"
            for design, mean, low, high in own.droplevel(0).itertuples()
        )
        for model, own in ends.groupby(level=0, sort=False)
    )
    level = (
        "Not every comparison has more than one draw, and so an interval."
        if ends.isna().any(axis=None)
        else f"In brackets: intervals, 95 % for all {len(ends)} together."
    )
    return (
        f"{head}: the share of planted genes that an explanation names, less that of Welch's test, "
        f"is {each}. {level}"
    )


def _points(mean: float, low: float, high: float) -> str:
    value, *ends = (number(100 * v, 1) for v in (mean, low, high))
    return f"{value} points" + ("" if np.isnan(low) else f" ({ends[0]} to {ends[1]})")


def averages(tables, *, n_resamples: int, seed: int) -> str:
    """Averages over a class of five subtypes against averages over clusters of explanations."""
    own = tables[claims.MIXED]
    own = own[(own["metric"] == TRUE) & (own["dataset"] == "five kinds")]
    names = ("average of the class", "average of its cluster", "single samples")
    of_class, of_cluster, single = (
        claims.means_of(own, "cluster", model=f"MLP, {name}") for name in names
    )
    return about_averages(claims.change(of_class, of_cluster), of_class.mean(), single.mean())


def about_averages(gain: pd.Series, of_class: float, single: float) -> str:
    """The sentence.

    Parameters
    ----------
    gain : Series
        `mean`, `low`, `high` of what averages over clusters name beyond the class average.
    of_class, single : float
        Agreement of the class average, and of explanations of single samples.
    """
    says = (
        "of a subtype's planted genes, the average over a class of five subtypes names "
        f"{100 * of_class:.0f} %, and explanations of single samples {100 * single:.0f} %. "
        "Averages over clusters of explanations, whose number is given, differ from the class "
        f"average by {claims.points(gain)}."
    )
    if gain["low"] > 0:
        return f"All its subtypes at once, and each less well than its own cluster does: {says}"
    if gain["high"] < 0:
        return f"Each of its subtypes, better than its own cluster does: {says}"
    return f"It is undecided: {says}"


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
    Finding(
        "Does explaining a model find more of the genes that differ than a test does?",
        claims.METHODS,
        (claims.METHODS,),
        tests_or_explanations,
        "simulated classes that differ in the means of their planted genes",
        "classes that differ in combinations of genes only",
    ),
    Finding(
        "Whom does the average explanation of a mixed class describe?",
        claims.MIXED,
        (claims.MIXED,),
        averages,
        "a simulated class of five equally large subtypes, and a network",
        "rare subtypes, clusters whose number is not known",
    ),
)


def of_paper(own):
    """Rows of a paper's claims, as a `Ledger` asks."""
    return lambda tables, *, n_resamples, seed: claims.rows(own, tables)


# No chapter is needed: a claim without its scores says so, and the others are judged.
CLAIMS = (
    Ledger("Bontonou et al. 2023", "explanation/claims", (), of_paper(claims.OF_2023)),
    Ledger("Bontonou et al. 2025", "explanation/claims", (), of_paper(claims.OF_2025)),
)
