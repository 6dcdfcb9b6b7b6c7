"""The tiers that are there, united. To take one out, delete its folders and its name here."""

from helpers.metrics.facts import by_name
from helpers.tasks.discovery.tier import TIER as discovery
from helpers.tasks.drug_matching.tier import TIER as drug_matching
from helpers.tasks.effects.tier import TIER as effects
from helpers.tasks.embeddings.tier import TIER as embeddings
from helpers.tasks.explanation.tier import TIER as explanation
from helpers.tasks.foundations.tier import TIER as foundations
from helpers.tasks.spatial.tier import TIER as spatial

TIERS = (foundations, embeddings, effects, discovery, explanation, drug_matching, spatial)
"""In the order of the book."""

METRICS = by_name(*(metric for tier in TIERS for metric in tier.metrics.values()))
"""Facts of every metric of the book."""
PRIMARY = {task: metric for tier in TIERS for task, metric in tier.primary.items()}
"""The metric of every task's verdicts."""
REQUIREMENTS = {asked: needs for tier in TIERS for asked, needs in tier.requirements.items()}
"""What each question to a screen needs, all tiers'."""
