"""A model after SEPAL: a transformer of deltas, then a graph network that corrects it."""

from __future__ import annotations

import torch
from torch import nn

from helpers.models.spatial.histology.lesson import squared
from helpers.models.spatial.histology.patch_models import ViTDelta


class SEPAL(ViTDelta):
    """After SEPAL: stage one is the transformer on deltas; stage two keeps it fixed and adds what a
    graph network makes of its embeddings over a spot and its neighbours.

    The last layer of the graph network starts at zero, so that the second stage starts at the
    first.
    """

    def __init__(self, n_genes, side, mean, width: int = 48):
        super().__init__(n_genes, side, mean, width)
        self.where = nn.Linear(8, width)
        self.graph = nn.ModuleList([nn.Linear(width, width), nn.Linear(width, width)])
        self.correct = nn.Linear(width, n_genes)
        self.silence()

    def silence(self) -> None:
        """Set the graph network's last layer to zero."""
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)

    def parts(self):
        return ("first", "graph")

    def first_stage(self, view, rows):
        """The transformer's own prediction."""
        return self.head(self.embedding(view.image[rows]))

    def outputs(self, view, rows):
        members = torch.cat([rows[:, None], view.around[rows]], dim=1)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.training):
            unique, at = torch.unique(members, return_inverse=True)
            embedded = self.embedding(view.image[unique])
        first = self.head(embedded[at[:, 0]])
        offset = (view.place[members] - view.place[rows][:, None]).float()
        angles = torch.cat([offset, offset / 4], dim=2)
        x = embedded[at] + self.where(torch.cat([angles.sin(), angles.cos()], dim=2))
        for layer in self.graph:  # on a star every spot hears the mean of itself and the centre
            x = nn.functional.elu(layer(0.5 * (x + x.mean(dim=1, keepdim=True))))
        return first + self.correct(x.mean(dim=1))

    def loss(self, view, rows, target, weight, part):
        if part == "first":
            return squared(self.first_stage(view, rows), target, weight)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.split(".")[0] in ("where", "graph", "correct"))
        self.encode.eval()  # what is fixed has no dropout
        return squared(self.outputs(view, rows), target, weight)
