"""Knock-downs of genes of the unfolded protein response in K562. Unverified."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.fetch import fetch
from helpers.data.gears import entry, summary
from helpers.store.steps import step

DATASET = entry(
    "adamson2016-gears",
    folder="adamson",
    number=6154417,
    what="Knock-downs of genes of the unfolded protein response in K562",
    shape=(65_899, 5_060),
    source=(
        "Adamson B et al. A multiplexed single-cell CRISPR screening platform enables "
        "systematic dissection of the unfolded protein response. Cell 2016.",
        "10.1016/j.cell.2016.11.048",
        "adamson2016",
    ),
)


@step
def adamson2016_gears() -> pd.DataFrame:
    """What is in the file; refused, as it is unverified: see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """What is in the file; see `helpers.data.gears.summary`."""
    return summary(paths[DATASET.files[0].name])
