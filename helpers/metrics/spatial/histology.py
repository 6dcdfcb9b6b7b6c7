"""Scores of predicted expression: those of SpaRED as released, and those that survive a constant.

All take spots x genes, on the scale of the logarithm, and a mask: True is measured, and scored.
"""

import numpy as np


def _centred(values, mask, axis: int) -> np.ndarray:
    """Values less their mean over measured entries; zero where nothing is measured."""
    values = np.where(mask, np.asarray(values, dtype=float), 0)
    n = np.maximum(mask.sum(axis=axis, keepdims=True), 1)
    return np.where(mask, values - values.sum(axis=axis, keepdims=True) / n, 0)


def _flat(centred, mask, axis: int) -> np.ndarray:
    # a constant keeps the rounding error of its mean
    return (centred**2).sum(axis=axis) <= 1e-10 * np.maximum(mask.sum(axis=axis), 1)


def correlations(truth, found, mask, *, axis: int = 0) -> np.ndarray:
    """Pearson correlation of each gene over its measured spots, or of each spot over its genes.

    Parameters
    ----------
    truth, found : arrays of shape (n_spots, n_genes)
    mask : array of bool, the same shape
    axis : {0, 1}
        0: of each gene; 1: of each spot.

    Returns
    -------
    ndarray in [-1, 1]
        NaN where nothing is measured, and where the truth or what is predicted is constant.
    """
    mask = np.asarray(mask, dtype=bool)
    x, y = (_centred(values, mask, axis) for values in (truth, found))
    flat = _flat(x, mask, axis) | _flat(y, mask, axis)
    product = np.sqrt((x**2).sum(axis=axis) * (y**2).sum(axis=axis))
    r = (x * y).sum(axis=axis) / np.where(flat, 1, product)
    return np.where(flat, np.nan, np.clip(r, -1, 1))


def scored_correlations(truth, found, mask) -> np.ndarray:
    """Correlation of each gene, with a policy for what has none.

    A gene whose prediction is constant scores 0: it says nothing of where the gene is high. A gene
    whose truth is constant, or that is measured in fewer than three spots, is NaN: it cannot be
    asked. So no constant makes a table NaN, and none is rewarded by being left out.

    Returns
    -------
    ndarray of shape (n_genes,), in [-1, 1] or NaN
    """
    mask = np.asarray(mask, dtype=bool)
    r = correlations(truth, found, mask)
    asked = ~_flat(_centred(truth, mask, 0), mask, 0) & (mask.sum(axis=0) >= 3)
    still = _flat(_centred(found, mask, 0), mask, 0)
    return np.where(~asked, np.nan, np.where(still, 0.0, r))


def constant_genes(found, mask) -> int:
    """How many genes have one prediction for all measured spots."""
    mask = np.asarray(mask, dtype=bool)
    return int((_flat(_centred(found, mask, 0), mask, 0) & mask.any(axis=0)).sum())


def determinations(truth, found, mask, *, axis: int = 0) -> np.ndarray:
    """1 - residual / total sum of squares, of each gene (`axis` 0) or spot (1).

    Returns
    -------
    ndarray in (-inf, 1]
        Only those with two measured entries or more, as released: -inf or NaN where the truth is
        constant.
    """
    mask = np.asarray(mask, dtype=bool)
    several = mask.sum(axis=axis) > 1
    total = (_centred(truth, mask, axis) ** 2).sum(axis=axis)[several]
    off = np.where(mask, np.asarray(found, dtype=float) - truth, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 - (off**2).sum(axis=axis)[several] / total


def published(truth, found, mask) -> dict[str, float]:
    """The seven metrics of SpaRED over all spots of a split together, as released.

    Returns
    -------
    dict
        `MSE`, `MAE` over all measured entries; `PCC-Gene`, `PCC-Patch` averaged over genes and
        spots with a measured entry: NaN as soon as *one* of them is predicted constant; `R2-Gene`,
        `R2-Patch`, plain means; `Global`, PCC-Gene + PCC-Patch + R2-Gene + R2-Patch - MSE - MAE.

    References
    ----------
    BCV-Uniandes/SpaRED 3ca900f, metrics/metrics.py.
    """
    mask = np.asarray(mask, dtype=bool)
    off = np.asarray(found, dtype=float)[mask] - np.asarray(truth)[mask]
    scores = {"MSE": float((off**2).mean()), "MAE": float(np.abs(off).mean())}
    for axis, name in ((0, "Gene"), (1, "Patch")):
        asked = mask.any(axis=axis)
        still = _flat(_centred(found, mask, axis), mask, axis)[asked].any()
        r = correlations(truth, found, mask, axis=axis)[asked]
        known = np.isfinite(r).any()
        scores[f"PCC-{name}"] = float(np.nanmean(r)) if known and not still else float("nan")
        scores[f"R2-{name}"] = float(determinations(truth, found, mask, axis=axis).mean())
    good = ("PCC-Gene", "PCC-Patch", "R2-Gene", "R2-Patch")
    scores["Global"] = sum(scores[g] for g in good) - scores["MSE"] - scores["MAE"]
    return scores


def error_parts(truth, found, mask) -> dict[str, float]:
    """The squared error of one slide, and what of it is offset of genes and what is pattern.

    The error of a gene is the square of its mean error on the slide plus the variance of the error
    around that mean; both are averaged with the weight of its measured entries.

    Returns
    -------
    dict
        `mse`, `offset`, `pattern`, all >= 0; the last two add up to the first.

    Raises
    ------
    ValueError
        Nothing is measured.
    """
    mask = np.asarray(mask, dtype=bool)
    n = mask.sum(axis=0)
    if not n.any():
        raise ValueError("no entry is measured: there is no error to divide")
    off = np.where(mask, np.asarray(found, dtype=float) - truth, 0)
    mean = off.sum(axis=0) / np.maximum(n, 1)
    mse = float((off**2).sum() / n.sum())
    offset = float((n * mean**2).sum() / n.sum())
    return {"mse": mse, "offset": offset, "pattern": max(mse - offset, 0.0)}
