"""Prediction gaps: how far a prediction falls while genes are replaced by the baseline, in order.

Genes act through z (`helpers.metrics.explanation.heads`): replacing gene j moves z by
(b_j - x_j) W_j. A sample costs genes x hidden units, not genes x genes x hidden units / step.
"""

import numpy as np
from numba import njit

from helpers.metrics.explanation.attribution import checked
from helpers.metrics.explanation.heads import Head

LEFTOVERS = ("ignore", "add")


def prediction_gap(
    head: Head, Z, targets, baseline, order, *, step: int = 10, leftover: str = "add"
) -> np.ndarray:
    """Mean fall of the class probability over the path of replacements; rises count as none.

    With the genes replaced in blocks of q, PG = sum over blocks of (block size / V) times
    max(0, F(x) - F(x after that block)): a right-end rectangle rule.

    Parameters
    ----------
    head : Head
    Z : ndarray of shape (n_samples, n_genes)
    targets : array of int, shape (n_samples,)
    baseline : ndarray of shape (n_genes,)
    order : array of int, shape (n_genes,) or (n_samples, n_genes)
        Genes in the order in which they are replaced: by falling importance the gap is PGI (higher
        is better: the first genes are necessary), by rising importance PGU (lower is better: the
        last genes suffice), at random PGR, against which both are read.
    step : int
        Genes q in a block, 1 to V.
    leftover : {"ignore", "add"}
        Of the V mod q genes of the last, smaller block: never replaced, as published, or counted
        with their number.

    Returns
    -------
    ndarray of shape (n_samples,), in [0, 1]

    Raises
    ------
    ValueError
        Shapes that do not fit, an order that names a gene twice, or an unknown leftover.

    References
    ----------
    Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591, XAI_interpret.py:371-469.
    """
    Z, targets, baseline = checked(head, Z, targets, baseline)
    n, n_genes = Z.shape
    order = np.atleast_2d(np.asarray(order))
    if not 1 <= step <= n_genes:
        raise ValueError(f"step is {step}; between 1 and {n_genes} genes")
    if leftover not in LEFTOVERS:
        raise ValueError(f"leftover is {leftover!r}; one of {', '.join(LEFTOVERS)}")
    if order.shape not in {(1, n_genes), (n, n_genes)}:
        raise ValueError(f"the order has shape {order.shape}; ({n_genes},) or ({n}, {n_genes})")
    if not _are_permutations(order.astype(np.int64)):
        raise ValueError(f"the order does not name each of {n_genes} genes once")
    mlp = head.out_weights is not None
    out_weights = head.out_weights if mlp else np.zeros((0, 0))
    return _gaps(
        Z - baseline,
        np.ascontiguousarray(head.weights, dtype=np.float32),
        head.hidden(Z),
        targets.astype(np.int64),
        order.astype(np.int64),
        np.ascontiguousarray(out_weights, dtype=float),
        np.asarray(head.out_bias if mlp else np.zeros(0), dtype=float),
        step,
        leftover == "add",
    )


@njit(cache=True)
def _are_permutations(order):
    seen = np.zeros(order.shape[1], dtype=np.int64)
    for i in range(order.shape[0]):
        for g in order[i]:
            if g < 0 or g >= len(seen) or seen[g] > i:
                return False
            seen[g] = i + 1
    return True


@njit(cache=True)
def _gaps(change, weights, hidden, targets, order, out_weights, out_bias, step, add):
    n, n_genes = change.shape
    n_units = weights.shape[1]
    gaps = np.zeros(n)
    for i in range(n):
        genes = order[i] if order.shape[0] > 1 else order[0]
        z = hidden[i].copy()
        full = _probability(z, targets[i], out_weights, out_bias)
        last = n_genes if add else n_genes - n_genes % step
        total, first = 0.0, 0
        while first < last:
            end = min(first + step, last)
            for g in genes[first:end]:
                x = change[i, g]
                for h in range(n_units):
                    z[h] -= x * weights[g, h]
            fall = full - _probability(z, targets[i], out_weights, out_bias)
            if fall > 0:
                total += fall * (end - first)
            first = end
        gaps[i] = total / n_genes
    return gaps


@njit(cache=True)
def _probability(z, target, out_weights, out_bias):
    """Softmax of the target; exp of a large number is infinite and gives 0, as it should."""
    if len(out_bias) == 0:
        total = 0.0
        for k in range(len(z)):
            total += np.exp(z[k] - z[target])
        return 1 / total
    logits = out_bias.copy()
    for h in range(len(z)):
        if z[h] > 0:
            for k in range(len(logits)):
                logits[k] += z[h] * out_weights[h, k]
    total = 0.0
    for k in range(len(logits)):
        total += np.exp(logits[k] - logits[target])
    return 1 / total


def adjusted(gap, baseline_probability):
    """Prediction gap relative to the most that it can be, the fall from 1 to F(baseline).

    NaN where the baseline itself is predicted with certainty.
    """
    room = 1 - np.asarray(baseline_probability, dtype=float)
    gap = np.asarray(gap, dtype=float)
    return np.divide(gap, room, out=np.full(np.broadcast(gap, room).shape, np.nan), where=room > 0)
