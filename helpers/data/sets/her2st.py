"""HER2-positive breast cancer: 18 sections of 8 patients, seven with H&E (Andersson 2021)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.data.dataset import Dataset, File
from helpers.data.fetch import fetch
from helpers.data.spatial.contract import check
from helpers.store.steps import step

if TYPE_CHECKING:
    from anndata import AnnData

_AT = "https://raw.githubusercontent.com/almaan/her2st/85df7411b987/"
# fmt: off
_FILES = (
    ("ST-cnts/A1.tsv.gz", 1_033_376,
     "d91035e5d8a9c4ce7865e4c61446deec1a7318602d41b3220e9fcb3ce7e41fe3"),
    ("ST-spotfiles/A1_selection.tsv", 12_879,
     "e5f79223be2ea2aebb082c4759059ab7079b0132052d0944209048ac57788c5d"),
    ("ST-cnts/B1.tsv.gz", 657_516,
     "97b3abf2676c596ac7dd53829780005724cab62a6f676697516006481a443f74"),
    ("ST-spotfiles/B1_selection.tsv", 10_794,
     "7ea9963677db80199db928d763b0b34ea1015fb7452e85ac7b21d42ee15c3875"),
    ("ST-cnts/B2.tsv.gz", 596_436,
     "b43cef41e3164ffe4a3b43b6ed396f664d971451d3dc151dea4d91a09e84d95c"),
    ("ST-spotfiles/B2_selection.tsv", 9_838,
     "963e3f0b0e6eb17586788f2228dbd829ca7d13eb0211bf8b1a5685d3a33b8153"),
    ("ST-cnts/B3.tsv.gz", 613_993,
     "bd1fd03f33bdc14ca68a271525587d27b1e78323ea695413d274d6c388becf7a"),
    ("ST-spotfiles/B3_selection.tsv", 10_924,
     "23b07cc9e5142802915cefedb7a8259766b58544fa7a2ac3eda21feaa267b9c9"),
    ("ST-cnts/B4.tsv.gz", 563_881,
     "e38231c2a38c9bc7e6d550eec0e527c1869ee0e525fc913e708d1323c34f5ebb"),
    ("ST-spotfiles/B4_selection.tsv", 10_560,
     "192b46f3ca414c85753a01a4fb5760a697ca6c0a1aadb949c4687cc6efa9faa0"),
    ("ST-cnts/B5.tsv.gz", 688_429,
     "05bdd1ea4234f62d5223f94a96d37f2f87b48e95062251560cdd676f5514948a"),
    ("ST-spotfiles/B5_selection.tsv", 10_631,
     "dc206c6e6448e81ba55d01f16fa862d07f5f7087fe16772eab919355e43cd1a7"),
    ("ST-cnts/B6.tsv.gz", 625_356,
     "bfb2b4e5d99b6021c43f546a3e773c32f4f13a4b461cdd1684d364f9fe550e2b"),
    ("ST-spotfiles/B6_selection.tsv", 10_247,
     "63b90d6283071d2db43d5486eeba0e76091998e64fa8c4a95b4501086c8aff33"),
    ("ST-cnts/C1.tsv.gz", 752_999,
     "8383130eebf0f9f8186f006ed6b704149ba62303605a312a9080fa9901be9c20"),
    ("ST-spotfiles/C1_selection.tsv", 6_631,
     "9a5187c98d2c312064057d3bad192d4a19105b5135ff2b68f5e4547cade0954d"),
    ("ST-cnts/C2.tsv.gz", 821_408,
     "c1c59ea6cffae36b9ecb561b8e2a97e3aa5f4085f748e991a0e330ed9d09773d"),
    ("ST-spotfiles/C2_selection.tsv", 7_053,
     "235b5f4306b3b57c628ffc82c98c7109602474fbcc79a917b9c50517f99b6b1c"),
    ("ST-cnts/C3.tsv.gz", 847_901,
     "e00c55a3eb9caac5d9c71b8906aae8be8b38f93e23938f4a0ebee17683ef6a2a"),
    ("ST-spotfiles/C3_selection.tsv", 6_728,
     "7fd76c13370b7804ac3bb377b846d22485cf9223f9dd8dfc25be06e5aaf65755"),
    ("ST-cnts/C4.tsv.gz", 886_246,
     "33201f76d41d7131dc600a0f87d9a70383af3503e81698b4d11e6f2e8d73e9da"),
    ("ST-spotfiles/C4_selection.tsv", 6_960,
     "47e79f3b9dbfa3a8c18af9e948ba7ba4bf0a75ea1b4c292bc714ced7d0917d4c"),
    ("ST-cnts/C5.tsv.gz", 845_308,
     "c0f310315ca6110d74dbdf7011e5b42432ba0b8eb5f001824764911988f39338"),
    ("ST-spotfiles/C5_selection.tsv", 6_802,
     "2114cc3b4da759772112897f1e247d5443c9f8c808e6a9a952eb4fda379a194c"),
    ("ST-cnts/C6.tsv.gz", 892_853,
     "60478b0d2411501866685f41312c65c6591e499d64d5b719be8ee9bab25c9bc8"),
    ("ST-spotfiles/C6_selection.tsv", 6_655,
     "efdbbc6759c6af43baa966505c31705f09c087c1dccf1ea3e0d1db7b55717117"),
    ("ST-cnts/D1.tsv.gz", 1_251_370,
     "8fe13d29763b3f6a9e85322dae97e05c4ca42b57cef4b1077c88b9b7b6a980ac"),
    ("ST-spotfiles/D1_selection.tsv", 11_444,
     "7ba7843b52ddc2b147ee968fe9466a5d1fa0d884b51def292ce340d88da034eb"),
    ("ST-cnts/E1.tsv.gz", 1_017_499,
     "b2f572ea0a95d256cb172a9284e96b6d2ff236398d4934a992df85c96d11c4cc"),
    ("ST-spotfiles/E1_selection.tsv", 21_672,
     "a979c36f6310fff965c96f05ad290ca322d88e400b5aed2a1139fdd6f0e2da92"),
    ("ST-cnts/F1.tsv.gz", 1_778_749,
     "187aa13f204d514851d3674dfa09b4a8d7f2676f1d40d2ef63e9e368c7cf672a"),
    ("ST-spotfiles/F1_selection.tsv", 25_344,
     "cf479a5812c317541c7f7d6a4ebf1bfd93b0a1ab3eef35a8da15b9e76164f2f4"),
    ("ST-cnts/G2.tsv.gz", 954_118,
     "9d51a5ed85bdf60069dcf51beeffba4e90e35e8630ec3b707a2453ffdd608e3b"),
    ("ST-spotfiles/G2_selection.tsv", 17_128,
     "abae30bb6f434cb2aae34b8ef56da6b613c840d48c49279d55f4600ad496245c"),
    ("ST-cnts/H1.tsv.gz", 972_770,
     "90b391782535f38c9ab20fe8b38f44ebbfdad2201075a677a198cbef12c29b07"),
    ("ST-spotfiles/H1_selection.tsv", 22_695,
     "fc9cc5bad3a1e26e48f435696259df38b500042a9565486c15fd37ab7d8f9ed6"),
    ("ST-imgs/B/B4/BT10737_D2_HE.jpg", 4_076_552,
     "3cb165614ce2a13426381e450220dccac980cc9bda6a90fb041c28ca0e2c753d"),
    ("ST-imgs/C/C2/5714_HE_BT_C2.jpg", 3_990_230,
     "26e2f73ae840cdd46c5bba405aae181f13a56a376b9848dff23f7a9c5de7f19e"),
    ("ST-imgs/C/C3/5714_HE_BT_D1.jpg", 3_915_842,
     "0005a92674014d473040a28f0afca89ce5fa5c44019b479b638ceb3272ceb568"),
    ("ST-imgs/C/C4/5714_HE_BT_D2.jpg", 3_806_070,
     "f40607eb1d5f0d125decd71c48b0c5d29cf6776ad92297fd185631208c82d6f2"),
    ("ST-imgs/C/C5/5714_HE_BT_E1.jpg", 3_719_130,
     "34028ea41e376396b50c42b0a11a7e689c85be4a8022e668d0a09cc128c04c65"),
    ("ST-imgs/C/C6/5714_HE_BT_E2.jpg", 3_941_039,
     "dddd87232589648861a9b6776dc1749be8306213f6589aeef0e805fb2b1ee263"),
    ("app/www/imgs/A1_HE_image_dark.png", 4_001_062,
     "e3836547df4772907bb537e53f41794fe4e603e9a6c99c1f6e91ef4342b95a6d"),
    ("ST-pat/lbl/A1_labeled_coordinates.tsv", 22_117,
     "23a0a68dccd54a8397ea4066994edb7110e88373d5b3bc6e35254dda9253fa5f"),
    ("ST-pat/lbl/B1_labeled_coordinates.tsv", 18_510,
     "f7050caa71c47a4c95fcca2a7f29560d387310877b1c9e4a54f841059db837ee"),
    ("ST-pat/lbl/C1_labeled_coordinates.tsv", 11_396,
     "41b6e1bbb1031480d969e725e739971cb39dbdb6e2b6d662d585bebacf093040"),
    ("ST-pat/lbl/D1_labeled_coordinates.tsv", 19_707,
     "c8bf26103d1aac42611d9c85ba3db9c596b9a80ec045ca9b246b8d14d8b3c20f"),
    ("ST-pat/lbl/E1_labeled_coordinates.tsv", 37_579,
     "29db60fe5b306bb982fbd2bbdd1f9c60eedf90c6ac1d56bedd3c18ed5a369829"),
    ("ST-pat/lbl/F1_labeled_coordinates.tsv", 43_854,
     "3b59970f0c6ba09d8e0fc9286ace2a295bf06d36c59684162b7a8aca0e021ec5"),
    ("ST-pat/lbl/G2_labeled_coordinates.tsv", 29_799,
     "8466275647ad125569ee94d099cc7b78c15028968ba1dd267a85a81c001a16ff"),
    ("ST-pat/lbl/H1_labeled_coordinates.tsv", 38_594,
     "b65cbc99ed7a01281bc2eb87be87b902312e47ca91bc1f00ff351489b78434c3"),
)
# fmt: on


def _folder(name: str) -> str:
    """Where a file lies in the repository; the image of A1 is that of its explorer."""
    top = name.split("/")[0]
    return {"ST-pat": "res/", "app": ""}.get(top, "data/")


DATASET = Dataset(
    name="her2st",
    title="HER2-positive breast cancer, 18 sections of 8 patients, 7 with H&E",
    kind="tissue",
    files=tuple(
        File(
            name.rsplit("/", 1)[1],
            f"{_AT}{_folder(name)}{name}",
            size,
            sha256,
        )
        for name, size, sha256 in _FILES
    ),
    licence="None in the repository; its README names Zenodo 10.5281/zenodo.4751624",
    licence_url="https://github.com/almaan/her2st/tree/85df7411b987",
    citation=(
        "Andersson A et al. Spatial deconvolution of HER2-positive breast cancer delineates tumor-"
        "associated cell type interactions. Nature Communications 2021."
    ),
    doi="10.1038/s41467-021-26271-2",
    citation_key="andersson2021",
    description=(
        "Six sections each of patients B and C, one each of A, D, E, F, G and H, on a square array "
        "of 200 um; a pathologist's label of each spot in eight sections. Genes are symbols, so "
        "that lengths by Ensembl identifier do not reach them. The images are of A1 (3.4 um a "
        "pixel, black beside the tissue), B4 and C2 to C6 (0.69 um): windows go by um, not pixels."
    ),
)
FULL_WIDTH = {"A1": 6954}
"""Pixels to which coordinates belong, where the image is a smaller copy."""
SECTIONS = tuple(f.name.split(".")[0] for f in DATASET.files if f.name.endswith(".tsv.gz"))
IMAGES = {
    "A1": "A1_HE_image_dark.png",
    "B4": "BT10737_D2_HE.jpg",
    "C2": "5714_HE_BT_C2.jpg",
    "C3": "5714_HE_BT_D1.jpg",
    "C4": "5714_HE_BT_D2.jpg",
    "C5": "5714_HE_BT_E1.jpg",
    "C6": "5714_HE_BT_E2.jpg",
}


@step
def her2st() -> AnnData:
    """All sections; see `read`."""
    return check(read(fetch(DATASET)))


def read(
    paths: dict[str, Path], *, sections: Iterable[str] = SECTIONS, longest: int = 1000
) -> AnnData:
    """Read sections, with the genes that all of them have.

    Parameters
    ----------
    paths : dict of str to Path
    sections : iterable of str
        Of `SECTIONS`.
    longest : int
        Pixels of each image that are kept, on its longer side.

    Returns
    -------
    AnnData of counts; see `helpers.data.spatial.contract`. `obs["label"]` is the pathologist's, ""
    where there is none.
    """
    from helpers.data.spatial.readers import join, read_legacy

    read_ones = []
    for name in sections:
        image = paths[IMAGES[name]] if name in IMAGES else None
        one = read_legacy(
            paths[f"{name}.tsv.gz"],
            paths[f"{name}_selection.tsv"],
            slide=name,
            patient=f"patient {name[0]}",
            image=image,
            longest=longest,
            full_width=FULL_WIDTH.get(name),
        )
        one.obs["label"] = _labels(paths.get(f"{name}_labeled_coordinates.tsv"), one)
        read_ones.append(one)
    data = join(read_ones)
    data.obs["label"] = pd.Categorical(data.obs["label"].astype(str))
    data.obs["total_counts"] = np.asarray(data.X.sum(axis=1)).ravel().astype(np.float64)
    data.uns["organism"] = "human"
    data.uns["dataset"] = DATASET.provenance()
    return data


def _labels(path: Path | None, data: AnnData) -> np.ndarray:
    """The label of each spot, by its rounded place in the array."""
    if path is None:
        return np.full(data.n_obs, "", dtype=object)
    table = pd.read_csv(path, sep="\t").dropna(subset=["x", "y"])
    places = zip(table["x"].round().astype(int), table["y"].round().astype(int), strict=True)
    known = dict(zip((f"{x}x{y}" for x, y in places), table["label"].astype(str), strict=True))
    return data.obs_names.map(lambda name: known.get(name, "")).to_numpy(object)
