"""What is known of each metric: range, direction, chance, source. The one place for it."""

import math
from dataclasses import dataclass
from typing import Literal


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
    title: str
    low: float
    high: float
    better: Literal["higher", "lower"]
    chance: float
    source: str

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower"):
            raise ValueError(f"{self.name}: better is {self.better!r}; higher or lower")
        if not self.low < self.high:
            raise ValueError(f"{self.name}: the range {self.low} to {self.high} is empty")
        if not (math.isnan(self.chance) or self.low <= self.chance <= self.high):
            raise ValueError(f"{self.name}: chance {self.chance} lies outside its range")


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            name="perturbation_consistency",
            title="Perturbation consistency (mean cosine)",
            low=-1.0,
            high=1.0,
            better="higher",
            chance=0.0,
            source="Celik et al. 2024; Bendidi et al. 2024, section 3.3",
        ),
        Metric(
            name="consistency_p_value",
            title="p-value of perturbation consistency",
            low=0.0,
            high=1.0,
            better="lower",
            chance=0.5,
            source="Bendidi et al. 2024, section 3.3; Phipson & Smyth 2010",
        ),
        Metric(
            name="share_consistent",
            title="Share of perturbations that are consistent",
            low=0.0,
            high=1.0,
            better="higher",
            chance=0.05,
            source="Bendidi et al. 2024, table 2",
        ),
        Metric(
            name="effect_correlation",
            title="Mean correlation with the effects of other perturbations",
            low=-1.0,
            high=1.0,
            better="lower",
            chance=0.0,
            source="this book, foundations/data",
        ),
        Metric(
            name="relative_error",
            title="Squared error relative to the effect",
            low=0.0,
            high=math.inf,
            better="lower",
            chance=1.0,
            source="this book, foundations/regimes",
        ),
        Metric(
            name="predictive_percentile",
            title="Share of simulated screens below the real one",
            low=0.0,
            high=1.0,
            better="higher",
            chance=0.5,
            source="Gelman, Meng & Stern 1996, Statistica Sinica 6",
        ),
    )
}
