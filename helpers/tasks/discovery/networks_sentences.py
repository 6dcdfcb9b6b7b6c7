"""What is said of networks inferred from simulated cells, one function a sentence."""

import numpy as np
import pandas as pd

from helpers.tasks.discovery.networks import DUPLICATE
from helpers.tasks.discovery.networks_report import (
    METHODS,
    PRIMARY,
    RANKED,
    best,
    gaps,
    kind_of,
    kinds_of,
    lead,
    number,
    of,
    over_draws,
)
from helpers.tasks.findings import listed, with_interval


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


def about_distance(table: pd.DataFrame) -> str:
    """Who wins the Wasserstein distance, and where the planted edges themselves stand."""
    metric, first, above, told = "mean_wasserstein", 0, [], []
    means = over_draws(of(table, metric))
    kinds = [kind_of(dataset) for dataset in means["dataset"].unique()]
    for kind in kinds:
        first += best(means[means["dataset"].map(kind_of) == kind])["model"] == "Mean Difference"
        row = gaps(table, metric, "planted edges", kind=kind).loc["Mean Difference"]
        above += [kind] if row["low"] > 0 else []
        told.append(f"{kind} {with_interval(row['mean'], row['low'], row['high'])}")
    head = (
        f"By means over draws Mean Difference has the largest distance of all methods in {first} "
        f"of {len(kinds)} kinds of network."
    )
    less = f"the difference is {'; '.join(told)}"
    if len(above) == len(kinds):
        return (
            f"{head} Its distance is larger than that of the planted edges themselves: {less}. A "
            "perfect network would lose this ranking."
        )
    if above:
        return (
            f"{head} Its distance is larger than that of the planted edges themselves in "
            f"{listed(above)} networks, and is not shown to be in others: {less}."
        )
    return (
        f"{head} In none is its distance shown to be larger than that of the planted edges: {less}."
    )


def about_construction(pairs: pd.DataFrame) -> str:
    """How near the distance is to the size of the mean difference; of `construction`."""
    slack = (pairs["distance"] - pairs["mean difference, judge"]).to_numpy()
    far, seen = (
        pairs[column] >= pairs[column].quantile(0.9) for column in ("distance", "mean difference")
    )
    share = (pairs["mean difference, judge"] / pairs["distance"])[far].mean()
    within = "never" if (slack > -1e-6).all() else "almost never"
    return (
        f"The distance is {within} below the absolute difference of the means of the same cells, "
        f"and in the tenth of pairs with the largest distances that difference is {share:.0%} of "
        f"it. Of this tenth, {(far & seen).sum() / far.sum():.0%} are also in the tenth that Mean "
        "Difference puts first, from other cells."
    )


def about_mediators(
    table: pd.DataFrame,
    total: str = "Mean Difference",
    direct: str = "sparse inverse",
    kind: str = "linear",
) -> str:
    """Whether a total effect wins the distance and loses direct edges, where chains are planted."""
    chains = of(table, "mediated_share", kind=kind).groupby("model")["value"].mean()
    differences = {}
    for metric in ("mean_wasserstein", PRIMARY, "mediated_share"):
        row = gaps(table, metric, direct, kind=kind).loc[total]
        differences[metric] = row if metric != "mediated_share" else _turned(row)
    joined, far, edges = (
        with_interval(differences[m]["mean"], differences[m]["low"], differences[m]["high"])
        for m in ("mediated_share", "mean_wasserstein", PRIMARY)
    )
    head = (
        f"{total} draws an edge between the ends of {chains[total]:.0%} of the planted chains, "
        f"{direct} of {chains[direct]:.0%}, a difference of {joined}. In mean distance the first "
        f"less the second is {far}, in average precision of planted edges {edges}"
    )
    wins = differences["mean_wasserstein"]["low"] > 0
    loses = differences[PRIMARY]["high"] < 0
    if wins and loses:
        return f"{head}: the total effect wins the distance and loses the direct edges."
    if wins or loses:
        told = "it wins the distance" if wins else "it loses the direct edges"
        other = "that it loses the direct edges" if wins else "that it wins the distance"
        return f"{head}: {told}; {other} is not certain here."
    return f"{head}: neither that it wins the distance nor that it loses the edges is certain."


def _turned(row: pd.Series) -> pd.Series:
    """The same difference with the other sign."""
    return pd.Series({"mean": -row["mean"], "low": -row["high"], "high": -row["low"]})


def about_ceiling(found: pd.DataFrame) -> str:
    """Mean Difference against that of other cells; of `gaps` with it as the reference."""
    row = found.loc[DUPLICATE]
    if np.isnan(row["low"]):
        return "One draw has no interval: Mean Difference and its duplicate are not compared."
    said = with_interval(row["mean"], row["low"], row["high"], 3)
    if row["low"] <= 0 <= row["high"]:
        return (
            "Mean Difference and its duplicate, from cells that no method saw, are not told apart: "
            f"the difference is {said}."
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


def about_floors(found: pd.DataFrame) -> str:
    """Which methods pass networks with their own degrees; of `floor_gains`."""
    own = found[found["model"].isin(METHODS)]
    if own["low"].isna().all():
        return "One draw has no interval: methods are not compared with their own floors."
    told = []
    for floor, said in (
        ("same parents", "random children for the same parents"),
        ("rewired", "rewired networks with the same parents and children"),
    ):
        rows = own[own["floor"] == floor]
        short = rows.loc[~(rows["low"] > 0), "model"]
        which = f"all but {listed(short)}" if len(short) else "all of them"
        if len(short) == len(rows):
            which = "none of them"
        least = rows.loc[rows["mean"].idxmin()]
        ends = with_interval(least["mean"], least["low"], least["high"])
        told.append(f"{said} are passed by {which} (least {ends})")
    return f"Of {own['model'].nunique()} methods, in linear networks, {'; '.join(told)}."


def about_left_out(found: pd.DataFrame, drawn: pd.DataFrame) -> str:
    """Whether the order of methods depends on who takes part; of `left_out`, and of its draws."""
    return f"{_of_means(found)} {_of_draws(drawn)}"


def _of_draws(drawn: pd.DataFrame) -> str:
    rest = drawn[drawn["left out"] != "none"]
    most = rest.loc[rest["turned"].idxmax()]
    if np.isnan(most["low"]):
        return "One draw of all kinds has no interval."
    said = with_interval(most["turned"], most["low"], most["high"], 1)
    return (
        f"Within a draw the most pairs that turn round, on average, are {said}, where "
        f"{most['left out']} is left out; the first place stays in "
        f"{rest['first stays'].mean():.0%} of draws and methods left out."
    )


def _of_means(found: pd.DataFrame) -> str:
    whole, rest = found.iloc[0], found.iloc[1:]
    moved = rest[rest["turned"] > 0]
    others = rest[(rest["left out"] != whole["first"]) & (rest["first"] != whole["first"])]
    head = f"By mean rank over {len(RANKED)} metrics and all kinds {whole['first']} is first."
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


def about_shares(found: pd.DataFrame, models=("Mean Difference", "sparse inverse")) -> str:
    """What further interventions bring; of `share_gains`."""
    told, sure = [], []
    for model in [m for m in models if m in found.index]:
        row = found.loc[model]
        sure.append(row["low"] > 0)
        said = with_interval(row["mean"], row["low"], row["high"])
        told.append(
            f"{model} from {number(row['first'])} at {row['from']:.0%} to {number(row['last'])} at "
            f"{row['to']:.0%}, a gain of {said}"
        )
    if not told:
        return "Too few shares of interventions were run for a sentence."
    if all(sure):
        return f"More interventions help: {'; '.join(told)} (average precision of edges)."
    return f"More interventions do not certainly help every method: {'; '.join(told)}."


def about_imputed(found: pd.DataFrame, model: str) -> str:
    """Whether filled arms are better than none; of `gaps` with the method alone as reference."""
    own = found.loc[[name for name in found.index if name.startswith(f"{model}, ")]]
    if own.empty:
        return f"No arm was filled for {model}."
    if own["low"].isna().any():
        return "One draw has no interval: filled arms are not compared."
    told = []
    for name, row in own.iterrows():
        word = "better" if row["low"] > 0 else "worse" if row["high"] < 0 else "not told apart"
        said = with_interval(row["mean"], row["low"], row["high"])
        told.append(f"arms by {name.removeprefix(model + ', ')}: {word}, {said}")
    return f"Against {model} with the measured arms alone, {'; '.join(told)}."


def about_model_or_copy(found: pd.DataFrame, model: str) -> str:
    """LPM against the copy as a source of arms; of `gaps` with the copy as reference."""
    name = f"{model}, LPM"
    if name not in found.index or np.isnan(found.loc[name, "low"]):
        return "The model and the copy are not compared at this preset."
    row = found.loc[name]
    said = with_interval(row["mean"], row["low"], row["high"])
    if row["low"] > 0:
        return f"For {model} arms by LPM are better than copied ones, by {said}."
    if row["high"] < 0:
        return f"For {model} arms by LPM are worse than copied ones: {said}."
    return f"For {model} arms by LPM and copied ones cannot be told apart: {said}."


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
