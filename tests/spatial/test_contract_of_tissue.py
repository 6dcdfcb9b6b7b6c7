"""The contract of tissue: everything that is wrong is said, all of it at once."""

import numpy as np
import pytest

from helpers.data.contract import DataError
from helpers.data.spatial.contract import check, violations
from helpers.data.spatial.simulate import TissueKnobs, simulate


@pytest.fixture(scope="module")
def whole():
    return simulate(0, TissueKnobs(side=8, n_genes=30))


@pytest.fixture
def data(whole):
    copied = whole.copy()
    copied.uns["slides"] = {k: dict(v) for k, v in whole.uns["slides"].items()}
    return copied


def test_simulated_tissue_keeps_the_contract(data):
    assert check(data) is data


def swap_pixels(d):
    d.obsm["spatial"] = d.obsm["spatial"][:, ::-1].copy()


def swap_array(d):
    d.obs[["array_row", "array_col"]] = d.obs[["array_col", "array_row"]].to_numpy()


def scale_pixels(d):
    d.obsm["spatial"] = d.obsm["spatial"] * 0.2


def mix_pixels(d):
    order = np.concatenate([np.random.default_rng(0).permutation(64), np.arange(64, d.n_obs)])
    d.obsm["spatial"] = d.obsm["spatial"][order]


def cut_image(d):
    d.uns["slides"]["slide 1"]["image"] = d.uns["slides"]["slide 1"]["image"][:100]


def two_sides(d):
    d.obs["split"] = d.obs["split"].astype(str)
    d.obs.iloc[0, d.obs.columns.get_loc("split")] = "test"


def hide_a_gene(d):
    d.layers["mask"] = np.ones(d.shape, dtype=bool)
    d.layers["mask"][:, 3] = False


def same_place(d):
    d.obsm["spatial"][1] = d.obsm["spatial"][0]


BAD = {
    "no pixels": (lambda d: d.obsm.pop("spatial"), "obsm has no 'spatial'"),
    "no array": (lambda d: d.obs.pop("array_row"), "obs has no 'array_row'"),
    "pixels swapped": (swap_pixels, "x follows rows of the array"),
    "array swapped": (swap_array, "x follows rows of the array"),
    "pixels scaled": (scale_pixels, "pixel coordinates or the diameter are scaled"),
    "pixels of others": (mix_pixels, "array and pixel coordinates do not belong together"),
    "image cut": (cut_image, "lie outside the image"),
    "another geometry": (
        lambda d: d.uns["slides"]["slide 1"].update(geometry="square"),
        "a column takes 0.58 times the pixels of a row",
    ),
    "an unknown geometry": (
        lambda d: d.uns["slides"]["slide 1"].update(geometry="disc"),
        "has the geometry 'disc'",
    ),
    "no patient": (lambda d: d.obs.pop("patient"), "obs has no 'patient'"),
    "one slide on two sides": (two_sides, "slide slide 1 is on several of split: test, train"),
    "a slide without spots": (
        lambda d: d.uns["slides"].update(empty={"geometry": "hex"}),
        "slide empty of uns['slides'] has no spot",
    ),
    "a gene that is hidden": (hide_a_gene, "hides everything of 1 genes"),
    "two spots at one place": (same_place, "at a place of another spot"),
    "no counts": (lambda d: d.uns["scale"].update(kind="log1p"), "tissue is read as counts"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_violation_is_said(data, name):
    spoil, said = BAD[name]
    spoil(data)
    assert any(said in sentence for sentence in violations(data))


def test_all_violations_are_said_at_once(data):
    swap_pixels(data)
    cut_image(data)
    with pytest.raises(DataError, match=r"simulated tissue: \d violations") as error:
        check(data)
    assert "outside the image" in str(error.value) and "x follows rows" in str(error.value)


def test_an_image_that_is_missing_is_no_violation(data):
    for facts in data.uns["slides"].values():
        facts.pop("image")
    assert violations(data) == []
