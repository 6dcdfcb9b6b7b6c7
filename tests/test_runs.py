"""Chapter runs: identity, what they leave, and what happens when something breaks."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pandas as pd
import pytest
from minibook import MiniBook

from helpers.data import registry


@pytest.fixture
def book(tmp_path):
    return MiniBook(tmp_path)


@pytest.fixture
def plain(tmp_path):
    """A book whose kernels start as elsewhere than on Linux."""
    return MiniBook(tmp_path, warm=False)


STATUS = (
    'import json\nprint(json.dumps({r.chapter.name.rpartition("/")[2]: r.record for r in runs}))'
)


def records(said: str) -> dict:
    return json.loads(said.strip().splitlines()[-1])


def benchbook(book, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "helpers.cli", *arguments],
        cwd=book.folder,
        env=book.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_good_chapters_are_done_and_bad_ones_do_not_stop_them(book):
    names = ["one", "other", "reader", "fails", "dies", "silent", "needs-failed"]
    said = book.python(f"runs = run(*{names!r})\n" + STATUS)
    found = records(said)
    assert {n: r["status"] for n, r in found.items()} == {
        "one": "done",
        "other": "done",
        "reader": "done",
        "fails": "failed",
        "dies": "failed",
        "silent": "failed",
        "needs-failed": "failed",
    }
    error = found["fails"]["error"]
    assert (error["name"], error["source"]) == ("ZeroDivisionError", "number = 1 / 0")
    assert error["cell"] == 2
    assert "kernel died" in found["dies"]["error"]["message"]
    assert found["dies"]["error"]["source"].startswith("import os, signal")
    assert "saved no scores" in found["silent"]["error"]["message"]
    assert "chapters/lab/fails" in found["needs-failed"]["error"]["message"]
    one = found["one"]
    assert one["command"] == "benchbook run chapters/lab/one"
    assert [s["name"] for s in one["steps"]] == ["doubled(value=1)"]
    assert one["peak_memory_mb"] > 10
    assert {"numpy", "perturbation-benchbook"} <= set(one["versions"])


def test_a_chapter_reads_the_scores_of_the_run_that_it_needs(plain):
    said = plain.python("runs = run('reader', value=5)\n" + STATUS)
    (folder,) = (plain.home / "runs" / "lab" / "reader").iterdir()
    # needs run with their own defaults: 2 * 1, and one more
    assert pd.read_parquet(folder / "scores.parquet")["value"].tolist() == [3.0]
    assert "chapters/lab/one" in records(said)["reader"]["needs"]


def test_nothing_changed_nothing_runs(plain):
    plain.python("run('one', 'other')")
    assert plain.calls() == ["1"]
    said = plain.python("run('one', 'other')")
    assert said.count("stored") == 2
    assert "running" not in said
    assert plain.calls() == ["1"]


KEYS = """
    import json
    names = ("one", "other", "reader", "slow")
    print(json.dumps({n: plan_grid(book, f"lab/{n}", {})[0].key for n in names}))
"""


def changed(book, edit) -> set[str]:
    before = records(book.python(KEYS))
    edit()
    after = records(book.python(KEYS))
    return {name for name in before if before[name] != after[name]}


def test_an_edited_module_changes_just_the_chapters_that_reach_it(plain):
    leaf = plain.folder / "lab" / "leaf.py"
    edit = lambda: leaf.write_text("def double(x):\n    return x + x\n")  # noqa: E731
    assert changed(plain, edit) == {"one", "slow", "reader"}  # reader needs one


def test_prose_is_not_code_but_a_cell_is(plain):
    path = plain.folder / "chapters" / "lab" / "other.md"
    text = path.read_text()
    assert changed(
        plain, lambda: path.write_text(text.replace("# Other", "# Another\n\nWhy?"))
    ) == (set())
    assert changed(plain, lambda: path.write_text(text.replace("three()", "three( )"))) == set()
    assert changed(plain, lambda: path.write_text(text.replace(".result()", ".result() + 1"))) == {
        "other"
    }


def test_two_chapters_that_ask_for_one_step_share_it(book):
    source = (book.folder / "chapters" / "lab" / "one.md").read_text()
    (book.folder / "chapters" / "lab" / "twin.md").write_text(source.replace("# One", "# Twin"))
    book.contents("one", "twin")
    book.python("run('one', 'twin')")
    assert book.calls() == ["1"]


def test_a_run_from_the_command_line_leaves_all_that_it_says(plain, repository_site):
    repository_site(plain.folder)
    done = benchbook(plain, "run", "lab/one", "-p", "value=4", "-p", "label=PCA 50")
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    (folder,) = (plain.home / "runs" / "lab" / "one").iterdir()
    files = ("notebook.ipynb", "scores.parquet", "run.json", "page/chapters/lab/one.html")
    for file in files:
        assert (folder / file).is_file()
        assert str((folder / file).relative_to(plain.folder)) in said.replace("\n", "")
    row = pd.read_parquet(folder / "scores.parquet").iloc[0]
    assert (row["value"], row["model"], row["unit"]) == (8.0, "PCA 50", "4")
    record = json.loads((folder / "run.json").read_text())
    assert record["command"] == "benchbook run chapters/lab/one -p value=4 -p 'label=PCA 50'"
    html = (folder / "page" / "chapters" / "lab" / "one.html").read_text()
    assert "number 8" in html
    notebook = (folder / "notebook.ipynb").read_text()
    assert str(plain.folder) not in notebook


def test_a_parameter_given_twice_makes_a_grid(book):
    book.python(
        "run_all(plan_grid(book, 'lab/one', {'value': [2, 3], 'seed': [0, 1]}), workers=2,"
        " console=Console())"
    )
    assert len(list((book.home / "runs" / "lab" / "one").iterdir())) == 4
    assert sorted(book.calls()) == ["2", "3"]  # seed is no parameter of the step


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lab/onne"], "there is no chapter 'lab/onne'; did you mean chapters/lab/one?"),
        (["lab/one", "-p", "values=3"], "has no parameter 'values'; it has dataset, seed"),
        (["lab/one", "-p", "value=many"], "parameter value is 'many'; it takes int"),
        (["lab/one", "-p", "value=1.5"], "parameter value is 1.5; it takes int"),
        (["lab/one", "-p", "seed=-1"], "seed is -1; it is at least 0"),
        (["lab/one", "-p", "preset=huge"], "preset is 'huge'; it is one of tiny, book, full"),
        (["lab/one", "-p", "dataset=nothing"], "no data set 'nothing': `benchbook data list`"),
        (["lab/one", "-p", "value"], "a parameter is given as NAME=VALUE"),
    ],
)
def test_what_is_not_known_is_refused_before_anything_runs(book, arguments, message):
    done = benchbook(book, "run", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (book.home / "runs").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "--only", "nothing"],
        ["build", "--preset", "huge"],
        ["run", "lab/one", "-p", "values=3"],
        ["data", "try", "nothing"],
        ["data", "get", "nothing"],
        ["data", "check", "nothing"],
        ["export", "nothing"],
        ["embed", "nothing", "scgpt", "."],
        ["large", "nothing"],
        ["clean"],
    ],
)
def test_what_is_refused_is_refused_before_anything_heavy_is_imported(book, arguments):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "helpers.cli", *arguments],
        cwd=book.folder,
        env=book.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    imported = re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE)
    assert "helpers.cli_data" in imported
    assert "pandas" not in imported


def test_a_context_that_is_not_there_is_refused_before_any_chapter(book):
    if registry.status("papalexi2021")["state"] == "absent":
        pytest.skip("papalexi2021 is not on this machine")
    done = benchbook(book, "data", "try", "papalexi2021", "--context", "HeLa")
    assert done.returncode == 2
    assert "papalexi2021 has no context 'HeLa'; it has 'THP-1'" in done.stderr


def test_a_killed_worker_costs_nothing_but_time(book):
    marker = book.folder / "marker"
    said = book.python(f"runs = run('fatal', label={str(marker)!r})\n" + STATUS)
    assert records(said)["fatal"]["status"] == "done"


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_or_killed_the_same_command_finishes_the_job(book, how):
    process = book.start("run('slow', value=10, workers=1)")
    wait_for(lambda: len(book.calls()) >= 3)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode != 0
    before = len(book.calls())
    said = book.python("runs = run('slow', value=10, workers=1)\n" + STATUS)
    assert records(said)["slow"]["status"] == "done"
    # at most the step that was cut off is computed again
    assert len(book.calls()) <= 10 + 1
    assert before < len(book.calls())


def test_a_second_build_is_refused_with_the_first_ones_process(book):
    first = book.start("""
        import os, time
        from helpers.book.build import only_build

        with only_build():
            print(os.getpid(), flush=True)
            time.sleep(60)
    """)
    pid = first.stdout.readline().strip()
    done = benchbook(book, "build")
    first.kill()
    first.communicate()
    assert done.returncode == 2
    assert f"process {pid}" in done.stderr
    assert not (book.home / "runs").exists()


def test_data_that_cannot_be_had_leave_a_note_and_no_failure(plain):
    said = plain.python(
        """
        from helpers.data import fetch

        runs = run('real')
        (one,) = runs
        print("HAD", one.unavailable, "Real data" in str(one.notebook()))
        """,
        BENCHBOOK_DATA=str(plain.folder),
        BENCHBOOK_CACHE=str(plain.folder / "cache"),
        https_proxy="http://127.0.0.1:9",
    )
    assert "benchbook data get papalexi2021" in said
    (folder,) = (plain.home / "runs" / "lab" / "real").iterdir()
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "done"
    notebook = (folder / "notebook.ipynb").read_text()
    assert "Not in this build" in notebook
    assert "These cells need the data" not in notebook


def test_scores_do_not_depend_on_workers_or_the_hash_seed(book):
    seen = set()
    for hash_seed, workers in (("0", 1), ("1", 2), ("7", 2)):
        book.home = book.folder / f"home-{hash_seed}"
        book.python(f"run('one', workers={workers})", PYTHONHASHSEED=hash_seed)
        (folder,) = (book.home / "runs" / "lab" / "one").iterdir()
        seen.add((folder / "scores.parquet").read_bytes())
    assert len(seen) == 1


def test_a_free_worker_does_not_wait_for_the_chapter_of_another(book):
    plan = """
        names = {"slow": 16, "other": 1, "one": 1}  # half a second for each value
        runs = [plan_grid(book, f"lab/{n}", {"value": [v]})[0] for n, v in names.items()]
        run_all(runs, workers=2, console=Console(width=200))
    """
    said = book.python(textwrap.dedent(plan) + STATUS)
    found = records(said)
    begun = {name: pd.Timestamp(record["started"]) for name, record in found.items()}
    slow_ends = begun["slow"] + pd.Timedelta(seconds=found["slow"]["seconds"])
    assert begun["one"] < slow_ends - pd.Timedelta(seconds=2)


def test_more_workers_than_cores_are_told_so(book):
    said = book.python("""
        from helpers.book import cluster

        cluster.cores = lambda: 1
        run("other", workers=2)
        run("other", workers=2)
    """)
    assert said.count("2 workers, cores here: 1.") == 1  # not where nothing runs
    assert "done" in said


def test_workers_keep_freed_memory_as_any_process_does(book):
    said = book.python("""
        import os
        from distributed import Client
        from helpers.book import warm
        from helpers.book.cluster import steps_cluster

        warm.start_early(["distributed"])
        with steps_cluster(1, {}) as address, Client(address) as client:
            found = client.run(os.getenv, "MALLOC_TRIM_THRESHOLD_")
        print("FOUND", *found.values())
    """)
    assert "FOUND None" in said


def test_unused_results_go_and_used_ones_stay(plain):
    plain.python("run('one')\nrun('one', value=2)\nrun('other')")
    plain.contents("one")
    (plain.folder / "lab" / "leaf.py").write_text("def double(x):\n    return x + x\n")
    plain.python("run('one')")
    done = benchbook(plain, "clean", "--unused")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 runs and 3 results removed")
    assert len(list((plain.home / "steps").glob("*/*"))) == 1


def test_a_clean_up_waits_for_no_run_and_takes_nothing_from_one(book):
    working = book.start("""
        import time
        from helpers.book.build import at_work

        with at_work():
            print("working", flush=True)
            time.sleep(60)
    """)
    working.stdout.readline()
    done = benchbook(book, "clean", "--unused")
    working.kill()
    working.communicate()
    assert done.returncode == 2
    assert "a run or build is at work" in done.stderr


def test_what_killed_commands_left_is_swept_and_nothing_else(book):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    temporary = book.folder / "tmp"
    names = (
        f"bb-{dead.pid}-abcd_123",
        f"bb-{os.getpid()}-abcd_123",
        "bb-my-thesis",
        "bb-1234567-x",
    )
    for name in names:
        (temporary / name).mkdir(parents=True)
    partial = book.home / "runs" / "lab" / "one" / ".partial-x"
    partial.mkdir(parents=True)
    (book.home / ".benchbook").touch()
    book.python("from helpers.book.build import sweep\nsweep()", TMPDIR=str(temporary))
    assert {p.name for p in temporary.iterdir()} == set(names[1:])
    assert not partial.exists()


def test_a_folder_with_other_files_is_not_taken_for_results(plain):
    (plain.folder / "thesis").mkdir()
    (plain.folder / "thesis" / "book").mkdir()
    chapter = plain.folder / "thesis" / "book" / "chapter1.txt"
    chapter.write_text("years of work")
    plain.home = plain.folder / "thesis"
    done = benchbook(plain, "run", "lab/one")
    assert done.returncode == 2
    assert "holds files that are not this book's" in done.stderr
    assert chapter.read_text() == "years of work"


def test_a_step_may_ask_for_a_step(plain):
    (plain.folder / "lab" / "nested.py").write_text(
        "from helpers.store.steps import step\nfrom lab.model import doubled\n\n\n"
        "@step\ndef outer(*, value: int):\n    return doubled(value=value).result() + 1\n"
    )
    path = plain.folder / "chapters" / "lab" / "one.md"
    text = path.read_text().replace("lab.model import doubled", "lab.nested import outer")
    path.write_text(text.replace("doubled(value=value)", "outer(value=value)"))
    said = plain.python("runs = run('one', workers=1)\n" + STATUS)
    assert records(said)["one"]["status"] == "done"


def test_a_run_stands_on_the_readers_that_it_names_and_loads_no_other(plain):
    path = plain.folder / "chapters" / "lab" / "other.md"
    load = "from helpers.data import registry\n\nregistry.load('kang2018-subset')\n"
    text = path.read_text()
    path.write_text(text + f"\n```{{code-cell}}\n{load}```\n")
    said = plain.python("runs = run('other', workers=1)\n" + STATUS)
    error = records(said)["other"]["error"]
    assert error["name"] == "DataError"
    assert "does not name the data set 'kang2018-subset': add it to `requires`" in error["message"]
    named = path.read_text().replace(
        "\n---\n", "\nbenchbook: {requires: [kang2018-subset]}\n---\n", 1
    )
    path.write_text(named)
    code = """
        runs = plan_grid(book, "lab/other", {})
        print(sorted(m for m in runs[0]._code[1].modules if ".sets." in m))
    """
    assert (
        "['helpers.data.sets.kang2018_subset', 'helpers.data.sets.papalexi2021']"
        in plain.python(code)
    )


def test_a_failing_step_fails_its_chapter_with_its_error_and_no_other(plain):
    model = plain.folder / "lab" / "model.py"
    model.write_text(
        model.read_text().replace("time.sleep(pause)", "raise KeyError(f'no gene {value}')")
    )
    said = plain.python("runs = run('one', 'other')\n" + STATUS)
    found = records(said)
    assert found["one"]["error"]["name"] == "KeyError"
    assert "no gene 1" in found["one"]["error"]["message"]
    assert found["one"]["steps"][0]["seconds"] is None
    assert found["other"]["status"] == "done"


def test_a_run_whose_files_were_changed_is_run_again(plain):
    plain.python("run('other')")
    (scores,) = (plain.home / "runs" / "lab" / "other").glob("*/scores.parquet")
    whole = scores.read_bytes()
    scores.write_bytes(whole[:-100])
    said = plain.python("runs = run('other')\n" + STATUS)
    assert "running" in said
    assert scores.read_bytes() == whole
    (scores.parent / "run.json").write_text("{")
    plain.python("runs = run('other')\n" + STATUS)
    assert json.loads((scores.parent / "run.json").read_text())["status"] == "done"


def test_a_cell_that_is_not_python_fails_alone(plain):
    path = plain.folder / "chapters" / "lab" / "one.md"
    path.write_text(path.read_text().replace("number = doubled", "number == = doubled"))
    found = records(plain.python("runs = run('one', 'other')\n" + STATUS))
    assert found["one"]["error"]["name"] == "SyntaxError"
    assert found["other"]["status"] == "done"


def test_needs_of_needs_are_told_apart_from_chapters_that_are_none(plain):
    path = plain.folder / "chapters" / "lab" / "reader.md"
    path.write_text(path.read_text().replace("lab/one", "lab/nothing"))
    done = benchbook(plain, "run", "lab/reader")
    assert done.returncode == 2
    assert "needs chapters/lab/nothing, which is no chapter of _toc.yml" in done.stderr
