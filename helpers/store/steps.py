"""Steps: calls of functions that are identified, computed once, and stored.

A step is a call of a function of names and parameters. Its identity is a hash of its parameters,
the identities of its inputs, the definitions that its function can reach by name, and the
installed versions of the libraries that these use. The result is stored once under that identity,
whoever asks for it.
"""

import contextlib
import functools
import inspect
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock

from helpers.home import claim, home
from helpers.store import disk
from helpers.store.disk import StoreError, canonical_json
from helpers.store.reach import STEP_SOURCES, Code, digest
from helpers.store.source import remember_imported, source_file


def step(function: Callable) -> "StepFunction":
    """Make a function's calls steps: lazy, identified, stored.

    Arguments are other steps or JSON values (lists and dicts of either too); the function gets
    the results of the steps. It returns an array, a dict of arrays, a data frame, an AnnData or a
    JSON value, and depends on nothing but its arguments.
    """
    return StepFunction(function)


class StepFunction:
    """A function whose calls are steps; `function` is the plain one."""

    def __init__(self, function: Callable):
        functools.update_wrapper(self, function)
        self.function = function
        self.signature = inspect.signature(function)
        kinds = {p.kind for p in self.signature.parameters.values()}
        if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}:
            raise TypeError(f"{function.__qualname__}: a step names its parameters, no * or **")
        if source_file(function.__module__) is None:
            raise TypeError(
                f"{function.__qualname__}: a step is defined in a file, so that its code can be "
                "identified: put it into a module and import it"
            )
        remember_imported()  # the code that is imported is the code in the key

    @cached_property
    def code(self) -> Code:
        """Definitions and libraries that a result depends on."""
        return STEP_SOURCES.code([(self.__module__, self.__qualname__)])

    def __call__(self, *args, **kwargs) -> "Step":
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return Step(self, dict(bound.arguments))

    def __reduce__(self) -> str:
        return self.__qualname__  # pickled as a name, found again in its module

    def __repr__(self) -> str:
        return f"<step {self.__module__}.{self.__qualname__}>"


@dataclass(frozen=True, eq=False, repr=False)
class Step:
    """One call of a step function: nothing is computed before `result`."""

    function: StepFunction
    arguments: dict[str, Any]

    def __reduce__(self):
        return Step, (self.function, self.arguments)  # a worker finds the key of its own code

    @property
    def code(self) -> Code:
        return self.function.code

    @cached_property
    def key(self) -> str:
        """Identity: 64 hex digits."""
        parameters = _replace_steps(self.arguments, lambda s: {"step": s.key})
        try:
            text = canonical_json(parameters)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{self.function.__qualname__}: arguments of a step are steps or JSON values "
                f"({error})"
            ) from None
        name = f"{self.function.__module__}:{self.function.__qualname__}"
        code = canonical_json([self.code.definitions, self.code.versions])
        return digest(name, text, code, str(disk.FORMAT))

    @property
    def inputs(self) -> list["Step"]:
        found: list[Step] = []
        _replace_steps(self.arguments, found.append)
        return found

    def __repr__(self) -> str:
        return f"<{self} {self.key[:8]}>"

    def __str__(self) -> str:
        given = (f"{k}={_told(v)}" for k, v in self.arguments.items() if not _is_default(self, k))
        return f"{self.function.__name__}({', '.join(given)})"

    @property
    def folder(self) -> Path:
        return home() / "steps" / self.key[:2] / self.key

    @property
    def stored(self) -> bool:
        return (self.folder / "meta.json").is_file()

    def result(self) -> Any:
        """The step's result: loaded if it is stored, computed and stored otherwise.

        Under ``BENCHBOOK_SCHEDULER`` (address of a dask.distributed scheduler) it is computed
        there, else in this process.

        Raises
        ------
        StoreError
            The stored result is damaged, or the disk is full.
        """
        _note(self)
        if self.stored:
            _announce(self, "stored")
        elif address := os.environ.get("BENCHBOOK_SCHEDULER"):
            _submit(self, address, {}).result()
        else:
            compute(self)
        return disk.load(self.folder)


def results(steps: Iterable[Step]) -> list[Any]:
    """Results of several steps, in their order; on a cluster they are computed side by side."""
    steps = list(steps)
    for step in steps:
        _note(step)  # before it is computed: the first asking counts
    if address := os.environ.get("BENCHBOOK_SCHEDULER"):
        under_way: dict[str, Any] = {}
        futures = [_submit(step, address, under_way) for step in steps if not step.stored]
        if futures:
            _client(address).gather(futures)
    return [step.result() for step in steps]


def _replace_steps(value: Any, replace: Callable[[Step], Any]) -> Any:
    if isinstance(value, Step):
        return replace(value)
    if isinstance(value, list | tuple):
        return [_replace_steps(v, replace) for v in value]
    if isinstance(value, dict):
        return {k: _replace_steps(v, replace) for k, v in value.items()}
    return value


def _told(value: Any) -> str:
    """An argument as it is shown: of a step, what tells it from its like, but not its inputs."""
    if isinstance(value, Step):
        told = (
            f"{k}={_told(v)}"
            for k, v in value.arguments.items()
            if not isinstance(v, Step) and not _is_default(value, k)
        )
        given = ", ".join(told)
        given = given if len(given) <= 60 else f"{given[:57]}..."
        return value.function.__name__ + (f"({given})" if given else "")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_told, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(k)}: {_told(v)}' for k, v in value.items())}}}"
    return json.dumps(value)


def _is_default(step: Step, name: str) -> bool:
    value, default = step.arguments[name], step.function.signature.parameters[name].default
    return not isinstance(value, Step) and type(value) is type(default) and value == default


def compute(step: Step) -> Path:
    """Compute a step here and store its result, its inputs first; return the folder.

    Whoever asks for the same step meanwhile, in any process, waits and gets the same result.
    """
    if step.stored:
        return step.folder
    locks = claim() / "locks"
    locks.mkdir(exist_ok=True)
    with filelock.FileLock(locks / f"{step.key}.lock"):
        if step.stored:
            return step.folder
        arguments = _replace_steps(step.arguments, lambda s: disk.load(compute(s)))
        _announce(step, "running")
        start, seconds = time.perf_counter(), None
        try:
            with _said_apart(step):
                value = step.function.function(**arguments)
            seconds = time.perf_counter() - start
            _save(step, value, seconds)
        except SystemExit as error:  # it would end the worker, and with it other people's work
            raise RuntimeError(f"{step} called exit: {error}") from error
        finally:
            _announce(step, "done" if step.stored else "failed", seconds)
    return step.folder


@contextlib.contextmanager
def _said_apart(step: Step) -> Iterator[None]:
    """In a kernel, keep what a step prints and warns off the page, whoever computes it."""
    if "BENCHBOOK_EVENTS" not in os.environ:
        yield
        return
    with io.StringIO() as said:
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                yield
        finally:
            if text := said.getvalue().strip():
                _tell({"kind": "said", "name": str(step), "text": text})


def _note(step: Step) -> None:
    """Tell the chapter run under way, if any, which step it asked for."""
    if folder := os.environ.get("BENCHBOOK_RUN"):
        with Path(folder, "steps.jsonl").open("a") as file:
            line = {"key": step.key, "name": str(step), "stored": step.stored}
            file.write(canonical_json(line) + "\n")


def check_home(folder: str) -> None:
    """Refuse to work for somebody whose results lie elsewhere.

    Raises
    ------
    StoreError
    """
    if str(home()) != folder:
        raise StoreError(
            f"this worker keeps results in {home()}, the asker in {folder}: start the workers with "
            f"BENCHBOOK_HOME={folder}"
        )


def _announce(step: Step, state: str, seconds: float | None = None) -> None:
    """Tell whoever watches what became of a step."""
    _tell({"kind": "step", "key": step.key, "name": str(step), "state": state, "seconds": seconds})


def _tell(event: dict[str, Any]) -> None:
    if log := os.environ.get("BENCHBOOK_EVENTS"):  # where all processes are on one machine
        line = (json.dumps(event) + "\n").encode()
        file = os.open(log, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, line)  # at once: others write, too
        finally:
            os.close(file)
        return
    if "distributed" not in sys.modules:
        return
    import distributed

    try:
        distributed.get_worker().log_event("benchbook", event)
    except ValueError:  # not on a worker
        if address := os.environ.get("BENCHBOOK_SCHEDULER"):
            _client(address).log_event("benchbook", event)


@functools.cache
def _client(address: str):
    from distributed import Client

    return Client(address, set_as_default=False)


def _submit(step: Step, address: str, under_way: dict[str, Any]):
    """Future of a step on a cluster; its inputs are tasks of their own, shared by all askers.

    What this call submitted is in `under_way`, by key.
    """
    if step.key not in under_way:
        inputs = [_submit(s, address, under_way) for s in step.inputs if not s.stored]
        _announce(step, "queued")
        under_way[step.key] = _client(address).submit(
            _compute_after,
            step,
            step.key,
            str(home()),
            inputs,
            key=f"step-{step.key}",
        )
    return under_way[step.key]


def _compute_after(step: Step, key: str, folder: str, inputs: list) -> None:
    check_home(folder)
    if step.key != key:
        raise StoreError(
            f"{step}: this worker imported other code or libraries than the asker has; start the "
            "workers anew (of a local build: repeat the command)"
        )
    compute(step)


def _save(step: Step, value: Any, seconds: float) -> None:
    description = {
        "step": str(step),
        "function": f"{step.function.__module__}:{step.function.__qualname__}",
        "arguments": _replace_steps(step.arguments, lambda s: {"step": s.key}),
        "inputs": [s.key for s in step.inputs],
        "definitions": step.code.definitions,
        "versions": step.code.versions,
        "seconds": round(seconds, 3),
    }
    try:
        disk.save(value, step.folder, description)
    except OSError as error:
        raise StoreError(
            f"{step}: its result could not be written to {step.folder.parent} "
            f"({error.strerror or error}); nothing was stored: make room or set BENCHBOOK_HOME, "
            "then repeat the command"
        ) from error
