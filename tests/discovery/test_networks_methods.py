"""Methods of network inference: formulas, exhaustive search, and better than random."""

import itertools

import numpy as np
import pytest

from helpers.data.discovery.network_simulator import NetworkKnobs, simulate
from helpers.metrics.discovery.networks import average_precision, reached
from helpers.models.discovery.networks import gies, guanlab, notears, regressions, sparse_inverse
from helpers.models.discovery.networks.means import (
    ArmMeans,
    arm_means,
    filled,
    mean_difference,
)
from helpers.stats import mean_interval
from helpers.tasks.discovery.networks import SETTINGS, scores_of

VALUES = np.array([[1.0, 2, 3], [3, 2, 1], [0, 4, 4], [0, 8, 2], [9, 9, 9]])
TARGET = np.array([-1, -1, 0, 0, -2])


def test_mean_difference_by_hand():
    means = arm_means(VALUES, TARGET)
    assert means.control.tolist() == [2, 2, 2]
    assert means.arms[0].tolist() == [0, 6, 3] and np.isnan(means.arms[1:]).all()
    found = mean_difference(means)
    assert np.isnan(found[0, 0]) and found[0, 1:].tolist() == [4, 1]
    whole = filled(means, np.full((3, 3), -1.0))
    assert whole.arms[0].tolist() == [0, 6, 3] and whole.arms[1].tolist() == [1, 1, 1]


def test_guanlab_has_the_released_constants():
    assert guanlab.THRESHOLD == 0.1
    released = {"learning_rate": 0.05, "max_iter": 1000, "max_leaf_nodes": 5, "max_depth": 2}
    assert released.items() <= guanlab.TREES.items()
    assert guanlab.TREES["min_samples_leaf"] == 5


def test_guanlab_labels_and_features():
    data = simulate(NetworkKnobs(n_genes=6, n_chains=1, n_controls=40, n_cells=15), 0)
    values, target = data["values"], np.where(data["target"] == 5, -2, data["target"])
    own = guanlab.labels(values, target, threshold=0.3)
    arm, controls = values[target == 1], values[target == -1]
    drawn = np.random.default_rng(0).choice(40, 15, replace=False)
    expected = np.corrcoef(np.r_[controls[drawn], arm], rowvar=False)[1]
    assert own[1].tolist() == (np.abs(expected) > 0.3).tolist()
    alone = np.corrcoef(controls, rowvar=False)[5]
    assert own[5].tolist() == (np.abs(alone) > 0.3).tolist()
    means = arm_means(guanlab.standardised(values), target)
    x = guanlab.features(means)
    whole = [means.control[1], means.control[2], means.arms[1, 1], means.arms[1, 2]]
    assert x[1, 2].tolist() == whole
    assert x[5, 2, 2] == 0 and np.isnan(x[5, 2, 3])  # an arm that is not there, as released


def test_guanlab_without_any_arm_learns_from_controls():
    data = simulate(NetworkKnobs(n_genes=6, n_chains=2, n_controls=60, n_cells=5), 0)
    own = data["target"] == -1
    found = guanlab.guanlab(data["values"][own], data["target"][own])
    assert np.isfinite(found[~np.eye(6, dtype=bool)]).all() and np.nanstd(found) > 0


def test_guanlab_with_one_label_ranks_nothing():
    found = guanlab.guanlab(np.tile(np.arange(12.0), (2, 1)).T, np.repeat([-1, 0], 6))
    assert set(found[~np.eye(2, dtype=bool)]) == {0.5}


def test_the_inverse_of_total_effects_is_the_network_with_its_circles():
    rng = np.random.default_rng(2)
    weights = rng.normal(0, 0.3, (7, 7)) * (rng.random((7, 7)) < 0.4)
    np.fill_diagonal(weights, 0)
    changes = np.zeros((7, 7))
    for gene in range(7):  # each gene in turn is cut from its parents and held at -1
        cut, push = weights.copy(), np.zeros(7)
        cut[:, gene], push[gene] = 0, -1
        changes[gene] = np.linalg.solve(np.eye(7) - cut.T, push)
    totals = sparse_inverse.total_effects(ArmMeans(np.zeros(7), changes))
    assert np.diag(totals) == pytest.approx(1)
    assert sparse_inverse.weights_of(np.linalg.inv(totals)) == pytest.approx(weights)
    plain = sparse_inverse.sparse_inverse_of(totals, 0.0, n_steps=4_000)
    assert plain == pytest.approx(np.linalg.inv(totals), abs=1e-4)
    # a penalty that outweighs every entry leaves the diagonal alone
    heavy = sparse_inverse.sparse_inverse_of(totals, 100.0)
    assert (heavy[~np.eye(7, dtype=bool)] == 0).all()


def test_genes_that_their_own_perturbation_did_not_change_have_no_row():
    data = simulate(NetworkKnobs(n_genes=8, n_chains=1, n_controls=80, n_cells=20), 1)
    values, target = data["values"].copy(), data["target"]
    values[target == 3, 3] = values[target == -1, 3][:20]
    assert 3 not in sparse_inverse.usable(values, target)
    found = sparse_inverse.sparse_inverse(values, target)
    assert np.isnan(found[3]).all() and np.isnan(found[:, 3]).all()
    assert np.isfinite(found[0, 1])


def test_notears_gradient_and_a_chain():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 3))
    x[:, 1] += 1.5 * x[:, 0]
    x[:, 2] += 1.5 * x[:, 1]
    covariance = np.cov(x, rowvar=False, bias=True)
    both = rng.random(18) * 0.5
    value, slope = notears._objective(both, covariance, 0.01, 0.3, 2.0)
    for i in (1, 5, 12):
        moved = both.copy()
        moved[i] += 1e-6
        further = notears._objective(moved, covariance, 0.01, 0.3, 2.0)[0]
        assert (further - value) / 1e-6 == pytest.approx(slope[i], rel=1e-3)
    found = notears.notears(x, np.full(400, -1))
    assert ((found > 0.3) == np.eye(3, k=1, dtype=bool)).all()
    with pytest.raises(ValueError, match="at most 100"):
        notears.notears(np.zeros((2, 101)), np.array([-1, -1]))


def test_greedy_search_reaches_the_best_of_all_networks_of_three():
    data = simulate(NetworkKnobs(n_genes=3, n_chains=1, n_controls=80, n_cells=30), 4)
    values, target = data["values"].astype(float), data["target"]
    score = gies._Score(values, target, np.arange(3))

    def total(edges):
        return sum(score.of(g, np.flatnonzero(edges[:, g])) for g in range(3))

    pairs = list(itertools.permutations(range(3), 2))
    best, at = -np.inf, None
    for bits in itertools.product([0, 1], repeat=6):
        edges = np.zeros((3, 3), dtype=bool)
        for on, pair in zip(bits, pairs, strict=True):
            edges[pair] = on
        if not (reached(edges, -1) & reached(edges, -1).T).any() and total(edges) > best:
            best, at = total(edges), edges
    found = gies.gies_like(values, target) > 0
    assert (found == at).all() and (found == data["direct"]).all()
    # a score by regression: rss of gene 1 on gene 0, over cells in which 1 was not perturbed
    rows = target != 1
    x, y = values[rows, 0], values[rows, 1]
    rss = np.polyfit(x, y, 1, full=True)[1][0] / rows.sum()
    expected = -0.5 * rows.sum() * np.log(rss) - 0.5 * np.log(len(values))
    assert score.of(1, np.array([0])) == pytest.approx(expected)
    with pytest.raises(ValueError, match="at most 60"):
        gies.gies_like(np.zeros((2, 61)), np.array([-1, -1]))


def test_edges_of_the_greedy_search_stay_within_blocks():
    data = simulate(NetworkKnobs(n_genes=9, n_chains=2, n_controls=60, n_cells=10), 0)
    found = gies.gies_like(data["values"], data["target"], block=3)
    assert (found > 0).sum() <= 9  # three blocks of three, without circles


def test_sortnregress_follows_variances_and_correlation_no_direction():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((300, 3))
    x[:, 1] += 1.5 * x[:, 0]
    found = regressions.sortnregress(x, np.full(300, -1))
    assert found[0, 1] > 0.5 and found[1, 0] == 0
    both = regressions.correlation(x, np.full(300, -1))
    assert both[0, 1] == both[1, 0] == pytest.approx(abs(np.corrcoef(x[:, 0], x[:, 1])[0, 1]))
    trees = regressions.grnboost_like(x, np.full(300, -1), n_trees=20)
    assert np.nansum(trees, axis=0) == pytest.approx(1) and trees[0, 1] > trees[2, 1]


@pytest.fixture(scope="module")
def worlds():
    knobs = NetworkKnobs(n_genes=15, n_chains=3, n_controls=300, n_cells=40)
    return [simulate(knobs, seed) for seed in range(4)]


@pytest.mark.parametrize("method", [m for m in SETTINGS if m != "random"])
def test_every_method_beats_random_on_planted_linear_networks(worlds, method):
    gains = []
    for data in worlds:
        given = {"n_trees": 20} if method == "GRNBoost-like" else {}
        scores = scores_of(method, data["values"], data["target"], seed=0, **given)
        truth = data["direct"]
        gains.append(average_precision(scores, truth) - truth.sum() / (15 * 14))
    assert mean_interval(gains)[0] > 0, gains


def test_random_does_not(worlds):
    gains = [
        average_precision(scores_of("random", d["values"], d["target"], seed=s), d["direct"])
        - d["direct"].sum() / (15 * 14)
        for d in worlds
        for s in range(5)
    ]
    assert abs(np.mean(gains)) < 0.05


def test_a_gene_that_does_not_vary_has_no_edge_in_the_search():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((80, 4))
    values[:, 1] += values[:, 0]
    values[:, 3] = 1.0
    target = np.r_[np.full(40, -1), np.repeat([0, 1], 20)]
    found = gies.gies_like(values, target)
    own, none = np.eye(4, dtype=bool), np.where(np.eye(4, dtype=bool), np.nan, 0.0)
    assert np.array_equal(np.isnan(found), own)  # a gene and itself are no pair
    np.testing.assert_array_equal(found[3], none[3])
    np.testing.assert_array_equal(found[:, 3], none[:, 3])
    assert np.nansum([found[0, 1], found[1, 0]]) > 0
    flat = gies.gies_like(np.ones((80, 4)), target)
    np.testing.assert_array_equal(flat, none)
