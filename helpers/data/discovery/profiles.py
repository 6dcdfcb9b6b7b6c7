"""Profiles by perturbation, readout and context, and the vocabularies that number their symbols.

A row of the table is the profile of one perturbation in one context: its values over all readouts,
and a mask of those that were measured. Symbols are words, not features: `CRISPRi_NAF1` and
`CRISPR-KO_NAF1` are two of them, and a combination joins its components by `+`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from helpers.data.errors import DataError

CONTROL = "Control"
"""The reserved symbol of what was not perturbed; its code is always 0."""
UNKNOWN = ("raise", "drop", "control")
"""What becomes of a symbol that a vocabulary lacks; as released, it becomes the control."""


@dataclass(frozen=True, eq=False)
class Profiles:
    """A table of profiles.

    Parameters
    ----------
    value : ndarray of shape (n_profiles, n_readouts)
        Relative to controls; where nothing was measured they are 0.
    mask : bool ndarray of shape (n_profiles, n_readouts)
        What was measured.
    context, perturbation : ndarray of str of shape (n_profiles,)
    readout : ndarray of str of shape (n_readouts,)

    Raises
    ------
    DataError
        Shapes that do not fit, values that are not finite, a readout that comes twice, or a
        perturbation that comes twice in a context.
    """

    value: np.ndarray
    mask: np.ndarray
    context: np.ndarray
    perturbation: np.ndarray
    readout: np.ndarray

    def __post_init__(self) -> None:
        shape = (len(self.context), len(self.readout))
        if self.value.shape != shape or self.mask.shape != shape:
            raise DataError(f"values {self.value.shape}, mask {self.mask.shape}: not {shape}")
        if len(self.perturbation) != shape[0]:
            raise DataError(f"{len(self.perturbation)} perturbations for {shape[0]} profiles")
        if not np.isfinite(self.value).all():
            raise DataError(f"{(~np.isfinite(self.value)).sum()} values are NaN or infinite")
        if len(set(self.readout)) < shape[1]:
            raise DataError("a readout comes twice: merge its columns (see `aggregated`)")
        if pd.MultiIndex.from_arrays([self.context, self.perturbation]).has_duplicates:
            raise DataError("a perturbation comes twice in a context: average (see `aggregated`)")

    def __len__(self) -> int:
        return len(self.context)

    def take(self, rows) -> Profiles:
        """Some of the profiles, by a mask or by numbers."""
        parts = (self.value, self.mask, self.context, self.perturbation)
        return Profiles(*(part[rows] for part in parts), self.readout)

    def of_context(self, context: str) -> pd.DataFrame:
        """Profiles of one context: perturbations x readouts, NaN where nothing was measured."""
        own = self.context == context
        values = np.where(self.mask[own], self.value[own], np.nan)
        return pd.DataFrame(values, self.perturbation[own], self.readout)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As a step returns it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays) -> Profiles:
        """Of what `to_arrays` gave; other arrays are left aside."""
        return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})


def symbols(kind: str, names: Iterable[str], is_control) -> np.ndarray:
    """Names with the kind of perturbation before each component; controls of any kind are one.

    Parameters
    ----------
    kind : str
        Such as "CRISPRi"; "" for compounds, whose name is their symbol.
    names : iterable of str
        Targets or compounds; components of a combination are joined by `+`.
    is_control : bool array
        Which rows, or "Control" as a component of a combination, were not perturbed.

    Raises
    ------
    DataError
        A perturbation that is named like the control, or an empty component.
    """
    names, is_control = list(map(str, names)), np.asarray(is_control, bool)
    if len(names) != len(is_control):
        raise DataError(f"{len(names)} names, and {len(is_control)} marks of controls")
    found = []
    for name, control in zip(names, is_control, strict=True):
        parts = name.split("+")
        if not all(parts):
            raise DataError(f"{name!r}: a component without a name")
        like = [p for p in parts if p.lower() == CONTROL.lower()]
        if not control and like and (len(parts) == 1 or like != [CONTROL] * len(like)):
            raise DataError(
                f"a perturbation is named {like[0]!r} like the reserved symbol of controls, and is "
                "not marked as one: rename it, or mark it"
            )
        kept = [p for p in parts if p != CONTROL]  # A+Control is A
        prefix = f"{kind}_" if kind else ""
        joined = "+".join(sorted(prefix + part for part in kept))
        found.append(CONTROL if control or not kept else joined)
    return np.array(found)


def aggregated(values: pd.DataFrame, context, perturbation, *, weights=None) -> Profiles:
    """Mean of all rows of a perturbation in a context, then of all columns of a readout.

    Parameters
    ----------
    values : DataFrame of shape (n_rows, n_columns)
        Cells, signatures or pseudobulks; a column may come twice under one name. NaN was not
        measured. Rows that repeat another one bit by bit, labels included, count once.
    context, perturbation : array of str of shape (n_rows,)
    weights : array of shape (n_rows,), optional
        Cells behind each row; default: all alike.

    Returns
    -------
    Profiles
        Sorted by context, then perturbation; readouts in their order.

    Raises
    ------
    DataError
        No rows, labels or weights of another length, or a weight below 0.
    """
    context, perturbation = np.asarray(context, str), np.asarray(perturbation, str)
    matrix = values.to_numpy(dtype=float)
    given = np.ones(len(matrix)) if weights is None else np.asarray(weights, float)
    if not len(matrix) == len(context) == len(perturbation) == len(given) > 0:
        raise DataError(
            f"{len(matrix)} rows, {len(context)} contexts, {len(perturbation)} perturbations and "
            f"{len(given)} weights: as many of each, and at least one"
        )
    if not (given >= 0).all():
        raise DataError(f"{int((~(given >= 0)).sum())} weights are below 0 or missing")
    keys = pd.DataFrame({"context": context, "perturbation": perturbation})
    repeated = pd.concat([keys, pd.DataFrame(matrix)], axis=1).duplicated().to_numpy()
    once = ~repeated if weights is None else np.ones(len(matrix), bool)
    matrix, keys, given = matrix[once], keys[once], given[once]
    code, names = pd.factorize(pd.MultiIndex.from_frame(keys), sort=True)
    there = np.isfinite(matrix)
    total = np.zeros((len(names), matrix.shape[1]))
    weight = np.zeros_like(total)
    np.add.at(total, code, np.where(there, matrix, 0) * given[:, None])
    np.add.at(weight, code, there * given[:, None])
    mean = pd.DataFrame(np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0))
    columns = pd.Index(values.columns.astype(str))
    merged = mean.T.groupby(np.asarray(columns), sort=False).mean().T
    found = merged.to_numpy()
    return Profiles(
        np.nan_to_num(found).astype(np.float32),
        np.isfinite(found),
        np.array(names.get_level_values(0), str),
        np.array(names.get_level_values(1), str),
        np.array(merged.columns, str),
    )


# Vocabularies ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Vocabulary:
    """Numbers of symbols: contexts and readouts sorted, perturbations after the control.

    Parameters
    ----------
    context, perturbation, readout : tuple of str
    """

    context: tuple[str, ...]
    perturbation: tuple[str, ...]
    readout: tuple[str, ...]

    @classmethod
    def of(cls, profiles: Profiles) -> Vocabulary:
        """Symbols of training profiles; combinations are taken apart."""
        parts = {p for name in set(profiles.perturbation) for p in name.split("+")} - {CONTROL}
        return cls(
            tuple(sorted(set(profiles.context.tolist()))),
            (CONTROL, *sorted(parts)),
            tuple(sorted(profiles.readout.tolist())),
        )

    def encode(
        self,
        context: Sequence[str],
        perturbation: Sequence[str],
        readout: Sequence[str],
        *,
        unknown: Literal["raise", "drop", "control"] = "raise",
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Numbers of profiles.

        Parameters
        ----------
        context, perturbation : sequence of str, a profile each
        readout : sequence of str
        unknown : {"raise", "drop", "control"}
            What becomes of a perturbation that is not known: an error, a profile that is left out,
            or the control in its place.

        Returns
        -------
        context : int ndarray of shape (n_kept,)
        components : int ndarray of shape (n_kept, n_components), -1 where a profile has fewer
        readout : int ndarray of shape (n_readouts,)
        kept : bool ndarray of shape (n_profiles,)

        Raises
        ------
        DataError
            Another policy; a context or readout that is not known, whatever the policy.
        """
        if unknown not in UNKNOWN:
            raise DataError(f"unknown is {unknown!r}; choose from {', '.join(UNKNOWN)}")
        if len(context) != len(perturbation):
            raise DataError(f"{len(context)} contexts for {len(perturbation)} perturbations")
        parts = [str(name).split("+") for name in perturbation]
        number = {name: i for i, name in enumerate(self.perturbation)}
        kept = np.array([unknown != "drop" or all(p in number for p in own) for own in parts], bool)
        absent = sorted({p for own in parts for p in own if p not in number})
        if absent and unknown == "raise":
            raise DataError(
                f"not in the vocabulary: {', '.join(absent[:3])} (perturbations: {len(absent)}); "
                'pass unknown="drop" or "control", and report the coverage'
            )
        width = max((len(own) for own, keep in zip(parts, kept, strict=True) if keep), default=1)
        components = np.full((int(kept.sum()), width), -1, dtype=np.int64)
        rows = [own for own, keep in zip(parts, kept, strict=True) if keep]
        for i, own in enumerate(rows):
            components[i, : len(own)] = [number.get(p, 0) for p in own]
        return (
            _codes(self.context, np.asarray(context, str)[kept], "contexts"),
            components,
            _codes(self.readout, readout, "readouts"),
            kept,
        )

    def coverage(self, profiles: Profiles) -> pd.DataFrame:
        """How many symbols of other profiles are known: `kind`, `known`, `unknown`, `such as`."""
        parts = {p for name in set(profiles.perturbation) for p in name.split("+")}
        rows = []
        for kind, asked in (
            ("context", set(profiles.context.tolist())),
            ("perturbation", parts),
            ("readout", set(profiles.readout.tolist())),
        ):
            absent = sorted(asked - set(getattr(self, kind)))
            rows.append((kind, len(asked) - len(absent), len(absent), ", ".join(absent[:3])))
        return pd.DataFrame(rows, columns=["kind", "known", "unknown", "such as"])


def _codes(names: tuple[str, ...], asked, kind: str) -> np.ndarray:
    number = {name: i for i, name in enumerate(names)}
    if absent := sorted(set(map(str, asked)) - set(number)):
        raise DataError(f"not in the vocabulary: {', '.join(absent[:3])} ({kind}: {len(absent)})")
    return np.array([number[str(name)] for name in asked], dtype=np.int64)
