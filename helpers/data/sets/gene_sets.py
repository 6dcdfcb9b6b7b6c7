"""Sets of genes that belong together: GO biological processes and Reactome pathways."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

_FOLDER = "https://raw.githubusercontent.com/zqfang/GSEApy/"
_FILES = {
    "enrichr.GO_Biological_Process_2021.gmt": "GO biological process",
    "Reactome_2016.txt": "Reactome",
}

DATASET = Dataset(
    name="gene-sets",
    title="Gene sets: GO biological processes and Reactome pathways",
    kind="gene-sets",
    files=(
        File(
            name="enrichr.GO_Biological_Process_2021.gmt",
            url=_FOLDER + "08cb2b689def/tests/extdata/enrichr.GO_Biological_Process_2021.gmt",
            size=1_531_081,
            sha256="5987ce789053fdd5533393cd65b9abdb5e08e4fade7b0625a1fe234a1207eea4",
        ),
        File(
            name="Reactome_2016.txt",
            url=_FOLDER + "b012aee2a942a36b6a5533876c91fcb096bceb76/data/Reactome_2016.txt",
            size=1_091_644,
            sha256="7bde5ee8f004f31151246349eb16bb7a01c5af85df5f3b00d32e7cdd12d36557",
        ),
    ),
    licence="GO and Reactome: CC BY 4.0; the copies are of GSEApy (BSD-3-Clause)",
    licence_url="https://github.com/zqfang/GSEApy/blob/08cb2b689def/LICENSE",
    citation=(
        "Ashburner M et al. Gene Ontology: tool for the unification of biology. Nature Genetics "
        "2000; files of Enrichr (Kuleshov et al. 2016), as GSEApy keeps them (Fang et al. 2023)."
    ),
    doi="10.1038/75556",
    citation_key="ashburner2000",
    description=(
        "6,036 processes and 1,530 pathways, by gene symbol. No expression is in them, so that a "
        "perturbation can be described by the sets of its gene before anybody perturbs it."
    ),
)


@step
def gene_sets() -> pd.DataFrame:
    """The sets; see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the sets of both sources.

    Parameters
    ----------
    paths : dict of str to Path
        A line a set: its name, a description, and genes, tab-separated; a gene may have a weight
        after a comma, which is left out.

    Returns
    -------
    DataFrame
        `source`, `set`, `gene`; sorted, each once.

    Raises
    ------
    DataError
        A set without genes.
    """
    rows = []
    for name, source in _FILES.items():
        for line in Path(paths[name]).read_text(encoding="utf-8").splitlines():
            title, _, *genes = line.rstrip("\t").split("\t")
            genes = {gene.split(",")[0] for gene in genes} - {""}
            if not genes:
                raise DataError(f"{paths[name]}: the set {title!r} has no genes")
            rows += [(source, title, gene) for gene in genes]
    table = pd.DataFrame(rows, columns=["source", "set", "gene"])
    return table.drop_duplicates().sort_values(list(table), ignore_index=True)


def as_sets(table: pd.DataFrame) -> dict[str, list[str]]:
    """Genes of each set, by source and name."""
    names = table["source"] + ": " + table["set"]
    return {name: list(genes) for name, genes in table["gene"].groupby(names)}
