"""The same scores judged by other lists of indications, by failed trials, and by a later list."""

from itertools import product

import numpy as np
import pandas as pd

from helpers.data.drug_matching.frozen import group_folds
from helpers.data.drug_matching.lists import label_lists
from helpers.data.drug_matching.matching import matching
from helpers.metrics.drug_matching import ranking
from helpers.models.drug_matching.bilinear import BilinearRidge
from helpers.store.steps import step
from helpers.tasks.drug_matching.matching import components, popularity, reversal
from helpers.tasks.drug_matching.pooled import pooled_auroc

SCORERS = ("wtcs", "cmap")


@step
def lists_table(table, data) -> pd.DataFrame:
    """How many pairs, drugs and diseases each list has here, and how many it shares with others.

    Returns
    -------
    DataFrame indexed by list
        `pairs`, `drugs`, `diseases`, and a column a list with the pairs in common.
    """
    found = label_lists(table, matching(data))
    rows = {
        name: {
            "pairs": int(own.to_numpy().sum()),
            "drugs": int(own.any(axis=1).sum()),
            "diseases": int(own.any(axis=0).sum()),
        }
        | {other: int((own & found[other]).to_numpy().sum()) for other in found}
        for name, own in found.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


@step
def by_list(scores, table, data) -> pd.DataFrame:
    """AUROC within each disease, by each list of approved pairs, of a score and of the priors.

    Parameters
    ----------
    scores : DataFrame of shape (n_drugs, n_diseases)
        Of reversal.
    table : DataFrame
        Lists of indications.
    data : AnnData

    Returns
    -------
    DataFrame
        `list`, `model` ("reversal", "popularity" in that list, "mean |z|", "bilinear ridge"
        trained on that list without the disease and its siblings), `disease`, `value`, `n`.
    """
    m = matching(data)
    magnitude = m.signatures.abs().mean(axis=1).to_numpy()
    drugs, diseases = components(m.signatures), components(m.contrasts.fillna(0))
    fold, rows = group_folds(m.disease_groups).to_numpy(), []
    for name, treats in label_lists(table, m).items():
        if ", failed" in name:
            continue
        relevant = treats.to_numpy()
        models = {
            "reversal": scores.to_numpy(),
            "popularity": popularity(relevant),
            "mean |z|": np.repeat(magnitude[:, None], relevant.shape[1], axis=1),
            "bilinear ridge": _learned(drugs, diseases, fold, relevant),
        }
        for j in np.flatnonzero(relevant.any(axis=0)):
            for model, values in models.items():
                value = ranking.auroc(ranking.ranked(values[:, j], relevant[:, j]))
                rows.append([name, model, treats.columns[j], value, len(treats)])
    return pd.DataFrame(rows, columns=["list", "model", "disease", "value", "n"])


def _learned(drugs, diseases, fold, relevant: np.ndarray) -> np.ndarray:
    found = np.zeros(relevant.shape)
    for number in np.unique(fold):
        held = fold == number
        model = BilinearRidge().fit(drugs, diseases[~held], relevant[:, ~held])
        found[:, held] = model.predict(drugs, diseases[held])
    return found


@step
def approved_against_failed(scores, table, data, *, n_resamples: int) -> pd.DataFrame:
    """Does a score rank approved pairs above pairs that failed in a trial?

    Approved is what any list has; failed what no list has. Pairs of all diseases are pooled, as
    few diseases have both.

    Returns
    -------
    DataFrame
        `failures` ("all", "not for money"), `model`, `value`, `low`, `high` (over diseases),
        `n_approved`, `n_failed`. Empty where no list has failures.
    """
    m = matching(data)
    lists, rows = label_lists(table, m), []
    plain = [own.to_numpy() for name, own in lists.items() if ", failed" not in name]
    approved = np.logical_or.reduce(plain)
    for name in [n for n in lists if n.endswith(", failed")]:
        for kind, key in (("all", name), ("not for money", f"{name}, not for money")):
            failed = lists[key].to_numpy() & ~approved
            has = failed.any(axis=0) | approved.any(axis=0)
            if not failed.any():
                continue
            for model, values in (
                ("reversal", scores.to_numpy()),
                ("popularity", popularity(approved)),
            ):
                found = pooled_auroc(
                    values[:, has],
                    approved[:, has],
                    failed[:, has],
                    n_resamples=n_resamples,
                    rng=np.random.default_rng(0),
                )
                rows.append([kind, model, *found, int(approved.sum()), int(failed.sum())])
    columns = ["failures", "model", "value", "low", "high", "n_approved", "n_failed"]
    return pd.DataFrame(rows, columns=columns)


@step
def later_pairs(scores, table, data, *, later: str) -> pd.DataFrame:
    """Pairs that only a later list has, ranked by what an earlier list and the transcriptomes say.

    Candidates of a disease are drugs that the earlier list has in no pair with it.

    Parameters
    ----------
    later : str
        Name of the later list.

    Returns
    -------
    DataFrame
        `model` ("reversal", "popularity" in the earlier list), `disease`, `value`, `n`, `n_new`.
    """
    m = matching(data)
    listed = label_lists(table, m)
    if later not in listed:
        return pd.DataFrame(columns=["model", "disease", "value", "n", "n_new"])
    earlier = m.related.to_numpy() & ~_refused(data)
    new = listed[later].to_numpy() & ~earlier
    known = m.treats.to_numpy().sum(axis=1)
    rows = []
    for j in np.flatnonzero(new.any(axis=0)):
        own = ~earlier[:, j]
        for model, values in (("reversal", scores.to_numpy()[:, j]), ("popularity", known)):
            found = ranking.ranked(values[own], new[own, j])
            value = ranking.auroc(found)
            rows.append([model, m.treats.columns[j], value, found.n, found.n_relevant])
    return pd.DataFrame(rows, columns=["model", "disease", "value", "n", "n_new"])


def _refused(data) -> np.ndarray:
    """Pairs that curators looked at and refused: unknown to who asks for indications."""
    if "NOT" not in data.obsm:
        return np.zeros((data.n_obs, data.obsm["DM"].shape[1]), dtype=bool)
    return data.obsm["NOT"].to_numpy().astype(bool)


@step
def multiverse(data, *, n_genes: list[int], cuts: list[float]) -> pd.DataFrame:
    """AUROC within each disease for every way to make a query: genes, cut-off and scorer.

    Parameters
    ----------
    data : AnnData
    n_genes : list of int
        Genes up, and as many down.
    cuts : list of float
        Least |value| of a gene of a query.

    Returns
    -------
    DataFrame
        `scorer`, `n_genes`, `cut`, `disease`, `value`.
        NaN where the cut leaves no gene.
    """
    m = matching(data)
    treats = m.treats.to_numpy()
    asked = np.flatnonzero(treats.any(axis=0))
    rows = []
    for cut in cuts:
        contrasts = m.contrasts.to_numpy()[asked]
        contrasts = np.where(np.abs(contrasts) >= cut, contrasts, 0)
        empty = ~np.nan_to_num(contrasts).any(axis=1)
        for scorer, n in product(SCORERS, n_genes):
            values = reversal(m.signatures, contrasts, scorer=scorer, n_up=n, n_down=n)
            for k, j in enumerate(asked):
                value = ranking.auroc(ranking.ranked(values[:, k], treats[:, j]))
                value = np.nan if empty[k] else value
                rows.append([scorer, n, cut, m.treats.columns[j], value])
    return pd.DataFrame(rows, columns=["scorer", "n_genes", "cut", "disease", "value"])
