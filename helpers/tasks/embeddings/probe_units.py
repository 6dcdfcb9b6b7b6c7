"""Does the unit in which an embedding is given decide what a probe reads from it?"""

import numpy as np
import pandas as pd

from helpers.models.embeddings.probes import LinearProbe, PublishedProbe
from helpers.store.steps import step

FACTORS = (0.01, 0.1, 1.0, 10.0)


@step
def accuracy_by_unit(
    *, seed: int, n_classes: int = 20, n_dims: int = 16, n_cells: int = 600
) -> pd.DataFrame:
    """Training accuracy of both probes on the same numbers times several factors.

    Parameters
    ----------
    seed : int
        Of the cells: each class has a place drawn from a standard normal, a cell its own noise.
    n_classes, n_dims, n_cells : int

    Returns
    -------
    DataFrame
        `factor`, `probe` ("published", "run to its minimum"), `cells named right` (a share).
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n_cells)
    cells = rng.standard_normal((n_classes, n_dims))[labels]
    cells += rng.standard_normal((n_cells, n_dims))
    rows = []
    for factor in FACTORS:
        for name, probe in (("published", PublishedProbe()), ("run to its minimum", LinearProbe())):
            decided = probe.fit(factor * cells, labels).decision_function(factor * cells)
            rows.append((factor, name, float((decided.argmax(axis=1) == labels).mean())))
    return pd.DataFrame(rows, columns=["factor", "probe", "cells named right"])
