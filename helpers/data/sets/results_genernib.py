"""Scores of geneRNIB, a leaderboard of methods that infer gene networks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

DATASET = Dataset(
    name="results-genernib",
    title="Published scores of gene-network inference on eleven data sets",
    kind="network-scores",
    files=(
        File(
            name="all_scores.csv",
            url=(
                "https://raw.githubusercontent.com/openproblems-bio/task_grn_inference/31b52535121b/"
                "docs/source/data/all_scores.csv"
            ),
            size=78_422,
            sha256="6327aae6dab123ee2c997dae9383f998363c9b72b69be05314c7b910f7f09f1a",
        ),
    ),
    licence="MIT",
    licence_url="https://github.com/openproblems-bio/task_grn_inference/blob/31b52535121b/LICENSE",
    citation="Nourisa J et al. geneRNIB. bioRxiv 2025.",
    doi="10.1101/2025.02.25.640181",
    citation_key="nourisa2025",
    description=(
        "120 rows: 11 data sets x 10 to 15 methods, both controls among them, in 46 columns of "
        "scores. The number of edges that a factor is given hangs on the methods in the pool, and "
        "missing ones are filled at random, so that scores change when a method joins."
    ),
)

CONTROLS = {"positive_control": "ceiling", "negative_control": "floor"}
"""The correlation network of all data, and a random one; what they are meant to be."""
HEADLINE = (
    *("r_precision", "r_recall", "r2_raw", "ws_precision", "ws_recall", "vc", "sem"),
    *("t_rec_precision", "replicate_consistency", "tfb_f1", "gs_f1"),
)
"""Columns that stand for the metrics; our choice, the others are variants of them."""


@step
def results_genernib() -> pd.DataFrame:
    """The scores; see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the scores, a row each.

    Returns
    -------
    DataFrame
        `dataset`, `method`, `metric` (of `HEADLINE`), `value`; what was not scored is left out.

    Raises
    ------
    DataError
        Columns are missing, a method is there twice, or a data set lacks a control.
    """
    table = pd.read_csv(paths["all_scores.csv"])
    if missing := sorted({"dataset", "method", *HEADLINE} - set(table.columns)):
        raise DataError(f"{DATASET.name}: columns are missing: {', '.join(missing)}")
    if table.duplicated(["dataset", "method"]).any():
        raise DataError(f"{DATASET.name}: a method is there twice in a data set")
    both = table[table["method"].isin(CONTROLS)].groupby("dataset").size()
    if not (both.reindex(table["dataset"].unique()) == len(CONTROLS)).all():
        raise DataError(f"{DATASET.name}: a data set lacks a control")
    long = table.melt(["dataset", "method"], list(HEADLINE), "metric", "value")
    return long.dropna(subset="value").reset_index(drop=True)
