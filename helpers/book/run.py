"""Chapter runs: a chapter with parameters, executed once, kept under its identity."""

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock

from helpers.book import warm
from helpers.book.chapters import Chapter, ChapterError, has_tag, needs_of, plain_json
from helpers.book.sections import REAL_DATA, engine
from helpers.data import registry
from helpers.home import claim, home
from helpers.store import kept
from helpers.store.disk import canonical_json, file_sha256
from helpers.store.reach import PAGE_SOURCES, Code, digest, unchanged

SOCKETS = "bb"  # folders of this name, and the number of the process, hold a kernel's sockets
KERNEL = "python3"  # of Jupyter, that runs the cells
FORMAT = 2  # of what a run leaves; a larger number runs every chapter again


def hashes(folder: Path) -> dict[str, str]:
    """Hash of each file that a run leaves."""
    names = ("notebook.ipynb", "scores.parquet", "units.parquet", "splits.json")
    return {n: file_sha256(folder / n) for n in names if (folder / n).is_file()}


@dataclass(frozen=True, eq=False)
class Run:
    """A chapter with all its parameters.

    Parameters
    ----------
    chapter : Chapter
    parameters : dict
        All of them, checked.
    unavailable : dict
        Data sets that cannot be had here, each with the reason and the way to get it.
    needs : tuple of Run
        Runs whose scores the chapter reads.
    """

    chapter: Chapter
    parameters: dict[str, Any]
    unavailable: dict[str, str]
    needs: tuple["Run", ...] = ()

    @cached_property
    def _code(self) -> tuple[str, Code]:
        cells = [c.source for c in self.notebook().cells if c.cell_type == "code"]
        try:
            text, code = PAGE_SOURCES.code_of_cells(cells)
        except SyntaxError:  # the run will fail in that cell, and say so
            return digest(*cells), Code({}, {})
        readers = [(registry.module_name(name), "") for name in self.datasets]
        return text, code | PAGE_SOURCES.code(readers)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Data sets that the chapter may read."""
        return self.chapter.datasets(self.parameters)

    @property
    def distributions(self) -> tuple[str, ...]:
        """Libraries that the chapter and its steps use."""
        return tuple(self._code[1].versions)

    @cached_property
    def key(self) -> str:
        """Identity: code cells (not prose), parameters, data at hand, code in reach, needs, and
        results of long runs that the page shows.
        """
        text, code = self._code
        return digest(
            self.chapter.name,
            text,
            canonical_json(self.parameters),
            canonical_json([FORMAT, sorted(self.unavailable), self.chapter.saves_scores]),
            canonical_json([code.definitions, code.versions]),
            *(canonical_json(own) for d in self.datasets if (own := registry.identity(d))),
            *(need.key for need in self.needs),
            *(file_sha256(file) for name in self.chapter.kept for file in kept.files(name)),
        )

    @property
    def folder(self) -> Path:
        return home() / "runs" / self.chapter.name.removeprefix("chapters/") / self.key[:16]

    @property
    def record(self) -> dict[str, Any] | None:
        """What ``run.json`` says of the run; None where there is none yet, or a broken one."""
        try:
            return json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    @property
    def done(self) -> bool:
        """Whether the run succeeded and all that it left is as it left it."""
        record = self.record
        return (
            record is not None
            and record["status"] == "done"
            and record["files"] == hashes(self.folder)
        )

    @property
    def overrides(self) -> dict[str, Any]:
        defaults = self.chapter.defaults
        return {k: v for k, v in self.parameters.items() if v != defaults[k]}

    @property
    def command(self) -> str:
        """The command that repeats this run."""
        given = (f"-p {shlex.quote(f'{k}={v}')}" for k, v in self.overrides.items())
        return " ".join(["benchbook run", self.chapter.name, *given])

    def notebook(self):
        """The chapter's notebook; what needs data that cannot be had gives way to a note."""
        notebook = plain_copy(self.chapter.notebook)
        if self.unavailable:
            import nbformat

            note = nbformat.v4.new_markdown_cell(_unavailable_note(self.unavailable), id="no-data")
            first = next((i for i, c in enumerate(notebook.cells) if has_tag(c, REAL_DATA)), None)
            if first is not None:
                notebook.cells.insert(first, note)
                notebook.cells = [c for c in notebook.cells if not has_tag(c, REAL_DATA)]
        return notebook


def plain_copy(notebook):
    import nbformat

    return nbformat.from_dict(plain_json(notebook))


def _unavailable_note(unavailable: dict[str, str]) -> str:
    lines = "\n\n".join(unavailable.values())
    return (
        "## Real data\n\n```{admonition} Not in this build\n:class: warning\n"
        f"The data of this section could not be had. {lines}\n```"
    )


def plan(
    chapter: Chapter,
    chapters: dict[str, Chapter],
    parameters: dict[str, Any],
    unavailable: dict[str, str],
) -> Run:
    """The run of a chapter, with the runs it needs.

    These have its preset, and its dataset, context and seed where they have such a parameter and
    it was given another value than the chapter's own; else their own defaults.

    Raises
    ------
    ChapterError
        Parameters that do not fit; a needed chapter that does not exist; needs that form a ring.
    """

    own = chapter.check(parameters)
    kind = registry.dataset(chapter.defaults["dataset"]).kind
    given = {k: own[k] for k in ("dataset", "context", "seed") if k in own}
    handed = {k: v for k, v in given.items() if v != chapter.defaults[k]}
    handed["preset"] = own["preset"]

    def planned(name: str, above: tuple[str, ...]) -> Run:
        if name in above:
            raise ChapterError(f"chapters need each other: {' -> '.join([*above, name])}")
        if name not in chapters:
            raise ChapterError(f"{above[-1]} needs {name}, which is no chapter of _toc.yml")
        one = chapters[name]
        values = own if not above else one.check(_inherited(handed, kind, one))
        needs = tuple(planned(f"chapters/{n}", (*above, name)) for n in needs_of(one, chapters))
        asked = [*([values["dataset"]] if uses_real_data(one) else []), *one.requires]
        return Run(one, values, {d: unavailable[d] for d in asked if d in unavailable}, needs)

    return planned(chapter.name, ())


def _inherited(handed: dict[str, Any], kind: str, needed: Chapter) -> dict[str, Any]:
    """What a needed chapter takes of the parameters that are handed down."""
    same = registry.dataset(needed.defaults["dataset"]).kind == kind
    of_data = () if same else ("dataset", "context")
    return {k: v for k, v in handed.items() if k in needed.defaults and k not in of_data}


def uses_real_data(chapter: Chapter) -> bool:
    return any(has_tag(c, REAL_DATA) for c in chapter.notebook.cells)


# --------------------------------------------------------------------------- execution


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
    import papermill
    from nbclient.exceptions import DeadKernelError
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
    except DeadKernelError:
        cell, text = _last_cell(executed)
        step = _step_under_way(kernel_environment)
        error = {
            "name": "DeadKernelError",
            "message": "the kernel died (killed, or out of memory?)"
            + (f" while it computed {step}" if step else "")
            + ": repeat the command, it goes on from what is stored",
            "cell": cell if cell is None else cell - bool(run.overrides),
            "source": text,
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
    if not (log := kernel_environment.get("BENCHBOOK_EVENTS")):
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


def _last_cell(executed: Path) -> tuple[int | None, str]:
    """The cell that was running when the kernel died."""
    import nbformat

    if not executed.is_file():
        return None, ""
    cells = nbformat.read(executed, as_version=4).cells
    begun = [
        (i, cell.source)
        for i, cell in enumerate(cells)
        if cell.cell_type == "code" and cell.metadata.papermill.status != "pending"
    ]
    return begun[-1] if begun else (None, "")


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
    return [d for d in (*asked, *run.chapter.requires) if d not in run.unavailable]


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
