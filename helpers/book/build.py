"""What the commands do: plan runs, bring them about, render them, say how it went."""

import contextlib
import fcntl
import itertools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import filelock
import psutil
from rich.console import Console
from rich.text import Text

from helpers.book import site
from helpers.book.chapters import Book, Chapter, ChapterError, needs_of
from helpers.book.cluster import cores, label_of, run_all, with_needs
from helpers.book.execute import SOCKETS
from helpers.book.run import Run, hashes, plan, uses_real_data
from helpers.data import registry
from helpers.data.fetch import DataUnavailable
from helpers.home import claim, home
from helpers.store.reached import forget_old


class Busy(RuntimeError):
    """Another build is at work in the same folder."""


@contextlib.contextmanager
def only_build() -> Iterator[None]:
    """Hold the results folder for one build; a second one is refused.

    Raises
    ------
    Busy
        With the process id of the one at work.
    """
    claim()
    holder = home() / "build.pid"
    lock = filelock.FileLock(home() / "build.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        pid = holder.read_text(encoding="utf-8") if holder.is_file() else "unknown"
        raise Busy(f"a build is at work in {home()} already (process {pid})") from None
    try:
        holder.write_text(str(os.getpid()), encoding="utf-8")
        with at_work():
            yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextlib.contextmanager
def at_work(*, alone: bool = False) -> Iterator[None]:
    """Share the results folder with other runs, or have it alone, to remove from it.

    Raises
    ------
    Busy
        It cannot be had alone, or somebody has it alone.
    """
    with (claim() / "work.lock").open("w") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            other = "a run or build is at work" if alone else "a clean-up is at work"
            raise Busy(f"{other} in {home()}: wait for its end") from None
        yield


def sweep() -> None:
    """Remove what ended commands left half done; nothing while another one is at work."""
    try:
        with at_work(alone=True):
            _remove_half_done()
            forget_old()
    except Busy:
        return  # what lies there may be that one's
    for folder in Path(tempfile.gettempdir()).glob(f"{SOCKETS}-*"):
        # As tempfile names it after us: what only looks alike is somebody's.
        named = re.fullmatch(rf"{SOCKETS}-(\d+)-[a-z0-9_]{{8}}", folder.name)
        if named and not psutil.pid_exists(int(named[1])):
            shutil.rmtree(folder, ignore_errors=True)  # another user's, or gone by now


def _remove_half_done() -> None:
    for pattern in (".partial-*", ".page-*"):
        for leftover in (home() / "runs").rglob(pattern):
            shutil.rmtree(leftover)


def unavailable(chapters: list[Chapter], datasets: list[str]) -> dict[str, str]:
    """Data sets that chapters ask for and that cannot be had, with what to do about each."""
    asked = {d for c in chapters for d in c.requires} | set(datasets)
    missing = {}
    for name in sorted(asked):
        try:
            registry.bring(name)
        except DataUnavailable as reason:
            missing[name] = str(reason)
    return missing


def plan_grid(book: Book, name: str, grid: dict[str, list[Any]]) -> list[Run]:
    """Runs of one chapter: every combination of the values given for its parameters.

    Raises
    ------
    ChapterError
        Before anything runs: the chapter, a parameter or a value is not known.
    """
    chapter = book.chapter(name)
    cells = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    values = [chapter.check(cell) for cell in cells]
    runs = _plan(book, [(chapter, cell) for cell in cells], sorted({v["dataset"] for v in values}))
    for run, cell in zip(runs, values, strict=True):
        if not run.unavailable and not run.done:
            _check_with_data(chapter, cell)
    return runs


def _check_with_data(chapter: Chapter, values: dict[str, Any]) -> None:
    """Refuse a context or an embedding that the data set does not have, before anything runs."""
    from helpers.data.errors import DataError

    dataset = values["dataset"]
    try:
        if values.get("context") and registry.dataset(dataset).kind == "screen":
            from helpers.tasks.real import real_screen

            real_screen(dataset, values["context"])
        if values.get("embedding"):
            from helpers.data.imported import asked

            asked(values["embedding"], dataset)
    except DataError as refused:
        raise ChapterError(f"{chapter.name}: {refused}") from refused


def plan_book(book: Book, parameters: dict[str, Any], only: str | None = None) -> list[Run]:
    """Runs of all chapters, or of one tier's, in the order of the table of contents."""
    pages = book.pages if only is None else book.pages_of(only)
    chapters = [book.chapters[name] for name in pages if name in book.chapters]
    datasets = {c.check(parameters)["dataset"] for c in chapters}
    return _plan(book, [(c, parameters) for c in chapters], sorted(datasets))


def _plan(book: Book, asked: list[tuple[Chapter, dict]], datasets: list[str]) -> list[Run]:
    chapters = list({c.name: c for c, _ in asked}.values())
    every = list(chapters)
    for chapter in every:  # grows: the needs of needs too
        names = needs_of(chapter, book.chapters)
        found = (book.chapters.get(f"chapters/{name}") for name in names)
        every += [c for c in found if c is not None and c not in every]
    real = [c for c in every if uses_real_data(c)]
    datasets = [*(datasets if real else ()), *(c.defaults["dataset"] for c in real)]
    missing = unavailable(every, datasets)
    return [plan(c, book.chapters, parameters, missing) for c, parameters in asked]


def run(
    book: Book,
    name: str,
    grid: dict[str, list[Any]],
    *,
    workers: int | None,
    address: str | None,
    console: Console,
) -> int:
    """Run a chapter, or a grid of runs of it, and print where everything is; 1 if one failed."""
    sweep()
    with at_work():
        runs = plan_grid(book, name, grid)
        stored = {r.key for r in runs if r.done}
        records = run_all(runs, workers=workers, address=address, console=console)
        pages = [r for r in runs if records[r.key]["status"] == "done" and not _has_page(r)]
        _render(book, pages, workers or cores(), console)
        for one in runs:
            _print_run(one, records[one.key], console, before=one.key in stored)
    return _verdict(runs, records, console)


def _has_page(run: Run) -> bool:
    """Whether there is a page of the run that holds today's words."""
    page = run.folder / "page" / f"{run.chapter.name}.html"
    return page.is_file() and page.stat().st_mtime > run.chapter.path.stat().st_mtime


def _render(book: Book, runs: list[Run], at_once: int, console: Console) -> None:
    """Pages of runs, each a site of its own: labels of one chapter's pages would collide."""
    with ThreadPoolExecutor(at_once) as executor, console.status("") as status:
        if runs and not console.is_terminal:
            console.print(f"rendering {len(runs)} pages" if len(runs) > 1 else "rendering the page")
        for done, _ in enumerate(executor.map(partial(site.render_page, book), runs)):
            status.update(f"rendering: {done + 1} of {len(runs)} pages")


def _print_run(run: Run, record: dict[str, Any], console: Console, *, before: bool) -> None:
    how = "stored; it took" if before else f"{record['status']},"
    _say(console, f"\n{label_of(run)}:", "bold", f"{how} {record['seconds']} s")
    files = {
        "notebook": "notebook.ipynb",
        "page": f"page/{run.chapter.name}.html",
        "scores": "scores.parquet",
        "units": "units.parquet",
        "splits": "splits.json",
        "record": "run.json",
    }
    for what, file in files.items():
        if (path := run.folder / file).is_file():
            _say(console, f"  {what:8}", "", _short(path))


def build(
    book: Book,
    parameters: dict[str, Any],
    *,
    only: str | None = None,
    workers: int | None,
    address: str | None,
    console: Console,
) -> int:
    """Run all chapters, or one tier's, and build the site; 1 if a chapter failed.

    The site of one tier lies apart, in ``only/TIER`` of the results; it says which tiers it lacks.

    Raises
    ------
    Busy, ChapterError, site.SiteError
    """
    site.repository(site.citation(book))  # refused before hours are spent
    sweep()
    with only_build():
        runs = plan_book(book, parameters, only)
        records = run_all(runs, workers=workers, address=address, console=console)
        output = home() if only is None else home() / "only" / only
        output.mkdir(parents=True, exist_ok=True)
        pages = book.pages if only is None else book.pages_of(only)
        front = None if only is None else site.front_of_tier(book, only)
        by_name = {r.chapter.name: r for r in runs}
        site.stage(book, by_name, output / "book", pages=pages, front=front)
        failed = any(records[r.key]["status"] == "failed" for r in runs)
        # what a failed cell would have glued is missing: that is said below, by its cause
        with console.status(f"rendering {len(pages)} pages"):
            if not console.is_terminal:
                console.print(f"rendering {len(pages)} pages")
            html = site.render(output / "book", output, strict=not failed)
        missing = [p for p in pages if not (html / f"{p}.html").is_file()]
        if missing:
            raise site.SiteError(f"pages of _toc.yml are not in the site: {', '.join(missing)}")
    _say(console, "\nThe site:", "bold", _short(html / "index.html"))
    return _verdict(runs, records, console)


def _verdict(runs: list[Run], records: dict[str, dict], console: Console) -> int:
    reasons = {reason for run in with_needs(runs) for reason in run.unavailable.values()}
    for reason in sorted(reasons):
        _say(console, "Not in it:", "yellow", reason)
    failed = [r for r in runs if records[r.key]["status"] == "failed"]
    for one in failed:
        error = records[one.key]["error"]
        where = f", cell {error['cell']}" if error.get("cell") is not None else ""
        what = f"{one.chapter.name}{where}: {error['name']}: {error['message']}"
        _say(console, "Failed:", "red", what)
        _say(console, "  all of it:", "", _short(one.folder / "run.json"))
    return 1 if failed else 0


def _say(console: Console, head: str, colour: str, rest: str) -> None:
    line = Text.assemble((head, colour), f" {rest}")
    console.print(line, highlight=False, soft_wrap=True)


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def used_steps() -> set[str]:
    """Keys of the steps that the kept runs asked for."""
    records = (home() / "runs").rglob("run.json")
    return {s["key"] for r in records for s in json.loads(r.read_text(encoding="utf-8"))["steps"]}


def remove_damaged_runs() -> int:
    """Remove runs whose files are not as they left them; their number."""
    damaged = []
    for file in (home() / "runs").rglob("run.json"):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
            whole = record["files"] == hashes(file.parent)
        except (ValueError, KeyError):
            whole = False  # cut off while it was written
        if not whole:
            damaged.append(file.parent)
    for folder in damaged:
        shutil.rmtree(folder)
    return len(damaged)


def remove_stale_runs(book: Book) -> int:
    """Remove runs that today's chapters and code would not use, and what killed ones left."""
    _remove_half_done()
    stale = stale_runs(book)
    for folder in stale:
        shutil.rmtree(folder)
    return len(stale)


def stale_runs(book: Book) -> list[Path]:
    """Folders of runs that today's chapters and code would not use any more."""
    records = {name: list(_records(name)) for name in book.chapters}
    missing = [r["unavailable"] for several in records.values() for r in several]
    without = {name: why for one in missing for name, why in one.items()}
    current = set()
    for name, chapter in book.chapters.items():
        for record in records[name]:
            try:
                for unavailable in (record["unavailable"], without):  # with data now, or without
                    values = record["parameters"]
                    current.add(plan(chapter, book.chapters, values, unavailable).folder)
            except ChapterError:
                continue  # the chapter lost a parameter: its old runs are stale
    every = {p.parent for p in (home() / "runs").rglob("run.json")}
    return sorted(every - current)


def _records(name: str) -> Iterator[dict[str, Any]]:
    for file in sorted((home() / "runs" / name.removeprefix("chapters/")).glob("[!.]*/run.json")):
        yield json.loads(file.read_text(encoding="utf-8"))
