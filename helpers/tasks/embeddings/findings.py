"""What the tier answers: does a representation keep more of a perturbation than PCA?"""

import re

import numpy as np
import pandas as pd

from helpers.metrics.embeddings.facts import METRICS
from helpers.stats import direction
from helpers.tasks.embeddings.claims import columns_led, in_their_tables
from helpers.tasks.embeddings.claims_decided import between, verdicts
from helpers.tasks.embeddings.claims_found import found_here
from helpers.tasks.embeddings.questions import QUESTIONS, anchors, primary_scores
from helpers.tasks.embeddings.summary import standings
from helpers.tasks.findings import Finding, Ledger, listed, with_interval
from helpers.tasks.requirements import CannotAnswer

ASKED = tuple(q for q in QUESTIONS if q.task != "batch-mixing")
"""Tasks on which a model can be better: mixing alone is won by what holds nothing."""
ONE, OTHER = "scVI", "PCA of log counts"
UNTRAINED = "untrained scVI"
_CHAPTERS = tuple(f"embeddings/{q.task}" for q in QUESTIONS)


def foundation_models(tables, *, n_resamples: int, seed: int) -> str:
    """What the tables of Bendidi et al. say, counted; no model of theirs is run here."""
    return about_leads(columns_led())


def about_leads(found: dict[str, tuple[int, int, int]]) -> str:
    """The sentence, of columns that PCA or scVI leads, that a foundation model leads, and all."""
    ahead = {name: ours > theirs for name, (ours, theirs, _) in found.items()}
    head = "they do not" if all(ahead.values()) else "in some they do"
    if not any(ahead.values()):
        head = "they do, or as much"
    said = listed(
        f"{ours} of {n} columns against {theirs} in {name}"
        + (f" (level in {n - ours - theirs})" if n > ours + theirs else "")
        for name, (ours, theirs, n) in found.items()
    )
    return (
        f"By the tables of Bendidi et al., means without intervals, {head}: PCA or an scVI leads "
        f"in {said}."
    )


def _compared(pairs, names) -> tuple[dict[str, str], dict[str, str]]:
    """Verdicts as one family, and each difference on its scale in words."""
    if not pairs:
        raise CannotAnswer(f"{ONE} and {OTHER} were scored side by side nowhere")
    judged = verdicts(dict(zip(names, (row for row, _ in pairs), strict=True)))
    said = {}
    for name, (row, scale) in zip(names, pairs, strict=True):
        said[name] = difference_said(row, scale, judged[name])
    return judged, said


def difference_said(row, scale: float, verdict: str) -> str:
    """By how much one is better or worse, above zero for either; `row` has `low` and `high`."""
    scale = -scale if verdict == "worse" else scale
    ends = sorted((row["low"] * scale, row["high"] * scale)) if scale else (np.nan, np.nan)
    return with_interval(row["difference"] * scale, *ends)


def said_of(judged: dict[str, str], said: dict[str, str] | None = None) -> str:
    """A sentence on verdicts: what is decided with its interval, what is not by name.

    Parameters
    ----------
    judged : dict
        Of a task to better, worse, tied, undecided or cannot.
    said : dict, optional
        Of a task to the difference in words.
    """
    parts = []
    for verdict in ("better", "worse", "tied"):
        names = [name for name, found in judged.items() if found == verdict]
        if names:
            sizes = names if said is None else [f"{name}, by {said[name]}" for name in names]
            parts.append(f"{verdict} in {listed(sizes)}")
    for verdict, words in (("undecided", "undecided in"), ("cannot", "too little data in")):
        if names := [name for name, found in judged.items() if found == verdict]:
            parts.append(f"{words} {listed(names)}")
    return "; ".join(parts)


def simulated(tables, *, n_resamples: int, seed: int) -> str:
    """scVI against PCA where the truth is planted, of the way from floor to ceiling."""
    rng, pairs, letters = np.random.default_rng(seed), [], {}
    for question in ASKED:
        table = tables[f"embeddings/{question.task}"]
        rows = primary_scores(table, question, protocol="revised", **question.chosen)
        floor, ceiling = anchors(rows, question)
        row = between(rows, question, ONE, OTHER, n_resamples=n_resamples, rng=rng)
        pairs.append((row, 1 / (ceiling - floor)))
        # the draws of the summary: its letters
        own = np.random.default_rng(seed)
        found = standings(rows, question, n_resamples=n_resamples, rng=own).set_index("model")
        letters[question.title] = [set(found["group"][name] or "") for name in (ONE, OTHER)]
    judged, said = _compared(pairs, [q.title for q in ASKED])
    return (
        f"{head_of(judged)}. Of the way from floor to ceiling scVI is, against PCA: "
        f"{said_of(judged, said)}.{among_all(judged, letters)}"
    )


def among_all(judged: dict[str, str], letters: dict[str, list[set[str]]]) -> str:
    """Which decided tasks share a letter where all models are compared at once; "" for none.

    Parameters
    ----------
    judged : dict
        Verdicts by task, one comparison a task.
    letters : dict
        Of a task to the letters of both models on the summary.
    """
    shared = [
        name
        for name, verdict in judged.items()
        if verdict in ("better", "worse") and set.intersection(*letters[name])
    ]
    if not shared:
        return ""
    return (
        f" This is one comparison a task: where all models are compared with each other, the two "
        f"are not told apart in {listed(shared)}."
    )


def head_of(judged: dict[str, str]) -> str:
    """What verdicts by task come to, in a word."""
    found = set(judged.values())
    if {"better", "worse"} <= found:
        return "It depends on the task"
    if "better" in found:
        return "Yes" if found == {"better"} else "In some tasks"
    if "worse" in found:
        return "No" if found <= {"worse", "tied"} else "In no task for certain, and in some less"
    return "No, they are alike" if found == {"tied"} else "It is undecided"


def real(tables, *, n_resamples: int, seed: int) -> str:
    """scVI against PCA on real screens, task by task, corrected over all of them."""
    rng, pairs, names, asked = np.random.default_rng(seed), [], [], []
    for question in ASKED:
        rows = _of_real_screens(tables[f"embeddings/{question.task}"], question)
        for (dataset, _, _), own in rows.groupby(["dataset", "split", "unit_kind"]):
            if {ONE, OTHER} <= set(own["model"]):
                row = between(
                    own, question, ONE, OTHER, margin=0.0, n_resamples=n_resamples, rng=rng
                )
                pairs.append((row, direction(METRICS[question.metric].better)))
                names.append(f"{question.title} ({dataset})")
                asked.append((own, question))
    names = _unique(names)
    asked = dict(zip(names, asked, strict=True))
    judged, said = _compared(pairs, names)
    decided = {name: v for name, v in judged.items() if v in ("better", "worse")}
    if not decided:
        return (
            f"No: in none of {len(judged)} comparisons of a task and a real screen can scVI and "
            f"PCA be told apart ({said_of(judged, said)})."
        )
    return (
        f"In {len(decided)} of {len(judged)} comparisons of a task and a real screen scVI and PCA "
        f"are told apart. Against PCA, scVI is {said_of(decided, said)}."
        + beside_untrained(*_untrained({n: asked[n] for n in decided}, n_resamples, rng))
    )


def _untrained(asked: dict, n_resamples: int, rng) -> list[dict[str, str]]:
    """Verdicts on the untrained network against PCA, and on scVI against it: one family."""
    pairs = [(UNTRAINED, OTHER), (ONE, UNTRAINED)]
    rows = {
        (pair, name): between(own, question, *pair, margin=0.0, n_resamples=n_resamples, rng=rng)
        for pair in pairs
        for name, (own, question) in asked.items()
        if (own["model"] == UNTRAINED).any()
    }
    judged = verdicts(rows) if rows else {}
    return [{name: v for (p, name), v in judged.items() if p == pair} for pair in pairs]


def beside_untrained(untrained: dict[str, str], trained: dict[str, str]) -> str:
    """Whether a difference from PCA needs training; "" where no untrained network was scored.

    Parameters
    ----------
    untrained, trained : dict
        Of a comparison to the verdict on the untrained network against PCA, and on scVI against
        that network.
    """
    if not untrained:
        return ""
    return (
        f" The same network untrained is, against PCA, {said_of(untrained)}. Against itself "
        f"untrained, scVI is {said_of(trained)}."
    )


def _of_real_screens(table: pd.DataFrame, question) -> pd.DataFrame:
    is_real = ~table["dataset"].str.startswith("simulated")
    rows = table[is_real & (table["metric"] == question.metric) & (table["protocol"] == "revised")]
    if rows.empty:
        return rows
    chosen = {k: v for k, v in question.chosen.items() if k not in ("dataset", "split")}
    there = rows["post"].eq(chosen["post"])
    return primary_scores(rows[there], question, **chosen) if there.any() else rows[there]


def _unique(names: list[str]) -> list[str]:
    """The same names, numbered where one comes again."""
    return [
        name if names.count(name) == 1 else f"{name} {names[: i + 1].count(name)}"
        for i, name in enumerate(names)
    ]


FINDINGS = (
    Finding(
        "Do foundation models keep more of a perturbation than PCA?",
        "embeddings/claims",
        (),
        foundation_models,
        "two screens and five foundation models of one paper; the book runs none of its own",
        "embeddings of foundation models, brought in by the door, scored here with intervals",
        front=True,
    ),
    Finding(
        "Does scVI keep more of a perturbation than PCA?",
        "embeddings/summary",
        _CHAPTERS,
        simulated,
        "simulated screens of one family, effects that are linear in log expression, a short "
        "training of scVI",
        "another simulator, a longer training, or other post-processing",
        front=True,
    ),
    Finding(
        "Can the real screens at hand tell scVI from PCA?",
        "embeddings/summary",
        _CHAPTERS,
        real,
        "the screens that the book holds, which are small",
        "screens with more perturbations, replicates and guides",
        front=True,
    ),
)


def rows(tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """The claims of Bendidi et al., as `helpers.tasks.findings.Ledger` asks."""
    names = [*(q.task for q in QUESTIONS), "ablations"]
    own = {name: tables[f"embeddings/{name}"] for name in names}
    found = found_here(own, n_resamples=n_resamples, rng=np.random.default_rng(seed))
    theirs = in_their_tables().set_index("claim")["in the tables"]
    return pd.DataFrame(
        {
            "claim": found["claim"],
            "published": found["claim"].map(theirs),
            "ours": found["found here"].map(without_names),
            "why they differ": "other screens; missing here: " + found["missing"],
            "verdict": found["verdict"],
        }
    )


def without_names(text: str) -> str:
    """A tally without the lists of names in its brackets: "better in 2, tied in 3"."""
    return re.sub(r"(in \d+) \([^()]*(?:\([^()]*\)[^()]*)*\)", r"\1", text)


CLAIMS = (
    Ledger("Bendidi et al. 2024", "embeddings/claims", (*_CHAPTERS, "embeddings/ablations"), rows),
)
