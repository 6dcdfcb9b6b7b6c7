"""What is said of what leaks from training to test."""

from collections.abc import Mapping, Sequence

import pandas as pd

from helpers import scores
from helpers.summaries import group_means
from helpers.tasks.drug_matching.matching_report import PRIMARY, TASK
from helpers.tasks.findings import with_interval

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
    """Whether one model loses where all that is near is held out."""
    own = means[means["model"] == model].set_index("split")
    first, last = (own.loc[split, ["mean", "low", "high"]] for split in ("pairs", "both"))
    if last["high"] < first["low"]:
        head = f"What is near in training raises the score of {model}"
    elif first["high"] < last["low"]:
        head = f"What is near in training lowers the score of {model}"
    else:
        head = f"It is undecided whether what is near in training raises the score of {model}"
    mean = own["mean"]
    return (
        f"{head}: {with_interval(*first, 3)} on held-out pairs, {with_interval(*last, 3)} where "
        "both sides are held out with all that is near them. Holding out analogues changes the "
        f"mean of new drugs from {mean['drugs']:.3f} to {mean['analogues']:.3f}, holding out "
        f"siblings that of new diseases from {mean['diseases']:.3f} to {mean['siblings']:.3f}."
    )


def about_popularity(means: pd.DataFrame) -> str:
    """Popularity where a test drug has training pairs, and where not."""
    own = means[means["model"] == "popularity"].set_index("split")["mean"]
    known, none = own[["pairs", "diseases", "siblings"]], own[["drugs", "analogues", "both"]]
    return (
        f"Popularity has {_range(known)} where a test drug has training pairs, and {_range(none)} "
        "where it has none."
    )


def _range(values: pd.Series) -> str:
    ends = dict.fromkeys(f"{end:.3f}" for end in (values.min(), values.max()))
    return " to ".join(ends)


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
