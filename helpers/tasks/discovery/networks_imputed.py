"""Networks from arms that were measured and arms that a model filled in.

Mean Difference and GuanLab need no more of an arm than its mean, which is what a model of profiles
predicts, and what can as well be copied from another context.
"""

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.discovery.network_cells import parts, regime
from helpers.data.discovery.profiles import CONTROL, Profiles
from helpers.metrics.discovery.networks import pair_tests
from helpers.models.discovery.networks.guanlab import guanlab, standardised
from helpers.models.discovery.networks.means import arm_means, filled, mean_difference
from helpers.store.steps import step
from helpers.tasks.discovery.networks import SHARES, judgement


@step
def imputed(data, predicted, *, method: str, share: float, seed: int) -> pd.DataFrame:
    """A network from the measured arms, and predicted changes in place of the others.

    Parameters
    ----------
    data : dict of ndarray
        Of `helpers.data.discovery.network_simulator`.
    predicted : ndarray of shape (n_genes, n_genes)
        Changes of the column under a perturbation of the row, in units of `data["values"]`, by any
        model that did not see the arms that are filled.
    method : str
        "Mean Difference" or "GuanLab": those that need means alone.
    share, seed
        See `helpers.tasks.discovery.networks.judged`.

    Returns
    -------
    DataFrame
        As of `judged`.
    """
    values, target = data["values"].astype(float), data["target"]
    own = measured(data, share=share, seed=seed)
    if method == "Mean Difference":
        scores = mean_difference(filled(arm_means(values[own], target[own]), predicted))
    elif method == "GuanLab":
        deviation = values[own].std(axis=0)
        means = arm_means(standardised(values[own]), target[own])
        means = filled(means, predicted / np.where(deviation > 0, deviation, 1))
        scores = guanlab(values[own], target[own], seed=seed, means=means)
    else:
        raise DataError(f"method {method!r} needs cells: choose Mean Difference or GuanLab")
    judge = parts(target, SHARES, seed=seed) == 2
    tests = pair_tests(values[judge], target[judge])
    return judgement(scores, data, tests, 1, np.random.default_rng(seed))


def measured(data, *, share: float, seed: int) -> np.ndarray:
    """Cells that a method sees, as in `helpers.tasks.discovery.networks.judged`."""
    own = parts(data["target"], SHARES, seed=seed) == 0
    return own & regime(data["target"], share, seed=seed)


@step
def copied_changes(other) -> np.ndarray:
    """Changes of another context, as they are: what a model that fills arms in must beat."""
    return arm_means(other["values"], other["target"]).changes


@step
def lpm_changes(data, other, *, share: float, seed: int, n_epochs: int) -> np.ndarray:
    """Changes by a large perturbation model of the measured arms and of another context.

    Parameters
    ----------
    data, other : dict of ndarray
        Two contexts of one network.
    share, seed
        See `measured`; the seed is also the model's.
    n_epochs : int

    Returns
    -------
    ndarray of shape (n_genes, n_genes)
    """
    from helpers.models.discovery.large_perturbation_model import LPM, SMALL, Size

    own = measured(data, share=share, seed=seed)
    here = arm_means(data["values"][own], data["target"][own]).changes
    there = arm_means(other["values"], other["target"]).changes
    names = np.array([f"gene {i:03}" for i in range(len(here))])
    rows, context, perturbation = [], [], []
    for name, changes in (("here", here), ("there", there)):
        kept = np.isfinite(changes).all(axis=1)
        rows += [np.zeros((1, len(names))), changes[kept]]
        context += [name] * (1 + kept.sum())
        perturbation += [CONTROL, *names[kept]]
    value = np.concatenate(rows).astype(np.float32)
    table = Profiles(
        value, np.ones(value.shape, dtype=bool), np.array(context), np.array(perturbation), names
    )
    model = LPM(Size(**vars(SMALL) | {"n_epochs": n_epochs}), seed).fit(table)
    return model.predict(np.full(len(names), "here"), names, names).astype(float)
