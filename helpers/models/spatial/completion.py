"""What fills a hidden entry without a network: floors, neighbours, low rank, smoothing, depth.

Each takes values on the logarithmic scale with a mask of what is seen, and returns a value for
every entry. Nothing that is not seen is used: what stands there is set to zero first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from helpers.data.contract import DataError
from helpers.data.spatial.geometry import by_slide, nearest_within
from helpers.models.spatial.adaptive_median import adaptive_median


@dataclass(frozen=True)
class Seen:
    """What a method may look at.

    Parameters
    ----------
    matrix : array of float32, shape (n_spots, n_genes)
        Zero where nothing is seen.
    seen : array of bool, the same shape
    slide : array of str, shape (n_spots,)
    places : array of shape (n_spots, 2)
        Pixels, of the own slide.
    depth : array of shape (n_spots,)
        Counts of the spot, all genes, hidden entries included: the target is divided by it.
    train : array of bool, shape (n_spots,)
        Spots whose slides train.
    k : int
        Neighbours on the array: 6 or 4.
    mean : array of shape (n_genes,), optional
        Of seen training entries, where the training spots are not among these.
    """

    matrix: np.ndarray
    seen: np.ndarray
    slide: np.ndarray
    places: np.ndarray
    depth: np.ndarray
    train: np.ndarray
    k: int
    mean: np.ndarray | None = None

    def __post_init__(self) -> None:
        blind = ~self.seen[self.train].any(axis=0)
        if self.mean is None and blind.any():
            raise DataError(
                f"{int(blind.sum())} genes are not seen in any training spot, the first in column "
                f"{int(blind.argmax())}: a mask must leave something of each gene"
            )
        if np.any(self.matrix[~self.seen] != 0):
            raise DataError("values are not zero where nothing is seen")


def zeros(data: Seen) -> np.ndarray:
    """Nothing is filled."""
    return np.zeros_like(data.matrix)


def gene_mean(data: Seen) -> np.ndarray:
    """Mean of what is seen of a gene in the training spots."""
    return np.broadcast_to(train_mean(data), data.matrix.shape)


def train_mean(data: Seen) -> np.ndarray:
    """Mean of what is seen of each gene in the training spots."""
    if data.mean is not None:
        return data.mean
    sums = data.matrix[data.train].sum(axis=0, dtype=float)
    return (sums / data.seen[data.train].sum(axis=0)).astype(np.float32)


def median(data: Seen) -> np.ndarray:
    """The adaptive median, each slide alone."""
    out = np.empty_like(data.matrix)
    around = nearest_within(data.places, data.slide, data.k)
    for rows in by_slide(data.slide).values():
        local = np.searchsorted(rows, around[rows])  # rows are sorted
        out[rows] = adaptive_median(data.matrix[rows], local)
    return out


def neighbours(data: Seen, *, k: int) -> np.ndarray:
    """Mean of what is seen of a gene in the k nearest spots; none: the gene's training mean."""
    around = nearest_within(data.places, data.slide, k)
    total, count = np.zeros_like(data.matrix), np.zeros(data.seen.shape, dtype=np.int16)
    for column in around.T:
        total += data.matrix[column]
        count += data.seen[column]
    return np.where(count > 0, total / np.maximum(count, 1), train_mean(data))


def smoothing(data: Seen, *, weight: float = 1.0, n_steps: int = 60) -> np.ndarray:
    """What is closest to the seen values and to its own neighbours: a smooth surface a gene.

    Minimises squared distances to seen values plus `weight` times those between neighbours, around
    the training mean, by steps of Jacobi.
    """
    mean = train_mean(data)
    around = nearest_within(data.places, data.slide, data.k)
    offset = np.where(data.seen, data.matrix - mean, 0)
    strength = weight * data.k
    surface = np.zeros_like(data.matrix)
    for _ in range(n_steps):
        near = np.zeros_like(surface)
        for column in around.T:
            near += surface[column]
        # the small number draws what is far from all seen spots to the mean
        surface = (offset + weight * near) / (data.seen + strength + 1e-3)
    return mean + surface


def low_rank(data: Seen, *, rank: int = 5, shrink: float = 0.1, n_steps: int = 30) -> np.ndarray:
    """Soft-impute: a matrix of few components, refitted until hidden entries agree with it.

    Components beyond `rank` are dropped, the others lose `shrink` times the first one's size.
    Training and other spots are completed together.

    References
    ----------
    Mazumder, Hastie and Tibshirani 2010, Journal of Machine Learning Research 11.
    """
    from scipy.linalg import eigh

    mean = train_mean(data)
    offset = np.where(data.seen, data.matrix - mean, 0).astype(np.float32)
    hidden, n_genes = ~data.seen, offset.shape[1]
    largest = [max(n_genes - rank, 0), n_genes - 1]
    guess = np.zeros_like(offset)
    for _ in range(n_steps):
        filled = offset + hidden * guess
        # of the genes' products: there are fewer genes than spots
        size, axes = eigh(filled.T @ filled, subset_by_index=largest, check_finite=False)
        size = np.sqrt(np.maximum(size, 0))
        kept = np.maximum(size - shrink * size[-1], 0) / np.where(size > 0, size, 1)
        guess = (filled @ axes) @ (kept[:, None] * axes.T)
    return mean + guess


def depth(data: Seen) -> np.ndarray:
    """A line a gene on the logarithm of the spot's counts, through the seen training entries.

    It knows nothing of neighbours, of genes, of the tissue. A gene seen at one depth only has its
    mean.
    """
    x = np.log2(np.asarray(data.depth, dtype=float) + 1)
    own = data.seen[data.train]
    n = own.sum(axis=0)
    x_train = x[data.train][:, None]
    y = data.matrix[data.train].astype(float)
    x_mean, y_mean = (own * x_train).sum(axis=0) / n, y.sum(axis=0) / n
    dx = own * (x_train - x_mean)
    square = (dx**2).sum(axis=0)
    slope = np.where(square > 1e-9, (dx * y).sum(axis=0) / np.where(square > 1e-9, square, 1), 0)
    return (y_mean + slope * (x[:, None] - x_mean)).astype(np.float32)


COMPARATORS: dict[str, Callable[[Seen], np.ndarray]] = {
    "zeros": zeros,
    "gene mean": gene_mean,
    "adaptive median": median,
    "depth alone": depth,
    "6 neighbours": lambda data: neighbours(data, k=6),
    "18 neighbours": lambda data: neighbours(data, k=18),
    "graph smoothing": smoothing,
    "low rank": low_rank,
}
"""By name, in the order of tables."""

LOCAL = ("adaptive median", "6 neighbours", "18 neighbours", "graph smoothing")
"""Those that need nothing of other slides but the mean of a gene."""
