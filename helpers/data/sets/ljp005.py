"""One L1000 plate: compounds in six doses on A375 cells (LINCS, plate LJP005)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError, check
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

DATASET = Dataset(
    name="ljp005",
    title="Fifty-nine compounds in six doses on A375 cells, one L1000 plate",
    kind="profiles",
    files=(
        File(
            name="test_l1000.gct",
            url=(
                "https://raw.githubusercontent.com/cmap/cmapPy/d1652c3223e4/"
                "cmapPy/pandasGEXpress/tests/functional_tests/test_l1000.gct"
            ),
            size=2_879_774,
            sha256="efd7682a473e84f3bd76e79d83f99dcf35744fb0557322564468e80bf8d15a95",
        ),
    ),
    licence="BSD-3-Clause (cmapPy)",
    licence_url="https://github.com/cmap/cmapPy/blob/d1652c3223e4/LICENSE.txt",
    citation=(
        "Subramanian A et al. A Next Generation Connectivity Map: L1000 platform and the first "
        "1,000,000 profiles. Cell 2017."
    ),
    doi="10.1016/j.cell.2017.10.049",
    citation_key="subramanian2017",
    description=(
        "377 wells, 978 landmark genes, normalised log2 expression (level 3) after 24 hours: 59 "
        "compounds in up to six doses, each once, and 26 wells with DMSO. The doses of a compound "
        "lie side by side on the plate, so that position and compound cannot be told apart."
    ),
)

_VEHICLE = "ctl_vehicle"


@step
def ljp005() -> AnnData:
    """The plate as log2 expression; see `read`."""
    return check(read(fetch(DATASET)))


def read(paths: dict[str, Path]) -> AnnData:
    """Read the plate from its GCT file (version 1.3).

    Parameters
    ----------
    paths : dict of str to Path
        With "test_l1000.gct".

    Returns
    -------
    AnnData of shape (377, 978)
        log2 expression. `obs`: perturbation (compound, or "control" for DMSO), dose (in
        micromolar, 0 for DMSO), batch and replicate (the plate), context (A375), well, row and
        column (of the well, from 0). `var_names` are gene symbols.

    Raises
    ------
    DataError
        Another version of the format, or a well that is neither compound nor DMSO.
    """
    from anndata import AnnData

    path = paths["test_l1000.gct"]
    with path.open(encoding="utf-8") as file:
        version = file.readline().strip()
        if version != "#1.3":
            raise DataError(f"{path}: GCT version {version!r}; this reader knows #1.3")
        sizes = file.readline().split()
        if len(sizes) != 4 or not all(size.isdecimal() for size in sizes):
            raise DataError(f"{path}: the second line is {sizes}; it holds four numbers")
        n_genes, n_wells, n_gene_facts, n_well_facts = map(int, sizes)
        table = pd.read_csv(file, sep="\t", index_col=0, dtype=str, keep_default_na=False)
    facts = table.iloc[:n_well_facts, n_gene_facts:].T  # (n_wells, n_well_facts)
    values = table.iloc[n_well_facts:, n_gene_facts:].to_numpy(dtype=np.float32).T
    if values.shape != (n_wells, n_genes):
        raise DataError(f"{path}: {values.shape} values, the header says {(n_wells, n_genes)}")
    symbols = table["pr_gene_symbol"].iloc[n_well_facts:]

    kind = facts["pert_type"]
    if unknown := sorted(set(kind) - {_VEHICLE, "trt_cp", "trt_poscon"}):
        raise DataError(f"{path}: wells of unknown kinds {', '.join(unknown)}")
    is_control = kind == _VEHICLE
    dose = pd.to_numeric(facts["pert_dose"]).where(~is_control, 0.0)
    well = facts["det_well"]
    obs = pd.DataFrame(
        {
            "perturbation": facts["pert_iname"].where(~is_control, CONTROL),
            "batch": facts["det_plate"],
            "context": facts["cell_id"],
            "replicate": facts["det_plate"],
            "well": well,
        },
        dtype="category",
    ).assign(
        dose=dose,
        row=[ord(name[0]) - ord("A") for name in well],
        column=[int(name[1:]) - 1 for name in well],
    )
    obs.index.name = "well_id"
    uns = {
        "scale": {"kind": "log", "target_sum": None},
        "dataset": DATASET.provenance(),
    }
    var = pd.DataFrame(index=pd.Index(symbols.to_numpy(), name="gene"))
    return AnnData(values, obs=obs, var=var, uns=uns)
