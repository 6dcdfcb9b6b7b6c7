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
            name="ilisi",
            title="Batches in a neighbourhood, in effect (iLISI)",
            low=1.0,
            high=math.inf,
            better="higher",
            chance=math.nan,
            source="Korsunsky et al. 2019; Bendidi et al. 2024, section 3.1",
        ),
        Metric(
            name="ilisi_ratio",
            title="iLISI over that of permuted batch labels",
            low=0.0,
            high=math.inf,
            better="higher",
            chance=1.0,
            source="after Bendidi et al. 2024, section 3.1",
        ),
        Metric(
            name="probe_top1",
            title="Cells whose perturbation a probe names",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bendidi et al. 2024, section 3.2",
        ),
        Metric(
            name="probe_top5",
            title="Cells whose perturbation is among a probe's first five",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bendidi et al. 2024, section 3.2",
        ),
        Metric(
            name="guide_accuracy_excess",
            title="Guides told apart within a target, above chance",
            low=-1.0,
            high=1.0,
            better="lower",
            chance=0.0,
            source="this book, embeddings/linear-separability",
        ),
        Metric(
            name="knn_top1",
            title="Cells whose perturbation has most votes of neighbours",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bendidi et al. 2024, section 3.4",
        ),
        Metric(
            name="knn_top5",
            title="Cells whose perturbation is among the five with most votes",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bendidi et al. 2024, section 3.4",
        ),
        Metric(
            name="knn_rank",
            title="Rank of a cell's perturbation by votes of neighbours (median)",
            low=1.0,
            high=math.inf,
            better="lower",
            chance=math.nan,
            source="this book, embeddings/neighbourhood",
        ),
        Metric(
            name="average_precision",
            title="Mean average precision across batches",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Kalinin et al. 2025",
        ),
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
            name="relationship_recall",
            title="Recall of known relationships (both tails)",
            low=0.0,
            high=1.0,
            better="higher",
            chance=0.1,
            source="Celik et al. 2024; Bendidi et al. 2024, section 3.5",
        ),
        Metric(
            name="gene_recall",
            title="Share of a gene's known partners that is recalled",
            low=0.0,
            high=1.0,
            better="higher",
            chance=0.1,
            source="this book, embeddings/known-relationships",
        ),
        Metric(
            name="reconstruction_spearman",
            title="Spearman correlation of decoded and observed expression, by gene",
            low=-1.0,
            high=1.0,
            better="higher",
            chance=0.0,
            source="Bendidi et al. 2024, section 3.6",
        ),
        Metric(
            name="structural_integrity",
            title="Structural Integrity of a batch's cells",
            low=-math.inf,
            high=1.0,
            better="higher",
            chance=0.5,
            source="Bendidi et al. 2024, section 3.6 and appendix B.3",
        ),
        Metric(
            name="structural_integrity_overall",
            title="Structural Integrity, as a protocol sums it up",
            low=-math.inf,
            high=1.0,
            better="higher",
            chance=0.5,
            source="Bendidi et al. 2024, section 3.6 and appendix B.3",
        ),
        Metric(
            name="profile_integrity",
            title="Structural Integrity of mean profiles of perturbations",
            low=-math.inf,
            high=1.0,
            better="higher",
            chance=0.5,
            source="this book, embeddings/reconstruction",
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
            name="split_half_correlation",
            title="Split-half correlation of effects, disjoint controls",
            low=-1.0,
            high=1.0,
            better="higher",
            chance=0.0,
            source="this book, foundations/screen-quality",
        ),
        Metric(
            name="guide_concordance",
            title="Correlation between effects of two guides, disjoint controls",
            low=-1.0,
            high=1.0,
            better="higher",
            chance=0.0,
            source="this book, foundations/screen-quality",
        ),
        Metric(
            name="responder_fraction",
            title="Share of cells that responded",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="after Papalexi et al. 2021 (Mixscape)",
        ),
        Metric(
            name="edistance",
            title="Energy distance to controls (unbiased)",
            low=-math.inf,
            high=math.inf,
            better="higher",
            chance=0.0,
            source="Székely & Rizzo 2013; Peidli et al. 2024",
        ),
        Metric(
            name="edistance_p_value",
            title="p-value of the energy distance to controls",
            low=0.0,
            high=1.0,
            better="lower",
            chance=0.5,
            source="Peidli et al. 2024; Phipson & Smyth 2010",
        ),
        Metric(
            name="n_de_genes",
            title="Genes expressed differently, false discovery rate 5 %",
            low=0.0,
            high=math.inf,
            better="higher",
            chance=0.0,
            source="Mann & Whitney 1947; Benjamini & Hochberg 1995",
        ),
        Metric(
            name="interval_coverage",
            title="Share of nominal 95 % intervals that hold the truth",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="this book, foundations/statistics",
        ),
        Metric(
            name="l2",
            title="Euclidean distance of predicted and observed expression, 1,000 genes",
            low=0.0,
            high=math.inf,
            better="lower",
            chance=math.nan,
            source="Ahlmann-Eltze et al. 2025, Methods",
        ),
        Metric(
            name="l2_ratio",
            title="Euclidean distance over that of the mean baseline",
            low=0.0,
            high=math.inf,
            better="lower",
            chance=1.0,
            source="Ahlmann-Eltze et al. 2025, figure 2",
        ),
        Metric(
            name="pearson_delta",
            title="Pearson correlation of predicted and observed change from control",
            low=-1.0,
            high=1.0,
            better="higher",
            chance=0.0,
            source="Ahlmann-Eltze et al. 2025, Methods",
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
