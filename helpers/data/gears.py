"""Screens in the layout that GEARS uses: log1p CP10k, conditions "ctrl", "A+ctrl", "A+B"."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data.contract import CONTROL, DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import data_folders
from helpers.data.matrix import canonical

if TYPE_CHECKING:
    from anndata import AnnData

NAMES = ("norman", "adamson", "replogle_k562_essential", "replogle_rpe1_essential")
FILE = "perturb_processed.h5ad"
MOST_COPIES = 16
"""Of the gene with fewest counts in a cell, that are tried where counts are recovered."""


def find(name: str) -> Path | None:
    """`NAME/perturb_processed.h5ad` in a folder of `BENCHBOOK_DATA`, as GEARS keeps it, or None."""
    places = [folder / name / FILE for folder in data_folders()]
    return next((path for path in places if path.is_file()), None)


def read_gears(path: Path, *, duplicates: Literal["first", "raise"] = "first") -> AnnData:
    """Read a screen in the layout of GEARS.

    Parameters
    ----------
    path : Path
        h5ad with `X` log1p CP10k, `obs` condition and cell_type, `var` gene_name.
    duplicates : {"first", "raise"}
        Of genes of one name the first keeps it, as the published code matches them, and the others
        get their identifier: "TBCE (ENSG00000284770)"; or all are refused.

    Returns
    -------
    AnnData
        `obs`: `perturbation` in the contract's form, `condition` as it was, `context` (the cell
        type), `batch` (the same: the layout has none). `uns["scale"]` log1p.

    Raises
    ------
    DataError
        A column is missing, a condition that is none, no control, values that are not log1p, or
        duplicated gene names where they are refused.
    """
    from anndata import AnnData, read_h5ad

    source = read_h5ad(path)
    for table, columns in ((source.obs, ("condition", "cell_type")), (source.var, ("gene_name",))):
        if absent := [c for c in columns if c not in table]:
            raise DataError(f"{path}: no column {', '.join(absent)} (has {', '.join(table)})")
    conditions = source.obs["condition"].astype(str)
    names = {c: _perturbation(c, path) for c in sorted(set(conditions))}
    if CONTROL not in names.values():
        raise DataError(f"{path}: no cell of condition 'ctrl'")
    X = canonical(source.X, cells=source.obs_names, genes=source.var_names)
    values = X.data if sparse.issparse(X) else X
    if values.size and (values.min() < 0 or values.max() > np.log1p(1e4) + 1e-3):
        raise DataError(
            f"{path}: values from {values.min():g} to {values.max():g}; log1p CP10k lies between "
            f"0 and {np.log1p(1e4):.2f}"
        )
    genes = _unique(source.var["gene_name"].astype(str), source.var_names, duplicates, path)
    context = source.obs["cell_type"].astype(str).to_numpy()
    obs = pd.DataFrame(
        {
            "perturbation": conditions.map(names).to_numpy(),
            "condition": conditions.to_numpy(),
            "context": context,
            "batch": context,
        },
        index=source.obs_names.astype(str),
        dtype="category",
    )
    var = pd.DataFrame({"ensembl_id": source.var_names.astype(str)}, index=pd.Index(genes))
    uns = {"scale": {"kind": "log1p", "target_sum": 1e4}, "panel": True}
    return AnnData(X, obs=obs, var=var, uns=uns)


def _perturbation(condition: str, path: Path) -> str:
    """ "A" of "A+ctrl" and of "ctrl+A", "A+B" sorted, "control" of "ctrl"."""
    parts = [part for part in condition.split("+") if part != "ctrl"]
    if "" in parts or len(parts) > 2 or len(set(parts)) < len(parts):
        raise DataError(f"{path}: {condition!r} is no condition: ctrl, A+ctrl or A+B")
    return "+".join(sorted(parts)) or CONTROL


def _unique(names: pd.Series, identifiers, duplicates: str, path: Path) -> list[str]:
    again = names.duplicated().to_numpy()
    if again.any() and duplicates == "raise":
        some = ", ".join(sorted(set(names[again]))[:5])
        raise DataError(f"{path}: {again.sum()} gene names are there twice ({some})")
    return [
        f"{name} ({identifier})" if twice else name
        for name, identifier, twice in zip(names, identifiers, again, strict=True)
    ]


def counts_of(screen: AnnData) -> AnnData:
    """The counts behind log1p(10,000 x counts / total), the totals unknown.

    A cell's values are multiples of 10,000 / total. The smallest one is taken for 1 count, or for
    so few more that all values are whole counts.

    Parameters
    ----------
    screen : AnnData
        Of `read_gears`.

    Returns
    -------
    AnnData of counts
        `obs["total_counts"]`: the totals, over genes that the file may have dropped.

    Raises
    ------
    DataError
        A cell whose values are no such multiples, or that has none.
    """
    from anndata import AnnData

    X = sparse.csr_matrix(screen.X)
    if (empty := np.flatnonzero(np.diff(X.indptr) == 0)).size:
        raise DataError(f"{empty.size} cells have no counts, first {screen.obs_names[empty[0]]!r}")
    relative = np.expm1(X.data.astype(np.float64))
    cell = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    smallest = np.minimum.reduceat(relative, X.indptr[:-1])
    copies = np.zeros(X.shape[0])
    for candidate in range(MOST_COPIES, 0, -1):
        counts = relative / smallest[cell] * candidate
        off = np.abs(counts - np.rint(counts)) > 0.01 + 1e-5 * counts  # float32 has 7 digits
        copies[np.maximum.reduceat(off, X.indptr[:-1]) == 0] = candidate
    if (wrong := np.flatnonzero(copies == 0)).size:
        raise DataError(
            f"{wrong.size} of {len(copies)} cells, first {screen.obs_names[wrong[0]]!r}, are not "
            "log1p of counts per 10,000: add the file with its counts (--layer, --raw)"
        )
    values = np.rint(relative / smallest[cell] * copies[cell]).astype(np.float32)
    total = np.rint(1e4 * copies / smallest)
    measured = np.add.reduceat(values, X.indptr[:-1], dtype=np.float64)
    obs = screen.obs.assign(total_counts=np.maximum(total, measured))
    uns = dict(screen.uns) | {"scale": {"kind": "counts", "target_sum": None}, "panel": False}
    counts = sparse.csr_matrix((values, X.indices, X.indptr), X.shape)
    return AnnData(counts, obs=obs, var=screen.var, uns=uns)


def entry(
    name: str, *, folder: str, number: int, what: str, shape: tuple[int, int], source: tuple
) -> Dataset:
    """Registry entry of one of the screens; `source` is citation, DOI and key of the screen.

    Parameters
    ----------
    name, folder : str
        In the registry, and in the archive.
    number : int
        Of the archive in the Harvard Dataverse.
    what : str
        Title.
    shape : tuple of int
        Cells (about, as filters differ) and genes.
    """
    citation, doi, key = source
    return Dataset(
        name=name,
        title=what,
        kind="log-screen",
        files=(
            File(
                name=f"{folder}.zip",
                url=f"https://dataverse.harvard.edu/api/access/datafile/{number}",
                size=None,
                sha256=None,
            ),
        ),
        licence="CC0 1.0 (Harvard Dataverse)",
        licence_url="https://dataverse.harvard.edu",
        citation=citation,
        doi=doi,
        citation_key=key,
        description=(
            f"Some {shape[0]:,} cells, {shape[1]:,} genes, log1p CP10k, as GEARS distributes it "
            f"({folder}/{FILE} in the archive). Nobody has stated size and hash: no page stands "
            f"on it. Who has the file names it: `benchbook data add-gears NAME {FILE}`; chapters "
            "then take it by -p dataset=NAME."
        ),
    )


def summary(path: Path) -> pd.DataFrame:
    """What is in an archive of GEARS, or in the file that it holds.

    Parameters
    ----------
    path : Path
        FOLDER.zip with FOLDER/perturb_processed.h5ad, or an h5ad.

    Returns
    -------
    DataFrame of one row
        `cells`, `genes`, `perturbations` (without control), `batches`, `controls` (cells).

    Raises
    ------
    DataError
        No such file in the archive, or see `read_gears`.
    """
    if path.suffix == ".zip":
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path} is no zip archive, or is cut: take it in anew")
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
            inside = [n for n in archive.namelist() if n.split("/")[-1] == FILE]
            if len(inside) != 1:
                raise DataError(f"{path} holds {len(inside)} files {FILE}; one is known")
            return summary(Path(archive.extract(inside[0], folder)))
    screen = read_gears(path)
    names = screen.obs["perturbation"].astype(str)
    return pd.DataFrame(
        {
            "cells": [screen.n_obs],
            "genes": [screen.n_vars],
            "perturbations": [names[names != CONTROL].nunique()],
            "batches": [screen.obs["batch"].nunique()],
            "controls": [int((names == CONTROL).sum())],
        }
    )
