"""Where a revised protocol, or our reading of a published one, departs from what was released."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd


@dataclass(frozen=True)
class Departure:
    """One choice in which the revised protocol, or our reading of the published one, departs."""

    aspect: str
    published: str
    revised: str
    kind: Literal["bug", "paper-code discrepancy", "design choice"]
    reason: str


def table_of(departures: Iterable[Departure]) -> pd.DataFrame:
    """Departures as a table, one row each."""
    return pd.DataFrame([asdict(departure) for departure in departures])
