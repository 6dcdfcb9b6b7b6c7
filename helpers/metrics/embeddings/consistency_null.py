"""Is a perturbation more consistent than its cells and controls are under other labels?

Cells are centred once (`centred_cells`), what they are compared with is an object (`Relabelling`),
and `consistency_test` takes both.
"""

import math
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd
from numba import njit

from helpers.metrics.embeddings.centred_cells import CentredCells
from helpers.metrics.embeddings.consistency import REORDER, add_unit
from helpers.metrics.labellings import least_p_value

_INTERVAL = ["low", "high"]
_TEST = ["p_value", "least_p", "null_mean", "null_sd", "null_low", "null_high"]
_COUNTS = ["n_cells", "n_used", "n_pairs", "n_zero"]
_ROUNDING = 1e-12  # share of a variance below which what downdating leaves of it is rounding
_TIE = 1e-12  # between cosines


@dataclass(frozen=True)
class Relabelling:
    """What consistency is when cells and controls of a batch change places.

    In a batch with n cells of a target and N controls, any n of the n + N are called the target,
    and the others centre (and scale) them. Without an effect all ways to choose them are alike,
    whatever differs between batches and however few controls there are, so that the p-value is
    exact: it is the share of labellings that are at least as consistent as the true one. Where
    there are no more than `n` labellings all are computed, else `n` random ones, and the true one.

    Parameters
    ----------
    n : int, at least 1
        Labellings to draw.
    in_sample : bool
        True is a null that is wrong, kept to show why: min(n, N) controls are drawn, and are among
        the N that centre them. The target is not among the cells that centre it, so that it
        carries the error of their mean while the draws do not. With `post` "center_scaled" and all
        pairs, it calls 23 of 25 targets of Papalexi 2021 and 5 of 9 non-targeting guides that were
        left out of the controls at p <= 0.05.
    """

    n: int = 1000
    in_sample: bool = False

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n_draws is {self.n}; at least 1")


def consistency_test(
    cells: CentredCells, *, null: Relabelling, n_bootstrap: int = 1000, rng: np.random.Generator
) -> pd.DataFrame:
    """Test each perturbation's consistency against other labellings of its cells and controls.

    Parameters
    ----------
    cells : CentredCells
        Of `centred_cells`.
    null : Relabelling
    n_bootstrap : int
        Resamples of the interval, 0 for none (NaN).
    rng : numpy.random.Generator
        Each target gets its own child stream, in sorted order. Draws go by the order of rows:
        other rows' order, other draws.

    Returns
    -------
    DataFrame indexed by perturbation, sorted
        `similarity`, centred on all controls of their batch; `low`, `high`, its 95 % interval
        (cells resampled within batches, controls kept); `p_value` in (0, 1], (1 + b) / (1 + B) of B
        random labellings, or the share of all of them; `least_p`, than which it cannot be smaller:
        one over the number of labellings, or 1 / (1 + B). `null_mean`, `null_sd`, `null_low`,
        `null_high` (2.5 % and 97.5 % quantiles); `n_cells`; `n_used`, those in batches with
        controls; `n_pairs` behind `similarity`; `n_zero`. Where there is no pair: NaN.

    Raises
    ------
    ValueError
        A negative number of resamples.

    References
    ----------
    Phipson & Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9.
    """
    if n_bootstrap < 0:
        raise ValueError(f"n_bootstrap is {n_bootstrap}; at least 0")
    targets = cells.names.drop(cells.control)
    rows = []
    for name, stream in zip(targets, rng.spawn(len(targets)), strict=True):
        own = cells.rows(name)
        units = _unit_rows(cells.scaled(own))
        row = {
            "n_cells": cells.n_cells[cells.names.get_loc(name)],
            "n_used": len(units),
            "n_pairs": cells.n_ordered_pairs(cells.n_of_batch(own)) // 2,
            "n_zero": len(units) - units.any(axis=1).sum(),
        }
        if row["n_pairs"]:
            row |= _interval(units, cells, own, n_bootstrap, stream)
            found, least = _null(cells, own, null, stream)
            row |= _against(row["similarity"], found, least)
        rows.append(row)
    columns = ["similarity", *_INTERVAL, *_TEST, *_COUNTS]
    return pd.DataFrame(rows, index=pd.Index(targets, name="perturbation"), columns=columns)


def _interval(units, cells: CentredCells, own: slice, n_bootstrap: int, stream) -> dict:
    """Similarity of a target's unit rows, and its interval over resampled cells."""
    n_of_batch = cells.n_of_batch(own)
    found = np.empty(1 + n_bootstrap)
    sums = np.empty((cells.replicate.max() + 1, units.shape[1]))
    starts, n_ordered = _starts(n_of_batch), cells.n_ordered_pairs(n_of_batch)
    _resampled(units, starts, cells.replicate, sums, cells.across, n_ordered, found, stream)
    if not n_bootstrap:
        return {"similarity": found[0]}
    low, high = np.nanquantile(found[1:], (0.025, 0.975))
    return {"similarity": found[0], "low": low, "high": high}


def _null(cells: CentredCells, own: slice, null: Relabelling, stream) -> tuple[np.ndarray, float]:
    """Similarities under other labels, the true one first; the least p-value."""
    n_own = cells.n_of_batch(own)
    controls = cells.rows(cells.control)
    n_controls = cells.n_of_batch(controls) * (n_own > 0)
    sizes = n_controls if null.in_sample else n_own + n_controls
    taken = np.minimum(n_own, n_controls) if null.in_sample else n_own
    ways = math.prod(math.comb(int(a), int(b)) for a, b in zip(sizes, taken, strict=True))
    starts = _starts(sizes)
    chosen = np.zeros((0, taken.sum()), dtype=np.int64)
    if ways <= null.n + 1 and not null.in_sample:
        parts = [
            list(combinations(range(a, a + n), k))
            for a, n, k in zip(starts[:-1], sizes, taken, strict=True)
        ]
        chosen = np.array([np.concatenate(one) for one in product(*parts)], dtype=np.int64)
    found = np.empty(len(chosen) or null.n + 1)
    _relabelled(
        _pool(cells, own, controls, null.in_sample),
        starts,
        taken,
        cells.replicate,
        cells.across,
        cells.n_ordered_pairs(taken),
        not null.in_sample and cells.post != "raw",
        not null.in_sample and cells.post == "center_scaled",
        chosen,
        found,
        stream,
    )
    return found, float(least_p_value(taken, sizes, n_draws=None if len(chosen) else null.n))


def _pool(cells: CentredCells, own: slice, controls: slice, in_sample: bool) -> np.ndarray:
    """Cells that a labelling chooses from, by batch; a target's cells before the controls."""
    if in_sample:
        kept = np.isin(cells.batch[controls], cells.batch[own])
        return cells.scaled(controls)[kept]
    rows = np.concatenate([np.arange(r.start, r.stop) for r in (own, controls)])
    rows = rows[np.isin(cells.batch[rows], cells.batch[own])]
    return cells.points[rows[np.argsort(cells.batch[rows], kind="stable")]]


def _against(similarity: float, found: np.ndarray, least: float) -> dict:
    low, high = np.quantile(found, (0.025, 0.975))
    # The first of them is the target's own, or counts as a draw that is at least as large.
    at_least = found[1:] >= similarity - _TIE
    return {
        "p_value": (1 + at_least.sum()) / len(found),
        "least_p": least,
        "null_mean": found.mean(),
        "null_sd": found.std(),
        "null_low": low,
        "null_high": high,
    }


def _starts(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)])


def _unit_rows(cells: np.ndarray) -> np.ndarray:
    norm = np.sqrt(np.einsum("ij,ij->i", cells, cells))[:, None]
    return np.divide(cells, norm, out=np.zeros_like(cells), where=norm > 0)


# The kernels use plain loops: array expressions would take the compiler many seconds.


@njit(cache=True)
def _mean_cosine(sums, own, n_ordered, across):
    """Mean over ordered pairs from the replicates' sums; `own` is what rows give by themselves."""
    between, within = 0.0, 0.0
    for j in range(sums.shape[1]):
        total = 0.0
        for r in range(len(sums)):
            total += sums[r, j]
            within += sums[r, j] * sums[r, j]
        between += total * total
    return min(1.0, max(-1.0, (between - (within if across else own)) / n_ordered))


@njit(cache=True)
def _resampled(units, starts, replicate, sums, across, n_across, result, rng):
    """Fill `result` with mean cosines of unit rows: as they are, then with cells drawn anew.

    Cells are drawn within their batch. Pairs of a cell with its own copy do not count: across
    replicates there are none, over all pairs they are taken out.
    """
    n_cells, n_dims = units.shape
    weights, square = np.ones(n_cells, dtype=np.int64), np.zeros(n_cells)
    for i in range(n_cells):  # apart, as a sum in order keeps the loop below from vectorising
        for j in range(n_dims):
            square[i] += units[i, j] * units[i, j]
    for k in range(len(result)):
        if k > 0:
            weights[:] = 0
            for b in range(len(replicate)):
                n = starts[b + 1] - starts[b]
                for _ in range(n):
                    weights[starts[b] + int(rng.random() * n)] += 1
        sums[:] = 0.0
        own, copies = 0.0, 0
        for b in range(len(replicate)):
            r = replicate[b]
            for i in range(starts[b], starts[b + 1]):
                w = weights[i]
                if w == 0:
                    continue
                for j in range(n_dims):
                    sums[r, j] += w * units[i, j]
                copies += w * w
                own += w * w * square[i]
        n_ordered = n_across if across else n_cells * n_cells - copies
        result[k] = _mean_cosine(sums, own, n_ordered, across) if n_ordered > 0 else np.nan


@njit(cache=True)
def _shuffle_front(order, start, stop, n, rng):
    """Bring n random entries of order[start:stop] to its front."""
    for i in range(start, start + n):
        j = i + int(rng.random() * (stop - i))
        order[i], order[j] = order[j], order[i]


@njit(cache=True, fastmath=REORDER)
def _sums(cells, start, stop, total, square):
    total[:] = 0.0
    square[:] = 0.0
    for i in range(start, stop):
        for j in range(len(total)):
            total[j] += cells[i, j]
            square[j] += cells[i, j] * cells[i, j]


@njit(cache=True, fastmath=REORDER)
def _rest_statistics(cells, taken, n, total, total_square, scale, mean, inverse_sd):
    """Mean and 1 / sd of n cells less the ones taken, by downdating their sums."""
    n_rest = n - len(taken)
    for j in range(len(total)):
        mean[j] = total[j]
        inverse_sd[j] = total_square[j]
    for i in taken:
        for j in range(len(total)):
            mean[j] -= cells[i, j]
            inverse_sd[j] -= cells[i, j] * cells[i, j]
    for j in range(len(total)):
        mean[j] /= n_rest
        variance = inverse_sd[j] / n_rest - mean[j] * mean[j]
        constant = variance <= _ROUNDING * total_square[j] / n
        inverse_sd[j] = 1.0 if constant or not scale else 1.0 / np.sqrt(variance)


@njit(cache=True)
def _relabelled(
    pool, starts, n_taken, replicate, across, n_ordered, centre, scale, chosen, result, rng
):
    """Fill `result` with mean cosines of cells of a pool that are called the target.

    Those of a row of `chosen` or, where it has none, `n_taken` random cells of each batch; first
    the first ones of each batch. With `centre` the other cells of the batch centre them.
    """
    n_dims = pool.shape[1]
    order = np.arange(len(pool))
    mean, inverse_sd = np.zeros(n_dims), np.ones(n_dims)
    total = np.zeros((len(n_taken), n_dims))
    square = np.zeros((len(n_taken), n_dims))
    for b in range(len(n_taken)):
        _sums(pool, starts[b], starts[b + 1], total[b], square[b])
    sums = np.zeros((replicate.max() + 1, n_dims))
    for k in range(len(result)):
        sums[:] = 0.0
        own, at = 0.0, 0
        for b in range(len(n_taken)):
            start, stop, n = starts[b], starts[b + 1], n_taken[b]
            if n == 0:
                continue
            if len(chosen):
                taken = chosen[k, at : at + n]
            else:
                if k > 0:
                    _shuffle_front(order, start, stop, n, rng)
                taken = order[start : start + n]
            at += n
            if centre:
                _rest_statistics(
                    pool, taken, stop - start, total[b], square[b], scale, mean, inverse_sd
                )
            for i in taken:
                own += add_unit(sums[replicate[b]], pool[i], mean, inverse_sd)
        result[k] = _mean_cosine(sums, own, n_ordered, across)
