"""Ridge regression of many genes at once, with a mask of what each gene learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ALPHAS = (1.0, 10.0, 100.0, 1000.0)
"""Penalties that inner folds choose from."""


@dataclass(frozen=True)
class Ridge:
    """A fitted ridge: `intercept` (n_genes,), `slope` (n_features, n_genes), `centre`."""

    intercept: np.ndarray
    slope: np.ndarray
    centre: np.ndarray

    def predict(self, x) -> np.ndarray:
        """Spots x genes."""
        return self.intercept + (np.asarray(x, dtype=float) - self.centre) @ self.slope


def fit(x, y, *, alpha: float, mask=None) -> Ridge:
    """Least squares with a penalty on the slopes; the intercept is free.

    Minimises, for each gene, the squared errors over its spots of `mask` plus `alpha` times the
    squared slopes.

    Parameters
    ----------
    x : array of shape (n_spots, n_features)
    y : array of shape (n_spots, n_genes)
    alpha : float, above 0
    mask : array of bool, shape (n_spots, n_genes), optional
        Entries that are learned from; default: all.

    Raises
    ------
    ValueError
        A gene with nothing to learn from, or no penalty.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if not alpha > 0:
        raise ValueError(f"alpha is {alpha}; it is above 0")
    if mask is None:
        centre = x.mean(axis=0)
        mean = y.mean(axis=0)
        z = x - centre
        slope = np.linalg.solve(z.T @ z + alpha * np.eye(x.shape[1]), z.T @ (y - mean))
        return Ridge(mean, slope, centre)
    mask = np.asarray(mask, dtype=bool)
    if not mask.any(axis=0).all():
        raise ValueError(f"{int((~mask.any(axis=0)).sum())} genes have nothing to learn from")
    n, p = x.shape
    centre = x.mean(axis=0)
    z = np.column_stack([np.ones(n), x - centre])
    products = (z[:, :, None] * z[:, None, :]).reshape(n, -1)
    left = (mask.T.astype(float) @ products).reshape(-1, p + 1, p + 1)
    left[:, range(1, p + 1), range(1, p + 1)] += alpha
    right = z.T @ np.where(mask, y, 0)
    found = np.linalg.solve(left, right.T[..., None])[..., 0]
    return Ridge(found[:, 0], found[:, 1:].T, centre)


def inner_error(x, y, groups, *, alphas=ALPHAS, mask=None) -> np.ndarray:
    """Squared error of each penalty on training groups that are left out in turn.

    Parameters
    ----------
    groups : array of shape (n_spots,)
        Slides; with one, its spots in four parts.

    Returns
    -------
    ndarray of shape (n_alphas,)
    """
    names = np.asarray(groups)
    if len(set(names)) == 1:
        names = np.arange(len(names)) * 4 // len(names)
    seen = np.ones(np.shape(y), dtype=bool) if mask is None else np.asarray(mask)
    error = np.zeros(len(alphas))
    for name in dict.fromkeys(names.tolist()):
        out = names == name
        for i, alpha in enumerate(alphas):
            own = None if mask is None else seen[~out]
            if own is not None and not own.any(axis=0).all():
                continue
            found = fit(x[~out], y[~out], alpha=alpha, mask=own).predict(x[out])
            error[i] += (np.where(seen[out], found - y[out], 0) ** 2).sum()
    return error / seen.sum()


def chosen(x, y, groups, *, mask=None, alphas=ALPHAS) -> float:
    """The penalty with the smallest error on left-out training groups; the largest of equals."""
    error = inner_error(x, y, groups, mask=mask, alphas=alphas)
    return float(alphas[::-1][int(error[::-1].argmin())])
