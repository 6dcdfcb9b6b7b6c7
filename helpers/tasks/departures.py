"""Where a revised protocol, or our reading of a published one, departs from what was released."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

from helpers.words import Words


@dataclass(frozen=True)
class Departure:
    """One choice in which the revised protocol, or our reading of the published one, departs."""

    aspect: Words
    published: Words
    revised: Words
    kind: Literal["bug", "paper-code discrepancy", "design choice"]
    reason: Words


def table_of(departures: Iterable[Departure]) -> pd.DataFrame:
    """Departures as a table, one row each."""
    return pd.DataFrame([asdict(departure) for departure in departures])
