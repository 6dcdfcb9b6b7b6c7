"""The representations of expression profiles that tier 1 compares."""

from __future__ import annotations

from helpers.models.embeddings.profiles import plate_position, profile_genes, profile_pca
from helpers.models.floors import gaussian_noise, permuted_labels
from helpers.store.steps import Step
from helpers.tasks.embeddings.representations import Representation


def profile_roster(profiles: Step, *, seed: int, n_dims: int = 32) -> dict[str, Representation]:
    """Representations of profiles of a plate, candidates first, then floors.

    Parameters
    ----------
    profiles : Step
        Of an AnnData of log2 expression with `obs["row"]` and `obs["column"]`.
    seed : int
    n_dims : int
        Of PCA and of the noise.
    """
    pca = profile_pca(profiles, n_components=n_dims)

    def entry(name, embedding, role, fitted_on):
        params = {"fitted_on": fitted_on, "n_dims": n_dims}
        return Representation(name, embedding, role, fitted_on, params)

    entries = [
        entry("PCA of log2 expression", pca, "candidate", "evaluation cells"),
        Representation(
            "landmark genes",
            profile_genes(profiles),
            "candidate",
            "nothing",
            {"fitted_on": "nothing"},
        ),
        Representation(
            "plate position", plate_position(profiles), "floor", "nothing", {"fitted_on": "nothing"}
        ),
        entry("permuted labels", permuted_labels(profiles, pca, seed=seed), "floor", "nothing"),
        entry(
            "Gaussian noise", gaussian_noise(profiles, n_dims=n_dims, seed=seed), "floor", "nothing"
        ),
    ]
    return {one.name: one for one in entries}
