"""Intervals and corrections: arrays in, numbers and frames out."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from helpers.metrics.arrays import varies

MIN_UNITS = 6
"""Fewest clusters, targets, guides or replicates that are resampled. Of five values not even the
whole range is a 95 % interval of the median: it misses with probability 2 * 2**-5."""

Interval = Literal["percentile", "expanded", "studentised"]


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


def holm(p_values) -> np.ndarray:
    """Adjusted p-values that control the family-wise error rate, whatever the dependence.

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
    Holm 1979, Scandinavian Journal of Statistics 6.
    """
    p_values = _finite_vector(p_values, "p-values")
    if p_values.min() < 0 or p_values.max() > 1:
        raise ValueError(f"p-values lie in {p_values.min():g} to {p_values.max():g}, not in [0, 1]")
    # Ours: statsmodels' multipletests collects all garbage at each call, some 60 ms of simulations.
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * np.arange(p_values.size, 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def mid_ranks(values, *, better: Literal["higher", "lower"]) -> np.ndarray:
    """Ranks, 1 for the best; ties share the mean of the ranks that they take up.

    Parameters
    ----------
    values : array of shape (..., n)
        Ranked along the last axis.
    better : {"higher", "lower"}

    Returns
    -------
    ndarray of shape (..., n), in [1, n]; each row sums to n (n + 1) / 2

    Raises
    ------
    ValueError
        No value, NaN, or another direction.
    """
    from scipy.stats import rankdata

    values = np.asarray(values, dtype=float)
    if values.size == 0 or np.isnan(values).any():
        raise ValueError("mid_ranks: there is no value, or one is NaN; leave it out, and count it")
    return rankdata(-direction(better) * values, axis=-1)


def direction(better: str) -> int:
    """1 where higher is better, -1 where lower is."""
    if better not in ("higher", "lower"):
        raise ValueError(f"better is {better!r}; it is 'higher' or 'lower'")
    return 1 if better == "higher" else -1


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
    from scipy.special import ndtri

    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n}: a share needs 0 <= successes <= n and n >= 1")
    check_draws(1, confidence)
    k, n, z = int(successes), int(n), float(ndtri(0.5 + 0.5 * confidence))
    p = k / n
    scale = 2 * (n + z**2)
    center = (2 * n * p + z**2) / scale
    half = z / scale * math.sqrt(4 * n * p * (1 - p) + z**2)
    return (center - half if k > 0 else 0.0), (center + half if k < n else 1.0)


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
    from scipy.special import stdtrit

    values = _finite_vector(values, "values")
    if values.size < 2:
        raise ValueError("one value has no interval; at least 2 are needed")
    half = stdtrit(values.size - 1, (1 + confidence) / 2) * values.std(ddof=1) / values.size**0.5
    return values.mean() - half, values.mean() + half


def cluster_bootstrap(
    values,
    clusters,
    *,
    statistic=np.mean,
    interval: Literal["percentile", "expanded"] = "expanded",
    n_resamples: int = 2000,
    confidence: float = 0.95,
    rng,
) -> tuple[float, float, float]:
    """Any statistic of values and its interval, whole clusters resampled.

    For means, above all of many columns, use `cluster_means`.

    Parameters
    ----------
    values : array of shape (n,)
    clusters : array of shape (n,)
        What is resampled together; values of a cluster may depend on each other.
    statistic : callable
        From a vector to a number.
    interval : {"percentile", "expanded"}
        Quantiles of the resampled statistic at the nominal levels, or at the wider ones that make
        up for few clusters (Hesterberg 2015, section 5.3).
    n_resamples : int, at least 1
    confidence : float in (0, 1)
    rng : numpy.random.Generator

    Returns
    -------
    estimate, low, high : float
        Fewer than `MIN_UNITS` clusters say too little of their neighbours: low and high are NaN.

    Raises
    ------
    ValueError
        No value, a value that is NaN or infinite, or clusters that do not fit.

    References
    ----------
    Hesterberg 2015, The American Statistician 69.
    """
    values = _finite_vector(values, "values")
    code, n_clusters = cluster_codes(clusters, len(values))
    check_draws(n_resamples, confidence)
    tails = tail_levels(confidence, n_clusters - 1, n_clusters, interval)
    estimate = float(statistic(values))
    if n_clusters < MIN_UNITS:
        return estimate, np.nan, np.nan
    draws = rng.integers(n_clusters, size=(n_resamples, n_clusters))
    if n_clusters == len(values) and statistic in (np.mean, np.median):
        alone = values[np.argsort(code)]
        resampled = statistic(alone[draws], axis=1)
    else:
        members = [values[code == c] for c in range(n_clusters)]
        resampled = [statistic(np.concatenate([members[c] for c in draw])) for draw in draws]
    low, high = np.quantile(resampled, tails)
    return estimate, float(low), float(high)


@dataclass(frozen=True)
class ResampledMeans:
    """Means of columns over rows, and what they are in bootstrap samples of whole clusters.

    Parameters
    ----------
    mean, se : ndarray of shape (n_columns,)
        Means, and their standard errors between clusters (>= 0).
    means, ses : ndarray of shape (n_resamples, n_columns)
        The same in each sample. All columns of a sample hold the same clusters: differences of
        columns are paired.
    n_clusters : int
    """

    mean: np.ndarray
    se: np.ndarray
    means: np.ndarray
    ses: np.ndarray
    n_clusters: int

    def studentised(self) -> np.ndarray:
        """(n_resamples, n_columns): distance from the mean in the sample's own errors.

        0 for a column that is the same in all clusters. Infinite where the sample drew values
        that do not differ, as samples of very few clusters do.
        """
        distance = self.means - self.mean
        with np.errstate(divide="ignore", invalid="ignore"):
            t = distance / self.ses
        t[distance == 0] = 0
        return t

    def limits(self, confidence: float) -> tuple[np.ndarray, np.ndarray]:
        """Bootstrap-t limits of each mean, shape (n_columns,) each.

        Where more samples than the tail holds drew values that do not differ, as happens with 0
        and 1 or a few values that stand out, the mean's own quantiles at expanded levels.
        """
        tail = (1 - confidence) / 2
        # Order statistics, not interpolated: infinite ones are no numbers to interpolate.
        lower, upper = np.quantile(
            self.studentised(), (tail, 1 - tail), axis=0, method="closest_observation"
        )
        with np.errstate(invalid="ignore"):
            low, high = self.mean - upper * self.se, self.mean - lower * self.se
        tails = tail_levels(confidence, self.n_clusters - 1, self.n_clusters, "expanded")
        plain = np.quantile(self.means, tails, axis=0)
        known = np.isfinite(lower) & np.isfinite(upper)
        return np.where(known, low, plain[0]), np.where(known, high, plain[1])


def resample_means(values, clusters, *, n_resamples: int, rng) -> ResampledMeans:
    """Bootstrap of means of a table, whole clusters resampled, the same ones in every column.

    A sample is a vector of how often each cluster was drawn, so that all samples of all columns
    are three products of matrices.

    Parameters
    ----------
    values : array of shape (n,) or (n, n_columns)
        Scores, one row a scored unit.
    clusters : array of shape (n,)
    n_resamples : int, at least 1
    rng : numpy.random.Generator

    Returns
    -------
    ResampledMeans

    Raises
    ------
    ValueError
        No value, a value that is NaN or infinite, fewer than `MIN_UNITS` clusters, or clusters
        that do not fit.
    """
    values = finite_table(values)
    code, n_clusters = cluster_codes(clusters, len(values))
    if n_clusters < MIN_UNITS:
        raise ValueError(
            f"{n_clusters} clusters: of fewer than {MIN_UNITS} nothing can be resampled; show them "
            "one by one"
        )
    check_draws(n_resamples)
    size = np.bincount(code).astype(float)
    sums = np.zeros((n_clusters, values.shape[1]))
    np.add.at(sums, code, values)
    mean = values.mean(axis=0)
    # Centred, so that the squares below lose nothing; exactly zero where a column is constant.
    sums -= size[:, None] * mean
    sums[:, ~varies(values)] = 0

    draws = rng.integers(n_clusters, size=(n_resamples, n_clusters))
    draws += n_clusters * np.arange(n_resamples)[:, None]
    weights = np.bincount(draws.ravel(), minlength=n_resamples * n_clusters)
    weights = weights.reshape(n_resamples, n_clusters).astype(float)
    total = (weights @ size)[:, None]
    shift = weights @ sums
    shift /= total
    # sum over drawn clusters of (sum of the cluster - mean of the sample * its size)^2
    squares = weights @ sums**2
    cross = weights @ (sums * size[:, None])
    cross *= shift
    squares -= 2 * cross
    squares += shift**2 * (weights @ size**2)[:, None]
    # Where the sample drew one cluster only, what is left is rounding.
    squares[squares < 1e-12 * (weights @ sums**2)] = 0
    factor = np.sqrt(n_clusters / (n_clusters - 1))
    ses = np.sqrt(squares)
    ses *= factor / total
    se = factor * np.sqrt((sums**2).sum(axis=0)) / size.sum()
    return ResampledMeans(mean, se, mean + shift, ses, n_clusters)


def cluster_means(
    values,
    clusters,
    *,
    interval: Interval = "studentised",
    n_resamples: int = 2000,
    confidence: float = 0.95,
    rng,
) -> pd.DataFrame:
    """Means of the columns of a score table with intervals, whole clusters resampled.

    Parameters
    ----------
    values : DataFrame or array of shape (n,) or (n, n_columns)
        Scores, one row a scored unit.
    clusters : array of shape (n,)
        What is resampled together: a perturbation in all of its seeds, a complex, a donor.
    interval : {"studentised", "expanded", "percentile"}
        Bootstrap-t, whose quantiles are of the mean's distance in its own errors, and which is
        *expanded* where these have no end; quantiles of the mean at wider levels (see
        `cluster_bootstrap`); or plain ones, which miss too often with few clusters.
    n_resamples : int, at least 1
    confidence : float in (0, 1)
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame indexed by column
        `mean`, `se` (between clusters), `low`, `high`, `n` (rows), `n_clusters`. `low` and `high`
        are NaN with fewer than `MIN_UNITS` clusters, and equal the mean for a constant column.

    Raises
    ------
    ValueError
        No value, a value that is NaN or infinite, or clusters that do not fit.

    References
    ----------
    Efron 1981, Canadian Journal of Statistics 9 (bootstrap-t); Hesterberg 2015, The American
    Statistician 69 (expanded).
    """
    table = finite_table(values)
    _, n_clusters = cluster_codes(clusters, len(table))
    check_draws(n_resamples, confidence)
    tails = tail_levels(confidence, n_clusters - 1, n_clusters, interval)
    names = values.columns if isinstance(values, pd.DataFrame) else range(table.shape[1])
    found = pd.DataFrame({"mean": table.mean(axis=0)}, index=names)
    if n_clusters < MIN_UNITS:
        se, low, high = np.nan, np.nan, np.nan
    else:
        drawn = resample_means(table, clusters, n_resamples=n_resamples, rng=rng)
        se = drawn.se
        if interval == "studentised":
            low, high = drawn.limits(confidence)
        else:
            low, high = np.quantile(drawn.means, tails, axis=0)
    return found.assign(se=se, low=low, high=high, n=len(table), n_clusters=n_clusters)


def tail_levels(confidence: float, df: float, n: int, interval: Interval) -> tuple[float, float]:
    """Levels at which the quantiles of resampled statistics bound an interval."""
    from scipy.special import ndtr, stdtrit

    tail = (1 - confidence) / 2
    if interval == "expanded" and n > 1:
        tail = ndtr(np.sqrt(1 / (1 - 1 / n)) * stdtrit(df, tail))
    elif interval not in ("percentile", "expanded", "studentised"):
        raise ValueError(f"interval is {interval!r}; percentile, expanded or studentised")
    return tail, 1 - tail


def variance_components(values: pd.DataFrame) -> pd.Series:
    """Spread over seeds, apart from the error of having scored these units and no others.

    Two-way random effects without replication: value = mean + unit + seed + rest. A seed's own
    term moves all units alike, and is what another seed adds to the error of the mean.

    Parameters
    ----------
    values : DataFrame of shape (n_units, n_seeds)
        The same units under every seed.

    Returns
    -------
    Series
        `mean`; variances (>= 0, negative estimates set to 0) `unit`, `seed`, `rest`; standard
        errors of the mean of one seed: `se_units` (other units), `se_seeds` (another seed);
        `n_units`, `n_seeds`.

    Raises
    ------
    ValueError
        Fewer than two units or seeds, or values that are missing or infinite.

    References
    ----------
    Searle, Casella & McCulloch 1992, Variance Components, section 4.5.
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(
            f"values have shape {table.shape}; spread over seeds needs at least two units (rows) "
            "and two seeds (columns)"
        )
    if (bad := ~np.isfinite(table)).any():
        rows = np.flatnonzero(bad.any(axis=1))
        raise ValueError(
            f"{bad.sum()} values are missing or infinite, the first in row {rows[0]}: keep the "
            "units that every seed has scored, and count the others"
        )
    n_units, n_seeds = table.shape
    mean = table.mean()
    by_unit, by_seed = table.mean(axis=1) - mean, table.mean(axis=0) - mean
    left = table - mean - by_unit[:, None] - by_seed
    rest = (left**2).sum() / ((n_units - 1) * (n_seeds - 1))
    unit = max(((by_unit**2).sum() * n_seeds / (n_units - 1) - rest) / n_seeds, 0.0)
    seed = max(((by_seed**2).sum() * n_units / (n_seeds - 1) - rest) / n_units, 0.0)
    return pd.Series(
        {
            "mean": mean,
            "unit": unit,
            "seed": seed,
            "rest": rest,
            "se_units": np.sqrt((unit + rest) / n_units),
            "se_seeds": np.sqrt(seed),
            "n_units": n_units,
            "n_seeds": n_seeds,
        }
    )


def cluster_codes(clusters, n: int) -> tuple[np.ndarray, int]:
    """Number of each row's cluster, in the order of their names, and how many there are."""
    code, names = pd.factorize(np.asarray(clusters), sort=True)
    if code.shape != (n,) or (code < 0).any():
        raise ValueError(f"{len(code)} clusters for {n} values, or some are missing")
    return code, len(names)


def check_draws(n_resamples: int, confidence: float = 0.95) -> None:
    """Refuse a number of resamples or a confidence that is none."""
    if n_resamples < 1 or not 0 < confidence < 1:
        raise ValueError(f"n_resamples is {n_resamples}, confidence {confidence}; >= 1, in (0, 1)")


def finite_table(values) -> np.ndarray:
    """Values as an array of rows x columns; empty, NaN and infinite ones are refused."""
    table = np.asarray(values, dtype=float)
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"values have shape {table.shape}; pass rows that are not empty")
    if not np.isfinite(table).all():
        raise ValueError(
            f"{(~np.isfinite(table)).sum()} of {table.size} values are NaN or infinite; leave out "
            "what could not be scored, and count it"
        )
    return table


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
