"""Networks inferred from simulated cells, judged on held-out cells and by the planted truth."""

from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.discovery.network_cells import parts, regime
from helpers.metrics.discovery import networks as metrics
from helpers.models.discovery.networks.gies import gies_like
from helpers.models.discovery.networks.guanlab import guanlab
from helpers.models.discovery.networks.means import arm_means, mean_difference
from helpers.models.discovery.networks.notears import notears
from helpers.models.discovery.networks.regressions import (
    correlation,
    grnboost_like,
    sortnregress,
)
from helpers.models.discovery.networks.sparse_inverse import sparse_inverse
from helpers.store.steps import step

SETTINGS = MappingProxyType(
    {
        "Mean Difference": {},
        "GuanLab": {},
        "sparse inverse": {},
        "GIES-like": {},
        "GRNBoost-like": {"n_trees": 25, "n_cells": 500},
        "NOTEARS": {"tolerance": 1e-4, "n_inner": 100},
        "sortnregress": {},
        "correlation": {},
        "random": {},
    }
)
"""Methods, and settings of theirs that keep a run short."""
TRUTHS = ("planted edges", "planted paths")
DUPLICATE = "Mean Difference, other half"
SHARES = (0.4, 0.4, 0.2)
"""Cells to infer from, as many for the duplicate, and those that judge."""


def scores_of(method: str, values, target, *, seed: int, **settings) -> np.ndarray:
    """Score of every ordered pair by a method.

    Parameters
    ----------
    method : str
        Of `SETTINGS`.
    values : array of shape (n_cells, n_genes)
    target : int array of shape (n_cells,)
        Column of the perturbed gene, -1 for controls.
    seed : int
    **settings
        Of the method, in place of those of `SETTINGS`.

    Returns
    -------
    ndarray of shape (n_genes, n_genes), the row acts on the column
    """
    if method not in SETTINGS:
        raise DataError(f"method {method!r}: choose from {', '.join(SETTINGS)}")
    if method == "Mean Difference":
        return mean_difference(arm_means(values, target))
    if method == "random":
        return np.random.default_rng(seed).random((values.shape[1],) * 2)
    run = {
        "GuanLab": guanlab,
        "sparse inverse": sparse_inverse,
        "GIES-like": gies_like,
        "GRNBoost-like": grnboost_like,
        "NOTEARS": notears,
        "sortnregress": sortnregress,
        "correlation": correlation,
    }[method]
    return run(values, target, seed=seed, **{**SETTINGS[method], **settings})


@step
def judged(data, *, method: str, seed: int, share: float = 1.0, n_random: int = 20) -> pd.DataFrame:
    """Scores of a method's network, with as many edges as were planted.

    Parameters
    ----------
    data : dict of ndarray
        Of `helpers.data.discovery.network_simulator`.
    method : str
        Of `SETTINGS`, `TRUTHS` or `DUPLICATE`, which is Mean Difference of cells that the methods
        do not see, and that do not judge.
    seed : int
        Of parts, regime, ties and the method.
    share : float in [0, 1]
        Perturbed genes whose cells the method sees. The judge sees all.
    n_random : int
        Random networks with the same parents, and rewired ones, each.

    Returns
    -------
    DataFrame
        `post` ("as predicted", "same parents", "rewired"), `metric`, `value`, `n` (edges or pairs).
    """
    values, target = data["values"], data["target"]
    part = parts(target, SHARES, seed=seed)
    if method in TRUTHS:
        scores = data["direct" if method == "planted edges" else "ancestral"].astype(float)
    else:
        own = part == (1 if method == DUPLICATE else 0)
        own &= regime(target, share, seed=seed)
        name = "Mean Difference" if method == DUPLICATE else method
        scores = scores_of(name, values[own], target[own], seed=seed)
    tests = metrics.pair_tests(values[part == 2], target[part == 2])
    return judgement(scores, data, tests, n_random, np.random.default_rng(seed))


def judgement(scores, data, tests, n_random: int, rng) -> pd.DataFrame:
    """Rows of `judged`, of a method's scores and `PairTests` of the cells that judge."""
    n_edges = int(data["direct"].sum())
    edges = metrics.top_edges(scores, n_edges, rng)
    rows = [("as predicted", *row) for row in _of_truth(scores, edges, data)]
    rows += [("as predicted", *row) for row in _of_cells(edges, tests)]
    for post, draw in (("same parents", metrics.same_parents), ("rewired", metrics.rewired)):
        drawn = [_of_cells(draw(edges, rng), tests) for _ in range(n_random)]
        for own in zip(*drawn, strict=True):
            found = [value for _, value, _ in own if not np.isnan(value)]
            rows.append((post, own[0][0], np.mean(found) if found else np.nan, own[0][2]))
    return pd.DataFrame(rows, columns=["post", "metric", "value", "n"])


def _of_truth(scores, edges, data) -> list[tuple]:
    """Metrics that the planted network asks: of the whole ranking, and of its first edges."""
    n, n_pairs, rows = int(edges.sum()), edges.size - len(edges), []
    for name in ("direct", "ancestral"):
        truth = data[name]
        precision, recall = metrics.precision_recall(edges, truth)
        ranked = metrics.average_precision(scores, truth)
        rows.append((f"{name}_average_precision", ranked, n_pairs))
        rows += [(f"{name}_precision", precision, n), (f"{name}_recall", recall, n)]
    first, _, last = data["mediated"].T
    return [*rows, ("mediated_share", float(edges[first, last].mean()), len(first))]


def _of_cells(edges, tests) -> list[tuple]:
    """CausalBench's metrics of a network on held-out cells."""
    found = metrics.edge_scores(edges, tests)
    omitted = metrics.false_omissions(edges, tests)
    n = found.pop("n_edges")
    return [
        *((name, value, n) for name, value in found.items()),
        ("false_omission_rate", omitted["false_omission_rate"], omitted["n_omitted"]),
    ]


@step
def construction(data, *, seed: int) -> pd.DataFrame:
    """Why Mean Difference wins the Wasserstein distance: one is nearly the other, pair by pair.

    Returns
    -------
    DataFrame
        A row a tested pair: `mean difference` (of cells to infer from), `mean difference, judge`
        and `distance` (of the cells that judge: never below it), `pair` ("edge", "path", "none").
    """
    values, target = data["values"], data["target"]
    part = parts(target, SHARES, seed=seed)
    tests = metrics.pair_tests(values[part == 2], target[part == 2])
    seen, judge = (mean_difference(arm_means(values[part == p], target[part == p])) for p in (0, 2))
    kind = np.where(data["direct"], "edge", np.where(data["ancestral"], "path", "none"))
    own = tests.tested
    return pd.DataFrame(
        {
            "mean difference": seen[own],
            "mean difference, judge": judge[own],
            "distance": tests.w1[own],
            "pair": kind[own],
        }
    )
