"""What is said of what leaks from training to test."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import scores
from helpers.stats import cluster_means
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
"""Schemes as the page names them."""
STEPS = {
    "Analogues of a test drug": ("drugs", "analogues"),
    "Siblings of a test disease": ("diseases", "siblings"),
}
"""What is near, and the schemes that leave it in training and hold it out."""
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


def about_leak(table: pd.DataFrame, model: str, *, n_resamples: int) -> str:
    """What one model gains by what is near in training; rows of `leak_rows`.

    Two schemes are compared that differ in one step only, disease by disease.
    """
    own = table[table["model"] == model]
    wide = own.pivot_table("value", "cluster", "split").reindex(columns=HELD_OUT)
    told = []
    for near, (there, gone) in STEPS.items():
        both = wide[[there, gone]].dropna()
        if both.empty:
            told.append(f"{near}: no disease is ranked with and without.")
            continue
        gap = both[there] - both[gone]
        (one,) = cluster_means(
            gap.to_numpy(), gap.index, n_resamples=n_resamples, rng=np.random.default_rng(0)
        ).itertuples()
        head = f"It is undecided whether {near[0].lower()}{near[1:]} in training change"
        if one.low > 0:
            head = f"{near} in training raise"
        elif one.high < 0:
            head = f"{near} in training lower"
        told.append(
            f"{head} the AUROC of {model}: {both[there].mean():.3f} with them, "
            f"{both[gone].mean():.3f} without (means over {len(both)} diseases), a difference of "
            f"{with_interval(one.mean, one.low, one.high, 3)}."
        )
    return " ".join(told)


def about_ends(means: pd.DataFrame, model: str) -> str:
    """The first scheme, which is of another kind, and the last, against chance."""
    own = means[means["model"] == model].set_index("split")
    if not {"pairs", "both"} <= set(own.index):
        return f"Not every scheme has a ranking by {model}."
    first, last = (own.loc[split, ["mean", "low", "high"]] for split in ("pairs", "both"))
    side = "which is not told from chance"
    if last["low"] > 0.5:
        side = "which is above chance"
    elif last["high"] < 0.5:
        side = "which is below chance"
    return (
        f"With single pairs held out {model} has {with_interval(*first, 3)}: these pairs stay in "
        "the fit as pairs that do not treat, which lowers their scores. Where both sides are held "
        f"out with all that is near them, it has {with_interval(*last, 3)}, {side}."
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


def in_short(planted: pd.DataFrame, real: pd.DataFrame | None, *, n_resamples: int) -> str:
    """The answer of the page, from score rows."""
    if real is None:
        said = about_leak(planted, "bilinear ridge", n_resamples=n_resamples)
        return f"Simulated: {said} No real data set answers in this build."
    return about_leak(real, "bilinear ridge", n_resamples=n_resamples)


def hash_table(frozen: Sequence[Mapping]) -> pd.DataFrame:
    """One row a side that a split of `helpers.data.drug_matching.frozen.frozen_split` deals out."""
    return pd.DataFrame(
        [
            {"held out": HELD_OUT[one["scheme"]], "dealt out": what, "sha256": digest}
            for one in frozen
            for what, digest in one["sha256"].items()
        ]
    )
