"""Feature agreement: how many of the highest-scored genes are informative ones."""

from collections.abc import Sequence

import numpy as np


def feature_agreement(scores, informative, k: int | None = None):
    """Share of informative genes among the k with the highest scores.

    Genes of equal score at the edge count with the share that a random order would put inside, so
    that the place of a gene in the file says nothing.

    Parameters
    ----------
    scores : ndarray of shape (n_genes,) or (n_samples, n_genes)
        Signed: a gene that speaks against the class ranks last.
    informative : boolean ndarray of shape (n_genes,)
    k : int, optional
        Default: as many as are informative, so that 1 can be reached.

    Returns
    -------
    float or ndarray of shape (n_samples,), in [0, 1], higher is better
        At random the share of informative genes, `chance`.

    Raises
    ------
    ValueError
        Shapes that do not fit, scores that are not finite, or nothing informative.

    References
    ----------
    Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591, get_ranking_metrics.py:98-127.
    """
    scores, informative = np.asarray(scores), np.asarray(informative, dtype=bool)
    if informative.ndim != 1 or scores.shape[-1:] != informative.shape or scores.ndim > 2:
        raise ValueError(f"scores {scores.shape} and truth {informative.shape}: not the same genes")
    if not informative.any():
        raise ValueError("no gene is informative: there is nothing to agree with")
    k = int(informative.sum()) if k is None else k
    if not 1 <= k <= len(informative):
        raise ValueError(f"k is {k}; between 1 and {len(informative)} genes")
    if not np.isfinite(scores).all():
        raise ValueError(f"{(~np.isfinite(scores)).sum()} scores are NaN or infinite")
    rows = np.atleast_2d(scores)
    inside, share, edge = top(rows, k)
    hits = inside[:, informative].sum(axis=1) + share * edge[:, informative].sum(axis=1)
    return hits / k if scores.ndim == 2 else float(hits[0] / k)


def top(scores, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k highest scores of each row.

    Returns
    -------
    inside : boolean ndarray of shape (n, n_genes)
        Above the k-th highest score.
    share : ndarray of shape (n,), in (0, 1]
        Share of the genes at the edge that belong to the k.
    edge : boolean ndarray of shape (n, n_genes)
        Genes whose score is the k-th highest.
    """
    at = np.partition(scores, scores.shape[1] - k, axis=1)[:, -k][:, None]
    inside, edge = scores > at, scores == at
    return inside, (k - inside.sum(axis=1)) / edge.sum(axis=1), edge


def votes(scores, k: int) -> np.ndarray:
    """How many rows have each gene among their k highest scores, shape (n_genes,).

    Genes at the edge count in part. The k genes with the most votes are the published script's
    other global ranking (`intersect_rank_scores`).
    """
    inside, share, edge = top(np.atleast_2d(scores), k)
    return inside.sum(axis=0) + share @ edge


def group_agreement(scores, members: Sequence[np.ndarray], informative, k: int | None = None):
    """Feature agreement of groups, each scored by the mean of its genes.

    Genes of a group are nearly copies of each other; a sparse model that takes one of ten loses
    nothing here, and nine tenths in `feature_agreement`. The mean, not the best gene: where groups
    share genes, one that is not informative has a best gene that is.

    Parameters
    ----------
    scores : ndarray of shape (n_genes,) or (n_samples, n_genes)
    members : sequence of int arrays
        Genes of each group, none empty.
    informative : array of int
        Numbers of the informative groups.
    k : int, optional
        Default: as many as are informative.

    Returns
    -------
    float or ndarray of shape (n_samples,), in [0, 1], higher is better
    """
    rows = np.atleast_2d(np.asarray(scores))
    sizes = np.array([len(m) for m in members])
    starts = np.cumsum([0, *sizes[:-1]])
    means = np.add.reduceat(rows[:, np.concatenate(members)], starts, axis=1, dtype=float) / sizes
    truth = np.zeros(len(members), dtype=bool)
    truth[informative] = True
    return feature_agreement(means if np.ndim(scores) == 2 else means[0], truth, k)


def chance(informative) -> float:
    """Agreement of a random order: the share of genes that are informative."""
    return float(np.mean(np.asarray(informative, dtype=bool)))
