"""What is said of networks inferred from simulated cells."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import scores
from helpers.metrics.discovery.network_facts import METRICS
from helpers.plots import page
from helpers.stats import mean_interval, mid_ranks
from helpers.summaries import draw_means
from helpers.tasks.departures import Departure
from helpers.tasks.discovery.networks import DUPLICATE, SETTINGS, TRUTHS

TASK, PRIMARY = "gene-networks", "direct_average_precision"
METHODS = tuple(m for m in SETTINGS if m != "random")
ROLES = {
    **dict.fromkeys(METHODS, "candidate"),
    **dict.fromkeys((*TRUTHS, DUPLICATE), "ceiling"),
    "random": "floor",
}
RANKED = (PRIMARY, "ancestral_average_precision", "mean_wasserstein", "false_omission_rate")
"""Metrics of a rank over all of them."""
WHOLE = "all interventions"

DEPARTURES = (
    Departure(
        "Paths of at most so many edges",
        "Each round joins reachable pairs to reachable pairs: the setting 3 reaches paths of 4",
        "Edges are joined one at a time",
        "bug",
        "More pairs count as connected than the setting says, so fewer can be omitted. Read in the "
        "code; a chain of six genes in our tests shows it.",
    ),
    Departure(
        "Unconnected pairs",
        "500 are drawn until there are enough: with a dense network the loop never ends",
        "All of them are judged; where there is none, the rate is not scored",
        "bug",
        "An uncut ranking connects every pair.",
    ),
    Departure(
        "An empty network",
        "The mean of no distances",
        "Not scored, and counted",
        "bug",
        "A method that finds nothing would break the table.",
    ),
    Departure(
        "Number of edges",
        "What each method returns, or its first 1,000",
        "The same for all: as many as were planted",
        "design choice",
        "The mean distance falls and the omission rate falls with every edge that is added.",
    ),
    Departure(
        "Cells",
        "80 % to infer from, 20 % to judge, each arm alike",
        "The fifth that judges is the same; the others are halved, for a duplicate",
        "design choice",
        "Mean Difference of other cells says how far these cells can go.",
    ),
    Departure(
        "Filter of genes and cells",
        "Strong perturbations, and cells with a low count of the target",
        "Not used: every simulated perturbation holds",
        "design choice",
        "What it does to cells that escaped, and to controls, stands on the page of real cells.",
    ),
    Departure(
        "Several tests",
        "p < 0.05 for each pair",
        "The same, and Benjamini-Hochberg over all pairs beside it",
        "design choice",
        "One pair in twenty is called where nothing is there.",
    ),
    Departure(
        "GuanLab: gain of a split",
        "LightGBM asks for 0.01 at least",
        "scikit-learn has no such setting; all others are the same",
        "design choice",
        "No further package is needed.",
    ),
    Departure(
        "GIES",
        "Walks through classes of networks that no intervention tells apart (package gies)",
        "Walks through single networks, with the same score and moves, in blocks of 20 genes",
        "design choice",
        "Short enough to be read here. It is called GIES-like.",
    ),
    Departure(
        "NOTEARS: when it stops",
        "Circles below 1e-8",
        "Circles below 1e-4, at most 100 steps a round",
        "design choice",
        "On one draw the average precision moves by less than 0.01, in a tenth of the time.",
    ),
    Departure(
        "inspre",
        "Total effects move within their errors while they are inverted",
        "They are taken as measured; the penalty is chosen on the other half of the cells",
        "design choice",
        "A sparse inverse in twenty lines. Genes that their own perturbation did not change are "
        "left out.",
    ),
)


def score_rows(asked: Mapping[tuple, pd.DataFrame]) -> pd.DataFrame:
    """Rows of the score table, from results of `judged` by (kind, method, seed, split)."""
    parts = []
    for (kind, model, seed, split), found in asked.items():
        role = ROLES.get(model, "candidate")
        parts.append(
            scores.rows(
                task=TASK,
                dataset=f"simulated, {kind}",
                split=split,
                model=model,
                post=found["post"].to_numpy(),
                metric=found["metric"].to_numpy(),
                role=np.where(found["post"] == "as predicted", role, "floor"),
                unit_kind="network",
                unit=f"draw {seed}",
                seed=seed,
                n=found["n"].to_numpy(),
                value=found["value"].to_numpy(),
            )
        )
    return pd.concat(parts, ignore_index=True)


def of(
    table: pd.DataFrame,
    metric: str,
    *,
    kind: str = "",
    post: str = "as predicted",
    split: str = WHOLE,
) -> pd.DataFrame:
    """Rows of one metric and split; of one kind of network if it is named."""
    own = table[(table["metric"] == metric) & (table["post"] == post)]
    own = own[(own["split"] == split) & (own["task"] == TASK)]
    return own[own["dataset"] == f"simulated, {kind}"] if kind else own


def over_draws(table: pd.DataFrame, by=("dataset", "model")) -> pd.DataFrame:
    """Means over draws with their intervals, of rows of `of`; with the column `role`."""
    return draw_means(table, ["metric", *by, "role"], metrics=METRICS)


def gaps(
    table: pd.DataFrame,
    metric: str,
    reference: str,
    *,
    kind: str,
    split: str = WHOLE,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """How much better each model is than a reference, over draws of one kind.

    Returns
    -------
    DataFrame indexed by model
        `mean`, `low`, `high` (t distribution, NaN for one draw), `n_draws`: differences of draws,
        above 0 where the model is better.
    """
    sign = 1 if METRICS[metric].better == "higher" else -1
    wide = of(table, metric, kind=kind, split=split).pivot_table("value", "unit", "model")
    rows = {}
    for model in wide.columns.drop(reference):
        own = (sign * (wide[model] - wide[reference])).dropna()
        known = len(own) > 1
        ends = mean_interval(own, confidence=confidence) if known else (np.nan, np.nan)
        rows[model] = [own.mean(), *ends, len(own)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "low", "high", "n_draws"])


def left_out(values: pd.DataFrame, better: Mapping[str, str]) -> pd.DataFrame:
    """How the order of mean ranks moves when one method is left out.

    Parameters
    ----------
    values : DataFrame of shape (n_metrics, n_methods)
        Its index, or the first level of it, names the metric. A method without a value has no rank
        there.
    better : mapping
        Of metric to "higher" or "lower".

    Returns
    -------
    DataFrame
        `left out` ("none" first), `order` (best first, methods that tie in one place), `first`,
        `turned` (pairs of the others whose order is another than with all methods).
    """

    def mean_rank(table):
        ranks = np.full(table.shape, np.nan)
        for place, (key, row) in enumerate(table.iterrows()):
            own = row.notna().to_numpy()
            metric = key[0] if isinstance(key, tuple) else key
            if own.any():
                ranks[place, own] = mid_ranks(row.to_numpy(float)[own], better=better[metric])
        return pd.DataFrame(ranks, columns=table.columns).mean()

    whole, rows = mean_rank(values), []
    for gone in [None, *values.columns]:
        own = mean_rank(values.drop(columns=gone)) if gone is not None else whole
        before, now = whole[own.index].to_numpy(), own.to_numpy()
        turned = np.sign(np.subtract.outer(before, before).round(9))
        turned = (turned != np.sign(np.subtract.outer(now, now).round(9))).sum() // 2
        order = ", ".join(own.sort_values(kind="stable").index)
        rows.append([gone or "none", order, own.idxmin(), int(turned)])
    return pd.DataFrame(rows, columns=["left out", "order", "first", "turned"])


def left_out_by_draw(table: pd.DataFrame) -> pd.DataFrame:
    """`left_out` of each draw on its own, over the draws that all kinds have.

    Returns
    -------
    DataFrame
        `left out`, `turned` (mean over draws), `low`, `high` (t distribution, at least 0; NaN for
        one draw), `first stays` (share of draws in which the first place does, or falls to the
        second where the first is left out).
    """
    better = {metric: METRICS[metric].better for metric in RANKED}
    own = pd.concat([of(table, metric) for metric in RANKED])
    kinds, parts = own["dataset"].nunique(), []
    for unit, drawn in own.groupby("unit", sort=False):
        if drawn["dataset"].nunique() < kinds:
            continue
        found = left_out(ranked_values(drawn), better)
        whole = found["order"].iloc[0].split(", ")
        expected = np.where(found["left out"] == whole[0], whole[1], whole[0])
        parts.append(found.assign(unit=unit, stays=found["first"] == expected))
    rows = []
    for gone, drawn in pd.concat(parts).groupby("left out", sort=False):
        turned = drawn["turned"].astype(float)
        ends = mean_interval(turned) if len(turned) > 1 else (np.nan, np.nan)
        rows.append([gone, turned.mean(), max(ends[0], 0.0), ends[1], drawn["stays"].mean()])
    return pd.DataFrame(rows, columns=["left out", "turned", "low", "high", "first stays"])


def with_draws(found: pd.DataFrame, drawn: pd.DataFrame) -> pd.DataFrame:
    """`left_out` with what turns round within single draws, of `left_out_by_draw`, as text."""
    said = drawn.set_index("left out")[["turned", "low", "high"]]
    said = said.apply(lambda row: as_text(*row, 1), axis=1)
    return found.assign(**{"turned, in a draw": found["left out"].map(said)})


def floor_gains(table: pd.DataFrame, *, kind: str = "linear") -> pd.DataFrame:
    """Distance of each method's edges beyond its own floors, paired over draws.

    Returns
    -------
    DataFrame
        `model`, `floor` ("same parents": random children; "rewired": as many parents and children
        of each gene), `own` (mean distance as predicted), `mean`, `low`, `high` of the difference.
    """
    wide = {
        post: of(table, "mean_wasserstein", kind=kind, post=post).pivot_table(
            "value", "unit", "model", sort=False
        )
        for post in ("as predicted", "same parents", "rewired")
    }
    rows = []
    for floor in ("same parents", "rewired"):
        for model in wide["as predicted"].columns:
            gap = (wide["as predicted"][model] - wide[floor][model]).dropna()
            ends = mean_interval(gap) if len(gap) > 1 else (np.nan, np.nan)
            rows.append([model, floor, wide["as predicted"][model].mean(), gap.mean(), *ends])
    return pd.DataFrame(rows, columns=["model", "floor", "own", "mean", "low", "high"])


def as_text(mean: float, low: float, high: float, digits: int = 2) -> str:
    """A value and its interval, if it has one, for the cell of a table."""
    if np.isnan([low, high]).any():
        return number(mean, digits)
    return f"{number(mean, digits)} ({number(low, digits)} to {number(high, digits)})"


def floor_table(found: pd.DataFrame) -> pd.DataFrame:
    """`floor_gains` with a row a method, intervals as text."""
    said = found[["mean", "low", "high"]].apply(lambda row: as_text(*row), axis=1)
    wide = found.assign(said=said).pivot_table("said", "model", "floor", aggfunc="first")
    return wide.loc[found["model"].unique()].rename_axis(columns=None).reset_index()


def share_gains(table: pd.DataFrame) -> pd.DataFrame:
    """What the largest share of interventions adds to the smallest, paired over draws.

    Parameters
    ----------
    table : DataFrame
        Rows of one metric with a column `share`.

    Returns
    -------
    DataFrame indexed by model
        `from`, `to` (shares), `first`, `last` (means), `mean`, `low`, `high` of the difference;
        models with one share are left out.
    """
    rows = {}
    for model, own in table.dropna(subset="value").groupby("model", sort=False):
        wide = own.pivot_table("value", "unit", "share").dropna()
        if wide.shape[1] < 2 or wide.empty:
            continue
        first, last = wide.iloc[:, 0], wide.iloc[:, -1]
        gap = last - first
        ends = mean_interval(gap) if len(gap) > 1 else (np.nan, np.nan)
        few, many = wide.columns[[0, -1]]
        rows[model] = [few, many, first.mean(), last.mean(), gap.mean(), *ends]
    columns = ["from", "to", "first", "last", "mean", "low", "high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def ranked_values(table: pd.DataFrame) -> pd.DataFrame:
    """Means of `RANKED` metrics of each kind of network, (metric, kind) x methods."""
    means = over_draws(pd.concat([of(table, metric) for metric in RANKED]))
    means = means[means["model"].isin(METHODS)]
    wide = means.pivot_table("mean", ["metric", "dataset"], "model")
    return wide[[m for m in METHODS if m in wide]]


def number(value: float, digits: int = 2) -> str:
    """A value in words, by default with two decimals."""
    return page.number(value, digits)


def best(means: pd.DataFrame) -> pd.Series:
    """The best method of a table of means of one metric and kind: its row."""
    own = means[means["model"].isin(METHODS)].dropna(subset="mean")
    higher = METRICS[own["metric"].iloc[0]].better == "higher"
    return own.sort_values("mean", ascending=not higher, kind="stable").iloc[0]


def kind_of(dataset: str) -> str:
    """Kind of network in the name of a data set."""
    return dataset.removeprefix("simulated, ")


def lead(table: pd.DataFrame, metric: str, kind: str) -> tuple[str, str, float, tuple | None]:
    """The best method of a kind, the second, the mean of the best, and the interval of its lead.

    The interval is of the paired difference over draws; None for one draw.
    """
    means = over_draws(of(table, metric, kind=kind), ("model",))
    first = best(means)
    second = best(means[means["model"] != first["model"]])["model"]
    row = gaps(table, metric, second, kind=kind).loc[first["model"]]
    ends = None if np.isnan(row["low"]) else (row["low"], row["high"])
    return first["model"], second, first["mean"], ends


def kinds_of(table: pd.DataFrame) -> list[str]:
    """Kinds of network that were scored, in their order."""
    return list(dict.fromkeys(map(kind_of, of(table, PRIMARY)["dataset"])))
