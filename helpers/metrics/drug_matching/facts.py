"""What is known of each metric of drug matching: range, direction, chance, source."""

from math import inf, nan

from helpers.metrics.facts import Metric, by_name

_IR = "Manning, Raghavan & Schütze 2008, Introduction to Information Retrieval, chapter 8"
_HERE = "this book, drug-matching/matching"

# fmt: off
METRICS = by_name(
    # name, title, low, high, better, chance, source
    Metric("within_disease_auroc", "AUROC of a disease's drugs against the other candidates",
           0, 1, "higher", 0.5, "Hanley & McNeil 1982"),
    Metric("pooled_auroc", "AUROC of all pairs of all diseases at once",
           0, 1, "higher", 0.5, "Himmelstein et al. 2017"),
    Metric("degree_matched_auroc",
           "AUROC against candidates that treat as many other diseases",
           0, 1, "higher", 0.5, _HERE),
    Metric("retrieval_map", "Average precision of a disease's drugs", 0, 1, "higher", nan, _IR),
    Metric("average_precision_1to1", "The same ranking, as many negatives as positives",
           0, 1, "higher", nan, _HERE),
    Metric("reciprocal_rank", "One over the place of the first drug that treats",
           0, 1, "higher", nan, _IR),
    Metric("precision_at_10", "Drugs that treat among the first 10", 0, 1, "higher", nan, _IR),
    Metric("recall_at_50", "Drugs that treat found among the first 50", 0, 1, "higher", nan, _IR),
    Metric("hits_at_10", "Diseases with a drug that treats among the first 10",
           0, 1, "higher", nan, _IR),
    Metric("ndcg_at_50", "Discounted gain of the first 50",
           0, 1, "higher", nan, "Järvelin & Kekäläinen 2002"),
    Metric("enrichment_at_10", "Precision of the first 10 over that of chance",
           0, inf, "higher", 1, _IR),
    Metric("retrieval_auroc", "AUROC of signatures of the same compound, mechanism or target",
           0, 1, "higher", 0.5, "this book, drug-matching/mechanism"),
    Metric("planted_gene_auroc", "AUROC of planted genes by the size of their attribution",
           0, 1, "higher", 0.5, "this book, drug-matching/why-this-drug"),
    Metric("planted_pairs_found", "Share of the best pairs of genes that are planted",
           0, 1, "higher", nan, "this book, drug-matching/why-this-drug"),
)
# fmt: on

PRIMARY = {
    "drug-disease-matching": "within_disease_auroc",
    "drug-disease-explanation": "planted_pairs_found",
    "signature-retrieval": "retrieval_auroc",
}
"""The metric that a task's verdicts are on, declared before models are compared."""
