"""What this book finds of the claims of Bendidi et al. (2024), on other data."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from helpers.comparisons import compare, equivalence_margin, paired
from helpers.metrics.embeddings.choices import selection_bias
from helpers.metrics.embeddings.facts import METRICS
from helpers.tasks.embeddings.claims import CLAIMS
from helpers.tasks.embeddings.questions import QUESTIONS, Question, anchors, primary_scores

SHOWN, NOT_SHOWN = "mechanism shown on other data", "mechanism not seen on other data"
BOTH = "both ways on other data"
UNDECIDED, UNTESTABLE = "undecided on other data", "not testable here"


def between(
    scores: pd.DataFrame, question: Question, model: str, other: str, *, by: str = "model", rng
) -> pd.Series:
    """One comparison of two values of a column, with the margin of the task's scale.

    Parameters
    ----------
    scores : DataFrame
        Rows of the task's primary metric, floors and ceiling among them.
    question : Question
    model, other : str
    by : str
        Column that holds them.
    rng : numpy.random.Generator

    Returns
    -------
    Series
        A row of `helpers.comparisons.compare`.
    """
    better = METRICS[question.metric].better
    shared = paired(scores[scores[by].isin([model, other])], by=by, missing="drop")
    margin = equivalence_margin(*anchors(scores, question))
    return compare(
        shared.table[[model, other]], shared.clusters, better=better, margin=margin, rng=rng
    ).iloc[0]


def tally(verdicts: Mapping[str, str]) -> str:
    """Verdicts in words: "better in 2 (a; b), tied in 1 (c)"."""
    parts = []
    for verdict in ("better", "tied", "worse", "undecided"):
        names = [name for name, found in verdicts.items() if found == verdict]
        if names:
            parts.append(f"{verdict} in {len(names)} ({'; '.join(names)})")
    return ", ".join(parts)


def _decide(verdicts: Mapping[str, str]) -> str:
    """Shown where one side is better at least once and never worse."""
    found = set(verdicts.values())
    if "better" in found and "worse" not in found:
        return SHOWN
    if found <= {"worse", "tied"}:
        return NOT_SHOWN
    if {"better", "worse"} <= found:
        return BOTH
    return UNDECIDED


def found_here(tables: Mapping[str, pd.DataFrame], *, rng) -> pd.DataFrame:
    """What simulated screens say of each claim, and the verdict.

    Parameters
    ----------
    tables : mapping
        Of the chapter's name below `embeddings/` to its score table: the six tasks, `ablations`.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        `claim`, `found here`, `verdict`, `missing`: what a test on the paper's data would take.
    """
    of_task = {
        q.task: primary_scores(tables[q.task], q, protocol="revised", **q.chosen) for q in QUESTIONS
    }
    questions = {q.task: q for q in QUESTIONS}
    found = {
        "mixing": _found_mixing(of_task["batch-mixing"], questions["batch-mixing"], rng),
        "separability": _found_separability(
            of_task["linear-separability"], questions["linear-separability"], rng
        ),
        "neighbourhood": _found_neighbourhood(
            tables["neighbourhood"], of_task["neighbourhood"], questions["neighbourhood"], rng
        ),
        "centring": _found_centring(tables["known-relationships"]),
        "transfer": _found_transfer(of_task, questions, rng),
        "structure": _found_structure(tables["reconstruction"]),
        "raw": _found_post(tables["reconstruction"], questions["reconstruction"], "raw", rng),
        "likelihood": _found_likelihood(tables["ablations"], questions, rng),
        "training-size": _found_size(tables["ablations"], questions, rng),
        "best-of-four": _found_best(
            tables["linear-separability"], questions["linear-separability"], rng
        ),
    }
    nothing = ("no weights are here, and none may be made up", UNTESTABLE)
    rows = [(c.statement, *found.get(c.key, nothing), c.missing) for c in CLAIMS]
    return pd.DataFrame(rows, columns=["claim", "found here", "verdict", "missing"])


def _span(values: pd.Series, digits: int = 3) -> str:
    low, high = (f"{value:.{digits}f}" for value in (values.min(), values.max()))
    return f"all {low}" if low == high else f"{low} to {high}"


def _means(scores: pd.DataFrame, role: str) -> pd.Series:
    return scores[scores["role"] == role].groupby("model")["value"].mean()


def _found_mixing(scores, question, rng) -> tuple[str, str]:
    models, floors = _means(scores, "candidate"), _means(scores, "floor")
    verdicts = {
        m: between(scores, question, "Gaussian noise", m, rng=rng).verdict for m in models.index
    }
    return (
        f"Gaussian noise reaches {floors['Gaussian noise']:.3f} of permuted labels, models "
        f"{_span(models)}; Gaussian noise against them: {tally(verdicts)}",
        _decide(verdicts),
    )


def _found_separability(scores, question, rng) -> tuple[str, str]:
    others = [m for m in _means(scores, "candidate").index if "PCA" not in m]
    verdicts = {
        m: between(scores, question, "PCA of log counts", m, rng=rng).verdict for m in others
    }
    return (
        f"PCA of log counts against models that are no PCA: {tally(verdicts)}",
        _decide(verdicts),
    )


def _found_neighbourhood(every, scores, question, rng) -> tuple[str, str]:
    published = primary_scores(
        every, question, dataset="simulated", protocol="published", post=question.chosen["post"]
    )
    with_controls, chance = _means(published, "candidate"), _means(published, "floor")
    best = _means(scores, "candidate").idxmax()
    verdict = between(scores, question, best, "permuted labels", rng=rng).verdict
    return (
        f"with controls as a class, models {_span(with_controls)}, floors {_span(chance)}; without "
        f"them models {_span(_means(scores, 'candidate'))}, floors "
        f"{_span(_means(scores, 'floor'))}, and there the best model ({best}) against permuted "
        f"labels: {verdict}",
        _about_controls(verdict, with_controls.max() - chance.max()),
    )


def _about_controls(without: str, gap: float) -> str:
    """Shown where the vote knows nothing with controls as a class and something without them."""
    if without == "undecided":
        return UNDECIDED
    return SHOWN if without == "better" and gap < 0.05 else NOT_SHOWN


def _found_centring(scores: pd.DataFrame) -> tuple[str, str]:
    rows = scores[
        (scores["dataset"] == "simulated")
        & (scores["protocol"] == "revised")
        & (scores["metric"] == "relationship_recall")
        & (scores["role"] == "candidate")
    ]
    recall = rows.pivot_table("value", ["model", "unit"], "post")
    gain = (recall["center_scaled"] - recall["raw"]).dropna()
    up, low = int((gain > 0).sum()), int((recall["raw"] > 0.10).sum())
    return (
        f"center-scaled above raw in {up} of {len(gain)} pairs of model and database, median "
        f"difference {gain.median():+.3f}; raw above chance in {low} of {len(recall)}",
        (SHOWN if up > 0.75 * len(gain) and gain.median() > 0.02 else NOT_SHOWN) + " (means only)",
    )


def _found_post(scores, question, post: str, rng) -> tuple[str, str]:
    """One post-processing against the other one of raw and center-scaled, model by model."""
    other = "raw" if post == "center_scaled" else "center_scaled"
    fixed = {k: v for k, v in question.chosen.items() if k != "post"} | {"dataset": "simulated"}
    rows = primary_scores(scores, question, protocol="revised", **fixed)
    verdicts = {}
    for model in _means(rows, "candidate").index:
        own = rows[(rows["model"] == model) | (rows["role"] != "candidate")]
        verdicts[model] = _posts_of(own, question, model, post, other, rng)
    names = {"center_scaled": "center-scaled", "raw": "raw"}
    return f"{names[post]} against {names[other]}: {tally(verdicts)}", _decide(verdicts)


def _posts_of(rows, question, model, post, other, rng) -> str:
    better = METRICS[question.metric].better
    own = rows[(rows["model"] == model) & rows["post"].isin([post, other])]
    shared = paired(own, by="post", missing="drop")
    margin = equivalence_margin(*anchors(rows[rows["post"] == post], question))
    return compare(
        shared.table[[post, other]], shared.clusters, better=better, margin=margin, rng=rng
    ).verdict.iloc[0]


def _found_transfer(of_task, questions, rng) -> tuple[str, str]:
    verdicts = {
        questions[task].title: between(
            scores, questions[task], "scVI", "scVI, transferred", rng=rng
        ).verdict
        for task, scores in of_task.items()
    }
    return f"scVI against transferred scVI: {tally(verdicts)}", _decide(verdicts)


def _found_structure(scores: pd.DataFrame) -> tuple[str, str]:
    rows = scores[
        (scores["dataset"] == "simulated")
        & (scores["protocol"] == "revised")
        & (scores["post"] == "raw")
    ]
    says, truth_leads = [], True
    for metric, name in (("structural_integrity", "cells"), ("profile_integrity", "mean changes")):
        own = rows[rows["metric"] == metric]
        models, truth = _means(own, "candidate"), _means(own, "ceiling").iloc[0]
        truth_leads &= truth >= models.max()
        says.append(f"{name}: planted truth {truth:.3f}, models {_span(models)}")
    return "; ".join(says) + "; no change is 0.5", SHOWN if truth_leads else NOT_SHOWN


def _of_ablation(scores, question: Question) -> pd.DataFrame:
    return primary_scores(scores, question, dataset="simulated", protocol="revised")


_ABLATED = ("consistency", "linear-separability")


def _found_likelihood(scores, questions, rng) -> tuple[str, str]:
    nb, poisson = (f"scVI, what is modelled: {n} of counts" for n in ("NB", "Poisson"))
    verdicts = {}
    for task in _ABLATED:
        rows = _of_ablation(scores, questions[task])
        for name, other in (("ZINB", "scVI"), ("NB", nb)):
            verdicts[f"{name}, {questions[task].title}"] = between(
                rows, questions[task], other, poisson, rng=rng
            ).verdict
    return f"against Poisson: {tally(verdicts)}", _decide(verdicts)


def _found_size(scores, questions, rng) -> tuple[str, str]:
    says, verdicts = [], {}
    for task in _ABLATED:
        rows = _of_ablation(scores, questions[task])
        sizes = sorted(
            (m for m in rows["model"].unique() if m.startswith("scVI, cells: ")),
            key=lambda m: int(m.rpartition(" ")[2].replace(",", "")),
        )
        verdicts[questions[task].title] = between(
            rows, questions[task], sizes[0], "permuted labels", rng=rng
        ).verdict
        means = rows.groupby("model")["value"].mean()
        says.append(
            f"{questions[task].title}: "
            + ", ".join(f"{m.rpartition(' ')[2]} cells {means[m]:.3f}" for m in sizes)
            + f", all {means['scVI']:.3f}"
        )
    return (
        f"{'; '.join(says)}; the smallest against permuted labels: {tally(verdicts)}",
        _decide(verdicts),
    )


def _found_best(scores, question, rng) -> tuple[str, str]:
    fixed = {k: v for k, v in question.chosen.items() if k != "post"}
    rows = primary_scores(scores, question, protocol="revised", **fixed)
    scale = anchors(rows[rows["post"] == question.chosen["post"]], question)
    gains = {}
    for model, own in rows[rows["role"] == "candidate"].groupby("model"):
        shared = paired(own, by="post", missing="drop")
        values = shared.table
        gains[model] = selection_bias(values, shared.clusters, rng=rng).attrs["bias"]
    share = pd.Series(gains) / abs(scale[1] - scale[0])
    return (
        "what a model gains when its post-processing is picked on the perturbations that score it, "
        f"of the way from floor to ceiling: {100 * share.median():.1f} % (median over models), at "
        f"most {100 * share.max():.1f} % ({share.idxmax()})",
        SHOWN + ": the gain is small" if share.max() < 0.1 else NOT_SHOWN,
    )
