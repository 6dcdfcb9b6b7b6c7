"""Small experiments on explanations: shortcuts, hidden kinds, merged classes, smaller samples.

Each is a step on a data set or on a fitted classifier, and says what an explanation does when one
thing is changed.
"""

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.explanation.lda import group_members, informative_genes
from helpers.metrics.explanation.feature_agreement import feature_agreement, top
from helpers.store.steps import step
from helpers.tasks.explanation.explained import explained, studied_classes

_NOISE = 1e-4  # in reads: the largest value that the released simulation adds

# Data that are changed -----------------------------------------------------------------------


@step
def with_shortcut(data, *, groups_per_class: int, fold: float):
    """Simulated data in which a batch effect tells the classes apart as well.

    Each class was measured in a batch of its own, and the batch raises some groups of genes that
    have nothing to do with the class.

    Parameters
    ----------
    data : AnnData
        Simulated, without hidden kinds.
    groups_per_class : int
        Groups that a batch raises, taken from the last ones, which no class over-expresses.
    fold : float
        Factor of their counts, > 1; rounded to whole counts.

    Returns
    -------
    AnnData
        The truth of the simulation stays as it was; `var["shortcut"]` says which genes a batch
        raises.

    Raises
    ------
    DataError
        Too few groups that no class over-expresses, or a fold of at most 1.
    """
    members = group_members(data)
    classes = list(data.obs["class"].cat.categories)
    used = np.asarray(data.uns["truth"]["overexpressed"]).max() + 1
    needed = groups_per_class * len(classes)
    if not 1 <= needed <= len(members) - used or not fold > 1:
        raise DataError(
            f"{needed} groups for {len(classes)} batches, but {len(members) - used} belong to no "
            f"class; fold is {fold:g}, above 1"
        )
    changed = data.copy()
    counts = changed.X.astype(np.float64)
    shortcut = np.zeros(data.n_vars, dtype=bool)
    label = data.obs["class"].to_numpy().astype(str)
    for i, name in enumerate(classes):
        first = len(members) - needed + i * groups_per_class
        genes = np.concatenate(members[first : first + groups_per_class])
        counts[np.ix_(label == name, genes)] *= fold
        shortcut[genes] = True
    changed.X = np.rint(counts).astype(np.uint32)
    changed.obs["total_counts"] = changed.X.sum(axis=1, dtype=float)
    changed.var["shortcut"] = shortcut
    return changed


@step
def with_noise_in_empty_genes(data, *, seed: int):
    """Data in which genes that no read fell on hold uniform noise, as in published simulations.

    Where groups share genes some belong to none, and are zero in every sample. Noise far below one
    read keeps their standard deviation from being zero; once standardised, it is as large as the
    signal of any other gene.

    Parameters
    ----------
    data : AnnData
        With genes that are zero in every sample.
    seed : int

    Returns
    -------
    AnnData
        `X` in float32; `var["noise"]` says which genes hold noise.

    Raises
    ------
    DataError
        Every gene has reads.

    References
    ----------
    mbonto/XAI_for_genomics, first version of get_simu.py, adds it, up to 1e-4, to all genes.
    """
    empty = ~np.asarray(data.X.any(axis=0)).ravel()
    if not empty.any():
        raise DataError(f"{data.uns['dataset']['name']}: every gene has reads, none holds noise")
    noisy = data.copy()
    noisy.X = np.asarray(data.X, dtype=np.float32)
    rng = np.random.default_rng(seed)
    noise = rng.random((data.n_obs, empty.sum()), dtype=np.float32)
    noisy.X[:, empty] = noise * np.float32(_NOISE)
    noisy.var["noise"] = empty
    return noisy


@step
def merged_classes(data, *, merge: list[str], name: str):
    """Real data in which some classes are called one, and become its hidden kinds.

    Parameters
    ----------
    data : AnnData
        With `obs["class"]`.
    merge : list of str
        Classes, at least two.
    name : str
        Of the new class.

    Returns
    -------
    AnnData
        `obs["kind"]` holds the class as it was.

    Raises
    ------
    DataError
        Classes that are not there.
    """
    labels = data.obs["class"].astype(str)
    if len(merge) < 2 or not set(merge) <= set(labels):
        raise DataError(f"classes to merge are {merge}; there are {sorted(set(labels))}")
    changed = data.copy()
    changed.obs["kind"] = labels.astype("category")
    changed.obs["class"] = labels.where(~labels.isin(merge), name).astype("category")
    return changed


@step
def part_of_training(data, *, share: float, seed: int):
    """The data with some training samples left out, a share of each class kept.

    Parameters
    ----------
    data : AnnData
        With `obs["class"]` and `obs["split"]`.
    share : float in (0, 1)
    seed : int

    Returns
    -------
    AnnData
        Training samples drawn without replacement, at least two a class; all test samples.

    Raises
    ------
    DataError
        A share out of range.
    """
    if not 0 < share < 1:
        raise DataError(f"share is {share}; between 0 and 1")
    rng = np.random.default_rng(seed)
    train = (data.obs["split"] == "train").to_numpy()
    label = data.obs["class"].to_numpy().astype(str)
    keep = ~train
    for name in np.unique(label):
        rows = np.flatnonzero(train & (label == name))
        n = max(2, round(share * len(rows)))
        keep[rng.choice(rows, n, replace=False)] = True
    return data[keep].copy()


# What an explanation names -------------------------------------------------------------------


@step
def named_genes(data, fit) -> pd.DataFrame:
    """What the best genes of each class are: informative, a batch's shortcut, or neither.

    Parameters
    ----------
    data : AnnData
        Of `with_shortcut`, or simulated without one.
    fit : dict of arrays

    Returns
    -------
    DataFrame, one row a class
        `class`, `informative`, `shortcut`, `neither`: shares of the k genes with the highest mean
        attribution, k the number of informative genes of the class; they sum to 1.
    """
    found = explained(data, fit)
    truth = informative_genes(data)
    has_shortcut = "shortcut" in data.var
    shortcut = data.var["shortcut"].to_numpy() if has_shortcut else np.zeros(data.n_vars, bool)
    rows = []
    for name in studied_classes(data):
        own = (found.labels == name) & found.correct
        mean = found.attributions[own].mean(axis=0, dtype=float)
        k = int(truth[name].sum())
        inside, share, edge = top(mean[None], k)
        weight = (inside + share[:, None] * edge)[0] / k
        informative = weight[truth[name]].sum()
        by_batch = weight[shortcut & ~truth[name]].sum()
        rows.append((name, informative, by_batch, weight[~shortcut & ~truth[name]].sum()))
    return pd.DataFrame(rows, columns=["class", "informative", "shortcut", "neither"])


# Hidden kinds --------------------------------------------------------------------------------


@step
def levels_of_agreement(data, fit, *, seed: int) -> pd.DataFrame:
    """Agreement of a class's explanation with each hidden kind's truth, by what was averaged.

    Parameters
    ----------
    data : AnnData
        Simulated, with two classes of which the first hides kinds.
    fit : dict of arrays
    seed : int
        Of the clustering.

    Returns
    -------
    DataFrame, one row a kind and level
        `kind`, `level` (single samples, average of the kind, average of a found cluster, average of
        the class), `value` (feature agreement), `n` samples averaged. A kind's cluster is
        the one that holds most of its samples.
    """
    found = explained(data, fit)
    truth = informative_genes(data)
    a, kinds = found.attributions[found.correct], found.kinds[found.correct]
    names = sorted(set(kinds))
    cluster = _clusters(a, len(names), seed)
    rows = []
    for kind in names:
        own = kinds == kind
        nearest = np.bincount(cluster[own]).argmax()
        levels = {
            "single samples": own,
            "average of the kind": own,
            "average of its cluster": cluster == nearest,
            "average of the class": np.full(len(a), True),
        }
        for level, rows_of in levels.items():
            scores = a[rows_of] if level == "single samples" else a[rows_of].sum(axis=0)
            value = float(np.mean(feature_agreement(scores, truth[kind])))
            rows.append((kind, level, value, int(rows_of.sum())))
    return pd.DataFrame(rows, columns=["kind", "level", "value", "n"])


@step
def recovered_kinds(data, fit, *, seed: int) -> dict:
    """Do explanations, or the profiles themselves, fall into the hidden kinds?

    Parameters
    ----------
    data : AnnData
        With `obs["kind"]`; simulated, or of `merged_classes`.
    fit : dict of arrays
    seed : int
        Of the clustering and of the floor.

    Returns
    -------
    dict
        Adjusted Rand index of k-means clusters of the correctly classified test samples of the
        first class with their kinds: `explanations`, `profiles` (standardised expression relative
        to the baseline, of length 1 like explanations), `permuted` (kinds shuffled, the floor); 1
        is perfect, 0 expected at random. `n` samples, `n_kinds`.

    References
    ----------
    Hubert & Arabie 1985, Journal of Classification 2.
    """
    from sklearn.metrics import adjusted_rand_score

    found = explained(data, fit)
    kinds = found.kinds[found.correct]
    n_kinds = len(set(kinds))
    away = (found.Z - found.baseline)[found.correct]
    away = away / np.linalg.norm(away, axis=1, keepdims=True)
    of_explanations = _clusters(found.attributions[found.correct], n_kinds, seed)
    permuted = np.random.default_rng(seed).permutation(kinds)
    return {
        "explanations": float(adjusted_rand_score(kinds, of_explanations)),
        "profiles": float(adjusted_rand_score(kinds, _clusters(away, n_kinds, seed))),
        "permuted": float(adjusted_rand_score(permuted, of_explanations)),
        "n": len(kinds),
        "n_kinds": n_kinds,
    }


def _clusters(points, n: int, seed: int) -> np.ndarray:
    """k-means with as many clusters as there are kinds; ten starts."""
    from sklearn.cluster import KMeans

    return KMeans(n, n_init=10, random_state=seed).fit_predict(np.asarray(points, dtype=float))
