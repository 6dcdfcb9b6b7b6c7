"""Means of groups of scored units, with their intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.metrics.facts import Metric
from helpers.scores import ROLES
from helpers.stats import cluster_means, mean_interval

ROLE_ORDER = {"ceiling": 0, "candidate": 1, "reported": 2, "floor": 3}
"""Place of a role in figures and tables."""


def group_means(
    scores: pd.DataFrame,
    by: Sequence[str],
    *,
    weighted: bool = False,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    rng: int | np.random.Generator = 0,
    sort: bool = False,
) -> pd.DataFrame:
    """Means over the scored units of each group, with bootstrap-t intervals over clusters.

    Parameters
    ----------
    scores : DataFrame
        Score table of one metric, or with `metric` in `by`.
    by : sequence of str
        Columns whose values name a group.
    weighted : bool
        Mean over what units are made of (cells, pairs: the column `n`) instead of over units.
    confidence : float in (0, 1)
    n_resamples : int
    rng : int or numpy.random.Generator
        A seed, the same for each group, or what draws for one group after the other.
    sort : bool
        Groups in the order of their names, or of their first rows.

    Returns
    -------
    DataFrame
        The columns of `by`, `role` (that of the first row), `mean`, `low`, `high` (NaN below six
        clusters; where the bootstrap leaves the range of the values, they end there), `n_units`
        (scored), `n_unscored` (NaN in the score table), `n_clusters`.
    """
    by, rows = list(by), []
    for key, group in scores.groupby(by, sort=sort, observed=True):
        scored = group[group["value"].notna()]
        clusters = scored["cluster"].to_numpy()
        row = dict(zip(by, key, strict=True)) | {"role": group["role"].iloc[0]}
        if len(scored):
            weight = scored["n"] / scored["n"].mean() if weighted else 1.0
            (found,) = cluster_means(
                (scored["value"] * weight).to_numpy(),
                clusters,
                n_resamples=n_resamples,
                confidence=confidence,
                rng=np.random.default_rng(rng),
            ).itertuples()
            row |= {"mean": found.mean, "low": found.low, "high": found.high}
        row |= {"n_units": len(scored), "n_unscored": len(group) - len(scored)}
        rows.append(row | {"n_clusters": len(set(clusters))})
    counts = ["n_units", "n_unscored", "n_clusters"]
    columns = [*dict.fromkeys([*by, "role"]), "mean", "low", "high", *counts]
    return pd.DataFrame(rows, columns=columns)


def draw_means(
    table: pd.DataFrame,
    by: Sequence[str],
    *,
    draw: str | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> pd.DataFrame:
    """Means over draws of the data, or over seeds, with their 95 % intervals (t distribution).

    Parameters
    ----------
    table : DataFrame
        With `value`.
    by : sequence of str
        Columns whose values name a group.
    draw : str, optional
        Column that names the draw, whose rows are averaged first. Default: a row is a draw.
    metrics : mapping, optional
        Facts of the column `metric`, one in each group: intervals end where its range does.
        Default: shares, in [0, 1].

    Returns
    -------
    DataFrame
        The columns of `by` in the order in which they come, `mean`, `low`, `high` (NaN below two
        draws), `n_draws` (with a value), `n_unscored` (rows without one).
    """
    rows = []
    for key, group in table.groupby(list(by), sort=False, observed=True):
        draws = group.groupby(draw)["value"].mean() if draw else group["value"]
        draws = draws.dropna()
        mean, low, high = draws.mean() if len(draws) else np.nan, np.nan, np.nan
        if len(draws) > 1:
            fact = metrics[group["metric"].iloc[0]] if metrics else None
            low, high = np.clip(mean_interval(draws), *((fact.low, fact.high) if fact else (0, 1)))
        rows.append([*key, mean, low, high, len(draws), int(group["value"].isna().sum())])
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "n_draws", "n_unscored"])


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
    table = group_means(
        scores,
        ["metric", "role", *by],
        confidence=confidence,
        n_resamples=n_resamples,
        rng=seed,
        sort=True,
    )
    label = table[by].astype(str).agg(", ".join, axis=1)
    lost = table["n_unscored"].map(lambda n: f" ({n} not scored)" if n else "")
    table = table.assign(label=label + lost, rank=table["role"].map(ROLE_ORDER)).sort_values(
        ["metric", "rank", "mean"], ascending=[True, True, False], kind="stable"
    )
    columns = ["metric", "role", *by, "label", "mean", "low", "high", "n_units", "n_unscored"]
    return table[columns].reset_index(drop=True)
