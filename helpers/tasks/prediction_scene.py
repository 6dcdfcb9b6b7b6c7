"""A screen whose cells are shared out: what is observed, and what predictions are made of.

Each perturbation's cells are halved. One half is the observation; the other may be seen by
predictions, of other perturbations in a real task, of the same one for a technical duplicate.
Controls are shared out likewise, so that no error is common to a prediction and its judge.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data.contract import CONTROL, DataError
from helpers.data.controls import assign_controls
from helpers.data.normalise import library_size, log1p_cp10k

LOG, RESIDUALS, RAW = "log1p CP10k", "Pearson residuals", "raw counts"
Halving = Literal["cells", "guides", "replicates"]
FEWEST = 4  # cells of a half: below, a t-test and five folds say nothing
N_COMPONENTS = 50
THETA = 100.0  # of the negative binomial of residuals: Lause et al. 2021


@dataclass(frozen=True)
class Scene:
    """Observations and what predictions may be made of.

    Parameters
    ----------
    names, genes : Index
        Perturbations that are scored, and genes: one set for all predictions.
    observed, seen : ndarray of shape (n_perturbations, n_genes)
        Mean expression of the half that judges, and of the half that predictions may see.
    observed_from, predicted_from : ndarray of shape (n_genes,)
        Means of the controls of either side; disjoint cells.
    observed_t, seen_t, seen_p : ndarray of shape (n_perturbations, n_genes)
        Welch's t of a half against that half of all other perturbations, and its p-value.
    own_gene : int ndarray of shape (n_perturbations,)
        Column of a perturbation's own gene, -1 where it is not measured.
    halves : dict
        Rows of each perturbation's cells: (judging, seen).
    controls : dict
        Rows of the controls: "truth" and "model".
    matrix : ndarray or csr_matrix of shape (n_cells, n_genes)
    n_left_out : int
        Perturbations with too few cells.
    """

    names: pd.Index
    genes: pd.Index
    observed: np.ndarray
    seen: np.ndarray
    observed_from: np.ndarray
    predicted_from: np.ndarray
    observed_t: np.ndarray
    seen_t: np.ndarray
    seen_p: np.ndarray
    own_gene: np.ndarray
    halves: dict[str, tuple[np.ndarray, np.ndarray]]
    controls: dict[str, np.ndarray]
    matrix: np.ndarray
    n_left_out: int

    @property
    def mean(self) -> np.ndarray:
        """Of what predictions may see, the unweighted mean of perturbations, (n_genes,)."""
        return self.seen.mean(axis=0)

    @property
    def n_cells(self) -> np.ndarray:
        """Cells behind each observation, (n_perturbations,)."""
        return np.array([len(self.halves[name][0]) for name in self.names])


def make_scene(
    screen,
    *,
    seed: int,
    context: str | None = None,
    halving: Halving = "cells",
    normalisation: str = LOG,
    n_cells: int | None = None,
    n_controls: int | None = None,
    n_perturbations: int | None = None,
    n_genes: int | None = None,
) -> Scene:
    """Share a screen out.

    Parameters
    ----------
    screen : AnnData of counts
    seed : int
        Deals cells and controls.
    context : str, optional
    halving : {"cells", "guides", "replicates"}
        What a half is made of: any cells of a perturbation, those of half of its guides, or those
        of half of the replicates.
    normalisation : str
        "log1p CP10k", "Pearson residuals" (analytic, theta 100) or "raw counts".
    n_cells, n_controls : int, optional
        Most cells of each half, and of each side's controls.
    n_perturbations : int, optional
        The first by name.
    n_genes : int, optional
        The highest expressed in the controls of the model's side.

    Returns
    -------
    Scene

    Raises
    ------
    DataError
        No two perturbations have enough cells in both halves, a column is not there, or controls
        are too few.
    """
    obs = screen.obs
    rows = np.arange(screen.n_obs)
    if context is not None:
        rows = np.flatnonzero((obs["context"].astype(str) == context).to_numpy())
    part = screen[rows]
    part = part[library_size(part) > 0]
    rng = np.random.default_rng(seed)
    labels = part.obs["perturbation"].astype(str).to_numpy()
    roles = np.asarray(assign_controls(labels, part.obs["batch"], rng=rng, missing="drop"))
    controls = {
        side: rng.permutation(np.flatnonzero(roles == f"control_{side}"))[:n_controls]
        for side in ("truth", "model")
    }
    unit = _units(part.obs, halving)
    halves, n_left_out = _halves(labels, unit, rng, n_cells)
    halves = dict(list(halves.items())[:n_perturbations])
    if len(halves) < 2:
        raise DataError(
            f"{len(halves)} perturbations have {FEWEST} cells in each of two halves by {halving}; "
            "two are needed at least"
        )
    values, genes = expression_of(part, normalisation), part.var_names
    if n_genes is not None and n_genes < len(genes):
        level = np.asarray(values[controls["model"]].mean(axis=0)).ravel()
        chosen = np.sort(np.argsort(-level, kind="stable")[:n_genes])
        values, genes = values[:, chosen], genes[chosen]
    names = pd.Index(list(halves))
    sums = [moments(values, [halves[n][i] for n in names]) for i in (0, 1)]
    tests = [_against_others(*found) for found in sums]
    means = [np.asarray(values[controls[s]].mean(axis=0)).ravel() for s in ("truth", "model")]
    return Scene(
        names=names,
        genes=genes,
        observed=sums[0][1],
        seen=sums[1][1],
        observed_from=means[0].astype(float),
        predicted_from=means[1].astype(float),
        observed_t=tests[0][0],
        seen_t=tests[1][0],
        seen_p=tests[1][1],
        own_gene=genes.get_indexer(names),
        halves=halves,
        controls=controls,
        matrix=values,
        n_left_out=n_left_out,
    )


def _units(obs: pd.DataFrame, halving: str) -> np.ndarray | None:
    """What is kept together when cells are halved; None: nothing."""
    columns = {"cells": None, "guides": "guide", "replicates": "replicate"}
    if halving not in columns:
        raise ValueError(f"halving is {halving!r}; one of {', '.join(columns)}")
    column = columns[halving]
    if column is None:
        return None
    if column not in obs:
        raise DataError(f"cells cannot be halved by {halving}: the screen has no obs[{column!r}]")
    return obs[column].astype(str).to_numpy()


def _halves(labels, unit, rng, n_cells) -> tuple[dict, int]:
    """Rows of the two halves of each perturbation, and how many have too few cells."""
    halves, left_out = {}, 0
    for name in sorted(set(labels) - {CONTROL}):
        cells = rng.permutation(np.flatnonzero(labels == name))
        if unit is None:
            first, second = np.array_split(cells, 2)
        else:
            mine = rng.permutation(np.unique(unit[cells]))
            is_first = np.isin(unit[cells], mine[: len(mine) // 2])
            first, second = cells[is_first], cells[~is_first]
        size = min(len(first), len(second), n_cells or len(cells))
        if size < FEWEST:
            left_out += 1
            continue
        halves[name] = (first[:size], second[:size])  # as many on both sides
    return halves, left_out


def expression_of(part, normalisation: str):
    """Expression of all cells, csr_matrix or ndarray of float."""
    if normalisation == LOG:
        return sparse.csr_matrix(log1p_cp10k(part).X, dtype=float)
    if normalisation == RAW:
        return sparse.csr_matrix(part.X, dtype=float)
    if normalisation != RESIDUALS:
        raise ValueError(f"normalisation is {normalisation!r}; {LOG}, {RESIDUALS} or {RAW}")
    counts = part.X.toarray() if sparse.issparse(part.X) else np.asarray(part.X)
    counts = counts.astype(float)
    total = counts.sum(axis=1, keepdims=True)
    expected = total * (counts.sum(axis=0) / counts.sum())
    spread = np.sqrt(expected + expected**2 / THETA)
    residuals = np.divide(counts - expected, spread, out=np.zeros_like(counts), where=spread > 0)
    most = np.sqrt(len(counts))
    return np.clip(residuals, -most, most)


def moments(values, groups: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes (n_groups, 1), means and sums of squared deviations (n_groups, n_genes)."""
    sizes = np.array([len(g) for g in groups])
    indicator = sparse.csr_matrix(
        (
            np.ones(sizes.sum()),
            (np.repeat(np.arange(len(groups)), sizes), np.concatenate(groups)),
        ),
        shape=(len(groups), values.shape[0]),
    )
    squares = values.multiply(values) if sparse.issparse(values) else values**2
    sums, second = (
        np.asarray(m.todense() if sparse.issparse(m) else m)
        for m in (indicator @ values, indicator @ squares)
    )
    n = sizes[:, None]
    return n, sums / n, np.maximum(second - sums**2 / n, 0)


def _against_others(n, mean, scatter) -> tuple[np.ndarray, np.ndarray]:
    """Welch's t of each group against all others together, and its p-value (1 where constant)."""
    from scipy.stats import t as student

    sums, second = n * mean, scatter + n * mean**2
    m = n.sum() - n
    rest = (sums.sum(axis=0) - sums) / m
    rest_scatter = np.maximum(second.sum(axis=0) - second - m * rest**2, 0)
    a, b = scatter / (n - 1) / n, rest_scatter / (m - 1) / m
    se = np.sqrt(a + b)
    # What rounding leaves of a constant gene is no variance.
    real = se > 1e-9 * (np.abs(mean) + np.abs(rest))
    found = np.divide(mean - rest, se, out=np.full(mean.shape, np.nan), where=real)
    degrees = np.divide(
        (a + b) ** 2,
        a**2 / (n - 1) + b**2 / (m - 1),
        out=np.ones(mean.shape),
        where=real,
    )
    p_value = np.where(real, 2 * student.sf(np.abs(found), degrees), 1.0)
    return found, p_value
