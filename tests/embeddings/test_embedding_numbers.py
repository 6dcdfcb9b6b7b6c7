"""Digits are kept: embeddings far from zero, with outliers, constant, on any scale, of any type."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from helpers.metrics.edistance import edistance, edistance_test
from helpers.metrics.embeddings.knn_vote import average_precision
from helpers.metrics.embeddings.neighbours import nearest_neighbours
from helpers.metrics.embeddings.reconstruction import gene_correlations
from helpers.metrics.embeddings.similarities import Similarities, tail_thresholds, unit_rows
from helpers.models.embeddings.decoders import NegativeBinomialDecoder, RidgeDecoder
from helpers.models.embeddings.probes import LinearProbe, RidgeProbe

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
    embedding, labels, groups = cells()
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
