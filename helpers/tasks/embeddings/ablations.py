"""One choice at a time: what becomes of PCA and scVI when it is made otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.comparisons import compare, paired
from helpers.data.contract import DataError
from helpers.data.genes import shared_genes, variable_genes
from helpers.metrics.facts import METRICS
from helpers.models.embeddings.scvi import INPUTS, LIKELIHOODS, scvi_embedding, scvi_fit
from helpers.models.pca import pca_embedding, pca_fit, pca_scores
from helpers.presets import by_preset, child_seeds
from helpers.stats import MIN_UNITS
from helpers.store import Step, results, step
from helpers.tasks.embeddings.consistency import consistency
from helpers.tasks.embeddings.consistency import scores as consistency_scores
from helpers.tasks.embeddings.linear_separability import linear_separability
from helpers.tasks.embeddings.linear_separability import scores as probe_scores
from helpers.tasks.embeddings.readout_report import one_readout
from helpers.tasks.embeddings.representations import roster, scvi_effort

FAMILIES = ("PCA", "scVI")
BASE = {"PCA": "PCA of log counts", "scVI": "scVI"}
"""The setting that the others of a family are compared with, named as in the roster."""
MEASURES = {"consistency": "perturbation_consistency", "linear-separability": "probe_top1"}
"""Two tasks, and the metric of each that settings are compared on."""
_NAMES = {"zinb": "ZINB", "nb": "NB", "poisson": "Poisson", "counts": "counts", "log1p": "logs"}


@dataclass(frozen=True)
class Setting:
    """A model with one choice made otherwise.

    Parameters
    ----------
    factor, label : str
        The choice, and what is chosen.
    family : str
        Settings that are compared with one base: `BASE` of it, or the model that it is called
        after.
    model : str
        Unique name, as in scores. The base of a family stands under every factor.
    embedding : Step
    params : mapping
    """

    factor: str
    label: str
    family: str
    model: str
    embedding: Step
    params: Mapping


@step
def some_cells(screen, *, n_cells: int, seed: int) -> dict[str, np.ndarray]:
    """A split with so many cells to learn from, perturbed or not, drawn at random.

    Returns
    -------
    dict of int arrays
        `train`, sorted, and `train_controls`, empty: who is a control is not asked.

    Raises
    ------
    DataError
        More cells than there are.
    """
    if not 1 <= n_cells <= screen.n_obs:
        raise DataError(f"{n_cells} cells are asked for; the screen has {screen.n_obs}")
    rows = np.random.default_rng(seed).choice(screen.n_obs, n_cells, replace=False)
    return {"train": np.sort(rows), "train_controls": np.empty(0, np.int64)}


def settings(
    screen: Step,
    *,
    seed: int,
    preset: str,
    n_dims: int = 64,
    split: Step | None = None,
    other: Step | None = None,
    factors: Sequence[str] | None = None,
) -> list[Setting]:
    """Every setting, factor by factor; those that only the roster has are its steps.

    Parameters
    ----------
    screen : Step
    seed : int
    preset : {"tiny", "book", "full"}
    n_dims : int
        Of the base.
    split, other : Step, optional
        As in `helpers.tasks.embeddings.representations.roster`.
    factors : sequence of str, optional
        Only these.
    """
    effort = scvi_effort(preset)

    def scvi_of(source=screen, seed=seed, **changed) -> Step:
        arguments = {"n_latent": n_dims, **effort, **changed}
        return scvi_embedding(screen, scvi_fit(source, seed=seed, **arguments))

    def pca_of(source=screen, **changed) -> Step:
        arguments = {"n_components": n_dims, **changed}
        return pca_scores(screen, pca_fit(source, seed=seed, **arguments))

    base = {"PCA": pca_embedding(screen, n_components=n_dims, seed=seed), "scVI": scvi_of()}
    found: list[Setting] = []

    def add(factor, label, family, embedding=None, **params) -> None:
        if embedding is None:
            model, embedding = BASE[family], base[family]
        else:
            model = f"{family}, {factor}: {label}"
        params = {"n_dims": n_dims, "fitted_on": "evaluation cells", **params}
        found.append(Setting(factor, label, family, model, embedding, params))

    raw = pca_embedding(screen, n_components=n_dims, seed=seed, scale="counts")
    add("what is modelled", "logs", "PCA")
    add("what is modelled", "counts", "PCA", raw, scale="counts")
    for inputs in INPUTS:
        for likelihood in LIKELIHOODS:
            label = f"{_NAMES[likelihood]} of {_NAMES[inputs]}"
            chosen = {"likelihood": likelihood, "inputs": inputs}
            is_base = chosen == {"likelihood": "zinb", "inputs": "counts"}
            changed = {k: v for k, v in chosen.items() if v not in ("zinb", "counts")}
            embedding = None if is_base else scvi_of(**changed)
            add("what is modelled", label, "scVI", embedding, **chosen)

    sizes = by_preset(preset, tiny=[300], book=[500, 1_500, 4_500], full=[1_000, 10_000, 100_000])
    for n_cells in sizes:
        few = some_cells(screen, n_cells=n_cells, seed=seed)
        add("cells", f"{n_cells:,}", "PCA", pca_of(split=few), n_cells=n_cells)
        add("cells", f"{n_cells:,}", "scVI", scvi_of(split=few), n_cells=n_cells)
    dims = by_preset(preset, tiny={16}, book={16, 32, 128}, full={32, 128})
    for n in sorted(dims | {n_dims}):
        given = {family: {} if n == n_dims else {"n_dims": n} for family in FAMILIES}
        pca = None if n == n_dims else pca_embedding(screen, n_components=n, seed=seed)
        scvi = None if n == n_dims else scvi_of(n_latent=n)
        add("dimensions", str(n), "PCA", pca, **given["PCA"])
        add("dimensions", str(n), "scVI", scvi, **given["scVI"])
    for n_genes in by_preset(preset, tiny=[100], book=[125, 500], full=[500, 2_000]):
        genes = variable_genes(screen, n_genes=n_genes)
        add("genes", f"{n_genes:,}", "PCA", pca_of(genes=genes), n_genes=n_genes)
        add("genes", f"{n_genes:,}", "scVI", scvi_of(genes=genes), n_genes=n_genes)
    for factor in ("cells", "genes"):
        for family in FAMILIES:
            add(factor, "all", family)

    for family in FAMILIES:
        add("fitted on", "evaluation cells", family)
    if split is not None:
        where = {"fitted_on": "training batches"}
        add("fitted on", where["fitted_on"], "PCA", pca_of(split=split), **where)
        add("fitted on", where["fitted_on"], "scVI", scvi_of(split=split), **where)
    if other is not None:
        genes, where = shared_genes(other, screen), {"fitted_on": "another data set"}
        add("fitted on", where["fitted_on"], "PCA", pca_of(other, genes=genes), **where)
        add("fitted on", where["fitted_on"], "scVI", scvi_of(other, genes=genes), **where)
    add("fitted on", "nothing", "scVI", scvi_of(n_steps=0), fitted_on="nothing")

    longer = {"n_steps": 2 * effort["n_steps"]}
    add("steps", f"{effort['n_steps']:,}", "scVI")
    add("steps", f"{longer['n_steps']:,}", "scVI", scvi_of(**longer), **longer)
    add("seed", "first", "scVI")
    add("seed", "second", "scVI", scvi_of(seed=child_seeds(seed, 3)[2]), draw=2)
    return found if factors is None else [one for one in found if one.factor in factors]


def fitted_elsewhere(
    screen: Step, *, seed: int, preset: str, n_dims: int, split: Step, other: Step
) -> list[Setting]:
    """Every trainable model of the roster, by the cells that it was fitted on.

    Parameters
    ----------
    screen, seed, preset, n_dims, split, other
        As in `helpers.tasks.embeddings.representations.roster`.

    Returns
    -------
    list of Setting
        Under one factor, labelled by the cells. A family is called after its fit on the evaluation
        cells, which is its base.
    """
    arguments = {"seed": seed, "preset": preset, "n_dims": n_dims, "split": split, "other": other}
    found = []
    for one in roster(screen, everywhere=True, **arguments).values():
        if one.fitted_on == "nothing":
            continue
        name = one.name.removesuffix(", training batches").removesuffix(", transferred")
        family = BASE.get(name, name)
        found.append(
            Setting("fitted on", one.fitted_on, family, one.name, one.embedding, one.params)
        )
    return found


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
        (consistency_scores, tables[: len(models)]),
        (probe_scores, tables[len(models) :]),
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
