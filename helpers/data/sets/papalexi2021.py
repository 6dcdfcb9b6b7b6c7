"""ECCITE-seq screen of immune regulators in THP-1 cells (Papalexi et al. 2021)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data.contract import CONTROL, DataError, check
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

DATASET = Dataset(
    name="papalexi2021",
    title="Knock-outs of immune regulators in THP-1 cells",
    kind="screen",
    files=(
        File(
            name="lowmoi_example_data.rda",
            url=(
                "https://raw.githubusercontent.com/Katsevich-Lab/sceptredata/ec722d5df90d/"
                "data/lowmoi_example_data.rda"
            ),
            size=1_358_267,
            sha256="e3f8ad09bb4b1d0deeeec2850a2d96f8f5062fef31a9ab1cc080e60560421b6a",
        ),
    ),
    licence="MIT (sceptredata); data public, GEO GSE153056",
    licence_url="https://github.com/Katsevich-Lab/sceptredata/blob/ec722d5df90d/LICENSE.md",
    citation=(
        "Papalexi E et al. Characterizing the molecular regulation of inhibitory immune "
        "checkpoints with multimodal single-cell screens. Nature Genetics 2021."
    ),
    doi="10.1038/s41588-021-00778-2",
    citation_key="papalexi2021",
    description=(
        "CRISPR knock-outs in 20,729 THP-1 cells, 299 genes drawn by the authors of sceptre, 110 "
        "guides (25 targets seen in cells, 9 non-targeting guides), three biological replicates. "
        "The library size before genes were dropped is unknown."
    ),
)


@step
def papalexi2021() -> AnnData:
    """The screen as UMI counts; see `read`."""
    return check(read(fetch(DATASET)))


def read(paths: dict[str, Path]) -> AnnData:
    """Read the screen from sceptre's example file.

    A cell's guide is the one with the most UMIs (sceptre's "maximum" assignment for screens of low
    multiplicity); the file names no cells, so they are numbered in its order.

    Parameters
    ----------
    paths : dict of str to Path
        With "lowmoi_example_data.rda".

    Returns
    -------
    AnnData of shape (20729, 299)
        Counts. `obs`: perturbation (target gene or "control"), guide, guide_umi (UMIs of that
        guide), guide_fraction (its share of the cell's guide UMIs, in (0, 1]), batch and replicate
        (the biological replicate), context. `uns["panel"]` is True.

    Raises
    ------
    DataError
        Two guides share a cell's maximum, or a guide has no target.

    References
    ----------
    Barry T et al. Robust differential expression testing for single-cell CRISPR screens at low
    multiplicity of infection. Genome Biology 2024.
    """
    from anndata import AnnData
    from rdata.conversion import DEFAULT_CLASS_MAP, convert
    from rdata.parser import parse_file

    constructors = DEFAULT_CLASS_MAP | {"dgTMatrix": _triplet_matrix}
    parsed = parse_file(paths["lowmoi_example_data.rda"])
    tables = convert(parsed, constructor_dict=constructors)["lowmoi_example_data"]

    genes = tables["response_matrix"]
    guides = tables["grna_matrix"]
    target_of = tables["grna_target_data_frame"].astype(str).set_index("grna_id")["grna_target"]
    guide, guide_umi, guide_fraction = _most_frequent_guide(guides)
    target = target_of.reindex(guide)
    if target.isna().any():
        unknown = sorted(target.index[target.isna()].unique())
        raise DataError(f"papalexi2021: guides without a target: {', '.join(unknown)}")

    replicate = tables["extra_covariates"]["bio_rep"].astype(str).to_numpy()
    cells = pd.Index([f"cell_{i:05d}" for i in range(genes.counts.shape[1])])
    obs = pd.DataFrame(
        {
            "perturbation": target.replace("non-targeting", CONTROL).to_numpy(),
            "batch": replicate,
            "context": "THP-1",
            "replicate": replicate,
            "guide": guide,
        },
        index=cells,
        dtype="category",
    ).assign(guide_umi=guide_umi, guide_fraction=guide_fraction)
    uns = {
        "scale": {"kind": "counts", "target_sum": None},
        "panel": True,
        "dataset": DATASET.provenance(),
    }
    var = pd.DataFrame(index=pd.Index(genes.names, name="gene"))
    return AnnData(genes.counts.T.tocsr().astype(np.float32), obs=obs, var=var, uns=uns)


def _triplet_matrix(r_object, attributes) -> SimpleNamespace:
    """R's dgTMatrix: entries x at zero-based rows i and columns j; duplicates add up."""
    entries = (attributes["x"], (attributes["i"], attributes["j"]))
    counts = sparse.coo_matrix(entries, shape=tuple(attributes["Dim"])).tocsc()
    return SimpleNamespace(counts=counts, names=attributes["Dimnames"][0].astype(str))


def _most_frequent_guide(guides) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Guide with the most UMIs of each cell, its UMIs, and its share of all guide UMIs."""
    counts = guides.counts.toarray()  # (n_guides, n_cells)
    umi = counts.max(axis=0)
    tied = int(((counts == umi).sum(axis=0) > 1).sum())
    if tied:
        raise DataError(
            f"papalexi2021: in {tied} cells two guides share the maximum, so that none can be "
            "assigned; leave these cells out of the file"
        )
    return guides.names[counts.argmax(axis=0)], umi, umi / counts.sum(axis=0)
