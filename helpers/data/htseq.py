"""Gene counts of TCGA as UCSC Xena keeps them: log2(count + 1), genes in rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.contract import DataError

if TYPE_CHECKING:
    from anndata import AnnData

CLASSES = ("Primary Tumor", "Solid Tissue Normal")
"""Sample types that are kept; the few metastases and new primaries are not."""

_TOLERANCE = 0.01  # of a count, relative above 1: the file has some six digits of a logarithm


def read_htseq(expression: Path, phenotype: Path, *, provenance: dict) -> AnnData:
    """Tumours and normal tissue of one cancer, as counts.

    Parameters
    ----------
    expression : Path
        Tab-separated, gzipped: `Ensembl_ID`, then one column a sample, log2(count + 1). Rows that
        begin with `__` are HTSeq's own and are left out.
    phenotype : Path
        Tab-separated, gzipped, with `submitter_id.samples` and `sample_type.samples`.
    provenance : dict
        What `uns["dataset"]` holds.

    Returns
    -------
    AnnData of shape (n_samples, n_genes)
        Counts, float32. Genes that no sample of the file expresses are left out. `obs`: class
        (sample type), patient, total_counts. Samples of other types, or without a
        type, are left out; `uns["left_out"]` counts them.

    Raises
    ------
    DataError
        A column is missing, values are no logarithms of counts, or no sample has a type.

    References
    ----------
    Goldman MJ et al. Visualizing and interpreting cancer genomics data via the Xena platform.
    Nature Biotechnology 2020. The rules are those of mbonto/XAI_for_genomics, dataset.py.
    """
    from anndata import AnnData

    header = pd.read_csv(expression, sep="\t", nrows=0).columns
    if header[0] != "Ensembl_ID":
        raise DataError(f"{expression}: the first column is {header[0]!r}, expected 'Ensembl_ID'")
    samples = list(header[1:])
    table = pd.read_csv(
        expression, sep="\t", index_col="Ensembl_ID", dtype=dict.fromkeys(samples, np.float64)
    )
    table = table[~table.index.str.startswith("__")]
    counts = np.exp2(table.to_numpy().T) - 1
    whole = np.rint(counts)
    wrong = ~(np.abs(counts - whole) <= _TOLERANCE * np.maximum(1, counts * 1e-2)) | (whole < 0)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{expression}: {wrong.sum()} values are not log2(count + 1), the first "
            f"{table.iloc[column, row]:g} of sample {samples[row]!r}, gene {table.index[column]!r}"
        )
    kinds = pd.read_csv(phenotype, sep="\t", low_memory=False)
    needed = ("submitter_id.samples", "sample_type.samples")
    if missing := [c for c in needed if c not in kinds]:
        raise DataError(f"{phenotype}: no column {', '.join(missing)}")
    kind = kinds.drop_duplicates(needed[0]).set_index(needed[0])[needed[1]].reindex(samples)
    keep = kind.isin(CLASSES).to_numpy()
    if not keep.any():
        raise DataError(f"{phenotype}: no sample of {expression.name} is {' or '.join(CLASSES)}")
    expressed = (whole > 0).any(axis=0)
    kept = [sample for sample, k in zip(samples, keep, strict=True) if k]
    obs = pd.DataFrame(
        {
            "class": pd.Categorical(kind[keep]),
            "patient": pd.Categorical([_patient(sample) for sample in kept]),
            "total_counts": whole[keep].sum(axis=1),
        },
        index=kept,
    )
    ids = table.index[expressed].astype(str)
    return AnnData(
        whole[np.ix_(keep, expressed)].astype(np.float32),
        obs=obs,
        var=pd.DataFrame({"ensembl_id": ids.str.split(".").str[0]}, index=pd.Index(ids)),
        uns={
            "scale": {"kind": "counts", "target_sum": None},
            "dataset": provenance,
            "left_out": {"samples": int((~keep).sum()), "genes": int((~expressed).sum())},
        },
    )


def _patient(barcode: str) -> str:
    """TCGA-E9-A1NI of TCGA-E9-A1NI-01A."""
    return "-".join(barcode.split("-")[:3])
