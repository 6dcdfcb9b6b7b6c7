"""Energy distances that Peidli et al. (2024) published for their collection of screens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.store.steps import step

_FOLDER = "https://raw.githubusercontent.com/sanderlab/scPerturb/a02081b1480a/website/tables/"
_FILES = {
    "papalexi2021": "pairwise_edist_PapalexiSatija2021_eccite_RNA.csv",
    "norman2019": "pairwise_edist_NormanWeissman2019_filtered.csv",
    "frangieh2021": "pairwise_edist_FrangiehIzar2021_RNA.csv",
    "tian2021-CRISPRi": "pairwise_edist_TianKampmann2021_CRISPRi.csv",
}

DATASET = Dataset(
    name="scperturb-edistances",
    title="Published energy distances between perturbations of four screens",
    kind="distances",
    files=(
        File(
            name=_FILES["papalexi2021"],
            url=_FOLDER + _FILES["papalexi2021"],
            size=136_915,
            sha256="84c0a539f2294ac658b2910f2c42d4cd24b65405af550907c1a0cf6ae85ebc5c",
        ),
        File(
            name=_FILES["norman2019"],
            url=_FOLDER + _FILES["norman2019"],
            size=1_045_753,
            sha256="4273edb1b042b22e7a88811601b2b0908886d188fc2475efbd5691dbeed7db43",
        ),
        File(
            name=_FILES["frangieh2021"],
            url=_FOLDER + _FILES["frangieh2021"],
            size=1_166_879,
            sha256="ea2f004b1101d4b53252a7abd26823369804a25d5059790b2e7b7769aef3b851",
        ),
        File(
            name=_FILES["tian2021-CRISPRi"],
            url=_FOLDER + _FILES["tian2021-CRISPRi"],
            size=697_158,
            sha256="b1652cb6f4ac03ddffce0732532c41f45bf745755c847ca63616bae88d22f5f5",
        ),
    ),
    licence="MIT",
    licence_url="https://github.com/sanderlab/scPerturb/blob/a02081b1480a/LICENSE",
    citation=(
        "Peidli S et al. scPerturb: harmonized single-cell perturbation data. Nature Methods 2024."
    ),
    doi="10.1038/s41592-023-02144-y",
    citation_key="peidli2024",
    description=(
        "Distances between all pairs of perturbations, control included, in the space of principal "
        "components of the authors: guides of Papalexi et al. 2021, single and double activations "
        "of Norman et al. 2019, knock-outs of Frangieh et al. 2021 (melanoma cells), knock-downs "
        "of Tian et al. 2021 (neurons). They were computed on all genes of the full screens."
    ),
)


@step
def scperturb_edistances() -> pd.DataFrame:
    """The distances; see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read the square matrices into one table of pairs.

    Parameters
    ----------
    paths : dict of str to Path
        With all files.

    Returns
    -------
    DataFrame
        One row an unordered pair: `screen` (papalexi2021, norman2019, frangieh2021 or
        tian2021-CRISPRi), `a`, `b` (guides or genes as published, a combination as "A+B" sorted,
        "control"), `edistance`.

    Raises
    ------
    DataError
        A matrix is not square and symmetric, or holds no control.
    """
    return pd.concat([_pairs(screen, paths[name]) for screen, name in _FILES.items()])


def to_control(distances: pd.DataFrame, screen: str) -> dict[str, float]:
    """Distance to control of each perturbation, or guide, of one screen."""
    rows = distances[distances["screen"] == screen]
    found = {}
    for mine, other in (("a", "b"), ("b", "a")):
        of_control = rows[rows[other] == "control"]
        found |= dict(zip(of_control[mine], of_control["edistance"].astype(float), strict=True))
    return found


def _pairs(screen: str, path: Path) -> pd.DataFrame:
    matrix = pd.read_csv(path, index_col=0)
    values = matrix.to_numpy(dtype=float)
    if list(matrix.index) != list(matrix.columns) or not np.allclose(values, values.T):
        raise DataError(f"{path}: the matrix of distances is not square and symmetric")
    if "control" not in matrix.index:
        raise DataError(f"{path}: no row 'control' among {len(matrix)} perturbations")
    names = np.array(["+".join(sorted(str(name).split("_"))) for name in matrix.index])
    first, second = np.triu_indices(len(names), k=1)
    return pd.DataFrame(
        {
            "screen": screen,
            "a": names[first],
            "b": names[second],
            "edistance": values[first, second],
        }
    )
