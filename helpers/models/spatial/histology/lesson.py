"""What small models look at and learn from: windows, places, neighbours, exemplars, expression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from helpers.data.errors import DataError
from helpers.data.spatial.geometry import by_slide, nearest

N_EXEMPLARS = 6


@dataclass(frozen=True)
class Spots:
    """Spots of whole slides.

    Parameters
    ----------
    patches : array of uint8, shape (n_spots, side, side, 3)
    slide : array of str
    array : array of shape (n_spots, 2)
        Row and column in the array.
    places : array of shape (n_spots, 2)
    """

    patches: np.ndarray
    slide: np.ndarray
    array: np.ndarray
    places: np.ndarray

    def __post_init__(self) -> None:
        shape = np.shape(self.patches)
        if len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
            raise DataError(f"windows have the shape {shape}; it is spots, side, side, 3")
        if self.patches.dtype != np.uint8:
            raise DataError(f"windows are {self.patches.dtype}; they are bytes, 0 to 255")
        if shape[0] != len(self.slide):
            raise DataError(f"{shape[0]} windows are given for {len(self.slide)} spots")

    def rows(self, chosen) -> Spots:
        """Some of the spots."""
        return Spots(
            self.patches[chosen], self.slide[chosen], self.array[chosen], self.places[chosen]
        )


@dataclass(frozen=True)
class Memory:
    """Training spots whose expression some models look up.

    Parameters
    ----------
    key : tensor of shape (n_train, n_features)
    value : tensor of shape (n_train, n_genes)
        Less the mean of each gene; what is not learned from is zero.
    slide : array of str
    """

    key: torch.Tensor
    value: torch.Tensor
    slide: np.ndarray


@dataclass(frozen=True)
class View:
    """Spots as tensors, with what is around each.

    Parameters
    ----------
    image : tensor of shape (n_spots, 3, side, side)
        Optical density, about 0 to 2.
    place : tensor of int, shape (n_spots, 2)
        Row and column in the array, from 0 on each slide.
    around : tensor of int, shape (n_spots, k)
        Nearest spots of the own slide; a spot that has fewer is its own neighbour.
    tile : tensor of int
        Quarter of a slide that a spot lies in.
    slides : list of tensor
        Rows of each slide.
    key : tensor of shape (n_spots, n_features)
        Of frozen features, by which exemplars are found.
    exemplars : tensor of int, shape (n_spots, `N_EXEMPLARS`)
        Training spots with the nearest key.
    memory : Memory, or None before there is one
    """

    image: torch.Tensor
    place: torch.Tensor
    around: torch.Tensor
    tile: torch.Tensor
    slides: list
    key: torch.Tensor
    exemplars: torch.Tensor | None = None
    memory: Memory | None = None


def frozen_features(patches) -> np.ndarray:
    """A window's optical density in four by four parts: features that nothing has trained."""
    from helpers.data.spatial.patches import optical_density

    n, side = len(patches), patches.shape[1]
    step = side // 4
    density = optical_density(patches).reshape(n, 4, step, 4, step, 3)
    mean, spread = density.mean(axis=(2, 4)), density.std(axis=(1, 2, 3, 4))
    return np.concatenate([mean.reshape(n, -1), 4 * spread], axis=1).astype(np.float32)


def view_of(spots: Spots, *, n_around: int = 4) -> View:
    """Spots as tensors.

    Raises
    ------
    DataError
        Windows whose side is no multiple of four.
    """
    from helpers.data.spatial.patches import optical_density

    side = spots.patches.shape[1]
    if side % 4:
        raise DataError(f"windows have {side} pixels a side; it is a multiple of 4")
    density = optical_density(spots.patches).transpose(0, 3, 1, 2)
    place = np.empty((len(spots.slide), 2), dtype=np.int64)
    around = np.tile(np.arange(len(spots.slide))[:, None], (1, n_around))
    tile = np.empty(len(spots.slide), dtype=np.int64)
    groups = by_slide(spots.slide)
    for rows in groups.values():
        own = np.round(spots.array[rows] - spots.array[rows].min(axis=0)).astype(np.int64)
        place[rows] = own
        upper = own > np.median(own, axis=0)
        tile[rows] = 2 * upper[:, 0] + upper[:, 1]
        k = min(n_around, len(rows) - 1)
        if k > 0:
            around[rows, :k] = rows[nearest(spots.places[rows], k)]
    return View(
        image=torch.from_numpy(np.ascontiguousarray(density)),
        place=torch.from_numpy(place),
        around=torch.from_numpy(around),
        tile=torch.from_numpy(tile),
        slides=[torch.from_numpy(rows) for rows in groups.values()],
        key=torch.from_numpy(frozen_features(spots.patches)),
    )


def nearest_exemplars(key, slide, memory: Memory, *, power: int) -> torch.Tensor:
    """Training spots with the nearest frozen features, none of them of the own slide.

    Parameters
    ----------
    key : tensor of shape (n_spots, n_features)
    slide : array of str
    memory : Memory
    power : {1, 2}
        Of the distance: L1 or L2.

    Raises
    ------
    DataError
        All training spots are of the own slide.
    """
    distance = torch.cdist(key, memory.key, p=float(power))
    own = torch.from_numpy(np.asarray(slide)[:, None] == memory.slide[None, :])
    if bool(own.all(dim=1).any()):
        raise DataError(
            "exemplars of a spot would be of its own slide: at least two training slides are "
            "needed, and no slide that is scored among them"
        )
    distance = distance.masked_fill(own, torch.inf)
    k = min(N_EXEMPLARS, int((~own).sum(dim=1).min()))
    return distance.topk(k, dim=1, largest=False).indices


class Small(nn.Module):
    """What all small models share: windows in, expression out, a squared error of chosen entries.

    A model says in `outputs` what it predicts of some rows of a view, whose other rows it may look
    at; `whole` is whether it takes a whole slide at a time.
    """

    whole = "patch"  # patch, slide or tile
    centred = False  # whether it predicts deltas to the mean of each gene
    exemplar_power = 0  # of the distance by which exemplars are found; 0: none

    def __init__(self, n_genes: int, side: int, mean: torch.Tensor):
        super().__init__()
        self.n_genes, self.side = n_genes, side
        self.register_buffer("mean", mean)

    def outputs(self, view: View, rows: torch.Tensor) -> torch.Tensor:
        """Predicted expression of rows of a view."""
        raise NotImplementedError

    def reading(self, view: View, rows: torch.Tensor) -> torch.Tensor:
        """What a prediction follows smoothly: itself, unless it is looked up."""
        return self.outputs(view, rows)

    def parts(self) -> tuple[str, ...]:
        """Stages that are trained one after the other, each for its share of the steps."""
        return ("all",)

    def loss(self, view: View, rows, target, weight, part: str) -> torch.Tensor:
        """Squared error over the chosen entries."""
        return squared(self.outputs(view, rows), target, weight)


def squared(found, target, weight) -> torch.Tensor:
    """Mean squared error over entries with weight one."""
    return (weight * (found - target) ** 2).sum() / weight.sum().clamp(min=1)


def with_correlation(found, target, weight) -> torch.Tensor:
    """Squared error plus half of one minus the mean correlation of genes, as EGN is trained."""
    n = weight.sum(dim=0).clamp(min=1)
    x = weight * (found - (weight * found).sum(dim=0) / n)
    y = weight * (target - (weight * target).sum(dim=0) / n)
    r = (x * y).sum(dim=0) / ((x**2).sum(dim=0) * (y**2).sum(dim=0) + 1e-6).sqrt()
    return squared(found, target, weight) + 0.5 * (1 - r.mean())


def turned(image: torch.Tensor, symmetry: int) -> torch.Tensor:
    """One of the eight symmetries of a square window."""
    image = torch.rot90(image, symmetry % 4, (2, 3))
    return image.flip(3) if symmetry >= 4 else image
