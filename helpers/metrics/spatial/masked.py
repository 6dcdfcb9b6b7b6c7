"""Errors and correlations of completed entries, and the deviance of counts that were held out."""

import numpy as np


def masked_mse(truth, found, mask) -> np.ndarray:
    """Mean squared error of each gene over its masked entries.

    Parameters
    ----------
    truth, found : arrays of shape (n_spots, n_genes)
    mask : array of bool, the same shape
        True where an entry is scored.

    Returns
    -------
    ndarray of shape (n_genes,)
        NaN for a gene without a masked entry.
    """
    off = np.where(mask, np.asarray(found, dtype=float) - truth, 0)
    n = np.asarray(mask).sum(axis=0)
    return np.where(n > 0, (off**2).sum(axis=0) / np.maximum(n, 1), np.nan)


def pooled_mse(truth, found, mask) -> float:
    """Mean squared error of all masked entries together, as published; NaN where there is none."""
    chosen = np.asarray(mask)
    if not chosen.any():
        return float("nan")
    return float(((np.asarray(found, dtype=float)[chosen] - np.asarray(truth)[chosen]) ** 2).mean())


def masked_pearson(truth, found, mask) -> np.ndarray:
    """Pearson correlation of each gene over its masked entries.

    Returns
    -------
    ndarray of shape (n_genes,)
        NaN with fewer than three entries, and where the truth or what was found is constant.
    """
    mask = np.asarray(mask)
    n = np.maximum(mask.sum(axis=0), 1)
    centred = []
    for values in (truth, found):
        values = np.where(mask, np.asarray(values, dtype=float), 0)
        centred.append(np.where(mask, values - values.sum(axis=0) / n, 0))
    x, y = centred
    sizes = (x**2).sum(axis=0), (y**2).sum(axis=0)
    # a constant column keeps the rounding error of its mean
    flat = (sizes[0] < 1e-10 * n) | (sizes[1] < 1e-10 * n) | (mask.sum(axis=0) < 3)
    product = np.sqrt(np.where(flat, 1, sizes[0] * sizes[1]))
    return np.where(flat, np.nan, np.clip((x * y).sum(axis=0) / product, -1, 1))


def poisson_deviance(counts, expected) -> float:
    """Mean unit deviance of counts against what was expected of them.

    2 * (y log(y / m) - y + m), averaged over all entries; 0 is exact.

    Parameters
    ----------
    counts : array
        Integers.
    expected : array of the same shape, above 0

    Raises
    ------
    ValueError
        An expectation that is not above zero.
    """
    y, m = np.asarray(counts, dtype=float), np.asarray(expected, dtype=float)
    if not (m > 0).all():
        raise ValueError("expected counts are above zero: give what was not seen a small one")
    log = np.where(y > 0, y * np.log(np.where(y > 0, y, 1) / m), 0)
    return float((2 * (log - y + m)).mean())
