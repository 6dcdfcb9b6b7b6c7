"""Manifests and leakage reports that a run leaves of its splits."""

import inspect
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from helpers import scores
from helpers.data.contract import DataError
from helpers.data.effects import condition_splits as splits
from helpers.data.effects.split_reports import split_report
from helpers.data.simulate.screen import simulate_screen
from helpers.tasks.effects import doubles, held_out_report, interactions, perturbation_labels

NAMES = [f"g{i}" for i in range(8)]


def drawn(seed=0):
    split = splits.unseen_perturbations(NAMES, seed=seed)
    effects = dict(zip(NAMES, np.random.default_rng(seed).standard_normal((8, 5)), strict=True))
    scored = np.array([effects[n] for n in split.test])
    trained = np.array([effects[n] for n in split.train])
    return split, effects, split_report(split, scored, trained, list(split.train))


def test_a_report_says_how_near_training_is():
    split, effects, text = drawn()
    report = json.loads(text)
    assert splits.read_manifest(json.dumps(report["manifest"])) == split
    assert report["sha256"] == split.digest and report["trained on"] == list(split.train)

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    for name, value in report["leakage"]["nearest"].items():
        known = max(cosine(effects[name], effects[other]) for other in split.train)
        assert value == pytest.approx(known, abs=1e-6)
    assert len(report["leakage"]["random"]) == 20
    # as the function that the page on unseen perturbations asks
    other = splits.leakage(split, NAMES, np.array([effects[n] for n in NAMES]))
    assert report["leakage"]["mean"] == pytest.approx(other["mean"], abs=1e-6)
    assert np.mean(report["leakage"]["random"]) == pytest.approx(
        np.mean(other["random"]), abs=3 * np.std(other["random"])
    )


def test_a_split_whose_twin_is_learnt_from_is_seen_to_leak():
    split = splits.ConditionSplit("twins", 0, ("a", "b"), ("c", "d"))
    effects = np.eye(2)
    report = json.loads(split_report(split, effects, effects, ["a", "b"]))
    assert report["leakage"]["mean"] == 1.0
    assert min(report["leakage"]["random"]) == 0.0  # both twins on one side
    assert "nan" not in split_report(split, effects, effects[:0], []).lower()


@pytest.fixture(scope="module")
def screen():
    knobs = dict(n_cells=700, n_genes=40, n_targets=6, n_combinations=10, guides_per_target=1)
    knobs |= dict(n_control_guides=2, effective_share=1.0, unexpressed_share=0.0)
    return simulate_screen(np.random.default_rng(0), **knobs)


def test_scores_come_with_the_split_that_they_are_of(screen, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_RUN", str(tmp_path))
    found = doubles.double_scores.function(screen, seed=0)
    (text,) = found["split_report"].unique()
    report = json.loads(text)
    assert set(found["perturbation"]) == set(report["manifest"]["test"])
    assert set(report["leakage"]["nearest"]) == set(found["perturbation"])
    called = interactions.interaction_scores.function(screen, seed=0)["split_report"]
    table = held_out_report.splits_left({("x", 0): found["split_report"], ("y", 0): [called]})
    assert table["data set"].tolist() == ["x", "y"]
    assert table["scored"].tolist() == [str(len(report["manifest"]["test"]))] * 2
    assert table["splits"].tolist() == [1, 1] and table["random"].str.contains(" to ").all()
    held_out_report.splits_left({("x", 0): [text]})  # saved before: not saved twice
    kept = json.loads((tmp_path / "splits.json").read_text())
    assert [entry["data set"] for entry in kept] == ["x", "y"]
    manifest = splits.read_manifest(json.dumps(kept[0]["manifest"]))
    manifest.accept(kept[0]["sha256"])


def test_outside_a_run_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("BENCHBOOK_RUN", raising=False)
    monkeypatch.chdir(tmp_path)
    assert json.loads(scores.save_splits([{"a": 1}, {"a": 1}])) == [{"a": 1}]
    assert not list(tmp_path.iterdir())


def test_the_text_is_the_same_under_any_hash_seed():
    head = "import numpy as np\nfrom helpers.data.effects import condition_splits as splits\n"
    head += "from helpers.data.effects.split_reports import split_report\n"
    body = f"NAMES = {NAMES!r}\n{inspect.getsource(drawn)}\nprint(drawn(3)[2])"
    texts = {
        subprocess.run(
            [sys.executable, "-c", head + body],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1 and json.loads(texts.pop())["manifest"]["test"]


def test_published_splits_have_manifests_without_cells(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_RUN", str(tmp_path))
    table = held_out_report.published_splits_left(["norman_from_scfoundation", "adamson"])
    left = json.loads((tmp_path / "splits.json").read_text())
    assert table["data set"].tolist() == ["norman_from_scfoundation", "adamson"]
    assert table["splits"].tolist() == [5, 2]
    assert table["scored"].tolist() == ["31", "21"]
    assert table["learnt from"].tolist() == ["163", "55"]  # ctrl among them
    assert [entry["manifest"]["seed"] for entry in left] == [1, 2, 3, 4, 5, 1, 2]
    for entry in left:
        split = splits.read_manifest(json.dumps(entry["manifest"]))
        assert split.digest == entry["sha256"]
        assert entry["leakage"]["mean"] is None  # no effects, no likeness


def test_the_split_of_labels_says_how_alike_its_parts_are():
    rows = [
        *(
            ("x", p, g, v, "train")
            for p, v in (("a", (1, 0, 0)), ("b", (0, 1, 0)))
            for g, v in zip("uvw", v, strict=True)
        ),
        *(("x", "c", g, v, "test") for g, v in zip("uv", (1, 0), strict=True)),
    ]
    labels = pd.DataFrame(rows, columns=["line", "perturbation", "gene", "label", "part"])
    report = json.loads(perturbation_labels.label_split.function(labels, line="x", seed=0))
    assert report["manifest"]["train"] == ["a", "b"] and report["manifest"]["test"] == ["c"]
    # rates are 1/2, 1/2 and 0: a is (.5, -.5, 0), and so is c, whose third gene has no label
    assert report["leakage"]["nearest"] == {"c": 1.0}
    with pytest.raises(DataError, match="no line 'y'; there are x"):
        perturbation_labels.label_split.function(labels, line="y", seed=0)
