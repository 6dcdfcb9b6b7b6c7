"""Disease contrasts and drug signatures from files, by explicit rules; genes without alias traps.

The rules of the first part are those of DGEM-NN (Healx/dgem-nn-public b3703ea,
disease_profile.py:12-69, drug_profile.py), with what it did in silence said or refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from helpers.data.contract import DataError

GENE, CHANGE, ADJUSTED_P = "GeneIndex", "Log2FoldChange", "AdjustedPValue"


def read_contrast(
    path: Path,
    genes: Sequence,
    *,
    duplicates: Literal["mean", "raise"] = "mean",
    missing: Literal["unchanged", "raise"] = "unchanged",
) -> pd.DataFrame:
    """Log fold change and adjusted p of every gene of a list.

    Parameters
    ----------
    path : Path
        CSV with `GeneIndex`, `Log2FoldChange`, `AdjustedPValue`, and possibly more.
    genes : sequence
        Identifiers, of the kind that the file has.
    duplicates : {"mean", "raise"}
        Of a gene that comes twice with other values (rows that are the same count once).
    missing : {"unchanged", "raise"}
        A gene that the file lacks, or has without a value: change 0 and p 1, or an error.

    Returns
    -------
    DataFrame indexed by `genes`
        `change`, `adjusted_p`, `measured` (whether the file has the gene with both values).

    Raises
    ------
    DataError
        Missing columns, p outside [0, 1], an infinite change, genes listed twice, or what the
        rules refuse.
    """
    table = pd.read_csv(path)
    if absent := [c for c in (GENE, CHANGE, ADJUSTED_P) if c not in table.columns]:
        raise DataError(f"{path}: no columns {', '.join(absent)} (there are {list(table.columns)})")
    table = table[[GENE, CHANGE, ADJUSTED_P]].drop_duplicates()
    listed = pd.Index(genes)
    if listed.has_duplicates:
        raise DataError(f"the list of genes names {listed.duplicated().sum()} of them twice")
    wrong_p = ~table[ADJUSTED_P].dropna().between(0, 1)
    if wrong_p.any() or np.isinf(table[CHANGE]).any():
        raise DataError(f"{path}: adjusted p outside [0, 1], or an infinite change")
    if (repeated := table[GENE].duplicated(keep=False)).any() and duplicates == "raise":
        n = table.loc[repeated, GENE].nunique()
        raise DataError(f"{path}: {n} genes come twice with other values; pass duplicates='mean'")
    found = table.groupby(GENE)[[CHANGE, ADJUSTED_P]].mean().reindex(listed)
    measured = found.notna().all(axis=1)
    if missing == "raise" and not measured.all():
        raise DataError(f"{path}: {(~measured).sum()} of {len(listed)} genes have no value")
    found = found.where(measured).fillna({CHANGE: 0.0, ADJUSTED_P: 1.0})
    return found.set_axis(["change", "adjusted_p"], axis=1).assign(measured=measured)


def feature_vector(contrast: pd.DataFrame, *, most_p: float = 0.3, digits: int = 4) -> np.ndarray:
    """Change of each gene, rounded, 0 unless the adjusted p is *below* `most_p`; float32."""
    kept = contrast["adjusted_p"].to_numpy() < most_p
    change = contrast["change"].to_numpy()
    return np.where(kept, np.round(change, digits), 0.0).astype(np.float32)


@dataclass(frozen=True)
class SignatureKey:
    """Fields of a signature's name, `name_cell_dose_BRDid_time`."""

    name: str
    cell: str
    dose: str
    compound: str
    time: str

    @property
    def drug(self) -> str:
        """What identifies the drug: its name and compound."""
        return f"{self.name}_{self.compound}"


def signature_key(text: str) -> SignatureKey:
    """Fields of a signature's name or file, read from the right: a drug's name may hold "_".

    The released code splits from the left and at the first point, so that such a name shifts all
    fields and a dose of 0.04 is cut.

    Raises
    ------
    DataError
        Fewer than five fields, or one that is empty.
    """
    fields = text.removesuffix(".npy").rsplit("_", 4)
    if len(fields) != 5 or not all(fields):
        raise DataError(f"{text!r}: not a signature's name (name_cell_dose_compound_time)")
    return SignatureKey(*fields)


def without_version(ids: Sequence[str]) -> list[str]:
    """Ensembl identifiers without the number of their version (ENSG00000141510.17).

    Raises
    ------
    DataError
        Two versions of one gene: which one is meant is not known.
    """
    plain = [i.partition(".")[0] if i.startswith("ENS") else i for i in ids]
    names = pd.Index(plain)
    if names.has_duplicates:
        raise DataError(f"{names.duplicated().sum()} genes come in two versions: choose one each")
    return plain


@dataclass(frozen=True)
class Symbols:
    """What symbols mean as identifiers.

    Parameters
    ----------
    ids : Series of str
        By symbol, for those that are known.
    unknown, ambiguous : list of str
        Symbols of no gene, and aliases of several.
    """

    ids: pd.Series
    unknown: list[str]
    ambiguous: list[str]


def symbols_to_ids(symbols: Sequence[str], genes: pd.DataFrame) -> Symbols:
    """Identifiers of genes by their symbols; the official symbol of a gene always wins.

    A table that holds several names a gene must not be turned into a mapping row by row: the last
    name of a gene then replaces its official one (in DGEM-NN 1,378 of 11,851 shared genes were
    left). An alias counts only where it is the official symbol of no gene and the alias of one.

    Parameters
    ----------
    symbols : sequence of str
    genes : DataFrame
        `id`, `symbol` (official), and possibly `alias`, one row a name.

    Raises
    ------
    DataError
        One official symbol of two identifiers.
    """
    official = genes[["id", "symbol"]].drop_duplicates()
    if (twice := official["symbol"].duplicated(keep=False)).any():
        raise DataError(
            f"{official.loc[twice, 'symbol'].nunique()} official symbols name two genes, such as "
            f"{official.loc[twice, 'symbol'].iloc[0]}"
        )
    by_symbol = official.set_index("symbol")["id"].astype(str)
    by_alias: dict[str, set[str]] = {}
    if "alias" in genes:
        for alias, own in genes.dropna(subset=["alias"]).groupby("alias")["id"]:
            by_alias[alias] = set(own.astype(str))
    found, unknown, ambiguous = {}, [], []
    for symbol in dict.fromkeys(symbols):
        meant = {by_symbol[symbol]} if symbol in by_symbol.index else by_alias.get(symbol, set())
        if len(meant) == 1:
            (found[symbol],) = meant
        else:
            (ambiguous if meant else unknown).append(symbol)
    return Symbols(pd.Series(found, dtype=str), unknown, ambiguous)
