"""What the book knows of explanation: the facts of its metrics."""

from helpers.metrics.explanation.facts import METRICS, PRIMARY
from helpers.tasks.explanation.findings import CLAIMS, FINDINGS
from helpers.tasks.explanation.long_runs import LONG_RUNS
from helpers.tasks.tier import Tier

# Tables of results show ten genes a class; the curves over their number are on the pages.
DECLARED = {"retention": {"k": 10}, "retraining": {"k": 10}}
TIER = Tier(
    "explanation",
    METRICS,
    PRIMARY,
    findings=FINDINGS,
    claims=CLAIMS,
    declared=DECLARED,
    long_runs=LONG_RUNS,
)
