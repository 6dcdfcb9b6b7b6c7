"""Models that read all windows of a slide as one sequence: after HisToGene, after Hist2ST."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from helpers.models.spatial.histology.lesson import Small, squared, turned
from helpers.models.spatial.histology.patch_models import encoder

MOST = 128  # rows and columns of an array that have an embedding


class Places(nn.Module):
    """Learned embeddings of the row and the column in the array."""

    def __init__(self, width: int):
        super().__init__()
        self.row, self.column = nn.Embedding(MOST, width), nn.Embedding(MOST, width)

    def forward(self, place):
        place = place.clamp(max=MOST - 1)
        return self.row(place[:, 0]) + self.column(place[:, 1])


class HisToGene(Small):
    """After HisToGene: a linear embedding of each window, of its row and column; all spots of a
    slide attend to one another."""

    whole = "slide"

    def __init__(self, n_genes, side, mean, width: int = 64):
        super().__init__(n_genes, side, mean)
        self.pool = nn.AdaptiveAvgPool2d(8)
        self.read = nn.Linear(3 * 64, width)
        self.places = Places(width)
        self.encode = encoder(width, 2)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_genes)

    def outputs(self, view, rows):
        tokens = self.read(self.pool(view.image[rows]).flatten(1)) + self.places(view.place[rows])
        return self.head(self.norm(self.encode(tokens[None])[0]))


class Hist2ST(Small):
    """After Hist2ST: a convolution mixer of each window, a transformer over a tile of the slide,
    graph layers over its neighbours, a second head for counts, and distillation of its own mean.

    The counts are read off the target scale: 2 ** value - 1, in thousandths of a million.
    """

    whole = "tile"

    def __init__(self, n_genes, side, mean, width: int = 64):
        super().__init__(n_genes, side, mean)
        self.stem = nn.Conv2d(3, width, 4, stride=4)
        self.mix = nn.Sequential(
            nn.GELU(), nn.BatchNorm2d(width),
            nn.Conv2d(width, width, 3, padding=1, groups=width), nn.GELU(), nn.BatchNorm2d(width),
        )  # fmt: skip
        self.places = Places(width)
        self.encode = encoder(width, 1)
        self.graph = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(2))
        self.jump = nn.LSTM(width, width, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_genes)
        self.count = nn.Linear(width, 3 * n_genes)

    def embedding(self, view, rows, image):
        x = self.stem(image)
        x = (x + self.mix(x)).mean(dim=(2, 3)) + self.places(view.place[rows])
        x = self.encode(x[None])[0]
        local = torch.full((len(view.image),), -1)
        local[rows] = torch.arange(len(rows))
        around = local[view.around[rows]]  # neighbours in other tiles are not seen
        there = (around >= 0).float()[..., None]
        layers = [x]
        for layer in self.graph:
            near = (x[around.clamp(min=0)] * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
            x = torch.relu(layer(torch.cat([x, near], dim=1)))
            layers.append(x)
        return self.norm(self.jump(torch.stack(layers, dim=1))[0][:, -1])

    def outputs(self, view, rows):
        return self.head(self.embedding(view, rows, view.image[rows]))

    def loss(self, view, rows, target, weight, part):
        image = view.image[rows]
        h = self.embedding(view, rows, image)
        found = self.head(h)
        again = [
            self.head(self.embedding(view, rows, turned(image, int(torch.randint(1, 8, ())))))
            for _ in range(2)
        ]
        votes = torch.stack(again)
        taught = (torch.softmax(votes, dim=0) * votes).sum(dim=0)
        counts = (torch.exp2(target.clamp(0, 16)) - 1) / 1000
        nll = zinb(counts, *self.count(h).chunk(3, dim=1))
        nll = (weight * nll).sum() / weight.sum().clamp(min=1)
        return squared(found, target, weight) + 0.25 * nll + 0.5 * ((taught - found) ** 2).mean()


def zinb(counts, log_mean, log_size, logit) -> torch.Tensor:
    """Negative log-likelihood of counts under a negative binomial with extra zeros."""
    mean, size = F.softplus(log_mean) + 1e-4, F.softplus(log_size) + 1e-2
    log_nb = (
        torch.lgamma(counts + size) - torch.lgamma(size) - torch.lgamma(counts + 1)
        + size * torch.log(size / (size + mean)) + counts * torch.log(mean / (size + mean))
    )  # fmt: skip
    zero = torch.logaddexp(F.logsigmoid(logit), F.logsigmoid(-logit) + log_nb)
    return -torch.where(counts < 1e-6, zero, F.logsigmoid(-logit) + log_nb)
