"""What a task needs of a data set before it says anything."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


class CannotAnswer(Exception):
    """A question that this data set cannot answer; `reason` says what it has and what is needed."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Requirement:
    """Least amount of something.

    Parameters
    ----------
    fact : str
        Name of a count that the task takes of a data set.
    minimum : int
    what : str
        The count in words, for sentences and the answerability matrix.
    """

    fact: str
    minimum: int
    what: str


def unmet(requirements: Iterable[Requirement], has: Mapping[str, int]) -> list[str]:
    """One sentence part for each requirement that the counts `has` do not meet."""
    return [
        f"{has[r.fact]} {r.what} (needs {r.minimum})"
        for r in requirements
        if has[r.fact] < r.minimum
    ]


def require(question: str, requirements: Iterable[Requirement], has: Mapping[str, int]) -> None:
    """Pass where every requirement is met.

    Raises
    ------
    CannotAnswer
        With the question and every requirement that is not met.
    """
    if missing := unmet(requirements, has):
        raise CannotAnswer(f"{question} cannot be answered: there are {'; '.join(missing)}")
