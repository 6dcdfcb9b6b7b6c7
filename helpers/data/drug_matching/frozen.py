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
    drugs, diseases = drug_groups.index, disease_groups.index
    dealt = dealt_out(drug_groups, disease_groups, scheme=scheme, n_folds=n_folds, salt=salt)
    if scheme == "pairs":
        of = dealt["pairs"].to_numpy().reshape(len(drugs), len(diseases))
        for fold in range(n_folds):
            yield Fold(of != fold, of == fold)
        return
    rows = _held(dealt.get("drugs"), n_folds, len(drugs))
    columns = _held(dealt.get("diseases"), n_folds, len(diseases))
    if scheme == "both":
        for row in rows:
            for column in columns:
                yield Fold(np.outer(~row, ~column), np.outer(row, column))
        return
    for row, column in zip(rows, columns, strict=True):
        test = np.outer(row, column)
        yield Fold(~test, test)


def dealt_out(
    drug_groups: pd.Series,
    disease_groups: pd.Series,
    *,
    scheme: str,
    n_folds: int = 5,
    salt: str = "",
) -> dict[str, pd.Series]:
    """Folds of what a scheme holds out; parameters and errors as `folds`.

    Returns
    -------
    dict of Series of int, by "drugs", "diseases", or "pairs" (names "DRUG|DISEASE")
    """
    if scheme not in SCHEMES:
        raise DataError(f"split {scheme!r}: choose from {', '.join(SCHEMES)}")
    drugs, diseases = drug_groups.index, disease_groups.index
    alone_drugs = pd.Series(drugs.astype(str), index=drugs)
    alone_diseases = pd.Series(diseases.astype(str), index=diseases)
    pairs = [f"{a}|{b}" for a in drugs for b in diseases] if scheme == "pairs" else []
    groups = {
        "pairs": {"pairs": pd.Series(pairs, index=pairs, dtype=object)},
        "drugs": {"drugs": alone_drugs},
        "analogues": {"drugs": drug_groups},
        "diseases": {"diseases": alone_diseases},
        "siblings": {"diseases": disease_groups},
        "both": {"drugs": drug_groups, "diseases": disease_groups},
    }[scheme]
    return {what: group_folds(own, n_folds=n_folds, salt=salt) for what, own in groups.items()}


def frozen_split(
    drug_groups: pd.Series,
    disease_groups: pd.Series,
    *,
    scheme: str,
    n_folds: int = 5,
    salt: str = "",
) -> dict:
    """A split as others can use it: JSON values; parameters and errors as `folds`.

    Returns
    -------
    dict
        `scheme`, `folds`, `salt`; `sha256`, of what is dealt to folds (see `split_hash`); and
        these: `drugs` and `diseases`, name to fold, or `pairs`: of each drug a text with one digit
        a disease, in the order of `order`.
    """
    given = dict(scheme=scheme, n_folds=n_folds, salt=salt)
    dealt = dealt_out(drug_groups, disease_groups, **given)
    told = {"scheme": scheme, "folds": n_folds, "salt": salt}
    told["sha256"] = {what: split_hash(own) for what, own in dealt.items()}
    if scheme != "pairs":
        named = {what: {str(k): int(v) for k, v in own.items()} for what, own in dealt.items()}
        return told | named
    rows = dealt["pairs"].to_numpy().reshape(len(drug_groups), len(disease_groups))
    texts = ["".join(map(str, row)) for row in rows]
    told["pairs"] = dict(zip(map(str, drug_groups.index), texts, strict=True))
    return told | {"order": list(map(str, disease_groups.index))}


def _held(dealt: pd.Series | None, n_folds: int, n: int) -> list[np.ndarray]:
    """Mask of the held-out names of each fold; all of them where nothing is divided."""
    if dealt is None:
        return [np.ones(n, dtype=bool)] * n_folds
    return [dealt.to_numpy() == fold for fold in range(n_folds)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
