"""What the book knows of tissue: the facts of its metrics."""

from helpers.metrics.spatial.facts import METRICS, PRIMARY
from helpers.tasks.tier import Tier

TIER = Tier("spatial", METRICS, PRIMARY)
