"""Connectivity of a query's genes, up and down, with drug signatures: CMap 2006 and LINCS 2017.

A query is a pair of gene sets. Each signature is sorted once, from most up to most down; a set is
then looked at only where its genes stand, all signatures at once. Reversal is a *negative* score.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SortedSignatures:
    """Drug signatures with the place of each gene.

    Parameters
    ----------
    place : ndarray of shape (n_genes, n_signatures)
        0 for the gene that goes up most; ties in the order of genes.
    size : ndarray of shape (n_genes, n_signatures)
        |value|, by gene.
    """

    place: np.ndarray
    size: np.ndarray

    @property
    def is_flat(self) -> np.ndarray:
        """(n_signatures,): all genes are zero, so that the order is none."""
        return ~self.size.any(axis=0)


def sort_signatures(values) -> SortedSignatures:
    """Sort signatures once for all queries.

    Parameters
    ----------
    values : array of shape (n_signatures, n_genes)
        z scores or log fold changes.

    Raises
    ------
    ValueError
        Values that are not finite, or no table.
    """
    values = np.asarray(values, dtype=np.float32)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"signatures have shape {values.shape}; signatures x genes")
    if not np.isfinite(values).all():
        raise ValueError(f"{(~np.isfinite(values)).sum()} values of signatures are not finite")
    order = np.argsort(-values, axis=1, kind="stable")
    place = np.empty(order.shape, dtype=np.int16 if values.shape[1] < 2**15 else np.int32)
    np.put_along_axis(place, order, np.arange(values.shape[1], dtype=place.dtype)[None], axis=1)
    return SortedSignatures(np.ascontiguousarray(place.T), np.ascontiguousarray(abs(values).T))


def query_sets(contrast, *, n_up: int, n_down: int) -> tuple[np.ndarray, np.ndarray]:
    """The genes of a disease that go up and down most; fewer where fewer go that way.

    Parameters
    ----------
    contrast : array of shape (n_genes,)
        NaN: not measured. Zero is in neither set.
    n_up, n_down : int, at least 0

    Returns
    -------
    up, down : int arrays

    Raises
    ------
    ValueError
        Both sets are empty.
    """
    contrast = np.asarray(contrast, dtype=float)
    known = np.where(np.isnan(contrast), 0.0, contrast)
    order = np.argsort(-known, kind="stable")
    up = order[: min(n_up, int((known > 0).sum()))]
    down = order[::-1][: min(n_down, int((known < 0).sum()))]
    if not len(up) and not len(down):
        raise ValueError(
            f"no gene of {contrast.size} goes up or down (asked: {n_up} up, {n_down} down): such a "
            "query cannot be connected with anything; leave it out, and count it"
        )
    return up, down


def ks_statistic(signatures: SortedSignatures, genes) -> np.ndarray:
    """Signed Kolmogorov-Smirnov statistic of a set in each signature, in [-1, 1].

    Positive where the genes stand among those that go up. 0 for an empty set and for a signature
    without any change.

    Raises
    ------
    ValueError
        Genes twice, or that are none of the signatures'.

    References
    ----------
    Lamb et al. 2006, Science 313 (supporting online material).
    """
    genes = _gene_set(signatures, genes)
    n, t = len(signatures.place), len(genes)
    if t == 0:
        return np.zeros(signatures.place.shape[1])
    place = np.sort(signatures.place[genes], axis=0) + 1.0  # V_1 < ... < V_t
    j = np.arange(1, t + 1)[:, None]
    a = (j / t - place / n).max(axis=0)
    b = (place / n - (j - 1) / t).max(axis=0)
    return np.where(signatures.is_flat, 0.0, np.where(a > b, a, -b))


def _gene_set(signatures: SortedSignatures, genes) -> np.ndarray:
    genes, n = np.asarray(genes, dtype=int), len(signatures.place)
    if len(genes) and not 0 <= genes.min() <= genes.max() < n:
        raise ValueError(f"a set names genes {genes.min()} to {genes.max()} of {n}, from 0")
    if len(np.unique(genes)) < len(genes):
        raise ValueError(f"{len(genes) - len(np.unique(genes))} genes are twice in a set")
    return genes


def cmap_score(signatures: SortedSignatures, up, down) -> np.ndarray:
    """Connectivity score of CMap 2006 of one query with each signature, in [-1, 1].

    0 where both sets go the same way, else ks_up - ks_down; positive and negative scores are then
    each divided by the largest of their sign.

    References
    ----------
    Lamb et al. 2006, Science 313 (supporting online material).
    """
    ks_up, ks_down = ks_statistic(signatures, up), ks_statistic(signatures, down)
    raw = np.where(ks_up * ks_down > 0, 0.0, ks_up - ks_down)
    top, bottom = max(raw.max(), 0.0), max(-raw.min(), 0.0)
    return np.where(raw > 0, raw / (top or 1.0), raw / (bottom or 1.0))


def enrichment_score(signatures: SortedSignatures, genes) -> np.ndarray:
    """Weighted enrichment (weight 1) of a set in each signature, in [-1, 1].

    The running sum rises by a gene's share of the set's |value| at its genes, and falls by
    1 / (n - t) elsewhere; the score is its value furthest from zero. That lies at a gene of the
    set or just before one, so that only these places are looked at.

    Raises
    ------
    ValueError
        Genes twice, or that are none of the signatures'.

    References
    ----------
    Subramanian et al. 2005, PNAS 102; Subramanian et al. 2017, Cell 171.
    """
    genes = _gene_set(signatures, genes)
    n, t = len(signatures.place), len(genes)
    if t == 0 or t == n:
        return np.zeros(signatures.place.shape[1])
    place, size = signatures.place[genes], signatures.size[genes]  # (t, n_signatures)
    # one sort of whole numbers carries the gene along: its place times t, and its number
    code = place.astype(np.int32) * t + np.arange(t, dtype=np.int32)[:, None]
    code.sort(axis=0)
    place, which = np.divmod(code, t)
    risen = np.cumsum(np.take_along_axis(size, which, axis=0), axis=0, dtype=np.float64)
    total = risen[-1].copy()
    risen /= np.where(total > 0, total, 1.0)
    fallen = (place - np.arange(t)[:, None]) / (n - t)
    high = (risen - fallen).max(axis=0)  # at a gene of the set
    risen[1:] = risen[:-1].copy()
    risen[0] = 0
    low = (risen - fallen).min(axis=0)  # just before one
    return np.where(total > 0, np.where(high >= -low, high, low), 0.0)


def wtcs(signatures: SortedSignatures, up, down) -> np.ndarray:
    """Weighted connectivity score of one query with each signature, in [-1, 1].

    (ES_up - ES_down) / 2 where their signs differ, else 0. Of a query with one side, ES_up or
    -ES_down.

    References
    ----------
    Subramanian et al. 2017, Cell 171.
    """
    if len(down) == 0:
        return enrichment_score(signatures, up)
    if len(up) == 0:
        return -enrichment_score(signatures, down)
    es_up, es_down = enrichment_score(signatures, up), enrichment_score(signatures, down)
    return np.where(es_up * es_down < 0, (es_up - es_down) / 2, 0.0)


def normalised(scores, groups) -> np.ndarray:
    """NCS: each score over the mean size of those with its sign in its group (a cell line).

    Parameters
    ----------
    scores : array of shape (n_signatures,)
    groups : array of shape (n_signatures,)

    Raises
    ------
    ValueError
        Shapes that differ, or scores that are not finite.

    References
    ----------
    Subramanian et al. 2017, Cell 171; zeros are left out of the means.
    """
    scores, groups = np.asarray(scores, dtype=float), np.asarray(groups)
    if scores.ndim != 1 or scores.shape != groups.shape:
        raise ValueError(f"{scores.shape} scores and {groups.shape} groups: one each a signature")
    if not np.isfinite(scores).all():
        raise ValueError(f"{(~np.isfinite(scores)).sum()} scores are NaN or infinite")
    found = np.zeros_like(scores)
    for group in np.unique(groups):
        for sign in (-1, 1):
            own = (groups == group) & (np.sign(scores) == sign)
            if own.any():
                found[own] = scores[own] / np.abs(scores[own].mean())
    return found


def tau(scores, references) -> np.ndarray:
    """Signed percentage, in [-100, 100], of reference queries with a smaller NCS in size.

    Parameters
    ----------
    scores : array of shape (n_signatures,)
        NCS of a query.
    references : array of shape (n_references, n_signatures)
        NCS of queries of a compendium with the same signatures.

    Raises
    ------
    ValueError
        No reference, or references of other signatures.
    """
    scores, references = np.asarray(scores, dtype=float), np.asarray(references, dtype=float)
    if references.ndim != 2 or not len(references) or references.shape[1:] != scores.shape:
        raise ValueError(
            f"references have shape {references.shape}: one query or more, {scores.shape} scores"
        )
    smaller = (np.abs(references) < np.abs(scores)).mean(axis=0)
    return np.sign(scores) * 100 * smaller
