"""Statements of Ahlmann-Eltze et al. (2025) on screens whose truth is known, each with a verdict.

What the authors' own scores say of them is judged in `published_claims`. Here the question is
whether the mechanism is at work elsewhere, in worlds that were built to have it or to lack it. All
comparisons that a claim rests on are corrected as one family.
"""

from collections.abc import Mapping

import pandas as pd

from helpers.comparisons import as_family
from helpers.tasks.effects.held_out_report import against, chosen
from helpers.tasks.effects.interactions_report import MATCHED, NOTHING
from helpers.tasks.effects.summary import simulated
from helpers.tasks.findings import listed
from helpers.tasks.verdicts import BOTH, IN_PART, NOT_SHOWN, SHOWN, UNTESTABLE

UNDECIDED = "undecided on other data"
GLOSSES = {
    SHOWN: "mechanism shown in all worlds",
    IN_PART: "shown in part (the other worlds leave it open)",
    BOTH: "both ways (borne out in some worlds, turned around in others)",
    NOT_SHOWN: "mechanism not seen",
    UNDECIDED: "undecided",
}
"""Verdicts of simulated worlds as the first lines of a page say them."""

COLUMNS = ["claim", "found", "verdict", "missing"]


def verdict_of(bears: list[bool | None]) -> str:
    """Verdict of worlds that bear a claim out (True), turn it around (False), or leave it (None).

    All bear it out: shown. None does and one turns it around: not seen. Some of each: both ways.
    """
    if not bears:
        return UNTESTABLE
    if True in bears and False in bears:
        return BOTH
    if True in bears:
        return SHOWN if None not in bears else IN_PART
    return NOT_SHOWN if False in bears else UNDECIDED


def found_here(
    tables: Mapping[str, pd.DataFrame], *, n_resamples: int = 5_000, seed: int = 0
) -> pd.DataFrame:
    """The claims, what simulated worlds say, the verdict, and what the paper's own data would take.

    Parameters
    ----------
    tables : mapping of page to its score table
    n_resamples, seed : int

    Returns
    -------
    DataFrame with `COLUMNS`
    """
    given = dict(n_resamples=n_resamples, seed=seed)
    doubles = _pairs(simulated(tables, "doubles"), "additive", "l2", given)
    interact = simulated(tables, "interactions")
    interact = interact[interact["dataset"] != NOTHING]
    plain = _pairs(interact, "no change", "interaction_auroc", given)
    matched = _pairs(interact, "no change", MATCHED, given)
    unseen = _pairs(simulated(tables, "unseen-perturbations"), "mean", "l2", given)
    transfer = _pairs(simulated(tables, "transfer"), "mean, own context", "l2", given)
    missing = "predictions of the models on one set of genes"
    rows = [
        (
            "Nothing predicts two perturbations better than adding their single effects",
            *none_better(doubles),
            missing,
        ),
        (
            "No model finds more genetic interactions than no change",
            *none_better(plain),
            "predictions of all doubles",
        ),
        (
            "... also among genes of one additive magnitude",
            *none_better(matched),
            "predictions of all doubles",
        ),
        (
            "The mean of the training perturbations is not beaten by a linear model of that screen",
            *one(unseen, "linear model", better=False),
            "more perturbations",
        ),
        (
            "A linear model with random embeddings of genes is as good as the mean",
            *one(unseen, "linear model, random G", better=False),
            "nothing: their scores say it",
        ),
        (
            "What is known of perturbations from elsewhere makes the linear model better",
            *one(unseen, "linear model, known P", better=True),
            "screens of other lines",
        ),
        (
            "An embedding from another context makes the linear model better than the mean",
            *one(transfer, "linear model, P of other contexts", better=True),
            "screens of other lines",
        ),
        (
            "Gene embeddings of single-cell foundation models do not help",
            "no weights are at hand",
            UNTESTABLE,
            "weights, or the embeddings as files",
        ),
        (
            "Deep models are no better than linear ones because screens are small",
            "not a comparison of models: see the page of small deep models",
            UNTESTABLE,
            "the same models on screens of growing size",
        ),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _pairs(rows: pd.DataFrame, reference: str, metric: str, given: dict) -> pd.DataFrame:
    if rows.empty:
        return pd.DataFrame()
    found = against(chosen(rows, metric), reference, metric=metric, **given)
    if found.empty:
        return found
    return found.assign(world=found["dataset"].str.removeprefix("simulated: "))


def none_better(pairs: pd.DataFrame) -> tuple[str, str]:
    """Whether any candidate is better than the reference, world by world."""
    if pairs.empty:
        return "not scored in this build", UNTESTABLE
    bears, said = [], []
    family = as_family(pairs[pairs["role"] == "candidate"])
    for world, own in family.groupby("world", sort=False):
        better = list(own.loc[own["verdict"] == "better", "model"])
        settled = own["verdict"].isin(["worse", "tied"]).all()
        if own["difference"].isna().all():
            continue  # nothing to find in this world
        bears.append(False if better else True if settled else None)
        said.append(
            f"{world}: {listed(better)} better" if better else f"{world}: none shown to be better"
        )
    return "; ".join(said) or "nothing to compare", verdict_of(bears)


def one(pairs: pd.DataFrame, model: str, *, better: bool) -> tuple[str, str]:
    """Whether one model is (or is not) better than the reference, world by world."""
    own = pairs[pairs["model"] == model] if len(pairs) else pairs
    if own.empty:
        return "not scored in this build", UNTESTABLE
    bears, said = [], []
    for row in as_family(own).itertuples():
        said.append(f"{row.world}: {row.verdict}")
        if row.verdict in ("undecided", "cannot"):
            bears.append(None)
        else:
            bears.append((row.verdict == "better") == better)
    return "; ".join(said), verdict_of(bears)


def tally_said(own: pd.DataFrame | None, worlds: pd.DataFrame) -> str:
    """How many claims got which verdict, by the paper's own scores and where the truth is known.

    `own` is None where the scores could not be had.
    """
    theirs = (
        "The authors' own scores are not at hand."
        if own is None
        else f"By the authors' own scores, {_tally(own)}."
    )
    return f"{theirs} In worlds whose truth is known, {_tally(worlds)}."


def _tally(table: pd.DataFrame) -> str:
    counts = table["verdict"].str.split(";").str[0].value_counts(sort=False)
    each = "; ".join(f"{n} {GLOSSES.get(verdict, verdict)}" for verdict, n in counts.items())
    return f"of {len(table)} claims: {each}"
