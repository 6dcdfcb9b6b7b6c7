"""Principal components of a screen on disk: randomised SVD in a few passes over its counts."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit

from helpers.data.errors import DataError
from helpers.data.ondisk import CHUNK, Counts

OVERSAMPLED = 14  # directions beyond the components: 50 make 64, which vector registers divide
WARM_CELLS = 50_000
WARM_ROUNDS = 12
FULL_ROUNDS = 2
_REORDER = {"reassoc", "contract"}
_TABLE = 64


@dataclass(frozen=True)
class Components:
    """Principal components of log1p of normalised counts.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_components), float32
        Sorted by variance; each component's largest loading is positive.
    loadings : ndarray of shape (n_genes, n_components), float64
        Orthonormal columns.
    variance : ndarray of shape (n_components,), float64
        Of the embedding's columns (ddof 1).
    """

    embedding: np.ndarray
    loadings: np.ndarray
    variance: np.ndarray


def streamed_pca(
    counts: Counts,
    mean: np.ndarray,
    *,
    n_components: int,
    rng: np.random.Generator,
    n_threads: int = 1,
    chunk_size: int = CHUNK,
    full_rounds: int = FULL_ROUNDS,
) -> Components:
    """PCA of log1p of normalised counts, centred and not scaled, without ever holding them.

    Subspace iteration (Halko et al. 2011): Q becomes an orthonormal basis of X'XQ, first on blocks
    of cells spread over the file, then on all cells. X'(XQ) is one product for each chunk: a row's
    values are used twice while they are in cache. Centring is done on the result, as
    X'XQ - n mean (mean'Q). A last pass gives XQ, whose own small PCA are the components.

    On 500,000 simulated cells of 8,000 genes, 50 components explain 0.4 % less variance than after
    ten full rounds; cosines of the principal angles are above 0.9998 for the leading 20 and above
    0.97 for the leading 30, of which the last are noise of nearly equal variance.

    Parameters
    ----------
    counts : Counts
        As `first_pass` filled them.
    mean : ndarray of shape (n_genes,)
        Of log1p of normalised counts, from `first_pass`.
    n_components : int
        1 to min(n_cells, n_genes).
    rng : numpy.random.Generator
        Of the first directions.
    n_threads : int
        Rounding apart, the result does not depend on it.
    chunk_size : int
        Cells in memory for each thread.
    full_rounds : int
        Passes over all cells before the last one.

    Raises
    ------
    DataError
        More components than cells or genes.

    References
    ----------
    Halko, Martinsson & Tropp 2011, SIAM Review 53.
    """
    n_cells, n_genes = counts.n_cells, counts.n_genes
    most = min(n_cells, n_genes)
    if not 1 <= n_components <= most:
        raise DataError(
            f"n_components is {n_components}; {n_cells} cells x {n_genes} genes allow 1 to {most}"
        )
    width = min(n_components + OVERSAMPLED, most)
    basis = np.linalg.qr(rng.standard_normal((n_genes, width)))[0]
    every = list(_blocks(n_cells, chunk_size))
    warm = every[:: max(1, n_cells // WARM_CELLS)]
    if len(every) > 1 and len(warm) < len(every):
        warm_cells = np.concatenate([np.arange(a, b) for a, b in warm])
        warm_mean = _mean(counts, warm, len(warm_cells))
        for _ in range(WARM_ROUNDS):
            product = _gram_product(counts, warm, basis, n_threads)
            product -= len(warm_cells) * np.outer(warm_mean, warm_mean @ basis)
            basis = np.linalg.qr(product)[0]
    else:
        full_rounds += WARM_ROUNDS  # few cells: all of them cost as little
    for _ in range(full_rounds):
        product = _gram_product(counts, every, basis, n_threads)
        product -= n_cells * np.outer(mean, mean @ basis)
        basis = np.linalg.qr(product)[0]
    return _rotated(counts, every, basis, mean, n_components, n_threads)


def _rotated(counts, every, basis, mean, n_components: int, n_threads: int) -> Components:
    """Components within a basis: the last pass."""
    n_cells = counts.n_cells
    projected = np.empty((n_cells, basis.shape[1]), dtype=np.float32)
    directions, origin = basis.astype(np.float32), (mean @ basis).astype(np.float32)

    def project(block):
        start, stop = block
        _multiply(*counts.rows(start, stop), directions, projected[start:stop])
        projected[start:stop] -= origin

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(project, every))
    gram = np.zeros((basis.shape[1],) * 2)
    for start, stop in every:
        rows = projected[start:stop].astype(float)
        gram += rows.T @ rows
    values, axes = np.linalg.eigh(gram)
    kept = axes[:, ::-1][:, :n_components]
    loadings = basis @ kept
    sign = np.sign(loadings[np.abs(loadings).argmax(axis=0), np.arange(n_components)])
    loadings, kept = loadings * sign, (kept * sign).astype(np.float32)
    embedding = np.empty((n_cells, n_components), dtype=np.float32)
    for start, stop in every:
        np.matmul(projected[start:stop], kept, out=embedding[start:stop])
    variance = np.maximum(values[::-1][:n_components], 0) / max(n_cells - 1, 1)
    return Components(embedding, loadings, variance)


def _blocks(n_cells: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n_cells, size):
        yield start, min(start + size, n_cells)


def _gram_product(counts: Counts, blocks, basis: np.ndarray, n_threads: int) -> np.ndarray:
    """X'(XQ) over the cells of some blocks, not centred, float64."""
    directions = basis.astype(np.float32)
    shares = [blocks[i::n_threads] for i in range(n_threads)]

    def work(own):
        result, part = np.zeros(basis.shape), np.empty(basis.shape, dtype=np.float32)
        for start, stop in own:
            part[:] = 0
            _gram(*counts.rows(start, stop), directions, part)
            result += part  # single precision only within a chunk
        return result

    with ThreadPoolExecutor(n_threads) as pool:
        return sum(pool.map(work, shares))


def _mean(counts: Counts, blocks, n: int) -> np.ndarray:
    total = np.zeros(counts.n_genes)
    for start, stop in blocks:
        _add(*counts.rows(start, stop), total)
    return total / n


@njit(cache=True, nogil=True)
def _fill_table(table, factor):
    for c in range(len(table)):
        table[c] = np.log1p(c * factor)


@njit(cache=True, nogil=True, fastmath=_REORDER)
def _gram(row_ends, genes, counts, factor, directions, result):
    """Add x (x'Q) of each row x to the result, of shape (n_genes, width)."""
    width = directions.shape[1]
    table = np.empty(_TABLE, dtype=np.float32)
    along = np.empty(width, dtype=np.float32)
    for row in range(len(factor)):
        _fill_table(table, factor[row])
        along[:] = 0
        for i in range(row_ends[row], row_ends[row + 1]):
            c = counts[i]
            value = table[c] if c < _TABLE else np.float32(np.log1p(c * factor[row]))
            gene = genes[i]
            for j in range(width):
                along[j] += value * directions[gene, j]
        for i in range(row_ends[row], row_ends[row + 1]):
            c = counts[i]
            value = table[c] if c < _TABLE else np.float32(np.log1p(c * factor[row]))
            gene = genes[i]
            for j in range(width):
                result[gene, j] += value * along[j]


@njit(cache=True, nogil=True, fastmath=_REORDER)
def _multiply(row_ends, genes, counts, factor, directions, result):
    """Fill `result`, of shape (n_rows, width), with x'Q of each row x."""
    width = directions.shape[1]
    table = np.empty(_TABLE, dtype=np.float32)
    for row in range(len(factor)):
        _fill_table(table, factor[row])
        along = result[row]
        along[:] = 0
        for i in range(row_ends[row], row_ends[row + 1]):
            c = counts[i]
            value = table[c] if c < _TABLE else np.float32(np.log1p(c * factor[row]))
            gene = genes[i]
            for j in range(width):
                along[j] += value * directions[gene, j]


@njit(cache=True, nogil=True)
def _add(row_ends, genes, counts, factor, total):
    """Add the rows to a total over genes."""
    table = np.empty(_TABLE, dtype=np.float32)
    for row in range(len(factor)):
        _fill_table(table, factor[row])
        for i in range(row_ends[row], row_ends[row + 1]):
            c = counts[i]
            total[genes[i]] += table[c] if c < _TABLE else np.log1p(c * factor[row])
