"""Splits: what is in which part, against the words of the paper and a plain loop."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from helpers.data.contract import CONTROL, DataError
from helpers.data.simulate.screen import simulate_screen
from helpers.data.splits import (
    KEYS,
    batch_perturbation_split,
    guide_split,
    held_out_split,
)


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(
        rng=np.random.default_rng(0), n_cells=3_000, n_genes=120, n_targets=20, n_batches=10
    )


def facts(screen, cells):
    obs = screen.obs.iloc[cells]
    return set(obs["batch"]), set(obs["perturbation"])


def disjoint(parts):
    together = np.concatenate([v for k, v in parts.items() if k != "unseen_controls"])
    others = [parts[key] for key in ("train", "test", "unseen", "train_controls")]
    assert not set(parts["unseen_controls"]) & set(np.concatenate(others))
    assert list(parts) == list(KEYS)
    assert len(set(together)) == len(together)
    for rows in parts.values():
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()


def test_the_published_split_leaks_neither_batches_nor_perturbations(screen):
    parts = batch_perturbation_split.function(screen)
    disjoint(parts)
    train_batches, train_names = facts(screen, parts["train"])
    test_batches, test_names = facts(screen, parts["test"])
    unseen_batches, unseen_names = facts(screen, parts["unseen"])
    assert len(train_batches) == 7
    assert len(test_batches) == 3
    assert len(train_names) == 14
    assert len(unseen_names) == 6
    assert not train_batches & test_batches
    assert unseen_batches == test_batches
    assert test_names <= train_names
    assert not unseen_names & train_names
    assert facts(screen, parts["train_controls"]) == (train_batches, {CONTROL})
    assert facts(screen, parts["test_controls"]) == (test_batches, {CONTROL})
    # Cells of training batches and held-out perturbations are in no part.
    left = np.setdiff1d(np.arange(screen.n_obs), np.concatenate(list(parts.values())))
    assert facts(screen, left) == (train_batches, unseen_names)


def test_the_published_split_is_drawn_as_the_released_code_draws_it(screen):
    treated = screen.obs[screen.obs["perturbation"] != CONTROL]
    np.random.seed(42)  # noqa: NPY002
    batches = np.random.permutation(treated["batch"].astype(str).unique())  # noqa: NPY002
    names = np.random.permutation(treated["perturbation"].astype(str).unique())  # noqa: NPY002
    parts = batch_perturbation_split.function(screen)
    assert facts(screen, parts["train"]) == (set(batches[:7]), set(names[:14]))
    other = batch_perturbation_split.function(screen, seed=0)
    assert not np.array_equal(parts["train"], other["train"])


def test_published_controls_are_those_of_batches_with_cells_in_the_part():
    """data_split.py:83-105, where many batches have one cell or two."""
    rng = np.random.default_rng(0)
    batch = np.repeat(np.arange(600), 4).astype(str)
    label = np.where(rng.random(2_400) < 0.5, CONTROL, rng.integers(30, size=2_400).astype(str))
    obs = pd.DataFrame({"batch": batch, "perturbation": label}, index=np.arange(2_400).astype(str))
    parts = batch_perturbation_split.function(AnnData(np.zeros((2_400, 1)), obs=obs))
    for part in ("train", "test", "unseen"):
        batches = set(batch[parts[part]])
        expected = [i for i in range(2_400) if label[i] == CONTROL and batch[i] in batches]
        assert parts[f"{part}_controls"].tolist() == expected
    assert set(parts["test_controls"]) != set(parts["unseen_controls"])


def test_a_training_perturbation_without_training_cells_is_not_tested():
    pairs = [(b, p) for p in range(10) for b in range(10)]
    obs = pd.DataFrame(pairs, columns=["batch", "perturbation"]).astype(str)
    screen = AnnData(np.zeros((len(obs), 1)), obs=obs.set_index(obs.index.astype(str)))
    before = batch_perturbation_split.function(screen)
    trained = screen.obs.iloc[before["train"]]
    name = trained["perturbation"].iloc[-1]  # not the one that shows the batches first
    lost = trained.index[trained["perturbation"] == name]
    rest = screen[~screen.obs_names.isin(lost)]
    after = batch_perturbation_split.function(rest)
    assert name in set(screen.obs.iloc[before["test"]]["perturbation"])
    assert name not in set(rest.obs.iloc[after["test"]]["perturbation"])
    assert name not in set(rest.obs.iloc[after["unseen"]]["perturbation"])


@pytest.mark.parametrize("n_folds", [2, 4, 10])
def test_each_batch_is_held_out_once(screen, n_folds):
    tested = []
    for fold in range(n_folds):
        parts = held_out_split.function(screen, fold=fold, n_folds=n_folds)
        disjoint(parts)
        train_batches, train_names = facts(screen, parts["train"])
        test_batches, test_names = facts(screen, parts["test"])
        assert not train_batches & test_batches
        assert len(test_batches) >= 10 // n_folds
        assert test_names <= train_names
        np.testing.assert_array_equal(parts.pop("unseen_controls"), parts["test_controls"])
        assert sum(map(len, parts.values())) == screen.n_obs
        tested.append(np.concatenate([parts["test"], parts["unseen"]]))
    tested = np.concatenate(tested)
    treated = np.flatnonzero(screen.obs["perturbation"] != CONTROL)
    np.testing.assert_array_equal(np.sort(tested), treated)


def test_a_perturbation_of_one_batch_is_unseen_when_that_batch_is_held_out(screen):
    lone = screen.obs["perturbation"].iloc[np.flatnonzero(screen.obs["perturbation"] != CONTROL)[0]]
    batch = screen.obs["batch"].unique()[0]
    keep = (screen.obs["perturbation"] != lone) | (screen.obs["batch"] == batch)
    part = screen[keep.to_numpy()]
    names = sorted(part.obs["batch"].unique())
    parts = held_out_split.function(part, fold=names.index(batch), n_folds=10)
    assert facts(part, parts["unseen"]) == ({batch}, {lone})
    assert lone not in facts(part, parts["test"])[1]


def test_guides_are_replicates_of_targets(screen):
    tested = []
    for fold in range(2):
        parts = guide_split.function(screen, seed=3, fold=fold)
        disjoint(parts)
        guides = {key: set(screen.obs.iloc[rows]["guide"]) for key, rows in parts.items()}
        assert not guides["train"] & guides["test"]
        assert not guides["train_controls"] & guides["test_controls"]
        assert facts(screen, parts["test"])[1] == facts(screen, parts["train"])[1]
        tested.append(parts["test"])
    treated = np.flatnonzero(screen.obs["perturbation"] != CONTROL)
    np.testing.assert_array_equal(np.sort(np.concatenate(tested)), treated)
    one = screen.obs.groupby("perturbation", observed=True)["guide"].transform("first")
    single = screen[(screen.obs["guide"].astype(str) == one.astype(str)).to_numpy()]
    parts = guide_split.function(single, seed=3)
    assert len(parts["train"]) == len(parts["test"]) == 0
    assert len(parts["unseen"]) > 0


def test_a_context_is_split_by_itself(screen):
    two = screen.copy()
    two.obs["context"] = pd.Categorical(np.where(np.arange(screen.n_obs) % 2, "odd", "even"))
    parts = held_out_split.function(two, fold=0, n_folds=2, context="odd")
    assert all((rows % 2 == 1).all() for rows in parts.values())
    with pytest.raises(DataError, match="no context 'old': even, odd"):
        held_out_split.function(two, fold=0, n_folds=2, context="old")


def test_bad_input_is_refused(screen):
    with pytest.raises(DataError, match="leaves one side empty"):
        batch_perturbation_split.function(screen, share=0.05)
    with pytest.raises(DataError, match="11 folds of 10 groups"):
        held_out_split.function(screen, fold=0, n_folds=11)
    with pytest.raises(ValueError, match="fold is 2 of 2"):
        held_out_split.function(screen, fold=2, n_folds=2)
    with pytest.raises(DataError, match="no column 'donor'"):
        held_out_split.function(screen, fold=0, n_folds=2, by="donor")
    with pytest.raises(ValueError, match="fold is 5 of 2"):
        guide_split.function(screen, seed=0, fold=5)
    gap = screen.copy()
    gap.obs["batch"] = gap.obs["batch"].astype(object)
    gap.obs.iloc[0, gap.obs.columns.get_loc("batch")] = None
    with pytest.raises(DataError, match="missing for 1 cells"):
        batch_perturbation_split.function(gap)
    torn = screen.copy()
    torn.obs["guide"] = pd.Categorical(
        np.where(np.arange(screen.n_obs) < 2, "g", torn.obs["guide"])
    )
    torn.obs["perturbation"] = pd.Categorical(
        ["a", "b", *torn.obs["perturbation"].astype(str).iloc[2:]]
    )
    with pytest.raises(DataError, match="'g' has several perturbations"):
        guide_split.function(torn, seed=0)
