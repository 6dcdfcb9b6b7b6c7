"""Attributions of a prediction to genes: Integrated Gradients, and gradient times input.

Exact and cheap for classifiers whose genes act through an affine map
(`helpers.metrics.explanation.heads`): along the straight path from the baseline to a profile, z
moves on a straight line in few dimensions, so that the integral over the path is one of few
numbers, whatever the number of genes.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.special import expit

from helpers.metrics.explanation.heads import Head

PANEL = 32  # Gauss-Legendre nodes on each of the pieces into which the path is cut
_ROWS = 1 << 16


class CompletenessError(ValueError):
    """Attributions do not sum to what they should explain, however fine the path was cut."""


@dataclass(frozen=True)
class Attributions:
    """Integrated Gradients of some profiles.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_genes), float32
        In units of probability; positive where a gene speaks for the sample's class.
    gap : ndarray of shape (n_samples,), at least 0
        Completeness gap: how far the sum over genes is from F(x) - F(baseline).
    nodes : ndarray of int, shape (n_samples,)
        Gradients that were averaged along the path; 0 where the integral has a closed form.
    """

    scores: np.ndarray
    gap: np.ndarray
    nodes: np.ndarray


def integrated_gradients(
    head: Head,
    Z,
    targets,
    baseline,
    *,
    tolerance: float = 0.01,
    first_nodes: int = 64,
    most_nodes: int = 1 << 16,
    closed_form: bool = True,
) -> Attributions:
    """Integrated Gradients of the probability of each profile's class.

    IG_j = (x_j - b_j) times the mean of dF/dx_j on the way from the baseline b to x. Samples whose
    completeness gap exceeds the tolerance are computed again with twice the nodes.

    Parameters
    ----------
    head : Head
    Z : ndarray of shape (n_samples, n_genes)
    targets : array of int, shape (n_samples,)
        Class to explain, as the column of the head's probabilities.
    baseline : ndarray of shape (n_genes,)
        The profile that stands for no information, on the scale of `Z`.
    tolerance : float
        Largest gap, in probability; 0.01 is the published one percentage point.
    first_nodes, most_nodes : int
        Where refinement starts and where it gives up.
    closed_form : bool
        Use the closed form where there is one: logistic regression of two classes.

    Returns
    -------
    Attributions

    Raises
    ------
    ValueError
        Shapes that do not fit, or values that are not finite.
    CompletenessError
        A gap that refinement did not close.

    References
    ----------
    Sundararajan, Taly & Yan 2017; completeness check of mbonto/XAI_for_genomics 36de591,
    XAI_method.py:53-66.
    """
    Z, targets, baseline = checked(head, Z, targets, baseline)
    start, end = head.hidden(baseline[None]), head.hidden(Z)
    rise = head.probability(end, targets) - head.probability(
        np.broadcast_to(start, end.shape), targets
    )
    binary = closed_form and head.out_weights is None and head.n_classes == 2
    if binary:
        mean, nodes = _binary_path(start, end, targets), np.zeros(len(Z), dtype=int)
    else:
        mean, nodes = _refined_path(
            head, start, end, targets, rise, tolerance, first_nodes, most_nodes
        )
    values, weights = np.empty_like(Z), head.weights.T.astype(float)
    total = np.empty(len(Z))
    for i in range(0, len(Z), 32):  # in double precision: slopes may be below the least float32
        part = slice(i, i + 32)
        _times_slopes(Z[part], baseline, mean[part] @ weights, values[part], total[part])
    gap = np.abs(total - rise)
    if not (gap <= tolerance).all():  # so that NaN fails
        worst = int(np.argmax(np.where(np.isnan(gap), np.inf, gap)))
        raise CompletenessError(
            "samples whose Integrated Gradients do not sum to the rise of the prediction: "
            f"{int((~(gap <= tolerance)).sum())} of {len(gap)}. Sample {worst} misses it by "
            f"{100 * gap[worst]:.3g} percentage points (allowed: {100 * tolerance:.3g}) with "
            f"{nodes[worst]} nodes; allow more nodes, or explain a model that is less saturated"
        )
    return Attributions(values, gap, nodes)


@njit(cache=True, fastmath={"reassoc"})
def _times_slopes(Z, baseline, slopes, values, total):
    """Fill the attributions and their sums over genes."""
    for i in range(len(Z)):
        row = 0.0
        for j in range(len(baseline)):
            values[i, j] = (Z[i, j] - baseline[j]) * slopes[i, j]
            row += values[i, j]
        total[i] = row


def _binary_path(start, end, targets) -> np.ndarray:
    """Mean gradient by the two logits: that of a sigmoid of their difference d is closed.

    The mean of s'(d) between two ends is (s(d_x) - s(d_b)) / (d_x - d_b), or, without the
    difference of two numbers near 1, s(high) s(-low) (1 - exp(low - high)) / (high - low).
    """
    sign = np.where(targets == 0, 1.0, -1.0)
    d_b, d_x = sign * (start[0, 0] - start[0, 1]), sign * (end[:, 0] - end[:, 1])
    low, width = np.minimum(d_b, d_x), np.abs(d_x - d_b)
    share = np.divide(-np.expm1(-width), width, out=np.ones_like(width), where=width > 0)
    slope = expit(low + width) * expit(-low) * share
    return np.stack([sign * slope, -sign * slope], axis=1)


def _refined_path(head, start, end, targets, rise, tolerance, first, most):
    """Mean gradients by z of all samples, refined where they are not complete."""
    change = end - start
    mean = np.empty_like(end)
    nodes = np.zeros(len(end), dtype=int)
    left, n = np.arange(len(end)), max(PANEL, first)
    while len(left):
        mean[left] = _path_mean(head, start, change[left], targets[left], n)
        nodes[left] = n
        gap = np.abs((mean[left] * change[left]).sum(axis=1) - rise[left])
        # Half the tolerance: what is checked in the end has the rounding of float32 besides.
        left = left[~(gap <= tolerance / 2)]
        n *= 2
        if n > most:
            break
    return mean, nodes


def _path_mean(head, start, change, targets, nodes: int) -> np.ndarray:
    """Mean gradient by z over a path cut into pieces, with Gauss-Legendre nodes on each."""
    x, w = _legendre(PANEL)
    pieces = nodes // PANEL
    t = ((np.arange(pieces)[:, None] + x) / pieces).ravel()
    weight = np.tile(w / pieces, pieces)
    total = np.zeros_like(change)
    block = max(1, _ROWS // len(change))
    for i in range(0, len(t), block):
        at = t[i : i + block, None, None]
        z = (start + at * change).reshape(-1, change.shape[1])
        gradient = head.gradient(z, np.tile(targets, len(at)))
        total += np.tensordot(weight[i : i + block], gradient.reshape(len(at), *change.shape), 1)
    return total


@functools.cache
def _legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(n)
    return (x + 1) / 2, w / 2


def gradient_x_input(head: Head, Z, targets, baseline) -> np.ndarray:
    """Gradient of the class probability times the distance from the baseline.

    Cheap, and of the size of 1 - p where the prediction is sure: tiny, but exact, so that which
    gene counts for more can still be read.

    Returns
    -------
    ndarray of shape (n_samples, n_genes), float64
        Beyond a lead of about 90 logits its values are smaller than float32 can hold.
    """
    Z, targets, baseline = checked(head, Z, targets, baseline)
    values = head.gradient(head.hidden(Z), targets) @ head.weights.T.astype(float)
    values *= Z - baseline
    return values


def checked(head: Head, Z, targets, baseline):
    """Profiles (float32), targets and baseline that fit each other and a head.

    Raises
    ------
    ValueError
        With what does not fit.
    """
    Z, baseline = np.asarray(Z, dtype=np.float32), np.asarray(baseline, dtype=np.float32)
    targets = np.asarray(targets)
    n_genes = len(head.weights)
    if Z.ndim != 2 or Z.shape[1] != n_genes or len(Z) == 0:
        raise ValueError(f"profiles have shape {Z.shape}; the model takes (n_samples, {n_genes})")
    if baseline.shape != (n_genes,):
        raise ValueError(
            f"the baseline has shape {baseline.shape}; it is one profile of {n_genes} genes"
        )
    if targets.shape != (len(Z),) or not np.issubdtype(targets.dtype, np.integer):
        raise ValueError(f"targets have shape {targets.shape}; one class number for each sample")
    if targets.min() < 0 or targets.max() >= head.n_classes:
        raise ValueError(
            f"targets go from {targets.min()} to {targets.max()}; classes: 0 to "
            f"{head.n_classes - 1}"
        )
    for name, values in (("profiles", Z), ("the baseline", baseline)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: {(~np.isfinite(values)).sum()} values are NaN or infinite")
    return Z, targets, baseline


def l2_normalised(values) -> np.ndarray:
    """Rows of Euclidean length 1, float32; a row of zeros stays one. Signs are kept."""
    values = np.asarray(values)
    unit = np.empty(values.shape, dtype=np.float32)
    for i in range(0, len(values), 512):
        # Squares of what a model that is sure leaves would be smaller than any number.
        block = values[i : i + 512].astype(float)
        largest = np.abs(block).max(axis=1, keepdims=True, initial=0)
        block /= np.where(largest > 0, largest, 1.0)
        length = np.sqrt(np.einsum("ij,ij->i", block, block))[:, None]
        unit[i : i + 512] = np.divide(block, length, out=np.zeros_like(block), where=length > 0)
    return unit


def class_means(values, labels, classes) -> tuple[np.ndarray, np.ndarray]:
    """Mean signed and mean absolute attribution of each class.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_genes)
        Normalised, of the samples that count (correctly classified ones).
    labels : array of shape (n_samples,)
    classes : sequence
        Order of the rows of the result; NaN for a class without a sample.

    Returns
    -------
    signed, absolute : ndarray of shape (n_classes, n_genes)
    """
    labels = np.asarray(labels)
    signed = np.full((len(classes), values.shape[1]), np.nan)
    absolute = signed.copy()
    for i, name in enumerate(classes):
        if (own := labels == name).any():
            signed[i] = values[own].mean(axis=0, dtype=float)
            absolute[i] = np.abs(values[own]).mean(axis=0, dtype=float)
    return signed, absolute
