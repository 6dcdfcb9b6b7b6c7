"""Recall of known relationships: are genes that work together far out in the tails?

All pairs of perturbations give a null of similarities. A known pair is recalled if it lies in one
of the null's tails; only the two order statistics that bound the tails are needed.
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numba import njit

TAILS = (0.05, 0.95)
_SAMPLE = 200_000  # pairs whose quantiles bracket the order statistics
_MOST_SORTED = 4_000_000  # up to so many pairs, sorting all of them is as quick
_BLOCK = 1_024  # perturbations whose similarities with all others are held at a time
_CHUNK = 65_536  # pairs whose embeddings are held at a time


# --------------------------------------------------------------------------- pairs


def unordered_pairs(first, second) -> tuple[np.ndarray, np.ndarray]:
    """Each unordered pair once: names in alphabetical order, no pair of a name with itself.

    Parameters
    ----------
    first, second : array of str of shape (n_rows,)
        Both orders of a pair, or one, any number of times.

    Returns
    -------
    first, second : ndarray of str of shape (n_pairs,)
        ``first < second``, in the order in which the pairs come first.

    Raises
    ------
    ValueError
        Lengths that differ, or a missing name.
    """
    first, second = np.asarray(first, dtype=object), np.asarray(second, dtype=object)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"first has shape {first.shape}, second {second.shape}; pass two vectors")
    code, names = pd.factorize(np.concatenate([first, second]))
    if (code < 0).any():
        raise ValueError(f"{(code < 0).sum()} names are missing: a pair has two genes")
    # Codes that follow the alphabet: sorting some thousand names, not the rows.
    alphabetical = np.empty(len(names), dtype=np.int64)
    order = np.argsort(np.asarray(names, dtype=str), kind="stable")
    alphabetical[order] = np.arange(len(names))
    a, b = alphabetical[code[: len(first)]], alphabetical[code[len(first) :]]
    low, high = np.minimum(a, b), np.maximum(a, b)
    key = pd.unique((low * len(names) + high)[low != high])
    names = np.asarray(names, dtype=object)[order]
    return names[key // max(len(names), 1)], names[key % max(len(names), 1)]


def usable_pairs(first, second, names) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the pairs both of whose genes are among `names`.

    Parameters
    ----------
    first, second : array of str of shape (n_pairs,)
    names : array of str of shape (n_perturbations,)

    Returns
    -------
    i, j : int64 array of shape (n_usable,)

    Raises
    ------
    ValueError
        A name occurs twice, or the pairs are not those of `unordered_pairs`: a pair of a gene with
        itself, or one that comes twice.
    """
    index = pd.Index(np.asarray(names, dtype=object))
    if not index.is_unique:
        twice = index[index.duplicated()].unique()
        raise ValueError(f"{len(twice)} perturbations occur twice, the first is {twice[0]!r}")
    i, j = index.get_indexer(np.asarray(first)), index.get_indexer(np.asarray(second))
    kept = (i >= 0) & (j >= 0)
    i, j = i[kept].astype(np.int64), j[kept].astype(np.int64)
    key = np.minimum(i, j) * len(index) + np.maximum(i, j)
    if (i == j).any() or len(pd.unique(key)) < len(key):
        raise ValueError(
            "pairs of a gene with itself, or that come twice; pass them through unordered_pairs"
        )
    return i, j


# --------------------------------------------------------------------------- similarity


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
    embedding = _finite(embedding, "embedding")
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
        float32 stays float32; all else becomes float64.
    """
    embedding = _finite(embedding, "embedding")
    norm = np.linalg.norm(embedding, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, embedding / norm, np.nan).astype(embedding.dtype)


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


# --------------------------------------------------------------------------- thresholds


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
    """Cosines of rows start to start + block with rows from start on."""
    for start in range(0, len(vectors), _BLOCK):
        yield start, vectors[start : start + _BLOCK] @ vectors[start:].T


def _of_blocks(vectors, ranks) -> tuple[float, float]:
    """Order statistics of all cosines: bracketed by a sample, then counted and picked in a pass.

    Values outside the brackets are only counted, so that next to nothing is kept. A bracket that
    misses its order statistic is made wider, and the pass repeated.
    """
    n = len(vectors) * (len(vectors) - 1) // 2
    rng = np.random.default_rng(0)  # the result does not depend on the sample
    i, j = rng.integers(len(vectors), size=(2, _SAMPLE))
    sample = np.sort(_cosines(vectors, i[i != j], j[i != j]))
    width = 5.0  # standard errors of a rank of the sample
    while True:
        brackets = [_bracket(sample, rank / n, width) for rank in ranks]
        edges = np.array(brackets).T.astype(vectors.dtype)
        below = np.zeros(2, dtype=np.int64)
        kept = [[], []]
        for _, block in _blocks(vectors):
            inside = np.empty((2, block.size), dtype=block.dtype)
            stored = _count(block, *edges, below, inside)
            for side in range(2):
                kept[side].append(inside[side, : stored[side]].copy())
        values = [np.concatenate(parts) for parts in kept]
        positions = [rank - b for rank, b in zip(ranks, below, strict=True)]
        if all(0 <= p < len(v) for p, v in zip(positions, values, strict=True)):
            low, high = (np.partition(v, p)[p] for v, p in zip(values, positions, strict=True))
            return float(low), float(high)
        width *= 4


def _bracket(sample, quantile: float, width: float) -> tuple[float, float]:
    reach = width * math.sqrt(quantile * (1 - quantile) / len(sample))
    low, high = quantile - reach, quantile + reach
    return (
        sample[int(low * len(sample))] if low > 0 else -np.inf,
        sample[int(high * len(sample))] if high < 1 else np.inf,
    )


@njit(cache=True)
def _count(block, lower, upper, below, inside):
    """Count what lies below each bracket, keep what lies inside; above the diagonal only."""
    stored = np.zeros(2, np.int64)
    for i in range(block.shape[0]):
        for j in range(i + 1, block.shape[1]):
            value = block[i, j]
            for side in range(2):
                if value < lower[side]:
                    below[side] += 1
                elif value <= upper[side]:
                    inside[side, stored[side]] = value
                    stored[side] += 1
    return stored


def _cosines(vectors, i, j) -> np.ndarray:
    parts = [
        np.einsum("nd,nd->n", vectors[i[k : k + _CHUNK]], vectors[j[k : k + _CHUNK]])
        for k in range(0, len(i), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype=vectors.dtype)


# --------------------------------------------------------------------------- recall


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
        single = self._vectors is not None and self._vectors.dtype == np.float32
        # Products of the same rows differ in their last digits by where they stand in a block.
        self._tie = 1e-6 if single else 1e-12 * max(abs(self.low), abs(self.high), 1.0)

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


def relationship_recall(similarities: Similarities, first, second) -> pd.Series:
    """Share of known pairs in the tails of all pairs.

    Parameters
    ----------
    similarities : Similarities
    first, second : array of str of shape (n_pairs,)
        Of `unordered_pairs`. Pairs with a gene that was not perturbed are not asked about.

    Returns
    -------
    Series
        `recall` in [0, 1], both tails, 0.1 expected of similarities that know nothing, 0 where all
        are equal; `upper` and `lower`, the two tails apart, 0.05 expected of each; `n_pairs` that
        are scored; `n_unscored`, pairs of perturbed genes without a similarity; `n_genes`. Shares
        are NaN where no pair is scored.

    References
    ----------
    Celik et al. 2024; Bendidi et al. 2024, section 3.5; Tx-Evaluation commit 1f24de0, bmdb.py.
    """
    i, j = usable_pairs(first, second, similarities.names)
    tail = similarities.tail(i, j)
    scored = ~np.isnan(tail)
    n = int(scored.sum())
    upper, lower = (float((tail == side).sum() / n) if n else np.nan for side in (1, -1))
    return pd.Series(
        {
            "recall": float((tail[scored] != 0).sum() / n) if n else np.nan,
            "upper": upper,
            "lower": lower,
            "n_pairs": n,
            "n_unscored": int((~scored).sum()),
            "n_genes": len(np.union1d(i[scored], j[scored])),
        }
    )


def gene_recall(similarities: Similarities, first, second) -> pd.DataFrame:
    """Share of each gene's known partners that is in the tails.

    Returns
    -------
    DataFrame indexed by gene, sorted
        `recall`, `upper`, `lower` in [0, 1], NaN where no pair of the gene has a similarity;
        `n_pairs`.
    """
    i, j = usable_pairs(first, second, similarities.names)
    tail = similarities.tail(i, j)
    long = pd.DataFrame(
        {
            "gene": np.concatenate([similarities.names[i], similarities.names[j]]),
            "recall": np.tile(np.where(np.isnan(tail), np.nan, tail != 0), 2),
            "upper": np.tile(np.where(np.isnan(tail), np.nan, tail == 1), 2),
            "lower": np.tile(np.where(np.isnan(tail), np.nan, tail == -1), 2),
        }
    )
    by = long.groupby("gene", sort=True)
    return by[["recall", "upper", "lower"]].mean().assign(n_pairs=by["recall"].count())


def bootstrap_recall(
    similarities: Similarities, first, second, *, n_resamples: int, confidence=0.95, rng
) -> pd.DataFrame:
    """Intervals of the recall; genes are resampled, not pairs, for pairs share genes.

    A pair counts as often as both of its genes were drawn: the product of how often each was. The
    tails stay those of all pairs.

    Parameters
    ----------
    n_resamples : int, at least 1
    confidence : float in (0, 1)
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame indexed by `recall`, `upper`, `lower`
        `value`, `low`, `high` (percentiles); NaN where no pair is scored.

    References
    ----------
    Owen 2007, Annals of Applied Statistics 1 (pigeonhole bootstrap; here rows are columns).
    """
    i, j = usable_pairs(first, second, similarities.names)
    tail = similarities.tail(i, j)
    i, j, tail = (values[~np.isnan(tail)] for values in (i, j, tail))
    found = pd.DataFrame(
        np.nan, index=["recall", "upper", "lower"], columns=["value", "low", "high"]
    )
    if not len(tail):
        return found
    hits = np.column_stack([tail != 0, tail == 1, tail == -1]).astype(float)
    genes, position = np.unique(np.concatenate([i, j]), return_inverse=True)
    a, b = position[: len(i)], position[len(i) :]
    drawn = np.full((n_resamples, 3), np.nan)
    for k in range(n_resamples):
        times = np.bincount(rng.integers(len(genes), size=len(genes)), minlength=len(genes))
        weight = times[a] * times[b]
        if total := weight.sum():
            drawn[k] = weight @ hits / total
    found["value"] = hits.mean(axis=0)
    tail_share = (1 - confidence) / 2
    found[["low", "high"]] = np.nanquantile(drawn, [tail_share, 1 - tail_share], axis=0).T
    return found


def matched_permutations(
    similarities: Similarities,
    first,
    second,
    matched,
    *,
    n_permutations: int,
    n_strata: int = 10,
    rng,
) -> pd.DataFrame:
    """Recall of the same graph of pairs laid over other genes that are alike in what is matched.

    Genes trade places within strata of `matched`: number of cells, size of the effect, or number
    of known partners. The network keeps its shape. What is left of the recall is what the matched
    property and the shape alone achieve.

    Parameters
    ----------
    similarities : Similarities
    first, second : array of str of shape (n_pairs,)
    matched : array of shape (n_perturbations,)
        In the order of the names; any numbers, finite.
    n_permutations : int, at least 1
    n_strata : int, at least 1
        Strata of (nearly) equal size, by rank; ties in the order of the names. 1: any gene for any
        gene.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame of shape (n_permutations, 3)
        `recall`, `upper`, `lower`; NaN where no pair of a permutation has a similarity.

    Raises
    ------
    ValueError
        `matched` does not fit or is not finite, or no pair is usable.
    """
    matched = np.asarray(matched, dtype=float)
    n = len(similarities.names)
    if matched.shape != (n,) or not np.isfinite(matched).all():
        raise ValueError(
            f"matched has shape {matched.shape} and {(~np.isfinite(matched)).sum()} values that "
            f"are not finite; pass one number for each of the {n} perturbations"
        )
    if n_permutations < 1 or n_strata < 1:
        raise ValueError(f"{n_permutations} permutations in {n_strata} strata; at least 1 each")
    i, j = usable_pairs(first, second, similarities.names)
    if not len(i):
        raise ValueError("no pair has both genes among the perturbations: nothing to permute")
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(matched, kind="stable")] = np.arange(n)
    stratum = rank * min(n_strata, n) // n
    members = [np.flatnonzero(stratum == s) for s in range(stratum.max() + 1)]
    place = np.arange(n)
    found = np.full((n_permutations, 3), np.nan)
    for k in range(n_permutations):
        for of_stratum in members:
            place[of_stratum] = rng.permutation(of_stratum)
        tail = similarities.tail(place[i], place[j])
        tail = tail[~np.isnan(tail)]
        if len(tail):
            found[k] = (tail != 0).mean(), (tail == 1).mean(), (tail == -1).mean()
    return pd.DataFrame(found, columns=["recall", "upper", "lower"])


def partners(first, second, names) -> np.ndarray:
    """Number of known partners of each perturbation among the others: its degree."""
    i, j = usable_pairs(first, second, names)
    return np.bincount(np.concatenate([i, j]), minlength=len(names))


# --------------------------------------------------------------------------- checks


def _finite(values, name: str) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 2:
        raise ValueError(f"the {name} has shape {values.shape}; pass a matrix")
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(float)
    if (odd := ~np.isfinite(values)).any():
        row, column = np.argwhere(odd)[0]
        raise ValueError(
            f"the {name} holds {odd.sum()} NaN or infinite values, the first in row {row}, column "
            f"{column}"
        )
    return values


def _symmetric(matrix) -> np.ndarray:
    matrix = np.asarray(matrix, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"the matrix has shape {matrix.shape}; pass a square one")
    if not np.allclose(matrix, matrix.T, equal_nan=True):
        raise ValueError("the matrix is not symmetric")
    if np.isinf(matrix).any():
        raise ValueError("the matrix holds infinite values; NaN says that there is no similarity")
    return matrix
