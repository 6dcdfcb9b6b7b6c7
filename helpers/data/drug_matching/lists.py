"""Lists of indications, joined by identifier or name to drugs and diseases of a data set."""

import re

import pandas as pd

from helpers.data.drug_matching.matching import Matching, pairs_table


def plain_name(text: str) -> str:
    """A name without case, spaces and signs: what two lists are joined by."""
    return re.sub(r"[^a-z0-9]", "", str(text).lower())


def joined(table: pd.DataFrame, m: Matching) -> pd.DataFrame:
    """Rows of a list whose drug and disease both are in a data set.

    Parameters
    ----------
    table : DataFrame
        `drug`, `drug_id`, `disease`, and more.
    m : Matching

    Returns
    -------
    DataFrame
        The rows, `drug` and `disease` as the data set has them. A drug is known by its identifier,
        else by its name; a disease by its name. Synonyms are lost.
    """
    drug_of = {plain_name(name): drug for drug, name in m.drug_names.items()}
    disease_of = {plain_name(name): disease for disease, name in m.disease_names.items()}
    by_id = table["drug_id"].where(table["drug_id"].isin(m.drug_names.index))
    drug = by_id.fillna(table["drug"].map(plain_name).map(drug_of))
    disease = table["disease"].map(plain_name).map(disease_of)
    known = drug.notna() & disease.notna()
    return table[known].assign(drug=drug[known], disease=disease[known])


def label_lists(table: pd.DataFrame, m: Matching) -> dict[str, pd.DataFrame]:
    """What each list says treats what, as tables of drugs x diseases (bool).

    Returns
    -------
    dict
        "curated" (the data set's own), each list of `table` (approved), and NAME + ", failed" with
        ", failed, not for money" where it has failures. A pair that is approved is not failed.
    """
    found = {"curated": m.treats}
    rows = joined(table, m)
    for name, own in rows.groupby("list", sort=True):
        approved = own[own["status"] == "approved"]
        failed = own[own["status"] == "failed"]
        found[name] = _bool(approved, m)
        if len(failed):
            stopped = failed[failed["reason"] != "money or recruitment"]
            found[f"{name}, failed"] = _bool(failed, m) & ~found[name]
            found[f"{name}, failed, not for money"] = _bool(stopped, m) & ~found[name]
    return found


def _bool(rows: pd.DataFrame, m: Matching) -> pd.DataFrame:
    return pairs_table(rows, m.treats.index, m.treats.columns).astype(bool)
