"""A second measurement of both sides: CMap 2006 gene sets (drugs), DrugVsDisease (diseases)."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

_COGENA = "https://raw.githubusercontent.com/zhilongjia/cogena/7ed18cb7e06c/inst/extdata/"

DATASET = Dataset(
    name="cmap1-drugvsdisease",
    title="The same drugs and diseases measured again, on other platforms and samples",
    kind="signatures",
    files=(
        File(
            name="CmapUp100.gmt.xz",
            url=_COGENA + "CmapUp100.gmt.xz",
            size=1_426_928,
            sha256="9dc4f7ecbffe449978fc19c8052dfc4bf2aa8396b4731320b0767bb26fc1372d",
        ),
        File(
            name="CmapDn100.gmt.xz",
            url=_COGENA + "CmapDn100.gmt.xz",
            size=1_403_908,
            sha256="e23bd38a22e4918dcbaf938fe1326e832820f26c259893ca14799b8c8185700b",
        ),
        File(
            name="diseaseRL.rda",
            url=(
                "https://raw.githubusercontent.com/bioc/DrugVsDiseasedata/49b8b8b25f15/"
                "data/diseaseRL.rda"
            ),
            size=4_086_667,
            sha256="27ebdf4d56618ea2dc8f55408a5a81ab37d55b9205017f0bb13c6b9cabef0ab8",
        ),
    ),
    licence="cogena: LGPL-3; DrugVsDiseasedata: GPL-3",
    licence_url="https://bioconductor.org/packages/DrugVsDiseasedata",
    citation=(
        "Lamb J et al. The Connectivity Map: using gene-expression signatures to connect small "
        "molecules, genes, and disease. Science 2006; Pacini C et al. DvD: an R/Cytoscape pipeline "
        "for drug repurposing using public repositories of gene expression data. Bioinformatics "
        "2013."
    ),
    doi="10.1126/science.1132939",
    citation_key="lamb2006",
    description=(
        "The 100 genes most up and down of 6,100 treatments with 1,309 drugs (Affymetrix), and "
        "differential expression of 11,709 genes in 45 diseases (GEO). Samples of GEO may be the "
        "same as those of other collections, so that agreement of diseases is an upper figure."
    ),
)


@step
def cmap1_drugvsdisease() -> pd.DataFrame:
    """The drug side; see `read`."""
    return read(fetch(DATASET))


@step
def cmap1_diseases() -> pd.DataFrame:
    """The disease side; see `read_diseases`."""
    return read_diseases(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the gene sets of all treatments.

    Parameters
    ----------
    paths : dict of str to Path

    Returns
    -------
    DataFrame indexed by treatment
        `drug` (lower case), `cell`, `up`, `down` (100 symbols each, joined by spaces).

    Raises
    ------
    DataError
        The two files name other treatments, or a name without drug and cell.
    """
    sides = {}
    for side, name in (("up", "CmapUp100.gmt.xz"), ("down", "CmapDn100.gmt.xz")):
        with lzma.open(paths[name], "rt", encoding="utf-8") as file:
            lines = [line.rstrip("\n").split("\t") for line in file]
        sides[side] = pd.Series({line[0]: " ".join(filter(None, line[2:])) for line in lines})
    if set(sides["up"].index) != set(sides["down"].index):
        raise DataError(f"{DATASET.name}: the files of up and down name other treatments")
    found = pd.DataFrame(sides)
    parts = found.index.to_series().str.extract(r"^(?P<drug>.+)@(?P<cell>[^@#]+)#")
    if parts.isna().to_numpy().any():
        raise DataError(f"{DATASET.name}: a treatment is not called drug@cell#dose")
    return parts.assign(drug=parts["drug"].str.lower(), **found).rename_axis("treatment")


def read_diseases(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the disease profiles, shape (45, 11709): disease names x symbols, signed changes.

    Raises
    ------
    DataError
        A value that is missing.
    """
    from rdata.conversion import convert
    from rdata.parser import parse_file

    (content,) = convert(parse_file(paths["diseaseRL.rda"]), default_encoding="ascii").values()
    values = np.asarray(content, dtype=np.float32).T
    if not np.isfinite(values).all():
        raise DataError(f"{paths['diseaseRL.rda']}: {(~np.isfinite(values)).sum()} values missing")
    genes, diseases = (content.coords[d].to_numpy().astype(str) for d in ("dim_0", "dim_1"))
    return pd.DataFrame(values, index=diseases, columns=genes)
