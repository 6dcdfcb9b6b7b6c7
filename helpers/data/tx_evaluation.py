"""Three full screens over the same 2,393 targets, as gathered for Tx-Evaluation. Unverified.

Their counts stay on disk: a reader gives a summary, and
`helpers.tasks.embeddings.large_screen` scores them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.ondisk import ScreenOnDisk, open_screen

COLUMNS = {
    "perturbation": "gene_name",
    "batch": "dataset_batch_num",
    "control": "non-targeting",
}
"""Where these files keep what the screen contract asks for."""

_HUB = "https://huggingface.co/datasets/bendidiihab/tx_evaluation"


def entry(
    name: str, *, file: str, cell_line: str, shape: tuple[int, int], source: tuple[str, str, str]
) -> Dataset:
    """Registry entry of one of the files; `source` is citation, DOI and key of the screen."""
    citation, doi, key = source
    return Dataset(
        name=name,
        title=f"Knock-downs of essential genes in {cell_line} cells",
        kind="large-screen",
        files=(File(name=file, url=f"{_HUB}/resolve/main/{file}", size=None, sha256=None),),
        licence="CC BY 4.0",
        licence_url=_HUB,
        citation=citation,
        doi=doi,
        citation_key=key,
        description=(
            f"{shape[0]:,} cells, {shape[1]:,} variable genes, 2,393 targets, raw counts as "
            "gathered by the authors of Tx-Evaluation (Bendidi et al. 2024). Nobody has stated "
            "size and hash of the file, and the address names no version: no page stands on it. It "
            "is read from disk: `benchbook large` scores it."
        ),
    )


def summary(path: Path) -> pd.DataFrame:
    """Check a file's layout and tell what is in it; counts are not read.

    Parameters
    ----------
    path : Path
        An h5ad in the layout of the set.

    Returns
    -------
    DataFrame of one row
        `cells`, `genes`, `perturbations` (without control), `batches`, `controls` (cells).

    Raises
    ------
    DataError
        A column is missing, or `is_control` and the names of controls disagree.
    """
    screen = open_screen(path)
    is_control = controls(screen)
    obs = screen.obs
    return pd.DataFrame(
        {
            "cells": [screen.shape[0]],
            "genes": [screen.shape[1]],
            "perturbations": [int(obs[COLUMNS["perturbation"]][~is_control].nunique())],
            "batches": [int(obs[COLUMNS["batch"]].nunique())],
            "controls": [int(is_control.sum())],
        }
    )


def controls(screen: ScreenOnDisk) -> np.ndarray:
    """Which cells are controls, bool, of shape (n_cells,).

    Raises
    ------
    DataError
        See `summary`.
    """
    obs = screen.obs
    wanted = (COLUMNS["perturbation"], COLUMNS["batch"], "is_control")
    if missing := [name for name in wanted if name not in obs]:
        raise DataError(
            f"{screen.path}: obs has no column {', '.join(missing)} (columns: "
            f"{', '.join(map(str, obs.columns))}); this is not a file of tx_evaluation"
        )
    named = (obs[COLUMNS["perturbation"]] == COLUMNS["control"]).to_numpy()
    # Booleans may have been written as text.
    marked = obs["is_control"].astype(str).str.lower().eq("true").to_numpy()
    if (named != marked).any():
        cell = obs.index[np.flatnonzero(named != marked)[0]]
        raise DataError(
            f"{screen.path}: is_control and gene_name {COLUMNS['control']!r} disagree in "
            f"{(named != marked).sum()} cells, the first {cell!r}; the file was changed"
        )
    if not named.any():
        raise DataError(f"{screen.path}: no cell is {COLUMNS['control']!r}")
    return named
