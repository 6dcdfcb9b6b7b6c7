"""Task: how large are effects, and do they rank as published energy distances do?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.metrics.edistance import edistance
from helpers.stats import cluster_bootstrap
from helpers.store.steps import step
from helpers.tasks.foundations.screen_quality import log_expression, name_of

PUBLISHED = {
    ("papalexi2021", "THP-1"): ("papalexi2021", "guide"),
    ("norman2019-subset", "K562"): ("norman2019", "perturbation"),
}
"""Of a data set and context, the published screen with its distances, and what they are of."""


@step
def effect_sizes(
    screen, embedding, *, by: str = "perturbation", max_cells: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Size of the effect of each perturbation, or of each guide, against all controls.

    Parameters
    ----------
    screen : AnnData of counts, one context
    embedding : ndarray of shape (n_cells, n_dims)
    by : {"perturbation", "guide"}
    max_cells, seed : int
        See `quality`.

    Returns
    -------
    DataFrame indexed by perturbation or guide, sorted
        `target`, `n_cells`, `effect_norm` (Euclidean, of the change of mean log1p CP10k),
        `edistance`, unbiased. Groups of fewer than 2 cells are left out.

    Raises
    ------
    DataError
        No such column.
    """
    if by not in ("perturbation", "guide") or by not in screen.obs:
        raise DataError(f"{name_of(screen)}: by is {by!r}; obs has no such column to group by")
    expression, obs = log_expression(screen), screen.obs
    is_control = (obs["perturbation"] == CONTROL).to_numpy()
    label = obs[by].astype(str).to_numpy()
    rng = np.random.default_rng(seed)
    control_mean = expression[is_control].mean(0)
    controls = np.flatnonzero(is_control)
    controls = rng.choice(controls, min(len(controls), max_cells), replace=False)
    rows = {}
    for name in sorted(set(label[~is_control])):
        cells = np.flatnonzero((label == name) & ~is_control)
        if len(cells) < 2:
            continue
        drawn = rng.choice(cells, min(len(cells), max_cells), replace=False)
        rows[name] = {
            "target": str(obs["perturbation"].iloc[cells[0]]),
            "n_cells": len(cells),
            "effect_norm": float(np.linalg.norm(expression[cells].mean(0) - control_mean)),
            "edistance": edistance(embedding[drawn], embedding[controls]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(by)


def against_published(
    sizes: pd.DataFrame,
    published: Mapping[str, float],
    *,
    columns: tuple[str, ...] = ("effect_norm", "edistance"),
    rng: np.random.Generator,
    n_resamples: int = 1000,
) -> pd.DataFrame:
    """Rank correlation of effect sizes with published energy distances to control.

    Parameters
    ----------
    sizes : DataFrame
        Result of `effect_sizes`.
    published : mapping of name to distance
        Names that only one of the two has are left out.
    columns : tuple of str
        Of `sizes`.

    Returns
    -------
    DataFrame
        `measure`, `spearman` in [-1, 1] with `low`, `high` (95 %, targets resampled), `n`.

    Raises
    ------
    ValueError
        Fewer than three names in common.
    """
    from scipy.stats import spearmanr

    common = [name for name in sizes.index if name in published]
    if len(common) < 3:
        raise ValueError(f"{len(common)} names in common; a rank correlation needs three")
    theirs = np.array([published[name] for name in common])
    rows = []
    for column in columns:
        ours = sizes.loc[common, column].to_numpy()

        def correlation(chosen, ours=ours):
            chosen = chosen.astype(int)
            return spearmanr(ours[chosen], theirs[chosen]).statistic

        estimate = cluster_bootstrap(
            np.arange(len(common)),
            sizes.loc[common, "target"],
            statistic=correlation,
            n_resamples=n_resamples,
            rng=rng,
        )
        rows.append([column, *estimate, len(common)])
    return pd.DataFrame(rows, columns=["measure", "spearman", "low", "high", "n"])
