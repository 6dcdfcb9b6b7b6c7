"""Tasks x models: where each representation stands between floor and ceiling, and who is best."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers.comparisons import compare, equivalence_margin, paired, tie_groups
from helpers.metrics.facts import METRICS
from helpers.stats import MIN_UNITS, cluster_means
from helpers.tasks.primary import primary_metric

FLOORS = ("permuted labels", "Gaussian noise")
UNCOMPARED = "not compared"
DIMENSIONS = 64  # of the embeddings that the tasks score
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
        labels have 1 by construction.
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
    chosen: Mapping[str, str] = field(
        default_factory=lambda: {"dataset": "simulated", "post": "center_scaled"}
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "metric", self.metric or primary_metric(self.task))


QUESTIONS = (
    Question("batch-mixing", "batch mixing", floor=0.0, ceiling=1.0),
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
    rows = []
    for (model, role), own in scores.groupby(["model", "role"], sort=False):
        scored = own[own["value"].notna()]
        (found,) = cluster_means(
            scored["value"], scored["cluster"].to_numpy(), n_resamples=n_resamples, rng=rng
        ).itertuples()
        ends = [(v - floor) / (ceiling - floor) for v in (found.mean, found.low, found.high)]
        low, high = sorted(ends[1:]) if np.isfinite(ends[1:]).all() else (np.nan, np.nan)
        rows.append(
            {
                "task": question.title,
                "model": model,
                "role": role,
                "mean": found.mean,
                "low": found.low,
                "high": found.high,
                "standing": ends[0],
                "standing_low": low,
                "standing_high": high,
                "n_units": len(scored),
                "n_clusters": scored["cluster"].nunique(),
            }
        )
    table = pd.DataFrame(rows)
    order = table["role"].map({"candidate": 0, "floor": 1, "ceiling": 2})
    table = table.assign(order=order).sort_values(
        ["order", "standing"], ascending=[True, False], kind="stable"
    )
    candidates = scores[scores["role"] == "candidate"]
    groups = _groups(candidates, (floor, ceiling), better, n_resamples, rng)
    table["group"] = [groups.get(name) for name in table["model"]]
    return table.drop(columns="order").reset_index(drop=True)


def winners(
    scores: pd.DataFrame,
    question: Question,
    *,
    settings: Iterable[str],
    scale: tuple[float, float] | None = None,
    n_resamples: int = 10_000,
    rng,
) -> pd.DataFrame:
    """The best candidate of a task under each setting, with those that cannot be told from it.

    Parameters
    ----------
    scores : DataFrame
        Score table of the task's primary metric, of several settings.
    question : Question
    settings : iterable of str
        Columns of scores or names in `params` that make a setting.
    scale : tuple of float, optional
        Floor and ceiling; by default each setting's own.
    n_resamples, rng
        See `standings`.

    Returns
    -------
    DataFrame
        `task`, the settings, `best` (highest mean), `tied with` (others that share its letter,
        with "; " between them), `n_models`.
    """
    settings = list(settings)
    values = scores["params"].map(json.loads)
    scores = scores.assign(
        **{
            name: [str(given.get(name, "")) for given in values]
            for name in settings
            if name not in scores
        }
    )
    better = METRICS[question.metric].better
    rows = []
    for key, own in scores.groupby(settings, sort=True):
        candidates = own[own["role"] == "candidate"]
        ends = scale or anchors(own, question)
        groups = _groups(candidates, ends, better, n_resamples, rng)
        means = candidates.groupby("model")["value"].mean()
        best = means.idxmax() if better == "higher" else means.idxmin()
        letters = set(groups.get(best) or "")
        tied = [m for m, g in groups.items() if m != best and g and letters & set(g)]
        rows.append(
            [question.title, *key, best, "; ".join(tied) if groups else UNCOMPARED, len(means)]
        )
    return pd.DataFrame(rows, columns=["task", *settings, "best", "tied with", "n_models"])


def _groups(candidates, scale, better, n_resamples, rng) -> dict[str, str]:
    """Letters by model, best first; empty where there is too little to compare."""
    if candidates["model"].nunique() < 2:
        return {}
    shared = paired(candidates, missing="drop")
    if len(set(shared.clusters)) < MIN_UNITS:
        return {}
    pairs = compare(
        shared.table,
        shared.clusters,
        better=better,
        margin=equivalence_margin(*scale),
        n_resamples=n_resamples,
        rng=rng,
    )
    order = shared.table.mean().sort_values(ascending=better == "lower", kind="stable").index
    return tie_groups(pairs, list(order)).to_dict()


def same_winner(
    tables: Mapping[str, pd.DataFrame],
    ablations: pd.DataFrame,
    *,
    n_resamples: int = 10_000,
    rng,
) -> pd.DataFrame:
    """Who is best when the probe, the post-processing or the number of dimensions is another.

    Parameters
    ----------
    tables : mapping
        Of task to the score table of its chapter.
    ablations : DataFrame
        Score table of the chapter on ablations: its settings of PCA and scVI by dimension.
    n_resamples, rng
        See `standings`.

    Returns
    -------
    DataFrame
        `task`, `choice`, `chosen`, `declared` (whether it is the one that stands for the task; it
        comes first), `best`, `tied with`, `n_models`, and what becomes of the candidate that is
        best as declared: `leader` is "leads", "tied" with the best, "behind" it, or "not
        compared". A choice that a chapter did not vary is absent.
    """
    found = []

    def add(rows, question, choice, column, declared, scale=None):
        table = winners(
            rows, question, settings=[column], scale=scale, n_resamples=n_resamples, rng=rng
        )
        table = table.rename(columns={column: "chosen"}).assign(choice=choice)
        found.append(_against_declared(table, declared))

    for question in QUESTIONS:
        fixed = {k: v for k, v in question.chosen.items() if k != "post"}
        rows = primary_scores(tables[question.task], question, protocol="revised", **fixed)
        if len(set(rows["post"])) > 1:
            add(rows, question, "post-processing", "post", question.chosen["post"])
        if "probe" in question.chosen:
            fixed = {k: v for k, v in question.chosen.items() if k != "probe"}
            add(
                primary_scores(tables[question.task], question, protocol="revised", **fixed),
                question,
                "probe",
                "probe",
                question.chosen["probe"],
            )
    for question in QUESTIONS:
        if question.task in set(ablations["task"]):
            rows = primary_scores(ablations, question, dataset="simulated", protocol="revised")
            scale = anchors(rows, question)
            varied = _by_dimension(rows)
            add(varied, question, "dimensions", "n_dims", str(DIMENSIONS), scale)
    table = pd.concat(found, ignore_index=True)
    columns = ["task", "choice", "chosen", "declared", "best", "tied with", "n_models", "leader"]
    return table[columns]


def _against_declared(table: pd.DataFrame, declared: str) -> pd.DataFrame:
    """Rows of `winners`, the declared setting first, with what became of its best candidate."""
    is_declared = table["chosen"] == declared
    size = pd.to_numeric(table["chosen"], errors="coerce")
    table = table.assign(declared=is_declared, size=size).sort_values(
        ["declared", "size", "chosen"], ascending=[False, True, True], kind="stable"
    )
    (first,) = table.loc[table["declared"], "best"]
    leader = [
        "leads"
        if best == first
        else tied
        if tied == UNCOMPARED
        else "tied"
        if first in tied.split("; ")
        else "behind"
        for best, tied in zip(table["best"], table["tied with"], strict=True)
    ]
    return table.assign(leader=leader).drop(columns="size")


def _by_dimension(scores: pd.DataFrame) -> pd.DataFrame:
    """PCA and scVI of each number of dimensions, under the names of their families."""
    base = {"PCA of log counts": "PCA", "scVI": "scVI"}
    varied = scores["model"].str.extract(r"^(\w+), dimensions: ")[0]
    family = varied.fillna(scores["model"].map(base))
    return scores.assign(model=family)[family.notna()]


def on_real_data(
    tables: Mapping[str, pd.DataFrame], *, n_resamples: int = 10_000, rng
) -> pd.DataFrame:
    """Candidates on real screens, task by task, above the best floor.

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
        NaN with few), `floor` (best mean of `FLOORS`), `group`, `n_units`. Rows of the revised
        protocol, with the declared post-processing, of data that are not simulated.
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
            found.append(
                _above_floor(own, question, n_resamples, rng).assign(dataset=dataset, split=split)
            )
    return pd.concat(found, ignore_index=True)


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
    groups = _groups(candidates, (floor, ceiling), better, n_resamples, rng)
    rows = []
    for model, own in candidates.groupby("model"):
        scored = own[own["value"].notna()]
        (one,) = cluster_means(
            scored["value"], scored["cluster"].to_numpy(), n_resamples=n_resamples, rng=rng
        ).itertuples()
        of_model = (one.mean, one.low, one.high, floor, groups.get(model), len(scored))
        rows.append([question.title, model, "candidate", *of_model])
    columns = ["task", "model", "role", "mean", "low", "high", "floor", "group", "n_units"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("mean", ascending=better == "lower", kind="stable")
