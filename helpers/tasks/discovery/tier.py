"""What the book knows of discovery: the facts of its metrics, what it answers, and claims."""

from helpers.metrics.discovery.facts import METRICS, PRIMARY
from helpers.tasks.discovery.findings import CLAIMS, FINDINGS
from helpers.tasks.tier import Tier

TIER = Tier(
    "discovery",
    METRICS,
    PRIMARY,
    findings=FINDINGS,
    claims=CLAIMS,
    declared={
        "unseen-pairs": {"split": "covered"},
        "gene-function": {"split": "planted functions"},
        "scaling": {"share": 1.0},
    },
)
