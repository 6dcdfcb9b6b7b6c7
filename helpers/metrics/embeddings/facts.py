"""What is known of each metric of embeddings: range, direction, chance, source."""

from math import inf, nan

from helpers.metrics.facts import Metric, by_name

# fmt: off
METRICS = by_name(
    # name, title, low, high, better, chance, source
    Metric("ilisi", "Batches in a neighbourhood, in effect (iLISI)",
           1, inf, "higher", nan, "Korsunsky et al. 2019; Bendidi et al. 2024, section 3.1"),
    Metric("ilisi_ratio", "iLISI over that of permuted batch labels",
           0, inf, "higher", 1, "after Bendidi et al. 2024, section 3.1"),
    Metric("probe_top1", "Cells whose perturbation a probe names",
           0, 1, "higher", nan, "Bendidi et al. 2024, section 3.2"),
    Metric("probe_top5", "Cells whose perturbation is among a probe's first five",
           0, 1, "higher", nan, "Bendidi et al. 2024, section 3.2"),
    Metric("guide_accuracy_excess", "Guides told apart within a target, above chance",
           -1, 1, "lower", 0, "this book, embeddings/what-a-probe-reads"),
    Metric("knn_top1", "Cells whose perturbation has most votes of neighbours",
           0, 1, "higher", nan, "Bendidi et al. 2024, section 3.4"),
    Metric("knn_top5", "Cells whose perturbation is among the five with most votes",
           0, 1, "higher", nan, "Bendidi et al. 2024, section 3.4"),
    Metric("knn_rank", "Rank of a cell's perturbation by votes of neighbours (median)",
           1, inf, "lower", nan, "this book, embeddings/neighbourhood"),
    Metric("average_precision", "Mean average precision across batches",
           0, 1, "higher", nan, "Kalinin et al. 2025"),
    Metric("perturbation_consistency", "Perturbation consistency (mean cosine)",
           -1, 1, "higher", 0, "Celik et al. 2024; Bendidi et al. 2024, section 3.3"),
    Metric("consistency_p_value", "p-value of perturbation consistency",
           0, 1, "lower", 0.5, "Bendidi et al. 2024, section 3.3; Phipson & Smyth 2010"),
    Metric("share_consistent", "Share of perturbations that are consistent",
           0, 1, "higher", 0.05, "Bendidi et al. 2024, table 2"),
    Metric("relationship_recall", "Recall of known relationships (both tails)",
           0, 1, "higher", 0.1, "Celik et al. 2024; Bendidi et al. 2024, section 3.5"),
    Metric("gene_recall", "Share of a gene's known partners that is recalled",
           0, 1, "higher", 0.1, "this book, embeddings/known-relationships"),
    Metric("reconstruction_spearman",
           "Spearman correlation of decoded and observed expression, by gene",
           -1, 1, "higher", 0, "Bendidi et al. 2024, section 3.6"),
    Metric("structural_integrity", "Structural Integrity of a batch's cells",
           -inf, 1, "higher", 0.5, "Bendidi et al. 2024, section 3.6 and appendix B.3"),
    Metric("structural_integrity_overall", "Structural Integrity, as a protocol sums it up",
           -inf, 1, "higher", 0.5, "Bendidi et al. 2024, section 3.6 and appendix B.3"),
    Metric("profile_integrity", "Structural Integrity of mean profiles of perturbations",
           -inf, 1, "higher", 0.5, "this book, embeddings/reconstruction"),
)
# fmt: on

PRIMARY = {
    "batch-mixing": "ilisi_ratio",
    "linear-separability": "probe_top1",
    "consistency": "perturbation_consistency",
    "neighbourhood": "knn_top1",
    "known-relationships": "relationship_recall",
    "reconstruction": "reconstruction_spearman",
}
"""The metric that a task's verdicts are on, declared before models are compared."""
