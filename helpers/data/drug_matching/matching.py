"""Drugs, diseases and what is known of their pairs, in one AnnData: what every reader returns.

`X` holds drug signatures (drugs x genes). `varm["diseases"]` holds disease contrasts (genes x
diseases; NaN: not measured). `obsm[LABEL]` holds, for each kind of pair that was curated, whether
drug and disease are one (drugs x diseases).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.contract import DataError

if TYPE_CHECKING:
    from anndata import AnnData

TREATS = "DM"
"""The pairs to be found: the drug modifies the disease."""
DISEASES = "diseases"


@dataclass(frozen=True)
class Matching:
    """What a matching task asks of a data set, in arrays.

    Parameters
    ----------
    signatures : DataFrame of shape (n_drugs, n_genes)
    contrasts : DataFrame of shape (n_diseases, n_genes)
        NaN where a gene was not measured.
    treats : bool DataFrame of shape (n_drugs, n_diseases)
    related : bool DataFrame of the same shape
        A pair of any kind: those that treat, those that treat symptoms only, those that were
        looked at and refused.
    drug_names, disease_names : Series of str
    drug_groups, disease_groups : Series of str
        What must not be divided between training and test: analogues, siblings.
    other_contrasts : mapping of name to DataFrame
        Further estimates of the same contrasts.
    """

    signatures: pd.DataFrame
    contrasts: pd.DataFrame
    treats: pd.DataFrame
    related: pd.DataFrame
    drug_names: pd.Series
    disease_names: pd.Series
    drug_groups: pd.Series
    disease_groups: pd.Series
    other_contrasts: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def check_matching(adata: AnnData) -> AnnData:
    """The same data, or an error that says what is wrong with it.

    Raises
    ------
    DataError
        With one line for each violation.
    """
    found = []
    name = dict(adata.uns.get("dataset", {})).get("name", "this data set")
    contrasts = adata.varm.get(DISEASES)
    if not isinstance(contrasts, pd.DataFrame):
        found.append(f"varm has no table '{DISEASES}' of genes x diseases")
    elif not len(contrasts.columns) or contrasts.columns.has_duplicates:
        found.append("there is no disease, or one comes twice")
    elif (empty := contrasts.columns[contrasts.notna().sum() < 2]).size:
        found.append(f"diseases without two measured genes: {', '.join(empty)}")
    for axis, names in (("drug", adata.obs_names), ("gene", adata.var_names)):
        if names.has_duplicates:
            found.append(f"{axis} names occur twice: {', '.join(names[names.duplicated()][:3])}")
    if not np.isfinite(np.asarray(adata.X)).all():
        found.append("signatures hold values that are NaN or infinite")
    if "name" not in adata.obs or "group" not in adata.obs:
        found.append("obs lacks 'name' or 'group' (analogues that must stay together)")
    for key in ("disease_name", "disease_group"):
        held = adata.uns.get(key, {})
        if contrasts is not None and set(held) != set(contrasts.columns):
            found.append(f"uns['{key}'] does not name every disease, and no other")
    if TREATS not in adata.obsm:
        found.append(f"obsm has no table '{TREATS}' of drugs x diseases")
    if found:
        raise DataError("\n  - ".join([f"{name}: no data set of drugs and diseases", *found]))
    return adata


def matching(adata: AnnData) -> Matching:
    """Arrays of a data set of drugs and diseases; see `check_matching` for errors."""
    check_matching(adata)
    diseases = list(adata.varm[DISEASES].columns)
    pairs = {k: v.astype(bool)[diseases] for k, v in adata.obsm.items()}
    of_diseases = {k: v.T for k, v in adata.varm.items()}
    related = np.logical_or.reduce([table.to_numpy() for table in pairs.values()])

    def named(key: str) -> pd.Series:
        return pd.Series(dict(adata.uns[key])).reindex(diseases).astype(str)

    return Matching(
        signatures=pd.DataFrame(np.asarray(adata.X), adata.obs_names, adata.var_names),
        contrasts=of_diseases.pop(DISEASES),
        treats=pairs[TREATS],
        related=pd.DataFrame(related, adata.obs_names, diseases),
        drug_names=adata.obs["name"].astype(str),
        disease_names=named("disease_name"),
        drug_groups=adata.obs["group"].astype(str),
        disease_groups=named("disease_group"),
        other_contrasts=of_diseases,
    )


def pairs_table(pairs: pd.DataFrame, drugs: pd.Index, diseases: pd.Index) -> pd.DataFrame:
    """Pairs as a table of drugs x diseases; those of other drugs or diseases are left out.

    Parameters
    ----------
    pairs : DataFrame
        `drug` and `disease`.
    drugs, diseases : Index
    """
    table = pd.DataFrame(np.zeros((len(drugs), len(diseases)), np.int8), drugs, diseases)
    known = pairs["drug"].isin(drugs) & pairs["disease"].isin(diseases)
    rows = drugs.get_indexer(pairs.loc[known, "drug"])
    columns = diseases.get_indexer(pairs.loc[known, "disease"])
    values = table.to_numpy(copy=True)
    values[rows, columns] = 1
    return pd.DataFrame(values, drugs, diseases)


def linked_groups(members: Mapping[str, set[str]]) -> pd.Series:
    """Names that share a key, directly or through others, get one group.

    Parameters
    ----------
    members : mapping of a name to its keys

    Returns
    -------
    Series of str by name
        The first name of each group, in the order of names.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    names = sorted(members)
    keys = sorted({key for own in members.values() for key in own})
    place = {key: i for i, key in enumerate(keys)}
    links = [(i, len(names) + place[k]) for i, n in enumerate(names) for k in sorted(members[n])]
    size = len(names) + len(keys)
    rows, columns = np.array(links, dtype=int).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(links)), (rows, columns)), shape=(size, size))
    _, label = connected_components(graph, directed=False)
    label = label[: len(names)]
    first = {g: names[int(np.flatnonzero(label == g)[0])] for g in np.unique(label)}
    return pd.Series([first[g] for g in label], index=names)
