"""What is said of networks inferred from simulated cells."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import scores
from helpers.metrics.discovery.network_facts import METRICS
from helpers.stats import mean_interval, mid_ranks
from helpers.summaries import draw_means
from helpers.tasks.departures import Departure
from helpers.tasks.discovery.networks import DUPLICATE, SETTINGS, TRUTHS
from helpers.tasks.findings import listed, with_interval

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


def of(table: pd.DataFrame, metric: str, *, kind: str = "", post: str = "as predicted"):
    """Rows of one metric, of all interventions; of one kind of network if it is named."""
    own = table[(table["metric"] == metric) & (table["post"] == post)]
    own = own[(own["split"] == WHOLE) & (own["task"] == TASK)]
    return own[own["dataset"] == f"simulated, {kind}"] if kind else own


def over_draws(table: pd.DataFrame, by=("dataset", "model")) -> pd.DataFrame:
    """Means over draws with their intervals, of rows of `of`; with the column `role`."""
    return draw_means(table, ["metric", *by, "role"], metrics=METRICS)


def gaps(table: pd.DataFrame, metric: str, reference: str, *, kind: str) -> pd.DataFrame:
    """How much better each model is than a reference, over draws of one kind.

    Returns
    -------
    DataFrame indexed by model
        `mean`, `low`, `high` (t distribution, NaN for one draw), `n_draws`: differences of draws,
        above 0 where the model is better.
    """
    sign = 1 if METRICS[metric].better == "higher" else -1
    wide = of(table, metric, kind=kind).pivot_table("value", "unit", "model")
    rows = {}
    for model in wide.columns.drop(reference):
        own = (sign * (wide[model] - wide[reference])).dropna()
        ends = mean_interval(own) if len(own) > 1 else (np.nan, np.nan)
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


def ranked_values(table: pd.DataFrame) -> pd.DataFrame:
    """Means of `RANKED` metrics of each kind of network, (metric, kind) x methods."""
    means = over_draws(pd.concat([of(table, metric) for metric in RANKED]))
    means = means[means["model"].isin(METHODS)]
    wide = means.pivot_table("mean", ["metric", "dataset"], "model")
    return wide[[m for m in METHODS if m in wide]]


# Sentences -----------------------------------------------------------------------------------


def number(value: float, digits: int = 2) -> str:
    """A value in words, with a real minus sign."""
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def best(means: pd.DataFrame) -> pd.Series:
    """The best method of a table of means of one metric and kind: its row."""
    own = means[means["model"].isin(METHODS)].dropna(subset="mean")
    higher = METRICS[own["metric"].iloc[0]].better == "higher"
    return own.sort_values("mean", ascending=not higher, kind="stable").iloc[0]


def about_random(found: pd.DataFrame) -> str:
    """Whether every method is better than random order on linear networks; of `gaps`."""
    own = found.loc[[m for m in METHODS if m in found.index]]
    if own["low"].isna().any():
        return "One draw has no interval: whether methods beat random order is not asked here."
    n = f"{int(own['n_draws'].min())} draws of a linear network"
    short = own[own["low"] <= 0]
    if len(short):
        return (
            f"Over {n}, {listed(short.index)} cannot be told from random order by average "
            f"precision of edges; the other {len(own) - len(short)} methods are better."
        )
    least = own["mean"].idxmin()
    row = own.loc[least]
    said = with_interval(row["mean"], row["low"], row["high"])
    return (
        f"Every method is better than random order over {n}; the smallest gain in average "
        f"precision of edges is that of {least}, {said}."
    )


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


def about_direct(table: pd.DataFrame) -> str:
    """Which method finds edges best in each kind, and whether its lead is certain."""
    told, certain = [], 0
    for kind in kinds_of(table):
        first, second, mean, ends = lead(table, PRIMARY, kind)
        sure = ends is not None and ends[0] > 0
        certain += sure
        word = "ahead of" if sure else "not told apart from"
        told.append(f"{kind}: {first} ({number(mean)}), {word} {second}")
    return (
        f"By average precision of planted edges the first is, in {'; '.join(told)}. The lead is "
        f"certain over draws in {certain} of {len(told)} kinds."
    )


def about_distance(means: pd.DataFrame) -> str:
    """Who wins the Wasserstein distance, and where the planted edges themselves stand."""
    first, above, told = [], [], []
    for dataset, own in means.groupby("dataset", sort=False):
        value = own.set_index("model")["mean"]
        if best(own)["model"] == "Mean Difference":
            first.append(kind_of(dataset))
        if value["Mean Difference"] > value["planted edges"]:
            above.append(kind_of(dataset))
        told.append(
            f"{kind_of(dataset)} {number(value['Mean Difference'])} against "
            f"{number(value['planted edges'])}"
        )
    n, told = means["dataset"].nunique(), "; ".join(told)
    head = (
        f"Mean Difference has the largest mean distance of all methods in {len(first)} of {n} "
        "kinds of network."
    )
    if len(above) == n:
        return (
            f"{head} It has a larger one than the planted edges themselves: {told}. A perfect "
            "network would lose this ranking."
        )
    if above:
        return f"{head} It passes the planted edges themselves in {listed(above)}: {told}."
    return f"{head} It does not pass the planted edges: {told}."


def about_construction(pairs: pd.DataFrame) -> str:
    """How near the distance is to the size of the mean difference; of `construction`."""
    slack = (pairs["distance"] - pairs["mean difference, judge"]).to_numpy()
    seen = pairs["mean difference"].corr(pairs["distance"], method="spearman")
    large = pairs["distance"] >= pairs["distance"].quantile(0.9)
    share = (pairs["mean difference, judge"] / pairs["distance"])[large].mean()
    within = "never" if (slack > -1e-6).all() else "almost never"
    return (
        f"The distance is {within} below the absolute difference of the means of the same cells, "
        f"and in the tenth of pairs with the largest distances that difference is {share:.0%} of "
        f"it. Sorting pairs by the mean difference of *other* cells is nearly sorting them by the "
        f"distance: Spearman {number(seen)}."
    )


def about_chains(
    means: pd.DataFrame, total: str = "Mean Difference", direct: str = "sparse inverse"
) -> str:
    """How often the ends of planted chains are taken for an edge; of means of `mediated_share`."""
    own = means.groupby("model", sort=False)["mean"].mean()
    head = (
        f"{total} draws an edge between the ends of {own[total]:.0%} of the planted chains, "
        f"{direct} of {own[direct]:.0%}"
    )
    if own[total] <= own[direct]:
        return f"{head}: here the second does not ask for direct effects more than the first."
    return (
        f"{head}: the first sees that one gene acts on the other, the second asks whether it does "
        "so without the gene between them."
    )


def about_ceiling(found: pd.DataFrame) -> str:
    """Mean Difference against that of other cells; of `gaps` with it as the reference."""
    row = found.loc[DUPLICATE]
    if np.isnan(row["low"]):
        return "One draw has no interval: Mean Difference and its duplicate are not compared."
    said = with_interval(row["mean"], row["low"], row["high"], 3)
    if row["low"] <= 0 <= row["high"]:
        return (
            "Mean Difference is where its duplicate, from cells that no method saw, is: the "
            f"difference is {said}."
        )
    side = "above" if row["mean"] > 0 else "below"
    return f"The duplicate of Mean Difference, from other cells, lies {side} it by {said}."


def about_parents(table: pd.DataFrame, kind: str = "linear", model: str = "Mean Difference") -> str:
    """How much of a method's distance is the choice of parents, and how much of children."""
    own, same, free = (
        rows[rows["model"] == name]["value"].mean()
        for name, rows in (
            (model, of(table, "mean_wasserstein", kind=kind)),
            (model, of(table, "mean_wasserstein", kind=kind, post="same parents")),
            ("random", of(table, "mean_wasserstein", kind=kind)),
        )
    )
    if own <= free:
        return f"{model} does not pass random pairs here, so that there is no gain to share out."
    share = np.clip((same - free) / (own - free), 0, 1)
    return (
        f"Random children for the same parents have a mean distance of {number(same)}, between "
        f"random pairs ({number(free)}) and {model} ({number(own)}): the choice of parents alone "
        f"is {share:.0%} of the gain."
    )


def about_left_out(found: pd.DataFrame) -> str:
    """Whether the order of methods depends on who takes part; of `left_out`."""
    whole, rest = found.iloc[0], found.iloc[1:]
    moved = rest[rest["turned"] > 0]
    others = rest[(rest["left out"] != whole["first"]) & (rest["first"] != whole["first"])]
    head = f"By mean rank over all metrics and kinds {whole['first']} is first."
    if moved.empty:
        return f"{head} No pair of methods turns round when another one is left out."
    told = (
        f"{head} When one method is left out, up to {int(rest['turned'].max())} pairs of the "
        f"others turn round (in {len(moved)} of {len(rest)} cases): a mean rank of a method "
        "depends on who else takes part."
    )
    if len(others):
        return f"{told} Without {listed(others['left out'])} another method is first."
    return f"{told} The first place stays."


def about_shares(means: pd.DataFrame, models=("Mean Difference", "sparse inverse")) -> str:
    """What each further intervention brings; of means by `share` and `model`."""
    told, up = [], []
    for model in models:
        own = means[means["model"] == model].sort_values("share").dropna(subset="mean")
        if len(own) < 2:
            continue
        first, last = own.iloc[0], own.iloc[-1]
        up.append(last["mean"] > first["mean"])
        told.append(
            f"{model} from {number(first['mean'])} at {first['share']:.0%} to "
            f"{number(last['mean'])} at {last['share']:.0%}"
        )
    if not told:
        return "Too few shares of interventions were run for a sentence."
    if all(up):
        return f"More interventions help: {'; '.join(told)} (average precision of edges)."
    return f"More interventions do not help every method: {'; '.join(told)}."


def about_imputed(found: pd.DataFrame, filled: str, model: str) -> str:
    """Whether filled arms are better than none; paired differences over draws."""
    row = found.loc[filled]
    if np.isnan(row["low"]):
        return f"One draw has no interval: {filled} is not compared."
    said = with_interval(row["mean"], row["low"], row["high"])
    if row["low"] > 0:
        return f"{filled} is better than {model} with the measured arms alone, by {said}."
    if row["high"] < 0:
        return f"{filled} is worse than {model} with the measured arms alone, by {said}."
    return f"{filled} and {model} with the measured arms alone cannot be told apart: {said}."


def in_short(table: pd.DataFrame) -> str:
    """The answer of the page: who wins by the planted truth, and who by held-out cells."""
    kinds, other = kinds_of(table), 0
    for kind in kinds:
        other += lead(table, PRIMARY, kind)[0] != lead(table, "mean_wasserstein", kind)[0]
    first, _, mean, _ = lead(table, PRIMARY, kinds[0])
    row = gaps(table, "mean_wasserstein", "planted edges", kind=kinds[0]).loc["Mean Difference"]
    said = with_interval(row["mean"], row["low"], row["high"])
    return (
        f"In {other} of {len(kinds)} kinds of simulated network the method with the largest "
        "Wasserstein distance is, by means over draws, not the one that finds most planted edges. "
        f"In {kinds[0]} ones {first} finds edges best (average precision {number(mean)}), and the "
        f"mean distance of Mean Difference is that of the planted edges themselves plus {said}."
    )
