"""The simulation study of tests without effect, small."""

import numpy as np
import pytest

from benchmarks import no_effect


@pytest.mark.parametrize("name", no_effect.TESTS)
@pytest.mark.parametrize(("controls", "n_cells"), [((4, 4), 1), ((4, 8, 20), 2)])
def test_without_effect_a_test_keeps_its_level_or_cannot_reach_it(name, controls, n_cells):
    found = no_effect.called(no_effect.TESTS[name], controls, n_cells, n_screens=40, seed=1)
    limit = 0.05 + 4 * np.sqrt(0.05 * 0.95 / 40)
    assert found["p"] <= limit
    assert found["q"] <= limit
    if found["least"] > 0.05:
        assert found["p"] == found["q"] == 0


def test_two_controls_a_batch_cannot_call_a_cell():
    test = no_effect.TESTS["consistency, centred and scaled"]
    found = no_effect.called(test, (2, 2), 1, n_screens=3, seed=0)
    assert found["least"] == pytest.approx(1 / 9)
    assert found["p"] == found["q"] == 0


@pytest.mark.parametrize("n_clusters", [6, 12])
def test_equal_models_are_told_apart_no_more_often_than_the_level(n_clusters):
    found = no_effect.flips(n_clusters, n_tables=100, seed=0)
    assert max(found["p"], found["q"]) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 100)
    assert (found["least"] > 0.05) == (n_clusters == 6)


@pytest.mark.parametrize("n_clusters", [6, 12])
def test_claims_are_called_no_more_often_than_the_level(n_clusters):
    found = no_effect.claims(4, n_clusters, n_tables=100, seed=0)
    assert found["q"] <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 100)
    assert (found["least"] > 0.05) == (n_clusters == 6)
