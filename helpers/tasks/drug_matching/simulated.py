"""Every model on a simulated data set: scores of drugs for diseases that it has not seen."""

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.drug_matching.frozen import folds
from helpers.metrics.drug_matching.aggregation import aggregate
from helpers.metrics.drug_matching.characteristic_direction import characteristic_direction
from helpers.metrics.drug_matching.similarity import similarity
from helpers.models.drug_matching.bilinear import BilinearRidge
from helpers.models.drug_matching.two_tower import MatchingNetwork
from helpers.store.steps import step
from helpers.tasks.drug_matching.matching import metrics_of, popularity, reversal

LEARNED = ("bilinear ridge", "two-tower network", "bi-encoder")
MODELS = {
    "cosine": "candidate",
    "WTCS": "candidate",
    "CMap 2006": "candidate",
    "characteristic direction": "candidate",
    **dict.fromkeys(LEARNED, "candidate"),
    "popularity": "floor",
    "random": "floor",
    "planted affinity": "ceiling",
}
"""Models of a simulated data set, and their roles."""
_NETWORK = {"two-tower network": "two-tower", "bi-encoder": "bi-encoder"}


@step
def simulated_metrics(
    data,
    *,
    model: str,
    seed: int,
    scheme: str = "diseases",
    drugs: str = "max",
    diseases: str = "mean",
    n_models: int = 1,
    n_steps: int = 200,
) -> pd.DataFrame:
    """Metrics of a model for each disease.

    Parameters
    ----------
    data : dict of ndarray
        Of `helpers.data.drug_matching.simulator`.
    model : str
        Of `MODELS`. Learned ones score each pair by a model that did not see it.
    seed : int
        Of networks, folds and the random floor.
    scheme : str
        What is held out, of `helpers.data.drug_matching.frozen.SCHEMES`.
    drugs, diseases : str
        How signatures and contrasts are aggregated.
    n_models : int
        Networks of an ensemble, whose scores are averaged.
    n_steps : int
        Of a network's training, at most.

    Returns
    -------
    DataFrame
        See `helpers.tasks.drug_matching.matching.metrics_of`. Only held-out pairs are ranked.
    """
    if model not in MODELS:
        raise DataError(f"model {model!r}: choose from {', '.join(MODELS)}")
    treats, n = data["treats"], data["treats"].shape
    drug, disease = (
        pd.Index([f"{k}{i:03}" for i in range(m)]) for k, m in zip("dq", n, strict=True)
    )
    drug_groups = pd.Series([f"f{f:03}" for f in data["family"]], index=drug)
    disease_groups = pd.Series([f"s{s:03}" for s in data["sibling"]], index=disease)
    rule = {"drugs": drugs, "diseases": diseases}
    fixed = None if model in LEARNED else _fixed(data, model, seed, rule)
    tables = []
    for fold in folds(drug_groups, disease_groups, scheme=scheme, salt=str(seed)):
        scores = fixed
        if fixed is None:
            scores = _learned(data, model, fold, seed, rule, n_models, n_steps)
        elif model == "popularity":
            known = treats & fold.train
            scores = np.where(fold.test, known.sum(axis=1, keepdims=True), 0).astype(float)
        tables += held_out_metrics(scores, treats, fold.test, drug, disease)
    return pd.concat(tables, ignore_index=True)


FEWEST = 50
"""Candidates of a ranking."""


def held_out_metrics(scores, treats, test, drug, disease) -> list[pd.DataFrame]:
    """Metrics of each disease over its held-out drugs, where these are `FEWEST` or more."""
    patterns, of = np.unique(test.T, axis=0, return_inverse=True)
    tables = []
    for i, rows in enumerate(patterns):
        columns = np.flatnonzero(of.ravel() == i)
        if rows.sum() < FEWEST:
            continue
        part = np.ix_(rows, columns)
        values = pd.DataFrame(scores[part], drug[rows], disease[columns])
        tables.append(metrics_of(values, pd.DataFrame(treats[part], drug[rows], disease[columns])))
    return tables


def _fixed(data, model: str, seed: int, rule: dict) -> np.ndarray:
    """Scores that nothing is learned for."""
    if model == "random":
        return np.random.default_rng(seed).random(data["treats"].shape)
    if model == "popularity":
        return popularity(data["treats"]).astype(float)
    if model == "planted affinity":
        return data["affinity"]
    signatures, contrasts = data["signatures"], data["contrasts"]
    if model == "characteristic direction":
        if "cases" not in data:
            raise DataError(
                "there are no samples behind the contrasts, so that there is no characteristic "
                "direction: simulate with n_samples, or ask for the cosine"
            )
        directions = [
            characteristic_direction(controls, cases)
            for controls, cases in zip(data["controls"], data["cases"], strict=True)
        ]
        scores = -similarity(signatures, np.array(directions), kind="cosine")
    else:
        scorer = {"cosine": "cosine", "WTCS": "wtcs", "CMap 2006": "cmap"}[model]
        scores = reversal(signatures, contrasts, scorer=scorer, n_up=150, n_down=150)
    return aggregate(scores, data["drug_of"], data["disease_of"], **rule)[0]


def _learned(data, model, fold, seed, rule, n_models, n_steps) -> np.ndarray:
    rows, columns = fold.train.any(axis=1), fold.train.any(axis=0)
    treats = data["treats"] & fold.train
    if model == "bilinear ridge":
        drugs = group_means_of(data["signatures"], data["drug_of"])
        diseases = group_means_of(data["contrasts"], data["disease_of"])
        known = treats[np.ix_(rows, columns)]
        return BilinearRidge().fit(drugs[rows], diseases[columns], known).predict(drugs, diseases)
    own_drugs, own_diseases = rows[data["drug_of"]], columns[data["disease_of"]]
    total = 0.0
    for number in range(n_models):
        network = MatchingNetwork(_NETWORK[model], n_steps=n_steps, random_state=seed + number)
        network.fit(
            data["signatures"][own_drugs],
            data["drug_of"][own_drugs],
            data["contrasts"][own_diseases],
            data["disease_of"][own_diseases],
            treats,
        )
        total = total + network.predict(data["signatures"], data["contrasts"])
    return aggregate(total / n_models, data["drug_of"], data["disease_of"], **rule)[0]


def group_means_of(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Mean row of each group 0, 1, ..."""
    sums = np.zeros((of.max() + 1, values.shape[1]))
    np.add.at(sums, of, values)
    return sums / np.bincount(of)[:, None]
