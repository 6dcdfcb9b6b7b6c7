"""Parts of an h5ad of any age, checked before anything that trusts them sees them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.errors import DataError
from helpers.data.matrix import canonical, check_ends, from_parts

_DAMAGE = (
    *(OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError),
    *(OverflowError, AssertionError),
)
"""What h5py, zarr and anndata raise where a file is not what it says; they promise no type."""


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Say which part of a file cannot be read.

    Raises
    ------
    DataError
    """
    try:
        yield
    except DataError:
        raise
    except _DAMAGE as error:
        said = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"{path}: {what} cannot be read ({type(error).__name__}: {said}); it is damaged or no "
            "h5ad: write it anew with adata.write_h5ad"
        ) from error


def read_table(file, name: str, path: Path) -> pd.DataFrame:
    """`obs` or `var` of an open file, in the form of any anndata version.

    Before 0.7 it is one structured array, with the names of categories in `uns`.

    Raises
    ------
    DataError
        It is not there or damaged, or a column occurs twice.
    """
    from anndata.io import read_elem

    if name not in file:
        raise DataError(f"{path} is not an h5ad with obs, var and X (it has no {name!r})")
    with reading(path, name):
        table = read_elem(file[name])
        if isinstance(table, np.ndarray):
            table = _from_records(table, file)
        if not isinstance(table, pd.DataFrame):
            raise DataError(f"{path}: {name} is a {type(table).__name__}, not a table")
    repeated = table.columns[table.columns.duplicated()].unique()
    if len(repeated):
        raise DataError(f"{path}: {name} has two columns called {repeated[0]!r}; keep one")
    table.index = table.index.astype(str)
    if table.index.name in table.columns:
        table.index.name = None  # a name that could mean either
    return table


def _from_records(records: np.ndarray, file) -> pd.DataFrame:
    if records.dtype.names is None:
        raise TypeError(f"an array of {records.dtype}")
    columns = {n: _text(np.asarray(records[n])) for n in records.dtype.names}
    index = next((n for n in ("index", "_index") if n in columns), records.dtype.names[0])
    table = pd.DataFrame(columns).set_index(index)
    for column in table:
        kept = f"uns/{column}_categories"
        if kept in file:
            names = _text(np.atleast_1d(file[kept][()]))
            table[column] = pd.Categorical.from_codes(table[column].to_numpy(), names)
    return table


def _text(values: np.ndarray) -> np.ndarray:
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype.kind not in "SO":
        return values
    return np.array([v.decode("utf-8") if isinstance(v, bytes) else v for v in values], object)


def layout_of(file, key: str, path: Path, cells, genes) -> str:
    """How a matrix is stored, after its parts were held against each other; no value is read.

    Parameters
    ----------
    file : h5py.File or a group
    key : str
        Of the matrix.
    path : Path
    cells, genes : sequence of str

    Returns
    -------
    {"csr", "csc", "dense"}

    Raises
    ------
    DataError
        A part is missing, of another shape or no numbers, or rows end where no value is.
    """
    if key not in file:
        raise DataError(f"{path} is not an h5ad with obs, var and X (it has no {key!r})")
    where, shape = f"{path}, {key}", (len(cells), len(genes))
    with reading(path, key):
        stored = file[key]
        if hasattr(stored, "dtype"):
            _need(stored, shape, where)
            return "dense"
        attributes = dict(stored.attrs)
        kind = _plain(attributes.get("encoding-type", attributes.get("h5sparse_format", "group")))
        layout = kind.removesuffix("_matrix")
        if layout not in ("csr", "csc"):
            raise DataError(f"{where} is a {kind}, not a matrix")
        stated = attributes.get("shape", attributes.get("h5sparse_shape", ()))
        if tuple(int(n) for n in np.atleast_1d(stated)) != shape:
            raise DataError(
                f"{where} says shape {tuple(np.atleast_1d(stated).tolist())}, but there are "
                f"{shape[0]} cells and {shape[1]} genes: the file is damaged"
            )
        missing = [n for n in ("data", "indices", "indptr") if n not in stored]
        if missing:
            raise DataError(f"{where} lacks {', '.join(missing)}: the file is damaged")
        values, indices = stored["data"], stored["indices"]
        _need(values, values.shape[:1], where)
        if indices.shape != values.shape or indices.dtype.kind not in "iu":
            raise DataError(
                f"{where}: {values.shape[0]} values, but indices of shape {indices.shape} and "
                f"type {indices.dtype}: the file is damaged"
            )
        major = ("cell", cells) if layout == "csr" else ("gene", genes)
        ends = stored["indptr"][()]
        check_ends(ends, shape[layout == "csc"], values.shape[0], where, major=major)
    return layout


def read_matrix(file, key: str, path: Path, cells, genes):
    """A matrix of an open file in memory, in its canonical form, whatever way it was stored.

    Raises
    ------
    DataError
        See `layout_of` and `helpers.data.matrix.canonical`.
    """
    layout, where = layout_of(file, key, path, cells, genes), f"{path}, {key}"
    with reading(path, key):
        if layout == "dense":
            return canonical(np.asarray(file[key][()]), where=where, cells=cells, genes=genes)
        parts = tuple(np.asarray(file[key][n][()]) for n in ("data", "indices", "indptr"))
        shape = (len(cells), len(genes))
        return from_parts(layout, parts, shape, where=where, cells=cells, genes=genes)


def _need(values, shape: tuple, where: str) -> None:
    if values.shape != shape:
        raise DataError(f"{where} has shape {values.shape}, not {shape}: the file is damaged")
    if values.dtype.kind not in "biuf":
        raise DataError(f"{where} holds {values.dtype}, not numbers")


def _plain(text) -> str:
    return text.decode() if isinstance(text, bytes) else str(text)
