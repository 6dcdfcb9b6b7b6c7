"""Who is best when a task is asked in another way that nobody would call wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from helpers.metrics.embeddings.facts import METRICS
from helpers.tasks.embeddings.questions import (
    QUESTIONS,
    Question,
    all_pairs,
    anchors,
    primary_scores,
)

UNCOMPARED = "not compared"
DIMENSIONS = 64  # of the embeddings that the tasks score
OTHER_METRICS = {
    "linear-separability": ("probe_top5",),
    "consistency": ("consistency_p_value",),
    "neighbourhood": ("knn_top5", "knn_rank", "average_precision"),
    "known-relationships": ("relationship_recall",),
    "reconstruction": ("profile_integrity",),
}
"""Metrics of a task that could have been its primary one. Those that another metric of the same
task only rescales (iLISI), and those that no representation can move, are left out."""
TARGETS = ("simulated, without counting noise", "simulated")
"""What reconstruction is held against: expected counts, or those that were observed."""


def winners(
    scores: pd.DataFrame,
    question: Question,
    *,
    settings: Iterable[str],
    scale: tuple[float, float] | None = None,
    n_resamples: int = 10_000,
    rng,
) -> pd.DataFrame:
    """The best candidate of a task under each setting, and what is known of the others.

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
        `task`, the settings, `best` (best mean), `tied` and `undecided` (names of others, with
        "; " between them; both `UNCOMPARED` where there is too little to compare), `n_models`.
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
        order, pairs = all_pairs(
            candidates, scale or anchors(own, question), better, n_resamples, rng
        )
        means = candidates.groupby("model")["value"].mean()
        best = means.idxmax() if better == "higher" else means.idxmin()
        said = [UNCOMPARED] * 2
        if order:
            of_best = pairs[(pairs[["model", "other"]] == best).any(axis=1)]
            names = of_best["model"].where(of_best["model"] != best, of_best["other"])
            said = ["; ".join(names[of_best["verdict"] == v]) for v in ("tied", "undecided")]
        rows.append([question.title, *key, best, *said, len(means)])
    return pd.DataFrame(rows, columns=["task", *settings, "best", "tied", "undecided", "n_models"])


def same_winner(
    tables: Mapping[str, pd.DataFrame],
    ablations: pd.DataFrame,
    *,
    n_resamples: int = 10_000,
    rng,
) -> pd.DataFrame:
    """Who is best when metric, read-out, post-processing or number of dimensions is another.

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
        comes first), `best`, `tied`, `undecided`, `n_models`, and what becomes of the candidate
        that is best as declared: `leader` is "leads", "tied" or "undecided" with the best,
        "behind" it, or "not compared". A choice that a chapter did not vary is absent.
    """
    found = []

    def add(choice, column, declared, *asked, scale=None):
        """Rows of several (scores, question), of which one holds the declared setting."""
        parts = [
            winners(rows, q, settings=[column], scale=scale, n_resamples=n_resamples, rng=rng)
            for rows, q in asked
        ]
        table = pd.concat(parts, ignore_index=True)
        table = table.rename(columns={column: "chosen"}).assign(choice=choice)
        if len(table) > 1:
            found.append(_against_declared(table, declared))

    for question in QUESTIONS:
        table = tables[question.task]

        def chosen(question, *, but=(), table=table, **other):
            fixed = {k: v for k, v in question.chosen.items() if k != but} | other
            return primary_scores(table, question, protocol="revised", **fixed), question

        there = set(table["metric"])
        others = [m for m in OTHER_METRICS.get(question.task, ()) if m in there]
        asked = [question, *(replace(question, metric=m) for m in others)]
        add("metric", "metric", question.metric, *map(chosen, asked))
        add("post-processing", "post", question.chosen["post"], chosen(question, but="post"))
        if "probe" in question.chosen:
            add("read-out", "probe", question.chosen["probe"], chosen(question, but="probe"))
        if question.chosen["dataset"] == TARGETS[0]:
            targets = [d for d in TARGETS if d in set(table["dataset"])]
            asked = [chosen(question, dataset=d) for d in targets]
            add("read-out", "dataset", TARGETS[0], *asked)
    for question in QUESTIONS:
        if question.task in set(ablations["task"]):
            rows = primary_scores(ablations, question, dataset="simulated", protocol="revised")
            scale = anchors(rows, question)
            varied = _by_dimension(rows)
            add("dimensions", "n_dims", str(DIMENSIONS), (varied, question), scale=scale)
    table = pd.concat(found, ignore_index=True)
    columns = ["task", "choice", "chosen", "declared", "best", "tied", "undecided", "n_models"]
    return table[[*columns, "leader"]]


def _against_declared(table: pd.DataFrame, declared: str) -> pd.DataFrame:
    """Rows of `winners`, the declared setting first, with what became of its best candidate."""
    is_declared = table["chosen"] == declared
    size = pd.to_numeric(table["chosen"], errors="coerce")
    table = table.assign(declared=is_declared, size=size).sort_values(
        ["declared", "size", "chosen"], ascending=[False, True, True], kind="stable"
    )
    (first,) = table.loc[table["declared"], "best"]

    def became(row) -> str:
        if row.best == first:
            return "leads"
        if row.tied == UNCOMPARED:
            return UNCOMPARED
        for verdict in ("tied", "undecided"):
            if first in getattr(row, verdict).split("; "):
                return verdict
        return "behind"

    return table.assign(leader=[became(row) for row in table.itertuples()]).drop(columns="size")


def _by_dimension(scores: pd.DataFrame) -> pd.DataFrame:
    """PCA and scVI of each number of dimensions, under the names of their families."""
    base = {"PCA of log counts": "PCA", "scVI": "scVI"}
    varied = scores["model"].str.extract(r"^(\w+), dimensions: ")[0]
    family = varied.fillna(scores["model"].map(base))
    return scores.assign(model=family)[family.notna()]
