"""What is done to an embedding before it is scored."""

import numpy as np
import pandas as pd

METHODS = ("raw", "centered", "center_scaled")


def postprocess(embedding, batches, is_control, method: str) -> np.ndarray:
    """Bring the batches of an embedding together by their controls.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
    batches : array of shape (n_cells,)
    is_control : bool array of shape (n_cells,)
    method : {"raw", "centered", "center_scaled"}
        As it is; less the mean of the batch's controls; that, over their standard deviation (ddof
        0; 1 where it is 0).

    Returns
    -------
    ndarray of shape (n_cells, n_dims), float64
        A new array.

    Raises
    ------
    ValueError
        An unknown method, input that does not fit, or batches without controls (named).

    References
    ----------
    Celik et al. 2024 (EFAAR); Bendidi et al. 2024, appendix C.1.
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
    if method == "raw":
        return result
    n_controls = np.bincount(batch[is_control], minlength=len(names))
    if bare := [str(name) for name, n in zip(names, n_controls, strict=True) if n == 0]:
        raise ValueError(
            f"no control cell in batches {', '.join(bare)}; leave these batches out, or use 'raw'"
        )
    for b in range(len(names)):
        controls = result[is_control & (batch == b)]
        # A constant column's mean and sd are exact, not what rounding leaves of them.
        constant = (controls == controls[0]).all(axis=0)
        sd = np.where(constant, 1.0, controls.std(axis=0))
        result[batch == b] -= np.where(constant, controls[0], controls.mean(axis=0))
        if method == "center_scaled":
            result[batch == b] /= sd
    return result
