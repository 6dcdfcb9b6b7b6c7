"""Which genes change under which knock-down, in four cell lines: PerturbQA's labels and split."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

_FOLDER = "https://raw.githubusercontent.com/jonasargelo/PerturbQA/04ff16d20060/perturbqa/datasets/"
LINES = {"K562": "k562-de.csv", "RPE1": "rpe1-de.csv"} | {
    "HepG2": "hepg2-de.csv",
    "Jurkat": "jurkat-de.csv",
}

DATASET = Dataset(
    name="perturbqa-labels",
    title="Genes that change under knock-downs in four cell lines, with an official split",
    kind="labels",
    files=(
        File(
            name="k562-de.csv",
            url=_FOLDER + "k562-de.csv",
            size=3_203_066,
            sha256="e6ab095f3f970bb29f48427414904136785e8cd4945496f8d9a8fa6eab35ee67",
        ),
        File(
            name="rpe1-de.csv",
            url=_FOLDER + "rpe1-de.csv",
            size=3_777_332,
            sha256="a66a86aac5db458e0703bccf7f2d638769400a7ccb9f2615cd9421c106b748ca",
        ),
        File(
            name="hepg2-de.csv",
            url=_FOLDER + "hepg2-de.csv",
            size=2_567_354,
            sha256="f94045fb44dcca4af9c69bee5c87de624590061a1123d55d9ee42a9c1ca97932",
        ),
        File(
            name="jurkat-de.csv",
            url=_FOLDER + "jurkat-de.csv",
            size=2_891_805,
            sha256="cf993f77015bd7df9d71ce9cf1170f6c8e64a571dc6f9ba0aef411ffb103eec5",
        ),
    ),
    licence=(
        "Genentech Non-Commercial Software License 1.0 (a fork's copy); the data derive from "
        "Replogle et al. 2022 (CC BY 4.0) and Nadig et al. 2024"
    ),
    licence_url="https://github.com/jonasargelo/PerturbQA/blob/04ff16d20060/LICENSE.txt",
    citation=(
        "Wu M et al. Contextualizing biological perturbation experiments through language. "
        "ICLR 2025."
    ),
    doi="10.48550/arXiv.2502.21290",
    citation_key="wu2025",
    description=(
        "Pairs of a knock-down and a gene: does the gene change (1) or not (0; a sample of those "
        "that do not). The split is over perturbations. Labels only, no sizes. Two thirds of the "
        "genes never change, and a few change under almost everything."
    ),
)


@step
def perturbqa_labels() -> pd.DataFrame:
    """The labels; see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the labels of all lines.

    Parameters
    ----------
    paths : dict of str to Path

    Returns
    -------
    DataFrame
        `line`, `perturbation`, `gene`, `label` (0 or 1), `part` (train or test).

    Raises
    ------
    DataError
        A file has other columns, labels or parts, a pair twice, or a perturbation in both parts.
    """
    return pd.concat([_line(paths[f], line) for line, f in LINES.items()], ignore_index=True)


def _line(path: Path, line: str) -> pd.DataFrame:
    table = pd.read_csv(path, keep_default_na=False)
    if list(table.columns) != ["pert", "gene", "label", "split"]:
        raise DataError(f"{path}: columns {list(table.columns)}; expected pert, gene, label, split")
    table.columns = ["perturbation", "gene", "label", "part"]
    if not table["label"].isin([0, 1]).all() or not table["part"].isin(["train", "test"]).all():
        raise DataError(f"{path}: labels other than 0 and 1, or parts other than train and test")
    if table.duplicated(["perturbation", "gene"]).any():
        raise DataError(f"{path}: a pair of a perturbation and a gene is there twice")
    parts = table[["perturbation", "part"]].drop_duplicates()["perturbation"]
    if parts.duplicated().any():
        torn = parts[parts.duplicated()].iloc[0]
        raise DataError(f"{path}: {torn} is in both parts: the split leaks")
    table.insert(0, "line", line)
    return table
