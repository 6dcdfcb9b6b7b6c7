"""Knock-downs in HepG2 cells (Nadig et al. 2024): see `tx_evaluation`. Unverified."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.fetch import fetch
from helpers.data.tx_evaluation import entry, summary
from helpers.store.steps import step

DATASET = entry(
    "nadig2024-hepg2",
    file="nadig_2024_hepg2.h5ad",
    cell_line="HepG2",
    shape=(145_473, 9_624),
    source=(
        "Nadig A et al. Transcriptome-wide characterization of genetic perturbations. bioRxiv "
        "2024.",
        "10.1101/2024.07.03.601903",
        "nadig2024",
    ),
)


@step
def nadig2024_hepg2() -> pd.DataFrame:
    """What is in the file; refused, as it is unverified: see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """What is in the file; see `tx_evaluation.summary`."""
    return summary(paths[DATASET.files[0].name])
