"""What a screen looks like, in two dozen numbers: what a simulated one is compared by."""

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from helpers.data.contract import CONTROL, DataError
from helpers.data.controls import assign_controls
from helpers.data.matrix import canonical

STATISTICS = (
    "library median",
    "library sd",
    "abundance sd",
    "variance/mean, low",
    "variance/mean, mid",
    "variance/mean, high",
    "excess zeros, low",
    "excess zeros, mid",
    "excess zeros, high",
    "eigenvalue 1",
    "eigenvalues 2-5",
    "eigenvalues 6-20",
    "replicate share",
    "target share",
    "effect norm, median",
    "effect norm, 90 %",
    "effect norm, largest",
    "guide concordance",
    "reliability, median",
    "reliability, 75 %",
    "cosine to mean effect",
    "cells against effect",
)


def screen_statistics(screen, *, seed: int = 0) -> pd.Series:
    """The statistics of `STATISTICS`; NaN where the screen cannot say (no guides).

    Log counts are log1p of counts, brought to the median of the cells' sums over the genes at hand,
    so that panels and simulated screens are treated alike. Effects are means of log counts less
    controls; halves of cells and of controls are disjoint.

    Parameters
    ----------
    screen : AnnData of counts
        With at least 4 control cells and 2 perturbations of 2 cells.
    seed : int
        Of the halves.

    Returns
    -------
    Series of float, by statistic

    Raises
    ------
    DataError
        No counts, empty cells, too few controls or perturbations.
    """
    rng = np.random.default_rng(seed)
    name = screen.uns.get("dataset", {}).get("name", "this screen")
    if screen.uns.get("scale", {}).get("kind") != "counts":
        raise DataError(f"{name}: counts are needed, uns['scale'] says something else")
    counts = csr_matrix(canonical(screen.X), dtype=float)
    total = np.asarray(counts.sum(axis=1)).ravel()
    if (total == 0).any():
        raise DataError(f"{name}: {(total == 0).sum()} cells have no counts; drop them")
    labels = screen.obs["perturbation"].astype(str).to_numpy()
    n_controls = int((labels == CONTROL).sum())
    if n_controls < 4:
        raise DataError(f"{name}: {n_controls} control cells; at least 4 are needed")
    logs = counts.toarray() * (np.median(total) / total)[:, None]
    np.log1p(logs, out=logs)
    replicate = screen.obs["replicate" if "replicate" in screen.obs else "batch"].to_numpy()
    found = {
        "library median": float(np.median(total)),
        "library sd": float(np.log(total).std()),
        **_gene_statistics(counts),
        **_eigenvalues(logs),
        "replicate share": _variance_share(logs, replicate),
        "target share": _variance_share(logs, labels),
        **_effect_statistics(screen, logs, labels, rng),
    }
    return pd.Series({name: found[name] for name in STATISTICS}, dtype=float)


def _gene_statistics(counts) -> dict[str, float]:
    n = counts.shape[0]
    mean = np.asarray(counts.mean(axis=0)).ravel()
    square = np.asarray(counts.multiply(counts).mean(axis=0)).ravel()
    zeros = 1 - np.asarray((counts > 0).sum(axis=0)).ravel() / n
    seen = mean > 0
    mean, square, zeros = mean[seen], square[seen], zeros[seen]
    found = {"abundance sd": float(np.log(mean).std())}
    thirds = np.array_split(np.argsort(mean, kind="stable"), 3)
    for third, genes in zip(("low", "mid", "high"), thirds, strict=True):
        ratio = (square - mean**2)[genes] / mean[genes]
        found[f"variance/mean, {third}"] = float(np.median(np.log10(ratio)))
        found[f"excess zeros, {third}"] = float((zeros - np.exp(-mean))[genes].mean())
    return found


def _eigenvalues(logs) -> dict[str, float]:
    covariance = np.cov(logs.T)
    values = np.linalg.eigvalsh(covariance)[::-1]
    shares = values / values.sum()
    return {
        "eigenvalue 1": float(shares[0]),
        "eigenvalues 2-5": float(shares[1:5].sum()),
        "eigenvalues 6-20": float(shares[5:20].sum()),
    }


def _means(values, code, n_groups: int) -> np.ndarray:
    size = np.bincount(code, minlength=n_groups)
    indicator = csr_matrix(
        (1 / size[code], (code, np.arange(len(code)))), shape=(n_groups, len(code))
    )
    return indicator @ values


def _variance_share(logs, groups) -> float:
    """omega²: variance between groups over all variance, corrected for what chance puts there."""
    code, names = pd.factorize(np.asarray(groups), sort=True)
    if len(names) < 2:
        return np.nan
    size = np.bincount(code)
    centred = logs - logs.mean(axis=0)
    between = (size[:, None] * _means(centred, code, len(names)) ** 2).sum()
    total = (centred**2).sum()
    within = (total - between) / (len(code) - len(names))
    return float((between - (len(names) - 1) * within) / (total + within))


def _effect_statistics(screen, logs, labels, rng) -> dict[str, float]:
    role = np.asarray(assign_controls(screen.obs["perturbation"], screen.obs["batch"], rng=rng))
    controls = [logs[role == f"control_{side}"].mean(axis=0) for side in ("model", "truth")]
    sizes = pd.Series(labels[labels != CONTROL]).value_counts()
    names = sorted(sizes.index[sizes > 1])
    if len(names) < 2:
        raise DataError(f"{len(names)} perturbations have 2 cells or more; at least 2 are needed")
    code = pd.Index(names).get_indexer(labels)
    # Cells of each perturbation dealt in turn, in random order, to two halves.
    order = rng.permutation(len(labels))
    half = np.empty(len(labels), dtype=int)
    half[order] = pd.Series(code[order]).groupby(code[order]).cumcount().to_numpy() % 2
    first, second = (
        _means(logs[(code >= 0) & (half == h)], code[(code >= 0) & (half == h)], len(names))
        - controls[h]
        for h in (0, 1)
    )
    squared = (first * second).sum(axis=1)
    norm = np.sign(squared) * np.sqrt(np.abs(squared))
    reliability = _cosine(
        first - first.mean(axis=1, keepdims=True), second - second.mean(axis=1, keepdims=True)
    )
    others = (second.sum(axis=0) - second) / (len(names) - 1)
    rank = pd.DataFrame({"cells": sizes[names].to_numpy(), "norm": norm}).rank()
    tied = rank["cells"].nunique() < 2
    return {
        "effect norm, median": float(np.median(norm)),
        "effect norm, 90 %": float(np.quantile(norm, 0.9)),
        "effect norm, largest": float(norm.max()),
        "guide concordance": _guide_concordance(screen, logs, labels, names, norm, controls),
        "reliability, median": float(np.median(reliability)),
        "reliability, 75 %": float(np.quantile(reliability, 0.75)),
        "cosine to mean effect": float(np.median(_cosine(first, others))),
        "cells against effect": np.nan if tied else float(rank.corr().iloc[0, 1]),
    }


def _guide_concordance(screen, logs, labels, names, norm, controls) -> float:
    if "guide" not in screen.obs:
        return np.nan
    guides = screen.obs["guide"].astype(str).to_numpy()
    cosines = []
    for i in np.argsort(-norm, kind="stable")[: max(1, len(names) // 4)]:
        cells = np.flatnonzero(labels == names[i])
        code, found = pd.factorize(guides[cells], sort=True)
        profiles = _means(logs[cells], code, len(found))
        # One guide less the one half of controls, the other less the other: no shared noise.
        cosines += [
            float(_cosine(profiles[[a]] - controls[0], profiles[[b]] - controls[1])[0])
            for a in range(len(found))
            for b in range(len(found))
            if a != b
        ]
    return float(np.median(cosines)) if cosines else np.nan


def _cosine(a, b) -> np.ndarray:
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.divide((a * b).sum(axis=1), size, out=np.zeros(len(a)), where=size > 0)
