"""CausalBench's filter of genes and cells: what it keeps, and what it makes.

The filter keeps cells of an arm in which the perturbed gene is low. In a cell that escaped its
perturbation the gene is low because of something else, which the filter then takes for an effect.
"""

import numpy as np
import pandas as pd

from helpers.data.discovery.network_cells import NO_TARGET, Cells, knocked_down, parts, strong
from helpers.metrics.discovery import networks as metrics
from helpers.models.discovery.networks.means import arm_means, mean_difference
from helpers.store.steps import step
from helpers.tasks.discovery.networks_real import real_cells
from helpers.tasks.requirements import CannotAnswer

PUBLISHED_SHARES = (0.8, 0.2)
"""Cells to infer from, and those that judge, as CausalBench splits each arm."""
FILTER_SERIES = ("arms", "arms, low target", "controls", "controls, low target")
KEPT = ("all cells", "low target")


@step
def filtered_truth(data, *, seed: int) -> pd.DataFrame:
    """What the filter of cells does where the network is planted; cells split 80/20.

    Returns
    -------
    DataFrame
        `post` (of `KEPT`), `metric`, `value`, `n`. Mean Difference of the larger part against
        planted edges and paths; and, on the held-out part, of pairs without a path the share that
        the test calls: those where the second gene acts on the first ("upstream"), and the others.
    """
    values, target = data["values"].astype(float), data["target"]
    low, rows = knocked_down(values, target), []
    without, up = ~data["ancestral"], data["ancestral"].T
    for post, kept in zip(KEPT, (np.ones(len(low), dtype=bool), low), strict=True):
        part = parts(target[kept], PUBLISHED_SHARES, seed=seed)
        x, arm = values[kept], target[kept]
        scores = mean_difference(arm_means(x[part == 0], arm[part == 0]))
        for name in ("direct", "ancestral"):
            found = metrics.average_precision(scores, data[name])
            rows.append((post, f"{name}_average_precision", found, int(data[name].sum())))
        tests = metrics.pair_tests(x[part == 1], arm[part == 1])
        for name, own in (("upstream", without & up), ("unrelated", without & ~up)):
            own = own & tests.tested
            called = float((tests.p_value[own] < metrics.LEVEL).mean()) if own.any() else np.nan
            rows.append((post, f"{name}_called", called, int(own.sum())))
    return pd.DataFrame(rows, columns=["post", "metric", "value", "n"])


def counted_cells(data) -> Cells:
    """Cells of a screen of counts; the filter compares the count of the target with controls.

    Raises
    ------
    CannotAnswer
        Another scale.
    """
    kind = data.uns["scale"]["kind"]
    if kind != "counts":
        raise CannotAnswer(f"expression is {kind!r}, and the filter of cells reads raw counts")
    return real_cells(data)


@step
def causalbench_filter(data) -> pd.DataFrame:
    """What each condition of CausalBench's filter says of each arm.

    Genes that change are those that a Mann-Whitney test calls after correction in the arm, in place
    of the published table of Anderson-Darling tests.

    Returns
    -------
    DataFrame
        `perturbed`, `cells`, `own change` (of the mean count, as a share of that of controls),
        `changed` (genes, the target left out), `kept by published` (all three conditions hold),
        `low target` (cells with a low count of the target).
    """
    cells = counted_cells(data)
    raw = np.expm1(cells.expression)
    tests = metrics.pair_tests(cells.expression, cells.target)
    called = (tests.p_adjusted < metrics.LEVEL).sum(axis=1)
    means = arm_means(raw, cells.target)
    low = knocked_down(raw, cells.target)
    arms = cells.arms
    n = np.array([(cells.target == arm).sum() for arm in arms])
    own = means.changes[arms, arms] / means.control[arms]
    return pd.DataFrame(
        {
            "perturbed": [cells.genes[arm] for arm in arms],
            "cells": n,
            "own change": own,
            "changed": called[arms],
            "kept by published": strong(called[arms], own, n),
            "low target": [int(low[cells.target == arm].sum()) for arm in arms],
        }
    )


@step
def filter_against_null(data, *, n_cells: int, n_draws: int, seed: int) -> pd.DataFrame:
    """What a filter of cells by their target does to arms, and to arms drawn from controls.

    An arm of controls was not perturbed: what the test calls there, the filter has made.

    Parameters
    ----------
    data : AnnData
        Counts.
    n_cells : int
        Of each arm, with the filter and without; arms that the filter leaves fewer are left out.
    n_draws : int
    seed : int

    Returns
    -------
    DataFrame
        `draw`, `series` (of `FILTER_SERIES`), `share` (of the other genes that the test calls),
        `n` (pairs).

    Raises
    ------
    CannotAnswer
        No arm has as many cells with a low count of its target.
    """
    cells, rows = counted_cells(data), []
    x, target = cells.expression, cells.target
    controls = target == NO_TARGET
    limit = np.percentile(x[controls], 10, axis=0)
    most = min(n_cells, int(controls.sum()) // 2)
    low = knocked_down(np.expm1(x), target)
    arms = [arm for arm in cells.arms if (low & (target == arm)).sum() >= most]
    if not arms:
        raise CannotAnswer(f"no arm has {most} cells with a low count of its target")
    for draw in range(n_draws):
        rng = np.random.default_rng([seed, draw])
        for series in FILTER_SERIES:
            called = n = 0
            for arm in arms:
                own = controls if series.startswith("controls") else target == arm
                if series.endswith("low target"):
                    own = own & (x[:, arm] <= limit[arm])
                drawn = rng.permutation(np.flatnonzero(own))[:most]
                rest = np.setdiff1d(np.flatnonzero(controls), drawn)
                code = np.r_[np.full(len(rest), NO_TARGET), np.full(len(drawn), arm)]
                tests = metrics.pair_tests(x[np.r_[rest, drawn]], code)
                p = np.delete(tests.p_value[arm], arm)
                called, n = called + int((p < metrics.LEVEL).sum()), n + len(p)
            rows.append([draw, series, called / n, n])
    return pd.DataFrame(rows, columns=["draw", "series", "share", "n"])
