"""Similarity of whole drug signatures with disease contrasts; reversal is its negative."""

from typing import Literal

import numpy as np
from scipy.stats import rankdata


def similarity(signatures, contrasts, *, kind: Literal["cosine", "pearson", "spearman"]):
    """Similarity of each signature with each contrast, on the genes that the contrast has.

    Parameters
    ----------
    signatures : array of shape (n_signatures, n_genes)
        Finite.
    contrasts : array of shape (n_contrasts, n_genes)
        NaN: a gene that the contrast does not have; it is left out on both sides.
    kind : {"cosine", "pearson", "spearman"}

    Returns
    -------
    ndarray of shape (n_signatures, n_contrasts), in [-1, 1]
        0 for a side without any variation (cosine: all zero), which points nowhere.

    Raises
    ------
    ValueError
        Another kind, shapes that do not fit, signatures that are not finite, or a contrast with
        fewer than two genes.
    """
    signatures, contrasts = np.asarray(signatures, float), np.asarray(contrasts, float)
    if kind not in ("cosine", "pearson", "spearman"):
        raise ValueError(f"kind is {kind!r}; cosine, pearson or spearman")
    if signatures.ndim != 2 or contrasts.ndim != 2 or signatures.shape[1] != contrasts.shape[1]:
        raise ValueError(f"signatures {signatures.shape} and contrasts {contrasts.shape}: genes")
    if not np.isfinite(signatures).all():
        raise ValueError(f"{(~np.isfinite(signatures)).sum()} values of signatures are not finite")
    known = ~np.isnan(contrasts)
    if (known.sum(axis=1) < 2).any():
        raise ValueError(f"{(known.sum(axis=1) < 2).sum()} contrasts have fewer than two genes")
    found = np.empty((len(signatures), len(contrasts)))
    # contrasts with the same genes share the ranks of the drugs
    patterns, of = np.unique(known, axis=0, return_inverse=True)
    for i, genes in enumerate(patterns):
        own = of.ravel() == i
        drugs = _unit(signatures[:, genes], kind)
        found[:, own] = drugs @ _unit(contrasts[own][:, genes], kind).T
    return np.clip(found, -1, 1)


def _unit(values: np.ndarray, kind: str) -> np.ndarray:
    if kind == "spearman":
        values = rankdata(values, axis=1)
    if kind != "cosine":
        values = values - values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, length, out=np.zeros_like(values), where=length > 1e-12)
