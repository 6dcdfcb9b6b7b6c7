"""What is known of each metric of discovery: range, direction, chance, source."""

from helpers.metrics.discovery import network_facts
from helpers.metrics.facts import by_name

METRICS = by_name(
    *network_facts.METRICS.values(),
)

PRIMARY = {**network_facts.PRIMARY}
