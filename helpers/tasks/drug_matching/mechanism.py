"""Retrieval on drug signatures alone: the same compound, the same mechanism or target."""

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL
from helpers.data.drug_matching.lists import plain_name
from helpers.metrics.drug_matching import connectivity, ranking
from helpers.metrics.drug_matching.similarity import similarity
from helpers.store.steps import step
from helpers.tasks import requirements as needs

SCORERS = ("cosine", "spearman", "WTCS")
FLOORS = ("place on the plate", "size of effect", "random")
RELATIONS = ("same compound", "same mechanism", "same target")
REQUIREMENTS = (
    needs.Requirement("controls", 6, "control wells"),
    needs.Requirement("compounds", 6, "compounds with several signatures"),
)


def available(plate) -> dict[str, int]:
    """Counts that `REQUIREMENTS` name, of profiles; those of patients name no compound."""
    if "perturbation" not in plate.obs:
        return {"controls": 0, "compounds": 0}
    names = plate.obs["perturbation"].astype(str)
    times = names[names != CONTROL].value_counts()
    return {"controls": int((names == CONTROL).sum()), "compounds": int((times > 1).sum())}


def effects(plate) -> tuple[np.ndarray, pd.DataFrame]:
    """z of each treated well against the controls, and facts of the wells.

    Returns
    -------
    z : ndarray of shape (n_wells, n_genes)
        Mean and standard deviation of the controls; genes that do not vary there are 0.
    wells : DataFrame
        `obs` of the treated wells.
    """
    values = np.asarray(plate.X, dtype=float)
    is_control = (plate.obs["perturbation"].astype(str) == CONTROL).to_numpy()
    mean, spread = values[is_control].mean(axis=0), values[is_control].std(axis=0, ddof=1)
    difference = values[~is_control] - mean
    z = np.divide(difference, spread, out=np.zeros_like(difference), where=spread > 0)
    return z, plate.obs[~is_control]


def scores_of(z: np.ndarray, *, scorer: str, n_query: int = 50) -> np.ndarray:
    """(n, n): how alike signatures are; [i, j] with i as the query."""
    if scorer != "WTCS":
        return similarity(z, z, kind=scorer)
    ordered = connectivity.sort_signatures(z)
    found = np.zeros((len(z), len(z)))
    for i in np.flatnonzero(z.any(axis=1)):
        up, down = connectivity.query_sets(z[i], n_up=n_query, n_down=n_query)
        found[i] = connectivity.wtcs(ordered, up, down)
    return found


@step
def retrieved(plate, annotation, *, seed: int) -> pd.DataFrame:
    """For each well, how well other wells of its compound, mechanism or target are found.

    Parameters
    ----------
    plate : AnnData
        Profiles with controls; `obs["row"]` and `obs["column"]` where wells have a place.
    annotation : DataFrame
        `compound`, `kind`, `term`.
    seed : int
        Of the random floor.

    Returns
    -------
    DataFrame
        `relation` (of `RELATIONS`), `model`, `well`, `compound`, `dose`, `value` (AUROC), `n`
        (candidates). For a mechanism or target, wells of the compound itself are no candidates.
        Wells without anything to find are left out.
    """
    z, wells = effects(plate)
    names = wells["perturbation"].astype(str).to_numpy()
    models = {scorer: scores_of(z, scorer=scorer) for scorer in SCORERS}
    size = np.linalg.norm(z, axis=1)
    models["size of effect"] = -np.abs(size[:, None] - size[None])
    if {"row", "column"} <= set(wells):
        place = wells[["row", "column"]].to_numpy(float)
        apart = np.linalg.norm(place[:, None] - place[None], axis=2)
        models["place on the plate"] = -apart
    models["random"] = np.random.default_rng(seed).random((len(z), len(z)))
    dose = wells["dose"].to_numpy(float) if "dose" in wells else np.full(len(z), np.nan)
    same = names[:, None] == names[None]
    related = {"same compound": same & ~np.eye(len(z), dtype=bool)}
    for kind in ("mechanism", "target"):
        related[f"same {kind}"] = shared_terms(names, annotation, kind) & ~same
    rows = []
    for relation, relevant in related.items():
        asked = ~np.eye(len(z), dtype=bool) if relation == "same compound" else ~same
        for i in np.flatnonzero(relevant.any(axis=1)):
            own = asked[i]
            for model, values in models.items():
                found = ranking.ranked(values[i, own], relevant[i, own])
                value = ranking.auroc(found)
                rows.append([relation, model, wells.index[i], names[i], dose[i], value, found.n])
    columns = ["relation", "model", "well", "compound", "dose", "value", "n"]
    return pd.DataFrame(rows, columns=columns)


def shared_terms(names, annotation: pd.DataFrame, kind: str) -> np.ndarray:
    """(n, n): whether two compounds share a term; compounds that are not annotated share none."""
    own = annotation[annotation["kind"] == kind]
    terms = own.groupby(own["compound"].map(plain_name))["term"].agg(set)
    sets = [terms.get(plain_name(name), set()) for name in names]
    columns = {term: i for i, term in enumerate(sorted(set().union(*sets)))}
    table = np.zeros((len(sets), len(columns) + 1))
    for i, one in enumerate(sets):
        table[i, [columns[term] for term in one]] = 1
    return table @ table.T > 0


@step
def simulated_retrieval(data) -> pd.DataFrame:
    """The same on simulated drugs: signatures of the drug itself, and of its family.

    Returns
    -------
    DataFrame
        `relation` ("same compound", "same mechanism"), `model`, `well`, `compound`, `value`, `n`.
    """
    values, drug = np.asarray(data["signatures"], dtype=float), data["drug_of"]
    family = data["family"][drug]
    same, kin = drug[:, None] == drug[None], family[:, None] == family[None]
    rows = []
    for scorer in SCORERS:
        scores = scores_of(values, scorer=scorer)
        for relation, relevant, asked in (
            (
                "same compound",
                same & ~np.eye(len(same), dtype=bool),
                ~np.eye(len(same), dtype=bool),
            ),
            ("same mechanism", kin & ~same, ~same),
        ):
            for i in np.flatnonzero(relevant.any(axis=1)):
                found = ranking.ranked(scores[i, asked[i]], relevant[i, asked[i]])
                value = ranking.auroc(found)
                rows.append([relation, scorer, f"s{i:04}", f"d{drug[i]:03}", value, found.n])
    return pd.DataFrame(rows, columns=["relation", "model", "well", "compound", "value", "n"])
