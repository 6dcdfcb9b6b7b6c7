"""Long runs of the tier: the learning rate of each small model in each cell of the two by two."""

from __future__ import annotations

import pandas as pd

from helpers.store.kept import LongRun
from helpers.store.steps import Step, step
from helpers.tasks.spatial.histology import CELLS, NAMES, simulated

GRID = (2.154e-3, 4.642e-3, 1e-2)


@step
def rates_table(searches: dict) -> pd.DataFrame:
    """Error on the validation slide of every model, in every cell, at every rate.

    Parameters
    ----------
    searches : dict of "model, target, loss" to the DataFrame of `searched`

    Returns
    -------
    DataFrame
        `model`, `target`, `loss`, `rate`, `error` (squared, of measured entries).
    """
    parts = []
    for name, table in searches.items():
        model, target, loss = name.split(", ")
        parts.append(table.assign(model=model, target=target, loss=loss))
    columns = ["model", "target", "loss", "rate", "error"]
    return pd.concat(parts, ignore_index=True)[columns]


def histology_rates(seed: int, *, preset: str = "book", models=NAMES, grid=GRID) -> Step:
    """The search of all models in all cells, on the simulated patients of the tier's pages."""
    found = simulated(preset, seed).searches(models, CELLS, grid)
    return rates_table({", ".join((model, *cell)): step_ for (model, cell), step_ in found.items()})


RATES = LongRun("histology-rates", (0,), histology_rates)
LONG_RUNS = (RATES,)
