"""A hundred L1000 signatures of compounds in one cell line, and what compounds do (CLUE)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

DATASET = Dataset(
    name="l1000-signaturesearch",
    title="One hundred compounds in one cell line, L1000 level 5, and lists of mechanisms",
    kind="signatures",
    files=(
        File(
            name="sample_db.h5",
            url=(
                "https://raw.githubusercontent.com/yduan004/signatureSearch/c86b37c00c19/"
                "inst/extdata/sample_db.h5"
            ),
            size=1_323_374,
            sha256="00ed7158e60dc42ccc5c73405e75bde9588e243595430189239993554d743497",
        ),
        File(
            name="clue_moa.csv",
            url="",
            size=107_860,
            sha256="0c10214509c45db7ba5dbf5299a6d0f7b92f3471ca4ff7b6fa29d0d83d633b75",
            made_from=(
                "data/clue_moa_list.rda of https://github.com/yduan004/signatureSearch at commit "
                "c86b37c00c19, a list of mechanisms, as a table with the columns moa and drug"
            ),
        ),
    ),
    licence="Artistic-2.0 (signatureSearch)",
    licence_url="https://github.com/yduan004/signatureSearch/blob/c86b37c00c19/DESCRIPTION",
    citation=(
        "Duan Y et al. signatureSearch: environment for gene expression signature searching and "
        "functional interpretation. Nucleic Acids Research 2020."
    ),
    doi="10.1093/nar/gkaa878",
    citation_key="duan2020",
    description=(
        "z scores (level 5) of 5,000 genes (Entrez), one signature a compound, all in the cell "
        "line SKB: a sample that the package brings for its examples. 80 of the 100 compounds "
        "have a mechanism in the lists of CLUE (701 mechanisms, 2,903 rows)."
    ),
)


@step
def l1000_signaturesearch() -> pd.DataFrame:
    """The signatures; see `read`."""
    return read(fetch(DATASET))


@step
def clue_mechanisms() -> pd.DataFrame:
    """The lists of mechanisms; see `read_mechanisms`."""
    return read_mechanisms(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the signatures.

    Parameters
    ----------
    paths : dict of str to Path
        With the files of `DATASET`.

    Returns
    -------
    DataFrame of shape (100, 5000)
        z scores; rows are compounds (`compound`), columns genes (Entrez, text).

    Raises
    ------
    DataError
        A table that does not fit its names, a name that is not COMPOUND__CELL__trt_cp, several
        cell lines, a compound or a gene that comes twice, a value that is no number.
    """
    import h5py

    path = paths["sample_db.h5"]
    if not h5py.is_hdf5(path):
        raise DataError(f"{path} is no HDF5 file, or is cut")
    with h5py.File(path) as file:
        if absent := [n for n in ("assay", "colnames", "rownames") if n not in file]:
            raise DataError(f"{path}: no {', '.join(absent)}")
        values = file["assay"][()].astype(np.float32)  # R writes columns first: signatures x genes
        names, genes = (_texts(file[key][()]) for key in ("colnames", "rownames"))
    if values.shape != (len(names), len(genes)):
        raise DataError(
            f"{path}: {values.shape} values for {len(names)} signatures and {len(genes)} genes"
        )
    parts = pd.Series(names).str.extract(r"^(?P<compound>.+)__(?P<cell>[^_]+)__trt_cp$")
    if parts.isna().to_numpy().any():
        bad = names[int(np.flatnonzero(parts.isna().any(axis=1))[0])]
        raise DataError(f"{path}: a signature is called {bad!r}, not COMPOUND__CELL__trt_cp")
    if len(lines := sorted(set(parts["cell"]))) > 1:
        raise DataError(f"{path}: cell lines {', '.join(lines)}; one is known")
    for what, own in (("compound", parts["compound"]), ("gene", pd.Series(genes))):
        if (twice := own[own.duplicated()]).size:
            raise DataError(f"{path}: the {what} {twice.iloc[0]!r} comes twice")
    if not np.isfinite(values).all():
        raise DataError(f"{path}: {(~np.isfinite(values)).sum()} values are no numbers")
    index = pd.Index(parts["compound"], name="compound")
    return pd.DataFrame(values, index=index, columns=pd.Index(genes, name="gene"))


def read_mechanisms(paths: dict[str, Path]) -> pd.DataFrame:
    """Read which compounds have which mechanism.

    Returns
    -------
    DataFrame
        `compound`, `kind` ("mechanism"), `term`, as annotations of compounds are.

    Raises
    ------
    DataError
        Other columns.
    """
    path = paths["clue_moa.csv"]
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if absent := [c for c in ("moa", "drug") if c not in table]:
        raise DataError(f"{path}: no columns {', '.join(absent)}")
    found = pd.DataFrame({"compound": table["drug"], "kind": "mechanism", "term": table["moa"]})
    return found.drop_duplicates(ignore_index=True)


def _texts(stored: np.ndarray) -> list[str]:
    return [text.decode() if isinstance(text, bytes) else str(text) for text in stored.ravel()]
