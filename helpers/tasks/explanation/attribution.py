"""Task: does a classifier's explanation name the genes that tell the classes apart?

Integrated Gradients of the probability of a sample's own class, on correctly classified test
samples, judged twice: does the prediction fall when the named genes go (prediction gaps), and are
they the planted ones (feature agreement)?
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.explanation.lda import group_members, informative_genes, informative_groups
from helpers.metrics.explanation.attribution import (
    class_means,
    gradient_x_input,
    integrated_gradients,
    l2_normalised,
)
from helpers.metrics.explanation.feature_agreement import feature_agreement, group_agreement, votes
from helpers.metrics.explanation.heads import Head
from helpers.metrics.explanation.prediction_gap import adjusted, prediction_gap
from helpers.models.explanation.classifiers import standardise
from helpers.models.explanation.gene_graph import as_sparse
from helpers.scores import params as canonical
from helpers.store import step
from helpers.tasks.requirements import CannotAnswer

TASK = "attribution"
METHODS = ("integrated gradients", "gradient x input")


@dataclass(frozen=True)
class Protocol:
    """Choices of a protocol.

    Parameters
    ----------
    name, source : str
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

    name: str
    source: str
    least_train_accuracy: float
    tolerance: float
    step: int
    leftover: Literal["ignore", "add"]
    ranked: Literal["all", "correct"]


PROTOCOLS = {
    "published": Protocol(
        name="published",
        source="Bontonou et al. 2023; mbonto/XAI_for_genomics commit 36de591",
        least_train_accuracy=0.99,
        tolerance=0.01,
        step=10,
        leftover="ignore",
        ranked="all",
    ),
    "revised": Protocol(
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


def _studied(data, split: str) -> np.ndarray:
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
    if protocol not in PROTOCOLS:
        raise DataError(f"protocol is {protocol!r}; choose from {', '.join(PROTOCOLS)}")
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
    chosen = PROTOCOLS[protocol]
    accuracy = float(fit["train_accuracy"])
    if not accuracy > chosen.least_train_accuracy:
        raise CannotAnswer(
            f"{name}, attribution, {protocol} protocol: the model gets {accuracy:.1%} of its "
            f"training samples right, and only models above {chosen.least_train_accuracy:.0%} are "
            "explained; train longer, or ask whether the classes can be told apart at all"
        )
    inside = (
        data.obs["class"].isin(studied_classes(data)) & (data.obs["split"] == split)
    ).to_numpy()
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
        found = integrated_gradients(head, Z, targets, baseline, tolerance=chosen.tolerance)
        values, gap = found.scores, found.gap
    kinds = obs["kind"].to_numpy().astype(str) if "kind" in obs else labels
    values = l2_normalised(values)
    return Explained(head, Z, baseline, labels, kinds, targets, correct, values, gap)


@step
def class_attributions(
    data,
    fit,
    *,
    protocol: str = "revised",
    split: str = "test",
    method: str = METHODS[0],
) -> dict[str, np.ndarray]:
    """Mean attribution of each studied class over its correctly classified samples.

    Parameters
    ----------
    data, fit, protocol, split, method
        As in `explained`.

    Returns
    -------
    dict of arrays
        `mean`, `mean_abs` of shape (n_studied_classes, n_genes), signed and absolute, NaN where no
        sample is right; `n` (n_studied_classes,) samples behind them; `classes`.
    """
    found = explained(data, fit, protocol=protocol, split=split, method=method)
    classes = studied_classes(data)
    labels = found.labels[found.correct]
    signed, absolute = class_means(found.attributions[found.correct], labels, classes)
    n = np.array([(labels == c).sum() for c in classes])
    return {"mean": signed, "mean_abs": absolute, "n": n, "classes": np.array(classes)}


@step
def attribution_scores(
    data,
    fit,
    graph=None,
    *,
    protocol: str,
    n_random: int = 30,
    seed: int = 0,
    method: str = METHODS[0],
) -> pd.DataFrame:
    """Every metric of the task, for one fitted classifier.

    Parameters
    ----------
    data : AnnData of shape (n_samples, n_genes)
        With the truth in `uns["truth"]`; without one, feature agreement is left out.
    fit : dict of arrays
    graph : dict of arrays, optional
        Diffusion of `correlation_graph`; adds feature agreement of diffused attributions.
    protocol : {"published", "revised"}
    n_random, seed : int
        Random orders of PGR, and what draws them.
    method : {"integrated gradients", "gradient x input"}

    Returns
    -------
    DataFrame
        `metric`, `unit_kind` (class, or kind where hidden kinds have truths of their own), `unit`,
        `n` (samples), `value`; NaN with `n` 0 where no sample is classified correctly.

    Raises
    ------
    CannotAnswer, DataError, CompletenessError
        As `explained`.
    """
    found = explained(data, fit, protocol=protocol, method=method)
    chosen = PROTOCOLS[protocol]
    rows = _recalls(data, fit, found.head) + _gaps(found, chosen, n_random, seed)
    if "truth" in data.uns:
        rows += agreement_rows(data, found.attributions, found.kinds, found.correct)
        if graph is not None:
            diffused = l2_normalised(found.attributions @ as_sparse(graph))
            suffix = "_diffused"
            rows += agreement_rows(data, diffused, found.kinds, found.correct, suffix=suffix)
    return pd.DataFrame(rows, columns=["metric", "unit_kind", "unit", "n", "value"])


def _recalls(data, fit, head: Head) -> list[tuple]:
    """Share of the test samples of each class that are classified correctly."""
    test = np.flatnonzero((data.obs["split"] == "test").to_numpy())
    labels = data.obs["class"].to_numpy().astype(str)[test]
    predicted = np.empty(len(test), dtype=labels.dtype)
    for i in range(0, len(test), 512):
        Z = standardise(data.X[test[i : i + 512]], fit["mean"], fit["sd"])
        predicted[i : i + 512] = fit["classes"][head.probabilities(head.hidden(Z)).argmax(axis=1)]
    return [
        ("balanced_accuracy", "class", c, *_mean(predicted[labels == c] == c))
        for c in data.obs["class"].cat.categories
    ]


def _mean(values) -> tuple[int, float]:
    """How many, and their mean; NaN of none."""
    return len(values), float(np.mean(values)) if len(values) else np.nan


def _gaps(found: Explained, protocol: Protocol, n_random: int, seed: int) -> list[tuple]:
    a, correct = found.attributions, found.correct
    rng = np.random.default_rng(seed)
    ranked = a if protocol.ranked == "all" else a[correct]
    for_all = np.argsort(ranked.sum(axis=0, dtype=float), kind="stable")
    at_random = [rng.permutation(a.shape[1]) for _ in range(n_random)]
    at_baseline = found.head.probabilities(found.head.hidden(found.baseline[None]))[0]
    rows = []
    for name in dict.fromkeys(sorted(found.labels)):
        own = found.labels == name
        rows.append(("completeness_gap", "class", name, int(own.sum()), found.gap[own].max()))
        own &= correct

        def gap(order, own=own):
            if not own.any():
                return np.empty(0)
            return prediction_gap(
                found.head,
                found.Z[own],
                found.targets[own],
                found.baseline,
                order,
                step=protocol.step,
                leftover=protocol.leftover,
            )

        local = np.argsort(a[own], axis=1, kind="stable")
        of_class = np.argsort(a[own].sum(axis=0, dtype=float), kind="stable")
        gaps = {
            "pgu_local": gap(local),
            "pgi_local": gap(local[:, ::-1]),
            "pgu_global": gap(for_all),
            "pgi_global": gap(for_all[::-1]),
            "pgu_per_class": gap(of_class),
            "pgi_per_class": gap(of_class[::-1]),
        }
        if n_random:
            gaps["pgr"] = np.mean([gap(order) for order in at_random], axis=0)
        if own.any():
            at = at_baseline[found.targets[own][0]]
            gaps["pgu_adjusted"] = adjusted(gaps["pgu_local"], at)
        rows += [(metric, "class", name, *_mean(values)) for metric, values in gaps.items()]
    return rows


def agreement_rows(data, attributions, kinds, correct, *, suffix: str = "") -> list[tuple]:
    """Feature agreement of samples and of their sum, and the same of groups, by kind.

    Parameters
    ----------
    data : AnnData with `uns["truth"]`
    attributions : ndarray of shape (n, n_genes)
    kinds : array of str, shape (n,)
    correct : boolean array of shape (n,)
        Others are left out.
    suffix : str
        Of the metrics' names.

    Returns
    -------
    list of (metric, unit_kind, unit, n, value)
    """
    genes, groups = informative_genes(data), informative_groups(data)
    members = group_members(data)
    rows = []
    for kind in dict.fromkeys(sorted(kinds)):
        a = attributions[(kinds == kind) & correct]
        truth = genes[kind]
        if len(a):
            total = a.sum(axis=0, dtype=float)
            values = {
                "feature_agreement_local": feature_agreement(a, truth).mean(),
                "feature_agreement_global": feature_agreement(total, truth),
                "feature_agreement_vote": feature_agreement(votes(a, truth.sum()), truth),
                "group_agreement_local": group_agreement(a, members, groups[kind]).mean(),
                "group_agreement_global": group_agreement(total, members, groups[kind]),
            }
        else:
            names = ("local", "global", "vote")
            values = {f"feature_agreement_{n}": np.nan for n in names}
            values |= {f"group_agreement_{n}": np.nan for n in names[:2]}
        rows += [(m + suffix, "kind", kind, len(a), float(v)) for m, v in values.items()]
    return rows


@step
def reference_scores(data, fit, *, seed: int) -> pd.DataFrame:
    """Feature agreement of rankings that need no model, between which models must stand.

    *planted truth* knows the informative genes of the kind, and of a sample how far each is from
    the baseline: what a perfect model with equal weights would say. A gene that happens to be low
    in the sample cannot speak for its class, so even this falls short of 1. *expression alone*
    ranks by the distance from the baseline and knows no class. *random order* knows nothing.

    Parameters
    ----------
    data : AnnData with `uns["truth"]`
    fit : dict of arrays
        Its standardisation is used, and the baseline.
    seed : int

    Returns
    -------
    DataFrame
        As `attribution_scores`, with a column `model`.
    """
    inside = (
        data.obs["class"].isin(studied_classes(data)) & (data.obs["split"] == "test")
    ).to_numpy()
    obs = data.obs[inside]
    kinds = obs["kind"].to_numpy().astype(str)
    truth = informative_genes(data)
    away = standardise(data.X[inside], fit["mean"], fit["sd"]) - baseline_of(data, fit)
    planted = np.zeros_like(away)
    own = {kind: _planted_sign(data, kind) for kind in truth}
    for kind in set(kinds):
        planted[kinds == kind] = away[kinds == kind] * own[kind]
    noise = np.random.default_rng(seed).standard_normal(away.shape, dtype=np.float32)
    everybody = np.full(len(away), True)
    tables = []
    for model, scores_ in (
        ("planted truth", planted),
        ("expression alone", away),
        ("random order", noise),
    ):
        rows = agreement_rows(data, l2_normalised(scores_), kinds, everybody)
        table = pd.DataFrame(rows, columns=["metric", "unit_kind", "unit", "n", "value"])
        tables.append(table.assign(model=model))
    return pd.concat(tables, ignore_index=True)


def _planted_sign(data, kind: str) -> np.ndarray:
    """1 for genes that the kind over-expresses, -1 for those of the other class of two, else 0."""
    truth = data.uns["truth"]
    kinds = list(data.obs["kind"].cat.categories)
    members = group_members(data)
    sign = np.zeros(data.n_vars, dtype=np.float32)
    sign[informative_genes(data)[kind]] = -1
    for group in np.asarray(truth["overexpressed"])[kinds.index(kind)]:
        sign[members[group]] = 1
    return sign


@step
def permuted_classes(data, *, seed: int):
    """The data set with its classes shuffled over all samples: a floor for what is learned.

    The truth and the hidden kinds stay those of the names.
    """
    permuted = data.copy()
    order = np.random.default_rng(seed).permutation(data.n_obs)
    for column in [c for c in ("class", "kind") if c in data.obs]:
        permuted.obs[column] = data.obs[column].to_numpy()[order]
        permuted.obs[column] = permuted.obs[column].astype(data.obs[column].dtype)
    return permuted


def scores(
    result: pd.DataFrame,
    *,
    dataset: str,
    draw: int,
    model: str,
    protocol: str,
    role: str,
    seed: int,
    params: dict | None = None,
) -> pd.DataFrame:
    """Result of `attribution_scores` or `reference_scores` as rows of the score table.

    Parameters
    ----------
    result : DataFrame
    dataset, model, protocol, role : str
    draw : int
        Number of the data set's draw: part of the parameters, and the cluster.
    seed : int
        Of the training.
    params : dict, optional
        More parameters of the model.
    """
    return pd.DataFrame(
        {
            "task": TASK,
            "dataset": dataset,
            "split": "test",
            "protocol": protocol,
            "model": model,
            "params": canonical({**(params or {}), "draw": draw}),
            "post": "none",
            "metric": result["metric"].to_numpy(),
            "role": role,
            "unit_kind": result["unit_kind"].to_numpy(),
            "unit": result["unit"].to_numpy(),
            "cluster": f"draw {draw}",
            "seed": seed,
            "n": result["n"].to_numpy(),
            "value": result["value"].to_numpy(),
        }
    )
