"""From WTCS to NCS and tau, and from the signatures of a compound to one score for it."""

import numpy as np
import pandas as pd

from helpers.metrics.drug_matching import connectivity, ranking
from helpers.metrics.drug_matching.aggregation import max_quantile
from helpers.store.steps import step
from helpers.tasks.drug_matching.mechanism import effects, scores_of, shared_terms

KINDS = ("WTCS", "NCS", "tau")
RULES = ("mean", "max-quantile")
RELATION = "compounds of the same mechanism"
ENOUGH_REFERENCES = 500
"""Reference queries that tau needs (Subramanian et al. 2017)."""


def connectivity_kinds(z, line, *, n_query: int) -> dict[str, np.ndarray]:
    """WTCS, NCS and tau of each signature as a query, with all signatures.

    Parameters
    ----------
    z : array of shape (n, n_genes)
    line : array of shape (n,)
        Cell line of each signature, within which NCS divides.
    n_query : int
        Genes up, and genes down, of a query.

    Returns
    -------
    dict of ndarray of shape (n, n)
        By kind of `KINDS`; [i, j] with i as the query. The reference queries of tau are the other
        signatures.
    """
    found = {"WTCS": scores_of(z, scorer="WTCS", n_query=n_query)}
    found["NCS"] = np.stack([connectivity.normalised(row, line) for row in found["WTCS"]])
    found["tau"] = np.stack(
        [
            connectivity.tau(row, np.delete(found["NCS"], i, axis=0))
            for i, row in enumerate(found["NCS"])
        ]
    )
    return found


def of_compounds(scores, compound) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Scores of signatures as scores of compounds, by rule of `RULES`.

    Parameters
    ----------
    scores : array of shape (n_queries, n_signatures)
    compound : array of shape (n_signatures,)

    Returns
    -------
    dict of tuple
        Scores (n_queries, n_compounds) and the names of the compounds, sorted.
    """
    names, code = np.unique(compound, return_inverse=True)
    own = [scores[:, code == i].T for i in range(len(names))]
    by_rule = {"mean": lambda values: values.mean(axis=0), "max-quantile": max_quantile}
    return {
        rule: (np.stack([by_rule[rule](values) for values in own], axis=1), names) for rule in RULES
    }


def _found(z, compound, line, shared, units, *, n_query: int) -> pd.DataFrame:
    """AUROC of compounds with the query's mechanism among all others, by kind and rule.

    `shared` is (n, n), of signatures: whether their compounds have a mechanism in common.
    """
    first = np.unique(compound, return_index=True)[1]
    rows = []
    for kind, scores in connectivity_kinds(z, line, n_query=n_query).items():
        for rule, (values, names) in of_compounds(scores, compound).items():
            for i in range(len(z)):
                asked = names != compound[i]
                relevant = shared[i, first] & asked
                if relevant.any():
                    found = ranking.ranked(values[i, asked], relevant[asked])
                    rows.append([kind, rule, units[i], compound[i], ranking.auroc(found), found.n])
    columns = ["kind", "rule", "well", "compound", "value", "n"]
    return pd.DataFrame(rows, columns=columns)


@step
def plate_compounds(plate, annotation, *, n_query: int = 50) -> pd.DataFrame:
    """Compounds of one mechanism on a plate, where a compound has several doses.

    Parameters
    ----------
    plate : AnnData
        As `mechanism.retrieved`.
    annotation : DataFrame
        `compound`, `kind`, `term`.
    n_query : int

    Returns
    -------
    DataFrame
        `kind`, `rule`, `well` (the query), `compound`, `value` (AUROC), `n` (candidates: the other
        compounds). A query without another compound of its mechanism is left out.
    """
    z, wells = effects(plate)
    compound = wells["perturbation"].astype(str).to_numpy()
    line = wells["context"].astype(str).to_numpy() if "context" in wells else np.zeros(len(z))
    shared = shared_terms(compound, annotation, "mechanism")
    return _found(z, compound, line, shared, wells.index.to_numpy(), n_query=n_query)


@step
def listed_compounds(signatures, annotation, *, n_query: int = 150) -> pd.DataFrame:
    """The same of signatures, one a compound, in one cell line: see `plate_compounds`.

    Parameters
    ----------
    signatures : DataFrame, compounds x genes
    annotation : DataFrame
    n_query : int
        Up to 150 genes a side are usual.
    """
    z, compound = signatures.to_numpy(float), signatures.index.to_numpy(str)
    shared = shared_terms(compound, annotation, "mechanism")
    return _found(z, compound, np.zeros(len(z)), shared, compound, n_query=n_query)


@step
def simulated_compounds(data, *, n_query: int = 50) -> pd.DataFrame:
    """The same of simulated drugs; those of a family have one mechanism."""
    drug, family = data["drug_of"], data["family"][data["drug_of"]]
    z = np.asarray(data["signatures"], dtype=float)
    compound = np.array([f"d{d:03}" for d in drug])
    units = np.array([f"s{i:04}" for i in range(len(z))])
    shared = family[:, None] == family[None]
    return _found(z, compound, np.zeros(len(z)), shared, units, n_query=n_query)
