"""What is known of each metric of gene networks: range, direction, chance, source."""

from math import inf, nan

from helpers.metrics.facts import Metric, by_name

_CB = "Chevalley et al. 2025 (CausalBench)"
_HERE = "this book, discovery/networks"

# fmt: off
METRICS = by_name(
    # name, title, low, high, better, chance, source
    Metric("direct_average_precision", "Average precision of planted edges among all ordered pairs",
           0, 1, "higher", nan, _HERE),
    Metric("direct_precision", "Predicted edges that are planted edges",
           0, 1, "higher", nan, _HERE),
    Metric("direct_recall", "Planted edges that are predicted", 0, 1, "higher", nan, _HERE),
    Metric("ancestral_average_precision",
           "Average precision of planted paths among all ordered pairs",
           0, 1, "higher", nan, _HERE),
    Metric("ancestral_precision", "Predicted edges that are planted edges or paths",
           0, 1, "higher", nan, _HERE),
    Metric("ancestral_recall", "Planted edges and paths that are predicted as edges",
           0, 1, "higher", nan, _HERE),
    Metric("mediated_share", "Ends of planted chains that are taken for an edge",
           0, 1, "lower", nan, _HERE),
    Metric("mean_wasserstein", "Mean Wasserstein distance of predicted edges",
           0, inf, "higher", nan, _CB),
    Metric("edge_precision", "Predicted edges that the Mann-Whitney test calls",
           0, 1, "higher", nan, _CB),
    Metric("edge_precision_bh", "The same, Benjamini-Hochberg over all pairs",
           0, 1, "higher", nan, _HERE),
    Metric("false_omission_rate", "Pairs without a path that the Mann-Whitney test calls",
           0, 1, "lower", nan, _CB),
)
# fmt: on

PRIMARY = {"gene-networks": "direct_average_precision", "networks-on-cells": "mean_wasserstein"}
"""The metric that a task's verdicts are on, declared before methods are compared."""
