"""How far each metric reaches: from its best floor to its ceiling, setting by setting."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.comparisons import compare
from helpers.metrics.facts import Metric
from helpers.stats import MIN_UNITS
from helpers.tasks.results import settings, task_in_words

_SETTING = ["page", "task", "metric", "dataset", "split", "protocol", "post", "setting"]
_UNIT = ["cluster", "unit", "seed"]


def reach(
    tables: Mapping[str, pd.DataFrame],
    metrics: Mapping[str, Metric],
    *,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Of each metric, by task: does it tell its ceiling from its best floor, and how far apart?

    Parameters
    ----------
    tables : mapping
        Of chapter to its score table.
    metrics : mapping
        Of name to facts.
    n_resamples, seed : int
        Of the comparisons.

    Returns
    -------
    DataFrame, a row each metric and task, in the order of the book
        `page`, `task`, `metric`; `asked`, settings (data set, split, protocol, parameters) with a
        floor and a ceiling that score the same units; `told_apart`, those of them whose ceiling is
        better than the best floor (the floor whose mean is best) by a 95 % interval over clusters;
        `too_few`, those with fewer than six clusters, which no interval can decide; `reversed`,
        those where the floor is better than the ceiling. `range_fraction`, median over settings:
        the way from the best floor to the ceiling as a share of that from the best floor to the
        metric's perfect value, 1 at most, NaN where the metric has no bound on that side.
        `off_chance`, median distance of the best floor from the stated chance, NaN where none is
        stated.

    Notes
    -----
    Taking the best of several floors errs against the metric: a metric is told apart in fewer
    settings, never in more.
    """
    found = []
    for page, table in tables.items():
        rows = table[table["role"].isin(["floor", "ceiling"]) & table["value"].notna()]
        if rows.empty:
            continue
        rows = settings(rows.assign(page=page))
        role = rows.groupby("model")["role"].first()
        # a model with several values of a unit, of draws, say, has their mean
        wide = rows.pivot_table(
            index=_SETTING + _UNIT, columns="model", values="value", aggfunc="mean", sort=False
        )
        for key, group in wide.groupby(level=_SETTING, sort=False):
            named = dict(zip(_SETTING, key, strict=True))
            fact = metrics[named["metric"]]
            if ends := _ends(group.dropna(axis=1, how="all"), role, fact, n_resamples, seed):
                found.append(named | ends)
    if not found:
        return pd.DataFrame(columns=_COLUMNS)
    by_setting = pd.DataFrame(found)
    grouped = by_setting.groupby(["page", "task", "metric"], sort=False)
    summary = grouped.agg(
        asked=("verdict", "size"),
        told_apart=("verdict", lambda v: int((v == "better").sum())),
        too_few=("verdict", lambda v: int((v == "too few").sum())),
        reversed=("verdict", lambda v: int((v == "worse").sum())),
        range_fraction=("range_fraction", "median"),
        off_chance=("off_chance", "median"),
    )
    return summary.reset_index()[_COLUMNS]


_COLUMNS = ["page", "task", "metric", "asked", "told_apart", "too_few", "reversed"]
_COLUMNS += ["range_fraction", "off_chance"]


def _ends(values: pd.DataFrame, role, fact: Metric, n_resamples: int, seed: int) -> dict:
    """Floor and ceiling of one setting, compared; nothing where they share no unit."""
    means = (1 if fact.better == "higher" else -1) * values.mean()
    roles = role[means.index]
    if set(roles) != {"floor", "ceiling"}:
        return {}
    best = [means[roles == one].idxmax() for one in ("floor", "ceiling")]
    both = values[best].dropna()
    if both.empty:
        return {}
    floor, ceiling = both[best[0]], both[best[1]]
    perfect = fact.high if fact.better == "higher" else fact.low
    way = perfect - floor.mean()
    share = (ceiling.mean() - floor.mean()) / way if np.isfinite(way) and way else np.nan
    return {
        "verdict": _verdict(floor, ceiling, fact, n_resamples, seed),
        "range_fraction": share,
        "off_chance": abs(floor.mean() - fact.chance),
    }


def _verdict(floor, ceiling, fact: Metric, n_resamples: int, seed: int) -> str:
    clusters = floor.index.get_level_values("cluster").to_numpy()
    if len(set(clusters)) < MIN_UNITS:
        return "too few"
    table = pd.DataFrame({"ceiling": ceiling.to_numpy(), "floor": floor.to_numpy()})
    pair = compare(
        table,
        clusters,
        better=fact.better,
        margin=0.0,
        n_resamples=n_resamples,
        rng=np.random.default_rng(seed),
    )
    return pair["verdict"].iloc[0]


def in_words(found: pd.DataFrame, metrics: Mapping[str, Metric]) -> str:
    """What the table of `reach` comes to, in two sentences."""
    asked = found["asked"].sum() - found["too_few"].sum()
    if not asked:
        return "No setting of this build has a floor and a ceiling on enough clusters."
    decided = found["asked"] > found["too_few"]
    never = found[decided & (found["told_apart"] == 0)]
    first = (
        f"In {found['told_apart'].sum()} of {asked} settings a metric tells its ceiling from its "
        f"best floor."
    )
    if never.empty:
        return f"{first} Each metric does in some setting."
    names = sorted(
        f"{metrics[row.metric].title} in {task_in_words(row.task, row.page)}"
        for row in never.itertuples()
    )
    shown = "; ".join(names[:8]) + (f"; and {len(names) - 8} more" if len(names) > 8 else "")
    return (
        f"{first} {len(names)} never do, and rank nothing there: {shown}."
        if len(names) > 1
        else f"{first} One never does, and ranks nothing there: {shown}."
    )


def readable(found: pd.DataFrame, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """`reach` as the page shows it."""
    return pd.DataFrame(
        {
            "task": [task_in_words(*row) for row in zip(found["task"], found["page"], strict=True)],
            "metric": [metrics[name].title for name in found["metric"]],
            "told apart": [
                f"{told} of {asked - few}" if asked > few else "cannot"
                for told, asked, few in zip(
                    found["told_apart"], found["asked"], found["too_few"], strict=True
                )
            ],
            "floor above ceiling": found["reversed"],
            "range fraction": found["range_fraction"],
            "floor from chance": found["off_chance"],
        }
    )
