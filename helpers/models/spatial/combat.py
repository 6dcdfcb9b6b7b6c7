"""ComBat: means and variances of batches drawn towards those of all, by empirical Bayes."""

import numpy as np
import pandas as pd

from helpers.data.contract import DataError


def combat(values, batches) -> np.ndarray:
    """Parametric ComBat without covariates.

    Iterations need only sums and sums of squares of a batch, so that they cost as much as there are
    genes, not spots.

    Parameters
    ----------
    values : array of shape (n_spots, n_genes)
        Logarithms.
    batches : array of shape (n_spots,)

    Returns
    -------
    ndarray of shape (n_spots, n_genes)
        A gene that is constant within all batches stays as it is; with one batch everything does.

    Raises
    ------
    DataError
        A batch of one spot, which has no variance.

    References
    ----------
    Johnson, Li and Rabinovic 2007, Biostatistics 8; variances with n, as pycombat has them.
    """
    x = np.asarray(values, dtype=float)
    codes, names = pd.factorize(np.asarray(batches).astype(str))
    sizes = np.bincount(codes)
    if (sizes < 2).any():
        single = ", ".join(names[sizes < 2])
        raise DataError(f"batch {single} has one spot, and no variance: merge or drop it")
    if len(names) == 1:
        return x.copy()
    means = np.stack([x[codes == b].mean(axis=0) for b in range(len(names))])
    grand = sizes / len(x) @ means
    residual = x - means[codes]
    scale = np.sqrt((residual**2).mean(axis=0))
    varies = scale > 1e-12 * (1 + np.abs(grand))
    out = x.copy()
    z = (x[:, varies] - grand[varies]) / scale[varies]
    for b, n in enumerate(sizes):
        part = z[codes == b]
        shift, spread = _posterior(part.mean(axis=0), part.var(axis=0), n)
        adjusted = (part - shift) / np.sqrt(spread)
        rows = np.flatnonzero(codes == b)
        out[np.ix_(rows, varies)] = adjusted * scale[varies] + grand[varies]
    return out


def _posterior(mean, variance, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each gene in a batch, given those of all its genes."""
    centre, tau = mean.mean(), mean.var()
    m, s = variance.mean(), variance.var()
    if tau == 0 or s == 0:  # one gene, or all alike: nothing to draw them towards
        return mean, np.where(variance > 0, variance, 1.0)
    a, b = (2 * s + m**2) / s, (m * s + m**3) / s
    shift, spread = mean, variance
    for _ in range(1000):
        new_shift = (tau * n * mean + spread * centre) / (tau * n + spread)
        # sum of (z - shift) ** 2, from the mean and variance of the batch
        squares = n * variance + n * (mean - new_shift) ** 2
        new_spread = (0.5 * squares + b) / (n / 2 + a - 1)
        change = max(
            np.max(np.abs(new_shift - shift) / np.maximum(np.abs(shift), 1e-12)),
            np.max(np.abs(new_spread - spread) / np.maximum(spread, 1e-12)),
        )
        shift, spread = new_shift, new_spread
        if change < 1e-4:
            break
    return shift, spread
