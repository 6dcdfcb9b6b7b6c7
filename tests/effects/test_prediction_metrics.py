"""Metrics of predicted expression: against formulas, other implementations, published numbers."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu, pearsonr, rankdata, wasserstein_distance
from sklearn.metrics import average_precision_score, r2_score, roc_auc_score
from sklearn.metrics.pairwise import rbf_kernel

from helpers.data import registry
from helpers.data.sets import ahlmann_eltze2025_scores as reader
from helpers.metrics.edistance import edistance
from helpers.metrics.predicted import de_recovery, discrimination, distributions, expression
from helpers.metrics.predicted.facts import PREDICTION_METRICS
from helpers.metrics.predicted.matched import matched


def rng(seed=0):
    return np.random.default_rng(seed)


def pair(n=6, n_genes=40, seed=0):
    r = rng(seed)
    level = r.gamma(1, 1, n_genes)
    observed = level + 0.3 * r.standard_normal((n, n_genes))
    return observed + 0.2 * r.standard_normal((n, n_genes)), observed, level


def paths():
    status = registry.status("ahlmann-eltze2025-scores")
    if status["state"] == "absent":
        pytest.skip("ahlmann-eltze2025-scores is not on this machine")
    return status["paths"]


def test_the_published_scores_of_nine_methods_come_out_of_their_predictions():
    """Panel B: CEBPB+CEBPE, 1,000 genes, to the digits that the sheet has."""
    example = reader.read_example(paths())
    assert example.groupby("model").size().to_dict() == dict.fromkeys(
        sorted(example["model"].unique()), 1000
    )
    assert example["model"].nunique() == 9
    for name, rows in example.groupby("model"):
        predicted, observed = (rows[[c]].to_numpy().T for c in ("predicted", "observed"))
        control = rows["control"].to_numpy()
        stated = rows[["l2", "pearson", "pearson_delta"]].iloc[0]
        assert expression.l2(predicted, observed)[0] == pytest.approx(stated["l2"], rel=1e-9)
        assert expression.pearson(predicted, observed)[0] == pytest.approx(stated["pearson"])
        delta = expression.pearson_delta(predicted, observed, control, control)[0]
        if name == "no_change":
            assert np.isnan(delta)
            assert np.isnan(stated["pearson_delta"])
        else:
            assert delta == pytest.approx(stated["pearson_delta"], rel=1e-7)


def test_errors_and_correlations_are_their_formulas():
    predicted, observed, level = pair()
    error = predicted - observed
    np.testing.assert_allclose(expression.l2(predicted, observed), np.linalg.norm(error, axis=1))
    np.testing.assert_allclose(
        expression.rmse(predicted, observed) * np.sqrt(40), expression.l2(predicted, observed)
    )
    np.testing.assert_allclose(expression.mae(predicted, observed), np.abs(error).mean(axis=1))
    for i, found in enumerate(expression.pearson_delta(predicted, observed, level, level + 0.1)):
        expected = pearsonr(predicted[i] - level, observed[i] - level - 0.1).statistic
        assert found == pytest.approx(expected)
    no_change = np.tile(level, (6, 1))
    assert np.isnan(expression.pearson_delta(no_change, observed, level, level)).all()
    shifted = no_change + 0.1  # up to rounding
    assert np.isnan(expression.pearson_delta(shifted, observed, level, level)).all()


def test_the_most_changed_genes_are_an_oracles_and_ties_keep_their_order():
    observed = np.array([[0.0, 3.0, -3.0, 1.0, 2.0]])
    genes = expression.most_changed(observed, np.zeros(5), k=3)
    assert genes.tolist() == [[1, 2, 4]]
    predicted = observed + np.array([[9.0, 1.0, 2.0, 9.0, 2.0]])
    assert expression.top_l2(predicted, observed, np.zeros(5), k=3) == pytest.approx([3.0])
    curve = expression.stratified_l2(predicted, observed, [1, 2, 4, 3, 0], [1, 3, 5])
    np.testing.assert_allclose(curve, [[1, 3, np.sqrt(9 + 162)]])
    np.testing.assert_allclose(curve[:, -1], expression.l2(predicted, observed))
    with pytest.raises(ValueError, match="most changed of 5 genes"):
        expression.most_changed(observed, np.zeros(5))
    with pytest.raises(ValueError, match="1 to all"):
        expression.stratified_l2(predicted, observed, [1, 2, 4, 3, 0], [0, 3])


def test_weighted_scores_agree_with_scikit_learn():
    predicted, observed, _ = pair()
    t = rng(1).standard_normal(observed.shape)
    t[:, 0] = np.nan
    weights = expression.change_weights(t)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights[:, 0] == 0).all()
    for i in range(len(observed)):
        size = np.nan_to_num(np.abs(t[i]))
        w = ((size - size.min()) / (size.max() - size.min())) ** 2
        np.testing.assert_allclose(weights[i], w / w.sum())
        found = expression.weighted_r2(predicted, observed, weights)[i]
        assert found == pytest.approx(r2_score(observed[i], predicted[i], sample_weight=w))
        error = np.average((observed[i] - predicted[i]) ** 2, weights=w)
        assert expression.weighted_mse(predicted, observed, weights)[i] == pytest.approx(error)
    flat = expression.change_weights(np.ones((1, 5)))
    assert np.isnan(expression.weighted_mse(predicted[:1, :5], observed[:1, :5], flat)).all()


def test_weights_of_an_infinite_statistic_are_refused():
    t = rng(1).standard_normal((3, 4))
    t[1, 2] = -np.inf
    with pytest.raises(ValueError, match="gene 2 in perturbation 1 is infinite"):
        expression.change_weights(t)


@pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
@pytest.mark.parametrize("own", [False, True])
def test_discrimination_is_a_loop_over_pairs(distance, own):
    predicted, observed, level = pair(12, 30, seed=2)
    predicted, observed = predicted - level, observed - level
    genes = rng(3).integers(-1, 30, 12) if own else None
    found = discrimination.discrimination(predicted, observed, distance=distance, own_gene=genes)
    for p in range(12):
        keep = np.arange(30) != (genes[p] if own else -1)
        a = predicted[p, keep]
        d = []
        for q in range(12):
            b = observed[q, keep]
            if distance == "cosine":
                d.append(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b))
            else:
                d.append(np.linalg.norm(a - b, ord=1 if distance == "l1" else 2))
        place = rankdata(d)[p] - 1  # cell-eval's rank, from 0
        assert found[p] == pytest.approx(1 - place / 11)


def test_one_prediction_for_all_is_at_chance_exactly():
    _, observed, level = pair(9)
    constant = np.tile(level, (9, 1))
    by_observed = discrimination.discrimination(constant, observed)
    assert by_observed.mean() == pytest.approx(0.5)
    assert by_observed.std() > 0
    by_predicted = discrimination.discrimination(constant, observed, ranked="predicted")
    assert (by_predicted == 0.5).all()
    nothing = discrimination.discrimination(0 * constant, observed, distance="cosine")
    assert np.isnan(nothing).all()
    perfect = discrimination.discrimination(observed, observed, distance="l1")
    assert (perfect == 1).all()
    with pytest.raises(ValueError, match="two perturbations"):
        discrimination.discrimination(constant[:1], observed[:1])


def test_lists_of_significant_genes_are_compared_as_cell_eval_does():
    observed = np.array([[5.0, -4.0, 3.0, 2.0, 1.0]])
    real = np.array([[True, True, True, False, False]])
    predicted = np.array([[1.0, 2.0, 0.0, 4.0, -5.0]])
    called = np.array([[True, True, False, False, True]])
    both = (observed, real, predicted, called)
    # real: 0 1 2; predicted: 4 1 0
    assert de_recovery.overlap(*both) == pytest.approx([2 / 3])
    assert de_recovery.overlap(*both, k=2) == pytest.approx([1 / 2])  # {0, 1} and {4, 1}
    assert de_recovery.overlap(*both, k=50) == pytest.approx([2 / 3])
    assert de_recovery.overlap(*both, precision=True, k=1) == pytest.approx([0])
    assert de_recovery.overlap(*both, precision=True) == pytest.approx([2 / 3])
    none = np.zeros_like(real)
    assert np.isnan(de_recovery.overlap(observed, none, predicted, called)).all()
    assert de_recovery.overlap(observed, real, predicted, none) == pytest.approx([0])
    assert np.isnan(de_recovery.overlap(observed, real, predicted, none, precision=True)).all()
    assert de_recovery.direction_match(observed, real, predicted) == pytest.approx([1.5 / 3])
    assert np.isnan(de_recovery.direction_match(observed, none, predicted)).all()


def test_ranking_scores_agree_with_scikit_learn_under_ties():
    label = rng(4).random((5, 50)) < 0.3
    score = rng(5).integers(0, 6, (5, 50)).astype(float)
    area, precision = de_recovery.auroc(label, score), de_recovery.average_precision(label, score)
    for i in range(5):
        assert area[i] == pytest.approx(roc_auc_score(label[i], score[i]))
        assert precision[i] == pytest.approx(average_precision_score(label[i], score[i]))
        u = mannwhitneyu(score[i][label[i]], score[i][~label[i]]).statistic
        assert area[i] == pytest.approx(u / label[i].sum() / (~label[i]).sum())
    flat = np.zeros((5, 50))
    assert (de_recovery.auroc(label, flat) == 0.5).all()
    np.testing.assert_allclose(de_recovery.average_precision(label, flat), label.mean(axis=1))
    assert np.isnan(de_recovery.auroc(flat.astype(bool), score)).all()
    assert np.isnan(de_recovery.average_precision(flat.astype(bool), score)).all()


def test_mmd_is_the_sum_over_kernels():
    x, y = rng(6).standard_normal((14, 3)), rng(7).standard_normal((9, 3)) + 0.5
    pooled = np.vstack([x, y])
    apart = np.linalg.norm(pooled[:, None] - pooled, axis=2)[np.triu_indices(23, 1)]
    gamma = 1 / (2 * np.median(apart) ** 2)
    kxx, kyy, kxy = (rbf_kernel(a, b, gamma=gamma) for a, b in ((x, x), (y, y), (x, y)))
    biased = kxx.mean() + kyy.mean() - 2 * kxy.mean()
    assert distributions.mmd(x, y, estimator="biased") == pytest.approx(biased)
    unbiased = (kxx.sum() - 14) / (14 * 13) + (kyy.sum() - 9) / (9 * 8) - 2 * kxy.mean()
    assert distributions.mmd(x, y) == pytest.approx(unbiased)
    assert distributions.mmd(100 * x, 100 * y) == pytest.approx(unbiased)
    assert np.isnan(distributions.mmd(x[:1], y))
    assert np.isnan(distributions.mmd(np.ones((4, 2)), np.ones((3, 2))))


@pytest.mark.parametrize("m", [30, 41])
def test_sliced_wasserstein_is_that_of_each_projection(m):
    x, y = rng(8).standard_normal((30, 4)), rng(9).standard_normal((m, 4)) * 1.5
    found = distributions.sliced_wasserstein(x, y, n_directions=7, rng=rng(10))
    directions = rng(10).standard_normal((4, 7))
    directions /= np.linalg.norm(directions, axis=0)
    each = [wasserstein_distance(x @ d, y @ d) for d in directions.T]
    assert found == pytest.approx(np.mean(each))
    assert distributions.sliced_wasserstein(x, x, rng=rng()) == pytest.approx(0, abs=1e-12)


def test_a_classifier_tells_what_differs_and_only_that():
    same = [
        distributions.c2st(
            rng(i).standard_normal((60, 10)), rng(100 + i).standard_normal((40, 10)), rng=rng(i)
        )
        for i in range(60)
    ]
    assert abs(np.mean(same) - 0.5) < 3 * np.std(same) / np.sqrt(60)
    x = rng().standard_normal((4000, 1))
    shifted = distributions.c2st(x, rng(1).standard_normal((4000, 1)) + 2, rng=rng())
    assert shifted == pytest.approx(0.8413, abs=0.015)  # Phi(1)
    assert np.isnan(distributions.c2st(x[:4], x, rng=rng()))
    assert np.isnan(distributions.c2st(np.ones((9, 2)), np.ones((9, 2)), rng=rng()))


def test_facts_hold_for_perfect_predictions_and_ranges():
    _, observed, level = pair(8, 60, seed=11)
    t, hits = observed - level, np.abs(observed - level) > 0.4
    weights = expression.change_weights(t)
    cells = rng(12).standard_normal((30, 5))
    perfect = {
        "l2": expression.l2(observed, observed),
        "rmse": expression.rmse(observed, observed),
        "mae": expression.mae(observed, observed),
        "pearson": expression.pearson(observed, observed),
        "pearson_delta": expression.pearson_delta(observed, observed, level, level),
        "l2_top20": expression.top_l2(observed, observed, level),
        "weighted_mse": expression.weighted_mse(observed, observed, weights),
        "weighted_r2": expression.weighted_r2(t, t, weights),
        "discrimination_l1": discrimination.discrimination(t, t, distance="l1"),
        "discrimination_cosine": discrimination.discrimination(t, t, distance="cosine"),
        "de_direction": de_recovery.direction_match(t, hits, t),
        "de_auroc": de_recovery.auroc(hits, np.abs(t)),
        "de_ap": de_recovery.average_precision(hits, np.abs(t)),
        "de_overlap": de_recovery.overlap(t, hits, t, hits),
        "edistance_biased": edistance(cells, cells, estimator="biased"),
        "sliced_wasserstein": distributions.sliced_wasserstein(cells, cells, rng=rng()),
    }
    for name, value in perfect.items():
        fact = PREDICTION_METRICS[name]
        np.testing.assert_allclose(value, fact.perfect, atol=1e-9, err_msg=name)
        assert fact.perfect == (fact.high if fact.better == "higher" else fact.low), name


# ------------------------------------------------------------------------------- the door


def tables(seed=0):
    predicted, observed, _ = pair(seed=seed)
    names = [f"P{i}" for i in range(6)], [f"G{i}" for i in range(40)]
    return pd.DataFrame(predicted, *names), pd.DataFrame(observed, *names)


def test_predictions_are_matched_by_name():
    predicted, observed = tables()
    mixed = predicted.sample(frac=1, random_state=0).sample(frac=1, random_state=1, axis=1)
    found = matched({"a": predicted, "b": mixed}, observed)
    np.testing.assert_array_equal(found["a"], predicted)
    np.testing.assert_array_equal(found["a"], found["b"])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: p.drop(columns="G3"), "1 of 40 genes are missing .* first is 'G3'"),
        (lambda p: p.drop(index="P2"), "1 of 6 perturbations are missing"),
        (lambda p: p.rename(columns={"G3": "g3"}), "1 of 40 genes are missing and 1 are not known"),
        (lambda p: p.assign(G99=0.0), "0 of 40 genes are missing and 1 are not known"),
        (lambda p: p.rename(columns={"G3": "G4"}), "1 genes come twice, the first is 'G4'"),
        (lambda p: p.mask(p == p.iloc[1, 2]), "1 values are NaN .* 'P1', gene 'G2'"),
        (lambda p: p.astype(object).mask(p == p.iloc[0, 0], "many"), "no numbers"),
        (lambda p: np.expm1(p), "times the observed one"),
        (lambda p: p / np.log(2), "1.4[0-9] times the observed one"),
        (lambda p: p - p.mean(), "times the observed one"),
        (lambda p: 0 * p + p.to_numpy().mean(), "times the observed one|correlate by"),
        (lambda p: p.set_axis(p.columns[::-1], axis=1), "another order|times the observed one"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_its_name(spoil, said):
    predicted, observed = tables()
    with pytest.raises(ValueError, match=said) as error:
        matched({"good": predicted, "bad model": spoil(predicted)}, observed)
    assert "bad model" in str(error.value)


def test_negative_values_and_zero_effects_are_scored_as_they_are():
    predicted, observed = tables()
    below = predicted - 0.2
    assert (matched({"m": below}, observed)["m"] == below.to_numpy()).all()
    empty = pd.DataFrame(0.0, observed.index, observed.columns)
    assert (matched({"m": empty}, empty)["m"] == 0).all()
    assert (expression.l2(empty, empty) == 0).all()
    assert np.isnan(expression.pearson(empty, empty)).all()
