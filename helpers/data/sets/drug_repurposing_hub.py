"""What a compound does and hits: mechanism of action and targets (Drug Repurposing Hub)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

DATASET = Dataset(
    name="drug-repurposing-hub",
    title="Mechanisms and targets of 6,798 compounds",
    kind="annotations",
    files=(
        File(
            name="Repurposing_Hub_export.txt.gz",
            url="",
            size=605_902,
            sha256="4fce700b3b56a22f444252dc64b546aca6f50e9ad90ad2a0d3a55cffde404e99",
            made_from=(
                "data/Repurposing_Hub_export (1).txt of "
                "https://github.com/Lauffenburger-Lab/DrugsANNSignaling at commit 62694b570c72, "
                "gzipped"
            ),
        ),
    ),
    licence="repository: MIT; the Hub has terms of its own (clue.io)",
    licence_url="https://clue.io/repurposing",
    citation=(
        "Corsello SM et al. The Drug Repurposing Hub: a next-generation drug library and "
        "information resource. Nature Medicine 2017."
    ),
    doi="10.1038/nm.4306",
    citation_key="corsello2017",
    description=(
        "Mechanism of action (6,232 compounds) and target symbols (4,383) by name. A compound "
        "without a target is one that nobody wrote down."
    ),
)


@step
def drug_repurposing_hub() -> pd.DataFrame:
    """The annotation; see `read`."""
    return read(fetch(DATASET))


@step
def mechanisms_by_structure() -> pd.DataFrame:
    """Mechanism of each structure; see `read_structures`."""
    return read_structures(fetch(DATASET))


def read_structures(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the mechanism of each structure, as one text.

    Salts and stereoisomers of a compound share the first 14 characters of its InChIKey. Where
    several rows do, the last one that has a mechanism stands.

    Parameters
    ----------
    paths : dict of str to Path
        With the file of `DATASET`.

    Returns
    -------
    DataFrame
        `skeleton` (each once), `mechanism` (several of one compound in one text).

    Raises
    ------
    DataError
        Other columns.
    """
    table = _table(paths, ["MOA", "InChIKey"])
    own = table[(table["MOA"].str.strip() != "") & (table["InChIKey"] != "")]
    own = pd.DataFrame({"skeleton": own["InChIKey"].str[:14], "mechanism": own["MOA"].str.strip()})
    return own.drop_duplicates("skeleton", keep="last", ignore_index=True)


def _table(paths: dict[str, Path], columns: list[str]) -> pd.DataFrame:
    (path,) = paths.values()
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if absent := [c for c in columns if c not in table]:
        raise DataError(f"{path}: no columns {', '.join(absent)}")
    return table


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read mechanisms and targets.

    Parameters
    ----------
    paths : dict of str to Path
        With the file of `DATASET`.

    Returns
    -------
    DataFrame
        `compound`, `kind` ("mechanism" or "target"), `term`: one row a term of a compound.

    Raises
    ------
    DataError
        Other columns.
    """
    table, parts = _table(paths, ["Name", "MOA", "Target"]), []
    for kind, column in (("mechanism", "MOA"), ("target", "Target")):
        own = table[["Name", column]].set_axis(["compound", "term"], axis=1)
        own = own.assign(term=own["term"].str.split(r",\s*"), kind=kind).explode("term")
        parts.append(own[own["term"].str.strip() != ""])
    found = pd.concat(parts, ignore_index=True)[["compound", "kind", "term"]]
    return found.assign(term=found["term"].str.strip()).drop_duplicates(ignore_index=True)
