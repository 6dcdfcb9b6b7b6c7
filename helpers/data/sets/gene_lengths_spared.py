"""Lengths of human and mouse genes, as SpaRED divides counts by them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

_AT = (
    "https://raw.githubusercontent.com/BCV-Uniandes/SpaRED/"
    "3ca900f250d81d0cfb39cbd41702bfb59de409d3/spared/spared/data/"
)
_ORGANISMS = {"human": "gene_length.txt", "mouse": "gene_length_mouse.txt"}

DATASET = Dataset(
    name="gene-lengths-spared",
    title="Exon lengths of 62,619 human and 56,847 mouse genes",
    kind="lengths",
    files=(
        File(
            "gene_length.txt",
            _AT + "gene_length.txt",
            2_259_295,
            "b6388a605349c2df1ffabf9ed051ec31faa4fd3c0d58209622d76e1c17dcddc0",
        ),
        File(
            "gene_length_mouse.txt",
            _AT + "gene_length_mouse.txt",
            2_228_284,
            "e5fda79022ac08c99f3960272e1b0d6e653df297d429444a473beaa216c03822",
        ),
    ),
    licence="MIT-style text of the repository",
    licence_url="https://github.com/BCV-Uniandes/SpaRED/blob/3ca900f250d8/LICENSE.txt",
    citation=(
        "Ruiz D et al. Completing spatial transcriptomics data for gene expression prediction "
        "benchmarking. Medical Image Analysis 2025."
    ),
    doi="10.1016/j.media.2025.103754",
    citation_key="ruiz2025",
    description=(
        "GTFtools on GENCODE v43 basic (human) and vM33 basic (mouse): merged length of all exons "
        "of a gene. By Ensembl identifier, without symbols."
    ),
)


@step
def gene_lengths_spared() -> pd.DataFrame:
    """The lengths; see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Lengths of both organisms.

    Returns
    -------
    DataFrame
        `organism`, `gene` (Ensembl without version), `length` (bases). Of copies of a gene on two
        chromosomes the first is kept.
    """
    parts = []
    for organism, name in _ORGANISMS.items():
        table = pd.read_csv(paths[name], sep="\t", usecols=["gene", "merged"])
        gene = table["gene"].str.split(".").str[0]
        parts.append(pd.DataFrame({"organism": organism, "gene": gene, "length": table["merged"]}))
    return pd.concat(parts).drop_duplicates(["organism", "gene"]).reset_index(drop=True)
