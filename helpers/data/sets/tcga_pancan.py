"""Tumours of 33 types (TCGA Pan-Cancer Atlas, batch-corrected expression). Unverified."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.contract import DataError, check
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch, sha256
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

DATASET = Dataset(
    name="tcga-pancan",
    title="Primary tumours of 33 types",
    kind="profiles",
    files=(
        File(
            name="EBPlusPlusAdjustPANCAN_IlluminaHiSeq_RNASeqV2.geneExp.tsv",
            url="https://api.gdc.cancer.gov/data/3586c0da-64d0-4b74-a449-5ff4d9136611",
            size=1_882_540_959,
            sha256=None,
        ),
        File(
            name="TCGA-CDR-SupplementalTableS1.xlsx",
            url="https://api.gdc.cancer.gov/data/1b5f413e-a8d1-4d10-92eb-7c4ae739ed81",
            size=2_945_129,
            sha256=None,
        ),
    ),
    licence="TCGA open-access data (no restriction on use stated; cite TCGA)",
    licence_url="https://gdc.cancer.gov/about-data/publications/pancanatlas",
    citation=(
        "Hoadley KA et al. Cell-of-origin patterns dominate the molecular classification of 10,000 "
        "tumors from 33 types of cancer. Cell 2018."
    ),
    doi="10.1016/j.cell.2018.03.022",
    citation_key="hoadley2018",
    description=(
        "Upper-quartile normalised, batch-corrected expression and the type of each tumour, as "
        "Bontonou et al. 2023 used them. Only the MD5 sums of the files are stated "
        "(02e72c33071307ff6570621480d3c90b, a4591b2dcee39591f59e5e25a6ce75fa): no page stands on "
        "them. Reading them takes about 2 GB of memory."
    ),
)

PRIMARY = ("01", "03")
"""Barcode codes of primary solid tumours and primary blood-derived cancers."""


@step
def tcga_pancan() -> AnnData:
    """The tumours; refused, as the files are unverified: see `read`."""
    return check(read(fetch(DATASET)), screen=False)


def read(paths: dict[str, Path]) -> AnnData:
    """Read primary tumours that have a type.

    Parameters
    ----------
    paths : dict of str to Path
        With both files of `DATASET`, for instance `fetch(DATASET, confirm=...)`.

    Returns
    -------
    AnnData of shape (n_tumours, n_genes)
        `X` float32, log2(x + 1) of upper-quartile normalised expression. Genes with a missing
        value, or without expression in any sample of the file, are left out. `obs`: class (the
        study's abbreviation), patient. `var["entrez_id"]`; a gene without a symbol of its own
        carries the file's name for it (`?|100130426`). `uns["left_out"]` counts samples and genes.

    Raises
    ------
    DataError
        A column is missing, or a value has no such logarithm.

    References
    ----------
    The rules are those of mbonto/XAI_for_genomics (commit 36de591), dataset.py; the types come
    from Liu J et al., An integrated TCGA pan-cancer clinical data resource, Cell 2018.
    """
    from anndata import AnnData

    expression, clinical = (paths[file.name] for file in DATASET.files)
    header = list(pd.read_csv(expression, sep="\t", nrows=0).columns)
    if header[0] != "gene_id":
        raise DataError(f"{expression}: the first column is {header[0]!r}, expected 'gene_id'")
    table = pd.read_csv(
        expression, sep="\t", index_col="gene_id", dtype=dict.fromkeys(header[1:], np.float32)
    )
    usable = (table.notna().all(axis=1) & (table.max(axis=1) > 0)).to_numpy()
    types = pd.read_excel(clinical, sheet_name="TCGA-CDR")
    if missing := [c for c in ("bcr_patient_barcode", "type") if c not in types]:
        raise DataError(f"{clinical}: sheet TCGA-CDR has no column {', '.join(missing)}")
    of_patient = types.drop_duplicates("bcr_patient_barcode").set_index("bcr_patient_barcode")
    patients = ["-".join(barcode.split("-")[:3]) for barcode in table.columns]
    kind = of_patient["type"].reindex(patients)
    primary = np.array([barcode.split("-")[3][:2] in PRIMARY for barcode in table.columns])
    keep = primary & kind.notna().to_numpy()
    if not keep.any():
        raise DataError(
            f"{expression}: none of {len(keep)} samples is a primary tumour with a type"
        )
    values = table.to_numpy()[np.ix_(usable, keep)].T
    if (low := values <= -1).any():
        column = np.argwhere(low)[0, 1]
        raise DataError(
            f"{expression}: {low.sum()} values are -1 or less and have no log2(x + 1), the first "
            f"of gene {table.index[usable][column]!r}"
        )
    names = table.index[usable].astype(str)
    kept = np.flatnonzero(keep)
    obs = pd.DataFrame(
        {
            "class": pd.Categorical(kind.to_numpy()[kept]),
            "patient": pd.Categorical([patients[i] for i in kept]),
        },
        index=table.columns[kept],
    )
    var = pd.DataFrame({"entrez_id": names.str.split("|").str[-1]}, index=_symbols(names))
    return AnnData(
        np.log2(values + 1),
        obs=obs,
        var=var,
        uns={
            "scale": {"kind": "log", "target_sum": None},
            "panel": True,
            "dataset": DATASET.provenance({name: sha256(path) for name, path in paths.items()}),
            "left_out": {"samples": int((~keep).sum()), "genes": int((~usable).sum())},
        },
    )


def _symbols(names: pd.Index) -> pd.Index:
    """Symbols of SYMBOL|ENTREZ; the whole name where the symbol is unknown or used twice."""
    symbols = names.str.split("|").str[0]
    times = Counter(symbols)
    pairs = zip(symbols, names, strict=True)
    return pd.Index([n if s == "?" or times[s] > 1 else s for s, n in pairs], name="gene")
