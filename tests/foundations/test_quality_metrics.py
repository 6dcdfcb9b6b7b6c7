"""E-distance, reliability, responders and differential expression against independent forms."""

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance, false_discovery_control, kstest, mannwhitneyu, pearsonr

from helpers.metrics.arrays import row_correlations
from helpers.metrics.de import mann_whitney, n_de_genes
from helpers.metrics.edistance import edistance, edistance_test
from helpers.metrics.foundations.reliability import (
    batch_weights,
    concordance,
    spearman_brown,
    split_half_correlations,
)
from helpers.metrics.foundations.responders import cross_fitted_projection, responder_fraction


def rng(seed=0):
    return np.random.default_rng(seed)


# ---------------------------------------------------------------------------- E-distance


def by_loops(x, c, *, unbiased, power=1):
    def mean(a, b, same):
        d = cdist(a, b) ** power
        return d.sum() / (len(a) * (len(a) - 1) if same and unbiased else len(a) * len(b))

    return 2 * mean(x, c, False) - mean(x, x, True) - mean(c, c, True)


@pytest.mark.parametrize("estimator", ["unbiased", "biased"])
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("sizes", [(30, 50), (1500, 1100)])  # within a block, and over blocks
def test_edistance_equals_all_pairs(estimator, squared, sizes):
    x = rng(1).normal(3, 1, (sizes[0], 7))
    c = rng(2).normal(2.5, 2, (sizes[1], 7))
    expected = by_loops(x, c, unbiased=estimator == "unbiased", power=2 if squared else 1)
    assert edistance(x, c, estimator=estimator, squared=squared) == pytest.approx(
        expected, rel=1e-4
    )


def test_biased_edistance_in_one_dimension_is_scipys():
    x, c = rng(1).normal(0, 1, 80), rng(2).normal(0.7, 2, 60)
    ours = edistance(x[:, None], c[:, None], estimator="biased")
    assert ours == pytest.approx(energy_distance(x, c) ** 2, rel=1e-5)


def test_biased_edistance_equals_sklearns_pairs():
    from sklearn.metrics import pairwise_distances

    x, c = rng(3).normal(size=(40, 20)), rng(4).normal(0.2, 1, (30, 20))
    expected = (
        2 * pairwise_distances(x, c).mean()
        - pairwise_distances(x).mean()
        - pairwise_distances(c).mean()
    )
    assert edistance(x, c, estimator="biased") == pytest.approx(expected, rel=1e-4)


def test_unbiased_edistance_is_zero_on_average_without_a_difference_and_the_biased_is_not():
    values = {"unbiased": [], "biased": []}
    for seed in range(200):
        draw = rng(seed)
        x, c = draw.normal(size=(15, 10)), draw.normal(size=(25, 10))
        for estimator, found in values.items():
            found.append(edistance(x, c, estimator=estimator))
    mean, error = np.mean(values["unbiased"]), np.std(values["unbiased"]) / np.sqrt(200)
    assert abs(mean) < 3 * error
    assert np.mean(values["biased"]) > 50 * error


def test_squared_distances_are_blind_to_variance():
    x, c = rng(0).normal(0, 2, (2000, 3)), rng(1).normal(0, 1, (2000, 3))
    assert edistance(x, c) > 0.2
    assert abs(edistance(x, c, squared=True)) < 0.05


def test_a_far_off_space_does_not_round_the_distance_away():
    x, c = rng(0).normal(0.5, 1, (200, 5)), rng(1).normal(size=(200, 5))
    assert edistance(x + 1e5, c + 1e5) == pytest.approx(edistance(x, c), rel=1e-3)


def test_permutation_test_counts_as_a_loop_does():
    x, c = rng(0).normal(0.4, 1, (12, 3)), rng(1).normal(size=(15, 3))
    distance, p_value = edistance_test(x, c, n_permutations=2000, rng=rng(2))
    assert distance == pytest.approx(edistance(x, c), rel=1e-4)
    pooled, draw, at_least = np.vstack([x, c]), rng(3), 0
    for _ in range(2000):
        order = draw.permutation(len(pooled))
        at_least += by_loops(pooled[order[:12]], pooled[order[12:]], unbiased=True) >= distance
    assert p_value == pytest.approx((1 + at_least) / 2001, abs=0.04)


def test_all_permutations_of_two_against_two_tie():
    x, c = np.array([[0.0], [0.0]]), np.array([[1.0], [1.0]])
    p_value = edistance_test(x, c, n_permutations=6000, rng=rng(0))[1]
    assert p_value == pytest.approx(1 / 3, abs=0.02)  # 2 of the 6 ways to choose are as far
    same = np.ones((5, 2))
    assert edistance_test(same, same, n_permutations=20, rng=rng(0)) == (0.0, 1.0)


def test_permutation_p_values_are_uniform_within_batches_that_differ():
    p_within, p_pooled = [], []
    for seed in range(150):
        draw = rng(seed)
        batch, control_batch = draw.random(30) < 0.8, draw.random(40) < 0.3
        x = draw.normal(size=(30, 4)) + 2 * batch[:, None]
        c = draw.normal(size=(40, 4)) + 2 * control_batch[:, None]
        p_within.append(
            edistance_test(
                x, c, batch=batch, control_batch=control_batch, n_permutations=99, rng=draw
            )[1]
        )
        p_pooled.append(edistance_test(x, c, n_permutations=99, rng=draw)[1])
    assert kstest(p_within, "uniform").pvalue > 0.001
    assert np.mean(np.array(p_pooled) <= 0.05) > 0.8


def test_edistance_says_what_is_wrong():
    x = np.zeros((3, 2))
    assert np.isnan(edistance(x[:1], x))
    assert edistance_test(x[:1], x, rng=rng())[0] is np.nan
    nothing_to_swap = edistance_test(x, x + 1, batch=[0] * 3, control_batch=[1] * 3, rng=rng())
    assert np.isnan(nothing_to_swap[1])
    for call, said in (
        (lambda: edistance(x, np.zeros((3, 3))), "the same space"),
        (lambda: edistance(x[:0], x), "0 and 3 cells"),
        (lambda: edistance(x, x * np.nan), "control holds 6 NaN or infinite values"),
        (lambda: edistance(x, x, estimator="best"), "unbiased or biased"),
        (lambda: edistance_test(x, x, n_permutations=0, rng=rng()), "at least 1"),
        (lambda: edistance_test(x, x, batch=[1] * 3, rng=rng()), "none of them"),
        (lambda: edistance_test(x, x, batch=[1], control_batch=[1], rng=rng()), "1 and 1 batches"),
    ):
        with pytest.raises(ValueError, match=said):
            call()


# ---------------------------------------------------------------------------- reliability


def test_batch_weights_are_those_of_least_squares():
    import statsmodels.api as sm

    draw = rng(0)
    batch, control_batch = draw.integers(3, size=40), draw.integers(4, size=60)
    y = draw.normal(size=100) + np.concatenate([batch, control_batch])
    weights, control_weights = batch_weights(batch, control_batch)
    design = np.column_stack(
        [np.arange(100) < 40, *(np.concatenate([batch, control_batch]) == b for b in range(4))]
    ).astype(float)
    fitted = sm.OLS(y, design).fit().params[0]
    assert weights @ y[:40] - control_weights @ y[40:] == pytest.approx(fitted)
    assert weights.sum() == pytest.approx(1)
    assert np.isnan(batch_weights(["a"], ["b"])[0]).all()


def test_split_half_equals_a_plain_loop():
    x, c = rng(0).normal(0.5, 1, (20, 30)), rng(1).normal(size=(40, 30))
    found = split_half_correlations(x, c, n_splits=4, n_cells=8, n_controls=15, rng=rng(5))
    draw = rng(5)
    for value in found:
        cells, controls = draw.permutation(20), draw.permutation(40)
        a = x[cells[:8]].mean(0) - c[controls[:15]].mean(0)
        b = x[cells[8:16]].mean(0) - c[controls[15:30]].mean(0)
        assert value == pytest.approx(pearsonr(a, b).statistic)


def test_without_an_effect_disjoint_halves_do_not_correlate_and_shared_controls_do_by_formula():
    disjoint, shared = [], []
    for seed in range(60):
        draw = rng(seed)
        x, c = draw.normal(size=(40, 200)), draw.normal(size=(60, 200))
        disjoint.append(split_half_correlations(x, c, n_controls=10, n_splits=5, rng=draw).mean())
        shared.append(
            split_half_correlations(
                x, c, n_controls=10, n_splits=5, shared_controls=True, rng=draw
            ).mean()
        )
    assert abs(np.mean(disjoint)) < 3 * np.std(disjoint, ddof=1) / np.sqrt(60)
    expected = (1 / 10) / (1 / 20 + 1 / 10)
    assert np.mean(shared) == pytest.approx(expected, abs=4 * np.std(shared) / np.sqrt(60))


def test_split_half_and_spearman_brown_follow_signal_and_noise():
    draw = rng(0)
    signal = draw.normal(0, 0.3, 4000)
    x, c = draw.normal(size=(80, 4000)) + signal, draw.normal(size=(200, 4000))
    noise = 1 / 40 + 1 / 100
    half = split_half_correlations(x, c, n_splits=20, rng=draw).mean()
    assert half == pytest.approx(0.09 / (0.09 + noise), abs=0.02)
    assert spearman_brown(half) == pytest.approx(0.09 / (0.09 + noise / 2), abs=0.02)
    assert spearman_brown(0.5) == pytest.approx(2 / 3)
    assert np.isnan(spearman_brown(-0.1))
    assert spearman_brown(np.array([0.0, 1.0])).tolist() == [0.0, 1.0]


def test_batches_cancel_in_the_effect():
    draw = rng(0)
    signal = draw.normal(0, 0.5, 500)
    batch, control_batch = (draw.random(100) < 0.9).astype(int), draw.integers(2, size=100)
    shift = np.array([np.zeros(500), draw.normal(0, 3, 500)])
    x = draw.normal(size=(100, 500)) + signal + shift[batch]
    c = draw.normal(size=(100, 500)) + shift[control_batch]
    nothing = draw.normal(size=(100, 500)) + shift[batch]
    batches = {"batch": batch, "control_batch": control_batch}
    assert split_half_correlations(x, c, **batches, rng=draw).mean() > 0.7
    assert abs(split_half_correlations(nothing, c, **batches, rng=draw).mean()) < 0.15
    assert split_half_correlations(nothing, c, rng=draw).mean() > 0.9  # the batch, not an effect


def test_concordance_finds_what_two_guides_share():
    draw = rng(0)
    signal = draw.normal(0, 0.4, 1000)
    c = draw.normal(size=(80, 1000))
    x, y, other = (draw.normal(size=(40, 1000)) + s for s in (signal, signal, 0))
    expected = 0.16 / (0.16 + 1 / 40 + 1 / 40)
    assert concordance(x, y, c, rng=draw).mean() == pytest.approx(expected, abs=0.05)
    assert abs(concordance(x, other, c, rng=draw).mean()) < 0.15
    batches = {"batch": [0] * 40, "other_batch": [0] * 40, "control_batch": [0] * 80}
    np.testing.assert_allclose(
        concordance(x, y, c, **batches, rng=rng(1)), concordance(x, y, c, rng=rng(1))
    )


def test_row_correlations_are_pearsons():
    a, b = rng(0).normal(size=(3, 9)), rng(1).normal(size=(3, 9))
    a[2] = 4.0
    found = row_correlations(a, b)
    assert found[0] == pytest.approx(pearsonr(a[0], b[0]).statistic)
    assert np.isnan(found[2])


def test_reliability_says_what_is_wrong():
    x, c = np.zeros((6, 3)), np.zeros((9, 3))
    for call, said in (
        (lambda: split_half_correlations(x, c, n_cells=4, rng=rng()), "out of 6 and 9"),
        (lambda: split_half_correlations(x, c, n_controls=5, rng=rng()), "disjoint controls"),
        (lambda: split_half_correlations(x[:, :2], c, rng=rng()), "the same genes"),
        (lambda: split_half_correlations(x, c, batch=[1], rng=rng()), "1 and 9 batches"),
        (lambda: concordance(x, x, c[:1], rng=rng()), "1 controls"),
        (lambda: concordance(x, x[:, :1], c, rng=rng()), "the same genes"),
        (lambda: concordance(x, x, c, batch=[1] * 6, rng=rng()), "none of them"),
        (lambda: spearman_brown(0.5, factor=0), "positive"),
        (lambda: row_correlations(x, c), "one shape"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
    assert np.isnan(split_half_correlations(x, c, n_splits=2, rng=rng())).all()


# ---------------------------------------------------------------------------- responders


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_responder_fraction_finds_what_was_mixed(share):
    draw = rng(0)
    responds = draw.random(4000) < share
    found = responder_fraction(draw.normal(size=4000) + 2.0 * responds)
    assert found.fraction == pytest.approx(share, abs=0.05)
    assert found.separation == pytest.approx(2.0, abs=0.15)


def test_responders_are_not_stated_where_nothing_separates_them():
    assert np.isnan(responder_fraction(rng(0).normal(0.3, 1, 2000)).fraction)
    assert np.isnan(responder_fraction(rng(0).normal(-0.5, 1, 500)).fraction)
    assert np.isnan(responder_fraction([np.nan, 1.0]).fraction)


def test_projection_is_cross_fitted():
    draw = rng(0)
    x, c = draw.normal(size=(60, 500)), draw.normal(size=(80, 500))
    placed, controls = cross_fitted_projection(x, c, rng=draw)
    assert abs(placed.mean()) < 0.5  # on its own direction it would be far above
    own = (x @ (x.mean(0) - c.mean(0)), c @ (x.mean(0) - c.mean(0)))
    assert (own[0].mean() - own[1].mean()) / own[1].std() > 2
    assert controls.mean() == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="1 cells and 80 controls"):
        cross_fitted_projection(x[:1], c, rng=draw)
    with pytest.raises(ValueError, match="the same genes"):
        cross_fitted_projection(x, c[:, 1:], rng=draw)
    with pytest.raises(ValueError, match="one finite number a cell"):
        responder_fraction([np.inf])


# ---------------------------------------------------------------------------- expression


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_mann_whitney_equals_scipy(form):
    draw = rng(0)
    counts = draw.poisson(draw.gamma(0.5, 2, 300), (90, 300)).astype(float)
    counts[:, 7] = 0
    labels = np.repeat(["b", "a", "control"], [20, 25, 45])
    is_control = labels == "control"
    found = mann_whitney(form(counts), labels, is_control)
    assert found.groups.tolist() == ["a", "b"]
    assert found.n_cells.tolist() == [25, 20]
    for i, group in enumerate(found.groups):
        scipys = mannwhitneyu(counts[labels == group], counts[is_control], method="asymptotic")
        np.testing.assert_allclose(found.u[i], scipys.statistic)
        varying = np.arange(300) != 7
        np.testing.assert_allclose(found.p_value[i, varying], scipys.pvalue[varying], rtol=1e-9)
    assert (found.p_value[:, 7] == 1).all()


def test_mann_whitney_of_many_cells_in_any_order():
    draw = rng(2)
    values = draw.exponential(size=(3_000, 6))
    values[:, 1], values[:, 2] = np.sort(values[:, 1]), -np.sort(-values[:, 2])
    values[:, 3], values[:, 4] = np.round(values[:, 3], 1), np.arange(3_000) % 7
    values[:, 5] = np.minimum(np.arange(3_000), np.arange(3_000)[::-1])
    labels = np.where(np.arange(3_000) % 3 == 0, "control", draw.choice(["a", "b"], 3_000))
    found = mann_whitney(values, labels, labels == "control")
    for i, group in enumerate("ab"):
        theirs = mannwhitneyu(values[labels == group], values[labels == "control"])
        np.testing.assert_array_equal(found.u[i], theirs.statistic)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_mann_whitney_counts_zeros_among_values_of_both_signs(form):
    """Zeros are stored or not, and lie below, among or above the others."""
    draw = rng(1)
    values = draw.integers(-8, 9, (70, 40)) / 4
    values[draw.random(values.shape) < 0.4] = 0
    values[:, :5], values[:, 5:10] = np.abs(values[:, :5]), -np.abs(values[:, 5:10])
    labels, is_control = np.repeat(["a", "b", "control"], [20, 15, 35]), np.arange(70) >= 35
    stored = form(values)
    if sparse.issparse(stored):  # zeros that are stored, and entries in two parts
        data = np.stack([values - 1, np.ones(values.shape)], axis=2).ravel()
        columns = np.tile(np.repeat(np.arange(40), 2), 70)
        stored = sparse.csr_matrix((data, columns, 80 * np.arange(71)))
    found = mann_whitney(stored, labels, is_control)
    for i, group in enumerate("ab"):
        theirs = mannwhitneyu(values[labels == group], values[is_control], method="asymptotic")
        np.testing.assert_array_equal(found.u[i], theirs.statistic)
        np.testing.assert_allclose(found.p_value[i], theirs.pvalue, rtol=1e-10)


def test_mid_ranks_are_exact():
    values = np.array([[1.0], [1.0], [2.0], [1.0], [0.0], [2.0]])
    found = mann_whitney(values, list("xxxccc"), np.array([0, 0, 0, 1, 1, 1], bool))
    pairs = [(a > b) + 0.5 * (a == b) for a in (1, 1, 2) for b in (1, 0, 2)]
    assert found.u[0, 0] == sum(pairs)


def test_number_of_genes_is_benjamini_hochbergs():
    p = rng(0).beta(0.3, 1, (5, 200))
    expected = (false_discovery_control(p, axis=1) <= 0.05).sum(1)
    assert n_de_genes(p).tolist() == expected.tolist()
    assert n_de_genes(np.ones(4)).tolist() == [0]
    assert n_de_genes(np.zeros((1, 4))).tolist() == [4]


def test_differential_expression_says_what_is_wrong():
    x = np.zeros((4, 2))
    is_control = np.array([True, False, False, True])
    for call, said in (
        (lambda: mann_whitney(x, list("abcd"), np.ones(4, bool)), "4 of 4 cells are controls"),
        (lambda: mann_whitney(x, list("abc"), is_control), "3 labels"),
        (lambda: mann_whitney(x, list("abcd"), is_control.astype(int)), "is_control bool"),
        (
            lambda: mann_whitney(np.full((4, 2), np.inf), list("abcd"), is_control),
            "expression holds 8 NaN or infinite values",
        ),
        (lambda: n_de_genes([0.5, np.nan]), "NaN or outside"),
        (lambda: n_de_genes([0.5], level=0), "lies in"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
