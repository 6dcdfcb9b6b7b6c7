"""What a task needs of a data set before it says anything, and before it says much."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from helpers.words import Words

FEWEST_UNITS = 5  # a one-sided sign test of five pairs can just reach 0.05: 2 ** -5
FEWEST_COMBINATIONS = 8  # half of them to learn from, half to be predicted
ENOUGH_UNITS = 32  # a difference of half a standard deviation between pairs: power 80 %, level 5 %


def pairs_with_members(names: Iterable[str]) -> list[str]:
    """Combinations of two perturbations whose members were perturbed alone too."""
    there = set(names)
    return sorted(n for n in there if n.count("+") == 1 and set(n.split("+")) <= there)


class CannotAnswer(Exception):
    """A question that this data set cannot answer; `reason` says what it has and what is needed."""

    def __init__(self, reason: Words):
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
        Below it, the task cannot be answered.
    what : str
        The count in words, for sentences and the answerability matrix.
    enough : int, optional
        Below it, differences between models are likely to be missed. Default: no such limit.

    Raises
    ------
    ValueError
        `enough` below `minimum`.
    """

    fact: str
    minimum: int
    what: Words
    enough: int | None = None

    def __post_init__(self) -> None:
        if self.enough is not None and self.enough < self.minimum:
            raise ValueError(f"{self.fact}: enough ({self.enough}) is below {self.minimum}")


@dataclass(frozen=True)
class Answer:
    """Whether a task can be answered with a data set.

    Parameters
    ----------
    verdict : {"yes", "power-limited", "cannot"}
    reason : str
        What is missing, or few; empty for a plain yes.
    n : int or None
        Of what there is too little for power, the least.
    """

    verdict: Literal["yes", "power-limited", "cannot"]
    reason: Words = ""
    n: int | None = None

    def __str__(self) -> str:
        return f"power-limited (n = {self.n})" if self.verdict == "power-limited" else self.verdict


def lacking(requirements: Iterable[Requirement], has: Mapping[str, int]) -> list[Requirement]:
    """Requirements that the counts `has` do not meet."""
    return [r for r in requirements if has[r.fact] < r.minimum]


def unmet(requirements: Iterable[Requirement], has: Mapping[str, int]) -> list[str]:
    """What is said of each requirement that the counts `has` do not meet."""
    return [
        f"needs {r.minimum} {r.what}, has {has[r.fact]}" if r.minimum > 1 else f"has no {r.what}"
        for r in lacking(requirements, has)
    ]


def require(question: Words, requirements: Iterable[Requirement], has: Mapping[str, int]) -> None:
    """Pass where every requirement is met.

    Raises
    ------
    CannotAnswer
        With the question and every requirement that is not met.
    """
    if lacking(requirements, has):
        lacks = "; ".join(unmet(requirements, has))
        raise CannotAnswer(f"{question} cannot be answered: it {lacks}")


def answer(requirements: Iterable[Requirement], has: Mapping[str, int]) -> Answer:
    """Whether the counts `has` meet all requirements, and leave enough for power."""
    requirements = list(requirements)
    if missing := unmet(requirements, has):
        return Answer("cannot", "; ".join(missing))
    few = [r for r in requirements if r.enough is not None and has[r.fact] < r.enough]
    if few:
        reason = "; ".join(f"power needs {r.enough} {r.what}, has {has[r.fact]}" for r in few)
        return Answer("power-limited", reason, min(has[r.fact] for r in few))
    return Answer("yes")
