"""Task: which metrics can rank models in a planned screen, and with which power.

Two models of known quality are compared: one knows most of each effect, the other less of it, and
both put the mean of all perturbations in place of the rest. A metric can rank models where it puts
the first one first, more clearly than perturbations differ.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL
from helpers.data.simulate.screen import simulated_screen
from helpers.store.steps import Step, results, step
from helpers.tasks.prediction_judge import Prediction
from helpers.tasks.prediction_panel import MEASURES, OF_MEANS, judged, planted_profiles
from helpers.tasks.prediction_scene import make_scene

KNOWS = {"knows more": 0.8, "knows less": 0.4}
"""Share of each effect that a model knows."""
SIMULATED = 30  # perturbations of a simulated screen, from which any number follows
LEVEL = 0.05
ASKED = 0.8  # power


@dataclass(frozen=True)
class Plan:
    """A screen that somebody plans.

    Parameters
    ----------
    cells : int
        Of each perturbation that is held out, at least 4.
    controls : int
        Cells that observed effects are taken against, at least 4; models get as many.
    perturbations : int
        Held out, at least 2.
    effect_size : float
        SD of an effect on a program; see `helpers.data.simulate.knobs.Knobs`.
    """

    cells: int
    controls: int
    perturbations: int
    effect_size: float = 0.4

    def __post_init__(self) -> None:
        for name, least in (("cells", 4), ("controls", 4), ("perturbations", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; at least {least}")
        if not 0 <= self.effect_size <= 2:
            raise ValueError(f"effect size is {self.effect_size}; it lies in [0, 2]")


def differences(plan: Plan, *, seeds: list[int], n_genes: int = 500) -> list[Step]:
    """Scores of both models in screens of a plan, one step a seed.

    The screens have 30 perturbations whatever is planned: more or fewer of the same kind change
    the error of a mean, not what it estimates.

    Parameters
    ----------
    plan : Plan
    seeds : list of int
    n_genes : int

    Returns
    -------
    list of Step
        Of `model_scores`.
    """
    treated = 2 * plan.cells * SIMULATED  # the other half is what the mean is made of
    n_cells = treated + 2 * plan.controls
    knobs = {
        "n_cells": n_cells,
        "n_genes": n_genes,
        "n_targets": SIMULATED,
        "guides_per_target": 1,
        "n_control_guides": 1,
        "n_batches": 1,
        "n_replicates": 1,
        "control_share": 2 * plan.controls / n_cells,
        "effect_size": plan.effect_size,
        "effective_share": 1.0,
        "unexpressed_share": 0.0,
    }
    factor = max(2, round(200 / plan.cells))  # a truth of some 400 cells a perturbation
    return [
        model_scores(
            simulated_screen(s, **knobs), planted_profiles(s, factor=factor, **knobs), seed=s
        )
        for s in seeds
    ]


@step
def model_scores(screen, truth, *, seed: int) -> pd.DataFrame:
    """Every metric of means for models that know more and less of each effect.

    Returns
    -------
    DataFrame
        Of `judged`, with predictions named as in `KNOWS`.
    """
    scene = make_scene(screen, seed=seed)
    means = truth.loc[scene.names, scene.genes].to_numpy()
    change = means - truth.loc[CONTROL, scene.genes].to_numpy()
    shared = scene.mean - scene.predicted_from
    predictions = {
        name: Prediction(
            share * means + (1 - share) * scene.mean,
            stated_change=share * change + (1 - share) * shared,
        )
        for name, share in KNOWS.items()
    }
    return judged(scene, predictions, seed=seed, measures={n: MEASURES[n] for n in OF_MEANS})


def paired_power(difference: float, n: int) -> float:
    """Power of a two-sided paired t-test at 5 % to find a difference in its own direction.

    Parameters
    ----------
    difference : float
        Mean over standard deviation of paired differences.
    n : int
        Pairs, at least 2.

    Returns
    -------
    float in [0, 1]

    References
    ----------
    Cohen 1988, Statistical Power Analysis: the noncentral t distribution.
    """
    from scipy.stats import nct, t

    if n < 2:
        raise ValueError(f"{n} pairs; a t-test needs 2")
    if not np.isfinite(difference):
        return 1.0 if difference > 0 else 0.0
    return float(nct.sf(t.ppf(1 - LEVEL / 2, n - 1), n - 1, difference * np.sqrt(n)))


def pairs_needed(difference: float, *, most: int = 10_000) -> float:
    """Fewest pairs with a power of 80 %; infinite above `most`, and for no difference."""
    if not difference > 0 or paired_power(difference, most) < ASKED:
        return np.inf
    low, high = 2, most
    while low < high:
        middle = (low + high) // 2
        if paired_power(difference, middle) >= ASKED:
            high = middle
        else:
            low = middle + 1
    return float(low)


def plan_table(plan: Plan, scored: list[pd.DataFrame], better: dict[str, str]) -> pd.DataFrame:
    """Which metrics rank the two models, with which power, and how many perturbations it takes.

    Parameters
    ----------
    plan : Plan
    scored : list of DataFrame
        Of `model_scores`, one a simulated screen.
    better : dict
        Direction of each metric.

    Returns
    -------
    DataFrame, highest power first
        `metric`, `difference` (mean over SD of paired differences, > 0 where the model that knows
        more is ahead), its 95 % interval `low`, `high`, `power` with the planned perturbations, at
        both ends `power_low` and `power_high`, `needed` perturbations for 80 %, `defined` (share).
    """
    table = pd.concat(scored, keys=range(len(scored)), names=["screen"]).reset_index("screen")
    more, less = KNOWS
    rows = []
    for metric, own in table.groupby("metric", sort=False):
        wide = own.pivot_table("value", ["screen", "perturbation"], "prediction", dropna=False)
        ahead = (wide[more] - wide[less]) * (1 if better[metric] == "higher" else -1)
        known = ahead.dropna()
        difference, low, high = _standardised(known.to_numpy())
        rows.append(
            {
                "metric": metric,
                "difference": difference,
                "low": low,
                "high": high,
                "power": paired_power(difference, plan.perturbations),
                "power_low": paired_power(low, plan.perturbations),
                "power_high": paired_power(high, plan.perturbations),
                "needed": pairs_needed(difference),
                "defined": len(known) / max(len(ahead), 1),
            }
        )
    return pd.DataFrame(rows).sort_values(
        ["power", "difference"], ascending=False, kind="stable", ignore_index=True
    )


def _standardised(values: np.ndarray) -> tuple[float, float, float]:
    """Mean over SD and its interval (normal approximation of Hedges & Olkin 1985)."""
    values = np.where(np.abs(values) < 1e-9, 0, values)  # what rounding leaves of no difference
    if len(values) < 2 or values.std(ddof=1) == 0:
        return 0.0, 0.0, 0.0
    d = float(values.mean() / values.std(ddof=1))
    error = 1.96 * np.sqrt(1 / len(values) + d * d / (2 * len(values)))
    return d, d - error, d + error


def planned(
    plan: Plan, better: dict[str, str], *, seeds: list[int], n_genes: int = 500
) -> pd.DataFrame:
    """`plan_table` of simulated screens, computed side by side where there is a cluster."""
    return plan_table(plan, results(differences(plan, seeds=seeds, n_genes=n_genes)), better)
