"""Similarities of perturbations, and the tails of those of all pairs.

All pairs give a null of similarities; only the two order statistics that bound its tails are
needed, and they are found without holding all pairs.
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numba import njit

from helpers.metrics.arrays import finite_matrix

TAILS = (0.05, 0.95)
_SAMPLE = 200_000  # pairs whose quantiles bracket the order statistics
_MOST_SORTED = 4_000_000  # up to so many pairs, sorting all of them is as quick
_BLOCK = 1_024  # perturbations whose similarities with all others are held at a time


def aggregate(embedding, labels) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean embedding of each perturbation.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
    labels : array of shape (n_cells,)

    Returns
    -------
    means : ndarray of shape (n_perturbations, n_dims)
    names : ndarray of shape (n_perturbations,), sorted
    n_cells : int64 array of shape (n_perturbations,)

    Raises
    ------
    ValueError
        The embedding is not a finite matrix, or labels do not fit it.
    """
    embedding = finite_matrix(embedding)
    code, names = pd.factorize(np.asarray(labels, dtype=object), sort=True)
    if code.shape != (len(embedding),) or (code < 0).any():
        raise ValueError(
            f"{len(code)} labels, {(code < 0).sum()} of them missing, for {len(embedding)} rows"
        )
    n_cells = np.bincount(code, minlength=len(names))
    order = np.argsort(code, kind="stable")
    starts = np.concatenate([[0], np.cumsum(n_cells)[:-1]])
    sums = np.add.reduceat(embedding[order].astype(float), starts, axis=0)
    return sums / n_cells[:, None], np.asarray(names), n_cells


def unit_rows(embedding) -> np.ndarray:
    """Rows over their norms; a zero row is NaN, for it points nowhere.

    Parameters
    ----------
    embedding : ndarray of shape (n_perturbations, n_dims)

    Returns
    -------
    float64 ndarray of the same shape
        Cosines of rows with a common offset lie close to 1, and single precision would not tell
        them apart.
    """
    embedding = finite_matrix(embedding).astype(float)
    norm = np.linalg.norm(embedding, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, embedding / norm, np.nan)


def gram_from_distances(distances, origin: int) -> np.ndarray:
    """Inner products of effects, seen from one of the points, of squared distances.

    ``(D[i, o] + D[j, o] - D[i, j]) / 2``: for energy distances, which are squared distances
    between distributions, the inner product of two perturbations with the control as origin.

    Parameters
    ----------
    distances : ndarray of shape (n, n)
        Symmetric.
    origin : int
        Position of the control; it is left out.

    Returns
    -------
    ndarray of shape (n - 1, n - 1)
        Its diagonal holds the effect sizes, the distances from the origin.
    """
    distances = _symmetric(distances)
    others = np.arange(len(distances)) != origin
    effect = distances[others, origin]
    return (effect[:, None] + effect[None, :] - distances[np.ix_(others, others)]) / 2


class Similarities:
    """Similarities of perturbations, asked for pair by pair, and the tails of all of them.

    Parameters
    ----------
    names : array of str of shape (n_perturbations,)
    embedding : ndarray of shape (n_perturbations, n_dims), optional
        Similarity is the cosine. A row of zeros has none.
    similarity : ndarray of shape (n_perturbations, n_perturbations), optional
        Instead, symmetric; higher is more alike (of distances, pass the negative). NaN where it is
        not defined.
    tails : tuple of float
        Ranks of the two thresholds, in (0, 1).

    Attributes
    ----------
    low, high : float
        See `tail_thresholds`.
    n_null : int
        Pairs of the null; true relationships are among them, as published.

    Raises
    ------
    ValueError
        Input that does not fit, is not finite (embedding) or not symmetric (similarity).
    """

    def __init__(self, names, *, embedding=None, similarity=None, tails=TAILS):
        self.names = np.asarray(names, dtype=object)
        if (embedding is None) == (similarity is None):
            raise ValueError("pass an embedding or a similarity, and not both")
        given = embedding if similarity is None else similarity
        if len(given) != len(self.names):
            raise ValueError(f"{len(given)} rows for {len(self.names)} perturbations")
        self._vectors = unit_rows(embedding) if similarity is None else None
        self._matrix = None if similarity is None else _symmetric(similarity)
        self.low, self.high, self.n_null = tail_thresholds(
            self._vectors, similarity=self._matrix, tails=tails
        )
        # Products of the same rows differ in their last digits by where they stand in a block.
        self._tie = 1e-12 * max(abs(self.low), abs(self.high), 1.0)

    def of(self, i, j) -> np.ndarray:
        """Similarities of perturbations i with perturbations j, by position."""
        return self._matrix[i, j] if self._vectors is None else _cosines(self._vectors, i, j)

    def tail(self, i, j) -> np.ndarray:
        """-1 in the lower tail, 1 in the upper, 0 between, as ties are; NaN where undefined."""
        values = self.of(i, j)
        beyond = np.where(values > self.high + self._tie, 1.0, 0.0)
        beyond[values < self.low - self._tie] = -1.0
        beyond[np.isnan(values)] = np.nan
        return beyond


def tail_thresholds(vectors=None, *, similarity=None, tails=TAILS) -> tuple[float, float, int]:
    """The two order statistics between which a pair is not recalled.

    With s the N similarities of all pairs in ascending order, these are s[floor(0.05 N)] and
    s[ceil(0.95 N) - 1] (from 0): x is below the first exactly where #{s <= x} / N <= 0.05, and
    above the second exactly where #{s < x} / N >= 0.95, which is how the released code has it.

    Parameters
    ----------
    vectors : ndarray of shape (n_perturbations, n_dims), optional
        Of `unit_rows`: similarities are cosines, formed in blocks and never all at once.
    similarity : ndarray of shape (n_perturbations, n_perturbations), optional
        Instead: symmetric; NaN where a pair's is not defined.
    tails : tuple of float
        0 < low < high < 1.

    Returns
    -------
    low, high : float
    n : int
        Pairs that they are of: those with a similarity.

    Raises
    ------
    ValueError
        Both or none of the two, tails out of order, or fewer than two perturbations with a
        similarity.

    References
    ----------
    Celik et al. 2024; Tx-Evaluation commit 1f24de0, bmdb.py:260-271, 370-375.
    """
    low, high = tails
    if not 0 < low < high < 1:
        raise ValueError(f"tails are {tails}; 0 < low < high < 1")
    if (vectors is None) == (similarity is None):
        raise ValueError("pass vectors or similarity, and not both")
    if similarity is not None:
        similarity = _symmetric(similarity)
        values = similarity[np.triu_indices(len(similarity), 1)]
        return _of_values(values[~np.isnan(values)], low, high)
    vectors = vectors[~np.isnan(vectors).any(axis=1)]
    n = len(vectors) * (len(vectors) - 1) // 2
    if n <= _MOST_SORTED:
        parts = [b[np.triu_indices(len(b), 1, b.shape[1])] for _, b in _blocks(vectors)]
        return _of_values(np.concatenate(parts) if parts else np.empty(0), low, high)
    return *_of_blocks(vectors, _ranks(n, low, high)), n


def _ranks(n: int, low: float, high: float) -> tuple[int, int]:
    # 0.05 * 100 is 5.000000000000001 in some of the arithmetic of this world.
    return math.floor(round(low * n, 6)), math.ceil(round(high * n, 6)) - 1


def _of_values(values, low: float, high: float) -> tuple[float, float, int]:
    if not values.size:
        raise ValueError("fewer than two perturbations have a similarity: there is no null")
    ranks = _ranks(values.size, low, high)
    parted = np.partition(values, ranks)
    return float(parted[ranks[0]]), float(parted[ranks[1]]), values.size


def _blocks(vectors) -> Iterator[tuple[int, np.ndarray]]:
    """Products of rows start to start + block with rows from start on."""
    for start in range(0, len(vectors), _BLOCK):
        yield start, vectors[start : start + _BLOCK] @ vectors[start:].T


def _of_blocks(vectors, ranks) -> tuple[float, float]:
    """Order statistics of all cosines: bracketed by a sample, then counted and picked in a pass.

    Values outside the brackets are only counted, so that next to nothing is kept. A bracket that
    misses its order statistic is made wider, and the pass repeated. The pass is in single
    precision, of rows less their mean; what lies within its error of the order statistic is
    computed again in double.
    """
    n = len(vectors) * (len(vectors) - 1) // 2
    rng = np.random.default_rng(0)  # the result does not depend on the sample
    i, j = rng.integers(len(vectors), size=(2, _SAMPLE))
    sample = np.sort(_cosines(vectors, i[i != j], j[i != j]))
    mean = vectors.mean(axis=0)
    single = (vectors - mean).astype(np.float32)
    at_mean = vectors @ mean - mean @ mean / 2  # u'v = (u - m)'(v - m) + at_mean(u) + at_mean(v)
    longest = float(np.square(single, dtype=float).sum(axis=1).max())
    error = vectors.shape[1] * float(np.finfo(np.float32).eps) * longest + 1e-15
    width = 5.0  # standard errors of a rank of the sample
    while True:
        brackets = [_bracket(sample, rank / n, width) for rank in ranks]
        below, values, pairs = _pass(single, at_mean, np.array(brackets))
        found = [
            _exact(vectors, rank - below[k], brackets[k], values[k], pairs[k], 2 * error)
            for k, rank in enumerate(ranks)
        ]
        if None not in found:
            return tuple(found)
        width *= 4


def _pass(single, at_mean, brackets):
    """What lies below each of two brackets, and inside: values, and their pairs (2, n)."""
    below = np.zeros(2, dtype=np.int64)
    kept = [[], []]
    for start, block in _blocks(single):
        inside, place = np.empty((2, block.size)), np.empty((2, block.size), dtype=np.int32)
        stored = _count(block, at_mean[start:], *brackets.T, below, inside, place)
        for side, n in enumerate(stored):
            at = start + np.array(np.divmod(place[side, :n], block.shape[1]))
            kept[side].append((inside[side, :n].copy(), at))
    values = [np.concatenate([v for v, _ in parts]) for parts in kept]
    return below, values, [np.concatenate([at for _, at in parts], axis=1) for parts in kept]


def _exact(vectors, position: int, bracket, values, pairs, reach: float) -> float | None:
    """The cosine at a position among those in a bracket; None if the bracket may not hold it."""
    if not 0 <= position < len(values):
        return None
    about = np.partition(values, position)[position]
    if about - reach < bracket[0] or about + reach > bracket[1]:
        return None
    near = np.abs(values - about) <= reach
    left = position - int((values < about - reach).sum())
    return float(np.partition(_cosines(vectors, pairs[0][near], pairs[1][near]), left)[left])


def _bracket(sample, quantile: float, width: float) -> tuple[float, float]:
    reach = width * math.sqrt(quantile * (1 - quantile) / len(sample))
    low, high = quantile - reach, quantile + reach
    return (
        sample[int(low * len(sample))] if low > 0 else -np.inf,
        sample[int(high * len(sample))] if high < 1 else np.inf,
    )


@njit(cache=True)
def _count(block, at_mean, lower, upper, below, inside, place):
    """Count what lies below each bracket, keep what lies inside; above the diagonal only."""
    stored = np.zeros(2, np.int64)
    for i in range(block.shape[0]):
        for j in range(i + 1, block.shape[1]):
            value = block[i, j] + at_mean[i] + at_mean[j]
            for side in range(2):
                if value < lower[side]:
                    below[side] += 1
                elif value <= upper[side]:
                    inside[side, stored[side]] = value
                    place[side, stored[side]] = i * block.shape[1] + j
                    stored[side] += 1
    return stored


@njit(cache=True, fastmath={"reassoc", "contract"})
def _cosines(vectors, i, j):
    """Products of rows i and rows j of unit vectors, in double precision."""
    found = np.zeros(len(i))
    for k in range(len(i)):
        first, second = vectors[i[k]], vectors[j[k]]
        total = 0.0
        for d in range(len(first)):
            total += first[d] * second[d]
        found[k] = total
    return found


def _symmetric(matrix) -> np.ndarray:
    matrix = np.asarray(matrix, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"the matrix has shape {matrix.shape}; pass a square one")
    if not np.allclose(matrix, matrix.T, equal_nan=True):
        raise ValueError("the matrix is not symmetric")
    if np.isinf(matrix).any():
        raise ValueError("the matrix holds infinite values; NaN says that there is no similarity")
    return matrix
