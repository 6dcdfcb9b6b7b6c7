"""Genes that change when another gene is over-expressed (LINCS L1000), and targets of drugs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

_RAW = "https://raw.githubusercontent.com/dhimmel/"

DATASET = Dataset(
    name="lincs-overexpression",
    title="What 2,088 over-expressed genes change, and which genes drugs act on",
    kind="interactions",
    files=(
        File(
            name="dysreg-overexpression.tsv",
            url=_RAW + "lincs/726793b5ce36/data/consensi/signif/dysreg-overexpression.tsv",
            size=1_702_904,
            sha256="5049fff8ea3ed3c61a1469a0d078f4b2a8cd2b377ff87089a83435edb0fa0b0b",
        ),
        File(
            name="proteins.tsv",
            url=_RAW + "drugbank/6b9ae386d6ba/data/proteins.tsv",
            size=1_386_131,
            sha256="8f78ad48e0dc9414074b00bf28e47048a1eafe9d5810a415547b8df69972c4e8",
        ),
        File(
            name="drugbank-slim.tsv",
            url=_RAW + "drugbank/6b9ae386d6ba/data/drugbank-slim.tsv",
            size=970_853,
            sha256="72de0a8b93dcc9e7e0462bfe79c0ce20be0802efb2a1ccaeb08e372e2243356d",
        ),
    ),
    licence="CC0 (LINCS derivatives CC BY 4.0); DrugBank tables: CC BY-NC 4.0",
    licence_url="https://github.com/dhimmel/lincs/tree/726793b5ce36#license",
    citation=(
        "Himmelstein DS et al. Systematic integration of biomedical knowledge prioritizes drugs "
        "for repurposing. eLife 2017."
    ),
    doi="10.7554/eLife.26726",
    citation_key="himmelstein2017",
    description=(
        "Consensus z scores, only those that pass Bonferroni's correction: 40,642 pairs of an "
        "over-expressed and a changed gene (Entrez), of which 24,333 are of measured landmarks. An "
        "inhibitor should do the opposite of over-expression. Cell lines and times are pooled. "
        "Beside it, human targets of DrugBank compounds with what a compound does to each, and the "
        "structures of the compounds."
    ),
)


@step
def lincs_overexpression() -> pd.DataFrame:
    """The pairs; see `read`."""
    return read(fetch(DATASET))


@step
def drug_targets() -> pd.DataFrame:
    """The targets; see `read_targets`."""
    return read_targets(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read what over-expression changes.

    Parameters
    ----------
    paths : dict of str to Path
        With the files of `DATASET`.

    Returns
    -------
    DataFrame
        `perturbed`, `gene` (Entrez, text), `z`, `measured` (a landmark, not imputed).

    Raises
    ------
    DataError
        A table in another form, or a pair that comes twice.
    """
    path = paths["dysreg-overexpression.tsv"]
    kinds = {"perturbagen": str, "entrez_gene_id": str}
    table = _columns(path, [*kinds, "z_score", "status"], kinds)
    found = table.set_axis(["perturbed", "gene", "z", "measured"], axis=1)
    found["measured"] = found["measured"] == "measured"
    if (twice := found.duplicated(["perturbed", "gene"])).any():
        raise DataError(f"{path}: {twice.sum()} pairs come twice")
    return found


def read_targets(paths: dict[str, Path]) -> pd.DataFrame:
    """Read human targets of drugs.

    Returns
    -------
    DataFrame
        `drug` (DrugBank), `gene` (Entrez, text), `inhibits` (bool: its actions name an inhibitor
        or an antagonist); a pair a row.
    """
    columns = ["drugbank_id", "entrez_gene_id", "category", "organism", "actions"]
    table = _columns(paths["proteins.tsv"], columns, str)
    own = table[(table["category"] == "target") & (table["organism"] == "Human")]
    own = own[own["entrez_gene_id"].notna()]
    found = pd.DataFrame(
        {
            "drug": own["drugbank_id"],
            "gene": own["entrez_gene_id"],
            "inhibits": own["actions"].fillna("").str.contains("inhibitor|antagonist"),
        }
    )
    return found.groupby(["drug", "gene"], as_index=False)["inhibits"].any()


@step
def drug_structures() -> pd.DataFrame:
    """Structures of the drugs; see `read_structures`."""
    return read_structures(fetch(DATASET))


def read_structures(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the structure of each DrugBank compound that has one.

    Parameters
    ----------
    paths : dict of str to Path
        With the files of `DATASET`.

    Returns
    -------
    DataFrame
        `drug` (DrugBank identifier), `skeleton` (first 14 characters of the InChIKey, which salts
        and stereoisomers share).

    Raises
    ------
    DataError
        A column is missing, or an InChIKey has another form.
    """
    path = paths["drugbank-slim.tsv"]
    table = _columns(path, ["drugbank_id", "inchikey"], str)
    own = table.dropna(subset="inchikey")
    key = own["inchikey"].str.removeprefix("InChIKey=")
    if (odd := ~key.str.fullmatch("[A-Z]{14}-[A-Z]{10}-[A-Z]")).any():
        raise DataError(f"{path}: {int(odd.sum())} InChIKeys have another form: {key[odd].iloc[0]}")
    found = pd.DataFrame({"drug": own["drugbank_id"], "skeleton": key.str[:14]})
    return found.reset_index(drop=True)


def _columns(path: Path, names: list[str], kinds) -> pd.DataFrame:
    table = pd.read_csv(path, sep="\t", dtype=kinds)
    if absent := [n for n in names if n not in table.columns]:
        raise DataError(f"{path}: no columns {', '.join(absent)}")
    return table[names]
