"""Exact nearest neighbours: the one graph from which batch mixing and votes are read."""

from dataclasses import dataclass

import numpy as np

from helpers.metrics.arrays import finite_matrix, label_codes

_HELD = 1 << 22  # distances in memory at a time


@dataclass(frozen=True)
class Neighbours:
    """Nearest neighbours of queries among reference cells, nearest first.

    Parameters
    ----------
    indices : int64 ndarray of shape (n_queries, k)
        Rows of the reference.
    distances : float64 ndarray of shape (n_queries, k)
        Euclidean.
    """

    indices: np.ndarray
    distances: np.ndarray

    @property
    def k(self) -> int:
        """Neighbours of each query."""
        return self.indices.shape[1]


def finite_embedding(embedding, *, n_cells: int | None = None, name: str = "the embedding"):
    """The embedding less its mean, float64, or an error that says what is wrong with it.

    Distances stay what they are. Squares of coordinates far from zero, or of single precision,
    would leave little of a distance between neighbours where clouds of cells lie far apart.

    Parameters
    ----------
    embedding : array of shape (n_cells, n_dims)
    n_cells : int, optional
        Cells that it must have.
    name : str
        For the error.

    Raises
    ------
    ValueError
        Not a matrix, another number of rows, NaN or infinite values (the first is named), or all
        rows the same.
    """
    embedding = finite_matrix(embedding, name)
    if embedding.shape[1] == 0:
        raise ValueError(f"{name} has shape {embedding.shape}; pass (n_cells, n_dims)")
    if n_cells is not None and len(embedding) != n_cells:
        raise ValueError(
            f"{name} has {len(embedding)} rows for {n_cells} cells; give one row a cell, in the "
            "order of the screen's cells"
        )
    if len(embedding) > 1 and (embedding == embedding[0]).all():
        raise ValueError(f"{name} is constant: all {len(embedding)} rows are the same")
    return embedding - embedding.mean(axis=0, dtype=float)


def nearest_neighbours(reference, queries=None, *, k: int) -> Neighbours:
    """Exact k nearest neighbours by Euclidean distance.

    Parameters
    ----------
    reference : array of shape (n_reference, n_dims)
    queries : array of shape (n_queries, n_dims), optional
        Default: each reference cell asks for its neighbours among the others. A cell is never its
        own neighbour, also where others lie on it.
    k : int
        1 to the number of cells that may answer.

    Raises
    ------
    ValueError
        Bad input (see `finite_embedding`), other dimensions, or fewer cells than k.
    """
    from sklearn.neighbors import NearestNeighbors

    reference = finite_matrix(reference, "the reference")
    n_reference = len(reference)
    if queries is not None:
        queries = finite_matrix(queries, "queries")
        if queries.shape[1] != reference.shape[1]:
            raise ValueError(
                f"reference {reference.shape} and queries {queries.shape} do not have the same "
                "dimensions"
            )
        both = finite_embedding(np.concatenate([reference, queries]))
        reference, queries = both[:n_reference], both[n_reference:]
    else:
        reference = finite_embedding(reference)
    available = n_reference - (queries is None)
    if not 1 <= k <= available:
        raise ValueError(f"k is {k}; {available} cells may answer, so k is 1 to {available}")
    search = NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=1).fit(reference)
    distances, indices = search.kneighbors(queries)
    return Neighbours(indices.astype(np.int64), distances.astype(np.float64))


def neighbours_of_other_groups(embedding, groups, *, k: int, queries=None) -> Neighbours:
    """Exact neighbours of cells among the cells of all other groups, such as other batches.

    Parameters
    ----------
    embedding : array of shape (n_cells, n_dims)
    groups : array of shape (n_cells,)
    k : int
        Fewer than the cells outside the largest group.
    queries : int array, optional
        Rows that ask; default all.

    Returns
    -------
    Neighbours
        In the order of `queries`; `indices` are rows of the embedding.

    Raises
    ------
    ValueError
        Bad input, one group only, or fewer cells than k outside a group (named).
    """
    embedding = finite_embedding(embedding)
    code, names = label_codes(groups, len(embedding))
    queries = np.arange(len(embedding)) if queries is None else np.asarray(queries)
    if len(names) < 2:
        raise ValueError(f"all cells are of one group ({names[0]}): there is no other to ask")
    n_others = len(embedding) - np.bincount(code)
    for g in np.unique(code[queries]):
        if not 1 <= k <= n_others[g]:
            raise ValueError(
                f"k is {k}, but only {n_others[g]} cells lie outside group {names[g]}; ask for "
                "fewer neighbours"
            )
    indices = np.empty((len(queries), k), dtype=np.int64)
    distances = np.empty((len(queries), k))
    square = np.einsum("ij,ij->i", embedding, embedding)
    block = max(1, _HELD // len(embedding))
    for start in range(0, len(queries), block):
        rows = slice(start, start + block)
        asking = queries[rows]
        far = square - 2 * (embedding[asking] @ embedding.T)  # less the own square
        far[code[asking][:, None] == code] = np.inf
        nearest = np.sort(np.argpartition(far, k - 1, axis=1)[:, :k], axis=1)
        apart = np.linalg.norm(embedding[nearest] - embedding[asking][:, None], axis=2)
        order = np.argsort(apart, axis=1, kind="stable")
        indices[rows] = np.take_along_axis(nearest, order, axis=1)
        distances[rows] = np.take_along_axis(apart, order, axis=1)
    return Neighbours(indices, distances)
