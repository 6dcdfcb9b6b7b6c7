"""Every metric of predicted expression, on controls whose quality is known beforehand.

Predictions that know nothing of a perturbation are floors: the controls (no change), the mean of
all perturbations, and another perturbation's profile. Predictions from the very perturbation are
ceilings: its other cells, guides or replicates, and in a simulated screen the planted truth.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.data.simulate.screen import simulated_screen
from helpers.metrics.edistance import edistance
from helpers.metrics.predicted import de_recovery, discrimination, distributions, expression
from helpers.stats import benjamini_hochberg
from helpers.store.steps import Step, step
from helpers.tasks.prediction_judge import Judge, Prediction
from helpers.tasks.prediction_scene import (
    LOG,
    Scene,
    expression_of,
    make_scene,
    moments,
)

NO_CHANGE, MEAN, SHUFFLED = "no change", "mean", "shuffled perturbations"
DUPLICATE, INTERPOLATED, PLANTED = "technical duplicate", "interpolated duplicate", "planted truth"
NEGATIVE = (NO_CHANGE, MEAN, SHUFFLED)
BY_UNITS = {"guides": "held-out guides", "replicates": "held-out replicates"}
POSITIVE = (DUPLICATE, INTERPOLATED, *BY_UNITS.values(), PLANTED)


Measure = Callable[[Judge, Prediction], Mapping[str, np.ndarray]]
"""From what is judged to values by the name of the metric, one a perturbation."""


def by_means(judge: Judge, prediction: Prediction) -> dict[str, np.ndarray]:
    """Metrics that read expected expression; see `helpers.metrics.predicted.facts`."""
    s, means = judge.scene, prediction.means
    change = prediction.change(s)
    apart = dict(own_gene=s.own_gene)
    k = min(20, means.shape[1])
    rank = {
        f"discrimination_{d}": discrimination.discrimination(
            change, judge.change, distance=d, **apart
        )
        for d in ("l1", "l2", "cosine")
    }
    return {
        "l2": expression.l2(means, s.observed),
        "rmse": expression.rmse(means, s.observed),
        "mae": expression.mae(means, s.observed),
        "pearson": expression.pearson(means, s.observed),
        "pearson_delta": expression.pearson_delta(
            s.predicted_from + change, s.observed, s.predicted_from, s.observed_from
        ),
        "pearson_delta_mean": expression.pearson_delta(
            means, s.observed, s.mean, s.observed.mean(axis=0)
        ),
        "l2_top20": expression.top_l2(means, s.observed, s.observed_from, k=k),
        "weighted_mse": expression.weighted_mse(means, s.observed, judge.weights),
        "weighted_r2": expression.weighted_r2(change, judge.change, judge.weights),
        **rank,
        "centroid_accuracy": discrimination.discrimination(means, s.observed),
    }


def by_change(judge: Judge, prediction: Prediction) -> dict[str, np.ndarray]:
    """Metrics that read expected expression, and which genes were observed to change."""
    change = prediction.change(judge.scene)
    return {
        "de_direction": de_recovery.direction_match(judge.change, judge.significant, change),
        "de_auroc": de_recovery.auroc(judge.significant, np.abs(change)),
        "de_ap": de_recovery.average_precision(judge.significant, np.abs(change)),
    }


def by_tests(judge: Judge, prediction: Prediction) -> dict[str, np.ndarray]:
    """Metrics that read differential expression of the predicted cells."""
    change = prediction.change(judge.scene)
    called = judge.predicted_significant(prediction)
    given = (judge.change, judge.significant, change, called)
    return {
        "de_overlap": de_recovery.overlap(*given),
        "de_precision": de_recovery.overlap(*given, precision=True),
    }


def by_cells(judge: Judge, prediction: Prediction) -> dict[str, np.ndarray]:
    """Metrics that read the predicted cells, in 50 principal components."""
    rng = np.random.default_rng(judge.seed)
    pairs = list(zip(judge.cells_of(prediction), judge.observed_cells, strict=True))
    measures = {
        "edistance_prediction": edistance,
        "edistance_biased": lambda x, y: edistance(x, y, estimator="biased"),
        "mmd": distributions.mmd,
        "sliced_wasserstein": lambda x, y: distributions.sliced_wasserstein(x, y, rng=rng),
        "c2st": lambda x, y: distributions.c2st(x, y, rng=rng),
    }
    return {name: np.array([f(x, y) for x, y in pairs]) for name, f in measures.items()}


MEASURES = {"means": by_means, "change": by_change, "tests": by_tests, "cells": by_cells}
OF_MEANS = ("means", "change")  # what needs no cells


def known_predictions(
    scene: Scene, *, seed: int, truth: pd.DataFrame | None = None
) -> dict[str, Prediction]:
    """Negative and positive controls of a scene.

    Parameters
    ----------
    scene : Scene
    seed : int
        Shuffles perturbations.
    truth : DataFrame, optional
        Of `deep_profiles`: mean expression of the same perturbations in far more cells.

    Returns
    -------
    dict of str to Prediction
    """
    n = len(scene.names)
    seen = [scene.halves[name][1] for name in scene.names]
    order = np.random.default_rng(seed).permutation(n)
    other = np.empty(n, dtype=int)
    other[order] = np.roll(order, 1)  # nobody keeps its own
    doubt = np.array([benjamini_hochberg(row) for row in scene.seen_p])
    found = {
        NO_CHANGE: Prediction(np.tile(scene.predicted_from, (n, 1))),
        MEAN: Prediction(np.tile(scene.mean, (n, 1))),
        SHUFFLED: Prediction(scene.seen[other], [seen[i] for i in other]),
        DUPLICATE: Prediction(scene.seen, seen),
        INTERPOLATED: Prediction((1 - doubt) * scene.seen + doubt * scene.mean),
    }
    if truth is not None:
        means = truth.loc[scene.names, scene.genes].to_numpy()
        control = truth.loc[CONTROL, scene.genes].to_numpy()
        found[PLANTED] = Prediction(means, stated_change=means - control)
    return found


def judged(
    scene: Scene,
    predictions: Mapping[str, Prediction],
    *,
    seed: int,
    measures: Mapping[str, Measure],
) -> pd.DataFrame:
    """Values of all metrics for all predictions.

    Returns
    -------
    DataFrame
        `prediction`, `metric`, `perturbation`, `n_cells` (behind the observation), `value`.
    """
    judge = Judge(scene, seed)
    tables = [
        pd.DataFrame(
            {
                "prediction": name,
                "metric": metric,
                "perturbation": scene.names,
                "n_cells": scene.n_cells,
                "value": values,
            }
        )
        for name, prediction in predictions.items()
        for measure in measures.values()
        for metric, values in measure(judge, prediction).items()
    ]
    return pd.concat(tables, ignore_index=True)


@step
def control_scores(
    screen,
    *,
    seed: int,
    truth=None,
    context: str | None = None,
    halving: str = "cells",
    normalisation: str = LOG,
    n_cells: int | None = None,
    n_controls: int | None = None,
    n_perturbations: int | None = None,
    n_genes: int | None = None,
    needs: list = tuple(MEASURES),
) -> pd.DataFrame:
    """Every metric on predictions that know nothing, and on predictions that know the answer.

    Parameters
    ----------
    screen : AnnData of counts
    seed : int
    truth : DataFrame, optional
        Of `deep_profiles`, on the same scale.
    context, halving, normalisation, n_cells, n_controls, n_perturbations, n_genes
        See `helpers.tasks.prediction_scene.make_scene`. Halved by guides or replicates, the
        duplicate is that of these.
    needs : list of str
        Metrics that are asked, keys of `MEASURES`; `OF_MEANS` need no cells. Cells are emitted on
        log1p CP10k only.

    Returns
    -------
    DataFrame
        Of `judged`.
    """
    scene = make_scene(
        screen,
        seed=seed,
        context=context,
        halving=halving,
        normalisation=normalisation,
        n_cells=n_cells,
        n_controls=n_controls,
        n_perturbations=n_perturbations,
        n_genes=n_genes,
    )
    if normalisation != LOG and not set(needs) <= set(OF_MEANS):
        raise ValueError(f"cells are emitted on {LOG}, not on {normalisation}; ask for OF_MEANS")
    predictions = known_predictions(scene, seed=seed, truth=truth)
    if halving != "cells":
        predictions = {
            BY_UNITS[halving] if name == DUPLICATE else name: prediction
            for name, prediction in predictions.items()
            if name != INTERPOLATED
        }
    return judged(scene, predictions, seed=seed, measures={n: MEASURES[n] for n in needs})


@step
def deep_profiles(screen, *, normalisation: str = LOG) -> pd.DataFrame:
    """Mean expression of each perturbation and of the controls, over all cells of a screen.

    Returns
    -------
    DataFrame of shape (n_perturbations + 1, n_genes)
    """
    labels = screen.obs["perturbation"].astype(str).to_numpy()
    filled = np.asarray(screen.X.sum(axis=1)).ravel() > 0
    names = sorted(set(labels))
    part = screen[filled]
    rows = [np.flatnonzero(labels[filled] == name) for name in names]
    means = moments(expression_of(part, normalisation), rows)[1]
    return pd.DataFrame(means, names, screen.var_names)


def planted_profiles(seed: int, *, factor: int = 10, normalisation: str = LOG, **knobs) -> Step:
    """Planted truth of a simulated screen: the same screen with `factor` times the cells.

    Everything that the number of cells does not touch is the same: genes, effects, guides, batches.
    The error of these means is 1 / sqrt(factor) of that of the screen.

    Raises
    ------
    DataError
        No number of cells is among the knobs.
    """
    if "n_cells" not in knobs:
        raise DataError("planted truth needs n_cells, which is multiplied")
    deep = simulated_screen(seed, **knobs | {"n_cells": factor * knobs["n_cells"]})
    return deep_profiles(deep, normalisation=normalisation)
