"""What this book finds of the claims of Bendidi et al. (2024), on other data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pandas as pd

from helpers.comparisons import equivalence_margin, paired
from helpers.metrics.embeddings.facts import METRICS
from helpers.stats import MIN_UNITS, holm
from helpers.tasks.embeddings.claims import CLAIMS
from helpers.tasks.embeddings.claims_decided import (
    CANNOT,
    IN_PART,
    LEVEL,
    N_RESAMPLES,
    NOT_SHOWN,
    SHOWN,
    UNDECIDED,
    best_of,
    between,
    decide,
    tally,
    verdicts,
)
from helpers.tasks.embeddings.questions import (
    CEILING,
    FLOORS,
    QUESTIONS,
    Question,
    anchors,
    primary_scores,
)
from helpers.tasks.verdicts import UNTESTABLE

CELLS_THAT_DO = 1_000
"""Training cells that are enough, as the paper has it; the next size that was tried is taken."""

NEAR_CHANCE = 0.05
"""Accuracies this close to those of permuted labels know nothing to speak of."""


def found_here(
    tables: Mapping[str, pd.DataFrame], *, n_resamples: int = N_RESAMPLES, rng
) -> pd.DataFrame:
    """What simulated screens say of each claim, and the verdict.

    Parameters
    ----------
    tables : mapping
        Of the chapter's name below `embeddings/` to its score table: the six tasks, `ablations`.
    n_resamples : int
        Of each comparison.
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
    against = partial(between, n_resamples=n_resamples, rng=rng)
    mixing, probe, near = ("batch-mixing", "linear-separability", "neighbourhood")
    known, back, ablated = tables["known-relationships"], tables["reconstruction"], "ablations"
    related, read_back = questions["known-relationships"], questions["reconstruction"]
    found = {
        "mixing": _found_mixing(of_task[mixing], questions[mixing], against),
        "separability": _found_separability(of_task[probe], questions[probe], against),
        "neighbourhood": _found_neighbourhood(
            tables[near], of_task[near], questions[near], against
        ),
        "centring": _found_centring(known, related, against),
        "transfer": _found_transfer(of_task, questions, against),
        "structure": _found_structure(back, read_back, against),
        "raw": _found_raw(back, read_back, against),
        "likelihood": _found_likelihood(tables[ablated], questions, against),
        "likelihood-order": _found_likelihood_order(tables[ablated], questions, against),
        "training-size": _found_size(tables[ablated], questions, against),
        "best-of-four": _found_best(known, related, n_resamples, rng),
    }
    nothing = ("no weights are here, and none may be made up", UNTESTABLE)
    rows = [(c.statement, *found.get(c.key, nothing), c.missing) for c in CLAIMS]
    return pd.DataFrame(rows, columns=["claim", "found here", "verdict", "missing"])


def _span(values: pd.Series, digits: int = 3) -> str:
    low, high = (f"{value:.{digits}f}" for value in (values.min(), values.max()))
    return f"all {low}" if low == high else f"{low} to {high}"


def _means(scores: pd.DataFrame, role: str) -> pd.Series:
    return scores[scores["role"] == role].groupby("model")["value"].mean()


def _found_mixing(scores, question, against) -> tuple[str, str]:
    models, floors = _means(scores, "candidate"), _means(scores, "floor")
    found = verdicts({m: against(scores, question, "Gaussian noise", m) for m in models.index})
    return (
        f"Gaussian noise reaches {floors['Gaussian noise']:.3f} of permuted labels, models "
        f"{_span(models)}; Gaussian noise against them: {tally(found)}",
        decide(found, every=True),
    )


def _found_separability(scores, question, against) -> tuple[str, str]:
    others = [m for m in _means(scores, "candidate").index if "PCA" not in m]
    found = verdicts({m: against(scores, question, "PCA of log counts", m) for m in others})
    return (
        f"PCA of log counts against models that are no PCA: {tally(found)}",
        decide(found, every=True),
    )


def _found_neighbourhood(every, scores, question, against) -> tuple[str, str]:
    published = primary_scores(
        every, question, dataset="simulated", protocol="published", post=question.chosen["post"]
    )
    with_controls, chance = _means(published, "candidate"), _means(published, "floor")
    models, floor = _means(scores, "candidate"), "permuted labels"
    without = verdicts({m: against(scores, question, m, floor) for m in models.index})
    among = verdicts(
        {m: against(published, question, m, floor, margin=NEAR_CHANCE) for m in with_controls.index}
    )
    return (
        "by means over classes, not over cells as published: with controls as a class, models "
        f"{_span(with_controls)}, floors {_span(chance)}, models against permuted labels (tied: "
        f"within {NEAR_CHANCE:g}): {tally(among)}; without them models {_span(models)}, floors "
        f"{_span(_means(scores, 'floor'))}, models against permuted labels: {tally(without)}",
        about_controls(decide(without), set(among.values())),
    )


def about_controls(without: str, among: set[str]) -> str:
    """Shown where the vote knows nothing with controls as a class and something without them.

    Parameters
    ----------
    without : str
        Verdict on models against permuted labels where controls do not vote.
    among : set of str
        Verdicts of all models against permuted labels where they do.
    """
    if without not in (SHOWN, IN_PART):
        return without
    if "better" in among:
        return NOT_SHOWN
    if "undecided" in among:
        return UNDECIDED
    return CANNOT if "cannot" in among else without


def _found_centring(scores, question, against) -> tuple[str, str]:
    fixed = {k: v for k, v in question.chosen.items() if k != "post"}
    rows = primary_scores(scores, question, protocol="revised", **fixed)
    raw = rows[rows["post"] == "raw"]
    gain = _by_post(rows, question, "center_scaled", "raw", against)
    floors = _means(raw, "floor").index
    floor = next(name for name in FLOORS if name in floors)
    models = _means(raw, "candidate").index
    known = verdicts({m: against(raw, question, m, floor) for m in models})
    return (
        f"center-scaled against raw: {tally(gain)}; raw against {floor}: {tally(known)}",
        only_centred(decide(gain), set(known.values())),
    )


def only_centred(gain: str, raw: set[str]) -> str:
    """Verdict on a gain, which is the only source where nothing is known before it.

    Parameters
    ----------
    gain : str
        Verdict on centred against raw embeddings.
    raw : set of str
        Verdicts of raw embeddings against a floor.
    """
    return IN_PART if gain == SHOWN and not raw <= {"tied", "worse"} else gain


def _by_post(rows, question, post: str, other: str, against) -> dict[str, str]:
    """Verdicts on one post-processing against another one, model by model."""
    found = {}
    for model in _means(rows, "candidate").index:
        scale = anchors(rows[(rows["post"] == post) & (rows["role"] != "candidate")], question)
        own = rows[rows["model"] == model]
        margin = equivalence_margin(*scale)
        found[model] = against(own, question, post, other, by="post", margin=margin)
    return verdicts(found)


def _found_raw(scores, question, against) -> tuple[str, str]:
    fixed = {k: v for k, v in question.chosen.items() if k != "post"} | {"dataset": "simulated"}
    rows = primary_scores(scores, question, protocol="revised", **fixed)
    found = _by_post(rows, question, "raw", "center_scaled", against)
    return f"raw against center-scaled: {tally(found)}", decide(found)


def _found_transfer(of_task, questions, against) -> tuple[str, str]:
    found = verdicts(
        {
            questions[task].title: against(scores, questions[task], "scVI", "scVI, transferred")
            for task, scores in of_task.items()
        }
    )
    return f"scVI against transferred scVI: {tally(found)}", decide(found)


def _found_structure(scores: pd.DataFrame, question, against) -> tuple[str, str]:
    says, compared = [], {}
    for metric, name in (("structural_integrity", "cells"), ("profile_integrity", "mean changes")):
        asked = replace(question, metric=metric)
        own = primary_scores(
            scores,
            asked,
            protocol="revised",
            **question.chosen | {"dataset": "simulated", "post": "raw"},
        )
        models, truth = _means(own, "candidate"), _means(own, "ceiling").iloc[0]
        compared |= {f"{m}, {name}": against(own, asked, CEILING, m) for m in models.index}
        says.append(f"{name}: planted truth {truth:.3f}, models {_span(models)}")
    found = verdicts(compared)
    return (
        f"{'; '.join(says)}; no change is 0.5; planted truth against models: {tally(found)}",
        decide(found, every=True),
    )


def _of_ablation(scores, question: Question) -> pd.DataFrame:
    return primary_scores(scores, question, dataset="simulated", protocol="revised")


_ABLATED = ("consistency", "linear-separability")


_NB, _POISSON = (f"scVI, what is modelled: {n} of counts" for n in ("NB", "Poisson"))


def _found_likelihood(scores, questions, against) -> tuple[str, str]:
    compared = {}
    for task in _ABLATED:
        rows = _of_ablation(scores, questions[task])
        for name, one, other in (
            ("ZINB and NB", "scVI", _NB),
            ("ZINB and Poisson", "scVI", _POISSON),
            ("NB and Poisson", _NB, _POISSON),
        ):
            compared[f"{name}, {questions[task].title}"] = against(
                rows, questions[task], one, other
            )
    found = verdicts(compared)
    alike = {"tied": "better", "better": "worse"}
    return (
        f"ZINB against NB, and both against Poisson: {tally(found)}",
        decide({name: alike.get(v, v) for name, v in found.items()}, every=True),
    )


def _found_likelihood_order(scores, questions, against) -> tuple[str, str]:
    compared = {}
    for task in _ABLATED:
        rows = _of_ablation(scores, questions[task])
        for name, other in (("ZINB", "scVI"), ("NB", _NB)):
            compared[f"{name}, {questions[task].title}"] = against(
                rows, questions[task], other, _POISSON
            )
    found = verdicts(compared)
    return f"against Poisson: {tally(found)}", decide(found)


def _found_size(scores, questions, against) -> tuple[str, str]:
    says, compared = [], {}
    for task in _ABLATED:
        rows = _of_ablation(scores, questions[task])
        sizes = sorted(
            (m for m in rows["model"].unique() if m.startswith("scVI, cells: ")),
            key=_n_cells,
        )
        enough = next((m for m in sizes if _n_cells(m) >= CELLS_THAT_DO), sizes[-1])
        compared[f"{questions[task].title}, {_n_cells(enough):,} cells"] = against(
            rows, questions[task], enough, "scVI"
        )
        means = rows.groupby("model")["value"].mean()
        says.append(
            f"{questions[task].title}: "
            + ", ".join(f"{m.rpartition(' ')[2]} cells {means[m]:.3f}" for m in sizes)
            + f", all {means['scVI']:.3f}"
        )
    found = verdicts(compared)
    # Cells "do" where the fit on all of them is no better.
    as_good = {name: "better" if v == "tied" else v for name, v in found.items()}
    return (
        f"{'; '.join(says)}; against the fit on all cells: {tally(found)}",
        decide(as_good, every=True),
    )


def _n_cells(model: str) -> int:
    return int(model.rpartition(" ")[2].replace(",", ""))


def _found_best(scores, question, n_resamples: int, rng) -> tuple[str, str]:
    fixed = {k: v for k, v in question.chosen.items() if k != "post"}
    rows = primary_scores(scores, question, protocol="revised", **fixed)
    low, high = anchors(rows[rows["post"] == question.chosen["post"]], question)
    candidates = rows[(rows["role"] == "candidate") & rows["value"].notna()]
    found, n_models = {}, candidates["model"].nunique()
    for model, own in candidates.groupby("model"):
        if own["post"].nunique() < 2:
            continue
        shared = paired(own, by="post", missing="drop")
        if len(set(shared.clusters)) >= MIN_UNITS:
            found[model] = best_of(
                shared.table,
                shared.clusters,
                question.chosen["post"],
                better=METRICS[question.metric].better,
                level=LEVEL / n_models,
                n_resamples=n_resamples,
                rng=rng,
            )
    if not found:
        return "no model is scored on enough units under several post-processings", CANNOT
    way = abs(high - low)
    overstated = pd.Series({m: c.overstated for m, c in found.items()}) / way
    gain = pd.Series({m: c.gain for m, c in found.items()}) / way
    p_holm = holm([c.p_value for c in found.values()])
    least = holm([c.least_p for c in found.values()])
    real = [m for m, p in zip(found, p_holm, strict=True) if p <= LEVEL]
    if least.min() > LEVEL:
        says = "whether a best one is better than center-scaled cannot be told with so few units"
    else:
        names = f" ({'; '.join(real)})" if real else ""
        says = (
            f"against a null that chooses the best as well, the best one is better than "
            f"center-scaled in {len(real)} of {len(found)} models{names}"
        )
    return (
        f"of the way from floor to ceiling, the best post-processing lies above center-scaled by at"
        f" most {100 * gain.max():.1f} % ({gain.idxmax()}); choosing it on the units that score it "
        f"adds at most {100 * overstated.max():.1f} % (upper 95 % limit, {overstated.idxmax()}); "
        f"{says}",
        about_choosing(gain, overstated, real),
    )


def about_choosing(gain: pd.Series, overstated: pd.Series, real: list[str]) -> str:
    """Verdict on showing each model under its best post-processing.

    Parameters
    ----------
    gain : Series by model
        What the best one lies above the fixed one, of the way from floor to ceiling.
    overstated : Series by model
        What choosing adds to the mean of the best one, at most.
    real : list of str
        Models whose gain is certain.

    Returns
    -------
    str
        Shown where gain and what choosing adds are below a tenth for every model; not seen where a
        certain gain is not: the choice then decides where the model stands.
    """
    if (gain < 0.1).all() and (overstated < 0.1).all():
        return SHOWN + ": the gain is small"
    return NOT_SHOWN + ": the choice moves a model" if (gain[real] >= 0.1).any() else UNDECIDED
