"""Rank genes without explaining a network: weights, tests, trees, variance.

Functions of arrays, each a score a gene, higher for what matters more: one row a class (that class
against all others), or one ranking for all classes. The steps below apply them to the training
samples of a data set.
"""

from __future__ import annotations

import numpy as np

from helpers.data.contract import DataError
from helpers.metrics.arrays import label_codes, varies
from helpers.metrics.de import mann_whitney
from helpers.metrics.explanation.mutual_information import mutual_information
from helpers.store.steps import step

# Arrays ------------------------------------------------------------------------------------------


def absolute_weights(weights) -> np.ndarray:
    """Size of a linear model's weights on standardised genes.

    Parameters
    ----------
    weights : ndarray of shape (n_genes, n_classes)
        A softmax does not change when all classes' weights of a gene move together: their mean
        over classes is taken off first.

    Returns
    -------
    ndarray of shape (n_classes, n_genes), >= 0

    Raises
    ------
    ValueError
        Another shape, or weights that are NaN or infinite.
    """
    weights = _finite(weights, "weights")
    return np.abs(weights - weights.mean(axis=1, keepdims=True)).T


def linear_shap(weights, x, baseline, classes) -> np.ndarray:
    """Exact SHAP values of a class's logit in a linear model of independent genes, w (x - b).

    Parameters
    ----------
    weights : ndarray of shape (n_genes, n_classes)
        The mean over classes is taken off, as in `absolute_weights`.
    x : ndarray of shape (n_samples, n_genes)
    baseline : ndarray of shape (n_genes,)
        What stands for an absent gene: its mean in the background.
    classes : int ndarray of shape (n_samples,)
        The class explained, a column of `weights`.

    Returns
    -------
    ndarray of shape (n_samples, n_genes)
        Rows sum to the logit less the baseline's, both relative to the mean over classes.

    Raises
    ------
    ValueError
        Shapes that do not fit, or values that are NaN or infinite.

    References
    ----------
    Lundberg & Lee 2017, NeurIPS 30, corollary 1.
    """
    weights, x = _finite(weights, "weights"), _finite(x, "x")
    baseline = np.asarray(baseline, dtype=float)
    classes = np.asarray(classes)
    if x.shape[1:] != weights.shape[:1] or baseline.shape != weights.shape[:1]:
        raise ValueError(
            f"weights of {weights.shape[0]} genes, x of shape {x.shape}, baseline of shape "
            f"{baseline.shape}: genes must agree"
        )
    if classes.shape != x.shape[:1] or not np.isin(classes, range(weights.shape[1])).all():
        raise ValueError(f"classes of shape {classes.shape}: one of {weights.shape[1]} a sample")
    centred = weights - weights.mean(axis=1, keepdims=True)
    return (x - baseline) * centred.T[classes]


def class_means_of_size(values, classes, n_classes: int) -> np.ndarray:
    """Mean absolute attribution of each class's samples, shape (n_classes, n_genes).

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_genes)
    classes : int ndarray of shape (n_samples,)
    n_classes : int

    Raises
    ------
    ValueError
        A class without samples.
    """
    values, classes = np.abs(np.asarray(values)), np.asarray(classes)
    n = np.bincount(classes, minlength=n_classes)
    if (n == 0).any():
        raise ValueError(f"classes {np.flatnonzero(n == 0).tolist()} have no sample to average")
    return np.stack([values[classes == c].mean(axis=0) for c in range(n_classes)])


def welch_t(x, y) -> np.ndarray:
    """|t| of Welch's test of each class against all others.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_genes)
    y : array of shape (n_samples,)
        At least two classes of two samples each.

    Returns
    -------
    ndarray of shape (n_classes, n_genes), >= 0, classes sorted
        0 for a gene that is constant; a gene that is constant on both sides, at two values, has
        the largest score found elsewhere plus its difference, so that it leads.

    Raises
    ------
    ValueError
        One class, a class of one sample, or values that are NaN or infinite.

    References
    ----------
    Welch 1947, Biometrika 34.
    """
    x, y = _labelled(x, y)
    size, varying = np.abs(x).max(axis=0), varies(x)
    rows = []
    for name in np.unique(y):
        inside = y == name
        if min(inside.sum(), (~inside).sum()) < 2:
            raise ValueError(f"class {name!r} or what is left has one sample: no variance")
        sides = x[inside], x[~inside]
        variances = [np.where(varies(s, magnitude=size), s.var(axis=0, ddof=1), 0.0) for s in sides]
        error = np.sqrt(sum(v / len(s) for v, s in zip(variances, sides, strict=True)))
        difference = np.abs(sides[0].mean(axis=0) - sides[1].mean(axis=0)) * varying
        t = np.divide(difference, error, out=np.zeros_like(difference), where=error > 0)
        split = (error == 0) & (difference > 0)
        rows.append(np.where(split, t.max() + difference, t))
    return np.stack(rows)


def wilcoxon_effect(x, y) -> np.ndarray:
    """|2 AUC - 1| of each class against all others: the size of Wilcoxon's rank-sum statistic.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_genes)
    y : array of shape (n_samples,)
        At least two classes.

    Returns
    -------
    ndarray of shape (n_classes, n_genes), in [0, 1], classes sorted
        0 where a gene does not tell the class, 1 where it does without error.

    Raises
    ------
    ValueError
        One class, or values that are NaN or infinite.
    """
    x, y = _labelled(x, y)
    rows = []
    for name in np.unique(y):
        rest = y != name
        test = mann_whitney(x, np.where(rest, "rest", "class"), rest)
        pairs = rest.sum() * (~rest).sum()
        rows.append(np.abs(2 * test.u[0] / pairs - 1) * varies(x))
    return np.stack(rows)


def variance(x) -> np.ndarray:
    """Variance of each gene (ddof 1): knows nothing of the classes. Shape (n_genes,).

    Raises
    ------
    ValueError
        Values that are NaN or infinite.
    """
    x = _finite(x, "x")
    return np.where(varies(x), x.var(axis=0, ddof=1), 0.0)


def first_loading(x) -> np.ndarray:
    """|Loading| of each gene on the first principal component of standardised genes.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_genes)

    Returns
    -------
    ndarray of shape (n_genes,), in [0, 1]
        0 for constant genes. Knows nothing of the classes.

    Raises
    ------
    ValueError
        Values that are NaN or infinite, or all genes constant.
    """
    from scipy.linalg import eigh

    x = _finite(x, "x")
    sd, varying = x.std(axis=0, ddof=1), varies(x)
    if not varying.any():
        raise ValueError("all genes are constant: there is no first component")
    z = np.divide(x - x.mean(axis=0), sd, out=np.zeros_like(x), where=varying)
    last = len(z) - 1
    _, sample = eigh(z @ z.T, subset_by_index=[last, last])
    loading = z.T @ sample[:, 0]
    return np.abs(loading) / np.linalg.norm(loading)


def forest_importance(x, y, seed: int, *, n_trees: int = 500) -> np.ndarray:
    """Mean decrease of Gini impurity in a random forest. Shape (n_genes,), sums to 1.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_genes)
    y : array of shape (n_samples,)
    seed : int
    n_trees : int

    Raises
    ------
    ValueError
        One class, or values that are NaN or infinite.

    References
    ----------
    Breiman 2001, Machine Learning 45.
    """
    from sklearn.ensemble import RandomForestClassifier

    x, y = _labelled(x, y)
    forest = RandomForestClassifier(n_trees, random_state=seed).fit(x.astype(np.float32), y)
    return forest.feature_importances_


def boosting_importance(x, y, seed: int, *, n_trees: int = 50) -> np.ndarray:
    """Gain of each gene in boosted trees of depth 1. Shape (n_genes,), sums to 1, mostly 0.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_genes)
    y : array of shape (n_samples,)
    seed : int
        Draws half of the samples and a tenth of the genes for each tree.
    n_trees : int
        A class; 25 to 200 in the published code (XGBoost).

    Raises
    ------
    ValueError
        One class, or values that are NaN or infinite.

    References
    ----------
    Friedman 2001, Annals of Statistics 29; mbonto/XAI_in_genomics, setting.py.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    x, y = _labelled(x, y)
    trees = GradientBoostingClassifier(
        n_estimators=n_trees, max_depth=1, subsample=0.5, max_features=0.1, random_state=seed
    )
    return trees.fit(x.astype(np.float32), y).feature_importances_


# Steps -------------------------------------------------------------------------------------------


def expression(data) -> np.ndarray:
    """Expression as logarithms: log2(CPM + 1) of counts, else as the data have it.

    Parameters
    ----------
    data : AnnData of shape (n_samples, n_genes)
        `uns["scale"]` says counts, log1p or log.

    Returns
    -------
    ndarray of shape (n_samples, n_genes), float64

    Raises
    ------
    DataError
        Values on another scale, or a sample without counts.
    """
    kind = data.uns["scale"]["kind"]
    if kind in ("log", "log1p"):
        return np.asarray(data.X, dtype=float)
    if kind != "counts":
        raise DataError(f"values are {kind}; genes are ranked on counts, log1p or log")
    total = data.obs["total_counts"].to_numpy(float)
    if not (total > 0).all():
        raise DataError(f"{(~(total > 0)).sum()} samples have no counts: drop them")
    return np.log2(np.asarray(data.X, dtype=float) * (1e6 / total)[:, None] + 1)


def training(data) -> tuple[np.ndarray, np.ndarray]:
    """Expression and class of the training samples.

    Parameters
    ----------
    data : AnnData
        With `obs["class"]` and `obs["split"]`.

    Returns
    -------
    x : ndarray of shape (n_train, n_genes)
    y : ndarray of str of shape (n_train,)

    Raises
    ------
    DataError
        A column is missing, or no sample is for training.
    """
    if missing := [c for c in ("class", "split") if c not in data.obs]:
        raise DataError(
            f"obs has no column {', '.join(missing)} (columns: {', '.join(data.obs.columns)})"
        )
    rows = (data.obs["split"] == "train").to_numpy()
    if not rows.any():
        raise DataError("obs['split'] says train for no sample")
    return expression(data)[rows], data.obs["class"].astype(str).to_numpy()[rows]


@step
def welch_ranking(data) -> np.ndarray:
    """`welch_t` of the training samples, shape (n_classes, n_genes)."""
    return welch_t(*training(data))


@step
def wilcoxon_ranking(data) -> np.ndarray:
    """`wilcoxon_effect` of the training samples, shape (n_classes, n_genes)."""
    return wilcoxon_effect(*training(data))


@step
def mutual_information_ranking(data, *, seed: int) -> np.ndarray:
    """`mutual_information` in the training samples, shape (1, n_genes)."""
    return mutual_information(*training(data), seed)[None]


@step
def variance_ranking(data) -> np.ndarray:
    """`variance` in the training samples, shape (1, n_genes)."""
    return variance(training(data)[0])[None]


@step
def loading_ranking(data) -> np.ndarray:
    """`first_loading` of the training samples, shape (1, n_genes)."""
    return first_loading(training(data)[0])[None]


@step
def forest_ranking(data, *, seed: int, n_trees: int = 500) -> np.ndarray:
    """`forest_importance` in the training samples, shape (1, n_genes)."""
    return forest_importance(*training(data), seed, n_trees=n_trees)[None]


@step
def boosting_ranking(data, *, seed: int, n_trees: int = 50) -> np.ndarray:
    """`boosting_importance` in the training samples, shape (1, n_genes)."""
    return boosting_importance(*training(data), seed, n_trees=n_trees)[None]


@step
def random_ranking(data, *, seed: int) -> np.ndarray:
    """Floor: uniform scores, shape (1, n_genes)."""
    return np.random.default_rng(seed).random((1, data.n_vars))


def _finite(values, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"{name} has shape {values.shape}: a table, with rows and columns")
    if (bad := ~np.isfinite(values)).any():
        raise ValueError(f"{name} holds {bad.sum()} values that are NaN or infinite")
    return values


def _labelled(x, y) -> tuple[np.ndarray, np.ndarray]:
    x, y = _finite(x, "x"), np.asarray(y)
    if len(label_codes(y, len(x))[1]) < 2:
        raise ValueError("all samples are of one class: there is nothing to tell apart")
    return x, y
