"""Energy distance between two groups of cells, and its permutation test.

E = 2 mean d(x, c) - mean d(x, x') - mean d(c, c'), with Euclidean distances d. It is zero for equal
distributions only; with squared distances it would be 2 |mean x - mean c|^2 and blind to all else.
"""

from typing import Literal

import numpy as np
from numba import njit

from helpers.metrics.arrays import finite_matrix, joint_codes
from helpers.metrics.labellings import least_p_value

_BLOCK = 192


def edistance(
    x, control, *, estimator: Literal["unbiased", "biased"] = "unbiased", squared: bool = False
) -> float:
    """Energy distance between two groups of cells.

    Parameters
    ----------
    x : ndarray of shape (n, n_dims)
    control : ndarray of shape (m, n_dims)
        Finite, in the same space, in its units.
    estimator : {"unbiased", "biased"}
        Pairs of a cell with itself left out (U-statistic, 0 on average where nothing differs), or
        counted (V-statistic, never negative, larger for fewer cells).
    squared : bool
        Squared distances, as scPerturb's default has it: a distance of centroids.

    Returns
    -------
    float
        In the unit of the space (its square with `squared`); higher is farther. NaN for the
        unbiased form with fewer than 2 cells in a group.

    Raises
    ------
    ValueError
        Shapes that do not fit, an empty group, or values that are NaN or infinite.

    References
    ----------
    Székely & Rizzo 2013, Journal of Statistical Planning and Inference 143; Peidli et al. 2024,
    Nature Methods 21.
    """
    x, control = _two_groups(x, control)
    if estimator not in ("unbiased", "biased"):
        raise ValueError(f"estimator is {estimator!r}; it is unbiased or biased")
    n, m = len(x), len(control)
    if estimator == "unbiased" and min(n, m) < 2:
        return np.nan
    pairs = (n * (n - 1), m * (m - 1)) if estimator == "unbiased" else (n * n, m * m)
    if squared:
        # sums over pairs of squared distances need no pairs
        scatter_x, scatter_c = (((g - g.mean(0)) ** 2).sum() for g in (x, control))
        between = ((x.mean(0) - control.mean(0)) ** 2).sum() + scatter_x / n + scatter_c / m
        within = 2 * n * scatter_x / pairs[0] + 2 * m * scatter_c / pairs[1]
        return float(2 * between - within)
    centre = (x.mean(0) + control.mean(0)) / 2  # short vectors round less
    x, control = x - centre, control - centre
    return float(
        2 * _sum_of_distances(x, control) / (n * m)
        - _sum_of_distances(x, x) / pairs[0]
        - _sum_of_distances(control, control) / pairs[1]
    )


def edistance_test(
    x,
    control,
    *,
    batch=None,
    control_batch=None,
    n_permutations: int = 999,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Unbiased energy distance and its p-value, labels permuted within batches.

    Parameters
    ----------
    x : ndarray of shape (n, n_dims)
    control : ndarray of shape (m, n_dims)
    batch, control_batch : array of shape (n,) and (m,), optional
        Cells change places within a batch only, so that a difference between batches is in the
        null too. Default: one batch.
    n_permutations : int, at least 1
    rng

    Returns
    -------
    distance : float
        As `edistance`; NaN with fewer than 2 cells in a group.
    p_value : float in (0, 1]
        (1 + b) / (1 + B) for b of B permutations at least as far, and at least one over the number
        of labellings (`helpers.metrics.labellings`); lower is stronger. NaN where no batch holds
        cells of both groups, or the distance is NaN: nothing can change places.

    Raises
    ------
    ValueError
        As `edistance`, batches that do not fit, or no permutation.

    References
    ----------
    Phipson & Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9.

    Notes
    -----
    With the matrix D of all distances and the indicator z of the first group, the three sums are
    z'Dz, z'D1 - z'Dz and the rest: all permutations are one matrix product.
    """
    x, control = _two_groups(x, control)
    n, m = len(x), len(control)
    if n_permutations < 1:
        raise ValueError(f"n_permutations is {n_permutations}; it is at least 1")
    if (batch is None) != (control_batch is None):
        raise ValueError("give batch and control_batch, or none of them")
    batches = np.zeros(n + m, dtype=int)
    if batch is not None:
        if len(batch) != n or len(control_batch) != m:
            raise ValueError(f"{len(batch)} and {len(control_batch)} batches for {n} and {m} cells")
        batches = np.concatenate(joint_codes(batch, control_batch, name="batches"))
    if min(n, m) < 2:
        return np.nan, np.nan
    pooled = np.vstack([x, control])
    distances = _distances(pooled - pooled.mean(0))
    is_x = np.arange(n + m) < n
    observed = _statistics(distances, is_x[:, None], n, m)[0]
    mixed = [b for b in np.unique(batches) if 0 < is_x[batches == b].sum() < (batches == b).sum()]
    if not mixed:
        return float(observed), np.nan
    at_least = 0
    # what differs by rounding alone is a tie
    threshold = observed - 1e-10 * distances.mean()
    for start in range(0, n_permutations, 256):
        width = min(256, n_permutations - start)
        permuted = np.tile(is_x, (width, 1))
        for b in mixed:
            cells = np.flatnonzero(batches == b)
            permuted[:, cells] = rng.permuted(permuted[:, cells], axis=1)
        found = (
            _statistics_of_few(distances, permuted, n, m)
            if 8 * n <= m
            else _statistics(distances, permuted.T, n, m)
        )
        at_least += int((found >= threshold).sum())
    counts = np.bincount(batches[is_x], minlength=batches.max() + 1), np.bincount(batches)
    least = float(least_p_value(*counts, n_draws=n_permutations))
    return float(observed), max((1 + at_least) / (1 + n_permutations), least)


def _statistics(distances: np.ndarray, is_x: np.ndarray, n: int, m: int) -> np.ndarray:
    """Unbiased energy distance for each column of `is_x`, of shape (n + m, n_columns)."""
    z = is_x.astype(float)
    of_cell = distances.sum(1)
    within_x = np.einsum("ij,ij->j", z, distances @ z)
    between = of_cell @ z - within_x
    within_c = of_cell.sum() - 2 * between - within_x
    return 2 * between / (n * m) - within_x / (n * (n - 1)) - within_c / (m * (m - 1))


def _statistics_of_few(distances: np.ndarray, is_x: np.ndarray, n: int, m: int) -> np.ndarray:
    """The same for each row of `is_x`, where a product would mostly be of zeros."""
    rows = np.nonzero(is_x)[1].reshape(len(is_x), n)
    of_cell = distances.sum(1)
    within_x = np.array([distances[np.ix_(one, one)].sum() for one in rows])
    between = of_cell[rows].sum(1) - within_x
    within_c = of_cell.sum() - 2 * between - within_x
    return 2 * between / (n * m) - within_x / (n * (n - 1)) - within_c / (m * (m - 1))


def _distances(points: np.ndarray) -> np.ndarray:
    norms = (points**2).sum(1)
    squared = norms[:, None] + norms - 2 * points @ points.T
    np.fill_diagonal(squared, 0)
    return np.sqrt(np.maximum(squared, 0))


def _sum_of_distances(a: np.ndarray, b: np.ndarray) -> float:
    """Sum over all pairs of rows, block by block; a row's distance to itself is exactly zero."""
    square_a, square_b = (np.einsum("ij,ij->i", points, points) for points in (a, b))
    memory = np.empty(_BLOCK * _BLOCK)  # asked for once: a block stays in the cache
    total = 0.0
    for i in range(0, len(a), _BLOCK):
        for j in range(i if a is b else 0, len(b), _BLOCK):
            rows, columns = a[i : i + _BLOCK], b[j : j + _BLOCK]
            product = memory[: len(rows) * len(columns)].reshape(len(rows), len(columns))
            np.dot(rows, columns.T, out=product)
            same = a is b and i == j
            if same:
                np.fill_diagonal(product, square_a[i : i + _BLOCK])
            part = _sum_of_roots(product, square_a[i : i + _BLOCK], square_b[j : j + _BLOCK])
            total += (2 if a is b and not same else 1) * part
    return total


@njit(cache=True, fastmath=True)
def _sum_of_roots(product, square_a, square_b):
    """Of |a|^2 + |b|^2 - 2 ab, finite; what rounding left below 0 is 0."""
    total = 0.0
    for i in range(len(square_a)):
        for j in range(len(square_b)):
            squared = square_a[i] + square_b[j] - 2 * product[i, j]
            total += np.sqrt(squared if squared > 0 else 0.0)
    return total


def _two_groups(x, control) -> tuple[np.ndarray, np.ndarray]:
    x, control = (
        finite_matrix(group, name).astype(float, copy=False)
        for name, group in (("x", x), ("control", control))
    )
    if x.shape[1] != control.shape[1]:
        raise ValueError(
            f"groups have shapes {x.shape} and {control.shape}; pass (n_cells, n_dims) each, in "
            "the same space"
        )
    if len(x) == 0 or len(control) == 0:
        raise ValueError(f"groups have {len(x)} and {len(control)} cells; each needs one at least")
    return x, control
