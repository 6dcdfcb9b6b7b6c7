"""What a small model has to beat: means, oracles, one feature, and ridges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.data.errors import DataError
from helpers.data.spatial.geometry import by_slide
from helpers.data.spatial.patches import features_of, nuclei, standardised
from helpers.models.spatial.histology import ridge
from helpers.models.spatial.histology.lesson import Spots, frozen_features

N_COMPONENTS = 16


@dataclass(frozen=True)
class Task:
    """Training and test spots of a baseline.

    Parameters
    ----------
    spots : Spots
    target : array of shape (n_spots, n_genes)
    weight : array of bool, the same shape
        Entries that are learned from.
    train, test : arrays of bool, of spots
    truth : array of shape (n_spots, n_genes)
        What oracles look at.
    measured : array of bool, the same shape
    depth : array of shape (n_spots,)
        Counts.
    """

    spots: Spots
    target: np.ndarray
    weight: np.ndarray
    train: np.ndarray
    test: np.ndarray
    truth: np.ndarray
    measured: np.ndarray
    depth: np.ndarray


def _mean(values, weight) -> np.ndarray:
    return np.where(weight, values, 0).sum(axis=0) / np.maximum(weight.sum(axis=0), 1)


def gene_mean(task: Task) -> np.ndarray:
    """Mean of each gene over the training spots."""
    mean = _mean(task.target[task.train], task.weight[task.train])
    return np.broadcast_to(mean, task.target[task.test].shape)


def _by_ridge(task: Task, x) -> np.ndarray:
    train = task.train
    args = (x[train], task.target[train], task.spots.slide[train])
    alpha = ridge.chosen(*args, mask=task.weight[train])
    found = ridge.fit(*args[:2], alpha=alpha, mask=task.weight[train])
    return found.predict(x[task.test])


def stain(task: Task) -> np.ndarray:
    """Ridge on nine numbers of the optical density, standardised on each slide."""
    return _by_ridge(task, standardised(features_of(task.spots.patches), task.spots.slide))


def density(task: Task) -> np.ndarray:
    """A line on the haematoxylin of the window: how many nuclei there are."""
    sheet = nuclei(features_of(task.spots.patches))[:, None]
    return _by_ridge(task, standardised(sheet, task.spots.slide))


def coordinates(task: Task) -> np.ndarray:
    """Ridge on the place in the array, its squares and product: no image."""
    place = standardised(task.spots.array, task.spots.slide)
    return _by_ridge(task, np.column_stack([place, place**2, place[:, :1] * place[:, 1:]]))


def components(task: Task, features=None) -> np.ndarray:
    """Frozen features of a window, their principal components, ridge: HEST's protocol.

    Without `features` those that no training has made: density in four by four parts.
    """
    if features is None:
        features = frozen_features(task.spots.patches)
    values = standardised(features, task.spots.slide)
    axes = np.linalg.svd(values[task.train], full_matrices=False)[2][:N_COMPONENTS]
    return _by_ridge(task, values @ axes.T)


def slide_constant(task: Task) -> np.ndarray:
    """What a ridge on colour makes of each test slide as a whole: a constant, without its truth."""
    values = features_of(task.spots.patches).astype(float)
    own = values[task.train]
    found = _by_ridge(task, (values - own.mean(axis=0)) / own.std(axis=0)).copy()
    for rows in by_slide(task.spots.slide[task.test]).values():
        found[rows] = found[rows].mean(axis=0)
    return found


def own_mean(task: Task) -> np.ndarray:
    """The own slide's mean of each gene: an oracle for offsets."""
    truth, seen = task.truth[task.test], task.measured[task.test]
    out = np.empty(truth.shape)
    for rows in by_slide(task.spots.slide[task.test]).values():
        out[rows] = _mean(truth[rows], seen[rows])
    return out


def depth(task: Task) -> np.ndarray:
    """A line on the logarithm of the spot's counts, which no image has: an oracle for depth."""
    return _by_ridge(task, np.log2(task.depth + 1)[:, None])


BASELINES = {
    "gene mean": gene_mean,
    "slide constant": slide_constant,
    "coordinates": coordinates,
    "density of nuclei": density,
    "ridge on stain": stain,
    "untrained features, ridge": components,
    "depth (oracle)": depth,
    "own slide's mean (oracle)": own_mean,
}
"""By name, in the order of tables."""


def baseline(name: str, task: Task) -> np.ndarray:
    """Predicted expression of the test spots.

    Raises
    ------
    DataError
        An unknown baseline.
    """
    if name not in BASELINES:
        raise DataError(f"no baseline {name!r}; there are {', '.join(BASELINES)}")
    return BASELINES[name](task)
