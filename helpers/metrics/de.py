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
    p_value : ndarray of shape (n_groups, n_genes), in [0, 1]
        Two-sided.
    """

    groups: np.ndarray
    n_cells: np.ndarray
    u: np.ndarray
    p_value: np.ndarray


def mann_whitney(
    values, labels, is_control, *, continuity: bool = True, bounded: bool = True
) -> MannWhitney:
    """Test each group of cells against the controls, gene by gene.

    Parameters
    ----------
    values : ndarray or sparse matrix of shape (n_cells, n_genes), finite
    labels : array of shape (n_cells,)
        Group of each cell; what stands at controls does not matter.
    is_control : bool array of shape (n_cells,)
    continuity : bool
        Correct by 1/2, as scipy and pdex do; scanpy does not.
    bounded : bool
        No p-value below that of the one most extreme arrangement; scipy, pdex and scanpy have none.

    Returns
    -------
    MannWhitney
        Ranks are exact mid-ranks. The p-value is the normal approximation with the variance
        corrected for ties; 1 where all values are equal. If bounded, it is at least
        2 / C(n + m, n), what the most extreme of all arrangements has. Below about 8 cells in a
        group the approximation is rough.

    Raises
    ------
    ValueError
        No controls, no group, shapes that do not fit, or values that are NaN or infinite.

    Notes
    -----
    The non-zero controls of a gene are sorted once, and the distinct values of each group are
    searched among them; zeros are counted, never sorted.

    References
    ----------
    Mann & Whitney 1947, Annals of Mathematical Statistics 18; Lehmann 1975, Nonparametrics.
    """
    from scipy.special import gammaln, ndtr

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
    code = np.zeros(len(labels), dtype=np.int64)  # 0: control
    code[~is_control], groups = label_codes(labels[~is_control], int((~is_control).sum()))
    code[~is_control] += 1
    m, *n_cells = np.bincount(code)
    by_gene = sparse.csc_array(values) if sparse.issparse(values) else values
    n_genes = values.shape[1]
    u, ties = np.empty((len(groups), n_genes)), np.empty((len(groups), n_genes))
    for first in range(0, n_genes, _GENES):
        block = sparse.csc_array(by_gene[:, first : first + _GENES])
        block.sum_duplicates()
        starts = block.indptr[:-1]
        varying = varies(np.stack([block.min(axis=0).toarray(), block.max(axis=0).toarray()]))
        _search(
            block.data.astype(float),
            code[block.indices],
            starts,
            np.where(varying, block.indptr[1:], starts),
            np.array([m, *n_cells]),
            np.empty(len(labels)),
            u[:, first : first + _GENES],
            ties[:, first : first + _GENES],
        )
    n = np.array(n_cells, dtype=float)[:, None]
    total = n + m
    variance = n * m / 12 * ((total + 1) - ties / (total * (total - 1)))
    excess = np.abs(u - n * m / 2) - (0.5 if continuity else 0.0)
    z = np.divide(excess, np.sqrt(variance), out=np.full_like(u, -np.inf), where=variance > 1e-9)
    p_value = np.minimum(2 * ndtr(-z), 1)
    if bounded:  # and no number is 0
        arrangements = gammaln(total + 1) - gammaln(n + 1) - gammaln(m + 1)
        least = np.maximum(2 * np.exp(-arrangements), np.finfo(float).tiny)
        p_value = np.maximum(p_value, np.minimum(least, 1))
    return MannWhitney(groups.to_numpy(), np.array(n_cells), u, p_value)


# The kernels use plain loops: numba's own sort and searchsorted take the compiler many seconds.


@njit(cache=True)
def _search(values, code, starts, ends, n_cells, x, u, ties):
    """Fill U and the sum of t^3 - t over tied values, for each group and gene.

    A gene's stored values lie between its start and its end; what is not stored is zero. Code 0
    is the controls. The values of one gene are held in x, by group.
    """
    n_groups = len(n_cells)
    place, free = np.empty(n_groups + 1, np.int64), np.empty(n_groups, np.int64)
    runs = np.empty((64, 2), np.int64)
    for gene in range(len(starts)):
        for group in range(n_groups + 1):
            place[group] = 0
        for k in range(starts[gene], ends[gene]):
            place[code[k] + 1] += values[k] != 0
        for group in range(n_groups):
            free[group] = place[group]
            place[group + 1] += place[group]
        for k in range(starts[gene], ends[gene]):
            if values[k] != 0:
                x[free[code[k]]] = values[k]
                free[code[k]] += 1
        n_controls = place[1]
        _sort(x, 0, n_controls, runs)
        negative, c_zero = _first(x, 0, n_controls, 0.0, False), n_cells[0] - n_controls
        own_ties, i = _ties(c_zero), 0
        while i < n_controls:
            first, i = i, _first(x, i, n_controls, x[i], True)
            own_ties += _ties(i - first)
        for group in range(1, n_groups):
            i, end = place[group], place[group + 1]
            _sort(x, i, end, runs)
            zeros = n_cells[group] - (end - i)
            pairs = zeros * (negative + 0.5 * c_zero)
            tied = own_ties + _ties(zeros + c_zero) - _ties(c_zero)
            right = 0
            while i < end:
                value, first = x[i], i
                while i < end and x[i] == value:
                    i += 1
                left = _first(x, right, n_controls, value, False)
                right = _first(x, left, n_controls, value, True)
                equal = right - left
                pairs += (i - first) * (left + (c_zero if value > 0 else 0) + 0.5 * equal)
                tied += _ties(i - first + equal) - _ties(equal)
            u[group - 1, gene] = pairs
            ties[group - 1, gene] = tied


@njit(cache=True)
def _first(x, start, stop, value, above):
    """First place in sorted x[start:stop] of a value that is not below another, or is above it."""
    while start < stop:
        middle = (start + stop) // 2
        if x[middle] < value or (above and x[middle] == value):
            start = middle + 1
        else:
            stop = middle
    return start


@njit(cache=True)
def _sort(x, start, stop, runs):
    """Sort x[start:stop]: quicksort by the median of three, short runs by insertion.

    `runs`, of shape (64, 2), holds those that wait: the shorter part goes first, so that few do. (A
    function that calls itself ends the process when it is loaded from numba's cache.)
    """
    n = 1
    runs[0, 0], runs[0, 1] = start, stop
    while n > 0:
        n -= 1
        start, stop = runs[n, 0], runs[n, 1]
        if stop - start <= 16:
            for i in range(start + 1, stop):
                value, k = x[i], i
                while k > start and x[k - 1] > value:
                    x[k] = x[k - 1]
                    k -= 1
                x[k] = value
            continue
        low, high = start, stop - 1
        a, b, c = x[low], x[high], x[(start + stop) // 2]
        pivot = max(min(a, b), min(max(a, b), c))
        while low <= high:
            while x[low] < pivot:
                low += 1
            while x[high] > pivot:
                high -= 1
            if low <= high:
                x[low], x[high] = x[high], x[low]
                low += 1
                high -= 1
        left, right = (n, n + 1) if high + 1 - start > stop - low else (n + 1, n)
        runs[left, 0], runs[left, 1] = start, high + 1
        runs[right, 0], runs[right, 1] = low, stop
        n += 2


@njit(cache=True)
def _ties(t):
    return float(t) * t * t - t


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
    from scipy.stats import false_discovery_control

    p_values = np.atleast_2d(np.asarray(p_values, dtype=float))
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it lies in (0, 1)")
    if not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError("p-values are NaN or outside [0, 1]; leave out genes that were not tested")
    return (false_discovery_control(p_values, axis=1, method="bh") <= level).sum(axis=1)
