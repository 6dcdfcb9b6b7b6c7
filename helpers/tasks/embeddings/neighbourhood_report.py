"""What is said of the neighbourhood of cells: departures, scores, shares."""

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL
from helpers.tasks.departures import Departure
from helpers.tasks.embeddings.neighbourhood import TASK
from helpers.tasks.embeddings.readouts_report import unit_scores

DEPARTURES = (
    Departure(
        aspect="controls",
        published="a class among the others, in the reference and in the test",
        revised="left out",
        kind="design choice",
        reason="they are hundreds of times as many as the cells of a perturbation: the vote says "
        "control, and the score is their share, for every model",
    ),
    Departure(
        aspect="mean",
        published="over cells",
        revised="over perturbations",
        kind="design choice",
        reason="the largest class decides a mean over cells",
    ),
    Departure(
        aspect="neighbours that vote",
        published="251",
        revised="31",
        kind="design choice",
        reason="more neighbours than a perturbation has cells are neighbours of others",
    ),
    Departure(
        aspect="neighbours that vote, in the paper",
        published="section 3.4: the root of the number of cells; code and appendix: 251 (followed)",
        revised="31",
        kind="paper-code discrepancy",
        reason="the two differ by a factor of four on the paper's data",
    ),
    Departure(
        aspect="who is asked",
        published="30 % of the batches ask the others",
        revised="every cell, or a sample of all, asks the cells of all other batches",
        kind="design choice",
        reason="nothing is fitted, so that nothing but the own batch needs to be held out",
    ),
    Departure(
        aspect="principal components",
        published="32, of the reference",
        revised="the embedding as it is",
        kind="design choice",
        reason="what is scored should be what is used",
    ),
    Departure(
        aspect="more than 100,000 reference cells",
        published="meant to be sampled; the code keeps the cells that were not drawn (here: never "
        "sampled)",
        revised="all",
        kind="bug",
        reason="of 992,027 cells 892,027 are left, and of 100,001 about one",
    ),
    Departure(
        aspect="cosine distance",
        published="rows are normalised before PCA, so that products are no cosines (here: "
        "Euclidean distance, as in the published tables)",
        revised="Euclidean",
        kind="bug",
        reason="centring moves the origin, and normalised rows are no longer of length one",
    ),
    Departure(
        aspect="metrics",
        published="top-1, top-5",
        revised="also the median rank of the own perturbation, and mean average precision",
        kind="design choice",
        reason="top-1 of thousands of classes tells little of an embedding that has most of them "
        "nearly right",
    ),
)


def control_share(split) -> float:
    """Share of controls among the cells that the published protocol tests."""
    n_controls = len(split["test_controls"])
    return n_controls / (n_controls + len(split["test"]))


def over_cells(result: pd.DataFrame, column: str = "top1") -> float:
    """Mean over cells of a table by class, as published."""
    return float(np.average(result[column], weights=result["n_cells"]))


def without_controls(result: pd.DataFrame) -> pd.DataFrame:
    """The classes that are perturbations."""
    return result.drop(index=CONTROL)


def scores(result: pd.DataFrame, **shared) -> pd.DataFrame:
    """Result of a vote as rows of the score table, one a perturbation and metric.

    Parameters
    ----------
    result : DataFrame
        Of `published_vote` or `retrieval`.
    **shared
        `dataset`, `model`, `params`, `post`, `protocol`, `role`, `seed`, `split`.
    """
    metrics = {"knn_top1": "top1", "knn_top5": "top5"}
    if "rank" in result:
        metrics |= {"knn_rank": "rank", "average_precision": "average_precision"}
    return unit_scores(result, metrics, task=TASK, **shared)
