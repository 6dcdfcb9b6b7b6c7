"""What is said of batch mixing: departures, scores."""

import numpy as np
import pandas as pd

from helpers.tasks.departures import Departure
from helpers.tasks.embeddings.batch_mixing import TASK
from helpers.tasks.embeddings.readouts_report import unit_scores

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


def controls_of(dataset: str, controls: pd.Series) -> str:
    """How many controls batches of a screen have; `controls` by batch."""
    fewest, most = int(controls.min()), int(controls.max())
    if fewest == most:
        return f"Each batch of {dataset} has {fewest} controls."
    return f"Batches of {dataset} have {fewest} to {most} controls."


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
    return unit_scores(table, metrics, task=TASK, unit="batch", **shared)
