"""The model itself: sizes, two forms of one function, and what a combination is."""

import numpy as np
import pandas as pd

from helpers.data.discovery.pair_splits import held_out_pairs
from helpers.data.discovery.profiles import Profiles
from helpers.metrics.discovery.pairs import flattened
from helpers.models.discovery.large_perturbation_model import (
    LPM,
    PUBLISHED,
    SMALL,
    LargePerturbationModel,
    n_parameters,
    rate_after,
)
from helpers.models.reproducible import reproducible
from helpers.store.steps import step
from helpers.tasks.discovery.unseen_pairs import TARGET, sized


@step
def sizes() -> pd.DataFrame:
    """Published configurations and ours, with what follows from them.

    Returns
    -------
    DataFrame
        `configuration`, its hyperparameters, `network` (weights and biases without tables),
        `last rate` (share of the first).
    """
    rows = []
    for name, size in {**PUBLISHED, "small, this book": SMALL}.items():
        rows.append(
            {
                "configuration": name,
                "d": size.embedding_dim,
                "h": size.hidden_dim,
                "layers": size.n_layers,
                "dropout": size.dropout,
                "rate": size.learning_rate,
                "decay": size.decay,
                "epochs": size.n_epochs,
                "batch": size.batch,
                "network": n_parameters(size, 0),
                "last rate": rate_after(size),
            }
        )
    return pd.DataFrame(rows)


@step
def largest_difference(*, configuration: str, n_profiles: int, n_readouts: int, seed: int) -> float:
    """Between the scalar and the factored form of one network at its start.

    Returns
    -------
    float
        Largest absolute difference of outputs.
    """
    import torch

    size, rng = PUBLISHED[configuration], np.random.default_rng(seed)
    with reproducible(seed):
        net = LargePerturbationModel(5, 50, n_readouts, size).eval()
    context = torch.from_numpy(rng.integers(5, size=n_profiles))
    components = torch.from_numpy(rng.integers(50, size=(n_profiles, 2)))
    readout = torch.arange(n_readouts)
    with torch.no_grad():
        whole = net.profiles(context, components, readout)
        i, j = map(torch.from_numpy, np.indices((n_profiles, n_readouts)).reshape(2, -1))
        scalar = net(context[i], components[i], readout[j]).reshape(whole.shape)
    return float((whole - scalar).abs().max())


@step
def trained(data, *, form: str, size: dict, seed: int) -> pd.DataFrame:
    """One network of a form: its errors by epoch, and how well it predicts held-out pairs.

    Returns
    -------
    DataFrame
        `epoch`, `training rmse`, `test correlation` (covered pairs, flattened; the same in all
        rows).
    """
    profiles = Profiles.from_arrays(data)
    split = held_out_pairs(profiles, TARGET)
    model = LPM(sized(size), seed, form).fit(profiles.take(split.train))
    test = profiles.take(split.test & split.covered)
    found = model.predict(test.context, test.perturbation, test.readout)
    return pd.DataFrame(
        {
            "epoch": np.arange(1, len(model.rmse_) + 1),
            "training rmse": model.rmse_,
            "test correlation": flattened(found, test.value)["flat_pearson"],
        }
    )


@step
def unknown_symbols(data, *, size: dict, seed: int) -> pd.DataFrame:
    """What three policies make of a perturbation that no training profile has.

    Returns
    -------
    DataFrame
        `policy`, `profiles` (of two asked, one of them known), `what happens`.
    """
    from helpers.data.errors import DataError

    profiles = Profiles.from_arrays(data)
    known = profiles.perturbation[0]
    rows = []
    model = LPM(sized(size), seed).fit(profiles)
    for policy in ("raise", "drop", "control"):
        model.unknown = policy
        asked = ([TARGET, TARGET], [known, "CRISPRi_new"], profiles.readout[:3])
        try:
            found = model.predict(*asked)
        except DataError as refusal:
            rows.append((policy, 0, str(refusal)))
            continue
        there = int(np.isfinite(found).all(axis=1).sum())
        said = "the profile of the control" if policy == "control" else "left out, and counted"
        rows.append((policy, there, said))
    return pd.DataFrame(rows, columns=["policy", "profiles", "what happens"])
