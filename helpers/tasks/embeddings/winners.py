"""Who is best when the probe, the post-processing or the number of dimensions is another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import pandas as pd

from helpers.metrics.embeddings.facts import METRICS
from helpers.tasks.embeddings.questions import QUESTIONS, Question, anchors, primary_scores, tied

UNCOMPARED = "not compared"
DIMENSIONS = 64  # of the embeddings that the tasks score


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
        groups = tied(candidates, ends, better, n_resamples, rng)
        means = candidates.groupby("model")["value"].mean()
        best = means.idxmax() if better == "higher" else means.idxmin()
        letters = set(groups.get(best) or "")
        others = [m for m, g in groups.items() if m != best and g and letters & set(g)]
        rows.append(
            [question.title, *key, best, "; ".join(others) if groups else UNCOMPARED, len(means)]
        )
    return pd.DataFrame(rows, columns=["task", *settings, "best", "tied with", "n_models"])


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
        else others
        if others == UNCOMPARED
        else "tied"
        if first in others.split("; ")
        else "behind"
        for best, others in zip(table["best"], table["tied with"], strict=True)
    ]
    return table.assign(leader=leader).drop(columns="size")


def _by_dimension(scores: pd.DataFrame) -> pd.DataFrame:
    """PCA and scVI of each number of dimensions, under the names of their families."""
    base = {"PCA of log counts": "PCA", "scVI": "scVI"}
    varied = scores["model"].str.extract(r"^(\w+), dimensions: ")[0]
    family = varied.fillna(scores["model"].map(base))
    return scores.assign(model=family)[family.notna()]
