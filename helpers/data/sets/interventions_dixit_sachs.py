"""Two small sets in which every perturbed gene is measured: Dixit 2016 and Sachs 2005."""

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

_FOLDER = "https://raw.githubusercontent.com/yuhaow/sp-intervention/587cae71fca6/"
_WITHOUT = ("Cebpb", "Hif1a")  # each file leaves one knock-out out; two hold all

DATASET = Dataset(
    name="interventions-dixit-sachs",
    title="Knock-outs of transcription factors that are measured, and signalling proteins",
    kind="interventions",
    files=(
        File(
            name="Cebpb__excluded_data.rda",
            url=_FOLDER + "perturb_seq/gies/data/Cebpb__excluded_data.rda",
            size=212_968,
            sha256="8451ae0e09508c224149a2657251b41be82213e1e9962dd04810fba2d49f8ea9",
        ),
        File(
            name="Hif1a__excluded_data.rda",
            url=_FOLDER + "perturb_seq/gies/data/Hif1a__excluded_data.rda",
            size=214_061,
            sha256="264d1df6f9ca0c761c034549da8733d192c384e6df31ff74fe9609eea4ff4b54",
        ),
        File(
            name="genes",
            url=_FOLDER + "perturb_seq/gies/genes",
            size=125,
            sha256="6067230e150d72c5eb969f9d7c9136b65a96ca3a7d1295e0b9f47b31681ae51f",
        ),
        File(
            name="perturbations",
            url=_FOLDER + "perturb_seq/gies/perturbations",
            size=63,
            sha256="b504f2169a0e2b43b1720c69eb9680d959bb07f40486171521880179a03153f7",
        ),
        File(
            name="log_pvals",
            url=_FOLDER + "perturb_seq/gies/log_pvals",
            size=5_476,
            sha256="821532c88e6f42501d84edc3dc416c18230907ec0430a3d5e410df40f440c5a5",
        ),
        File(
            name="sachs.csv",
            url=_FOLDER + "protein/data/sachs.csv",
            size=624_059,
            sha256="bad7c5167c6f6b66fa335bfa17ecb7b4c379d72cf490929e5ad57a6289315f46",
        ),
    ),
    licence="none stated in the repository; the data are public with the articles (GSE90063)",
    licence_url="https://github.com/yuhaow/sp-intervention",
    citation=(
        "Dixit A et al. Perturb-Seq: Dissecting Molecular Circuits with Scalable Single-Cell RNA "
        "Profiling of Pooled Genetic Screens. Cell 2016; Sachs K et al. Causal protein-signaling "
        "networks derived from multiparameter single-cell data. Science 2005; Wang Y et al. "
        "Permutation-based causal inference algorithms with interventions. NeurIPS 2017."
    ),
    doi="10.1016/j.cell.2016.11.038",
    citation_key="dixit2016",
    description=(
        "Dixit: 14,427 mouse dendritic cells x 24 transcription factors (counts), 992 controls and "
        "8 knock-outs, each of a measured gene; no library size, no other genes. With the "
        "published log p of each gene. Sachs: 11,672 cells x 11 phosphorylated proteins, 14 "
        "conditions, five of which act on one protein."
    ),
)

SACHS = {"Akt": 3, "PKC": 4, "PIP2": 5, "Mek": 6, "PIP3": 7}
"""Condition in which a reagent acts on the protein, as the repository uses them."""
SACHS_CONTROL = 1
SACHS_EDGES = (
    *(("PKC", b) for b in ("Raf", "Mek", "PKA", "JNK", "p38")),
    *(("PKA", b) for b in ("Raf", "Mek", "Erk", "Akt", "JNK", "p38")),
    *(("Raf", "Mek"), ("Mek", "Erk"), ("Erk", "Akt")),
    *(("PLCg", "PIP2"), ("PLCg", "PIP3"), ("PIP3", "PIP2")),
)
"""The consensus network that is usually quoted, as the documentation of bnlearn has it."""


@step
def interventions_dixit_sachs() -> AnnData:
    """The knock-outs as counts; see `read`."""
    return check(read(fetch(DATASET)))


@step
def sachs2005() -> AnnData:
    """The proteins as logarithms; see `read_sachs`."""
    return read_sachs(fetch(DATASET))


@step
def dixit_log_p() -> pd.DataFrame:
    """The published p-values; see `read_log_p`."""
    return read_log_p(fetch(DATASET))


def read(paths: dict[str, Path]) -> AnnData:
    """Read the knock-outs of Dixit et al.

    Parameters
    ----------
    paths : dict of str to Path

    Returns
    -------
    AnnData of shape (14427, 24)
        Counts. `obs`: perturbation (a gene, or "control"), batch, context. `uns["panel"]` is True.

    Raises
    ------
    DataError
        Blocks that two files share differ, values that are no logarithms of counts, or a
        perturbation twice.
    """
    from anndata import AnnData

    blocks: dict[str, pd.DataFrame] = {}
    for left_out in _WITHOUT:
        for name, block in _blocks(paths[f"{left_out}__excluded_data.rda"]).items():
            if name in blocks and not np.array_equal(blocks[name], block):
                raise DataError(f"{DATASET.name}: the files of {name} differ; load them again")
            blocks.setdefault(name, block)
    order = [CONTROL, *sorted(set(blocks) - {CONTROL})]
    logs = np.concatenate([blocks[name].to_numpy() for name in order])
    counts = np.rint(np.expm1(logs))
    if not np.allclose(np.log1p(counts), logs, atol=1e-9):
        raise DataError(f"{DATASET.name}: values are not log(1 + count)")
    names = np.repeat(order, [len(blocks[name]) for name in order])
    obs = pd.DataFrame(
        {"perturbation": names, "batch": "all", "context": "dendritic cells, mouse"},
        index=[f"cell_{i:05d}" for i in range(len(names))],
        dtype="category",
    )
    uns = {
        "scale": {"kind": "counts", "target_sum": None},
        "panel": True,
        "dataset": DATASET.provenance(),
    }
    var = pd.DataFrame(index=pd.Index(blocks[CONTROL].columns.astype(str), name="gene"))
    return AnnData(counts.astype(np.float32), obs=obs, var=var, uns=uns)


def _blocks(path: Path) -> dict[str, pd.DataFrame]:
    """Cells of each arm by the name of its gene; the control has no target."""
    from rdata.conversion import convert
    from rdata.parser import parse_file

    found = convert(parse_file(path))
    blocks: dict[str, pd.DataFrame] = {}
    for frame, target in zip(found["data.list"], found["t.list"], strict=True):
        name = str(frame.columns[int(target[0]) - 1]) if len(target) else CONTROL
        if name in blocks:
            raise DataError(f"{path}: {name} is there twice")
        blocks[name] = frame
    return blocks


def read_log_p(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the published logarithms of p, genes x guide groups.

    Returns
    -------
    DataFrame of shape (24, 9)
        Natural logarithm of the two-sided p, with the sign of one that is lower turned round: its
        size is -ln p. A column "MouseNTC_100_A_670" is one control guide.
    """
    genes, groups = (
        paths[n].read_text(encoding="utf-8").split() for n in ("genes", "perturbations")
    )
    return pd.DataFrame(np.loadtxt(paths["log_pvals"]), index=genes, columns=groups)


def read_sachs(paths: dict[str, Path]) -> AnnData:
    """Read the conditions of Sachs et al. that act on one measured protein, and the first.

    Returns
    -------
    AnnData of shape (n_cells, 11)
        Natural logarithms. `obs["perturbation"]` is a protein of `SACHS`, or "control".
    """
    from anndata import AnnData

    table = pd.read_csv(paths["sachs.csv"], sep="\t")
    named = {SACHS_CONTROL: CONTROL} | {number: name for name, number in SACHS.items()}
    table = table[table["experiment"].isin(named)]
    values = table.drop(columns="experiment")
    if not (values.to_numpy() > 0).all():
        raise DataError(f"{DATASET.name}: a value of Sachs et al. is not above 0: no logarithm")
    obs = pd.DataFrame(
        {"perturbation": table["experiment"].map(named).to_numpy(), "batch": "all"},
        index=[f"cell_{i:05d}" for i in range(len(table))],
        dtype="category",
    ).assign(context="CD4+ T cells")
    uns = {"scale": {"kind": "log", "target_sum": None}, "dataset": DATASET.provenance()}
    var = pd.DataFrame(index=pd.Index(values.columns.astype(str), name="gene"))
    return AnnData(np.log(values.to_numpy()).astype(np.float32), obs=obs, var=var, uns=uns)
