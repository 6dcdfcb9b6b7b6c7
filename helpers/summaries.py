"""Means of groups of scored units, with their intervals."""

import numpy as np
import pandas as pd

from helpers.scores import ROLES
from helpers.stats import cluster_means


def score_summary(
    scores: pd.DataFrame,
    by: str | list[str] = "model",
    *,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Means over scored units with their intervals, ceilings first, then candidates, then floors.

    Parameters
    ----------
    scores : DataFrame
        Score table.
    by : str or list of str
        Columns whose values name a group.
    confidence : float
        Coverage of the bootstrap-t intervals over clusters.
    n_resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Columns `metric`, the columns of `by`, `label`, `role`, `mean`, `low`, `high`,
        `n_units` (scored) and `n_unscored` (NaN in the score table). Fewer than six clusters have
        no interval: their `low` and `high` are NaN.

    Raises
    ------
    ValueError
        No rows, or a role that is not known.
    """
    if scores.empty:
        raise ValueError("scores: there is no row to draw")
    if unknown := sorted(set(map(str, scores["role"])) - set(ROLES)):
        raise ValueError(f"roles {unknown} are not among {list(ROLES)}")
    by = [by] if isinstance(by, str) else list(by)
    rows = []
    for key, group in scores.groupby(["metric", "role", *by], sort=True, observed=True):
        scored = group[group["value"].notna()]
        estimate = low = high = np.nan
        if len(scored):
            (found,) = cluster_means(
                scored["value"],
                scored["cluster"].to_numpy(),
                n_resamples=n_resamples,
                confidence=confidence,
                rng=np.random.default_rng(seed),
            ).itertuples()
            estimate, low, high = found.mean, found.low, found.high
        unscored = len(group) - len(scored)
        label = ", ".join(map(str, key[2:])) + (f" ({unscored} not scored)" if unscored else "")
        rows.append([*key, label, estimate, low, high, len(scored), unscored])
    columns = ["metric", "role", *by, "label", "mean", "low", "high", "n_units", "n_unscored"]
    order = {"ceiling": 0, "candidate": 1, "reported": 2, "floor": 3}
    frame = pd.DataFrame(rows, columns=columns).assign(rank=lambda f: f["role"].map(order))
    frame = frame.sort_values(
        ["metric", "rank", "mean"], ascending=[True, True, False], kind="stable"
    )
    return frame.drop(columns="rank").reset_index(drop=True)
