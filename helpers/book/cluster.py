"""Runs of chapters, and the steps they ask for, on a dask.distributed cluster, watched live."""

import contextlib
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from helpers.book.run import THREADS, Run, execute, note_failure
from helpers.home import home
from helpers.store.steps import check_home

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
            self.console.print(f"{state:>8}  {name}{note}", highlight=False, markup=False)

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
            line = f"    step  {message['name']}{seconds}"
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        return None

    def table(self) -> Table:
        states = dict(self.steps)  # events come in from another thread
        counts = Counter(states.values())
        table = Table(box=None, pad_edge=False)
        table.add_column("chapter")
        table.add_column("state")
        table.add_column("seconds", justify="right")
        for name, state in list(self.chapters.items()):
            spent = f"{time.monotonic() - self.since[name]:.0f}" if state == "running" else ""
            table.add_row(Text(name), Text(state, _COLOURS[state]), spent)
        steps = ", ".join(f"{counts[s]} {s}" for s in _COLOURS if counts[s]) or "none yet"
        table.add_row(Text(f"steps: {steps}", "bold"), "", "")
        for key in [k for k, state in states.items() if state == "running"][:4]:
            table.add_row(Text(f"  {self.names[key]}"), Text("running", "yellow"), "")
        return table


def tell(name: str, state: str) -> None:
    """Tell the watchers, from a worker, what became of a chapter."""
    import distributed

    event = {"kind": "chapter", "name": name, "state": state}
    distributed.get_worker().log_event("benchbook", event)


def run_on_worker(run: Run, label: str, folder: str) -> str:
    """Task of one chapter; where steps run too, it leaves its thread to them."""
    import distributed

    check_home(folder)
    worker = distributed.get_worker()
    environment = {"BENCHBOOK_SCHEDULER": worker.scheduler.address}
    apart = "chapter" in worker.state.total_resources
    if apart:
        environment["BENCHBOOK_STEP_RESOURCE"] = "step"
    tell(label, "running")
    if not apart:
        # A worker for chapters alone stays busy: to the scheduler a task that has left its thread
        # weighs nothing, and the next chapter would wait behind it while another worker is free.
        distributed.secede()
    status = execute(run, environment)
    tell(label, status)
    return status


@contextlib.contextmanager
def client_of(address: str | None, workers: int) -> Iterator:
    """Client of a running cluster, or of a new local one.

    The local one has two processes a worker: one where steps run, and one that looks after the
    kernel of a chapter. So a step that kills its process takes no chapter along.
    """
    import dask
    import distributed

    if address:
        with distributed.Client(address) as client:
            yield client
        return
    os.environ.update(THREADS)  # before a worker starts: libraries read them once

    def worker(**options) -> dict:
        # without a limit: a worker that is paused would keep its askers waiting for ever
        fixed = {"memory_limit": 0, "silence_logs": logging.CRITICAL, "dashboard": False}
        return {"cls": distributed.Nanny, "options": fixed | options}

    kinds = {"step": "steps", "chapter": "chapters"}
    processes = {
        f"{name}-{i}": worker(nthreads=1, resources={kind: 1})
        for kind, name in kinds.items()
        for i in range(workers)
    }
    here = "127.0.0.1"
    options = {"host": here, "port": 0, "dashboard": False, "dashboard_address": f"{here}:0"}
    scheduler = {"cls": distributed.Scheduler, "options": options}
    # dask would have its workers give every freed block back to the system at once; the loops of
    # torch then take nearly twice as long (benchmarks/bench_workers.py).
    as_glibc_does = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}
    with contextlib.ExitStack() as stack:
        with _deaf_to_ctrl_c(), dask.config.set(as_glibc_does):
            cluster = stack.enter_context(
                distributed.SpecCluster(
                    workers=processes, scheduler=scheduler, silence_logs=logging.CRITICAL
                )
            )
        yield stack.enter_context(distributed.Client(cluster))


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started meanwhile leave Ctrl-C to this one, which then ends them in order."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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
    ordered = with_needs(runs)
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
    """Keep as many chapters under way as the cluster has room for, each after those it needs."""
    from distributed import as_completed

    client.subscribe_topic("benchbook", board.event)
    for run in runs:
        board.chapter(label_of(run), "queued")
    waiting, under_way = list(runs), as_completed()
    running: dict[str, Run] = {}

    def start_what_can() -> None:
        offered = [w["resources"] for w in client.scheduler_info(n_workers=-1)["workers"].values()]
        apart = any("chapter" in o for o in offered)
        room = sum(o.get("chapter", 0) for o in offered) if apart else len(offered)
        open_keys = {r.key for r in (*waiting, *running.values())}
        for run in list(waiting):
            if len(running) >= max(1, room):
                return
            if not any(need.key in open_keys for need in run.needs):
                waiting.remove(run)
                task = f"chapter-{run.key}"
                running[task] = run
                future = client.submit(
                    run_on_worker,
                    run,
                    label_of(run),
                    str(home()),
                    key=task,
                    resources={"chapter": 1} if apart else None,
                )
                under_way.add(future)

    start_what_can()
    for future in under_way:
        run = running.pop(future.key)
        if future.status == "finished":
            board.chapters[label_of(run)] = future.result()
        elif not run.done:
            note_failure(run, _why(future.exception()))
            board.chapter(label_of(run), "failed")
        start_what_can()


def _why(error: BaseException) -> str:
    if type(error).__name__ == "KilledWorker":
        return "the process that ran it died again and again (killed, or out of memory?)"
    return f"{type(error).__name__}: {error}"


def with_needs(runs: list[Run]) -> list[Run]:
    ordered: dict[str, Run] = {}

    def add(run: Run) -> None:
        for need in run.needs:
            add(need)
        ordered.setdefault(run.key, run)

    for run in runs:
        add(run)
    return list(ordered.values())
