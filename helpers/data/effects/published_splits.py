"""The published splits by the names of their conditions: manifests that need no cells."""

import json
from importlib.resources import files
from types import MappingProxyType

import numpy as np

from helpers.data.effects.condition_splits import (
    ConditionSplit,
    gears_simulation,
    norman_doubles,
)
from helpers.data.effects.split_reports import split_report

SPLITS = MappingProxyType(
    {
        "norman_from_scfoundation": (norman_doubles, (1, 2, 3, 4, 5)),
        "adamson": (gears_simulation, (1, 2)),
        "replogle_k562_essential": (gears_simulation, (1, 2)),
        "replogle_rpe1_essential": (gears_simulation, (1, 2)),
    }
)
"""By data set, as the authors call it: how it is divided, and the seeds that were published."""


def published_conditions(dataset: str) -> list[str]:
    """Conditions of a data set as its published file has them: "ctrl", "A+ctrl" and "A+B".

    Names alone, as they stand in the source data of the paper (MIT). Splits that are drawn from
    them are those that were scored.

    Raises
    ------
    KeyError
        No such data set; see `SPLITS`.

    References
    ----------
    Ahlmann-Eltze, Huber and Anders 2025, doi 10.1038/s41592-025-02772-6; released code f5b6679.
    """
    text = files(__package__).joinpath("published_conditions.json").read_text(encoding="utf-8")
    return json.loads(text)[dataset]


def published_splits(dataset: str) -> list[ConditionSplit]:
    """Splits of Ahlmann-Eltze et al. 2025, one a seed; see `SPLITS`."""
    divide, seeds = SPLITS[dataset]
    conditions = published_conditions(dataset)
    return [divide(conditions, seed) for seed in seeds]


def published_reports(dataset: str) -> list[str]:
    """Their manifests, as `split_report` has them; nothing is known of likeness without cells."""
    none = np.empty((0, 0))
    return [split_report(s, none, none, list(s.train)) for s in published_splits(dataset)]
