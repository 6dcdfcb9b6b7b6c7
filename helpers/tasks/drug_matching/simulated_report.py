"""What is said of simulated drugs and diseases: when learning wins, and by how much."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import scores
from helpers.metrics.drug_matching.facts import METRICS
from helpers.stats import mean_interval
from helpers.summaries import draw_means
from helpers.tasks.drug_matching.matching_report import TASK
from helpers.tasks.drug_matching.simulated import LEARNED, MODELS
from helpers.tasks.findings import listed, with_interval

REVERSAL = tuple(m for m in MODELS if MODELS[m] == "candidate" and m not in LEARNED)
RIDGE = "bilinear ridge"
CLAIMED = 200.0
"""Improvement in percent that the abstract of DGEM-NN names, over both of its baselines."""


def simulated_rows(asked: Mapping[tuple, pd.DataFrame], *, split: str = "diseases") -> pd.DataFrame:
    """Rows of the score table, from metrics by (reversal, model, seed).

    A disease of one draw is no disease of another: the draw is the cluster.
    """
    parts = [
        scores.rows(
            task=TASK,
            dataset=f"simulated, reversal {rho:g}",
            split=split,
            model=model,
            params={"candidates": "all", "reversal": rho},
            role=MODELS[model],
            unit_kind="disease",
            unit=found["disease"].astype(str),
            cluster=f"draw {seed}",
            seed=seed,
            **found[["metric", "n", "value"]],
        )
        for (rho, model, seed), found in asked.items()
    ]
    return pd.concat(parts, ignore_index=True)


def over_draws(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means over draws with the interval of another draw's mean: `reversal`, `model`, `mean` ..."""
    own = table[table["metric"] == metric]
    own = own.assign(reversal=own["dataset"].str.rpartition(" ")[2].astype(float))
    by = ["metric", "reversal", "model", "role"]
    return draw_means(own, by, draw="cluster", metrics=METRICS)


def improvements(table: pd.DataFrame) -> pd.DataFrame:
    """Best learned model over the best score of reversal, for each value of the knob.

    Parameters
    ----------
    table : DataFrame
        Of `simulated_rows`; average precision is asked.

    Returns
    -------
    DataFrame
        `reversal`; of the models that were scored in all `draws`, `best reversal` and `best
        learned`, by their means, with `its value` and `value`; `improvement (%)`, the mean over
        draws of 100 (new - old) / old, where 200 % is three times as much, with its 95 % interval
        `low`, `high` (t distribution; NaN of one).
    """
    own = table[table["metric"] == "retrieval_map"]
    own = own.assign(reversal=own["dataset"].str.rpartition(" ")[2].astype(float))
    rows = []
    for rho, part in own.groupby("reversal", sort=False):
        wide = part.pivot_table("value", "cluster", "model").dropna(axis=1)
        old, new = (
            wide[[m for m in names if m in wide]].mean().idxmax() for names in (REVERSAL, LEARNED)
        )
        gain = 100 * (wide[new] - wide[old]) / wide[old]
        ends = mean_interval(gain) if len(gain) > 1 else (np.nan, np.nan)
        value = wide.mean()
        rows.append([rho, old, value[old], new, value[new], gain.mean(), *ends, len(gain)])
    columns = ["best reversal", "its value", "best learned", "value", "improvement (%)"]
    return pd.DataFrame(rows, columns=["reversal", *columns, "low", "high", "draws"])


def about_learning(found: pd.DataFrame) -> str:
    """Where learning wins, of the rows of `improvements`; the learned models are named."""
    own = found.sort_values("reversal")
    better, worse = own["low"] > 0, own["high"] < 0
    told = [
        f"{word} at {_knob(own[chosen])}"
        for chosen, word in (
            (better, "better"),
            (worse, "worse"),
            (~better & ~worse, "not told apart"),
        )
        if chosen.any()
    ]
    named = list(dict.fromkeys(own["best learned"]))
    who = named[0] if len(named) == 1 else f"the best learned model ({listed(named)})"
    return (
        f"Against the best score of reversal {who} is {', '.join(told)}. The number is the weight "
        "of reversal in the simulated indications, from 1 (nothing else) to 0 (none)."
    )


def _knob(rows: pd.DataFrame) -> str:
    return listed(f"{rho:g}" for rho in rows["reversal"])


def about_claim(found: pd.DataFrame) -> str:
    """At which weights of reversal a gain of more than 200 % is seen, and the mean gains."""
    own = found.sort_values("reversal", ascending=False)
    told = [f"{row['improvement (%)']:+.0f} % at {row['reversal']:g}" for _, row in own.iterrows()]
    said = f"{_seen(found)} The mean gains are {listed(told)}."
    return said.replace("-", "\N{MINUS SIGN}")


def _seen(found: pd.DataFrame) -> str:
    own = found.sort_values("reversal", ascending=False)
    there, below = own["low"] > CLAIMED, own["high"] < CLAIMED
    where = f"at {_knob(own[there])}" if there.any() else "nowhere"
    if not (there | below).all():
        where += f", undecided at {_knob(own[~there & ~below])}"
    return f"A gain of more than {CLAIMED:.0f} % is seen {where}."


def about_networks(table: pd.DataFrame) -> str:
    """The best network beside a linear model in the draws that both have; rows of the table."""
    own = table[table["metric"] == "retrieval_map"]
    own = own.assign(reversal=own["dataset"].str.rpartition(" ")[2].astype(float))
    told = []
    for rho, part in own.groupby("reversal", sort=False):
        wide = part.pivot_table("value", "cluster", "model")
        nets = [m for m in LEARNED if m in wide and m != RIDGE]
        if not nets or RIDGE not in wide:
            continue
        best = wide[nets].mean().idxmax()
        both = wide[[best, RIDGE]].dropna()
        if both.empty:
            continue
        gap = both[best] - both[RIDGE]
        low, high = mean_interval(gap) if len(gap) > 1 else (np.nan, np.nan)
        verdict = "better" if low > 0 else "worse" if high < 0 else "not told apart"
        draws = f"{len(both)} draw{'s' * (len(both) > 1)}"
        told.append(
            f"at {rho:g} {best} {both[best].mean():.2f} and {RIDGE} {both[RIDGE].mean():.2f} "
            f"({draws}), a difference of {with_interval(gap.mean(), low, high)}, {verdict}"
        )
    if not told:
        return "No network was trained here."
    return f"Average precision of the best network in the same draws as {RIDGE}: {'; '.join(told)}."


def in_short(found: pd.DataFrame) -> str:
    """The answer of the page on learning."""
    return f"{about_learning(found)} {_seen(found)}"


def interval_of(means: pd.DataFrame, rho: float, model: str) -> str:
    """A mean and its interval in words."""
    (row,) = means[(means["reversal"] == rho) & (means["model"] == model)].itertuples()
    return with_interval(row.mean, row.low, row.high)
