"""A picture of a screen: who lies apart, and what it is coloured by."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.simulate.screen import simulate_screen
from helpers.plots.points import points
from helpers.plots.style import SERIES
from helpers.tasks.foundations.screen_map import screen_map
from helpers.tasks.foundations.screen_map_report import coloured, described


@pytest.mark.parametrize("basis", ["UMAP", "PCA"])
def test_cells_of_two_contexts_lie_apart_and_a_seed_repeats(basis):
    screen = simulate_screen(rng=np.random.default_rng(0), n_cells=300, n_genes=60, n_targets=3)
    second = np.arange(300) % 2 == 1
    X = screen.X.toarray()
    X[second, :30] *= 20
    screen.X, screen.obs["context"] = X, np.where(second, "b", "a")
    screen.obs["total_counts"] = X.sum(axis=1)
    place = screen_map.function
    asked = dict(n_cells=200, seed=0, basis=basis)
    cells = place(screen, **asked)
    pd.testing.assert_frame_equal(cells, place(screen, **asked))
    with pytest.raises(ValueError, match="basis is 'TSNE'; it is UMAP or PCA"):
        place(screen, **asked | {"basis": "TSNE"})
    assert len(cells) == 200
    a, b = (part[["x", "y"]].to_numpy() for _, part in cells.groupby("context"))
    between = np.linalg.norm(a.mean(0) - b.mean(0))
    assert between > 2 * max(a.std(0).max(), b.std(0).max())


def test_colours_are_perturbations_where_they_are_few_and_groups_where_they_are_many():
    n = 40
    cells = pd.DataFrame({"x": np.arange(n), "y": 0.0, "context": "a"})
    few = cells.assign(perturbation=["control", "A"] * 20, batch=["1", "2"] * 20)
    found = coloured(few)
    assert found.columns.tolist() == ["x", "y", "perturbation", "batch"]
    assert described(found, "UMAP").startswith("40 cells placed by UMAP")
    assert "perturbation (2 colours), batch (2 colours)" in described(found, "UMAP")
    assert "batch (1 colour)" in described(found.assign(batch="all"), "UMAP")
    many = cells.assign(
        perturbation=["control"] * 20 + [f"G{i}" for i in range(20)],
        batch=[str(i) for i in range(10)] * 4,
        context=["a", "b"] * 20,
    )
    found = coloured(many)
    assert found.columns.tolist() == ["x", "y", "cells", "context", "batch"]
    assert found["cells"].value_counts().to_dict() == {"control": 20, "perturbed": 20}
    assert found["batch"].nunique() == len(SERIES)
    assert (found["batch"] == "others").sum() == 4 * (10 - len(SERIES) + 1)


def test_points_have_a_panel_for_each_colouring():
    frame = pd.DataFrame({"x": [0.0, 1, 2], "y": 0.0, "batch": list("aba"), "context": list("xyz")})
    axes = points(frame, x="x", y="y").axes
    assert [ax.get_legend().get_title().get_text() for ax in axes] == ["batch", "context"]
    assert all(len(ax.collections[0].get_offsets()) == 3 for ax in axes)
    for bad, said in ((frame[["x", "y"]], "no column says"), (frame[:0], "no row")):
        with pytest.raises(ValueError, match=said):
            points(bad, x="x", y="y")
