"""Sharing, locks, atomic writes, reading, pruning of steps."""

import gc
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from helpers.store import disk, source, steps


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of steps on disk: leaf <- model <- other, and a bystander."""
    folder = tmp_path / "lab"
    folder.mkdir()
    files = {
        "__init__.py": "",
        "leaf.py": "def double(x):\n    return 2 * x\n",
        "model.py": """
            from helpers.store.steps import step
            from lab import leaf

            @step
            def number(*, value: int):
                return value

            @step
            def doubled(number, *, times: int = 1):
                with open("calls.txt", "a") as calls:
                    calls.write("doubled\\n")
                return leaf.double(number) * times
            """,
        "bystander.py": """
            from helpers.store.steps import step

            @step
            def constant():
                return 1
            """,
    }
    for name, text in files.items():
        (folder / name).write_text(textwrap.dedent(text))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path / "home"))
    return folder


def python(code, folder, **environment):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": str(folder.parent), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


KEYS = """
    from lab.model import doubled, number
    from lab.bystander import constant
    print(doubled(number(value=3)).key, constant().key)
"""
RESULT = """
    from lab.model import doubled, number
    print(doubled(number(value=3)).result())
"""


def test_a_result_is_computed_once_and_loaded_ever_after(package):
    assert python(RESULT, package) == "6"
    assert python(RESULT, package) == "6"
    assert (package.parent / "calls.txt").read_text() == "doubled\n"


@pytest.mark.parametrize("hash_seed", ["0", "1", "4711"])
def test_identity_does_not_depend_on_the_hash_seed(package, hash_seed):
    assert python(KEYS, package, PYTHONHASHSEED=hash_seed) == python(KEYS, package)


def test_editing_a_module_changes_just_the_steps_that_reach_it(package):
    model, bystander = python(KEYS, package).split()
    (package / "leaf.py").write_text("def double(x):\n    return x + x\n")
    model_after, bystander_after = python(KEYS, package).split()
    assert model_after != model
    assert bystander_after == bystander


def test_comments_and_docstrings_are_not_code(package):
    before = python(KEYS, package)
    text = 'def double(x):\n    """Twice a number."""\n    # why not\n    return 2 * x\n'
    with_docstring = text.replace('"""Twice a number."""', '"""The double."""')
    (package / "leaf.py").write_text(text)
    documented = python(KEYS, package)
    (package / "leaf.py").write_text(with_docstring + "\n\n")
    assert python(KEYS, package) == documented
    assert documented.split()[1] == before.split()[1]


def test_parameters_and_inputs_are_part_of_the_identity(package):
    code = """
        from lab.model import doubled, number
        print(len({doubled(number(value=v), times=t).key for v in (1, 2) for t in (1, 2)}))
        print(doubled(number(value=1)).key == doubled(number(value=1), times=1).key)
    """
    assert python(code, package).split() == ["4", "True"]


def test_an_argument_that_is_not_json_is_refused(package):
    code = """
        from lab.model import doubled
        try:
            doubled({1, 2}).key
        except TypeError as error:
            print(error)
    """
    assert "steps or JSON values" in python(code, package)


def test_two_processes_that_ask_at_once_compute_once(package):
    (package / "leaf.py").write_text(
        "import time\ndef double(x):\n    time.sleep(1.0)\n    return 2 * x\n"
    )
    command = [sys.executable, "-c", textwrap.dedent(RESULT)]
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    both = [
        subprocess.Popen(
            command, cwd=package.parent, env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [p.communicate()[0].strip() for p in both] == ["6", "6"]
    assert (package.parent / "calls.txt").read_text() == "doubled\n"


def test_a_step_killed_midway_leaves_nothing_and_runs_again(package):
    (package / "leaf.py").write_text(
        "import os\ndef double(x):\n    os.kill(os.getpid(), 9)\n    return 2 * x\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RESULT)],
        cwd=package.parent,
        env={**os.environ, "PYTHONPATH": str(package.parent)},
    )
    assert killed.returncode == -9
    code = (
        "from lab.model import doubled, number; s = doubled(number(value=3));"
        "print(s.stored, s.inputs[0].stored)"
    )
    assert python(code, package) == "False True"
    (package / "leaf.py").write_text("def double(x):\n    return 2 * x\n")
    assert python(RESULT, package) == "6"


# ---------------------------------------------------------------- values and damage, in process


@steps.step
def made(*, kind: str):
    return VALUES[kind]


VALUES = {
    "array": np.arange(6.0).reshape(2, 3),
    "arrays": {"a": np.arange(3), "b": np.array(["x", "y"])},
    "frame": pd.DataFrame({"gene": pd.Categorical(["A", "B"]), "value": [1.5, np.nan]}),
    "anndata": anndata.AnnData(
        np.ones((2, 3), np.float32), uns={"scale": {"kind": "counts", "target_sum": 1e4}}
    ),
    "json": {"a": [1, 2.5, None, "x"], "b": True},
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("kind", VALUES)
def test_values_come_back_as_they_were(home, kind):
    expected, value = VALUES[kind], made(kind=kind).result()
    if kind == "array":
        np.testing.assert_array_equal(value, expected)
    elif kind == "arrays":
        assert list(value) == list(expected)
        for name in expected:
            np.testing.assert_array_equal(value[name], expected[name])
    elif kind == "frame":
        pd.testing.assert_frame_equal(value, expected)
    elif kind == "anndata":
        np.testing.assert_array_equal(value.X, expected.X)
        assert value.uns["scale"]["kind"] == "counts"
    else:
        assert value == expected


def test_who_changes_a_screen_changes_nobody_else_s(home):
    step = made(kind="anndata")
    for _ in range(3):  # written, read, at hand
        mine = step.result()
        np.testing.assert_array_equal(mine.X, VALUES["anndata"].X)
        assert list(mine.obs) == []
        assert mine.uns["scale"] == VALUES["anndata"].uns["scale"]
        mine.X[:] = 9
        mine.obs["of"] = "mine"
        mine.uns["scale"]["kind"] = "mine"


def test_a_screen_at_hand_is_refused_when_its_file_was_changed(home):
    step = made(kind="anndata")
    step.result()
    with (step.folder / "result.h5ad").open("ab") as file:
        file.write(b"x")
    with pytest.raises(disk.StoreError, match="differs from what was written"):
        step.result()


def test_screens_at_hand_are_the_last_ones_and_no_more_than_fit(home, monkeypatch):
    monkeypatch.setattr(disk, "_AT_HAND", {})
    screens = [anndata.AnnData(np.full((2, 3), i, np.float32)) for i in range(4)]
    files = []
    for i, screen in enumerate(screens):
        monkeypatch.setitem(VALUES, str(i), screen)
        made(kind=str(i)).result()
        files.append((made(kind=str(i)).folder / "result.h5ad").stat().st_size)
    monkeypatch.setattr(disk, "_AT_HAND_BYTES", files[2] + files[3])
    for i in (0, 1, 2, 3, 2):
        np.testing.assert_array_equal(made(kind=str(i)).result().X, screens[i].X)
    assert [found.X[0, 0] for found, _ in disk._AT_HAND.values()] == [3, 2]
    monkeypatch.setattr(disk, "_AT_HAND_BYTES", 1)
    assert made(kind="0").result().X[0, 0] == 0
    assert 0 not in [found.X[0, 0] for found, _ in disk._AT_HAND.values()]


def test_a_result_that_cannot_be_kept_is_an_error_and_leaves_nothing(home, monkeypatch):
    monkeypatch.setitem(VALUES, "object", np.array([object()]))
    with pytest.raises(ValueError, match="pickle"):
        made(kind="object").result()
    assert not [p for p in (home / "steps").rglob("*") if p.is_file()]


def test_a_result_that_was_tampered_with_is_refused_and_can_be_removed(home):
    step = made(kind="array")
    step.result()
    with (step.folder / "result.npy").open("r+b") as file:
        file.seek(-8, 2)
        file.write(np.float64(99).tobytes())
    with pytest.raises(disk.StoreError, match=r"differs from what was written.*--damaged"):
        step.result()
    assert disk.prune_damaged()[0] == 1
    np.testing.assert_array_equal(step.result(), VALUES["array"])


def test_code_is_read_while_results_are_loaded(home):
    asked = made(kind="arrays")
    asked.result()
    text = Path(disk.__file__).read_text()
    errors, ends = [], time.monotonic() + 2

    def repeat(function, argument):
        while time.monotonic() < ends:
            try:
                function(argument)
            except SystemError as error:
                errors.append(error)

    pairs = [(source.syntax_tree, text), (disk.load, asked.folder)]
    threads = [threading.Thread(target=repeat, args=pair) for pair in pairs]
    before, often = gc.get_threshold(), sys.getswitchinterval()
    gc.callbacks.append(other := lambda *_: sum(range(50)))  # as dask has some
    gc.set_threshold(50)
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.callbacks.remove(other)
        gc.set_threshold(*before)
        sys.setswitchinterval(often)
    assert not errors


def test_a_description_cut_short_is_refused(home):
    step = made(kind="json")
    step.result()
    (step.folder / "meta.json").write_text("{")
    with pytest.raises(disk.StoreError, match="not a stored result"):
        step.result()


def test_a_full_disk_stores_nothing_and_says_so(home, monkeypatch):
    def full(value, folder):
        raise OSError(28, "No space left on device")

    step = made(kind="json")
    with monkeypatch.context() as patch:
        patch.setattr(disk, "_write", full)
        with pytest.raises(disk.StoreError, match=r"No space left on device.*BENCHBOOK_HOME"):
            step.result()
    assert not step.stored
    assert list(step.folder.parent.iterdir()) == []
    assert step.result() == VALUES["json"]


@steps.step
def summed(values):
    return float(np.sum(values[0]))


def test_pruning_keeps_what_is_used_and_what_that_was_computed_from(home):
    kept, lost = summed([made(kind="array")]), made(kind="json")
    assert kept.result() == 15
    lost.result()
    number, freed = disk.prune({kept.key})
    assert number == 1
    assert freed > 0
    assert kept.stored
    assert kept.inputs[0].stored
    assert not lost.stored


def test_a_run_under_way_is_told_which_steps_were_asked_for(home, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_RUN", str(tmp_path))
    step = made(kind="json")
    step.result()
    step.result()
    lines = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert [line["stored"] for line in lines] == [False, True]
    assert {line["key"] for line in lines} == {step.key}


def test_a_step_names_its_parameters_and_lives_in_a_file():
    with pytest.raises(TypeError, match="names its parameters"):

        @steps.step
        def anything(**parameters):
            return parameters

    def nowhere():
        return 1

    nowhere.__module__ = "__main__"
    with pytest.raises(TypeError, match="put it into a module"):
        steps.step(nowhere)


def test_a_result_without_its_description_is_replaced(home):
    step = made(kind="json")
    step.result()
    (step.folder / "meta.json").unlink()
    assert step.result() == VALUES["json"]
    assert step.stored


def test_a_worker_with_other_code_or_another_folder_refuses(home):
    step = made(kind="json")
    with pytest.raises(disk.StoreError, match="other code"):
        steps._compute_after(step, "0" * 64, str(home), [])
    with pytest.raises(disk.StoreError, match="BENCHBOOK_HOME=/elsewhere"):
        steps._compute_after(step, step.key, "/elsewhere", [])


# ---------------------------------------------------------------- the format and its number

STORED = Path(__file__).parent / "stored"  # written once; read as long as the number stands


@pytest.mark.parametrize("kind", VALUES)
def test_results_of_this_format_are_read_as_they_were_written(kind):
    """Where this fails, results on everybody's disk would be read as something else.

    Raise `disk.FORMAT`, and write these five folders anew with `disk.save`.
    """
    value = disk.load(STORED / f"{disk.FORMAT}-{kind}")
    if kind == "array":
        np.testing.assert_array_equal(value, [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
        assert value.dtype == np.float64
    elif kind == "arrays":
        assert {name: list(v) for name, v in value.items()} == {"a": [0, 1, 2], "b": ["x", "y"]}
    elif kind == "frame":
        index = pd.Index(["u", "v"], name="unit")
        columns = {"gene": pd.Categorical(["A", "B"]), "value": [1.5, np.nan]}
        pd.testing.assert_frame_equal(value, pd.DataFrame(columns, index=index))
    elif kind == "anndata":
        np.testing.assert_array_equal(value.X, np.ones((2, 3), np.float32))
        assert list(value.obs["batch"]) == ["b1", "b2"]
        assert list(value.obs_names) == ["c1", "c2"]
        assert value.uns["scale"] == {"kind": "counts", "target_sum": 1e4}
    else:
        assert value == {"a": [1, 2.5, None, "x"], "b": True}


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="others write syntax trees otherwise")
def test_the_key_of_one_step_stays_what_it_is_under_one_number(package):
    """Where this fails, keys mean something else: everybody's results would be made anew.

    That may be right. Then raise `disk.FORMAT`, so that it is said, and write the new key here.
    """
    code = """
        from helpers.store import reach
        reach.versions = lambda libraries: {name: "1" for name in libraries}
        from lab.model import doubled, number
        print(doubled(number(value=3), times=2).key)
    """
    assert disk.FORMAT == 1
    assert (
        python(code, package) == "4bd283e93d6d8bd5dd12fa6afef5122d5d20922f43ba6dc50b762f3ac4631df5"
    )
