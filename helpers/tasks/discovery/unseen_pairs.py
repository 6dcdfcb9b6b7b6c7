"""Task: a perturbation's profile in a context, where it was seen in others and the context too."""

from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.data.discovery.pair_splits import PairSplit, held_out_pairs
from helpers.data.discovery.profiles import Profiles
from helpers.data.errors import DataError
from helpers.metrics.discovery.pairs import flattened, pair_metrics, readout_pearson
from helpers.models.discovery.embedding_boosting import EmbeddingBoosting, bare
from helpers.models.discovery.large_perturbation_model import SMALL, Ensemble, Size
from helpers.models.discovery.pair_baselines import BASELINES, readout_means
from helpers.store.steps import step

TASK = "unseen-pairs"
LPM, COPY, DUPLICATE, TRUTH = "LPM", "copy of other contexts", "second measurement", "planted truth"
BOOSTED = MappingProxyType(
    {
        "boosting on embeddings": "repaired",
        "boosting, one row off": "one row off",
        "boosting, without prefix": "without prefix",
    }
)
ROLES = MappingProxyType(
    {
        TRUTH: "ceiling",
        DUPLICATE: "ceiling",
        LPM: "candidate",
        "low-rank linear": "candidate",
        **dict.fromkeys(BOOSTED, "candidate"),
        "nearest context, scaled": "candidate",
        "additive two-way": "candidate",
        "copy, recentred": "floor",
        COPY: "floor",
        "readout mean": "floor",
        "global mean": "floor",
        "no perturbation": "floor",
    }
)
WORLDS = MappingProxyType({"context gate": "gate", "effects of their own": "own"})
TARGET, PREFIX = "gene-0", "CRISPRi_"


@step
def pair_scores(
    data,
    *,
    model: str,
    split_seed: int,
    size: dict | None = None,
    n_networks: int = 2,
) -> pd.DataFrame:
    """Metrics of a model on held-out pairs of the first context.

    Parameters
    ----------
    data : dict of ndarray
        Of `helpers.data.discovery.tensor_simulator`.
    model : str
        Of `ROLES`.
    split_seed : int
        As released 13; others draw other pairs.
    size : dict, optional
        Changes of `SMALL`.
    n_networks : int
        Of an ensemble, from seed 13 on.

    Returns
    -------
    DataFrame
        `unit_kind` ("perturbation", "readout" or "split"), `unit`, `stratum` (covered: the
        perturbation is in training, in another context), `metric`, `value`, `n`.
    """
    profiles = Profiles.from_arrays(data)
    split = held_out_pairs(profiles, TARGET, seed=split_seed)
    predicted = predictions(data, profiles, split, model, dict(size or {}), n_networks)
    centre = readout_means(profiles.take(split.train), TARGET)
    test = profiles.take(split.test)
    parts = []
    for stratum, rows in strata(split).items():
        if rows.any():
            found = _scored(predicted[rows], test.take(rows), centre)
            parts.append(found.assign(stratum=stratum))
    return pd.concat(parts, ignore_index=True)


def strata(split: PairSplit) -> dict[str, np.ndarray]:
    """Test rows by whether another context has the perturbation."""
    covered = split.covered[split.test]
    return {"covered": covered, "uncovered": ~covered}


def _scored(predicted, test: Profiles, centre) -> pd.DataFrame:
    tables = []
    for metric, values in pair_metrics(predicted, test.value, centre).items():
        tables.append(_rows("perturbation", test.perturbation, metric, values, len(test.readout)))
    if len(test) > 1:
        values = readout_pearson(predicted, test.value)
        tables.append(_rows("readout", test.readout, "readout_pearson", values, len(test)))
    for metric, value in flattened(predicted, test.value).items():
        tables.append(_rows("split", ["all"], metric, [value], test.mask.size))
    return pd.concat(tables, ignore_index=True)


def _rows(kind: str, units, metric: str, values, n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"unit_kind": kind, "unit": units, "metric": metric, "value": values, "n": n}
    )


def predictions(
    data, profiles: Profiles, split: PairSplit, model: str, size: dict, n_networks: int
) -> np.ndarray:
    """Profiles of the test rows, shape (n_test, n_readouts)."""
    train, test = profiles.take(split.train), profiles.take(split.test)
    if model == TRUTH:
        return data["truth"][split.test]
    if model == DUPLICATE:
        return data["second"][split.test]
    if model in BASELINES:
        return BASELINES[model](train, TARGET, test.perturbation.tolist())
    if model in BOOSTED:
        embedding = pd.DataFrame(data["annotation"], index=bare(data["gene"].tolist(), PREFIX))
        trees = EmbeddingBoosting(embedding, PREFIX, BOOSTED[model]).fit(train)
        return trees.predict(test.context, test.perturbation, test.readout)
    if model != LPM:
        raise DataError(f"no model {model!r}; there are {', '.join(ROLES)}")
    networks = Ensemble(sized(size), seeds=range(13, 13 + n_networks)).fit(train)
    return networks.predict(test.context, test.perturbation, test.readout)[0]


def sized(changes: dict) -> Size:
    """The small configuration with changes."""
    return Size(**(vars(SMALL) | changes))
