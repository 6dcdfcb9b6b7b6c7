"""Tables and scores of the chapters on batch mixing, linear separability and neighbourhood."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.comparisons import paired, rank_intervals
from helpers.metrics.lisi import expected_lisi, lisi
from helpers.metrics.neighbours import nearest_neighbours
from helpers.stats import MIN_UNITS, cluster_means
from helpers.store import Step, results, step
from helpers.tasks.bendidi2024 import reported
from helpers.tasks.readouts import pooled
from helpers.tasks.representations import Representation

POST_NAMES = {
    "raw": "raw",
    "centered": "centered",
    "center_scaled": "center-scaled",
    "tvn": "TVN",
    "best": "kept",
}


def reported_posts(task: str, metric: str, dataset: str) -> pd.DataFrame:
    """What was reported of a metric: models x post-processings, and the value that was kept."""
    table = reported(task, dataset)
    table = table[table["metric"] == metric]
    wide = table.pivot_table("value", "model", "post", sort=False)
    columns = [post for post in POST_NAMES if post in wide]
    return wide[columns].rename(columns=POST_NAMES).rename_axis(None, axis=1).reset_index()


def gather(
    asked: Mapping[tuple, Step | Sequence[Step]],
    keys: Sequence[str],
    *,
    roster: Mapping[str, Representation],
    score: Callable[..., pd.DataFrame],
    **shared,
) -> pd.DataFrame:
    """Score table of many calls of a task, computed side by side where there is a cluster.

    Parameters
    ----------
    asked : mapping
        Of a tuple of values to a call, or to the calls of several folds, which are pooled.
    keys : sequence of str
        What the values are: "model" (a name of the roster) among them. "probe" is recorded among
        the parameters of the model; the others are arguments of `score`.
    roster : mapping
        Of the model's name to its representation.
    score : callable
        `scores` of the task's module.
    **shared
        The other arguments of `score`.
    """
    folds = [one if isinstance(one, Sequence) else [one] for one in asked.values()]
    found = iter(results([one for steps in folds for one in steps]))
    tables = []
    for values, steps in zip(asked, folds, strict=True):
        parts = [next(found) for _ in steps]
        named = dict(zip(keys, values, strict=True))
        model = roster[named["model"]]
        params = dict(model.params)
        if "probe" in named:
            params["probe"] = named.pop("probe")
        whole = parts[0] if len(parts) == 1 else pooled(parts)
        tables.append(score(whole, role=model.role, params=params, **named, **shared))
    return pd.concat(tables, ignore_index=True)


def with_probe(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with the column `probe`, from the parameters of their models."""
    probes = {text: json.loads(text).get("probe", "") for text in scores["params"].unique()}
    return scores.assign(probe=scores["params"].map(probes))


def summary(
    scores: pd.DataFrame,
    by: Sequence[str],
    *,
    weighted: bool = False,
    n_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Means over units with 95 % intervals (bootstrap-t over clusters), in the order of the rows.

    Parameters
    ----------
    scores : DataFrame
        Score table of one metric.
    by : sequence of str
        Columns whose values name a row.
    weighted : bool
        Mean over cells instead of units.

    Returns
    -------
    DataFrame
        The columns of `by`, `role`, `mean`, `low`, `high` (NaN below six clusters; where the
        bootstrap leaves the range of the values, they end there), `n_units`, `n_unscored`.
    """
    rows = []
    for key, group in scores.groupby(list(by), sort=False, observed=True):
        scored = group[group["value"].notna()]
        mean = low = high = np.nan
        if len(scored):
            weight = scored["n"] / scored["n"].mean() if weighted else 1.0
            (found,) = cluster_means(
                (scored["value"] * weight).to_numpy(),
                scored["cluster"].to_numpy(),
                n_resamples=n_resamples,
                rng=np.random.default_rng(seed),
            ).itertuples()
            mean, low, high = found.mean, found.low, found.high
        role = group["role"].iloc[0]
        rows.append([*key, role, mean, low, high, len(scored), len(group) - len(scored)])
    columns = [*by, "role", "mean", "low", "high", "n_units", "n_unscored"]
    return pd.DataFrame(rows, columns=columns)


def top_of(table: pd.DataFrame, model: str, **chosen: str) -> pd.Series:
    """The one row of a summary of a model, and of other columns' values.

    Raises
    ------
    ValueError
        No row, or several.
    """
    rows = table[table["model"] == model]
    for column, value in chosen.items():
        rows = rows[rows[column] == value]
    if len(rows) != 1:
        raise ValueError(f"{len(rows)} rows for {model}, {chosen}; one is needed")
    return rows.iloc[0]


def best_candidate(table: pd.DataFrame, **chosen: str) -> pd.Series:
    """The row of the candidate with the highest mean."""
    rows = table[table["role"] == "candidate"]
    for column, value in chosen.items():
        rows = rows[rows[column] == value]
    return rows.loc[rows["mean"].idxmax()]


def rankings(scores: pd.DataFrame, by: str, *, better: str = "higher", seed: int = 0):
    """Ranks of the candidates by each read-out, with intervals that hold for all at once.

    Parameters
    ----------
    scores : DataFrame
        Score table of one metric, with the column `by`, such as `probe`.
    by : str

    Returns
    -------
    DataFrame
        `by`, `model`, `mean`, `rank`, `low`, `high` (of the rank). Fewer than two candidates have
        no ranks: rank 1 of one.
    """
    candidates = scores[scores["role"] == "candidate"]
    tables = []
    for name, group in candidates.groupby(by, sort=False):
        units = paired(group, missing="drop")
        if units.table.shape[1] < 2 or len(np.unique(units.clusters)) < MIN_UNITS:
            found = units.table.mean().rename("mean").to_frame().rename_axis("model")
            found = found.assign(rank=1.0, low=1.0, high=float(units.table.shape[1]))
        else:
            found = rank_intervals(
                units.table,
                units.clusters,
                better=better,
                n_resamples=2000,
                rng=np.random.default_rng(seed),
            )
        tables.append(found.reset_index().assign(**{by: name}))
    columns = [by, "model", "mean", "rank", "low", "high"]
    return pd.concat(tables, ignore_index=True)[columns]


def undecided(ranks: pd.DataFrame, by: str) -> dict[str, list[str]]:
    """Of each read-out the candidates that may be first: their interval of ranks holds 1."""
    return {
        name: list(group.loc[group["low"] <= 1, "model"])
        for name, group in ranks.groupby(by, sort=False)
    }


@step
def attainable_lisi(
    embedding, *, batches: list[int], perplexity: int, n_cells: int, seed: int
) -> pd.DataFrame:
    """iLISI of labels drawn at random, for several numbers of batches.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
    batches : list of int
        Numbers of batches of equal size.
    perplexity : int
    n_cells : int
        Cells that are used, at random.
    seed : int

    Returns
    -------
    DataFrame
        `n_batches`, `measured` (mean over cells), `formula`, `effective` (neighbours that count).
    """
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(embedding), min(n_cells, len(embedding)), replace=False)
    graph = nearest_neighbours(embedding[np.sort(rows)], k=3 * perplexity - 1)
    found = []
    for n in batches:
        labels = rng.permutation(np.arange(len(rows)) % n)
        result = lisi(graph, labels, perplexity=perplexity)
        found.append(
            {
                "n_batches": n,
                "measured": float(np.nanmean(result.per_cell)),
                "formula": expected_lisi(result.concentration, labels),
                "effective": 1 / float(np.nanmean(result.concentration)),
            }
        )
    return pd.DataFrame(found)
