"""Effects that share controls agree without reason."""

import anndata
import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.simulate.screen import simulate_screen
from helpers.stats import mean_interval
from helpers.summaries import group_means
from helpers.tasks.foundations import shared_controls
from helpers.tasks.foundations.shared_controls import by_number, effect_correlations, score_rows


@pytest.fixture(scope="module")
def no_effect():
    return simulate_screen(
        rng=np.random.default_rng(0),
        n_cells=2400,
        n_genes=400,
        n_targets=20,
        control_share=0.5,
        effect_size=0.0,
        batch_sd=0.0,
        state_sd=0.0,
    )


def test_shared_controls_make_unrelated_effects_correlate_and_disjoint_ones_do_not(no_effect):
    # Each target has 60 cells. Errors of its mean and of the controls' mean have variances 1/60 and
    # 1/n, so that effects correlate by (1/n) / (1/60 + 1/n) where they share n controls.
    results = {
        n: effect_correlations.function(no_effect, n_controls=n, seed=1) for n in (30, 60, 300)
    }
    table = by_number(results).set_index(["n_controls", "controls"])
    for n in results:
        shared, disjoint = table.loc[(n, "shared")], table.loc[(n, "disjoint")]
        assert shared["expected"] == pytest.approx((1 / n) / (1 / 60 + 1 / n), rel=0.02)
        assert shared["mean"] == pytest.approx(shared["expected"], abs=0.05)
        assert disjoint["expected"] == 0
        # targets of one screen share the errors of their own means: a few hundredths remain
        assert abs(disjoint["mean"]) < 0.06
        assert disjoint["low"] < disjoint["mean"] < disjoint["high"]


def test_interval_of_a_mean_is_that_of_scipy():
    from scipy.stats import ttest_1samp

    values = np.random.default_rng(0).normal(size=12)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(mean_interval(values), expected)
    with pytest.raises(ValueError, match="at least 2"):
        mean_interval([1.0])


def test_the_mean_is_over_all_ordered_pairs_of_others(no_effect):
    from helpers.tasks.foundations.shared_controls import _mean_with_others

    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 5, 40))
    expected = [
        np.mean(
            [np.corrcoef(left[i], right[j])[0, 1] for j in range(5) if j != i]
            + [np.corrcoef(left[j], right[i])[0, 1] for j in range(5) if j != i]
        )
        for i in range(5)
    ]
    np.testing.assert_allclose(_mean_with_others(left, right), expected)


def test_more_controls_than_there_are_is_an_error(no_effect):
    with pytest.raises(DataError, match=r"n_controls is 5000; simulated has \d+ cells"):
        effect_correlations.function(no_effect, n_controls=5000, seed=0)


def test_scores_hold_both_ways_for_every_draw_and_their_interval_is_that_of_the_page(no_effect):
    from helpers.scores import check

    result = effect_correlations.function(no_effect, n_controls=50, seed=1)
    table = check(score_rows(result, dataset="simulated", n_controls=50, seed=1))
    assert len(table) == 2 * result["repeat"].nunique()
    assert (table["n"] == result.groupby("repeat")["n_cells"].sum()[0]).all()
    shared = table[table["model"] == "shared controls"].set_index("unit")["value"]
    expected = result.groupby("repeat")["shared"].mean()
    np.testing.assert_allclose(shared, expected)
    page = by_number({50: result}).set_index("controls")
    found = group_means(table, ["model"], n_resamples=5_000, rng=0).set_index("model")
    for how in ("shared", "disjoint"):
        columns = ["mean", "low", "high"]
        wide = page.loc[how, "high"] - page.loc[how, "low"]
        asked = found.loc[f"{how} controls", columns].astype(float)
        np.testing.assert_allclose(asked, page.loc[how, columns].astype(float), atol=0.25 * wide)


def test_what_disjoint_controls_need_is_counted_batch_by_batch():
    label = ["control"] * 5 + ["A"] + ["control"] * 3 + ["B"]
    obs = pd.DataFrame({"perturbation": label, "batch": list("1" * 6 + "2" * 4)})
    screen = anndata.AnnData(np.zeros((10, 1)), obs=obs.set_index(obs.index.astype(str)))
    has = shared_controls.available(screen)
    assert has == {"perturbations": 2, "batches_with_four_controls": 1, "half_of_controls": 3}
    needed = {r.fact: r.minimum for r in shared_controls.requirements(screen, 50)}
    assert needed == {"perturbations": 2, "batches_with_four_controls": 2, "half_of_controls": 50}
