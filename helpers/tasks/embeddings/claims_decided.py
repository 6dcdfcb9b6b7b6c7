"""How a claim is decided: paired comparisons, corrected as one family, and a verdict on all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.comparisons import as_family, compare, equivalence_margin, flipped_clusters, paired
from helpers.metrics.embeddings.facts import METRICS
from helpers.stats import MIN_UNITS, direction, resample_means
from helpers.tasks.embeddings.questions import Question, anchors
from helpers.tasks.verdicts import BOTH, IN_PART, NOT_SHOWN, SHOWN

UNDECIDED, CANNOT = "undecided on other data", "too little data here"

LEVEL = 0.05
N_RESAMPLES = 10_000
_UNIT = ["dataset", "split", "unit", "seed"]
_NOTHING = ("difference", "low", "high", "p_value", "p_holm", "least_p", "least_p_holm")


def between(
    scores: pd.DataFrame,
    question: Question,
    model: str,
    other: str,
    *,
    by: str = "model",
    margin: float | None = None,
    n_resamples: int = N_RESAMPLES,
    rng,
) -> pd.Series:
    """One comparison of two values of a column, on the units that both are scored on.

    Parameters
    ----------
    scores : DataFrame
        Rows of the metric of the question, floors and ceiling among them.
    question : Question
    model, other : str
    by : str
        Column that holds them.
    margin : float, optional
        Differences that do not matter; default: a tenth of the way from floor to ceiling.
    n_resamples : int
    rng : numpy.random.Generator

    Returns
    -------
    Series
        A row of `helpers.comparisons.compare`; its verdict is *cannot*, and its numbers NaN, where
        both are scored on units of fewer than `MIN_UNITS` clusters.

    Raises
    ------
    KeyError
        One of them has no row.
    """
    for name in (model, other):
        if not (scores[by] == name).any():
            raise KeyError(f"{question.task}: no scores of {by} {name!r}")
    own = scores[scores[by].isin([model, other])]
    scored = own[own["value"].notna()]
    shared = scored.groupby(_UNIT)["cluster"].agg(["first", "size"])
    n_clusters = shared.loc[shared["size"] == 2, "first"].nunique()
    if n_clusters < MIN_UNITS:
        row = {"model": model, "other": other} | dict.fromkeys(_NOTHING, np.nan)
        return pd.Series(row | {"verdict": "cannot", "n_clusters": n_clusters})
    both = paired(own, by=by, missing="drop")
    margin = equivalence_margin(*anchors(scores, question)) if margin is None else margin
    return compare(
        both.table[[model, other]],
        both.clusters,
        better=METRICS[question.metric].better,
        margin=margin,
        n_resamples=n_resamples,
        rng=rng,
    ).iloc[0]


def verdicts(compared: Mapping[str, pd.Series]) -> dict[str, str]:
    """Verdicts of comparisons that decide one claim, by their names: Holm's over all of them."""
    table = as_family(pd.DataFrame(list(compared.values())).reset_index(drop=True))
    return dict(zip(compared, table["verdict"], strict=True))


def tally(found: Mapping[str, str]) -> str:
    """Verdicts in words: "better in 2 (a; b), tied in 1 (c)"."""
    parts = []
    for verdict in ("better", "tied", "worse", "undecided", "cannot"):
        names = [name for name, one in found.items() if one == verdict]
        if names:
            word = "too little data" if verdict == "cannot" else verdict
            parts.append(f"{word} in {len(names)} ({'; '.join(names)})")
    return ", ".join(parts)


def decide(found: Mapping[str, str], *, every: bool = False) -> str:
    """Verdict on a claim that one side is better.

    Parameters
    ----------
    found : mapping
        Of a comparison to its verdict, corrected for all of them.
    every : bool
        The claim is of the best, or of all, so that each comparison has to be better, and one that
        is worse refutes it; else more than half of them, and none worse.

    Returns
    -------
    str
        `SHOWN`; `IN_PART`, better somewhere and worse nowhere, but not in so many; `BOTH`;
        `NOT_SHOWN`, refuted, or tied or worse throughout; `CANNOT`, no comparison could be decided;
        or `UNDECIDED`.
    """
    n = {v: list(found.values()).count(v) for v in ("better", "worse", "tied", "cannot")}
    if every and n["worse"]:
        return NOT_SHOWN
    if n["better"]:
        if n["worse"]:
            return BOTH
        enough = n["better"] == len(found) if every else 2 * n["better"] > len(found)
        return SHOWN if enough else IN_PART
    if n["cannot"] == len(found):
        return CANNOT
    return NOT_SHOWN if n["worse"] + n["tied"] == len(found) else UNDECIDED


@dataclass(frozen=True)
class Chosen:
    """The best of several choices, picked on the units that score it.

    Parameters
    ----------
    name : str
        The choice.
    gain : float
        How much better its mean is than that of the choice that was fixed (>= 0).
    p_value, least_p : float
        Of the largest gain of any choice, under flips of clusters of all choices together: the
        null chooses as well.
    overstated : float
        What the mean exceeds its expectation by, at most, at the level asked for: the upper limit
        holds for all choices, so that it holds for the one that was picked.
    """

    name: str
    gain: float
    p_value: float
    least_p: float
    overstated: float


def best_of(
    values: pd.DataFrame, clusters, fixed: str, *, better: str, level: float, n_resamples: int, rng
) -> Chosen:
    """Best of several choices, tested and bounded with the choosing in mind.

    Parameters
    ----------
    values : DataFrame of shape (n_units, n_choices)
        The same units scored under every choice.
    clusters : array of shape (n_units,)
    fixed : str
        The choice that is made beforehand.
    better : {"higher", "lower"}
    level : float in (0, 1)
        With which `overstated` may be exceeded.
    n_resamples : int
    rng : numpy.random.Generator

    References
    ----------
    White 2000, Econometrica 68 (the null of the best of several); Efron 1981, Canadian Journal of
    Statistics 9 (bootstrap-t).
    """
    oriented = direction(better) * values
    drawn = resample_means(oriented, clusters, n_resamples=n_resamples, rng=rng)
    # The mean of a choice lies above its expectation by no more than this share of its error.
    largest = drawn.studentised().max(axis=1)
    bound = np.quantile(largest, 1 - level, method="higher") * drawn.se
    best = int(drawn.mean.argmax())
    others = oriented.drop(columns=fixed).sub(oriented[fixed], axis=0)
    sums, signs, every = flipped_clusters(others.to_numpy(), clusters, n_resamples, rng)
    as_large = (signs @ sums).max(axis=1) >= sums.sum(axis=0).max() - 1e-12 * np.abs(sums).sum()
    n_flips = len(signs) + (not every)
    return Chosen(
        name=values.columns[best],
        gain=float(drawn.mean[best] - drawn.mean[values.columns.get_loc(fixed)]),
        p_value=float((as_large.sum() + (not every)) / n_flips),
        least_p=1 / n_flips,
        overstated=float(bound[best]) if drawn.se[best] > 0 else 0.0,
    )
