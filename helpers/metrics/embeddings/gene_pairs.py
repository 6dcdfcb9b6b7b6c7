"""Known pairs of genes: each once, and where they stand among the perturbations of a screen."""

import numpy as np
import pandas as pd


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


def partners(first, second, names) -> np.ndarray:
    """Number of known partners of each perturbation among the others: its degree."""
    i, j = usable_pairs(first, second, names)
    return np.bincount(np.concatenate([i, j]), minlength=len(names))
