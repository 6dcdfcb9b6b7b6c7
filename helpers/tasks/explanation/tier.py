"""What the book knows of explanation: the facts of its metrics."""

from helpers.metrics.explanation.facts import METRICS, PRIMARY
from helpers.tasks.explanation.findings import FINDINGS
from helpers.tasks.tier import Tier

TIER = Tier("explanation", METRICS, PRIMARY, findings=FINDINGS)
