"""Is a perturbation more consistent than cells without one? Its controls are asked, draw by draw.

Cells are centred once (`centred_cells`), what they are compared with is an object (`ControlDraws`),
and `consistency_test` takes both.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numba import njit

from helpers.metrics.embeddings.centred_cells import CentredCells
from helpers.metrics.embeddings.consistency import REORDER, add_unit, empirical_p_value

_INTERVAL = ["low", "high"]
_TEST = ["matched_similarity", "p_value", "null_mean", "null_sd", "null_low", "null_high"]
_COUNTS = ["n_cells", "n_used", "n_pairs", "n_zero"]
_ROUNDING = 1e-12  # share of a variance below which what downdating leaves of it is rounding


@dataclass(frozen=True)
class ControlDraws:
    """Pseudo-perturbations made of controls.

    Of n_b cells of a target and N_b controls in batch b, m_b = min(n_b, N_b // 2) enter. A draw
    takes m_b controls of each batch, leaves them out, and centres (and scales) them on the other
    N_b - m_b. The target, m_b of its cells if it has more, is centred on as many controls, chosen
    at random. So target and draws differ in nothing but the perturbation.

    Parameters
    ----------
    n : int, at least 1
        Draws.
    left_out : bool
        False is a null that is wrong, kept to show why: min(n_b, N_b) controls are drawn, but they
        also centre themselves, on all N_b. The target is not among the cells that centre it, so
        it carries the error of their mean while the draws do not. With `post` "center_scaled" and
        all pairs, it calls 23 of 25 targets of Papalexi 2021 and 5 of 9 non-targeting guides that
        were left out of the controls at p <= 0.05.
    """

    n: int = 1000
    left_out: bool = True

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n_draws is {self.n}; at least 1")


def consistency_test(
    cells: CentredCells, *, null: ControlDraws, n_bootstrap: int = 1000, rng: np.random.Generator
) -> pd.DataFrame:
    """Test each perturbation's consistency against pseudo-perturbations made of controls.

    Parameters
    ----------
    cells : CentredCells
        Of `centred_cells`.
    null : ControlDraws
    n_bootstrap : int
        Resamples of the interval, 0 for none (NaN).
    rng : numpy.random.Generator
        Each target gets its own child stream, in sorted order. Draws go by the order of rows:
        other rows' order, other draws.

    Returns
    -------
    DataFrame indexed by perturbation, sorted
        `similarity`, of all cells, centred on all controls of their batch; `low`, `high`, its 95 %
        interval (cells resampled within batches, controls kept); `matched_similarity`, of the cells
        that enter the test; `p_value` in (0, 1], (1 + b) / (1 + B); `null_mean`, `null_sd`,
        `null_low`, `null_high` (2.5 % and 97.5 % quantiles); `n_cells`; `n_used`, cells that enter
        the test; `n_pairs` behind `similarity`; `n_zero`. Where there is no pair: NaN.

    Raises
    ------
    ValueError
        A negative number of resamples.
    """
    if n_bootstrap < 0:
        raise ValueError(f"n_bootstrap is {n_bootstrap}; at least 0")
    pool = _Pool.of(cells, null)
    targets = cells.names.drop(cells.control)
    rows = []
    for name, stream in zip(targets, rng.spawn(len(targets)), strict=True):
        own = cells.rows(name)
        units = _unit_rows(cells.scaled(own))
        row = {
            "n_cells": cells.n_cells[cells.names.get_loc(name)],
            "n_pairs": cells.n_ordered_pairs(cells.n_of_batch(own)) // 2,
            "n_zero": len(units) - units.any(axis=1).sum(),
        }
        row |= _interval(units, cells, own, n_bootstrap, stream)
        row |= _against(pool, cells, own, row, stream)
        rows.append(row)
    columns = ["similarity", *_INTERVAL, *_TEST, *_COUNTS]
    return pd.DataFrame(rows, index=pd.Index(targets, name="perturbation"), columns=columns)


def _interval(units, cells: CentredCells, own: slice, n_bootstrap: int, stream) -> dict:
    """Similarity of a target's unit rows, and its interval over resampled cells."""
    n_of_batch = cells.n_of_batch(own)
    n_ordered = cells.n_ordered_pairs(n_of_batch)
    if not n_ordered:
        return {}
    found = np.empty(1 + n_bootstrap)
    sums = np.empty((cells.replicate.max() + 1, units.shape[1]))
    starts = _starts(n_of_batch)
    _resampled(units, starts, cells.replicate, sums, cells.across, n_ordered, found, stream)
    if not n_bootstrap:
        return {"similarity": found[0]}
    low, high = np.nanquantile(found[1:], (0.025, 0.975))
    return {"similarity": found[0], "low": low, "high": high}


@dataclass(frozen=True)
class _Pool:
    """Controls that a null draws from, by batch."""

    null: ControlDraws
    points: np.ndarray  # of all cells, as they enter a draw
    controls: np.ndarray  # (n_controls, n_dims)
    starts: np.ndarray  # (n_batches + 1,)
    total: np.ndarray  # (n_batches, n_dims), and of the squares
    total_square: np.ndarray
    most: np.ndarray  # (n_batches,) that a draw takes

    @classmethod
    def of(cls, cells: CentredCells, null: ControlDraws) -> "_Pool":
        rows = cells.rows(cells.control)
        n_controls = cells.n_of_batch(rows)
        # Without leaving out, draws are what all controls made of them.
        points = cells.points if null.left_out else cells.scaled(slice(None))
        most = n_controls // 2 if null.left_out else n_controls
        totals = _batch_sums(points[rows], cells.batch[rows], len(n_controls))
        return cls(null, points, points[rows], _starts(n_controls), *totals, most)


def _against(pool: _Pool, cells: CentredCells, own: slice, row: dict, stream) -> dict:
    """What a target is, and what the draws of a null are, with the p-value."""
    n_of_batch = cells.n_of_batch(own)
    taken = np.minimum(n_of_batch, pool.most)
    counted = {"n_used": taken.sum() if pool.null.left_out else n_of_batch.sum()}
    n_drawn = cells.n_ordered_pairs(taken)
    if not n_drawn:
        return counted
    found = np.empty(1 + pool.null.n)
    _drawn(
        pool.controls,
        pool.starts,
        pool.total,
        pool.total_square,
        pool.points[own],
        _starts(n_of_batch),
        taken,
        cells.replicate,
        np.empty((cells.replicate.max() + 1, pool.points.shape[1])),
        cells.across,
        n_drawn,
        pool.null.left_out and cells.post != "raw",
        cells.post == "center_scaled",
        found,
        stream,
    )
    statistic, null = found[0] if pool.null.left_out else row["similarity"], found[1:]
    low, high = np.quantile(null, (0.025, 0.975))
    return counted | {
        "matched_similarity": statistic,
        "p_value": empirical_p_value(statistic, null),
        "null_mean": null.mean(),
        "null_sd": null.std(),
        "null_low": low,
        "null_high": high,
    }


def _starts(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)])


def _batch_sums(cells, batch, n_batches) -> tuple[np.ndarray, np.ndarray]:
    """Sums and sums of squares of cells by batch, each of shape (n_batches, n_dims)."""
    member = (np.arange(n_batches)[:, None] == batch).astype(float)
    return member @ cells, member @ cells**2


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
    weights = np.ones(n_cells, dtype=np.int64)
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
                square = 0.0
                for j in range(n_dims):
                    sums[r, j] += w * units[i, j]
                    square += units[i, j] * units[i, j]
                copies += w * w
                own += w * w * square
        n_ordered = n_across if across else n_cells * n_cells - copies
        result[k] = _mean_cosine(sums, own, n_ordered, across) if n_ordered > 0 else np.nan


@njit(cache=True)
def _shuffle_front(order, start, stop, n, rng):
    """Bring n random entries of order[start:stop] to its front."""
    for i in range(start, start + n):
        j = i + int(rng.random() * (stop - i))
        order[i], order[j] = order[j], order[i]


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
def _drawn(
    controls,
    control_starts,
    total,
    total_square,
    target,
    target_starts,
    taken,
    replicate,
    sums,
    across,
    n_ordered,
    left_out,
    scale,
    result,
    rng,
):
    """Fill `result` with mean cosines: of the target's cells (entry 0), then of draws of controls.

    From each batch `taken` cells enter. With `left_out` they are centred, and with `scale` scaled,
    on the controls of the batch that are not among as many drawn ones.
    """
    order, target_order = np.arange(len(controls)), np.arange(len(target))
    mean, inverse_sd = np.zeros(controls.shape[1]), np.ones(controls.shape[1])
    for k in range(len(result)):
        sums[:] = 0.0
        own = 0.0
        for b in range(len(taken)):
            start, stop, n = control_starts[b], control_starts[b + 1], taken[b]
            if n == 0:
                continue
            _shuffle_front(order, start, stop, n, rng)
            drawn = order[start : start + n]
            if left_out:
                _rest_statistics(
                    controls,
                    drawn,
                    stop - start,
                    total[b],
                    total_square[b],
                    scale,
                    mean,
                    inverse_sd,
                )
            if k > 0:
                for i in drawn:
                    own += add_unit(sums[replicate[b]], controls[i], mean, inverse_sd)
            else:
                first = target_starts[b]
                _shuffle_front(target_order, first, target_starts[b + 1], n, rng)
                for i in target_order[first : first + n]:
                    own += add_unit(sums[replicate[b]], target[i], mean, inverse_sd)
        result[k] = _mean_cosine(sums, own, n_ordered, across)
