"""The primary metric of each task, declared before models are compared on it.

A verdict on a model is on this metric. The others say why. Where scores were published, it is the
one that their authors put first.
"""

PRIMARY = {
    "batch-mixing": "ilisi_ratio",
    "linear-separability": "probe_top1",
    "consistency": "perturbation_consistency",
    "neighbourhood": "knn_top1",
    "known-relationships": "relationship_recall",
    "reconstruction": "reconstruction_spearman",
    "shared-controls": "effect_correlation",
    "interval-coverage": "interval_coverage",
    "double-perturbations": "l2",
    "single-perturbations": "l2_ratio",
    "embedding-transfer": "l2_ratio",
    "attribution": "feature_agreement_local",
    "lda-simulation": "informative_above_mean",
    "rank-overlap": "top_overlap",
    "retention": "retained_accuracy",
    "retraining": "retrained_accuracy",
    "hidden-kinds": "adjusted_rand_index",
}


def primary_metric(task: str) -> str:
    """Name of a task's primary metric, as in the column `metric` of scores.

    Raises
    ------
    ValueError
        No metric was declared for the task.
    """
    if task not in PRIMARY:
        raise ValueError(
            f"task {task!r} has no primary metric; declare it in helpers/tasks/primary.py before "
            f"models are compared (declared: {', '.join(PRIMARY)})"
        )
    return PRIMARY[task]
