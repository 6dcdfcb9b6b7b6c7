"""What a tier tells the rest of the book of itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from helpers.metrics.facts import Metric
from helpers.store.kept import LongRun
from helpers.tasks.findings import Finding, Ledger
from helpers.tasks.requirements import Requirement


@dataclass(frozen=True)
class Tier:
    """Facts of a tier's metrics, and what its tasks need of a screen.

    Parameters
    ----------
    name : str
        As its folders are called.
    metrics : mapping of name to Metric
    primary : mapping of task to metric
        The metric of a task's verdicts.
    requirements : mapping of a question to its requirements
        Those that a page asks of every screen.
    available : callable, optional
        Of a screen, the `quality` of its perturbations, known relationships and the column of
        replicates, to counts that the requirements name: a DataFrame indexed by context.
    findings : tuple of Finding
        Questions that people bring, with the sentence that answers each.
    claims : tuple of Ledger
        Papers whose statements the tier judges.
    declared : mapping
        Of a task to the setting that stands for it, where it was scored in several: columns of
        scores or names in `params`, and their values. `metric` is a further one beside the primary.
    long_runs : tuple of LongRun
        What takes too long for a book that is made on a laptop; their results are kept.
    scales : mapping
        Of a metric to the floor and the ceiling of its scale, where these are no model's score.

    Raises
    ------
    ValueError
        A primary metric without facts, or requirements that nothing counts.
    """

    name: str
    metrics: Mapping[str, Metric]
    primary: Mapping[str, str]
    requirements: Mapping[str, tuple[Requirement, ...]] = field(default_factory=dict)
    available: Callable | None = None
    findings: tuple[Finding, ...] = ()
    claims: tuple[Ledger, ...] = ()
    declared: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    long_runs: tuple[LongRun, ...] = ()
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.primary.values()) - set(self.metrics)):
            raise ValueError(
                f"helpers/metrics/{self.name}/facts.py: {', '.join(unknown)} of PRIMARY have no "
                "facts; add them to METRICS"
            )
        if self.requirements and self.available is None:
            raise ValueError(
                f"helpers/tasks/{self.name}/tier.py: nothing counts what a screen has for "
                f"{', '.join(self.requirements)}; pass available"
            )
