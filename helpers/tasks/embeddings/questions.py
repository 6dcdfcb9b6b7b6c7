"""The tier's tasks as questions: which scores stand for each, its scale, who is tied."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers.comparisons import compare, equivalence_margin, paired, tie_groups
from helpers.metrics.embeddings.facts import METRICS, PRIMARY
from helpers.metrics.facts import primary_metric
from helpers.stats import MIN_UNITS
from helpers.words import Words

FLOORS = ("permuted labels", "Gaussian noise")
CEILING = "planted truth"


@dataclass(frozen=True, eq=False)
class Question:
    """A task of the tier, and what its scale is anchored at.

    Parameters
    ----------
    task : str
        As in the column `task` of scores.
    title : str
    metric : str
        By default the primary one of the task.
    floor, ceiling : float, optional
        Where they are no model's score: batches that lie apart have a ratio near 0, permuted
        batch labels have 1 by construction.
    ends : tuple of str
        What floor and ceiling are, in words.
    chosen : mapping
        Which scores stand for the task, columns of scores or names in `params`: simulated screens,
        center-scaled. Decoders refit each coordinate, so that reconstruction takes embeddings as
        they are; and it is held against counts without their noise, since embeddings that saw a
        cell's counts read its noise back.
    """

    task: str
    title: str
    metric: str = ""
    floor: float | None = None
    ceiling: float | None = None
    ends: tuple[Words, Words] = ("the best floor", "the planted truth")
    chosen: Mapping[str, str] = field(
        default_factory=lambda: {"dataset": "simulated", "post": "center_scaled"}
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", self.metric or primary_metric(self.task, PRIMARY))

    @property
    def panel(self) -> Words:
        """Its title over a panel; marked where the ends of its scale are others."""
        own = self.floor is None and self.ceiling is None
        return self.title if own else f"{self.title}, from {self.ends[0]} to {self.ends[1]}"


QUESTIONS = (
    Question(
        "batch-mixing",
        "batch mixing",
        floor=0.0,
        ceiling=1.0,
        ends=("batches apart", "permuted batch labels"),
    ),
    Question(
        "linear-separability",
        "linear separability",
        chosen={"dataset": "simulated", "post": "center_scaled", "probe": "linear"},
    ),
    Question("consistency", "consistency"),
    Question("neighbourhood", "neighbourhood"),
    # Databases are too few to compare models on; their genes are not.
    Question("known-relationships", "known relationships", metric="gene_recall"),
    Question(
        "reconstruction",
        "reconstruction",
        chosen={
            "dataset": "simulated, without counting noise",
            "split": "unseen perturbations and batches",
            "post": "raw",
        },
    ),
)
"""The six tasks, in the order of Bendidi et al. (2024); each has a chapter of that name."""


def primary_scores(scores: pd.DataFrame, question: Question, **chosen: str) -> pd.DataFrame:
    """Rows of a task's primary metric that have the chosen values, one table to compare.

    Parameters
    ----------
    scores : DataFrame
        Score table of the chapter.
    question : Question
    **chosen : str
        Column of scores, or name in `params`, and its value, such as `dataset="simulated"`.

    Raises
    ------
    ValueError
        Nothing is left; what there is instead is said.
    """
    rows = scores[(scores["task"] == question.task) & (scores["metric"] == question.metric)]
    for name, value in chosen.items():
        there = rows[name] if name in rows else rows["params"].map(json.loads).map(_get(name))
        left = rows[(there == value).to_numpy(dtype=bool)]
        if left.empty:
            known = ", ".join(sorted(set(map(str, there)))) or "no row"
            raise ValueError(
                f"{question.task}: no score of {question.metric} with {name} = {value!r} "
                f"(there: {known})"
            )
        rows = left
    return rows


def _get(name: str) -> Callable[[Mapping], object]:
    return lambda given: given.get(name)


def anchors(scores: pd.DataFrame, question: Question) -> tuple[float, float]:
    """Floor and ceiling of a task: the best floor's mean and the planted truth's.

    Raises
    ------
    ValueError
        One of them was not scored, or they are the same.
    """
    better = METRICS[question.metric].better
    means = scores.groupby("model")["value"].mean()
    floor, ceiling = question.floor, question.ceiling
    if floor is None:
        there = [name for name in FLOORS if name in means.index]
        if not there:
            raise ValueError(f"{question.task}: none of {', '.join(FLOORS)} was scored")
        floor = means[there].max() if better == "higher" else means[there].min()
    if ceiling is None:
        if CEILING not in means.index:
            raise ValueError(f"{question.task}: {CEILING} was not scored")
        ceiling = means[CEILING]
    if not np.isfinite([floor, ceiling]).all() or floor == ceiling:
        raise ValueError(f"{question.task}: floor {floor:g} and ceiling {ceiling:g} span no scale")
    return float(floor), float(ceiling)


def all_pairs(candidates, scale, better, n_resamples, rng) -> tuple[list[str], pd.DataFrame]:
    """Models, best first, and comparisons of all of them; none where there is too little."""
    if candidates["model"].nunique() < 2:
        return [], pd.DataFrame(columns=["model", "other", "verdict"])
    shared = paired(candidates, missing="drop")
    if len(set(shared.clusters)) < MIN_UNITS:
        return [], pd.DataFrame(columns=["model", "other", "verdict"])
    pairs = compare(
        shared.table,
        shared.clusters,
        better=better,
        margin=equivalence_margin(*scale),
        n_resamples=n_resamples,
        rng=rng,
    )
    order = shared.table.mean().sort_values(ascending=better == "lower", kind="stable").index
    return list(order), pairs


def tied(candidates, scale, better, n_resamples, rng) -> dict[str, str]:
    """Letters by model, best first; empty where there is too little to compare."""
    order, pairs = all_pairs(candidates, scale, better, n_resamples, rng)
    return tie_groups(pairs, order).to_dict() if order else {}
