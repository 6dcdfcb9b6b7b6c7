"""Metrics of predicted profiles of pairs of perturbation and context."""

import numpy as np

from helpers.metrics.arrays import row_correlations
from helpers.metrics.predicted.discrimination import discrimination


def pair_metrics(predicted, observed, centre) -> dict[str, np.ndarray]:
    """One value a pair.

    Parameters
    ----------
    predicted, observed : ndarray of shape (n_pairs, n_readouts)
    centre : ndarray of shape (n_readouts,)
        Mean of each readout over training perturbations of the context.

    Returns
    -------
    dict of ndarray of shape (n_pairs,)
        `profile_pearson`: over readouts. `profile_pearson_centred`: the same, both less the
        centre; NaN where nothing but the centre is predicted. `profile_rmse`. `profile_rank`: share
        of other observed pairs that lie farther from the prediction (L2), ties half; NaN of one.
    """
    predicted, observed = np.asarray(predicted, float), np.asarray(observed, float)
    rank = discrimination(predicted, observed) if len(observed) > 1 else np.full(1, np.nan)
    return {
        "profile_pearson": row_correlations(predicted, observed),
        "profile_pearson_centred": row_correlations(
            off_centre(predicted, centre), off_centre(observed, centre)
        ),
        "profile_rmse": np.sqrt(((predicted - observed) ** 2).mean(axis=1)),
        "profile_rank": rank,
    }


def off_centre(values, centre) -> np.ndarray:
    """Values less their centre; what rounding alone leaves is 0."""
    values = np.asarray(values, float)
    off = values - centre
    moved = np.abs(off).max(axis=1) > 1e-6 * np.abs(values).max(axis=1)
    return np.where(moved[:, None], off, 0)


def readout_pearson(predicted, observed) -> np.ndarray:
    """Correlation over pairs for each readout, shape (n_readouts,); NaN where one is constant."""
    return row_correlations(np.asarray(predicted).T, np.asarray(observed).T)


def flattened(predicted, observed) -> dict[str, float]:
    """Metrics of all values at once, as released: `flat_pearson`, `_rmse`, `_mae`, `_r2`.

    References
    ----------
    perturblib 9e79ae3, `evaluators/collection/standard_ones.py` (there rounded to 4 decimals).
    """
    a, b = np.ravel(predicted).astype(float), np.ravel(observed).astype(float)
    total = ((b - b.mean()) ** 2).sum()
    return {
        "flat_pearson": row_correlations(a[None], b[None])[0],
        "flat_rmse": np.sqrt(((a - b) ** 2).mean()),
        "flat_mae": np.abs(a - b).mean(),
        "flat_r2": 1 - ((a - b) ** 2).sum() / total if total > 0 else np.nan,
    }
