"""The claims of a paper on large perturbation models, judged by the tier's scores."""

from collections.abc import Iterable

import pandas as pd

from helpers.comparisons import as_family
from helpers.tasks.discovery import gene_function as functions
from helpers.tasks.discovery import (
    gene_function_report,
    mechanisms_report,
    scaling_report,
    unseen_pairs_report,
)
from helpers.tasks.discovery.mechanisms import CENTRED, LPM
from helpers.tasks.discovery.mechanisms_report import PLAIN
from helpers.tasks.discovery.unseen_pairs import WORLDS
from helpers.tasks.findings import with_interval
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.verdicts import BOTH, NOT_SHOWN, SHOWN

PAIRS, FUNCTION = "discovery/unseen-pairs", "discovery/gene-function"
MECHANISM, SCALING = "discovery/mechanisms", "discovery/scaling"
OPEN = "undecided"


def claims(tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """Every statement of the abstract and of summaries that scores can speak to."""
    given = {"n_resamples": n_resamples, "seed": seed}
    rows = [pairs_claim(tables[PAIRS], **given), function_claim(tables[FUNCTION], **given)]
    rows += [mechanism_claim(tables[MECHANISM]), scaling_claim(tables[SCALING], **given)]
    return pd.DataFrame([*rows, REPURPOSING])


REPURPOSING = {
    "claim": "Statins are candidates for a kidney disease, which health records support",
    "published": "risk ratio 0.86 (5 years), 0.74 (10 years)",
    "why they differ": "the records are not public, and how PKD1 becomes a readout is absent from "
    "the released code",
    "verdict": "not testable here",
}


def pairs_claim(table: pd.DataFrame, *, n_resamples: int, seed: int) -> dict:
    """Unseen pairs: against the floors that were released, and against a copy."""
    own = unseen_pairs_report.chosen(
        table[table["task"] == "unseen-pairs"], "profile_pearson_centred"
    )
    if own.empty:
        raise CannotAnswer("no unseen pair was scored")
    found = unseen_pairs_report.against_lpm(own, seed=seed, n_resamples=n_resamples)
    of_worlds = {}
    for world in WORLDS:
        rivals = found[(found["dataset"] == f"simulated: {world}") & found["p_value"].notna()]
        family = set(as_family(rivals)["verdict"]) if len(rivals) else set()
        order = ("worse", "cannot", "undecided", "tied", "better")
        of_worlds[world] = next((one for one in order if one in family), "cannot")
    words = {
        "better": "best",
        "tied": "something simpler is tied with it",
        "worse": "something simpler is better",
    }
    return {
        "claim": "LPM predicts unseen experiments better than all other methods",
        "published": "best in 8 contexts, one-sided p at most 0.05 over five seeds",
        "ours": "; ".join(
            f"{world}: {words.get(one, 'undecided')}" for world, one in of_worlds.items()
        ),
        "why they differ": "copies and linear models of the same table are absent from the "
        "released code; networks are small here and trained on whole profiles, data simulated",
        "verdict": verdict_of(of_worlds.values()),
    }


def function_claim(table: pd.DataFrame, *, n_resamples: int, seed: int) -> dict:
    """Functions of genes: against knowledge from elsewhere, and the control that decides."""
    pairs = gene_function_report.against_control(table, seed=seed, n_resamples=n_resamples)
    by = pairs.groupby("other")["verdict"].agg(set)
    control, elsewhere = by[functions.PCA], by["knowledge from elsewhere"]
    return {
        "claim": "Vectors of perturbations tell the function of genes better than other embeddings",
        "published": "p at most 0.01 against six embeddings",
        "ours": f"against knowledge from elsewhere {_listed(elsewhere)}, against principal "
        f"components of the same profiles {_listed(control)}",
        "why they differ": "labels of the paper are clusters of the screen as far as the released "
        "code shows; knowledge from elsewhere is simulated here, the model small and trained on "
        "whole profiles",
        "verdict": verdict_of(control),
    }


def _listed(verdicts: set) -> str:
    return " or ".join(sorted(verdicts))


def verdict_of(found: Iterable[str]) -> str:
    """Verdict on "better", of all comparisons that it rests on; one that is open leaves it open."""
    found = set(found)
    if not found or found - {"better", "worse", "tied"}:
        return OPEN
    return SHOWN if found == {"better"} else BOTH if "better" in found else NOT_SHOWN


def mechanism_claim(table: pd.DataFrame) -> dict:
    """Compounds and genes in one space: vectors of the model against profiles."""
    own = table[(table["metric"] == "target_percentile")]
    own = own[own["dataset"].str.startswith("simulated")]
    means = mechanisms_report.simulated_means(own).set_index("model")[["mean", "low", "high"]]
    if not {LPM, CENTRED} <= set(means.index):
        raise CannotAnswer("no compound was scored")
    best, plain = (
        with_interval(
            *means.loc[means.loc[[m for m in names if m in means.index], "mean"].idxmax()]
        )
        for names in ((LPM, CENTRED), PLAIN)
    )
    gain = mechanisms_report.simulated_gain(own)
    return {
        "claim": "Compounds lie near the genes that they hit, nearer than in expression itself",
        "published": "higher recall of inhibitors for 89 targets",
        "ours": f"share of other compounds that lie farther, in vectors {best}, in the best of "
        f"plain profiles {plain}, a difference of {with_interval(*gain)}",
        "why they differ": "simulated offset between compounds and genes; a small model, trained "
        "on whole profiles; the recall of the paper is absent from the released code",
        "verdict": SHOWN if gain[1] > 0 else NOT_SHOWN if gain[2] < 0 else OPEN,
    }


def scaling_claim(table: pd.DataFrame, *, n_resamples: int, seed: int) -> dict:
    """More data: over perturbations and over contexts."""
    found = scaling_report.gains(table, seed=seed, n_resamples=n_resamples)
    own = found[found["model"] == scaling_report.LPM].set_index("axis")["verdict"]
    return {
        "claim": "Performance rises with more perturbations and with more contexts",
        "published": "significant for both",
        "ours": "; ".join(f"{axis}: {verdict}" for axis, verdict in own.items()),
        "why they differ": "one simulated world, few steps along each axis; a small model, trained "
        "on whole profiles",
        "verdict": verdict_of(own),
    }
