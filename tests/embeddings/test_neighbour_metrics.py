"""Neighbours, iLISI and votes against plain loops, formulas and another implementation."""

import numpy as np
import pytest
from scipy.optimize import brentq

from helpers.metrics.embeddings.knn_vote import average_precision, knn_vote
from helpers.metrics.embeddings.lisi import _exp, expected_lisi, lisi
from helpers.metrics.embeddings.neighbours import (
    Neighbours,
    finite_embedding,
    nearest_neighbours,
    neighbours_of_other_groups,
)


def distances(a, b):
    return np.sqrt(((a[:, None].astype(float) - b[None]) ** 2).sum(axis=2))


# --------------------------------------------------------------------------- neighbours


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_neighbours_are_those_of_all_pairs(offset):
    rng = np.random.default_rng(0)
    cells = rng.standard_normal((300, 7)) + offset
    found = nearest_neighbours(cells, k=20)
    d = distances(cells, cells)
    np.fill_diagonal(d, np.inf)
    np.testing.assert_array_equal(found.indices, np.argsort(d, axis=1)[:, :20])
    np.testing.assert_allclose(found.distances, np.sort(d, axis=1)[:, :20], rtol=1e-3)
    queries = rng.standard_normal((40, 7)) + offset
    asked = nearest_neighbours(cells, queries, k=5)
    np.testing.assert_array_equal(
        asked.indices, np.argsort(distances(queries, cells), axis=1)[:, :5]
    )


def test_a_cell_is_never_its_own_neighbour_even_among_duplicates():
    cells = np.repeat(np.random.default_rng(1).standard_normal((20, 3)), 5, axis=0)
    found = nearest_neighbours(cells, k=4)
    for i, row in enumerate(found.indices):
        assert set(row) == set(range(i // 5 * 5, i // 5 * 5 + 5)) - {i}


def test_neighbours_of_other_groups_skip_the_own_group():
    rng = np.random.default_rng(2)
    cells, groups = rng.standard_normal((200, 4)), rng.integers(5, size=200)
    queries = np.arange(0, 200, 3)
    found = neighbours_of_other_groups(cells, groups, k=10, queries=queries)
    d = distances(cells, cells)
    d[groups[:, None] == groups[None]] = np.inf
    np.testing.assert_array_equal(found.indices, np.argsort(d, axis=1)[queries, :10])


@pytest.mark.parametrize(
    ("embedding", "message"),
    [
        (np.zeros(3), r"shape \(3,\)"),
        (np.zeros((3, 0)), "shape"),
        (np.ones((4, 2)), "constant: all 4 rows"),
        (np.array([[0, 1.0], [np.nan, 2], [3, 4]]), "1 NaN or infinite values, the first in row 1"),
        (np.array([[0, 1.0], [1, np.inf], [3, 4]]), "row 1, column 1"),
    ],
)
def test_an_embedding_that_is_none_is_refused(embedding, message):
    with pytest.raises(ValueError, match=message):
        finite_embedding(embedding)


def test_rows_and_numbers_of_neighbours_must_fit():
    cells = np.eye(5)
    with pytest.raises(ValueError, match="has 5 rows for 6 cells"):
        finite_embedding(cells, n_cells=6)
    with pytest.raises(ValueError, match="k is 5; 4 cells may answer"):
        nearest_neighbours(cells, k=5)
    with pytest.raises(ValueError, match="same dimensions"):
        nearest_neighbours(cells, np.eye(4), k=1)
    with pytest.raises(ValueError, match="only 2 cells lie outside group a"):
        neighbours_of_other_groups(cells, list("aaabb"), k=3)
    with pytest.raises(ValueError, match="of one group"):
        neighbours_of_other_groups(cells, list("aaaaa"), k=1)
    with pytest.raises(ValueError, match="missing for 1 rows, the first in row 2"):
        neighbours_of_other_groups(cells, ["a", "b", None, "a", "b"], k=1)
    with pytest.raises(ValueError, match="4,"):
        neighbours_of_other_groups(cells, list("aabb"), k=1)


def test_one_dimension_and_a_single_query_are_enough():
    found = nearest_neighbours(np.arange(6.0)[:, None] ** 2, k=2)
    assert found.indices[0].tolist() == [1, 2]
    assert found.indices[5].tolist() == [4, 3]


# --------------------------------------------------------------------------- iLISI


def simpson_by_root(distances, labels, perplexity):
    """The weights' scale by a root finder instead of bisection."""

    def weights(log_beta):
        w = np.exp(-np.exp(log_beta) * (distances - distances.min()))
        return w / w.sum()

    def excess(log_beta):
        w = weights(log_beta)
        w = w[w > 0]
        return -(w * np.log(w)).sum() - np.log(perplexity)

    w = weights(brentq(excess, -10, 10, xtol=1e-12))
    return 1 / sum(w[labels == b].sum() ** 2 for b in np.unique(labels)), (w**2).sum()


def test_lisi_is_the_inverse_simpson_index_at_the_perplexity():
    rng = np.random.default_rng(3)
    cells, batch = rng.standard_normal((400, 6)), rng.integers(7, size=400).astype(str)
    graph = nearest_neighbours(cells, k=90)
    found = lisi(graph, batch, perplexity=30)
    expected = [
        simpson_by_root(d, batch[i], 30)
        for d, i in zip(graph.distances, graph.indices, strict=True)
    ]
    np.testing.assert_allclose(
        np.column_stack([found.per_cell, found.concentration]), expected, rtol=1e-4
    )
    assert found.n_unscored == 0


def test_lisi_agrees_with_scib_metrics():
    jax = pytest.importorskip("jax")
    lisi_of_scib = pytest.importorskip("scib_metrics.utils._lisi")
    rng = np.random.default_rng(4)
    cells, batch = rng.standard_normal((300, 5)), rng.integers(6, size=300)
    graph = nearest_neighbours(cells, k=89)
    # There the cell itself is a neighbour, with weight 0, and distances have no smallest one.
    with jax.enable_x64(True):
        simpson = lisi_of_scib.compute_simpson_index(
            np.column_stack([np.zeros(300), graph.distances]),
            np.column_stack([np.arange(300), graph.indices]),
            np.arange(300)[:, None],
            batch,
            6,
            perplexity=30,
        )
    ours = lisi(graph, batch, perplexity=30).per_cell
    np.testing.assert_allclose(ours, 1 / simpson, rtol=1e-5)


def test_lisi_of_one_batch_and_of_separated_batches_is_one():
    rng = np.random.default_rng(5)
    cells = rng.standard_normal((300, 3))
    graph = nearest_neighbours(cells, k=60)
    np.testing.assert_allclose(lisi(graph, ["one"] * 300, perplexity=20).per_cell, 1, rtol=1e-12)
    apart = np.repeat([0, 1000, 2000], 100)
    graph = nearest_neighbours(cells + apart[:, None], k=60)
    np.testing.assert_allclose(lisi(graph, apart, perplexity=20).per_cell, 1, rtol=1e-12)


@pytest.mark.parametrize(("n_dims", "n_batches"), [(5, 81), (32, 81), (10, 8)])
def test_labels_without_position_give_what_the_formula_says(n_dims, n_batches):
    rng = np.random.default_rng(6)
    cells, batch = rng.standard_normal((4_000, n_dims)), rng.integers(n_batches, size=4_000)
    found = lisi(nearest_neighbours(cells, k=248), batch, perplexity=83)
    expected = expected_lisi(found.concentration, batch)
    mean = found.per_cell.mean()
    # The mean of an inverse is above the inverse of the mean, by a few percent.
    assert expected < mean < 1.06 * expected
    # Far fewer neighbours count than 83, so that more batches cannot be seen.
    assert 20 < 1 / found.concentration.mean() < 45


def test_far_cells_keep_their_weights():
    rng = np.random.default_rng(7)
    cells, batch = rng.standard_normal((100, 3)), rng.integers(3, size=100)
    near = lisi(nearest_neighbours(cells, k=30), batch, perplexity=10)
    far = np.vstack([cells, np.full((1, 3), 5_000.0)])
    found = lisi(nearest_neighbours(far, k=30), np.append(batch, 0), perplexity=10)
    assert np.isfinite(found.per_cell).all()
    np.testing.assert_allclose(found.per_cell[:100], near.per_cell, rtol=1e-3)


def test_weights_are_exponentials_to_two_units_in_the_last_place():
    tail = np.random.default_rng(0).exponential(100, size=2_000)
    distances = np.concatenate([[0, 1e-300, 1e300], tail])
    found, bits = np.empty(len(distances)), np.empty(len(distances), np.int64)
    _exp(distances, -1.0, found, bits)
    normal = distances < 708
    np.testing.assert_allclose(found[normal], np.exp(-distances[normal]), rtol=5e-16)
    assert (found[~normal] < 1e-307).all()


def test_cells_that_lie_on_all_their_neighbours_are_not_scored_and_counted():
    rng = np.random.default_rng(8)
    cells = np.vstack([np.zeros((20, 2)), rng.standard_normal((50, 2)) + 100])
    found = lisi(nearest_neighbours(cells, k=15), rng.integers(2, size=70), perplexity=5)
    assert found.n_unscored == 20
    assert np.isnan(found.per_cell[:20]).all()
    assert np.isfinite(found.per_cell[20:]).all()


@pytest.mark.parametrize("perplexity", [1, 20, 30])
def test_a_perplexity_out_of_range_is_refused(perplexity):
    graph = nearest_neighbours(np.random.default_rng(9).standard_normal((50, 2)), k=20)
    with pytest.raises(ValueError, match="below the 20 neighbours"):
        lisi(graph, ["a"] * 50, perplexity=perplexity)


# --------------------------------------------------------------------------- votes


def plain_vote(distances, labels, own, classes):
    score = dict.fromkeys(classes, 0.0)
    for d, label in zip(distances, labels, strict=True):
        score[label] += 1 / (d + 1e-5)
    others = [score[c] for c in classes if c != own]
    better = sum(s > score[own] for s in others)
    tied = sum(s == score[own] for s in others)
    hits = [
        0.0 if score[own] == 0 else min(1.0, max(0.0, (n - better) / (tied + 1))) for n in (1, 5)
    ]
    return [*hits, 1 + better + tied / 2]


def test_votes_are_those_of_a_dictionary():
    rng = np.random.default_rng(10)
    classes = [f"c{i}" for i in range(12)]
    labels, own = rng.choice(classes, 150), rng.choice(classes[:10], 60)
    labels[:12] = classes
    reference = rng.standard_normal((150, 3))
    graph = nearest_neighbours(reference, rng.standard_normal((60, 3)), k=17)
    found = knn_vote(graph, labels, own)
    expected = [
        plain_vote(d, labels[i], c, classes)
        for d, i, c in zip(graph.distances, graph.indices, own, strict=True)
    ]
    np.testing.assert_allclose(found.to_numpy(), expected)


def test_ties_share_a_place_and_no_vote_is_no_answer():
    graph = Neighbours(np.array([[0, 1, 2]]), np.ones((1, 3)))
    tied = knn_vote(graph, list("abcdef"), ["b"])
    assert tied["top1"].item() == pytest.approx(1 / 3)
    assert tied["top5"].item() == 1
    assert tied["rank"].item() == 2
    absent = knn_vote(graph, list("abcdef"), ["f"])
    assert absent.to_numpy().tolist() == [[0, 0, 5]]  # d, e and f share ranks 4 to 6
    few = knn_vote(graph, list("abc"), ["b"])
    assert np.isnan(few["top5"].item())


def test_a_class_of_many_neighbours_wins_every_vote():
    """What controls do in the published task."""
    rng = np.random.default_rng(11)
    labels = np.array(["control"] * 900 + [f"p{i % 50}" for i in range(100)])
    graph = nearest_neighbours(rng.standard_normal((1000, 5)), k=251)
    found = knn_vote(graph, labels, labels)
    assert (found["top1"] == (labels == "control")).all()


@pytest.mark.parametrize(
    ("reference", "own", "message"),
    [
        (list("abc"), ["a", "b"], "query labels have shape"),
        (list("ab"), ["a"], "neighbours point at row 2, there are 2"),
        (list("abc"), ["z"], "1 labels of queries never occur in the reference, the first 'z'"),
        (["a", None, "c"], ["a"], "labels are missing for 1 rows"),
    ],
)
def test_labels_that_do_not_fit_are_refused(reference, own, message):
    graph = Neighbours(np.array([[0, 1, 2]]), np.ones((1, 3)))
    with pytest.raises(ValueError, match=message):
        knn_vote(graph, reference, own)


# --------------------------------------------------------------------------- average precision


def test_average_precision_is_that_of_scikit_learn():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(12)
    cells = rng.standard_normal((120, 4))
    labels, groups = rng.integers(6, size=120), rng.integers(3, size=120)
    cells[:, 0] += labels
    found = average_precision(cells, labels, groups, block=7)
    for i in range(120):
        others = groups != groups[i]
        d = np.linalg.norm(cells[others] - cells[i], axis=1)
        expected = average_precision_score(labels[others] == labels[i], -d)
        assert found[i] == pytest.approx(expected, rel=1e-6)


def test_average_precision_of_perfect_and_absent_labels():
    cells = np.array([[0.0], [0.1], [5], [5.1], [9]])
    found = average_precision(cells, list("aabbc"), list("12121"))
    np.testing.assert_array_equal(found, [1, 1, 1, 1, np.nan])
    some = average_precision(cells, list("aabbc"), list("12121"), queries=[4, 0])
    np.testing.assert_array_equal(some, [np.nan, 1])
    with pytest.raises(ValueError, match="of one group"):
        average_precision(cells, list("aabbc"), list("11111"))
