"""What is known of each metric of foundations: range, direction, chance, source."""

from math import inf, nan

from helpers.metrics.facts import Metric, by_name

# fmt: off
METRICS = by_name(
    # name, title, low, high, better, chance, source
    Metric("effect_correlation", "Mean correlation with the effects of other perturbations",
           -1, 1, "lower", 0, "this book, foundations/data"),
    Metric("split_half_correlation", "Split-half correlation of effects, disjoint controls",
           -1, 1, "higher", 0, "this book, foundations/screen-quality"),
    Metric("guide_concordance", "Correlation between effects of two guides, disjoint controls",
           -1, 1, "higher", 0, "this book, foundations/screen-quality"),
    Metric("responder_fraction", "Share of cells that responded",
           0, 1, "higher", nan, "after Papalexi et al. 2021 (Mixscape)"),
    Metric("edistance", "Energy distance to controls (unbiased)",
           -inf, inf, "higher", 0, "Székely & Rizzo 2013; Peidli et al. 2024"),
    Metric("edistance_p_value", "p-value of the energy distance to controls",
           0, 1, "lower", 0.5, "Peidli et al. 2024; Phipson & Smyth 2010"),
    Metric("n_de_genes", "Genes expressed differently, false discovery rate 5 %",
           0, inf, "higher", 0, "Mann & Whitney 1947; Benjamini & Hochberg 1995"),
    Metric("interval_coverage", "Share of nominal 95 % intervals that hold the truth",
           0, 1, "higher", nan, "this book, foundations/statistics"),
    Metric("relative_error", "Squared error relative to the effect",
           0, inf, "lower", 1, "this book, foundations/regimes"),
    Metric("predictive_percentile", "Share of simulated screens below the real one",
           0, 1, "higher", 0.5, "Gelman, Meng & Stern 1996, Statistica Sinica 6"),
)
# fmt: on

PRIMARY = {
    "shared-controls": "effect_correlation",
    "interval-coverage": "interval_coverage",
}
"""The metric that a task's verdicts are on, declared before models are compared."""
