"""Runs of chapters, their steps in a kernel or on a dask.distributed cluster, watched live."""

import contextlib
import json
import logging
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from helpers.book import warm
from helpers.book.execute import SOCKETS, execute, note_failure, seconds_before
from helpers.book.run import Run
from helpers.home import home
from helpers.store.steps import check_home

_COLOURS = {
    "queued": "dim",
    "running": "yellow",
    "done": "green",
    "stored": "cyan",
    "failed": "red",
}


class NoScheduler(RuntimeError):
    """Nobody answers where a scheduler was said to be."""


class NoWorkers(RuntimeError):
    """The processes that compute steps did not start."""


def cores() -> int:
    """Cores that this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


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
        self.expected: dict[str, float | None] = {}
        self.room = 1
        self.live: Live | None = None

    def __enter__(self) -> "Board":
        if self.console.is_terminal:
            self.live = Live(get_renderable=self.table, console=self.console, refresh_per_second=4)
            self.live.__enter__()
        return self

    def __exit__(self, *exception) -> None:
        if self.live:
            self.live.__exit__(*exception)

    def expect(self, seconds: dict[str, float | None], room: int) -> None:
        """Take over how long each run took the last time (None: it never ran), `room` at once."""
        self.expected, self.room = seconds, room

    def left(self) -> str:
        """How long it will take by what it took the last time; empty where that is not known."""
        open_ = [n for n, state in self.chapters.items() if state in ("queued", "running")]
        known = [self.expected.get(n) for n in open_]
        if not open_ or None in known:
            return ""
        now = time.monotonic()
        parts = [
            max(0.0, seconds - (now - self.since[n]) * (self.chapters[n] == "running"))
            for n, seconds in zip(open_, known, strict=True)
        ]
        seconds = max(max(parts), sum(parts) / self.room)
        return (
            f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"
        )

    def chapter(self, name: str, state: str) -> None:
        self.since.setdefault(name, time.monotonic())
        if state == "running":
            self.since[name] = time.monotonic()
        self.chapters[name] = state
        if not self.live:
            note = f" ({left})" if state == "done" and (left := self.left()) else ""
            self.console.print(f"{state:>8}  {name}{note}", highlight=False, markup=False)

    def event(self, event: tuple[float, dict]) -> None:
        """An event of a worker or a kernel, as dask hands it over: (time, message)."""
        _, message = event
        if message["kind"] == "chapter":
            return self.chapter(message["name"], message["state"])
        if message["kind"] == "said":
            line = f"    said  {message['name']}: {message['text']}"
            return self.console.print(line, highlight=False, markup=False, soft_wrap=True)
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
        table.add_row(Text(f"steps: {steps}", "bold"), Text(self.left()), "")
        for key in [k for k, state in states.items() if state == "running"][:4]:
            table.add_row(Text(f"  {self.names[key]}"), Text("running", "yellow"), "")
        return table


def run_on_worker(run: Run, label: str, folder: str) -> str:
    """Task of one chapter on somebody's cluster; it leaves its thread to the steps."""
    import distributed

    check_home(folder)
    worker = distributed.get_worker()

    def tell(state: str) -> None:
        worker.log_event("benchbook", {"kind": "chapter", "name": label, "state": state})

    tell("running")
    distributed.secede()
    status = execute(run, {"BENCHBOOK_SCHEDULER": worker.scheduler.address})
    tell(status)
    return status


def connected(address: str):
    """Client of a scheduler that is already there.

    Raises
    ------
    NoScheduler
        None answers there, or it is no address.
    """
    import distributed

    try:
        return distributed.Client(address)
    except (OSError, ValueError) as error:  # ValueError: no address at all
        raise NoScheduler(
            f"no scheduler answers at {address} ({error or 'no answer in time'}): start one with "
            "`dask scheduler`, or leave --scheduler out"
        ) from None


@contextlib.contextmanager
def _chapters_elsewhere(address: str, board: Board) -> Iterator[tuple[Callable, int]]:
    """How a run is started on a running cluster, and how many at once: one on each worker."""
    with connected(address) as client:
        client.subscribe_topic("benchbook", board.event)
        executor = client.get_executor(pure=False)

        def start(run: Run) -> Future:
            return executor.submit(run_on_worker, run, label_of(run), str(home()))

        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            board.console.print(
                f"the scheduler at {address} has no worker yet: the runs wait for one "
                f"(`dask worker {address}`)",
                markup=False,
            )
        yield start, max(1, workers)


@contextlib.contextmanager
def _chapters_here(workers: int, several: bool, board: Board) -> Iterator[tuple[Callable, int]]:
    """How a run is started here, and how many at once: kernels beside this process, steps on a
    local cluster.

    Of one run alone, the kernel computes the steps itself: no cluster is started for it. There is
    room for one run more than there are workers: while a kernel starts, ends, or waits for a step
    or for this process, a core would stand idle.
    """
    room = workers + 1
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(followed(board))
        environment = {"BENCHBOOK_EVENTS": str(log)}
        if several:
            address = stack.enter_context(steps_cluster(workers, environment))
            environment["BENCHBOOK_SCHEDULER"] = address
        stop, warm.Kernels.unwanted = threading.Event(), False
        executor = ThreadPoolExecutor(room)

        def start(run: Run) -> Future:
            return executor.submit(run_here, run, environment, board, stop)

        whole = False
        try:
            yield start, room
            whole = True
        finally:
            if not whole:
                stop.set()  # what dies from now on was ended by this process, and is no failure
                warm.Kernels.kill()
            executor.shutdown(wait=True, cancel_futures=True)


def run_here(run: Run, environment: dict[str, str], board: Board, stop: threading.Event) -> str:
    """Run a chapter in a kernel beside this process."""
    board.chapter(label_of(run), "running")
    status = execute(run, environment, stop=stop)
    board.chapter(label_of(run), status)
    return status


@contextlib.contextmanager
def followed(board: Board) -> Iterator[Path]:
    """A file to which processes of this machine write what becomes of steps; the board follows it.

    Else every message would pass the scheduler, and every kernel would have to connect to it.
    """
    with tempfile.TemporaryDirectory(prefix=f"{SOCKETS}-{os.getpid()}-") as folder:
        log, end = Path(folder, "events.jsonl"), threading.Event()
        log.touch()

        def follow() -> None:
            with log.open() as file:
                last, begun = False, ""
                while True:
                    for line in file:
                        begun += line
                        if begun.endswith("\n"):
                            board.event((0.0, json.loads(begun)))
                            begun = ""
                    if last:
                        return
                    last = end.wait(0.2)

        follower = threading.Thread(target=follow)
        follower.start()
        try:
            yield log
        finally:
            end.set()
            follower.join()


@contextlib.contextmanager
def steps_cluster(workers: int, environment: dict[str, str]) -> Iterator[str]:
    """Address of a new local cluster whose processes, with this environment, compute steps.

    Raises
    ------
    NoWorkers
        Its processes did not start.
    """
    import dask
    import distributed

    os.environ.update(warm.THREADS)  # before a worker starts: libraries read them once
    # without a limit: a worker that is paused would keep its askers waiting for ever
    fixed = {"memory_limit": 0, "silence_logs": logging.CRITICAL, "dashboard": False}
    own = {"nthreads": 1, "env": environment}
    worker = {"cls": distributed.Nanny, "options": fixed | own}
    here = "127.0.0.1"
    options = {"host": here, "port": 0, "dashboard": False, "dashboard_address": f"{here}:0"}
    scheduler = {"cls": distributed.Scheduler, "options": options}
    # dask would have its workers give every freed block back to the system at once; the loops of
    # torch then take nearly twice as long (benchmarks/bench_workers.py).
    how: dict[str, str | None] = {
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
        # A worker that died comes back; where the machine is so busy that it takes longer than
        # this (15 s by default), dask would give it up, and with the last one the whole build.
        "distributed.deploy.lost-worker-timeout": "1000 days",
        # Nobody looks at these: dask would take every worker's stack a hundred times a second,
        # and the counters of each process twice.
        "distributed.worker.profile.enabled": False,
        "distributed.admin.system-monitor.interval": "10 s",
    }
    if warm.is_warm():
        how["distributed.worker.multiprocessing-method"] = "forkserver"
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(how))  # it is read when a worker is lost, too
        try:
            with warm.deaf_to_ctrl_c():
                cluster = stack.enter_context(
                    distributed.SpecCluster(
                        workers={f"steps-{i}": worker for i in range(workers)},
                        scheduler=scheduler,
                        silence_logs=logging.CRITICAL,
                    )
                )
        except RuntimeError as error:  # dask's word for whatever happened to one of them
            raise NoWorkers(
                "the processes that compute steps did not start (killed, or out of memory?): "
                "repeat the command"
            ) from error
        yield cluster.scheduler_address


def label_of(run: Run) -> str:
    """How a run is called in tables and messages: its chapter and what is not default."""
    given = ", ".join(f"{k}={v}" for k, v in run.overrides.items())
    name = run.chapter.name.removeprefix("chapters/")
    return f"{name} ({given})" if given else name


def run_all(
    runs: list[Run], *, workers: int | None = None, address: str | None = None, console: Console
) -> dict[str, dict]:
    """Bring all runs about, needed ones first; return their records by key.

    A run that is stored is not run again; one that fails does not stop the others.

    Parameters
    ----------
    runs : list of Run
    workers : int, optional
        Processes of the local cluster. By default the cores, and none where there is but one run:
        it computes its steps itself.
    address : str, optional
        Scheduler of a cluster that is already there, whose workers see the same folders.
    console : rich.console.Console

    Raises
    ------
    NoScheduler
        Nobody answers at the address.
    NoWorkers
        The processes of the local cluster did not start.
    """
    ordered = with_needs(runs)
    open_ = [r for r in ordered if not r.done]
    several = len(open_) > 1 or workers is not None
    if open_ and not address and (workers or 0) > cores():
        said = f"{workers} workers, cores here: {cores()}. More than one a core gain nothing"
        console.print(said, style="yellow")
    if open_ and not address:
        used = {"distributed"}.union(*(r.distributions for r in open_)) if several else ()
        warm.start_early(used)
    with Board(console) as board:
        for run in ordered:
            if run.done:
                board.chapter(label_of(run), "stored")
        if open_:
            how = (
                _chapters_elsewhere(address, board)
                if address
                else _chapters_here(workers or cores(), several, board)
            )
            with how as (start, room):
                board.expect({label_of(r): seconds_before(r) for r in open_}, room)
                _run_open(open_, start, room, board)
    return {r.key: r.record for r in ordered}


def _run_open(runs: list[Run], start: Callable, room: int, board: Board) -> None:
    """Keep as many chapters under way as there is room for, each after those it needs."""
    for run in runs:
        board.chapter(label_of(run), "queued")
    waiting = list(runs)
    running: dict[Future, Run] = {}
    while waiting or running:
        open_keys = {r.key for r in (*waiting, *running.values())}
        for run in list(waiting):
            if len(running) < room and not any(need.key in open_keys for need in run.needs):
                waiting.remove(run)
                running[start(run)] = run
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            run = running.pop(future)
            if (error := future.exception()) is None:
                board.chapters[label_of(run)] = future.result()
            elif not run.done:
                note_failure(run, _why(error))
                board.chapter(label_of(run), "failed")


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
