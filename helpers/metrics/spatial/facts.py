"""What is known of each metric of tissue: range, direction, chance, source."""

from math import inf, nan

from helpers.metrics.facts import Metric, by_name

_SPARED = "Ruiz et al. 2025; BCV-Uniandes/SpaRED 3ca900f"
_HERE = "this book, spatial/completion"
_HISTOLOGY = "this book, helpers/metrics/spatial/histology.py"

# fmt: off
METRICS = by_name(
    # name, title, low, high, better, chance, source
    Metric("moran", "Moran's I, averaged over slides",
           -inf, inf, "higher", 0, "Moran 1950"),
    Metric("masked_mse", "Squared error of hidden, measured entries",
           0, inf, "lower", nan, _SPARED),
    Metric("masked_pearson", "Correlation over hidden, measured entries, averaged over genes",
           -1, 1, "higher", 0, _SPARED),
    Metric("truth_mse", "Squared error of what was never measured, against the planted truth",
           0, inf, "lower", nan, _HERE),
    Metric("thinned_deviance", "Poisson deviance of molecules that were held out",
           0, inf, "lower", nan, _HERE),
    Metric("label_share", "Share of the variance that lies between labels, averaged over genes",
           0, 1, "higher", nan, _HERE),
    Metric("expression_mse", "Squared error of predicted expression at measured entries",
           0, inf, "lower", nan, _SPARED),
    Metric("expression_pearson", "Correlation of predicted expression on a slide, over genes",
           -1, 1, "higher", 0, _HISTOLOGY),
)
# fmt: on

PRIMARY = {
    "curation": "moran",
    "completion": "masked_mse",
    "completion-labels": "label_share",
    "leaderboard": "expression_pearson",
    "protocols": "expression_pearson",
    "patients": "expression_pearson",
    "histology": "expression_pearson",
    "raw-or-completed": "expression_mse",
}
