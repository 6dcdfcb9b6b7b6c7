"""A graph network, after GEARS: a gene that nobody perturbed borrows from its neighbours.

Kept of GEARS: every perturbable gene has a vector that is mixed with those of its neighbours in a
graph of relations, so that an unseen perturbation has one too; every measured gene has a vector
that is mixed over a graph of co-expression; the vectors of a combination are summed and pass
through a small network; each gene is decoded by weights of its own, and then once more in sight of
all others; the loss weighs large errors more, and wrong directions.

Changed: the term of directions has a slope, since a sign gives nothing to descend.

Left out: single cells (the change of pseudobulks is fitted), batch normalisation, the uncertainty
of a prediction, GO (the graph is what is given). Nothing follows for GEARS.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse

from helpers.data.contract import CONTROL, DataError
from helpers.models.effects.deep_parts import Vocabulary, descend, parts_of, scale_of
from helpers.models.effects.training import EffectModel, Training
from helpers.models.reproducible import reproducible

FEWEST_BULKS = 8  # of controls, below which a correlation between genes is noise
LEAST_CORRELATION = 0.4  # of an edge of co-expression, as in GEARS


class GraphNetwork(EffectModel):
    """Graph network on genes and perturbations.

    Parameters
    ----------
    gene_sets : mapping of str to sequence of str, optional
        Genes that belong together. Two genes are neighbours by the Jaccard index of their sets.
        Without, neighbours are genes that are co-expressed in the bulks of training controls. In
        both cases measured genes are mixed by co-expression, and where the training set has no
        bulks, they keep to themselves.
    n_dims : int
        Of all vectors.
    n_neighbours : int
        Most neighbours of a gene, the strongest.
    focus : float
        An error e costs |e| to the power of 2 + focus; 2 in GEARS, 0 is squared error.
    direction : float
        Weight of the squared difference of signs.
    n_steps, batch_size : int
    learning_rate, weight_decay : float
    seed : int
    device : str
        Of torch.

    Attributes
    ----------
    vocabulary_ : Vocabulary
    reached_ : bool array
        Genes of the vocabulary that were trained, or have a neighbour that was.

    References
    ----------
    Roohani, Huang & Leskovec 2024, Nature Biotechnology 42; snap-stanford/GEARS 0.1.2, model.py.
    """

    def __init__(
        self,
        gene_sets: Mapping[str, Sequence[str]] | None = None,
        n_dims: int = 32,
        n_neighbours: int = 10,
        focus: float = 2.0,
        direction: float = 0.1,
        n_steps: int = 300,
        batch_size: int = 16,
        learning_rate: float = 1e-2,
        weight_decay: float = 1e-4,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.gene_sets = gene_sets
        self.n_dims = n_dims
        self.n_neighbours = n_neighbours
        self.focus = focus
        self.direction = direction
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed
        self.device = device

    def fit(self, training: Training) -> "GraphNetwork":
        """Fit on the changes of the training conditions.

        Raises
        ------
        DataError
            No condition, or neither gene sets nor bulks enough for a graph of co-expression.
        """
        super().fit(training)
        parts = parts_of(training)
        if self.gene_sets is None and (n_bulks := _control_bulks(training).sum()) < FEWEST_BULKS:
            raise DataError(
                f"neither gene sets nor a graph of co-expression: {n_bulks} bulks of controls, "
                f"{FEWEST_BULKS} are needed; pass gene_sets, or bulks of fewer cells"
            )
        together = co_expression(training, self.n_neighbours)
        trained = sorted({part for those in parts for part in those})
        if self.gene_sets is None:
            names, relations = _with_others(list(training.genes), together, trained)
        else:
            names, relations = relations_of(self.gene_sets, trained, self.n_neighbours)
        self.vocabulary_ = Vocabulary(names)
        numbers = self.vocabulary_.encode(parts)
        seen = np.isin(np.arange(len(names)), numbers)
        self.reached_ = (seen[relations[0]] & (relations[1] > 0)).any(axis=1)
        self.scale_ = scale_of(training)
        with reproducible(self.seed):
            self._fit(numbers, together, relations)
        return self

    def _fit(self, numbers: np.ndarray, together, relations) -> None:
        import torch

        device = torch.device(self.device)
        self.network_ = _network(self.n_dims, together, relations).to(device)
        parts = torch.from_numpy(numbers).to(device)  # (N, 2)
        changes = torch.from_numpy(self.training_.changes / self.scale_).float().to(device)
        draw = torch.Generator().manual_seed(self.seed)
        size = min(self.batch_size, len(parts))

        def loss_of(_):
            rows = torch.randperm(len(parts), generator=draw)[:size].to(device)
            predicted, observed = self.network_(parts[rows]), changes[rows]  # (B, G)
            error = (predicted - observed).abs() ** (2 + self.focus)
            wrong = (torch.tanh(3 * predicted) - torch.sign(observed)) ** 2  # a sign with a slope
            return error.mean() + self.direction * wrong.mean()

        descend(
            self.network_,
            loss_of,
            n_steps=self.n_steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )

    def _changes(self, parts, context):
        numbers = self.vocabulary_.encode(parts)
        known = np.array(
            [(own[0] >= 0) and self.reached_[own[own >= 0]].all() for own in numbers], dtype=bool
        )
        changes = np.full((len(parts), len(self.training_.genes)), np.nan)
        if known.any():
            with reproducible(self.seed):
                import torch

                with torch.no_grad():
                    rows = torch.from_numpy(numbers[known]).to(self.device)
                    changes[known] = self.scale_ * self.network_(rows).cpu().numpy()
        return changes


def _network(n_dims: int, together, relations):
    """B conditions, G measured genes, V perturbable ones, D dimensions, k neighbours."""
    import torch
    from torch import nn

    class Neighbours(nn.Module):
        """A vector for each gene, mixed with those of its neighbours."""

        def __init__(self, index, weight):
            super().__init__()
            self.own = nn.Parameter(0.3 * torch.randn(len(index), n_dims))  # (V, D)
            self.register_buffer("index", torch.from_numpy(index))  # (V, k)
            self.register_buffer("weight", torch.from_numpy(weight).float())  # (V, k)

        def forward(self, rows):
            mixed = self.weight[rows][..., None] * self.own[self.index[rows]]  # (..., k, D)
            return mixed.sum(dim=-2)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            n_genes = len(together[0])
            self.genes, self.perturbed = Neighbours(*together), Neighbours(*relations)
            self.combine = nn.Sequential(
                nn.Linear(n_dims, 2 * n_dims), nn.ReLU(), nn.Linear(2 * n_dims, n_dims)
            )
            self.state = nn.Sequential(nn.Linear(n_dims, n_dims), nn.ReLU())
            self.by_gene = nn.Parameter(torch.randn(n_genes, n_dims) / n_dims**0.5)
            self.offset = nn.Parameter(torch.zeros(n_genes))
            self.across = nn.Sequential(nn.Linear(n_genes, n_dims), nn.ReLU())
            self.again = nn.Parameter(torch.zeros(n_genes, n_dims))

        def forward(self, parts):
            """Numbers of the parts, (B, 2), to changes, (B, G)."""
            there = (parts >= 0).float()[..., None]
            summed = (there * self.perturbed(parts.clamp(min=0))).sum(dim=1)  # (B, D)
            p = self.combine(summed)
            genes = self.genes(torch.arange(len(self.offset), device=parts.device))  # (G, D)
            state = self.state(genes[None] + p[:, None])  # (B, G, D)
            first = (state * self.by_gene).sum(dim=-1) + self.offset  # (B, G)
            return first + self.across(first) @ self.again.T

    return Network()


def co_expression(training: Training, n_neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Graph of measured genes: correlation over the bulks of training controls.

    Returns
    -------
    index, weight : ndarray of shape (n_genes, k)
        Of `strongest`; with fewer than 8 bulks of controls every gene keeps to itself.
    """
    bulks, rows = training.bulks, _control_bulks(training)
    if rows.sum() < FEWEST_BULKS:
        n_genes = len(training.genes)
        return strongest(sparse.csr_array((n_genes, n_genes)), n_neighbours)
    values = bulks.means[rows].copy()
    for context in training.controls:  # what differs between contexts is no co-expression
        own = bulks.contexts[rows] == context
        if own.any():
            values[own] -= values[own].mean(axis=0)
    norm = np.sqrt((values**2).sum(axis=0))
    values /= np.where(norm > 0, norm, 1)
    correlation = np.abs(values.T @ values)
    correlation[correlation < LEAST_CORRELATION] = 0
    return strongest(sparse.csr_array(correlation), n_neighbours)


def _control_bulks(training: Training) -> np.ndarray:
    """Which bulks are of controls, bool; none where there are no bulks."""
    return np.zeros(0, bool) if training.bulks is None else training.bulks.names == CONTROL


def relations_of(
    gene_sets: Mapping[str, Sequence[str]], trained: Sequence[str], n_neighbours: int
) -> tuple[list[str], tuple[np.ndarray, np.ndarray]]:
    """Graph of perturbable genes: the Jaccard index of the sets of two genes.

    Parameters
    ----------
    gene_sets : mapping
    trained : sequence of str
        Perturbed in training; those in no set keep to themselves.
    n_neighbours : int

    Returns
    -------
    names : list of str, sorted
    (index, weight)
        Of `strongest`.
    """
    members = [sorted(set(genes)) for genes in gene_sets.values()]
    names = sorted({gene for genes in members for gene in genes} | set(trained))
    number = {name: i for i, name in enumerate(names)}
    columns = np.repeat(np.arange(len(members)), [len(genes) for genes in members])
    rows = np.array([number[gene] for genes in members for gene in genes], dtype=int)
    member = sparse.csr_array(
        (np.ones(len(rows)), (rows, columns)), shape=(len(names), max(len(members), 1))
    )
    shared = (member @ member.T).tocoo()
    size = member.sum(axis=1)
    jaccard = shared.data / (size[shared.row] + size[shared.col] - shared.data)
    edges = sparse.csr_array((jaccard, (shared.row, shared.col)), shape=shared.shape)
    return names, strongest(edges, n_neighbours)


def strongest(edges, n_neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Each node with its strongest neighbours, weights summing to one.

    Parameters
    ----------
    edges : sparse array of shape (n, n)
        At least 0; the diagonal is not read, a node is its own neighbour with weight one.
    n_neighbours : int

    Returns
    -------
    index, weight : ndarray of shape (n, 1 + n_neighbours)
        The node itself first; places that are not needed hold it again, with weight 0.
    """
    edges = edges.tocsr()
    n = edges.shape[0]
    index = np.repeat(np.arange(n)[:, None], 1 + n_neighbours, axis=1)
    weight = np.zeros(index.shape)
    weight[:, 0] = 1
    for row in range(n):
        at = slice(edges.indptr[row], edges.indptr[row + 1])
        others, values = edges.indices[at], edges.data[at]
        kept = (others != row) & (values > 0)
        others, values = others[kept], values[kept]
        order = np.lexsort((others, -values))[:n_neighbours]
        index[row, 1 : 1 + len(order)] = others[order]
        weight[row, 1 : 1 + len(order)] = values[order]
    return index, weight / weight.sum(axis=1, keepdims=True)


def _with_others(genes: list[str], graph, trained: Sequence[str]):
    """A graph of measured genes with perturbed genes that are not measured, without neighbours."""
    index, weight = graph
    unmeasured = sorted(set(trained) - set(genes))
    n, more = len(genes), len(unmeasured)
    alone = np.repeat(np.arange(n, n + more)[:, None], index.shape[1], axis=1)
    own = np.zeros((more, index.shape[1]))
    own[:, 0] = 1
    return genes + unmeasured, (np.vstack([index, alone]), np.vstack([weight, own]))
