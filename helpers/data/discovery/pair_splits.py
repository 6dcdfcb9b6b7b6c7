"""Held-out pairs of perturbation and context: the released split, and the same with other seeds."""

import random
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from helpers.data.discovery.profiles import CONTROL, Profiles
from helpers.data.errors import DataError

SHARE, SEED = 0.15, 13
"""As released (`data/utils.py`)."""


def split_names(
    names: Iterable[str], *, share: float = SHARE, seed: int = SEED
) -> tuple[list[str], list[str]]:
    """Perturbations of a context for validation and for testing.

    Parameters
    ----------
    names : iterable of str
        Controls are never held out.
    share : float
        Of each part, rounded down.
    seed : int
        Both parts are drawn by a generator of this seed, the second from what is left.

    Returns
    -------
    validation, test : list of str

    References
    ----------
    perturblib 9e79ae3, `data/utils.py:71-94`.
    """
    left = sorted(set(names) - {CONTROL})
    n = int(share * len(left))
    validation = random.Random(seed).sample(left, n)
    left = sorted(set(left) - set(validation))
    return validation, random.Random(seed).sample(left, n)


@dataclass(frozen=True)
class PairSplit:
    """Rows of profiles: `train`, `validation`, `test`, and which test rows are covered."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    covered: np.ndarray  # of all rows: the perturbation is in training, in another context


def held_out_pairs(profiles: Profiles, target: str, *, seed: int = SEED) -> PairSplit:
    """Validation and test perturbations of one context; all else trains, other contexts whole.

    Parameters
    ----------
    profiles : Profiles
    target : str
        Context of the pairs that are held out.
    seed : int

    Raises
    ------
    DataError
        No such context, or so few perturbations that nothing is held out.
    """
    own = profiles.context == target
    if not own.any():
        raise DataError(f"no context {target!r}: {', '.join(sorted(set(profiles.context)))}")
    validation, test = split_names(profiles.perturbation[own].tolist(), seed=seed)
    if not test:
        raise DataError(f"{target} has {own.sum()} perturbations, of which {SHARE:.0%} is none")
    is_validation = own & np.isin(profiles.perturbation, validation)
    is_test = own & np.isin(profiles.perturbation, test)
    train = ~(is_validation | is_test)
    known = {p for name in set(profiles.perturbation[train]) for p in name.split("+")}
    covered = np.array([set(name.split("+")) <= known for name in profiles.perturbation])
    return PairSplit(train, is_validation, is_test, covered)
