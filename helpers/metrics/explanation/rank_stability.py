"""Do two rankings of genes have the same genes on top: seeds, draws of data, methods.

Scores are higher for what matters more. Ties at the cut share the places that are left: what is
returned is the expectation over random orders of the tied genes, never an accident of gene order.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd


def top_membership(scores, n: int) -> np.ndarray:
    """How far each gene is among the n best: 1, 0, or a share where scores are tied at the cut.

    Parameters
    ----------
    scores : ndarray of shape (n_genes,) or (n_rankings, n_genes)
        Higher is better. Finite.
    n : int
        Places, 1 to n_genes.

    Returns
    -------
    ndarray of the shape of `scores`, in [0, 1]
        Sums to n. Genes above the n-th best score have 1; the t genes that are tied with it have
        the places left, divided by t: the probability of each under random tie-breaking.

    Raises
    ------
    ValueError
        Scores that are NaN or infinite, or n out of range.
    """
    scores = _finite(scores)
    n_genes = scores.shape[-1]
    if not 1 <= n <= n_genes:
        raise ValueError(f"n is {n}; it lies between 1 and the number of genes, {n_genes}")
    cut = np.partition(scores, n_genes - n, axis=-1)[..., [n_genes - n]]
    above, tied = scores > cut, scores == cut
    left = n - above.sum(axis=-1, keepdims=True)
    return above + tied * (left / tied.sum(axis=-1, keepdims=True))


def top_genes(scores, n: int, rng: np.random.Generator) -> np.ndarray:
    """The n best genes, best first; tied ones in random order.

    Parameters
    ----------
    scores : ndarray of shape (n_genes,)
    n : int
        1 to n_genes.
    rng : Generator
        Orders ties.

    Returns
    -------
    ndarray of int of shape (n,)

    Raises
    ------
    ValueError
        See `top_membership`; or scores of another shape.
    """
    scores = _finite(scores)
    if scores.ndim != 1 or not 1 <= n <= len(scores):
        raise ValueError(f"{n} of scores of shape {scores.shape}: one ranking, 1 to n_genes of it")
    return np.lexsort((rng.random(len(scores)), -scores))[:n]


def overlap(a, b=None, *, n: int) -> float:
    """Mean share of the n best genes that two rankings have in common, over pairs of rankings.

    Parameters
    ----------
    a : ndarray of shape (n_rankings, n_genes)
        The same method under several seeds, or on several draws.
    b : ndarray of shape (m_rankings, n_genes), optional
        Another method's: all pairs. Left out: pairs of different rows of `a`, which is the
        stability of `a`.
    n : int
        Genes on top.

    Returns
    -------
    float in [0, 1]
        Expected over random tie-breaking, independent in the two. `n / n_genes` by chance.

    Raises
    ------
    ValueError
        Fewer than two rankings of one method, rankings of other genes, or scores that are NaN.

    References
    ----------
    Bontonou et al. 2025, Bioinformatics Advances 5; mbonto/XAI_in_genomics,
    plot_selected_features.py:111-133.
    """
    a = np.atleast_2d(_finite(a))
    if b is None:
        if len(a) < 2:
            raise ValueError("stability needs at least two rankings of a method; there is 1")
        members = top_membership(a, n)
        shared = members @ members.T
        pairs = len(a) * (len(a) - 1)
        return float((shared.sum() - np.trace(shared)) / (pairs * n))
    b = np.atleast_2d(_finite(b))
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"rankings of {a.shape[1]} and of {b.shape[1]} genes cannot be compared")
    return float((top_membership(a, n) @ top_membership(b, n).T).mean() / n)


def overlap_table(rankings: Mapping[str, np.ndarray], *, n: int) -> pd.DataFrame:
    """Overlap of all pairs of methods, each with itself on the diagonal.

    Parameters
    ----------
    rankings : mapping of method to ndarray of shape (n_rankings, n_genes)
        Row i of two methods belongs to the same data only if the caller made it so; all pairs
        count. A row that is NaN throughout, a ranking that could not be had, is left out.
    n : int
        Genes on top.

    Returns
    -------
    DataFrame of shape (n_methods, n_methods)
        Symmetric, in [0, 1]. The diagonal is the stability; NaN where a method has one ranking,
        and everywhere where it has none.

    Raises
    ------
    ValueError
        See `overlap`.
    """
    names = list(rankings)
    rankings = {name: _had(rows) for name, rows in rankings.items()}
    table = pd.DataFrame(np.nan, index=names, columns=names)
    for i, first in enumerate(names):
        if len(rankings[first]) > 1:
            table.loc[first, first] = overlap(rankings[first], n=n)
        for second in names[:i] if len(rankings[first]) else ():
            if not len(rankings[second]):
                continue
            shared = overlap(rankings[first], rankings[second], n=n)
            table.loc[first, second] = table.loc[second, first] = shared
    return table


def _had(rankings) -> np.ndarray:
    rankings = np.atleast_2d(np.asarray(rankings, dtype=float))
    return rankings[~np.isnan(rankings).all(axis=1)]


def _finite(scores) -> np.ndarray:
    scores = np.asarray(scores, dtype=float)
    if scores.ndim not in (1, 2) or scores.size == 0:
        raise ValueError(f"scores have shape {scores.shape}: one ranking of genes, or rows of them")
    if (bad := ~np.isfinite(scores)).any():
        raise ValueError(f"{bad.sum()} of {scores.size} scores are NaN or infinite: none is ranked")
    return scores
