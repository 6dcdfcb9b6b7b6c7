"""What the tier answers: experiments that were not done, functions, mechanisms and networks."""

from helpers.tasks.discovery import network_findings
from helpers.tasks.discovery.unseen_pairs import WORLDS
from helpers.tasks.discovery.unseen_pairs_report import against_lpm, chosen
from helpers.tasks.discovery.unseen_pairs_report import in_short as about_pairs
from helpers.tasks.findings import Finding
from helpers.tasks.requirements import CannotAnswer

PAIRS = "discovery/unseen-pairs"


def model_or_copy(tables, *, n_resamples: int, seed: int) -> str:
    """Whether a large perturbation model predicts an unseen pair better than a copy."""
    table = tables[PAIRS]
    own = chosen(table[table["task"] == "unseen-pairs"], "profile_pearson_centred")
    if own.empty:
        raise CannotAnswer("no covered pair was scored")
    return about_pairs(against_lpm(own, seed=seed, n_resamples=n_resamples), list(WORLDS))


FINDINGS = (
    Finding(
        "What would a perturbation do in cells in which it was not done?",
        PAIRS,
        (PAIRS,),
        model_or_copy,
        "simulated tensors of two kinds, pairs whose parts were both seen",
        "a real table of many perturbations in several contexts; larger networks",
        front=True,
    ),
    *network_findings.FINDINGS,
)
CLAIMS = (*network_findings.CLAIMS,)
