"""Pairs of several queries at once that are in the right order: what a pooled AUROC is made of.

A pooled value compares candidates of one query with those of another. It rewards a score that is
higher for all candidates of queries with many relevant ones, and a prior of the candidates alone.
"""

import numpy as np


def wins(scores, relevant, asked=None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs that are in the right order, by the query of either side.

    Parameters
    ----------
    scores : array of shape (n_candidates, n_queries)
    relevant : bool array of the same shape
    asked : bool array of the same shape, optional
        The pairs that count, relevant or not; all by default.

    Returns
    -------
    wins : ndarray of shape (n_queries, n_queries)
        [i, j]: pairs of a relevant candidate of query i and an irrelevant one of query j with the
        higher score for the first; ties count one half.
    n_relevant, n_other : ndarray of shape (n_queries,)

    Raises
    ------
    ValueError
        Shapes that differ, or scores that are not finite.
    """
    scores, relevant = np.asarray(scores, dtype=float), np.asarray(relevant, dtype=bool)
    other = ~relevant if asked is None else ~relevant & np.asarray(asked, dtype=bool)
    if scores.ndim != 2 or not scores.shape == relevant.shape == other.shape:
        raise ValueError(f"scores {scores.shape} and labels {relevant.shape} differ in shape")
    if not np.isfinite(scores).all():
        raise ValueError(f"{(~np.isfinite(scores)).sum()} scores are NaN or infinite")
    found = np.zeros((scores.shape[1],) * 2)
    positives = [scores[relevant[:, i], i] for i in range(scores.shape[1])]
    for j in range(scores.shape[1]):
        others = np.sort(scores[other[:, j], j])
        for i, values in enumerate(positives):
            below = np.searchsorted(others, values, side="left")
            at_most = np.searchsorted(others, values, side="right")
            found[i, j] = (below + at_most).sum() / 2
    return found, relevant.sum(axis=0), other.sum(axis=0)
