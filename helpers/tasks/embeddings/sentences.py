"""Sentences of the tier's chapters that depend on what was found."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.plots.page import number
from helpers.stats import wilson_interval


def reference_moves(moved: pd.Series) -> str:
    """How far the reference of iLISI moves raw embeddings; `moved` by model, absolute."""
    known = moved.dropna()
    if known.empty:
        return "was not scored"
    largest = known.idxmax()
    if known[largest] < 0.01:
        return f"moves no raw embedding by more than {number(known[largest])}"
    return f"moves {largest} most, by {number(known[largest], 2)}"


def null_said(called: int, n: int) -> str:
    """Whether p-values of guides that do nothing are small more often than one time in twenty.

    Parameters
    ----------
    called, n : int
        Of `n` guides, those with p <= 0.05.
    """
    if not n:
        return "No guide that does nothing could be scored."
    low, high = wilson_interval(called, n)
    if low > 0.05:
        head = "The null is refuted"
    else:
        head = "The null is not refuted" if high > 0.05 else "The null is too strict"
    return (
        f"{head}: of {n} guides that do nothing {called} are called at p \N{LESS-THAN OR EQUAL TO} "
        f"0.05 (95 % interval of the share {low:.2f} to {high:.2f}), where 0.05 is right."
    )


def corrections_alone(refuted: Mapping[tuple[str, str], bool]) -> str:
    """Which of two corrections of a null is refuted by itself, by guides that do nothing.

    Parameters
    ----------
    refuted : mapping
        Of (null, pairs) to whether guides refute it: "relabelled" leaves draws out, pairs "across"
        counts replicates.
    """
    if not refuted["in-sample", "all"]:
        return "These guides refute none of the nulls with fewer corrections"
    draws, pairs = refuted["relabelled", "all"], refuted["in-sample", "across"]
    if draws == pairs:
        return f"Either correction alone is {'' if draws else 'not '}refuted by these guides"
    names = ["leaving draws out", "counting pairs across replicates"]
    holds, fails = reversed(names) if draws else names
    return f"{holds.capitalize()} alone is not refuted by these guides; {fails} alone is"


def best_by_post(best: Mapping[str, str]) -> str:
    """Which model has the highest mean under each post-processing."""
    if not best:
        return "No model was scored"
    models = list(best.values())
    if len(set(models)) == 1:
        return f"{models[0]} has the highest mean with every post-processing"
    said = "; ".join(f"{post} - {model}" for post, model in best.items())
    return f"Which model has the highest mean changes with the post-processing: {said}"


def beyond_effects(smallest_p: float) -> str:
    """What the smallest of several p-values of a map says of known relationships."""
    if np.isnan(smallest_p):
        return "No p-value could be computed, so that nothing is known of relationships here"
    if smallest_p > 0.05:
        return (
            "So this map does not show known relationships beyond the size of effects; the "
            "interval is too wide to say that it has none"
        )
    return (
        "It is one of several, so that it is no more than a hint of known relationships beyond the "
        "size of effects"
    )


def of_one_tenth(low: float, high: float) -> str:
    """Where an interval of a recall lies beside chance."""
    if np.isnan([low, high]).any():
        return "is not known"
    if low <= 0.1 <= high:
        return "holds one tenth"
    return "lies above one tenth" if low > 0.1 else "lies below one tenth"


def highest_either_way(fixed: str, chosen: str) -> str:
    """Whose mean is highest with the post-processing that is fixed, and with the chosen one."""
    if fixed == chosen:
        return f"The highest mean is that of {fixed} either way"
    return (
        f"The highest mean is that of {fixed} with the fixed form, and of {chosen} with the "
        "chosen one"
    )


def turned_effects(linear: pd.Series, network: pd.Series) -> str:
    """Whether a network reads what a linear probe cannot; `low` and `high` of both."""
    if network["low"] > linear["high"]:
        return "the network reads more, so that something is there in another form"
    return (
        "the network is not clearly better, so that these numbers do not show that anything is "
        "there in another form"
    )


def guides_differ(best: pd.Series, floor: pd.Series) -> str:
    """Whether guides of one target are told apart; `low` of the best, `high` of the floor."""
    if best["low"] > floor["high"]:
        return "so that guides do differ"
    return "so that no such difference is shown"


def first_place(may_lead: Sequence[str], n_models: int) -> str:
    """Who may be the best on real cells."""
    if n_models == 1:
        return f"{may_lead[0]} is the only candidate, and no other can be compared with it"
    if len(may_lead) == n_models:
        lead = "No candidate can be excluded from the first place"
    else:
        lead = f"The first place may belong to {'; '.join(may_lead)}"
    if list(may_lead) == ["untrained scVI"]:
        lead += ", a network without training: what is found here needs no learning"
    elif "untrained scVI" in may_lead:
        lead += "; an untrained network may hold it: that training helps is not shown here"
    return lead


def above_floors(low: pd.Series, floor: float) -> str:
    """How many candidates lie above all floors: their `low` ends, and the floors' highest end."""
    known = low.dropna()
    if known.empty:
        return "So few targets have no interval: no model is shown to lie above the floors"
    n = int((known > floor).sum())
    if len(low) == 1:
        return f"Its interval {'lies' if n else 'does not lie'} above those of all floors"
    return f"The intervals of {n} of {len(low)} models lie above those of all floors"


def published_span(values: pd.Series) -> str:
    """The range of a column: "is 0.1", or "lies between 0.1 and 0.2"."""
    low, high = number(values.min()), number(values.max())
    return f"is {low}" if low == high else f"lies between {low} and {high}"


def perturbed_cells(most: float) -> str:
    """How many perturbed cells are named right by a vote with controls."""
    if np.isnan(most):
        return "Perturbed cells were not scored"
    if most > 0:
        return f"At most {number(most)} of the perturbed cells are named right"
    return "Not one perturbed cell is named right"


def _beside_ceiling(scored: pd.DataFrame) -> tuple[int, int, int]:
    """Models above the ceiling, and below it, for certain, and all; 0 without any interval."""
    above = below = n = 0
    for _, own in scored.groupby("metric"):
        (top,) = own[own["role"] == "ceiling"].itertuples()
        models = own[own["role"] == "candidate"]
        above += int((models["low"] > top.high).sum())
        below += int((models["high"] < top.low).sum())
        n += len(models)
    known = scored.loc[scored["role"] == "candidate", "low"].notna().any()
    return above, below, n if known else 0


NO_INTERVAL = "So few units have no interval, and cannot tell whether a model lies above the truth"


def beaten_ceiling(scored: pd.DataFrame) -> str:
    """Whether models lie above the planted truth, and what that means.

    Parameters
    ----------
    scored : DataFrame
        Of `score_summary`: `metric`, `role`, `low`, `high`; one metric.
    """
    above, _, n = _beside_ceiling(scored)
    if not n:
        return NO_INTERVAL
    says = f"Of {n} models {above or 'none'} {'are' if above > 1 else 'is'} above the truth"
    if not above:
        return f"{says} for certain. Were one above it, something else would be read back"
    return (
        f"{says} for certain. A ceiling that is beaten is no ceiling, so something else is being "
        "read back"
    )


def truth_on_top(scored: pd.DataFrame) -> str:
    """Whether the planted truth leads once noise is left out, by every metric of `scored`."""
    above, below, n = _beside_ceiling(scored)
    if not n:
        return NO_INTERVAL
    if above:
        return "Even now the truth is not on top"
    if below == n:
        return "Now the truth is on top"
    return "Whether the truth is on top now is undecided, by these intervals"


def training_adds(low: float, high: float) -> str:
    """What training adds to consistency, by the interval of the gain."""
    if np.isnan(low) or np.isnan(high):
        return "whether training adds to it cannot be told from so few"
    if low > 0:
        return "training adds to it"
    return "training takes from it" if high < 0 else "whether training adds to it is undecided"


def keeps_and_agrees(kept: pd.Series, consistent: pd.Series) -> str:
    """What keeps most of the state, and what is most consistent, by means."""
    most, leads = kept.idxmax(), consistent.idxmax()
    if most == leads:
        return f"By their means, {most} keeps most and is most consistent"
    return f"By their means, {most} keeps most, and {leads} is most consistent"


def learned_to_guess(network: float, linear: float) -> str:
    """What a network's error on hidden genes says, beside a linear guess; 1 is the mean."""
    if np.isnan([network, linear]).any():
        return "No error on hidden genes could be had"
    if network < 0.9:
        return "The network has learned to guess some of it"
    if linear < 0.9:
        return (
            "An error near 1 is no better than the mean of each gene, and the linear guess shows "
            "that there is more to learn: a longer training may lower it"
        )
    return (
        "An error near 1 is hardly better than the mean of each gene, and the linear guess, which "
        "sees all other genes, is not far from it either. Whether counting noise or a short "
        "training keeps the network there, the curve cannot tell"
    )
