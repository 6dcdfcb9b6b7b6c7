"""Ablations: settings are what they say, and differences are those of means over the same units."""

import numpy as np
import pandas as pd
import pytest

from helpers import scores as score_table
from helpers.data.contract import DataError
from helpers.data.simulate.screen import simulate_screen
from helpers.data.splits import batch_perturbation_split, some_cells
from helpers.store.steps import Step
from helpers.tasks.embeddings.ablations import BASE, Setting, fitted_elsewhere, settings
from helpers.tasks.embeddings.ablations_report import (
    MEASURES,
    against_base,
    against_distance,
    agreement,
)
from helpers.tasks.embeddings.ablations_sentences import UNTRAINED
from helpers.tasks.embeddings.representations import other_screen, roster, tier_screen


def tiny_grid(**arguments):
    screen = tier_screen(0, "tiny")
    split, other = batch_perturbation_split(screen), other_screen(screen, 0, "tiny")
    return screen, settings(screen, seed=0, preset="tiny", split=split, other=other, **arguments)


def test_the_base_and_what_the_roster_has_are_its_steps():
    screen, grid = tiny_grid()
    named = roster(screen, seed=0, simulated=True, preset="tiny")
    keys = {one.embedding.key: one for one in grid}
    for name in (
        *BASE.values(), "PCA of raw counts", "scVI, log counts", "PCA, training batches",
        "scVI, training batches", "PCA, transferred", "scVI, transferred", "untrained scVI",
    ):  # fmt: skip
        one = keys[named[name].embedding.key]
        assert one.params["fitted_on"] == named[name].fitted_on
        assert one.model == name or name not in BASE.values()


def test_a_model_is_one_step_and_a_step_one_model():
    _, grid = tiny_grid()
    pairs = {(one.model, one.embedding.key) for one in grid}
    assert len(pairs) == len({m for m, _ in pairs}) == len({k for _, k in pairs})
    for factor in {one.factor for one in grid}:
        inside = [one for one in grid if one.factor == factor]
        for family in {one.family for one in inside}:
            own = [one for one in inside if one.family == family]
            assert len({one.label for one in own}) == len(own)
            if factor != "fitted on" or family == "PCA":
                assert BASE[family] in {one.model for one in own}
    _, few = tiny_grid(factors=["seed"])
    assert [one.label for one in few] == ["first", "second"]
    assert all(isinstance(one.embedding, Step) for one in grid)
    untrained = [one.model for one in grid if one.params["fitted_on"] == "nothing"]
    assert untrained == [UNTRAINED]  # the answer in short leaves it out


def test_every_trainable_model_stands_against_its_own_fit_on_the_evaluation_cells():
    screen = tier_screen(0, "tiny")
    split, other = batch_perturbation_split(screen), other_screen(screen, 0, "tiny")
    shared = {"seed": 0, "preset": "tiny", "split": split, "other": other}
    found = fitted_elsewhere(screen, n_dims=64, **shared)
    by_family = {}
    for one in found:
        by_family.setdefault(one.family, []).append(one)
    named = roster(screen, seed=0, simulated=True, preset="tiny")
    trainable = {n for n, one in named.items() if one.fitted_on == "evaluation cells"}
    assert set(by_family) == trainable
    for family, own in by_family.items():
        assert [one.label for one in own] == [
            "evaluation cells", "training batches", "another data set",
        ]  # fmt: skip
        assert own[0].model == family
        assert own[0].embedding.key == named[family].embedding.key
        # the fits elsewhere differ from it in the cells, and in nothing else
        base = own[0].embedding
        for one, source in zip(own[1:], (screen, other), strict=True):
            fit = one.embedding.arguments["fit"]
            assert fit.arguments["screen"].key == source.key
            assert (fit.arguments["split"] is not None) == (one.label == "training batches")
            first = base.arguments.get("fit", base).arguments  # PCA is one step there
            changed = {"screen", "split", "genes"}
            kept, asked = (
                {k: v for k, v in given.items() if k not in changed}
                for given in (fit.arguments, first)
            )
            assert kept == asked
    assert len({one.embedding.key for one in found}) == len(found)


def test_some_cells_are_drawn_once_each():
    screen = simulate_screen(
        rng=np.random.default_rng(0), n_cells=300, n_genes=40, n_targets=5, n_batches=2
    )
    found = some_cells.function(screen, n_cells=120, seed=1)
    assert len(np.unique(found["train"])) == 120
    assert (np.diff(found["train"]) > 0).all()
    assert not len(found["train_controls"])
    with pytest.raises(DataError, match="301 cells are asked for; the screen has 300"):
        some_cells.function(screen, n_cells=301, seed=1)


def made_up(n_units):
    """Scores of a base, of a setting that is better by 0.1 and of one that is the same."""
    rng = np.random.default_rng(0)
    base = rng.normal(0.5, 0.2, n_units)
    values = {
        "PCA of log counts": base,
        "PCA, better": base + 0.1 + rng.normal(0, 0.02, n_units),
        "PCA, same": base + rng.normal(0, 0.02, n_units),
    }
    rows = []
    for task, metric in MEASURES.items():
        for model, value in values.items():
            shared = {
                "task": task, "dataset": "made up", "split": "all", "protocol": "revised",
                "model": model, "params": "{}", "post": "raw", "metric": metric,
                "role": "candidate", "unit_kind": "perturbation", "seed": 0, "n": 1,
            }  # fmt: skip
            units = [f"u{i}" for i in range(n_units)]
            rows.append(pd.DataFrame(shared | {"unit": units, "cluster": units, "value": value}))
    table = score_table.check(pd.concat(rows, ignore_index=True))
    grid = [Setting("what", name, "PCA", name, None, {}) for name in values]
    return table, grid, values


def test_differences_are_paired_and_judged():
    table, grid, values = made_up(40)
    found = against_base(table, grid, seed=0).set_index(["task", "model"])
    for task in MEASURES:
        better = found.loc[(task, "PCA, better")]
        expected = (values["PCA, better"] - values["PCA of log counts"]).mean()
        assert better["difference"] == pytest.approx(expected)
        assert better["low"] < expected < better["high"]
        assert better["high"] - better["low"] < 0.03  # unpaired it would be five times as wide
        assert better["verdict"] == "better"
        assert found.loc[(task, "PCA, same"), "verdict"] == "undecided"
        assert found.loc[(task, "PCA of log counts"), "verdict"] == "base"


def test_dimensions_are_in_order_and_named_once():
    screen = tier_screen(0, "tiny")
    for n_dims, expected in ((8, ["8", "16"]), (16, ["16"])):
        grid = settings(screen, seed=0, preset="tiny", n_dims=n_dims, factors=["dimensions"])
        assert [one.label for one in grid if one.family == "PCA"] == expected


def test_verdicts_and_distances_of_the_bases():
    verdicts = {
        "PCA": ("base", "base", 0.2, 0.2), "PCA, up": ("better", "better", 0.7, 0.3),
        "PCA, both": ("better", "worse", 0.3, 0.1), "scVI": ("base", "base", 0.5, 0.4),
        "scVI, down": ("worse", "undecided", 0.1, 0.3),
        "scVI, same": ("tied", "undecided", 0.5, 0.4),
    }  # fmt: skip
    moved = pd.DataFrame(
        {
            "task": task, "family": model.split(",")[0], "model": model, "mean": found[2 + i],
            "verdict": found[i], "difference": found[2 + i] - verdicts[model.split(",")[0]][2 + i],
        }
        for i, task in enumerate(("one", "two"))
        for model, found in verdicts.items()
    )  # fmt: skip
    moved = pd.concat([moved, moved])  # a base stands under every factor
    assert agreement(moved) == {
        "alike": ["PCA, up"],
        "opposite": ["PCA, both"],
        "one": ["scVI, down"],
        "none": ["scVI, same"],
    }
    found = against_distance(moved)
    assert found["distance"].tolist() == pytest.approx([0.3, 0.2])
    assert found["further"].tolist() == [["PCA, up", "scVI, down"], []]
    assert found["reversing"].tolist() == [["PCA, up", "scVI, down"], []]


def test_too_few_units_cannot_be_compared():
    table, grid, _ = made_up(4)
    found = against_base(table, grid, seed=0).set_index("model")
    assert (found.loc["PCA, better", "verdict"] == "cannot answer").all()
    assert found.loc["PCA, better", "difference"].isna().all()
