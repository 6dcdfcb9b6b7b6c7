"""From the six metrics of `vcc2026` to one score, and how certain it is.

A member's score is 0 at the baseline and 1 at the replicate; the score is the mean of six.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.metrics.effects.vcc2026 import MEMBERS

BETTER = dict.fromkeys(MEMBERS, 1.0) | {"mse": -1.0, "lfc_error": -1.0}
"""1 where higher is better, -1 where lower is."""

PUBLISHED = {"mse": (0.0, 1.0), "lfc_error": (-6.0, np.inf)}
"""Ends of a member's score in the competition; the others have none."""
BOUNDED = dict.fromkeys(MEMBERS, (-1.0, 1.0))
"""Ends in the revised protocol: harm counts as much as knowledge, and no member decides alone."""

FROZEN = {
    "mse": (1.0, 0.0, -6.0, 1.0),
    "lfc_error": (1.0, 0.0, -1.0, 1.0),
    "pds": (0.5, 1.0, -1.0, 1.0),
    "direction": (0.5, 1.0, -1.0, 1.0),
    "reach": (0.0, 1.0, 0.0, 1.0),
    "jaccard": (0.0, 1.0, 0.0, 1.0),
}
"""The scale `low-random_high-1_v10` that needs no data: values that score 0 and 1, and its ends."""


def scaled(
    values: pd.Series,
    baseline: pd.Series,
    replicate: pd.Series,
    *,
    ends: Mapping[str, tuple[float, float]] = PUBLISHED,
) -> pd.Series:
    """Score of each member: (value - baseline) / (replicate - baseline), between its ends.

    Parameters
    ----------
    values, baseline, replicate : Series
        Of `aggregate`. A missing value of `pds`, `direction`, `reach` or `jaccard` counts as 0,
        the worst, as in the competition.
    ends : mapping
        Of member to the lowest and highest score.

    Returns
    -------
    Series of `MEMBERS`
        NaN where an error is missing.

    Raises
    ------
    ValueError
        The replicate is not better than the baseline in a member: it has no scale there.
    """
    sign = pd.Series(BETTER)
    gap = (replicate - baseline)[list(MEMBERS)] * sign
    if not (gap > 0).all():
        name = gap.index[~(gap > 0)][0]
        raise ValueError(
            f"{name}: the replicate ({replicate[name]:.3g}) is not better than the baseline "
            f"({baseline[name]:.3g}); this screen has no scale for it"
        )
    filled = values[list(MEMBERS)].where(values.notna() | (sign < 0), 0.0)
    found = (filled - baseline[list(MEMBERS)]) * sign / gap
    for name, (low, high) in ends.items():
        found[name] = np.clip(found[name], low, high)
    return found


def score(members: pd.Series) -> float:
    """Mean of the six members' scores; NaN if one is."""
    return float(members[list(MEMBERS)].mean(skipna=False))


def frozen_score(values: pd.Series) -> float:
    """Score on the scale that needs no data."""
    table = pd.DataFrame(FROZEN, index=["baseline", "replicate", "low", "high"]).T
    ends = {name: (low, high) for name, (_, _, low, high) in FROZEN.items()}
    return score(scaled(values, table["baseline"], table["replicate"], ends=ends))


def draws_of(n: int, n_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each perturbation is drawn in each sample, shape (n_resamples, n).

    Raises
    ------
    ValueError
        Fewer than six perturbations say too little of others.
    """
    if n < 6:
        raise ValueError(f"{n} perturbations: of fewer than 6 nothing can be resampled")
    return rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(float)


def resampled(rows: pd.DataFrame, draws: np.ndarray) -> np.ndarray:
    """Values of the six in samples of perturbations, shape (n_resamples, 6).

    Parameters
    ----------
    rows : DataFrame
        Of `per_perturbation`.
    draws : ndarray of shape (n_resamples, n_perturbations)
        Of `draws_of`; the same for all submissions, so that differences are paired.

    Returns
    -------
    ndarray
        NaN where a sample has no value.
    """
    columns = []
    for name in MEMBERS:
        over, under = (
            (rows["excess"], rows["effect"])
            if name == "mse"
            else (rows[name], 1.0 + 0 * rows[name])
        )
        known = (over.notna() & under.notna()).to_numpy()
        above = draws[:, known] @ over.to_numpy()[known]
        below = draws[:, known] @ under.to_numpy()[known]
        columns.append(np.divide(above, below, out=np.full(len(draws), np.nan), where=below > 0))
    return np.stack(columns, axis=1)


def resampled_scores(
    value: np.ndarray,
    baselines: np.ndarray,
    replicates: np.ndarray,
    rng: np.random.Generator,
    *,
    ends: Mapping[str, tuple[float, float]] = PUBLISHED,
) -> np.ndarray:
    """Scores of the members in samples that draw all that a score stands on.

    A sample draws perturbations (the same for submission, baseline and replicate), an emission of
    the baseline, and as many splits of the replicate as there are.

    Parameters
    ----------
    value : ndarray of shape (n_resamples, 6)
        Of `resampled`, of a submission.
    baselines, replicates : ndarray of shape (n, n_resamples, 6)
        The same of the baseline by seed, of the replicate by split.
    ends
        See `scaled`.

    Returns
    -------
    ndarray of shape (n_resamples, 6)
        NaN where a sample's replicate is not better than its baseline.
    """
    n = len(value)
    base = baselines[rng.integers(len(baselines), size=n), np.arange(n)]
    chosen = rng.integers(len(replicates), size=(len(replicates), n))
    repeat = replicates[chosen, np.arange(n)].mean(axis=0)
    sign = np.array([BETTER[name] for name in MEMBERS])
    gap = (repeat - base) * sign
    value = np.where(np.isnan(value) & (sign > 0), 0.0, value)
    found = np.divide((value - base) * sign, gap, out=np.full(gap.shape, np.nan), where=gap > 0)
    for name, (low, high) in ends.items():
        i = MEMBERS.index(name)
        found[:, i] = np.clip(found[:, i], low, high)
    return found
