"""Knock-downs in K562 and RPE1, z-normalised cells (Replogle et al. 2022). Unverified."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.dataset import Dataset, File
from helpers.data.discovery.large_files import as_table, read_replogle_cells
from helpers.data.fetch import fetch
from helpers.store.steps import step

_FIGSHARE = "https://plus.figshare.com/ndownloader/files/"
CONTEXTS = {"K562": "K562_essential_znormalised.h5ad", "RPE1": "rpe1_znormalised.h5ad"}

DATASET = Dataset(
    name="replogle2022-znormalised",
    title="Knock-downs of essential genes in K562 and RPE1, z-normalised cells",
    kind="signatures",
    files=(
        File(name=CONTEXTS["K562"], url=_FIGSHARE + "35773075", size=None, sha256=None),
        File(name=CONTEXTS["RPE1"], url=_FIGSHARE + "35775554", size=None, sha256=None),
    ),
    licence="CC BY 4.0",
    licence_url="https://doi.org/10.25452/figshare.plus.20029387",
    citation=(
        "Replogle JM et al. Mapping information-rich genotype-phenotype landscapes with "
        "genome-scale Perturb-seq. Cell 2022."
    ),
    doi="10.1016/j.cell.2022.05.013",
    citation_key="replogle2022",
    description=(
        "The two screens on which the large perturbation model was trained, 10.7 and 8.7 GB: z of "
        "each cell against the controls of its gem group. Read as means of knock-downs. Nobody has "
        "stated the hashes of these files: no page stands on them."
    ),
)


@step
def replogle2022_znormalised() -> pd.DataFrame:
    """Profiles of both lines; refused, as the files are unverified: see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read both lines, see `helpers.data.discovery.large_files`.

    Parameters
    ----------
    paths : dict of str to Path
        With the files of `DATASET`, for instance `fetch(DATASET, confirm=...)`.

    Returns
    -------
    DataFrame
        See `as_table`; readouts are genes of either line.
    """
    return as_table(
        read_replogle_cells(paths[file], context=context) for context, file in CONTEXTS.items()
    )
