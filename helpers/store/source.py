"""Source code of ours: its files, its text as it was imported, what the top of a module holds."""

import ast
import functools
import importlib.util
import os
import sys
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PARSING = threading.RLock()
"""Held while syntax trees are made, here or by readers of results.

CPython 3.11 counts how deep it is in a tree in one place for all threads; where the collector of
garbage lets another thread in, and that makes a tree too, SystemError is raised in one of them. A
worker reads code in the thread that talks to the scheduler, and NumPy and pyarrow take headers
apart as Python literals in the one that computes.
"""


def syntax_tree(text: str) -> ast.Module:
    """The syntax tree of Python code."""
    with PARSING:
        return ast.parse(text)


def bound_by(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str, str]]:
    """Names that an import binds, each with the module and the name in it that it stands for."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            # `import a.b` binds a, `import a.b as c` binds a.b
            yield alias.asname or alias.name.partition(".")[0], alias.name, ""
        return
    base = node.module or ""
    if node.level:
        parents = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*parents, *([node.module] if node.module else [])])
    for alias in node.names:
        yield alias.asname or alias.name, base, alias.name


# --------------------------------------------------------------------------- files


@functools.cache
def is_ours(top: str) -> bool:
    """Whether a package is somebody's source (ours, a user's own), not an installed library."""
    if top == "helpers":
        return True  # also where it is installed among the libraries, as on Colab
    file = source_file(top)
    return file is not None and _apart(str(file))


def _apart(file: str) -> bool:
    """Whether a file lies in no folder of libraries; libraries make up names without a folder."""
    if not Path(file).is_absolute() or file.startswith(_LIBRARIES):
        return False
    return not any(file.startswith(f"{f}{os.sep}") and _holds_libraries(f) for f in sys.path if f)


_LIBRARIES = tuple(
    {sysconfig.get_path(kind) + os.sep for kind in ("purelib", "platlib", "stdlib", "platstdlib")}
)


@functools.cache
def _holds_libraries(folder: str) -> bool:
    """Whether pip or the like installed into a folder: a user's, or one of `PYTHONPATH`."""
    return next(Path(folder).glob("*.dist-info"), None) is not None


@functools.cache
def source_file(module: str) -> Path | None:
    """File of a module, found without running it."""
    top, *rest = module.split(".")
    if top == "__main__" or top in sys.stdlib_module_names:
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


_SNAPSHOTS: dict[Path, str] = {}


def snapshot(path: Path) -> str:
    """Text of a file as this process first saw it: what was imported is what counts."""
    if path not in _SNAPSHOTS:
        _SNAPSHOTS[path] = path.read_text(encoding="utf-8")
    return _SNAPSHOTS[path]


def remember_imported() -> None:
    """Read the source of every module of ours that is imported by now."""
    for name, module in sys.modules.copy().items():
        if name not in _REMEMBERED:
            _REMEMBERED.add(name)
            file = getattr(module, "__file__", None)
            if file and file.endswith(".py") and (name.startswith("helpers.") or _apart(file)):
                snapshot(Path(file))


_REMEMBERED: set[str] = set()


# --------------------------------------------------------------------------- the top of a module


@dataclass
class Module:
    """The top level of a module: what its names stand for."""

    name: str
    package: str
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    rest: list[ast.stmt] = field(default_factory=list)  # runs at import, whatever is used

    @classmethod
    def of(cls, name: str, tree: ast.Module, package: str) -> "Module":
        module = cls(name, package)
        for statement in tree.body:
            module._take(statement)
        return module

    def _take(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import() | ast.ImportFrom():
                for bound, module, name in bound_by(statement, self.package):
                    self.imports[bound] = (module, name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.definitions.setdefault(statement.name, []).append(statement)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                names = [n.id for n in ast.walk(statement) if is_stored(n)]
                for name in names:
                    self.definitions.setdefault(name, []).append(statement)
                if not names:  # something[...] = ..., something.name = ...
                    self.rest.append(statement)
            case ast.Expr(value=ast.Constant()):
                pass  # a text below a constant, or the module's own
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                pass
            case _:
                for node in ast.walk(statement):
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        self._take(node)
                self.rest.append(statement)


def is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
