"""Similarity of perturbations by their features."""

import numpy as np


def cosines(a, b) -> np.ndarray:
    """Cosine of each row of one array with each row of another; 0 with a row of zeros."""
    units = []
    for rows in (a, b):
        rows = np.asarray(rows, dtype=float)
        size = np.linalg.norm(rows, axis=1, keepdims=True)
        units.append(np.divide(rows, size, out=np.zeros_like(rows), where=size > 0))
    return units[0] @ units[1].T


def nearest(a, b) -> np.ndarray:
    """Greatest cosine of each row of `a` to any of `b`, (n_a,)."""
    return cosines(a, b).max(axis=1)
