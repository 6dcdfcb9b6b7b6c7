"""A model after BLEEP: windows and expression in one space, and the mean of what lies near."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from helpers.models.spatial.histology.lesson import Small

NEAREST = 20


class Projection(nn.Module):
    """A linear map with a residual block and a norm."""

    def __init__(self, n_in: int, width: int):
        super().__init__()
        self.first, self.second = nn.Linear(n_in, width), nn.Linear(width, width)
        self.drop, self.norm = nn.Dropout(0.1), nn.LayerNorm(width)

    def forward(self, x):
        x = self.first(x)
        return self.norm(x + self.drop(self.second(F.gelu(x))))


class BLEEP(Small):
    """After BLEEP: contrastive pairs of window and expression; the prediction is the mean of the
    expression of the twenty training spots that lie nearest to the window.

    An entry that is not learned from stands at the mean of its gene, in both.
    """

    centred = True
    exemplar_power = 2

    def __init__(self, n_genes, side, mean, width: int = 48):
        super().__init__(n_genes, side, mean)
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )  # fmt: skip
        self.of_image, self.of_genes = Projection(128, width), Projection(n_genes, width)

    def reading(self, view, rows):
        return F.normalize(self.of_image(self.body(view.image[rows])), dim=1)

    def outputs(self, view, rows):
        asked = self.reading(view, rows)
        known = F.normalize(self.of_genes(view.memory.value), dim=1)
        near = (asked @ known.T).topk(min(NEAREST, len(known)), dim=1).indices
        return view.memory.value[near].mean(dim=1)

    def loss(self, view, rows, target, weight, part):
        image = self.of_image(self.body(view.image[rows]))
        genes = self.of_genes(target * weight)
        logits = genes @ image.T
        alike = torch.softmax((image @ image.T + genes @ genes.T) / 2, dim=1).detach()
        one = -(alike * F.log_softmax(logits, dim=1)).sum(dim=1)
        other = -(alike.T * F.log_softmax(logits.T, dim=1)).sum(dim=1)
        return ((one + other) / 2).mean()
