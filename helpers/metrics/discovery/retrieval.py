"""Do things of one kind find each other? Ranks, shares found, and what chance gives."""

import numpy as np


def cosines(vectors, others=None) -> np.ndarray:
    """Cosine of each row with each row (of another matrix), 0 where a row is 0."""
    a = np.asarray(vectors, float)
    b = a if others is None else np.asarray(others, float)

    def unit(x):
        norm = np.linalg.norm(x, axis=1, keepdims=True)
        return np.divide(x, norm, out=np.zeros_like(x), where=norm > 0)

    return unit(a) @ unit(b).T


def r_precision(similarity, labels) -> np.ndarray:
    """Share of same-label rows among a row's nearest, as many as there are.

    Parameters
    ----------
    similarity : ndarray of shape (n, n)
    labels : array of shape (n,)

    Returns
    -------
    ndarray of shape (n,), in [0, 1]
        NaN where a label has one row. Chance is (m - 1) / (n - 1) for a label of m rows.
    """
    similarity, labels = np.array(similarity, float), np.asarray(labels)
    np.fill_diagonal(similarity, -np.inf)
    order = np.argsort(-similarity, axis=1, kind="stable")
    found = np.full(len(labels), np.nan)
    for i, row in enumerate(order):
        k = int((labels == labels[i]).sum()) - 1
        if k:
            found[i] = (labels[row[:k]] == labels[i]).mean()
    return found


def percentiles(scores, relevant) -> np.ndarray:
    """Share of irrelevant columns below the relevant ones, ties half: the AUROC of each row.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_columns)
    relevant : bool ndarray of the same shape

    Returns
    -------
    ndarray of shape (n_rows,), in [0, 1]; NaN where all columns are relevant, or none
    """
    from scipy.stats import rankdata

    ranks = rankdata(np.asarray(scores, float), axis=1)
    n = relevant.sum(axis=1)
    rest = relevant.shape[1] - n
    above = (ranks * relevant).sum(axis=1) - n * (n + 1) / 2
    known = (n > 0) & (rest > 0)
    return np.divide(above, n * rest, out=np.full(len(n), np.nan), where=known)


def recall_at(scores, relevant, k: int) -> np.ndarray:
    """Share of a row's relevant columns among its k best; NaN where none is. Chance is k / n."""
    best = np.argsort(-np.asarray(scores, float), axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(relevant, best, axis=1).sum(axis=1)
    n = relevant.sum(axis=1)
    return np.divide(hits, n, out=np.full(len(n), np.nan), where=n > 0)


def left_out(similarity, groups) -> np.ndarray:
    """How near each member is to the others of its group: the mean percentile, a group each.

    A member is scored by its mean similarity to the other members, among all that are not.

    Parameters
    ----------
    similarity : ndarray of shape (n, n)
    groups : bool ndarray of shape (n_groups, n)
        Of two members at least.

    Returns
    -------
    ndarray of shape (n_groups,), in [0, 1]; chance is 0.5
    """
    similarity = np.asarray(similarity, float)
    found = np.full(len(groups), np.nan)
    for g, own in enumerate(np.asarray(groups)):
        members = np.flatnonzero(own)
        theirs = similarity[members]
        near = (theirs.sum(axis=0) - theirs) / (len(members) - 1)  # to the others, a member a row
        mine, rest = near[np.arange(len(members)), members][:, None], near[:, ~own]
        found[g] = ((rest < mine).mean(axis=1) + 0.5 * (rest == mine).mean(axis=1)).mean()
    return found
