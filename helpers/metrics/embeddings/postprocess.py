"""What is done to an embedding before it is scored."""

import numpy as np
import pandas as pd

from helpers.metrics.arrays import varies

METHODS = ("raw", "centered", "center_scaled", "tvn")
LEAST_CONTROLS = 3  # two span a line, in which every similarity is 1 or -1
FEW_CONTROLS = 30  # below, the revised protocols shrink what a batch says of itself
_ROUNDING = 1e-5  # of the largest standard deviation: below is what float32 makes of nothing


def postprocess(
    embedding, batches, is_control, method: str, *, shrink_below: int = 0, bare: str = "raise"
) -> np.ndarray:
    """Bring the batches of an embedding together by their controls.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
    batches : array of shape (n_cells,)
    is_control : bool array of shape (n_cells,)
    method : {"raw", "centered", "center_scaled", "tvn"}
        As it is; less the mean of the batch's controls; that, over their standard deviation (ddof
        0; 1 where it is 0); typical variation normalisation, see `typical_variation`.
    shrink_below : int
        A batch with n controls, fewer than this, is not taken at its word: its centre, variance
        and covariance are n / `shrink_below` of its own and the rest that of all controls (mean
        over all; variance and covariance within batches). 0, as published: each batch as it is.
    bare : {"raise", "global"}
        What to do with batches without controls: an error, or, where `shrink_below` is above 0,
        they get what all controls say.

    Returns
    -------
    ndarray of shape (n_cells, n_dims), float64
        A new array. *tvn*: min(n_controls, n_dims) columns.

    Raises
    ------
    ValueError
        An unknown method, input that does not fit or is not finite, or batches with too few
        controls (named).

    References
    ----------
    Celik et al. 2024 (EFAAR); Bendidi et al. 2024, appendix C.1; Tx-Evaluation commit 1f24de0,
    biomodalities/data/post_process.py.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; choose from {', '.join(METHODS)}")
    result = np.array(embedding, dtype=float)
    batch, names = pd.factorize(np.asarray(batches), sort=True)
    is_control = np.asarray(is_control)
    if result.ndim != 2 or batch.shape != (len(result),) or is_control.shape != batch.shape:
        raise ValueError(
            f"embedding {result.shape}, batches {batch.shape} and is_control {is_control.shape} "
            "do not fit: (n_cells, n_dims), (n_cells,), (n_cells,)"
        )
    if is_control.dtype != bool or (batch < 0).any():
        raise ValueError("is_control must be boolean, and every cell needs a batch")
    known = ("raise", "global") if shrink_below > 0 else ("raise",)
    if shrink_below < 0 or bare not in known:
        raise ValueError(
            f"shrink_below is {shrink_below}, bare {bare!r}; at least 0, and 'raise' or, with "
            "shrink_below above 0, 'global'"
        )
    if method == "raw":
        return result
    if not np.isfinite(result).all():
        odd = np.flatnonzero(~np.isfinite(result).all(axis=1))
        raise ValueError(
            f"{len(odd)} cells have NaN or infinite coordinates, the first is {odd[0]}"
        )
    n_controls = np.bincount(batch[is_control], minlength=len(names))
    least = 2 if method == "tvn" and shrink_below == 0 else 1
    short = n_controls < (0 if bare == "global" else least)
    if named := [f"{b} ({n})" for b, n in zip(names[short], n_controls[short], strict=True)]:
        raise ValueError(
            f"fewer than {least} control cells in batches {', '.join(named)}; leave these batches "
            "out, use 'raw', or pass shrink_below (and, without any control, bare='global')"
        )
    if method == "tvn" and result.shape[1] > 1 and n_controls.sum() < LEAST_CONTROLS:
        raise ValueError(
            f"{n_controls.sum()} control cells in all; typical variation is that of controls, and "
            f"takes at least {LEAST_CONTROLS}: use 'centered' or 'raw'"
        )
    own = np.ones(len(names)) if shrink_below == 0 else np.minimum(n_controls / shrink_below, 1)
    if method == "tvn":
        return typical_variation(result, batch, is_control, own)
    mean, sd = control_moments(result, batch, is_control, own)
    for b in range(len(names)):
        result[batch == b] -= mean[b]
        if method == "center_scaled":
            result[batch == b] /= sd[b]
    return result


def control_moments(embedding, batch, is_control, own) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (ddof 0; 1 where it is 0) of each batch's controls.

    Parameters
    ----------
    embedding : float64 ndarray of shape (n_cells, n_dims)
    batch : int array of shape (n_cells,), in [0, n_batches)
    is_control : bool array of shape (n_cells,)
    own : ndarray of shape (n_batches,), in [0, 1]
        Share that a batch's own controls have, 0 where it has none; the rest is that of all
        controls: their mean, and their variance within batches.

    Returns
    -------
    mean, sd : ndarray of shape (n_batches, n_dims)
    """
    of_all = None, None
    if (own != 1).any():
        everywhere = embedding[is_control]
        of_all = _moments(everywhere)[0], _within(everywhere, batch[is_control])
    mean, sd = np.empty((2, len(own), embedding.shape[1]))
    for b, weight in enumerate(own):
        moments = _moments(embedding[is_control & (batch == b)]) if weight else of_all
        mean[b], variance = (_mixed(*pair, weight) for pair in zip(moments, of_all, strict=True))
        sd[b] = np.sqrt(np.where(variance == 0, 1.0, variance))
    return mean, sd


def _moments(rows) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (ddof 0) of columns."""
    # A constant column's variance is exact, not what rounding leaves of it.
    some = varies(rows)
    mean = np.where(some, rows.mean(axis=0), rows[0])
    return mean, np.where(some, rows.var(axis=0), 0.0)


def _within(rows, batch) -> np.ndarray:
    """Variance of controls around the mean of their batch."""
    deviations = rows.copy()
    for b in np.unique(batch):
        deviations[batch == b] -= _moments(rows[batch == b])[0]
    free = len(rows) - len(np.unique(batch))
    if free < 1:
        raise ValueError("no batch has two controls: nothing tells how much controls vary")
    return (deviations**2).sum(axis=0) / free


def _mixed(own, of_all, weight: float):
    return own if weight == 1 else weight * own + (1 - weight) * of_all


def typical_variation(embedding, batch, is_control, own) -> np.ndarray:
    """Typical variation normalisation: make controls white, then align the batches' covariances.

    Centre and scale on all controls; rotate to the principal axes of the controls; scale again, so
    that controls have mean 0 and covariance I; then multiply each batch by the inverse square root
    of the covariance of its controls (ddof 1) plus I / 2, the CORAL step of the released code with
    the identity as target. No batch is centred by itself.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
    batch : int array of shape (n_cells,), in [0, n_batches)
    is_control : bool array of shape (n_cells,)
    own : ndarray of shape (n_batches,), in [0, 1]
        Share that a batch's own covariance has; the rest is the identity, which is the covariance
        of all controls.

    Returns
    -------
    ndarray of shape (n_cells, min(n_controls, n_dims))
        Directions in which controls do not vary are centred and not scaled. Axes are in order of
        the controls' variance; each one's largest loading is positive.

    References
    ----------
    Bendidi et al. 2024, appendix C.1.3 (which has no last step); Tx-Evaluation commit 1f24de0,
    post_process.py:94-129. Their fractional power of a Schur form can turn complex; here the roots
    are those of a symmetric eigendecomposition.
    """
    white = _whitened(embedding, is_control)
    identity = np.eye(white.shape[1])
    for b, weight in enumerate(own):
        controls = white[is_control & (batch == b)]
        covariance = identity
        if weight and len(controls) > 1:
            covariance = _mixed(np.cov(controls, rowvar=False, ddof=1), identity, weight)
        values, axes = np.linalg.eigh(np.atleast_2d(covariance) + 0.5 * identity)
        rows = batch == b
        white[rows] = white[rows] @ (axes / np.sqrt(values)) @ axes.T
    return white


def _whitened(embedding, is_control) -> np.ndarray:
    """Cells in axes in which controls have mean 0 and, where they vary, covariance I (ddof 0)."""
    mean, variance = _moments(embedding[is_control])
    scaled = (embedding - mean) / np.sqrt(np.where(variance == 0, 1, variance))
    controls = scaled[is_control]
    if len(controls) >= controls.shape[1]:
        values, axes = np.linalg.eigh(controls.T @ controls / len(controls))
        sd, axes = np.sqrt(np.maximum(values[::-1], 0)), axes[:, ::-1].T
    else:
        _, singular, axes = np.linalg.svd(controls, full_matrices=False)
        sd = singular / np.sqrt(len(controls))
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    axes = axes * np.sign(largest)[:, None]
    return scaled @ axes.T / np.where(sd <= _ROUNDING * sd[0], 1.0, sd)
