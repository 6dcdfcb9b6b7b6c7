"""Is a prediction closer to its own perturbation than to the others?"""

from typing import Literal

import numpy as np
from numba import njit

Distance = Literal["l1", "l2", "cosine"]


def discrimination(
    predicted, observed, *, distance: Distance = "l2", own_gene=None, ranked: str = "observed"
) -> np.ndarray:
    """Share of other perturbations that lie farther from a prediction than its own.

    Parameters
    ----------
    predicted, observed : ndarray of shape (n_perturbations, n_genes)
        Changes or expression; of the same perturbations in the same order, at least two.
    distance : {"l1", "l2", "cosine"}
    own_gene : int array of shape (n_perturbations,), optional
        Column of each perturbation's own gene, -1 where it is not measured. It is left out of all
        distances of that row: knocking a gene down tells little of biology.
    ranked : {"observed", "predicted"}
        Fix a prediction and rank what was observed, or fix an observation and rank predictions.

    Returns
    -------
    ndarray of shape (n_perturbations,), in [0, 1]
        1 where the own one is closest, 0 where it is farthest; equal distances count half, so that
        the mean over perturbations is exactly 1/2 for one prediction for all. NaN where a cosine
        has no direction (no change). `ranked="predicted"` gives 1/2 to each such perturbation.

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are not finite, fewer than two perturbations.

    References
    ----------
    Viñas Torné et al. 2025 (Systema), centroid accuracy: L2, nothing left out. Arc Institute,
    cell-eval 0.8.2, discrimination_score: with r others closer, 1 - r / P in place of our
    1 - r / (P - 1), and ties in arbitrary order. PerturBench ranks predictions: 1 - ours.
    """
    predicted, observed = np.asarray(predicted, float), np.asarray(observed, float)
    if predicted.shape != observed.shape or observed.ndim != 2 or len(observed) < 2:
        raise ValueError(
            f"predicted {predicted.shape} and observed {observed.shape} are not both "
            "(n_perturbations, n_genes) of two perturbations at least"
        )
    if not (np.isfinite(predicted).all() and np.isfinite(observed).all()):
        raise ValueError("predictions or observations hold NaN or infinite values")
    if ranked not in ("observed", "predicted"):
        raise ValueError(f"ranked is {ranked!r}; observed or predicted")
    between = distances(predicted, observed, distance=distance, own_gene=own_gene)
    if ranked == "predicted":
        between = between.T
    own = np.diag(between)[:, None]
    # Sums in another order are equal up to rounding; such distances are ties.
    close = 1e-9 * np.abs(between).max(axis=1, keepdims=True)
    farther = (between > own + close).sum(axis=1)
    tied = (np.abs(between - own) <= close).sum(axis=1) - 1
    share = (farther + 0.5 * tied) / (len(observed) - 1)
    return np.where(np.isnan(between).any(axis=1), np.nan, share)


def distances(predicted, observed, *, distance: Distance, own_gene=None) -> np.ndarray:
    """Distance of each prediction from each observation, of shape (n, n).

    Parameters
    ----------
    predicted, observed : ndarray of shape (n, n_genes)
    distance : {"l1", "l2", "cosine"}
        L2 is given as its square, which has the same order. The cosine distance is 1 - cosine, NaN
        where a vector is 0.
    own_gene : int array of shape (n,), optional
        See `discrimination`.
    """
    if distance not in ("l1", "l2", "cosine"):
        raise ValueError(f"distance is {distance!r}; l1, l2 or cosine")
    rows = np.arange(len(predicted))
    genes = np.full(len(rows), -1) if own_gene is None else np.asarray(own_gene)
    if genes.shape != rows.shape or genes.max() >= predicted.shape[1]:
        raise ValueError(f"own genes of shape {genes.shape}, up to {genes.max()}: one column a row")
    there = (genes >= 0)[:, None]
    mine = np.where(there, predicted[rows, genes][:, None], 0)  # of the row's own gene
    theirs = np.where(there, observed[:, genes].T, 0)
    if distance == "l1":
        return _l1(np.ascontiguousarray(predicted), np.ascontiguousarray(observed)) - np.abs(
            mine - theirs
        )
    centre = observed.mean(axis=0) if distance == "l2" else 0.0  # short vectors round less
    a, b = predicted - centre, observed - centre
    product = a @ b.T
    if distance == "l2":
        squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * product - (mine - theirs) ** 2
        return np.maximum(squared, 0)
    product -= mine * theirs
    square_a = (a**2).sum(1)[:, None] - mine**2
    square_b = (b**2).sum(1) - theirs**2
    known = (square_a > 1e-12 * (mine**2)) & (square_b > 1e-12 * (theirs**2))
    norm = np.sqrt(np.maximum(square_a, 0) * np.maximum(square_b, 0))
    return 1 - np.divide(product, norm, out=np.full(product.shape, np.nan), where=known)


@njit(cache=True, fastmath=True)
def _l1(a, b):
    """Sums of absolute differences of rows, block by block of columns: these stay in the cache."""
    found = np.zeros((len(a), len(b)))
    for start in range(0, a.shape[1], 512):
        stop = min(start + 512, a.shape[1])
        for i in range(len(a)):
            for j in range(len(b)):
                total = 0.0
                for g in range(start, stop):
                    total += abs(a[i, g] - b[j, g])
                found[i, j] += total
    return found
