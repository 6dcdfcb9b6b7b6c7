"""Matrices as people have them, brought into one form without touching what was given.

Compiled code (scipy, numba) trusts the indices of a sparse matrix: a wrong one ends the process.
So they are checked here, before anything else sees them.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from helpers.data.errors import DataError


def canonical(X, *, where: str = "X", cells=None, genes=None) -> sparse.csr_matrix | np.ndarray:
    """The same values, one way of storing them.

    Parameters
    ----------
    X : sparse or dense matrix of shape (n_cells, n_genes)
        In memory. Never changed; where it is in this form already, its arrays are shared.
    where : str
        What messages call it.
    cells, genes : sequence of str, optional
        Names, for messages.

    Returns
    -------
    csr_matrix or ndarray of shape (n_cells, n_genes)
        Sparse stays sparse: by cells, genes in order, entries of one place summed, zeros not
        stored. Bytes in this machine's order; bool, float16 and wider ones become float32 and
        float64.

    Raises
    ------
    DataError
        No numbers, or indices that are none of this shape; cell and index are named.
    """
    if isinstance(X, np.ndarray):
        if X.ndim != 2:
            raise DataError(f"{where} has shape {X.shape}; it is cells x genes")
        return numbers(np.asarray(X), where)
    if not sparse.issparse(X):
        raise DataError(f"{where} is a {type(X).__name__}, not in memory; use adata.to_memory()")
    if X.format not in ("csr", "csc"):
        X = X.tocsr()
    parts = X.data, X.indices, X.indptr
    return from_parts(X.format, parts, X.shape, where=where, cells=cells, genes=genes)


def parts_by_cells(X, *, where: str = "X", cells=None, genes=None):
    """The three arrays of a sparse matrix by cells, or a dense one, for who only adds values up.

    As `canonical`, but genes stand in any order, and zeros and entries of one place as they came,
    where `X` is by cells: its arrays are looked at once, and shared.

    Returns
    -------
    tuple of ndarray, or ndarray of shape (n_cells, n_genes)
        Values, genes, and where each cell ends.
    """
    if not (sparse.issparse(X) and X.format == "csr"):
        found = canonical(X, where=where, cells=cells, genes=genes)
        return (found.data, found.indices, found.indptr) if sparse.issparse(found) else found
    check_ends(X.indptr, X.shape[0], len(X.data), where, major=("cell", cells))
    names = {"major": ("cell", cells), "minor": ("gene", genes)}
    check_indices(X.indices[: X.indptr[-1]], X.indptr, X.shape[1], where, **names)
    return numbers(X.data, where), _native(X.indices), _native(X.indptr)


def from_parts(layout: str, parts, shape, *, where: str = "X", cells=None, genes=None):
    """A canonical sparse matrix from the three arrays that store one; they are not changed.

    Parameters
    ----------
    layout : {"csr", "csc"}
    parts : tuple of ndarray
        Values, indices, and where each row (csr) or column (csc) ends.
    shape : tuple of int
    where, cells, genes
        As in `canonical`.

    Raises
    ------
    DataError
        See `canonical`.
    """
    values, indices, ends = parts
    axes = (("cell", cells), ("gene", genes))
    major, minor = (0, 1) if layout == "csr" else (1, 0)
    names = {"major": axes[major], "minor": axes[minor]}
    check_ends(ends, shape[major], len(values), where, major=names["major"])
    values, indices = values[: ends[-1]], indices[: ends[-1]]
    check_indices(indices, ends, shape[minor], where, **names)
    form = sparse.csr_matrix if layout == "csr" else sparse.csc_matrix
    shared = form((numbers(values, where), _native(indices), _native(ends)), shape=shape)
    rows = shared.tocsr()
    if rows.has_canonical_format and rows.data.all():
        return rows
    if not rows.has_canonical_format:
        rows = rows.astype(np.int64) if rows.dtype.kind in "iu" else rows.copy()
        rows.sum_duplicates()
    elif rows.data is shared.data:
        rows = rows.copy()
    rows.eliminate_zeros()
    return rows


def check_ends(ends, n_rows: int, n_values: int, where: str, *, major=("cell", None)) -> None:
    """Where each row of a sparse matrix ends (`indptr`) fits its shape and its values.

    Raises
    ------
    DataError
        Naming the first row that does not.
    """
    what, names = major
    ends = np.asarray(ends)
    if ends.ndim != 1 or ends.dtype.kind not in "iu" or len(ends) != n_rows + 1:
        raise DataError(
            f"{where}: indptr has shape {ends.shape} of {ends.dtype}; {n_rows} {what}s need "
            f"{n_rows + 1} integers: the file is damaged, write it anew"
        )
    ends = ends.astype(np.int64)
    if ends[0] != 0:
        raise DataError(f"{where}: indptr starts at {ends[0]}, not 0: the file is damaged")
    bad = np.flatnonzero((np.diff(ends) < 0) | (ends[1:] > n_values))
    if len(bad):
        raise DataError(
            f"{where}: {what} {_name(names, bad[0])} ends at value {ends[bad[0] + 1]}, begun at "
            f"{ends[bad[0]]}, of {n_values} values: the file is damaged, write it anew"
        )


def check_indices(
    indices,
    ends,
    n_columns: int,
    where: str,
    *,
    major=("cell", None),
    minor=("gene", None),
    first=0,
) -> None:
    """Every index of a sparse matrix is one of its columns; `first` is the first row's number.

    Raises
    ------
    DataError
        Naming the first that is not, and its row.
    """
    if indices.dtype.kind not in "iu":
        raise DataError(f"{where}: indices are {indices.dtype}, not integers")
    if not len(indices) or (indices.min() >= 0 and indices.max() < n_columns):
        return
    bad = int(np.flatnonzero((indices < 0) | (indices >= n_columns))[0])
    row = first + int(np.searchsorted(ends, bad, side="right")) - 1
    raise DataError(
        f"{where}: {major[0]} {_name(major[1], row)} has a value at {minor[0]} number "
        f"{indices[bad]}, of {n_columns} {minor[0]}s: the file is damaged, write it anew"
    )


def _name(names, number: int) -> str:
    return f"number {number}" if names is None else repr(str(names[number]))


def _native(values: np.ndarray) -> np.ndarray:
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def numbers(values: np.ndarray, where: str) -> np.ndarray:
    """Values in this machine's order of bytes: integers, float32 or float64.

    Raises
    ------
    DataError
        They are none.
    """
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind not in "biuf":
        raise DataError(f"{where} holds {values.dtype}, not numbers")
    if kind == "b" or (kind == "f" and size < 4):
        return values.astype(np.float32)
    if kind == "f" and size > 8:
        return values.astype(np.float64)
    return _native(values)
