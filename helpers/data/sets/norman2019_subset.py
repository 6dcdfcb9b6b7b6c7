"""PerturBench's development set: Norman et al. 2019 and McFaline-Figueroa et al. 2024."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.data.contract import DataError, check
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

DATASET = Dataset(
    name="norman2019-subset",
    title="Single and double activations in K562, knock-downs in three glioblastoma lines",
    kind="screen",
    files=(
        File(
            name="devel.h5ad",
            url=(
                "https://raw.githubusercontent.com/altoslabs/perturbench/d357dfae3b50/"
                "src/perturbench/data/resources/devel.h5ad"
            ),
            size=1_142_678,
            sha256="220998f5630c813228c8661c86dd52244b9ac87127511289af90e0d900d8429b",
        ),
    ),
    licence=(
        "BSD-3-Clause (PerturBench, with additional information); "
        "data public, GEO GSE133344 and GSE225775"
    ),
    licence_url="https://github.com/altoslabs/perturbench/blob/d357dfae3b50/LICENSE.txt",
    citation=(
        "Norman TM et al. Exploring genetic interaction manifolds constructed from rich "
        "single-cell phenotypes. Science 2019."
    ),
    doi="10.1126/science.aax4438",
    citation_key="norman2019",
    description=(
        "5,961 cells, 500 highly variable genes, at most 100 cells a condition and line (subset by "
        "the authors of PerturBench). K562: CRISPR activation, 18 single and 15 double (Norman et "
        "al. 2019). A172, T98G, U87MG: CRISPR interference, 9 single (McFaline-Figueroa et al. "
        "2024), with hardly any reproducible effect. A comparison of K562 with the others mixes "
        "cell line and direction. Of the perturbed genes only TMSB4X is among the 500."
    ),
)

_LINES = {"k562": "K562", "A172": "A172", "T98G": "T98G", "U87MG": "U87MG"}
_TARGET_SUM = 1e4
_TOLERANCE = 1e-3
_MOST_COPIES = 16


@step
def norman2019_subset() -> AnnData:
    """The screen as UMI counts; see `read`."""
    return check(read(fetch(DATASET)))


def read(paths: dict[str, Path]) -> AnnData:
    """Read the screen, and turn its log1p(CP10k) back into the counts that were measured.

    The file was normalised after the genes that only one of the two studies measured were dropped,
    and 500 genes were drawn after that. Hence a cell has two totals: `total_counts`, over all genes
    of its own study (the file's `ncounts`), and `shared_counts`, over the genes of both, to which
    the file's values are relative. The first is given; the second is found with the counts, see
    `recover_counts`.

    Parameters
    ----------
    paths : dict of str to Path
        With "devel.h5ad".

    Returns
    -------
    AnnData of shape (5961, 500)
        Counts. `obs`: perturbation, batch (the line, in K562 with the gem group of the barcode:
        "K562-3"), context (the line), dose (guides a gene: "1", "1+1"), perturbation_type
        (CRISPRa or CRISPRi), total_counts, shared_counts.

    Raises
    ------
    DataError
        Values that are no counts on that scale, or a cell line nobody named.
    """
    from anndata import AnnData, read_h5ad

    source = read_h5ad(paths["devel.h5ad"])
    total_counts = source.obs["ncounts"].to_numpy(float)
    counts, shared_counts = recover_counts(source.X, total_counts)

    context = source.obs["cell_type"].astype(str).map(_LINES)
    if context.isna().any():
        raise DataError(
            f"norman2019-subset: unknown cell lines {sorted(set(source.obs['cell_type']))}; "
            f"known: {', '.join(_LINES)}"
        )
    gem_group = source.obs_names.to_series().str.extract(r"^[ACGT]+-(\d+)$")[0]
    obs = pd.DataFrame(
        {
            "perturbation": source.obs["perturbation"].astype(str).map(_sorted_combination),
            "batch": context.where(gem_group.isna(), context + "-" + gem_group.fillna("")),
            "context": context,
            "dose": source.obs["dose"].astype(str),
            "perturbation_type": source.obs["perturbation_type"].astype(str),
        },
        dtype="category",
    ).assign(total_counts=total_counts, shared_counts=shared_counts)
    uns = {
        "scale": {"kind": "counts", "target_sum": None},
        "panel": False,
        "dataset": DATASET.provenance(),
    }
    var = pd.DataFrame(index=pd.Index(source.var_names.astype(str), name="gene"))
    return AnnData(counts.astype(np.float32), obs=obs, var=var, uns=uns)


def recover_counts(
    lognorm: sparse.csr_matrix, total_counts: np.ndarray
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Counts behind log1p(10,000 x counts / total), with that total unknown.

    A cell's values are multiples of 10,000 / total. The total is an integer, no larger than
    `total_counts`; the smallest one that makes all counts integers is taken. A larger one would
    be twice or more as large, with all counts of the cell even (or multiples of three ...), and
    in most cells larger than `total_counts`.

    Parameters
    ----------
    lognorm : csr_matrix of shape (n_cells, n_genes)
    total_counts : ndarray of shape (n_cells,)
        Upper bound of the total of each cell, in counts.

    Returns
    -------
    counts : csr_matrix of shape (n_cells, n_genes)
    total : ndarray of shape (n_cells,)
        The total that the values are relative to, in counts.

    Raises
    ------
    DataError
        For some cell no total does it: values or totals are off an integer by more than 0.001,
        or the total exceeds `total_counts`.
    """
    relative = sparse.csr_matrix(np.expm1(lognorm))
    cell = np.repeat(np.arange(relative.shape[0]), np.diff(relative.indptr))
    smallest = np.full(relative.shape[0], np.inf)
    np.minimum.at(smallest, cell, relative.data)

    copies = np.zeros(relative.shape[0])  # of the gene with fewest counts
    for candidate in range(_MOST_COPIES, 0, -1):
        counts = relative.data / smallest[cell] * candidate
        off = np.zeros(relative.shape[0])
        np.maximum.at(off, cell, np.abs(counts - np.rint(counts)))
        copies[off <= _TOLERANCE] = candidate

    total = _TARGET_SUM * copies / smallest
    wrong = np.flatnonzero(
        (copies == 0)
        | (np.abs(total - np.rint(total)) > _TOLERANCE)
        | (np.rint(total) > total_counts)
        | ~np.isfinite(smallest)
    )
    if len(wrong):
        raise DataError(
            f"{len(wrong)} of {len(total)} cells (the first: row {wrong[0]}) are not log1p of "
            f"counts per {_TARGET_SUM:g} with an integer total of at most the one given; pass the "
            "matrix as it was published"
        )
    values = np.rint(relative.data / smallest[cell] * copies[cell])
    counts = sparse.csr_matrix((values, relative.indices, relative.indptr), relative.shape)
    return counts, np.rint(total)


def _sorted_combination(name: str) -> str:
    return "+".join(sorted(name.split("+")))
