"""Mutual information of many genes with a class, by nearest neighbours, gene by gene."""

import numpy as np
from numba import njit

from helpers.metrics.arrays import finite_matrix, label_codes, varies

NEIGHBOURS = 3


def mutual_information(x, y, seed: int) -> np.ndarray:
    """Mutual information of each gene with the class.

    The estimate of a sample is small where many samples of other classes are as close to it as its
    third neighbour of its own class.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_genes), finite
    y : array of shape (n_samples,)
        At least two classes of at least four samples each, for three neighbours.
    seed : int
        Draws the noise, about 1e-10 of a standard deviation, that breaks ties.

    Returns
    -------
    ndarray of shape (n_genes,), nats, >= 0, higher is more
        Estimates below 0 are set to 0; constant genes have 0.

    Raises
    ------
    ValueError
        One class, a class of too few samples, shapes that do not fit, or values that are not
        finite.

    References
    ----------
    Ross 2014, PLoS ONE 9. The same as scikit-learn's `mutual_info_classif`, in one pass over
    sorted values instead of a tree for each gene and class.
    """
    from scipy.special import digamma

    x = finite_matrix(x, "x").astype(float)
    code, names = label_codes(y, len(x))
    n = np.bincount(code)
    if len(names) < 2:
        raise ValueError("all samples are of one class: there is nothing to tell apart")
    if n.min() <= NEIGHBOURS:
        raise ValueError(
            f"class {names[n.argmin()]!r} has {n.min()} samples: three neighbours need at least 4"
        )
    sd = x.std(axis=0)
    varying = varies(x)
    x = x[:, varying] / sd[varying]
    noise = np.random.default_rng(seed).standard_normal(x.shape)
    x += 1e-10 * np.maximum(1, np.abs(x).mean(axis=0)) * noise
    psi = digamma(np.maximum(np.arange(len(x) + 1), 1))
    genes = np.ascontiguousarray(x.T)
    order = np.argsort(genes, axis=1)
    sorted_values = np.take_along_axis(genes, order, axis=1)
    within = _mean_digamma_within(sorted_values, code[order], len(names), psi)
    found = np.zeros(len(sd))
    found[varying] = psi[len(x)] + psi[NEIGHBOURS] - psi[n[code]].mean() - within
    return np.maximum(found, 0)


@njit(cache=True)
def _mean_digamma_within(values, code, n_classes, psi):
    """Mean digamma of the samples closer than the third neighbour of the own class, itself too.

    Values of each gene are sorted, with the classes of their samples (numba's own sort takes the
    compiler many seconds).
    """
    n_genes, n = values.shape
    means = np.zeros(n_genes)
    position = np.empty(n, dtype=np.int64)
    for g in range(n_genes):
        total = 0.0
        for c in range(n_classes):
            m = 0
            for i in range(n):  # places of the class among the sorted values
                if code[g, i] == c:
                    position[m] = i
                    m += 1
            for i in range(m):
                here = position[i]
                radius = np.inf
                for left in range(NEIGHBOURS + 1):
                    first, last = i - left, i + NEIGHBOURS - left
                    if first >= 0 and last < m:
                        reach = max(
                            values[g, here] - values[g, position[first]],
                            values[g, position[last]] - values[g, here],
                        )
                        radius = min(radius, reach)
                low, high = here, here  # the neighbour that sets the radius lies outside
                while low > 0 and values[g, here] - values[g, low - 1] < radius:
                    low -= 1
                while high < n - 1 and values[g, high + 1] - values[g, here] < radius:
                    high += 1
                total += psi[high - low + 1]
        means[g] = total / n
    return means
