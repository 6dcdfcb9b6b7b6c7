"""Results of long runs: written by one command, shown as outdated when what they stand on moves."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers import cli, cli_kept
from helpers.book.chapters import Book
from helpers.store import kept
from helpers.store.disk import StoreError
from helpers.store.kept import Kept, LongRun
from helpers.tasks import kept_words

ROOT = Path(__file__).parents[1]
FILES = {
    "__init__.py": "",
    "leaf.py": "def double(x):\n    return 2 * x\n",
    "other.py": "def nothing():\n    return 0\n",
    "runs.py": """
        import pandas as pd
        from helpers.store.kept import LongRun
        from helpers.store.steps import step
        from lab import leaf

        @step
        def number(*, value: int):
            return value

        @step
        def table(number):
            with open("calls.txt", "a") as calls:
                calls.write("table\\n")
            values = [leaf.double(number) / 3, None]
            return pd.DataFrame({"what": ["a", "b"], "value": values})

        def ask(seed):
            return table(number(value=seed))

        RUN = LongRun("doubles", (1, 2, 3), ask)
        """,
}
PROGRAM = """
    import sys
    from helpers import cli, cli_kept
    from lab.runs import RUN
    cli_kept.long_runs = lambda: {"doubles": RUN}
    cli.app(sys.argv[1:])
"""


@pytest.fixture
def lab(tmp_path):
    """A book's folder with a package of one long run."""
    (tmp_path / "_toc.yml").touch()
    (tmp_path / "lab").mkdir()
    for name, text in FILES.items():
        (tmp_path / "lab" / name).write_text(textwrap.dedent(text))
    return tmp_path


def benchbook(lab, *words):
    environment = {"PYTHONPATH": f"{lab}:{ROOT}", "BENCHBOOK_HOME": str(lab / "home")}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), *words],
        cwd=lab,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_a_result_is_kept_with_its_record_verified_and_found_outdated(lab):
    assert "nothing is kept of doubles" in benchbook(lab, "verify", "doubles").stderr
    done = benchbook(lab, "keep", "doubles")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(lab / "results" / "doubles" / "table.csv")
    assert table["seed"].tolist() == [1, 1, 2, 2, 3, 3]
    assert table["value"].dropna().tolist() == pytest.approx([2 / 3, 4 / 3, 2], rel=1e-5)
    record = json.loads((lab / "results" / "doubles" / "record.json").read_text())
    assert record["command"] == "benchbook keep doubles" and record["seconds"] >= 0
    assert set(record["keys"]) == {"1", "2", "3"} and "pandas" in record["versions"]
    assert {"lab.leaf:double", "lab.runs:number"} <= set(record["definitions"])
    assert not {name for name in record["definitions"] if "other" in name}

    calls = lab / "calls.txt"
    assert len(calls.read_text().split()) == 3
    again = benchbook(
        lab, "verify", "doubles", "--sample"
    )  # from nothing: what is stored is not read
    assert again.returncode == 0 and "doubles: the same (1 of 3 seeds" in again.stdout
    assert len(calls.read_text().split()) == 4
    again = benchbook(lab, "verify", "doubles")
    assert again.returncode == 0 and "3 of 3 seeds" in again.stdout
    assert len(calls.read_text().split()) == 7

    # code that the run does not reach, and the same in other words
    (lab / "lab" / "other.py").write_text("def nothing():\n    return 1\n")
    (lab / "lab" / "leaf.py").write_text("def double(x):\n    # twice\n    return 2 * x\n")
    assert "outdated" not in benchbook(lab, "verify", "doubles", "--sample").stdout
    (lab / "lab" / "leaf.py").write_text("def double(x):\n    return 3 * x\n")
    again = benchbook(lab, "verify", "doubles", "--sample")
    assert again.returncode == 1
    assert "outdated, changed since: lab.leaf\n" in again.stdout
    assert "row 0, value: kept 0.666667, now 1.0" in again.stdout
    assert "doubles: 1 values differ" in again.stdout


def test_a_table_that_was_edited_by_hand_is_refused(lab):
    benchbook(lab, "keep", "doubles")
    file = lab / "results" / "doubles" / "table.csv"
    file.write_text(file.read_text().replace("0.666667", "0.9"))
    assert "is not the table that its record is of" in str(benchbook(lab, "verify", "doubles"))


def test_an_unknown_run_is_refused_with_all_that_there_are():
    for command in ("keep", "verify"):
        refused = CliRunner().invoke(cli.app, [command, "no-such-run"])
        assert refused.exit_code == 2 and "scvi-defaults" in refused.output


def test_tables_that_differ_in_form_are_told(tmp_path, monkeypatch):
    one = pd.DataFrame({"x": [1.0], "seed": [0]})
    assert kept.differences(one, one) == []
    assert kept.differences(pd.concat([one, one.assign(seed=1)]), one) == []
    assert "kept 1 of ['x', 'seed']" in kept.differences(one, one.rename(columns={"x": "y"}))[0]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "_toc.yml").touch()
    assert kept.load(LongRun("nothing", (0,), lambda seed: None)) is None
    assert kept.files("nothing") == []


def test_a_table_that_is_no_summary_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "_toc.yml").touch()
    monkeypatch.setattr(kept, "compute", lambda run, seeds: pd.DataFrame({"x": range(1_001)}))
    with pytest.raises(StoreError, match="at most 1000"):
        kept.keep(LongRun("large", (), lambda seed: None), "benchbook keep large")
    assert not (tmp_path / "results").exists()


# their ledger judges published tables by draws that are kept
JUDGED_BY_KEPT = {"chapters/findings", "chapters/explanation/claims"}


def test_pages_name_what_is_kept_for_them_and_everything_kept_has_a_run():
    runs = cli_kept.long_runs()
    chapters = Book(ROOT).chapters.values()
    for chapter in chapters:
        code = "\n".join(c.source for c in chapter.notebook.cells if c.cell_type == "code")
        shows = "kept.load(" in code or chapter.name in JUDGED_BY_KEPT
        assert shows == bool(chapter.kept), chapter.name
    shown = {name for chapter in chapters for name in chapter.kept}
    there = {folder.name for folder in (ROOT / "results").glob("*")}
    assert shown <= set(runs) and there <= set(runs)


def test_a_kept_result_is_current_or_outdated_or_not_there():
    run = LongRun("days", (0,), lambda seed: None)
    made = {"command": "benchbook keep days", "day": "2026-01-02", "seconds": 600.0}

    def state(*changed, commit="abcdef0123456789"):
        return kept_words.state(Kept(pd.DataFrame(), made | {"commit": commit}, changed), run)

    assert "at commit abcdef012345 in 10 minutes" in state()
    assert "nothing that it stands on has changed" in state()
    old = state("helpers.models.embeddings.scvi", "torch")
    assert old.startswith("Outdated: helpers.models.embeddings.scvi and torch changed since.")
    assert "code of then" in old and "unknown" in state(commit="")
    assert "benchbook keep days makes one" in kept_words.state(None, run)
