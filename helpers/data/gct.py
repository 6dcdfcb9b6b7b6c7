"""L1000 files: gct (text, versions 1.2 and 1.3) and gctx (HDF5), levels 3 to 5 alike."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.contract import DataError

_MATRIX, _ROWS, _COLUMNS = "0/DATA/0/matrix", "0/META/ROW", "0/META/COL"


@dataclass(frozen=True)
class Gct:
    """What a file holds.

    Parameters
    ----------
    matrix : DataFrame of shape (n_columns, n_rows)
        Wells or signatures x genes, float32.
    genes, samples : DataFrame
        Facts of either, indexed as in `matrix`.
    """

    matrix: pd.DataFrame
    genes: pd.DataFrame
    samples: pd.DataFrame


def read_gct(path: Path) -> Gct:
    """Read a gct file, gzipped or not.

    Raises
    ------
    DataError
        No such text, another version, a header that does not say what the file holds, an
        identifier that comes twice, or a value that is no number.
    """
    try:
        return _read_gct(path)
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is no text, or is cut ({error}): take it in anew") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path}: lines that fit no table ({error})") from error


def _read_gct(path: Path) -> Gct:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        version = file.readline().strip()
        if version not in ("#1.2", "#1.3"):
            raise DataError(f"{path}: GCT version {version!r}; this reader knows #1.2 and #1.3")
        sizes = file.readline().split()
        n = 4 if version == "#1.3" else 2
        if len(sizes) != n or not all(size.isdecimal() for size in sizes):
            raise DataError(f"{path}: the second line is {sizes}; it holds {n} numbers")
        table = pd.read_csv(file, sep="\t", index_col=0, dtype=str, keep_default_na=False)
    n_genes, n_samples, n_gene_facts, n_sample_facts = map(int, [*sizes, "1", "0"][:4])
    held = (len(table) - n_sample_facts, table.shape[1] - n_gene_facts)
    if held != (n_genes, n_samples):
        raise DataError(
            f"{path}: the file holds {held[0]} genes x {held[1]} samples, its header says "
            f"{n_genes} x {n_samples}: it was cut, or edited without its header"
        )
    try:
        values = table.iloc[n_sample_facts:, n_gene_facts:].to_numpy().astype(np.float32)
    except ValueError as error:
        raise DataError(f"{path}: a value is no number ({error})") from error
    genes = table.iloc[n_sample_facts:, :n_gene_facts].rename_axis(None)
    samples = table.iloc[:n_sample_facts, n_gene_facts:].T
    return _checked(path, values.T, genes, samples)


def read_gctx(path: Path, *, samples: list[str] | None = None) -> Gct:
    """Read a gctx file, or some of its columns.

    Parameters
    ----------
    path : Path
    samples : list of str, optional
        Identifiers of the columns to read, in this order: a compendium does not fit in memory.

    Raises
    ------
    DataError
        Not a gctx file, facts of another length than the matrix, an identifier that comes twice,
        or a column that is not there.
    """
    import h5py

    with h5py.File(path) as file:
        if missing := [name for name in (_MATRIX, _ROWS, _COLUMNS) if name not in file]:
            raise DataError(f"{path}: no {', '.join(missing)}; not a gctx file")
        matrix = file[_MATRIX]  # columns of the table lie in rows of the file
        genes, wells = _facts(path, file[_ROWS]), _facts(path, file[_COLUMNS])
        if matrix.shape != (len(wells), len(genes)):
            raise DataError(
                f"{path}: the matrix is {matrix.shape[0]} x {matrix.shape[1]}, the identifiers "
                f"name {len(wells)} samples and {len(genes)} genes"
            )
        rows = np.arange(len(wells))
        if samples is not None:
            rows = wells.index.get_indexer(samples)
            if (rows < 0).any():
                absent = [s for s, row in zip(samples, rows, strict=True) if row < 0]
                raise DataError(f"{path}: {len(absent)} samples are not there: {absent[:3]}")
        order = np.argsort(rows, kind="stable")  # HDF5 reads rising rows
        values = np.empty((len(rows), len(genes)), dtype=np.float32)
        values[order] = matrix[np.unique(rows)][np.searchsorted(np.unique(rows), rows[order])]
    return _checked(path, values, genes, wells.iloc[rows])


def _facts(path: Path, group) -> pd.DataFrame:
    if "id" not in group:
        raise DataError(f"{path}: {group.name} has no identifiers (id)")
    columns = {}
    for name in group:
        column = group[name][()]
        is_text = column.dtype.kind in "SO"
        columns[name] = [_text(v) for v in column] if is_text else column
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{path}: facts of {group.name} differ in length: {lengths}")
    return pd.DataFrame(columns).astype({"id": str}).set_index("id").rename_axis(None)


def _text(value) -> str:
    return (value.decode() if isinstance(value, bytes) else str(value)).strip()


def _checked(path: Path, values, genes: pd.DataFrame, samples: pd.DataFrame) -> Gct:
    genes.index, samples.index = genes.index.astype(str), samples.index.astype(str)
    for kind, names in (("gene", genes.index), ("sample", samples.index)):
        if names.has_duplicates:
            twice = names[names.duplicated()].unique()
            raise DataError(f"{path}: {len(twice)} {kind} identifiers come twice: {twice[0]!r} ...")
    return Gct(pd.DataFrame(values, samples.index, genes.index), genes, samples)
