"""Moran's I: whether neighbours are alike."""

import numpy as np


def moran(values, neighbours) -> np.ndarray:
    """Moran's I of each gene on one slide, every neighbour with the same weight.

    I = N / W * sum_ij w_ij z_i z_j / sum_i z_i ** 2, with weights that sum to one for each spot.
    Expected at random: -1 / (N - 1); about 1 where neighbours are alike.

    Parameters
    ----------
    values : array of shape (n_spots, n_genes)
    neighbours : array of int, shape (n_spots, k)

    Returns
    -------
    ndarray of shape (n_genes,)
        NaN for a gene that is constant.

    References
    ----------
    Moran 1950, Biometrika 37.
    """
    values = np.asarray(values, dtype=float)
    z = values - values.mean(axis=0)
    around = np.zeros_like(z)
    for column in neighbours.T:
        around += z[column]
    square = (z * z).sum(axis=0)
    square[square <= 1e-12 * len(z)] = np.nan
    return (z * around).sum(axis=0) / neighbours.shape[1] / square
