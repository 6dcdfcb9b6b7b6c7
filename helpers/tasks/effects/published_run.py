"""The published benchmark, run again on screens in the layout of GEARS, where they are at hand."""

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.data.effects.condition_splits import gears_simulation, norman_doubles
from helpers.data.pseudobulk import pseudobulk
from helpers.metrics.predicted import expression
from helpers.models.effects.baselines import Additive, MeanChange, NoChange
from helpers.models.effects.linear import BilinearModel
from helpers.models.effects.training import Training

N_GENES = 1_000


def published_singles(screen, *, seeds=(1, 2)) -> pd.DataFrame:
    """Linear model and mean on the published splits of single perturbations.

    Parameters
    ----------
    screen : AnnData
        Of `read_gears`.
    seeds : sequence of int

    Returns
    -------
    DataFrame
        One row a seed and held-out perturbation that the linear model predicts: `seed`,
        `perturbation`, `mean`, `linear model` (L2 over the 1,000 genes that are highest in
        controls), `ratio`.
    """
    conditions, means, control, n_cells = _bulks(screen)
    genes = _read_out(control)
    rows = []
    for seed in seeds:
        split = gears_simulation([*conditions, "ctrl"], seed)
        training = _training(split.train, conditions, means, control, n_cells, screen.var_names)
        linear = BilinearModel().fit(training)
        test = [c for c in split.held_out if c in conditions]
        predicted = linear.predict([conditions[c][0] for c in test])
        there = np.isfinite(predicted).all(axis=1)  # the perturbed gene is measured
        names = [conditions[c][0] for c, known in zip(test, there, strict=True) if known]
        observed = means[[conditions[c][1] for c in test]][there][:, genes]
        mean = MeanChange(with_control=True).fit(training).predict(names)
        rows.append(
            pd.DataFrame(
                {
                    "seed": seed,
                    "perturbation": names,
                    "mean": expression.l2(mean[:, genes], observed),
                    "linear model": expression.l2(predicted[there][:, genes], observed),
                }
            )
        )
    table = pd.concat(rows, ignore_index=True)
    return table.assign(ratio=table["linear model"] / table["mean"])


def published_doubles(screen, *, seeds=(1, 2, 3, 4, 5)) -> pd.DataFrame:
    """No change and the additive model on the published splits of double perturbations.

    Returns
    -------
    DataFrame
        One row a seed and held-out double: `seed`, `perturbation`, `no change`, `additive`.
    """
    conditions, means, control, n_cells = _bulks(screen)
    genes = _read_out(control)
    rows = []
    for seed in seeds:
        split = norman_doubles([*conditions, "ctrl"], seed)
        training = _training(split.train, conditions, means, control, n_cells, screen.var_names)
        names = [conditions[c][0] for c in split.held_out]
        observed = means[[conditions[c][1] for c in split.held_out]][:, genes]
        found = {
            name: expression.l2(model.fit(training).predict(names)[:, genes], observed)
            for name, model in (("no change", NoChange()), ("additive", Additive()))
        }
        rows.append(pd.DataFrame({"seed": seed, "perturbation": names} | found))
    return pd.concat(rows, ignore_index=True)


def _bulks(screen):
    """Conditions as published -> (name, row), their means, the controls' mean, and cells."""
    bulks = pseudobulk(screen, ["perturbation"])
    names = bulks.obs["perturbation"].astype(str).to_numpy()
    place = {name: row for row, name in enumerate(names)}
    if CONTROL not in place:
        raise DataError("no controls")
    pairs = screen.obs[["condition", "perturbation"]].drop_duplicates().astype(str)
    conditions = {
        c: (p, place[p])
        for c, p in zip(pairs["condition"], pairs["perturbation"], strict=True)
        if p != CONTROL
    }
    means = np.asarray(bulks.X)
    return conditions, means, means[place[CONTROL]], bulks.obs["n_cells"].to_numpy()


def _read_out(control: np.ndarray) -> np.ndarray:
    """The genes highest in controls; of equal ones the first."""
    return np.sort(np.argsort(-control, kind="stable")[:N_GENES])


def _training(train, conditions, means, control, n_cells, genes) -> Training:
    known = [conditions[c] for c in train if c in conditions]
    rows = [row for _, row in known]
    names = np.array([name for name, _ in known])
    return Training(means[rows], names, genes, {"cells": control}, n_cells[rows])
