"""A masked transformer with a perturbation token, after scGPT.

Kept of scGPT: a gene is a token, the sum of a vector for the gene and one for its amount in a
control; what is perturbed is said by a flag on the vector of its gene, so that a gene that nobody
perturbed has a vector too, learned from how it responds; attention lets tokens look at each other;
amounts after the perturbation are read from the tokens and, once more, from the perturbation's by
asking with the vector of a gene; each step shows a sample of the genes and hides some amounts,
which are guessed from the rest.

Left out: millions of cells to learn from first, and all weights that come from there; bins of
amounts; single cells (bulks of some). The perturbed gene is always shown, as a token of its own,
also where it is not measured. Nothing follows for scGPT.
"""

import numpy as np

from helpers.data.contract import CONTROL
from helpers.models.effects.deep_parts import (
    MOST_PARTS,
    Vocabulary,
    bulks_of,
    descend,
    parts_of,
    scale_of,
)
from helpers.models.effects.training import EffectModel, Training
from helpers.models.reproducible import reproducible

MOST_TOKENS = 128  # genes of a step: attention costs their square
_AT_ONCE = 16  # conditions of a prediction


class PerturbationTransformer(EffectModel):
    """Transformer from the amounts of a control and a perturbation to the change of each gene.

    A perturbation that was neither trained nor is a measured gene has no vector, and no prediction.

    Parameters
    ----------
    n_dims, n_heads, n_layers : int
        Width (a multiple of the heads), attention heads, layers.
    n_tokens : int
        Genes that one step shows, at most 128.
    masked_share : float in [0, 1)
        Of the amounts that are shown, those that are hidden and guessed.
    n_steps, batch_size : int
    learning_rate, weight_decay : float
    seed : int
    device : str
        Of torch.

    Raises
    ------
    ValueError
        In `fit`: a parameter out of range.

    References
    ----------
    Cui et al. 2024, Nature Methods 21; bowang-lab/scGPT, model/generation_model.py.
    """

    def __init__(
        self,
        n_dims: int = 32,
        n_heads: int = 4,
        n_layers: int = 1,
        n_tokens: int = 32,
        masked_share: float = 0.15,
        n_steps: int = 300,
        batch_size: int = 16,
        learning_rate: float = 1e-2,
        weight_decay: float = 1e-3,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.n_dims = n_dims
        self.n_heads = n_heads
        self.n_layers = n_layers
        self.n_tokens = n_tokens
        self.masked_share = masked_share
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.seed = seed
        self.device = device

    def fit(self, training: Training) -> "PerturbationTransformer":
        """Fit on the changes of the training conditions, from bulks of their controls.

        Raises
        ------
        DataError
            No condition to learn from.
        ValueError
            More than 128 tokens, heads that do not divide the width, a share out of range.
        """
        if (
            self.n_dims % self.n_heads
            or not 0 <= self.masked_share < 1
            or not 1 <= self.n_tokens <= MOST_TOKENS
        ):
            raise ValueError(
                f"n_dims is {self.n_dims}, n_heads {self.n_heads}, masked_share "
                f"{self.masked_share}, n_tokens {self.n_tokens}; n_dims is a multiple of n_heads, "
                f"the share lies in [0, 1), tokens are 1 to {MOST_TOKENS}"
            )
        super().fit(training)
        parts = parts_of(training)
        measured = list(training.genes.astype(str))
        others = sorted({part for those in parts for part in those} - set(measured))
        self.vocabulary_ = Vocabulary(measured + others)
        self.scale_ = scale_of(training)
        self._controls(training)
        with reproducible(self.seed):
            self._fit(self.vocabulary_.encode(parts))
        return self

    def _controls(self, training: Training) -> None:
        """Amounts of control bulks, standardised by gene within their context."""
        bulks = bulks_of(training)
        bare = bulks.names == CONTROL
        self.amounts_ = {}
        for context, mean in training.controls.items():
            amounts = bulks.means[bare & (bulks.contexts == context)] - mean
            sd = amounts.std(axis=0)
            self.amounts_[context] = (amounts / np.where(sd > 1e-8, sd, 1)).astype(np.float32)

    def _fit(self, numbers: np.ndarray) -> None:
        import torch

        device = torch.device(self.device)
        n_genes = len(self.training_.genes)
        self.network_ = _network(
            n_genes, len(self.vocabulary_.genes), self.n_dims, self.n_heads, self.n_layers
        ).to(device)
        parts = torch.from_numpy(numbers).to(device)
        changes = torch.from_numpy(self.training_.changes / self.scale_).float().to(device)
        amounts = {c: torch.from_numpy(a).to(device) for c, a in self.amounts_.items()}
        contexts = self.training_.contexts
        draw = torch.Generator().manual_seed(self.seed)
        size, n_tokens = min(self.batch_size, len(parts)), min(self.n_tokens, n_genes)

        def loss_of(_):
            rows = torch.randperm(len(parts), generator=draw)[:size]
            gene = torch.randperm(n_genes, generator=draw)[:n_tokens].to(device)  # (T,)
            drawn = torch.rand(size, generator=draw)
            value = torch.stack(
                [
                    amounts[contexts[row]][int(u * len(amounts[contexts[row]]))]
                    for row, u in zip(rows.tolist(), drawn.tolist(), strict=True)
                ]
            )[:, gene]  # (B, T)
            hidden = (torch.rand(size, n_tokens, generator=draw) < self.masked_share).to(device)
            rows = rows.to(device)
            change, told, guess = self.network_(parts[rows], gene, value, hidden.float())
            error = ((change - changes[rows][:, gene]) ** 2).mean()
            told_error = ((told - changes[rows]) ** 2).mean()  # of all genes, shown or not
            hidden_error = ((guess - value) ** 2 * hidden).sum() / hidden.sum().clamp(min=1)
            return error + told_error + 0.1 * hidden_error

        descend(
            self.network_,
            loss_of,
            n_steps=self.n_steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )

    def _changes(self, parts, context):
        numbers = self.vocabulary_.encode(parts)
        known = np.flatnonzero(numbers[:, 0] >= 0)
        n_genes = len(self.training_.genes)
        changes = np.full((len(parts), n_genes), np.nan)
        only = next(iter(self.amounts_)) if context is None else context
        with reproducible(self.seed):
            import torch

            # An average control: every amount at its mean. Genes are shown in the same groups as
            # in training, so that a token has as many others to look at.
            n_groups = -(-n_genes // min(self.n_tokens, n_genes))
            order = np.random.default_rng(self.seed).permutation(n_genes)
            value = torch.from_numpy(self.amounts_[only].mean(axis=0)).to(self.device)
            with torch.no_grad():
                for rows in np.array_split(known, max(1, -(-len(known) // _AT_ONCE))):
                    those = torch.from_numpy(numbers[rows]).to(self.device)
                    for group in np.array_split(order, n_groups):
                        gene = torch.from_numpy(group).to(self.device)
                        shown = value[gene].expand(len(rows), -1)
                        change, _, _ = self.network_(those, gene, shown, torch.zeros_like(shown))
                        changes[np.ix_(rows, group)] = self.scale_ * change.cpu().numpy()
        return changes


def _network(n_genes: int, n_vocabulary: int, n_dims: int, n_heads: int, n_layers: int):
    """B conditions, G genes of which T are shown, D dimensions, H heads of d = D / H."""
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
                nn.Linear(n_dims, 2 * n_dims), nn.GELU(), nn.Linear(2 * n_dims, n_dims)
            )

        def forward(self, x, seen):
            B, T, D = x.shape
            q, k, v = (  # each (B, H, T, d)
                part.view(B, T, n_heads, D // n_heads).transpose(1, 2)
                for part in self.qkv(self.norm_1(x)).chunk(3, dim=-1)
            )
            looked = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
            x = x + self.out(looked.transpose(1, 2).reshape(B, T, D))
            return x + self.mlp(self.norm_2(x))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.gene = nn.Embedding(n_vocabulary, n_dims)  # measured genes first
            self.flag = nn.Parameter(0.3 * torch.randn(n_dims))
            self.amount = nn.Linear(2, n_dims)
            self.layers = nn.ModuleList(Layer() for _ in range(n_layers))
            self.norm = nn.LayerNorm(n_dims)
            self.by_gene = nn.Embedding(n_genes, n_dims)  # reads a gene's own token
            self.asks = nn.Linear(n_dims, n_dims)  # what a gene asks the perturbation
            self.guess = nn.Linear(n_dims, 1)
            nn.init.normal_(self.gene.weight, std=0.5)
            nn.init.normal_(self.by_gene.weight, std=0.1)
            nn.init.normal_(self.asks.weight, std=0.1)

        def forward(self, parts, gene, value, hidden):
            """Parts (B, 2), genes (T,), amounts and 1 where hidden (B, T) to changes.

            Returns those of the genes that are shown (B, T); of all genes (B, G), as far as the
            token of the perturbation tells; and guesses of the amounts (B, T).
            """
            there = parts >= 0
            perturbed = self.gene(parts.clamp(min=0)) + self.flag  # (B, 2, D)
            amount = self.amount(torch.stack([value * (1 - hidden), hidden], dim=-1))
            x = torch.cat([perturbed, self.gene(gene)[None] + amount], dim=1)  # (B, 2 + T, D)
            seen = F.pad(there, (0, len(gene)), value=True)[:, None, None]  # (B, 1, 1, 2 + T)
            for layer in self.layers:
                x = layer(x, seen)
            x = self.norm(x)
            own, tokens = x[:, :MOST_PARTS], x[:, MOST_PARTS:]
            own = (own * there[..., None]).sum(dim=1) / there.sum(dim=1, keepdim=True).clamp(min=1)
            told = own @ self.asks(self.gene.weight[:n_genes]).T  # (B, G)
            change = (tokens * self.by_gene(gene)).sum(dim=-1) + told[:, gene]
            return change, told, self.guess(tokens)[..., 0]

    return Network()
