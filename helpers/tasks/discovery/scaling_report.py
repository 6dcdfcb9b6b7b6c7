"""What is said of more data: rows, curves, gains, sentences."""

import json

import numpy as np
import pandas as pd

from helpers import scores
from helpers.comparisons import as_family, compare
from helpers.plots.page import number
from helpers.stats import MIN_UNITS
from helpers.summaries import group_means
from helpers.tasks.discovery.scaling import LPM, ROLES, TASK
from helpers.tasks.findings import listed, with_interval
from helpers.words import Words

AXES = {"share": "perturbations of the context", "other contexts": "other contexts"}
MAIN = "profile_pearson_centred"


def score_rows(
    found: pd.DataFrame, *, model: str, share: float, n_others: int, seed: int
) -> pd.DataFrame:
    """Result of `scaled_scores` as rows; a pair of a draw is a cluster."""
    return scores.rows(
        task=TASK,
        dataset="simulated: context gate",
        model=model,
        params={"share": share, "other contexts": n_others},
        metric=found["metric"],
        role=ROLES[model],
        unit_kind="perturbation",
        unit=found["unit"],
        cluster=f"{seed} " + found["unit"].astype(str),
        seed=seed,
        n=found["n"],
        value=found["value"],
    )


def told(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the main metric with `share` and `other contexts` as columns."""
    own = rows[rows["metric"] == MAIN].reset_index(drop=True)
    return own.join(pd.DataFrame(own["params"].map(json.loads).tolist()))


def curve(rows: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Means along one axis, the other at its largest."""
    own = told(rows)
    other = next(name for name in AXES if name != axis)
    own = own[own[other] == own[other].max()]
    return group_means(own, [axis, "model"], n_resamples=2_000)


def gains(rows: pd.DataFrame, *, seed: int, n_resamples: int = 5_000) -> pd.DataFrame:
    """With the most of each axis less with the least, paired over test pairs, by model.

    *cannot* below six pairs. `p_holm` and the verdict are corrected over all rows.
    """
    own, parts = told(rows), []
    for axis in AXES:
        other = next(name for name in AXES if name != axis)
        along = own[own[other] == own[other].max()]
        ends = along[axis].min(), along[axis].max()
        for model in [m for m in ROLES if m in set(along["model"])]:
            part = along[(along["model"] == model) & along[axis].isin(ends)]
            wide = part.pivot_table("value", ["seed", "unit"], axis).reindex(columns=ends).dropna()
            row = {"axis": AXES[axis], "model": model, "least": ends[0], "most": ends[1]}
            kept = ("difference", "low", "high", "p_value", "p_holm", "least_p", "least_p_holm")
            if len(wide) < MIN_UNITS or ends[0] == ends[1]:
                parts.append(row | dict.fromkeys(kept, np.nan) | {"verdict": "cannot"})
                continue
            (found,) = compare(
                wide[[ends[1], ends[0]]].set_axis(["most", "least"], axis=1),
                np.arange(len(wide)),
                better="higher",
                n_resamples=n_resamples,
                rng=np.random.default_rng(seed),
            ).to_dict("records")
            parts.append(row | {k: found[k] for k in (*kept, "verdict")})
    return as_family(pd.DataFrame(parts)).drop(columns=["least_p", "least_p_holm"])


def in_short(found: pd.DataFrame) -> Words:
    """The answer of the page, of `gains`: which models each axis helps."""
    told = []
    for axis, own in found[found["model"].map(ROLES) == "candidate"].groupby("axis", sort=False):
        sides: dict[str, list] = {}
        for row in own.to_dict("records"):
            by = ", ".join(
                [
                    number(row["difference"], 2),
                    f"{number(row['low'], 2)} to {number(row['high'], 2)}",
                ]
            )
            word = {"better": "help", "worse": "harm", "cannot": "cannot be followed for"}
            word = word.get(row["verdict"], "are not shown to help")
            named = row["model"] if row["verdict"] == "cannot" else f"{row['model']} ({by})"
            sides.setdefault(word, []).append(named)
        said = "; they ".join(f"{word} {listed(names)}" for word, names in sides.items())
        told.append(f"More {axis} {said}.")
    if not told:
        return "No model was followed over either axis."
    return (
        f"{' '.join(told)} In brackets: the gain with its 95 % interval; what is shown is "
        "corrected for all comparisons. The steps of the two are unlike, so that their gains are "
        "not compared."
    )


def about_gains(found: pd.DataFrame, model: str = LPM) -> Words:
    """What more of either does for a model."""
    said = []
    for _, row in found[found["model"] == model].iterrows():
        by = with_interval(row["difference"], row["low"], row["high"])
        word = {
            "better": f"rises with more {row['axis']}: by {by}",
            "worse": f"falls with more {row['axis']}: by {by}",
            "cannot": f"cannot be followed over {row['axis']}",
        }.get(row["verdict"], f"is not shown to change with more {row['axis']}: by {by}")
        said.append(word)
    return f"The correlation of {model} {'; it '.join(said)}."


def about_rivals(rows: pd.DataFrame) -> Words:
    """Who has the highest mean with least and with most to learn from."""
    leaders = []
    for axis in AXES:
        wide = curve(rows, axis).pivot_table("mean", axis, "model")
        leaders.append((wide.iloc[0].idxmax(), wide.iloc[-1].idxmax(), AXES[axis]))
    (first, last, _), (fewest, most, _) = leaders
    if len({first, last, fewest, most}) == 1:
        return f"With little and with much to learn from, {first} has the highest mean."
    parts = [
        f"with fewest and with most {axis}, that of {a}"
        if a == b
        else f"with fewest {axis}, that of {a}, with most that of {b}"
        for a, b, axis in leaders
    ]
    return f"The highest mean is, {'; '.join(parts)}."
