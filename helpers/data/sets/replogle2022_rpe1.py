"""Knock-downs in RPE1 cells (Replogle et al. 2022): see `tx_evaluation`. Unverified."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.fetch import fetch
from helpers.data.tx_evaluation import entry, summary
from helpers.store.steps import step

DATASET = entry(
    "replogle2022-rpe1",
    file="replogle_2022_rpe1_e.h5ad",
    cell_line="RPE1",
    shape=(247_914, 8_749),
    source=(
        "Replogle JM et al. Mapping information-rich genotype-phenotype landscapes with "
        "genome-scale Perturb-seq. Cell 2022.",
        "10.1016/j.cell.2022.05.013",
        "replogle2022",
    ),
)


@step
def replogle2022_rpe1() -> pd.DataFrame:
    """What is in the file; refused, as it is unverified: see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """What is in the file; see `tx_evaluation.summary`."""
    return summary(paths[DATASET.files[0].name])
