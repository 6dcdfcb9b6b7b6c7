"""What a model of one patient is worth in another one, and what part of its error is an offset."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.data.errors import DataError
from helpers.metrics.spatial.histology import error_parts, scored_correlations
from helpers.models.spatial.histology import ridge
from helpers.store.steps import step
from helpers.tasks.spatial.protocols import PROTOCOLS, Scene, guard, scene

SAME, OTHER = "same patient", "other patients"
RIDGE, MEAN, OWN = "ridge on stain", "training mean", "own section's mean"


@step
def between(data, features, *, one_section: bool, n_genes: int) -> pd.DataFrame:
    """A ridge trained on sections of the same patient, and on those of others, slide by slide.

    Parameters
    ----------
    data : AnnData
        Counts with images.
    features : array
        Of `helpers.data.spatial.patches.stain_features`.
    one_section : bool
        One section trains at a time, so that both kinds have as much to learn from; or all of that
        kind.
    n_genes : int
        The most counted ones of the training sections.

    Returns
    -------
    DataFrame
        `slide`, `patient`, `relation` (`SAME`, `OTHER`), `train`, `model` (the ridge; the training
        mean of each gene; the own section's mean, an oracle), `expression_pearson` (a constant has
        0), `expression_mse`, and its parts `offset` and `pattern`.

    Raises
    ------
    DataError
        No patient is given, or there is one section only.
    """
    found = scene(data, features)
    owner = found.obs.drop_duplicates("slide").set_index("slide")["patient"]
    if len(owner) < 2:
        raise DataError("one section has an image: none is left to train on")
    rows = []
    for slide, patient in owner.items():
        for relation, names in (
            (SAME, [s for s in owner.index if s != slide and owner[s] == patient]),
            (OTHER, [s for s in owner.index if owner[s] != patient]),
        ):
            groups = [[name] for name in names] if one_section else [names] if names else []
            for group in groups:
                told = {"slide": slide, "patient": patient, "relation": relation}
                told["train"] = ", ".join(group)
                rows += [told | row for row in _one(found, slide, group, relation, n_genes)]
    return pd.DataFrame(rows)


def _one(found: Scene, slide: str, group: list[str], relation: str, n_genes: int) -> list[dict]:
    """Scores of the three models on a section."""
    train, test = np.isin(found.slide, group), found.slide == slide
    split = "sections" if relation == SAME else "patients"
    guard(found.obs, train, test, split=split)
    genes = found.most_counted(train, n_genes)
    y = found.target(genes, PROTOCOLS["revised"])
    x, own = found.x[train], y[test]
    alpha = ridge.chosen(x, y[train], found.slide[train])
    guesses = {
        RIDGE: ridge.fit(x, y[train], alpha=alpha).predict(found.x[test]),
        MEAN: np.broadcast_to(y[train].mean(axis=0), own.shape),
        OWN: np.broadcast_to(own.mean(axis=0), own.shape),
    }
    whole = np.ones(own.shape, dtype=bool)
    rows = []
    for model, guess in guesses.items():
        r = scored_correlations(own, guess, whole)
        parts = error_parts(own, guess, whole)
        row = {"model": model, "expression_pearson": float(np.nanmean(r))}
        row |= {"expression_mse": parts["mse"], "n_genes": int(np.isfinite(r).sum())}
        rows.append(row | {"offset": parts["offset"], "pattern": parts["pattern"]})
    return rows
