"""Known relationships between genes: CORUM, hu.MAP, Reactome, SIGNOR, STRING."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

_FOLDER = "https://raw.githubusercontent.com/valence-labs/Tx-Evaluation/1f24de08709b/bmdb_database/"

DATASET = Dataset(
    name="known-relationships",
    title="Known relationships between genes from five databases",
    kind="relationships",
    files=(
        File(
            name="CORUM.txt",
            url=_FOLDER + "CORUM.txt",
            size=928_150,
            sha256="edaafc77a184ef452996d211e9fe1699615315a36e1efc9d602042c06168a695",
        ),
        File(
            name="HuMAP.txt",
            url=_FOLDER + "HuMAP.txt",
            size=1_452_420,
            sha256="6d08074df77f1a7274e754bc6e5e29aa438004bec0a13cbfb934c2c81328f3c4",
        ),
        File(
            name="Reactome.txt",
            url=_FOLDER + "Reactome.txt",
            size=267_969,
            sha256="ed3cd0fc32d2fe3510f167e9df39668bc9637348d78787615d3f970b2b862e70",
        ),
        File(
            name="SIGNOR.txt",
            url=_FOLDER + "SIGNOR.txt",
            size=141_437,
            sha256="00525d3a90198378b54c5c3093374d5c9ee0550bbd799f06b443512a465bcad3",
        ),
        File(
            name="StringDB.txt",
            url=_FOLDER + "StringDB.txt",
            size=1_412_650,
            sha256="7955c846a551530c07b1eb508404cf15ef0b77ea39ad2368ed40c5c099dedb8c",
        ),
    ),
    licence=(
        "CORUM and SIGNOR: CC BY-NC 4.0; hu.MAP and STRING: CC BY 4.0; Reactome: CC0 1.0 "
        "(for CORUM the licence file says CC BY-NC but links CC BY)"
    ),
    licence_url="https://github.com/valence-labs/Tx-Evaluation/blob/1f24de08709b/bmdb_database/LICENSE",
    citation=(
        "Celik S et al. Building, benchmarking, and exploring perturbative maps of transcriptional "
        "and morphological data. PLoS Computational Biology 2024."
    ),
    doi="10.1371/journal.pcbi.1012463",
    citation_key="celik2024",
    description=(
        "Pairs of genes, by symbol, that work together: complexes (CORUM, hu.MAP), pathways "
        "(Reactome, SIGNOR), associations (STRING), as used for the recall of known relationships. "
        "A pair that is not listed is unknown, not unrelated."
    ),
)


@step
def known_relationships() -> pd.DataFrame:
    """The pairs; see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the pairs of all databases.

    Parameters
    ----------
    paths : dict of str to Path
        One csv file (entity1, entity2) a database, both orders of a pair or one.

    Returns
    -------
    DataFrame
        One row an unordered pair of a database, sorted: `database`, `gene_a` < `gene_b` (symbols).

    Raises
    ------
    DataError
        A file has other columns, an empty name, or a gene paired with itself.
    """
    tables = [
        _pairs(path).assign(database=name.removesuffix(".txt"))
        for name, path in sorted(paths.items())
    ]
    columns = ["database", "gene_a", "gene_b"]
    return pd.concat(tables, ignore_index=True)[columns].sort_values(columns, ignore_index=True)


def _pairs(path: Path) -> pd.DataFrame:
    # A gene called NA or NAN is a gene.
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table.columns) != ["entity1", "entity2"]:
        raise DataError(f"{path}: columns {list(table.columns)}; expected entity1, entity2")
    first, second = table["entity1"], table["entity2"]
    if (first == "").any() or (second == "").any() or (first == second).any():
        raise DataError(f"{path}: holds pairs with an empty name or of a gene with itself")
    ordered = first < second
    pairs = {"gene_a": first.where(ordered, second), "gene_b": second.where(ordered, first)}
    return pd.DataFrame(pairs).drop_duplicates()
