"""Parameters chosen by random search over a small grid, on conditions that are never scored."""

import itertools
import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.base import clone

from helpers.data.contract import DataError
from helpers.models.effects.training import EffectModel, Training


def trials(
    model: EffectModel,
    grid: Mapping[str, Sequence],
    training: Training,
    validation: Training,
    *,
    n_trials: int,
    seed: int,
) -> pd.DataFrame:
    """Fit with parameters drawn from a grid, and score each fit on validation conditions.

    Parameters
    ----------
    model : EffectModel
        As it is, it is the first trial.
    grid : mapping of parameter to its values
        Points of the grid are drawn without replacement.
    training, validation : Training
        Without a condition in common.
    n_trials : int
        At least one; at most the grid has points.
    seed : int
        Draws points, and is the seed of every fit.

    Returns
    -------
    DataFrame, one row a trial
        `trial`; `parameters`, those that differ from the model's, as JSON; `error`, the mean
        Euclidean distance over the validation conditions that the model predicts; `predicted`,
        their share.

    Raises
    ------
    DataError
        A validation condition is learnt from.
    """
    if both := sorted(set(training.names) & set(validation.names)):
        raise DataError(f"validation conditions are learnt from: {', '.join(both[:5])}")
    if n_trials < 1:
        raise ValueError(f"n_trials is {n_trials}; one or more")
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    points = [p for p in points if any(getattr(model, k) != v for k, v in p.items())]
    drawn = np.random.default_rng(seed).permutation(len(points))[: n_trials - 1]
    rows = []
    for number, point in enumerate([{}, *(points[i] for i in drawn)]):
        fitted = clone(model).set_params(seed=seed, **point).fit(training)
        errors = np.linalg.norm(fitted.predict(list(validation.names)) - validation.means, axis=1)
        there = np.isfinite(errors)
        rows.append(
            {
                "trial": number,
                "parameters": json.dumps(point, sort_keys=True),
                "error": float(errors[there].mean()) if there.any() else np.nan,
                "predicted": float(there.mean()) if len(there) else np.nan,
            }
        )
    return pd.DataFrame(rows)


def best(found: pd.DataFrame) -> dict:
    """Parameters of the trial with the least error, the first of several; none without an error."""
    scored = found[found["error"].notna()]
    if scored.empty:
        return {}
    return json.loads(scored.loc[scored["error"].idxmin(), "parameters"])
