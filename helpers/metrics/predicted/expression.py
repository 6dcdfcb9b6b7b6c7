"""Errors and correlations of predicted expression, one value a perturbation.

Rows are perturbations, columns are genes. A change is expression less that of controls. What was
predicted and what was observed are taken against different controls, so that both do not share the
error of one mean.
"""

import numpy as np

from helpers.metrics.arrays import row_correlations, varies


def l2(predicted, observed) -> np.ndarray:
    """Euclidean distance over genes, of shape (n_perturbations,); at least 0, lower is better.

    It grows with the number of genes: models are compared on one set of genes.

    References
    ----------
    Ahlmann-Eltze et al. 2025, Methods.
    """
    predicted, observed = _pair(predicted, observed)
    return np.sqrt(((predicted - observed) ** 2).sum(axis=1))


def rmse(predicted, observed) -> np.ndarray:
    """Root of the mean squared error over genes, of shape (n_perturbations,); lower is better."""
    predicted, observed = _pair(predicted, observed)
    return np.sqrt(((predicted - observed) ** 2).mean(axis=1))


def mae(predicted, observed) -> np.ndarray:
    """Mean absolute error over genes, of shape (n_perturbations,); at least 0, lower is better."""
    predicted, observed = _pair(predicted, observed)
    return np.abs(predicted - observed).mean(axis=1)


def pearson(predicted, observed) -> np.ndarray:
    """Correlation over genes of expression itself, in [-1, 1]; higher is better.

    Genes differ in level by far more than perturbations change them: predicting the controls is
    close to 1. NaN where a profile is the same in all genes.
    """
    return row_correlations(*_pair(predicted, observed))


def pearson_delta(predicted, observed, predicted_from, observed_from) -> np.ndarray:
    """Correlation over genes of predicted and observed change, in [-1, 1]; higher is better.

    Parameters
    ----------
    predicted, observed : ndarray of shape (n_perturbations, n_genes)
    predicted_from, observed_from : ndarray of shape (n_genes,)
        What changes are taken from: means of disjoint controls, or means over perturbations.

    Returns
    -------
    ndarray of shape (n_perturbations,)
        NaN where a change is the same in all genes, as that of a prediction of no change is.

    References
    ----------
    Ahlmann-Eltze et al. 2025, Methods (from controls); Viñas Torné et al. 2025, Systema (from the
    mean of perturbations).
    """
    predicted, observed = _pair(predicted, observed)
    changes = []
    for values, start in ((predicted, predicted_from), (observed, observed_from)):
        change = _changed(values, start)
        size = np.abs(values).max(axis=1)  # rounding is that of expression, not of its change
        changes.append(np.where(varies(change, axis=1, magnitude=size)[:, None], change, 0))
    return row_correlations(*changes)


def _changed(values: np.ndarray, start) -> np.ndarray:
    """Changes; what is left of equal numbers by rounding alone is 0."""
    start = np.asarray(start, dtype=float)
    if start.shape != (values.shape[1],):
        raise ValueError(f"a reference of shape {start.shape} for {values.shape[1]} genes")
    change = values - start
    change[np.abs(change) <= 1e-12 * np.maximum(np.abs(values), np.abs(start))] = 0
    return change


def most_changed(observed, observed_from, *, k: int = 20) -> np.ndarray:
    """The k genes that were observed to change most, of shape (n_perturbations, k).

    An oracle's order: it is taken from the observation, without a test. Of equal changes the gene
    that stands first is first.
    """
    observed = np.asarray(observed, dtype=float)
    if not 1 <= k <= observed.shape[1]:
        raise ValueError(f"the {k} most changed of {observed.shape[1]} genes; 1 at least, no more")
    change = np.abs(_changed(observed, observed_from))
    return np.argsort(-change, axis=1, kind="stable")[:, :k]


def top_l2(predicted, observed, observed_from, *, k: int = 20) -> np.ndarray:
    """Euclidean distance over the k genes that were observed to change most; lower is better."""
    predicted, observed = _pair(predicted, observed)
    genes = most_changed(observed, observed_from, k=k)
    rows = np.arange(len(observed))[:, None]
    return l2(predicted[rows, genes], observed[rows, genes])


def stratified_l2(predicted, observed, order, n_genes) -> np.ndarray:
    """Euclidean distance over the first genes of an order.

    Parameters
    ----------
    predicted, observed : ndarray of shape (n_perturbations, n_genes)
    order : int ndarray of shape (n_genes,) or (n_perturbations, n_genes)
        Genes, the first first: by expression in controls, or each perturbation's by `most_changed`.
    n_genes : int array of shape (n_points,)
        How many of them, each at least 1.

    Returns
    -------
    ndarray of shape (n_perturbations, n_points); at least 0, lower is better

    References
    ----------
    Ahlmann-Eltze et al. 2025, extended data (curves by rank of expression and of change).
    """
    predicted, observed = _pair(predicted, observed)
    order = np.broadcast_to(np.asarray(order), observed.shape)
    asked = np.asarray(n_genes)
    if asked.min() < 1 or asked.max() > observed.shape[1]:
        raise ValueError(
            f"curves over {asked.min()} to {asked.max()} of {observed.shape[1]} genes; 1 to all"
        )
    squared = np.take_along_axis((predicted - observed) ** 2, order, axis=1)
    return np.sqrt(np.cumsum(squared, axis=1))[:, asked - 1]


def change_weights(t) -> np.ndarray:
    """Weights of genes by how clearly each perturbation changes them.

    Parameters
    ----------
    t : ndarray of shape (n_perturbations, n_genes)
        Statistics of a test of each gene; NaN (a constant gene) weighs nothing.

    Returns
    -------
    ndarray of shape (n_perturbations, n_genes); rows sum to 1
        Squares of |t| brought to [0, 1] within a perturbation; NaN where all |t| are equal.

    Raises
    ------
    ValueError
        An infinite statistic: a gene that varies in neither group has none, and one such gene
        would take all the weight.

    References
    ----------
    Mejia et al. 2025, Diversity by design, arXiv 2506.22641.
    """
    size = np.abs(np.asarray(t, dtype=float))
    if np.isinf(size).any():
        row, gene = np.argwhere(np.isinf(size))[0]
        raise ValueError(f"the statistic of gene {gene} in perturbation {row} is infinite")
    size = np.where(np.isnan(size), 0.0, size)
    low, high = size.min(axis=1, keepdims=True), size.max(axis=1, keepdims=True)
    span = high - low
    unit = np.divide(size - low, span, out=np.full(size.shape, np.nan), where=span > 0) ** 2
    return unit / unit.sum(axis=1, keepdims=True)


def weighted_mse(predicted, observed, weights) -> np.ndarray:
    """Mean squared error with weights of genes, of shape (n_perturbations,); lower is better.

    NaN where the weights are.
    """
    predicted, observed = _pair(predicted, observed)
    return (np.asarray(weights) * (predicted - observed) ** 2).sum(axis=1)


def weighted_r2(predicted, observed, weights) -> np.ndarray:
    """Share of the weighted variance over genes that is predicted, at most 1; higher is better.

    Parameters
    ----------
    predicted, observed : ndarray of shape (n_perturbations, n_genes)
        Changes, from controls or from the mean of perturbations.
    weights : ndarray of shape (n_perturbations, n_genes)
        Of `change_weights`.

    Returns
    -------
    ndarray of shape (n_perturbations,)
        0 for the weighted mean of the observed change in all genes; NaN where that does not vary
        or the weights are NaN.

    References
    ----------
    Mejia et al. 2025; as scikit-learn's `r2_score` with `sample_weight`.
    """
    predicted, observed = _pair(predicted, observed)
    weights = np.asarray(weights)
    mean = (weights * observed).sum(axis=1, keepdims=True)
    total = (weights * (observed - mean) ** 2).sum(axis=1)
    error = (weights * (observed - predicted) ** 2).sum(axis=1)
    share = np.divide(error, total, out=np.full(len(total), np.nan), where=total > 0)
    return 1 - share


def _pair(predicted, observed) -> tuple[np.ndarray, np.ndarray]:
    predicted, observed = np.asarray(predicted, float), np.asarray(observed, float)
    if predicted.shape != observed.shape or observed.ndim != 2 or not observed.size:
        raise ValueError(
            f"predicted {predicted.shape} and observed {observed.shape} are not both "
            "(n_perturbations, n_genes), with one each at least"
        )
    if not (np.isfinite(predicted).all() and np.isfinite(observed).all()):
        n = int((~np.isfinite(predicted)).sum()), int((~np.isfinite(observed)).sum())
        raise ValueError(f"{n[0]} predicted and {n[1]} observed values are NaN or infinite")
    return predicted, observed
