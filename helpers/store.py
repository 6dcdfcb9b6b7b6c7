"""Steps and the store that keeps their results.

A step is a call of a function of names and parameters. Its identity is a hash of its
parameters, the identities of its inputs, the source of the modules that it can reach by static
imports, and the installed versions of the libraries that these import. The result is stored once
under that identity, whoever asks for it.
"""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
import os
import platform
import re
import shutil
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock

from helpers.home import claim, home

COMPUTING_LIBRARIES = ("numpy", "scipy")  # everything that computes stands on these two


class StoreError(RuntimeError):
    """A result that cannot be written, or that is not what was written."""


# --------------------------------------------------------------------------- identity


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(*parts: str) -> str:
    """SHA-256 (64 hex digits) of texts, each one's length counted in."""
    sha = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        sha.update(f"{len(encoded)}:".encode() + encoded)
    return sha.hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def _source_file(module: str) -> Path | None:
    """File of a module, found without running it."""
    top, *rest = module.split(".")
    if top == "__main__":
        return None
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    if not rest:
        return Path(spec.origin)
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *rest)
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def imported_names(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Dotted names that a syntax tree imports, functions' own imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            else:
                base = node.module or ""
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


_PARSING = threading.RLock()
"""Held while syntax trees are made, here or by readers of results.

CPython 3.11 counts how deep it is in a tree in one place for all threads; where the collector of
garbage lets another thread in, and that makes a tree too, SystemError is raised in one of them. A
worker reads code in the thread that talks to the scheduler, and NumPy and pyarrow take headers
apart as Python literals in the one that computes.
"""


def syntax_tree(text: str) -> ast.Module:
    """The syntax tree of Python code."""
    with _PARSING:
        return ast.parse(text)


def _code(tree: ast.Module) -> str:
    """What a module does: its syntax tree without docstrings, comments and layout."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
            and isinstance(node.body[0].value, ast.Constant)
            and isinstance(node.body[0].value.value, str)
        ):
            node.body[0].value.value = ""
    return ast.dump(tree)


@dataclass(frozen=True)
class _Module:
    digest: str
    own: tuple[str, ...]  # modules that are nobody's library
    foreign: tuple[str, ...]  # top-level names of libraries


@functools.cache
def _module(name: str) -> _Module:
    path = _source_file(name)
    tree = syntax_tree(path.read_text(encoding="utf-8"))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return _read_imports(tree, package)


def _read_imports(tree: ast.Module, package: str) -> _Module:
    own, foreign = set(), set()
    for imported in imported_names(tree, package):
        first = imported.partition(".")[0]
        if first in sys.stdlib_module_names:
            continue
        if not _is_ours(first):
            foreign.add(first)
        elif _source_file(imported):
            own.add(imported)
    return _Module(digest(_code(tree)), tuple(sorted(own)), tuple(sorted(foreign)))


@functools.cache
def _is_ours(top: str) -> bool:
    """Whether a package is somebody's source (ours, a user's own), not an installed library."""
    if top == "helpers":
        return True  # also where it is installed among the libraries, as on Colab
    file = _source_file(top)
    libraries = {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}
    return file is not None and not any(file.is_relative_to(folder) for folder in libraries)


def reach(*modules: str) -> tuple[str, ...]:
    """Modules that can be reached by static imports from the ones named, these included."""
    found, queue = set(), list(modules)
    while queue:
        if (name := queue.pop()) not in found:
            found.add(name)
            queue.extend(_module(name).own)
            if (package := name.rpartition(".")[0]) and _source_file(package):
                queue.append(package)
    return tuple(sorted(found))


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


@functools.cache
def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    names = {d for library in libraries for d in _distributions().get(library, ())}
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in sorted(names)
    }


@dataclass(frozen=True)
class Code:
    """The code behind a step or a chapter: digests of modules, versions of libraries."""

    modules: dict[str, str]
    versions: dict[str, str]


def code_of(*modules: str, extra: tuple[str, ...] = ()) -> Code:
    """Code that modules reach; `extra` are libraries that the caller imports itself."""
    reached = reach(*modules)
    libraries = {library for name in reached for library in _module(name).foreign}
    return Code(
        {name: _module(name).digest for name in reached},
        _versions(tuple(sorted({*libraries, *extra, *COMPUTING_LIBRARIES}))),
    )


@functools.cache
def _code_of_module(module: str) -> Code:
    return code_of(module)


def code_of_cells(cells: list[str]) -> tuple[str, Code]:
    """Digest of a notebook's code, cell by cell, and the code that it reaches by its imports."""
    read = [_read_imports(syntax_tree(cell), "") for cell in cells]
    own, foreign = ({n for r in read for n in getattr(r, k)} for k in ("own", "foreign"))
    return digest(*(r.digest for r in read)), code_of(*own, extra=tuple(foreign))


def unchanged(code: Code) -> bool:
    """Whether the modules' files still hold the code that was read."""
    return all(
        digest(_code(syntax_tree(_source_file(name).read_text(encoding="utf-8")))) == known
        for name, known in code.modules.items()
    )


# --------------------------------------------------------------------------- steps


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
        if _source_file(function.__module__) is None:
            raise TypeError(
                f"{function.__qualname__}: a step is defined in a file, so that its code can be "
                "identified: put it into a module and import it"
            )
        reach(function.__module__)  # read now: the code that is imported is the code in the key

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

    @cached_property
    def code(self) -> Code:
        return _code_of_module(self.function.__module__)

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
        return digest(name, text, canonical_json([self.code.modules, self.code.versions]))

    @property
    def inputs(self) -> list["Step"]:
        found: list[Step] = []
        _replace_steps(self.arguments, found.append)
        return found

    def __repr__(self) -> str:
        return f"<{self} {self.key[:8]}>"

    def __str__(self) -> str:
        def short(value: Any) -> str:
            names = json.dumps(_replace_steps(value, lambda s: f"<{s.function.__name__}>"))
            return names.replace('"<', "").replace('>"', "")

        given = (f"{k}={short(v)}" for k, v in self.arguments.items() if not _is_default(self, k))
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
            _submit(self, address).result()
        else:
            compute(self)
        return load(self.folder)


def results(steps: Iterable[Step]) -> list[Any]:
    """Results of several steps, in their order; on a cluster they are computed side by side."""
    steps = list(steps)
    for step in steps:
        _note(step)  # before it is computed: the first asking counts
    if address := os.environ.get("BENCHBOOK_SCHEDULER"):
        futures = [_submit(step, address) for step in steps if not step.stored]
        for future in futures:
            future.result()
    return [step.result() for step in steps]


def _replace_steps(value: Any, replace: Callable[[Step], Any]) -> Any:
    if isinstance(value, Step):
        return replace(value)
    if isinstance(value, list | tuple):
        return [_replace_steps(v, replace) for v in value]
    if isinstance(value, dict):
        return {k: _replace_steps(v, replace) for k, v in value.items()}
    return value


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
        arguments = _replace_steps(step.arguments, lambda s: load(compute(s)))
        _announce(step, "running")
        start, seconds = time.perf_counter(), None
        try:
            value = step.function.function(**arguments)
            seconds = time.perf_counter() - start
            save(step, value, seconds)
        except SystemExit as error:  # it would end the worker, and with it other people's work
            raise RuntimeError(f"{step} called exit: {error}") from error
        finally:
            _announce(step, "done" if step.stored else "failed", seconds)
    return step.folder


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
    """Tell whoever watches the cluster what became of a step."""
    if "distributed" not in sys.modules:
        return
    import distributed

    event = {"kind": "step", "key": step.key, "name": str(step), "state": state, "seconds": seconds}
    try:
        distributed.get_worker().log_event("benchbook", event)
    except ValueError:  # not on a worker
        if address := os.environ.get("BENCHBOOK_SCHEDULER"):
            _client(address).log_event("benchbook", event)


@functools.cache
def _client(address: str):
    from distributed import Client

    return Client(address, set_as_default=False)


def _submit(step: Step, address: str):
    """Future of a step on a cluster; its inputs are tasks of their own, shared by all askers."""
    inputs = [_submit(s, address) for s in step.inputs if not s.stored]
    _announce(step, "queued")
    resource = os.environ.get("BENCHBOOK_STEP_RESOURCE")  # of the workers that are for steps
    return _client(address).submit(
        _compute_after,
        step,
        step.key,
        str(home()),
        inputs,
        key=f"step-{step.key}",
        resources={resource: 1} if resource else None,
    )


def _compute_after(step: Step, key: str, folder: str, inputs: list) -> None:
    check_home(folder)
    if step.key != key:
        raise StoreError(
            f"{step}: this worker imported other code or libraries than the asker has; start the "
            "workers anew (of a local build: repeat the command)"
        )
    compute(step)


# --------------------------------------------------------------------------- results on disk


def save(step: Step, value: Any, seconds: float) -> None:
    """Write a step's result and its description under its identity, whole or not at all."""
    target = step.folder
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{step.key[:8]}-", dir=target.parent))
    try:
        kind, file = _write(value, partial)
        meta = {
            "step": str(step),
            "function": f"{step.function.__module__}:{step.function.__qualname__}",
            "arguments": _replace_steps(step.arguments, lambda s: {"step": s.key}),
            "inputs": [s.key for s in step.inputs],
            "modules": step.code.modules,
            "versions": step.code.versions,
            "kind": kind,
            "file": file.name,
            "sha256": file_sha256(file),
            "bytes": file.stat().st_size,
            "seconds": round(seconds, 3),
        }
        (partial / "meta.json").write_text(json.dumps(meta, indent=1))
        if target.exists():  # without a description: damaged
            shutil.rmtree(target)
        partial.replace(target)
    except OSError as error:
        raise StoreError(
            f"{step}: its result could not be written to {target.parent} ({error.strerror or error}"
            "); nothing was stored: make room or set BENCHBOOK_HOME, then repeat the command"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def load(folder: Path) -> Any:
    """Read a stored result, after a check that it is what was written.

    Raises
    ------
    StoreError
        Description or result are missing, cut or changed.
    """
    advice = 'run "benchbook clean --damaged" to remove damaged results, then repeat the command'
    try:
        meta = json.loads((folder / "meta.json").read_text())
        file = folder / meta["file"]
        sha256, kind = meta["sha256"], meta["kind"]
        intact = file_sha256(file) == sha256
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{folder}: not a stored result ({error}); {advice}") from error
    if not intact:
        raise StoreError(f"{file}: differs from what was written (sha256); {advice}")
    with _PARSING:
        return _READERS[kind](file)


def _write(value: Any, folder: Path) -> tuple[str, Path]:
    import numpy as np
    import pandas as pd

    if isinstance(value, np.ndarray):
        file = folder / "result.npy"
        np.save(file, value, allow_pickle=False)
        return "array", file
    if isinstance(value, dict) and value and all(isinstance(v, np.ndarray) for v in value.values()):
        file = folder / "result.npz"
        np.savez(file, allow_pickle=False, **value)
        return "arrays", file
    if isinstance(value, pd.DataFrame):
        file = folder / "result.parquet"
        value.to_parquet(file)
        return "frame", file
    if type(value).__name__ == "AnnData":
        file = folder / "result.h5ad"
        value.write_h5ad(file, compression="lzf")
        return "anndata", file
    file = folder / "result.json"
    file.write_text(canonical_json(value))
    return "json", file


def _read_array(file: Path):
    import numpy as np

    return np.load(file, allow_pickle=False)


def _read_arrays(file: Path):
    import numpy as np

    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _read_frame(file: Path):
    import pandas as pd

    return pd.read_parquet(file)


def _read_anndata(file: Path):
    import anndata

    return anndata.read_h5ad(file)


def _read_json(file: Path):
    return json.loads(file.read_text())


_READERS = {
    "array": _read_array,
    "arrays": _read_arrays,
    "frame": _read_frame,
    "anndata": _read_anndata,
    "json": _read_json,
}


# --------------------------------------------------------------------------- pruning


_KEY = re.compile(r"[0-9a-f]{64}")


def stored_steps() -> list[Path]:
    """Folders of all stored results, in order of their keys."""
    folders = (home() / "steps").glob("*/*")
    return sorted(p for p in folders if _KEY.fullmatch(p.name))


def prune(used: set[str]) -> tuple[int, int]:
    """Remove results that are not named in `used` and that no named one was computed from.

    Returns
    -------
    Number of results removed, and bytes freed.
    """
    keep, queue = set(), list(used)
    while queue:
        if (key := queue.pop()) not in keep:
            keep.add(key)
            folder = home() / "steps" / key[:2] / key
            if folder.is_dir() and not _damaged(folder):
                queue.extend(json.loads((folder / "meta.json").read_text())["inputs"])
    for leftover in (home() / "steps").glob("*/.*"):  # of processes that were killed
        shutil.rmtree(leftover)
    return _remove([f for f in stored_steps() if f.name not in keep])


def prune_damaged() -> tuple[int, int]:
    """Remove results that are not what was written; returns their number and bytes."""

    return _remove([f for f in stored_steps() if _damaged(f)])


def _damaged(folder: Path) -> bool:
    try:
        meta = json.loads((folder / "meta.json").read_text())
        return file_sha256(folder / meta["file"]) != meta["sha256"]
    except (OSError, ValueError, KeyError):
        return True


def _remove(folders: list[Path]) -> tuple[int, int]:
    freed = sum(f.stat().st_size for folder in folders for f in folder.iterdir())
    for folder in folders:
        (folder / "meta.json").unlink(missing_ok=True)  # first: without it nothing is stored
        shutil.rmtree(folder)
    return len(folders), freed
