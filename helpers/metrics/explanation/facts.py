"""What is known of each metric of explanations: range, direction, chance, source."""

from math import inf, nan

from helpers.metrics.facts import Metric, by_name

_XAI = "Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591"
_HERE = "this book, explanation/attribution"

# fmt: off
METRICS = by_name(
    # name, title, low, high, better, chance, source
    Metric("balanced_accuracy", "Recall, averaged over classes",
           0, 1, "higher", nan, "Bontonou et al. 2023"),
    Metric("feature_agreement_local",
           "Informative genes among the highest ranked, of a sample's explanation",
           0, 1, "higher", nan, _XAI),
    Metric("feature_agreement_local_diffused",
           "The same after diffusion over correlated genes, of a sample's explanation",
           0, 1, "higher", nan, _XAI),
    Metric("feature_agreement_global",
           "Informative genes among the highest ranked, of a class's explanation",
           0, 1, "higher", nan, _XAI),
    Metric("feature_agreement_global_diffused",
           "The same after diffusion over correlated genes, of a class's explanation",
           0, 1, "higher", nan, _XAI),
    Metric("feature_agreement_vote",
           "Informative genes among the highest ranked, of the genes most often on top",
           0, 1, "higher", nan, _XAI),
    Metric("feature_agreement_vote_diffused",
           "The same after diffusion over correlated genes, of the genes most often on top",
           0, 1, "higher", nan, _XAI),
    Metric("group_agreement_local", "Informative groups among the highest ranked, by sample",
           0, 1, "higher", nan, _HERE),
    Metric("group_agreement_local_diffused",
           "Informative groups among the highest ranked, by sample, diffused",
           0, 1, "higher", nan, _HERE),
    Metric("group_agreement_global", "Informative groups among the highest ranked, by class",
           0, 1, "higher", nan, _HERE),
    Metric("group_agreement_global_diffused",
           "Informative groups among the highest ranked, by class, diffused",
           0, 1, "higher", nan, _HERE),
    Metric("pgu_local", "Prediction gap, least important genes first: an order for each sample",
           0, 1, "lower", nan, _XAI),
    Metric("pgu_global", "Prediction gap, least important genes first: one order for all classes",
           0, 1, "lower", nan, _XAI),
    Metric("pgu_per_class", "Prediction gap, least important genes first: an order for each class",
           0, 1, "lower", nan, _XAI),
    Metric("pgi_local", "Prediction gap, most important genes first: an order for each sample",
           0, 1, "higher", nan, _XAI),
    Metric("pgi_global", "Prediction gap, most important genes first: one order for all classes",
           0, 1, "higher", nan, _XAI),
    Metric("pgi_per_class", "Prediction gap, most important genes first: an order for each class",
           0, 1, "higher", nan, _XAI),
    Metric("pgu_adjusted", "PGU of samples over the most that it can be",
           0, inf, "lower", nan, _XAI),
    Metric("pgr", "Prediction gap, genes in random order", 0, 1, "lower", nan, _XAI),
    Metric("completeness_gap", "Integrated Gradients: sum less what it explains",
           0, 1, "lower", 0, "Sundararajan et al. 2017"),
    Metric("informative_above_mean", "Share of informative genes that a sample shows",
           0, 1, "higher", 0.5, "this book, explanation/simulation"),
    Metric("top_overlap", "Share of the best genes that two rankings have in common",
           0, 1, "higher", nan, "Bontonou et al. 2025, Bioinformatics Advances 5"),
    Metric("retained_accuracy", "Balanced accuracy of a frozen model on some genes",
           0, 1, "higher", nan, "Bontonou et al. 2023; XAI_for_genomics, get_curves.py"),
    Metric("retrained_accuracy", "Balanced accuracy of a model trained anew on some genes",
           0, 1, "higher", nan, "Bontonou et al. 2025; XAI_in_genomics, get_summary_FS_self.py"),
    Metric("adjusted_rand_index", "Agreement of clusters with hidden kinds (adjusted Rand index)",
           -1, 1, "higher", 0, "Hubert & Arabie 1985"),
)
# fmt: on

PRIMARY = {
    "attribution": "feature_agreement_local",
    "lda-simulation": "informative_above_mean",
    "rank-overlap": "top_overlap",
    "retention": "retained_accuracy",
    "retraining": "retrained_accuracy",
    "hidden-kinds": "adjusted_rand_index",
}
"""The metric that a task's verdicts are on, declared before models are compared."""
