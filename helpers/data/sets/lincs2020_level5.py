"""L1000 signatures of knock-outs and of compounds, level 5 (LINCS 2020). Unverified."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.data.dataset import Dataset, File
from helpers.data.discovery.large_files import as_table, read_lincs
from helpers.data.fetch import fetch
from helpers.store.steps import step

_BUILD = "https://s3.amazonaws.com/macchiato.clue.io/builds/LINCS2020/"
_MATRIX = {
    "CRISPR-KO": "level5_beta_trt_xpr_n142901x12328.gctx",
    "compound": "level5_beta_trt_cp_n720216x12328.gctx",
}

DATASET = Dataset(
    name="lincs2020-level5",
    title="L1000 signatures of knock-outs and compounds, level 5",
    kind="signatures",
    files=(
        File(
            name=_MATRIX["CRISPR-KO"],
            url=_BUILD + "level5/" + _MATRIX["CRISPR-KO"],
            size=None,
            sha256=None,
        ),
        File(
            name=_MATRIX["compound"],
            url=_BUILD + "level5/" + _MATRIX["compound"],
            size=None,
            sha256=None,
        ),
        File(name="siginfo_beta.txt", url=_BUILD + "siginfo_beta.txt", size=None, sha256=None),
        File(name="geneinfo_beta.txt", url=_BUILD + "geneinfo_beta.txt", size=None, sha256=None),
    ),
    licence="terms of clue.io; derivatives elsewhere are CC BY 4.0",
    licence_url="https://clue.io/",
    citation=(
        "Subramanian A et al. A next generation Connectivity Map: L1000 platform and the first "
        "1,000,000 profiles. Cell 2017."
    ),
    doi="10.1016/j.cell.2017.10.049",
    citation_key="subramanian2017",
    description=(
        "142,901 signatures of knock-outs (6.5 GB) and 720,216 of compounds (35.5 GB), of which "
        "the large perturbation model reads those of high quality, compounds at 10 uM after 24 "
        "hours, on 978 landmarks. Nobody has stated the hashes: no page stands on them."
    ),
)


@step
def lincs2020_level5() -> pd.DataFrame:
    """Profiles of both kinds; refused, as the files are unverified: see `read`."""
    return read(fetch(DATASET))


def read(paths: dict[str, Path]) -> pd.DataFrame:
    """Read both kinds, see `helpers.data.discovery.large_files`.

    Parameters
    ----------
    paths : dict of str to Path
        With the files of `DATASET`, for instance `fetch(DATASET, confirm=...)`.

    Returns
    -------
    DataFrame
        See `as_table`; contexts are cell lines with the kind of perturbation.
    """
    tables = paths["siginfo_beta.txt"], paths["geneinfo_beta.txt"]
    return as_table(read_lincs(paths[file], *tables, kind=kind) for kind, file in _MATRIX.items())
