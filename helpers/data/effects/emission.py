"""Cells of given means: the same prediction, handed in as other cells.

What an emission does to the scatter of cells decides how significant a change is, and so how a
prediction scores, though it predicts nothing. Each function takes mean counts of a cell and gives
integer counts, groups one below the other.
"""

import numpy as np
from scipy import sparse


def poisson_cells(means, n_cells, depths, rng: np.random.Generator) -> sparse.csr_array:
    """Independent Poisson counts around the group's composition, at drawn depths.

    Parameters
    ----------
    means : array of shape (n_groups, n_genes), not negative
    n_cells : int array of shape (n_groups,)
    depths : array of shape (n,)
        Counts of cells that depths are drawn from.
    rng : numpy.random.Generator

    Returns
    -------
    csr_array of int of shape (n_cells.sum(), n_genes)
    """
    share = _shares(means)
    blocks = []
    for row, n in zip(share, n_cells, strict=True):
        depth = rng.choice(np.asarray(depths, dtype=float), size=int(n))
        blocks.append(sparse.csr_array(rng.poisson(depth[:, None] * row)))
    return sparse.vstack(blocks, format="csr")


def even_cells(means, n_cells, depths, rng: np.random.Generator) -> sparse.csr_array:
    """The group's rounded total of each gene, dealt to its cells as evenly as integers can be.

    What is left over goes to cells drawn at random, gene by gene, so that cells hardly differ.
    """
    share, blocks = _shares(means), []
    for row, n in zip(share, n_cells, strict=True):
        total = np.rint(row * np.mean(depths) * n).astype(np.int64)
        each, left = np.divmod(total, int(n))
        place = rng.random((int(n), len(row))).argsort(axis=0)
        blocks.append(sparse.csr_array(each + (place < left)))
    return sparse.vstack(blocks, format="csr")


def constant_cells(means, n_cells, depths, rng: np.random.Generator) -> sparse.csr_array:
    """The rounded means, in every cell; `rng` draws nothing."""
    rows = np.rint(_shares(means) * np.mean(depths)).astype(np.int64)
    return sparse.csr_array(np.repeat(rows, np.asarray(n_cells, dtype=int), axis=0))


def whole_counts(cells, rng: np.random.Generator) -> sparse.csr_array:
    """Fractions rounded up or down at random, so that means stay; shape as given."""
    cells = sparse.csr_array(cells, dtype=float, copy=True)
    below = np.floor(cells.data)
    cells.data = below + (rng.random(len(below)) < cells.data - below)
    cells.eliminate_zeros()
    return cells.astype(np.int64)


def thinned(cells, keep: float, rng: np.random.Generator) -> sparse.csr_array:
    """Each count kept with a probability, as if sequenced less; `keep` in (0, 1)."""
    cells = sparse.csr_array(cells, copy=True)
    cells.data = rng.binomial(cells.data.astype(np.int64), keep)
    cells.eliminate_zeros()
    return cells


def _shares(means) -> np.ndarray:
    means = np.atleast_2d(np.asarray(means, dtype=float))
    if not np.isfinite(means).all() or means.min() < 0 or not means.sum(axis=1).all():
        raise ValueError("means are NaN, negative, or 0 in all genes: no cell can have them")
    return means / means.sum(axis=1, keepdims=True)
