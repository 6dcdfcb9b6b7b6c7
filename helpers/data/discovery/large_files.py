"""Readers of the large tables that LPM was trained on: Replogle's screens, LINCS level 5.

Files are read in parts: a screen of single cells has ten gigabytes, LINCS thirty-five.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.discovery.profiles import Profiles, aggregated, symbols
from helpers.data.errors import DataError
from helpers.data.gct import read_gctx
from helpers.data.h5ad import read_table, reading

NON_TARGETING = "non-targeting"
DOSE, TIME = "10 uM", "24 h"


def as_table(parts: Iterable[Profiles]) -> pd.DataFrame:
    """Profiles of several contexts as one table, a row a profile.

    Returns
    -------
    DataFrame
        `context`, `perturbation`, and a column a readout; NaN where it was not measured.
        `aggregated` makes it `Profiles` again.
    """
    tables = []
    for one in parts:
        values = pd.DataFrame(np.where(one.mask, one.value, np.nan), columns=one.readout)
        values.insert(0, "context", one.context)
        values.insert(1, "perturbation", one.perturbation)
        tables.append(values)
    return pd.concat(tables, ignore_index=True)


def read_replogle_cells(path: Path, *, context: str, rows: int = 20_000) -> Profiles:
    """Mean over the z-normalised cells of each knock-down.

    Parameters
    ----------
    path : Path
        h5ad with `obs["gene"]`, `var["gene_name"]` and a dense matrix: z of each cell against the
        controls of its gem group. What is not finite counts as 0, as released.
    context : str
    rows : int
        Cells that are in memory at once.

    Raises
    ------
    DataError
        Another layout, or no control cell.
    """
    import h5py

    with reading(path, "the table of cells"), h5py.File(path) as file:
        obs, var = (read_table(file, name, path) for name in ("obs", "var"))
        gene, readout = _column(obs, "gene", path), _column(var, "gene_name", path)
        if not isinstance(file["X"], h5py.Dataset):
            raise DataError(f"{path}: X is sparse; z-normalised cells are stored dense")
        code, names = pd.factorize(gene, sort=True)
        total = np.zeros((len(names), len(readout)))
        for start in range(0, len(gene), rows):
            block = np.asarray(file["X"][start : start + rows], dtype=float)
            block[~np.isfinite(block)] = 0
            np.add.at(total, code[start : start + rows], block)
    mean = total / np.bincount(code)[:, None]
    return _profiles(mean, np.asarray(names, str), readout, context, path)


def read_replogle_bulk(path: Path, *, context: str) -> Profiles:
    """Mean over the rows of each knock-down in a normalised bulk file, weighted by cells.

    Parameters
    ----------
    path : Path
        h5ad whose rows are transcripts of a gene, or non-targeting guides, and are named
        NUMBER_GENE_..., with `obs["num_cells_filtered"]` and `var["gene_name"]`.
    context : str

    Raises
    ------
    DataError
        Another layout, or no row of controls.
    """
    import h5py

    with reading(path, "the table of pseudobulks"), h5py.File(path) as file:
        obs, var = (read_table(file, name, path) for name in ("obs", "var"))
        weights = pd.to_numeric(_column(obs, "num_cells_filtered", path)).to_numpy(float)
        readout = _column(var, "gene_name", path)
        values = np.asarray(file["X"][()], dtype=float)
    parts = obs.index.astype(str).str.split("_")
    if (parts.str.len() < 2).any():
        raise DataError(f"{path}: rows are not named NUMBER_GENE_..., such as {obs.index[0]!r}")
    values[~np.isfinite(values)] = 0
    return _profiles(values, parts.str[1].to_numpy(str), readout, context, path, weights)


def _column(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    if name not in table:
        raise DataError(f"{path}: no column {name!r} (columns: {', '.join(table.columns)})")
    return table[name].astype(str)


def _profiles(values, gene, readout, context, path, weights=None) -> Profiles:
    is_control = gene == NON_TARGETING
    if not is_control.any():
        raise DataError(f"{path}: no row is {NON_TARGETING!r}; values are relative to such rows")
    names = symbols("CRISPRi", gene, is_control)
    columns = "Transcriptome_" + pd.Index(np.asarray(readout, str))
    table = pd.DataFrame(values, columns=columns)
    return aggregated(table, np.repeat(context, len(gene)), names, weights=weights)


def read_lincs(
    gctx: Path, signatures: Path, genes: Path, *, kind: str, fewest: int = 50
) -> Profiles:
    """Mean over level-5 signatures of each perturbation in each cell line, on the landmarks.

    Parameters
    ----------
    gctx, signatures, genes : Path
        `level5_beta_*.gctx`, `siginfo_beta.txt`, `geneinfo_beta.txt`.
    kind : {"compound", "CRISPR-KO"}
        Compounds at 10 uM after 24 h; knock-outs whatever the time.
    fewest : int
        Signatures of a context.

    Returns
    -------
    Profiles
        Contexts are cell lines with the kind. Only signatures of high quality (`is_hiq`), rows of
        the table that repeat another one once. There are no controls.

    Raises
    ------
    DataError
        A table without its columns, another kind, no signature that is left, or a file cut short.
    """
    if kind not in ("compound", "CRISPR-KO"):
        raise DataError(f"kind is {kind!r}; compound or CRISPR-KO")
    asked = ["sig_id", "cell_iname", "cmap_name", "is_hiq", "pert_idose", "pert_itime", "pert_type"]
    table = _tsv(signatures, asked).drop_duplicates()
    own = table["pert_type"] == ("trt_cp" if kind == "compound" else "trt_xpr")
    own &= table["is_hiq"].isin(["1", "1.0"]) & table["cmap_name"].notna()
    if kind == "compound":
        own &= (table["pert_idose"] == DOSE) & (table["pert_itime"] == TIME)
    table = table[own]
    counts = table["cell_iname"].value_counts()
    table = table[table["cell_iname"].isin(counts.index[counts >= fewest])]
    if table.empty:
        raise DataError(f"{signatures}: no {kind} signature is left after the filters")
    facts = _tsv(genes, ["gene_id", "gene_symbol", "feature_space"])
    landmarks = facts[facts["feature_space"] == "landmark"].set_index("gene_id")["gene_symbol"]
    found = _gctx(gctx, table["sig_id"].tolist())
    kept = [g for g in found.columns if g in landmarks.index]
    if not kept:
        raise DataError(f"{gctx}: none of its genes is a landmark of {genes}")
    values = found[kept].set_axis("Transcriptome_" + landmarks[kept].to_numpy(str), axis=1)
    prefix = "" if kind == "compound" else kind
    named = table["cmap_name"].to_numpy(str)
    named = np.char.add(named, f"-{DOSE.replace(' ', '')}") if kind == "compound" else named
    names = symbols(prefix, named, np.zeros(len(named), bool))
    where = table["cell_iname"].to_numpy(str)
    return aggregated(values, np.char.add(where, f"_{kind}_LINCS"), names)


def _gctx(path: Path, samples: list[str]) -> pd.DataFrame:
    try:
        return read_gctx(path, samples=samples).matrix
    except pd.errors.InvalidIndexError as error:
        raise DataError(f"{path}: a sample identifier comes twice") from error
    except OSError as error:  # what HDF5 raises where the end of a file is missing
        raise DataError(f"{path}: it cannot be read to its end ({error}); fetch it anew") from error


def _tsv(path: Path, names: list[str]) -> pd.DataFrame:
    table = pd.read_csv(path, sep="\t", dtype=str)
    if absent := [n for n in names if n not in table.columns]:
        raise DataError(f"{path}: no columns {', '.join(absent)}")
    return table[names]
