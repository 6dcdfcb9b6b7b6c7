"""Metrics between controls whose quality is known: scenes, predictions, ranges, sentences."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import ttest_ind

from helpers.data.contract import DataError
from helpers.data.normalise import log1p_cp10k
from helpers.data.simulate.screen import simulate_screen
from helpers.metrics.predicted.facts import PREDICTION_METRICS, PredictionMetric
from helpers.tasks import prediction_panel as panel
from helpers.tasks import prediction_panel_report as report
from helpers.tasks.prediction_judge import Judge, Prediction, _principal_axes
from helpers.tasks.prediction_scene import LOG, RAW, RESIDUALS, make_scene
from helpers.tasks.requirements import lacking

KNOBS = {
    "n_cells": 1_600,
    "n_genes": 150,
    "n_targets": 16,
    "guides_per_target": 2,
    "n_control_guides": 4,
    "effective_share": 1.0,
    "unexpressed_share": 0.0,
}


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(np.random.default_rng(0), **KNOBS)


@pytest.fixture(scope="module")
def deep():
    knobs = KNOBS | {"n_cells": 10 * KNOBS["n_cells"]}
    return panel.deep_profiles.function(simulate_screen(np.random.default_rng(0), **knobs))


@pytest.fixture(scope="module")
def scene(screen):
    return make_scene(screen, seed=0)


@pytest.fixture(scope="module")
def scored(screen, deep):
    table = panel.control_scores.function(screen, seed=0, truth=deep)
    return report.score_rows(table, dataset="simulated", seed=0)


def test_no_cell_is_on_both_sides(screen, scene):
    used = [rows for pair in scene.halves.values() for rows in pair]
    used += list(scene.controls.values())
    together = np.concatenate(used)
    assert len(set(together)) == len(together)
    labels = screen.obs["perturbation"].astype(str).to_numpy()
    for name, (first, second) in scene.halves.items():
        assert set(labels[first]) | set(labels[second]) == {name}
        assert len(first) == len(second)
    assert set(labels[scene.controls["truth"]]) == {"control"}


def test_means_and_tests_are_those_of_the_cells(screen, scene):
    values = log1p_cp10k(screen).X.toarray()
    name = scene.names[3]
    first, second = scene.halves[name]
    np.testing.assert_allclose(scene.observed[3], values[first].mean(axis=0), rtol=1e-5)
    rest = np.concatenate([h[1] for n, h in scene.halves.items() if n != name])
    expected = ttest_ind(values[second].astype(float), values[rest].astype(float), equal_var=False)
    known = np.isfinite(expected.statistic)
    np.testing.assert_allclose(scene.seen_t[3][known], expected.statistic[known], rtol=1e-4)
    np.testing.assert_allclose(scene.seen_p[3][known], expected.pvalue[known], rtol=1e-3)
    assert scene.genes[scene.own_gene[3]] == name


def test_halves_by_guide_hold_different_guides(screen):
    found = make_scene(screen, seed=0, halving="guides")
    guides = screen.obs["guide"].astype(str).to_numpy()
    for first, second in found.halves.values():
        assert not set(guides[first]) & set(guides[second])
    with pytest.raises(DataError, match="no obs\\['guide'\\]"):
        lost = screen.copy()
        del lost.obs["guide"]
        make_scene(lost, seed=0, halving="guides")
    with pytest.raises(ValueError, match="one of cells, guides, replicates"):
        make_scene(screen, seed=0, halving="batches")


def test_a_scene_is_cut_to_what_is_asked(screen):
    found = make_scene(screen, seed=0, n_cells=10, n_controls=20, n_perturbations=5, n_genes=30)
    assert found.observed.shape == (5, 30)
    assert set(found.n_cells) == {10}
    assert {len(c) for c in found.controls.values()} == {20}
    whole = make_scene(screen, seed=0, n_controls=20)
    lowest = whole.predicted_from[whole.genes.get_indexer(found.genes)].min()
    assert (np.sort(whole.predicted_from)[-30:] >= lowest).all()
    with pytest.raises(DataError, match="two are needed"):
        make_scene(screen, seed=0, n_perturbations=1)


def test_residuals_have_no_mean_and_counts_stay_counts(screen):
    residuals = make_scene(screen, seed=0, normalisation=RESIDUALS).matrix
    assert abs(residuals.mean(axis=0)).max() < 0.2
    raw = make_scene(screen, seed=0, normalisation=RAW).matrix
    assert raw.sum() == screen.X.sum()
    with pytest.raises(ValueError, match="normalisation is 'tpm'"):
        make_scene(screen, seed=0, normalisation="tpm")
    with pytest.raises(ValueError, match="ask for OF_MEANS"):
        panel.control_scores.function(screen, seed=0, normalisation=RAW)


def test_emitted_cells_have_the_predicted_mean_and_keep_their_zeros(scene):
    judge = Judge(scene, 0)
    means = 1.3 * scene.predicted_from
    means[0] = -0.5
    cells = judge.emitted(means)
    np.testing.assert_allclose(cells.mean(axis=0)[1:], means[1:], rtol=1e-9)
    assert (cells[:, 0] == 0).all()
    rows = scene.controls["model"]
    base = scene.matrix[rows[: len(rows) // 2]].toarray()
    expressed = base.mean(axis=0) > 0
    assert ((cells == 0) == (base == 0))[:, 1:][:, expressed[1:]].all()
    prediction = Prediction(np.tile(means, (len(scene.names), 1)))
    in_components = judge.cells_of(prediction)[0]
    np.testing.assert_allclose(in_components, cells @ judge.axes, atol=1e-9)


def test_nobody_gets_its_own_profile_when_perturbations_are_shuffled(scene):
    found = panel.known_predictions(scene, seed=3)
    same = found[panel.SHUFFLED].means == scene.seen
    assert not same.all(axis=1).any()
    assert sorted(found[panel.SHUFFLED].means[:, 0]) == sorted(scene.seen[:, 0])


def test_what_knows_the_answer_is_between_floor_and_truth(scored):
    found = report.calibration(scored).set_index("metric")
    assert list(found.index) == list(PREDICTION_METRICS)
    for metric in ("pearson_delta", "weighted_r2", "discrimination_l2", "de_auroc", "l2_top20"):
        row, better = found.loc[metric], PREDICTION_METRICS[metric].better
        steps = [row["at floor"], row[panel.DUPLICATE], row[panel.PLANTED]]
        assert steps == sorted(steps, reverse=better == "lower"), metric
        assert row["verdict"] == "separates", metric
    # knowing which genes are expressed is not knowing what a perturbation does
    assert found.loc["pearson", "at floor"] > 0.9
    assert found.loc["pearson_delta", "noise-free"] == pytest.approx(
        found.loc["pearson_delta", panel.PLANTED], abs=0.06
    )
    assert found.loc["l2", "noise-free"] == pytest.approx(found.loc["l2", panel.PLANTED], rel=0.15)
    assert report.wide(scored, "discrimination_l2").notna().all(axis=None)


def test_floors_know_nothing(scored):
    shuffled = scored[scored["model"] == panel.SHUFFLED].groupby("metric")["value"].mean()
    assert shuffled["discrimination_cosine"] == pytest.approx(0.5, abs=3 * 0.29 / np.sqrt(16))
    means = report.wide(scored, "centroid_accuracy").mean()
    assert means[panel.NO_CHANGE] == pytest.approx(0.5)
    assert means[panel.MEAN] == pytest.approx(0.5)
    assert report.wide(scored, "pearson_delta")[panel.NO_CHANGE].isna().all()
    assert report.wide(scored, "pearson_delta_mean")[panel.MEAN].isna().all()


def test_values_lie_in_the_stated_ranges(scored):
    for metric, own in scored.groupby("metric"):
        fact = PREDICTION_METRICS[metric]
        values = own["value"].dropna()
        assert values.between(fact.low - 1e-9, fact.high + 1e-9).all(), metric


def test_dynamic_range_is_a_fraction_of_what_is_possible():
    found = report.dynamic_range_fraction([0.8, 0.2, 1.0, 0.5], [0.6, 0.6, 0.6, 1.0], 1.0)
    np.testing.assert_allclose(found, [0.5, -1, 1, np.nan])
    errors = report.dynamic_range_fraction([1.0, 3.0, 9.0], [2.0, 2.0, 2.0], 0.0)
    np.testing.assert_allclose(errors, [0.5, -0.5, -1])


def test_the_floor_is_the_best_that_is_defined():
    values = pd.DataFrame(
        {"no change": [np.nan, np.nan, 0.9], "mean": [0.1, 0.2, 0.3], "shuffled perturbations": 0.0}
    )
    assert report.floor_of(values, "higher") == "mean"
    assert report.floor_of(values, "lower") == "shuffled perturbations"
    assert report.floor_of(values[["no change"]], "higher") is None


def test_a_metric_that_is_worse_for_those_who_know_is_found_out():
    """Size of the prediction: noise is paid, knowledge is not."""
    n = 30
    rng = np.random.default_rng(0)
    rows = {"mean": rng.uniform(0.8, 0.9, n), "technical duplicate": rng.uniform(0.1, 0.2, n)}
    table = pd.concat(
        pd.DataFrame(
            {"prediction": p, "metric": "bad", "perturbation": range(n), "n_cells": 9, "value": v}
        ).astype({"perturbation": str})
        for p, v in rows.items()
    )
    facts = {
        "bad": PredictionMetric("bad", "Bad", 0, 1, "higher", float("nan"), "nobody", perfect=1)
    }
    found = report.calibration(report.score_rows(table, dataset="x", seed=0), facts)
    assert found["verdict"].tolist() == ["inverted"]
    said = report.which_separate(found)
    assert "The duplicate is worse than one that knows nothing by: bad." in said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.5, 0.3, 0.6), "separates"),
        ((-0.5, -0.6, -0.3), "inverted"),
        ((0.1, -0.2, 0.3), "undecided"),
        ((0.1, np.nan, np.nan), "undecided"),
        ((np.nan, np.nan, np.nan), "not defined"),
    ],
)
def test_verdicts(values, said):
    assert report.verdict(*values) == said


def verdicts(*given):
    return pd.DataFrame({"metric": [f"m{i}" for i in range(len(given))], "verdict": given})


def test_which_metrics_separate_is_said_for_every_case():
    assert "All 2 metrics tell" in report.which_separate(verdicts("separates", "separates"))
    mixed = report.which_separate(verdicts("separates", "inverted", "undecided", "not defined"))
    assert "Of 4 metrics 1 tells the duplicate" in mixed
    assert "knows nothing by: m1." in mixed
    assert "Undecided: m2." in mixed
    assert "Not defined here: m3." in mixed
    assert "None of 1 metrics" in report.which_separate(verdicts("undecided"))


def test_the_answer_counts_verdicts_and_gives_the_ends_with_their_intervals():
    table = verdicts("separates", "inverted", "undecided", "not defined")
    table = table.assign(drf=[0.8, -0.2, 0.1, np.nan], low=[0.7, -0.3, np.nan, np.nan])
    table["high"] = table["low"] + 0.2
    said = report.in_short(table)
    assert said.startswith("By 1 of 3 metrics a technical duplicate is better")
    assert "by 1 it is worse, by 1 it is undecided" in said
    assert "(95 % interval \N{MINUS SIGN}0.30 to \N{MINUS SIGN}0.10) by m1 to 0.80" in said
    assert report.in_short(table.iloc[3:]).startswith("No metric is defined")


def test_floors_and_ceilings_are_said_for_every_case():
    assert "No prediction" in report.of_floors(pd.DataFrame({"floor": ["none"]}))
    assert "best mean by all metrics: mean" in report.of_floors(pd.DataFrame({"floor": ["mean"]}))
    several = report.of_floors(pd.DataFrame({"floor": ["mean", "mean", "no change"]}))
    assert "mean (2 metrics), no change (1 metrics)" in several
    table = pd.DataFrame({"noise-free": [0.8, np.nan], panel.DUPLICATE: [0.6, 0.5]})
    assert "is not known" in report.of_ceilings(table)
    table[panel.PLANTED] = [0.82, 0.7]
    assert report.of_ceilings(table).endswith("by all 1 metrics that have one.")
    far = table.assign(**{"noise-free": [0.1, np.nan]})
    assert report.of_ceilings(far).endswith("by 0 of 1 metrics that have one.")
    assert "No metric here" in report.of_ceilings(table.assign(**{"noise-free": np.nan}))


def test_a_metric_that_prefers_a_duplicate_to_the_truth_is_named(scored):
    l2 = scored[scored["metric"] == "l2"]
    said = "By 1 of 1 metrics the planted truth is better than a duplicate; by none the duplicate"
    assert report.of_truth(l2).startswith(said)
    turned = l2.assign(value=-l2["value"])
    assert report.of_truth(turned).endswith("; the duplicate is the better one by l2.")
    same = l2.assign(value=1.0)
    assert "By 0 of 1 metrics" in report.of_truth(same) and "undecided are l2;" in (
        report.of_truth(same)
    )
    for less in (l2[l2["model"] != panel.PLANTED], l2.assign(value=np.nan)):
        assert report.of_truth(less).startswith("Planted truth and a duplicate cannot")


def test_all_controls_stand_in_one_table(scored):
    found = report.control_means(scored)
    assert list(found.columns) == [
        *panel.NEGATIVE,
        panel.DUPLICATE,
        panel.INTERPOLATED,
        panel.PLANTED,
    ]
    assert found.loc["pearson_delta", panel.NO_CHANGE] == "not defined"
    assert found.loc["l2", panel.DUPLICATE].endswith("]")


def test_planted_truth_needs_a_number_of_cells():
    with pytest.raises(DataError, match="needs n_cells"):
        panel.planted_profiles(0, n_genes=50)
    assert panel.planted_profiles(0, n_cells=100).arguments["normalisation"] == LOG


def test_axes_of_many_genes_are_those_of_few():
    rng = np.random.default_rng(0)
    loud = rng.standard_normal((200, 60)) * np.linspace(8, 3, 60)
    values = sparse.csr_matrix(loud @ rng.standard_normal((60, 1_600)) + 5)
    axes = _principal_axes(values)
    centred = values.toarray() - values.toarray().mean(axis=0)
    expected = np.linalg.svd(centred, full_matrices=False)[2][:10].T
    np.testing.assert_allclose(np.abs((axes[:, :10] * expected).sum(axis=0)), 1, atol=0.02)
    np.testing.assert_allclose(axes.T @ axes, np.eye(50), atol=1e-6)
    few = _principal_axes(values[:, :500])
    assert few.shape == (500, 50)


def test_axes_of_cells_that_are_copies_are_the_same_every_time():
    """They span fewer directions than there are axes: the solver starts again at random."""
    few = np.random.default_rng(0).poisson(2.0, (4, 1_600)).astype(float)
    values = sparse.csr_matrix(np.repeat(few, 30, axis=0))
    first = _principal_axes(values)
    assert np.isfinite(first).all()
    for _ in range(2):
        np.testing.assert_array_equal(_principal_axes(values), first)


def test_a_screen_is_asked_whether_it_has_enough(screen):
    found = report.available(screen)
    assert found["halved_perturbations"] == KNOBS["n_targets"]
    assert lacking(report.NEEDS, found) == []
    few = screen[:40]
    assert {need.fact for need in lacking(report.NEEDS, report.available(few))} == {
        "halved_perturbations",
        "batch_controls",
    }
    treated = screen[(screen.obs["perturbation"] != "control").to_numpy()]
    assert report.available(treated)["batch_controls"] == 0
