"""Distances between two groups of cells that see more than their means.

Beside `helpers.metrics.edistance`. Cells are points of some 50 components: in thousands of genes
all distances are alike.
"""

from typing import Literal

import numpy as np

from helpers.metrics.arrays import finite_matrix


def mmd(
    x, y, *, bandwidth: float | None = None, estimator: Literal["unbiased", "biased"] = "unbiased"
) -> float:
    """Squared maximum mean discrepancy with a Gaussian kernel.

    Parameters
    ----------
    x, y : ndarray of shape (n, n_dims) and (m, n_dims)
    bandwidth : float, optional
        s of exp(-d^2 / (2 s^2)), in units of the space; by default the median distance between
        two cells of both groups together, so that the unit of the space does not matter.
    estimator : {"unbiased", "biased"}
        Without and with the pairs of a cell with itself (U- and V-statistic).

    Returns
    -------
    float
        Lower is more alike: 0 on average where nothing differs (unbiased), at least 0 (biased).
        NaN for the unbiased form with fewer than 2 cells in a group, or where all cells are equal.

    References
    ----------
    Gretton et al. 2012, Journal of Machine Learning Research 13, equations 3 and 5.
    """
    x, y = _groups(x, y)
    n, m = len(x), len(y)
    if estimator not in ("unbiased", "biased"):
        raise ValueError(f"estimator is {estimator!r}; it is unbiased or biased")
    if estimator == "unbiased" and min(n, m) < 2:
        return np.nan
    pooled = np.vstack([x, y])
    pooled = pooled - pooled.mean(axis=0)
    norms = (pooled**2).sum(axis=1)
    squared = np.maximum(norms[:, None] + norms - 2 * pooled @ pooled.T, 0)
    if bandwidth is None:
        bandwidth = np.sqrt(np.median(squared[np.triu_indices(n + m, 1)]))
    if not bandwidth > 0:
        return np.nan
    kernel = np.exp(-squared / (2 * bandwidth**2))
    np.fill_diagonal(kernel, 0 if estimator == "unbiased" else 1)
    pairs = (n * (n - 1), m * (m - 1)) if estimator == "unbiased" else (n * n, m * m)
    within = kernel[:n, :n].sum() / pairs[0] + kernel[n:, n:].sum() / pairs[1]
    return float(within - 2 * kernel[:n, n:].mean())


def sliced_wasserstein(x, y, *, n_directions: int = 100, rng: np.random.Generator) -> float:
    """Mean over random directions of the 1-Wasserstein distance of projections.

    Parameters
    ----------
    x, y : ndarray of shape (n, n_dims) and (m, n_dims)
    n_directions : int, at least 1
        Uniform on the sphere.
    rng

    Returns
    -------
    float
        At least 0, in units of the space; lower is more alike, and above 0 for two groups of one
        distribution: the fewer cells, the more.

    References
    ----------
    Bonneel et al. 2015, Journal of Mathematical Imaging and Vision 51.
    """
    x, y = _groups(x, y)
    if n_directions < 1:
        raise ValueError(f"n_directions is {n_directions}; at least 1")
    directions = rng.standard_normal((x.shape[1], n_directions))
    directions /= np.linalg.norm(directions, axis=0)
    a, b = np.sort(x @ directions, axis=0), np.sort(y @ directions, axis=0)
    # Between two steps of either quantile function both are constant.
    n, m = len(a), len(b)
    steps = np.unique(np.concatenate([np.arange(n + 1) * m, np.arange(m + 1) * n]))
    width, start = np.diff(steps) / (n * m), steps[:-1]
    return float((np.abs(a[start // m] - b[start // n]) * width[:, None]).sum(axis=0).mean())


def c2st(x, y, *, n_folds: int = 5, rng: np.random.Generator) -> float:
    """Accuracy with which a linear classifier tells two groups apart in cells it has not seen.

    Parameters
    ----------
    x, y : ndarray of shape (n, n_dims) and (m, n_dims)
    n_folds : int, at least 2
    rng
        Deals cells to folds, within each group.

    Returns
    -------
    float in [0, 1]
        Mean over both groups of the share of cells that are told rightly (balanced accuracy); 1/2
        where nothing can be told, lower is more alike. NaN with fewer cells than folds in a group.

    References
    ----------
    Lopez-Paz & Oquab 2017, ICLR. The classifier is Fisher's linear discriminant, its covariance
    shrunken by a tenth towards its mean variance.
    """
    x, y = _groups(x, y)
    if n_folds < 2:
        raise ValueError(f"n_folds is {n_folds}; at least 2")
    if min(len(x), len(y)) < n_folds:
        return np.nan
    folds = [rng.permutation(np.arange(len(group)) % n_folds) for group in (x, y)]
    right = np.zeros(2)
    for fold in range(n_folds):
        train = [g[f != fold] for g, f in zip((x, y), folds, strict=True)]
        means = [t.mean(axis=0) for t in train]
        centred = np.vstack([t - mean for t, mean in zip(train, means, strict=True)])
        covariance = centred.T @ centred / max(len(centred) - 2, 1)
        variance = np.trace(covariance) / len(covariance)
        if variance == 0:
            return np.nan
        covariance = 0.9 * covariance + 0.1 * variance * np.eye(len(covariance))
        direction = np.linalg.solve(covariance, means[0] - means[1])
        cut = direction @ (means[0] + means[1]) / 2
        for i, (group, f) in enumerate(zip((x, y), folds, strict=True)):
            side = (group[f == fold] @ direction - cut) * (1 if i == 0 else -1)
            right[i] += (side > 0).sum() + 0.5 * (side == 0).sum()
    return float((right / [len(x), len(y)]).mean())


def _groups(x, y) -> tuple[np.ndarray, np.ndarray]:
    x, y = (finite_matrix(g, name).astype(float, copy=False) for name, g in (("x", x), ("y", y)))
    if x.shape[1] != y.shape[1] or not len(x) or not len(y):
        raise ValueError(
            f"groups have shapes {x.shape} and {y.shape}; pass (n_cells, n_dims) each, of one "
            "space, with a cell at least"
        )
    return x, y
