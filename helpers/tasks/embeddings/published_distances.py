"""Known relationships in a published table of distances between perturbations."""

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.metrics.embeddings.similarities import Similarities, gram_from_distances
from helpers.store.steps import step
from helpers.tasks.embeddings.known_relationships import (
    LEAST_GENES,
    LEAST_PAIRS,
    recall_of_databases,
)

DISTANCE_SIMILARITIES = {
    "closeness": "minus the E-distance of the two",
    "inner product": "of the two effects, seen from control",
    "sizes, of closeness": "minus the sum of the two E-distances to control",
    "sizes, of inner product": "root of the product of the two E-distances to control, 0 if either "
    "is negative",
}
"""Similarities that a table of E-distances gives; the last two know nothing of the pair."""


@step
def recall_of_distances(
    distances,
    relationships,
    *,
    screen: str,
    similarity: str,
    union: bool = False,
    seed: int = 0,
    n_resamples: int = 1000,
    n_permutations: int = 200,
    min_perturbations: int = LEAST_GENES,
    min_pairs: int = LEAST_PAIRS,
) -> pd.DataFrame:
    """Recall of each database by published distances between perturbations.

    Parameters
    ----------
    distances : DataFrame
        `screen`, `a`, `b`, `edistance`; every pair of perturbations, "control" among them.
    relationships : DataFrame
        `database`, `gene_a`, `gene_b`.
    screen : str
    similarity : str
        Of `DISTANCE_SIMILARITIES`.
    union : bool
        Ask about the pairs of any database as well; see `with_union`.
    seed, n_resamples, n_permutations, min_perturbations, min_pairs : int
        See `recall`.

    Returns
    -------
    DataFrame indexed by database, sorted
        Columns as of `recall`, *revised*, but with no null of matched cells: their numbers are not
        known.

    Raises
    ------
    DataError
        A screen or similarity that is not there, or a pair without a distance.
    """
    matrix, names = distance_matrix(distances, screen)
    if similarity not in DISTANCE_SIMILARITIES:
        raise DataError(
            f"similarity is {similarity!r}; choose from {', '.join(DISTANCE_SIMILARITIES)}"
        )
    control = int(np.flatnonzero(names == CONTROL)[0])
    others = names != CONTROL
    effect = matrix[others, control]
    size = np.sqrt(np.maximum(effect, 0))
    values = {
        "closeness": -matrix[np.ix_(others, others)],
        "inner product": gram_from_distances(matrix, control),
        "sizes, of closeness": -np.add.outer(effect, effect),
        "sizes, of inner product": np.outer(size, size),
    }[similarity]
    return recall_of_databases(
        Similarities(names[others], similarity=values),
        relationships,
        {"effect": effect},
        union=union,
        seed=seed,
        n_resamples=n_resamples,
        n_permutations=n_permutations,
        min_perturbations=min_perturbations,
        min_pairs=min_pairs,
    )


def distance_matrix(distances: pd.DataFrame, screen: str) -> tuple[np.ndarray, np.ndarray]:
    """Square matrix of a screen's distances, and its names, sorted.

    Raises
    ------
    DataError
        The screen is not there, has no control, or a pair has no distance.
    """
    rows = distances[distances["screen"] == screen]
    names = np.unique(np.concatenate([rows["a"], rows["b"]]).astype(str)).astype(object)
    if CONTROL not in names:
        found = ", ".join(dict.fromkeys(distances["screen"]))
        raise DataError(f"no distances to {CONTROL!r} of {screen!r}; there are {found}")
    index = pd.Index(names)
    i, j = index.get_indexer(rows["a"]), index.get_indexer(rows["b"])
    matrix = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(matrix, 0.0)
    matrix[i, j] = matrix[j, i] = rows["edistance"].to_numpy(float)
    if np.isnan(matrix).any():
        raise DataError(f"{screen}: {int(np.isnan(matrix).sum() / 2)} pairs have no distance")
    return matrix, names
