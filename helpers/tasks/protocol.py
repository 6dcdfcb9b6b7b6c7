"""The choices of a task under one name: as released, or as this book revises them."""

from collections.abc import Mapping
from dataclasses import dataclass

from helpers.data.contract import DataError
from helpers.tasks.requirements import Requirement
from helpers.words import Words


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What every protocol has; a task adds its own choices as fields.

    Parameters
    ----------
    name, source : str
    requirements : tuple of Requirement
        What it asks of the data.
    """

    name: str
    source: Words
    requirements: tuple[Requirement, ...] = ()


def chosen(protocols: Mapping[str, Protocol], name: str) -> Protocol:
    """Protocol by name.

    Raises
    ------
    DataError
        No such protocol; the message lists those that there are.
    """
    if name not in protocols:
        raise DataError(f"protocol is {name!r}; choose from {', '.join(protocols)}")
    return protocols[name]
