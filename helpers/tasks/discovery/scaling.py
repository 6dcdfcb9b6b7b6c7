"""Task: does an unseen pair get better with more perturbations, and with more contexts?"""

import random
from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.data.discovery.pair_splits import held_out_pairs
from helpers.data.discovery.profiles import Profiles
from helpers.data.errors import DataError
from helpers.metrics.discovery.pairs import pair_metrics
from helpers.models.discovery.large_perturbation_model import Ensemble
from helpers.models.discovery.pair_baselines import BASELINES, readout_means
from helpers.store.steps import step
from helpers.tasks.discovery.unseen_pairs import LPM, TARGET, sized

TASK = "scaling"
ROLES = MappingProxyType(
    {LPM: "candidate", "low-rank linear": "candidate", "copy, recentred": "floor"}
)


@step
def scaled_scores(
    data,
    *,
    model: str,
    share: float,
    n_others: int,
    split_seed: int,
    size: dict | None = None,
    n_networks: int = 1,
) -> pd.DataFrame:
    """Metrics of a model on one fixed test set, with a part of what there is to learn from.

    Parameters
    ----------
    data : dict of ndarray
        Of `helpers.data.discovery.tensor_simulator`.
    model : str
        Of `ROLES`.
    share : float
        Of the training perturbations of the target context; smaller shares lie within larger ones.
    n_others : int
        Other contexts, in their order, at least one. Test pairs are those whose perturbation the
        first of them has, so that they are covered however many there are.
    split_seed, size, n_networks
        See `helpers.tasks.discovery.unseen_pairs.pair_scores`.

    Returns
    -------
    DataFrame
        `unit`, `metric`, `value`, `n`.
    """
    profiles = Profiles.from_arrays(data)
    others = [c for c in dict.fromkeys(profiles.context) if c != TARGET]
    if not 1 <= n_others <= len(others) or not 0 < share <= 1:
        raise DataError(f"{n_others} of {len(others)} other contexts, a share of {share}")
    split = held_out_pairs(profiles, TARGET, seed=split_seed)
    first = set(profiles.perturbation[profiles.context == others[0]].tolist())
    test = profiles.take(split.test & np.isin(profiles.perturbation, list(first)))
    own = sorted(profiles.perturbation[split.train & (profiles.context == TARGET)].tolist())
    random.Random(split_seed).shuffle(own)
    kept = own[: max(2, round(share * len(own)))]
    train = profiles.take(
        split.train
        & np.where(
            profiles.context == TARGET,
            np.isin(profiles.perturbation, kept),
            np.isin(profiles.context, others[:n_others]),
        )
    )
    centre = readout_means(profiles.take(split.train), TARGET)
    if model == LPM:
        networks = Ensemble(sized(dict(size or {})), seeds=range(13, 13 + n_networks)).fit(train)
        predicted = networks.predict(test.context, test.perturbation, test.readout)[0]
    elif model in ROLES:
        predicted = BASELINES[model](train, TARGET, test.perturbation.tolist())
    else:
        raise DataError(f"no model {model!r}; there are {', '.join(ROLES)}")
    found = pair_metrics(predicted, test.value, centre)
    return pd.concat(
        [
            pd.DataFrame({"unit": test.perturbation, "metric": m, "value": v, "n": len(centre)})
            for m, v in found.items()
        ],
        ignore_index=True,
    )
