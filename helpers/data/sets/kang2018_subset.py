"""Interferon-stimulated blood cells of two donors (Kang et al. 2018, muscat's subset)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data.contract import CONTROL, check
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

DATASET = Dataset(
    name="kang2018-subset",
    title="Interferon-beta in blood cells of two donors",
    kind="screen",
    files=(
        File(
            name="example_sce.rda",
            url=(
                "https://raw.githubusercontent.com/HelenaLC/muscat/017b290b4142/"
                "data/example_sce.rda"
            ),
            size=1_045_440,
            sha256="f66811fa513a01a91dae01bad308e96ed5238277246b911d8e1cd5f4425c3ed9",
        ),
    ),
    licence="GPL-3 (muscat); data public, GEO GSE96583",
    licence_url="https://github.com/HelenaLC/muscat/blob/017b290b4142/DESCRIPTION",
    citation=(
        "Kang HM et al. Multiplexed droplet single-cell RNA-sequencing using natural genetic "
        "variation. Nature Biotechnology 2018."
    ),
    doi="10.1038/nbt.4042",
    citation_key="kang2018",
    description=(
        "1,556 blood cells of five types from two donors, 1,267 genes, with and without "
        "interferon-beta (subset by the authors of muscat). Cells with and without were captured "
        "apart, so that a batch effect between the two cannot be told from the response. The "
        "library size before genes were dropped is unknown."
    ),
)

_PERTURBATION = {"ctrl": CONTROL, "stim": "IFN-beta"}

# Classes of the file that hold their slots and no more.
_PLAIN_CLASSES = (
    *("SingleCellExperiment", "SimpleAssays", "SimpleList", "DataFrame", "DFrame"),
    *("CompressedGRangesList", "GRanges", "IRanges", "Rle", "Seqinfo", "PartitioningByEnd"),
    *("package_version", "numeric_version"),
)


@step
def kang2018_subset() -> AnnData:
    """The screen as UMI counts; see `read`."""
    return check(read(fetch(DATASET)))


def read(paths: dict[str, Path]) -> AnnData:
    """Read the screen from muscat's SingleCellExperiment.

    The batch is the donor: each donor's cells were captured with and without interferon in two
    separate runs, so that a finer batch would hold no controls.

    Parameters
    ----------
    paths : dict of str to Path
        With "example_sce.rda".

    Returns
    -------
    AnnData of shape (1556, 1267)
        Counts. `obs`: perturbation ("IFN-beta" or "control"), batch and donor, context (the cell
        type). `var["ensembl_id"]`; a symbol that stood for several Ensembl genes in the full data
        carries its identifier ("HLA-A_ENSG00000206503"). `uns["panel"]` is True.

    References
    ----------
    Crowell HL et al. muscat detects subpopulation-specific state transitions from multi-sample
    multi-condition single-cell transcriptomics data. Nature Communications 2020.
    """
    from anndata import AnnData
    from rdata.conversion import DEFAULT_CLASS_MAP, convert
    from rdata.parser import parse_file

    constructors = {
        **DEFAULT_CLASS_MAP,
        **dict.fromkeys(_PLAIN_CLASSES, _slots),
        "dgCMatrix": _compressed_matrix,
    }
    parsed = parse_file(paths["example_sce.rda"])
    experiment = convert(parsed, constructor_dict=constructors)["example_sce"]
    counts = experiment.assays.data.listData["counts"]
    cells = experiment.colData.listData
    genes = experiment.rowRanges.elementMetadata.listData

    group = pd.Series(cells["group_id"]).astype(str)
    sample = pd.Series(cells["sample_id"]).astype(str)
    donor = [name.removeprefix(kind) for name, kind in zip(sample, group, strict=True)]
    obs = pd.DataFrame(
        {
            "perturbation": group.map(_PERTURBATION).to_numpy(),
            "batch": donor,
            "context": np.asarray(cells["cluster_id"]),
            "donor": donor,
        },
        index=counts.cells,
        dtype="category",
    )
    var = pd.DataFrame(
        {"ensembl_id": genes["ENSEMBL"].astype(str)}, index=pd.Index(counts.genes, name="gene")
    )
    uns = {
        "scale": {"kind": "counts", "target_sum": None},
        "panel": True,
        "dataset": DATASET.provenance(),
    }
    return AnnData(counts.matrix.T.tocsr().astype(np.float32), obs=obs, var=var, uns=uns)


def _slots(r_object, attributes) -> SimpleNamespace:
    return SimpleNamespace(**attributes)


def _compressed_matrix(r_object, attributes) -> SimpleNamespace:
    """R's dgCMatrix: the columns p of entries x at zero-based rows i."""
    genes, cells = (names.astype(str) for names in attributes["Dimnames"])
    arrays = (attributes["x"], attributes["i"], attributes["p"])
    matrix = sparse.csc_matrix(arrays, shape=tuple(attributes["Dim"]))
    return SimpleNamespace(matrix=matrix, genes=genes, cells=cells)
