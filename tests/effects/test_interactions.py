"""Genetic interactions: the empirical null, its classes, curves, against published numbers."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score

from helpers.data.contract import CONTROL
from helpers.data.normalise import log1p_cp10k
from helpers.data.sets import ahlmann_eltze2025_scores as reader
from helpers.data.simulate.screen import simulate_screen
from helpers.metrics.effects.interaction_calls import (
    discovery_curve,
    legacy_auprc,
    magnitude_matched_auroc,
    tpr_at_fdp,
)
from helpers.metrics.effects.interactions import (
    EmpiricalNull,
    _natural_spline,
    classes,
    empirical_null,
    legacy_classes,
    predicted_classes,
    same_direction,
)

# Read off the figure; panel F confines them to (-0.21423, -0.21310) and (0.20046, 0.20284)
PUBLISHED = EmpiricalNull(0.0069, 0.0589, 0.841, -0.2139, 0.2018)


@pytest.fixture(scope="module")
def pairs(paths):
    return reader.read_interaction_pairs(paths)


def test_panel_e_is_all_doubles_times_all_genes(paths):
    found = reader.read_interaction_classes(paths).set_index("label")["n"]
    expected = {"Additive": 118_965, "Buffering": 2_878, "Synergy": 761, "Other": 1_396}
    assert found.to_dict() == expected
    assert found.sum() == 124 * 1_000
    assert round(1 - found["Additive"] / found.sum(), 4) == 0.0406


PREDICTED = {  # synergy, buffering, opposite, as printed
    "no_change": (0, 501, 0),  # the 500th place is shared
    "scgpt": (0, 351, 149),
    "scfoundation": (5, 221, 274),
    "uce": (0, 333, 167),
    "scbert": (0, 333, 167),
    "geneformer": (81, 189, 230),
    "gears": (17, 267, 216),
    "cpa": (80, 17, 403),
}


def test_predicted_classes_of_all_methods_as_printed(pairs):
    kind = predicted_classes(pairs["predicted"], pairs["additive"], pairs["control"])
    found = pd.crosstab(pairs["model"], kind)
    found = found[["synergy", "buffering", "opposite"]]
    assert {m: tuple(found.loc[m]) for m in PREDICTED} == PREDICTED
    assert found.sum().sum() == 4_001
    own = pairs[pairs["model"] == "no_change"]
    size = (own["predicted"] - own["additive"]).abs().round(6)
    assert not own.duplicated(["seed", "perturbation", "gene"]).any()
    assert (size == size.min()).sum() > 1  # the last place is a tie: 501 rows


def test_observed_classes_follow_from_the_thresholds(pairs):
    """Where both singles and the double go one way, which the labels imply; "Other" is the rest."""
    own = pairs.drop_duplicates(["seed", "perturbation", "gene"])
    for same, labels in ((True, ("Additive", "Buffering", "Synergy")), (False, ("Other",))):
        rows = own[own["label"].isin(labels)]
        kind = legacy_classes(rows["observed"], rows["additive"], rows["control"], same, PUBLISHED)
        assert (kind == rows["label"].str.lower()).all()
    clean = classes(own["observed"], own["additive"], own["control"], PUBLISHED)
    assert ((clean == "additive") == (own["label"] == "Additive")).all()
    both = own["label"].isin(["Buffering", "Synergy"])
    assert (clean[both] == own.loc[both, "label"].str.lower()).all()
    assert set(clean[own["label"] == "Other"]) == {"buffering", "opposite", "synergy"}


def test_the_published_curve_is_the_one_of_the_workbook(paths):
    curve = reader.read_interactions(paths).set_index(["model", "fdp"])["tpr"]
    assert round(curve["no_change", 0.1], 4) == 0.0066
    assert round(curve["no_change", 0.3], 3) == 0.097
    assert round(curve["no_change", 0.5], 3) == 0.272


def test_the_first_calls_give_the_start_of_the_published_curve(pairs, paths):
    """Some 100 pairs of each seed are known; the others are put behind them, the false ones first.

    For no change, lower proportions come after those 500 rows: only its first calls are compared.
    """
    curve = reader.read_interactions(paths).set_index(["model", "fdp"])["tpr"]
    n_pairs, n_true = 62_000, round(0.0406 * 62_000)
    for model, own in pairs.groupby("model"):
        grid = [0.0] if model == "no_change" else [0.0, 0.05, 0.1]
        found = []
        for _, rows in own.groupby("seed"):
            truth = PUBLISHED.called(rows["observed"] - rows["additive"])
            rest = n_true - truth.sum()
            everything = np.repeat([False, True], [n_pairs - len(rows) - rest, rest])
            score = (rows["predicted"] - rows["additive"]).abs()
            found.append(
                tpr_at_fdp(
                    np.concatenate([truth, everything]),
                    np.concatenate([score, 0.1 - 0.05 * everything]),
                    grid,
                    ties="mean",
                )
            )
        published = [curve[model, p] for p in grid]
        np.testing.assert_allclose(np.mean(found, axis=0), published, rtol=0.25, err_msg=model)


def test_same_direction_needs_all_three():
    assert same_direction([2, 2, 0], [3, 1, 0], [2, 2, 0.5], 1).tolist() == [True, False, True]


def test_classes_by_where_the_double_lies():
    null = EmpiricalNull(0, 0.1, 1, -0.2, 0.2)
    observed = np.array([1.1, 2.0, 0.4, -0.5, 0.0, -3.0])
    additive = np.array([1.0, 1.0, 1.0, 1.0, 1.0, -1.0])
    expected = ["additive", "synergy", "buffering", "opposite", "buffering", "synergy"]
    assert classes(observed, additive, 0.0, null).tolist() == expected
    assert predicted_classes(observed, additive, 0.0).tolist()[1:] == expected[1:]
    legacy = legacy_classes(observed, additive, 0.0, np.array([1, 1, 1, 0, 0, 1], bool), null)
    assert legacy.tolist() == ["additive", "synergy", "buffering", "other", "other", "synergy"]


def test_the_null_of_a_mixture_is_found():
    rng = np.random.default_rng(0)
    null = rng.normal(0.01, 0.06, 95_000)
    shift = rng.choice([-1, 1], 5_000) * rng.uniform(0.3, 0.6, 5_000)
    found = empirical_null(np.concatenate([null, rng.normal(shift, 0.06)]))
    assert found.mean == pytest.approx(0.01, abs=0.002)
    assert found.sd == pytest.approx(0.06, rel=0.02)
    assert found.null_share == pytest.approx(0.95, abs=0.01)
    # where the local fdr of the mixture itself is 0.05
    x = np.linspace(0, 0.5, 5_001)
    grid = np.linspace(0.3, 0.6, 301)
    alternative = norm.pdf(x[:, None], grid, 0.06).mean(axis=1) / 2
    own = 0.95 * norm.pdf(x, 0.01, 0.06)
    fdr = own / (own + 0.05 * alternative)
    assert found.upper == pytest.approx(x[np.argmin(np.abs(fdr - 0.05))], abs=0.015)


def test_nothing_is_called_where_nothing_interacts():
    e = np.random.default_rng(1).normal(0, 0.06, 50_000)
    found = empirical_null(e)
    assert found.called(e).mean() < 1e-3
    assert found.null_share == pytest.approx(1, abs=0.05)


def test_less_than_a_thousandth_of_a_simulated_screen_without_interactions_is_called():
    """Effects add on the log scale of counts, and are tested on log1p CP10k."""
    knobs = {"n_cells": 8_000, "n_genes": 300, "n_targets": 12, "n_combinations": 25}
    every = {"efficacy": 1.0, "batch_sd": 0.0, "effective_share": 1.0, "unexpressed_share": 0.0}
    screen = simulate_screen(np.random.default_rng(3), **knobs, **every)
    values = log1p_cp10k(screen).X
    labels = screen.obs["perturbation"].astype(str).to_numpy()
    means = {n: np.asarray(values[labels == n].mean(axis=0)).ravel() for n in set(labels)}
    doubles = sorted(n for n in means if "+" in n)
    members = [[means[part] for part in n.split("+")] for n in doubles]
    e = np.array(
        [means[n] - a - b + means[CONTROL] for n, (a, b) in zip(doubles, members, strict=True)]
    )
    assert empirical_null(e).called(e).mean() < 1e-3


def test_the_spline_is_natural():
    x = np.linspace(-1, 2, 119)
    basis = _natural_spline(x, 7)
    assert basis.shape == (119, 8)
    assert np.linalg.matrix_rank(basis) == 8
    second = np.diff(basis, 2, axis=0) / (x[1] - x[0]) ** 2
    scale = np.abs(second).max(axis=0) + 1e-12
    assert (np.abs(second[[0, -1]]) < 0.1 * scale).all()  # no curvature at the ends


def test_the_null_refuses_what_has_no_middle():
    with pytest.raises(ValueError, match="more than 119 finite"):
        empirical_null(np.zeros(50))
    with pytest.raises(ValueError, match="1 of them NaN"):
        empirical_null(np.append(np.arange(500.0), np.nan))
    with pytest.raises(ValueError, match="half of the deviations are equal"):
        empirical_null(np.append(np.zeros(400), np.arange(99.0)))


def curves(seed=0, n=400):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.1
    return truth, rng.integers(0, 50, n) + 15 * truth


def test_the_curve_counts_calls():
    truth, score = curves()
    fdp, tpr = discovery_curve(truth, score)
    for i, level in enumerate(sorted(set(score), reverse=True)):
        called = score >= level
        assert fdp[i] == pytest.approx((called & ~truth).sum() / called.sum())
        assert tpr[i] == pytest.approx((called & truth).sum() / truth.sum())
    grid = np.linspace(0, 1, 101)
    on_grid = tpr_at_fdp(truth, score, grid)
    assert (np.diff(on_grid) >= 0).all()
    assert on_grid[-1] == 1
    assert tpr_at_fdp(truth, truth * 1.0, [0.0]) == 1
    exact = np.array([True, True, False]), np.array([3.0, 2.0, 1.0])
    assert tpr_at_fdp(*exact, [0.0], ties="mean") == pytest.approx(0.75)
    with pytest.raises(ValueError, match="nothing can be found"):
        discovery_curve(np.zeros(5, bool), np.arange(5.0))
    with pytest.raises(ValueError, match="not finite"):
        discovery_curve(truth, np.full(400, np.nan))


def test_the_legacy_area_is_no_average_precision():
    truth, score = curves(n=4_000)
    score = score + np.random.default_rng(1).random(len(score))
    legacy, proper = legacy_auprc(truth, score), average_precision_score(truth, score)
    fdp, recall = discovery_curve(truth, score)
    table = pd.DataFrame({"p": 1 - fdp, "r": recall}).sort_values(["p", "r"], ascending=[1, 0])
    mid = (table["p"] + table["p"].shift()) / 2
    assert legacy == pytest.approx(-(mid * table["r"].diff()).sum())
    assert abs(legacy - proper) > 1e-4


def test_knowing_magnitudes_alone_is_chance_among_equals():
    rng = np.random.default_rng(2)
    magnitude = rng.gamma(1, 1, 20_000)
    truth = rng.random(20_000) < 0.05 * magnitude / magnitude.max() * 10
    pure = magnitude_matched_auroc(truth, magnitude, magnitude, n_strata=200)
    assert pure == pytest.approx(0.5, abs=0.04)
    informed = magnitude_matched_auroc(truth, truth + 0.1 * magnitude, magnitude)
    assert informed > 0.95
    assert np.isnan(magnitude_matched_auroc(truth | True, magnitude, magnitude))
