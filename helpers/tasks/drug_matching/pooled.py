"""AUROC of all pairs of several queries at once, and its interval over queries.

A pooled value compares candidates of one query with those of another. It rewards a score that is
higher for all candidates of queries with many relevant ones, and a prior of the candidates alone.
"""

import numpy as np

from helpers.stats import MIN_UNITS, check_draws, tail_levels


def wins(scores, relevant, asked=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs that are in the right order, by the query of either side.

    Parameters
    ----------
    scores : array of shape (n_candidates, n_queries)
    relevant : bool array of the same shape
    asked : bool array of the same shape, optional
        The pairs that count, relevant or not; all by default.

    Returns
    -------
    wins : ndarray of shape (n_queries, n_queries)
        [i, j]: pairs of a relevant candidate of query i and an irrelevant one of query j with the
        higher score for the first; ties count one half.
    n_relevant, n_other : ndarray of shape (n_queries,)

    Raises
    ------
    ValueError
        Shapes that differ, or scores that are not finite.
    """
    scores, relevant = np.asarray(scores, dtype=float), np.asarray(relevant, dtype=bool)
    other = ~relevant if asked is None else ~relevant & np.asarray(asked, dtype=bool)
    if scores.ndim != 2 or not scores.shape == relevant.shape == other.shape:
        raise ValueError(f"scores {scores.shape} and labels {relevant.shape} differ in shape")
    if not np.isfinite(scores).all():
        raise ValueError(f"{(~np.isfinite(scores)).sum()} scores are NaN or infinite")
    found = np.zeros((scores.shape[1],) * 2)
    positives = [scores[relevant[:, i], i] for i in range(scores.shape[1])]
    for j in range(scores.shape[1]):
        others = np.sort(scores[other[:, j], j])
        for i, values in enumerate(positives):
            below = np.searchsorted(others, values, side="left")
            at_most = np.searchsorted(others, values, side="right")
            found[i, j] = (below + at_most).sum() / 2
    return found, relevant.sum(axis=0), other.sum(axis=0)


def pooled_auroc(
    scores, relevant, asked=None, *, n_resamples: int = 2000, confidence: float = 0.95, rng
) -> tuple[float, float, float]:
    """AUROC over all pairs, with an interval for which whole queries are resampled.

    Each pair of queries is counted once; a resample weights the counts, which is exact.

    Parameters
    ----------
    scores, relevant, asked : arrays of shape (n_candidates, n_queries)
        See `wins`.
    n_resamples : int, at least 1
    confidence : float in (0, 1)
    rng : numpy.random.Generator

    Returns
    -------
    estimate, low, high : float in [0, 1]
        0.5 by chance, higher is better. Quantiles at levels expanded for few queries; NaN with
        fewer than `MIN_UNITS`.

    Raises
    ------
    ValueError
        No relevant candidate, nothing else, or see `wins`.
    """
    check_draws(n_resamples, confidence)
    found, n1, n0 = wins(scores, relevant, asked)
    if not n1.sum() or not n0.sum():
        raise ValueError(f"{n1.sum()} relevant pairs and {n0.sum()} others: both are needed")
    estimate, n = found.sum() / (n1.sum() * n0.sum()), len(n1)
    if n < MIN_UNITS:
        return float(estimate), np.nan, np.nan
    draws = rng.integers(n, size=(n_resamples, n)) + n * np.arange(n_resamples)[:, None]
    weights = np.bincount(draws.ravel(), minlength=n_resamples * n).reshape(n_resamples, n)
    pairs = (weights @ n1) * (weights @ n0)
    values = ((weights @ found) * weights).sum(axis=1)
    # a resample without a relevant pair has no value
    resampled = values[pairs > 0] / pairs[pairs > 0]
    low, high = np.quantile(resampled, tail_levels(confidence, n - 1, n, "expanded"))
    return float(estimate), float(low), float(high)
