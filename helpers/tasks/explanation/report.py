"""Rows of scores, and tables, that the chapters on explanation share."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from helpers import scores
from helpers.metrics.explanation.facts import METRICS
from helpers.summaries import draw_means
from helpers.tasks.explanation.rankings import FAMILIES


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
        See `helpers.summaries.draw_means`.
    """
    return draw_means(table, by, draw="cluster", metrics=METRICS)


def experiment_rows(
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
    return scores.rows(
        task=task,
        split="test",
        params=[{"draw": int(draw)} for draw in values["draw"]],
        post="none",
        metric=metric,
        role=[(roles or {}).get(model, "candidate") for model in values["model"]],
        unit_kind=unit_kind,
        cluster=[f"draw {draw}" for draw in values["draw"]],
        **values[["dataset", "model", "seed", "unit", "n", "value"]],
    )


def overlap_rows(
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
    names = list(table.index)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[: i + 1]]
    return scores.rows(
        task="rank-overlap",
        dataset=dataset,
        split="train",
        model=[a for a, _ in pairs],
        params={"n": n_top},
        post="none",
        metric="top_overlap",
        role=["floor" if "floor" in (roles[a], roles[b]) else "candidate" for a, b in pairs],
        unit_kind="method",
        unit=["itself" if a == b else b for a, b in pairs],
        cluster=[a for a, _ in pairs],
        seed=seed,
        n=n_top,
        value=[table.loc[a, b] for a, b in pairs],
    )


def families_apart(table: pd.DataFrame) -> tuple[float, float]:
    """How much more of their best genes two lists of one kind share than two of different kinds.

    Kinds are tests, and what is learned: explanations, and models read directly. As pairs of lists
    are not independent, the p-value deals the methods to kinds of the same sizes in all ways (a
    permutation of objects, as by Mantel 1967).

    Parameters
    ----------
    table : DataFrame
        Of `overlap_table`: methods x methods, symmetric.

    Returns
    -------
    difference : float
        In [-1, 1]: the mean over pairs of one kind less that over pairs of a test and a learned
        list. NaN if a list is missing.
    p : float
        Share of the ways that give as much or more, one-sided.
    """
    is_test = {name: family == "test" for name, family in FAMILIES.items() if family != "no class"}
    values = table.reindex(index=list(is_test), columns=list(is_test)).to_numpy(float)
    n, pair = len(is_test), ~np.eye(len(is_test), dtype=bool)

    def difference(tests) -> float:
        chosen = np.isin(np.arange(n), tests)
        same = np.equal.outer(chosen, chosen)
        return values[same & pair].mean() - values[~same].mean()

    true = np.flatnonzero(list(is_test.values()))
    found = difference(true)
    if np.isnan(found):
        return np.nan, np.nan
    dealt = [difference(tests) for tests in combinations(range(n), len(true))]
    return found, float(np.mean(np.array(dealt) >= found - 1e-12))
