"""Digits are kept where the quality of a screen is judged: constants, offsets, batches."""

import numpy as np
import pytest

from helpers.metrics.arrays import row_correlations
from helpers.metrics.foundations.reliability import batch_weights, split_half_correlations
from helpers.metrics.foundations.responders import cross_fitted_projection


def test_a_constant_row_correlates_with_nothing():
    thirds = np.full((2, 144), 1 / 3)
    mixed = np.where(np.arange(144) % 2, 0.1 + 0.2, 0.3)[None].repeat(2, axis=0)
    other = np.random.default_rng(0).normal(size=(2, 144))
    for row in (thirds, mixed):
        for partner in (row, other):
            assert np.isnan(row_correlations(row, partner)).all()


@pytest.mark.parametrize("scale", [1e-13, 1e13])
def test_correlations_do_not_depend_on_the_unit(scale):
    a, b = np.random.default_rng(0).normal(size=(2, 5, 30))
    np.testing.assert_allclose(row_correlations(a * scale, b), row_correlations(a, b), rtol=1e-12)


def test_batches_of_integers_are_those_of_floats():
    weights, of_controls = batch_weights([0, 0], [0.0, 0.0, 0.0])
    np.testing.assert_allclose(weights, 1 / 2)
    np.testing.assert_allclose(of_controls, 1 / 3)
    with pytest.raises(ValueError, match="text in one place"):
        batch_weights(["0"], [0])
    with pytest.raises(ValueError, match="missing for 1 of 3"):
        batch_weights([np.nan, 0], [0.0])


def test_effects_do_not_see_an_offset():
    rng = np.random.default_rng(0)
    x, c = rng.normal(1, 1, size=(40, 20)), rng.normal(size=(60, 20))
    here = split_half_correlations(x, c, rng=np.random.default_rng(1))
    there = split_half_correlations(x + 1e6, c + 1e6, rng=np.random.default_rng(1))
    np.testing.assert_allclose(there, here, atol=1e-7)


def test_controls_that_do_not_vary_along_an_effect_place_nobody():
    rng = np.random.default_rng(0)
    x, c = rng.normal(1, 1, size=(10, 5)), np.full((12, 5), 0.3)
    c[::3] = 0.1 + 0.2
    assert np.isnan(np.concatenate(cross_fitted_projection(x, c, rng=rng))).all()
