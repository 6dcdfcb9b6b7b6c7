"""Embeddings between which every model must stand: nothing known, and what was planted."""

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.store.steps import step


@step
def permuted_labels(screen, embedding, *, seed: int) -> np.ndarray:
    """Floor: an embedding whose rows are shuffled within batches, so that labels lose their cells.

    Parameters
    ----------
    screen : AnnData
        With `obs["batch"]`.
    embedding : ndarray of shape (n_cells, n_dims)
    seed : int

    Returns
    -------
    ndarray of shape (n_cells, n_dims)
        Each batch keeps its rows, in another order.

    Raises
    ------
    ValueError
        The embedding is not one of this screen's cells.
    """
    if len(embedding) != screen.n_obs:
        raise ValueError(f"the embedding has {len(embedding)} rows, the screen {screen.n_obs}")
    rng = np.random.default_rng(seed)
    batch, names = pd.factorize(screen.obs["batch"].to_numpy(), sort=True)
    shuffled = embedding.copy()
    for b in range(len(names)):
        rows = np.flatnonzero(batch == b)
        shuffled[rows] = embedding[rng.permutation(rows)]
    return shuffled


@step
def gaussian_noise(screen, *, n_dims: int, seed: int) -> np.ndarray:
    """Floor: independent standard normal coordinates, shape (n_cells, n_dims), float32.

    Zero-mean, unlike the uniform noise of Bendidi et al. 2024, whose means tell cell counts.

    Raises
    ------
    ValueError
        n_dims below 1.
    """
    if n_dims < 1:
        raise ValueError(f"n_dims is {n_dims}; at least 1")
    return np.random.default_rng(seed).standard_normal((screen.n_obs, n_dims), dtype=np.float32)


@step
def uniform_noise(screen, *, n_dims: int, seed: int) -> np.ndarray:
    """Cautionary floor: independent coordinates from U(0, 1), shape (n_cells, n_dims), float32.

    The random embedding of the released code. Its mean over n cells is 1/2 with an error of
    1 / sqrt(12 n): means of few cells point away from all others, so that similarities between
    perturbations count their cells.

    Raises
    ------
    ValueError
        n_dims below 1.

    References
    ----------
    Tx-Evaluation commit 1f24de0, main_eval.py (`random`).
    """
    if n_dims < 1:
        raise ValueError(f"n_dims is {n_dims}; at least 1")
    return np.random.default_rng(seed).random((screen.n_obs, n_dims), dtype=np.float32)


@step
def latent(screen) -> np.ndarray:
    """Ceiling: each cell's coordinates in the simulator, its noise included, without counting.

    Parameters
    ----------
    screen : AnnData
        Simulated, with `obsm["latent"]`.

    Returns
    -------
    ndarray of shape (n_cells, n_coordinates)

    Raises
    ------
    DataError
        The screen is not simulated.
    """
    if "latent" not in screen.obsm:
        name = screen.uns.get("dataset", {}).get("name", "this screen")
        raise DataError(
            f"{name} has no obsm['latent'] (obsm: {', '.join(screen.obsm) or 'empty'}); only "
            "simulated screens know the truth of a cell"
        )
    return np.asarray(screen.obsm["latent"])
