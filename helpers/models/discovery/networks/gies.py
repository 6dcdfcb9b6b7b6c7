"""Greedy search for a network by its interventional score, after GIES.

GIES walks through classes of networks that no intervention tells apart; here single networks are
walked through, with the same score and the same three moves (add, remove, turn an edge).
"""

import numpy as np

from helpers.metrics.discovery.networks import reached

MOST_GENES, BLOCK = 60, 20


def gies_like(values, target, *, seed: int = 0, block: int = BLOCK) -> np.ndarray:
    """Loss of score without the edge A -> B, 0 where there is none.

    Parameters
    ----------
    values : array of shape (n_cells, n_genes)
        At most `MOST_GENES` genes.
    target : int array of shape (n_cells,)
        Column of the perturbed gene: its own cells say nothing of its parents.
    seed : int
        Of the blocks.
    block : int
        Genes are cut at random into blocks of at most so many, and edges lie within blocks, as in
        CausalBench.

    Returns
    -------
    ndarray of shape (n_genes, n_genes), at least 0; NaN on the diagonal. Genes that do not vary
    have no edge.

    Raises
    ------
    ValueError
        Too many genes.

    References
    ----------
    Hauser & Buehlmann 2012, Journal of Machine Learning Research 13.
    """
    values, target = np.asarray(values, dtype=float), np.asarray(target)
    n = values.shape[1]
    if n > MOST_GENES:
        raise ValueError(f"{n} genes: this search is run with at most {MOST_GENES}; choose some")
    order, found = np.random.default_rng(seed).permutation(n), np.zeros((n, n))
    order = order[_varies(values, target)[order]]
    for genes in np.array_split(order, -(-len(order) // block)) if len(order) else []:
        found[np.ix_(genes, genes)] = _search(values, target, genes)
    np.fill_diagonal(found, np.nan)
    return found


def _varies(values, target) -> np.ndarray:
    """Genes that vary without the cells of any one arm; what does not vary explains nothing."""
    cells = [target != arm for arm in (-3, *np.unique(target[target >= 0]))]  # -3 is nobody
    return np.all([np.ptp(values[own], axis=0) > 0 for own in cells if own.any()], axis=0)


class _Score:
    """Gaussian BIC of a gene given its parents, over the cells in which it was not perturbed."""

    def __init__(self, values, target, genes):
        self.moments = []
        for gene in genes:
            rows = values[target != gene][:, genes]
            self.moments.append((len(rows), np.cov(rows, rowvar=False, bias=True)))
        self.price = 0.5 * np.log(len(values))
        self.known: dict[tuple, float] = {}

    def of(self, gene: int, parents: np.ndarray) -> float:
        key = (gene, *parents)
        if key not in self.known:
            n, s = self.moments[gene]
            rest = s[gene, gene]
            if len(parents):
                own = s[np.ix_(parents, parents)]
                rest = rest - s[gene, parents] @ np.linalg.solve(own, s[parents, gene])
            rest = max(rest, 1e-12)
            self.known[key] = -0.5 * n * np.log(rest) - self.price * len(parents)
        return self.known[key]


def _search(values, target, genes) -> np.ndarray:
    """Edges of a block, each with the score that is lost without it."""
    score, n = _Score(values, target, genes), len(genes)
    edges = np.zeros((n, n), dtype=bool)
    gain = np.full((n, n), -np.inf)  # of adding the edge, or removing it if it is there

    def renew(child):
        now = score.of(child, np.flatnonzero(edges[:, child]))
        for parent in range(n):
            if parent != child:
                other = edges[:, child].copy()
                other[parent] ^= True
                gain[parent, child] = score.of(child, np.flatnonzero(other)) - now

    for child in range(n):
        renew(child)
    while True:
        before = reached(edges, -1)
        best, move = 1e-9, None
        allowed = np.where(edges | ~before.T, gain, -np.inf)
        parent, child = np.unravel_index(allowed.argmax(), allowed.shape)
        if allowed[parent, child] > best:
            best, move = allowed[parent, child], (parent, child, False)
        for parent, child in np.argwhere(edges):
            turned = gain[parent, child] + gain[child, parent]
            if turned > best:
                without = edges.copy()
                without[parent, child] = False
                if not reached(without, -1)[parent, child]:
                    best, move = turned, (parent, child, True)
        if move is None:
            return np.where(edges, -gain, 0.0)
        parent, child, turn = move
        edges[parent, child] ^= True
        renew(child)
        if turn:
            edges[child, parent] = True
            renew(parent)
