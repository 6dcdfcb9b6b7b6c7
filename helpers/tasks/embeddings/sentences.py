"""Sentences of the tier's chapters that depend on what was found."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.plots.page import number


def reference_moves(moved: pd.Series) -> str:
    """How far the reference of iLISI moves raw embeddings; `moved` by model, absolute."""
    known = moved.dropna()
    if known.empty:
        return "was not scored"
    largest = known.idxmax()
    if known[largest] < 0.01:
        return f"moves no raw embedding by more than {number(known[largest])}"
    return f"moves {largest} most, by {number(known[largest], 2)}"


def corrections_alone(refuted: Mapping[tuple[str, str], bool]) -> str:
    """Which of two corrections of a null suffices by itself, by guides that do nothing.

    Parameters
    ----------
    refuted : mapping
        Of (null, pairs) to whether guides refute it: "relabelled" leaves draws out, pairs "across"
        counts replicates.
    """
    if not refuted["in-sample", "all"]:
        return "These guides refute none of the nulls with fewer corrections"
    alone = {
        "leaving draws out": not refuted["relabelled", "all"],
        "counting pairs across replicates": not refuted["in-sample", "across"],
    }
    enough = [correction for correction, holds in alone.items() if holds]
    if len(enough) == 2:
        return "Either correction alone suffices here"
    return f"Alone, {enough[0] if enough else 'neither correction'} suffices here"


def best_by_post(best: Mapping[str, str]) -> str:
    """Whether the best model depends on the post-processing; of each to its best model."""
    if not best:
        return "No model was scored"
    models = list(best.values())
    if len(set(models)) == 1:
        return f"{models[0]} is best with every post-processing"
    said = "; ".join(f"{post} - {model}" for post, model in best.items())
    return f"The best model depends on the post-processing: {said}"


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


def of_one_tenth(low: float) -> str:
    """Where an interval of a recall lies beside chance."""
    if np.isnan(low):
        return "is not known"
    return "holds one tenth" if low <= 0.1 else "lies above one tenth"


def what_choosing_gains(gain: float, lasting: float) -> str:
    """Whether what the best post-processing gains holds on other pairs."""
    if np.isnan(gain) or np.isnan(lasting):
        return "whether it holds on other pairs was not scored"
    if gain <= 0:
        return "there is nothing to gain"
    if lasting > 0.5 * gain:
        return (
            "most of what it gains is a preference for another post-processing that holds on other "
            "pairs"
        )
    return "most of what it gains does not hold on other pairs"


def first_either_way(fixed: str, chosen: str) -> str:
    """Who leads with the post-processing that is fixed, and with the one that is chosen."""
    if fixed == chosen:
        return f"{fixed} is first either way"
    return f"First is {fixed} with the fixed form; {chosen} with the chosen one"


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
    """Who may be the best of real cells' neighbours."""
    if len(may_lead) == n_models:
        lead = "No candidate can be excluded from the first place"
    else:
        lead = f"The first place may belong to {'; '.join(may_lead)}"
    if "untrained scVI" in may_lead:
        lead += "; an untrained network may hold it: what is found here needs no learning"
    return lead


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


def beaten_ceiling(n_above: int) -> str:
    """What it means that models lie above the planted truth, or that none does."""
    if n_above:
        return "A ceiling that is beaten is no ceiling, so something else is being read back"
    return "Were one above it, something else would be read back"


def truth_on_top(leads: bool) -> str:
    """Whether the planted truth leads once noise is left out."""
    return "Now the truth is on top" if leads else "Even now the truth is not on top"


def training_adds(low: float, high: float) -> str:
    """What training adds to consistency, by the interval of the gain."""
    if np.isnan(low) or np.isnan(high):
        return "whether training adds to it cannot be told from so few"
    if low > 0:
        return "training adds to it"
    return "training takes from it" if high < 0 else "training adds nothing that shows"


def keeps_and_agrees(kept: pd.Series, consistent: pd.Series) -> str:
    """Whether what keeps most of the state is the most consistent, too."""
    most = kept.idxmax()
    if most == consistent.idxmax():
        return f"{most} keeps most and is most consistent"
    if most == consistent.idxmin():
        return f"{most} keeps most and is least consistent"
    return f"{most} keeps most, and {consistent.idxmax()} is most consistent"


def learned_to_guess(network: float, linear: float) -> str:
    """What a network's error on hidden genes says, beside a linear guess; 1 is the mean."""
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
