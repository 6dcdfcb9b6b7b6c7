"""What is said of lists of indications, of failed trials, of later pairs, and of choices."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.summaries import group_means
from helpers.tasks.drug_matching.matching_report import PRIMARY, TASK
from helpers.tasks.findings import listed, with_interval

FLOORS = ("popularity", "mean |z|")


def list_rows(found: pd.DataFrame, *, dataset: str, by: str, seed: int) -> pd.DataFrame:
    """Rows of the score table; `by` is the column that becomes the split."""
    return scores.rows(
        task=TASK,
        dataset=dataset,
        split=found[by].astype(str),
        model=found["model"],
        params={"candidates": "all"},
        metric=PRIMARY,
        role=["floor" if model in FLOORS else "candidate" for model in found["model"]],
        unit_kind="disease",
        unit=found["disease"].astype(str),
        seed=seed,
        **found[["n", "value"]],
    )


def by_list_means(table: pd.DataFrame, *, n_resamples: int = 2000) -> pd.DataFrame:
    """Means over diseases with their intervals, by list (`split`) and model."""
    return group_means(table, ["split", "model"], n_resamples=n_resamples)


def about_lists(means: pd.DataFrame) -> str:
    """Whether lists give one answer: who leads by each, and by which reversal finds anything."""
    wide = means.pivot_table("mean", "split", "model")
    leaders, n = wide.idxmax(axis=1), len(wide)
    own = means[means["model"] == "reversal"].set_index("split").loc[wide.index]
    sides = {
        "above chance": own.index[own["low"] > 0.5],
        "below chance": own.index[own["high"] < 0.5],
        "not told from chance": own.index[~((own["low"] > 0.5) | (own["high"] < 0.5))],
    }
    sides = {side: names for side, names in sides.items() if len(names)}
    told = "; ".join(f"{name} {own.loc[name, 'mean']:.3f}" for name in wide.index)
    if len(set(leaders)) == len(sides) == 1:
        return (
            f"By each of {n} lists {leaders.iloc[0]} has the highest mean AUROC, and reversal is "
            f"{next(iter(sides))} ({told})."
        )
    first = "; ".join(f"{name}: {model}" for name, model in leaders.items())
    found = "; ".join(f"{side} by {listed(names)}" for side, names in sides.items())
    return (
        f"The lists do not all give one answer. The highest mean AUROC has, by list: {first}. "
        f"Reversal is {found} ({told})."
    )


def about_agreement(counts: pd.DataFrame) -> str:
    """How many pairs the lists share; the table of `labels.lists_table`."""
    names = [name for name in counts.index if ", failed" not in name]
    if len(names) < 2:
        return "There is one list only."
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    told = [
        f"{a} ({counts.loc[a, 'pairs']}) and {b} ({counts.loc[b, 'pairs']}) share "
        f"{counts.loc[a, b]}"
        for a, b in pairs
    ]
    return (
        f"Of their pairs, {'; '.join(told)}. A join by name loses synonyms, so that true agreement "
        "is higher."
    )


def about_failed(found: pd.DataFrame) -> str:
    """Whether reversal tells approved from failed pairs."""
    own = found[(found["model"] == "reversal") & (found["failures"] == "all")]
    if own.empty:
        return "No list here says what failed."
    (row,) = own.itertuples()
    says = (
        f"{row.n_approved} approved pairs against {row.n_failed} that failed, those of all "
        "diseases pooled: AUROC "
        f"{with_interval(row.value, row.low, row.high, 3)}"
    )
    if np.isnan(row.low) or row.low <= 0.5 <= row.high:
        return f"Undecided whether reversal tells success from failure: {says}."
    if row.low > 0.5:
        return f"Reversal ranks approved pairs above failed ones: {says}."
    return f"Reversal ranks failed pairs above approved ones: {says}."


def failed_by_popularity(found: pd.DataFrame) -> str:
    """Whether popularity tells approved from failed pairs."""
    own = found[(found["model"] == "popularity") & (found["failures"] == "all")]
    if own.empty:
        return ""
    (row,) = own.itertuples()
    says = f"AUROC {with_interval(row.value, row.low, row.high, 3)} on the same pairs"
    if np.isnan(row.low) or row.low <= 0.5 <= row.high:
        return f"Whether popularity tells them apart is undecided: {says}."
    side = (
        "approved pairs above failed ones" if row.low > 0.5 else "failed pairs above approved ones"
    )
    return f"Popularity ranks {side}: {says}."


def about_later(means: pd.DataFrame, n_new: int) -> str:
    """What foretells pairs of a later list; means by model."""
    if means.empty:
        return "No later list is here."
    own = means.set_index("model")
    said = {m: with_interval(*own.loc[m, ["mean", "low", "high"]], 3) for m in own.index}
    head = (
        "An earlier list foretells a later one by popularity"
        if own.loc["popularity", "low"] > 0.5
        else "It is undecided whether popularity foretells a later list"
    )
    tail = "reversal does" if own.loc["reversal", "low"] > 0.5 else "reversal is not shown to"
    return (
        f"{head}, with {said['popularity']}; {tail}, with {said['reversal']}, on {n_new} pairs "
        "that are new. This is a difference of lists, not of dates of approval."
    )


def plain(names):
    """Names of stops as the page has them; Series or Index of str."""
    return names.str.replace("not for money", "not for want of money or patients")


def settings(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over diseases of each way to make a query, the best first."""
    by = ["scorer", "n_genes", "cut"]
    found = table.groupby(by)["value"].agg(["mean", "count"]).reset_index()
    found = found.sort_values("mean", ascending=False, ignore_index=True)
    found["scorer"] = found["scorer"].replace({"wtcs": "WTCS", "cmap": "CMap 2006"})
    return found.set_axis(["scorer", "genes a side", "cut-off", "mean AUROC", "diseases"], axis=1)


def optimism(table: pd.DataFrame) -> tuple[float, float]:
    """Best mean of all ways, and what a choice on the *other* diseases gives for each disease.

    Returns
    -------
    best, nested : float
        Their difference is the optimism of reporting the best.
    """
    wide = table.pivot_table("value", ["scorer", "n_genes", "cut"], "disease").dropna(axis=1)
    best = wide.mean(axis=1).max()
    total = wide.sum(axis=1)
    nested = [wide.loc[(total - wide[d]).idxmax(), d] for d in wide.columns]
    return float(best), float(np.mean(nested))


def about_optimism(table: pd.DataFrame) -> str:
    """How much the best of many ways to make a query is worth on diseases that did not choose."""
    best, nested = optimism(table)
    values = settings(table)["mean AUROC"]
    return (
        f"{len(values)} ways to make a query give {values.min():.3f} to {values.max():.3f}. The "
        f"best has {best:.3f}; a way that is chosen on the other diseases has {nested:.3f}, a "
        f"difference of {nested - best:+.3f}."
    ).replace("-", "\N{MINUS SIGN}")


def in_short(means: pd.DataFrame | None, failed: pd.DataFrame | None) -> str:
    """The answer of the page."""
    if means is None or failed is None:
        return "No real data set answers in this build."
    return f"{about_lists(means)} {about_failed(failed)}"


def thinned_rows(found: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Rows of the score table from `thinned.thinned_lists`; the whole list counts once."""
    whole = found["missing"] == 0
    found = found[~whole | (found["how"] == found["how"].iloc[0])]
    how = found["how"].where(found["missing"] > 0, "whole list")
    return scores.rows(
        task=TASK,
        dataset="pure reversal, " + how,
        split="all",
        model=found["model"],
        params=[{"candidates": "all", "missing": float(share)} for share in found["missing"]],
        metric=PRIMARY,
        role=["floor" if model in FLOORS else "candidate" for model in found["model"]],
        unit_kind="disease",
        unit=found["disease"],
        seed=seed,
        **found[["n", "value"]],
    )


def about_thinned(means: pd.DataFrame) -> str:
    """What an incomplete list does to a score and to the floor."""
    value = means.set_index(["how", "model", "missing"])["mean"].sort_index()
    said = []
    for how in dict.fromkeys(means["how"]):
        for model in ("reversal", "popularity"):
            own = value[how, model]
            first, last = own.index.min(), own.index.max()
            said.append(f"from {own[first]:.2f} to {own[last]:.2f} ({model}, {how})")
    return (
        f"From the whole list to one without {means['missing'].max():.0%} of it, the mean AUROC "
        f"goes {listed(said)}."
    )
