"""GuanLab's method of the CausalBench challenge: correlations, smoothed by boosted trees on means.

Released code: GuanLab/CausalBench2023_Challenge, src/main.py, commit e838a99.
"""

import numpy as np

from helpers.models.discovery.networks.means import ArmMeans, arm_means

THRESHOLD = 0.1
TREES = {"learning_rate": 0.05, "max_iter": 1_000, "max_leaf_nodes": 5, "max_depth": 2} | {
    "min_samples_leaf": 5,
    "l2_regularization": 0.0,
    "early_stopping": False,
}
"""As released, in the words of scikit-learn. A gain of 0.01 that a split needs is not offered."""


def labels(values, target, *, threshold: float = THRESHOLD, seed: int = 0) -> np.ndarray:
    """Pairs that correlate: over the cells of A's arm and as many controls, or controls alone.

    Parameters
    ----------
    values : array of shape (n_cells, n_genes)
    target : int array of shape (n_cells,)
        Column of the perturbed gene, -1 for controls.
    threshold : float
        Of |Pearson|.
    seed : int
        Of the controls that are drawn.

    Returns
    -------
    bool ndarray of shape (n_genes, n_genes)
    """
    values, target = np.asarray(values, dtype=float), np.asarray(target)
    controls, n = np.flatnonzero(target == -1), values.shape[1]
    found = np.empty((n, n))
    for gene in range(n):
        arm, some = np.flatnonzero(target == gene), controls
        if len(arm):
            rng = np.random.default_rng(seed)  # the same controls for arms of one size, as released
            some = rng.choice(controls, min(len(arm), len(controls)), replace=False)
        x = values[np.r_[some, arm]]
        x = x - x.mean(axis=0)
        size = np.sqrt((x**2).sum(axis=0) * (x[:, gene] ** 2).sum())
        found[gene] = np.divide(x[:, gene] @ x, size, out=np.zeros(n), where=size > 0)
    return np.abs(found) > threshold


def features(means: ArmMeans) -> np.ndarray:
    """Means of A and of B in controls, of A under its own perturbation (0 without one), of B (NaN).

    Returns
    -------
    ndarray of shape (n_genes, n_genes, 4)
    """
    n = len(means.control)
    own = np.nan_to_num(np.diag(means.arms), nan=0.0)
    columns = (
        np.repeat(means.control[:, None], n, axis=1),
        np.repeat(means.control[None], n, axis=0),
        np.repeat(own[:, None], n, axis=1),
        means.arms,
    )
    return np.stack(columns, axis=2)


def guanlab(values, target, *, seed: int = 0, means: ArmMeans | None = None) -> np.ndarray:
    """Score of A -> B: the probability of its label, from the four means.

    Parameters
    ----------
    values, target : see `labels`
    seed : int
    means : ArmMeans, optional
        Of standardised expression, with imputed arms; default: those of the cells.

    Returns
    -------
    ndarray of shape (n_genes, n_genes), in (0, 1); NaN on the diagonal. All equal where every pair
    has the same label.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    values = np.asarray(values, dtype=float)
    off = ~np.eye(values.shape[1], dtype=bool)
    label = labels(values, target, seed=seed)[off]
    if means is None:
        means = arm_means(standardised(values), target)
    found = np.full(off.shape, np.nan)
    found[off] = 0.5
    if label.any() and not label.all():
        x = features(means)[off]
        x = x[:, ~np.isnan(x).all(axis=0)]  # without any arm no mean under one
        trees = HistGradientBoostingClassifier(**TREES, random_state=seed).fit(x, label)
        found[off] = trees.predict_proba(x)[:, 1]
    return found


def standardised(values) -> np.ndarray:
    """Genes with mean 0 and s.d. 1 over all cells; a constant gene is 0."""
    values = np.asarray(values, dtype=float)
    deviation = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
