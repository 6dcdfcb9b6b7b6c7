"""Embeddings of expression profiles of plates, whose values are logarithms already."""

import numpy as np

from helpers.data.contract import DataError
from helpers.store.steps import step


@step
def profile_pca(profiles, *, n_components: int) -> np.ndarray:
    """Exact principal components of log2 expression; genes are centred and not scaled.

    Parameters
    ----------
    profiles : AnnData of log2 expression, shape (n_wells, n_genes)
    n_components : int
        1 to min(n_wells, n_genes).

    Returns
    -------
    ndarray of shape (n_wells, n_components), float32
        Sorted by variance; the largest loading of each component is positive.

    Raises
    ------
    DataError
        Values on another scale.
    ValueError
        More components than wells or genes.
    """
    kind = profiles.uns["scale"]["kind"]
    if kind != "log":
        name = profiles.uns["dataset"]["name"]
        raise DataError(f"{name}: X holds {kind}, not log; counts have their own PCA")
    if not 1 <= n_components <= min(profiles.shape):
        raise ValueError(
            f"n_components is {n_components}; {profiles.n_obs} wells x {profiles.n_vars} genes "
            f"allow 1 to {min(profiles.shape)}"
        )
    values = np.asarray(profiles.X, dtype=float)
    values -= values.mean(axis=0)
    left, size, right = np.linalg.svd(values, full_matrices=False)
    largest = np.abs(right).argmax(axis=1)
    sign = np.sign(right[np.arange(len(right)), largest])
    return ((left * size * sign)[:, :n_components]).astype(np.float32)


@step
def profile_genes(profiles) -> np.ndarray:
    """The measured genes themselves, shape (n_wells, n_genes), float32."""
    return np.asarray(profiles.X, dtype=np.float32)


@step
def plate_position(profiles) -> np.ndarray:
    """Floor: where a well lies on its plate, shape (n_wells, 2), float32.

    It knows nothing of expression. What it can name is named by the layout of the plate.

    Raises
    ------
    DataError
        The profiles do not say where their wells lie.
    """
    if missing := [c for c in ("row", "column") if c not in profiles.obs]:
        name = profiles.uns["dataset"]["name"]
        raise DataError(f"{name}: obs has no column {', '.join(missing)}; wells have no position")
    return profiles.obs[["row", "column"]].to_numpy(dtype=np.float32)
