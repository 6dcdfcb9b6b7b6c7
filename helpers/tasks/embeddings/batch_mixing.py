"""Task: are cells of different batches mixed?

Noise mixes well: a high score says that batches cannot be told apart, and nothing about what was
kept. Two protocols. *published* takes the test part of the published split, reduces it by PCA, and
divides by the score of shuffled cells; *revised* takes all batches, and divides each embedding by
what the same graph gives when batch labels are permuted.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.metrics.embeddings.lisi import expected_lisi, lisi
from helpers.metrics.embeddings.neighbours import nearest_neighbours
from helpers.store.steps import step
from helpers.tasks import protocol as task
from helpers.tasks.embeddings.readouts import SHRINK_BELOW, Cells, each_post
from helpers.tasks.requirements import CannotAnswer, Requirement, require

TASK = "batch-mixing"
PERPLEXITY = 83  # 251 // 3; Tx-Evaluation main_eval.py:489-498, cfg/config/*_eval.yaml:25
N_NEIGHBOURS = 3 * PERPLEXITY - 1  # 249 less the cell itself; ilisi.py:111-115
VARIANCE, FEWEST_COMPONENTS = 0.9, 32  # ilisi.py:77-85

SHARE_OF_BATCHES = 0.7  # that the published split keeps for training

_CELLS = Requirement("cells", N_NEIGHBOURS + 2, "cells")


@dataclass(frozen=True, kw_only=True)
class Protocol(task.Protocol):
    """Choices of a protocol.

    Parameters
    ----------
    test_only : bool
        Score the test part of the published split (test1 and its controls), or all cells.
    reduce : bool
        First take the principal components that hold 90 % of the variance, at least 32.
    """

    test_only: bool
    reduce: bool


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
    """iLISI of the cells of each batch, beside what permuted batch labels give.

    Parameters
    ----------
    screen : AnnData of shape (n_cells, n_genes)
    embedding : ndarray of shape (n_cells, n_dims)
    protocol : {"published", "revised"}
    posts : list of str
        Each in turn; of `helpers.metrics.embeddings.postprocess.METHODS`.
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
    DataFrame
        `post`, `batch`, sorted; `ilisi`, mean over the batch's cells, in [1, number of batches];
        `permuted`, the same with permuted batch labels; `expected`, what the formula says of them,
        over all cells; `effective`, neighbours that count, over all cells; `n_cells`, scored;
        `n_unscored`, cells whose neighbours are all at one distance.

    Raises
    ------
    CannotAnswer
        Too few batches or cells.
    DataError
        An embedding or argument that does not fit the screen.
    """
    chosen = task.chosen(PROTOCOLS, protocol)
    if chosen.test_only != (split is not None):
        raise ValueError("a split is given in the published protocol, and in no other")
    return each_post(
        screen,
        embedding,
        posts,
        lambda cells: _mixing(cells, chosen, np.random.default_rng(seed), split, n_cells),
        shrink_below=SHRINK_BELOW[protocol] if shrink_below is None else shrink_below,
        context=context,
    )


def _mixing(cells: Cells, chosen: Protocol, rng, split, n_cells: int | None) -> pd.DataFrame:
    rows = np.arange(len(cells.rows))
    if split is not None:
        rows = np.sort(cells.positions(np.concatenate([split["test"], split["test_controls"]])))
    if n_cells is not None and n_cells < len(rows):
        rows = np.sort(rng.choice(rows, n_cells, replace=False))
    batch = cells.labels("batch")[rows]
    counted = "test_batches" if chosen.test_only else "batches"
    has = {counted: len(np.unique(batch)), "cells": len(rows)}
    require(f"{cells.name}, batch mixing ({chosen.name}),", chosen.requirements, has)
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


@step
def attainable_lisi(
    embedding, *, batches: list[int], perplexity: int, n_cells: int, seed: int
) -> pd.DataFrame:
    """iLISI of labels drawn at random, for several numbers of batches.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
    batches : list of int
        Numbers of batches of equal size.
    perplexity : int
    n_cells : int
        Cells that are used, at random.
    seed : int

    Returns
    -------
    DataFrame
        `n_batches`, `measured` (mean over cells), `formula`, `effective` (neighbours that count).
    """
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(embedding), min(n_cells, len(embedding)), replace=False)
    graph = nearest_neighbours(embedding[np.sort(rows)], k=3 * perplexity - 1)
    found = []
    for n in batches:
        labels = rng.permutation(np.arange(len(rows)) % n)
        result = lisi(graph, labels, perplexity=perplexity)
        found.append(
            {
                "n_batches": n,
                "measured": float(np.nanmean(result.per_cell)),
                "formula": expected_lisi(result.concentration, labels),
                "effective": 1 / float(np.nanmean(result.concentration)),
            }
        )
    return pd.DataFrame(found)
