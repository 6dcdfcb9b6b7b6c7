"""Networks judged by interventions: against loops, scipy and CausalBench's formulas."""

import itertools

import numpy as np
import pytest
from scipy import stats

from helpers.metrics.discovery import networks as metrics

RNG = np.random.default_rng(0)


def screen(n_genes=6, n_controls=37, sizes=(12, 25, 9, 40, 17), counts=False):
    """Cells of five arms of six genes; the last gene is not perturbed."""
    rng = np.random.default_rng(3)
    target = np.r_[np.full(n_controls, -1), np.repeat(np.arange(len(sizes)), sizes), [-2] * 5]
    values = rng.normal(0, 1, (len(target), n_genes))
    values[target == 1] += 0.8
    values[target == -2] = 50
    if counts:
        values = np.log1p(rng.poisson(np.exp(np.clip(values, -3, 3))))
    order = rng.permutation(len(target))
    return values[order], target[order]


@pytest.mark.parametrize("counts", [False, True])
def test_pair_tests_equal_a_loop_over_scipy(counts):
    values, target = screen(counts=counts)
    found = metrics.pair_tests(values, target)
    for a, b in itertools.product(range(6), repeat=2):
        if a == b or a == 5:
            assert np.isnan([found.w1[a, b], found.p_value[a, b], found.effect[a, b]]).all()
            continue
        observed, perturbed = values[target == -1, b], values[target == a, b]
        assert found.w1[a, b] == pytest.approx(stats.wasserstein_distance(observed, perturbed))
        test = stats.mannwhitneyu(perturbed, observed, method="asymptotic")
        assert found.p_value[a, b] == pytest.approx(test.pvalue, rel=1e-9)
        share = test.statistic / (len(observed) * len(perturbed))
        assert found.effect[a, b] == pytest.approx(share - 0.5)
    assert found.p_adjusted[found.tested] == pytest.approx(
        stats.false_discovery_control(found.p_value[found.tested])
    )


def causalbench(edges, values, target, *, longest, n_negatives, draw):
    """CausalBench's evaluation by its own formulas, edge by edge (statistical_evaluation.py)."""
    n = values.shape[1]
    network = {a: {b for b in range(n) if edges[a, b]} for a in range(n) if edges[a].any()}

    def judge(pairs):
        hits, distances = 0, []
        for a, b in pairs:
            observed, perturbed = values[target == -1, b], values[target == a, b]
            hits += stats.mannwhitneyu(observed, perturbed).pvalue < 0.05
            distances.append(stats.wasserstein_distance(observed, perturbed))
        return hits, len(distances) - hits, np.mean(distances) if distances else np.nan

    paths, reach = [], dict(network)
    for _ in range(longest - 1):
        further = {v: c.union(*[reach[m] for m in c if m in reach]) - {v} for v, c in reach.items()}
        if further == reach:
            break
        paths.append(judge((a, b) for a in further for b in further[a] - reach[a]))
        reach = further
    free = [(a, b) for a, b in itertools.permutations(range(n), 2) if b not in reach.get(a, ())]
    chosen = [free[i] for i in draw(len(free))] if n_negatives else free
    hits, _, distance = judge(chosen)
    return judge((a, b) for a in network for b in network[a]), paths, hits / len(chosen), distance


def test_scores_equal_causalbench_on_a_small_fixture():
    values, target = screen(6, sizes=(12, 25, 9, 40, 17, 30))
    edges = np.zeros((6, 6), dtype=bool)
    for a, b in [(0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 0)]:
        edges[a, b] = True
    tests = metrics.pair_tests(values, target)
    (hits, misses, distance), paths, rate, omitted = causalbench(
        edges, values, target, longest=2, n_negatives=0, draw=None
    )
    found = metrics.edge_scores(edges, tests)
    assert found["edge_precision"] == pytest.approx(hits / (hits + misses))
    assert found["mean_wasserstein"] == pytest.approx(distance)
    assert found["n_edges"] == 6
    own = metrics.false_omissions(edges, tests, longest=2)
    assert own["false_omission_rate"] == pytest.approx(rate)
    assert own["omitted_wasserstein"] == pytest.approx(omitted)
    second = metrics.edge_scores(metrics.reached(edges, 2) & ~metrics.reached(edges, 1), tests)
    assert second["n_edges"] == paths[0][0] + paths[0][1]
    assert second["mean_wasserstein"] == pytest.approx(paths[0][2])
    # paths of three: the released code reaches four edges
    _, _, rate, _ = causalbench(edges, values, target, longest=3, n_negatives=0, draw=None)
    published = metrics.false_omissions(edges, tests, longest=3, published=True)
    assert published["false_omission_rate"] == pytest.approx(rate)


def test_a_path_of_three_edges_is_three_edges_and_as_published_four():
    chain = np.eye(6, k=1, dtype=bool)
    assert np.flatnonzero(metrics.reached(chain, 3)[0]).tolist() == [1, 2, 3]
    assert np.flatnonzero(metrics.reached_as_published(chain, 3)[0]).tolist() == [1, 2, 3, 4]
    assert metrics.reached(chain, -1)[0].sum() == 5
    assert (metrics.reached_as_published(chain, -1) == metrics.reached(chain, -1)).all()
    circle = np.roll(np.eye(4, dtype=bool), 1, axis=1)
    assert (metrics.reached(circle, -1) == ~np.eye(4, dtype=bool)).all()


def test_an_empty_network_has_no_mean_and_a_dense_one_omits_nothing():
    tests = metrics.pair_tests(*screen())
    empty, dense = np.zeros((6, 6), dtype=bool), ~np.eye(6, dtype=bool)
    found = metrics.edge_scores(empty, tests)
    assert found["n_edges"] == 0 and np.isnan(found["mean_wasserstein"])
    assert np.isnan(metrics.precision_recall(empty, dense)[0])
    # the released code draws for ever where fewer unconnected pairs exist than are asked for
    none = metrics.false_omissions(dense, tests, n_pairs=500, rng=RNG)
    assert none["n_omitted"] == 0 and np.isnan(none["false_omission_rate"])
    dense[2, 3] = dense[4] = False
    few = metrics.false_omissions(dense, tests, longest=1, n_pairs=500, rng=RNG)
    assert few["n_omitted"] == 6
    assert metrics.false_omissions(empty, tests)["n_omitted"] == 25
    with pytest.raises(ValueError, match="pass rng"):
        metrics.false_omissions(empty, tests, n_pairs=3)


def test_false_omissions_with_a_threshold_and_corrected():
    tests = metrics.pair_tests(*screen())
    empty = np.zeros((6, 6), dtype=bool)
    own = tests.tested
    expected = (tests.p_value[own] < 0.05) & (np.abs(tests.effect[own]) >= 0.2)
    found = metrics.false_omissions(empty, tests, least_effect=0.2)
    assert found["false_omission_rate"] == pytest.approx(expected.mean())
    corrected = metrics.false_omissions(empty, tests, corrected=True)
    assert corrected["false_omission_rate"] == pytest.approx((tests.p_adjusted[own] < 0.05).mean())


def test_rankings_and_their_networks():
    scores = np.array([[9.0, 3, 2], [1, 9, np.nan], [0, 5, 9]])
    assert metrics.top_edges(scores, 2, RNG).nonzero()[0].tolist() == [0, 2]
    assert metrics.top_edges(scores, 99, RNG).sum() == 4  # neither 0 nor NaN is an edge
    tied = metrics.top_edges(np.ones((4, 4)), 3, RNG)
    assert tied.sum() == 3 and not tied.diagonal().any()
    truth = np.array([[0, 1, 0], [0, 0, 0], [0, 1, 0]], dtype=bool)
    assert metrics.average_precision(scores, truth) == 1
    assert metrics.average_precision(-scores, truth) == pytest.approx((1 / 4 + 2 / 5) / 2)
    assert np.isnan(metrics.average_precision(scores, np.zeros((3, 3), dtype=bool)))
    edges = np.triu(scores > 1.5, 1) | truth
    assert metrics.precision_recall(edges, truth) == (2 / 3, 1)


def test_random_networks_keep_what_they_say():
    edges = np.triu(RNG.random((12, 12)) < 0.4, 1)
    swapped, same = metrics.rewired(edges, RNG), metrics.same_parents(edges, RNG)
    assert (swapped.sum(axis=0) == edges.sum(axis=0)).all()
    assert (swapped.sum(axis=1) == edges.sum(axis=1)).all()
    assert (same.sum(axis=1) == edges.sum(axis=1)).all()
    assert not swapped.diagonal().any() and not same.diagonal().any()
    assert (swapped != edges).any() and (same != edges).any()


def test_known_pairs_against_pairs_of_the_same_genes():
    known = np.zeros((10, 10), dtype=bool)
    known[:5, :5] = ~np.eye(5, dtype=bool)
    edges = np.zeros_like(known)
    edges[[0, 1, 2, 7, 8], [1, 2, 3, 8, 9]] = True
    found = metrics.known_hits(edges, {"a list": known}, np.random.default_rng(1))["a list"]
    assert found["hits"] == 3
    # three of five parents and three of five children are known: 9 / 5 in free pairs
    assert found["expected"] == pytest.approx(9 / 5, abs=0.3)
    assert found["p_value"] < 0.4
    assert found["excess"] == pytest.approx((3 - found["expected"]) / 5)
    hub = np.zeros_like(known)
    hub[0, 1:] = True  # a hub has the hits of its degree, whichever network has it
    assert metrics.known_hits(hub, {"x": known}, RNG)["x"]["hit_ratio"] == 1


def test_edges_of_other_genes_are_refused():
    tests = metrics.pair_tests(RNG.random((40, 3)), np.repeat([-1, 0], 20))
    for asked in (metrics.edge_scores, metrics.false_omissions):
        with pytest.raises(ValueError, match="not the same genes"):
            asked(np.zeros((4, 4), dtype=bool), tests)
