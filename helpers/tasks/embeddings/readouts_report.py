"""Tables and scores of the chapters on batch mixing, linear separability and neighbourhood."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.comparisons import paired, rank_intervals
from helpers.scores import gather as gather_scores
from helpers.scores import rows
from helpers.stats import MIN_UNITS
from helpers.store.steps import Step
from helpers.tasks.embeddings.bendidi2024 import reported
from helpers.tasks.embeddings.readouts import one_readout
from helpers.tasks.embeddings.representations import Representation, roles_and_params

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
    "knn_top1": "top-1",
    "knn_top5": "top-5",
    "knn_rank": "rank of the right perturbation",
    "average_precision": "average precision",
    "perturbation_consistency": "mean cosine",
    "consistency_p_value": "p-value",
    "gene_recall": "recall by gene",
    "relationship_recall": "recall by database",
    "reconstruction_spearman": "Spearman correlation",
    "profile_integrity": "integrity of mean profiles",
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
        `scores` of the task's report.
    unit : str
    **shared
        The other arguments of `score`.
    """

    def of_model(result, *, params, **named):
        by = [column for column in ("probe", "post") if column in result]
        tables = []
        for key, found in result.groupby(by, sort=False):
            chosen = dict(zip(by, key, strict=True))
            probe = {"probe": chosen.pop("probe")} if "probe" in chosen else {}
            one = one_readout(found, unit)
            tables.append(score(one, params=params | probe, **chosen, **named))
        return pd.concat(tables, ignore_index=True)

    steps = {(name,): step for name, step in asked.items()}
    return gather_scores(steps, ("model",), of_model, **roles_and_params(roster), **shared)


def unit_scores(
    table: pd.DataFrame, metrics: Mapping[str, str], *, unit: str = "perturbation", **shared
) -> pd.DataFrame:
    """A table by unit, with `n_cells`, as rows of the score table, one a unit and metric.

    Parameters
    ----------
    table : DataFrame indexed by unit
    metrics : mapping
        Of the metric's name to its column.
    unit : str
        What the units are.
    **shared
        The other columns; see `helpers.scores.rows`.
    """
    return rows(
        unit_kind=unit,
        unit=table.index,
        n=table["n_cells"].to_numpy(dtype=int),
        value={name: table[column].to_numpy(dtype=float) for name, column in metrics.items()},
        **shared,
    )


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


def rank_spans(ranks: pd.DataFrame, by: str, rows: Sequence[str] = ("model",)) -> pd.DataFrame:
    """Of `rankings` a row a candidate and a column a read-out: the places that it may have.

    Parameters
    ----------
    ranks : DataFrame
    by : str
    rows : sequence of str
        Columns that name a row.
    """
    places = [
        f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
        for low, high in zip(ranks["low"], ranks["high"], strict=True)
    ]
    groups = [*rows[:-1], by]  # as they come
    order = {f"{name} comes": pd.factorize(ranks[name])[0] for name in groups}
    order = ranks.assign(places=places, **order).sort_values([*order, "rank"], kind="stable")
    wide = order.pivot_table("places", list(rows), by, aggfunc="first", sort=False)
    wide = wide[list(dict.fromkeys(ranks[by]))].rename(columns=PROBE_NAMES)
    return wide.rename_axis(None, axis=1).reset_index()
