"""Which drugs treat a disease: scores of candidates, and how well they rank them."""

import zlib

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.drug_matching.frozen import folds
from helpers.data.drug_matching.matching import Matching, matching
from helpers.metrics.drug_matching import connectivity, ranking
from helpers.metrics.drug_matching.similarity import similarity
from helpers.models.drug_matching.bilinear import BilinearRidge
from helpers.store.steps import step
from helpers.tasks.drug_matching.pooled import pooled_auroc

SIMILARITIES = ("spearman", "pearson", "cosine")
QUERIES = ("wtcs", "cmap")
UNIVERSES = ("all", "curated", "treating")
"""Candidates: every drug; those in any curated pair; those that treat one of the diseases."""
ALL_PAIRS = "all pairs"
METRICS = (
    *("within_disease_auroc", "retrieval_map", "average_precision_1to1", "reciprocal_rank"),
    *("precision_at_10", "recall_at_50", "hits_at_10", "ndcg_at_50", "enrichment_at_10"),
    "degree_matched_auroc",
)
"""Of each disease."""
PRIORS = ("popularity", "popularity elsewhere", "magnitude", "random")


def reversal(signatures, contrasts, *, scorer: str, n_up: int = 50, n_down: int = 50) -> np.ndarray:
    """Score of reversal, higher where a drug moves genes against a disease.

    Parameters
    ----------
    signatures : array of shape (n_signatures, n_genes)
    contrasts : array of shape (n_contrasts, n_genes)
        NaN where a gene was not measured.
    scorer : str
        Of `SIMILARITIES` (whole vectors) or `QUERIES` (gene sets).
    n_up, n_down : int
        Genes of a query.

    Returns
    -------
    ndarray of shape (n_signatures, n_contrasts)
        0 for a contrast without any gene up or down.

    Raises
    ------
    DataError
        Another scorer.
    """
    if scorer in SIMILARITIES:
        return -similarity(signatures, contrasts, kind=scorer)
    if scorer not in QUERIES:
        raise DataError(f"scorer {scorer!r}: choose from {', '.join(SIMILARITIES + QUERIES)}")
    ordered = connectivity.sort_signatures(signatures)
    score = connectivity.wtcs if scorer == "wtcs" else connectivity.cmap_score
    found = np.zeros((len(signatures), len(contrasts)))
    for j, contrast in enumerate(np.asarray(contrasts)):
        if np.nan_to_num(contrast).any():
            up, down = connectivity.query_sets(contrast, n_up=n_up, n_down=n_down)
            found[:, j] = -score(ordered, up, down)
    return found


@step
def reversal_scores(
    data, *, scorer: str, estimate: str = "", n_up: int = 50, n_down: int = 50
) -> pd.DataFrame:
    """Reversal of every disease by every drug.

    Parameters
    ----------
    data : AnnData
        See `helpers.data.drug_matching.matching`.
    scorer, n_up, n_down
        See `reversal`.
    estimate : str
        Another estimate of the contrasts, by its name in `varm`.

    Returns
    -------
    DataFrame of shape (n_drugs, n_diseases)

    Raises
    ------
    DataError
        No such scorer or estimate.
    """
    m = matching(data)
    if estimate and estimate not in m.other_contrasts:
        known = ", ".join(m.other_contrasts) or "none"
        raise DataError(f"no estimate {estimate!r} of the contrasts; there are: {known}")
    contrasts = m.other_contrasts[estimate] if estimate else m.contrasts
    values = reversal(m.signatures, contrasts, scorer=scorer, n_up=n_up, n_down=n_down)
    return pd.DataFrame(values, m.signatures.index, m.contrasts.index)


def popularity(treats: np.ndarray) -> np.ndarray:
    """Other diseases that a drug treats, for each disease; (n_drugs, n_diseases)."""
    treats = np.asarray(treats, dtype=int)
    return treats.sum(axis=1, keepdims=True) - treats


@step
def prior_scores(data, *, prior: str, seed: int = 0) -> pd.DataFrame:
    """What is known of a drug, whatever the disease: floors that a match must pass.

    Parameters
    ----------
    data : AnnData
    prior : str
        Of `PRIORS`: how many *other* diseases it treats; how many that are no siblings of the
        one; the mean |z| of its signature; nothing.
    seed : int
        Of "random".

    Raises
    ------
    DataError
        Another prior.
    """
    m = matching(data)
    if prior == "popularity":
        values = popularity(m.treats)
    elif prior == "popularity elsewhere":
        groups = m.disease_groups.to_numpy()
        values = m.treats.to_numpy(dtype=int) @ (groups[:, None] != groups[None]).astype(int)
    elif prior == "magnitude":
        values = np.repeat(m.signatures.abs().mean(axis=1).to_numpy()[:, None], len(m.contrasts), 1)
    elif prior == "random":
        values = np.random.default_rng(seed).random(m.treats.shape)
    else:
        raise DataError(f"prior {prior!r}: choose from {', '.join(PRIORS)}")
    return pd.DataFrame(values, m.treats.index, m.treats.columns).astype(float)


@step
def learned_scores(
    data, *, scheme: str = "siblings", n_folds: int = 5, centre: bool = True
) -> pd.DataFrame:
    """Bilinear ridge regression of held-out pairs, each scored by the model that did not see it.

    Parameters
    ----------
    data : AnnData
    scheme : str
        Of `helpers.data.drug_matching.frozen`; not "both", whose training pairs are too few to
        cover every pair once.
    n_folds : int
    centre : bool
        See `BilinearRidge`: without, a model can learn which drugs have many indications.
    """
    m = matching(data)
    drugs, diseases = components(m.signatures), components(m.contrasts.fillna(0))
    found = np.full(m.treats.shape, np.nan)
    for fold in folds(m.drug_groups, m.disease_groups, scheme=scheme, n_folds=n_folds):
        rows, columns = fold.train.any(axis=1), fold.train.any(axis=0)
        model = BilinearRidge(centre=centre).fit(
            drugs[rows],
            diseases[columns],
            (m.treats.to_numpy() & fold.train)[np.ix_(rows, columns)],
        )
        found[fold.test] = model.predict(drugs, diseases)[fold.test]
    return pd.DataFrame(found, m.treats.index, m.treats.columns)


def components(values, n: int = 60) -> np.ndarray:
    """Coordinates of rows of unit length on their first principal axes; they know no pair.

    All rows have a part in the axes, those of held-out drugs and diseases, too.
    """
    rows = unit_rows(np.asarray(values, dtype=float))
    return rows @ np.linalg.eigh(rows.T @ rows)[1][:, : -n - 1 : -1]


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Rows of unit length, so that a strong signature is not a likely one."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, length, out=np.zeros_like(values), where=length > 0)


def universe(m: Matching, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the candidates and diseases of a universe.

    Raises
    ------
    DataError
        Another name.
    """
    related, treats = m.related.to_numpy(), m.treats.to_numpy()
    if name == "all":
        return np.ones(len(treats), dtype=bool), related.any(axis=0)
    if name == "curated":
        return related.any(axis=1), related.any(axis=0)
    if name == "treating":
        return treats.any(axis=1), treats.any(axis=0)
    raise DataError(f"universe {name!r}: choose from {', '.join(UNIVERSES)}")


@step
def evaluated(scores, data, *, n_resamples: int) -> pd.DataFrame:
    """One model's ranking in every universe: metrics of each disease, and of all pairs at once.

    Parameters
    ----------
    scores : DataFrame of shape (n_drugs, n_diseases)
    data : AnnData
    n_resamples : int
        Of the interval of the pooled AUROC, over diseases.

    Returns
    -------
    DataFrame
        `candidates` (of `UNIVERSES`), `disease` (or `ALL_PAIRS`), `metric`, `value`, `low`, `high`
        (of the pooled value only), `n` (candidates, or pairs), `n_treats`. A disease that no
        candidate treats has NaN in all metrics.
    """
    m, tables = matching(data), []
    for name in UNIVERSES:
        rows, columns = universe(m, name)
        own, treats = scores.loc[rows, columns], m.treats.loc[rows, columns]
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        value, low, high = pooled_auroc(
            own.to_numpy(), treats.to_numpy(), n_resamples=n_resamples, rng=rng
        )
        pooled = {"disease": ALL_PAIRS, "metric": "pooled_auroc", "value": value}
        pooled |= {"low": low, "high": high, "n": treats.size, "n_treats": int(treats.sum().sum())}
        both = pd.concat([metrics_of(own, treats), pd.DataFrame([pooled])], ignore_index=True)
        tables.append(both.assign(candidates=name))
    return pd.concat(tables, ignore_index=True)


def metrics_of(scores: pd.DataFrame, treats: pd.DataFrame) -> pd.DataFrame:
    """Metrics of a ranking of the rows for each column.

    Returns
    -------
    DataFrame
        `disease`, `metric`, `value`, `n` (candidates), `n_treats`. A disease that no candidate
        treats has NaN in all metrics.
    """
    others = popularity(treats)
    found = []
    for i, disease in enumerate(scores.columns):
        score, relevant = scores[disease].to_numpy(), treats[disease].to_numpy()
        values = dict.fromkeys(METRICS, np.nan)
        if relevant.any():
            one = ranking.ranked(score, relevant)
            values = _per_disease(one, score, relevant, others[:, i])
        found += [[disease, k, v, len(score), int(relevant.sum())] for k, v in values.items()]
    return pd.DataFrame(found, columns=["disease", "metric", "value", "n", "n_treats"])


def _per_disease(found: ranking.Ranking, score, relevant, others) -> dict[str, float]:
    return {
        "within_disease_auroc": ranking.auroc(found),
        "retrieval_map": ranking.average_precision(found),
        "average_precision_1to1": ranking.average_precision(found, prevalence=0.5),
        "reciprocal_rank": ranking.reciprocal_rank(found),
        "precision_at_10": ranking.precision_at(found, 10),
        "recall_at_50": ranking.recall_at(found, 50),
        "hits_at_10": ranking.hits_at(found, 10),
        "ndcg_at_50": ranking.ndcg_at(found, 50),
        "enrichment_at_10": ranking.enrichment_at(found, 10),
        "degree_matched_auroc": ranking.matched_auroc(score, relevant, others),
    }
