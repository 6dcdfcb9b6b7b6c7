"""Tables and scores of the chapters on batch mixing, linear separability and neighbourhood."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.comparisons import paired, rank_intervals
from helpers.metrics.embeddings.lisi import expected_lisi, lisi
from helpers.metrics.embeddings.neighbours import nearest_neighbours
from helpers.stats import MIN_UNITS, cluster_means
from helpers.store import Step, results, step
from helpers.tasks.embeddings.bendidi2024 import reported
from helpers.tasks.embeddings.readouts import pooled
from helpers.tasks.embeddings.representations import Representation

POST_NAMES = {
    "raw": "raw",
    "centered": "centered",
    "center_scaled": "center-scaled",
    "tvn": "TVN",
    "best": "kept",
}
PROBE_NAMES = {"mlp": "network"}
METRIC_NAMES = {
    "probe_top1": "top-1",
    "probe_top5": "top-5",
    "ilisi": "iLISI",
    "ilisi_ratio": "ratio",
}
COLUMN_NAMES = {"n_units": "units", "n_unscored": "not scored"}


def reported_posts(task: str, metric: str, dataset: str) -> pd.DataFrame:
    """What was reported of a metric: models x post-processings, and the value that was kept."""
    table = reported(task, dataset)
    table = table[table["metric"] == metric]
    wide = table.pivot_table("value", "model", "post", sort=False)
    columns = [post for post in POST_NAMES if post in wide]
    return wide[columns].rename(columns=POST_NAMES).rename_axis(None, axis=1).reset_index()


def gather(
    asked: Mapping[str, Step],
    *,
    roster: Mapping[str, Representation],
    score: Callable[..., pd.DataFrame],
    unit: str = "perturbation",
    **shared,
) -> pd.DataFrame:
    """Score table of a task's results, computed side by side where there is a cluster.

    Parameters
    ----------
    asked : mapping
        Of the model's name to a step whose table has the column `unit`, and `post`, `probe` or
        `fold` where there are several. Folds are pooled; the probe is recorded among the
        parameters of the model.
    roster : mapping
        Of the model's name to its representation.
    score : callable
        `scores` of the task's module.
    unit : str
    **shared
        The other arguments of `score`.
    """
    tables = []
    for name, result in zip(asked, results(asked.values()), strict=True):
        model = roster[name]
        by = [column for column in ("probe", "post") if column in result]
        for key, rows in result.groupby(by, sort=False):
            named = dict(zip(by, key, strict=True))
            params = dict(model.params)
            if "probe" in named:
                params["probe"] = named.pop("probe")
            table = one_readout(rows, unit)
            tables.append(
                score(table, model=name, role=model.role, params=params, **named, **shared)
            )
    return pd.concat(tables, ignore_index=True)


def one_readout(rows: pd.DataFrame, unit: str = "perturbation") -> pd.DataFrame:
    """Rows of one probe and post-processing as a table indexed by unit, folds pooled."""
    table = rows.set_index(unit)
    table = table[[column for column in table if column not in ("probe", "post")]]
    if "fold" not in table:
        return table
    return pooled([part.drop(columns="fold") for _, part in table.groupby("fold")])


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A table as pages show it: names of columns, post-processings, probes, metrics in words."""
    words = {"post": POST_NAMES, "probe": PROBE_NAMES, "metric": METRIC_NAMES}
    known = {
        column: table[column].replace(names) for column, names in words.items() if column in table
    }
    return table.assign(**known).rename(columns=COLUMN_NAMES)


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
