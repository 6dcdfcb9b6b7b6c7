"""The report card of metrics: flags, advice, and a bad metric that is found out."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from helpers.data.simulate.screen import simulate_screen, simulated_screen
from helpers.metrics.predicted.facts import PREDICTION_METRICS, PredictionMetric
from helpers.tasks import prediction_panel as panel
from helpers.tasks.foundations import metric_cards as task
from helpers.tasks.foundations import metric_cards_report as report
from helpers.tasks.prediction_panel_report import score_rows
from helpers.tasks.prediction_scene import RAW, RESIDUALS, make_scene

KNOBS = {
    "n_cells": 1_200,
    "n_genes": 120,
    "n_targets": 14,
    "guides_per_target": 1,
    "n_control_guides": 2,
    "effective_share": 1.0,
    "unexpressed_share": 0.0,
}


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(np.random.default_rng(0), **KNOBS)


@pytest.fixture(scope="module")
def scene(screen):
    return make_scene(screen, seed=0)


@pytest.fixture(scope="module")
def card(screen):
    asked = {
        task.BASE: panel.control_scores.function(screen, seed=0),
        task.FEW_CELLS: panel.control_scores.function(
            screen, seed=0, n_cells=4, needs=panel.OF_MEANS
        ),
        RAW: panel.control_scores.function(screen, seed=0, normalisation=RAW, needs=panel.OF_MEANS),
    }
    tables = {n: score_rows(t, dataset="simulated", seed=0) for n, t in asked.items()}
    return report.cards(tables, task.bent_scores.function(screen, seed=0))


def injected(scene, measure, **fact):
    """A card of one metric that is not the book's."""
    facts = {"mine": PredictionMetric("mine", "Mine", chance=float("nan"), source="", **fact)}
    measures = {"mine": lambda judge, p: {"mine": measure(judge.scene, p)}}
    known = panel.known_predictions(scene, seed=0)
    table = panel.judged(scene, known, seed=0, measures=measures)
    bent = panel.judged(scene, task.bent_predictions(scene), seed=0, measures=measures)
    rows = score_rows(table, dataset="simulated", seed=0)
    return report.cards({task.BASE: rows}, bent, facts).iloc[0]


def test_a_metric_that_pays_for_size_is_flagged(scene):
    """As if large changes were a virtue, whatever they are."""

    def size(scene, prediction):
        return 1 - np.exp(-np.linalg.norm(prediction.change(scene), axis=1) / 5)

    row = injected(scene, size, low=0, high=1, better="higher", perfect=1)
    assert report.PAYS_MORE in row["flags"]
    assert row["advice"] != report.advice([], "means")
    assert row["advice"].startswith(("Never alone", "Do not rank"))


def test_a_metric_that_prefers_ignorance_is_flagged(scene):
    def timid(scene, prediction):
        return np.linalg.norm(prediction.change(scene), axis=1)

    row = injected(scene, timid, low=0, high=np.inf, better="lower", perfect=0)
    assert row[task.BASE] in ("inverted", "not defined")
    assert set(row["flags"]) & set(report.BAD)
    assert row["advice"].startswith("Do not rank models by it")


def test_a_metric_that_is_noise_is_flagged(scene):
    rng = np.random.default_rng(1)
    row = injected(
        scene,
        lambda s, p: rng.random(len(s.names)),
        low=0,
        high=1,
        better="higher",
        perfect=1,
    )
    assert set(row["flags"]) & {report.SILENT, report.INVERTS}


def test_the_card_has_a_row_a_metric_and_no_cell_is_typed(card):
    assert list(card["metric"]) == list(PREDICTION_METRICS)
    rows = card.set_index("metric")
    assert report.BLIND in rows.loc["pearson_delta", "flags"]
    assert report.BLIND in rows.loc["de_direction", "flags"]
    assert report.BLIND not in rows.loc["l2", "flags"]
    assert rows.loc["l2", "doubled"] < rows.loc["l2", "as it is"]
    assert rows.loc["edistance_prediction", RAW] == report.NOT_ASKED
    assert rows.loc["l2", RESIDUALS] == report.NOT_ASKED
    assert rows.loc["discrimination_l2", "at chance"] == pytest.approx(0.5, abs=0.25)
    shown = report.shown(card)
    drawn = report.strips(card)
    assert len(drawn) == len(shown)
    for text, row in zip(drawn, shown.to_dict("records"), strict=True):
        asked = f"{task.BASE} {row['drf']:.2f}"
        assert (asked in text) == np.isfinite(row["drf"])
    assert shown["drf"].dropna().is_monotonic_decreasing
    assert set(shown["metric"]) == set(card["metric"])
    advised = report.advised(card)
    assert advised["metric"].tolist() == shown["metric"].tolist()
    assert (advised["flags"] == "none").sum() == sum(not flags for flags in card["flags"])
    assert advised["advice"].str.endswith(".").all()
    facts = report.rewards(card)
    assert (facts["what it rewards"].str.len() > 10).all()
    assert report.in_short(card)


def test_places_run_from_the_floor_to_perfect(screen):
    table = panel.control_scores.function(screen, seed=0, needs=panel.OF_MEANS)
    found = report.places(score_rows(table, dataset="simulated", seed=0))
    assert found["place"].between(-1, 1).all()
    floors = found[found["prediction"] == "best floor"]
    assert np.allclose(floors["place"], 0)
    assert {"technical duplicate", "interpolated duplicate"} <= set(found["prediction"])


PLAIN = {
    **dict.fromkeys(task.CONDITIONS, "separates"),
    "as it is": 0.6,
    "halved": 0.5,
    "doubled": 0.4,
    "one value": -1.0,
    "at floor": 0.0,
    panel.DUPLICATE: 0.5,
    panel.INTERPOLATED: 0.55,
    "undefined": 0.0,
}


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({task.BASE: "inverted"}, report.INVERTS),
        ({task.BASE: "undecided"}, report.SILENT),
        ({task.BASE: "not defined"}, report.SILENT),
        ({"one value": 0.7}, report.FLAT),
        ({"halved": 0.6, "doubled": 0.61}, report.BLIND),
        ({"doubled": 0.61}, report.FREE),
        ({"doubled": 0.7}, report.PAYS_MORE),
        ({"halved": 0.7}, report.PAYS_LESS),
        ({task.FEW_CELLS: "undecided"}, report.NEEDS_CELLS),
        ({task.SPARSE: "inverted"}, report.NEEDS_COUNTS),
        ({RAW: "undecided"}, report.BY_SCALE),
        ({panel.INTERPOLATED: 0.3}, report.LIKES_NOISE),
        ({"undefined": 0.3}, report.GAPS),
    ],
)
def test_each_flag_has_a_cause(change, flag):
    assert report.flags(PLAIN) == []
    assert flag in report.flags(PLAIN | change)


def test_each_flag_has_its_advice():
    said = {
        flag: report.advice([flag], "means")
        for flag in (
            report.INVERTS,
            report.SILENT,
            report.FLAT,
            report.PAYS_MORE,
            report.FREE,
            report.LIKES_NOISE,
            report.PAYS_LESS,
            report.NEEDS_CELLS,
            report.BLIND,
        )
    }
    assert len(set(said.values())) == len(said)
    # an undecided metric has these flags, too
    for flag in (report.SILENT, report.NEEDS_CELLS):
        assert "not shown to" in said[flag]
    assert said[report.NEEDS_CELLS].startswith("With many cells only:")
    assert report.advice([report.NEEDS_COUNTS], "means").startswith("With many counts a cell only:")
    both = report.advice([report.NEEDS_CELLS, report.NEEDS_COUNTS], "means")
    assert both.startswith("With many cells and counts a cell only:")
    assert "means beside it" in report.advice([], "cells")
    assert report.advice([], "means").startswith("For ranking models")


def test_the_card_in_short_for_every_case():
    def table(*flags):
        names = [f"m{i}" for i in range(len(flags))]
        return pd.DataFrame({"metric": names, "flags": [list(f) for f in flags]})

    assert "All 2 metrics" in report.in_short(table([], [report.BLIND]))
    assert "Without any flag: m0." in report.in_short(table([], [report.BLIND]))
    found = report.in_short(table([report.SILENT], [report.PAYS_MORE]))
    assert "1 of 2 metrics should not rank models here: m0." in found
    assert "raises m1" in found
    assert found.endswith("The one that is left, m1, has flags too.")
    two = report.in_short(table([report.SILENT], [report.PAYS_MORE], [report.BLIND]))
    assert two.endswith("None is without a flag: show two that fail differently.")
    assert report.in_short(table([report.SILENT])).endswith("None is left to rank by.")


def test_what_is_undefined_is_said():
    table = pd.DataFrame({"metric": ["a", "b"], "undefined": [0.0, 0.25], task.BASE: "separates"})
    assert "b (25%)" in report.undefined_share(table)
    assert "Every perturbation" in report.undefined_share(table.assign(undefined=0.0))


def test_a_thinned_screen_has_a_share_of_the_counts(screen):
    found = task.thinned.function(screen, share=0.1, seed=0)
    assert found.X.sum() == pytest.approx(0.1 * screen.X.sum(), rel=0.02)
    assert sparse.issparse(found.X)
    assert (found.X.data > 0).all()
    sums = np.asarray(found.X.sum(axis=1)).ravel()
    assert (found.obs["total_counts"].to_numpy() >= sums).all()
    assert screen.X.sum() > found.X.sum()


def test_all_conditions_are_asked():
    one = simulated_screen(0, **KNOBS)
    asked = task.conditions(one, None, seed=0, n_genes=100, n_cells=20)
    assert set(asked) == set(task.CONDITIONS) - {task.SPARSE}
    assert asked[task.FEW_CELLS].arguments["n_cells"] == task.FEW
    assert asked[task.FEW_GENES].arguments["n_genes"] == 50
    assert asked[RESIDUALS].arguments["needs"] == panel.OF_MEANS
    assert task.SPARSE in task.conditions(one, one, seed=0)
