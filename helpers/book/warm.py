"""Processes that start warm: forked from one that has imported what they need, and no more.

The parent of them all, Python's own fork server, imports third-party libraries, runs one thread,
calls none of them, and never imports this package: so that a fork is safe, and that what a process
computes is what it would have computed on its own. It dies with the command, and what it forked
with it. Elsewhere than on Linux, and under ``BENCHBOOK_COLD=1``, processes start the plain way.
"""

import atexit
import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

# What every chapter imports, and what is worth importing once where several runs use it.
_KERNEL = (
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "numpy",
    "pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "scipy.sparse",
    "scipy.stats",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "anndata",
    "myst_nb.ext.glue",
)
_OF_DISTRIBUTION = {
    "distributed": "distributed",
    "scikit-learn": "sklearn.linear_model",
    "torch": "torch",
}
# Two spinning threads are up to 30 times slower on a busy machine.
THREADS = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
PARENT = {
    # pyarrow's memory is looked after by a thread, unless it is told not to
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    # the debugger of kernels warns whoever imports it of Python's own frozen modules
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    # glibc then asks for pages of 2 MB: a loop of torch, whose arrays come and go, spends less of
    # its time on page faults (benchmarks/bench_workers.py). Nobody else reads it.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""Environment of the parent of warm processes, and theirs."""

_STARTING = threading.Lock()
_TRIES = 50  # of 0.1 s


def is_warm() -> bool:
    """Whether processes are forked here."""
    return sys.platform == "linux" and os.environ.get("BENCHBOOK_COLD") != "1"


def start_early(distributions: Iterable[str] = ()) -> None:
    """Start the parent of warm processes, which imports while this process goes on.

    Parameters
    ----------
    distributions : iterable of str
        What several of the processes will use.
    """
    if is_warm():
        from multiprocessing import forkserver

        tunables = os.environ.get("GLIBC_TUNABLES", "")
        os.environ |= THREADS | PARENT
        if tunables:  # what the user chose; where it says how large pages are, it holds
            own = [] if "malloc.hugetlb" in tunables else [PARENT["GLIBC_TUNABLES"]]
            os.environ["GLIBC_TUNABLES"] = ":".join([tunables, *own])
        modules = [*_KERNEL, *(m for d, m in _OF_DISTRIBUTION.items() if d in set(distributions))]
        multiprocessing.get_context("forkserver").set_forkserver_preload(modules)
        with deaf_to_ctrl_c():
            forkserver.ensure_running()  # nothing where it is at work already
        Forked.possible = True


@contextlib.contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Processes started meanwhile leave Ctrl-C to this one, which then ends them in order."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def without_script() -> Iterator[None]:
    """A process that is started meanwhile does not import the command's script.

    Nothing else in `sys.modules` is touched: what other threads import meanwhile must stay there.
    """
    own = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = own


class Kernels:
    """Processes of the kernels of this command, forked or not: Ctrl-C does not reach them."""

    under_way: ClassVar[set["Forked | subprocess.Popen"]] = set()
    unwanted: ClassVar[bool] = False  # the command is ending

    @classmethod
    def note(cls, process: "Forked | subprocess.Popen") -> None:
        """Know a kernel that was just started; where the command is ending, end it."""
        cls.under_way.add(process)
        if cls.unwanted:
            process.kill()

    @classmethod
    def kill(cls) -> None:
        """End the kernels that are under way, and those that another thread is about to start."""
        cls.unwanted = True
        for process in list(cls.under_way):
            process.kill()


class Forked:
    """A kernel's process, forked; it answers as `subprocess.Popen` does."""

    stdin = stdout = stderr = None
    possible: ClassVar[bool] = False  # before their parent is at work

    def __init__(self, arguments: list[str], environment: dict[str, str], folder: str):
        path = [p for p in sys.path[1:] if p]  # not the folder of the command itself
        asked = _run_kernel, (arguments, environment, folder, path)
        for left in range(_TRIES, -1, -1):
            try:
                self._process = _started(*asked)
                break
            except (EOFError, ConnectionError):  # the parent died (killed, say)
                if not left:
                    raise
                # Its sockets close before the system calls it dead, and only then is there another.
                time.sleep(0.1)
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        return self.poll()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _started(target: Callable, arguments: tuple) -> BaseProcess:
    process = multiprocessing.get_context("forkserver").Process(target=target, args=arguments)
    with _STARTING, without_script():
        process.start()
    return process


def _run_kernel(arguments: list[str], environment: dict[str, str], folder: str, path) -> None:
    """Become the kernel that these arguments of ``ipykernel_launcher`` describe."""
    os.setsid()  # Ctrl-C in the terminal is the command's business, not the kernel's
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment | {"JPY_PARENT_PID": str(os.getppid())})
    os.chdir(folder)
    if len(list(Path(f"/proc/{os.getppid()}/task").iterdir())) > 1:
        # Some library starts a thread when it is imported: a fork of that may hang. Start plainly,
        # without what keeps the fork server alive.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *arguments])
    from ipykernel.kernelapp import IPKernelApp

    _as_if_imported_in_a_kernel()
    gc.freeze()  # what was forked stays: to look through it again and again takes a tenth of a run
    threading.Thread(target=_end_with_the_command, daemon=True).start()
    sys.path[:] = path
    sys.argv = ["ipykernel_launcher", *arguments]
    try:
        IPKernelApp.launch_instance(arguments)
    finally:
        atexit._run_exitfuncs()  # the fork server of Python 3.11 leaves them out


def _as_if_imported_in_a_kernel() -> None:
    """Settings that libraries choose when they are imported, by where that is."""
    import matplotlib
    import pandas as pd

    pd.set_option("display.max_columns", 20)  # in a terminal: as many as fit
    matplotlib.use(os.environ.get("MPLBACKEND", "module://matplotlib_inline.backend_inline"))


def _end_with_the_command() -> None:
    multiprocessing.parent_process().join()  # the command, though the fork server is the parent
    os._exit(1)


def kernel_options() -> dict[str, Any]:
    """Arguments of papermill under which kernels are noted, and start warm where they can."""
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_client.provisioning import LocalProvisioner

    class Provisioner(LocalProvisioner):
        async def launch_kernel(self, cmd, *, env, cwd=None, **options):
            if Forked.possible:
                arguments = cmd[3:]  # of `python -m launcher`
                self.process = Forked(arguments, env, str(cwd or Path.cwd()))
                self.pid = self.pgid = self.process.pid  # it makes a group of its own
                self.cwd = cwd
            else:
                await super().launch_kernel(cmd, env=env, cwd=cwd, **options)
            Kernels.note(self.process)
            return self.connection_info

        async def poll(self):
            process, code = self.process, await super().poll()
            if code is not None:
                Kernels.under_way.discard(process)  # as long as it is known, it keeps files open
            return code

    class KernelManager(AsyncKernelManager):
        async def _async_pre_start_kernel(self, **options):
            self.provisioner = Provisioner(
                kernel_id="benchbook", kernel_spec=self.kernel_spec, parent=self
            )
            return await super()._async_pre_start_kernel(**options)

    return {"kernel_manager_class": KernelManager}
