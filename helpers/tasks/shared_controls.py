"""Task: how much do effects of unrelated perturbations agree just because they share controls?"""

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.data.controls import assign_controls
from helpers.data.normalise import log1p_cp10k
from helpers.data.pseudobulk import pseudobulk
from helpers.scores import params
from helpers.stats import cluster_bootstrap
from helpers.store import step

TASK = "shared-controls"


@step
def effect_correlations(screen, *, n_controls: int, seed: int) -> pd.DataFrame:
    """Mean correlation of each perturbation's effect with the effects of all others.

    An effect is a mean profile of log1p CP10k less that of `n_controls` control cells. With
    *shared* controls all effects have the same ones; with *disjoint* ones the effect of the one
    perturbation uses controls of the half `control_model`, that of the other of `control_truth`.

    Parameters
    ----------
    screen : AnnData of counts
    n_controls : int
        Cells of each half, at least 2.
    seed : int

    Returns
    -------
    DataFrame indexed by perturbation, sorted
        `shared` and `disjoint`, mean Pearson correlations over genes, in [-1, 1]; 0 is expected of
        unrelated effects with disjoint controls, and of unrelated effects of as many cells as
        controls about 1/2 with shared ones. `n_cells`.

    Raises
    ------
    DataError
        Fewer controls than asked for.
    """
    rng = np.random.default_rng(seed)
    expression = log1p_cp10k(screen)
    role = np.asarray(assign_controls(screen.obs["perturbation"], screen.obs["batch"], rng=rng))
    halves = {}
    for name in ("control_model", "control_truth"):
        cells = np.flatnonzero(role == name)
        if not 2 <= n_controls <= len(cells):
            raise DataError(
                f"n_controls is {n_controls}; {screen.uns['dataset']['name']} has {len(cells)} "
                f"cells of {name}: choose 2 to {len(cells)}"
            )
        drawn = rng.choice(cells, n_controls, replace=False)
        halves[name] = np.asarray(expression.X[drawn].mean(axis=0)).ravel()
    perturbed = expression[(expression.obs["perturbation"] != CONTROL).to_numpy()]
    profiles = pseudobulk(perturbed, "perturbation")
    model, truth = (np.asarray(profiles.X) - mean for mean in halves.values())
    return pd.DataFrame(
        {
            "shared": _mean_with_others(model, model),
            "disjoint": _mean_with_others(model, truth),
            "n_cells": profiles.obs["n_cells"].to_numpy(),
        },
        index=pd.Index(profiles.obs["perturbation"].astype(str), name="perturbation"),
    )


def _mean_with_others(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Mean of each row's correlations with the other rows, both ways round."""
    units = []
    for effects in (left, right):
        centred = effects - effects.mean(axis=1, keepdims=True)
        units.append(centred / np.linalg.norm(centred, axis=1, keepdims=True))
    correlations = units[0] @ units[1].T
    np.fill_diagonal(correlations, 0)
    return (correlations + correlations.T).sum(axis=1) / (2 * (len(correlations) - 1))


def scores(result: pd.DataFrame, *, dataset: str, n_controls: int, seed: int) -> pd.DataFrame:
    """Result of `effect_correlations` as rows of the score table, the controls as the model."""
    tables = []
    for column, model in (("shared", "shared controls"), ("disjoint", "disjoint controls")):
        tables.append(
            pd.DataFrame(
                {
                    "task": TASK,
                    "dataset": dataset,
                    "split": "all",
                    "protocol": "revised",
                    "model": model,
                    "params": params({"n_controls": n_controls}),
                    "post": "raw",
                    "metric": "effect_correlation",
                    "role": "candidate",
                    "unit_kind": "perturbation",
                    "unit": result.index,
                    "cluster": result.index,
                    "seed": seed,
                    "n": result["n_cells"].to_numpy(),
                    "value": result[column].to_numpy(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def by_number(results: dict[int, pd.DataFrame]) -> pd.DataFrame:
    """Means over perturbations with 95 % bootstrap intervals, two rows a number of controls.

    Parameters
    ----------
    results : dict
        Of the number of controls to the result of `effect_correlations`.

    Returns
    -------
    DataFrame
        `label`, `controls`, `n_controls`, `mean`, `low`, `high`. Perturbations are resampled; the
        controls are not, so that the interval does not cover another draw of them.
    """
    rng = np.random.default_rng(0)
    rows = []
    for n_controls, result in results.items():
        for controls in ("shared", "disjoint"):
            mean, low, high = cluster_bootstrap(result[controls], result.index, rng=rng)
            rows.append(
                {
                    "label": f"{n_controls} {controls}",
                    "controls": controls,
                    "n_controls": n_controls,
                    "mean": mean,
                    "low": low,
                    "high": high,
                }
            )
    return pd.DataFrame(rows)
