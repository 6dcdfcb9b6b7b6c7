"""What is known of each metric of gene networks: range, direction, chance, source."""

from helpers.metrics.facts import by_name

METRICS = by_name()
PRIMARY = {}
