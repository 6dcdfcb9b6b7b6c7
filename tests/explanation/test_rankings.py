"""Comparators against formulas, other libraries and cases whose answer is known."""

import itertools

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.data.contract import DataError
from helpers.metrics.explanation.mutual_information import mutual_information
from helpers.metrics.explanation.rank_stability import (
    overlap,
    overlap_table,
    top_genes,
    top_membership,
)
from helpers.metrics.explanation.selection import random_genes, union_of_best, worst
from helpers.models.explanation import penalised
from helpers.models.explanation import rankings as r


@pytest.fixture
def planted():
    """60 samples, 30 genes, two classes; genes 0 to 4 are shifted by three standard deviations."""
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b"], 30)
    x = rng.normal(size=(60, 30))
    x[y == "b", :5] += 3
    return x, y


def profiles(x, y, kind="log"):
    obs = pd.DataFrame(
        {"class": y, "split": np.where(np.arange(len(y)) % 4 == 3, "test", "train")},
        index=[f"s{i}" for i in range(len(y))],
    )
    uns = {"scale": {"kind": kind}, "dataset": {"name": "toy"}}
    return ad.AnnData(np.asarray(x, dtype=np.float32), obs=obs, uns=uns)


# ---------------------------------------------------------------------------- statistics


def test_welch_is_scipys(planted):
    x, y = planted
    y = np.where(np.arange(60) < 20, "c", y)
    found = r.welch_t(x, y)
    for row, name in zip(found, ["a", "b", "c"], strict=True):
        expected = stats.ttest_ind(x[y == name], x[y != name], equal_var=False).statistic
        np.testing.assert_allclose(row, np.abs(expected))


def test_wilcoxon_effect_is_the_size_of_the_auc(planted):
    x, y = planted
    x = np.round(x)  # ties
    found = r.wilcoxon_effect(x, y)
    u = stats.mannwhitneyu(x[y == "a"], x[y == "b"]).statistic
    np.testing.assert_allclose(found[0], np.abs(2 * u / 900 - 1))
    np.testing.assert_allclose(found[0], found[1])  # of two classes each mirrors the other


@pytest.mark.parametrize("score", [r.welch_t, r.wilcoxon_effect])
def test_constant_genes_score_nothing_and_perfect_ones_lead(planted, score):
    x, y = planted
    x[:, 10] = 7.0  # constant
    x[:, 11] = y == "b"  # constant within classes, perfect between them
    found = score(x, y)
    assert np.isfinite(found).all()
    assert (found[:, 10] == 0).all()
    assert (found.argmax(axis=1) == 11).all()


def test_methods_that_see_the_class_find_what_was_planted(planted):
    x, y = planted
    for scores in (
        *(r.welch_t(x, y)[0], r.wilcoxon_effect(x, y)[0], mutual_information(x, y, 0)),
        *(r.forest_importance(x, y, 0, n_trees=200), r.boosting_importance(x, y, 0, n_trees=200)),
    ):
        assert set(np.argsort(scores)[-5:]) == set(range(5))


def test_variance_and_first_component_do_not_see_the_class(planted):
    x, _ = planted
    assert r.variance(x)[7] == pytest.approx(np.var(x[:, 7], ddof=1))
    z = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    _, _, v = np.linalg.svd(z, full_matrices=False)
    np.testing.assert_allclose(r.first_loading(x), np.abs(v[0]), atol=1e-8)
    x[:, 3] = 1.0
    assert r.first_loading(x)[3] == 0
    with pytest.raises(ValueError, match="all genes are constant"):
        r.first_loading(np.ones((4, 3)))


def test_importances_are_shares_and_follow_the_seed(planted):
    x, y = planted
    for importance in (r.forest_importance, r.boosting_importance):
        one = importance(x, y, 1, n_trees=20)
        assert one.sum() == pytest.approx(1)
        np.testing.assert_array_equal(one, importance(x, y, 1, n_trees=20))
        assert (one != importance(x, y, 2, n_trees=20)).any()


def test_mutual_information_is_that_of_two_normals():
    """Two classes d apart: nearest neighbours come close to the integral."""
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 2000)
    x = rng.normal(size=4000) + 2.0 * y
    grid = np.linspace(-8, 10, 20001)
    a, b = stats.norm.pdf(grid), stats.norm.pdf(grid - 2)
    mixture = (a + b) / 2
    exact = sum(np.trapezoid(p * np.log(p / mixture), grid) for p in (a, b)) / 2
    assert mutual_information(x[:, None], y, 0)[0] == pytest.approx(exact, abs=0.03)


@pytest.mark.parametrize("sizes", [(12, 30), (40, 25, 20)])
def test_mutual_information_is_scikit_learns(sizes):
    from sklearn.feature_selection import mutual_info_classif

    y = np.repeat(np.arange(len(sizes)), sizes)
    x = np.random.default_rng(7).normal(size=(len(y), 12))
    x[:, :6] += y[:, None]
    x[:, 11] = 2.0  # constant
    found = mutual_information(x, y, 0)
    np.testing.assert_allclose(found[:11], mutual_info_classif(x, y, random_state=0)[:11])
    assert found[11] == 0
    assert found[:6].min() > found[6:].max()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x, y: r.welch_t(x, y[:9]), "labels of shape"),
        (lambda x, y: r.welch_t(x, np.full(60, "a")), "one class"),
        (lambda x, y: r.welch_t(x, np.where(np.arange(60) == 0, "lone", y)), "'lone'.*one sample"),
        (lambda x, y: r.wilcoxon_effect(np.where(x > 4, np.nan, x), y), "NaN or infinite"),
        (lambda x, y: mutual_information(x, np.arange(60) // 3, 0), "at least 4"),
        (lambda x, y: mutual_information(x, np.full(60, "a"), 0), "one class"),
        (lambda x, y: mutual_information(x, y[:9], 0), "labels of shape"),
        (
            lambda x, y: mutual_information(np.where(x > 4, np.nan, x), y, 0),
            "x holds 30 NaN or infinite values",
        ),
        (lambda x, y: r.variance(x[0]), "a table"),
        (lambda x, y: r.forest_importance(np.where(x > 4, np.inf, x), y, 0), "NaN or infinite"),
    ],
)
def test_bad_input_is_refused(planted, call, said):
    x, y = planted
    x[0, 0] = 5
    with pytest.raises(ValueError, match=said):
        call(x, y)


# ---------------------------------------------------------------------------- linear models


def test_weights_and_shap_do_not_depend_on_what_a_softmax_forgets():
    rng = np.random.default_rng(2)
    weights, x = rng.normal(size=(6, 3)), rng.normal(size=(5, 6))
    baseline, classes = rng.normal(size=6), np.array([0, 1, 2, 2, 0])
    moved = weights + rng.normal(size=(6, 1))
    np.testing.assert_allclose(r.absolute_weights(weights), r.absolute_weights(moved))
    shap = r.linear_shap(weights, x, baseline, classes)
    np.testing.assert_allclose(shap, r.linear_shap(moved, x, baseline, classes))
    logits = (x - baseline) @ weights
    expected = logits[np.arange(5), classes] - logits.mean(axis=1)
    np.testing.assert_allclose(shap.sum(axis=1), expected)


def test_linear_shap_is_the_mean_over_all_orders_of_genes():
    """Shapley's definition, spelt out: mean marginal contribution over all orders."""
    rng = np.random.default_rng(3)
    weights, x, baseline = rng.normal(size=(4, 2)), rng.normal(size=4), rng.normal(size=4)
    centred = weights - weights.mean(axis=1, keepdims=True)
    total = np.zeros(4)
    orders = list(itertools.permutations(range(4)))
    for order in orders:
        now = baseline.copy()
        for gene in order:
            before = now @ centred[:, 1]
            now[gene] = x[gene]
            total[gene] += now @ centred[:, 1] - before
    found = r.linear_shap(weights, x[None], baseline, np.array([1]))[0]
    np.testing.assert_allclose(found, total / len(orders))


def test_shap_is_averaged_by_class_and_refuses_what_does_not_fit():
    values = np.array([[1.0, -3], [-1, 1], [2, 0]])
    found = r.class_means_of_size(values, np.array([0, 0, 1]), 2)
    np.testing.assert_allclose(found, [[1, 2], [2, 0]])
    with pytest.raises(ValueError, match=r"classes \[1\] have no sample"):
        r.class_means_of_size(values, np.zeros(3, int), 2)
    weights = np.ones((2, 2))
    with pytest.raises(ValueError, match="genes must agree"):
        r.linear_shap(weights, values, np.zeros(3), np.zeros(3, int))
    with pytest.raises(ValueError, match="one of 2 a sample"):
        r.linear_shap(weights, values, np.zeros(2), np.array([0, 1, 2]))


def test_penalised_fits_are_optima_and_have_the_form_of_the_others(planted):
    """At an optimum the gradient of the loss is minus that of the penalty."""
    x, y = planted
    three = np.where(np.arange(60) % 3 == 0, "c", y)
    for labels in (y, three):
        for ratio in (0.0, 1.0):
            fit = penalised.penalised_logistic_regression(
                x, labels, l1_ratio=ratio, strength=0.1, seed=0
            )
            z = (x - fit["mean"]) / fit["sd"]
            logits = z @ fit["weights"] + fit["bias"]
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            truth = labels[:, None] == fit["classes"]
            gradient = 0.1 * z.T @ (p - truth)
            if ratio:
                # no weight that is 0 would gain more than the penalty takes
                assert np.abs(gradient[fit["weights"] == 0]).max() <= 1.01
                assert (fit["weights"] == 0).mean() > 0.3
            elif len(fit["classes"]) == 3:
                np.testing.assert_allclose(gradient, -fit["weights"], atol=5e-3)
            else:  # one weight of two classes, shared out
                np.testing.assert_allclose(gradient, -2 * fit["weights"], atol=5e-3)
            assert fit["train_accuracy"] == (fit["classes"][p.argmax(axis=1)] == labels).mean()


def test_penalised_fits_leave_constant_genes_alone_and_refuse_bad_penalties(planted):
    x, y = planted
    x[:, 8] = 4.0
    fit = penalised.penalised_logistic_regression(x, y, l1_ratio=0.0, strength=1.0, seed=0)
    assert np.isfinite(fit["weights"]).all()
    assert (fit["weights"][8] == 0).all()
    for ratio, strength in ((0.5, 1.0), (1.0, 0.0)):
        with pytest.raises(ValueError, match="0 or 1, and above 0"):
            penalised.penalised_logistic_regression(x, y, l1_ratio=ratio, strength=strength, seed=0)


# ---------------------------------------------------------------------------- steps


def test_steps_look_at_training_samples_only(planted):
    x, y = planted
    data = profiles(x, y)
    train = (data.obs["split"] == "train").to_numpy()
    changed = data.copy()
    changed.X[~train] = 100
    for step, arguments in (
        (r.welch_ranking, {}),
        (r.wilcoxon_ranking, {}),
        (r.mutual_information_ranking, {"seed": 0}),
        (r.variance_ranking, {}),
        (r.loading_ranking, {}),
        (r.forest_ranking, {"seed": 0, "n_trees": 5}),
        (r.boosting_ranking, {"seed": 0, "n_trees": 5}),
    ):
        scores = step.function(data, **arguments)
        assert scores.shape in ((1, 30), (2, 30))
        np.testing.assert_array_equal(scores, step.function(changed, **arguments))
    for fit in (penalised.fit_l1, penalised.fit_l2):
        one, other = (fit.function(d, seed=0)["weights"] for d in (data, changed))
        np.testing.assert_array_equal(one, other)


def test_expression_is_on_the_scale_that_the_data_state():
    counts = profiles([[1, 3], [0, 8]], ["a", "b"], kind="counts")
    counts.obs["total_counts"] = [4.0, 8.0]
    np.testing.assert_allclose(
        r.expression(counts), np.log2([[0.25e6 + 1, 0.75e6 + 1], [1, 1e6 + 1]]), rtol=1e-6
    )
    np.testing.assert_allclose(r.expression(profiles([[-1.5, 2]], ["a"])), [[-1.5, 2]])
    counts.obs["total_counts"] = [4.0, 0.0]
    with pytest.raises(DataError, match="1 samples have no counts"):
        r.expression(counts)
    with pytest.raises(DataError, match="values are zscore"):
        r.expression(profiles([[0.0]], ["a"], kind="zscore"))
    bare = profiles([[1.0]], ["a"])
    bare.obs = bare.obs.drop(columns="split")
    with pytest.raises(DataError, match="no column split"):
        r.training(bare)


# ---------------------------------------------------------------------------- overlap and selection


def test_overlap_of_rankings_without_ties_is_the_plain_count():
    rng = np.random.default_rng(4)
    a, b = rng.random((3, 40)), rng.random((4, 40))
    tops = [[set(np.argsort(-row)[:7]) for row in scores] for scores in (a, b)]
    within = [len(p & q) / 7 for p, q in itertools.permutations(tops[0], 2)]
    between = [len(p & q) / 7 for p, q in itertools.product(*tops)]
    assert overlap(a, n=7) == pytest.approx(np.mean(within))
    assert overlap(a, b, n=7) == pytest.approx(np.mean(between))
    table = overlap_table({"A": a, "B": b, "one": a[:1]}, n=7)
    assert table.loc["A", "B"] == table.loc["B", "A"] == pytest.approx(np.mean(between))
    assert table.loc["A", "A"] == pytest.approx(np.mean(within))
    assert np.isnan(table.loc["one", "one"])


def test_tied_scores_give_nothing_away_to_the_first_genes():
    """All scores equal: by gene order the overlap would be 1, by chance it is n / V."""
    flat = np.zeros((2, 50))
    assert overlap(flat, n=5) == pytest.approx(0.1)
    members = top_membership(np.array([3.0, 1, 1, 1, 0]), 3)
    np.testing.assert_allclose(members, [1, 2 / 3, 2 / 3, 2 / 3, 0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=12), st.data())
def test_membership_is_the_mean_over_random_tie_breaking(scores, data):
    n = data.draw(st.integers(1, len(scores)))
    members = top_membership(scores, n)
    assert members.sum() == pytest.approx(n)
    assert ((members >= 0) & (members <= 1)).all()
    drawn = np.zeros(len(scores))
    for seed in range(40):
        top = top_genes(scores, n, np.random.default_rng(seed))
        assert len(set(top)) == n
        drawn[top] += 1 / 40
    assert (drawn[members == 1] == pytest.approx(1)) and (drawn[members == 0] == 0).all()
    assert np.abs(drawn - members).max() < 0.45
    assert list(np.asarray(scores)[top]) == sorted(scores, reverse=True)[:n]


def test_overlap_refuses_what_cannot_be_compared():
    one = np.arange(6.0)[None]
    with pytest.raises(ValueError, match="at least two rankings"):
        overlap(one, n=2)
    with pytest.raises(ValueError, match="6 and of 5 genes"):
        overlap(one, one[:, :5], n=2)
    with pytest.raises(ValueError, match="1 of 6 scores are NaN"):
        overlap(np.where(one == 3, np.nan, one), one, n=2)
    for n in (0, 7):
        with pytest.raises(ValueError, match=f"n is {n}"):
            top_membership(one, n)
        with pytest.raises(ValueError, match="1 to n_genes"):
            top_genes(one[0], n, np.random.default_rng(0))


def test_selections_are_what_they_are_called():
    orders = np.array([[0, 1, 2, 3, 4], [4, 1, 0, 2, 3]])
    assert np.flatnonzero(union_of_best(orders, 2)).tolist() == [0, 1, 4]
    assert np.flatnonzero(worst(orders[0], 2)).tolist() == [3, 4]
    rng = np.random.default_rng(5)
    best = union_of_best(orders, 2)
    drawn = [random_genes(rng, 5, 2, without=best) for _ in range(20)]
    assert all((keep.nonzero()[0] == [2, 3]).all() for keep in drawn)
    free = sum(random_genes(rng, 5, 2) for _ in range(2000)) / 2000
    np.testing.assert_allclose(free, 0.4, atol=0.05)


def test_selections_refuse_what_is_not_there():
    rng = np.random.default_rng(6)
    with pytest.raises(ValueError, match="3 genes cannot be drawn from the 2"):
        random_genes(rng, 5, 3, without=np.array([1, 1, 1, 0, 0], bool))
    with pytest.raises(ValueError, match="not permutations"):
        union_of_best(np.array([[0, 0, 1]]), 1)
    with pytest.raises(ValueError, match="not permutations"):
        worst(np.array([0.0, 1.0]), 1)
    with pytest.raises(ValueError, match="k is 4"):
        union_of_best(np.array([[0, 1, 2]]), 4)
