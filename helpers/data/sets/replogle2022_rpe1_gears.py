"""Knock-downs of essential genes in RPE1 (layout of GEARS). Unverified."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.fetch import fetch
from helpers.data.gears import entry, summary
from helpers.store.steps import step

DATASET = entry(
    "replogle2022-rpe1-gears",
    folder="replogle_rpe1_essential",
    number=7458694,
    what="Knock-downs of essential genes in RPE1, as GEARS distributes them",
    shape=(161_423, 5_000),
    source=(
        "Replogle JM et al. Mapping information-rich genotype-phenotype landscapes with "
        "genome-scale Perturb-seq. Cell 2022.",
        "10.1016/j.cell.2022.05.013",
        "replogle2022",
    ),
)


@step
def replogle2022_rpe1_gears() -> pd.DataFrame:
    """What is in the file; refused, as it is unverified: see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """What is in the file; see `helpers.data.gears.summary`."""
    return summary(paths[DATASET.files[0].name])
