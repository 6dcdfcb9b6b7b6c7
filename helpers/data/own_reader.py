"""Reads a screen of one's own, and says at once all that keeps it from being one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, issparse

from helpers.data import gears, own
from helpers.data.contract import CONTROL, check, looks_like_control, violations
from helpers.data.errors import DataError
from helpers.data.h5ad import read_matrix, read_table, reading
from helpers.store.steps import Step, step

if TYPE_CHECKING:
    from anndata import AnnData

ONE_CONTEXT = "all"
"""Context of cells whose file names none."""


@step
def own_screen(*, name: str, sha256: str, mapping: dict) -> AnnData:
    """A screen that was added by `benchbook data add`.

    Parameters
    ----------
    name : str
    sha256 : str
        Of its file: another content is another step.
    mapping : dict
        Of `helpers.data.own.Mapping`.

    Raises
    ------
    DataError
        The file is gone, has changed, or breaks the contract.
    """
    path = own.located(name)
    if own.entry(name)["sha256"] != sha256:
        raise DataError(f"{name} was added anew meanwhile: repeat the command")
    return read(path, own.Mapping(**mapping), name, sha256)


def load(name: str) -> Step:
    """The step that reads one's own data set."""
    kept = own.entry(name)
    return own_screen(name=name, sha256=kept["sha256"], mapping=kept["mapping"])


def add(name: str, path: Path, mapping: own.Mapping, taken: list[str]) -> tuple[dict, AnnData]:
    """Check a file and keep where it is and what its columns mean.

    Parameters
    ----------
    name : str
        What chapters shall call it.
    path : Path
        h5ad, or folder of a zarr store.
    mapping : Mapping
    taken : list of str
        Names that the book has.

    Returns
    -------
    dict, AnnData
        What is kept; the screen.

    Raises
    ------
    DataError
        Everything that is wrong with the file, a line each.
    """
    own.check_name(name, taken)
    if not path.exists():
        raise DataError(f"{path} is not there")
    facts = own.content(path)
    screen = read(path, mapping, name, facts["sha256"])
    return own.keep(name, path, mapping, facts), screen


def read(path: Path, mapping: own.Mapping, name: str, sha256: str) -> AnnData:
    """The screen that a mapping makes of a file.

    Returns
    -------
    AnnData of counts, shape (n_cells, n_genes)
        With the labels of the contract; other columns of `obs` are left out.

    Raises
    ------
    DataError
        With one line for each violation.
    """
    from anndata import AnnData

    provenance = {
        "name": name,
        "sha256": sha256,
        "licence": "not stated",
        "citation": f"A file of one's own, {path.name}.",
    }
    if mapping.layout == "gears":
        with reading(path, "the file"):
            screen = gears.counts_of(gears.read_gears(path))
        screen.uns["dataset"] = provenance
        return check(screen)
    with _opened(path) as file:
        obs, problems = _labels(read_table(file, "obs", path), mapping)
        X, var, of_matrix = _counts(file, path, obs.index, mapping)
    without = bool(problems)
    problems += of_matrix
    screen = AnnData(
        X,
        obs=obs,
        var=var,
        uns={
            "scale": {"kind": "counts", "target_sum": None},
            "panel": mapping.total_counts is None,
            "dataset": provenance,
        },
    )
    found = violations(screen)
    if without:  # a stand-in for a missing column breaks rules of its own
        found = [f for f in found if "holds no 'control'" not in f]
    if not of_matrix and (empty := _empty(X)):
        found.append(
            f"{empty} of {len(obs)} cells have no counts; drop them: "
            "sc.pp.filter_cells(adata, min_counts=1)"
        )
    for problem in found:
        elsewhere = "called counts" in problem or "X holds" in problem
        problems.append(f"{problem}; {_elsewhere(path)}" if elsewhere else problem)
    if problems:
        count = "1 violation" if len(problems) == 1 else f"{len(problems)} violations"
        raise DataError("\n  - ".join([f"{path}: {count} of the data contract", *problems]))
    return screen


def _empty(X) -> int:
    return int((np.asarray(X.sum(axis=1)).ravel() == 0).sum())


@contextmanager
def _opened(path: Path) -> Iterator:
    """A file's groups, in HDF5 or zarr."""
    if path.is_dir():
        import zarr

        with reading(path, "the store"):
            group = zarr.open_group(path, mode="r")
        yield group
        return
    import h5py

    with reading(path, "the file"):
        file = h5py.File(path)
    with file:
        yield file


def _counts(file, path: Path, cells: pd.Index, mapping: own.Mapping):
    """Matrix, genes and what is wrong with them; zeros stand in for what cannot be read."""
    key, table = "X", "var"
    if mapping.layer is not None:
        key = f"layers/{mapping.layer}"
    elif mapping.raw:  # before anndata 0.7: raw.X, raw.var
        old = "raw.X" in file
        key, table = ("raw.X", "raw.var") if old else ("raw/X", "raw/var")
    try:
        var = read_table(file, table, path)
        if key not in file:
            raise DataError(f"{path} has no {key}; {_held(file)}")
        X = read_matrix(file, key, path, cells, var.index)
        if issparse(X) and X.dtype.kind in "iu":
            X = X.astype(np.float32) if not X.nnz or X.data.max() < 2**24 else X.astype(float)
    except DataError as problem:
        return csr_matrix((len(cells), 1)), pd.DataFrame(index=["none"]), [str(problem)]
    kept = [c for c in ("ensembl_id",) if c in var]
    return X, var[kept], []


def _held(file) -> str:
    """Which matrices a file has."""
    layers = sorted(file["layers"]) if "layers" in file else []
    held = [*(["X"] if "X" in file else []), *(f"layer {name!r}" for name in layers)]
    held += ["raw"] if "raw" in file or "raw.X" in file else []
    return f"it holds {', '.join(held) or 'no matrix'}"


def _elsewhere(path: Path) -> str:
    with _opened(path) as file:
        return f"where the counts are is told by --layer NAME or --raw: {_held(file)}"


def _labels(obs: pd.DataFrame, mapping: own.Mapping) -> tuple[pd.DataFrame, list[str]]:
    """Labels of the contract, and what could not be found; one label stands in for it."""
    problems: list[str] = []
    found = {}
    optional = ("guide", "replicate", "donor")
    for role in ("perturbation", "batch", "context", *optional, "total_counts"):
        column = getattr(mapping, role)
        if column is None:
            continue
        if column not in obs:
            columns = list(map(str, obs.columns))
            close = get_close_matches(column, columns, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            problems.append(
                f"obs has no column {column!r} for {role}: {hint}it has "
                f"{', '.join(columns) or 'none'}"
            )
        elif role == "total_counts":
            found[role] = obs[column]
        else:
            found[role] = obs[column].map(str, na_action="ignore").astype(object)
    if "perturbation" in found:
        found["perturbation"] = _named(found["perturbation"], mapping, problems)
    table = pd.DataFrame(found, index=obs.index)
    defaults = {"perturbation": CONTROL, "batch": ONE_CONTEXT, "context": ONE_CONTEXT}
    for role, label in defaults.items():
        table[role] = pd.Categorical(table[role] if role in table else [label] * len(table))
    for role in table.columns.intersection(optional):
        table[role] = pd.Categorical(table[role])
    return table, problems


def _named(labels: pd.Series, mapping: own.Mapping, problems: list[str]) -> pd.Series:
    """Perturbations under the contract's names."""
    names = labels.dropna().unique()
    absent = [c for c in mapping.control if c not in names]
    if absent:
        near = [n for n in names if looks_like_control(n)]
        close = get_close_matches(absent[0], names, n=1)
        shown = ", ".join(map(repr, sorted(names)[:5]))
        hint = f"did you mean {(near or close)[0]!r}? " if near or close else ""
        problems.append(
            f"no cell is called {', '.join(map(repr, absent))} in obs[{mapping.perturbation!r}]: "
            f"{hint}there are {shown}, ..."
        )
    if CONTROL in names and CONTROL not in mapping.control:
        problems.append(
            f"obs[{mapping.perturbation!r}] holds {CONTROL!r} beside {mapping.control[0]!r}: give "
            f"--control {CONTROL} too, or rename them"
        )
    return labels.map({name: _name(name, mapping) for name in names})


def _name(name: str, mapping: own.Mapping) -> str:
    if name in mapping.control:
        return CONTROL
    separator = mapping.combination_separator
    if not separator or separator not in name:
        return name
    parts = sorted(p for p in name.split(separator) if p not in mapping.control and p != CONTROL)
    return "+".join(parts) or CONTROL


def read_again(name: str) -> AnnData:
    """The screen, its file hashed and read anew.

    Raises
    ------
    DataError
        See `own_screen`.
    """
    kept = own.entry(name)
    path = own.located(name)
    if own.content(path)["sha256"] != kept["sha256"]:
        raise DataError(f"{name}: {path} has changed since it was added")
    return read(path, own.Mapping(**kept["mapping"]), name, kept["sha256"])
