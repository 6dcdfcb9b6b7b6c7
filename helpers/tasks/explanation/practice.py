"""Experiments behind the list of good practice: each changes one habit, and measures."""

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.explanation.lda import informative_genes
from helpers.metrics.explanation.attribution import integrated_gradients, l2_normalised
from helpers.metrics.explanation.feature_agreement import feature_agreement
from helpers.metrics.explanation.heads import Head
from helpers.metrics.explanation.prediction_gap import prediction_gap
from helpers.metrics.explanation.retention import balanced_accuracy
from helpers.models.explanation.classifiers import standardise
from helpers.store.steps import step
from helpers.tasks.explanation.explained import baseline_of, explained


@step
def accuracies(data, fit) -> dict:
    """Accuracy on training samples, and balanced accuracy on test samples.

    Returns
    -------
    dict
        `train`, `test`, in [0, 1]; `n_train`, `n_test`.
    """
    head = Head.of(fit)
    labels = data.obs["class"].to_numpy().astype(str)
    split = data.obs["split"].to_numpy().astype(str)
    Z = standardise(data.X, fit["mean"], fit["sd"])
    predicted = fit["classes"][head.probabilities(head.hidden(Z)).argmax(axis=1)]
    train, test = split == "train", split == "test"
    return {
        "train": float((predicted == labels)[train].mean()),
        "test": balanced_accuracy(predicted[test], labels[test]),
        "n_train": int(train.sum()),
        "n_test": int(test.sum()),
    }


@step
def gaps_by_nodes(data, fit, *, nodes: list[int]) -> pd.DataFrame:
    """Largest completeness gap with a fixed number of nodes over the whole path, as published.

    Parameters
    ----------
    data : AnnData
    fit : dict of arrays
    nodes : list of int
        Gauss-Legendre nodes between the baseline and a sample.

    Returns
    -------
    DataFrame
        `nodes`, `gap`: in probability, the largest over studied test samples.
    """
    found = explained(data, fit)
    head = found.head
    start, end = head.hidden(found.baseline[None]), head.hidden(found.Z)
    change = end - start
    at_baseline = head.probabilities(start)[0][found.targets]
    rise = head.probability(end, found.targets) - at_baseline
    rows = []
    for n in nodes:
        x, w = np.polynomial.legendre.leggauss(n)
        total = np.zeros(len(end))
        for t, weight in zip((x + 1) / 2, w / 2, strict=True):
            slope = head.gradient(start + t * change, found.targets)
            total += weight * (slope * change).sum(axis=1)
        rows.append((n, float(np.abs(total - rise).max())))
    return pd.DataFrame(rows, columns=["nodes", "gap"])


@step
def two_baselines(data, fit) -> pd.DataFrame:
    """Prediction gap with one baseline in the explanation and one in the removal of genes.

    Parameters
    ----------
    data : AnnData
        Of two classes.
    fit : dict of arrays

    Returns
    -------
    DataFrame
        `explained` and `removed`: *other class* (its training mean) or *training mean*; `value`,
        mean PGI of correctly classified samples.

    Raises
    ------
    DataError
        Not two classes.
    """
    if len(data.obs["class"].cat.categories) != 2:
        raise DataError("two baselines are compared where there are two classes")
    found = explained(data, fit)
    own = found.correct
    baselines = {
        "other class": baseline_of(data, fit),
        "training mean": np.zeros(data.n_vars, dtype=np.float32),
    }
    rows = []
    for first, used in baselines.items():
        ig = integrated_gradients(found.head, found.Z[own], found.targets[own], used)
        order = np.argsort(-ig.scores, axis=1, kind="stable")
        for second, put in baselines.items():
            gap = prediction_gap(found.head, found.Z[own], found.targets[own], put, order)
            rows.append((first, second, float(gap.mean())))
    return pd.DataFrame(rows, columns=["explained", "removed", "value"])


@step
def agreement_of_samples(data, fit) -> pd.DataFrame:
    """Agreement with the truth of samples that the model gets right, and of those it gets wrong.

    Returns
    -------
    DataFrame
        `samples` (right, wrong), `value` (mean agreement of single samples; NaN where there is no
        such sample), `n`.
    """
    found = explained(data, fit)
    truth = informative_genes(data)
    each = np.array(
        [
            feature_agreement(a, truth[kind])
            for a, kind in zip(found.attributions, found.kinds, strict=True)
        ]
    )
    rows = []
    for name, own in (("right", found.correct), ("wrong", ~found.correct)):
        rows.append((name, float(each[own].mean()) if own.any() else np.nan, int(own.sum())))
    return pd.DataFrame(rows, columns=["samples", "value", "n"])


@step
def normalised_or_not(data, fit) -> pd.DataFrame:
    """Agreement of class averages of attributions with and without equal length a sample.

    Returns
    -------
    DataFrame
        `average` (of equal length, as they are), `value` (mean over kinds); `spread`: the largest
        length of a sample's attribution over the smallest.
    """
    found = explained(data, fit)
    own = found.correct
    raw = integrated_gradients(found.head, found.Z[own], found.targets[own], found.baseline).scores
    lengths = np.linalg.norm(raw, axis=1)
    truth, kinds = informative_genes(data), found.kinds[own]
    rows = []
    for name, scores in (("of equal length", l2_normalised(raw)), ("as they are", raw)):
        values = [
            feature_agreement(scores[kinds == k].sum(axis=0, dtype=float), truth[k])
            for k in sorted(set(kinds))
        ]
        rows.append((name, float(np.mean(values)), float(lengths.max() / lengths.min())))
    return pd.DataFrame(rows, columns=["average", "value", "spread"])
