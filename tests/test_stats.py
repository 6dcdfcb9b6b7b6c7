"""Statistics against published examples and naive implementations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from helpers.stats import (
    benjamini_hochberg,
    cluster_bootstrap,
    cluster_means,
    holm,
    mid_ranks,
    resample_means,
    variance_components,
    wilson_interval,
)

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
    arguments = ([1.0, 2.0, 4.0, 0.0, 9.0, 2.0], list("abcdef"))
    first = cluster_bootstrap(*arguments, statistic=np.median, rng=np.random.default_rng(0))
    assert first == cluster_bootstrap(*arguments, statistic=np.median, rng=np.random.default_rng(0))
    assert first[0] == 2
    for clusters in (["a", "a"], ["a", "b"]):
        estimate, low, high = cluster_bootstrap([1.0, 2.0], clusters, rng=np.random.default_rng(0))
        assert (estimate, np.isnan(low), np.isnan(high)) == (1.5, True, True)
    means = cluster_means([1.0, 2.0], ["a", "b"], rng=np.random.default_rng(0))
    assert means["mean"].item() == 1.5
    assert means[["se", "low", "high"]].isna().all(axis=None)


def test_holm_is_his_formula():
    p = np.random.default_rng(0).uniform(0, 0.2, 30).round(2)
    steps = [min(1, (30 - i) * value) for i, value in enumerate(np.sort(p))]
    naive = [max(steps[: (p < value).sum() + 1]) for value in p]  # equal ones: the first's
    np.testing.assert_allclose(holm(p), naive, rtol=1e-12)
    # Holm 1979, by hand: 3 * 0.01, 2 * 0.02, 1 * 0.03 made monotone
    np.testing.assert_allclose(holm([0.03, 0.01, 0.02]), [0.04, 0.03, 0.04])


@given(npst.arrays(float, st.integers(1, 12), elements=st.sampled_from([0.0, 1.0, 2.5])))
def test_mid_ranks_are_means_over_all_ways_to_break_ties(values):
    better = (values[None] > values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)
    np.testing.assert_array_equal(mid_ranks(values, better="higher"), better + (equal + 1) / 2)
    np.testing.assert_array_equal(
        mid_ranks(-values, better="lower"), mid_ranks(values, better="higher")
    )


def test_resampled_means_are_those_of_resampled_rows():
    """The products of matrices against rows that are put together draw by draw."""
    r = np.random.default_rng(4)
    code = np.repeat(np.arange(8), [1, 2, 3, 1, 4, 2, 2, 1])
    values = r.standard_normal((len(code), 3)) + 5
    found = resample_means(values, code, n_resamples=50, rng=np.random.default_rng(7))
    draws = np.random.default_rng(7).integers(8, size=(50, 8))
    for i, draw in enumerate(draws):
        rows = np.concatenate([np.flatnonzero(code == c) for c in draw])
        mean = values[rows].mean(axis=0)
        np.testing.assert_allclose(found.means[i], mean)
        residual = np.array([(values[code == c] - mean).sum(axis=0) for c in draw])
        se = np.sqrt(8 / 7 * (residual**2).sum(axis=0)) / len(rows)
        np.testing.assert_allclose(found.ses[i], se, rtol=1e-6, atol=1e-9)


def test_standard_errors_between_clusters_are_those_of_statsmodels():
    import statsmodels.api as sm

    r = np.random.default_rng(0)
    code = np.repeat(np.arange(12), 3)
    values = r.standard_normal(12)[code] + r.standard_normal(36)
    fit = sm.OLS(values, np.ones(36)).fit(
        cov_type="cluster", cov_kwds={"groups": code, "df_correction": True}
    )
    # statsmodels multiplies by C / (C - 1) * (n - 1) / (n - k), and k = 1 here
    found = cluster_means(values, code, rng=np.random.default_rng(0))
    assert found["se"].item() == pytest.approx(fit.bse[0])


@pytest.mark.parametrize("n_clusters", [10, 100])
@pytest.mark.parametrize("skewed", [False, True])
def test_nominal_intervals_cover(n_clusters, skewed):
    """4,000 tables at once, as columns; clusters of one to three rows."""
    r = np.random.default_rng(n_clusters)
    code = np.repeat(np.arange(n_clusters), 1 + np.arange(n_clusters) % 3)
    draw = r.standard_exponential if skewed else r.standard_normal
    values = draw((n_clusters, 4000))[code] - skewed + 0.5 * r.standard_normal((len(code), 4000))
    covers = {}
    for interval in ("percentile", "expanded", "studentised"):
        found = cluster_means(
            values, code, interval=interval, n_resamples=1000, rng=np.random.default_rng(1)
        )
        covers[interval] = ((found["low"] <= 0) & (found["high"] >= 0)).mean()
    # With ten skewed clusters nothing holds its level; bootstrap-t falls short by the least.
    assert covers["studentised"] >= (0.90 if skewed and n_clusters == 10 else 0.93)
    assert covers["studentised"] <= 0.97
    if n_clusters == 10:
        assert covers["percentile"] < 0.92
        assert covers["percentile"] < covers["expanded"] <= covers["studentised"] + 0.01


def test_constant_scores_have_an_interval_without_width():
    values = np.column_stack([np.full(8, 0.1), np.arange(8.0)])
    found = cluster_means(values, np.arange(8), rng=np.random.default_rng(0))
    assert found.loc[0, "low"] == found.loc[0, "mean"] == found.loc[0, "high"]
    assert found.loc[0, "se"] == 0
    assert found.loc[1, "low"] < 3.5 < found.loc[1, "high"]


def test_variance_components_find_what_was_planted():
    r = np.random.default_rng(0)
    values = 2 * r.standard_normal((400, 1)) + 0.5 * r.standard_normal((1, 300))
    found = variance_components(values + r.standard_normal((400, 300)))
    assert found["unit"] == pytest.approx(4, rel=0.2)
    assert found["seed"] == pytest.approx(0.25, rel=0.2)
    assert found["rest"] == pytest.approx(1, rel=0.02)
    assert found["se_units"] == pytest.approx(np.sqrt(5 / 400), rel=0.1)
    assert found["se_seeds"] == pytest.approx(0.5, rel=0.1)


def test_variance_components_are_those_of_the_analysis_of_variance():
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    table = np.random.default_rng(1).standard_normal((5, 4)) + np.arange(5)[:, None]
    long = [{"u": i, "s": j, "y": table[i, j]} for i in range(5) for j in range(4)]
    anova = anova_lm(ols("y ~ C(u) + C(s)", pd.DataFrame(long)).fit())
    ms = anova["sum_sq"] / anova["df"]
    found = variance_components(pd.DataFrame(table))
    assert found["rest"] == pytest.approx(ms["Residual"])
    assert found["unit"] == pytest.approx((ms["C(u)"] - ms["Residual"]) / 4)
    assert found["seed"] == pytest.approx(max((ms["C(s)"] - ms["Residual"]) / 5, 0))


@pytest.mark.parametrize(
    "function", [benjamini_hochberg, holm, lambda v: cluster_bootstrap(v, v, rng=0)]
)
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
    r = np.random.default_rng(0)
    with pytest.raises(ValueError, match="5 clusters: of fewer than 6"):
        resample_means(np.arange(5.0), np.arange(5), n_resamples=10, rng=r)
    for values, message in (([np.inf] * 8, "8 of 8"), ([], "not empty"), ([[[1]]], "shape")):
        with pytest.raises(ValueError, match=message):
            cluster_means(values, np.arange(8), rng=r)
    with pytest.raises(ValueError, match="interval is 'bca'"):
        cluster_means(np.arange(8.0), np.arange(8), interval="bca", rng=r)
    with pytest.raises(ValueError, match="n_resamples is 0"):
        cluster_means(np.arange(8.0), np.arange(8), n_resamples=0, rng=r)
    with pytest.raises(ValueError, match="at least two units"):
        variance_components(np.ones((5, 1)))
    with pytest.raises(ValueError, match="the first in row 2"):
        variance_components(pd.DataFrame([[1, 2], [3, 4], [5, np.nan]]))
    with pytest.raises(ValueError, match="one is NaN"):
        mid_ranks([1.0, np.nan], better="higher")


@pytest.mark.parametrize(
    "values",
    [
        np.r_[np.zeros(30), 1, 1],
        np.r_[np.zeros(6), 1.0],
        np.arange(12) % 2.0,
        np.r_[np.ones(39), 0],
    ],
)
def test_limits_of_values_that_hardly_differ_are_finite(values):
    found = cluster_means(
        values, np.arange(len(values)), n_resamples=2000, rng=np.random.default_rng(0)
    ).iloc[0]
    assert np.isfinite([found["low"], found["high"]]).all()
    assert found["low"] <= found["mean"] <= found["high"]
    assert found["high"] - found["low"] < 1.5


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(6, 30), ones=st.floats(0.01, 0.99))
def test_intervals_of_shares_have_ends(seed, n, ones):
    rng = np.random.default_rng(seed)
    values = (rng.random(n) < ones).astype(float)
    found = cluster_means(values, np.arange(n), n_resamples=300, rng=rng)
    assert np.isfinite(found[["low", "high"]]).all(axis=None)


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_resamples_of_single_values_are_those_of_clusters_of_one(statistic):
    """All at once, or one by one: the same draws, to the last bit."""
    rng = np.random.default_rng(0)
    values, clusters = rng.normal(size=23), rng.permutation(23)
    asked = {"n_resamples": 300}
    at_once = cluster_bootstrap(
        values, clusters, statistic=statistic, **asked, rng=np.random.default_rng(1)
    )
    one_by_one = cluster_bootstrap(
        values, clusters, statistic=lambda v: statistic(v), **asked, rng=np.random.default_rng(1)
    )
    assert at_once == one_by_one
