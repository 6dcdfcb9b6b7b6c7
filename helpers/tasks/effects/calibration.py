"""Task: calibration of effect metrics, on the authors' own predictions and on interactions.

Metrics of expression are calibrated by `helpers.tasks.prediction_panel`, which pages of other tiers
use too. Here is what only effects have: published predictions to score again, and interactions.
"""

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.data.controls import assign_controls
from helpers.data.normalise import log1p_cp10k
from helpers.metrics.effects.interaction_calls import (
    legacy_auprc,
    magnitude_matched_auroc,
    tpr_at_fdp,
)
from helpers.metrics.effects.interactions import (
    classes,
    empirical_null,
    legacy_classes,
    predicted_classes,
    same_direction,
)
from helpers.metrics.predicted import expression
from helpers.metrics.predicted.de_recovery import auroc, average_precision
from helpers.store.steps import step

FDP = (0.1, 0.3, 0.5)
PREDICTIONS = {
    "no change": "floor",
    "mean of doubles": "floor",
    "noise about the sum": "floor",
    "technical duplicate": "ceiling",
}
"""Predictions of doubles, and their roles. The additive model has no deviation to rank by."""
_FEWEST = 4  # cells of a half of a double


@step
def example_scores(published) -> pd.DataFrame:
    """Published predictions of one double perturbation, scored with this book's functions.

    Parameters
    ----------
    published : DataFrame
        Of `ahlmann_eltze2025_example`.

    Returns
    -------
    DataFrame, one row a model
        `model`, and of `l2`, `pearson` and `pearson_delta` the published value and ours
        (`l2, ours`).
    """
    rows = []
    for model, own in published.groupby("model", sort=False):
        predicted, observed = (own[[c]].to_numpy().T for c in ("predicted", "observed"))
        control = own["control"].to_numpy()
        ours = {
            "l2": expression.l2(predicted, observed)[0],
            "pearson": expression.pearson(predicted, observed)[0],
            "pearson_delta": expression.pearson_delta(predicted, observed, control, control)[0],
        }
        stated = own[list(ours)].iloc[0]
        row = {"model": model}
        for metric, value in ours.items():
            row |= {metric: stated[metric], f"{metric}, ours": value}
        rows.append(row)
    return pd.DataFrame(rows)


@step
def predicted_class_counts(pairs) -> pd.DataFrame:
    """Classes that models claim in their 500 largest deviations each.

    Parameters
    ----------
    pairs : DataFrame
        Of `ahlmann_eltze2025_interaction_pairs`.

    Returns
    -------
    DataFrame, one row a model
        `model`, `synergy`, `buffering`, `opposite`, and `share found`: of its rows, those that the
        authors' labels call an interaction.
    """
    kind = predicted_classes(pairs["predicted"], pairs["additive"], pairs["control"])
    counts = pd.crosstab(pairs["model"], kind).reindex(
        columns=["synergy", "buffering", "opposite"], fill_value=0
    )
    found = (pairs["label"] != "Additive").groupby(pairs["model"]).mean()
    return counts.assign(**{"share found": found}).reset_index().rename_axis(columns=None)


@step
def interaction_calibration(screen, *, seed: int, n_genes: int = 1_000) -> dict:
    """Interactions of a simulated screen, and how well known predictions find them.

    The doubles' cells are halved: one half is observed, the other is the technical duplicate.
    Singles and controls are seen by predictions in one half, and define additivity of what is
    observed in the other.

    Parameters
    ----------
    screen : AnnData of counts
        With doubles whose members were perturbed alone too.
    seed : int
    n_genes : int
        Read-out genes, the highest in controls.

    Returns
    -------
    dict
        `null`: mean, sd, null_share, lower, upper. `classes` and `legacy`: counts by class.
        `called`: share of all pairs of a double and a gene. `scores`: a list with, for each
        prediction of `PREDICTIONS`, its `model`, the average precision, the legacy area, AUROC,
        the same within strata of magnitude, and TPR at the proportions of `FDP`; empty where
        nothing is called.

    Raises
    ------
    DataError
        Fewer than two such doubles.
    """
    rng = np.random.default_rng(seed)
    values = log1p_cp10k(screen).X
    labels = screen.obs["perturbation"].astype(str).to_numpy()
    roles = np.asarray(assign_controls(labels, screen.obs["batch"], rng=rng, missing="drop"))
    halves = {
        name: np.array_split(rng.permutation(np.flatnonzero(labels == name)), 2)
        for name in sorted(set(labels) - {CONTROL})
    }
    halves = {name: h for name, h in halves.items() if len(h[1]) >= _FEWEST}
    doubles = [n for n in halves if "+" in n and all(p in halves for p in n.split("+"))]
    if len(doubles) < 2:
        raise DataError(f"{len(doubles)} doubles whose members were perturbed alone; 2 are needed")

    def mean(rows) -> np.ndarray:
        return np.asarray(values[rows].mean(axis=0), dtype=float).ravel()

    control = [mean(np.flatnonzero(roles == f"control_{s}")) for s in ("truth", "model")]
    genes = np.argsort(-control[1], kind="stable")[:n_genes]
    control = [c[genes] for c in control]
    means = {n: [mean(half)[genes] for half in h] for n, h in halves.items()}
    parts = [n.split("+") for n in doubles]
    singles = [[np.array([means[p[i]][side] for p in parts]) for i in (0, 1)] for side in (0, 1)]
    additive = [sum(singles[side]) - control[side] for side in (0, 1)]
    observed, other = (np.array([means[n][side] for n in doubles]) for side in (0, 1))
    deviation = observed - additive[0]
    null = empirical_null(deviation)
    truth = null.called(deviation).ravel()
    same = same_direction(*singles[0], observed, control[0])
    noise = deviation.std() * rng.standard_normal(deviation.shape)
    predicted = {
        "no change": np.tile(control[1], (len(doubles), 1)),
        "mean of doubles": np.tile(other.mean(axis=0), (len(doubles), 1)),
        "noise about the sum": additive[1] + noise,
        "technical duplicate": other,
    }
    magnitude = np.abs(additive[1] - control[1]).ravel()
    found = []
    for model in PREDICTIONS if truth.any() else ():
        score = np.abs(predicted[model] - additive[1]).ravel()
        row = {
            "interaction_ap": average_precision(truth, score)[0],
            "interaction_auprc_legacy": legacy_auprc(truth, score),
            "interaction_auroc": auroc(truth, score)[0],
            "interaction_auroc_matched": magnitude_matched_auroc(truth, score, magnitude),
        }
        row |= {f"tpr {f}": t for f, t in zip(FDP, tpr_at_fdp(truth, score, FDP), strict=True)}
        # JSON has no NaN and no infinity: what is not there is None
        found.append({"model": model} | {k: _or_none(v) for k, v in row.items()})
    kinds = {
        "classes": classes(observed, additive[0], control[0], null),
        "legacy": legacy_classes(observed, additive[0], control[0], same, null),
    }
    counted = {
        k: {str(n): int(c) for n, c in zip(*np.unique(v, return_counts=True), strict=True)}
        for k, v in kinds.items()
    }
    return {
        "null": {name: _or_none(value) for name, value in vars(null).items()},
        **counted,
        "called": float(truth.mean()),
        "n_doubles": len(doubles),
        "n_pairs": int(truth.size),
        "scores": found,
    }


def _or_none(value) -> float | None:
    return float(value) if np.isfinite(value) else None
