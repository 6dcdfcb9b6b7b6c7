"""AUROC of all pairs of several diseases at once, and its interval over diseases."""

import numpy as np

from helpers.metrics.drug_matching.pooled import wins
from helpers.stats import MIN_UNITS, check_draws, tail_levels


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
