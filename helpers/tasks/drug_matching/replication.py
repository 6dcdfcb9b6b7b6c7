"""Does a second measurement of a disease, or of a drug, find the first? A bound for any match."""

import numpy as np
import pandas as pd

from helpers.data.drug_matching.lists import plain_name
from helpers.data.drug_matching.matching import matching
from helpers.metrics.drug_matching import ranking
from helpers.metrics.drug_matching.similarity import similarity
from helpers.store.steps import step


@step
def disease_replication(data, profiles) -> pd.DataFrame:
    """Place of a disease's own contrast among all, by a second profile of it.

    Parameters
    ----------
    data : AnnData
    profiles : DataFrame of shape (n_profiles, n_symbols)

    Returns
    -------
    DataFrame
        `unit` (disease), `own` (Spearman with its own contrast), `others` (mean with all others),
        `place` (1: the best), `n` (contrasts). Diseases of the same name only.
    """
    m = matching(data)
    symbols = pd.Index(data.var["symbol"].astype(str))
    shared = symbols[symbols.isin(profiles.columns)].drop_duplicates()
    genes = symbols.get_indexer(shared)
    names = {plain_name(name): i for i, name in enumerate(m.disease_names)}
    rows = []
    for name, profile in profiles.iterrows():
        j = names.get(plain_name(name))
        if j is None:
            continue
        values = similarity(
            profile[shared].to_numpy(float)[None],
            m.contrasts.to_numpy(float)[:, genes],
            kind="spearman",
        )[0]
        place = 1 + int((values > values[j]).sum())
        others = np.delete(values, j).mean()
        rows.append([m.disease_names.iloc[j], values[j], others, place, len(values)])
    return pd.DataFrame(rows, columns=["unit", "own", "others", "place", "n"])


@step
def drug_replication(data, treatments) -> pd.DataFrame:
    """Place of a drug's own signature among all, by the gene sets of a second measurement.

    Each treatment scores a signature by the mean of its up genes less that of its down genes.

    Returns
    -------
    DataFrame
        `unit` (drug), `percentile` (mean over treatments; 1 is the best, 0.5 chance), `first`
        (share of treatments that place it first), `treatments`, `n` (drugs).
    """
    m = matching(data)
    place = {symbol: i for i, symbol in enumerate(data.var["symbol"].astype(str))}
    of = {plain_name(name): i for i, name in enumerate(m.drug_names)}
    known = treatments["drug"].map(plain_name).map(of)
    own = treatments[known.notna()]
    weights = np.zeros((len(own), len(place)))
    for side, sign in (("up", 1), ("down", -1)):
        for i, genes in enumerate(own[side]):
            there = [place[g] for g in genes.split() if g in place]
            weights[i, there] = sign / max(len(there), 1)
    scored = weights.any(axis=1)
    drug = known[known.notna()].to_numpy(dtype=int)[scored]
    scores = m.signatures.to_numpy(float) @ weights[scored].T  # (n_drugs, n_treatments)
    mine = scores[drug, np.arange(len(drug))]
    percentile = ((scores < mine).sum(axis=0) + ((scores == mine).sum(axis=0) - 1) / 2) / (
        len(scores) - 1
    )
    table = pd.DataFrame(
        {"unit": m.signatures.index[drug], "percentile": percentile, "first": percentile == 1}
    )
    found = table.groupby("unit").agg(
        percentile=("percentile", "mean"), first=("first", "mean"), treatments=("first", "size")
    )
    return found.reset_index().assign(n=len(scores))


@step
def by_reproducibility(scores, data, replication) -> pd.DataFrame:
    """AUROC within each disease among drugs that replicate, and among those that do not.

    Parameters
    ----------
    scores : DataFrame of shape (n_drugs, n_diseases)
    data : AnnData
    replication : DataFrame
        Of `drug_replication`.

    Returns
    -------
    DataFrame
        `stratum` ("replicate better", "replicate worse": than the median drug), `disease`,
        `value`, `n`.
    """
    m = matching(data)
    percentile = replication.set_index("unit")["percentile"]
    above = percentile > percentile.median()
    rows = []
    for name, drugs in (
        ("replicate better", above.index[above]),
        ("replicate worse", above.index[~above]),
    ):
        for disease in m.treats.columns:
            relevant = m.treats.loc[drugs, disease].to_numpy()
            if relevant.any() and not relevant.all():
                found = ranking.ranked(scores.loc[drugs, disease].to_numpy(), relevant)
                rows.append([name, disease, ranking.auroc(found), found.n])
    return pd.DataFrame(rows, columns=["stratum", "disease", "value", "n"])
