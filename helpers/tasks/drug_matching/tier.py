"""What the book knows of drug matching: the facts of its metrics, its findings and claims."""

from helpers.metrics.drug_matching.facts import METRICS, PRIMARY
from helpers.tasks.drug_matching.findings import CLAIMS, FINDINGS
from helpers.tasks.tier import Tier

DECLARED = {"drug-disease-matching": {"candidates": "all"}}
"""All drugs are candidates; the other universes stand beside them on the page."""

TIER = Tier("drug_matching", METRICS, PRIMARY, findings=FINDINGS, claims=CLAIMS, declared=DECLARED)
