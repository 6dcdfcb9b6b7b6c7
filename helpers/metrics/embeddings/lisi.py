"""Local inverse Simpson's index: how many batches a cell's neighbourhood holds, in effect."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from helpers.metrics.arrays import label_codes
from helpers.metrics.embeddings.neighbours import Neighbours

TOLERANCE = 1e-5  # of the entropy; Tx-Evaluation ilisi.py:189-208
MOST_TRIES = 50


@dataclass(frozen=True)
class Lisi:
    """Index of each cell, and how concentrated its weights are.

    Parameters
    ----------
    per_cell : ndarray of shape (n_cells,)
        In [1, number of labels]; NaN where all neighbours are at one distance, as where cells
        coincide: no weights have the perplexity.
    concentration : ndarray of shape (n_cells,)
        Sum of squared weights, in (0, 1]: one over the number of neighbours that count.
    """

    per_cell: np.ndarray
    concentration: np.ndarray

    @property
    def n_unscored(self) -> int:
        """Cells whose neighbours are all at one distance."""
        return int(np.isnan(self.per_cell).sum())


def lisi(neighbours: Neighbours, labels, *, perplexity: float) -> Lisi:
    """Local inverse Simpson's index of each cell.

    Neighbour j of a cell at distance d_j gets the weight ``exp(-b d_j)``, normalised, where b is
    found by bisection such that the entropy of the weights is ``log(perplexity)``. The index is
    one over the sum over labels of squared sums of weights. With batches as labels: iLISI, higher
    is better mixed.

    Parameters
    ----------
    neighbours : Neighbours
        Of the cells among themselves.
    labels : array of shape (n_cells,)
    perplexity : float
        Above 1 and below the number of neighbours.

    Raises
    ------
    ValueError
        Labels that do not fit, or a perplexity out of range.

    Notes
    -----
    Distances are not squared, as in the released code and unlike in t-SNE. Distances are taken
    less the smallest one, which leaves the weights as they are and keeps them from vanishing all
    at once: there the released code divides by zero.

    References
    ----------
    Korsunsky et al. 2019, Nature Methods 16; Tx-Evaluation commit 1f24de0,
    biomodalities/eval/ilisi.py:146-208.
    """
    code, names = label_codes(labels, len(neighbours.indices))
    if not 1 < perplexity < neighbours.k:
        raise ValueError(
            f"perplexity is {perplexity}; it lies above 1 and below the {neighbours.k} neighbours"
        )
    values = np.empty(len(code))
    concentration = np.empty(len(code))
    _inverse_simpson(
        neighbours.distances,
        code[neighbours.indices],
        len(names),
        np.log(perplexity),
        values,
        concentration,
    )
    return Lisi(values, concentration)


def expected_lisi(concentration, labels) -> float:
    """What the mean index is, about, if labels are independent of position.

    ``1 / (s + (1 - s) sum_b q_b^2)`` with the mean concentration s and shares q_b of the labels:
    also with endless batches no more than 1 / s can be counted.

    Parameters
    ----------
    concentration : array of shape (n_cells,)
    labels : array of shape (n_cells,)
    """
    concentration = np.asarray(concentration, dtype=float)
    code, _ = label_codes(labels, len(concentration))
    share = np.bincount(code) / len(code)
    s = np.nanmean(concentration)
    return float(1 / (s + (1 - s) * (share**2).sum()))


@njit(cache=True, fastmath={"reassoc"})  # sums in vectors; infinity stays what it is
def _entropy(distances, beta, weights, bits):
    """Entropy of the weights exp(-beta d), whose sum it returns too; `bits` is memory."""
    _exp(distances, -beta, weights, bits)
    total, weighted = 0.0, 0.0
    for j in range(len(distances)):
        total += weights[j]
        weighted += distances[j] * weights[j]
    return np.log(total) + beta * weighted / total, total


@njit(cache=True, fastmath={"contract"})
def _exp(x, factor, result, bits):
    """exp(factor x) <= 1 to a unit in the last place: in vectors, as the library's is not.

    The power of 2 nearest to it, from the bits of a float, times a polynomial (Taylor's, for the
    rest is below log(2) / 2). What is below the least normal number is that number.
    """
    shifted = bits.view(np.float64)
    for j in range(len(x)):
        result[j] = max(factor * x[j], -708.0)
    for j in range(len(x)):
        shifted[j] = result[j] * 1.4426950408889634 + 6755399441055744.0  # 1.5 2^52: rounds
    for j in range(len(x)):
        n = shifted[j] - 6755399441055744.0
        r = result[j] - n * 0.6931471803691238 - n * 1.9082149292705877e-10  # log 2 in two parts
        p = 1.0 / 479001600
        p = p * r + 1.0 / 39916800
        p = p * r + 1.0 / 3628800
        p = p * r + 1.0 / 362880
        p = p * r + 1.0 / 40320
        p = p * r + 1.0 / 5040
        p = p * r + 1.0 / 720
        p = p * r + 1.0 / 120
        p = p * r + 1.0 / 24
        p = p * r + 1.0 / 6
        p = p * r + 0.5
        result[j] = 1.0 + (r + r * r * p)
    for j in range(len(x)):
        bits[j] = (bits[j] + 1023) << 52
    for j in range(len(x)):
        result[j] *= shifted[j]


@njit(cache=True)
def _inverse_simpson(distances, labels, n_labels, log_perplexity, values, concentration):
    n, k = distances.shape
    weights, shifted, sums = np.empty(k), np.empty(k), np.zeros(n_labels)
    bits = np.empty(k, np.int64)
    for i in range(n):
        for j in range(k):
            shifted[j] = distances[i, j] - distances[i, 0]
        if shifted[k - 1] <= 0:
            values[i] = np.nan
            concentration[i] = np.nan
            continue
        beta, low, high = 1.0, -np.inf, np.inf
        entropy, total = _entropy(shifted, beta, weights, bits)
        tries = 0
        while abs(entropy - log_perplexity) >= TOLERANCE and tries < MOST_TRIES:
            if entropy > log_perplexity:
                low = beta
                beta = beta * 2 if high == np.inf else (beta + high) / 2
            else:
                high = beta
                beta = beta / 2 if low == -np.inf else (beta + low) / 2
            entropy, total = _entropy(shifted, beta, weights, bits)
            tries += 1
        for j in range(k):
            weights[j] /= total
            sums[labels[i, j]] += weights[j]
        simpson, squares = 0.0, 0.0
        for j in range(k):
            label = labels[i, j]
            simpson += sums[label] * sums[label]
            sums[label] = 0.0
            squares += weights[j] * weights[j]
        values[i] = 1 / simpson
        concentration[i] = squares
