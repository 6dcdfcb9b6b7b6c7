"""Task: are cells of different batches mixed?

Noise mixes best: a high score says that batches cannot be told apart, and nothing about what was
kept. Two protocols. *published* takes the test part of the published split, reduces it by PCA, and
divides by the score of shuffled cells; *revised* takes all batches, and divides each embedding by
what the same graph gives when batch labels are permuted.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.metrics.embeddings.lisi import expected_lisi, lisi
from helpers.metrics.embeddings.neighbours import nearest_neighbours
from helpers.store import step
from helpers.tasks.departures import Departure, table_of
from helpers.tasks.embeddings.readouts import SHRINK_BELOW, each_post, prepared, score_rows
from helpers.tasks.requirements import CannotAnswer, Requirement, require

TASK = "batch-mixing"
PERPLEXITY = 83  # 251 // 3; Tx-Evaluation main_eval.py:489-498, cfg/config/*_eval.yaml:25
N_NEIGHBOURS = 3 * PERPLEXITY - 1  # 249 less the cell itself; ilisi.py:111-115
VARIANCE, FEWEST_COMPONENTS = 0.9, 32  # ilisi.py:77-85

SHARE_OF_BATCHES = 0.7  # that the published split keeps for training

_CELLS = Requirement("cells", N_NEIGHBOURS + 2, "cells")


@dataclass(frozen=True)
class Protocol:
    """Choices of a protocol.

    Parameters
    ----------
    name, source : str
    test_only : bool
        Score the test part of the published split (test1 and its controls), or all cells.
    reduce : bool
        First take the principal components that hold 90 % of the variance, at least 32.
    """

    name: str
    source: str
    test_only: bool
    reduce: bool
    requirements: tuple[Requirement, ...]


PROTOCOLS = {
    "published": Protocol(
        name="published",
        source="Bendidi et al. 2024, section 3.1; Tx-Evaluation commit 1f24de0, ilisi.py",
        test_only=True,
        reduce=True,
        requirements=(
            Requirement("test_batches", 4, "test batches, 30 % of all"),
            _CELLS,
        ),
    ),
    "revised": Protocol(
        name="revised",
        source="this book",
        test_only=False,
        reduce=False,
        requirements=(Requirement("batches", 4, "batches"), _CELLS),
    ),
}

DEPARTURES = (
    Departure(
        aspect="what it is divided by",
        published="paper: the score of shuffled cells of PCA, for all models; code: nothing",
        revised="the same graph with permuted batch labels, for each model its own",
        kind="paper-code discrepancy",
        reason="how many neighbours count depends on the geometry, so that one model's ceiling is "
        "not another's",
    ),
    Departure(
        aspect="cells",
        published="test batches and the perturbations of the split",
        revised="all batches and perturbations",
        kind="design choice",
        reason="nothing is fitted to batch labels here, so that nothing needs to be held out; few "
        "batches leave little to mix",
    ),
    Departure(
        aspect="more than 300,000 cells",
        published="meant to be sampled; the code keeps the cells that were not drawn (here: never "
        "sampled)",
        revised="a sample of the stated size, the same one for all models",
        kind="bug",
        reason="of 424,942 cells 124,942 are left, and of 300,001 a single one would be",
    ),
    Departure(
        aspect="the cell itself",
        published="the first neighbour is dropped as the cell itself",
        revised="the cell is left out by its number (in both protocols here)",
        kind="bug",
        reason="where cells coincide, another cell comes first and the cell is its own neighbour",
    ),
    Departure(
        aspect="weights that vanish",
        published="a cell far from all others divides by zero, and the mean is infinite",
        revised="distances less the smallest one (in both protocols here)",
        kind="bug",
        reason="the weights do not change by it, and at least one of them is not zero",
    ),
    Departure(
        aspect="batches with fewer than 30 controls",
        published="centred and scaled on what they have",
        revised="shrunken towards all controls",
        kind="design choice",
        reason="the error of a mean of few controls is common to all cells of the batch, and sets "
        "it apart from the others",
    ),
    Departure(
        aspect="principal components",
        published="those that hold 90 % of the variance, at least 32",
        revised="the embedding as it is",
        kind="design choice",
        reason="what is scored should be what is used",
    ),
)


def departures() -> pd.DataFrame:
    """Departures as a table, one row each."""
    return table_of(DEPARTURES)


def available(screen) -> dict[str, int]:
    """Counts of a screen that the requirements of the task name."""
    n_batches = int(screen.obs["batch"].nunique())
    return {
        "batches": n_batches,
        "test_batches": n_batches - int(SHARE_OF_BATCHES * n_batches),
        "cells": int(screen.n_obs),
    }


@step
def batch_mixing(
    screen,
    embedding,
    *,
    protocol: str,
    posts: list[str],
    seed: int,
    split=None,
    n_cells: int | None = None,
    context: str | None = None,
    shrink_below: int | None = None,
) -> pd.DataFrame:
    """Result of `mixing` after each post-processing.

    Returns
    -------
    DataFrame
        `post`, `batch`, and the columns of `mixing`.
    """
    arguments = {"split": split, "n_cells": n_cells, "context": context}
    return each_post(
        posts,
        lambda post: mixing(
            screen,
            embedding,
            protocol=protocol,
            post=post,
            seed=seed,
            shrink_below=shrink_below,
            **arguments,
        ),
    )


def mixing(
    screen,
    embedding,
    *,
    protocol: str,
    post: str,
    seed: int,
    split=None,
    n_cells: int | None = None,
    context: str | None = None,
    shrink_below: int | None = None,
) -> pd.DataFrame:
    """iLISI of the cells of each batch, beside what permuted batch labels give.

    Parameters
    ----------
    screen : AnnData of shape (n_cells, n_genes)
    embedding : ndarray of shape (n_cells, n_dims)
    protocol : {"published", "revised"}
    post : str
        Of `helpers.metrics.embeddings.postprocess.METHODS`.
    seed : int
        Draws the permutation, and the sample of cells.
    split : dict of arrays, optional
        Of `batch_perturbation_split`; *published* only, and needed there.
    n_cells : int, optional
        Score a random sample of so many cells; default all.
    context : str, optional
        Needed where the screen has several.
    shrink_below : int, optional
        For demonstration: controls below which a batch's centre is shrunken. Default: that of the
        protocol.

    Returns
    -------
    DataFrame indexed by batch, sorted
        `ilisi`, mean over the batch's cells, in [1, number of batches]; `permuted`, the same with
        permuted batch labels; `expected`, what the formula says of them, over all cells;
        `effective`, neighbours that count, over all cells; `n_cells`, scored; `n_unscored`, cells
        whose neighbours are all at one distance.

    Raises
    ------
    CannotAnswer
        Too few batches or cells.
    DataError
        An embedding or argument that does not fit the screen.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol is {protocol!r}; choose from {', '.join(PROTOCOLS)}")
    chosen = PROTOCOLS[protocol]
    if chosen.test_only != (split is not None):
        raise ValueError("a split is given in the published protocol, and in no other")
    shrink = SHRINK_BELOW[protocol] if shrink_below is None else shrink_below
    cells = prepared(screen, embedding, post=post, shrink_below=shrink, context=context)
    rng = np.random.default_rng(seed)
    rows = np.arange(len(cells.rows))
    if split is not None:
        rows = np.sort(cells.positions(np.concatenate([split["test"], split["test_controls"]])))
    if n_cells is not None and n_cells < len(rows):
        rows = np.sort(rng.choice(rows, n_cells, replace=False))
    batch = cells.labels("batch")[rows]
    counted = "test_batches" if chosen.test_only else "batches"
    has = {counted: len(np.unique(batch)), "cells": len(rows)}
    require(f"{cells.name}, batch mixing ({protocol}),", chosen.requirements, has)
    values = cells.embedding[rows]
    if chosen.reduce:
        values = _reduced(values)
    graph = nearest_neighbours(values, k=N_NEIGHBOURS)
    found = lisi(graph, batch, perplexity=PERPLEXITY)
    if found.n_unscored == len(rows):
        raise CannotAnswer(
            f"{cells.name}: each cell has all its neighbours at one distance, so no weights"
        )
    # A cell's score is taken with its permuted label, but the cell stays in its own batch's row.
    permuted = lisi(graph, rng.permutation(batch), perplexity=PERPLEXITY)
    frame = pd.DataFrame({"batch": batch, "ilisi": found.per_cell, "permuted": permuted.per_cell})
    grouped = frame.groupby("batch", sort=True)
    n_scored = grouped["ilisi"].count()
    return grouped.mean().assign(
        expected=expected_lisi(found.concentration, batch),
        effective=1 / float(np.nanmean(found.concentration)),
        n_cells=n_scored,
        n_unscored=grouped.size() - n_scored,
    )


def _reduced(values) -> np.ndarray:
    """Principal components that hold 90 % of the variance, at least 32 or all there are."""
    centered = values - values.mean(axis=0)
    variance, axes = np.linalg.eigh(centered.T @ centered)
    variance, axes = variance[::-1], axes[:, ::-1]
    share = np.cumsum(variance) / variance.sum()
    needed = int(np.searchsorted(share, VARIANCE) + 1)
    return centered @ axes[:, : max(FEWEST_COMPONENTS, needed)]


def scores(result: pd.DataFrame, *, shuffled: bool = False, **shared) -> pd.DataFrame:
    """Result of `mixing` as rows of the score table, one a batch and metric.

    Parameters
    ----------
    result : DataFrame
    shuffled : bool
        Score the permuted batch labels instead of the true ones.
    **shared
        `dataset`, `model`, `params`, `post`, `protocol`, `role`, `seed`, `split`.
    """
    value = result["permuted"] if shuffled else result["ilisi"]
    # Permuted labels of one batch against those of all: what chance leaves.
    reference = float(np.average(result["permuted"], weights=result["n_cells"]))
    table = result.assign(
        value=value, ratio=value / (reference if shuffled else result["permuted"])
    )
    metrics = {"ilisi": "value", "ilisi_ratio": "ratio"}
    return score_rows(table, metrics, task=TASK, unit="batch", **shared)
