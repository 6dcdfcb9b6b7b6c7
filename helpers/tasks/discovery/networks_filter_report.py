"""What is said of CausalBench's filter of genes and cells, and of its split."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import scores
from helpers.metrics.discovery.network_facts import METRICS
from helpers.stats import mean_interval
from helpers.summaries import draw_means
from helpers.tasks.discovery.networks_filter import FILTER_SERIES, KEPT
from helpers.tasks.discovery.networks_real_report import (
    PRIMARY,
    TASK,
    complete,
    over_splits,
    percent,
)
from helpers.tasks.discovery.networks_report import METHODS, as_text, best
from helpers.tasks.findings import listed, with_interval

MOST_CHANGED = 50
"""Other genes: the published filter keeps an arm that changes more."""
ALL = "all cells of an arm, four fifths to infer from"


def planted_rows(asked: Mapping[int, pd.DataFrame], *, dataset: str) -> pd.DataFrame:
    """Results of `filtered_truth` by seed as rows."""
    parts = []
    for seed, found in asked.items():
        rate = found["metric"].str.endswith("_called")
        model = np.where(
            rate, "filter, " + found["metric"].str.removesuffix("_called"), "Mean Difference"
        )
        parts.append(
            scores.rows(
                task=TASK,
                dataset=dataset,
                split=ALL,
                protocol="published",
                model=model,
                post=found["post"].to_numpy(),
                metric=np.where(rate, "false_omission_rate", found["metric"]),
                role="candidate",
                unit_kind="network",
                unit=f"draw {seed}",
                seed=seed,
                n=found["n"].to_numpy(),
                value=found["value"].to_numpy(),
            )
        )
    return pd.concat(parts, ignore_index=True)


def null_rows(found: pd.DataFrame, *, dataset: str, n_cells: int, seed: int) -> pd.DataFrame:
    """Result of `filter_against_null` as rows."""
    return scores.rows(
        task=TASK,
        dataset=dataset,
        split=f"{n_cells} cells an arm",
        model=("filter, " + found["series"]).to_numpy(),
        metric="false_omission_rate",
        role=np.where(found["series"].str.startswith("controls"), "floor", "candidate"),
        unit_kind="draw",
        unit=[f"draw {d}" for d in found["draw"]],
        cluster=dataset,
        seed=seed,
        n=found["n"].to_numpy(),
        value=found["share"].to_numpy(),
    )


def null_means(found: pd.DataFrame) -> pd.DataFrame:
    """Means of `filter_against_null` over draws: `series`, `mean`, `low`, `high`."""
    return draw_means(found.assign(value=found["share"]), ["series"])


def planted_gains(rows: pd.DataFrame) -> pd.DataFrame:
    """What the filter adds, over draws; of `planted_rows`, indexed by model and metric."""
    wide = rows.pivot_table("value", ["model", "metric", "unit"], "post")
    gain = (wide[KEPT[1]] - wide[KEPT[0]]).dropna()
    found = {}
    for key, own in gain.groupby(level=[0, 1]):
        ends = mean_interval(own) if len(own) > 1 else (np.nan, np.nan)
        found[key] = [wide.loc[key][KEPT[0]].mean(), own.mean(), *ends]
    return pd.DataFrame.from_dict(found, orient="index", columns=["without", "mean", "low", "high"])


def about_planted(gains: pd.DataFrame) -> str:
    """Whether the filter helps where cells escaped, and what it makes; of `planted_gains`."""
    edges = gains.loc[[("Mean Difference", "direct_average_precision")]].iloc[0]
    calls = gains.loc[[("filter, upstream", "false_omission_rate")]].iloc[0]
    said = with_interval(edges["mean"], edges["low"], edges["high"])
    if np.isnan(edges["low"]):
        head = f"In one network the filter moves the average precision of edges by {said}"
    elif edges["low"] > 0:
        head = f"The filter raises the average precision of planted edges, by {said}"
    elif edges["high"] < 0:
        head = f"The filter lowers the average precision of planted edges, by {said}"
    else:
        head = (
            "It is undecided whether the filter moves the average precision of planted edges, "
            f"{said}"
        )
    rate = with_interval(calls["mean"], calls["low"], calls["high"])
    before = percent(calls["without"])
    if calls["low"] > 0:
        return (
            f"{head}. And it makes calls where there is no effect: from a gene to one that acts on "
            f"it, without a path back, the test calls {before} of the pairs without the filter; "
            f"with it the share is larger by {rate}."
        )
    return (
        f"{head}. From a gene to one that acts on it, without a path back, the test calls {before} "
        f"of the pairs without the filter; whether the filter changes the share is undecided, "
        f"{rate}."
    )


def about_filter(found: pd.DataFrame, panel: int) -> str:
    """What the published conditions keep; of `causalbench_filter`.

    Parameters
    ----------
    found : DataFrame
    panel : int
        Genes that are measured.
    """
    kept, weak = int(found["kept by published"].sum()), int((found["own change"] > -0.3).sum())
    few = f"{int((found['changed'] <= MOST_CHANGED).sum())} change {MOST_CHANGED} genes or fewer"
    if panel - 1 <= MOST_CHANGED:
        few = f"none can change more than {MOST_CHANGED} other genes, as {panel} are measured"
    told = (
        f"As published the filter keeps {kept} of {len(found)} arms: {weak} fall by less than 30 % "
        f"in their own gene, and {few}"
    )
    left = int((found["low target"] > 100).sum())
    return (
        f"{told}. Its condition on cells can be asked of each: those with a low count of the "
        f"target are {found['low target'].min()} to {found['low target'].max()} in an arm, more "
        f"than 100 in {left} arms."
    )


def null_gain(found: pd.DataFrame) -> tuple[float, float, float]:
    """What the filter adds to the calls among controls, over draws: mean and 95 % interval."""
    wide = found.pivot_table("share", "draw", "series")
    gap = wide[FILTER_SERIES[3]] - wide[FILTER_SERIES[2]]
    ends = mean_interval(gap) if len(gap) > 1 else (np.nan, np.nan)
    return float(gap.mean()), *ends


def about_null(means: pd.DataFrame, gain: tuple[float, float, float]) -> str:
    """What the filter makes of arms that are controls; of `null_means` and `null_gain`."""
    arms, low, none, made = (means.set_index("series")["mean"][name] for name in FILTER_SERIES)
    told = (
        f"At equal numbers of cells the test calls {percent(arms)} of the pairs of an arm, and "
        f"{percent(low)} after the filter. Among controls that nobody perturbed it calls "
        f"{percent(none)}, and after the filter {percent(made)}, a difference of "
        f"{with_interval(*gain)}"
    )
    if gain[1] > 0:
        return (
            f"{told}. So the filter alone makes differences: a cell with few molecules has a low "
            "count of each gene, and genes that rise and fall together are picked together."
        )
    return f"{told}: that the filter makes differences by itself is not certain here."


def side_by_side(published: pd.DataFrame, revised: pd.DataFrame) -> pd.DataFrame:
    """Distance and omission rate of each method under both protocols, with intervals as text.

    Networks with fewer edges than were asked are left out.
    """
    columns = {}
    for title, metric in (("distance", PRIMARY), ("omission rate", "false_omission_rate")):
        for name, table in (("published", published), ("revised", revised)):
            own = over_splits(complete(table)[0], metric).set_index("model")
            own = own.loc[[m for m in (*METHODS, "random") if m in own.index]]
            columns[f"{title}, {name}"] = own.apply(
                lambda row: as_text(row["mean"], row["low"], row["high"]), axis=1
            )
    there = [m for m in (*METHODS, "random") if any(m in own.index for own in columns.values())]
    found = pd.DataFrame(columns).reindex(there).fillna("left out")
    return found.rename_axis("model").reset_index()


def about_protocols(published: pd.DataFrame, revised: pd.DataFrame, metric: str = PRIMARY) -> str:
    """Whether methods come in another order with the filter and split of CausalBench."""
    means, left = {}, set()
    for name, table in (("published", published), ("revised", revised)):
        own, few = complete(table)
        left |= set(few)
        means[name] = over_splits(own, metric)
    first = {name: best(own) for name, own in means.items()}
    value = {name: own.set_index("model")["mean"] for name, own in means.items()}
    both = [m for m in METHODS if all(m in own.index for own in value.values())]
    pairs = [(a, b) for i, a in enumerate(both) for b in both[i + 1 :]]
    turned = sum((value["published"][a] - value["published"][b])
                 * (value["revised"][a] - value["revised"][b]) < 0 for a, b in pairs)  # fmt: skip
    ends = with_interval(*first["published"][["mean", "low", "high"]])
    same = first["published"]["model"] == first["revised"]["model"]
    told = (
        f"With the filter and split of CausalBench {first['published']['model']} is first, {ends}"
    )
    other = "as in ours" if same else f"in ours {first['revised']['model']}"
    said = (
        f"{told}, {other}; by their means {turned} of {len(pairs)} pairs of methods stand in "
        f"another order ({METRICS[metric].title})"
    )
    facts = {
        "edges of a network": lambda table: f"{table.loc[table['metric'] == PRIMARY, 'n'].max():g}",
        "splits": lambda table: str(table["unit"].nunique()),
        "cells": lambda table: table["split"].iloc[0],
    }
    differ = [
        f"{name} ({theirs} against {ours})"
        for name, value in facts.items()
        if (theirs := value(published)) != (ours := value(revised))
    ]
    if differ:
        said += (
            f". Not only the filter differs, but also {listed(differ)}: the filter alone does not "
            "explain it"
        )
    return f"{said}. Left out, for too few edges: {listed(sorted(left))}." if left else f"{said}."
