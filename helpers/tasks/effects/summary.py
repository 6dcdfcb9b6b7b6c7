"""The tasks of the tier side by side: standings, agreement of metrics, strata of effects."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.metrics.effects.facts import METRICS, PRIMARY
from helpers.tasks.effects.held_out_report import EFFECT_SIZE, SHOWN, against, chosen
from helpers.tasks.findings import listed, subject
from helpers.tasks.prediction_panel import DUPLICATE
from helpers.tasks.requirements import CannotAnswer

TASKS = ("doubles", "unseen-perturbations", "transfer", "interactions", "deep-models")
"""Tasks of the tier in the order of its pages; one that left no scores is left out."""


def simulated(tables: Mapping[str, pd.DataFrame], task: str) -> pd.DataFrame:
    """Rows of a task on simulated screens, from the scores of its page; empty if there are none."""
    rows = tables.get(f"effects/{task}")
    if rows is None:
        return pd.DataFrame(columns=["dataset", "metric", "model", "role", "value", "post"])
    return rows[(rows["task"] == task) & rows["dataset"].str.startswith("simulated")]


def standings(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Where models stand between the best floor (0) and a technical duplicate (1).

    Returns
    -------
    DataFrame
        `task`, `world`, `model`, `role`, `mean` of the task's primary metric, `standing`,
        `n_units`. NaN where floor and ceiling are the same, or one is not scored.

    Raises
    ------
    CannotAnswer
        No task left scores of a simulated screen.
    """
    found = []
    for task in TASKS:
        rows = simulated(tables, task)
        metric = PRIMARY.get(task, "l2")
        rows = chosen(rows, metric) if len(rows) else rows
        sign = 1 if METRICS[metric].better == "higher" else -1
        for dataset, own in rows.groupby("dataset", sort=False):
            means = own.groupby(["model", "role"], sort=False)["value"].agg(["mean", "count"])
            means = means.reset_index()
            floors = sign * means.loc[means["role"] == "floor", "mean"]
            top = sign * means.loc[means["model"] == DUPLICATE, "mean"]
            floor, top = floors.max(), top.max() if len(top) else np.nan
            span = top - floor if top > floor else np.nan
            found.append(
                means.assign(
                    task=task,
                    world=dataset.removeprefix("simulated: "),
                    standing=(sign * means["mean"] - floor) / span,
                ).rename(columns={"count": "n_units"})
            )
    if not found:
        raise CannotAnswer("no task of the tier left scores of a simulated screen")
    columns = ["task", "world", "model", "role", "mean", "standing", "n_units"]
    return pd.concat(found, ignore_index=True)[columns]


def agreement(rows: pd.DataFrame, metrics=SHOWN) -> pd.DataFrame:
    """How alike two metrics rank models: Kendall's tau-b, mean over data sets.

    Parameters
    ----------
    rows : DataFrame
        Score table of one task; the ceiling takes no part.
    metrics : sequence of str

    Returns
    -------
    DataFrame of shape (n_metrics, n_metrics), in [-1, 1]
        Each metric in its better direction. NaN where fewer than three models have both.
    """
    from scipy.stats import kendalltau

    own = rows[(rows["post"] == "raw") & (rows["role"] != "ceiling")]
    taus = {(a, b): [] for a in metrics for b in metrics}
    for _, table in own.groupby("dataset", sort=False):
        means = table.pivot_table("value", "model", "metric")
        for a, b in taus:
            if a not in means or b not in means:
                continue
            both = means[[a, b]].dropna() if a != b else means[[a]].dropna()
            if len(both) < 3:
                continue
            sign = [1 if METRICS[m].better == "higher" else -1 for m in (a, b)]
            tau = kendalltau(sign[0] * both[a], sign[1] * both[b]).statistic
            taus[a, b].append(tau)
    values = [[np.mean(taus[a, b]) if taus[a, b] else np.nan for b in metrics] for a in metrics]
    return pd.DataFrame(values, index=list(metrics), columns=list(metrics))


def agreement_said(table: pd.DataFrame) -> str:
    """How far metrics agree on the order of models."""
    upper = table.where(np.triu(np.ones(table.shape, dtype=bool), k=1))
    pairs = upper.stack().dropna()  # noqa: PD013
    if pairs.empty:
        return "Too few models have two metrics in common."
    low, high = pairs.idxmin(), pairs.idxmax()
    names = {"low": f"{low[0]} and {low[1]}", "high": f"{high[0]} and {high[1]}"}
    text = (
        f"Orders of models by two metrics agree by {pairs.median():.2f} (median of "
        f"Kendall's tau), most for {names['high']} ({pairs.max():.2f}) and least for "
        f"{names['low']} ({pairs.min():.2f})."
    )
    return text.replace("_", " ").replace("-", "\N{MINUS SIGN}")


def depends_said(agreed: Mapping[str, pd.DataFrame]) -> str:
    """How far the order of models depends on the metric, of `agreement` by task."""
    middle = {}
    for task, table in agreed.items():
        upper = table.where(np.triu(np.ones(table.shape, dtype=bool), k=1)).stack()  # noqa: PD013
        if upper.notna().any():
            middle[task.replace("-", " ")] = upper.median()
    if not middle:
        return "Whether the order of models depends on the metric cannot be said."
    each = listed(f"{tau:.2f} ({task})" for task, tau in middle.items())
    text = f"Two metrics of a task order models with a median Kendall's tau of {each}"
    return f"{text}, where 1 is the same order.".replace("-", "\N{MINUS SIGN}")


def by_effect(rows: pd.DataFrame, *, metric: str = "l2", floor: str) -> pd.DataFrame:
    """Mean score over that of a floor, by the size of the effect.

    Parameters
    ----------
    rows : DataFrame
        Score table of one task, with the metric `effect_third`.
    metric : str
        An error.
    floor : str
        The model that scores are divided by.

    Returns
    -------
    DataFrame
        `model`, `role`, `worlds` (data sets in which it is scored), `weak`, `middle`, `strong`;
        mean over these data sets of the ratio of means.
    """
    third = rows[rows["metric"] == "effect_third"]
    keys = ["dataset", "unit", "seed"]
    third = third.drop_duplicates(keys).set_index(keys)["value"]
    own = rows[(rows["metric"] == metric) & (rows["post"] == "raw")]
    names = {v: k for k, v in EFFECT_SIZE.items()}
    own = own.assign(effect=third.reindex(pd.MultiIndex.from_frame(own[keys])).to_numpy())
    own = own.assign(effect=own["effect"].map(names))
    means = own.pivot_table("value", ["dataset", "model"], "effect")
    if floor not in means.index.get_level_values("model"):
        raise CannotAnswer(f"{floor} was not scored")
    ratio = means / means.xs(floor, level="model")
    by_model = ratio.groupby(level="model", sort=False)
    ratio = by_model.mean().reindex(columns=list(EFFECT_SIZE))
    ratio.insert(0, "worlds", by_model.size())
    ratio = ratio.reset_index().rename_axis(columns=None)
    ratio.insert(1, "role", ratio["model"].map(own.groupby("model")["role"].first()))
    return ratio


def effect_said(table: pd.DataFrame, floor: str) -> str:
    """Whether models gain on the floor where effects are strong."""
    own = table[(table["model"] != floor) & (table["role"] != "ceiling")]
    own = own.dropna(subset=["weak", "strong"])
    if own.empty:
        return "Effects of different size cannot be told apart here."
    gain = own[(own["strong"] < own["weak"])]
    best, n = own.loc[own["strong"].idxmin()], table["worlds"].max()
    where = f" (scored in {best['worlds']} of {n} worlds)" if best["worlds"] < n else ""
    return (
        f"Relative to {floor}, {len(gain)} of {len(own)} models have a smaller mean error on "
        f"strong effects than on weak ones; {subject(best['model'])} goes from {best['weak']:.2f} "
        f"to {best['strong']:.2f}{where}."
    )


def leaders(table: pd.DataFrame) -> pd.DataFrame:
    """Best candidate of each task and world: `task`, `world`, `best`, `standing`, `next`."""
    own = table[(table["role"] == "candidate") & table["mean"].notna()]
    rows = []
    for (task, world), each in own.groupby(["task", "world"], sort=False):
        better = METRICS[PRIMARY.get(task, "l2")].better
        each = each.sort_values("mean", ascending=better == "lower", kind="stable")
        second = each["model"].iloc[1] if len(each) > 1 else ""
        first = each.iloc[0]
        rows.append([task, world, first["model"], first["standing"], second])
    return pd.DataFrame(rows, columns=["task", "world", "best", "standing", "next"])


def beside_next(
    leading: pd.DataFrame, tables: Mapping[str, pd.DataFrame], *, seed: int, n_resamples: int
) -> pd.DataFrame:
    """`leaders` with the verdict on the best model against the next one; empty without one."""
    verdicts = []
    for row in leading.itertuples():
        metric = PRIMARY.get(row.task, "l2")
        rows = chosen(simulated(tables, row.task), metric)
        names = {row.best, row.next, "no change", DUPLICATE}
        own = rows[(rows["dataset"] == f"simulated: {row.world}") & rows["model"].isin(names)]
        verdict = ""
        if row.next:
            pairs = against(own, row.next, metric=metric, seed=seed, n_resamples=n_resamples)
            verdict = pairs.set_index("model").loc[row.best, "verdict"]
        verdicts.append("cannot say" if verdict == "cannot" else verdict)
    return leading.assign(verdict=verdicts)


def leaders_said(table: pd.DataFrame) -> str:
    """Who leads, whether for certain, and where nobody is above the floor; of `beside_next`."""
    if table.empty:
        return "No model was scored on a simulated screen."
    above = table[table["standing"] > 0]
    counts = above["best"].value_counts()
    counts = counts[sorted(counts.index, key=lambda name: (-counts[name], name))]
    none = table[table["standing"] <= 0]
    said = []
    if len(above):
        each = "; ".join(f"{name} in {n}" for name, n in counts.items())
        worlds = "world" if len(table) == 1 else "worlds"
        head = f"No one model leads: of {len(table)}" if len(counts) > 1 else f"Of {len(table)}"
        said.append(f"{head} {worlds}, the best mean is that of {each}.")
        certain = int((above["verdict"] == "better").sum())
        said.append(
            f"In {certain} of these {len(above)} the best model is shown to be better than the "
            "next."
        )
    if len(none):
        where = "; ".join(f"{r.task}: {r.world}" for r in none.itertuples())
        said.append(f"In {len(none)} no model has a better mean than the floors ({where}).")
    if unknown := int(table["standing"].isna().sum()):
        said.append(f"Not counted, for want of a floor below a ceiling: {unknown}.")
    return " ".join(said)
