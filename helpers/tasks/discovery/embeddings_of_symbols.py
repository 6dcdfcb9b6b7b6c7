"""What stands for a perturbation: vectors of the model, its profiles, and their components."""

import numpy as np

from helpers.data.discovery.profiles import Profiles
from helpers.metrics.discovery.retrieval import cosines
from helpers.models.discovery.large_perturbation_model import Ensemble
from helpers.models.discovery.pair_baselines import readout_means
from helpers.tasks.discovery.unseen_pairs import sized


def model_vectors(profiles: Profiles, names, size: dict, n_networks: int) -> list[np.ndarray]:
    """Vectors of perturbations in each network of an ensemble: spaces are not aligned."""
    fitted = Ensemble(sized(size), seeds=range(13, 13 + n_networks)).fit(profiles)
    at = [fitted.models_[0].vocabulary_.perturbation.index(n) for n in names]
    return [model.embedding("perturbation")[at] for model in fitted.models_]


def mean_cosines(vectors: list[np.ndarray], others: list[np.ndarray] | None = None) -> np.ndarray:
    """Cosines averaged over networks; never vectors, which mean nothing across networks."""
    pairs = zip(vectors, others or vectors, strict=True)
    return np.mean([cosines(a, b) for a, b in pairs], axis=0)


def mean_profiles(profiles: Profiles, names) -> np.ndarray:
    """Mean over contexts of what a perturbation does beside the mean of its context."""
    means = {c: readout_means(profiles, c) for c in dict.fromkeys(profiles.context)}
    off = profiles.value - np.array([means[c] for c in profiles.context])
    off = np.where(profiles.mask, off, 0)
    return np.array([off[profiles.perturbation == n].mean(axis=0) for n in names])


def stacked_profiles(profiles: Profiles, names) -> np.ndarray:
    """Profiles of all contexts side by side; a context without the perturbation is 0."""
    place = {n: i for i, n in enumerate(names)}
    blocks = []
    for context in dict.fromkeys(profiles.context):
        own = profiles.take(profiles.context == context)
        block = np.zeros((len(names), len(profiles.readout)))
        kept = [i for i, n in enumerate(own.perturbation) if n in place]
        off = np.where(own.mask, own.value - readout_means(profiles, context), 0)
        block[[place[own.perturbation[i]] for i in kept]] = off[kept]
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def components(values: np.ndarray, n: int) -> np.ndarray:
    """First principal components of rows."""
    centred = values - values.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    return u[:, :n] * s[:n]
