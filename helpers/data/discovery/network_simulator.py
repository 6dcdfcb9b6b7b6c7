"""Cells of a planted gene network, untouched and with one gene at a time held down.

A gene is the sum of what its parents send it and of its own noise. A perturbation cuts a gene from
its parents and holds it `shift` below its level in controls. Chains a -> m -> b without an edge
a -> b are planted: a total effect without a direct one.
"""

from dataclasses import dataclass

import numpy as np

from helpers.data.contract import DataError
from helpers.metrics.discovery.networks import reached
from helpers.store.steps import step

KINDS = ("linear", "nonlinear", "cyclic", "confounded")
_LARGEST_RADIUS = 0.7  # of the eigenvalues of a cyclic network, so that it comes to rest
_HELD = 0.2  # noise of a gene that is held down


@dataclass(frozen=True, kw_only=True)
class NetworkKnobs:
    """Knobs of `simulated_network`.

    Parameters
    ----------
    kind : str
        Of `KINDS`: linear and acyclic; edges that saturate or have a threshold; feedback; hidden
        factors that move many genes.
    n_genes : int
    n_parents : float
        Mean number of parents of a gene.
    n_chains : int
        Planted chains of three genes.
    n_controls, n_cells : int
        Controls, and cells of each arm; every gene has an arm.
    shift : float
        How far below its level a perturbed gene is held.
    n_factors : int
        Hidden factors of the confounded kind.
    scale_spread : float
        Standard deviation of the logarithm of a gene's scale. 0 leaves the variance of a gene to
        the network, which then gives its order away.
    changed : float in [0, 1]
        Share of edges whose weight another context draws anew.
    escaped : float in [0, 1)
        Share of the cells of an arm in which nothing is held down.

    Raises
    ------
    DataError
        A knob out of range.
    """

    kind: str = "linear"
    n_genes: int = 40
    n_parents: float = 1.5
    n_chains: int = 8
    n_controls: int = 500
    n_cells: int = 60
    shift: float = 2.0
    n_factors: int = 3
    scale_spread: float = 0.3
    changed: float = 0.3
    escaped: float = 0.0

    def __post_init__(self) -> None:
        found = []
        if self.kind not in KINDS:
            found.append(f"kind is {self.kind!r}; one of {', '.join(KINDS)}")
        if self.n_genes < 3 or 3 * self.n_chains > self.n_genes:
            found.append(f"{self.n_chains} chains of 3 in {self.n_genes} genes; they share none")
        if self.n_controls < 2 or self.n_cells < 2:
            found.append("fewer than 2 controls, or cells of an arm")
        if self.n_parents < 0 or self.shift <= 0 or not 0 <= self.changed <= 1:
            found.append("n_parents is at least 0, shift above 0, changed in [0, 1]")
        if not 0 <= self.escaped < 1:
            found.append("escaped is in [0, 1)")
        if found:
            raise DataError("network simulation: " + "; ".join(found))


@step
def simulated_network(*, seed: int, knobs: dict, context: int = 0) -> dict[str, np.ndarray]:
    """Draw a network and its cells; see `simulate`."""
    return simulate(NetworkKnobs(**knobs), seed, context)


def simulate(knobs: NetworkKnobs, seed: int, context: int = 0) -> dict[str, np.ndarray]:
    """Draw a network and its cells.

    Parameters
    ----------
    knobs : NetworkKnobs
    seed : int
        Of the network.
    context : int
        0 is the network itself; others have the same edges, some with new weights.

    Returns
    -------
    dict of ndarray
        Data: `values` (n_cells, n_genes), `target` (n_cells,; column of the perturbed gene, -1 for
        controls). Truth: `weights` (n_genes, n_genes; row acts on column), `direct`, `ancestral`
        (bool; an edge, a directed path), `mediated` (n_chains, 3; genes of the planted chains).
    """
    k, rng = knobs, np.random.default_rng(seed)
    weights, chains = _network(k, rng)
    loadings = np.zeros((k.n_factors, k.n_genes))
    if k.kind == "confounded":
        loadings = rng.normal(0, 0.8, loadings.shape) * (rng.random(loadings.shape) < 0.4)
    threshold = rng.random(weights.shape) < 0.5
    scale = np.exp(rng.normal(0, k.scale_spread, k.n_genes))
    cells = np.random.default_rng([seed, context])
    if context:
        anew = (cells.random(weights.shape) < k.changed) & (weights != 0)
        weights = np.where(anew, _drawn(weights.shape, cells), weights)
        weights = _at_rest(weights) if k.kind == "cyclic" else weights
    target = np.r_[np.full(k.n_controls, -1), np.repeat(np.arange(k.n_genes), k.n_cells)]
    noise = cells.standard_normal((len(target), k.n_genes))
    noise += cells.standard_normal((len(target), k.n_factors)) @ loadings
    held = cells.normal(-k.shift, _HELD, len(target))
    acting = np.where(cells.random(len(target)) < k.escaped, -1, target)
    values = np.empty_like(noise)
    for arm in np.unique(acting):
        rows = acting == arm
        values[rows] = _cells(noise[rows], held[rows], weights, arm, k, threshold)
    direct = weights != 0
    return {
        "values": (values * scale).astype(np.float32),
        "target": target,
        "weights": weights,
        "direct": direct,
        "ancestral": reached(direct, -1),
        "mediated": chains,
    }


def _drawn(shape, rng) -> np.ndarray:
    """Weights of either sign, of a size that matters."""
    return rng.uniform(0.4, 0.9, shape) * rng.choice([-1, 1], shape)


def _network(k: NetworkKnobs, rng) -> tuple[np.ndarray, np.ndarray]:
    n, order = k.n_genes, rng.permutation(k.n_genes)
    later = np.triu(np.ones((n, n), dtype=bool), 1)
    edges = np.zeros((n, n), dtype=bool)
    edges[np.ix_(order, order)] = later & (rng.random((n, n)) < 2 * k.n_parents / max(n - 1, 1))
    place = np.argsort(order)
    chains = rng.permutation(n)[: 3 * k.n_chains].reshape(k.n_chains, 3)
    chains = np.take_along_axis(chains, np.argsort(place[chains], axis=1), axis=1)
    first, middle, last = chains.T
    edges[first, middle] = edges[middle, last] = True
    edges[first, last] = False
    if k.kind == "cyclic":  # some edges close a circle, through none of the chains' ends
        back = edges.T & (rng.random((n, n)) < 0.15)
        far = np.zeros_like(back)
        far[np.ix_(order, order)] = later.T & (rng.random((n, n)) < 0.5 / n)
        edges |= back | far
        edges[first, last] = edges[last, first] = False
    weights = np.where(edges, _drawn((n, n), rng), 0.0)
    return (_at_rest(weights) if k.kind == "cyclic" else weights), chains


def _at_rest(weights: np.ndarray) -> np.ndarray:
    """The same, made smaller where feedback would grow without end."""
    radius = np.abs(np.linalg.eigvals(weights)).max()
    return weights * min(1.0, _LARGEST_RADIUS / max(radius, 1e-12))


def _cells(noise, held, weights, arm: int, k: NetworkKnobs, threshold) -> np.ndarray:
    """Values of the cells of an arm (-1: controls)."""
    own, noise = weights.copy(), noise.copy()
    if arm >= 0:
        own[:, arm], noise[:, arm] = 0, held
    if k.kind != "nonlinear":
        return np.linalg.solve(np.eye(len(own)) - own.T, noise.T).T
    values = noise.copy()
    for gene in _topological(own):
        parents = np.flatnonzero(own[:, gene])
        sent = values[:, parents]
        sent = np.where(threshold[parents, gene], 1.5 * np.maximum(sent, 0), np.tanh(2 * sent))
        values[:, gene] += sent @ own[parents, gene]
    return values


def _topological(weights: np.ndarray) -> list[int]:
    """Genes in an order in which parents come first."""
    waiting, found = (weights != 0).sum(axis=0), []
    ready = list(np.flatnonzero(waiting == 0))
    while ready:
        gene = ready.pop()
        found.append(gene)
        for child in np.flatnonzero(weights[gene]):
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    return found
