"""Why a drug is matched with a disease: attributions against planted genes and interactions."""

import numpy as np
import pandas as pd

from helpers.data.drug_matching.matching import matching
from helpers.metrics.drug_matching import ranking
from helpers.metrics.drug_matching.gene_set_enrichment import over_represented
from helpers.models.drug_matching.bilinear import BilinearRidge
from helpers.models.drug_matching.explanations import attributions, interactions
from helpers.models.drug_matching.two_tower import MatchingNetwork
from helpers.store.steps import step
from helpers.tasks.drug_matching.matching import unit_rows
from helpers.tasks.drug_matching.simulated import group_means_of

EXPLAINERS = ("bilinear ridge", "two-tower network", "overlap", "size of change", "random")
TOP_PAIRS = 100


@step
def explained_pairs(
    data, *, reversal: float, seed: int, n_pairs: int, n_steps: int
) -> pd.DataFrame:
    """How well each explanation finds the planted genes of pairs that no model was trained on.

    Parameters
    ----------
    data : dict of ndarray
        Of `helpers.data.drug_matching.simulator`, drawn with this `reversal`.
    reversal : float
    seed : int
        Of the network, and of the random floor.
    n_pairs : int
        Pairs, of diseases that were held out (every fifth).
    n_steps : int
        Of the network's training.

    Returns
    -------
    DataFrame
        `explainer` (of `EXPLAINERS`; *overlap* is DGEM-NN's: genes that change strongly on both
        sides), `pair`, `side` ("drug", "disease", "interactions"), `value`: AUROC of planted genes
        by the size of their attribution, or the share of the `TOP_PAIRS` pairs of genes that are
        planted; `reversed`: share of the best ten drug genes that go against the disease, where
        they change there.
    """
    held = np.arange(data["treats"].shape[1]) % 5 == 0
    drugs = group_means_of(data["signatures"], data["drug_of"])
    diseases = group_means_of(data["contrasts"], data["disease_of"])
    ridge = BilinearRidge().fit(drugs, diseases[~held], data["treats"][:, ~held])
    own = ~held[data["disease_of"]]
    network = MatchingNetwork(n_steps=n_steps, random_state=seed).fit(
        data["signatures"],
        data["drug_of"],
        data["contrasts"][own],
        data["disease_of"][own],
        data["treats"] & ~held,
    )
    rng = np.random.default_rng(seed)
    pairs = np.argwhere(data["treats"] & held)
    rows = []
    for i, j in pairs[rng.permutation(len(pairs))[:n_pairs]]:
        of_drug, of_disease, together = planted(data, i, j, reversal)
        if not of_drug.any() or not of_disease.any():
            continue
        drug, disease = drugs[i], diseases[j]
        overlap = np.minimum(np.abs(drug), np.abs(disease))
        chance = rng.random((2, len(drug)))
        given = {
            "bilinear ridge": attributions(ridge, drug, disease),
            "two-tower network": attributions(network, drug, disease),
            "overlap": (overlap, overlap),
            "size of change": (np.abs(drug), np.abs(disease)),
            "random": chance,
        }
        pair = f"d{i:03} q{j:03}"
        for name, (left, right) in given.items():
            toward = _reversed(left, drug, disease)
            for side, values, truth in (("drug", left, of_drug), ("disease", right, of_disease)):
                value = ranking.auroc(ranking.ranked(np.abs(values), truth))
                rows.append([name, pair, side, value, toward])
            table = {
                "bilinear ridge": lambda d=drug, q=disease: interactions(ridge, d, q),
                "two-tower network": lambda d=drug, q=disease: interactions(network, d, q),
            }.get(name, lambda a=left, b=right: np.outer(a, b))()
            best = np.argpartition(-table.ravel(), TOP_PAIRS)[:TOP_PAIRS]
            rows.append([name, pair, "interactions", together.ravel()[best].mean(), toward])
    return pd.DataFrame(rows, columns=["explainer", "pair", "side", "value", "reversed"])


def planted(data, i: int, j: int, reversal: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Genes and pairs of genes by which drug i treats disease j.

    Returns
    -------
    of_drug, of_disease : bool arrays of shape (n_genes,)
    together : bool array of shape (n_genes, n_genes)
        Genes of a drug's program and of the disease's program that it answers.
    """
    a, b = data["disease_activity"][j], data["drug_activity"][i]
    genes, shift = data["programs"] != 0, data["shift"]
    of_drug, of_disease = (np.zeros(genes.shape[1], dtype=bool) for _ in range(2))
    together = np.zeros((genes.shape[1],) * 2, dtype=bool)
    for k in range(len(a)):
        for answer, weight in ((k, -reversal), (shift[k], 1 - reversal)):
            if weight * a[k] * b[answer] > 0:
                of_drug |= genes[answer]
                of_disease |= genes[k]
                together |= np.outer(genes[answer], genes[k])
    return of_drug, of_disease, together


def _reversed(values: np.ndarray, drug: np.ndarray, disease: np.ndarray) -> float:
    """Share of the ten genes with the largest attribution that go against the disease."""
    best = np.argsort(-np.abs(values), kind="stable")[:10]
    signs = np.sign(drug[best]) * np.sign(disease[best])
    changed = signs != 0
    return float((signs[changed] < 0).mean()) if changed.any() else np.nan


@step
def enriched_sets(data, sets, *, drug: str, disease: str, n_genes: int = 50) -> pd.DataFrame:
    """Gene sets among the drug genes and the disease genes of a real pair's best attributions.

    Parameters
    ----------
    data : AnnData
    sets : DataFrame
        `set` and `gene` (symbols).
    drug, disease : str
        Identifiers; the model is trained without the disease and its siblings.
    n_genes : int

    Returns
    -------
    DataFrame
        `set`, and of each side `overlap_`, `q_` (drug, disease), the smallest product of q first.
    """
    m = matching(data)
    symbol = data.var["symbol"].astype(str)
    own = m.disease_groups != m.disease_groups[disease]
    drugs = unit_rows(m.signatures.to_numpy(float))
    diseases = unit_rows(m.contrasts.fillna(0).to_numpy(float))
    model = BilinearRidge().fit(drugs, diseases[own], m.treats.loc[:, own].to_numpy())
    row, column = m.signatures.index.get_loc(drug), m.contrasts.index.get_loc(disease)
    found = attributions(model, drugs[row], diseases[column])
    members = sets.groupby("set")["gene"].agg(list).to_dict()
    tables = []
    for side, values in zip(("drug", "disease"), found, strict=True):
        best = symbol.iloc[np.argsort(-np.abs(values), kind="stable")[:n_genes]]
        table = over_represented(best, symbol, members)[["overlap", "q_value"]]
        tables.append(table.set_axis([f"overlap_{side}", f"q_{side}"], axis=1))
    both = tables[0].join(tables[1])
    order = (both["q_drug"] * both["q_disease"]).sort_values(kind="stable").index
    return both.loc[order].rename_axis("set").reset_index()
