"""Metrics of predictions against cell-eval2, where it is installed: equal, or different by rule."""

import numpy as np
import pytest

from helpers.metrics.predicted import de_recovery, expression
from helpers.metrics.predicted.discrimination import discrimination

pytest.importorskip("cell_eval2")
N, GENES = 8, 30


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    control = rng.gamma(1, 1, GENES)
    observed = control + 0.5 * rng.standard_normal((N, GENES))
    predicted = observed + 0.5 * rng.standard_normal((N, GENES))
    predicted[3] = predicted[2]  # two predictions are one
    return predicted, observed, control


def bulk(values, control):
    names = np.array([*(f"G{i}" for i in range(N)), "non-targeting"], dtype=object)
    return names, np.vstack([values, control])


@pytest.mark.parametrize("distance", ["l1", "l2", "cosine"])
def test_discrimination_is_theirs_with_another_denominator(drawn, distance):
    from cell_eval2.metrics.discrimination import discrimination_score

    predicted, observed, control = drawn
    theirs = discrimination_score(
        pred_bulk=bulk(predicted, control),
        real_bulk=bulk(observed, control),
        distance=distance,
        rank_denominator="n-1",
        exclusion_scope="row",
        genes=np.array([f"G{i}" for i in range(GENES)], dtype=object),
    )
    ours = discrimination(
        predicted - control, observed - control, distance=distance, own_gene=np.arange(N)
    )
    np.testing.assert_allclose(ours, [theirs[f"G{i}"] for i in range(N)], atol=1e-12)


def test_mean_absolute_error_is_theirs(drawn):
    from cell_eval2.metrics.delta import mae

    predicted, observed, control = drawn
    theirs = mae(pred_bulk=bulk(predicted, control), real_bulk=bulk(observed, control))
    ours = expression.mae(predicted, observed)
    np.testing.assert_allclose(ours, [theirs[f"G{i}"] for i in range(N)], rtol=1e-12)


@pytest.fixture(scope="module")
def tested():
    """Changes and significance of both sides; in the first row nothing is significant."""
    rng = np.random.default_rng(1)
    change = [rng.standard_normal((N, GENES)) for _ in range(2)]
    adjusted = [rng.random((N, GENES)) * 0.15 for _ in range(2)]
    adjusted[0][0] = 0.9
    return change, adjusted


def frames(change, adjusted):
    import polars as pl

    rows = [(p, g) for p in range(N) for g in range(GENES)]
    return [
        pl.DataFrame(
            {
                "target": [f"P{p}" for p, _ in rows],
                "feature": [f"G{g}" for _, g in rows],
                "log2_fold_change": c.ravel(),
                "p_value": a.ravel(),
                "p_adj": a.ravel(),
            }
        )
        for c, a in zip(change, adjusted, strict=True)
    ]


@pytest.mark.parametrize("k", [None, 3, 100])
@pytest.mark.parametrize("precision", [False, True])
def test_overlap_is_theirs_but_for_what_is_not_defined(tested, k, precision):
    from cell_eval2.metrics.de import de_overlap

    change, adjusted = tested
    real, pred = frames(change, adjusted)
    kind = "precision" if precision else "overlap"
    theirs = de_overlap(de_pred=pred, de_real=real, k=k, metric=kind)
    ours = de_recovery.overlap(
        change[0], adjusted[0] < 0.05, change[1], adjusted[1] < 0.05, k=k, precision=precision
    )
    for i in range(N):
        if np.isnan(ours[i]):  # nothing significant: they say 0, which no model can help
            assert theirs[f"P{i}"] == 0
        else:
            assert ours[i] == pytest.approx(theirs[f"P{i}"])
    assert np.isnan(ours[0]) == (not precision)


def test_direction_is_theirs_but_for_changes_of_zero(tested):
    from cell_eval2.metrics.de import de_direction_match

    change, adjusted = tested
    predicted = change[1].copy()
    real, pred = frames([change[0], predicted], adjusted)
    theirs = de_direction_match(de_pred=pred, de_real=real)
    ours = de_recovery.direction_match(change[0], adjusted[0] < 0.05, predicted)
    assert "P0" not in theirs
    assert np.isnan(ours[0])
    np.testing.assert_allclose(ours[1:], [theirs[f"P{i}"] for i in range(1, N)])
    real, pred = frames([change[0], 0 * predicted], adjusted)
    nothing = de_direction_match(de_pred=pred, de_real=real)
    assert set(nothing.values()) == {0.0}  # ours is one half: nothing is known of a direction
    zero = de_recovery.direction_match(change[0], adjusted[0] < 0.05, 0 * predicted)
    assert set(zero[1:]) == {0.5}
