"""Digits are kept: embeddings far from zero, with outliers, constant, on any scale, of any type."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist

from helpers.metrics.edistance import edistance, edistance_test
from helpers.metrics.embeddings.centred_cells import centred_cells
from helpers.metrics.embeddings.consistency import perturbation_consistency
from helpers.metrics.embeddings.knn_vote import average_precision, knn_vote
from helpers.metrics.embeddings.lisi import lisi
from helpers.metrics.embeddings.neighbours import nearest_neighbours, neighbours_of_other_groups
from helpers.metrics.embeddings.permutation import permutation_consistency
from helpers.metrics.embeddings.postprocess import postprocess
from helpers.metrics.embeddings.reconstruction import (
    gene_correlations,
    profile_integrity,
    structural_integrity,
)
from helpers.metrics.embeddings.similarities import (
    Similarities,
    aggregate,
    tail_thresholds,
    unit_rows,
)
from helpers.models.embeddings.decoders import NegativeBinomialDecoder, RidgeDecoder
from helpers.models.embeddings.probes import LinearProbe, RidgeProbe, Standardiser

# --------------------------------------------------------------------------- far from zero


def cells(seed=0, n=60, n_dims=5):
    """Cells of three labels in two groups."""
    rng = np.random.default_rng(seed)
    labels, groups = np.arange(n) % 3, np.repeat([0, 1], n // 2)
    embedding = rng.normal(size=(n, n_dims))
    embedding[:, 0] += 2.0 * labels
    return embedding, labels, groups


def slow_precision(embedding, labels, groups):
    distances, found = cdist(embedding, embedding), []
    for i in range(len(embedding)):
        others = groups != groups[i]
        relevant = np.sort(distances[i][others & (labels == labels[i])])
        found.append(
            np.mean([(relevant <= r).sum() / (distances[i][others] <= r).sum() for r in relevant])
        )
    return np.array(found)


def slow_edistance(x, c):
    n, m = len(x), len(c)
    within = cdist(x, x).sum() / (n * (n - 1)) + cdist(c, c).sum() / (m * (m - 1))
    return 2 * cdist(x, c).mean() - within


@pytest.mark.parametrize("apart", [0.0, 1e4, 1e6])
def test_neighbours_within_clouds_that_lie_far_apart(apart):
    embedding, labels, groups = cells()
    embedding[:, 1] += apart * (np.arange(60) % 2)
    np.testing.assert_allclose(
        average_precision(embedding, labels, groups),
        slow_precision(embedding, labels, groups),
        rtol=1e-12,
    )
    found = nearest_neighbours(embedding, k=5)
    expected = np.sort(cdist(embedding, embedding), axis=1)[:, 1:6]
    np.testing.assert_allclose(found.distances, expected, rtol=0, atol=1e-3 * (apart > 1e5) + 1e-6)


@pytest.mark.parametrize("outlier", [1.0, 1e5, 1e7])
def test_energy_distances_with_one_cell_far_away(outlier):
    rng = np.random.default_rng(0)
    x, c = rng.normal(0.1, 1, size=(200, 10)), rng.normal(size=(300, 10))
    x[0] *= outlier
    expected = slow_edistance(x, c)
    np.testing.assert_allclose(edistance(x, c), expected, rtol=0, atol=1e-9 * outlier + 1e-12)
    tested, _ = edistance_test(x, c, n_permutations=1, rng=rng)
    np.testing.assert_allclose(tested, expected, rtol=0, atol=1e-9 * outlier + 1e-12)


OFFSETS = pytest.mark.parametrize("offset", [1e3, 1e6, -1e8])


@OFFSETS
def test_what_reads_an_embedding_does_not_see_where_it_lies(offset):
    embedding, labels, _ = cells()
    rng = np.random.default_rng(1)
    expression = embedding @ rng.normal(size=(5, 4)) + rng.normal(0, 0.1, size=(60, 4))
    counts = rng.poisson(3, size=(60, 4))
    library = counts.sum(axis=1) + 1.0
    atol = 1e-14 * abs(offset) * 100

    def read(x):
        return {
            "ridge decoder": RidgeDecoder().fit(x, expression, labels).predict(x),
            "NB decoder": NegativeBinomialDecoder().fit(x, counts, library).predict(x),
            "ridge probe": RidgeProbe().fit(x, labels).decision_function(x),
            "correlations": gene_correlations(x, expression[:, [0, 1, 2, 3, 0]], method="pearson"),
        }

    here, there = read(embedding), read(embedding + offset)
    for name, values in here.items():
        tolerance = 1e-3 if name == "NB decoder" else 1e-5 if "probe" in name else atol
        np.testing.assert_allclose(there[name], values, rtol=0, atol=tolerance, err_msg=name)
    probe = [
        LinearProbe().fit(x, labels).decision_function(x) for x in (embedding, embedding + offset)
    ]
    np.testing.assert_allclose(probe[1], probe[0], atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6), offset=st.sampled_from([0.0, 10.0, 1e3, 1e4]), single=st.booleans()
)
def test_tails_of_rows_with_a_common_offset(seed, offset, single):
    """Cosines that all lie close to 1 have tails as well; float32 rows are taken as they are."""
    rows = np.random.default_rng(seed).normal(size=(50, 6)) + offset
    rows = rows.astype(np.float32) if single else rows
    names = np.array([f"G{i:02d}" for i in range(50)])
    exact = rows.astype(np.longdouble)
    exact /= np.sqrt((exact**2).sum(axis=1))[:, None]
    i, j = np.triu_indices(50, 1)
    cosines = (exact[i] * exact[j]).sum(axis=1)
    ordered = np.sort(cosines)
    low, high = ordered[int(np.floor(0.05 * len(i)))], ordered[int(np.ceil(0.95 * len(i))) - 1]
    found = Similarities(names, embedding=rows).tail(i, j)
    clear = (np.abs(cosines - low) > 2e-12) & (np.abs(cosines - high) > 2e-12)
    expected = np.where(cosines > high, 1, np.where(cosines < low, -1, 0))
    assert (found[clear] == expected[clear]).all()
    assert clear.mean() > 0.9


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_thresholds_of_many_pairs_are_those_of_few(offset, monkeypatch):
    from helpers.metrics.embeddings import similarities

    vectors = unit_rows(np.random.default_rng(0).normal(size=(700, 8)) + offset)
    expected = tail_thresholds(vectors)
    monkeypatch.setattr(similarities, "_MOST_SORTED", 1_000)
    monkeypatch.setattr(similarities, "_BLOCK", 97)
    np.testing.assert_allclose(tail_thresholds(vectors), expected, rtol=0, atol=1e-15)


# --------------------------------------------------------------------------- what is constant


def test_a_dimension_that_is_constant_up_to_rounding_is_centred_and_not_scaled():
    """.1 + .2 and .3 differ by 5.6e-17: over that, 1 is 1e16, and decides every cosine."""
    rng = np.random.default_rng(0)
    batch, is_control = np.repeat([0, 1], 40), np.tile(np.arange(40) < 20, 2)
    embedding = rng.normal(size=(80, 3))
    embedding[:, 1] = np.where(np.arange(80) % 3, 0.1 + 0.2, 0.3)
    exact = embedding.copy()
    exact[:, 1] = 0.3
    for method in ("centered", "center_scaled", "tvn"):
        found = postprocess(embedding, batch, is_control, method)
        assert np.abs(found).max() < 10
        np.testing.assert_allclose(found, postprocess(exact, batch, is_control, method), atol=1e-9)
    embedding[~is_control, 1] = 0.8  # constant in controls, not in the others
    scaled = postprocess(embedding, batch, is_control, "center_scaled")
    np.testing.assert_allclose(scaled[~is_control, 1], 0.5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), exponent=st.integers(-13, 13))
def test_standardised_dimensions_do_not_depend_on_their_unit(seed, exponent):
    x = np.random.default_rng(seed).normal(size=(30, 3))
    x[:, 2] = np.where(np.arange(30) % 2, 0.1 + 0.2, 0.3)
    here = Standardiser().fit(x).transform(x)
    there = Standardiser().fit(x * 10.0**exponent).transform(x * 10.0**exponent)
    np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-4)
    assert np.abs(here[:, 2]).max() < 1e-6  # the constant one


def test_reconstruction_of_what_does_not_change_has_no_score():
    mixed = np.where(np.arange(40)[:, None] % 3, 0.1 + 0.2, np.full((40, 2), 0.3))
    is_control, batch = np.arange(40) < 20, np.zeros(40)
    guess = np.random.default_rng(0).normal(size=(40, 2))
    assert np.isnan(gene_correlations(guess, mixed, method="pearson")).all()
    assert np.isnan(gene_correlations(guess, mixed)).all()
    table = structural_integrity(guess, mixed, batch, is_control)
    assert table["structural_integrity"].isna().all()
    profiles = profile_integrity(guess, mixed, batch, is_control, np.full(40, "A"))
    assert profiles["profile_integrity"].isna().all()


# --------------------------------------------------------------------------- what is no label


MISSING = np.array(["a", None] + ["b"] * 58, dtype=object)
LABELLED = {
    "perturbation_consistency": lambda x, bad, good: perturbation_consistency(x, bad),
    "replicates": lambda x, bad, good: perturbation_consistency(x, good, replicates=bad),
    "centred_cells": lambda x, bad, good: centred_cells(x, good, bad, control="a"),
    "permutation_consistency": lambda x, bad, good: permutation_consistency(
        x, bad, good, rng=np.random.default_rng(0)
    ),
    "average_precision": lambda x, bad, good: average_precision(x, good, bad),
    "neighbours_of_other_groups": lambda x, bad, good: neighbours_of_other_groups(x, bad, k=1),
    "lisi": lambda x, bad, good: lisi(nearest_neighbours(x, k=9), bad, perplexity=3),
    "knn_vote": lambda x, bad, good: knn_vote(nearest_neighbours(x, k=9), bad, good),
    "aggregate": lambda x, bad, good: aggregate(x, bad),
    "postprocess": lambda x, bad, good: postprocess(x, bad, np.full(60, True), "centered"),
    "structural_integrity": lambda x, bad, good: structural_integrity(x, x, bad, np.full(60, True)),
    "profile_integrity": lambda x, bad, good: profile_integrity(
        x, x, np.zeros(60), np.full(60, False), bad
    ),
}


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_label_is_refused_and_becomes_no_group(name, missing):
    bad, good = MISSING.copy(), np.where(np.arange(60) % 2, "a", "b")
    bad[1] = missing
    with pytest.raises(ValueError, match=r"missing|needs a batch"):
        LABELLED[name](cells()[0], bad, good)


FORMS = [np.float16, ">f8", object, sparse.csr_matrix]
READERS = {
    "perturbation_consistency": lambda x, labels, groups: perturbation_consistency(x, labels),
    "permutation_consistency": lambda x, labels, groups: permutation_consistency(
        x, labels, groups, n_permutations=9, rng=np.random.default_rng(0)
    ),
    "average_precision": average_precision,
    "nearest_neighbours": lambda x, labels, groups: nearest_neighbours(x, k=3).distances,
    "aggregate": lambda x, labels, groups: aggregate(x, labels)[0],
    "gene_correlations": lambda x, labels, groups: gene_correlations(x, x),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_any_form_of_an_embedding_is_read(name, form):
    embedding, labels, groups = cells()
    embedding = embedding.astype(np.float16).astype(float)
    given_ = form(embedding) if form is sparse.csr_matrix else embedding.astype(form)
    found = np.asarray(READERS[name](given_, labels, groups), dtype=float)
    expected = np.asarray(READERS[name](embedding, labels, groups), dtype=float)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_cells_that_take_part_are_named_by_true_and_false():
    embedding, labels, groups = cells()
    rng = np.random.default_rng(0)
    for where in ([0, 1], np.arange(60) % 2, np.array([True, False])):
        with pytest.raises(ValueError, match="one True or False for each of 60 cells"):
            permutation_consistency(embedding, labels, groups, where=where, rng=rng)


def test_votes_of_labels_that_are_numbers_of_two_types():
    embedding, labels, _ = cells()
    found = nearest_neighbours(embedding, k=5)
    pd.testing.assert_frame_equal(
        knn_vote(found, labels, labels.astype(float)), knn_vote(found, labels, labels)
    )
