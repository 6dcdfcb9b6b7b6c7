"""Tables that the chapters on explanation share."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.metrics.explanation.facts import METRICS
from helpers.metrics.explanation.feature_agreement import feature_agreement, group_agreement
from helpers.scores import params as canonical
from helpers.stats import mean_interval
from helpers.store import Step, results
from helpers.tasks.explanation.attribution import scores as attribution_rows


def gather(
    asked: Mapping[tuple, Step],
    *,
    roles: Mapping[str, str] | None = None,
    protocol: str = "revised",
) -> pd.DataFrame:
    """Results of `attribution_scores` and `reference_scores` as one score table.

    Parameters
    ----------
    asked : mapping of (data set, draw, model, training seed) to step
        The model of a step whose result names its models is not used.
    roles : mapping of model to role, optional
        Default: candidate.
    protocol : str
    """
    tables = []
    found = results(asked.values())
    for (dataset, draw, model, seed), result in zip(asked, found, strict=True):
        parts = {model: result}
        if "model" in result:
            parts = {name: part.drop(columns="model") for name, part in result.groupby("model")}
        tables += [
            attribution_rows(
                part,
                dataset=dataset,
                draw=draw,
                model=name,
                protocol=protocol,
                role=(roles or {}).get(name, "candidate"),
                seed=seed,
            )
            for name, part in parts.items()
        ]
    return pd.concat(tables, ignore_index=True)


def over_draws(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Means of draws with the 95 % interval of another draw's mean over units and seeds.

    Parameters
    ----------
    table : DataFrame
        Score table with one draw of the data in each cluster.
    by : list of str
        Columns that name a row; `metric` among them, or one metric only.

    Returns
    -------
    DataFrame
        The columns of `by`, in the order in which they come; `mean`; `low`, `high`: 95 % interval
        of the mean over draws (t distribution), within the metric's range, NaN for one draw;
        `n_draws`, `unscored` (rows without a value).
    """
    rows = []
    for key, group in table.groupby(by, sort=False, observed=True):
        draws = group.groupby("cluster")["value"].mean().dropna()
        metric = METRICS[group["metric"].iloc[0]]
        low = high = np.nan
        if len(draws) > 1:
            low, high = np.clip(mean_interval(draws), metric.low, metric.high)
        unscored = int(group["value"].isna().sum())
        mean = draws.mean() if len(draws) else np.nan
        rows.append([*key, mean, low, high, len(draws), unscored])
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "n_draws", "unscored"])


def plain_scores(
    values: pd.DataFrame,
    *,
    task: str,
    metric: str,
    unit_kind: str,
    roles: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Rows of a simple experiment as rows of the score table.

    Parameters
    ----------
    values : DataFrame
        `dataset`, `model`, `draw`, `seed`, `unit`, `n`, `value`.
    task, metric, unit_kind : str
    roles : mapping of model to role, optional
        Default: candidate.
    """
    known = roles or {}
    return pd.DataFrame(
        {
            "task": task,
            "dataset": values["dataset"].to_numpy(),
            "split": "test",
            "protocol": "revised",
            "model": values["model"].to_numpy(),
            "params": [canonical({"draw": int(draw)}) for draw in values["draw"]],
            "post": "none",
            "metric": metric,
            "role": [known.get(model, "candidate") for model in values["model"]],
            "unit_kind": unit_kind,
            "unit": values["unit"].astype(str).to_numpy(),
            "cluster": [f"draw {draw}" for draw in values["draw"]],
            "seed": values["seed"].astype(int).to_numpy(),
            "n": values["n"].astype(int).to_numpy(),
            "value": values["value"].astype(float).to_numpy(),
        }
    )


def ranking_agreement(ranking, informative, members, groups) -> dict[str, float]:
    """Agreement of one ranking with the truth: gene by gene, and group by group.

    Parameters
    ----------
    ranking : ndarray of shape (n_genes,)
    informative : bool ndarray of shape (n_genes,)
    members : list of int ndarray
        Genes of each group.
    groups : int ndarray
        Informative groups.

    Returns
    -------
    dict
        NaN for a ranking that is NaN throughout: one that could not be had.
    """
    if np.isnan(ranking).all():
        return dict.fromkeys(("feature_agreement_global", "group_agreement_global"), np.nan)
    return {
        "feature_agreement_global": float(feature_agreement(ranking, informative)),
        "group_agreement_global": float(group_agreement(ranking, members, groups)),
    }


def overlap_scores(
    table: pd.DataFrame, *, dataset: str, n_top: int, seed: int, roles: Mapping[str, str]
) -> pd.DataFrame:
    """Stability of methods, and overlap of pairs of them, as rows of the score table.

    Parameters
    ----------
    table : DataFrame
        Of `overlap_table`.
    dataset : str
    n_top, seed : int
    roles : mapping of method to role
        A pair has the role of its first method; pairs with a floor are floors.
    """
    rows = []
    names = list(table.index)
    for i, first in enumerate(names):
        for second in names[: i + 1]:
            is_floor = "floor" in (roles[first], roles[second])
            rows.append(
                {
                    "task": "rank-overlap",
                    "dataset": dataset,
                    "split": "train",
                    "protocol": "revised",
                    "model": first,
                    "params": canonical({"n": n_top}),
                    "post": "none",
                    "metric": "top_overlap",
                    "role": "floor" if is_floor else "candidate",
                    "unit_kind": "method",
                    "unit": "itself" if first == second else second,
                    "cluster": first,
                    "seed": seed,
                    "n": n_top,
                    "value": table.loc[first, second],
                }
            )
    return pd.DataFrame(rows)
