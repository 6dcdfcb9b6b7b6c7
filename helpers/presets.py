"""Parameters that every chapter has: `dataset`, `seed`, `preset`."""

from typing import TypeVar

import numpy as np

PRESETS = ("tiny", "book", "full")  # for tests; for the site; larger and slower
T = TypeVar("T")


def by_preset(preset: str, *, tiny: T, book: T, full: T) -> T:
    """The value that belongs to a preset.

    Raises
    ------
    ValueError
        Unknown preset.
    """
    values = dict(zip(PRESETS, (tiny, book, full), strict=True))
    if preset not in values:
        raise ValueError(f"preset is {preset!r}; it is one of {', '.join(PRESETS)}")
    return values[preset]


def child_seeds(seed: int, n: int) -> list[int]:
    """Independent seeds below one root: the same root gives the same, a prefix for a smaller `n`.

    Parameters
    ----------
    seed : int
        Root, at least 0.
    n : int
        Number of children.

    Returns
    -------
    `n` integers in [0, 2**31).
    """
    children = np.random.SeedSequence(seed).spawn(n)
    return [int(child.generate_state(1)[0]) >> 1 for child in children]
