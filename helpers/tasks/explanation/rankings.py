"""Every way to rank genes that the book compares: from fitted classifiers, and all by name."""

import numpy as np

from helpers.data.contract import DataError
from helpers.metrics.explanation.attribution import class_means
from helpers.metrics.explanation.feature_agreement import feature_agreement, group_agreement
from helpers.models.explanation.classifiers import fit_logistic_regression, fit_mlp
from helpers.models.explanation.penalised import fit_l1, fit_l2
from helpers.models.explanation.rankings import (
    absolute_weights,
    boosting_ranking,
    class_means_of_size,
    forest_ranking,
    linear_shap,
    loading_ranking,
    mutual_information_ranking,
    random_ranking,
    variance_ranking,
    welch_ranking,
    wilcoxon_ranking,
)
from helpers.store.steps import Step, step
from helpers.tasks.explanation.explained import (
    METHODS,
    PROTOCOLS,
    baseline_of,
    explained,
    studied_classes,
)

FAMILIES = {
    "IG, logistic regression": "explanation",
    "IG, MLP": "explanation",
    "IG, L1 regression": "explanation",
    "IG, L2 regression": "explanation",
    "gradient x input, MLP": "explanation",
    "linear SHAP": "explanation",
    "weights": "model",
    "random forest": "model",
    "boosted stumps": "model",
    "Welch t": "test",
    "Wilcoxon": "test",
    "mutual information": "test",
    "variance": "no class",
    "first component": "no class",
    "random order": "no class",
}
"""What each method looks at; the last ones know no class and are floors."""


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


def gene_rankings(
    data: Step, *, seed: int, shuffle: bool = False, n_trees: int = 300
) -> dict[str, Step]:
    """One ranking of genes by each method, from the training samples.

    Parameters
    ----------
    data : Step
        Of an AnnData with `obs["class"]` and `obs["split"]`.
    seed : int
        Of trainings, trees, and the noise that breaks ties of mutual information.
    shuffle : bool
        Shuffle training samples between epochs: for data whose rows have an order.
    n_trees : int
        Of the random forest.

    Returns
    -------
    dict of method to step
        Each an ndarray of shape (n_classes or 1, n_genes), higher for what matters more; of two
        classes an explanation has the one that is explained. NaN where a model does not fit its
        training samples, and is not explained.
    """
    lr = fit_logistic_regression(data, seed=seed, shuffle=shuffle)
    mlp = fit_mlp(data, seed=seed, shuffle=shuffle)
    l1, l2 = fit_l1(data, seed=seed), fit_l2(data, seed=seed)
    return {
        "IG, logistic regression": attribution_ranking(data, lr, split="train", unfit="nan"),
        "IG, MLP": attribution_ranking(data, mlp, split="train", unfit="nan"),
        "IG, L1 regression": attribution_ranking(data, l1, split="train", unfit="nan"),
        "IG, L2 regression": attribution_ranking(data, l2, split="train", unfit="nan"),
        "gradient x input, MLP": attribution_ranking(
            data, mlp, split="train", method="gradient x input", unfit="nan"
        ),
        "linear SHAP": linear_shap_ranking(data, lr, split="train", unfit="nan"),
        "weights": weight_ranking(data, lr),
        "random forest": forest_ranking(data, seed=seed, n_trees=n_trees),
        "boosted stumps": boosting_ranking(data, seed=seed),
        "Welch t": welch_ranking(data),
        "Wilcoxon": wilcoxon_ranking(data),
        "mutual information": mutual_information_ranking(data, seed=seed),
        "variance": variance_ranking(data),
        "first component": loading_ranking(data),
        "random order": random_ranking(data, seed=seed),
    }


def ranking_agreement(ranking, informative, members, groups) -> dict[str, float]:
    """Agreement of one ranking with the truth: gene by gene, and group by group.

    Parameters
    ----------
    ranking : ndarray of shape (n_genes,)
    informative : bool ndarray of shape (n_genes,)
    members : list of int ndarray
        Genes of each group.
    groups : int ndarray
        Informative groups.

    Returns
    -------
    dict
        NaN for a ranking that is NaN throughout: one that could not be had.
    """
    if np.isnan(ranking).all():
        return dict.fromkeys(("feature_agreement_global", "group_agreement_global"), np.nan)
    return {
        "feature_agreement_global": float(feature_agreement(ranking, informative)),
        "group_agreement_global": float(group_agreement(ranking, members, groups)),
    }
