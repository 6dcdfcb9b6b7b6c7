"""Long runs of the tier: scVI as its users train it, beside the book's short training."""

import numpy as np
import pandas as pd

from helpers.data.splits import held_out_split
from helpers.models.embeddings.scvi import scvi_embedding, scvi_fit
from helpers.models.embeddings.scvi_tools import scvi_tools_fit, scvi_tools_latent
from helpers.store.kept import LongRun
from helpers.store.steps import Step, step
from helpers.tasks.embeddings.linear_separability import linear_separability
from helpers.tasks.embeddings.readouts import one_readout
from helpers.tasks.embeddings.representations import scvi_effort, tier_screen

USERS, OURS = "users' defaults", "the book's training"
DIMENSIONS = (10, 64)
N_FOLDS = 2
POST = "center_scaled"


@step
def trainings_table(scored: dict, fits: dict) -> pd.DataFrame:
    """Mean top-1 accuracy over perturbations of each training, with how long it trained.

    Parameters
    ----------
    scored : dict of training to the DataFrame of `linear_separability`
    fits : dict of training to the dict of arrays of its fit

    Returns
    -------
    DataFrame
        `training`, `n_latent`, `top1`, `n_perturbations` (scored), `n_epochs` (of scvi-tools, NaN
        for others) and the last `validation_elbo`.
    """
    rows = []
    for name, table in scored.items():
        training, _, n_latent = name.rpartition(", ")
        values = one_readout(table)["top1"].dropna()
        told = {key: fits[name].get(key, np.nan) for key in ("n_epochs", "validation_elbo")}
        rows.append(
            {
                "training": training,
                "n_latent": int(n_latent),
                "top1": values.mean(),
                "n_perturbations": len(values),
                **{key: float(np.ravel(value)[-1]) for key, value in told.items()},
            }
        )
    return pd.DataFrame(rows)


def scvi_trainings(seed: int, *, preset: str = "book", max_epochs: int | None = None) -> Step:
    """Each training with as many dimensions as its users take, and as the book takes.

    Parameters
    ----------
    seed : int
        Of the fits; the screen is that of the tier's pages.
    preset : {"tiny", "book", "full"}
    max_epochs : int, optional
        Of the users' training; default: the heuristic of scvi-tools.
    """
    screen = tier_screen(0, preset)
    splits = [held_out_split(screen, fold=fold, n_folds=N_FOLDS) for fold in range(N_FOLDS)]
    fits, latent = {}, {}
    for n_latent in DIMENSIONS:
        theirs, ours = f"{USERS}, {n_latent}", f"{OURS}, {n_latent}"
        fits[theirs] = scvi_tools_fit(screen, seed=seed, n_latent=n_latent, max_epochs=max_epochs)
        fits[ours] = scvi_fit(screen, seed=seed, n_latent=n_latent, **scvi_effort(preset))
        latent[theirs] = scvi_tools_latent(fits[theirs])
        latent[ours] = scvi_embedding(screen, fits[ours])
    scored = {
        name: linear_separability(
            screen, one, splits, protocol="revised", readouts=[["linear", POST]], seed=0
        )
        for name, one in latent.items()
    }
    return trainings_table(scored, fits)


SCVI = LongRun("scvi-defaults", (0, 1, 2), scvi_trainings)
LONG_RUNS = (SCVI,)
