"""Standings of a tier: the best model against the best floor, from tables with a known answer."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_metric_reach import METRICS, rows

from helpers.tasks import standings_report as report
from helpers.tasks.standings import standings

ROLES = {"floor": "floor", "other floor": "floor", "ceiling": "ceiling"}


def found(*tables, metric="recall"):
    tier = SimpleNamespace(name="tier", primary={"made": metric}, declared={}, metrics=METRICS)
    tables = {"tier/page": pd.concat(tables)} if tables else {}
    return standings([tier], tables, n_resamples=999, seed=0)


def test_the_best_model_stands_between_the_best_floor_and_the_ceiling():
    given = {"floor": 0.1, "other floor": 0.2, "ceiling": 0.6, "a": 0.5, "b": 0.3, "c": 0.1}
    row = found(rows("recall", given)).iloc[0]
    assert (row["best"], row["floor"], row["ceiling"]) == ("a", "other floor", "ceiling")
    assert row["place"] == pytest.approx(0.75, abs=0.02)
    assert row["others"] == pytest.approx({"b": 0.25, "c": -0.25}, abs=0.02)
    assert (row["verdict"], row["n_above"], row["n_models"]) == ("better", 2, 3)
    back = {"floor": 8.0, "other floor": 6.0, "ceiling": 2.0, "a": 3.0, "b": 7.0}
    row = found(rows("error", back), metric="error").iloc[0]
    assert (row["best"], row["floor"], row["verdict"], row["n_above"]) == (
        "a",
        "other floor",
        "better",
        1,
    )
    assert row["place"] == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize(
    ("value", "n", "verdict"),
    [(0.1, 8, "worse"), (0.201, 8, "tied"), (0.5, 4, "too few"), (0.5, 8, "better")],
)
def test_the_verdict_is_on_the_best_model_against_the_best_floor(value, n, verdict):
    given = {"floor": 0.1, "other floor": 0.2, "ceiling": 0.6, "a": value, "b": value - 0.05}
    assert found(rows("recall", given, n=n)).iloc[0]["verdict"] == verdict


def test_noise_is_undecided_and_few_clusters_for_many_models_are_too_few():
    table = rows("recall", {"floor": 0.2, "a": 0.2}, n=12)
    noisy = table.assign(value=table["value"] + np.random.default_rng(1).normal(0, 0.2, len(table)))
    assert found(noisy).iloc[0]["verdict"] == "undecided"
    # of six clusters no p-value is below 2 / 64: Holm's of two models or more are above .05
    many = rows("recall", {"floor": 0.1} | {f"m{i}": 0.8 + i / 100 for i in range(3)}, n=6)
    assert found(many).iloc[0]["verdict"] == "too few"


def test_what_is_not_there_is_said():
    alone = found(rows("recall", {"a": 0.3, "b": 0.4})).iloc[0]
    assert (alone["best"], alone["floor"], alone["verdict"]) == ("b", "", "no floor")
    assert np.isnan(alone["place"])
    assert found(rows("recall", {"floor": 0.3, "ceiling": 0.4})).empty  # no model
    assert found().empty
    gone = rows("recall", {"floor": 0.1, "a": 0.3, "b": 0.4})
    gone.loc[gone["model"] == "b", "value"] = np.nan
    assert found(gone).iloc[0]["best"] == "a"


HERE = "(a task on a data set) the best model is above the best floor"


def many(**verdicts) -> pd.DataFrame:
    """Standings with so many rows of each verdict; the best models are of three names."""
    names = [v.replace("_", " ") for v, n in verdicts.items() for _ in range(n)]
    return pd.DataFrame(
        {
            "verdict": names,
            "best": [f"m{i % 3}" for i in range(len(names))],
            "place": [0.5 if i % 2 else np.nan for i in range(len(names))],
        }
    )


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (many(), "No task of this tier was scored with a model in this build."),
        (
            many(too_few=1, no_floor=1),
            "No model is compared with a floor here: of 2 settings (a task on a data set) 1 have "
            "too few independent units (a comparison of one model takes 6, one of several more, as "
            "all are corrected for), and 1 have no floor. What can be said is on the pages of the "
            "tasks.",
        ),
        (
            many(better=1),
            f"In 1 of 1 setting {HERE}. The best model is always m0.",
        ),
        (
            many(better=4, worse=1, tied=2, undecided=3, too_few=1),
            f"In 4 of 10 settings {HERE}; in 2 "
            "it is no better; in 1 it is below; 3 undecided. 1 more "
            "cannot say: too few independent units, or no floor. Where one is above, the best is "
            "m0 in 2; m1 in 1; m2 in 1. Of those, 2 have a ceiling: the best model goes 50% of the "
            "way from the floor to it (median).",
        ),
        (
            many(better=2, undecided=1),
            f"In 2 of 3 settings {HERE}; 1 "
            "undecided. Where one is above, the best is m0 in 1; m1 in 1. The one with a ceiling "
            "goes 50% of the way from the floor to it.",
        ),
        (
            many(worse=1),
            f"In 0 of 1 setting {HERE}; in 1 it is below.",
        ),
    ],
)
def test_the_sentence_has_a_branch_for_each_verdict(table, said):
    assert report.in_short(table) == said


def test_real_data_and_simulated_are_each_said_for_themselves():
    real, made = (many(worse=2).assign(dataset="r"), many(better=1).assign(dataset="m"))
    both = pd.concat([real, made], ignore_index=True)
    said = report.in_short_by_kind(both, ["r", "other"])
    assert said.startswith("Real data: in 0 of 2 settings (a task on a data set)")
    assert " Simulated: in 1 of 1 setting (a task on a data set)" in said
    assert report.in_short_by_kind(real, ["r"]).startswith("Real data: in 0 of 2")
    assert report.in_short_by_kind(real, []).startswith("Simulated: in 0 of 2")
    assert report.in_short_by_kind(both.iloc[:0], ["r"]) == report.in_short(both.iloc[:0])


def test_the_table_has_a_row_and_a_figure_a_setting():
    both = [
        rows("recall", {"floor": 0.1, "ceiling": 0.6, "a": 0.5, "b": 0.3}),
        rows("recall", {"a": 0.5}, dataset="other"),
    ]
    table = found(*both)
    shown = report.shown(table, METRICS)
    assert shown["data set"].tolist() == ["made", "other"]
    assert shown["against the best floor"].tolist() == [
        "above the floor",
        "no floor to compare with",
    ]
    assert shown["best floor"].tolist() == ["floor", "none"]
    assert shown["models above it"].tolist() == ["2 of 2", "0 of 1"]
    first, second = report.strips(table)
    assert "a 0.80, b 0.40" in first and second == ""
    compared, silent = report.by_answer(table)
    assert (compared["dataset"].tolist(), silent["dataset"].tolist()) == (["made"], ["other"])
    assert "place" in report.shown(compared, METRICS)
    # of what was not compared no model was counted, and none has a place
    assert not {"place", "models above it"} & set(report.shown(silent, METRICS))
