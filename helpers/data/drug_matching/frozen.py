"""Frozen splits of drugs and diseases: the same for everybody, from names alone, with a hash.

No random generator is asked: groups are ordered by a hash of their name, so that any language on
any machine makes the same folds. Who reports a score states the hash of its split.
"""

import hashlib
import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.contract import DataError

SCHEMES = ("pairs", "drugs", "analogues", "diseases", "siblings", "both")
"""What is held out: single pairs; single drugs; drugs with their analogues; single diseases;
diseases with their siblings; diseases with siblings *and* drugs with analogues."""


@dataclass(frozen=True)
class Fold:
    """Masks of shape (n_drugs, n_diseases); a pair in neither is left out."""

    train: np.ndarray
    test: np.ndarray


def group_folds(groups: pd.Series, *, n_folds: int = 5, salt: str = "") -> pd.Series:
    """Fold of each name; a group is never divided.

    The largest group first, each into the fold that holds fewest names so far; of groups of one
    size, and of folds, the order is that of their sha256.

    Parameters
    ----------
    groups : Series of str, indexed by name
    n_folds : int
    salt : str
        Another one gives other folds.

    Returns
    -------
    Series of int, in [0, n_folds), indexed as `groups`

    Raises
    ------
    DataError
        Fewer groups than folds.
    """
    sizes = groups.value_counts()
    if n_folds < 2 or len(sizes) < n_folds:
        raise DataError(f"{n_folds} folds of {len(sizes)} groups; at least 2, at most one a group")
    counts = sizes.to_dict()
    order = sorted(sizes.index, key=lambda g: (-counts[g], _digest(f"{salt}:{g}")))
    fold_of = {}
    held = [(0, fold) for fold in range(n_folds)]  # a heap: names in a fold, and its number
    for group in order:
        names, fold = held[0]
        fold_of[group] = fold
        heapq.heapreplace(held, (names + int(counts[group]), fold))
    return groups.map(fold_of).astype(int)


def split_hash(folds: pd.Series) -> str:
    """sha256 of names and folds: JSON, sorted by name, without spaces."""
    listed = sorted((str(name), int(fold)) for name, fold in folds.items())
    return _digest(json.dumps(listed, separators=(",", ":")))


def folds(
    drug_groups: pd.Series,
    disease_groups: pd.Series,
    *,
    scheme: str,
    n_folds: int = 5,
    salt: str = "",
) -> Iterator[Fold]:
    """Training and test pairs of each fold of a scheme.

    Parameters
    ----------
    drug_groups, disease_groups : Series of str
        Analogues and siblings.
    scheme : str
        Of `SCHEMES`.
    n_folds : int
    salt : str

    Yields
    ------
    Fold

    Raises
    ------
    DataError
        An unknown scheme, or fewer groups than folds.
    """
    if scheme not in SCHEMES:
        raise DataError(f"split {scheme!r}: choose from {', '.join(SCHEMES)}")
    drugs, diseases = drug_groups.index, disease_groups.index
    alone_drugs = pd.Series(drugs.astype(str), index=drugs)
    alone_diseases = pd.Series(diseases.astype(str), index=diseases)
    if scheme == "pairs":
        names = [f"{drug}|{disease}" for drug in drugs for disease in diseases]
        by_pair = group_folds(pd.Series(names, index=names), n_folds=n_folds, salt=salt)
        of = by_pair.to_numpy().reshape(len(drugs), len(diseases))
        for fold in range(n_folds):
            yield Fold(of != fold, of == fold)
        return
    own_drugs = {"drugs": alone_drugs, "analogues": drug_groups, "both": drug_groups}.get(scheme)
    own_diseases = {"diseases": alone_diseases, "siblings": disease_groups, "both": disease_groups}
    rows = _held(own_drugs, n_folds, salt, len(drugs))
    columns = _held(own_diseases.get(scheme), n_folds, salt, len(diseases))
    if scheme == "both":
        for row in rows:
            for column in columns:
                yield Fold(np.outer(~row, ~column), np.outer(row, column))
        return
    for row, column in zip(rows, columns, strict=True):
        test = np.outer(row, column)
        yield Fold(~test, test)


def _held(groups: pd.Series | None, n_folds: int, salt: str, n: int) -> list[np.ndarray]:
    """Mask of the held-out names of each fold; all of them where nothing is divided."""
    if groups is None:
        return [np.ones(n, dtype=bool)] * n_folds
    of = group_folds(groups, n_folds=n_folds, salt=salt).to_numpy()
    return [of == fold for fold in range(n_folds)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
