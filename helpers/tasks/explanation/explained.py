"""Explaining a fitted classifier: whose samples, from which baseline, by which attributions."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from helpers.data.contract import DataError
from helpers.metrics.explanation.attribution import (
    gradient_x_input,
    integrated_gradients,
    l2_normalised,
)
from helpers.metrics.explanation.heads import Head
from helpers.models.explanation.classifiers import standardise
from helpers.tasks.protocol import Protocol, chosen
from helpers.tasks.requirements import CannotAnswer

METHODS = ("integrated gradients", "gradient x input")


@dataclass(frozen=True, kw_only=True)
class Attribution(Protocol):
    """Choices of a protocol.

    Parameters
    ----------
    least_train_accuracy : float
        A model is explained only if its accuracy on training samples exceeds this.
    tolerance : float
        Completeness gap allowed, in probability.
    step : int
        Genes replaced at a time.
    leftover : {"ignore", "add"}
        The last, incomplete block of genes.
    ranked : {"all", "correct"}
        Samples whose attributions make the one ranking for all classes.
    """

    least_train_accuracy: float
    tolerance: float
    step: int
    leftover: Literal["ignore", "add"]
    ranked: Literal["all", "correct"]


PROTOCOLS = {
    "published": Attribution(
        name="published",
        source="Bontonou et al. 2023; mbonto/XAI_for_genomics commit 36de591",
        least_train_accuracy=0.99,
        tolerance=0.01,
        step=10,
        leftover="ignore",
        ranked="all",
    ),
    "revised": Attribution(
        name="revised",
        source="this book",
        least_train_accuracy=0.99,
        tolerance=0.001,
        step=10,
        leftover="add",
        ranked="correct",
    ),
}


def studied_classes(data) -> list[str]:
    """Classes whose samples are explained: the first of two, or all of more."""
    classes = list(data.obs["class"].cat.categories)
    return classes[:1] if len(classes) == 2 else classes


def studied(data, split: str) -> np.ndarray:
    """Samples of a split whose class is explained, boolean."""
    inside = data.obs["class"].isin(studied_classes(data)) & (data.obs["split"] == split)
    return inside.to_numpy()


def baseline_of(data, fit) -> np.ndarray:
    """Profile that stands for no information, in standard deviations, shape (n_genes,).

    With more than two classes the training mean (zero); with two, the mean of the training samples
    of the second class, which is then not explained.

    References
    ----------
    mbonto/XAI_for_genomics 36de591, setting.py:104-118.
    """
    classes = data.obs["class"].cat.categories
    if len(classes) > 2:
        return np.zeros(data.n_vars, dtype=np.float32)
    second = ((data.obs["class"] == classes[1]) & (data.obs["split"] == "train")).to_numpy()
    Z = standardise(data.X[second], fit["mean"], fit["sd"])
    return Z.mean(axis=0, dtype=float).astype(np.float32)


@dataclass(frozen=True)
class Explained:
    """Samples of the studied classes with their attributions.

    Parameters
    ----------
    head : Head
    Z : ndarray of shape (n, n_genes)
        Standardised profiles.
    baseline : ndarray of shape (n_genes,)
    labels, kinds : ndarray of str, shape (n,)
    targets : ndarray of int, shape (n,)
        Column of each sample's own class.
    correct : boolean ndarray of shape (n,)
        Whether the model predicts it.
    attributions : ndarray of shape (n, n_genes)
        Of Euclidean length 1 in each sample.
    gap : ndarray of shape (n,)
        Completeness gap in probability; NaN for methods that are not complete by design.
    """

    head: Head
    Z: np.ndarray
    baseline: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray
    targets: np.ndarray
    correct: np.ndarray
    attributions: np.ndarray
    gap: np.ndarray


def explained(
    data, fit, *, protocol: str = "revised", split: str = "test", method: str = METHODS[0]
) -> Explained:
    """Explain the studied samples of a data set by a fitted classifier.

    Parameters
    ----------
    data : AnnData of shape (n_samples, n_genes)
        With `obs["class"]`, `obs["split"]`, and `obs["kind"]` where there are hidden kinds.
    fit : dict of arrays
        Of a step of `helpers.models.explanation.classifiers`.
    protocol : {"published", "revised"}
    split : {"test", "train"}
    method : {"integrated gradients", "gradient x input"}

    Raises
    ------
    CannotAnswer
        The model does not fit its training samples.
    DataError
        An unknown protocol, split or method, or a model of other genes.
    CompletenessError
        Attributions that do not add up.
    """
    name = data.uns["dataset"]["name"]
    choices = chosen(PROTOCOLS, protocol)
    if method not in METHODS:
        raise DataError(f"method is {method!r}; choose from {', '.join(METHODS)}")
    if len(fit["mean"]) != data.n_vars:
        raise DataError(f"{name} has {data.n_vars} genes, the model {len(fit['mean'])}")
    if data.X.dtype.kind == "f" and not np.isfinite(data.X).all():
        sample, gene = np.argwhere(~np.isfinite(data.X))[0]
        raise DataError(
            f"{name}: expression is NaN or infinite, first in sample "
            f"{data.obs_names[sample]!r}, gene {data.var_names[gene]!r}"
        )
    accuracy = float(fit["train_accuracy"])
    if not accuracy > choices.least_train_accuracy:
        raise CannotAnswer(
            f"{name}, attribution, {protocol} protocol: the model gets {accuracy:.1%} of its "
            f"training samples right, and only models above {choices.least_train_accuracy:.0%} are "
            "explained; train longer, or ask whether the classes can be told apart at all"
        )
    inside = studied(data, split)
    if not inside.any():
        raise DataError(f"{name}: split {split!r} holds no sample of {studied_classes(data)}")
    obs = data.obs[inside]
    head, baseline = Head.of(fit), baseline_of(data, fit)
    Z = standardise(data.X[inside], fit["mean"], fit["sd"])
    labels = obs["class"].to_numpy().astype(str)
    targets = np.searchsorted(fit["classes"], labels)
    correct = head.probabilities(head.hidden(Z)).argmax(axis=1) == targets
    if method == "gradient x input":
        values, gap = gradient_x_input(head, Z, targets, baseline), np.full(len(Z), np.nan)
    else:
        found = integrated_gradients(head, Z, targets, baseline, tolerance=choices.tolerance)
        values, gap = found.scores, found.gap
    kinds = obs["kind"].to_numpy().astype(str) if "kind" in obs else labels
    values = l2_normalised(values)
    return Explained(head, Z, baseline, labels, kinds, targets, correct, values, gap)
