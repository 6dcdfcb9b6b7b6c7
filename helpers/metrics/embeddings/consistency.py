"""Perturbation consistency: do cells of one perturbation point the same way?

The similarity of a perturbation is the mean cosine over pairs of its cells. All of it rests on one
closed form: with unit rows u, the sum over pairs needs only the sums of u.
"""

import numpy as np
import pandas as pd
from numba import njit

POSTS = ("raw", "centered", "center_scaled")
NULLS = ("matched", "in-sample")
PAIRS = ("across", "all")

_INTERVAL = ["low", "high"]
_TEST = ["matched_similarity", "p_value", "null_mean", "null_sd", "null_low", "null_high"]
_COUNTS = ["n_cells", "n_used", "n_pairs", "n_zero"]
_ROUNDING = 1e-12  # share of a variance below which what downdating leaves of it is rounding
_REORDER = {"reassoc", "contract"}  # sums may be vectorised; NaN and infinity keep their meaning


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
    embedding = _finite_matrix(embedding)
    label, names = _codes(labels, "labels", len(embedding))
    if replicates is None:
        replicate, n_replicates = np.zeros(len(embedding), dtype=np.int64), 1
    else:
        replicate, levels = _codes(replicates, "replicates", len(embedding))
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
        exchangeability (Phipson & Smyth 2010). False: b / B, as Bendidi et al. 2024 compute it.

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
    p = (at_least + add_one) / (null.size + add_one)
    p = np.where(np.isnan(statistic), np.nan, p)
    return p if p.ndim else float(p)


def consistency_test(
    embedding,
    labels,
    batches,
    *,
    replicates=None,
    control="control",
    post="center_scaled",
    null="matched",
    pairs="across",
    n_draws=1000,
    n_bootstrap=1000,
    missing_controls="raise",
    rng,
) -> pd.DataFrame:
    """Test each perturbation's consistency against pseudo-perturbations made of controls.

    *matched*: of n_b cells of a target and N_b controls in batch b, m_b = min(n_b, N_b // 2) enter.
    A draw takes m_b controls of each batch, leaves them out, and centres (and scales) them on the
    other N_b - m_b. The target, m_b of its cells if it has more, is centred on as many controls,
    chosen at random. So target and draws differ in nothing but the perturbation.

    *in-sample* is a null that is wrong, kept to show why: min(n_b, N_b) controls are drawn, but
    they also centre themselves, on all N_b. The target is not among the cells that centre it, so
    it carries the error of their mean while the draws do not. With `post` "center_scaled" and
    `pairs` "all", it calls 23 of 25 targets of Papalexi 2021 and 5 of 9 non-targeting guides that
    were left out of the controls at p <= 0.05.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
        Not yet centred.
    labels, batches : array of shape (n_cells,)
    replicates : array of shape (n_cells,), optional
        A batch lies within one replicate. Default: batches.
    control : str
        Label of the controls.
    post : {"center_scaled", "centered", "raw"}
        Subtract the mean of a batch's controls and divide by their standard deviation (ddof 0; 1
        where it is 0); subtract only; neither.
    null : {"matched", "in-sample"}
    pairs : {"across", "all"}
        Pairs of cells of different replicates, or all pairs.
    n_draws, n_bootstrap : int
        Draws of the null, at least 1; resamples of the interval, 0 for none (NaN).
    missing_controls : {"raise", "drop"}
        What to do with a batch that has target cells and fewer than 2 controls: an error, or its
        cells are not used (`n_used` tells).
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
        Bad input, or too few controls in a batch (named).
    """
    _check_choice("post", post, POSTS)
    _check_choice("null", null, NULLS)
    _check_choice("pairs", pairs, PAIRS)
    _check_choice("missing_controls", missing_controls, ("raise", "drop"))
    if n_draws < 1 or n_bootstrap < 0:
        raise ValueError(f"n_draws is {n_draws} and n_bootstrap {n_bootstrap}; at least 1 and 0")
    embedding = _finite_matrix(embedding)
    label, names = _codes(labels, "labels", len(embedding))
    batch, batch_names = _codes(batches, "batches", len(embedding))
    if control not in names:
        raise ValueError(f"no cell is labelled {control!r}: there are no controls")
    is_control = label == names.get_loc(control)
    n_controls = np.bincount(batch[is_control], minlength=len(batch_names))
    usable = n_controls >= 2
    bare = np.unique(batch[~is_control & ~usable[batch]])
    if missing_controls == "raise" and bare.size:
        found = ", ".join(f"{batch_names[b]} ({n_controls[b]})" for b in bare)
        raise ValueError(
            f"batches with fewer than 2 {control} cells: {found}; leave these batches out, or pass "
            "missing_controls='drop' to test targets without them"
        )

    replicate = _replicate_of_batch(batch, batch_names, replicates)
    across = pairs == "across"
    n_cells = np.bincount(label, minlength=len(names))
    # One order for all: the cells of a label lie together, and within it those of a batch.
    order = np.lexsort((batch, label))
    order = order[usable[batch[order]]]
    label, batch, is_control = label[order], batch[order], is_control[order]
    centered, sd = _center(embedding[order], batch, is_control, len(batch_names), post)
    scaled = centered / sd[batch]
    # In-sample draws are what all controls made of them: nothing is left out any more.
    values, most = (centered, n_controls // 2) if null == "matched" else (scaled, n_controls)
    held_out = null == "matched" and post != "raw"
    controls, control_starts = values[is_control], _starts(n_controls * usable)
    totals = _batch_sums(controls, batch[is_control], len(batch_names))
    sums = np.empty((replicate.max() + 1, embedding.shape[1]))

    targets = names.drop(control)
    rows = []
    for name, stream in zip(targets, rng.spawn(len(targets)), strict=True):
        code = names.get_loc(name)
        own = slice(*np.searchsorted(label, (code, code + 1)))
        n_batch = np.bincount(batch[own], minlength=len(batch_names))
        starts, taken = _starts(n_batch), np.minimum(n_batch, most)
        units = _unit_rows(scaled[own])
        n_ordered = _n_ordered_pairs(n_batch, replicate, across)
        row = {
            "n_cells": n_cells[code],
            "n_used": taken.sum() if null == "matched" else n_batch.sum(),
            "n_pairs": n_ordered // 2,
            "n_zero": len(units) - units.any(axis=1).sum(),
        }
        if n_ordered:
            found = np.empty(1 + n_bootstrap)
            _resampled(units, starts, replicate, sums, across, n_ordered, found, stream)
            row["similarity"] = found[0]
            if n_bootstrap:
                row["low"], row["high"] = np.nanquantile(found[1:], (0.025, 0.975))
        if n_drawn := _n_ordered_pairs(taken, replicate, across):
            found = np.empty(1 + n_draws)
            _drawn(
                controls,
                control_starts,
                *totals,
                values[own],
                starts,
                taken,
                replicate,
                sums,
                across,
                n_drawn,
                held_out,
                post == "center_scaled",
                found,
                stream,
            )
            statistic = found[0] if null == "matched" else row["similarity"]
            row |= {"matched_similarity": statistic} | _against(statistic, found[1:])
        rows.append(row)
    columns = ["similarity", *_INTERVAL, *_TEST, *_COUNTS]
    return pd.DataFrame(rows, index=pd.Index(targets, name="perturbation"), columns=columns)


def _against(statistic: float, null: np.ndarray) -> dict:
    low, high = np.quantile(null, (0.025, 0.975))
    return {
        "p_value": empirical_p_value(statistic, null),
        "null_mean": null.mean(),
        "null_sd": null.std(),
        "null_low": low,
        "null_high": high,
    }


def _check_choice(name: str, value, choices: tuple) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; choose from {', '.join(choices)}")


def _finite_matrix(embedding) -> np.ndarray:
    embedding = np.asarray(embedding)
    if embedding.ndim != 2:
        raise ValueError(f"the embedding has shape {embedding.shape}; pass (n_cells, n_dims)")
    if embedding.dtype not in (np.float32, np.float64):
        embedding = embedding.astype(float)
    # A finite sum proves finite values without an array of flags.
    if not np.isfinite(embedding.sum(dtype=float)):
        odd = ~np.isfinite(embedding)
        if odd.any():
            row, column = np.argwhere(odd)[0]
            raise ValueError(
                f"the embedding holds {odd.sum()} NaN or infinite values, the first in row {row}, "
                f"column {column}"
            )
    return np.ascontiguousarray(embedding)


def _codes(values, name: str, n: int) -> tuple[np.ndarray, pd.Index]:
    values = np.asarray(values)
    if values.shape != (n,):
        raise ValueError(f"{name} have shape {values.shape}, the embedding has {n} rows")
    codes, names = pd.factorize(values, sort=True)
    if (codes < 0).any():
        raise ValueError(f"{name} are missing for {(codes < 0).sum()} cells")
    return codes.astype(np.int64), pd.Index(names)


def _replicate_of_batch(batch, batch_names, replicates) -> np.ndarray:
    if replicates is None:
        return np.arange(len(batch_names))
    replicate, names = _codes(replicates, "replicates", len(batch))
    pairs = np.unique(np.column_stack([batch, replicate]), axis=0)
    if len(pairs) > len(batch_names):
        torn = np.flatnonzero(np.bincount(pairs[:, 0]) > 1)[0]
        found = ", ".join(str(names[r]) for b, r in pairs if b == torn)
        raise ValueError(
            f"batch {batch_names[torn]} spans the replicates {found}; a batch lies within one, so "
            "that draws of controls match targets in both: pass finer batches"
        )
    return pairs[:, 1]


def _starts(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)])


def _n_ordered_pairs(n_batch: np.ndarray, replicate: np.ndarray, across: bool) -> int:
    n = int(n_batch.sum())
    excluded = int((np.bincount(replicate, n_batch) ** 2).sum()) if across else n
    return n * n - excluded


def _center(cells, batch, is_control, n_batches, post) -> tuple[np.ndarray, np.ndarray]:
    """Cells less the control mean of their batch, and each batch's scale (n_batches, n_dims)."""
    cells = cells.astype(float)
    sd = np.ones((n_batches, cells.shape[1]))
    if post == "raw":
        return cells, sd
    for b in np.unique(batch):
        controls = cells[is_control & (batch == b)]
        # A constant column's mean and sd are exact, not what rounding leaves of them.
        constant = (controls == controls[0]).all(axis=0)
        cells[batch == b] -= np.where(constant, controls[0], controls.mean(axis=0))
        if post == "center_scaled":
            sd[b] = np.where(constant, 1.0, controls.std(axis=0))
    return cells, sd


def _batch_sums(cells, batch, n_batches) -> tuple[np.ndarray, np.ndarray]:
    """Sums and sums of squares of cells by batch, each of shape (n_batches, n_dims)."""
    member = (np.arange(n_batches)[:, None] == batch).astype(float)
    return member @ cells, member @ cells**2


def _unit_rows(cells: np.ndarray) -> np.ndarray:
    norm = np.sqrt(np.einsum("ij,ij->i", cells, cells))[:, None]
    return np.divide(cells, norm, out=np.zeros_like(cells), where=norm > 0)


# The kernels use plain loops: array expressions would take the compiler many seconds.


@njit(cache=True, fastmath=_REORDER)
def _add_unit(total, row, mean, inverse_sd):
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


@njit(cache=True, fastmath=_REORDER)
def _unit_sums(cells, group, origin, unscaled, sums, nonzero):
    """Add up the unit rows of each group, and count the rows that are not zero."""
    for i in range(len(cells)):
        nonzero[group[i]] += _add_unit(sums[group[i]], cells[i], origin, unscaled)


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


@njit(cache=True, fastmath=_REORDER)
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
                    own += _add_unit(sums[replicate[b]], controls[i], mean, inverse_sd)
            else:
                first = target_starts[b]
                _shuffle_front(target_order, first, target_starts[b + 1], n, rng)
                for i in target_order[first : first + n]:
                    own += _add_unit(sums[replicate[b]], target[i], mean, inverse_sd)
        result[k] = _mean_cosine(sums, own, n_ordered, across)
