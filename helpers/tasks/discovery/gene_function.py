"""Task: do genes of one function find each other, by vectors of the model or by plain profiles?"""

from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.data.discovery.profiles import Profiles
from helpers.data.errors import DataError
from helpers.metrics.discovery.retrieval import cosines, r_precision
from helpers.store.steps import step
from helpers.tasks.discovery import embeddings_of_symbols as stands

TASK, N_COMPONENTS = "gene-function", 16
LPM, PCA = "LPM, vectors", "PCA of profiles"
ROLES = MappingProxyType(
    {
        "planted activity": "ceiling",
        LPM: "candidate",
        "profiles": "candidate",
        PCA: "candidate",
        "PCA of all contexts": "candidate",
        "knowledge from elsewhere": "candidate",
        "random vectors": "floor",
    }
)
LABELS = ("planted functions", "clusters of the screen")


@step
def function_scores(
    data, *, representation: str, seed: int, size: dict | None = None, n_networks: int = 2
) -> pd.DataFrame:
    """How well genes of one label find each other, for planted labels and for circular ones.

    Parameters
    ----------
    data : dict of ndarray
        Of `helpers.data.discovery.tensor_simulator`; nothing is held out.
    representation : str
        Of `ROLES`.
    seed : int
        Of random vectors and of the clustering that makes circular labels.
    size, n_networks
        See `helpers.tasks.discovery.unseen_pairs.pair_scores`.

    Returns
    -------
    DataFrame
        `labels` (of `LABELS`), `gene`, `function`, `function_precision` (NaN of a gene alone).
    """
    found = similarity_of(data, representation, seed, dict(size or {}), n_networks)
    labels = {LABELS[0]: data["cluster"], LABELS[1]: circular_labels(data, seed)}
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "labels": name,
                    "gene": data["gene"],
                    "function": data["cluster"],
                    "function_precision": r_precision(found, of),
                }
            )
            for name, of in labels.items()
        ],
        ignore_index=True,
    )


def similarity_of(data, representation: str, seed: int, size: dict, n_networks: int) -> np.ndarray:
    """(n_genes, n_genes)."""
    profiles, genes = Profiles.from_arrays(data), data["gene"].tolist()
    if representation == LPM:
        return stands.mean_cosines(stands.model_vectors(profiles, genes, size, n_networks))
    if representation == "random vectors":
        rng = np.random.default_rng(seed)
        return cosines(rng.standard_normal((len(genes), N_COMPONENTS)))
    if representation == "planted activity":
        return cosines(data["activity"])
    if representation == "knowledge from elsewhere":
        return cosines(stands.components(data["annotation"], N_COMPONENTS))
    if representation == "profiles":
        return cosines(stands.mean_profiles(profiles, genes))
    if representation == PCA:
        return cosines(stands.components(stands.mean_profiles(profiles, genes), N_COMPONENTS))
    if representation == "PCA of all contexts":
        return cosines(stands.components(stands.stacked_profiles(profiles, genes), N_COMPONENTS))
    raise DataError(f"no representation {representation!r}; there are {', '.join(ROLES)}")


def circular_labels(data, seed: int) -> np.ndarray:
    """Clusters of the screen's own profiles, as many as there are functions."""
    from sklearn.cluster import KMeans

    profiles = Profiles.from_arrays(data)
    values = stands.components(stands.mean_profiles(profiles, data["gene"].tolist()), N_COMPONENTS)
    n = len(np.unique(data["cluster"]))
    return KMeans(n, n_init=3, random_state=seed % 2**31).fit(values).labels_
