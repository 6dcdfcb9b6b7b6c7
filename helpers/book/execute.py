"""Execution of chapter runs: once each, and what a run leaves appears whole or not at all."""

import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import filelock

from helpers.book import warm
from helpers.book.run import Run, hashes, uses_real_data
from helpers.book.sections import KernelDied, engine
from helpers.data import registry
from helpers.home import claim, home
from helpers.store.disk import canonical_json
from helpers.store.reach import digest, unchanged

SOCKETS = "bb"  # folders of this name, and the number of the process, hold a kernel's sockets
KERNEL = "python3"  # of Jupyter, that runs the cells


class Stopped(RuntimeError):
    """The run was cut off by the command itself: it neither succeeded nor failed."""


def seconds_before(run: Run) -> float | None:
    """Seconds that the chapter's last run at this preset took; None where there is none."""
    records = []
    for file in run.folder.parent.glob("[!.]*/run.json"):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            continue  # cut off while it was written: it tells nothing
        if (
            record["status"] == "done"
            and record["parameters"]["preset"] == run.parameters["preset"]
        ):
            records.append((record["started"], record["seconds"]))
    return max(records)[1] if records else None


def execute(
    run: Run,
    kernel_environment: dict[str, str] | None = None,
    *,
    stop: threading.Event | None = None,
) -> str:
    """Run a chapter and keep what it leaves; return its status, ``done`` or ``failed``.

    The run's folder holds ``notebook.ipynb`` (executed), ``scores.parquet``, ``units.parquet`` and
    ``splits.json`` where the chapter saves them, and ``run.json``. It appears whole or not at all.
    A run that needs a failed one is not started, and fails. One whose kernel dies while it computes
    a step is begun again, twice at most: what it had computed is stored.

    Raises
    ------
    Stopped
        `stop` was set meanwhile.
    """
    locks = claim() / "locks"
    locks.mkdir(exist_ok=True)
    with filelock.FileLock(locks / f"run-{run.key}.lock"):
        if run.done:
            return "done"
        run.folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=run.folder.parent))
        try:
            if failed := [n.chapter.name for n in run.needs if not n.done]:
                message = f"not run: it needs {', '.join(failed)}, which failed"
                error = {"name": "NeedFailed", "message": message}
                record = _describe(run, partial, time.time(), error)
            else:
                record = _execute_in(run, partial, kernel_environment or {})
                for _ in range(2):
                    if (stop and stop.is_set()) or not _died_in_a_step(record):
                        break
                    record = _execute_in(run, partial, kernel_environment or {})
            if stop and stop.is_set():
                raise Stopped(f"{run.chapter.name} was stopped")
            (partial / "run.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
            keep(run, partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return record["status"]


def keep(run: Run, partial: Path) -> None:
    """Put a finished run in its place; an earlier failure of the same run goes."""
    if run.folder.exists():
        shutil.rmtree(run.folder)
    partial.replace(run.folder)


def note_failure(run: Run, message: str) -> None:
    """Record that a run could not even be started or finished (its worker died, say)."""
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=run.folder.parent))
    error = {"name": "RunLost", "message": message}
    record = _describe(run, partial, time.time(), error)
    (partial / "run.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    keep(run, partial)


def _execute_in(run: Run, folder: Path, kernel_environment: dict[str, str]) -> dict[str, Any]:
    import jupytext
    import nbformat
    import papermill
    from traitlets.config import Config

    source, executed = folder / "source.ipynb", folder / "notebook.ipynb"
    jupytext.write(run.notebook(), source, fmt="ipynb")
    started, error = time.time(), None
    # Files, not ports: of two kernels that start at once, both can be promised the same port. Their
    # names must be short.
    sockets = tempfile.mkdtemp(prefix=f"{SOCKETS}-{os.getpid()}-")
    reached = {"transport": "ipc", "connection_file": f"{sockets}/kernel.json"}
    try:
        papermill.execute_notebook(
            source,
            executed,
            parameters=run.overrides,
            engine_name=engine(),
            kernel_name=KERNEL,
            cwd=run.chapter.path.parent,
            progress_bar=False,
            log_output=False,
            request_save_on_cell_execute=False,  # a page of figures takes seconds of it
            extra_arguments=_kernel_arguments(run, folder, kernel_environment),
            config=Config(KernelManager=reached),
            **warm.kernel_options(),
        )
    except papermill.PapermillExecutionError as failure:
        error = {
            "name": failure.ename,
            "message": str(failure.evalue),
            "cell": failure.cell_index - bool(run.overrides),  # papermill adds a cell for these
            "source": failure.source,
            "traceback": "\n".join(failure.traceback),
        }
    except KernelDied as died:
        nbformat.write(died.notebook, executed)
        step = _step_under_way(kernel_environment)
        error = {
            "name": "DeadKernelError",
            "message": "the kernel died (killed, or out of memory?)"
            + (f" while it computed {step}" if step else "")
            + ": repeat the command, it goes on from what is stored",
            "cell": died.cell - bool(run.overrides),
            "source": died.notebook.cells[died.cell].source,
            "step": step,
        }
    except RuntimeError as failure:
        if "Kernel died" not in str(failure):
            raise
        error = {
            "name": "DeadKernelError",
            "message": "the kernel died while it started (killed, or out of memory?): repeat the "
            "command",
        }
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
    if error is None and run.chapter.saves_scores and not (folder / "scores.parquet").is_file():
        error = {
            "name": "NoScores",
            "message": "the chapter saved no scores: its last code cell calls helpers.scores.save "
            "(a page that has none says `benchbook: {scores: false}` in its front matter)",
        }
    if not unchanged(run._code[1]):
        error = {
            "name": "SourceChanged",
            "message": "code that the chapter reaches was edited while it ran: repeat the command",
        }
    source.unlink()
    _strip_paths(executed)
    return _describe(run, folder, started, error)


def _died_in_a_step(record: dict[str, Any]) -> bool:
    return record["error"] is not None and record["error"].get("step") is not None


def _step_under_way(kernel_environment: dict[str, str]) -> str | None:
    """The step that the kernel itself was computing, by what it wrote down; None for none."""
    log = kernel_environment.get("BENCHBOOK_EVENTS")
    if not log or "BENCHBOOK_SCHEDULER" in kernel_environment:
        return None
    under_way = {}
    for line in Path(log).read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["kind"] != "step":
            continue
        under_way[event["key"]] = event["name"] if event["state"] == "running" else None
    return next((name for name in reversed(under_way.values()) if name), None)


def _kernel_arguments(run: Run, folder: Path, more: dict[str, str]) -> list[str]:
    """Arguments that give this kernel alone its environment (a worker may run steps beside it)."""
    environment = {
        **warm.THREADS,
        **more,
        "BENCHBOOK_HOME": str(home()),
        "BENCHBOOK_RUN": str(folder),
        "BENCHBOOK_DATASETS": json.dumps(run.datasets),
        "BENCHBOOK_NEEDS": json.dumps(
            {n.chapter.name.removeprefix("chapters/"): str(n.folder) for n in run.needs}
        ),
    }
    line = (  # a bar that a step draws needs no widgets: it is not shown
        f"import os; os.environ.update({environment!r}); "
        "import warnings; warnings.filterwarnings('ignore', message='IProgress not found'); "
        "import atexit, resource; "
        "atexit.register(lambda: open(os.environ['BENCHBOOK_RUN'] + '/memory', 'w').write("
        "str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)))"
    )
    return ["--log-level=50", f"--IPKernelApp.exec_lines={line}"]


def _strip_paths(executed: Path) -> None:
    """Take paths of this machine and volatile times out of an executed notebook."""
    import nbformat

    if not executed.is_file():
        return
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
    nbformat.write(notebook, executed)


def _describe(run: Run, folder: Path, started: float, error: dict | None) -> dict[str, Any]:
    text, code = run._code
    memory = folder / "memory"
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, KiB else
    peak = int(memory.read_text(encoding="utf-8")) / unit if memory.is_file() else None
    memory.unlink(missing_ok=True)
    return {
        "chapter": run.chapter.name,
        "key": run.key,
        "status": "failed" if error else "done",
        "error": error,
        "command": run.command,
        "parameters": run.parameters,
        "unavailable": run.unavailable,
        "needs": {n.chapter.name: n.key for n in run.needs},
        "started": datetime.datetime.fromtimestamp(started, datetime.UTC).isoformat("T", "seconds"),
        "seconds": round(time.time() - started, 2),
        "peak_memory_mb": round(peak, 1) if peak else None,
        "commit": _git("rev-parse", "HEAD", cwd=run.chapter.path.parent),
        "dirty": bool(_git("status", "--porcelain", cwd=run.chapter.path.parent)),
        "kernel": KERNEL,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": "cpu",
        "threads": int(warm.THREADS["OMP_NUM_THREADS"]),
        "versions": code.versions
        | {"perturbation-benchbook": importlib.metadata.version("perturbation-benchbook")},
        "code": {"cells": text, "definitions": code.definitions},
        "helpers_hash": digest(canonical_json(code.definitions)),
        "files": hashes(folder),
        "datasets": [_dataset_facts(name) for name in _datasets_of(run)],
        "steps": _asked_steps(folder),
    }


def _datasets_of(run: Run) -> list[str]:
    asked = [run.parameters["dataset"]] if uses_real_data(run.chapter) else []
    return [d for d in dict.fromkeys([*asked, *run.chapter.requires]) if d not in run.unavailable]


def _dataset_facts(name: str) -> dict[str, Any]:
    dataset = registry.dataset(name)
    return {
        "name": name,
        "sha256": dataset.sha256,
        "licence": dataset.licence,
        "citation": dataset.citation,
    }


def _asked_steps(folder: Path) -> list[dict[str, Any]]:
    file = folder / "steps.jsonl"
    if not file.is_file():
        return []
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    file.unlink()
    asked = {line["key"]: line for line in reversed(lines)}  # the first asking counts
    steps = []
    for line in asked.values():
        meta = home() / "steps" / line["key"][:2] / line["key"] / "meta.json"
        told = json.loads(meta.read_text(encoding="utf-8")) if meta.is_file() else {}
        seconds = told.get("seconds")
        steps.append(line | {"seconds": seconds})
    return steps[::-1]


def _git(*arguments: str, cwd: Path) -> str | None:
    """What git says, or None where this is no checkout or git is not installed."""
    if shutil.which("git") is None:
        return None
    done = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None
