"""The answer of a task's chapter in one sentence, from the scores that it leaves."""

import numpy as np
import pandas as pd

from helpers.tasks.embeddings.questions import QUESTIONS, Question, primary_scores
from helpers.tasks.embeddings.readouts_report import POST_NAMES
from helpers.tasks.embeddings.summary import standings
from helpers.tasks.findings import with_interval


def in_short(scores: pd.DataFrame, task: str, *, seed: int, n_resamples: int = 10_000) -> str:
    """Which representation leads a task, how far it gets, and who is not told from it.

    Parameters
    ----------
    scores : DataFrame
        Score table of the chapter, simulated screens in the revised protocol among them.
    task : str
    seed, n_resamples : int
        As on the summary of the tier, whose letters are then the same.
    """
    question = next(q for q in QUESTIONS if q.task == task)
    rows = primary_scores(scores, question, protocol="revised", **question.chosen)
    rng = np.random.default_rng(seed)
    found = standings(rows, question, n_resamples=n_resamples, rng=rng)
    return about_standing(found, question)


def about_standing(found: pd.DataFrame, question: Question) -> str:
    """The sentence, of the rows of `standings` of one task."""
    own = found[(found["role"] == "candidate") & found["standing"].notna()]
    if own.empty:
        return "No representation was scored on simulated screens."
    best = own.loc[own["standing"].idxmax()]
    floors = found["standing_high"].fillna(found["standing"])[found["role"] == "floor"]
    above = int((own["standing_low"] > floors.max()).sum())
    letters = set(best["group"] or "")
    post = question.chosen["post"]
    treated = "embeddings as they are" if post == "raw" else POST_NAMES[post]
    others = [
        model
        for model, group in zip(own["model"], own["group"], strict=True)
        if model != best["model"] and letters & set(group or "")
    ]
    if own["standing_low"].isna().all():
        clear = "so few units have no interval"
    elif floors.isna().all():
        clear = "no floor was scored"
    else:
        lie = "lies" if above == 1 else "lie"
        clear = f"{above} of {len(own)} representations {lie} above all floors for certain"
    if not letters:
        told = "so few units cannot tell who leads"
    else:
        told = f"not told from it (tied, or undecided): {'; '.join(others)}"
        told = told if others else "it is told from all others"
    ends = best[["standing", "standing_low", "standing_high"]]
    return (
        f"On simulated screens, {treated}, {clear}. {best['model']} gets furthest of the way from "
        f"{question.ends[0]} to {question.ends[1]}, {with_interval(*ends)}; {told}."
    )
