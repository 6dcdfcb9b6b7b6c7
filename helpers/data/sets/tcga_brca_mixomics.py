"""Breast tumours of TCGA with their PAM50 subtype (mixOmics' subset): 200 genes, 220 tumours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.contract import DataError, check
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

DATASET = Dataset(
    name="tcga-brca-mixomics",
    title="Breast tumours of three PAM50 subtypes, 200 genes",
    kind="profiles",
    files=(
        File(
            name="breast.TCGA.rda",
            url=(
                "https://raw.githubusercontent.com/mixOmicsTeam/mixOmics/d732983ad52f/"
                "data/breast.TCGA.rda"
            ),
            size=734_724,
            sha256="0812db063ceee018470b59249a27289e8231909b9ec858c9b3e8fc9ead67af48",
        ),
    ),
    licence="GPL-2 or later (mixOmics); TCGA open-access data",
    licence_url="https://github.com/mixOmicsTeam/mixOmics/blob/d732983ad52f/DESCRIPTION",
    citation=(
        "Rohart F et al. mixOmics: An R package for 'omics feature selection and multiple data "
        "integration. PLoS Computational Biology 2017."
    ),
    doi="10.1371/journal.pcbi.1005752",
    citation_key="rohart2017",
    description=(
        "220 tumours (150 to train on, 70 to test on, as mixOmics' authors split them) of the "
        "subtypes Basal, Her2 and LumA, 200 genes that they kept, as logarithms. How the 200 were "
        "chosen is not stated; the subtype was itself called from expression (PAM50), so a "
        "classifier learns a rule that somebody made from genes, not a diagnosis."
    ),
)


@step
def tcga_brca_mixomics() -> AnnData:
    """The profiles; see `read`."""
    return check(read(fetch(DATASET)), screen=False)


def read(paths: dict[str, Path]) -> AnnData:
    """Read the mRNA of both splits; microRNA and protein stay in the file.

    Parameters
    ----------
    paths : dict of str to Path
        With "breast.TCGA.rda".

    Returns
    -------
    AnnData of shape (220, 200)
        `X` float32, logarithms as in the file (a few are negative). `obs`: class (the PAM50
        subtype) and split ("train" or "test"), both categorical; the training tumours come first.
        `uns["panel"]` is True: what was measured beside the 200 genes is not known.

    Raises
    ------
    DataError
        The two splits hold other genes, or a tumour is in both.

    References
    ----------
    Cancer Genome Atlas Network. Comprehensive molecular portraits of human breast tumours. Nature
    2012 (the data).
    """
    from anndata import AnnData
    from rdata.conversion import convert
    from rdata.parser import parse_file

    content = convert(parse_file(paths["breast.TCGA.rda"]))["breast.TCGA"]
    tables, subtypes = {}, {}
    for split in ("train", "test"):
        part = content[f"data.{split}"]
        mrna = part["mrna"]
        tables[split] = pd.DataFrame(
            mrna.to_numpy(),
            index=mrna.coords["dim_0"].to_numpy().astype(str),
            columns=mrna.coords["dim_1"].to_numpy().astype(str),
        )
        subtypes[split] = np.asarray(part["subtype"]).astype(str)
    train, test = tables["train"], tables["test"]
    if list(train.columns) != list(test.columns):
        raise DataError(f"{DATASET.name}: train and test hold other genes, or in another order")
    if shared := sorted(set(train.index) & set(test.index)):
        raise DataError(f"{DATASET.name}: {len(shared)} tumours are in both splits: {shared[:3]}")
    obs = pd.DataFrame(
        {
            "class": np.concatenate([subtypes["train"], subtypes["test"]]),
            "split": np.repeat(["train", "test"], [len(train), len(test)]),
        },
        index=[*train.index, *test.index],
        dtype="category",
    )
    return AnnData(
        np.concatenate([train, test]).astype(np.float32),
        obs=obs,
        var=pd.DataFrame(index=pd.Index(train.columns, name="gene")),
        uns={
            "scale": {"kind": "log", "target_sum": None},
            "panel": True,
            "dataset": DATASET.provenance(),
        },
    )
