"""What the tier answers: what fills missing entries of tissue, and is a published number met?"""

import numpy as np
import pandas as pd

from helpers.models.spatial.completion import COMPARATORS
from helpers.tasks.findings import Finding, Ledger
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.spatial import histology_findings as histology
from helpers.tasks.spatial.completion_report import (
    CLEAN,
    MAIN,
    PUBLISHED,
    by_cluster,
    by_entries,
    of_masks,
    reductions,
)
from helpers.tasks.spatial.completion_sentences import about_where, reach
from helpers.tasks.verdicts import BOTH, NOT_SHOWN, SHOWN
from helpers.words import Words

PAGE = "spatial/completion"
NUMBER = "spatial/what-82-percent-means"
OPEN = "undecided"
REAL = "hidden entries of real slides"
CLAIMED, MOST_HIDDEN = 0.825, 0.7


def _hidden(tables, masking=MAIN["masking"], rate=MAIN["rate"]) -> pd.DataFrame:
    """Errors of hidden entries of the simulation."""
    table = tables[PAGE]
    table = table[(table["metric"] == "masked_mse") & (table["dataset"] == "simulated")]
    found = of_masks(table, masking, rate)
    if found.empty:
        raise CannotAnswer(f"no simulated slide was scored with {rate:.0%} hidden")
    return found


def simple_or_network(tables, *, n_resamples: int, seed: int) -> Words:
    """Whether a network fills missing entries better than simple ways, by the entries asked."""
    hidden = _hidden(tables)
    every = tables[PAGE]
    own = every[every["dataset"] == "simulated"]
    real = every[(every["metric"] == "masked_mse") & (every["dataset"] != "simulated")]
    real = of_masks(real, **MAIN) if len(real) else real
    real = real[real["dataset"].isin(real.loc[real["model"] == CLEAN, "dataset"])]
    places = {
        "measured entries that were hidden": hidden,
        "entries that were never measured": own[own["metric"] == "truth_mse"],
        REAL: real,
    }
    found = {place: _best(table) for place, table in places.items() if len(table)}
    means = by_cluster(hidden).set_index("model")["mean"]
    best = next(iter(found.values()))["comparator"]
    return about_network(found, means["adaptive median"] / means[best], best)


def _best(table: pd.DataFrame) -> pd.Series:
    """The reduction by the clean network against the method without one that has least error."""
    means = by_cluster(table).set_index("model")["mean"]
    best = means[means.index.isin(COMPARATORS)].idxmin()
    return reductions(table, CLEAN).set_index("comparator", drop=False).loc[best]


HEADS = {
    "smaller": "A network",
    "larger": "Not a network",
    OPEN: "Undecided between a network and simple ways",
    "untold": "Too few draws tell a network from simple ways",
}


def about_network(found: dict[str, pd.Series], ratio: float, best: str) -> Words:
    """The sentence, of the reduction against the best simple method at each kind of entry.

    Real slides are told, and do not decide how the sentence begins.
    """
    sides = {place: _side(row) for place, row in found.items()}
    heads = {HEADS[side] for place, side in sides.items() if place != REAL}
    head = heads.pop() if len(heads) == 1 else "It depends on the entries"
    parts = [
        f"at {place} it is {_said(row['mean'], row['comparator'])}{_certainty(row, sides[place])}"
        for place, row in found.items()
    ]
    return (
        f"{head}, by the error of a small network over neighbours beside that of the best simple "
        f"way: {'; '.join(parts)}. The published filter has {ratio:.1f} times the error of {best} "
        "at hidden entries."
    )


def _side(row: pd.Series) -> str:
    if np.isnan(row["low"]):
        return "untold"
    return "smaller" if row["low"] > 0 else "larger" if row["high"] < 0 else OPEN


def _certainty(row: pd.Series, side: str) -> Words:
    """The interval of a reduction, or of the increase that it is."""
    if side == "untold":
        return " (too few draws or patients for an interval)"
    low, high = row["low"], row["high"]
    if row["mean"] < 0:
        low, high = -high, -low
    ends = f" (95 % interval {low:.0%} to {high:.0%}".replace("-", "\N{MINUS SIGN}")
    return f"{ends}, undecided)" if side == OPEN else f"{ends})"


def claims(tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """The claims of the abstract and the tutorial that scores can speak to."""
    found, every = _hidden(tables), tables[PAGE]
    error = every[(every["metric"] == "masked_mse") & (every["dataset"] == "simulated")]
    rows = [_size(error), _neighbours(found)]
    if len(most := of_masks(error, "mask_prob", MOST_HIDDEN)):
        rows.append(_most(most))
    return pd.DataFrame(rows)


def _model(found) -> str:
    """The network that speaks for the method: the clean one, which small training serves better."""
    return CLEAN if CLEAN in set(found["model"]) else PUBLISHED


def _said(share: float, other: str) -> str:
    return f"{abs(share):.0%} {'smaller' if share >= 0 else 'larger'} than that of {other}"


def _size(error) -> dict:
    """The published reduction, against all comparators under all masks; filling zeros is none."""
    model = _model(error)
    found = by_entries(error, model)
    found = found[found["comparator"] != "zeros"]
    reached, missed, _ = reach(found, CLAIMED)
    verdict = OPEN
    if reached.all():
        verdict = SHOWN
    elif missed.all():
        verdict = NOT_SHOWN
    elif reached.any() and missed.any():
        verdict = f"{BOTH}: by the comparator and by what is hidden"
    return {
        "claim": "SpaCKLE reduces the squared error by over 82.5 % compared to existing approaches",
        "published": "82.5 %",
        "ours": about_where(found, model, CLAIMED).rstrip("."),
        "why they differ": "which approaches are compared is not in what could be read; networks "
        "are small and trained briefly here",
        "verdict": verdict,
    }


def _neighbours(found) -> dict:
    row = reductions(found, PUBLISHED).set_index("comparator").loc["18 neighbours"]
    ours = f"error as published {_said(row['mean'], 'their mean')}"
    verdict = SHOWN if row["low"] > 0 else NOT_SHOWN if row["high"] < 0 else OPEN
    return {
        "claim": "The transformer completes a spot from its neighbours",
        "published": "18 neighbours as context",
        "ours": ours,
        "why they differ": "as released its attention runs over the mini-batch: a change of a "
        "neighbour moves the output by exactly 0",
        "verdict": verdict,
    }


def _most(found) -> dict:
    model = _model(found)
    row = reductions(found, model).set_index("comparator").loc["gene mean"]
    verdict = SHOWN if row["low"] > 0 else NOT_SHOWN if row["high"] < 0 else OPEN
    return {
        "claim": "Completion works with up to 70 % of the entries missing",
        "published": "up to 70 %",
        "ours": f"with {MOST_HIDDEN:.0%} hidden the error of {model} is "
        f"{_said(row['mean'], 'the mean of a gene')}",
        "why they differ": "on a slide, the mean of a gene needs no completion",
        "verdict": verdict,
    }


FINDINGS = (
    Finding(
        "What fills missing entries of a tissue slide best?",
        PAGE,
        (PAGE,),
        simple_or_network,
        "simulated slides; small networks",
        "longer training, sharper tissue, more patients",
        front=True,
    ),
    *histology.FINDINGS,
)
CLAIMS = (
    Ledger(
        "Ruiz et al. 2025 (SpaRED, SpaCKLE)",
        NUMBER,
        (PAGE,),
        claims,
    ),
    *histology.CLAIMS,
)
