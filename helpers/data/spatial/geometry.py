"""Neighbours on an array of spots."""

from __future__ import annotations

import numpy as np

from helpers.data.errors import DataError

NEIGHBOURS = {"hex": 6, "square": 4}
"""Nearest neighbours of a spot inside the array, by its geometry."""

_TIE = 0.02  # distances between neighbours that count as one: a spot is placed no better


def pitch(places) -> float:
    """Median distance of a spot to its nearest neighbour, in units of `places`.

    Raises
    ------
    DataError
        Fewer than two spots.
    """
    from scipy.spatial import cKDTree

    places = np.asarray(places, dtype=float)
    if len(places) < 2:
        raise DataError(f"{len(places)} spots have no neighbours")
    return float(np.median(cKDTree(places).query(places, k=2)[0][:, 1]))


def nearest(places, k: int) -> np.ndarray:
    """The k nearest other spots of each spot; equally far ones in their order of y, then x.

    Distances that differ by less than two hundredths of that between neighbours are equal, so
    that the choice does not hang on the last digit of a coordinate.

    Parameters
    ----------
    places : array of shape (n_spots, 2)
        x and y, of the spots of one slide.
    k : int

    Returns
    -------
    ndarray of int, shape (n_spots, k)
        The nearest first.

    Raises
    ------
    DataError
        The slide has no more than k spots.
    """
    from scipy.spatial import cKDTree

    places = np.asarray(places, dtype=float)
    n = len(places)
    if n <= k:
        raise DataError(f"{n} spots have no {k} neighbours each")
    x, y = np.round(places / (_TIE * pitch(places))).T
    order = np.lexsort((x, y))
    rank = np.empty(n, dtype=int)
    rank[order] = np.arange(n)
    asked = min(n, k + 13)  # beyond the last neighbour, all that can be as far as it is
    distance, index = cKDTree(places).query(places, k=asked)
    distance[index == np.arange(n)[:, None]] = -1  # a spot itself comes first
    steps = np.round(distance / (_TIE * pitch(places)))
    by = np.lexsort((rank[index], steps), axis=1)
    return np.take_along_axis(index, by, axis=1)[:, 1 : k + 1].copy()


def hops(neighbours: np.ndarray, n_hops: int) -> tuple[np.ndarray, np.ndarray]:
    """Spots that are reached in 1, 2, ... steps along the neighbours, and the spot itself.

    Parameters
    ----------
    neighbours : array of int, shape (n_spots, k)
    n_hops : int

    Returns
    -------
    members : ndarray of int32
        One spot's after the other's, each sorted by the number of steps; the spot itself first.
    ends : ndarray of int64, shape (n_spots, n_hops + 1)
        `members[ends[i, 0] - 1 : ends[i, h]]` is within h steps of spot i. Inside a hexagonal
        array these are 1, 7, 19, 37, 61 spots, inside a square one 1, 5, 13, 25, 41.
    """
    from scipy import sparse

    n, k = neighbours.shape
    pairs = (np.repeat(np.arange(n), k), neighbours.ravel())
    step = sparse.csr_array((np.ones(n * k, dtype=np.int32), pairs), shape=(n, n))
    reached = sparse.identity(n, dtype=np.int32, format="csr")
    rows, cols, steps = [np.arange(n)], [np.arange(n)], [np.zeros(n, dtype=int)]
    frontier = reached
    for hop in range(1, n_hops + 1):
        further = ((frontier @ step) > 0).astype(np.int32)
        frontier = (further - further.multiply(reached)).tocsr()
        frontier.eliminate_zeros()
        reached = reached + frontier
        i, j = frontier.nonzero()
        rows.append(i)
        cols.append(j)
        steps.append(np.full(len(i), hop))
    row, col, hop = map(np.concatenate, (rows, cols, steps))
    order = np.lexsort((col, hop, row))
    size = np.zeros((n, n_hops + 1), dtype=np.int64)
    np.add.at(size, (row, hop), 1)
    ends = size.cumsum(axis=1)
    ends[1:] += ends[:-1, -1].cumsum()[:, None]
    return col[order].astype(np.int32), ends


def by_slide(slides) -> dict[str, np.ndarray]:
    """Rows of each slide, in the order in which slides come."""
    slides = np.asarray(slides).astype(str)
    return {name: np.flatnonzero(slides == name) for name in dict.fromkeys(slides)}


def nearest_within(places, slides, k: int) -> np.ndarray:
    """`nearest`, among the spots of the own slide; row numbers of the whole table."""
    places = np.asarray(places, dtype=float)
    found = np.empty((len(places), k), dtype=int)
    for rows in by_slide(slides).values():
        found[rows] = rows[nearest(places[rows], k)]
    return found
