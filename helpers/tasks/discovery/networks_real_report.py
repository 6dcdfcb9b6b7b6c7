"""What is said of networks of real cells, and of published scores."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from helpers import scores
from helpers.data.sets.results_genernib import CONTROLS
from helpers.metrics.discovery.network_facts import METRICS
from helpers.stats import holm, mean_interval
from helpers.summaries import draw_means
from helpers.tasks.discovery.networks import DUPLICATE
from helpers.tasks.discovery.networks_real import SERIES
from helpers.tasks.discovery.networks_report import METHODS, ROLES, best, number
from helpers.tasks.findings import listed, with_interval

TASK, PRIMARY = "networks-on-cells", "mean_wasserstein"
REPORTED = "networks-reported"


def score_rows(
    asked: Mapping[tuple, pd.DataFrame], *, dataset: str, split: str, protocol: str = "revised"
) -> pd.DataFrame:
    """Rows of the score table, from results of `judged_on_cells` by (method, seed).

    Splits are of the same cells: one cluster.
    """
    parts = [
        scores.rows(
            task=TASK,
            dataset=dataset,
            split=split,
            protocol=protocol,
            model=model,
            post=found["post"].to_numpy(),
            metric=found["metric"].to_numpy(),
            role=ROLES[model],
            unit_kind="split",
            unit=f"split {seed}",
            cluster=dataset,
            seed=seed,
            n=found["n"].to_numpy(),
            value=found["value"].to_numpy(),
        )
        for (model, seed), found in asked.items()
    ]
    return pd.concat(parts, ignore_index=True)


def called_rows(found: pd.DataFrame, *, dataset: str, seed: int) -> pd.DataFrame:
    """Result of `called_by_size` as rows: the empty network's false omission rate.

    Draws are of the same cells: one cluster.
    """
    return scores.rows(
        task=TASK,
        dataset=dataset,
        split=[f"{n} cells an arm" for n in found["cells"]],
        model=[f"no network, {series}" for series in found["series"]],
        metric="false_omission_rate",
        role=np.where(found["series"] == SERIES[-1], "floor", "candidate"),
        unit_kind="draw",
        unit=[f"draw {d}" for d in found["draw"]],
        cluster=dataset,
        seed=seed,
        n=found["n"].to_numpy(),
        value=found["share"].to_numpy(),
    )


def reported_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Published scores as rows with the role `reported`."""
    return scores.rows(
        task=REPORTED,
        dataset=("geneRNIB, " + table["dataset"]).to_numpy(),
        protocol="published",
        model=table["method"].to_numpy(),
        metric=("genernib_" + table["metric"]).to_numpy(),
        role="reported",
        unit_kind="data set",
        unit=table["dataset"].to_numpy(),
        seed=0,
        value=table["value"].to_numpy(),
    )


def over_splits(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means over splits of the same cells: intervals hold for other splits, not other cells."""
    own = table[(table["metric"] == metric) & table["model"].isin(ROLES)]
    return draw_means(own, ["metric", "dataset", "model", "role"], metrics=METRICS)


def by_size(found: pd.DataFrame) -> pd.DataFrame:
    """Means of `called_by_size` over draws: `cells`, `series`, `mean`, `low`, `high`."""
    return draw_means(found.assign(value=found["share"]), ["cells", "series"])


def controls_beaten(table: pd.DataFrame) -> tuple[int, int, int, int]:
    """Of published scores: cells in which a method passes the positive control, and all of them;
    scores of methods at or below the negative control, and all of them.

    A cell is a metric of a data set.
    """
    beaten, cells, below, n = 0, 0, 0, 0
    high, low = CONTROLS
    for _, own in table.groupby(["dataset", "metric"]):
        value = own.set_index("method")["value"]
        methods = value.drop(list(CONTROLS), errors="ignore")
        if high in value:
            cells += 1
            beaten += bool((methods > value[high]).any())
        if low in value:
            n += len(methods)
            below += int((methods <= value[low]).sum())
    return beaten, cells, below, n


# Sentences -----------------------------------------------------------------------------------


def percent(share: float) -> str:
    """A share in words."""
    return f"{100 * share:.1f} %"


def about_sizes(means: pd.DataFrame) -> str:
    """Whether more is called with more cells, and how much of it is the test's own error."""
    own = means.set_index(["series", "cells"]).sort_index()
    value, ends = own["mean"], own.loc[SERIES[0], ["low", "high"]]
    pairs, null = value[SERIES[0]], value[SERIES[-1]]
    few, many = pairs.index[0], pairs.index[-1]
    told = (
        f"with {few} cells an arm the test calls {percent(pairs[few])} of the pairs, with up to "
        f"{many} {percent(pairs[many])}; between controls and controls {percent(null[few])} and "
        f"{percent(null[many])}"
    )
    if ends["low"][many] > ends["high"][few]:
        return f"The false omission rate of a network without edges grows with the cells: {told}."
    if ends["high"][many] < ends["low"][few]:
        return f"The rate falls with the cells here: {told}."
    return f"It is undecided whether the rate grows with the cells: {told}."


def about_effects(means: pd.DataFrame) -> str:
    """What is left of the calls after correction, and above a least effect."""
    value = means.pivot_table("mean", "cells", "series").iloc[-1]
    own = value[SERIES[0]]
    if own == 0:
        return "The test calls no pair, so that nothing is left to correct."
    return (
        f"Of all pairs, {percent(own)} are called with the most cells, {percent(value[SERIES[1]])} "
        f"after correction for many tests, and {percent(value[SERIES[2]])} if an effect must also "
        "have a size."
    )


def complete(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Rows of methods that had as many edges as were asked in every split, and other methods.

    A network of the two surest pairs has a larger mean distance than any of twenty. Of the others
    stays what is of a whole ranking.
    """
    n_edges = table[table["metric"] == PRIMARY].groupby("model", sort=False)["n"].min()
    few = [m for m in n_edges.index[n_edges < n_edges.max()] if m in METHODS]
    ranking = table["metric"] == "direct_average_precision"
    return table[~table["model"].isin(few) | ranking], few


def about_methods(table: pd.DataFrame, metric: str = PRIMARY) -> str:
    """Which method is first on cells, and which are better than random pairs, or are not."""
    own, few = complete(table)
    means = over_splits(own, metric)
    first, chance = best(means), means.set_index("model").loc["random", "mean"]
    wide = own[own["metric"] == metric].pivot_table("value", "unit", "model")
    sign = 1 if METRICS[metric].better == "higher" else -1
    sides: dict[str, list] = {"better": [], "worse": [], "open": []}
    for model in [m for m in METHODS if m in wide]:
        gap = (sign * (wide[model] - wide["random"])).dropna()
        low, high = mean_interval(gap) if len(gap) > 1 else (np.nan, np.nan)
        sides["better" if low > 0 else "worse" if high < 0 else "open"].append(model)
    n = sum(map(len, sides.values()))
    said = with_interval(first["mean"], first["low"], first["high"], 3)
    told = [
        f"{first['model']} has the best mean of {n} methods, {said} over splits, random pairs "
        f"{number(chance, 3)}"
    ]
    if len(sides["better"]) == n:
        told.append("each method that is compared is better than random pairs")
    elif not sides["better"]:
        told.append("no method that is compared is shown to be better than random pairs")
    if 0 < len(sides["better"]) < n and sides["open"]:
        told.append(f"not told from random pairs: {listed(sides['open'])}")
    if sides["worse"]:
        told.append(f"worse than random pairs: {listed(sides['worse'])}")
    left = (
        f" Left out, for fewer edges than were asked in some split: {listed(few)}." if few else ""
    )
    return f"{'; '.join(told)}.{left}"


def about_duplicate(table: pd.DataFrame) -> str:
    """The duplicate of Mean Difference against random pairs, by intervals, and what lies beyond."""
    means = over_splits(complete(table)[0], PRIMARY).set_index("model")
    floor, ceiling = means.loc["random"], means.loc[DUPLICATE]
    said = (
        f"The duplicate of Mean Difference, from other cells, reaches "
        f"{number(ceiling['mean'], 3)}, random pairs {number(floor['mean'], 3)}"
    )
    if ceiling["low"] > floor["high"]:
        said += ": edges that other cells give are above chance here."
    elif ceiling["high"] < floor["low"]:
        return f"{said}: these cells cannot rank methods."
    else:
        said += ": whether edges that other cells give are above chance here is undecided."
    beyond = [m for m in METHODS if m in means.index and means.loc[m, "mean"] > ceiling["mean"]]
    if not beyond:
        return said
    return (
        f"{said} The means of these methods are larger: {listed(beyond)}. So the duplicate, a "
        "repeat of one method, is no upper end."
    )


def known_hits(table: pd.DataFrame) -> pd.DataFrame:
    """Hits beyond those of rewired networks, by method and list: means over splits, intervals.

    `p_holm` of a t test over splits, over all methods and lists; NaN of one split, and for what is
    no method.
    """
    own = table[table["metric"] == "known_pairs_excess"]
    found = draw_means(own, ["metric", "post", "model", "role"], metrics=METRICS)
    values = own.groupby(["post", "model"])["value"].agg(["mean", "sem"]).dropna()
    keys = pd.MultiIndex.from_frame(found[["post", "model"]])
    values = values.reindex(keys).reset_index()
    asked = values["model"].isin(METHODS) & (values["sem"] > 0)
    p = 2 * stats.t.sf((values["mean"] / values["sem"]).abs(), found["n_draws"] - 1)
    found["p_holm"] = np.nan
    if asked.any():
        found.loc[asked, "p_holm"] = holm(p[asked])
    return found


def about_known(means: pd.DataFrame) -> str:
    """Whether edges lie on known pairs more than degree-matched ones do; of `known_hits`."""
    own = means[means["model"].isin(METHODS)].dropna(subset="low")
    if own.empty:
        return "No network had edges in two splits or more: known pairs are not asked."
    lists, n = own["post"].nunique(), own["model"].nunique()
    sure = own[(own["mean"] > 0) & (own["p_holm"] <= 0.05)]
    head = (
        f"In {len(sure)} of {len(own)} cases (methods: {n}; lists: {lists}) the edges lie on known "
        "pairs more often than those of degree-matched random networks, over splits of the same "
        "cells and corrected for all cases (Holm)"
    )
    floor = means[(means["model"] == "random") & (means["low"] > 0)]
    if len(floor):
        return f"{head}; so do random pairs in {len(floor)}: these lists cannot rank methods."
    if sure.empty:
        return f"{head}: known pairs do not tell these methods from chance."
    top = sure.sort_values("mean", ascending=False, kind="stable").iloc[0]
    said = with_interval(top["mean"], top["low"], top["high"])
    return f"{head}, most of all {top['model']} on {top['post']}: {said} of its edges beyond them."


def about_consensus(table: pd.DataFrame, chance: float) -> str:
    """Which method ranks the edges of a consensus network best, against their share."""
    means = over_splits(table, "direct_average_precision")
    first, low = best(means), means[means["model"] == "random"]["mean"].iloc[0]
    said = with_interval(first["mean"], first["low"], first["high"])
    return (
        f"The edges of the consensus network are ranked best by {first['model']}, average "
        f"precision {said}; random order has {number(low)}, their share is {number(chance)}."
    )


def about_described(found: pd.DataFrame) -> str:
    """How many arms change their own gene, and how many others are called."""
    own = found[(found["p"] < 0.05) & (found["own change"] < 0)]
    few, many = found["cells"].min(), found["cells"].max()
    return (
        f"{len(found)} measured genes were knocked out, with {few:,} to {many:,} cells each; in "
        f"{len(own)} of these arms the gene itself falls (p below 0.05). Of their pairs the test "
        "calls "
        f"{percent(found['others called'].mean())}."
    )


def about_controls(table: pd.DataFrame) -> str:
    """Whether published controls are ceilings and floors."""
    beaten, cells, below, n = controls_beaten(table)
    head = (
        f"In {beaten} of {cells} cells (a metric of a data set) some method passes the positive "
        f"control, and {below} of {n} scores are at or below the negative one"
    )
    if beaten > cells / 2:
        return f"{head}: the positive control, correlations in all data, is no ceiling."
    return f"{head}."


def about_stability(found: pd.DataFrame) -> str:
    """Whether a published order depends on who takes part; of `left_out`."""
    whole, rest = found.iloc[0], found.iloc[1:]
    changed = rest[(rest["first"] != whole["first"]) & (rest["left out"] != whole["first"])]
    turned = int(rest["turned"].max())
    told = f"By mean rank of the published values {whole['first']} is first"
    if len(changed):
        return f"{told}; without {listed(changed['left out'])} another method would be."
    if turned:
        return f"{told}, whoever is left out; up to {turned} pairs further down turn round."
    return f"{told}, whoever is left out, and no pair turns round."


def in_short(answered: tuple[pd.DataFrame, pd.DataFrame] | None) -> str:
    """The answer of the page: of `by_size` and of the scores, or that there are none."""
    if answered is None:
        return "The data set that was asked for cannot answer; why is said below."
    sizes, table = answered
    return f"{about_sizes(sizes)} By distance, {about_methods(table)}"
