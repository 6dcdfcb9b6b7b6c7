"""A list of indications that is made worse on purpose, on simulated drugs and diseases."""

import numpy as np
import pandas as pd

from helpers.metrics.drug_matching import ranking
from helpers.metrics.drug_matching.aggregation import aggregate
from helpers.store.steps import step
from helpers.tasks.drug_matching.matching import popularity, reversal


@step
def thinned_lists(data, *, shares: list[float], seed: int) -> pd.DataFrame:
    """AUROC within each disease while true pairs are left out of the list.

    Parameters
    ----------
    data : dict of ndarray
        Of `helpers.data.drug_matching.simulator`.
    shares : list of float in [0, 1)
        Of the pairs that are left out.
    seed : int

    Returns
    -------
    DataFrame
        `how` ("at random", "rare drugs first"), `missing`, `model` ("reversal", "popularity"),
        `disease`, `value`, `n`. Diseases that keep no pair are left out.
    """
    rng = np.random.default_rng(seed)
    raw = reversal(data["signatures"], data["contrasts"], scorer="cosine")
    score, *_ = aggregate(raw, data["drug_of"], data["disease_of"])
    pairs = np.argwhere(data["treats"])
    often = data["treats"].sum(axis=1)[pairs[:, 0]]
    chance = rng.random(len(pairs))
    orders = {"at random": np.argsort(chance), "rare drugs first": np.lexsort((chance, often))}
    rows = []
    for how, order in orders.items():
        for share in shares:
            treats = data["treats"].copy()
            gone = pairs[order[: round(share * len(pairs))]]
            treats[gone[:, 0], gone[:, 1]] = False
            others = popularity(treats)
            for j in np.flatnonzero(treats.any(axis=0)):
                for model, values in (("reversal", score), ("popularity", others)):
                    value = ranking.auroc(ranking.ranked(values[:, j], treats[:, j]))
                    rows.append([how, share, model, f"q{j:03}", value, len(treats)])
    return pd.DataFrame(rows, columns=["how", "missing", "model", "disease", "value", "n"])
