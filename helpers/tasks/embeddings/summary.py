"""Tasks x models: where each representation stands between floor and ceiling, on real data too."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.metrics.embeddings.facts import METRICS
from helpers.summaries import group_means
from helpers.tasks.embeddings.questions import (
    FLOORS,
    QUESTIONS,
    Question,
    anchors,
    primary_scores,
    tied,
)
from helpers.tasks.requirements import CannotAnswer


def standings(
    scores: pd.DataFrame, question: Question, *, n_resamples: int = 10_000, rng
) -> pd.DataFrame:
    """Where models stand between floor (0) and ceiling (1), and which of them are tied.

    Parameters
    ----------
    scores : DataFrame
        Result of `primary_scores`.
    question : Question
    n_resamples : int
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        `task` (its title), `model`, `role`, `mean`, `low`, `high` (bootstrap-t over clusters),
        `standing`, `standing_low`, `standing_high` (the same on the scale, its ends taken as
        known), `group`: letters of candidates that cannot be told apart on the units that all of
        them share; None for others, and where fewer clusters than a comparison takes are there.
        `n_units`, `n_clusters`. Candidates first, best first.
    """
    better = METRICS[question.metric].better
    floor, ceiling = anchors(scores, question)
    table = group_means(scores, ["model", "role"], n_resamples=n_resamples, rng=rng)
    ends = (table[["mean", "low", "high"]] - floor) / (ceiling - floor)
    table.insert(0, "task", question.title)
    span = ends[["low", "high"]].where(np.isfinite(ends[["low", "high"]]).all(axis=1))
    table["standing"] = ends["mean"]
    table["standing_low"], table["standing_high"] = span.min(axis=1), span.max(axis=1)
    order = table["role"].map({"candidate": 0, "floor": 1, "ceiling": 2})
    table = table.assign(order=order).sort_values(
        ["order", "standing"], ascending=[True, False], kind="stable"
    )
    candidates = scores[scores["role"] == "candidate"]
    groups = tied(candidates, (floor, ceiling), better, n_resamples, rng)
    table["group"] = [groups.get(name) for name in table["model"]]
    return table.drop(columns=["order", "n_unscored"]).reset_index(drop=True)


def on_real_data(
    tables: Mapping[str, pd.DataFrame], *, n_resamples: int = 10_000, rng
) -> pd.DataFrame:
    """Candidates on real screens, task by task, beside the best floor.

    Parameters
    ----------
    tables : mapping
        Of task to the score table of its chapter.
    n_resamples, rng
        See `standings`.

    Returns
    -------
    DataFrame
        `task`, `dataset`, `split`, `model`, `role`, `mean`, `low`, `high` (95 %, over clusters;
        NaN with few), `floor` (best mean of `FLOORS`; NaN where the scale of the task starts at no
        floor), `group`, `n_units`. Rows of the revised
        protocol, with the declared post-processing, of data that are not simulated. `panel`: task
        and data set, and the split where there are several.

    Raises
    ------
    CannotAnswer
        There are none.
    """
    found = []
    for question in QUESTIONS:
        rows = tables[question.task]
        real = rows[
            ~rows["dataset"].str.startswith("simulated") & (rows["metric"] == question.metric)
        ]
        if real.empty:
            continue
        chosen = {k: v for k, v in question.chosen.items() if k != "dataset"}
        real = primary_scores(real, question, protocol="revised", **chosen)
        for (dataset, split, _), own in real.groupby(["dataset", "split", "unit_kind"]):
            if own["value"].isna().all():
                continue
            found.append(
                _above_floor(own, question, n_resamples, rng).assign(dataset=dataset, split=split)
            )
    if not found:
        raise CannotAnswer("no task has scores of a real screen")
    table = pd.concat(found, ignore_index=True)
    by = ["task", "dataset"]
    several = table.groupby(by)["split"].transform("nunique") > 1
    panel = table["task"] + "\n" + table["dataset"]
    return table.assign(panel=panel.where(~several, panel + ", " + table["split"]))


def _above_floor(scores, question, n_resamples, rng) -> pd.DataFrame:
    better = METRICS[question.metric].better
    means = scores.groupby("model")["value"].mean()
    floors = [f for f in FLOORS if f in means.index]
    floor = question.floor
    if floor is None:
        floor = means[floors].max() if better == "higher" else means[floors].min()
    candidates = scores[scores["role"] == "candidate"]
    best = candidates.groupby("model")["value"].mean()
    best = best.max() if better == "higher" else best.min()
    ceiling = best if question.ceiling is None else question.ceiling
    groups = tied(candidates, (floor, ceiling), better, n_resamples, rng)
    table = group_means(candidates, ["model"], n_resamples=n_resamples, rng=rng, sort=True)
    table = table.assign(
        task=question.title,
        floor=floor if question.floor is None else np.nan,
        group=[groups.get(name) for name in table["model"]],
    )
    columns = ["task", "model", "role", "mean", "low", "high", "floor", "group", "n_units"]
    return table[columns].sort_values("mean", ascending=better == "lower", kind="stable")
