"""Windows of the image around spots, the nine numbers, and images that are refused."""

import numpy as np
import pytest

from helpers.data.errors import DataError
from helpers.data.spatial import patches
from helpers.data.spatial.simulate import PITCH, TissueKnobs, simulate


@pytest.fixture(scope="module")
def data():
    return simulate(0, TissueKnobs(side=6, n_genes=20, n_slides=3))


def test_a_window_is_the_square_of_the_image_around_its_spot(data):
    found = patches.windows(data, side=int(PITCH))
    image = data.uns["slides"]["slide 1"]["image"]
    spot = 14
    x, y = data.obsm["spatial"][spot]
    ahead = np.arange(PITCH) + 0.5 - PITCH / 2
    at = np.round(image[int(y), int(x)].astype(float))
    middle = found[spot, 15:17, 15:17].reshape(-1, 3).astype(float)
    assert np.abs(middle.mean(axis=0) - at).max() < 30
    rows, cols = np.round(y + ahead).astype(int), np.round(x + ahead).astype(int)
    inside = image[np.ix_(rows, cols)].astype(float)
    assert np.corrcoef(found[spot].ravel(), inside.ravel())[0, 1] > 0.9


def test_windows_go_by_distance_and_not_by_pixels(data):
    fine = patches.windows(data)
    coarse = data.copy()
    coarse.uns["slides"] = {
        name: facts | {"image": np.repeat(np.repeat(facts["image"], 2, 0), 2, 1), "image_scale": 2}
        for name, facts in data.uns["slides"].items()
    }
    inner = np.abs(patches.windows(coarse).astype(float) - fine).mean()
    assert inner < 12
    np.testing.assert_allclose(
        patches.features_of(patches.windows(coarse))[:, :3], patches.features_of(fine)[:, :3],
        atol=0.03,
    )  # fmt: skip


def test_beyond_the_border_is_white(data):
    moved = data.copy()
    moved.obsm["spatial"] = data.obsm["spatial"].copy()
    first = moved.obsm["spatial"][0]
    moved.obsm["spatial"][0] = (0.0, first[1])
    found = patches.windows(moved)
    assert found.shape == (data.n_obs, 16, 16, 3)
    assert (found[0, :, :7] == 255).all() and (found[0, :, 9:] < 255).any()


def test_nine_numbers_and_nuclei_follow_the_planted_domains(data):
    features = patches.features_of(patches.windows(data))
    assert features.shape == (data.n_obs, 9) == (data.n_obs, len(patches.FEATURES))
    planted = data.obsm["domains"] @ np.arange(4)
    for rows in patches.by_slide(data.obs["slide"]).values():
        assert np.corrcoef(patches.nuclei(features)[rows], planted[rows])[0, 1] > 0.4
    z = patches.standardised(features, data.obs["slide"].to_numpy())
    first = patches.by_slide(data.obs["slide"])["slide 1"]
    np.testing.assert_allclose(z[first].mean(axis=0), 0, atol=1e-6)


def test_a_spot_outside_of_its_image_is_refused(data):
    moved = data.copy()
    moved.obsm["spatial"] = data.obsm["spatial"].copy()
    moved.obsm["spatial"][0] = (-50.0, 3.0)
    with pytest.raises(DataError, match="1 spots of slide slide 1 lie outside"):
        patches.windows(moved)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda image: image[..., 0], "bytes, rows x columns"),
        (lambda image: image / 255, "bytes, rows x columns"),
        (lambda image: image[..., ::-1], "blue, green, red"),
        (lambda image: (255 - image) // 4, "fluorescence"),
        (lambda image: image[..., [1, 0, 2]], "green is not"),
        (lambda image: np.full_like(image, 200), "green is not"),
    ],
)
def test_other_images_are_refused(data, change, said):
    changed = data.copy()
    changed.uns["slides"] = {
        name: facts | {"image": change(facts["image"])}
        for name, facts in data.uns["slides"].items()
    }
    with pytest.raises(DataError, match=said):
        patches.windows(changed)


def test_slides_without_an_image_are_left_out_or_refused(data):
    some = data.copy()
    some.uns["slides"] = dict(data.uns["slides"])
    some.uns["slides"]["slide 2"] = {"geometry": "hex"}
    assert set(patches.imaged(some).obs["slide"]) == {"slide 1", "slide 3"}
    with pytest.raises(DataError, match="slide 2 has no image"):
        patches.windows(some)
    some.uns["slides"] = {name: {"geometry": "hex"} for name in data.uns["slides"]}
    with pytest.raises(DataError, match="no slide has an image"):
        patches.imaged(some)
