"""Differential expression: the Mann-Whitney test of many groups against the same controls."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import sparse

from helpers.metrics.arrays import finite_matrix, label_codes, varies

_GENES = 256  # made dense at a time


@dataclass(frozen=True)
class MannWhitney:
    """Tests of groups against controls.

    Parameters
    ----------
    groups : ndarray of shape (n_groups,)
        Sorted names.
    n_cells : ndarray of shape (n_groups,)
    u : ndarray of shape (n_groups, n_genes)
        Pairs in which the group's cell is higher, ties counted half: u / (n m) is the probability
        of that, 1/2 without a difference.
    p_value : ndarray of shape (n_groups, n_genes), in (0, 1]
        Two-sided.
    """

    groups: np.ndarray
    n_cells: np.ndarray
    u: np.ndarray
    p_value: np.ndarray


def mann_whitney(values, labels, is_control) -> MannWhitney:
    """Test each group of cells against the controls, gene by gene.

    Parameters
    ----------
    values : ndarray or sparse matrix of shape (n_cells, n_genes), finite
    labels : array of shape (n_cells,)
        Group of each cell; what stands at controls does not matter.
    is_control : bool array of shape (n_cells,)

    Returns
    -------
    MannWhitney
        Ranks are exact mid-ranks. The p-value is the normal approximation with the variance
        corrected for ties and a continuity correction of 1/2; 1 where all values are equal. It is
        at least 2 / C(n + m, n), what the most extreme of all arrangements has. Below about 8 cells
        in a group the approximation is rough.

    Raises
    ------
    ValueError
        No controls, no group, shapes that do not fit, or values that are NaN or infinite.

    Notes
    -----
    The controls of a gene are sorted once, and each group is merged against them.

    References
    ----------
    Mann & Whitney 1947, Annals of Mathematical Statistics 18; Lehmann 1975, Nonparametrics.
    """
    from scipy.special import gammaln
    from scipy.stats import norm

    is_control = np.asarray(is_control)
    labels = np.asarray(labels)
    values = values if sparse.issparse(values) else finite_matrix(values, "expression")
    if is_control.dtype != bool or not len(labels) == len(is_control) == values.shape[0]:
        raise ValueError(
            f"{values.shape[0]} cells, {len(labels)} labels, {len(is_control)} entries of "
            f"is_control ({is_control.dtype}); they must be of one length, is_control bool"
        )
    if not is_control.any() or is_control.all():
        raise ValueError(
            f"{int(is_control.sum())} of {len(is_control)} cells are controls; a test needs "
            "controls and a group"
        )
    if sparse.issparse(values) and (odd := ~np.isfinite(values.data)).any():
        raise ValueError(f"{odd.sum()} values are NaN or infinite")
    code, groups = label_codes(labels[~is_control], int((~is_control).sum()))
    order = np.argsort(code, kind="stable")
    n_cells = np.bincount(code)
    starts = np.concatenate([[0], np.cumsum(n_cells)])
    by_gene = sparse.csc_matrix(values) if sparse.issparse(values) else values
    n_genes, m = values.shape[1], int(is_control.sum())
    u, ties = np.empty((len(groups), n_genes)), np.empty((len(groups), n_genes))
    for first in range(0, n_genes, _GENES):
        block = by_gene[:, first : first + _GENES]
        block = block.toarray() if sparse.issparse(block) else block
        varying = varies(block)
        block = np.array(block.T, dtype=np.float64, order="C")
        block[~varying] = 0
        control = np.sort(block[:, is_control], axis=1)
        rest = np.ascontiguousarray(block[:, ~is_control][:, order])
        _merge(control, rest, starts, u[:, first : first + _GENES], ties[:, first : first + _GENES])
    n = n_cells[:, None].astype(float)
    total = n + m
    variance = n * m / 12 * ((total + 1) - ties / (total * (total - 1)))
    excess = np.abs(u - n * m / 2) - 0.5
    z = np.divide(excess, np.sqrt(variance), out=np.full_like(u, -np.inf), where=variance > 1e-9)
    # A p-value is at least that of the one most extreme arrangement, and no number is 0.
    arrangements = gammaln(total + 1) - gammaln(n + 1) - gammaln(m + 1)
    least = np.maximum(2 * np.exp(-arrangements), np.finfo(float).tiny)
    return MannWhitney(
        groups.to_numpy(), n_cells, u, np.clip(2 * norm.sf(z), np.minimum(least, 1), 1)
    )


@njit(cache=True)
def _merge(control, values, starts, u, ties):
    """Fill U and the sum of t^3 - t over tied values, for each group and gene."""
    n_genes, m = control.shape
    for gene in range(n_genes):
        c = control[gene]
        for group in range(len(starts) - 1):
            x = np.sort(values[gene, starts[group] : starts[group + 1]])
            n = len(x)
            i, j = 0, 0
            pairs, tied = 0.0, 0.0
            while i < n or j < m:
                value = x[i] if j == m or (i < n and x[i] < c[j]) else c[j]
                below, first = j, i
                while i < n and x[i] == value:
                    i += 1
                while j < m and c[j] == value:
                    j += 1
                pairs += (i - first) * (below + 0.5 * (j - below))
                t = float(i - first + j - below)
                tied += t * t * t - t
            u[group, gene] = pairs
            ties[group, gene] = tied


def n_de_genes(p_values, *, level: float = 0.05) -> np.ndarray:
    """Number of genes of each group at a false discovery rate, Benjamini-Hochberg within groups.

    Parameters
    ----------
    p_values : ndarray of shape (n_groups, n_genes), in [0, 1]
    level : float in (0, 1)

    Returns
    -------
    ndarray of int of shape (n_groups,)

    Raises
    ------
    ValueError
        Values that are no p-values, or a level out of range.

    References
    ----------
    Benjamini & Hochberg 1995, Journal of the Royal Statistical Society B 57.
    """
    p_values = np.atleast_2d(np.asarray(p_values, dtype=float))
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it lies in (0, 1)")
    if not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError("p-values are NaN or outside [0, 1]; leave out genes that were not tested")
    n_genes = p_values.shape[1]
    passes = np.sort(p_values, axis=1) <= level * np.arange(1, n_genes + 1) / n_genes
    return np.where(passes.any(1), n_genes - np.argmax(passes[:, ::-1], axis=1), 0)
