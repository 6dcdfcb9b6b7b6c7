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
CLAIMED = 200.0
"""Improvement in percent that the abstract of DGEM-NN names, over both of its baselines."""
PROTOTYPE = pd.DataFrame(
    {
        "model": ["random", "cosine", "WTCS", "bilinear ridge"],
        1.0: [0.046, 0.659, 0.641, 0.508],
        0.5: [0.047, 0.320, 0.308, 0.359],
        0.0: [0.047, 0.053, 0.052, 0.504],
    }
).set_index("model")
"""Average precision of the prototype of this simulator: one draw, before it was written anew."""


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
    """Where learning wins, of the rows of `improvements`."""
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
    return (
        "Compared with the best score of reversal, along the knob from 1 (pure reversal) to 0, the "
        f"best learned model is {', '.join(told)}."
    )


def _knob(rows: pd.DataFrame) -> str:
    return listed(f"{rho:g}" for rho in rows["reversal"])


def about_claim(found: pd.DataFrame) -> str:
    """At which values of the knob a gain of more than 200 % is seen."""
    own = found.sort_values("reversal", ascending=False)
    told = [f"{row['improvement (%)']:+.0f} % at {row['reversal']:g}" for _, row in own.iterrows()]
    there, below = own["low"] > CLAIMED, own["high"] < CLAIMED
    where = f"at {_knob(own[there])}" if there.any() else "nowhere"
    if not (there | below).all():
        where += f", undecided at {_knob(own[~there & ~below])}"
    said = f"More than {CLAIMED:.0f} % is seen {where}: {', '.join(told)}."
    return said.replace("-", "\N{MINUS SIGN}")


def about_networks(means: pd.DataFrame) -> str:
    """The best network beside a linear model, where both were trained."""
    value, told = means.set_index(["reversal", "model"])["mean"], []
    for rho in dict.fromkeys(means["reversal"]):
        own = value[rho]
        nets = own[[m for m in LEARNED if m in own and m != "bilinear ridge"]]
        if len(nets) and "bilinear ridge" in own:
            told.append(f"{nets.max():.2f} and {own['bilinear ridge']:.2f} at {rho:g}")
    if not told:
        return "No network was trained here."
    return f"Average precision of the best network and of bilinear ridge: {'; '.join(told)}."


def about_prototype(means: pd.DataFrame) -> str:
    """How far the values are from those of the prototype."""
    value = means.set_index(["reversal", "model"])
    gaps = {}
    for rho in PROTOTYPE.columns:
        for model, reported in PROTOTYPE[rho].items():
            if (rho, model) in value.index:
                gaps[rho, model] = value.loc[(rho, model), "mean"] - reported
    if not gaps:
        return "No value of the knob is one that the prototype had."
    furthest = max(gaps, key=lambda key: abs(gaps[key]))
    return (
        f"Of {len(gaps)} values of the prototype the furthest from ours is that of "
        f"{furthest[1]} at {furthest[0]:g}, by {gaps[furthest]:+.2f}."
    ).replace("-", "\N{MINUS SIGN}")


def in_short(found: pd.DataFrame) -> str:
    """The answer of the page on learning."""
    return f"{about_learning(found)} {about_claim(found)}"


def interval_of(means: pd.DataFrame, rho: float, model: str) -> str:
    """A mean and its interval in words."""
    (row,) = means[(means["reversal"] == rho) & (means["model"] == model)].itertuples()
    return with_interval(row.mean, row.low, row.high)
