"""What is known of each metric of effects: range, direction, chance, source."""

from math import inf, nan

from helpers.metrics.facts import Metric, by_name

# fmt: off
METRICS = by_name(
    # name, title, low, high, better, chance, source
    Metric("l2", "Euclidean distance of predicted and observed expression, 1,000 genes",
           0, inf, "lower", nan, "Ahlmann-Eltze et al. 2025, Methods"),
    Metric("l2_ratio", "Euclidean distance over that of the mean baseline",
           0, inf, "lower", 1, "Ahlmann-Eltze et al. 2025, figure 2"),
    Metric("pearson_delta", "Pearson correlation of predicted and observed change from control",
           -1, 1, "higher", 0, "Ahlmann-Eltze et al. 2025, Methods"),
    Metric("interactions_found", "Share of genetic interactions found, by share of false calls",
           0, 1, "higher", nan, "Ahlmann-Eltze et al. 2025, figure 1"),
)
# fmt: on

PRIMARY = {
    "double-perturbations": "l2",
    "single-perturbations": "l2_ratio",
    "embedding-transfer": "l2_ratio",
}
"""The metric that a task's verdicts are on, declared before models are compared."""
