"""What is known of each metric of discovery: range, direction, chance, source."""

from math import inf, nan

from helpers.metrics.discovery import network_facts
from helpers.metrics.facts import Metric, by_name

_LPM = "Miladinovic et al. 2025; perturblib 9e79ae3"
_SYSTEMA = "Viñas Torné et al. 2025 (Systema)"
_HERE = "this book"

# fmt: off
METRICS = by_name(
    # name, title, low, high, better, chance, source
    Metric("profile_pearson", "Correlation of a profile over readouts",
           -1, 1, "higher", 0, _LPM),
    Metric("profile_pearson_centred", "Correlation of a profile less the mean of its context",
           -1, 1, "higher", 0, _SYSTEMA),
    Metric("profile_rmse", "Root mean squared error of a profile",
           0, inf, "lower", nan, _LPM),
    Metric("profile_rank", "Other profiles that lie farther from a prediction",
           0, 1, "higher", 0.5, "Wu et al. 2024 (PerturBench)"),
    Metric("readout_pearson", "Correlation of a readout over perturbations",
           -1, 1, "higher", 0, _HERE),
    Metric("flat_pearson", "Correlation of all values at once",
           -1, 1, "higher", 0, _LPM),
    Metric("flat_rmse", "Root mean squared error of all values at once",
           0, inf, "lower", nan, _LPM),
    Metric("flat_mae", "Mean absolute error of all values at once",
           0, inf, "lower", nan, _LPM),
    Metric("flat_r2", "Variance explained, all values at once",
           -inf, 1, "higher", nan, _LPM),
    Metric("function_precision", "Genes of one function among the nearest, as many as there are",
           0, 1, "higher", nan, _HERE),
    Metric("target_percentile", "Other compounds that lie farther than those that hit a gene",
           0, 1, "higher", 0.5, _HERE),
    Metric("group_percentile", "Other compounds that lie farther than a left-out member",
           0, 1, "higher", 0.5, _HERE),
    Metric("recall_10", "Compounds that hit a gene among its ten nearest",
           0, 1, "higher", nan, _LPM),
    Metric("reported_correlation", "Correlation of effects as published, over genes",
           -1, 1, "higher", 0, "Zhu et al. 2025"),
    *network_facts.METRICS.values(),
)
# fmt: on

PRIMARY = {
    "unseen-pairs": "profile_pearson_centred",
    "scaling": "profile_pearson_centred",
    "gene-function": "function_precision",
    "mechanism": "target_percentile",
    "mechanism-groups": "group_percentile",
    "context-transfer": "reported_correlation",
    **network_facts.PRIMARY,
}
"""The metric of each task's verdicts."""
