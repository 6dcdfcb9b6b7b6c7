"""Spots on tissue: at their places, on one colour scale, what is hidden shown as such."""

import numpy as np
import pandas as pd
import pytest

from helpers.plots import page
from helpers.plots.tissue import tissue


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    row, col = np.indices((4, 4)).reshape(2, -1)
    table = pd.DataFrame({"x": 100.0 * col + 50, "y": 100.0 * row + 50, "a": rng.random(16)})
    table["b"] = table["a"].where(table.index > 3)
    table["hidden"] = table.index == 7
    table["name"] = np.where(table.index < 8, "in", "out")
    return table


def offsets(ax):
    return [np.asarray(c.get_offsets()) for c in ax.collections]


def test_spots_lie_at_their_places_over_the_image_and_y_goes_down(frame):
    image = np.full((200, 200, 3), 200, dtype=np.uint8)
    figure = tissue(frame, values=["a"], images={"": (image, 0.5)}, columns=1, label="l")
    ax = figure.axes[0]
    assert np.array_equal(offsets(ax)[0], frame[["x", "y"]].to_numpy())
    assert tuple(ax.images[0].get_extent()) == (0, 400, 400, 0)
    low, high = ax.get_ylim()
    assert low > high


def test_panels_share_their_colours_and_what_is_not_measured_is_a_ring(frame):
    figure = tissue(frame, values=["a", "b"], label="l")
    scales = [ax.collections[0].get_clim() for ax in figure.axes[:2]]
    assert scales[0] == scales[1]
    filled, empty = offsets(figure.axes[1])
    assert len(filled) == 12 and len(empty) == 4


def test_what_is_hidden_has_a_ring_of_its_own(frame):
    figure = tissue(frame, values=["a"], hidden="hidden", columns=1)
    assert len(offsets(figure.axes[0])[-1]) == 1
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["hidden"]


def test_names_and_sections_have_panels(frame):
    figure = tissue(frame, values=["name"], columns=1)
    assert len(offsets(figure.axes[0])) == 2
    figure = tissue(frame, values=["a"], panel="name")
    assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["in", "out"]
    many = frame.assign(name=[str(i) for i in range(16)])
    with pytest.raises(ValueError, match="16 names in name"):
        tissue(many, values=["name"])
    with pytest.raises(ValueError):
        tissue(frame, values=["c"])


def test_the_image_alone_comes_first_if_there_is_one(frame):
    image = np.full((200, 200, 3), 200, dtype=np.uint8)
    figure = tissue(frame, values=["a"], images={"": (image, 0.5)}, plain="the image")
    assert figure.axes[0].get_title(loc="left") == "the image"
    assert not figure.axes[0].collections and figure.axes[1].collections
    figure = tissue(frame, values=["a"], plain="the image")
    assert figure.axes[0].get_title(loc="left") == "a"
    assert page.svg(figure, alt="spots", name="spots").startswith("<svg")
