"""Ranking metrics against brute force over all orders of ties, scikit-learn, and by hand."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from helpers.metrics.drug_matching import ranking as r
from helpers.metrics.drug_matching.aggregation import aggregate, max_quantile
from helpers.tasks.drug_matching.pooled import pooled_auroc

TIED = np.array([3.0, 2, 2, 2, 1, 1, 0])
RELEVANT = np.array([False, True, False, True, False, True, False])


def by_hand(metric, score, relevant):
    """Mean of a plain metric over every order that the scores allow."""
    values, seen = [], set()
    for order in permutations(range(len(score))):
        sorted_scores = score[list(order)]
        if (np.diff(sorted_scores) > 0).any() or order in seen:
            continue
        seen.add(order)
        values.append(metric(relevant[list(order)]))
    return np.mean(values)


def plain_ap(hits):
    places = np.flatnonzero(hits) + 1
    return np.mean(np.arange(1, len(places) + 1) / places)


PLAIN = {
    "precision": (lambda g: r.precision_at(g, 3), lambda h: h[:3].mean()),
    "recall": (lambda g: r.recall_at(g, 5), lambda h: h[:5].sum() / h.sum()),
    "hits": (lambda g: r.hits_at(g, 2), lambda h: float(h[:2].any())),
    "mrr": (r.reciprocal_rank, lambda h: 1 / (np.flatnonzero(h)[0] + 1)),
    "map": (r.average_precision, plain_ap),
    "ndcg": (
        lambda g: r.ndcg_at(g, 4),
        lambda h: (h[:4] / np.log2(np.arange(2, 6))).sum() / (1 / np.log2([2, 3, 4])).sum(),
    ),
    "enrichment": (lambda g: r.enrichment_at(g, 2), lambda h: h[:2].mean() / h.mean()),
}


@pytest.mark.parametrize("name", PLAIN)
def test_ties_count_by_the_mean_over_all_their_orders(name):
    ours, plain = PLAIN[name]
    for score in (TIED, np.zeros(7), -np.arange(7.0)):
        expected = by_hand(plain, score, RELEVANT)
        assert ours(r.ranked(score, RELEVANT)) == pytest.approx(expected, abs=1e-12)


def test_without_ties_scikit_learn_agrees():
    rng = np.random.default_rng(0)
    score, relevant = rng.standard_normal(300), rng.random(300) < 0.1
    found = r.ranked(score, relevant)
    assert r.average_precision(found) == pytest.approx(average_precision_score(relevant, score))
    assert r.auroc(found) == pytest.approx(roc_auc_score(relevant, score))
    assert r.ndcg_at(found, 20) == pytest.approx(ndcg_score([relevant], [score], k=20))
    tied = np.round(score)
    assert r.auroc(r.ranked(tied, relevant)) == pytest.approx(roc_auc_score(relevant, tied))


def test_the_order_of_names_decides_nothing():
    shuffled = np.random.default_rng(0).permutation(7)
    for ours, _ in PLAIN.values():
        one = ours(r.ranked(TIED, RELEVANT))
        assert one == pytest.approx(ours(r.ranked(TIED[shuffled], RELEVANT[shuffled])))


def test_one_ranking_has_two_average_precisions():
    """As many negatives as positives: what a sample of the negatives gives on average."""
    rng = np.random.default_rng(1)
    relevant = np.arange(1_000) < 20
    score = rng.standard_normal(1_000) + 1.7 * relevant
    found, sampled = r.ranked(score, relevant), []
    for _ in range(400):
        some = rng.choice(np.arange(20, 1_000), 20, replace=False)
        rows = np.concatenate([np.arange(20), some])
        sampled.append(average_precision_score(relevant[rows], score[rows]))
    assert r.average_precision(found, prevalence=0.5) == pytest.approx(np.mean(sampled), abs=0.02)
    assert r.average_precision(found, prevalence=0.02) == pytest.approx(r.average_precision(found))
    assert r.average_precision(found) < 0.4 < 0.8 < np.mean(sampled)


@pytest.mark.parametrize(
    "score, relevant, said",
    [
        ([1.0, np.nan], [True, False], "1 of 2 scores are NaN"),
        ([1.0, 2.0], [False, False], "no candidate is relevant"),
        ([1.0, 2.0], [1, 0], "relevant holds int"),
        ([1.0], [True, False], "one each a candidate"),
    ],
)
def test_what_cannot_be_ranked_is_said(score, relevant, said):
    with pytest.raises(ValueError, match=said):
        r.ranked(score, np.array(relevant))


def test_k_and_prevalence_out_of_range_are_refused():
    found = r.ranked(TIED, RELEVANT)
    with pytest.raises(ValueError, match="k is 8 of 7"):
        r.precision_at(found, 8)
    with pytest.raises(ValueError, match="prevalence 1"):
        r.average_precision(found, prevalence=1)
    assert np.isnan(r.auroc(r.ranked(np.arange(3.0), np.ones(3, bool))))


def test_pooled_auroc_is_that_of_all_pairs_and_resamples_queries():
    rng = np.random.default_rng(0)
    scores, relevant = np.round(rng.standard_normal((40, 8)), 1), rng.random((40, 8)) < 0.2
    found, low, high = pooled_auroc(scores, relevant, n_resamples=500, rng=rng)
    assert found == pytest.approx(roc_auc_score(relevant.ravel(), scores.ravel()))
    assert low < found < high
    draw = np.array([0, 0, 3, 5, 5, 5, 6, 7])  # one resample, by hand
    from helpers.tasks.drug_matching.pooled import wins

    counted, n1, n0 = wins(scores, relevant)
    weights = np.bincount(draw, minlength=8)
    by_weight = weights @ counted @ weights / ((weights @ n1) * (weights @ n0))
    by_copy = roc_auc_score(relevant[:, draw].ravel(), scores[:, draw].ravel())
    assert by_weight == pytest.approx(by_copy)
    few = pooled_auroc(scores[:, :5], relevant[:, :5], rng=rng)
    assert np.isnan(few[1:]).all()
    with pytest.raises(ValueError, match="0 relevant pairs"):
        pooled_auroc(scores, np.zeros((40, 8), bool), rng=rng)
    with pytest.raises(ValueError, match="NaN"):
        pooled_auroc(scores * np.nan, relevant, rng=rng)


def test_aggregation_by_hand():
    scores = np.array([[1.0, 2, 9], [3, 0, 5], [4, 4, 1]])
    drug, disease = ["b", "b", "a"], ["y", "y", "x"]
    found, drugs, diseases = aggregate(scores, drug, disease, drugs="max", diseases="mean")
    assert (drugs == ["a", "b"]).all() and (diseases == ["x", "y"]).all()
    np.testing.assert_allclose(found, [[1, 4], [9, 2.5]])
    found, *_ = aggregate(scores, drug, disease, drugs="mean", diseases="max")
    np.testing.assert_allclose(found, [[1, 4], [7, 2]])
    # -3 is further from zero than 1, the quantiles are interpolated
    values = np.array([[-3.0], [0.0], [1.0]])
    assert max_quantile(values)[0] == pytest.approx(np.quantile(values, 0.33))


def test_the_sum_of_the_best_fifty_grows_with_the_contrasts_of_a_disease():
    scores = np.arange(60.0)[:, None] * np.ones(4)
    names = [f"d{i:02}" for i in range(60)]
    found, *_ = aggregate(scores, names, ["x", "y", "y", "y"], diseases="top-50-sum")
    np.testing.assert_allclose(found[:, 0], np.where(np.arange(60) < 10, 0, np.arange(60)))
    np.testing.assert_allclose(found[:, 1], 3 * found[:, 0])
    with pytest.raises(ValueError, match="at least 0"):
        aggregate(-scores, names, ["x", "y", "y", "y"], diseases="top-50-sum")
    with pytest.raises(ValueError, match="choose from max, mean"):
        aggregate(scores, names, ["x", "y", "y", "y"], drugs="median")
    with pytest.raises(ValueError, match="59 signatures"):
        aggregate(scores, names[1:], ["x", "y", "y", "y"])


def test_a_perfect_ranking_has_an_ndcg_of_exactly_one():
    for n_relevant in range(1, 60):
        relevant = np.arange(80) < n_relevant
        found = r.ranked(-np.arange(80.0), relevant)
        assert {r.ndcg_at(found, k) for k in (1, 7, 50, 80)} == {1.0}
