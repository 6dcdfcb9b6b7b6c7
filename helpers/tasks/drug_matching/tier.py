"""What the book knows of drug matching: the facts of its metrics."""

from helpers.metrics.drug_matching.facts import METRICS, PRIMARY
from helpers.tasks.tier import Tier

TIER = Tier("drug_matching", METRICS, PRIMARY)
