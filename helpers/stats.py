"""Intervals and corrections: arrays in, numbers out."""

import numpy as np
import pandas as pd


def benjamini_hochberg(p_values) -> np.ndarray:
    """Adjusted p-values that control the false discovery rate.

    Parameters
    ----------
    p_values : array of shape (n_tests,), in [0, 1]

    Returns
    -------
    ndarray of shape (n_tests,), in [0, 1]

    Raises
    ------
    ValueError
        There is no p-value, one is NaN, or one lies outside [0, 1].

    References
    ----------
    Benjamini & Hochberg 1995, Journal of the Royal Statistical Society B 57.
    """
    from scipy.stats import false_discovery_control

    p_values = _finite_vector(p_values, "p-values")
    if p_values.min() < 0 or p_values.max() > 1:
        raise ValueError(f"p-values lie in {p_values.min():g} to {p_values.max():g}, not in [0, 1]")
    return false_discovery_control(p_values, method="bh")


def wilson_interval(successes: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a share.

    Parameters
    ----------
    successes, n : int
        0 <= successes <= n, n >= 1.
    confidence : float in (0, 1)

    Returns
    -------
    low, high : float in [0, 1]

    Raises
    ------
    ValueError
        Counts that do not fit each other, or a confidence out of range.

    References
    ----------
    Wilson 1927, Journal of the American Statistical Association 22.
    """
    from scipy.stats import binomtest

    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n}: a share needs 0 <= successes <= n and n >= 1")
    interval = binomtest(int(successes), int(n)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def mean_interval(values, *, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the mean of independent values, by the t distribution.

    Parameters
    ----------
    values : array of shape (n,), n >= 2

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        Fewer than two values, or values that are not finite.
    """
    from scipy.stats import t

    values = _finite_vector(values, "values")
    if values.size < 2:
        raise ValueError("one value has no interval; at least 2 are needed")
    half = t.ppf((1 + confidence) / 2, values.size - 1) * values.std(ddof=1) / values.size**0.5
    return values.mean() - half, values.mean() + half


def cluster_bootstrap(
    values, clusters, *, statistic=np.mean, n_resamples: int = 2000, confidence: float = 0.95, rng
) -> tuple[float, float, float]:
    """Statistic of values and its percentile interval, whole clusters resampled.

    Parameters
    ----------
    values : array of shape (n,)
    clusters : array of shape (n,)
        What is resampled together; values of a cluster may depend on each other.
    statistic : callable
        From a vector to a number.
    n_resamples : int, at least 1
    confidence : float in (0, 1)
    rng : numpy.random.Generator

    Returns
    -------
    estimate, low, high : float
        With a single cluster nothing is known of its neighbours: low and high are NaN.

    Raises
    ------
    ValueError
        No value, a value that is NaN or infinite, or clusters that do not fit.
    """
    values = _finite_vector(values, "values")
    code, names = pd.factorize(np.asarray(clusters), sort=True)
    if code.shape != values.shape or (code < 0).any():
        raise ValueError(f"{len(code)} clusters for {len(values)} values, or some are missing")
    if n_resamples < 1 or not 0 < confidence < 1:
        raise ValueError(f"n_resamples is {n_resamples}, confidence {confidence}; >= 1, in (0, 1)")
    estimate = float(statistic(values))
    if len(names) == 1:
        return estimate, np.nan, np.nan
    members = [values[code == c] for c in range(len(names))]
    resampled = [
        statistic(np.concatenate([members[c] for c in draw]))
        for draw in rng.integers(len(names), size=(n_resamples, len(names)))
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, (tail, 1 - tail))
    return estimate, float(low), float(high)


def _finite_vector(values, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name} have shape {values.shape}; pass a vector that is not empty")
    if not np.isfinite(values).all():
        raise ValueError(
            f"{(~np.isfinite(values)).sum()} of {values.size} {name} are NaN or infinite; "
            "leave out what could not be scored, and count it"
        )
    return values
