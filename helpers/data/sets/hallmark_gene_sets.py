"""Hallmark gene sets of MSigDB, by symbol."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

DATASET = Dataset(
    name="hallmark-gene-sets",
    title="Fifty hallmark gene sets",
    kind="gene-sets",
    files=(
        File(
            name="h.all.v7.0.symbols.gmt",
            url=(
                "https://raw.githubusercontent.com/zqfang/GSEApy/08cb2b689def/tests/extdata/"
                "h.all.v7.0.symbols.gmt"
            ),
            size=48_334,
            sha256="4803c09aae50bbd96d53fc681bd5545a4c89278993c15145dd7b7c994f893516",
        ),
    ),
    licence="CC BY 4.0 (MSigDB hallmark)",
    licence_url="https://www.gsea-msigdb.org/gsea/msigdb_license_terms.jsp",
    citation=(
        "Liberzon A et al. The Molecular Signatures Database hallmark gene set collection. Cell "
        "Systems 2015."
    ),
    doi="10.1016/j.cels.2015.12.004",
    citation_key="liberzon2015",
    description=(
        "Sets of 32 to 200 genes that summarise well-defined states and processes, version 7.0."
    ),
)


@step
def hallmark_gene_sets() -> pd.DataFrame:
    """The sets; see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read a gmt file.

    Parameters
    ----------
    paths : dict of str to Path
        With the file of `DATASET`.

    Returns
    -------
    DataFrame
        One row a gene of a set: `set`, `gene` (symbol).

    Raises
    ------
    DataError
        A line without genes, or a set that comes twice.
    """
    (path,) = paths.values()
    rows, names = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        name, *rest = line.split("\t")
        genes = [gene for gene in rest[1:] if gene]
        if not genes:
            raise DataError(f"{path}: line {number} holds no genes")
        names.append(name)
        rows += [[name, gene] for gene in dict.fromkeys(genes)]
    if len(set(names)) < len(names):
        raise DataError(f"{path}: {len(names) - len(set(names))} sets come twice")
    return pd.DataFrame(rows, columns=["set", "gene"])
