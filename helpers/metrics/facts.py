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
        Metric(
            name="balanced_accuracy",
            title="Recall, averaged over classes",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2023",
        ),
        Metric(
            name="feature_agreement_local",
            title="Informative genes among the highest ranked, of a sample's explanation",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="feature_agreement_local_diffused",
            title="The same after diffusion over correlated genes, of a sample's explanation",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="feature_agreement_global",
            title="Informative genes among the highest ranked, of a class's explanation",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="feature_agreement_global_diffused",
            title="The same after diffusion over correlated genes, of a class's explanation",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="feature_agreement_vote",
            title="Informative genes among the highest ranked, of the genes most often on top",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="feature_agreement_vote_diffused",
            title="The same after diffusion over correlated genes, of the genes most often on top",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="group_agreement_local",
            title="Informative groups among the highest ranked, by sample",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="this book, explanation/attribution",
        ),
        Metric(
            name="group_agreement_local_diffused",
            title="Informative groups among the highest ranked, by sample, diffused",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="this book, explanation/attribution",
        ),
        Metric(
            name="group_agreement_global",
            title="Informative groups among the highest ranked, by class",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="this book, explanation/attribution",
        ),
        Metric(
            name="group_agreement_global_diffused",
            title="Informative groups among the highest ranked, by class, diffused",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="this book, explanation/attribution",
        ),
        Metric(
            name="pgu_local",
            title="Prediction gap, least important genes first: an order for each sample",
            low=0.0,
            high=1.0,
            better="lower",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="pgu_global",
            title="Prediction gap, least important genes first: one order for all classes",
            low=0.0,
            high=1.0,
            better="lower",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="pgu_per_class",
            title="Prediction gap, least important genes first: an order for each class",
            low=0.0,
            high=1.0,
            better="lower",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="pgi_local",
            title="Prediction gap, most important genes first: an order for each sample",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="pgi_global",
            title="Prediction gap, most important genes first: one order for all classes",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="pgi_per_class",
            title="Prediction gap, most important genes first: an order for each class",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="pgu_adjusted",
            title="PGU of samples over the most that it can be",
            low=0.0,
            high=math.inf,
            better="lower",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="pgr",
            title="Prediction gap, genes in random order",
            low=0.0,
            high=1.0,
            better="lower",
            chance=math.nan,
            source="Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591",
        ),
        Metric(
            name="completeness_gap",
            title="Integrated Gradients: sum less what it explains",
            low=0.0,
            high=1.0,
            better="lower",
            chance=0.0,
            source="Sundararajan et al. 2017",
        ),
        Metric(
            name="informative_above_mean",
            title="Share of informative genes that a sample shows",
            low=0.0,
            high=1.0,
            better="higher",
            chance=0.5,
            source="this book, explanation/simulation",
        ),
        Metric(
            name="top_overlap",
            title="Share of the best genes that two rankings have in common",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2025, Bioinformatics Advances 5",
        ),
        Metric(
            name="retained_accuracy",
            title="Balanced accuracy of a frozen model on some genes",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2023; XAI_for_genomics, get_curves.py",
        ),
        Metric(
            name="retrained_accuracy",
            title="Balanced accuracy of a model trained anew on some genes",
            low=0.0,
            high=1.0,
            better="higher",
            chance=math.nan,
            source="Bontonou et al. 2025; XAI_in_genomics, get_summary_FS_self.py",
        ),
        Metric(
            name="adjusted_rand_index",
            title="Agreement of clusters with hidden kinds (adjusted Rand index)",
            low=-1.0,
            high=1.0,
            better="higher",
            chance=0.0,
            source="Hubert & Arabie 1985",
        ),
    )
}
