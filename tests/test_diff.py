"""Scores of two homes, or of two built books, compared to the last bit."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers.book.diff import DiffError, diff
from helpers.cli import app
from helpers.scores import COLUMNS


def table(**changes):
    """Score rows of three units."""
    values = {
        **dict.fromkeys(COLUMNS, "x"),
        "params": "{}",
        "role": "candidate",
        "unit": ["a", "b", "c"],
        "seed": 0,
        "n": 5,
        "value": [0.1, 0.2, np.nan],
    }
    return pd.DataFrame(values | changes)


def home(folder, chapters, *, preset="book", started="2026-01-01", status="done"):
    """A folder of results with one run a chapter."""
    for name, scores in chapters.items():
        run = folder / "runs" / name / f"{preset}-{started}"
        run.mkdir(parents=True)
        record = {
            "chapter": f"chapters/{name}",
            "parameters": {"preset": preset, "seed": 0},
            "status": status,
            "started": started,
        }
        (run / "run.json").write_text(json.dumps(record))
        scores.to_parquet(run / "scores.parquet")
    return folder


def test_the_same_scores_differ_nowhere(tmp_path):
    found = diff(home(tmp_path / "a", {"t/x": table()}), home(tmp_path / "b", {"t/x": table()}))
    assert not found
    assert found.chapters.loc["t/x"].to_dict() == pytest.approx(
        {"old": 3, "new": 3, "came": 0, "went": 0, "changed": 0, "largest": 0}
    )


def test_what_came_went_and_changed_by_how_much(tmp_path):
    new = table(unit=["a", "b", "d"], value=[np.nextafter(0.1, 1), 0.2, 0.3])
    found = diff(home(tmp_path / "a", {"t/x": table()}), home(tmp_path / "b", {"t/x": new}))
    assert found
    rows = found.rows.set_index("unit")["what"].to_dict()
    assert rows == {"a": "changed", "c": "went", "d": "came"}
    assert found.rows.set_index("unit").loc["a", "change"] == np.nextafter(0.1, 1) - 0.1
    assert found.chapters.loc["t/x", ["old", "new"]].tolist() == [3, 3]


def test_nan_against_a_number_is_a_change(tmp_path):
    new = table(value=[0.1, 0.2, 0.0])
    found = diff(home(tmp_path / "a", {"t/x": table()}), home(tmp_path / "b", {"t/x": new}))
    assert found.rows["what"].tolist() == ["changed"]


def test_a_row_may_move_to_another_chapter(tmp_path):
    old = home(tmp_path / "a", {"t/x": table(), "t/y": table(task="y")})
    new = home(tmp_path / "b", {"t/x": table(task="y"), "u/z": table()})
    found = diff(old, new)
    assert not found
    assert sorted(found.chapters.index) == ["t/x", "u/z"]


def test_of_several_runs_the_newest_complete_one_counts(tmp_path):
    old = home(tmp_path / "a", {"t/x": table()})
    home(old, {"t/x": table(value=[9.0, 9.0, 9.0])}, started="2025-01-01")
    home(old, {"t/x": table(value=[8.0, 8.0, 8.0])}, started="2027-01-01", status="failed")
    assert not diff(old, home(tmp_path / "b", {"t/x": table()}))


def test_one_chapter_can_be_asked_for(tmp_path):
    old = home(tmp_path / "a", {"t/x": table(), "t/y": table(task="y")})
    new = home(tmp_path / "b", {"t/x": table(), "t/y": table(task="y", value=[1.0, 2.0, 3.0])})
    assert not diff(old, new, "t/x")
    assert len(diff(old, new, "t/y").rows) == 3
    with pytest.raises(DiffError, match="no scores of a chapter named like 'z'"):
        diff(old, new, "z")


def test_built_books_are_compared_by_their_files(tmp_path):
    for name, scores in (("a", table()), ("b", table(value=[0.1, 0.3, np.nan]))):
        (tmp_path / name / "_static" / "scores").mkdir(parents=True)
        (tmp_path / name / "index.html").touch()
        scores.to_csv(tmp_path / name / "_static" / "scores" / "t-x-y.csv", index=False)
    assert not diff(tmp_path / "a", tmp_path / "a")
    found = diff(tmp_path / "a", tmp_path / "b")
    assert found.rows[["chapter", "unit", "what"]].to_numpy().tolist() == [
        ["t/x-y", "b", "changed"]
    ]


def test_places_that_cannot_be_compared_are_refused(tmp_path):
    old = home(tmp_path / "a", {"t/x": table()})
    with pytest.raises(DiffError, match=r"b holds no scores: name a folder of results"):
        diff(old, tmp_path / "b")
    with pytest.raises(DiffError, match=r"no preset in common \(presets book there, tiny here\)"):
        diff(old, home(tmp_path / "c", {"t/x": table()}, preset="tiny"))
    with pytest.raises(DiffError, match=r"no chapter in common \(chapters t/x there, u/v here\)"):
        diff(old, home(tmp_path / "d", {"u/v": table()}))
    (old / "runs" / "t/x" / "book-2026-01-01" / "run.json").write_text("{")
    with pytest.raises(DiffError, match=r"run\.json: not a record of a run"):
        diff(old, old)


def test_the_command_says_it_and_ends_with_one(tmp_path):
    old = home(tmp_path / "a", {"t/x": table()})
    new = home(tmp_path / "b", {"t/x": table(value=[0.1, 0.25, np.nan])})
    same = CliRunner().invoke(app, ["diff", str(old), str(old)])
    assert same.exit_code == 0
    assert "every row is the same, to the last bit (3 rows)" in same.stdout
    out = tmp_path / "rows.csv"
    other = CliRunner().invoke(app, ["diff", str(old), str(new), "--out", str(out)])
    assert other.exit_code == 1
    assert "0.2 -> 0.25" in other.stdout
    assert "rows that differ: 1 (of 3)" in other.stdout
    assert len(pd.read_csv(out)) == 1
