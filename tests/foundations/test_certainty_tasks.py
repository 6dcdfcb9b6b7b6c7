"""Coverage of intervals, guides without target, and winners, where the truth is known."""

import anndata
import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.simulate.screen import simulate_screen
from helpers.scores import check
from helpers.tasks import interval_coverage
from helpers.tasks.foundations import false_certainty


def screen(**knobs):
    size = dict(n_cells=3000, n_genes=300, n_targets=20) | knobs
    return simulate_screen(rng=np.random.default_rng(0), **size)


def test_rows_of_a_cluster_that_comes_twice_make_intervals_too_short():
    means = interval_coverage.coverage_of_means.function(
        n_clusters=30, repeated_share=1.0, skewed=False, n_simulations=600, n_resamples=400, seed=0
    )
    share = means.set_index(["unit", "interval"])["share"]
    assert share["row", "studentised"] < 0.90
    assert 0.93 <= share["cluster", "studentised"] <= 0.97
    assert set(means["n_simulations"]) == {600}
    effects = interval_coverage.coverage_of_effects.function(
        n_targets=10, target_sd=0.5, guide_sd=0.5, n_simulations=300, n_resamples=200, seed=0
    )
    table = check(interval_coverage.score_rows({"means": means, "effects": effects}, seed=0))
    assert table["value"].between(0, 1).all()


def test_guides_without_target_are_called_as_often_as_chance_has_it():
    z = false_certainty.control_guides.function(screen(control_share=0.4))
    shares = false_certainty.called(z)
    assert len(shares) == 9
    for how in ("pooled", "within replicates"):
        assert 0.03 < shares[how].mean() < 0.07


def test_pooling_replicates_that_differ_calls_guides_of_one_of_them():
    """A guide with most of its cells in one replicate gets that replicate's shift, if pooled."""
    simulated = screen(control_share=0.4, batch_sd=0.8)
    guide = simulated.obs["guide"].astype(str).to_numpy()
    first = (simulated.obs["replicate"] == "replicate1").to_numpy()
    own = np.flatnonzero((guide == "NTg1") & ~first)
    unbalanced = np.delete(np.arange(simulated.n_obs), own[12:])
    found = false_certainty.called(
        false_certainty.control_guides.function(simulated[unbalanced].copy())
    ).set_index("guide")
    assert found.loc["NTg1", "pooled"] > 0.2
    assert found.loc["NTg1", "within replicates"] < 0.12


def test_winners_without_effect_keep_nothing_and_true_ones_keep_much():
    nothing = false_certainty.winners.function(screen(effect_size=0.0), seed=0)
    assert abs(nothing["replicated"].sum() / nothing["selected"].sum()) < 0.35
    strong = false_certainty.winners.function(screen(effect_size=0.5, n_cells=6000), seed=0)
    kept = strong["replicated"].sum() / strong["selected"].sum()
    assert 0.5 < kept < 1
    assert (strong["gene"] != strong.index).all()


def test_screens_with_too_little_are_refused():
    small = screen(n_cells=400, n_targets=20)
    with pytest.raises(DataError, match="no target has 500 cells"):
        false_certainty.winners.function(small, seed=0, min_cells=500)
    with pytest.raises(DataError, match="0 non-targeting guides have 400 cells"):
        false_certainty.control_guides.function(small, min_cells=400)


def test_guides_that_can_be_calibrated_and_targets_that_can_be_halved_are_counted():
    cells = [("control", "n1", "r1")] * 10 + [("control", "n2", "r1")] * 12
    cells += [("control", "n3", "r2")] * 30 + [("control", "n4", "r1")] * 9  # alone, and too few
    cells += [("A", "a", "r1")] * 20 + [("B", "b", "r1")] * 19
    obs = pd.DataFrame(cells, columns=["perturbation", "guide", "replicate"]).assign(batch="1")
    given = anndata.AnnData(np.zeros((len(obs), 1)), obs=obs.set_index(obs.index.astype(str)))
    has = false_certainty.available(given)
    assert has == {"calibrated_guides": 2, "batches_with_four_controls": 1, "halved_targets": 1}
    assert {r.fact for r in false_certainty.winners_need(given)} <= set(has)
    given.obs.loc["0", "guide"] = None
    assert false_certainty.available(given)["calibrated_guides"] == 0
    del given.obs["replicate"]
    assert false_certainty.available(given)["calibrated_guides"] == 0
