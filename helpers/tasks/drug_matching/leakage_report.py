"""What is said of what leaks from training to test."""

from collections.abc import Mapping, Sequence

import pandas as pd

from helpers import scores
from helpers.summaries import group_means
from helpers.tasks.drug_matching.matching_report import PRIMARY, TASK

HELD_OUT = {
    "pairs": "single pairs",
    "drugs": "drugs",
    "analogues": "drugs with analogues",
    "diseases": "diseases",
    "siblings": "diseases with siblings",
    "both": "both, with analogues and siblings",
}
"""Schemes as the page names them, from what leaks most to what leaks least."""
ROLES = {"popularity": "floor", "random": "floor"}


def leak_rows(asked: Mapping[tuple, pd.DataFrame], *, dataset: str, seed: int) -> pd.DataFrame:
    """Rows of the score table, from metrics by (scheme, model); primary metric only.

    A disease that several folds rank is a unit in each; the disease is the cluster.
    """
    parts = []
    for (scheme, model), found in asked.items():
        own = found[found["metric"] == PRIMARY]
        times = own.groupby("disease").cumcount()
        parts.append(
            scores.rows(
                task=TASK,
                dataset=dataset,
                split=scheme,
                model=model,
                params={"candidates": "held out"},
                metric=PRIMARY,
                role=ROLES.get(model, "candidate"),
                unit_kind="disease",
                unit=[f"{d}, fold {t}" for d, t in zip(own["disease"], times, strict=True)],
                cluster=own["disease"].astype(str),
                seed=seed,
                **own[["n", "value"]],
            )
        )
    return pd.concat(parts, ignore_index=True)


def means_of(table: pd.DataFrame, *, n_resamples: int) -> pd.DataFrame:
    """Means by scheme and model with intervals over diseases; `held_out` names the scheme."""
    found = group_means(table, ["split", "model"], n_resamples=n_resamples)
    return found.assign(held_out=found["split"].map(HELD_OUT))


def about_leak(means: pd.DataFrame, model: str) -> str:
    """How much one model loses as more is held out."""
    own = means[means["model"] == model].set_index("split")["mean"]
    first, last = own["pairs"], own["both"]
    largest, drop = max(
        (
            ("analogues of a drug", own["drugs"] - own["analogues"]),
            ("siblings of a disease", own["diseases"] - own["siblings"]),
        ),
        key=lambda one: one[1],
    )
    says = (
        f"{model} has {first:.3f} on held-out pairs and {last:.3f} where both sides are held out "
        "with all that is near them"
    )
    if first - last < 0.02:
        return f"Nothing leaks that this model uses: {says}."
    if drop < 0.02:
        return f"The split decides the score: {says}; analogues and siblings add little to that."
    return f"The split decides the score: {says}; holding out {largest} costs {drop:.3f}."


def about_popularity(means: pd.DataFrame) -> str:
    """Whether the split lets a model live on popularity."""
    own = means[means["model"] == "popularity"].set_index("split")["mean"]
    drugs = max(own["drugs"], own["analogues"], own["both"])
    alive = own[["pairs", "diseases", "siblings"]].min()
    if alive > drugs + 0.02:
        return (
            f"Popularity has {alive:.3f} or more wherever a test drug has training pairs, and at "
            f"most {drugs:.3f} where it has none: a split by disease lets every model learn it."
        )
    return (
        f"Popularity gains nothing from training pairs of a drug here ({alive:.3f} with them, "
        f"{drugs:.3f} without)."
    )


def in_short(planted: pd.DataFrame, real: pd.DataFrame | None) -> str:
    """The answer of the page."""
    head = f"Simulated: {about_leak(planted, 'bilinear ridge')}"
    if real is None:
        return f"{head} No real data set answers in this build."
    return f"{about_leak(real, 'bilinear ridge')} {about_popularity(real)}"


def hash_table(frozen: Sequence[Mapping]) -> pd.DataFrame:
    """One row a side that a split of `helpers.data.drug_matching.frozen.frozen_split` deals out."""
    return pd.DataFrame(
        [
            {"held out": HELD_OUT[one["scheme"]], "dealt out": what, "sha256": digest}
            for one in frozen
            for what, digest in one["sha256"].items()
        ]
    )
