"""Calibration of effect metrics: published predictions, interactions, what a real screen has."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.sets import ahlmann_eltze2025_scores as reader
from helpers.data.simulate.screen import simulate_screen, simulated_screen
from helpers.tasks.effects import calibration as task
from helpers.tasks.effects import calibration_report as report
from helpers.tasks.prediction_panel import BY_UNITS, DUPLICATE

KNOBS = {
    "n_cells": 5_000,
    "n_genes": 150,
    "n_targets": 10,
    "n_combinations": 20,
    "guides_per_target": 1,
    "n_control_guides": 2,
    "efficacy": 1.0,
    "batch_sd": 0.0,
    "effective_share": 1.0,
    "unexpressed_share": 0.0,
}


@pytest.fixture(scope="module")
def planted():
    more = {"effect_size": 0.8, "interaction_share": 1.0, "interaction_size": 1.0}
    screen = simulate_screen(np.random.default_rng(1), **KNOBS, **more)
    return task.interaction_calibration.function(screen, seed=1)


@pytest.fixture(scope="module")
def none():
    return task.interaction_calibration.function(
        simulate_screen(np.random.default_rng(1), **KNOBS), seed=1
    )


def test_published_predictions_score_as_published(paths):
    table = task.example_scores.function(reader.read_example(paths))
    assert len(table) == 9
    assert "All published values come out" in report.of_example(table)
    changed = table.assign(**{"l2, ours": table["l2, ours"] + 0.1})
    assert "differ by up to 0.1" in report.of_example(changed)


def test_what_models_claim_is_counted():
    def claimed(*rows):
        columns = ["model", "synergy", "buffering", "opposite"]
        rest = [("no change", 0, 500, 0), ("lost", np.nan, np.nan, np.nan)]
        return pd.DataFrame([*rows, *rest], columns=columns)

    a, b, tie = ("a", 1, 300, 199), ("b", 300, 1, 199), ("c", 250, 250, 0)
    most = "claims buffering more often than any other class."
    assert report.of_claimed(claimed(a, b, tie)) == f"Of 3 models 1 {most}"
    assert report.of_claimed(claimed(a)) == f"Of 1 model 1 {most}"
    assert report.of_claimed(claimed(b, tie)).startswith("Of 2 models 0 claim buffering")
    assert report.of_claimed(claimed()) == "No model's claims are at hand."


def test_claimed_classes_are_counted_by_model(paths):
    table = task.predicted_class_counts.function(reader.read_interaction_pairs(paths))
    found = table.set_index("model")
    assert found.loc["scgpt", ["synergy", "buffering", "opposite"]].tolist() == [0, 351, 149]
    assert found.loc["no_change", "share found"] == found["share found"].max()


def test_interactions_are_called_where_they_were_planted(planted, none):
    assert planted["called"] > 20 * max(none["called"], 1e-4)
    assert none["called"] < 1e-3
    assert sum(planted["classes"].values()) == planted["n_pairs"]
    assert planted["legacy"]["additive"] == planted["classes"]["additive"]
    assert "opposite" not in planted["legacy"]
    rows = {row["model"]: row for row in planted["scores"]}
    duplicate, noise = rows["technical duplicate"], rows["noise about the sum"]
    assert duplicate["interaction_auroc"] > 0.9
    assert duplicate["interaction_auroc_matched"] > rows["no change"]["interaction_auroc_matched"]
    assert noise["interaction_auroc"] == pytest.approx(0.5, abs=0.1)
    assert noise["interaction_ap"] == pytest.approx(planted["called"], rel=1.0)


def test_doubles_without_their_singles_are_refused():
    screen = simulate_screen(np.random.default_rng(0), **{**KNOBS, "n_combinations": 0})
    with pytest.raises(DataError, match="0 doubles"):
        task.interaction_calibration.function(screen, seed=0)


def test_scores_of_interactions_are_a_table(planted):
    rows = report.score_rows({1: planted, 2: planted}, dataset="simulated")
    assert set(rows["metric"]) == {
        "interaction_ap",
        "interaction_auprc_legacy",
        "interaction_auroc",
        "interaction_auroc_matched",
    }
    means = report.interaction_means(rows)
    assert set(means["n_draws"]) == {2}
    assert set(means["role"]) == {"floor", "ceiling"}
    classes = report.class_table({1: planted})
    assert classes["definition"].tolist() == ["this book", "released code"]


def auroc(plain, matched, duplicate):
    values = {
        ("interaction_auroc", "no change"): plain,
        ("interaction_auroc_matched", "no change"): matched,
        ("interaction_auroc_matched", "technical duplicate"): duplicate,
    }
    return pd.DataFrame([{"metric": m, "model": p, "value": v} for (m, p), v in values.items()])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.9, 0.55, 0.95), "most is magnitude. The technical duplicate has 0.95 there."),
        ((0.9, 0.85, 0.95), "and still of 0.85"),
        ((0.9, 0.55, 0.52), "The technical duplicate has 0.52 there."),
        ((0.5, 0.5, 0.9), "it finds nothing here"),
        ((np.nan, 0.5, 0.9), "No interaction was called"),
    ],
)
def test_what_no_change_is_worth_is_said_for_every_case(values, said):
    assert said in report.of_no_change(auroc(*values))


def test_calls_are_said_for_every_case():
    few, many = ({"called": share, "n_pairs": 1_000} for share in (0.0002, 0.03))
    assert "as it should be" in report.of_calls({0: few}, planted=False)
    assert "more than the thousandth" in report.of_calls({0: few, 1: many}, planted=False)
    assert report.of_calls({0: many}, planted=True).startswith("3.00% of 1,000 pairs")


def test_a_real_screen_is_asked_for_what_it_has(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path))
    knobs = {k: v for k, v in KNOBS.items() if k != "n_combinations"}
    screen = simulated_screen(0, **knobs | {"n_cells": 800, "guides_per_target": 2})
    context = screen.result().obs["context"].iloc[0]
    table, said = report.real_controls(
        screen, context=str(context), seed=0, n_genes=60, n_perturbations=8
    )
    assert {DUPLICATE, *BY_UNITS.values()} <= set(table["prediction"])
    assert said == "The screen has guides and replicates to hold out."
    lone = simulated_screen(0, **knobs | {"n_cells": 800})
    table, said = report.real_controls(lone, context=str(context), seed=0, n_genes=60)
    assert BY_UNITS["guides"] not in set(table["prediction"])
    assert said.startswith("Not there: held-out guides (0 perturbations have 4 cells")
