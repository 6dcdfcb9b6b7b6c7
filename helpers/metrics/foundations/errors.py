"""Errors of predicted effects."""

import numpy as np


def relative_error(predicted, observed) -> np.ndarray:
    """Squared distance of prediction and observation over the squared norm of the observation.

    Parameters
    ----------
    predicted, observed : ndarray of shape (n_perturbations, n_genes)
        Effects; 0 is no effect.

    Returns
    -------
    ndarray of shape (n_perturbations,), at least 0, lower is better
        1 for the prediction of no effect; NaN where the observed effect is 0.

    Raises
    ------
    ValueError
        Shapes differ, or a value is NaN or infinite.
    """
    predicted, observed = np.asarray(predicted, float), np.asarray(observed, float)
    if predicted.shape != observed.shape or observed.ndim != 2:
        raise ValueError(
            f"predicted {predicted.shape} and observed {observed.shape} are not both "
            "(n_perturbations, n_genes)"
        )
    if not (np.isfinite(predicted).all() and np.isfinite(observed).all()):
        raise ValueError("effects hold NaN or infinite values; predict every gene")
    size = (observed**2).sum(axis=1)
    distance = ((predicted - observed) ** 2).sum(axis=1)
    return np.divide(distance, size, out=np.full(size.shape, np.nan), where=size > 0)
