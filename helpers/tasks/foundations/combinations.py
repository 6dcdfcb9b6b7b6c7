"""Task: what do two perturbations do together, from what each does alone?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import scores
from helpers.data.contract import CONTROL, DataError
from helpers.data.controls import assign_controls
from helpers.data.normalise import log1p_cp10k
from helpers.metrics.foundations.errors import relative_error
from helpers.models.foundations.combinations import ProgramInteraction, ScaledAdditive, additive
from helpers.store.steps import step

TASK = "combinations"
ROLES = {
    "no effect": "floor",
    "mean of combinations": "floor",
    "additive": "candidate",
    "scaled additive": "candidate",
    "program interaction": "candidate",
    "other half of the cells": "ceiling",
}
"""Every model, and its role; the ceiling is a technical duplicate, as noisy as what it predicts."""

_FEWEST = 4  # combinations on each side of the split


@step
def combination_errors(screen, *, seed: int) -> pd.DataFrame:
    """Relative error of each model on the half of the combinations that it has not seen.

    Effects are means of log1p CP10k less controls: those that models see less `control_model`,
    those that they are held against less `control_truth`. A held-out combination is observed in
    half of its cells; the other half is the ceiling.

    Parameters
    ----------
    screen : AnnData of counts
        Simulated (gene programs are known), with at least 8 combinations of at least 2 cells each
        whose members were perturbed alone too.
    seed : int
        Of the split.

    Returns
    -------
    DataFrame indexed by held-out combination, sorted
        One column a model of `ROLES`, relative errors (see `relative_error`); `class` of the
        interaction; `n_cells` that the observation rests on.

    Raises
    ------
    DataError
        Too few combinations, or gene programs are not known.
    """
    rng = np.random.default_rng(seed)
    if "programs" not in screen.varm:
        raise DataError("varm has no 'programs'; only simulated screens know gene programs")
    expression = log1p_cp10k(screen).X
    labels = screen.obs["perturbation"].astype(str).to_numpy()
    role = np.asarray(assign_controls(screen.obs["perturbation"], screen.obs["batch"], rng=rng))

    def mean(cells) -> np.ndarray:
        return np.asarray(expression[cells].mean(axis=0), dtype=float).ravel()

    model, truth = (mean(np.flatnonzero(role == f"control_{side}")) for side in ("model", "truth"))
    cells = {name: rng.permutation(np.flatnonzero(labels == name)) for name in sorted(set(labels))}
    singles = {n: mean(c) - model for n, c in cells.items() if n != CONTROL and "+" not in n}
    pairs = [
        n
        for n, c in cells.items()
        if n.count("+") == 1 and len(c) > 1 and all(p in singles for p in n.split("+"))
    ]
    if len(pairs) < 2 * _FEWEST:
        raise DataError(
            f"{len(pairs)} combinations of two perturbations that are also there alone; "
            f"{2 * _FEWEST} are needed: raise n_combinations"
        )
    shuffled = [pairs[i] for i in rng.permutation(len(pairs))]
    seen, held_out = shuffled[: len(pairs) // 2], sorted(shuffled[len(pairs) // 2 :])

    def members(names) -> tuple[np.ndarray, np.ndarray]:
        parts = [name.split("+") for name in names]
        return tuple(np.array([singles[part[i]] for part in parts]) for i in (0, 1))

    learned = np.array([mean(cells[n]) - model for n in seen])
    halves = {n: np.array_split(cells[n], 2) for n in held_out}
    observed = np.array([mean(halves[n][0]) - truth for n in held_out])
    n_programs = len(screen.uns["truth"]["systematic"])
    programs = np.asarray(screen.varm["programs"])[:, :n_programs]
    alone = members(held_out)
    predicted = {
        "no effect": np.zeros_like(observed),
        "mean of combinations": np.tile(learned.mean(axis=0), (len(held_out), 1)),
        "additive": additive(*alone),
        "scaled additive": ScaledAdditive().fit(*members(seen), learned).predict(*alone),
        "program interaction": ProgramInteraction(programs)
        .fit(*members(seen), learned)
        .predict(*alone),
        "other half of the cells": np.array([mean(halves[n][1]) - model for n in held_out]),
    }
    table = pd.DataFrame(
        {name: relative_error(effects, observed) for name, effects in predicted.items()},
        index=pd.Index(held_out, name="combination"),
    )
    kinds = screen.uns["truth"]["combinations"]["class"]
    return table.assign(
        **{"class": kinds[held_out].to_numpy(), "n_cells": [len(halves[n][0]) for n in held_out]}
    )


def score_rows(errors: Mapping[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Results of `combination_errors` as a score table.

    Parameters
    ----------
    errors : mapping
        Of (data set, seed) to a result.
    """
    tables = [
        scores.rows(
            task=TASK,
            dataset=dataset,
            split="held-out half",
            model=model,
            metric="relative_error",
            role=role,
            unit_kind="perturbation",
            unit=table.index,
            seed=seed,
            n=table["n_cells"],
            value=table[model],
        )
        for (dataset, seed), table in errors.items()
        for model, role in ROLES.items()
    ]
    return pd.concat(tables, ignore_index=True)
