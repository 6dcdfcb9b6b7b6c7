"""What settings move: scores of both tasks, differences from each base, learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.comparisons import compare, paired
from helpers.metrics.embeddings.facts import METRICS
from helpers.stats import MIN_UNITS
from helpers.store.steps import Step, results
from helpers.tasks.embeddings import consistency_report, linear_separability_report
from helpers.tasks.embeddings.ablations import BASE, Setting
from helpers.tasks.embeddings.consistency import consistency
from helpers.tasks.embeddings.linear_separability import linear_separability
from helpers.tasks.embeddings.readouts import one_readout

MEASURES = {"consistency": "perturbation_consistency", "linear-separability": "probe_top1"}
"""Two tasks, and the metric of each that settings are compared on."""


def score(
    screen: Step,
    settings: Sequence[Setting],
    split: Step,
    *,
    dataset: str,
    seed: int,
    n_draws: int,
    references: Mapping[str, tuple[Step, str]],
    context: str | None = None,
) -> pd.DataFrame:
    """Score table of both tasks, of every setting once, in the revised protocol.

    Parameters
    ----------
    screen : Step
    settings : sequence of Setting
    split : Step
        What the probe learns from and is tested on.
    dataset : str
    seed, n_draws : int
        Of the null of consistency.
    references : mapping
        Of the name of a floor or ceiling to its embedding and role.
    context : str, optional
    """
    models = {s.model: (s.embedding, "candidate", dict(s.params)) for s in settings}
    models |= {name: (given, role, {}) for name, (given, role) in references.items()}
    shared = {"protocol": "revised", "post": "center_scaled"}
    asked = [
        consistency(
            screen,
            embedding,
            **shared,
            n_draws=n_draws,
            n_bootstrap=0,
            seed=seed,
            context=context,
            missing_controls="drop",
        )
        for embedding, _, _ in models.values()
    ] + [
        linear_separability(
            screen,
            embedding,
            [split],
            protocol=shared["protocol"],
            readouts=[["ridge", shared["post"]]],
            seed=seed,
            context=context,
        )
        for embedding, _, _ in models.values()
    ]
    tables = results(asked)
    tables[len(models) :] = [one_readout(table) for table in tables[len(models) :]]
    rows = []
    for as_rows, part in (
        (consistency_report.scores, tables[: len(models)]),
        (linear_separability_report.scores, tables[len(models) :]),
    ):
        for (name, (_, role, params)), table in zip(models.items(), part, strict=True):
            named = {"model": name, "role": role, "params": params, "dataset": dataset}
            rows.append(as_rows(table, **named, **shared, seed=seed, split="published"))
    return pd.concat(rows, ignore_index=True)


def against_base(scores: pd.DataFrame, settings: Sequence[Setting], *, seed: int) -> pd.DataFrame:
    """Paired differences of settings from the base of their family, one table for the figure.

    Parameters
    ----------
    scores : DataFrame
        Result of `score`.
    settings : sequence of Setting
    seed : int

    Returns
    -------
    DataFrame
        One row a setting under a factor and a task: `task`, `metric`, `factor`, `label`,
        `family`, `model`, `mean`; `difference` with its 95 % interval `low`, `high` and Holm's
        `p_holm` over the family's settings in that task, `verdict`; `n_units`. The base itself has
        the difference 0, no p-value and the verdict "base". Where fewer units than a comparison
        takes are scored, difference and interval are NaN and the verdict is "cannot answer".
    """
    tables = []
    for task, metric in MEASURES.items():
        own = scores[(scores["metric"] == metric) & (scores["role"] == "candidate")]
        means = own.groupby("model")["value"].mean()
        for family in dict.fromkeys(s.family for s in settings):
            base = BASE.get(family, family)
            names = list(dict.fromkeys(s.model for s in settings if s.family == family))
            if len(names) < 2:
                continue
            both = paired(own[own["model"].isin(names)], missing="drop")
            if len(both.table) < MIN_UNITS:
                nothing = {"difference": np.nan, "low": np.nan, "high": np.nan, "p_holm": np.nan}
                found = pd.DataFrame(
                    [{"model": n, **nothing, "verdict": "cannot answer"} for n in names[1:]]
                )
            else:
                found = compare(
                    both.table[names],
                    both.clusters,
                    better=METRICS[metric].better,
                    reference=base,
                    rng=np.random.default_rng(seed),
                )
            found = found.set_index("model")
            for one in (s for s in settings if s.family == family):
                row = {"task": task, "metric": metric, "factor": one.factor, "label": one.label}
                row |= {"family": family, "model": one.model, "mean": means[one.model]}
                if one.model == base:
                    row |= {"difference": 0.0, "low": 0.0, "high": 0.0, "p_holm": np.nan}
                    row |= {"verdict": "base"}
                else:
                    columns = ["difference", "low", "high", "p_holm", "verdict"]
                    row |= found.loc[one.model, columns].to_dict()
                tables.append(row | {"n_units": len(both.table)})
    return pd.DataFrame(tables)


def agreement(moved: pd.DataFrame) -> dict[str, list[str]]:
    """Models by what the two tasks decide of them.

    Parameters
    ----------
    moved : DataFrame
        Result of `against_base`.

    Returns
    -------
    dict of lists
        "alike" and "opposite": better or worse in both tasks; "one": in one task only; "none".
    """
    own = moved[moved["verdict"] != "base"].drop_duplicates(["task", "model"])
    signs = own.assign(sign=own["verdict"].map({"better": 1, "worse": -1}).fillna(0))
    wide = signs.pivot_table(index="model", columns="task", values="sign", sort=False)
    product, decided = wide.prod(axis=1), (wide != 0).sum(axis=1)
    kinds = {"alike": product > 0, "opposite": product < 0, "one": decided == 1}
    kinds["none"] = decided == 0
    return {kind: list(wide.index[chosen]) for kind, chosen in kinds.items()}


def against_distance(moved: pd.DataFrame) -> pd.DataFrame:
    """Do settings move a score as far as the two families' bases are apart?

    Parameters
    ----------
    moved : DataFrame
        Result of `against_base`.

    Returns
    -------
    DataFrame
        One row a task: `distance` of the bases; `further`, models whose difference from their base
        is larger; `reversing`, models that lie on the other side of the other family's base. The
        farthest come first in both lists.
    """
    rows = {}
    for task, own in moved.drop_duplicates(["task", "model"]).groupby("task", sort=False):
        base = own[own["verdict"] == "base"].set_index("family")["mean"]
        low, high = base.sort_values(kind="stable").index
        own = own.sort_values("difference", key=lambda d: -d.abs(), kind="stable")
        changed = own[own["verdict"] != "base"]
        distance = base[high] - base[low]
        over = (changed["family"] == low) & (changed["mean"] > base[high])
        under = (changed["family"] == high) & (changed["mean"] < base[low])
        rows[task] = {
            "distance": distance,
            "further": list(changed.loc[changed["difference"].abs() > distance, "model"]),
            "reversing": list(changed.loc[over | under, "model"]),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def learning_curves(fits: Mapping[str, Step]) -> pd.DataFrame:
    """Negative evidence lower bound of fits along their training, relative to the best of each.

    Parameters
    ----------
    fits : mapping
        Of a name to a step `scvi_fit`.

    Returns
    -------
    DataFrame
        `fit`, `cells` ("training" or "validation"), `series` (both), `step`, `elbo` in nats a
        cell, lower is better, `above_best`: share by which it is above the lowest validation value.
    """
    tables = []
    for name, fitted in zip(fits, results(fits.values()), strict=True):
        best = fitted["validation_elbo"].min()
        for cells, column in (("training", "train_elbo"), ("validation", "validation_elbo")):
            values = {"step": fitted["step"].astype(int), "elbo": fitted[column]}
            table = pd.DataFrame(
                {"fit": name, "cells": cells, "series": f"{name}, {cells}"} | values
            )
            tables.append(table.assign(above_best=table["elbo"] / best - 1))
    return pd.concat(tables, ignore_index=True)
