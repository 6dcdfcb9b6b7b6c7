"""Splits of conditions: the published ones to the letter, and what ours promise.

The conditions of the published ones stand in the source data of Ahlmann-Eltze et al. 2025
(doi 10.1038/s41592-025-02772-6, MIT).
"""

import subprocess
import sys

import numpy as np
import pytest

from helpers.data.contract import DataError
from helpers.data.effects import condition_splits as splits
from helpers.data.effects.published_splits import SPLITS, published_conditions
from helpers.data.sets import ahlmann_eltze2025_scores as published

CONDITIONS = {name: published_conditions(name) for name in SPLITS}
NAMES = [f"g{i:02d}" for i in range(12)]
PAIRS = [f"g{i:02d}+g{j:02d}" for i in range(12) for j in range(i + 1, 12, 3)]


@pytest.fixture(scope="module")
def scored(paths):
    """Held-out rows as published."""
    return published.read(paths)


def bare(names) -> set[str]:
    return {"+".join(sorted(p for p in n.split("+") if p != "ctrl")) for n in names}


class TestPublished:
    @pytest.mark.parametrize("seed", range(1, 6))
    def test_doubles_are_those_that_were_scored(self, scored, seed):
        split = splits.norman_doubles(CONDITIONS["norman_from_scfoundation"], seed)
        assert (len(split.test), len(split.validation)) == (31, 31)
        assert len(split.train) == 101 + 62
        table = scored[(scored["setting"] == "double") & (scored["seed"] == seed)]
        for part, own in (("test", split.test), ("val", split.validation)):
            assert set(table.loc[table["part"] == part, "perturbation"]) == bare(own)

    @pytest.mark.parametrize("seed", [1, 2])
    @pytest.mark.parametrize(
        "dataset, sizes",
        [
            ("adamson", (54, 21, 6)),
            ("replogle_k562_essential", (733, 272, 82)),
            ("replogle_rpe1_essential", (1035, 384, 115)),
        ],
    )
    def test_singles_are_those_that_were_scored(self, scored, dataset, sizes, seed):
        split = splits.gears_simulation(CONDITIONS[dataset], seed)
        parts = [len(split.train) - 1, len(split.test), len(split.validation)]
        assert parts == list(sizes)  # ctrl is for training too
        table = scored[(scored["dataset"] == dataset) & (scored["seed"] == seed)]
        assert len(table)
        for part, own in (("test", split.test), ("val", split.validation)):
            names = set(table.loc[table["part"] == part, "perturbation"])
            assert names and names <= bare(own)

    def test_singles_refuse_combinations(self):
        with pytest.raises(DataError, match="single perturbations only"):
            splits.gears_simulation(["ctrl", "A+ctrl", "A+B"], 1)


class TestOurs:
    def test_an_unseen_perturbation_is_in_no_combination_that_is_learnt_from(self):
        split = splits.unseen_perturbations(NAMES + PAIRS, seed=0, share=0.25)
        assert len(split.test) == 3 and not any("+" in n for n in split.train)

    def test_strata_say_how_many_parts_were_seen(self):
        split = splits.combinations(NAMES + PAIRS, seed=0, share=0.5, unseen_share=0.3)
        singles = {n for n in split.train if "+" not in n}
        assert set(split.strata) == set(split.test)
        for name, stratum in split.strata.items():
            assert stratum == splits.SEEN[sum(p in singles for p in name.split("+"))]
        for name in split.train:
            assert set(name.split("+")) <= singles
        assert set(split.strata.values()) == set(splits.SEEN)

    def test_transfer_scores_what_another_context_has(self):
        names_of = {"x": NAMES[:8], "y": NAMES[4:]}
        split = splits.covariate_transfer(names_of, "y", seed=0)
        assert set(split.test) <= set(NAMES[4:8]) and len(split.test) == 2
        assert set(split.train) == set(NAMES[4:]) - set(split.test)
        out = splits.leave_one_context_out(names_of, "y")
        assert out.test == tuple(NAMES[4:8]) and out.train == tuple(NAMES[:8])
        with pytest.raises(DataError, match="in another context"):
            splits.leave_one_context_out({"x": ["A"], "y": ["B"]}, "y")

    def test_similarity_is_below_the_limit(self):
        rng = np.random.default_rng(0)
        centres = rng.standard_normal((6, 20))
        features = np.repeat(centres, 5, axis=0) + 0.1 * rng.standard_normal((30, 20))
        names = [f"p{i:02d}" for i in range(30)]
        split = splits.similarity_controlled(names, features, seed=1, most=0.6)
        report = splits.leakage(split, names, features)
        assert max(report["nearest"].values()) <= 0.6
        assert report["mean"] < min(report["random"])  # harder, with as many to learn from
        with pytest.raises(DataError, match="hang together"):
            splits.similarity_controlled(names, np.ones((30, 2)), seed=1)

    def test_a_leaking_split_is_refused(self):
        with pytest.raises(DataError, match="leaks: B"):
            splits.ConditionSplit("mine", 0, ("A", "B"), ("B",))
        with pytest.raises(DataError, match="one of each"):
            splits.ConditionSplit("mine", 0, (), ("B",))

    def test_a_manifest_is_read_back_and_predictions_of_another_split_are_refused(self):
        split = splits.combinations(NAMES + PAIRS, seed=3)
        assert splits.read_manifest(split.manifest()) == split
        split.accept(split.digest)
        other = splits.combinations(NAMES + PAIRS, seed=4)
        with pytest.raises(DataError, match="may have seen what is scored"):
            split.accept(other.digest)
        with pytest.raises(DataError, match="not a manifest"):
            splits.read_manifest("{}")

    def test_no_hash_seed_enters(self):
        code = (
            "from helpers.data.effects import condition_splits as s;"
            f"names = set({NAMES + PAIRS});"
            "print(s.combinations(names, seed=1, unseen_share=0.3).digest,"
            "s.unseen_perturbations(names, seed=1).digest)"
        )
        found = {
            subprocess.run(
                [sys.executable, "-c", code],
                env={"PYTHONHASHSEED": str(h), "PYTHONPATH": ":".join(sys.path)},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for h in (1, 2)
        }
        assert len(found) == 1
