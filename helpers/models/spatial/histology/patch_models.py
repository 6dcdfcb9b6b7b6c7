"""Models of one window: a CNN after ShuffleNet, one after ST-Net, a transformer with and without
deltas."""

from __future__ import annotations

import torch
from torch import nn

from helpers.models.spatial.histology.lesson import Small, turned


class ShuffleUnit(nn.Module):
    """Half of the channels pass; the other half is mixed; then channels are shuffled."""

    def __init__(self, width: int):
        super().__init__()
        half = width // 2
        self.mix = nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False), nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x):
        passed, mixed = x.chunk(2, dim=1)
        both = torch.stack([passed, self.mix(mixed)], dim=2)
        return both.flatten(1, 2)


class ShuffleNet(Small):
    """CNN, after ShuffleNet: shuffled channel groups, augmented by flips and turns."""

    def __init__(self, n_genes, side, mean, width: int = 24):
        super().__init__(n_genes, side, mean)
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
            ShuffleUnit(width), ShuffleUnit(width), nn.Conv2d(width, 2 * width, 3, stride=2),
            nn.BatchNorm2d(2 * width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(2 * width, n_genes)

    def outputs(self, view, rows):
        image = view.image[rows]
        if self.training:
            image = turned(image, int(torch.randint(8, ())))
        return self.head(self.body(image))


class DenseLayer(nn.Module):
    """What it makes is joined to what it was given."""

    def __init__(self, width: int, growth: int):
        super().__init__()
        self.make = nn.Sequential(
            nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, growth, 3, padding=1, bias=False)
        )

    def forward(self, x):
        return torch.cat([x, self.make(x)], dim=1)


class STNet(Small):
    """CNN, after ST-Net: a dense block, a head that starts at the mean of each gene, the mean of
    eight symmetries when it predicts."""

    def __init__(self, n_genes, side, mean, growth: int = 8):
        super().__init__(n_genes, side, mean)
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            DenseLayer(16, growth), DenseLayer(16 + growth, growth), nn.AvgPool2d(2),
            DenseLayer(16 + 2 * growth, growth), nn.BatchNorm2d(16 + 3 * growth), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(16 + 3 * growth, n_genes)
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            self.head.bias.copy_(mean)

    def outputs(self, view, rows):
        image = view.image[rows]
        if self.training:
            return self.head(self.body(turned(image, int(torch.randint(8, ())))))
        eight = [self.head(self.body(turned(image, s))) for s in range(8)]
        return torch.stack(eight).mean(dim=0)


class Tokens(nn.Module):
    """A window cut into squares of four pixels, each a token that knows its place."""

    def __init__(self, side: int, width: int):
        super().__init__()
        self.cut = nn.Conv2d(3, width, 4, stride=4)
        self.place = nn.Parameter(0.02 * torch.randn((side // 4) ** 2, width))

    def forward(self, image):
        return self.cut(image).flatten(2).transpose(1, 2) + self.place


def encoder(width: int, n_layers: int, n_heads: int = 4) -> nn.TransformerEncoder:
    """A transformer whose first axis is the batch."""
    layer = nn.TransformerEncoderLayer(
        width, n_heads, 2 * width, dropout=0.1, batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)


class ViT(Small):
    """Transformer, after ViT-B/16: squares of the window attend to one another."""

    def __init__(self, n_genes, side, mean, width: int = 48):
        super().__init__(n_genes, side, mean)
        self.tokens = Tokens(side, width)
        self.encode = encoder(width, 2)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, n_genes)

    def embedding(self, image):
        """One vector a window."""
        return self.norm(self.encode(self.tokens(image)).mean(dim=1))

    def outputs(self, view, rows):
        return self.head(self.embedding(view.image[rows]))


class ViTDelta(ViT):
    """The same transformer, trained on deltas to the training mean of each gene."""

    centred = True
