"""Screens in the layout that GEARS uses: log1p CP10k, conditions "ctrl", "A+ctrl", "A+B"."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data.contract import CONTROL, DataError
from helpers.data.fetch import data_folders
from helpers.data.matrix import canonical

if TYPE_CHECKING:
    from anndata import AnnData

NAMES = ("norman", "adamson", "replogle_k562_essential", "replogle_rpe1_essential")
FILE = "perturb_processed.h5ad"


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
