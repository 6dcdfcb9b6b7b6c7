"""Screens that do not fit into memory: counts read from an h5ad chunk by chunk.

One pass gives library sizes, moments and pseudobulks of log-normalised expression. On its way it
writes the counts to a plain file of two bytes a count and two to four a gene, so that later passes
skip HDF5 and its compression.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numba import njit
from scipy.sparse import csr_matrix

from helpers.data.contract import DataError
from helpers.data.h5ad import layout_of, read_table, reading
from helpers.data.matrix import canonical, check_ends, check_indices, numbers

CHUNK = 5_000  # cells read at a time; fewer cost more calls, more cost memory
MOST_COUNTS = np.iinfo(np.uint16).max
_TABLE = 64  # log-normalised values of a cell that are looked up, by count


@dataclass(frozen=True)
class ScreenOnDisk:
    """An h5ad with counts in `X`, of which only the tables are in memory.

    Parameters
    ----------
    path : Path
    obs, var : DataFrame
    layout : {"csr", "dense"}
    """

    path: Path
    obs: pd.DataFrame
    var: pd.DataFrame
    layout: str

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.obs), len(self.var)

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[int, csr_matrix]]:
        """First cell and counts of each chunk, in order; the next one is read meanwhile."""
        import h5py

        # Room for the stored chunks that a read shares with the one before it.
        with h5py.File(self.path, rdcc_nbytes=2**23) as file, ThreadPoolExecutor(1) as reader:
            group = file["X"]
            read = self._dense if self.layout == "dense" else self._sparse(group)
            starts = range(0, self.shape[0], size)
            ahead = reader.submit(read, group, 0, min(size, self.shape[0]))
            for start in starts:
                with reading(self.path, f"X, from cell {self.obs.index[start]!r} on,"):
                    rows = ahead.result()
                if (following := start + size) < self.shape[0]:
                    stop = min(following + size, self.shape[0])
                    ahead = reader.submit(read, group, following, stop)
                yield start, rows

    def _dense(self, dataset, start: int, stop: int) -> csr_matrix:
        return csr_matrix(canonical(dataset[start:stop], where=f"{self.path}, X"))

    def _sparse(self, group):
        row_ends, where = group["indptr"][:], f"{self.path}, X"
        n_cells, n_genes = self.shape
        # A file may have changed since it was opened.
        check_ends(row_ends, n_cells, len(group["data"]), where, major=("cell", self.obs.index))

        def read(group, start: int, stop: int) -> csr_matrix:
            first, last = row_ends[start], row_ends[stop]
            ends = (row_ends[start : stop + 1] - first).astype(np.int32)  # as wide as the indices
            counts = numbers(group["data"][first:last], where)
            genes = group["indices"][first:last]
            names = ("cell", self.obs.index)
            check_indices(genes, ends, n_genes, where, major=names, first=start)
            rows = csr_matrix((counts, genes, ends), shape=(stop - start, n_genes))
            return canonical(rows, where=where)

        return read


def open_screen(path: Path) -> ScreenOnDisk:
    """Open an h5ad whose `X` is sparse by rows, or dense.

    Raises
    ------
    DataError
        The file is no h5ad or a damaged one, holds no cells, or its `X` is stored by genes.
    """
    import h5py

    path = Path(path)
    try:
        file = h5py.File(path)
    except OSError as error:
        raise DataError(f"{path} is not an h5ad with obs, var and X ({error})") from error
    with file:
        obs, var = read_table(file, "obs", path), read_table(file, "var", path)
        if not len(obs) or not len(var):
            raise DataError(f"{path} holds {len(obs)} cells x {len(var)} genes")
        layout = layout_of(file, "X", path, obs.index, var.index)
    if layout == "csc":
        raise DataError(
            f"{path}: X is a csc_matrix, which cannot be read cell by cell; write it anew with "
            "adata.X = adata.X.tocsr()"
        )
    return ScreenOnDisk(path, obs, var, layout)


class Counts:
    """Counts of a screen in a plain file: read again in a fraction of HDF5's time.

    Use it as a context; the file is removed at its end.

    Parameters
    ----------
    folder : Path, optional
        Where the file is put: 4 to 6 bytes for each non-zero count. Default: the system's folder
        for temporary files.

    Attributes
    ----------
    row_ends : ndarray of shape (n_cells + 1,), int64
    factor : ndarray of shape (n_cells,), float32
        What a cell's counts are multiplied by before log1p.
    n_genes : int
    """

    def __init__(self, folder: Path | None = None):
        self._folder = tempfile.TemporaryDirectory(dir=folder)
        self._count, self._gene = (Path(self._folder.name, n) for n in ("counts", "genes"))
        self.row_ends = np.zeros(1, dtype=np.int64)
        self.factor = np.empty(0, dtype=np.float32)
        self.n_genes = 0

    def __enter__(self) -> Counts:
        return self

    def __exit__(self, *problem) -> None:
        self._folder.cleanup()

    @property
    def n_cells(self) -> int:
        return len(self.row_ends) - 1

    def rows(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Row ends (from 0), genes, counts and factors of cells from `start` to before `stop`."""
        first, last = self.row_ends[start], self.row_ends[stop]
        genes, counts = (
            np.fromfile(path, kind, last - first, offset=first * np.dtype(kind).itemsize)
            for path, kind in ((self._gene, self._gene_type), (self._count, np.uint16))
        )
        return self.row_ends[start : stop + 1] - first, genes, counts, self.factor[start:stop]

    @property
    def _gene_type(self) -> type:
        return np.uint16 if self.n_genes <= np.iinfo(np.uint16).max + 1 else np.uint32


@dataclass(frozen=True)
class Summary:
    """What one pass over a screen gives.

    Parameters
    ----------
    library_size : ndarray of shape (n_cells,), float64, counts
    mean, variance : ndarray of shape (n_genes,), float64
        Of log1p of normalised counts, over cells (ddof 1).
    pseudobulk : ndarray of shape (n_groups, n_genes), float32
        Mean of log1p of normalised counts over the cells of each group.
    n_cells : ndarray of shape (n_groups,), int64
    """

    library_size: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    pseudobulk: np.ndarray
    n_cells: np.ndarray


def first_pass(
    screen: ScreenOnDisk,
    groups: np.ndarray,
    counts: Counts,
    *,
    target_sum: float = 1e4,
    chunk_size: int = CHUNK,
) -> Summary:
    """Read every count once: library sizes, moments, pseudobulks; and keep the counts at hand.

    Parameters
    ----------
    screen : ScreenOnDisk
        `obs["total_counts"]` is the library size where it exists, else the sum of a cell.
    groups : int array of shape (n_cells,)
        Group of each cell, from 0 on; every group has cells.
    counts : Counts
        Filled on the way.
    target_sum : float
        Library size that every cell is brought to. Fixed, so that one pass suffices.
    chunk_size : int
        Cells read at a time.

    Raises
    ------
    DataError
        A value that is no count, a count above 65,535, a cell without counts, or a stated library
        size below the counts of a cell.
    """
    n_cells, n_genes = screen.shape
    groups = np.ascontiguousarray(groups, dtype=np.int64)
    in_group = np.bincount(groups)
    if groups.shape != (n_cells,) or not in_group.all():
        raise ValueError(f"groups {groups.shape} must number {n_cells} cells from 0 without gaps")
    stated = _stated(screen)
    sums, squares = np.zeros((len(in_group), n_genes)), np.zeros(n_genes)
    size, row_ends = np.empty(n_cells), np.zeros(n_cells + 1, dtype=np.int64)
    counts.n_genes, counts.factor = n_genes, np.empty(n_cells, dtype=np.float32)
    with counts._count.open("wb") as count_file, counts._gene.open("wb") as gene_file:
        for start, rows in screen.chunks(chunk_size):
            stop = start + rows.shape[0]
            measured = np.asarray(rows.sum(axis=1, dtype=np.float64)).ravel()
            size[start:stop] = measured if stated is None else stated[start:stop]
            _check(screen, rows, start, measured, size[start:stop])
            small = rows.data.astype(np.uint16)
            small.tofile(count_file)
            rows.indices.astype(counts._gene_type).tofile(gene_file)
            row_ends[start + 1 : stop + 1] = row_ends[start] + rows.indptr[1:]
            factor = target_sum / size[start:stop]
            counts.factor[start:stop] = factor
            _absorb(rows.indptr, rows.indices, small, factor, groups[start:stop], sums, squares)
    counts.row_ends = row_ends
    total = sums.sum(axis=0)
    mean = total / n_cells
    variance = np.maximum(squares - total * mean, 0) / max(n_cells - 1, 1)
    sums /= in_group[:, None]
    return Summary(size, mean, variance, sums.astype(np.float32), in_group)


def _stated(screen: ScreenOnDisk) -> np.ndarray | None:
    """Library sizes as the file has them."""
    if "total_counts" not in screen.obs:
        return None
    total = screen.obs["total_counts"]
    if not pd.api.types.is_numeric_dtype(total):
        raise DataError(f"{screen.path}: obs['total_counts'] is {total.dtype}, not numbers")
    return total.to_numpy(float, na_value=np.nan)


def _check(screen, rows, start: int, measured, size) -> None:
    data = rows.data
    if _odd_counts(data):
        bad = np.flatnonzero(~((data >= 0) & (data <= MOST_COUNTS) & (data == np.floor(data))))[0]
        row = int(np.searchsorted(rows.indptr, bad, side="right")) - 1
        raise DataError(
            f"{screen.path}: cell {screen.obs.index[start + row]!r}, gene "
            f"{screen.var.index[rows.indices[bad]]!r} has {data[bad]:g}, which is no count from 0 "
            f"to {MOST_COUNTS:,}; give the file raw counts"
        )
    short = np.flatnonzero(~(size >= measured * (1 - 1e-6)) | (size <= 0))
    if len(short):
        cell = short[0]
        raise DataError(
            f"{screen.path}: {len(short)} cells of a chunk have a library size that is zero, "
            f"missing or below their counts, first {screen.obs.index[start + cell]!r} "
            f"({size[cell]:g} against {measured[cell]:g} counts); drop empty cells, and let "
            "obs['total_counts'] be the library size before genes were dropped"
        )


@njit(cache=True, nogil=True)
def _odd_counts(values):
    """Number of values that are no counts, or too large ones; NaN is none."""
    n = 0
    for value in values:
        n += not (0 <= value <= MOST_COUNTS and value == np.floor(value))
    return n


@njit(cache=True, nogil=True)
def _absorb(row_ends, genes, counts, factor, groups, sums, squares):
    """Add log1p of normalised counts to the sums of their groups, and their squares."""
    table = np.empty(_TABLE)
    for row in range(len(factor)):
        for c in range(_TABLE):
            table[c] = np.log1p(c * factor[row])
        target = sums[groups[row]]
        for i in range(row_ends[row], row_ends[row + 1]):
            c = counts[i]
            value = table[c] if c < _TABLE else np.log1p(c * factor[row])
            target[genes[i]] += value
            squares[genes[i]] += value * value
