"""scVI as its users train it: the fit, the table of both trainings, and what is said of it."""

import numpy as np
import pandas as pd
import pytest

from helpers.models.embeddings.scvi_tools import scvi_tools_fit
from helpers.store.kept import Kept
from helpers.tasks.embeddings import long_runs, long_runs_report
from helpers.tasks.embeddings.long_runs import OURS, USERS
from helpers.tasks.embeddings.representations import tier_screen


def test_the_users_defaults_are_those_of_scvi_tools_and_seeds_decide(monkeypatch):
    import scvi

    screen = tier_screen(0, "tiny").result()[:600]
    asked = []
    train = scvi.model.SCVI.train
    monkeypatch.setattr(
        scvi.model.SCVI, "train", lambda self, **given: (asked.append(given), train(self, **given))
    )
    first = scvi_tools_fit.function(screen, seed=3, max_epochs=1)
    again = scvi_tools_fit.function(screen, seed=3, max_epochs=1)
    other = scvi_tools_fit.function(screen, seed=4, max_epochs=1)
    assert first["latent"].shape == (600, 10) and int(first["n_epochs"]) == 1
    np.testing.assert_array_equal(first["latent"], again["latent"])
    assert not np.allclose(first["latent"], other["latent"])
    assert np.isfinite(first["validation_elbo"]) and first["validation_elbo"] > 0
    assert asked[0]["early_stopping"] is True
    assert set(asked[0]) == {"max_epochs", "early_stopping", "accelerator", "enable_progress_bar"}
    assert "_scvi_batch" not in screen.obs  # the screen of others is left as it was


def test_the_table_pools_folds_and_names_each_training():
    folds = pd.DataFrame(
        {
            "probe": "linear", "post": "center_scaled", "fold": [0, 0, 1, 1],
            "perturbation": ["a", "b", "a", "b"], "top1": [1.0, 0.5, 0.0, 0.5],
            "top5": 1.0, "n_cells": [30, 10, 10, 10], "n_unscored": 0,
        }
    )  # fmt: skip
    fits = {f"{USERS}, 10": {"n_epochs": np.array(7)}, f"{OURS}, 10": {}}
    found = long_runs.trainings_table.function(dict.fromkeys(fits, folds), fits)
    assert found["training"].tolist() == [USERS, OURS] and set(found["n_latent"]) == {10}
    # 30 of 40 cells of a are right, and half of those of b
    assert found["top1"].tolist() == pytest.approx([(0.75 + 0.5) / 2] * 2)
    assert found["n_epochs"].iloc[0] == 7 and np.isnan(found["n_epochs"].iloc[1])


def test_every_seed_asks_for_both_trainings_with_users_and_our_dimensions():
    first, second = (long_runs.scvi_trainings(seed) for seed in (0, 1))
    assert first.key != second.key
    names = [f"{who}, {n}" for n in (10, 64) for who in (USERS, OURS)]
    assert list(first.arguments["scored"]) == list(first.arguments["fits"]) == names
    fit = first.arguments["fits"][f"{OURS}, 64"].arguments
    assert (fit["n_steps"], fit["learning_rate"], fit["dropout"]) == (1_500, 0.02, 0.0)


def of(theirs, ours, changed=(), **record):
    rows = [
        {"training": who, "n_latent": n, "top1": value, "n_epochs": 1.0, "seed": seed}
        for n in (10, 64)
        for who, values in ((USERS, theirs), (OURS, ours))
        for seed, value in enumerate(values)
    ]
    made = {"command": "benchbook keep scvi-defaults", "day": "2026-01-02", "seconds": 600.0}
    return Kept(pd.DataFrame(rows), made | {"commit": "abcdef0123456789"} | record, changed)


@pytest.mark.parametrize(
    "theirs, ours, said",
    [
        (
            [0.5, 0.51, 0.52],
            [0.3, 0.31, 0.32],
            "Yes. With 10 dimensions users' defaults name more right, by 0.200 (95 %",
        ),
        ([0.3, 0.31, 0.32], [0.5, 0.51, 0.52], "No. With 10 dimensions the book's training names"),
        (
            [0.3, 0.5, 0.4],
            [0.35, 0.45, 0.42],
            "It is not shown. With 10 dimensions it is undecided",
        ),
        ([0.5], [0.3], "one seed cannot tell: 0.200 (too few"),
        ([np.nan] * 3, [0.3] * 3, "were not both scored"),
        ([0.5] * 3, [0.3] * 3, "users' defaults name more right"),
        ([0.3] * 3, [0.3] * 3, "users' defaults less the book's training is 0.000"),
    ],
)
def test_trainings_are_told_apart_by_more_than_seeds(theirs, ours, said):
    assert said in long_runs_report.about_trainings(of(theirs, ours))


def test_trainings_that_are_ahead_with_some_dimensions_answer_in_part():
    high, low = [0.5, 0.51, 0.52], [0.3, 0.31, 0.32]
    first, second = of(high, low).table, of(low, high).table
    mixed = pd.concat([first[first["n_latent"] == 10], second[second["n_latent"] == 64]])
    said = long_runs_report.about_trainings(Kept(mixed, {}, ()))
    assert said.startswith("In part. With 10 dimensions users' defaults name more right")
    assert "With 64 dimensions the book's training names more right, by 0.200" in said


def test_the_interval_is_welchs():
    # by hand: means differ by .2, each has variance .0001 / 3, 4 degrees of freedom
    found = long_runs_report.gap(of([0.5, 0.51, 0.52], [0.3, 0.31, 0.32]).table, 10)
    half = 2.776445 * np.sqrt(2 * 0.0001 / 3)
    assert found["low"] == pytest.approx(0.2 - half, abs=1e-6)
    assert found["high"] == pytest.approx(0.2 + half, abs=1e-6)


def test_what_is_not_kept_answers_nothing():
    assert "not answered" in long_runs_report.about_trainings(None)


def test_means_and_spread_over_seeds():
    found = long_runs_report.by_training(of([0.5, 0.7], [0.3, 0.3]).table)
    assert found["seeds"].tolist() == [2] * 4
    assert found["sd over seeds"].iloc[0] == pytest.approx(0.2 / np.sqrt(2))
