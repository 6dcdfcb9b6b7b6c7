"""The simulator of networks, and cells under interventions with what they refuse."""

import numpy as np
import pytest

from helpers.data.contract import DataError
from helpers.data.discovery import network_cells as cells
from helpers.data.discovery.network_simulator import KINDS, NetworkKnobs, simulate

SMALL = {"n_genes": 12, "n_chains": 3, "n_controls": 60, "n_cells": 10}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_planted_is_there(kind):
    data = simulate(NetworkKnobs(kind=kind, **SMALL), 5)
    direct, ancestral = data["direct"], data["ancestral"]
    assert data["values"].shape == (60 + 120, 12) and np.isfinite(data["values"]).all()
    assert (ancestral[direct]).all() and not direct.diagonal().any()
    first, middle, last = data["mediated"].T
    assert direct[first, middle].all() and direct[middle, last].all()
    assert not direct[first, last].any() and ancestral[first, last].all()
    circles = (ancestral & ancestral.T).any()
    assert circles == (kind == "cyclic")
    again = simulate(NetworkKnobs(kind=kind, **SMALL), 5)
    assert (again["values"] == data["values"]).all()


@pytest.mark.parametrize("kind", ["linear", "cyclic", "confounded"])
def test_total_effects_follow_from_the_weights(kind):
    knobs = NetworkKnobs(kind=kind, **SMALL | {"n_controls": 20_000, "n_cells": 2_000})
    knobs = NetworkKnobs(**vars(knobs) | {"scale_spread": 0.0})
    data = simulate(knobs, 1)
    values, target, weights = data["values"], data["target"], data["weights"]
    for gene in (0, 5):
        cut, push = weights.copy(), np.zeros(12)
        cut[:, gene], push[gene] = 0, -2
        expected = np.linalg.solve(np.eye(12) - cut.T, push)
        found = values[target == gene].mean(axis=0)
        assert found == pytest.approx(expected, abs=0.2)
    assert np.abs(values[target == 0][:, 0] + 2).max() < 1.2  # held down, cut from its parents


def test_nonlinear_edges_saturate_or_have_a_threshold():
    knobs = {"kind": "nonlinear", "n_controls": 4_000, "n_cells": 400, "scale_spread": 0.0}
    data = simulate(NetworkKnobs(**SMALL | knobs), 2)
    values, weights = data["values"][:4_000], data["weights"]
    roots = np.flatnonzero(~data["direct"].any(axis=0))
    parent, child = next((a, b) for a, b in np.argwhere(data["direct"]) if a in roots)
    high = values[:, parent] > 1.5
    slope = np.polyfit(values[high, parent], values[high, child], 1)[0]
    low = np.polyfit(values[~high, parent], values[~high, child], 1)[0]
    assert abs(slope - low) > 0.2 * abs(weights[parent, child])


def test_another_context_has_the_same_edges_and_some_new_weights():
    first, second = (simulate(NetworkKnobs(**SMALL), 3, context) for context in (0, 1))
    assert (first["direct"] == second["direct"]).all()
    same = (first["weights"] == second["weights"])[first["direct"]].mean()
    assert 0.3 < same < 1
    assert not np.allclose(first["values"], second["values"])


@pytest.mark.parametrize(
    "knobs, said",
    [
        ({"kind": "round"}, "one of linear"),
        ({"n_genes": 5, "n_chains": 2}, "they share none"),
        ({"n_cells": 1}, "fewer than 2"),
        ({"changed": 2}, "changed in"),
        ({"escaped": 1.0}, "escaped is in"),
    ],
)
def test_knobs_out_of_range(knobs, said):
    with pytest.raises(DataError, match=said):
        NetworkKnobs(**knobs)


def test_cells_that_escaped_are_like_controls():
    knobs = {"n_genes": 6, "n_chains": 1, "n_controls": 50, "n_cells": 400}
    held, half = (simulate(NetworkKnobs(**knobs, escaped=share), 0) for share in (0.0, 0.5))
    for arm in range(6):
        rows = held["target"] == arm
        same = (held["values"][rows, arm] == half["values"][rows, arm]).mean()
        assert same == pytest.approx(0.5, abs=0.1)


NAMES = ["control", "A", "B", "B", "Z", "control", "A+B"]


def test_cells_know_their_target():
    found = cells.cells_of(NAMES, np.zeros((7, 3)), ["A", "B", "C"])
    assert found.target.tolist() == [-1, 0, 1, 1, -2, -1, -2]
    few = cells.cells_of(NAMES, np.zeros((7, 3)), ["A", "B", "C"], least=2)
    assert few.target.tolist() == [-1, -2, 1, 1, -2, -1, -2]
    own = cells.closed(few)
    assert own.genes == ("B",) and own.target.tolist() == [-1, -2, 0, 0, -2, -1, -2]
    assert found.of(found.target == 1).expression.shape == (2, 3)


@pytest.mark.parametrize(
    "names, genes, said",
    [
        (["A", "B"], ["A", "B"], "no cell is a 'control'"),
        (["control", "non-targeting", "A"], ["A"], "called like a control: non-targeting"),
        (["control", "Z"], ["A"], "no measured gene was perturbed"),
        (["control", "A"], ["A", "A"], "1 genes are there twice"),
    ],
)
def test_cells_that_are_refused(names, genes, said):
    with pytest.raises(DataError, match=said):
        cells.cells_of(names, np.zeros((len(names), len(genes))), genes)


def test_causalbench_filter_by_hand():
    kept = cells.strong([51, 50, 80, 80], [-0.3, -0.9, -0.29, -0.8], [26, 99, 99, 25])
    assert kept.tolist() == [True, False, False, False]
    counts = np.r_[np.arange(1, 12), [1, 2, 3]][:, None]
    target = np.r_[np.full(11, -1), [0, 0, 0]]
    assert cells.knocked_down(counts, target).tolist() == [True] * 13 + [False]


def test_parts_regimes_and_equal_arms():
    target = np.repeat([-1, 0, 1, 2, -2], [40, 20, 10, 5, 3])
    part = cells.parts(target, (0.4, 0.4, 0.2), seed=0)
    for code, n in ((-1, 40), (0, 20), (1, 10), (2, 5)):
        assert np.bincount(part[target == code]).tolist() == [0.4 * n, 0.4 * n, 0.2 * n]
    with pytest.raises(DataError, match=r"sum to 0\.9"):
        cells.parts(target, (0.5, 0.4), seed=0)
    none, half, whole = (cells.regime(target, s, seed=1) for s in (0, 0.67, 1))
    assert (none == (target < 0)).all() and whole.all()
    assert len(np.unique(target[half & (target >= 0)])) == 2 and (half | whole).all()
    assert (half[none]).all()
    equal = cells.equalised(target, 8, seed=0)
    assert [equal[target == c].sum() for c in (-1, 0, 1, 2, -2)] == [40, 8, 8, 5, 0]


def test_cells_that_do_not_fit_and_shares_out_of_range():
    with pytest.raises(DataError, match=r"values are \(7, 2\), with 7 perturbations and 3 genes"):
        cells.cells_of(NAMES, np.zeros((7, 2)), ["A", "B", "C"])
    target = np.array([-1, 0, 1])
    with pytest.raises(DataError, match="no control cell"):
        cells.knocked_down(np.ones((2, 2)), target[1:])
    with pytest.raises(DataError, match="below 0"):
        cells.parts(target, (1.5, -0.5), seed=0)
    with pytest.raises(DataError, match="not in"):
        cells.regime(target, 2.0, seed=0)
    with pytest.raises(DataError, match="at least 1"):
        cells.equalised(target, 0, seed=0)
