"""Direct effects as the sparse inverse of total effects, after inspre.

A total effect R of A on B is the change of B under a perturbation of A, in units of the change of
A. In a linear network with weights W, circles and hidden factors allowed, R is the inverse of
I - W with its rows divided by their diagonal, so that W = I - R^-1 / diag(R^-1).
"""

import numpy as np

from helpers.models.discovery.networks.means import ArmMeans, arm_means

LEAST_CHANGE = 3.0
"""Standard errors by which a perturbed gene must have changed for its arm to be used."""
PENALTIES = (0.3, 0.1, 0.05, 0.02, 0.01, 0.005)


def total_effects(means: ArmMeans) -> np.ndarray:
    """Change of each gene per change of the perturbed one; NaN in rows without an arm.

    Returns
    -------
    ndarray of shape (n_genes, n_genes), 1 on the diagonal
    """
    changes = means.changes
    with np.errstate(divide="ignore", invalid="ignore"):
        return changes / np.diag(changes)[:, None]


def weights_of(inverse: np.ndarray) -> np.ndarray:
    """Weights of the network from the inverse of its total effects; 0 on the diagonal."""
    return np.eye(len(inverse)) - inverse / np.diag(inverse)


def sparse_inverse_of(totals, penalty: float, *, n_steps: int = 300) -> np.ndarray:
    """V that minimises |R V - I|^2 / 2 + penalty |V off the diagonal|_1, by FISTA.

    inspre also lets R move within its errors; here it is taken as measured.

    Parameters
    ----------
    totals : array of shape (n, n)
    penalty : float
    n_steps : int

    References
    ----------
    Brown et al. 2025, Nature Communications 16; Beck & Teboulle 2009, SIAM Journal on Imaging
    Sciences 2.
    """
    n = len(totals)
    gram, step = totals.T @ totals, 1 / np.linalg.norm(totals, 2) ** 2
    price = penalty * step * (1 - np.eye(n))
    found = ahead = np.eye(n)
    weight = 1.0
    for _ in range(n_steps):
        moved = ahead - step * (gram @ ahead - totals.T)
        new = np.sign(moved) * np.maximum(np.abs(moved) - price, 0)
        next_weight = (1 + np.sqrt(1 + 4 * weight**2)) / 2
        ahead = new + (weight - 1) / next_weight * (new - found)
        found, weight = new, next_weight
    return found


def usable(values, target) -> np.ndarray:
    """Genes whose own perturbation changed them by `LEAST_CHANGE` standard errors or more."""
    values, target = np.asarray(values, dtype=float), np.asarray(target)
    controls, kept = values[target == -1], []
    for gene in np.unique(target[target >= 0]):
        arm = values[target == gene, gene]
        if len(arm) < 2:
            continue
        error = np.sqrt(arm.var(ddof=1) / len(arm) + controls[:, gene].var(ddof=1) / len(controls))
        if abs(arm.mean() - controls[:, gene].mean()) >= LEAST_CHANGE * error > 0:
            kept.append(gene)
    return np.array(kept, dtype=int)


def sparse_inverse(values, target, *, seed: int = 0, penalties=PENALTIES) -> np.ndarray:
    """Absolute direct effect of A on B.

    The penalty is the one whose inverse, of one half of the cells, fits the other half best.

    Parameters
    ----------
    values : array of shape (n_cells, n_genes)
    target : int array of shape (n_cells,)
    seed : int
        Of the halves.
    penalties : sequence of float

    Returns
    -------
    ndarray of shape (n_genes, n_genes)
        NaN on the diagonal and for pairs with a gene that was not perturbed, or not enough: it
        has no total effects, and nothing is said of it.
    """
    values, target = np.asarray(values, dtype=float), np.asarray(target)
    genes, n = usable(values, target), values.shape[1]
    found = np.full((n, n), np.nan)
    if len(genes) < 2:
        return found
    half = np.empty(len(target), dtype=bool)
    rng = np.random.default_rng(seed)
    for code in np.unique(target):
        rows = np.flatnonzero(target == code)
        half[rows] = rng.permutation(len(rows)) % 2 == 0
    square = np.ix_(genes, genes)
    first, second, whole = (
        total_effects(arm_means(values[rows], target[rows]))[square]
        for rows in (half, ~half, slice(None))
    )
    unit = np.eye(len(genes))
    misfit = [((second @ sparse_inverse_of(first, p) - unit) ** 2).sum() for p in penalties]
    inverse = sparse_inverse_of(whole, penalties[int(np.argmin(misfit))])
    found[square] = np.abs(weights_of(inverse))
    np.fill_diagonal(found, np.nan)
    return found
