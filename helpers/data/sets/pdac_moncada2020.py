"""Pancreatic cancer, one section with a label for every spot (Moncada 2020, as kept by SPCS)."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.data.spatial.contract import check
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

DATASET = Dataset(
    name="pdac-moncada2020",
    title="Pancreatic cancer, one section, 428 spots with a histological label",
    kind="tissue",
    files=(
        File(
            name="PDACA1.zip",
            url=(
                "https://raw.githubusercontent.com/Usos/SPCS/"
                "cb3b939bc97ae87f239d5cefff434c5555344018/test_data/PDACA1.zip"
            ),
            size=985_224,
            sha256="1e3cbc750349702b20e152636cf222edc57ce8dae6cef941224e8c075df804f8",
        ),
    ),
    licence="MIT (SPCS); public release of the paper",
    licence_url="https://github.com/Usos/SPCS/blob/cb3b939bc97a/LICENSE",
    citation=(
        "Moncada R et al. Integrating microarray-based spatial transcriptomics and single-cell "
        "RNA-seq reveals tissue architecture in pancreatic ductal adenocarcinomas. Nature "
        "Biotechnology 2020."
    ),
    doi="10.1038/s41587-019-0392-8",
    citation_key="moncada2020",
    description=(
        "428 spots of a square array, each with a histological label (interstitium, cancer and "
        "desmoplasia, normal pancreas, duct epithelium). Coordinates are those of the array; there "
        "is no stained image. 95 % of the counts are zero."
    ),
)


@step
def pdac_moncada2020() -> AnnData:
    """The section; see `read`."""
    return check(read(fetch(DATASET)))


def read(paths: dict[str, Path]) -> AnnData:
    """Read counts, places and labels.

    Returns
    -------
    AnnData of shape (428, 19,738), counts; `obs["label"]` as in the file, pixels are steps of the
    array.

    Raises
    ------
    DataError
        The tables name other spots.
    """
    from anndata import AnnData

    from helpers.data.spatial.readers import placed

    with zipfile.ZipFile(paths["PDACA1.zip"]) as archive:
        counts = pd.read_csv(io.BytesIO(archive.read("PDACA1.txt")))
        labels = pd.read_csv(io.BytesIO(archive.read("PDACA1_labelled_coord.txt")), sep=" ")
    if list(counts.columns) != list(labels.index):  # the file has genes x spots
        raise DataError("PDACA1.zip: the tables of counts and of labels name other spots")
    data = AnnData(
        sparse.csr_matrix(counts.to_numpy(np.float32).T),
        obs=pd.DataFrame(index=labels.index),
        var=pd.DataFrame(index=counts.index.astype(str)),
    )
    places = pd.DataFrame({"array_row": labels["coord1"], "array_col": labels["coord2"]})
    places[["y", "x"]] = places[["array_row", "array_col"]]
    data = placed(data, places, "PDAC-A1", "PDAC-A", {"geometry": "square"})
    data.obs["label"] = pd.Categorical(labels["histology"].astype(str))
    data.uns["organism"] = "human"
    data.uns["dataset"] = DATASET.provenance()
    return data
