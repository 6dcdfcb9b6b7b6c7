"""What the book knows of foundations: the facts of its metrics."""

from helpers.metrics.foundations.facts import METRICS, PRIMARY
from helpers.tasks.foundations.findings import FINDINGS
from helpers.tasks.tier import Tier

TIER = Tier("foundations", METRICS, PRIMARY, findings=FINDINGS)
