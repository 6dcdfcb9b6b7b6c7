"""Neighbours on hexagonal and square arrays."""

import numpy as np
import pytest

from helpers.data.contract import DataError
from helpers.data.spatial.geometry import hops, nearest, nearest_within, pitch


def hexagonal(side):
    row, col = np.indices((side, side)).reshape(2, -1)
    return np.column_stack([col + 0.5 * (row % 2), row * 0.75**0.5])


def square(side):
    row, col = np.indices((side, side)).reshape(2, -1)
    return np.column_stack([col, row]).astype(float)


@pytest.mark.parametrize(
    "places, k, sizes", [(hexagonal(11), 6, [7, 19, 37, 61]), (square(11), 4, [5, 13, 25, 41])]
)
def test_hops_inside_an_array(places, k, sizes):
    members, ends = hops(nearest(places, k), 4)
    middle = 5 * 11 + 5
    assert ((ends[middle, 1:] - ends[middle, 0] + 1) == sizes).all()
    own = members[ends[middle, 0] - 1 : ends[middle, -1]]
    assert own[0] == middle and len(set(own)) == sizes[-1]
    away = np.linalg.norm(places[own] - places[middle], axis=1)
    assert away.max() <= 4 + 1e-9


def test_hops_are_powers_of_the_neighbour_graph():
    rng = np.random.default_rng(0)
    near = nearest(rng.normal(size=(40, 2)), 5)
    step = np.eye(40, dtype=bool)
    for i, row in enumerate(near):
        step[i, row] = True
    members, ends = hops(near, 3)
    reached = np.eye(40, dtype=bool)
    for hop in range(1, 4):
        reached = (reached.astype(int) @ step.astype(int)) > 0
        for i in range(40):
            own = members[ends[i, 0] - 1 : ends[i, hop]]
            assert set(own) == set(np.flatnonzero(reached[i]))


def test_eighteen_nearest_are_the_two_rings():
    places = hexagonal(9)
    middle = 4 * 9 + 4
    away = np.linalg.norm(places[nearest(places, 18)[middle]] - places[middle], axis=1)
    assert np.allclose(np.sort(away), [1] * 6 + [3**0.5] * 6 + [2] * 6)


def test_ties_do_not_hang_on_the_last_digit():
    places = square(7)
    rng = np.random.default_rng(1)
    noisy = places + rng.normal(0, 1e-7, places.shape)
    for k in (4, 6, 8):  # at the border and with six of eight, equally far spots compete
        assert (nearest(places, k) == nearest(noisy, k)).all()


def test_neighbours_are_of_the_own_slide():
    places = np.concatenate([square(4), square(4)])
    slides = np.repeat(["a", "b"], 16)
    found = nearest_within(places, slides, 4)
    assert (slides[found] == slides[:, None]).all()


def test_too_few_spots():
    with pytest.raises(DataError, match="4 spots have no 6 neighbours each"):
        nearest(square(2), 6)
    with pytest.raises(DataError, match="1 spots have no neighbours"):
        pitch(np.zeros((1, 2)))
