"""Post-processing of large embeddings: fitted on controls, applied a few cells at a time."""

import numpy as np
import pandas as pd

from helpers.metrics.arrays import varies
from helpers.metrics.embeddings.postprocess import postprocess

_CHUNK = 20_000


def streamed_postprocess(
    embedding, batches, is_control, method: str, *, shrink_below: int = 0, bare: str = "raise"
) -> np.ndarray:
    """What `postprocess` gives, in single precision and without its copies of all cells.

    Each batch's cells go through one affine map that depends on controls only. The maps are read
    off `postprocess` itself: it is given the controls and, in each batch, points one step along
    each dimension; cells are then mapped in chunks.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
    batches : array of shape (n_cells,)
    is_control : bool array of shape (n_cells,)
    method, shrink_below, bare
        As in `postprocess`.

    Returns
    -------
    ndarray of shape (n_cells, n_dims), float32
        *tvn*: min(n_controls, n_dims) columns.

    Raises
    ------
    ValueError
        See `postprocess`; or a cell that is not a control has a value that is not finite.
    """
    embedding, is_control = np.asarray(embedding), np.asarray(is_control)
    batch, names = pd.factorize(np.asarray(batches), sort=True)
    if method == "raw" or len(embedding) <= _CHUNK:
        done = postprocess(
            embedding, batches, is_control, method, shrink_below=shrink_below, bare=bare
        )
        return done.astype(np.float32)
    n_dims, n_batches = embedding.shape[1], len(names)
    controls = embedding[is_control].astype(float)
    # A step of the controls' own size keeps the differences of the images exact.
    origin = controls.mean(axis=0)
    sd = controls.std(axis=0)
    steps = np.diag(np.where(varies(controls), sd, 1.0))
    probes = np.tile(np.vstack([origin, origin + steps]), (n_batches, 1))
    images = postprocess(
        np.vstack([controls, probes]),
        np.concatenate([batch[is_control], np.repeat(np.arange(n_batches), n_dims + 1)]),
        np.arange(len(controls) + len(probes)) < len(controls),
        method,
        shrink_below=shrink_below,
        bare=bare,
    )[len(controls) :].reshape(n_batches, n_dims + 1, -1)
    shifts = images[:, 0]  # (n_batches, n_kept)
    maps = (images[:, 1:] - images[:, :1]) / np.diag(steps)[:, None]  # (n_batches, n_dims, n_kept)
    result = np.empty((len(embedding), images.shape[2]), dtype=np.float32)
    order = np.argsort(batch, kind="stable")
    ends = np.searchsorted(batch[order], np.arange(n_batches + 1))
    for b in range(n_batches):
        for start in range(ends[b], ends[b + 1], _CHUNK):
            cells = order[start : min(start + _CHUNK, ends[b + 1])]
            result[cells] = (embedding[cells] - origin) @ maps[b] + shifts[b]
    if not np.isfinite(result).all():
        odd = np.flatnonzero(~np.isfinite(result).all(axis=1))
        raise ValueError(
            f"{len(odd)} cells have NaN or infinite coordinates, the first is {odd[0]}"
        )
    return result
