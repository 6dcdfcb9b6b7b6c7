"""Embeddings that are not linear in expression: references for what a linear one cannot keep."""

import numpy as np

from helpers.data.contract import DataError
from helpers.metrics.arrays import varies
from helpers.store.steps import step


@step
def quadratic_embedding(embedding, *, n_components: int) -> np.ndarray:
    """All products of two coordinates, the feature map of a homogeneous quadratic kernel.

    A perturbation whose effect turns round with the state of the cell has no mean effect, but its
    product with the state has one.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
        For instance principal components; the first `n_components` are taken, each scaled to
        variance 1.
    n_components : int
        1 to n_dims.

    Returns
    -------
    ndarray of shape (n_cells, n_components (n_components + 1) / 2), float32

    Raises
    ------
    ValueError
        More components than there are, or a constant one.
    """
    if not 1 <= n_components <= embedding.shape[1]:
        raise ValueError(
            f"n_components is {n_components}; the embedding allows 1 to {embedding.shape[1]}"
        )
    z = np.asarray(embedding[:, :n_components], dtype=float)
    if not (varying := varies(z)).all():
        raise ValueError(f"coordinate {int(np.argmin(varying))} is constant; leave it out")
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    first, second = np.triu_indices(n_components)
    return (z[:, first] * z[:, second]).astype(np.float32)


@step
def state_gated(screen, embedding) -> np.ndarray:
    """An embedding whose sign is turned in the cells of the second half of the cycle.

    The ceiling where effects are reversed there: it knows the state of each cell.

    Parameters
    ----------
    screen : AnnData
        Simulated, with `obs["state"]`.
    embedding : ndarray of shape (n_cells, n_dims)

    Returns
    -------
    ndarray of shape (n_cells, n_dims)

    Raises
    ------
    DataError
        The screen does not say the state of its cells.
    """
    if "state" not in screen.obs:
        raise DataError(
            "obs has no column 'state'; only simulated screens know the state of a cell"
        )
    sign = np.where(screen.obs["state"] == "first", 1.0, -1.0)
    return np.asarray(embedding) * sign[:, None]
