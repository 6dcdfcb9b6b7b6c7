"""Task: do compounds of one mechanism find each other, and does a compound find its gene?"""

from types import MappingProxyType

import numpy as np
import pandas as pd

from helpers.data.discovery.profiles import Profiles
from helpers.data.errors import DataError
from helpers.metrics.discovery.retrieval import left_out, percentiles, recall_at
from helpers.store.steps import step
from helpers.tasks.discovery import embeddings_of_symbols as stands

LPM, CENTRED = "LPM, vectors", "LPM, vectors less the mean of their kind"
SIMULATED = MappingProxyType(
    {
        "planted activity": "ceiling",
        LPM: "candidate",
        CENTRED: "candidate",
        "profiles": "candidate",
        "profiles less the mean of their kind": "candidate",
        "PCA of profiles": "candidate",
        "random vectors": "floor",
    }
)
REAL = MappingProxyType(
    {
        LPM: "candidate",
        CENTRED: "candidate",
        "signatures": "candidate",
        "signatures less their mean": "candidate",
        "PCA of signatures": "candidate",
        "random vectors": "floor",
    }
)
"""Representations of real compounds and genes, and their roles."""
FEWEST, FEWEST_CHANGED, N_COMPONENTS = 3, 5, 128
KS = (1, 5, 10)


# Simulated: compounds whose target is known ----------------------------------------------------


@step
def simulated_vectors(data, *, size: dict, n_networks: int) -> dict[str, np.ndarray]:
    """Vectors of genes and compounds in each network of an ensemble.

    Returns
    -------
    dict of ndarray
        `genes` (n_networks, n_genes, d), `compounds` (n_networks, n_compounds, d).
    """
    names = data["gene"].tolist() + data["compound"].tolist()
    both = stands.model_vectors(Profiles.from_arrays(data), names, size, n_networks)
    n = len(data["gene"])
    return {"genes": np.array(both)[:, :n], "compounds": np.array(both)[:, n:]}


@step
def simulated_mechanisms(data, vectors, *, representation: str, seed: int) -> pd.DataFrame:
    """How well a gene finds the compounds that hit it, one row a gene that has any.

    Parameters
    ----------
    data : dict of ndarray
        Of `helpers.data.discovery.tensor_simulator`, with compounds.
    vectors : dict of ndarray or None
        Of `simulated_vectors`, for representations of the model.
    representation : str
        Of `SIMULATED`.
    seed : int
        Of random vectors.

    Returns
    -------
    DataFrame
        `gene`, `target_percentile`, `recall_1`, `recall_5`, `recall_10`, `n`.
    """
    asked = np.array([g for g in data["gene"] if (data["target"] == g).any()])
    relevant = data["target"][None, :] == asked[:, None]
    genes, compounds = _sides(data, vectors, representation, seed)
    at = [data["gene"].tolist().index(g) for g in asked]
    found = stands.mean_cosines([g[at] for g in genes], compounds)
    recalls = {f"recall_{k}": recall_at(found, relevant, k) for k in KS}
    return pd.DataFrame(
        {
            "gene": asked,
            "target_percentile": percentiles(found, relevant),
            **recalls,
            "n": relevant.sum(axis=1),
        }
    )


def _sides(data, vectors, representation: str, seed: int) -> tuple[list, list]:
    """Vectors of genes and of compounds, a network each."""
    if representation not in SIMULATED:
        raise DataError(f"no representation {representation!r}; there are {', '.join(SIMULATED)}")
    profiles = Profiles.from_arrays(data)
    names = [data["gene"].tolist(), data["compound"].tolist()]
    n = len(names[0])
    if representation in (LPM, CENTRED):
        sides = list(vectors["genes"]), list(vectors["compounds"])
    else:
        if representation == "random vectors":
            both = np.random.default_rng(seed).standard_normal((sum(map(len, names)), 16))
        elif representation == "planted activity":
            at = [names[0].index(t) for t in data["target"]]
            both = np.concatenate([data["activity"], data["activity"][at]])
        else:
            both = np.array([_raw_mean(profiles, name) for name in names[0] + names[1]])
        if representation == "PCA of profiles":
            both = stands.components(both, 16)
        sides = [both[:n]], [both[n:]]
    if "less the mean" in representation:
        sides = tuple([v - v.mean(axis=0) for v in side] for side in sides)
    return sides


def _raw_mean(profiles: Profiles, name: str) -> np.ndarray:
    return profiles.value[profiles.perturbation == name].mean(axis=0)


# Real: compounds with mechanisms and targets, genes that were over-expressed --------------------


@step
def annotated(structures: pd.DataFrame, mechanisms: pd.DataFrame) -> pd.DataFrame:
    """Mechanism of each drug, joined by structure.

    Names would join more compounds to more terms, but a name is no identity: salts have several.

    Parameters
    ----------
    structures : DataFrame
        `drug`, `skeleton`.
    mechanisms : DataFrame
        `skeleton` (each once), `mechanism`.

    Returns
    -------
    DataFrame
        `drug`, `mechanism`.
    """
    found = structures.merge(mechanisms, on="skeleton", validate="many_to_one")
    return found[["drug", "mechanism"]].sort_values("drug", ignore_index=True)


def classes(drugs, annotation: pd.DataFrame, fewest: int = FEWEST) -> pd.DataFrame:
    """Mechanisms that several compounds have: bool, mechanism x compound; each compound has one.

    Parameters
    ----------
    drugs : AnnData
    annotation : DataFrame
        Of `annotated`.
    fewest : int
    """
    own = annotation[annotation["drug"].isin(drugs.obs_names)]
    wide = pd.crosstab(own["mechanism"], own["drug"]) > 0
    wide = wide.reindex(columns=drugs.obs_names, fill_value=False)
    return wide[wide.sum(axis=1) >= fewest]


def inhibitors(drugs, targets: pd.DataFrame, fewest: int = FEWEST) -> pd.DataFrame:
    """Genes that several compounds inhibit: bool, gene (Entrez) x compound."""
    own = targets[targets["inhibits"] & targets["drug"].isin(drugs.obs_names)]
    wide = pd.crosstab(own["gene"], own["drug"]).reindex(columns=drugs.obs_names, fill_value=0) > 0
    return wide[wide.sum(axis=1) >= fewest]


def over_expressed(drugs, pairs: pd.DataFrame, fewest: int = FEWEST_CHANGED) -> pd.DataFrame:
    """z over landmarks of genes that change several of them; 0 where it is not significant."""
    own = pairs[pairs["measured"] & pairs["gene"].isin(drugs.var_names)]
    wide = own.pivot_table("z", "perturbed", "gene", fill_value=0.0)
    wide = wide.reindex(columns=drugs.var_names, fill_value=0.0)
    return wide[(wide != 0).sum(axis=1) >= fewest]


@step
def joint_model(
    drugs, pairs, *, n_readouts: int, size: dict, n_networks: int, seed: int
) -> dict[str, np.ndarray]:
    """Vectors of compounds and over-expressed genes in one large perturbation model.

    Two contexts, compounds and over-expression, over a random part of the landmarks; of
    over-expression only significant values are known, the others are masked.

    Returns
    -------
    dict of ndarray
        `compounds` (n_networks, n_compounds, d), `genes` (n_networks, n_genes, d), `gene` (names).
    """
    expressed = over_expressed(drugs, pairs)
    columns = np.random.default_rng(seed).choice(drugs.n_vars, n_readouts, replace=False)
    z = np.asarray(drugs.X, dtype=np.float32)[:, columns]
    theirs = expressed.to_numpy(np.float32)[:, columns]
    n = len(z)
    profiles = Profiles(
        np.concatenate([z, theirs]),
        np.concatenate([np.ones(z.shape, bool), theirs != 0]),
        np.array(["compound"] * n + ["over-expression"] * len(theirs)),
        np.array([*drugs.obs_names, *(f"OE_{g}" for g in expressed.index)]),
        np.array(drugs.var_names[columns]),
    )
    names = profiles.perturbation.tolist()
    vectors = np.array(stands.model_vectors(profiles, names, size, n_networks))
    return {
        "compounds": vectors[:, :n],
        "genes": vectors[:, n:],
        "gene": expressed.index.to_numpy(str),
    }


@step
def real_mechanisms(
    drugs, pairs, targets, annotation, model, *, representation: str, seed: int
) -> pd.DataFrame:
    """Percentiles of classes, of inhibitors of one gene, and of inhibitors of an expressed gene.

    Parameters
    ----------
    drugs : AnnData
        Compounds x landmarks.
    pairs, targets, annotation : DataFrame
    model : dict of ndarray
        Of `joint_model`.
    representation : str
        Of `REAL`.
    seed : int
        Of random vectors.

    Returns
    -------
    DataFrame
        `question` ("mechanism", "target", "gene"), `unit`, `value`, `n` (compounds). For "gene" an
        inhibitor should be opposite: ranks are those of the negative cosine.
    """
    expressed = over_expressed(drugs, pairs)
    compounds, genes = _real_sides(drugs, expressed, model, representation, seed)
    among = stands.mean_cosines(compounds)
    groups = {"mechanism": classes(drugs, annotation), "target": inhibitors(drugs, targets)}
    tables = []
    for question, own in groups.items():
        value = left_out(among, own.to_numpy())
        tables.append(_rows(question, own.index, value, own.sum(axis=1)))
    hit = inhibitors(drugs, targets, fewest=1)
    hit = hit[hit.index.isin(expressed.index)]
    at = expressed.index.get_indexer(hit.index)
    opposite = -stands.mean_cosines([g[at] for g in genes], compounds)
    value = percentiles(opposite, hit.to_numpy())
    tables.append(_rows("gene", hit.index, value, hit.sum(axis=1)))
    several = hit[hit.sum(axis=1) > 1]
    peers = left_out(among, several.to_numpy())
    tables.append(_rows("gene, by its other inhibitors", several.index, peers, several.sum(axis=1)))
    return pd.concat(tables, ignore_index=True)


def _rows(question: str, units, values, n) -> pd.DataFrame:
    n = np.asarray(n, int)
    return pd.DataFrame({"question": question, "unit": units, "value": values, "n": n})


def _real_sides(drugs, expressed, model, representation: str, seed: int) -> tuple[list, list]:
    z, theirs = np.asarray(drugs.X, dtype=float), expressed.to_numpy(float)
    if representation in (LPM, CENTRED):
        sides = list(model["compounds"]), list(model["genes"])
        if representation == CENTRED:
            return tuple([v - v.mean(axis=0) for v in side] for side in sides)
        return sides
    if representation == "signatures":
        return [z], [theirs]
    if representation == "signatures less their mean":
        return [z - z.mean(axis=0)], [theirs - theirs.mean(axis=0)]
    if representation == "PCA of signatures":
        mean = z.mean(axis=0)
        right = np.linalg.svd(z - mean, full_matrices=False)[2][:N_COMPONENTS]
        return [(z - mean) @ right.T], [theirs @ right.T]
    if representation == "random vectors":
        rng = np.random.default_rng(seed)
        return [rng.standard_normal((len(z), 16))], [rng.standard_normal((len(theirs), 16))]
    raise DataError(f"no representation {representation!r}; there are {', '.join(REAL)}")


@step
def shuffled_compounds(
    drugs, pairs, targets, annotation, *, n_permutations: int, seed: int
) -> pd.DataFrame:
    """Means of the percentiles where compounds are shuffled, all groups alike.

    Groups overlap and are related, so that the deviation is larger than that of independent rows.
    Signatures less their mean stand for all representations.

    Returns
    -------
    DataFrame
        `question`, `mean`: a row a permutation and question.
    """
    expressed = over_expressed(drugs, pairs)
    compounds, genes = _real_sides(drugs, expressed, {}, "signatures less their mean", seed)
    among = stands.mean_cosines(compounds)
    groups = {"mechanism": classes(drugs, annotation), "target": inhibitors(drugs, targets)}
    hit = inhibitors(drugs, targets, fewest=1)
    hit = hit[hit.index.isin(expressed.index)].to_numpy()
    at = expressed.index.get_indexer(inhibitors(drugs, targets, fewest=1).index)
    opposite = -stands.mean_cosines([g[at[at >= 0]] for g in genes], compounds)
    rng, rows = np.random.default_rng(seed), []
    for _ in range(n_permutations):
        order = rng.permutation(drugs.n_obs)
        for question, own in groups.items():
            rows.append((question, np.mean(left_out(among, own.to_numpy()[:, order]))))
        rows.append(("gene", np.nanmean(percentiles(opposite, hit[:, order]))))
    return pd.DataFrame(rows, columns=["question", "mean"])


STATINS = ("Pravastatin", "Lovastatin", "Simvastatin", "Atorvastatin", "Fluvastatin")
STATINS += ("Rosuvastatin", "Pitavastatin")
"""Those of the class C10AA (ATC), named beforehand."""


@step
def statin_pattern(drugs, *, symbols: list) -> pd.DataFrame:
    """Do statins stand out by the genes that cells raise when HMG-CoA reductase is inhibited?

    Returns
    -------
    DataFrame
        `symbol`, `percentile` (share of other compounds with a lower z; NaN where the gene is no
        landmark), `n` (statins).

    Raises
    ------
    DataError
        No statin is there.
    """
    members = drugs.obs["name"].isin(STATINS).to_numpy()
    if not members.any():
        raise DataError(f"none of {', '.join(STATINS)} is among the compounds")
    rows = []
    for symbol in symbols:
        column = np.flatnonzero((drugs.var["symbol"] == symbol).to_numpy())
        value = np.nan
        if len(column):
            z = np.asarray(drugs.X, dtype=float)[:, column[0]]
            value = percentiles(z[None], members[None])[0]
        rows.append((symbol, value, int(members.sum())))
    return pd.DataFrame(rows, columns=["symbol", "percentile", "n"])
