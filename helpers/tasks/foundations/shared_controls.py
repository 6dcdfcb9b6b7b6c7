"""Task: how much do effects of unrelated perturbations agree just because they share controls?"""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.data.contract import CONTROL, DataError
from helpers.data.controls import assign_controls
from helpers.data.normalise import log1p_cp10k
from helpers.data.pseudobulk import pseudobulk
from helpers.stats import mean_interval
from helpers.store.steps import step
from helpers.tasks.requirements import Requirement

TASK = "shared-controls"


def available(screen) -> dict[str, int]:
    """Counts of a screen of one context that `requirements` name."""
    is_control = (screen.obs["perturbation"] == CONTROL).to_numpy()
    per_batch = screen.obs.loc[is_control, "batch"].astype(str).value_counts()
    return {
        "perturbations": int(screen.obs.loc[~is_control, "perturbation"].astype(str).nunique()),
        "batches_with_four_controls": int((per_batch >= 4).sum()),
        "half_of_controls": int((per_batch // 2).sum()),
    }


def requirements(screen, n_controls: int) -> tuple[Requirement, ...]:
    """What effects with so many controls of either half of a screen's controls need."""
    n_batches = int(screen.obs["batch"].nunique())
    return (
        Requirement("perturbations", 2, "perturbations"),
        Requirement("batches_with_four_controls", n_batches, "batches with at least 4 controls"),
        Requirement("half_of_controls", n_controls, "controls in either half"),
    )


@step
def effect_correlations(
    screen, *, n_controls: int, seed: int, n_repeats: int = 20, context: str | None = None
) -> pd.DataFrame:
    """Mean correlation of each perturbation's effect with the effects of all others.

    An effect is a mean profile of log1p CP10k less that of `n_controls` control cells. With
    *shared* controls all effects have the same ones; with *disjoint* ones the effect of the one
    perturbation uses controls of the half `control_model`, that of the other of `control_truth`.

    Parameters
    ----------
    screen : AnnData of counts
    n_controls : int
        Cells of each half, at least 2.
    seed, n_repeats : int
        The controls are shared out and drawn anew `n_repeats` times.
    context : str, optional
        Use the cells of this context only.

    Returns
    -------
    DataFrame, one row a repeat and perturbation
        `repeat`, `perturbation` (sorted), `n_cells`; `shared` and `disjoint`, mean Pearson
        correlations over genes, in [-1, 1]. Of unrelated effects of n cells each, 0 is expected
        with disjoint controls, and (1/m) / (1/n + 1/m) with m shared ones.

    Raises
    ------
    DataError
        Fewer controls than asked for.
    """
    if context is not None:
        screen = screen[(screen.obs["context"] == context).to_numpy()]
    rng = np.random.default_rng(seed)
    expression = log1p_cp10k(screen)
    perturbed = expression[(expression.obs["perturbation"] != CONTROL).to_numpy()]
    profiles = pseudobulk(perturbed, "perturbation")
    tables = []
    for repeat in range(n_repeats):
        means = _control_means(screen, expression.X, n_controls, rng)
        model, truth = (np.asarray(profiles.X) - mean for mean in means)
        tables.append(
            pd.DataFrame(
                {
                    "repeat": repeat,
                    "perturbation": profiles.obs["perturbation"].astype(str).to_numpy(),
                    "n_cells": profiles.obs["n_cells"].to_numpy(),
                    "shared": _mean_with_others(model, model),
                    "disjoint": _mean_with_others(model, truth),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _control_means(screen, expression, n_controls: int, rng) -> list[np.ndarray]:
    """Mean profiles of as many cells of each half of the controls."""
    role = np.asarray(assign_controls(screen.obs["perturbation"], screen.obs["batch"], rng=rng))
    means = []
    for name in ("control_model", "control_truth"):
        cells = np.flatnonzero(role == name)
        if not 2 <= n_controls <= len(cells):
            raise DataError(
                f"n_controls is {n_controls}; {screen.uns['dataset']['name']} has {len(cells)} "
                f"cells of {name}: choose 2 to {len(cells)}"
            )
        drawn = rng.choice(cells, n_controls, replace=False)
        means.append(np.asarray(expression[drawn].mean(axis=0)).ravel())
    return means


def _mean_with_others(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Mean of each row's correlations with the other rows, both ways round."""
    units = []
    for effects in (left, right):
        centred = effects - effects.mean(axis=1, keepdims=True)
        units.append(centred / np.linalg.norm(centred, axis=1, keepdims=True))
    correlations = units[0] @ units[1].T
    np.fill_diagonal(correlations, 0)
    return (correlations + correlations.T).sum(axis=1) / (2 * (len(correlations) - 1))


def score_rows(result: pd.DataFrame, *, dataset: str, n_controls: int, seed: int) -> pd.DataFrame:
    """Result of `effect_correlations` as rows of the score table, the controls as the model.

    The unit is a draw of controls: all perturbations of a draw share the error of its controls.
    """
    draws = result.groupby("repeat")
    means, cells = draws[["shared", "disjoint"]].mean(), draws["n_cells"].sum()
    tables = [
        scores.rows(
            task=TASK,
            dataset=dataset,
            model=f"{controls} controls",
            params={"n_controls": n_controls},
            metric="effect_correlation",
            role="candidate",
            unit_kind="draw",
            unit=means.index.astype(str),
            seed=seed,
            n=cells,
            value=means[controls],
        )
        for controls in ("shared", "disjoint")
    ]
    return pd.concat(tables, ignore_index=True)


def by_number(results: dict[int, pd.DataFrame]) -> pd.DataFrame:
    """Means over perturbations, two rows a number of controls.

    Parameters
    ----------
    results : dict
        Of the number of controls to the result of `effect_correlations`.

    Returns
    -------
    DataFrame
        `label`, `controls`, `n_controls`, `mean`; `low`, `high`, its 95 % interval over the
        repeated draws of controls (t distribution); `expected` of unrelated effects, by the
        formula of `effect_correlations` at the mean of 1/n.
    """
    rows = []
    for n_controls, result in results.items():
        inverse = (1 / result["n_cells"]).mean()
        for controls in ("shared", "disjoint"):
            draws = result.groupby("repeat")[controls].mean()
            low, high = mean_interval(draws)
            share = (1 / n_controls) / (inverse + 1 / n_controls)
            rows.append(
                {
                    "label": f"{n_controls} {controls}",
                    "controls": controls,
                    "n_controls": n_controls,
                    "mean": draws.mean(),
                    "low": low,
                    "high": high,
                    "expected": share if controls == "shared" else 0.0,
                }
            )
    return pd.DataFrame(rows)
