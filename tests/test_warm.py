"""Processes that start warm: what they start from, that they die in time, and that cold ones do."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from minibook import MiniBook

from helpers.book import warm

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


@pytest.fixture
def book(tmp_path):
    return MiniBook(tmp_path)


def family(process: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def is_dead(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # dead, and nobody has asked how
    except psutil.NoSuchProcess:
        return True


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@LINUX
def test_what_the_parent_imports_starts_no_thread_and_computes_nothing():
    modules = [*warm._KERNEL, *warm._OF_DISTRIBUTION.values()]
    code = f"""
        import importlib, os, sys
        [importlib.import_module(name) for name in {modules!r}]
        import numba, torch
        from numba.np.ufunc import parallel
        assert not torch.cuda.is_initialized()
        assert not parallel._is_initialized
        assert not [m for m in sys.modules if m.partition(".")[0] == "helpers"]
        print(len(os.listdir("/proc/self/task")))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | warm.THREADS | warm.PARENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1"
    assert done.stderr == ""  # it would stand in the terminal at every run


@LINUX
def test_kernels_are_forked_from_a_parent_of_one_thread_that_holds_no_code_of_ours(book):
    process = book.start("run('slow', value=40)")
    wait_for(lambda: book.calls())
    chapters = book.folder / "chapters" / "lab"
    kernel = next(p for p in family(process) if Path(p.cwd()) == chapters)
    parent = kernel.parent()
    assert "multiprocessing.forkserver" in " ".join(parent.cmdline())
    assert parent.ppid() == process.pid
    assert parent.num_threads() == 1
    process.kill()
    process.communicate()


@LINUX
def test_where_the_parent_has_threads_a_kernel_starts_on_its_own(book):
    (book.folder / "threaded.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    said = book.python("""
        from helpers.book import warm

        warm._KERNEL = (*warm._KERNEL, "threaded")
        (one,) = run("one")
        notebook = (one.folder / "notebook.ipynb").read_text()
        print("STATUS", one.record["status"])
    """)
    assert "STATUS done" in said


@pytest.mark.parametrize("workers", [None, 2])
def test_all_processes_die_with_the_command(book, workers):
    process = book.start(f"run('slow', value=40, workers={workers})")
    wait_for(lambda: book.calls())
    children = family(process)
    assert len(children) >= 2
    process.kill()
    process.communicate()
    wait_for(lambda: all(is_dead(child) for child in children))


def test_a_cold_start_gives_the_same_bytes(book):
    seen = set()
    for cold in ("0", "1"):
        for workers in (None, 2):
            book.home = book.folder / f"home-{cold}-{workers}"
            book.python(f"run('one', workers={workers})", BENCHBOOK_COLD=cold)
            (folder,) = (book.home / "runs" / "lab" / "one").iterdir()
            seen.add((folder / "scores.parquet").read_bytes())
    assert len(seen) == 1


def test_libraries_are_set_up_as_in_a_kernel_that_starts_cold(book):
    path = book.folder / "chapters" / "lab" / "other.md"
    shown = """
import matplotlib
import pandas as pd

print(matplotlib.get_backend(), pd.get_option("display.max_columns"))
pd.DataFrame([range(25)]).add_prefix("a long name ")
"""
    path.write_text(path.read_text() + f"\n```{{code-cell}}\n{shown}```\n")
    said = []
    for cold in ("0", "1"):
        book.home = book.folder / f"home-{cold}"
        book.python("run('other')", BENCHBOOK_COLD=cold)
        (file,) = (book.home / "runs" / "lab" / "other").glob("*/notebook.ipynb")
        cells = json.loads(file.read_text())["cells"]
        said.append(cells[-1]["outputs"])
    assert said[0] == said[1]
    assert "matplotlib_inline" in json.dumps(said[0])


def test_one_run_alone_starts_no_cluster(book):
    said = book.python("import sys\nrun('one')\nprint('CLUSTER', 'distributed' in sys.modules)")
    assert "CLUSTER False" in said
    assert "step  doubled(value=1)" in said  # and its steps are seen all the same


def test_what_a_step_prints_is_told_and_stands_on_no_page(book):
    model = book.folder / "lab" / "model.py"
    model.write_text(
        model.read_text().replace("time.sleep(pause)", "print('a remark'); time.sleep(pause)")
    )
    said = book.python("run('one')")
    assert "said  doubled(value=1): a remark" in said
    (notebook,) = (book.home / "runs" / "lab" / "one").glob("*/notebook.ipynb")
    cells = json.loads(notebook.read_text())["cells"]
    shown = json.dumps([cell.get("outputs", []) for cell in cells])
    assert "number 2" in shown
    assert "a remark" not in shown


@pytest.mark.parametrize("cold", ["0", "1"])
def test_a_kernel_that_dies_at_its_start_is_a_sentence(book, cold):
    startup = book.folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-dies.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    said = book.python(
        "(one,) = run('one')\nprint('ERROR', one.record['error']['message'])",
        IPYTHONDIR=str(book.folder / "ipython"),
        BENCHBOOK_COLD=cold,
    )
    assert "the kernel died while it started" in said
    assert "repeat the command" in said
    assert "Traceback" not in said


@LINUX
def test_a_parent_that_dies_costs_a_kernel_nothing_and_a_cluster_a_sentence(tmp_path):
    """It is stopped, and dies once something was asked of it."""
    said = MiniBook(tmp_path).python("""
        import os, signal, threading
        from multiprocessing import forkserver
        from helpers.book.cluster import NoWorkers

        def dies_soon():
            warm.start_early()
            parent = forkserver._forkserver._forkserver_pid
            os.kill(parent, signal.SIGSTOP)
            real = forkserver.connect_to_new_process

            def asked(*arguments):
                forkserver.connect_to_new_process = real
                threading.Timer(1, os.kill, (parent, signal.SIGKILL)).start()
                return real(*arguments)

            forkserver.connect_to_new_process = asked

        dies_soon()
        try:
            run("other", "one", workers=1)
        except NoWorkers as error:
            print("REFUSED", error)
        dies_soon()
        (one,) = run("one")
        print("STATUS", one.record["status"])
    """)
    assert "REFUSED the processes that compute steps did not start (killed, or out of mem" in said
    assert "Traceback" not in said
    assert "STATUS done" in said


def test_a_kernel_is_asked_for_again_until_a_dead_parent_has_another_in_its_place(monkeypatch):
    asked = []

    def started(*_):
        asked.append(1)
        if len(asked) < 4:
            raise [EOFError, ConnectionRefusedError, ConnectionResetError][len(asked) - 1]
        return SimpleNamespace(pid=1)

    monkeypatch.setattr(warm, "_started", started)
    monkeypatch.setattr(warm.time, "sleep", lambda _: None)
    assert warm.Forked([], {}, "").pid == 1
    monkeypatch.setattr(warm, "_started", lambda *_: (_ for _ in ()).throw(EOFError))
    with pytest.raises(EOFError):
        warm.Forked([], {}, "")


@pytest.mark.parametrize("asked", [["run", "lab/one"], ["large", "_toc.yml"]])
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_a_scheduler_that_is_not_there_is_a_sentence(book, asked, address):
    done = subprocess.run(
        [sys.executable, "-m", "helpers.cli", *asked, "--scheduler", address],
        cwd=book.folder,
        env=book.environment | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "1s"},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"no scheduler answers at {address}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_that_is_a_file_is_a_sentence(book):
    (book.folder / "file").write_text("a letter")
    book.home = book.folder / "file"
    done = subprocess.run(
        [sys.executable, "-m", "helpers.cli", "run", "lab/one"],
        cwd=book.folder,
        env=book.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "is a file: name a folder in BENCHBOOK_HOME" in done.stderr.replace("\n", " ")
    assert (book.folder / "file").read_text() == "a letter"


@LINUX
@pytest.mark.parametrize(
    ("own", "found"),
    [
        ("", "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.perturb=0", "glibc.malloc.perturb=0:glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", "glibc.malloc.hugetlb=0"),
    ],
)
def test_large_pages_are_asked_for_where_the_user_does_not_say_otherwise(monkeypatch, own, found):
    monkeypatch.setenv("GLIBC_TUNABLES", own)
    code = """
        import os
        from helpers.book import warm

        warm._KERNEL = ()
        warm.start_early()
        warm.start_early()  # the command and the runs both ask for their parent
        print(os.environ["GLIBC_TUNABLES"])
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == found, done.stderr


@LINUX
def test_a_kernel_that_starts_while_the_command_ends_is_ended(book):
    """Ctrl-C while the first kernel was starting went unheard until the whole run was done."""
    said = book.python("""
        import os
        from helpers.book import warm

        warm.start_early()
        warm.Kernels.kill()
        kernel = warm.Forked(["-f", "kernel.json"], dict(os.environ), ".")
        warm.Kernels.note(kernel)
        print("ENDED", kernel.wait(30))
    """)
    assert "ENDED -9" in said


@pytest.mark.parametrize("forked", [pytest.param(True, marks=LINUX), False])
def test_kernels_that_have_ended_are_forgotten(tmp_path, forked):
    """Each keeps files open as long as it is known: a large grid would run out of them."""
    said = MiniBook(tmp_path, warm=forked).python("""
        from helpers.book import warm

        for name in ("one", "other", "dies"):
            run(name)
        print("KNOWN", len(warm.Kernels.under_way))
    """)
    assert "KNOWN 0" in said, said


def test_ctrl_c_ends_a_kernel_that_was_not_forked(tmp_path):
    """As elsewhere than on Linux, where a run went on until its chapter was done."""
    book = MiniBook(tmp_path, warm=False)
    process = book.start("run('slow', value=60)")
    wait_for(lambda: len(book.calls()) >= 2)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in said
    assert len(book.calls()) < 30


@LINUX
@pytest.mark.all
def test_workers_that_take_long_to_come_back_are_waited_for(book):
    """As on a busy machine: their parent is stopped for longer than dask would wait."""
    process = book.start("""
        import time, distributed, psutil
        from helpers.book import cluster, warm

        warm.start_early({"distributed"})
        with cluster.steps_cluster(2, {}) as address:
            (parent,) = [p for p in psutil.Process().children() if p.children()]
            workers = parent.children()
            parent.suspend()
            for worker in workers:
                worker.kill()
            time.sleep(18)
            parent.resume()
            with distributed.Client(address) as client:
                print("computed", client.submit(abs, -7).result(timeout=60))
    """)
    said, _ = process.communicate(timeout=180)
    assert process.returncode == 0, said
    assert "computed 7" in said


@pytest.mark.all
def test_after_twenty_kills_at_any_time_the_scores_are_the_same_bytes(book):
    """From the start of the command on, so that some meet a kernel that is starting."""
    book.python("run('slow', value=12)")
    (whole,) = (book.home / "runs" / "lab" / "slow").glob("*/scores.parquet")
    book.home = book.folder / "again"
    chance = random.Random(0)
    for i in range(20):
        process = book.start(f"run('slow', value=12, workers={[None, 2][i % 2]})")
        time.sleep(chance.uniform(0, 8))
        process.kill()
        process.communicate()
    book.python("run('slow', value=12)")
    runs = book.home / "runs" / "lab" / "slow"
    (again,) = runs.glob("[!.]*/scores.parquet")  # the command sweeps what killed ones left
    assert again.read_bytes() == Path(whole).read_bytes()


def test_what_is_imported_while_a_kernel_starts_stays_imported():
    """Else a chapter fails now and then: a module that is imported twice makes steps twice."""
    before = sys.modules["__main__"]
    with warm.without_script():
        assert sys.modules["__main__"] is not before
        sys.modules["made-meanwhile"] = warm  # as by another thread
    assert sys.modules["__main__"] is before
    assert sys.modules.pop("made-meanwhile") is warm
