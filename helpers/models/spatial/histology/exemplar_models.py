"""Models that look up the expression of similar training windows: after EGN, after EGGN."""

from __future__ import annotations

import torch
from torch import nn

from helpers.models.spatial.histology.lesson import Small, with_correlation
from helpers.models.spatial.histology.patch_models import Tokens, encoder


def looked_up(view, rows) -> torch.Tensor:
    """Frozen features and expression of each spot's exemplars: (n, exemplars, features + genes)."""
    chosen = view.exemplars[rows]
    return torch.cat([view.memory.key[chosen], view.memory.value[chosen]], dim=2)


class EGN(Small):
    """After EGN: tokens of a window attend to its six exemplars, expression included, between two
    layers of a transformer."""

    exemplar_power = 2

    def __init__(self, n_genes, side, mean, width: int = 48, n_features: int = 51):
        super().__init__(n_genes, side, mean)
        self.tokens = Tokens(side, width)
        self.first, self.second = encoder(width, 1), encoder(width, 1)
        self.read = nn.Linear(n_features + n_genes, width)
        self.bridge = nn.MultiheadAttention(width, 4, batch_first=True)
        self.query = nn.Linear(n_features, width)
        self.norm = nn.LayerNorm(2 * width)
        self.head = nn.Linear(2 * width, n_genes)

    def outputs(self, view, rows):
        x = self.first(self.tokens(view.image[rows]))
        exemplars = self.read(looked_up(view, rows))
        query = self.query(view.key[rows])[:, None]
        x = torch.cat([query, x], dim=1)
        x = self.second(x + self.bridge(x, exemplars, exemplars, need_weights=False)[0])
        pooled = torch.cat([x[:, 0], x[:, 1:].mean(dim=1)], dim=1)
        return self.head(self.norm(pooled))

    def loss(self, view, rows, target, weight, part):
        return with_correlation(self.outputs(view, rows), target, weight)


class EGGN(Small):
    """After EGGN: a graph of windows and exemplars; two rounds of messages from the neighbours on
    the slide and from the six exemplars, expression included."""

    whole = "slide"
    exemplar_power = 1

    def __init__(self, n_genes, side, mean, width: int = 64, n_features: int = 51):
        super().__init__(n_genes, side, mean)
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, width, 4, stride=4),
            nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.read = nn.Linear(n_features + n_genes, width)
        self.own = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.near = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.shown = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_genes)

    def outputs(self, view, rows):
        x = torch.zeros(len(view.image), self.head.in_features)
        x = x.index_copy(0, rows, self.body(view.image[rows]))
        exemplars = torch.relu(self.read(looked_up(view, rows))).mean(dim=1)
        for own, near, shown in zip(self.own, self.near, self.shown, strict=True):
            message = near(x[view.around[rows]].mean(dim=1)) + shown(exemplars)
            x = x.index_copy(0, rows, nn.functional.leaky_relu(own(x[rows]) + message, 0.2))
        return self.head(self.norm(x[rows]))

    def loss(self, view, rows, target, weight, part):
        return with_correlation(self.outputs(view, rows), target, weight)
