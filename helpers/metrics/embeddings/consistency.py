"""Perturbation consistency: do cells of one perturbation point the same way?

The similarity of a perturbation is the mean cosine over pairs of its cells. All of it rests on one
closed form: with unit rows u, the sum over pairs needs only the sums of u.
"""

import numpy as np
import pandas as pd
from numba import njit

from helpers.metrics.arrays import finite_matrix, label_codes

REORDER = {"reassoc", "contract"}  # sums may be vectorised; NaN and infinity keep their meaning


def perturbation_consistency(embedding, labels, *, replicates=None) -> pd.DataFrame:
    """Mean cosine similarity over pairs of cells of each perturbation.

    With unit rows u (a zero row stays zero, and counts as a cell) and n cells, the mean over all
    pairs is ``(||sum u||^2 - sum ||u||^2) / (n (n - 1))``; over pairs of different replicates r it
    is ``(||sum u||^2 - sum_r ||sum_{i in r} u_i||^2) / (n^2 - sum_r n_r^2)``.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
    labels : array of shape (n_cells,)
        Perturbation of each cell.
    replicates : array of shape (n_cells,), optional
        Count only pairs of cells of different replicates. Default: all pairs.

    Returns
    -------
    DataFrame indexed by perturbation, sorted
        `similarity` in [-1, 1], higher is more consistent, 0 expected of random directions, NaN
        where there is no pair; `n_cells`; `n_pairs`; `n_zero`, cells whose row is zero.

    Raises
    ------
    ValueError
        The embedding is not a finite matrix, or labels do not fit it.

    References
    ----------
    Celik et al. 2024, PLOS Computational Biology (EFAAR); Bendidi et al. 2024, section 3.3.
    """
    embedding = finite_matrix(embedding)
    label, names = label_codes(labels, len(embedding))
    if replicates is None:
        replicate, n_replicates = np.zeros(len(embedding), dtype=np.int64), 1
    else:
        replicate, levels = label_codes(replicates, len(embedding), "replicates")
        n_replicates = len(levels)
    group, inverse = np.unique(label * n_replicates + replicate, return_inverse=True)
    sums = np.zeros((len(group), embedding.shape[1]))
    nonzero = np.zeros(len(group))
    ones = np.ones(embedding.shape[1])
    _unit_sums(embedding, inverse, 0 * ones, ones, sums, nonzero)
    total = np.zeros((len(names), embedding.shape[1]))
    np.add.at(total, group // n_replicates, sums)

    def per_label(values):
        return np.bincount(group // n_replicates, values, minlength=len(names))

    n_group = np.bincount(inverse, minlength=len(group))
    n_cells, n_nonzero = per_label(n_group), per_label(nonzero)
    if replicates is None:
        within, excluded = n_nonzero, n_cells
    else:
        within, excluded = per_label((sums**2).sum(axis=1)), per_label(n_group**2)
    n_ordered = n_cells**2 - excluded
    similarity = np.full(len(names), np.nan)
    np.divide((total**2).sum(axis=1) - within, n_ordered, out=similarity, where=n_ordered > 0)
    return pd.DataFrame(
        {
            "similarity": similarity.clip(-1, 1),  # rounding overshoots by some 1e-16
            "n_cells": n_cells.astype(int),
            "n_pairs": (n_ordered / 2).astype(int),
            "n_zero": (n_cells - n_nonzero).astype(int),
        },
        index=pd.Index(names, name="perturbation"),
    )


def empirical_p_value(statistic, null, *, add_one=True):
    """Share of a null that is at least as large as a statistic.

    Parameters
    ----------
    statistic : float or array
        NaN gives NaN.
    null : array of shape (n_draws,)
    add_one : bool
        True: (1 + b) / (1 + B) with b = #{null >= statistic} of B draws, never 0 and valid under
        exchangeability (Phipson & Smyth 2010). False: b / B as the released code of Bendidi et al.
        2024 has it, 1 - (B - b) / B: where b / B is 0.05, this is 0.050000000000000044 at B = 20
        and 40, which is not at most 0.05.

    Returns
    -------
    float or array in (0, 1], or [0, 1] without `add_one`; lower is less like the null.

    Raises
    ------
    ValueError
        The null is empty or holds NaN.
    """
    null = np.sort(np.asarray(null, dtype=float).ravel())
    if null.size == 0:
        raise ValueError("the null is empty: there is nothing to compare a statistic with")
    if np.isnan(null[-1]):
        raise ValueError(f"the null holds {np.isnan(null).sum()} NaN; leave undefined values out")
    statistic = np.asarray(statistic, dtype=float)
    at_least = null.size - np.searchsorted(null, statistic, side="left")
    p = (at_least + 1) / (null.size + 1) if add_one else 1 - (null.size - at_least) / null.size
    p = np.where(np.isnan(statistic), np.nan, p)
    return p if p.ndim else float(p)


# The kernels use plain loops: array expressions would take the compiler many seconds.


@njit(cache=True, fastmath=REORDER)
def add_unit(total, row, mean, inverse_sd):
    """Add (row - mean) / sd at unit length to a total; its squared length (1, or 0 for zero)."""
    square = 0.0
    for j in range(len(row)):
        value = (row[j] - mean[j]) * inverse_sd[j]
        square += value * value
    if square == 0.0:
        return 0.0
    inverse_norm = 1.0 / np.sqrt(square)
    for j in range(len(row)):
        total[j] += (row[j] - mean[j]) * inverse_sd[j] * inverse_norm
    return 1.0


@njit(cache=True, fastmath=REORDER)
def _unit_sums(cells, group, origin, unscaled, sums, nonzero):
    """Add up the unit rows of each group, and count the rows that are not zero."""
    for i in range(len(cells)):
        nonzero[group[i]] += add_unit(sums[group[i]], cells[i], origin, unscaled)
