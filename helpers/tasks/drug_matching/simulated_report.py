"""What is said of simulated drugs and diseases: when learning wins, and by how much."""

from collections.abc import Mapping

import pandas as pd

from helpers import scores
from helpers.metrics.drug_matching.facts import METRICS
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


def improvements(means: pd.DataFrame) -> pd.DataFrame:
    """Best learned model over the best score of reversal, for each value of the knob.

    Parameters
    ----------
    means : DataFrame
        Of `over_draws`, of average precision.

    Returns
    -------
    DataFrame
        `reversal`, `best reversal`, `its value`, `best learned`, `value`, `improvement (%)`,
        100 (new - old) / old: 200 % is three times as much.
    """
    rows = []
    for rho, own in means.groupby("reversal", sort=False):
        value = own.set_index("model")["mean"]
        old = value[[m for m in REVERSAL if m in value]]
        new = value[[m for m in LEARNED if m in value]]
        gain = 100 * (new.max() - old.max()) / old.max()
        rows.append([rho, old.idxmax(), old.max(), new.idxmax(), new.max(), gain])
    columns = ["best reversal", "its value", "best learned", "value", "improvement (%)"]
    return pd.DataFrame(rows, columns=["reversal", *columns])


def about_learning(found: pd.DataFrame) -> str:
    """Where learning wins, of the rows of `improvements`."""
    own = found.sort_values("reversal")
    wins = own[own["improvement (%)"] > 0]
    if wins.empty:
        return "No learned model passes reversal, however indications come about."
    ends = f"{own['reversal'].iloc[0]:g}", f"{own['reversal'].iloc[-1]:g}"
    if len(wins) == len(own):
        return (
            f"A learned model passes reversal at every value of the knob, from {ends[0]} to "
            f"{ends[1]}."
        )
    largest = wins["reversal"].max()
    return (
        f"Learning wins where indications do not follow reversal: the best learned model passes "
        f"the best score of reversal up to a knob of {largest:g}, and not above."
    )


def about_claim(found: pd.DataFrame) -> str:
    """At which values of the knob a gain of more than 200 % is seen."""
    own = found.sort_values("reversal", ascending=False)
    told = [f"{row['improvement (%)']:+.0f} % at {row['reversal']:g}" for _, row in own.iterrows()]
    told = ", ".join(told).replace("-", "\N{MINUS SIGN}")
    there = own.loc[own["improvement (%)"] > CLAIMED, "reversal"]
    if there.empty:
        return f"More than {CLAIMED:.0f} % is seen nowhere: {told}."
    if len(there) == len(own):
        return f"More than {CLAIMED:.0f} % is seen at every value of the knob: {told}."
    at = listed(f"{rho:g}" for rho in there)
    return (
        f"More than {CLAIMED:.0f} % is seen at {at}, and not elsewhere: {told}. The size of the "
        "gain measures how far indications are from reversal, and how weak the baseline is, as "
        "much as the model."
    )


def about_networks(means: pd.DataFrame) -> str:
    """Whether a network passes a linear model, where both were trained."""
    value = means.set_index(["reversal", "model"])["mean"]
    better, n, told = 0, 0, []
    for rho in dict.fromkeys(means["reversal"]):
        own = value[rho]
        nets = own[[m for m in LEARNED if m in own and m != "bilinear ridge"]]
        if nets.empty or "bilinear ridge" not in own:
            continue
        n += 1
        better += bool(nets.max() > own["bilinear ridge"])
        told.append(f"{nets.max():.2f} against {own['bilinear ridge']:.2f} at {rho:g}")
    if not n:
        return "No network was trained here."
    says = f"average precision of the best network against bilinear ridge: {'; '.join(told)}."
    if better == n:
        return f"Networks pass the linear model: {says}"
    if better:
        return f"Networks pass the linear model at {better} of {n} values of the knob: {says}"
    return (
        f"The networks do not pass the linear model: {says} The planted relation is bilinear, and "
        "a few dozen diseases are few for a network."
    )


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
