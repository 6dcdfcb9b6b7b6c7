"""The score table: rows from columns, results gathered into one table."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers import cli, scores
from helpers.book.run import hashes
from helpers.metrics.facts import Metric
from helpers.store.steps import step

SHARED = dict(task="t", dataset="d", model="m", role="floor", unit_kind="gene", seed=3)


@step
def doubled(value):
    return 2 * value


def test_rows_are_of_values_for_all_or_one_a_row_with_defaults_that_are_written():
    found = scores.rows(
        **SHARED, metric="r", unit=pd.Index(["a", "b"]), value=pd.Series([0.1, np.nan], [7, 3])
    )
    written = [
        dict(
            zip(scores.COLUMNS, ("t", "d", "all", "revised", "m", "{}", "raw", "r"), strict=False),
            role="floor", unit_kind="gene", unit=unit, cluster=unit, seed=3, n=1, value=value,
        )
        for unit, value in (("a", 0.1), ("b", np.nan))
    ]  # fmt: skip
    pd.testing.assert_frame_equal(found, pd.DataFrame(written))
    pd.testing.assert_frame_equal(scores.check(found), found)


def test_rows_of_several_metrics_follow_one_another():
    found = scores.rows(
        **SHARED,
        params=[{"b": 1, "a": 2}, {}],
        unit=["x", "y"],
        cluster="c",
        n=[4, 5],
        value={"one": [1.0, 2.0], "two": np.array([3.0, 4.0])},
    )
    assert found["metric"].tolist() == ["one", "one", "two", "two"]
    assert found["params"].tolist() == ['{"a":2,"b":1}', "{}"] * 2
    assert found["value"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert found["n"].tolist() == [4, 5, 4, 5] and set(found["cluster"]) == {"c"}
    assert len(scores.rows(**SHARED, metric="r", unit="all", value=0.5)) == 1


def test_counts_below_zero_and_values_outside_a_range_are_refused():
    facts = {"r": Metric("r", "", -1, 1, "higher", 0, "")}
    one = dict(SHARED, metric="r", unit=["a", "b"])
    with pytest.raises(scores.ScoreError, match="n is -3; it counts observations"):
        scores.check(scores.rows(**one, n=[-3, 1], value=[0.1, 0.2]))
    scores.check(scores.rows(**one, n=[0, 1], value=[np.nan, 1.0]), facts)
    with pytest.raises(scores.ScoreError, match="1 values of r lie outside -1 to 1, the first"):
        scores.check(scores.rows(**one, value=[0.1, 1.5]), facts)


def test_a_cut_table_is_said_and_its_run_cleaned_away(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path))
    monkeypatch.delenv("BENCHBOOK_NEEDS", raising=False)
    (tmp_path / ".benchbook").touch()
    for name in ("whole", "cut"):
        folder = tmp_path / "runs" / "lab" / "one" / name
        folder.mkdir(parents=True)
        scores.rows(**SHARED, metric="r", unit="a", value=0.5).to_parquet(folder / "scores.parquet")
        record = {"status": "done", "started": name, "files": hashes(folder)}
        (folder / "run.json").write_text(json.dumps(record))
    file = tmp_path / "runs" / "lab" / "one" / "cut" / "scores.parquet"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(scores.ScoreError, match="clean --damaged"):
        scores.read(file)
    done = CliRunner().invoke(cli.app, ["clean", "--damaged"])
    assert "1 damaged runs" in done.output, done.exception
    assert scores.load("lab/one")["value"].tolist() == [0.5]


def test_all_runs_of_a_grid_are_read_with_their_parameters(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path))
    monkeypatch.delenv("BENCHBOOK_NEEDS", raising=False)
    one = scores.rows(**SHARED, metric="r", unit="a", value=0.5)
    for status, started, seed in (("done", "2", 8), ("done", "1", 7), ("failed", "3", 9)):
        folder = tmp_path / "runs" / "lab" / "one" / f"key{seed}"
        folder.mkdir(parents=True)
        one.assign(value=float(seed)).to_parquet(folder / "scores.parquet")
        given = {"dataset": "papalexi2021", "seed": seed}
        record = {"status": status, "started": started, "parameters": given}
        (folder / "run.json").write_text(json.dumps(record))
    every = scores.load("lab/one", every_run=True)
    added = ["run", "run_dataset", "run_seed", "run_started"]
    assert list(every.columns) == [*one.columns, *added]
    assert every[["value", *added]].to_numpy().tolist() == [
        [7.0, "key7", "papalexi2021", 7, "1"],
        [8.0, "key8", "papalexi2021", 8, "2"],
    ]
    assert scores.load("lab/one")["value"].tolist() == [8.0]
    monkeypatch.setenv("BENCHBOOK_NEEDS", "{}")
    with pytest.raises(scores.ScoreError, match="reads the run of lab/one that it needs"):
        scores.load("lab/one", every_run=True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(value=[1.0, 2.0, 3.0]), "differ in length: .*'unit': 2.*'value': 3"),
        (dict(value=[1.0, 2.0], colour="red"), "not known: colour"),
        (dict(), "missing: value"),
    ],
)
def test_rows_that_do_not_fit_are_refused(given, message):
    with pytest.raises(scores.ScoreError, match=message):
        scores.rows(**SHARED, metric="r", unit=["a", "b"], **given)


def test_results_are_gathered_with_the_names_roles_and_parameters_of_their_calls(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path))
    asked = {("A", 1): doubled(value=1.5), ("B", 2): doubled(value=2)}

    def to_rows(result, **named):
        return scores.rows(**named, value=float(result), unit="u", unit_kind="gene")

    def gathered(**arguments):
        shared = dict(task="t", dataset="d", metric="r")
        return scores.gather(asked, ("model", "seed"), to_rows, **shared, **arguments)

    found = gathered(roles={"A": "floor", "B": "ceiling"}, params={"B": {"k": 1}})
    assert found[["model", "seed", "role", "params", "value"]].to_numpy().tolist() == [
        ["A", 1, "floor", "{}", 3.0],
        ["B", 2, "ceiling", '{"k":1}', 4.0],
    ]
    assert set(gathered()["role"]) == {"candidate"}
    with pytest.raises(scores.ScoreError, match="'B' has no role"):
        gathered(roles={"A": "floor"})


def test_scores_at_hand_are_those_of_runs_that_are_done(tmp_path, monkeypatch):
    monkeypatch.delenv("BENCHBOOK_NEEDS", raising=False)
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path))
    for name, status in (("tier/good", "done"), ("tier/bad", "failed"), ("tier/none", "done")):
        folder = tmp_path / "runs" / name / "0123"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"status": status}))
        if not name.endswith("none"):
            (folder / "scores.parquet").touch()
    assert scores.at_hand() == ["tier/good"]
    needs = {n: str(tmp_path / "runs" / n / "0123") for n in ("tier/good", "tier/none")}
    monkeypatch.setenv("BENCHBOOK_NEEDS", json.dumps(needs))
    assert scores.at_hand() == ["tier/good"]
