"""Statistics against published examples and naive implementations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from helpers.stats import benjamini_hochberg, cluster_bootstrap, wilson_interval

# Benjamini & Hochberg 1995, section 3.2: of 15 ordered p-values the first four are rejected at
# a false discovery rate of 0.05.
PUBLISHED = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
    0.5719, 0.6528, 0.7590, 1.0,
]  # fmt: skip


def test_the_published_example_rejects_four():
    assert (benjamini_hochberg(PUBLISHED) <= 0.05).sum() == 4


@given(npst.arrays(float, st.integers(1, 20), elements=st.floats(0, 1)))
def test_adjusted_p_values_are_the_step_up_procedure(p):
    n = len(p)
    ranks = [sum(q <= value for q in p) for value in p]  # largest rank of ties
    naive = [min(min(p[j] * n / ranks[j] for j in range(n) if p[j] >= p[i]), 1.0) for i in range(n)]
    np.testing.assert_allclose(benjamini_hochberg(p), naive, rtol=1e-12)


@given(st.integers(1, 200), st.data())
def test_wilson_interval_solves_its_equation(n, data):
    k = data.draw(st.integers(0, n))
    low, high = wilson_interval(k, n)
    assert 0 <= low <= k / n <= high <= 1
    # Each end that is not a bound is a share whose distance to k / n is 1.96 of its own errors.
    for end in (low, high):
        if 0 < end < 1:
            error = abs(k / n - end) / np.sqrt(end * (1 - end) / n)
            assert error == pytest.approx(1.959964, abs=1e-4) or (end in (0, 1))


def test_bootstrap_of_clusters_is_wider_than_of_values_that_repeat():
    rng = np.random.default_rng(0)
    means = rng.standard_normal(40)
    values, clusters = np.repeat(means, 10), np.repeat(np.arange(40), 10)
    estimate, low, high = cluster_bootstrap(values, clusters, rng=np.random.default_rng(1))
    assert estimate == pytest.approx(means.mean())
    # Ten copies tell nothing new: the interval is that of 40 values.
    expected = 2 * 1.96 * means.std() / np.sqrt(40)
    assert high - low == pytest.approx(expected, rel=0.1)
    _, naive_low, naive_high = cluster_bootstrap(
        values, np.arange(400), rng=np.random.default_rng(1)
    )
    assert high - low > 2.5 * (naive_high - naive_low)


def test_bootstrap_repeats_under_a_seed_and_says_what_one_cluster_cannot_tell():
    arguments = ([1.0, 2.0, 4.0], ["a", "b", "c"])
    first = cluster_bootstrap(*arguments, statistic=np.median, rng=np.random.default_rng(0))
    assert first == cluster_bootstrap(*arguments, statistic=np.median, rng=np.random.default_rng(0))
    assert first[0] == 2
    estimate, low, high = cluster_bootstrap([1.0, 2.0], ["a", "a"], rng=np.random.default_rng(0))
    assert (estimate, np.isnan(low), np.isnan(high)) == (1.5, True, True)


@pytest.mark.parametrize("function", [benjamini_hochberg, lambda v: cluster_bootstrap(v, v, rng=0)])
@pytest.mark.parametrize("values", [[], [0.5, np.nan], [[0.5]]])
def test_empty_and_missing_values_are_refused(function, values):
    with pytest.raises(ValueError, match=r"NaN|shape"):
        function(values)


def test_counts_and_ranges_are_checked():
    for k, n in ((1, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="a share needs"):
            wilson_interval(k, n)
    with pytest.raises(ValueError, match=r"not in \[0, 1\]"):
        benjamini_hochberg([0.1, 1.5])
    with pytest.raises(ValueError, match="clusters for"):
        cluster_bootstrap([1.0, 2.0], ["a"], rng=np.random.default_rng(0))
