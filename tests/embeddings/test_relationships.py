"""Recall of known relationships against its definition, and against what knows nothing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from helpers.metrics.embeddings import similarities
from helpers.metrics.embeddings.gene_pairs import partners, unordered_pairs, usable_pairs
from helpers.metrics.embeddings.relationships import (
    bootstrap_recall,
    gene_recall,
    matched_permutations,
    relationship_recall,
)
from helpers.metrics.embeddings.similarities import (
    Similarities,
    aggregate,
    gram_from_distances,
    tail_thresholds,
    unit_rows,
)


def names_of(n):
    return np.array([f"G{i:04d}" for i in range(n)], dtype=object)


def random_pairs(rng, names, n):
    i, j = rng.integers(len(names), size=(2, n))
    return unordered_pairs(names[i], names[j])


# --------------------------------------------------------------------------- pairs


def test_pairs_of_the_released_test():
    # EFAAR_benchmarking, tests/test_benchmarking.py: filter_relationships
    first, second = unordered_pairs(list("ABACD"), list("BAADC"))
    assert list(zip(first, second, strict=True)) == [("A", "B"), ("C", "D")]


@given(st.lists(st.tuples(st.sampled_from("ZaBc1"), st.sampled_from("ZaBc1")), max_size=30))
def test_pairs_are_the_set_of_sets(rows):
    first, second = unordered_pairs([a for a, _ in rows], [b for _, b in rows])
    assert all(a < b for a, b in zip(first, second, strict=True))
    found = list(zip(first, second, strict=True))
    assert len(set(found)) == len(found)
    assert {frozenset(p) for p in found} == {frozenset(p) for p in rows if p[0] != p[1]}


def test_pairs_of_other_genes_are_left_out():
    i, j = usable_pairs(np.array(["A", "A", "X"]), np.array(["C", "X", "Y"]), ["C", "B", "A"])
    assert (list(i), list(j)) == ([2], [0])
    assert list(partners(np.array(["A", "A"]), np.array(["B", "C"]), ["C", "B", "A", "D"])) == [
        *(1, 1, 2, 0)
    ]


def test_bad_pairs_are_refused():
    with pytest.raises(ValueError, match="1 names are missing"):
        unordered_pairs(["A", None], ["B", "C"])
    with pytest.raises(ValueError, match="pass two vectors"):
        unordered_pairs(["A"], ["B", "C"])
    with pytest.raises(ValueError, match=r"1 perturbations occur twice, the first is 'A'"):
        usable_pairs(np.array(["A"]), np.array(["B"]), ["A", "B", "A"])
    for pairs in ((["A"], ["A"]), (["A", "B"], ["B", "A"])):
        with pytest.raises(ValueError, match="pass them through unordered_pairs"):
            usable_pairs(*map(np.array, pairs), ["A", "B"])


# --------------------------------------------------------------------------- thresholds


@pytest.mark.parametrize(("tails", "recall"), [((0.1, 0.9), 0.0), ((0.2, 0.8), 1.0)])
def test_recall_of_the_released_test(tails, recall):
    # compute_recall with the null 1..5 and the queries 1 and 5: a matrix of 3 x 3 holds a null of 3
    # values, so the null stands in one of 4 x 4 with one pair undefined.
    matrix = np.full((4, 4), np.nan)
    values = iter([1.0, 2.0, 3.0, 4.0, 5.0])
    for i, j in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3)):
        matrix[i, j] = matrix[j, i] = next(values)
    similarities = Similarities(list("ABCD"), similarity=matrix, tails=tails)
    assert similarities.n_null == 5
    found = relationship_recall(similarities, np.array(["A", "B"]), np.array(["B", "D"]))
    assert found["recall"] == recall


def by_ranks(null, queries, low=0.05, high=0.95):
    right = np.array([(null <= q).mean() for q in queries])
    left = np.array([(null < q).mean() for q in queries])
    return right <= low, left >= high


@given(st.integers(0, 2**32 - 1), st.integers(3, 40), st.booleans())
def test_recall_is_that_of_the_ranks(seed, n, with_ties):
    rng = np.random.default_rng(seed)
    embedding = rng.standard_normal((n, 3))
    if with_ties:
        embedding = np.round(embedding)
        embedding[~embedding.any(axis=1)] = 1
    names = names_of(n)
    first, second = random_pairs(rng, names, 60)
    similarities = Similarities(names, embedding=embedding)
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    # Rounded, for cosines that are equal differ in their last digit.
    null = np.round(unit @ unit.T, 9)[np.triu_indices(n, 1)]
    index = pd.Index(names)
    i, j = index.get_indexer(first), index.get_indexer(second)
    below, above = by_ranks(null, np.round((unit[i] * unit[j]).sum(axis=1), 9))
    found = relationship_recall(similarities, first, second)
    assert found["lower"] == pytest.approx(below.mean())
    assert found["upper"] == pytest.approx(above.mean())
    assert found["recall"] == pytest.approx(below.mean() + above.mean())
    assert found["n_pairs"] == len(first)


@pytest.mark.parametrize("shift", [0.0, 30.0])  # cosines all over the place, and all near 1
def test_thresholds_found_in_a_pass_are_those_of_the_sorted_null(monkeypatch, shift):
    vectors = unit_rows(np.random.default_rng(0).standard_normal((700, 8)) + shift)
    expected = tail_thresholds(vectors)
    monkeypatch.setattr(similarities, "_MOST_SORTED", 1_000)
    monkeypatch.setattr(similarities, "_BLOCK", 97)
    low, high, n = tail_thresholds(vectors)
    assert n == 700 * 699 // 2
    np.testing.assert_allclose([low, high], expected[:2], rtol=1e-13)


def test_a_bracket_that_misses_is_made_wider(monkeypatch):
    vectors = unit_rows(np.random.default_rng(1).standard_normal((300, 4)))
    expected = tail_thresholds(vectors)
    monkeypatch.setattr(similarities, "_MOST_SORTED", 0)
    monkeypatch.setattr(similarities, "_SAMPLE", 40)
    np.testing.assert_allclose(tail_thresholds(vectors)[:2], expected[:2], rtol=1e-13)


# --------------------------------------------------------------------------- reference values


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_embedding_recalls_nothing(dtype, monkeypatch):
    monkeypatch.setattr(similarities, "_MOST_SORTED", 1_000)
    names = names_of(150)
    first, second = random_pairs(np.random.default_rng(0), names, 500)
    constant = np.tile(np.random.default_rng(1).standard_normal(20), (150, 1)).astype(dtype)
    found = relationship_recall(Similarities(names, embedding=constant), first, second)
    assert found["recall"] == 0
    one_dimension = np.random.default_rng(2).standard_normal((150, 1)).astype(dtype)
    # Cosines of one dimension are 1 or -1: all ties.
    found = relationship_recall(Similarities(names, embedding=one_dimension), first, second)
    assert found["recall"] == 0


def noisy_means(rng, n_cells, kind, n_dims=512):
    draw = {"gaussian": rng.standard_normal, "uniform": rng.random}[kind]
    return np.vstack([draw((n, n_dims)).mean(axis=0) for n in n_cells])


def test_gaussian_noise_recalls_a_tenth_and_uniform_noise_counts_cells():
    rng = np.random.default_rng(3)
    n_cells = rng.integers(5, 400, size=300)
    names = names_of(300)
    few = np.flatnonzero(n_cells < np.quantile(n_cells, 0.15))
    i, j = rng.choice(few, (2, 900))
    first, second = unordered_pairs(names[i], names[j])
    recall, rank = {}, {}
    for kind in ("gaussian", "uniform"):
        means = noisy_means(rng, n_cells, kind)
        similarities = Similarities(names, embedding=means)
        recall[kind] = relationship_recall(similarities, first, second)["recall"]
        a, b = np.triu_indices(300, 1)
        by_count = 1 / n_cells[a] + 1 / n_cells[b]
        rank[kind] = spearmanr(similarities.of(a, b), by_count).statistic
        # Among pairs that match in cells, neither kind of noise finds more than they do.
        null = matched_permutations(
            similarities, first, second, n_cells, n_permutations=50, n_strata=20, rng=rng
        )
        assert abs(recall[kind] - null["recall"].mean()) < 0.06
    assert recall["gaussian"] == pytest.approx(0.10, abs=0.03)
    assert recall["uniform"] > 0.25
    assert abs(rank["gaussian"]) < 0.05
    assert rank["uniform"] < -0.95


def test_planted_complexes_are_recalled_in_the_upper_tail_and_opposite_ones_in_the_lower():
    rng = np.random.default_rng(4)
    names = names_of(200)
    embedding = rng.standard_normal((200, 30))
    embedding[1:40:2] = embedding[0:40:2] + 0.1 * rng.standard_normal((20, 30))
    embedding[41:60:2] = -embedding[40:60:2]
    similarities = Similarities(names, embedding=embedding)
    alike = relationship_recall(similarities, names[0:40:2], names[1:40:2])
    opposite = relationship_recall(similarities, names[40:60:2], names[41:60:2])
    assert (alike["upper"], alike["lower"], alike["n_genes"]) == (1, 0, 40)
    assert (opposite["upper"], opposite["lower"]) == (0, 1)
    by_gene = gene_recall(similarities, names[0:60:2], names[1:60:2])
    assert (by_gene["recall"] == 1).all()
    assert by_gene["upper"].sum() == 40
    assert (by_gene["n_pairs"] == 1).all()


# --------------------------------------------------------------------------- nulls, intervals


def test_permutations_trade_genes_within_strata_only():
    rng = np.random.default_rng(5)
    names = names_of(60)
    blocks = np.repeat(np.arange(3), 20)
    matrix = -np.abs(np.subtract.outer(blocks, blocks)).astype(float)
    matrix += 1e-3 * np.add.outer(np.arange(60), np.arange(60))
    similarities = Similarities(names, similarity=matrix, tails=(0.2, 0.8))
    first, second = unordered_pairs(names[:19], names[1:20])
    inside = matched_permutations(
        similarities, first, second, blocks, n_permutations=200, n_strata=3, rng=rng
    )
    assert inside["lower"].eq(0).all()  # never a pair across blocks
    anywhere = matched_permutations(
        similarities, first, second, blocks, n_permutations=200, n_strata=1, rng=rng
    )
    upper = np.triu_indices(60, 1)
    expected = np.mean(similarities.tail(*upper) != 0)
    assert anywhere["recall"].mean() == pytest.approx(expected, abs=0.03)
    assert anywhere["lower"].max() > 0


def test_bootstrap_over_genes_is_that_of_products_of_draws():
    rng = np.random.default_rng(6)
    names = names_of(40)
    similarities = Similarities(names, embedding=rng.standard_normal((40, 5)), tails=(0.3, 0.7))
    first, second = random_pairs(rng, names, 80)
    found = bootstrap_recall(
        similarities, first, second, n_resamples=300, rng=np.random.default_rng(0)
    )
    again = np.random.default_rng(0)
    genes = sorted({*first, *second})
    hit = {
        pair: similarities.tail(*usable_pairs([pair[0]], [pair[1]], names))[0] != 0
        for pair in zip(first, second, strict=True)
    }
    plain = []
    for _ in range(300):
        drawn = [genes[k] for k in again.integers(len(genes), size=len(genes))]
        weights = {pair: drawn.count(pair[0]) * drawn.count(pair[1]) for pair in hit}
        plain.append(sum(w * hit[p] for p, w in weights.items()) / sum(weights.values()))
    np.testing.assert_allclose(
        found.loc["recall", ["low", "high"]].astype(float), np.quantile(plain, [0.025, 0.975])
    )
    assert found.loc["recall", "value"] == np.mean(list(hit.values()))


def test_intervals_over_genes_hold_chance_about_as_often_as_they_say():
    rng = np.random.default_rng(7)
    names, held = names_of(80), 0
    for _ in range(60):
        similarities = Similarities(names, embedding=rng.standard_normal((80, 20)))
        first, second = random_pairs(rng, names, 150)
        found = bootstrap_recall(similarities, first, second, n_resamples=200, rng=rng)
        held += found.loc["recall", "low"] <= 0.1 <= found.loc["recall", "high"]
    assert held >= 52  # pairs that share genes: the vertex bootstrap errs on the wide side


# --------------------------------------------------------------------------- input


def test_means_are_those_of_groups():
    rng = np.random.default_rng(8)
    embedding, labels = rng.standard_normal((50, 3)).astype(np.float32), rng.choice(list("cab"), 50)
    means, names, n_cells = aggregate(embedding, labels)
    assert list(names) == ["a", "b", "c"]
    for name, mean, n in zip(names, means, n_cells, strict=True):
        np.testing.assert_allclose(mean, embedding[labels == name].mean(axis=0), rtol=1e-5)
        assert n == (labels == name).sum()
    with pytest.raises(ValueError, match="4 labels, 0 of them missing, for 50 rows"):
        aggregate(embedding, labels[:4])


def test_inner_products_come_back_from_squared_distances():
    rng = np.random.default_rng(9)
    points = rng.standard_normal((6, 3))
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    effects = np.delete(points, 2, axis=0) - points[2]
    np.testing.assert_allclose(gram_from_distances(squared, 2), effects @ effects.T, atol=1e-12)
    with pytest.raises(ValueError, match="not symmetric"):
        gram_from_distances(squared + np.arange(6), 2)


def test_pairs_without_a_similarity_are_counted():
    names = names_of(30)
    embedding = np.random.default_rng(10).standard_normal((30, 4))
    embedding[5] = 0  # points nowhere
    similarities = Similarities(names, embedding=embedding)
    assert similarities.n_null == 29 * 28 / 2
    found = relationship_recall(similarities, names[[4, 5, 6]], names[[5, 6, 7]])
    assert (found["n_pairs"], found["n_unscored"]) == (1, 2)
    none = relationship_recall(similarities, names[[5]], names[[6]])
    assert np.isnan(none["recall"]) and none["n_unscored"] == 1
    assert bootstrap_recall(
        similarities, names[[5]], names[[6]], n_resamples=5, rng=np.random.default_rng(0)
    ).isna().all(axis=None)  # fmt: skip
    by_gene = gene_recall(similarities, names[[4, 6]], names[[5, 7]])
    assert np.isnan(by_gene.loc["G0005", "recall"]) and by_gene.loc["G0005", "n_pairs"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "an embedding or a similarity, and not both"),
        ({"embedding": np.ones((3, 2))}, "3 rows for 4 perturbations"),
        ({"embedding": np.full((4, 2), np.nan)}, "8 NaN or infinite values, the first in row 0"),
        ({"embedding": np.ones(4)}, r"has shape \(4,\); pass a matrix"),
        ({"embedding": np.zeros((4, 2))}, "fewer than two perturbations have a similarity"),
        ({"similarity": np.ones((4, 3))}, "pass a square one"),
        ({"similarity": np.triu(np.ones((4, 4)))}, "not symmetric"),
        ({"similarity": np.full((4, 4), np.inf)}, "infinite values"),
        ({"embedding": np.ones((4, 2)), "tails": (0.95, 0.05)}, "0 < low < high < 1"),
    ],
)
def test_bad_similarities_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Similarities(list("ABCD"), **arguments)


def test_bad_permutations_are_refused():
    similarities = Similarities(names_of(20), embedding=np.random.default_rng(0).random((20, 3)))
    pair = (np.array(["G0001"]), np.array(["G0002"]))
    ask = {"n_permutations": 5, "rng": np.random.default_rng(0)}
    with pytest.raises(ValueError, match="pass one number for each of the 20 perturbations"):
        matched_permutations(similarities, *pair, np.ones(3), **ask)
    with pytest.raises(ValueError, match="nothing to permute"):
        matched_permutations(similarities, np.array(["X"]), np.array(["Y"]), np.ones(20), **ask)
    with pytest.raises(ValueError, match="0 permutations"):
        matched_permutations(similarities, *pair, np.ones(20), **(ask | {"n_permutations": 0}))
