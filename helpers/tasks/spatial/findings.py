"""What the tier answers: what fills missing entries of tissue, and is a published number met?"""

import numpy as np
import pandas as pd

from helpers.models.spatial.completion import COMPARATORS
from helpers.tasks.findings import Finding, Ledger, with_interval
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.spatial import histology_findings as histology
from helpers.tasks.spatial.completion_report import (
    CLEAN,
    MAIN,
    PUBLISHED,
    by_cluster,
    of_masks,
    reductions,
)
from helpers.tasks.verdicts import NOT_SHOWN, SHOWN

PAGE = "spatial/completion"
NUMBER = "spatial/what-82-percent-means"
OPEN = "undecided"
CLAIMED, MOST_HIDDEN = 0.825, 0.7


def _hidden(tables, masking=MAIN["masking"], rate=MAIN["rate"]) -> pd.DataFrame:
    """Errors of hidden entries of the simulation."""
    table = tables[PAGE]
    table = table[(table["metric"] == "masked_mse") & (table["dataset"] == "simulated")]
    found = of_masks(table, masking, rate)
    if found.empty:
        raise CannotAnswer(f"no simulated slide was scored with {rate:.0%} hidden")
    return found


def simple_or_network(tables, *, n_resamples: int, seed: int) -> str:
    """Whether a network fills hidden entries better than the mean of 18 neighbours."""
    table = _hidden(tables)
    means = by_cluster(table).set_index("model")
    if CLEAN not in means.index:
        raise CannotAnswer(f"{CLEAN} was not scored")
    plain = means.loc[[m for m in means.index if m in COMPARATORS], "mean"]
    best = plain.idxmin()
    row = reductions(table, CLEAN).set_index("comparator").loc[best]
    ratio = plain["adaptive median"] / plain[best]
    return about_network(row, best, ratio)


def about_network(row: pd.Series, best: str, ratio: float) -> str:
    """The sentence, of the reduction against the best simple method (`mean`, `low`, `high`)."""
    said = (
        f"of the ways without one {best} has the smallest mean error at hidden entries, and that "
        f"of a small network over neighbours differs from it by "
        f"{with_interval(*(-row[['mean', 'high', 'low']]))} of it; the published filter has "
        f"{ratio:.1f} times as much"
    )
    if np.isnan(row["low"]):
        head = "One draw does not tell a network from simple ways"
    elif row["low"] > 0:
        head = "A network"
    elif row["high"] < 0:
        head = "Not a network"
    else:
        head = "Undecided between a network and simple ways"
    return f"{head}: {said}."


def claims(tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """The claims of the abstract and the tutorial that scores can speak to."""
    found = _hidden(tables)
    rows = [_size(found), _neighbours(found)]
    most = of_masks(
        tables[PAGE][
            (tables[PAGE]["metric"] == "masked_mse") & (tables[PAGE]["dataset"] == "simulated")
        ],
        "mask_prob",
        MOST_HIDDEN,
    )
    if len(most):
        rows.append(_most(most))
    return pd.DataFrame(rows)


def _model(found) -> str:
    """The network that speaks for the method: the clean one, which small training serves better."""
    return CLEAN if CLEAN in set(found["model"]) else PUBLISHED


def _said(share: float, other: str) -> str:
    return f"{abs(share):.0%} {'smaller' if share >= 0 else 'larger'} than that of {other}"


def _size(found) -> dict:
    model = _model(found)
    against = reductions(found, model).set_index("comparator")
    median, mean = against.loc["adaptive median"], against.loc["gene mean"]
    ours = (
        f"error of {model} {_said(median['mean'], 'the adaptive median')}, "
        f"{_said(mean['mean'], 'the mean of a gene')}"
    )
    sure = median["low"] >= CLAIMED
    verdict = SHOWN if sure else NOT_SHOWN if mean["high"] < CLAIMED else OPEN
    return {
        "claim": "SpaCKLE reduces the squared error by over 82.5 % compared to existing approaches",
        "published": "82.5 %",
        "ours": ours,
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
        "simulated slides, entries that were measured and hidden",
        "longer training, sharper tissue; entries that were never measured",
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
