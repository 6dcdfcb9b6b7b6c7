"""Task: which genes change under a knock-down that is not in the training data (labels only)."""

from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.effects.condition_splits import ConditionSplit
from helpers.data.effects.split_reports import split_report
from helpers.data.sets.gene_sets import as_sets
from helpers.metrics.effects.within_gene import auroc_by_gene
from helpers.metrics.predicted.de_recovery import auroc
from helpers.models.effects import sources
from helpers.models.effects.baselines import NearestPerturbation
from helpers.models.effects.falsified import ShuffledLabels
from helpers.models.effects.linear import BilinearModel, RidgeOnEmbedding
from helpers.models.effects.training import EffectModel, Training
from helpers.store.steps import step

TASK = "perturbation-labels"
RATE, STRENGTH, COPIED = "gene's rate", "perturbation's strength", "label of another line"
ROLES = MappingProxyType(
    {
        RATE: "floor",
        STRENGTH: "floor",
        "linear model, random P": "floor",
        "linear model, shuffled labels": "floor",
    }
)
"""The strength is that of the very perturbation, in its other genes: an oracle that knows nothing
of the gene."""


def models(embedding: pd.DataFrame, names, seed: int) -> dict[str, EffectModel]:
    """Models whose P comes from gene sets, and those that know nothing."""
    known = BilinearModel(perturbations=embedding)
    random = sources.random_embedding(sorted(names), n_dims=embedding.shape[1], seed=seed)
    return {
        "linear model, P of gene sets": known,
        "ridge on gene sets": RidgeOnEmbedding(embedding),
        "nearest by gene sets": NearestPerturbation(embedding),
        "linear model, random P": BilinearModel(perturbations=random),
        "linear model, shuffled labels": ShuffledLabels(known, seed=seed),
    }


@step
def set_embedding(sets, *, n_dims: int = 30) -> pd.DataFrame:
    """P of gene sets: SVD of membership, of `gene_sets`."""
    return sources.gene_set_embedding(as_sets(sets), n_dims=n_dims)


@step
def label_scores(
    labels, embedding, *, line: str, seed: int, n_train: int | None = None
) -> pd.DataFrame:
    """AUROC within each gene, over held-out perturbations of the official split.

    A training set is a table of perturbations x genes, in which a pair without a label has the
    rate of its gene.

    Parameters
    ----------
    labels : DataFrame
        Of `perturbqa_labels`.
    embedding : DataFrame indexed by perturbation
    line : str
    seed : int
    n_train : int, optional
        Most training perturbations, drawn by `seed`.

    Returns
    -------
    DataFrame
        `model`, `gene`, `auroc`, `n`; and rows with `gene` "all pairs": the pooled AUROC, which is
        no measure of a model. Perturbations without an embedding score as their gene's rate does.

    Raises
    ------
    DataError
        No such line.
    """
    train, test = _parts(labels, line, seed, n_train)
    rate = train.groupby("gene")["label"].mean()
    training = _training(train, rate)
    names = np.sort(test["perturbation"].unique())
    at = (
        pd.Index(names).get_indexer(test["perturbation"]),
        training.genes.get_indexer(test["gene"]),
    )
    # A gene without a training label has the rate of all of them.
    usual = test["gene"].map(rate).fillna(train["label"].mean()).to_numpy(float)
    found = {RATE: usual, STRENGTH: _strength(test)}
    for name, model in models(embedding, [*training.names, *names], seed).items():
        predicted = np.where(at[1] >= 0, model.fit(training).predict(names)[at], np.nan)
        found[name] = np.where(np.isfinite(predicted), predicted, usual)
    found[COPIED] = _copied(labels, test, line, usual)
    tables = []
    for name, score in found.items():
        within = auroc_by_gene(test["gene"], test["label"], score).reset_index()
        pooled = auroc(test["label"].to_numpy(bool)[None], np.asarray(score)[None])[0]
        whole = pd.DataFrame({"gene": ["all pairs"], "auroc": [pooled], "n": [len(test)]})
        tables.append(pd.concat([within, whole]).assign(model=name))
    return pd.concat(tables, ignore_index=True)


@step
def label_split(labels, *, line: str, seed: int, n_train: int | None = None) -> str:
    """Manifest of the official split, and how alike its two parts are; see `split_report`.

    Of a perturbation, the change is its labels less the rates of their genes in the training part;
    0 where a pair has no label.

    Parameters
    ----------
    labels, line, seed, n_train
        As in `label_scores`.
    """
    train, test = _parts(labels, line, seed, n_train)
    rate = train.groupby("gene")["label"].mean()
    trained, scored = (_training(part, rate) for part in (train, test))
    split = ConditionSplit(
        "official split of PerturbQA", seed, tuple(trained.names), tuple(scored.names)
    )
    common = rate.to_numpy(float)
    changes = scored.changes - common, trained.changes - common
    return split_report(split, *changes, list(split.train))


def _parts(
    labels: pd.DataFrame, line: str, seed: int, n_train: int | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    own = labels[labels["line"] == line]
    if own.empty:
        raise DataError(f"no line {line!r}; there are {', '.join(sorted(set(labels['line'])))}")
    train, test = (own[own["part"] == part] for part in ("train", "test"))
    if n_train is not None:
        names = np.sort(train["perturbation"].unique())
        kept = np.random.default_rng(seed).permutation(names)[:n_train]
        train = train[train["perturbation"].isin(kept)]
    return train, test.reset_index(drop=True)


def _training(train: pd.DataFrame, rate: pd.Series) -> Training:
    names, genes = np.sort(train["perturbation"].unique()), rate.index
    table = np.tile(rate.to_numpy(float), (len(names), 1))
    at = pd.Index(names).get_indexer(train["perturbation"]), genes.get_indexer(train["gene"])
    table[at] = train["label"]
    cells = train.groupby("perturbation").size().reindex(names).to_numpy()
    return Training(table, names, genes, {"labels": np.zeros(len(genes))}, cells)


def _strength(test: pd.DataFrame) -> np.ndarray:
    """Share of the perturbation's other genes that change."""
    by = test.groupby("perturbation")["label"]
    n, total = by.transform("size"), by.transform("sum")
    return ((total - test["label"]) / np.maximum(n - 1, 1)).to_numpy(float)


def _copied(labels: pd.DataFrame, test: pd.DataFrame, line: str, usual: np.ndarray) -> np.ndarray:
    """Mean label of the same pair in other lines; where there is none, the gene's rate."""
    others = labels[labels["line"] != line]
    mean = others.groupby(["perturbation", "gene"])["label"].mean()
    keys = pd.MultiIndex.from_frame(test[["perturbation", "gene"]])
    found = mean.reindex(keys).to_numpy()
    return np.where(np.isfinite(found), found, usual)


@step
def copied_scores(labels, *, line: str, source: str) -> pd.DataFrame:
    """How well the labels of one line name those of another, within genes.

    Returns
    -------
    DataFrame
        `gene`, `auroc`, `n`, over the test perturbations of `line`. The score of a pair is its
        label in `source`; one that has none there scores as the gene does on average in the
        training part of `line`. `known`: the share of all pairs that have one.
    """
    own = labels[labels["line"] == line]
    train, test = (own[own["part"] == part] for part in ("train", "test"))
    rate = train.groupby("gene")["label"].mean()
    usual = test["gene"].map(rate).fillna(train["label"].mean()).to_numpy(float)
    other = labels[labels["line"] == source].set_index(["perturbation", "gene"])["label"]
    score = other.reindex(pd.MultiIndex.from_frame(test[["perturbation", "gene"]])).to_numpy(float)
    there = np.isfinite(score)
    found = auroc_by_gene(test["gene"], test["label"], np.where(there, score, usual))
    return found.reset_index().assign(known=float(there.mean()))
