"""What must be known of a metric: range, direction, chance, source. Each tier has its own."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from helpers.words import Words


@dataclass(frozen=True)
class Metric:
    """Facts about a metric.

    Parameters
    ----------
    name : str
        As in the column `metric` of scores.
    title : str
        As on axes.
    low, high : float
        Range of its values; infinite where there is no bound.
    better : {"higher", "lower"}
    chance : float
        Expected value where nothing is there to be found; NaN where it depends on the data.
    source : str
    """

    name: str
    title: Words
    low: float
    high: float
    better: Literal["higher", "lower"]
    chance: float
    source: Words

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower"):
            raise ValueError(f"{self.name}: better is {self.better!r}; higher or lower")
        if not self.low < self.high:
            raise ValueError(f"{self.name}: the range {self.low} to {self.high} is empty")
        if not (math.isnan(self.chance) or self.low <= self.chance <= self.high):
            raise ValueError(f"{self.name}: chance {self.chance} lies outside its range")


def by_name(*metrics: Metric) -> dict[str, Metric]:
    """Metrics by their names, in their order.

    Raises
    ------
    ValueError
        A name that two of them have.
    """
    found = {metric.name: metric for metric in metrics}
    if len(found) < len(metrics):
        raise ValueError(f"{len(metrics) - len(found)} metrics have the name of another one")
    return found


def primary_metric(task: str, primary: Mapping[str, str]) -> str:
    """Name of a task's primary metric, as in the column `metric` of scores.

    A verdict on a model is on this metric. The others say why. Where scores were published, it is
    the one that their authors put first.

    Raises
    ------
    ValueError
        No metric was declared for the task.
    """
    if task not in primary:
        raise ValueError(
            f"task {task!r} has no primary metric; declare it in PRIMARY of the tier's facts.py "
            f"before models are compared (declared: {', '.join(primary)})"
        )
    return primary[task]
