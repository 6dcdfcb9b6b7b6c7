"""What is known of each metric of gene networks: range, direction, chance, source."""

from math import inf, nan

from helpers.metrics.facts import Metric, by_name

_CB = "Chevalley et al. 2025 (CausalBench)"
_HERE = "this book, discovery/networks"

_GENERNIB = "printed results of geneRNIB, as reported; not computed here"

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
    Metric("known_pairs_excess",
           "Predicted edges on a list of known pairs, less those of rewired networks, by edge",
           -1, 1, "higher", 0, _HERE),
    Metric("false_omission_rate", "Pairs without a path that the Mann-Whitney test calls",
           0, 1, "lower", nan, _CB),
    *(Metric(f"genernib_{name}", f"{title} (geneRNIB)", low, high, "higher", nan, _GENERNIB)
      for name, title, low, high in (
          ("gs_f1", "Gene sets recovered, F1", 0, 1),
          ("r2_raw", "Variance explained", -inf, 1),
          ("r_precision", "Regression score, precision", -inf, inf),
          ("r_recall", "Regression score, recall", -inf, inf),
          ("replicate_consistency", "Consistency of replicates", -inf, inf),
          ("sem", "Structural equation score", -inf, inf),
          ("t_rec_precision", "Recovery of transcription factors, precision", -inf, inf),
          ("t_rec_recall", "Recovery of transcription factors, recall", -inf, inf),
          ("tfb_f1", "Binding of transcription factors, F1", -inf, 1),
          ("vc", "Virtual cell score", -inf, inf),
          ("ws_precision", "Wasserstein score, precision", -inf, inf),
          ("ws_recall", "Wasserstein score, recall", -inf, inf),
      )),
)
# fmt: on

PRIMARY = {"gene-networks": "direct_average_precision", "networks-on-cells": "mean_wasserstein"}
"""The metric that a task's verdicts are on, declared before methods are compared."""
