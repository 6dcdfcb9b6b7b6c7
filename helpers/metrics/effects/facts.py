"""What is known of each metric of effects: range, direction, chance, source."""

from math import inf, nan

from helpers.metrics.facts import Metric, by_name
from helpers.metrics.predicted.facts import PREDICTION_METRICS

# fmt: off
METRICS = by_name(
    # name, title, low, high, better, chance, source
    *PREDICTION_METRICS.values(),
    Metric("l2_ratio", "Euclidean distance over that of the mean baseline",
           0, inf, "lower", 1, "Ahlmann-Eltze et al. 2025, figure 2"),
    Metric("interactions_found", "Share of genetic interactions found, by share of false calls",
           0, 1, "higher", nan, "Ahlmann-Eltze et al. 2025, figure 1"),
    Metric("interaction_ap", "Average precision of interactions by predicted deviation",
           0, 1, "higher", nan, "this book, effects/calibration"),
    Metric("interaction_auprc_legacy", "Area under precision and recall, sorted by precision",
           -inf, inf, "higher", nan, "Ahlmann-Eltze et al. 2025, released code f5b6679"),
    Metric("interaction_auroc", "Area under the ROC curve of interactions",
           0, 1, "higher", 0.5, "Ahlmann-Eltze et al. 2025"),
    Metric("interaction_auroc_matched", "The same among pairs of one additive magnitude",
           0, 1, "higher", 0.5, "this book, effects/calibration"),
)
# fmt: on

PRIMARY = {
    "double-perturbations": "l2",
    "single-perturbations": "l2_ratio",
    "embedding-transfer": "l2_ratio",
}
"""The metric that a task's verdicts are on, declared before models are compared."""
