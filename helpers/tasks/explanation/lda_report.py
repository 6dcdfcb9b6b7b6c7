"""What is said of the LDA simulator: the published settings, and scores of single samples."""

import pandas as pd

from helpers import scores
from helpers.data.explanation.lda_settings import SETTINGS
from helpers.tasks.findings import with_interval

TASK = "lda-simulation"


def settings() -> pd.DataFrame:
    """The published data sets by name: classes, genes, groups, informative genes and chance."""
    rows = []
    for name in ("SIMU1", "SIMU2", "SimuA", "SimuB", "SimuC"):
        knobs = SETTINGS[name]
        class_of = knobs.get("class_of") or range(len(knobs["n_per_kind"]))
        hidden = sum(c == class_of[0] for c in class_of)
        others = len(class_of) - hidden if len(set(class_of)) == 2 else 0
        n_groups, n_genes = knobs["groups_per_kind"] * (1 + others), knobs["n_genes"]
        disjoint = knobs.get("design", "disjoint") == "disjoint"
        # Where groups share genes, the expected number of different genes, in fives.
        unique = 5 * round(n_genes * (1 - (1 - 10 / n_genes) ** n_groups) / 5)
        rows.append(
            {
                "data set": name,
                "classes": len(set(class_of)),
                "kinds in the first class": hidden,
                "samples": sum(knobs["n_per_kind"]),
                "genes": n_genes,
                "groups": knobs["n_groups"],
                "groups share genes": not disjoint,
                "informative genes": 10 * n_groups if disjoint else unique,
            }
        )
    return pd.DataFrame(rows)


def in_short(shown: pd.DataFrame) -> str:
    """How much of the planted truth of its class a single sample shows, design by design.

    Parameters
    ----------
    shown : DataFrame
        `dataset`, `mean`, `low`, `high`: of the share of informative genes.
    """
    known = shown[shown["mean"].notna()]
    if known.empty:
        return "How much of the truth a single sample shows was not scored."
    said = "; ".join(
        f"{with_interval(100 * mean, 100 * low, 100 * high, 1).replace(' (', ' % (', 1)} with "
        f"{dataset.removeprefix('simulated, ')}"
        for dataset, mean, low, high in known[["dataset", "mean", "low", "high"]].itertuples(
            index=False
        )
    )
    said = f"Of the informative genes of its class, a single sample shows {said}"
    if known["low"].isna().any():
        return f"{said}: too few samples to say whether an explanation of one could find all."
    if (known["high"] < 1).all():
        return (
            f"{said}. So an explanation of one that takes each gene in its planted direction "
            "cannot find all."
        )
    return f"{said}. That a sample shows all of them is not excluded in each design."


def score_rows(shown: pd.DataFrame, *, dataset: str, seed: int) -> pd.DataFrame:
    """Result of `shown_by_a_sample` as rows of the score table."""
    return scores.rows(
        task=TASK,
        dataset=dataset,
        split="published",
        model="planted truth",
        metric="informative_above_mean",
        role="ceiling",
        unit_kind="sample",
        unit=shown["sample"],
        seed=seed,
        n=shown["n"],
        value=shown["share"],
    )
