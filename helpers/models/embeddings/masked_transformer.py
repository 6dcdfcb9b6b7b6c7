"""A small masked-expression transformer: what foundation models of cells are, in one file.

A cell becomes a sentence of genes. Each token is the sum of two vectors, which gene it is and how
much of it there is. Some amounts are hidden, and the network is to tell them from the rest; labels
are never used. The vector of a token that stands for the whole cell is the embedding. Geneformer,
scGPT and their kin are this, with more layers, more cells, and other ways to write an amount.

It is here to be read and changed. It is not ranked.
"""

from __future__ import annotations

import math

import numpy as np

from helpers.data.contract import DataError
from helpers.data.genes import columns
from helpers.data.normalise import log1p_cp10k
from helpers.metrics.arrays import varies
from helpers.models.reproducible import reproducible
from helpers.store.steps import step

PEAK = 0.2  # of the steps, where the learning rate is highest


@step
def masked_transformer_fit(
    screen,
    *,
    genes: list,
    seed: int,
    n_steps: int,
    n_tokens: int = 64,
    n_dims: int = 48,
    n_heads: int = 4,
    n_layers: int = 2,
    masked_share: float = 0.25,
    batch_size: int = 64,
    learning_rate: float = 6e-3,
    n_evaluations: int = 15,
) -> dict[str, np.ndarray]:
    """Train the transformer on the cells of a screen; no label is looked at.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
    genes : list of str
        The vocabulary.
    seed : int
    n_steps : int
        Gradient steps; 0 leaves the network as it was drawn.
    n_tokens : int
        Genes of a cell that are shown in one step, drawn anew each time; at most the vocabulary.
    n_dims, n_heads, n_layers : int
        Width of all vectors (a multiple of `n_heads`), attention heads, layers.
    masked_share : float in (0, 1)
        Share of the tokens whose amount is hidden.
    batch_size : int
    learning_rate : float
        The highest.
    n_evaluations : int
        Points of the training curve.

    Returns
    -------
    dict of arrays
        `network.*`, all parameters; `genes`; `mean` and `sd` (n_genes,) of log1p CP10k, by which
        amounts are standardised; `sizes` (n_dims, n_heads, n_layers); the training curve `step`,
        `loss` and `validation_loss`: mean squared error of hidden amounts over what the genes'
        means would leave of the same, the better of both guesses. A tenth of the cells, at most
        1,000, is for validation.

    Raises
    ------
    ValueError
        An argument out of range.
    DataError
        No counts, genes that are not measured, or genes that never vary.
    """
    if n_dims % n_heads or not 0 < masked_share < 1 or n_steps < 0:
        raise ValueError(
            f"n_dims is {n_dims}, n_heads {n_heads}, masked_share {masked_share}, n_steps "
            f"{n_steps}; n_dims is a multiple of n_heads, the share lies in (0, 1), steps are "
            "at least 0"
        )
    if not 2 <= n_tokens <= len(genes):
        raise ValueError(f"n_tokens is {n_tokens}; 2 to the {len(genes)} genes of the vocabulary")
    rng = np.random.default_rng(seed)
    values = _expression(screen, genes)
    mean, sd = values.mean(axis=0), values.std(axis=0)
    if len(constant := np.flatnonzero(~varies(values))):
        raise DataError(
            f"{len(constant)} genes of the vocabulary never vary, first {genes[constant[0]]}; a "
            "hidden amount of them teaches nothing, leave them out"
        )
    order = rng.permutation(len(values))
    n_validation = min(len(values) // 10, 1_000)
    if len(values) - n_validation < batch_size:
        raise ValueError(f"{len(values)} cells are fewer than batch_size {batch_size} needs")
    with reproducible(seed):
        import torch

        data = torch.from_numpy((values - mean) / sd)[torch.from_numpy(order)]
        network = _network(len(genes), n_dims, n_heads, n_layers)
        draw = torch.Generator().manual_seed(seed)
        curve = _train(
            *(network, data[n_validation:], data[:n_validation], draw),
            *(n_steps, n_tokens, masked_share, batch_size, learning_rate, n_evaluations),
        )
    arrays = {f"network.{name}": t.numpy().copy() for name, t in network.state_dict().items()}
    sizes = np.array([n_dims, n_heads, n_layers])
    return {
        **arrays, **curve, "genes": np.array(genes), "mean": mean, "sd": sd, "sizes": sizes,
    }  # fmt: skip


@step
def masked_transformer_embedding(
    screen, fit, *, pooling: str = "cell", batch_size: int = 256
) -> np.ndarray:
    """Embed cells with nothing hidden, every gene of the vocabulary shown.

    Parameters
    ----------
    screen : AnnData of counts
        With every gene of the fit, in any order.
    fit : dict of arrays
        Of `masked_transformer_fit`.
    pooling : {"cell", "mean"}
        The vector of the cell's own token, or the mean over those of its genes.
    batch_size : int
        Cells at a time; changes nothing but memory.

    Returns
    -------
    ndarray of shape (n_cells, n_dims), float32

    Raises
    ------
    ValueError
        Another pooling.
    DataError
        Genes of the fit are not measured, or the screen holds no counts.
    """
    if pooling not in ("cell", "mean"):
        raise ValueError(f"pooling is {pooling!r}; choose from cell, mean")
    values = (_expression(screen, fit["genes"]) - fit["mean"]) / fit["sd"]
    with reproducible(0):
        import torch

        network = _network(len(fit["genes"]), *(int(n) for n in fit["sizes"]))
        network.load_state_dict(
            {
                name.removeprefix("network."): torch.from_numpy(array)
                for name, array in fit.items()
                if name.startswith("network.")
            }
        )
        network.eval()
        gene = torch.arange(values.shape[1])[None]  # (1, G)
        parts = []
        with torch.no_grad():
            for start in range(0, len(values), batch_size):
                value = torch.from_numpy(values[start : start + batch_size])  # (B, G)
                tokens = network(gene.expand(len(value), -1), value, torch.zeros_like(value))
                parts.append(tokens[:, 0] if pooling == "cell" else tokens[:, 1:].mean(dim=1))
        return torch.cat(parts).numpy()


def _network(n_genes: int, n_dims: int, n_heads: int, n_layers: int):
    """The transformer. B cells, T gene tokens, D dimensions, H heads of d = D / H."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Layer(nn.Module):
        """Attention, in which tokens look at each other; then each thinks for itself."""

        def __init__(self):
            super().__init__()
            self.norm_1, self.norm_2 = nn.LayerNorm(n_dims), nn.LayerNorm(n_dims)
            self.qkv = nn.Linear(n_dims, 3 * n_dims)
            self.out = nn.Linear(n_dims, n_dims)
            self.mlp = nn.Sequential(
                nn.Linear(n_dims, 4 * n_dims), nn.GELU(), nn.Linear(4 * n_dims, n_dims)
            )

        def forward(self, x):
            B, T, D = x.shape
            q, k, v = (  # each (B, H, T, d)
                part.view(B, T, n_heads, D // n_heads).transpose(1, 2)
                for part in self.qkv(self.norm_1(x)).chunk(3, dim=-1)
            )
            seen = F.scaled_dot_product_attention(q, k, v)  # (B, H, T, d)
            x = x + self.out(seen.transpose(1, 2).reshape(B, T, D))
            return x + self.mlp(self.norm_2(x))  # (B, T, D)

    class MaskedTransformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.gene = nn.Embedding(n_genes, n_dims)  # which gene
            self.amount = nn.Sequential(  # how much of it, and whether that is hidden
                nn.Linear(2, n_dims), nn.GELU(), nn.Linear(n_dims, n_dims)
            )
            self.cell = nn.Parameter(0.02 * torch.randn(1, 1, n_dims))  # the cell's own token
            self.layers = nn.Sequential(*(Layer() for _ in range(n_layers)))
            self.norm = nn.LayerNorm(n_dims)
            # The amount of a gene is read from its token, and from the cell's: what the tokens
            # know together must pass through the one vector that becomes the embedding.
            self.by_token = nn.Linear(n_dims, 1)
            self.by_cell = nn.Embedding(n_genes, n_dims)
            # Small at first, so that the amount is not drowned by the name of the gene, and so
            # that predictions start at the mean.
            nn.init.normal_(self.gene.weight, std=0.2)
            nn.init.normal_(self.by_cell.weight, std=0.2)

        def forward(self, gene, value, hidden):
            """Genes, standardised amounts and 1 where hidden, each (B, T); out (B, 1 + T, D)."""
            amount = self.amount(torch.stack([value * (1 - hidden), hidden], dim=-1))  # (B, T, D)
            tokens = self.gene(gene) + amount
            tokens = torch.cat([self.cell.expand(len(gene), -1, -1), tokens], dim=1)
            return self.norm(self.layers(tokens))

        def predict(self, tokens, gene):
            """Two predictions of the amounts of genes (B, T): by their tokens, by the cell's."""
            by_token = self.by_token(tokens[:, 1:])[..., 0]  # (B, T)
            by_cell = (self.by_cell(gene) * tokens[:, :1]).sum(dim=-1) / math.sqrt(n_dims)
            return by_token, by_cell

    return MaskedTransformer()


def _train(
    network, training, validation, draw, n_steps, n_tokens, share, batch_size, rate, n_points
):
    """The loop: hide, predict, compare; returns the training curve."""
    import torch

    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01, fused=True)
    points = set(np.linspace(0, n_steps, n_points + 1).astype(int)[1:].tolist())
    curve, recent = {"step": [], "loss": [], "validation_loss": []}, []

    def loss_of(cells, generator):
        n, n_genes = cells.shape
        gene = torch.rand(n, n_genes, generator=generator).argsort(dim=1)[:, :n_tokens]  # (B, T)
        value = cells.gather(1, gene)
        hidden = (torch.rand(n, n_tokens, generator=generator) < share).float()
        hidden[:, 0] = 1.0  # at least one
        predictions = network.predict(network(gene, value, hidden), gene)
        errors = [((p - value) ** 2 * hidden).sum() / hidden.sum() for p in predictions]
        by_mean = (value**2 * hidden).sum() / hidden.sum()
        return sum(errors), min(float(e.detach()) for e in errors) / float(by_mean)

    for number in range(1, n_steps + 1):
        share_done = number / n_steps
        up = min(share_done / PEAK, 1.0)
        down = (1 + math.cos(math.pi * max(0.0, (share_done - PEAK) / (1 - PEAK)))) / 2
        optimiser.param_groups[0]["lr"] = rate * up * down
        rows = torch.randint(len(training), (batch_size,), generator=draw)
        loss, error = loss_of(training[rows], draw)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        recent.append(error)
        if number in points:
            with torch.no_grad():
                # The same genes are hidden at each point, so that points differ by learning only.
                _, held_out = loss_of(validation, torch.Generator().manual_seed(0))
            for name, value in (
                ("step", number), ("loss", np.mean(recent)), ("validation_loss", held_out),
            ):  # fmt: skip
                curve[name].append(value)
            recent = []
    return {name: np.array(values, dtype=float) for name, values in curve.items()}


def _expression(screen, genes) -> np.ndarray:
    """log1p CP10k of the genes, dense float32, shape (n_cells, n_genes)."""
    X = log1p_cp10k(screen).X[:, columns(screen, genes)]
    return np.asarray(X.todense() if hasattr(X, "todense") else X, dtype=np.float32)
