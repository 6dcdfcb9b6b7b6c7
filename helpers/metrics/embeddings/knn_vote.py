"""Votes of nearest neighbours, and how early a cell's own perturbation is retrieved."""

import numpy as np
import pandas as pd
from numba import njit

from helpers.metrics.arrays import label_codes
from helpers.metrics.embeddings.neighbours import Neighbours, finite_embedding

OFFSET = 1e-5  # added to distances; Tx-Evaluation knn.py (epsilon)


def knn_vote(neighbours: Neighbours, reference_labels, query_labels) -> pd.DataFrame:
    """Each neighbour votes for its class with the weight 1 / (distance + 1e-5).

    Parameters
    ----------
    neighbours : Neighbours
        Of queries among reference cells.
    reference_labels : array of shape (n_reference,)
    query_labels : array of shape (n_queries,)
        Each occurs among the reference labels.

    Returns
    -------
    DataFrame, one row a query
        `top1`, `top5`: 1 if the own class is among the one or five with the most votes, 0 if not,
        in between where ties decide it; NaN for top5 of fewer than five classes. A class without
        a vote is never among them. `rank` of the own class among all, from 1, ties and classes
        without a vote at their mean rank; lower is better.

    Raises
    ------
    ValueError
        Labels that do not fit, or a query label that no reference cell has (named).

    References
    ----------
    Tx-Evaluation commit 1f24de0, biomodalities/eval/knn.py:160-195.
    """
    query_labels = np.asarray(query_labels)
    if query_labels.shape != (len(neighbours.indices),):
        raise ValueError(
            f"query labels have shape {query_labels.shape}, there are {len(neighbours.indices)} "
            "queries"
        )
    reference, names = label_codes(reference_labels, len(np.asarray(reference_labels)))
    if neighbours.indices.size and neighbours.indices.max() >= len(reference):
        raise ValueError(
            f"neighbours point at row {neighbours.indices.max()}, there are {len(reference)} "
            "reference labels"
        )
    asked, asked_names = label_codes(query_labels, len(query_labels))
    place = names.get_indexer(asked_names)
    if (unknown := asked_names[place < 0]).size:
        raise ValueError(
            f"{len(unknown)} labels of queries never occur in the reference, the first "
            f"{str(unknown[0])!r}: no vote can be right; leave these queries out, and count them"
        )
    better = np.empty(len(asked), dtype=np.int64)
    tied = np.empty(len(asked), dtype=np.int64)
    voted = np.empty(len(asked), dtype=bool)
    _votes(
        neighbours.distances,
        reference[neighbours.indices],
        place[asked],
        len(names),
        better,
        tied,
        voted,
    )
    share = {n: np.where(voted, np.clip((n - better) / (tied + 1), 0, 1), 0.0) for n in (1, 5)}
    return pd.DataFrame(
        {
            "top1": share[1],
            "top5": share[5] if len(names) >= 5 else np.nan,
            "rank": better + 1 + tied / 2,
        }
    )


@njit(cache=True)
def _votes(distances, labels, own, n_classes, better, tied, voted):
    """Classes with more votes than the own one, and other classes with as many."""
    n, k = distances.shape
    score = np.zeros(n_classes)
    for i in range(n):
        for j in range(k):
            score[labels[i, j]] += 1 / (distances[i, j] + OFFSET)
        mine = score[own[i]]
        n_better, n_tied, n_voted = 0, 0, 0
        for j in range(k):
            c = labels[i, j]
            s = score[c]
            if s > 0:
                n_voted += 1
                if c != own[i]:
                    n_better += s > mine
                    n_tied += s == mine
                score[c] = 0.0
        voted[i] = mine > 0
        better[i] = n_better
        tied[i] = n_tied if mine > 0 else n_classes - n_voted - 1


def average_precision(embedding, labels, groups, *, queries=None, block: int = 512) -> np.ndarray:
    """How early cells of the same label come among all cells of other groups, sorted by distance.

    Over the cells of a query's label in other groups: the mean of their rank among themselves
    over their rank among all cells of other groups. Cells at one distance have the last of their
    ranks.

    Parameters
    ----------
    embedding : array of shape (n_cells, n_dims)
    labels, groups : array of shape (n_cells,)
        The label is searched for; the group, such as a batch, is left out.
    queries : int array, optional
        Rows that ask; default all.
    block : int
        Rows at a time: memory is block x n_cells.

    Returns
    -------
    ndarray of shape (n_queries,), in (0, 1], higher is better
        NaN where no other group has the label.

    Raises
    ------
    ValueError
        Bad input, or one group only.

    References
    ----------
    Kalinin et al. 2025, Nature Communications 16 (retrieval of perturbations across batches).
    """
    embedding = finite_embedding(embedding)
    label, _ = label_codes(labels, len(embedding))
    group, names = label_codes(groups, len(embedding))
    if len(names) < 2:
        raise ValueError(f"all cells are of one group ({names[0]}): there is no other to ask")
    queries = np.arange(len(embedding)) if queries is None else np.asarray(queries)
    result = np.full(len(queries), np.nan)
    square = np.einsum("ij,ij->i", embedding, embedding)
    for start in range(0, len(queries), block):
        cells = queries[start : start + block]
        distance = square - 2 * (embedding[cells] @ embedding.T)  # less the own square
        for row, (cell, d) in enumerate(zip(cells, distance, strict=True), start):
            others = group != group[cell]
            relevant = np.sort(d[others & (label == label[cell])])
            if len(relevant):
                rank = np.searchsorted(np.sort(d[others]), relevant, side="right")
                among = np.searchsorted(relevant, relevant, side="right")
                result[row] = np.mean(among / rank)
    return result
