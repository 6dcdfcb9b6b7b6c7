"""Statements of Bontonou et al. (2023, 2025), judged from the scores of the tier's chapters."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.stats import mean_interval
from helpers.store import kept
from helpers.tasks.explanation.attribution_published import reported
from helpers.tasks.explanation.attribution_report import kept_draws, reproduction
from helpers.tasks.explanation.long_runs import ATTRIBUTIONS
from helpers.tasks.explanation.rankings import FAMILIES
from helpers.tasks.explanation.report import families_apart
from helpers.tasks.findings import listed, with_interval
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.verdicts import NOT_SHOWN, SHOWN, UNTESTABLE
from helpers.words import Words

FAITHFUL = "explanation/faithful-is-not-true"
ATTRIBUTION = "explanation/attribution"
MIXED = "explanation/heterogeneity"
METHODS = "explanation/methods"
PRACTICE = "explanation/practice"

UNDECIDED = "undecided"
ONE, CLASS, PGI = "feature_agreement_local", "feature_agreement_global", "pgi_local"
ACCURACY = "balanced_accuracy"
NAMES = {"logistic regression": "LR", "MLP": "MLP"}
CLOSE = 0.05
"""Accuracies closer than this are alike: models that the later paper calls close differ by as much
(BRCA-pam, 92.3 and 87.1 %)."""
SMALL = (10, 20)
"""Genes of small sets."""


@dataclass(frozen=True)
class Claim:
    """A published statement, and how it is judged.

    Parameters
    ----------
    statement, published, differ : str
        In the words of the source; what was published; why ours differ.
    judge : callable
        Of the score tables to what is found and the verdict. `CannotAnswer` where there is nothing
        to judge by.
    """

    statement: Words
    published: Words
    differ: Words
    judge: Callable[[Mapping[str, pd.DataFrame]], tuple[Words, str]]


def rows(claims: Iterable[Claim], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Claims, judged, as `helpers.tasks.findings.Ledger` asks; one row each."""
    told = []
    for claim in claims:
        try:
            ours, verdict = claim.judge(tables)
            told.append([claim.statement, claim.published, ours, claim.differ, verdict])
        except CannotAnswer as refusal:
            told.append([claim.statement, claim.published, "", refusal.reason, UNTESTABLE])
    columns = ["claim", "published", "ours", "why they differ", "verdict"]
    return pd.DataFrame(told, columns=columns)


def verdict_of(changes: Iterable[pd.Series], *, above: float = 0.0) -> str:
    """Verdict on a statement that every change (`low`, `high`) is above a value.

    One interval below it: not seen. All above: shown. Else, or without an interval: undecided.
    """
    ends = pd.DataFrame([change[["low", "high"]] for change in changes], dtype=float)
    if (ends["high"] < above).any():
        return NOT_SHOWN
    return SHOWN if (ends["low"] > above).all() else UNDECIDED


def alike(found: pd.Series) -> str:
    """Verdict on a statement that a difference (`low`, `high`) of accuracies is none."""
    if found["low"] > -CLOSE and found["high"] < CLOSE:
        return SHOWN
    return NOT_SHOWN if found["low"] > CLOSE or found["high"] < -CLOSE else UNDECIDED


def change(first: pd.Series, last: pd.Series, *, confidence: float = 0.95) -> pd.Series:
    """`mean`, `low`, `high` of last less first, over the draws or trainings that both have.

    The interval is that of a mean (t distribution); NaN with one draw.
    """
    found = (last - first).dropna()
    if found.empty:
        raise CannotAnswer("the two were not scored on the same draws or trainings")
    low = high = np.nan
    if len(found) > 1:
        low, high = mean_interval(found, confidence=confidence)
    return pd.Series({"mean": found.mean(), "low": low, "high": high})


def means_of(table: pd.DataFrame, by: str, **where: str) -> pd.Series:
    """Mean score by draw (`cluster`) or training (`seed`) of the rows that all columns name."""
    own = table
    for column, value in where.items():
        own = own[own[column] == value]
    own = own.dropna(subset=["value"])
    if own.empty:
        raise CannotAnswer(f"not scored: {', '.join(where.values())}")
    return own.groupby(by)["value"].mean()


def points(found: pd.Series) -> str:
    """A change of shares in percentage points."""
    said = with_interval(*(100 * found[["mean", "low", "high"]]), 1)
    return said.replace(" (", " points (", 1)


def _beside(told: Mapping[str, pd.Series]) -> str:
    return listed(f"{name} {points(found)}" for name, found in told.items())


def scores_of(tables: Mapping[str, pd.DataFrame], page: str) -> pd.DataFrame:
    """Scores of a chapter; `CannotAnswer` where it left none."""
    if page not in tables:
        raise CannotAnswer(f"{page} left no scores")
    return tables[page]


def not_enough(tables) -> tuple[str, str]:
    """A model that needs its genes, and names fewer of the planted ones than can be named."""
    table, where = scores_of(tables, FAITHFUL), {"dataset": "2 groups a gene", "metric": CLASS}
    own = means_of(table, "cluster", model="MLP", **where)
    short = change(own, means_of(table, "cluster", model="planted truth", **where))
    gap = means_of(table, "cluster", model="MLP", **(where | {"metric": PGI})).mean()
    ours = f"FA of a class: the ceiling less the MLP {points(short)}; PGI of the MLP {gap:.0%}"
    return ours, verdict_of([short])


def shared_genes(tables) -> tuple[str, str]:
    """Agreement where groups share no gene, less that where they do."""
    designs = ("2 groups a gene", "no gene shared")
    falls = {
        name: change(
            *(
                means_of(
                    scores_of(tables, FAITHFUL), "cluster", metric=ONE, model=model, dataset=design
                )
                for design in designs
            )
        )
        for model, name in NAMES.items()
    }
    return f"FA of a sample falls by: {_beside(falls)}", verdict_of(falls.values())


def lost_by_mixing(tables, model: str) -> pd.Series:
    """Agreement of a class without hidden subtypes less that with five, by draw."""
    one, five = (
        means_of(scores_of(tables, MIXED), "cluster", metric=CLASS, model=model, dataset=design)
        for design in ("one kind", "five kinds")
    )
    return one - five


def mixed_classes(tables) -> tuple[str, str]:
    """What averages lose when a class hides five subtypes."""
    lost = {name: lost_by_mixing(tables, model) for model, name in NAMES.items()}
    falls = {name: change(0 * own, own) for name, own in lost.items()}
    return f"FA of a class falls by: {_beside(falls)}", verdict_of(falls.values())


def network_loses_less(tables) -> tuple[str, str]:
    """What logistic regression loses by hidden subtypes, less what the MLP loses."""
    regression, network = (lost_by_mixing(tables, model) for model in NAMES)
    more = change(network, regression)
    return f"FA of a class, the fall of LR less that of the MLP: {points(more)}", verdict_of([more])


def diffusion(tables) -> tuple[str, str]:
    """Agreement of diffused explanations less plain ones, where groups share no gene."""
    table = scores_of(tables, ATTRIBUTION)
    table = table[
        table["dataset"].isin(["SIMU1", "small SIMU1"]) & (table["protocol"] == "published")
    ]
    gains = {
        name: change(
            means_of(table, "cluster", model=name, metric=ONE),
            means_of(table, "cluster", model=name, metric=f"{ONE}_diffused"),
        )
        for name in NAMES.values()
    }
    return f"FA of a sample rises by: {_beside(gains)}", verdict_of(gains.values())


def published_tables(tables) -> tuple[str, str]:
    """Published values inside what another draw of our runs at their size would give."""
    from scipy.stats import binom

    table = scores_of(tables, ATTRIBUTION)
    own = table[table["dataset"].isin(reported()["dataset"]) & (table["protocol"] == "published")]
    draws = "our draws"
    if own.empty:
        if (stored := kept.load(ATTRIBUTIONS)) is None:
            raise CannotAnswer("data sets of the published sizes are drawn at preset full only")
        own = kept_draws(stored.table)
        draws = "our kept draws" + (", which are outdated," if stored.changed else "")
    found = reproduction(own).dropna(subset=["low", "high"])
    if found.empty:
        raise CannotAnswer("one draw says nothing of another")
    n_out, n = int((~found["inside"]).sum()), len(found)
    ours = f"{n - n_out} of {n} values lie inside what another of {draws} would give (95 %)"
    if n_out == 0:
        return ours, "reproduced"
    return ours, "contradicted" if binom.sf(n_out - 1, n, 0.05) < 0.05 else UNDECIDED


def families(tables) -> tuple[str, str]:
    """Whether lists of one kind share more genes than a test and a learned list."""
    table = scores_of(tables, METHODS)
    real = table.loc[table["task"] == "retraining", "dataset"]
    own = table[(table["task"] == "rank-overlap") & table["dataset"].isin(real)]
    if own.empty:
        raise CannotAnswer("no lists of real genes were compared")
    other = own["unit"].mask(own["unit"] == "itself", own["model"])
    wide = own.assign(other=other).pivot_table("value", "model", "other")
    apart, p = families_apart(wide.combine_first(wide.T))
    if np.isnan(apart):
        raise CannotAnswer("some lists were not made")
    ours = (
        f"two lists of one kind, tests or learned, share {100 * apart:.0f} points more of their "
        f"best genes than a test and a learned list do (p = {p:.3f}, over all ways to deal the "
        "methods)"
    ).replace("-", "\N{MINUS SIGN}")
    return ours, SHOWN if p <= 0.05 else NOT_SHOWN if p >= 0.95 else UNDECIDED


def _trained_anew(tables, page: str = PRACTICE) -> pd.DataFrame:
    """Scores of an MLP trained anew on `k` real genes of a `selection`."""
    own = scores_of(tables, page)
    own = own[own["task"] == "retraining"]
    if own.empty:
        raise CannotAnswer("no model was trained anew on real genes")
    given = pd.DataFrame(own["params"].map(json.loads).tolist(), index=own.index)
    return own.assign(k=given["k"], selection=given["selection"])


def small_sets(tables) -> tuple[str, str]:
    """Accuracy on few best genes, less that on all: by several trainings, and by other lists.

    The other lists are those that see the classes; each is trained once. Where numbers or lists
    disagree it is undecided.
    """
    table = scores_of(tables, FAITHFUL)
    real = table[table["dataset"].str.endswith(", true classes")]
    everything = means_of(real, "seed", model="MLP", metric=ACCURACY)
    best, lists = (
        anew[anew["k"].isin(SMALL) & (anew["selection"] == "best")]
        for anew in (_trained_anew(tables), _trained_anew(tables, METHODS))
    )
    if best.empty:
        raise CannotAnswer(f"no model was trained anew on the {SMALL[0]} or {SMALL[1]} best genes")
    found = {
        f"{k} genes": change(everything, own.groupby("seed")["value"].mean())
        for k, own in best.groupby("k")
    }
    seen = [m for m, family in FAMILIES.items() if family != "no class" and m != "IG, MLP"]
    others = lists.loc[lists["model"].isin([f"MLP on genes of {m}" for m in seen]), "value"]
    n, near = len(others), int((others - everything.mean() > -CLOSE).sum())
    ours = f"an MLP trained on the best genes by its explanation, less one on all: {_beside(found)}"
    verdicts = {verdict_of([one], above=-CLOSE) for one in found.values()}
    if n:
        ours += (
            f"; of {n} other choice{'s' * (n > 1)} of list and number, each trained once, {near} "
            f"{'are' if near != 1 else 'is'} less than {100 * CLOSE:.0f} points below one on all"
        )
        verdicts |= {SHOWN} if near == n else {NOT_SHOWN} if near == 0 else {UNDECIDED}
    return ours, verdicts.pop() if len(verdicts) == 1 else UNDECIDED


def lower_ranks(tables) -> tuple[str, str]:
    """Accuracy on more genes that are not among the best, less that on the ten best."""
    anew = _trained_anew(tables)
    others = anew[anew["selection"] == "random without best"]
    if others.empty:
        raise CannotAnswer("too few real genes to leave the best ones out")
    most = int(others["k"].max())
    best = means_of(anew[anew["k"] == SMALL[0]], "seed", selection="best")
    found = change(best, means_of(others[others["k"] == most], "seed"))
    ours = f"an MLP trained on {most} others, less one on the {SMALL[0]} best: {points(found)}"
    return ours, verdict_of([found], above=-CLOSE)


def simple_and_deep(tables) -> tuple[str, str]:
    """Accuracy of logistic regression less that of the MLP, on real profiles."""
    table = scores_of(tables, FAITHFUL)
    real = table[table["dataset"].str.endswith(", true classes")]
    regression, network = (means_of(real, "seed", model=m, metric=ACCURACY) for m in NAMES)
    found = change(network, regression)
    return f"LR less MLP: {points(found)}", alike(found)


SMALLER = "designs of the same kind, with fewer genes, classes and samples"
LATER = f"{SMALLER}; the published values are of later work"
ONE_SET = "one data set, intervals over trainings"
ENOUGH = f"{ONE_SET}; enough is an interval wholly above a loss of {100 * CLOSE:.0f} points"
ALIKE = f"{ONE_SET}; alike is an interval wholly within {100 * CLOSE:.0f} points of zero"
OF_2023 = (
    Claim(
        "Ranking features by importance is not enough to robustly identify biomarkers",
        "abstract; README, SIMU2, MLP: FA of a class 87.8 %, PGI 98.0 %",
        f"{SMALLER}; the abstract speaks of TCGA, whose truth nobody knows",
        not_enough,
    ),
    Claim(
        "Explanations of samples name fewer informative genes where groups share genes",
        "README, FA of a sample, SIMU1 to SIMU2: LR 72.8 to 46.5 %, MLP 74.2 to 46.0 %",
        f"{SMALLER}; what the ceiling loses is not taken off",
        shared_genes,
    ),
    Claim(
        "Explanations of a class name fewer informative genes as it hides more subtypes",
        "README, FA of a class, SimuA to SimuC: LR 99.9 to 79.5 %, MLP 100.0 to 90.5 %",
        LATER,
        mixed_classes,
    ),
    Claim(
        "... and those of logistic regression lose more by it than those of the network",
        "README, the same: LR loses 20.4 points, MLP 9.5",
        LATER,
        network_loses_less,
    ),
    Claim(
        "Smoothing explanations of samples over a graph of genes raises their agreement",
        "README, FA of a sample, SIMU1: LR 72.8 to 77.7 %, MLP 74.2 to 75.9 %",
        f"{SMALLER}; the graph is right there, as no group shares a gene",
        diffusion,
    ),
    Claim(
        "The tables of the README",
        "ten trainings on one draw of each of five data sets",
        "values of one draw depend on one another: the count is a rough guide",
        published_tables,
    ),
)
OF_2025 = (
    Claim(
        "The top genes differ strongly between methods, above all statistical and learned ones",
        "abstract",
        "one data set, whose genes its makers chose",
        families,
    ),
    Claim("A small set of top genes suffices to classify", "abstract", ENOUGH, small_sets),
    Claim(
        "Similar accuracy is reached with genes of lower rank, if there are more of them",
        "abstract",
        ENOUGH,
        lower_ranks,
    ),
    Claim(
        "Simple and deep models classify alike",
        "README, balanced accuracy, LR (L2) less MLP: \N{MINUS SIGN}1.0 to 3.3 points",
        ALIKE,
        simple_and_deep,
    ),
)
