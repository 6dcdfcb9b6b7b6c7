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
    Metric("effect_third", "Third of the scored conditions by size of the change, 0 the weakest",
           0, 2, "higher", nan, "this book, effects/summary"),
    Metric("gene_auroc", "Perturbations that change a gene ranked above others, within the gene",
           0, 1, "higher", 0.5, "this book, effects/unseen-perturbations"),
    Metric("gene_auroc_pooled", "Pairs that change ranked above others, all genes together",
           0, 1, "higher", nan, "Wu et al. 2025; shown as a warning"),
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
    Metric("interaction_direction", "Interactions whose direction is predicted",
           0, 1, "higher", 0.5, "this book, effects/interactions"),
    Metric("vcc2026_pds", "Discrimination of perturbations, cosine, targets left out",
           0, 1, "higher", 0.5, "cell-eval2, pds_cosine"),
    Metric("vcc2026_mse", "Squared error less noise, over the measured effect less noise",
           -inf, inf, "lower", 1, "cell-eval2, expr_mse_unbiased_capped_norm"),
    Metric("vcc2026_direction", "Right directions over the longer list of significant genes",
           0, 1, "higher", nan, "cell-eval2, de_wilcoxon_direction_fidelity_yield_raw"),
    Metric("vcc2026_reach", "Significant genes ranked before a tenth of the signs is wrong",
           0, 1, "higher", nan, "cell-eval2, de_wilcoxon_direction_reach_raw"),
    Metric("vcc2026_jaccard", "Jaccard index of the sets of significant genes",
           0, 1, "higher", nan, "cell-eval2, de_wilcoxon_sig_jaccard"),
    Metric("vcc2026_lfc_error", "Absolute error of log fold changes over their size",
           0, inf, "lower", 1, "cell-eval2, de_wilcoxon_lfc_nmae"),
    Metric("vcc2026_score", "Mean of six scores: 0 the baseline, 1 the replicate",
           -inf, inf, "higher", nan, "cell-eval2, competition rule 3"),
    Metric("vcc2026_revised", "Mean of six scores between -1 and 1, of means through one door",
           -1, 1, "higher", nan, "this book"),
)
# fmt: on

PRIMARY = {
    "double-perturbations": "l2",
    "single-perturbations": "l2_ratio",
    "embedding-transfer": "l2_ratio",
    "vcc2026": "vcc2026_score",
    "doubles": "l2",
    "unseen-perturbations": "l2",
    "perturbation-labels": "gene_auroc",
    "transfer": "l2",
    "interactions": "interaction_auroc_matched",
    "deep-models": "l2",
    "deep-models-at-home": "l2",
}
"""The metric that a task's verdicts are on, declared before models are compared."""
