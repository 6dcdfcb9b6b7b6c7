"""Mouse olfactory bulb: four sections of two mice with H&E, 1,000 genes (STUtility's example)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.data.spatial.contract import check
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

_AT = (
    "https://raw.githubusercontent.com/jbergenstrahle/STUtility/"
    "9a8f421499e58b13340ee386db07b0eba923c88c/inst/extdata/counts/"
)
_MICE = {"MOB1": "mouse 1", "MOB2": "mouse 1", "MOB3": "mouse 2", "MOB4": "mouse 2"}
# fmt: off
_FILES = (
    ("MOB1.tsv", 3_919_144,
     "82c0691f800355369fd8a72ff44ba1e3112d4e44a790f490a9fa267876a9352e"),
    ("alignment_table_MOB1.tsv", 66_695,
     "91ade06cf93bc0b3cd728846c34e310a8365200d1ad33498e6a0eb6951a92164"),
    ("MOB1.jpg", 328_839,
     "c1c292187221bab077ac1b15e95cf665db35684c98d6193af56d2e8b7772fe20"),
    ("MOB2.tsv", 3_919_474,
     "449dcc351ede5c63f9afe313479dbb830ba32c6e86b56b258276304102d1f7e9"),
    ("alignment_table_MOB2.tsv", 66_742,
     "6d86b226386b0a08f825b3bff4b5c359f00fd52d3f53d77db0376b0f7e0ec30d"),
    ("MOB2.jpg", 399_001,
     "1079fe52f600ec212a6a59cef76b8697fcd776d0cdb10461ad3bb738eaa5c0b6"),
    ("MOB3.tsv", 3_936_527,
     "f0b9601a10d627d372c412cad4a4dde2a1dee9f2433e51f07ca26d534be015ea"),
    ("alignment_table_MOB3.tsv", 67_142,
     "da0ce26ad12b94b6d0784ddc1c0c76e998d3bbd2579bad6aa8c4ac2c4f7f2e33"),
    ("MOB3.jpg", 297_951,
     "0ac2c820ca6614e3ebc7fef3004a85c4623093b10741858e5c5328d7310606ca"),
    ("MOB4.tsv", 3_929_191,
     "bc782caf3e990468d579715139db4e9c1f682b7c625978f1073720458f98a509"),
    ("alignment_table_MOB4.tsv", 67_379,
     "243fa0518132fbc750cbf05ae17946d66c94be32b48803b27c70fde3d76fd5ff"),
    ("MOB4.jpg", 310_162,
     "c45a4f559fb560e8b0224085c9a9ed2bf20e17a1128a7e2c1c36050b173acc0b"),
)
# fmt: on

DATASET = Dataset(
    name="mob-stutility",
    title="Mouse olfactory bulb, 4 sections of 2 mice with H&E, 1,000 genes",
    kind="tissue",
    files=tuple(File(name, _AT + name, size, sha256) for name, size, sha256 in _FILES),
    licence="MIT (the package; the data carry none of their own)",
    licence_url="https://github.com/jbergenstrahle/STUtility/blob/9a8f421499e5/LICENSE",
    citation=(
        "Bergenstrahle J, Larsson L, Lundeberg J. Seamless integration of image and molecular "
        "analysis for spatial transcriptomics workflows. BMC Genomics 2020."
    ),
    doi="10.1186/s12864-020-06832-3",
    citation_key="bergenstrahle2020",
    description=(
        "1,627 spots under tissue of a staggered square array, four sections of two mice, with "
        "stained images of 1,905 px. Only 1,000 genes: library sizes are of these. The array has "
        "some 1,500 more positions a section beside the tissue; they are left out here."
    ),
)


@step
def mob_stutility() -> AnnData:
    """The sections; see `read`."""
    return check(read(fetch(DATASET)))


def read(paths: dict[str, Path], *, only_tissue: bool = True, longest: int = 1000) -> AnnData:
    """Read the four sections.

    Parameters
    ----------
    paths : dict of str to Path
    only_tissue : bool
        Leave out what lies beside the tissue.
    longest : int
        Pixels of each image that are kept, on its longer side.

    Returns
    -------
    AnnData of shape (1,627, 1,000), counts; see `helpers.data.spatial.contract`
    """
    from helpers.data.spatial.readers import join, read_legacy

    sections = [
        read_legacy(
            paths[f"{name}.tsv"],
            paths[f"alignment_table_{name}.tsv"],
            slide=name,
            patient=mouse,
            image=paths[f"{name}.jpg"],
            only_tissue=only_tissue,
            longest=longest,
        )
        for name, mouse in _MICE.items()
    ]
    data = join(sections)
    data.var_names = data.var_names.str.split(".").str[0]
    data.obs["total_counts"] = np.asarray(data.X.sum(axis=1)).ravel().astype(np.float64)
    data.uns["organism"] = "mouse"
    data.uns["dataset"] = DATASET.provenance()
    return data
