"""Sets of genes to keep: the best, the worst, random ones, random ones without the best."""

import numpy as np


def union_of_best(orders, k: int) -> np.ndarray:
    """Genes that are among the k best of at least one class.

    Parameters
    ----------
    orders : int ndarray of shape (n_classes, n_genes)
        Genes of each class, best first.
    k : int
        1 to n_genes.

    Returns
    -------
    bool ndarray of shape (n_genes,)
        Between k and n_classes k genes.

    Raises
    ------
    ValueError
        Orders that are no permutations, or k out of range.
    """
    orders = _orders(orders)
    keep = np.zeros(orders.shape[1], dtype=bool)
    keep[orders[:, : _size(k, orders.shape[1])]] = True
    return keep


def worst(order, k: int) -> np.ndarray:
    """The k last genes of one order, as a bool ndarray of shape (n_genes,).

    Raises
    ------
    ValueError
        See `union_of_best`.
    """
    return union_of_best(_orders(order)[:, ::-1], k)


def random_genes(rng: np.random.Generator, n_genes: int, k: int, *, without=None) -> np.ndarray:
    """k genes at random.

    Parameters
    ----------
    rng : Generator
    n_genes : int
    k : int
    without : bool ndarray of shape (n_genes,), optional
        Genes that are not drawn: the best ones, to ask whether the rest would do.

    Returns
    -------
    bool ndarray of shape (n_genes,)

    Raises
    ------
    ValueError
        Fewer than k genes are left to draw from.
    """
    pool = np.arange(n_genes) if without is None else np.flatnonzero(~np.asarray(without, bool))
    if not 1 <= k <= len(pool):
        raise ValueError(f"{k} genes cannot be drawn from the {len(pool)} that may be drawn")
    keep = np.zeros(n_genes, dtype=bool)
    keep[rng.choice(pool, k, replace=False)] = True
    return keep


def _orders(orders) -> np.ndarray:
    orders = np.atleast_2d(np.asarray(orders))
    whole = np.arange(orders.shape[-1])
    if orders.ndim != 2 or orders.dtype.kind not in "iu" or (np.sort(orders) != whole).any():
        raise ValueError(
            f"orders of shape {orders.shape} are not permutations of the genes: give gene numbers, "
            "best first"
        )
    return orders


def _size(k: int, n_genes: int) -> int:
    if not 1 <= k <= n_genes:
        raise ValueError(f"k is {k}; it lies between 1 and the number of genes, {n_genes}")
    return k
