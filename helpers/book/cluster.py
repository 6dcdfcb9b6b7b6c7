"""Runs of chapters, and the steps they ask for, on a dask.distributed cluster, watched live."""

import contextlib
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live
from rich.table import Table

from helpers.book.run import THREADS, Run, execute, note_failure

STATES = ("queued", "running", "done", "stored", "failed")
_COLOURS = {
    "queued": "dim",
    "running": "yellow",
    "done": "green",
    "stored": "cyan",
    "failed": "red",
}


class Board:
    """What is queued, running, done, stored and failed: chapters by name, steps by number.

    On a terminal it is a table that follows the events; elsewhere each change of a chapter, and
    each step that was computed, is a line.
    """

    def __init__(self, console: Console):
        self.console = console
        self.chapters: dict[str, str] = {}
        self.steps: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.since: dict[str, float] = {}
        self.live: Live | None = None

    def __enter__(self) -> "Board":
        if self.console.is_terminal:
            self.live = Live(get_renderable=self.table, console=self.console, refresh_per_second=4)
            self.live.__enter__()
        return self

    def __exit__(self, *exception) -> None:
        if self.live:
            self.live.__exit__(*exception)

    def chapter(self, name: str, state: str, note: str = "") -> None:
        self.chapters[name] = state
        self.since.setdefault(name, time.monotonic())
        if state == "running":
            self.since[name] = time.monotonic()
        if not self.live:
            self.console.print(f"{state:>8}  {name}{note}", highlight=False)

    def event(self, event: tuple[float, dict]) -> None:
        """An event of a worker or a kernel, as dask hands it over: (time, message)."""
        _, message = event
        if message["kind"] == "chapter":
            return self.chapter(message["name"], message["state"])
        before = self.steps.get(message["key"])
        if before in ("done", "failed") and message["state"] == "stored":
            return None  # computed in this build, then asked for again
        self.steps[message["key"]] = message["state"]
        self.names[message["key"]] = message["name"]
        if not self.live and message["state"] == "done":
            seconds = f" ({message['seconds']:.1f} s)"
            self.console.print(
                f"    step  {message['name']}{seconds}", highlight=False, soft_wrap=True
            )
        return None

    def table(self) -> Table:
        counts = Counter(self.steps.values())
        table = Table(box=None, pad_edge=False)
        table.add_column("chapter")
        table.add_column("state")
        table.add_column("seconds", justify="right")
        for name, state in self.chapters.items():
            spent = f"{time.monotonic() - self.since[name]:.0f}" if state == "running" else ""
            table.add_row(name, f"[{_COLOURS[state]}]{state}", spent)
        steps = ", ".join(f"{counts[s]} {s}" for s in _COLOURS if counts[s]) or "none yet"
        running = [self.names[k] for k, s in self.steps.items() if s == "running"]
        table.add_row(f"[bold]steps[/]: {steps}", "", "")
        for name in running[:4]:
            table.add_row(f"  {name}", "[yellow]running", "")
        return table


def tell(name: str, state: str) -> None:
    """Tell the watchers, from a worker, what became of a chapter."""
    import distributed

    event = {"kind": "chapter", "name": name, "state": state}
    distributed.get_worker().log_event("benchbook", event)


def run_on_worker(run: Run, label: str) -> str:
    """Task of one chapter; leaves its thread to the steps that the chapter asks for."""
    import distributed

    os.environ["BENCHBOOK_SCHEDULER"] = distributed.get_worker().scheduler.address
    tell(label, "running")
    distributed.secede()
    status = execute(run)
    tell(label, status)
    return status


@contextlib.contextmanager
def client_of(address: str | None, workers: int) -> Iterator:
    """Client of a running cluster, or of a new local one with a process for each worker."""
    import distributed

    if address:
        with distributed.Client(address) as client:
            yield client
        return
    os.environ.update(THREADS)  # before a worker starts: libraries read them once
    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def label_of(run: Run) -> str:
    """How a run is called in tables and messages: its chapter and what is not default."""
    given = ", ".join(f"{k}={v}" for k, v in run.overrides.items())
    name = run.chapter.name.removeprefix("chapters/")
    return f"{name} ({given})" if given else name


def run_all(
    runs: list[Run], *, workers: int, address: str | None = None, console: Console
) -> dict[str, dict]:
    """Bring all runs about, needed ones first; return their records by key.

    A run that is stored is not run again; one that fails does not stop the others.

    Parameters
    ----------
    runs : list of Run
    workers : int
        Processes of the local cluster.
    address : str, optional
        Scheduler of a cluster that is already there, whose workers see the same folders.
    console : rich.console.Console
    """
    ordered = _with_needs(runs)
    open_ = [r for r in ordered if not r.done]
    with Board(console) as board:
        for run in ordered:
            if run.done:
                board.chapter(label_of(run), "stored")
        if open_:
            with client_of(address, workers) as client:
                _run_open(open_, client, board)
    return {r.key: r.record for r in ordered}


def _run_open(runs: list[Run], client, board: Board) -> None:
    """Keep as many chapters under way as the cluster has threads, each after those it needs."""
    from distributed import as_completed

    client.subscribe_topic("benchbook", board.event)
    for run in runs:
        board.chapter(label_of(run), "queued")
    waiting, under_way = list(runs), as_completed()
    running: dict[str, Run] = {}

    def start_what_can() -> None:
        room = max(1, sum(client.nthreads().values()))
        open_keys = {r.key for r in (*waiting, *running.values())}
        for run in list(waiting):
            if len(running) >= room:
                return
            if not any(need.key in open_keys for need in run.needs):
                waiting.remove(run)
                task = f"chapter-{run.key}"
                running[task] = run
                under_way.add(client.submit(run_on_worker, run, label_of(run), key=task))

    start_what_can()
    for future in under_way:
        run = running.pop(future.key)
        if future.status == "finished":
            board.chapters[label_of(run)] = future.result()
        elif not run.done:
            error = future.exception()
            note_failure(run, f"{type(error).__name__}: {error}")
            board.chapter(label_of(run), "failed")
        start_what_can()


def _with_needs(runs: list[Run]) -> list[Run]:
    ordered: dict[str, Run] = {}

    def add(run: Run) -> None:
        for need in run.needs:
            add(need)
        ordered.setdefault(run.key, run)

    for run in runs:
        add(run)
    return list(ordered.values())
