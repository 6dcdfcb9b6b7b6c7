"""What a user gets of a split: its manifest, its hash, and how near what is scored was to training.

One JSON text a split, the same for the same split and data, whatever the hash seed.
"""

import json

import numpy as np

from helpers.data.effects.condition_splits import ConditionSplit
from helpers.data.effects.similarity import cosines

DIGITS = 6
"""Of similarities: their last bits differ between machines."""


def split_report(
    split: ConditionSplit,
    scored: np.ndarray,
    trained: np.ndarray,
    trained_on: list[str],
    *,
    n_random: int = 20,
) -> str:
    """Manifest and leakage report of a split.

    Parameters
    ----------
    split : ConditionSplit
    scored : ndarray of shape (n_test, n_genes)
        Observed changes of the scored conditions, in the order of `split.test`.
    trained : ndarray of shape (n_trained, n_genes)
        Changes of all conditions that are learnt from, those of other contexts too.
    trained_on : list of str
        Their names.
    n_random : int
        Random divisions of the same conditions into parts of the same sizes.

    Returns
    -------
    str
        JSON: `manifest`, `sha256` (of the manifest), `trained on`, and `leakage`: `nearest`, of
        each scored condition the greatest cosine to one that is learnt from; `mean`; `random`, the
        mean of each random division. None of these without effects of what is learnt from.
    """
    leakage = {"nearest": {}, "mean": None, "random": []}
    if len(trained):
        pooled = np.concatenate([scored, trained])
        alike, n = cosines(pooled, pooled), len(scored)
        nearest = alike[:n, n:].max(axis=1)
        rng = np.random.default_rng(split.seed)
        random = []
        for _ in range(n_random):
            mixed = rng.permutation(len(pooled))
            random.append(alike[np.ix_(mixed[:n], mixed[n:])].max(axis=1).mean())
        leakage = {
            "nearest": {k: _short(v) for k, v in zip(split.test, nearest, strict=True)},
            "mean": _short(nearest.mean()),
            "random": [_short(value) for value in random],
        }
    report = {
        "manifest": json.loads(split.manifest()),
        "sha256": split.digest,
        "trained on": sorted(trained_on),
        "leakage": leakage,
    }
    return json.dumps(report, sort_keys=True)


def _short(value: float) -> float:
    return round(float(value), DIGITS) + 0.0  # no minus zero
