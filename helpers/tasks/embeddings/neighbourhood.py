"""Task: are a cell's nearest neighbours cells of its own perturbation, without any training?

Two protocols. *published* keeps controls as a class, so that a vote of many neighbours nearly
always says "control", and the score is the share of controls; *revised* drops them, asks cells of
other batches only, and counts perturbations alike.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL
from helpers.metrics.embeddings.knn_vote import average_precision, knn_vote
from helpers.metrics.embeddings.neighbours import nearest_neighbours, neighbours_of_other_groups
from helpers.store.steps import step
from helpers.tasks import protocol as task
from helpers.tasks.embeddings.readouts import SHRINK_BELOW, Cells, by_class, each_post
from helpers.tasks.requirements import Requirement, require

TASK = "neighbourhood"
PUBLISHED_K = 251  # Tx-Evaluation cfg/config/*_eval.yaml:25; Bendidi et al. 2024, appendix C.4
REVISED_K = 31
N_COMPONENTS = 32  # knn.py:128-134
TOP_FIVE_CLASSES = 20

REQUIREMENTS = (
    Requirement("retrieved_classes", 2, "perturbations with cells in two batches"),
    Requirement("reference_cells", REVISED_K, "perturbed cells outside the largest batch"),
)


@dataclass(frozen=True, kw_only=True)
class Protocol(task.Protocol):
    """Choices of a protocol.

    Parameters
    ----------
    controls : bool
        Controls are a class.
    k : int
        Neighbours that vote, at most all of the reference.
    """

    controls: bool
    k: int


PROTOCOLS = {
    "published": Protocol(
        name="published",
        source="Bendidi et al. 2024, section 3.4; Tx-Evaluation commit 1f24de0, knn.py, "
        "main_eval.py:267-358",
        controls=True,
        k=PUBLISHED_K,
        requirements=REQUIREMENTS,
    ),
    "revised": Protocol(
        name="revised", source="this book", controls=False, k=REVISED_K, requirements=REQUIREMENTS
    ),
}


def available(screen) -> dict[str, int]:
    """Counts of a screen that the requirements of the task name."""
    obs = screen.obs[(screen.obs["perturbation"] != CONTROL).to_numpy()]
    batch = obs["batch"].astype(str)
    n_batches = batch.groupby(obs["perturbation"].astype(str)).nunique()
    return {
        "retrieved_classes": int((n_batches > 1).sum()),
        "reference_cells": len(obs) - int(batch.value_counts().max()),
    }


@step
def published_votes(
    screen,
    embedding,
    split,
    *,
    posts: list[str],
    k: int = PUBLISHED_K,
    context: str | None = None,
) -> pd.DataFrame:
    """Votes as published: training cells and their controls are asked by the test part.

    Parameters
    ----------
    screen : AnnData of shape (n_cells, n_genes)
    embedding : ndarray of shape (n_cells, n_dims)
    split : dict of arrays
        Of `batch_perturbation_split`.
    posts : list of str
        Each in turn; of `helpers.metrics.embeddings.postprocess.METHODS`.
    k : int
        Neighbours that vote; all of a smaller reference.
    context : str, optional
        Needed where the screen has several.

    Returns
    -------
    DataFrame
        `post`, `perturbation`, sorted, "control" among them; `top1`, `top5` in [0, 1]: means over
        its cells, 0 for a class without a training cell, as in the released code; `n_cells`;
        `n_unscored`, 0.

    Raises
    ------
    CannotAnswer
        Fewer than two classes, or too few cells.
    """
    return each_post(
        screen,
        embedding,
        posts,
        lambda cells: _published_vote(cells, split, k),
        shrink_below=SHRINK_BELOW["published"],
        context=context,
    )


def _published_vote(cells: Cells, split, k: int) -> pd.DataFrame:
    reference, queries = (
        np.sort(cells.positions(np.concatenate([split[part], split[f"{part}_controls"]])))
        for part in ("train", "test")
    )
    labels = cells.labels("perturbation")
    has = {
        "retrieved_classes": len(np.unique(labels[reference])),
        "reference_cells": len(reference),
    }
    require(f"{cells.name}, neighbourhood (published),", REQUIREMENTS, has)
    mean = cells.embedding[reference].mean(axis=0)
    centered = cells.embedding - mean
    _, axes = np.linalg.eigh(centered[reference].T @ centered[reference])
    reduced = centered @ axes[:, ::-1][:, :N_COMPONENTS]
    graph = nearest_neighbours(reduced[reference], reduced[queries], k=min(k, len(reference)))
    known = np.isin(labels[queries], labels[reference])
    vote = knn_vote(
        type(graph)(graph.indices[known], graph.distances[known]),
        labels[reference],
        labels[queries][known],
    )
    # A class without a reference cell gets no vote: its queries are wrong, and counted.
    right = vote[["top1", "top5"]].set_axis(np.flatnonzero(known)).reindex(range(len(queries)))
    right.loc[~known, vote.columns[vote.notna().any()].intersection(right.columns)] = 0.0
    return by_class(labels[queries], dict(right)).assign(n_unscored=0)


@step
def neighbourhood(
    screen,
    embedding,
    *,
    posts: list[str],
    seed: int,
    k: int = REVISED_K,
    n_queries: int | None = None,
    replicate: str = "batch",
    context: str | None = None,
) -> pd.DataFrame:
    """How well cells of other batches (guides, doses) name a cell's perturbation, controls aside.

    Parameters
    ----------
    screen : AnnData of shape (n_cells, n_genes)
    embedding : ndarray of shape (n_cells, n_dims)
    posts : list of str
        Each in turn; of `helpers.metrics.embeddings.postprocess.METHODS`.
    seed : int
        Draws the queries.
    k : int
        Neighbours that vote.
    n_queries : int, optional
        A random sample of cells asks; default all.
    replicate : str
        Column of `obs`: a cell is never asked about another of its own group.
    context : str, optional
        Needed where the screen has several.

    Returns
    -------
    DataFrame
        `post`, `perturbation`, sorted; over its asking cells mean `top1`, `top5` in [0, 1] (top5
        NaN below 20 classes), median `rank` of the own class among all, from 1, mean
        `average_precision` in (0, 1]; `n_cells` that were scored; `n_unscored`, whose perturbation
        no other group has.

    Raises
    ------
    CannotAnswer
        Fewer than two perturbations in two groups, or too few cells.
    DataError
        An embedding or argument that does not fit the screen.
    """
    return each_post(
        screen,
        embedding,
        posts,
        lambda cells: _retrieval(cells, seed, k, n_queries, replicate),
        shrink_below=SHRINK_BELOW["revised"],
        context=context,
    )


def _retrieval(cells: Cells, seed: int, k: int, n_queries: int | None, replicate: str):
    treated = np.flatnonzero(~cells.is_control)
    values = cells.embedding[treated]
    labels, groups = cells.labels("perturbation")[treated], cells.labels(replicate)[treated]
    pairs = pd.DataFrame({"label": labels, "group": groups})
    n_groups = pairs.groupby("label")["group"].nunique()
    largest = int(pairs["group"].value_counts().max())
    has = {
        "retrieved_classes": int((n_groups > 1).sum()),
        "reference_cells": len(treated) - largest,
    }
    require(f"{cells.name}, neighbourhood across {replicate},", REQUIREMENTS, has)
    queries = np.arange(len(treated))
    if n_queries is not None and n_queries < len(queries):
        rng = np.random.default_rng(seed)
        queries = np.sort(rng.choice(queries, n_queries, replace=False))
    lost = n_groups.loc[labels[queries]].to_numpy() < 2
    unscored = pd.Series(labels[queries][lost]).value_counts()
    queries = queries[~lost]
    graph = neighbours_of_other_groups(values, groups, k=k, queries=queries)
    vote = knn_vote(graph, labels, labels[queries])
    vote["average_precision"] = average_precision(values, labels, groups, queries=queries)
    if len(n_groups) < TOP_FIVE_CLASSES:
        vote["top5"] = np.nan
    table = by_class(labels[queries], {column: vote[column] for column in vote})
    table["rank"] = vote.groupby(labels[queries])["rank"].median()
    return (
        table.join(unscored.rename("n_unscored"), how="outer")
        .fillna({"n_cells": 0, "n_unscored": 0})
        .astype({"n_cells": int, "n_unscored": int})
        .rename_axis("perturbation")
    )
