"""Control cells, shared out before anything is fitted.

An effect is the difference between perturbed cells and controls. Two effects that are taken
against the same m controls share their error: between perturbations of n cells each that do
nothing, they correlate by n / (n + m). Effects that a model predicts and effects that it is judged
by are therefore taken against different controls.
"""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers.data.contract import CONTROL, DataError

ROLES = ("", "control_model", "control_truth")


def assign_controls(
    perturbation: ArrayLike,
    batch: ArrayLike,
    *,
    rng: np.random.Generator,
    share: float = 0.5,
    min_controls: int = 2,
    missing: Literal["raise", "drop"] = "raise",
) -> pd.Categorical:
    """Split the controls of each batch into those for models and those for the truth.

    Parameters
    ----------
    perturbation, batch : array-like of shape (n_cells,)
        Labels; the control is `"control"`.
    rng
        Batches draw from it in the order of their names. The same generator state and the same
        order of the cells give the same roles.
    share
        Share of a batch's controls that models get (rounded to cells), in (0, 1).
    min_controls
        Controls that each role needs in each batch, >= 1.
    missing
        What becomes of a batch with too few: `"raise"`, or `"drop"`: its controls get no role.

    Returns
    -------
    Categorical of shape (n_cells,)
        `"control_model"` (fits, centring, predictions, baselines), `"control_truth"` (observed
        effects), `""` for every other cell.

    Raises
    ------
    DataError
        Labels are missing, or batches have too few controls (they are named), or none is left.
    """
    perturbation, batch = pd.Series(perturbation, dtype=object), pd.Series(batch, dtype=object)
    perturbation, batch = perturbation.reset_index(drop=True), batch.reset_index(drop=True)
    if not 0 < share < 1:
        raise ValueError(f"share must be in (0, 1), not {share!r}")
    if min_controls < 1:
        raise ValueError(f"min_controls must be at least 1, not {min_controls!r}")
    if missing not in ("raise", "drop"):
        raise ValueError(f"missing must be 'raise' or 'drop', not {missing!r}")
    if len(perturbation) != len(batch):
        raise ValueError(
            "perturbation and batch must be of one length, "
            f"not {len(perturbation)} and {len(batch)}"
        )
    for name, labels in (("perturbation", perturbation), ("batch", batch)):
        if labels.isna().any():
            raise DataError(
                f"{name} is missing in {int(labels.isna().sum())} of {len(labels)} cells"
            )

    is_control = (perturbation == CONTROL).to_numpy()
    batch = batch.astype(str).to_numpy()
    role = np.zeros(len(batch), dtype=np.int8)
    too_few = {}
    for name in np.unique(batch):
        cells = np.flatnonzero(is_control & (batch == name))
        n_model = round(share * cells.size)
        if min(n_model, cells.size - n_model) < min_controls:
            too_few[name] = cells.size
            continue
        shuffled = rng.permutation(cells)
        role[shuffled[:n_model]] = ROLES.index("control_model")
        role[shuffled[n_model:]] = ROLES.index("control_truth")
    if too_few and (missing == "raise" or not role.any()):
        named = ", ".join(f"{name} ({n})" for name, n in too_few.items())
        raise DataError(
            f"batches with too few controls for two halves of {min_controls} at share {share:g}: "
            f'{named}; merge them into larger batches, drop them, or pass missing="drop"'
        )
    return pd.Categorical.from_codes(role, categories=list(ROLES))
