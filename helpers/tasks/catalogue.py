"""The tiers that are there, united. To take one out, delete its folders and its line here."""

import helpers.tasks.effects.tier
import helpers.tasks.embeddings.tier
import helpers.tasks.explanation.tier
import helpers.tasks.foundations.tier
from helpers.metrics.facts import by_name

_ORDER = ("foundations", "embeddings", "effects", "discovery", "explanation", "drug_matching")
_FOLDERS = [getattr(helpers.tasks, name, None) for name in (*_ORDER, "spatial")]

TIERS = [folder.tier.TIER for folder in _FOLDERS if hasattr(folder, "tier")]
METRICS = by_name(*(metric for tier in TIERS for metric in tier.metrics.values()))
"""Facts of every metric of the book."""
PRIMARY = {task: metric for tier in TIERS for task, metric in tier.primary.items()}
"""The metric of every task's verdicts."""
REQUIREMENTS = {asked: needs for tier in TIERS for asked, needs in tier.requirements.items()}
"""What each question to a screen needs, all tiers'."""
