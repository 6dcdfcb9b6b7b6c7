"""What the book knows of tissue: the facts of its metrics, what it answers, and claims."""

from helpers.metrics.spatial.facts import METRICS, PRIMARY
from helpers.tasks.spatial.completion_report import MAIN
from helpers.tasks.spatial.findings import CLAIMS, FINDINGS
from helpers.tasks.spatial.long_runs import LONG_RUNS
from helpers.tasks.tier import Tier

TIER = Tier(
    "spatial",
    METRICS,
    PRIMARY,
    findings=FINDINGS,
    claims=CLAIMS,
    declared={
        "completion": dict(MAIN),
        "protocols": {"how": "revised"},
        "patients": {"train": "all sections"},
        "raw-or-completed": {"target": "zeros", "loss": "measured"},
    },
    long_runs=LONG_RUNS,
)
