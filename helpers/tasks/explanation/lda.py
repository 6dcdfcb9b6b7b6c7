"""What the LDA simulator plants: moments, groups, what a single sample shows."""

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.explanation.lda import group_members, informative_genes
from helpers.models.explanation.rankings import expression
from helpers.stats import wilson_interval
from helpers.store.steps import step


@step
def moments(data, *, prior: float = 4.0, fold: float = 2.0) -> pd.DataFrame:
    """What the model promises beside what a draw has.

    Parameters
    ----------
    data : AnnData
        Simulated, disjoint groups, with `obsm["theta"]`.
    prior, fold : float
        Those of the simulation.

    Returns
    -------
    DataFrame
        `quantity`, `expected` (by the formula), `found` (in the draw). Correlations have no
        expected value by a closed formula: it is NaN.

    Raises
    ------
    DataError
        The shares of groups were not kept.
    """
    if "theta" not in data.obsm:
        raise DataError("the simulation has no obsm['theta']: simulate with keep_theta=True")
    theta, truth = np.asarray(data.obsm["theta"], dtype=float), data.uns["truth"]
    members = group_members(data)
    kind = data.obs["kind"].cat.codes.to_numpy()
    over = np.zeros((len(truth["overexpressed"]), theta.shape[1]), dtype=bool)
    np.put_along_axis(over, np.asarray(truth["overexpressed"]), True, axis=1)
    raised = over[kind]
    cv = {
        name: np.mean(
            [
                theta[kind == k][:, where].std(axis=0, ddof=1)
                / theta[kind == k][:, where].mean(axis=0)
                for k in range(len(over))
                for where in (over[k] if name == "over" else ~over[k],)
            ]
        )
        for name in ("over", "normal")
    }
    total = prior * (theta.shape[1] + (fold - 1) * over.sum(axis=1)[0])
    z = expression(data)
    within, between = _correlations(z[data.obs["split"] == "train"], members)
    reads = data.X[:, np.concatenate(members)].astype(float)
    rows = [
        ("reads a sample", float(data.obs["total_counts"].iloc[0]), data.X.sum(axis=1).mean()),
        (
            "fold change of an over-expressed group",
            fold,
            theta[raised].mean() / theta[~raised].mean(),
        ),
        ("variation (CV) of an over-expressed group", _cv(prior * fold, total), cv["over"]),
        ("variation (CV) of any other group", _cv(prior, total), cv["normal"]),
        ("reads a gene", data.obs["total_counts"].iloc[0] / data.n_vars, reads.mean()),
        ("correlation of genes of one group", np.nan, within),
        ("correlation of genes of different groups", np.nan, between),
    ]
    return pd.DataFrame(rows, columns=["quantity", "expected", "found"])


def _cv(alpha: float, total: float) -> float:
    """Coefficient of variation of a component of a Dirichlet draw."""
    return float(np.sqrt((total - alpha) / (alpha * (total + 1))))


def _correlations(z, members) -> tuple[float, float]:
    """Mean Pearson correlation of genes of one group, and of first genes of different groups."""
    z = (z - z.mean(axis=0)) / np.where(z.std(axis=0) > 0, z.std(axis=0), 1)
    inside = []
    for genes in members:
        r = z[:, genes].T @ z[:, genes] / len(z)
        inside.append((r.sum() - np.trace(r)) / (len(genes) * (len(genes) - 1)))
    first = z[:, [genes[0] for genes in members]]
    r = first.T @ first / len(z)
    return float(np.mean(inside)), float((r.sum() - np.trace(r)) / (len(r) * (len(r) - 1)))


@step
def shown_by_a_sample(data) -> pd.DataFrame:
    """How many of its class's informative genes a single test sample shows.

    An explanation that takes each gene in the direction planted for its class can name a gene only
    if the sample has more of it than the baseline: the training mean, or with two classes that of
    the other class. (With two classes, less of it where it marks the other class.)

    Parameters
    ----------
    data : AnnData
        Simulated; every kind is a class.

    Returns
    -------
    DataFrame, one row a test sample
        `sample`, `class`, `share` in [0, 1], `n` informative genes.

    Raises
    ------
    DataError
        Kinds are hidden in classes.
    """
    kinds = list(data.obs["kind"].cat.categories)
    if kinds != list(data.obs["class"].cat.categories):
        raise DataError("kinds are hidden in classes: use a setting without")
    train = (data.obs["split"] == "train").to_numpy()
    label = data.obs["class"].to_numpy().astype(str)
    truth, over = informative_genes(data), np.asarray(data.uns["truth"]["overexpressed"])
    members = group_members(data)
    baseline = {
        name: data.X[train & (label != name if len(kinds) == 2 else True)].mean(axis=0)
        for name in kinds
    }
    rows = []
    for i in np.flatnonzero(~train):
        name = label[i]
        above = data.X[i] > baseline[name]
        own = np.zeros(data.n_vars, dtype=bool)
        own[np.concatenate([members[g] for g in over[kinds.index(name)]])] = True
        shows = np.where(own, above, ~above)[truth[name]]
        rows.append((data.obs_names[i], name, shows.mean(), int(truth[name].sum())))
    return pd.DataFrame(rows, columns=["sample", "class", "share", "n"])


@step
def genes_of_no_group(data) -> dict:
    """Genes that belong to no group: all zero, and without a standard deviation.

    Returns
    -------
    dict
        `n_genes`, `n_lost`; `expected` share (1 - size / V)^G of the overlapping design; `low` and
        `high`, Wilson's 95 % interval of the share.
    """
    truth = data.uns["truth"]
    lost = data.n_vars - len(np.unique(truth["indices"]))
    n_groups = len(truth["indptr"]) - 1
    size = len(truth["indices"]) / n_groups
    low, high = wilson_interval(lost, data.n_vars)
    expected = (1 - size / data.n_vars) ** n_groups
    return {
        "n_genes": int(data.n_vars),
        "n_lost": int(lost),
        "expected": float(expected),
        "low": low,
        "high": high,
    }


@step
def correlation_of_pairs(data, *, n_pairs: int, seed: int) -> np.ndarray:
    """Pearson correlations of random pairs of genes in the training samples, logarithms.

    Parameters
    ----------
    data : AnnData
        Simulated or real, with `obs["split"]`.
    n_pairs, seed : int
        Constant genes are never drawn.

    Returns
    -------
    ndarray of shape (n_pairs,), sorted, in [-1, 1]
    """
    z = expression(data)[(data.obs["split"] == "train").to_numpy()]
    varying = np.flatnonzero(z.std(axis=0) > 0)
    z = (z[:, varying] - z[:, varying].mean(axis=0)) / z[:, varying].std(axis=0)
    rng = np.random.default_rng(seed)
    first = rng.integers(len(varying), size=n_pairs)
    second = (first + rng.integers(1, len(varying), size=n_pairs)) % len(varying)
    return np.sort((z[:, first] * z[:, second]).mean(axis=0))
