"""Single and double activations in K562 (layout of GEARS). Unverified."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.fetch import fetch
from helpers.data.gears import entry, summary
from helpers.store.steps import step

DATASET = entry(
    "norman2019-gears",
    folder="norman",
    number=6154020,
    what="Single and double activations in K562, as GEARS distributes them",
    shape=(91_000, 5_045),
    source=(
        "Norman TM et al. Exploring genetic interaction manifolds constructed from rich "
        "single-cell phenotypes. Science 2019.",
        "10.1126/science.aax4438",
        "norman2019",
    ),
)


@step
def norman2019_gears() -> pd.DataFrame:
    """What is in the file; refused, as it is unverified: see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """What is in the file; see `helpers.data.gears.summary`."""
    return summary(paths[DATASET.files[0].name])
