"""Breast cancer of TCGA, tumours and normal tissue (Xena's counts). Unverified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from helpers.data.contract import check
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch, sha256
from helpers.data.htseq import read_htseq
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

_HUB = "https://gdc-hub.s3.us-east-1.amazonaws.com/download/"

DATASET = Dataset(
    name="tcga-brca",
    title="Breast cancer: tumours against normal tissue",
    kind="profiles",
    files=(
        File(
            name="TCGA-BRCA.htseq_counts.tsv.gz",
            url=_HUB + "TCGA-BRCA.htseq_counts.tsv.gz",
            size=None,
            sha256=None,
        ),
        File(
            name="TCGA-BRCA.GDC_phenotype.tsv.gz",
            url=_HUB + "TCGA-BRCA.GDC_phenotype.tsv.gz",
            size=None,
            sha256=None,
        ),
    ),
    licence="TCGA open-access data (no restriction on use stated; cite TCGA and Xena)",
    licence_url="https://www.cancer.gov/ccg/research/genome-sequencing/tcga/using-tcga-data/citing",
    citation=(
        "Goldman MJ et al. Visualizing and interpreting cancer genomics data via the Xena "
        "platform. Nature Biotechnology 2020."
    ),
    doi="10.1038/s41587-020-0546-8",
    citation_key="goldman2020",
    description=(
        "Counts of all genes, 1,097 tumours and 113 normal tissues, as Bontonou et al. 2023 "
        "used them. Nobody has stated the hashes of these files, and the hub may replace them: no "
        "page stands on them. A patient's "
        "tumour and normal tissue are both in: split by `obs['patient']`."
    ),
)


@step
def tcga_brca() -> AnnData:
    """The samples as counts; refused, as the files are unverified: see `read`."""
    return check(read(fetch(DATASET)), screen=False)


def read(paths: dict[str, Path]) -> AnnData:
    """Read the samples, see `helpers.data.htseq.read_htseq`.

    Parameters
    ----------
    paths : dict of str to Path
        With both files of `DATASET`, for instance `fetch(DATASET, confirm=...)`.

    Returns
    -------
    AnnData of shape (n_samples, n_genes)
        Counts.

    Raises
    ------
    DataError
        Files in another form.
    """
    expression, phenotype = (paths[file.name] for file in DATASET.files)
    found = {name: sha256(path) for name, path in paths.items()}
    return read_htseq(expression, phenotype, provenance=DATASET.provenance(found))
