"""Rankings of genes from fitted classifiers: attributions, weights, SHAP of linear models."""

import numpy as np

from helpers.data.contract import DataError
from helpers.metrics.explanation.attribution import class_means
from helpers.models.explanation.rankings import absolute_weights, class_means_of_size, linear_shap
from helpers.store import step
from helpers.tasks.explanation.attribution import (
    METHODS,
    PROTOCOLS,
    baseline_of,
    explained,
    studied_classes,
)


@step
def attribution_ranking(
    data,
    fit,
    *,
    split: str = "test",
    method: str = METHODS[0],
    signed: bool = False,
    unfit: str = "raise",
) -> np.ndarray:
    """Mean attribution of each studied class over correctly classified samples.

    Parameters
    ----------
    data, fit
    split, method
        As in `explained`.
    signed : bool
        Mean of signed values, as in the first paper's global ranking; else of absolute ones, as in
        the second's.
    unfit : {"raise", "nan"}
        A model that does not fit is not explained: an error, or a ranking of NaN, which counts as
        not scored.

    Returns
    -------
    ndarray of shape (n_studied_classes, n_genes)

    Raises
    ------
    CannotAnswer
        The model does not fit its training samples.
    DataError
        A class of which no sample is classified correctly, or another `unfit`.
    """
    if (nothing := _not_explained(data, fit, unfit)) is not None:
        return nothing
    found = explained(data, fit, split=split, method=method)
    labels, classes = found.labels[found.correct], studied_classes(data)
    means = class_means(found.attributions[found.correct], labels, classes)[0 if signed else 1]
    if np.isnan(means).any():
        lost = [c for c in classes if not (labels == c).any()]
        raise DataError(f"no {split} sample of {', '.join(lost)} is classified correctly")
    return means


@step
def weight_ranking(data, fit) -> np.ndarray:
    """|weight| of a linear classifier of each studied class, shape (n_studied_classes, n_genes).

    Raises
    ------
    DataError
        The classifier has a hidden layer.
    """
    _linear(fit)
    return absolute_weights(fit["weights"])[_columns(data, fit)]


@step
def linear_shap_ranking(data, fit, *, split: str = "test", unfit: str = "raise") -> np.ndarray:
    """Mean |SHAP value| of the class's logit, the explanation's baseline as background.

    Parameters
    ----------
    data, fit, split, unfit
        As in `attribution_ranking`.

    Returns
    -------
    ndarray of shape (n_studied_classes, n_genes)

    Raises
    ------
    DataError
        The classifier has a hidden layer.
    """
    _linear(fit)
    if (nothing := _not_explained(data, fit, unfit)) is not None:
        return nothing
    found = explained(data, fit, split=split)
    rows = found.correct
    columns = _columns(data, fit)
    targets = np.searchsorted(columns, found.targets[rows])
    values = linear_shap(fit["weights"], found.Z[rows], baseline_of(data, fit), found.targets[rows])
    return class_means_of_size(values, targets, len(columns))


@step
def over_classes(ranking) -> np.ndarray:
    """One ranking for all classes: the mean of the classes' scores, shape (n_genes,)."""
    return np.asarray(ranking).mean(axis=0)


def _not_explained(data, fit, unfit: str) -> np.ndarray | None:
    """A ranking of NaN for a model that does not fit, if that was asked for."""
    if unfit not in ("raise", "nan"):
        raise DataError(f"unfit is {unfit!r}; raise or nan")
    if unfit == "raise" or fit["train_accuracy"] > PROTOCOLS["revised"].least_train_accuracy:
        return None
    return np.full((len(studied_classes(data)), data.n_vars), np.nan)


def _columns(data, fit) -> np.ndarray:
    return np.searchsorted(fit["classes"], studied_classes(data))


def _linear(fit) -> None:
    if "out_weights" in fit:
        raise DataError("the classifier has a hidden layer: its weights are not those of genes")
