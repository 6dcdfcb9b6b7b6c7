"""Consistency against permuted labels, for screens of any size.

Labels are permuted within batches, many times, and all perturbations are scored at once: one
permutation costs one addition for each coordinate of each cell.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from numba import njit

from helpers.metrics.arrays import finite_matrix, label_codes
from helpers.metrics.labellings import least_p_value

_REORDER = {"reassoc", "contract"}  # sums may be vectorised; NaN and infinity keep their meaning
_TOGETHER = 8  # permutations that share one reading of a batch from memory


def permutation_consistency(
    embedding,
    labels,
    batches,
    *,
    where=None,
    n_permutations: int = 1000,
    pairs: str = "across",
    n_threads: int = 1,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Mean cosine of each perturbation's cells, against labels permuted within batches.

    The null is other perturbed cells of the same batches in the same numbers. It asks whether a
    perturbation's cells agree more than perturbed cells do; what all perturbations share is in the
    null. Leave controls out, unless they are to be scored and drawn too.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
        Centred on controls, finite.
    labels, batches : array of shape (n_cells,)
    where : bool array of shape (n_cells,), optional
        Cells that take part; the others are left out without a copy. Default: all.
    n_permutations : int
    pairs : {"across", "all"}
        Pairs of cells of different batches, or all pairs.
    n_threads : int
        The result does not depend on it.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame indexed by perturbation, sorted
        `similarity` in [-1, 1]; `p_value` in (0, 1], (1 + b) / (1 + B), and at least
        `least_p`: one over the number of labellings, or over 1 + B; `null_mean`, `null_sd`;
        `n_cells`. NaN where there is no pair. Sums are in single precision: similarities are exact
        to about 1e-6.

    Raises
    ------
    ValueError
        Input that does not fit or is not finite.
    """
    if pairs not in ("across", "all"):
        raise ValueError(f"pairs is {pairs!r}; choose from across, all")
    if n_permutations < 1 or n_threads < 1:
        raise ValueError(
            f"n_permutations is {n_permutations}, n_threads {n_threads}; at least 1 each"
        )
    embedding, cells = _cells(embedding, where)
    n = len(embedding)
    for name, given in (("labels", labels), ("batches", batches)):
        if np.shape(given) != (n,):
            raise ValueError(f"{name} of shape {np.shape(given)} for {n} rows")
    label, names = label_codes(np.asarray(labels)[cells], len(cells))
    batch, batch_names = label_codes(np.asarray(batches)[cells], len(cells), "batches")
    order = np.argsort(batch, kind="stable")
    label = label[order].astype(np.int32)
    starts = np.searchsorted(batch[order], np.arange(len(batch_names) + 1))
    # In double precision once: the squares of the unit rows are 1, or 0 for a zero row.
    units, odd = _unit_rows(embedding, cells[order])
    if odd >= 0:
        raise ValueError(f"the embedding holds NaN or infinite values, the first in row {odd}")
    member = pd.crosstab(label, batch[order]).to_numpy()  # (n_labels, n_batches)
    n_cells = member.sum(axis=1)
    across = pairs == "across"
    n_ordered = n_cells**2 - ((member**2).sum(axis=1) if across else n_cells)

    def score(label, seeds):
        found = np.empty((len(seeds), len(names)), dtype=np.float64)
        _permuted(units, label, starts, seeds, across, found)
        return found

    seeds = rng.integers(1, 2**63, size=n_permutations, dtype=np.uint64)
    blocks = [seeds[i : i + _TOGETHER] for i in range(0, n_permutations, _TOGETHER)]
    observed = score(label, np.zeros(1, dtype=np.uint64))[0]
    with ThreadPoolExecutor(n_threads) as pool:
        drawn = np.concatenate(list(pool.map(lambda block: score(label, block), blocks)))
    defined = n_ordered > 0
    divisor = np.where(defined, n_ordered, 1)
    similarity, null = observed / divisor, drawn / divisor
    # A tie that rounding breaks would make a permutation that changes nothing look like more.
    at_least = (null >= similarity - 1e-6 / np.sqrt(np.maximum(n_cells, 1))).sum(axis=0)
    least = least_p_value(member, member.sum(axis=0), n_draws=n_permutations)
    frame = pd.DataFrame(
        {
            "similarity": similarity.clip(-1, 1),
            "p_value": np.maximum((1 + at_least) / (1 + n_permutations), least),
            "least_p": least,
            "null_mean": null.mean(axis=0),
            "null_sd": null.std(axis=0),
        },
        index=pd.Index(names, name="perturbation"),
    )
    frame[~defined] = np.nan
    return frame.assign(n_cells=n_cells)


def _cells(embedding, where) -> tuple[np.ndarray, np.ndarray]:
    """The embedding in a form for the kernels, and the rows that take part."""
    if not isinstance(embedding, np.ndarray) or embedding.dtype not in (np.float32, np.float64):
        embedding = finite_matrix(embedding)
    if embedding.ndim != 2:
        raise ValueError(
            f"the embedding has shape {embedding.shape}; pass a matrix, rows x columns"
        )
    if where is None:
        return embedding, np.arange(len(embedding))
    where = np.asarray(where)
    if where.dtype != bool or where.shape != (len(embedding),):
        raise ValueError(
            f"where is {where.dtype} of shape {where.shape}; one True or False for each of "
            f"{len(embedding)} cells"
        )
    return embedding, np.flatnonzero(where)


def _unit_rows(embedding, order) -> tuple[np.ndarray, int]:
    units = np.empty((len(order), embedding.shape[1]), dtype=np.float32)
    odd = _normalise(embedding, order, units)
    return units, odd


@njit(cache=True, nogil=True)
def _normalise(cells, order, units):
    """Fill `units` with unit rows in an order; the first row with a value that is not finite."""
    for i in range(len(order)):
        square = 0.0
        for j in range(cells.shape[1]):
            value = np.float64(cells[order[i], j])
            square += value * value
        if not np.isfinite(square):
            return order[i]
        inverse = 0.0 if square == 0.0 else 1.0 / np.sqrt(square)
        for j in range(cells.shape[1]):
            units[i, j] = cells[order[i], j] * inverse
    return -1


@njit(cache=True, nogil=True, fastmath=_REORDER)
def _permuted(units, label, starts, seeds, across, result):
    """Fill `result` with sums over ordered pairs, one row a seed; seed 0 permutes nothing."""
    n_dims = units.shape[1]
    n_labels = result.shape[1]
    total = np.zeros((len(seeds), n_labels, n_dims), dtype=np.float32)
    own = np.zeros((len(seeds), n_labels))
    table = np.zeros((n_labels, n_dims), dtype=np.float32)
    state = seeds.copy()
    shuffled = label.copy()
    for b in range(len(starts) - 1):
        first, last = starts[b], starts[b + 1]
        for k in range(len(seeds)):
            shuffled[first:last] = label[first:last]
            if seeds[k] != 0:
                for i in range(last - first - 1, 0, -1):
                    # splitmix64 (Steele et al. 2014), its high half scaled to 0 .. i
                    state[k] += np.uint64(0x9E3779B97F4A7C15)
                    z = state[k]
                    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                    z = z ^ (z >> np.uint64(31))
                    j = np.int64(((z >> np.uint64(32)) * np.uint64(i + 1)) >> np.uint64(32))
                    swap = shuffled[first + i]
                    shuffled[first + i] = shuffled[first + j]
                    shuffled[first + j] = swap
            if across:
                table[:] = 0
            for i in range(first, last):
                t = shuffled[i]
                if across:
                    for j in range(n_dims):
                        table[t, j] += units[i, j]
                else:
                    square = np.float32(0)
                    for j in range(n_dims):
                        total[k, t, j] += units[i, j]
                        square += units[i, j] * units[i, j]
                    own[k, t] += square
            if across:
                for t in range(n_labels):
                    square = np.float32(0)
                    for j in range(n_dims):
                        total[k, t, j] += table[t, j]
                        square += table[t, j] * table[t, j]
                    own[k, t] += square
    for k in range(len(seeds)):
        for t in range(n_labels):
            square = 0.0
            for j in range(n_dims):
                square += np.float64(total[k, t, j]) * total[k, t, j]
            result[k, t] = square - own[k, t]
