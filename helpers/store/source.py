"""What code a step or a chapter stands on: the definitions that it can reach by name.

A definition is a function, a class or a constant at the top of a module. It reaches the ones whose
names it holds, in its own module or through imports, and these reach others. Whatever lies in the
same file beside them does not count, nor do words (see `_Normal`) where a step is concerned.
"""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

COMPUTING_LIBRARIES = ("numpy", "scipy")  # everything that computes stands on these two
MACHINERY = ("helpers.store", "helpers.home")  # a format number stands for it in keys
_SLOW_TO_FIND = {"sklearn": "scikit-learn", "scvi": "scvi-tools", "yaml": "pyyaml"}

PARSING = threading.RLock()
"""Held while syntax trees are made, here or by readers of results.

CPython 3.11 counts how deep it is in a tree in one place for all threads; where the collector of
garbage lets another thread in, and that makes a tree too, SystemError is raised in one of them. A
worker reads code in the thread that talks to the scheduler, and NumPy and pyarrow take headers
apart as Python literals in the one that computes.
"""

IMPORT = "<import>"

Reference = tuple[str, str]
"""Module and name of a definition; the name is empty for all of the module, or `IMPORT`."""


def syntax_tree(text: str) -> ast.Module:
    """The syntax tree of Python code."""
    with PARSING:
        return ast.parse(text)


def digest(*parts: str) -> str:
    """SHA-256 (64 hex digits) of texts, each one's length counted in."""
    sha = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        sha.update(f"{len(encoded)}:".encode() + encoded)
    return sha.hexdigest()


def imported_names(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Dotted names that a syntax tree imports, functions' own imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for _, module, name in _bound_by(node, package):
                yield module
                if name:
                    yield f"{module}.{name}"


def _bound_by(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str, str]]:
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


# --------------------------------------------------------------------------- modules


@functools.cache
def _is_ours(top: str) -> bool:
    """Whether a package is somebody's source (ours, a user's own), not an installed library."""
    if top == "helpers":
        return True  # also where it is installed among the libraries, as on Colab
    file = source_file(top)
    return file is not None and _apart(str(file))


def _apart(file: str) -> bool:
    """Whether a file lies in no folder of libraries."""
    return not file.startswith(_LIBRARIES)


_LIBRARIES = tuple(
    {sysconfig.get_path(kind) + os.sep for kind in ("purelib", "platlib", "stdlib", "platstdlib")}
)


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


@dataclass
class _Module:
    """The top level of a module: what its names stand for."""

    name: str
    package: str
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    rest: list[ast.stmt] = field(default_factory=list)  # runs at import, whatever is used

    @classmethod
    def of(cls, name: str, tree: ast.Module, package: str) -> "_Module":
        module = cls(name, package)
        for statement in tree.body:
            module._take(statement)
        return module

    def _take(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import() | ast.ImportFrom():
                for bound, module, name in _bound_by(statement, self.package):
                    self.imports[bound] = (module, name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.definitions.setdefault(statement.name, []).append(statement)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                names = [n.id for n in ast.walk(statement) if _is_stored(n)]
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


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


# --------------------------------------------------------------------------- definitions


def _mentions_words(annotation: ast.expr | None) -> bool:
    return annotation is not None and any(
        isinstance(n, ast.Name) and n.id == "Words" for n in ast.walk(annotation)
    )


class _Normal(ast.NodeTransformer):
    """Takes out of a definition what cannot change a value.

    Docstrings and annotations of arguments always; words where asked: arguments of errors that are
    raised, messages of assertions, what is given to a name or field annotated `Words`, and texts in
    functions that return `Words`.
    """

    def __init__(self, words_of: Callable[[ast.expr], list[str | None]] | None):
        self.words_of = words_of  # None: words are kept

    def _docstring(self, node):
        body = node.body
        if (
            body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            node.body = body[1:] or [ast.Pass()]

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._docstring(node)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._docstring(node)
        says_words = self.words_of is not None and _mentions_words(node.returns)
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        node = self.generic_visit(node)
        return _Wordless().visit(node) if says_words else node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if self.words_of is None:
            return self.generic_visit(node)
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(exc=raised, cause=None)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        if self.words_of is not None:
            node.msg = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if self.words_of is not None and node.value and _mentions_words(node.annotation):
            node.value = ast.Constant("")
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        fields = self.words_of(node.func) if self.words_of is not None else []
        if any(fields) and not any(isinstance(a, ast.Starred) for a in node.args):
            words = {name for name in fields if name}
            node.args = [
                a for i, a in enumerate(node.args) if i >= len(fields) or fields[i] is None
            ]
            node.keywords = [k for k in node.keywords if k.arg not in words]
        return self.generic_visit(node)


class _Wordless(ast.NodeTransformer):
    """Takes the texts out of a function that returns words; what it decides by stays."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")

    def visit_Yield(self, node: ast.Yield) -> ast.AST:
        return _Textless().visit(self.generic_visit(node))

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return _Textless().visit(self.generic_visit(node))


class _Textless(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node


@dataclass(frozen=True)
class _Read:
    """One definition: its digest, what it refers to, and the libraries that it uses."""

    digest: str
    references: tuple[Reference, ...]
    libraries: tuple[str, ...]


class Sources:
    """Modules as they were first read; `words` says whether words count.

    Parameters
    ----------
    words : bool
        True for chapters, which show them; False for steps.
    find : callable
        Of a module's name to its file, or None.
    text : callable
        Of a file to its text.
    """

    def __init__(
        self,
        *,
        words: bool,
        find: Callable[[str], Path | None] | None = None,
        text: Callable[[Path], str] | None = None,
    ):
        self.words = words
        self.find = find or source_file
        self.text = text or snapshot
        self._modules: dict[str, _Module] = {}
        self._read: dict[Reference, _Read] = {}
        self._reached: dict[Reference, frozenset[Reference]] = {}

    def is_module(self, name: str) -> bool:
        return _is_ours(name.partition(".")[0]) and self.find(name) is not None

    def module(self, name: str) -> _Module:
        if name not in self._modules:
            path = self.find(name)
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            self._modules[name] = _Module.of(name, syntax_tree(self.text(path)), package)
        return self._modules[name]

    # ------------------------------------------------------------------ names

    def _resolve(self, module: str, name: str) -> Reference | str | None:
        """What a name of a module stands for: a definition of ours, a library, or None."""
        if not name:
            return (module, "")
        home = self.module(module)
        if name in home.definitions:
            return (module, name)
        if name in home.imports:
            return self._target(*home.imports[name])
        if self.is_module(f"{module}.{name}"):
            return (f"{module}.{name}", "")
        return None

    def _target(self, module: str, name: str) -> Reference | str | None:
        """What an imported name stands for."""
        top = module.partition(".")[0]
        if not top or top in sys.stdlib_module_names:
            return None
        if not _is_ours(top):
            return top
        if name and self.is_module(f"{module}.{name}"):
            return (f"{module}.{name}", "")
        if not self.is_module(module):
            return None  # the import will fail, and say so
        if not name or name == "*":
            return (module, "")
        return self._resolve(module, name) or (module, "")

    def _lookup(
        self, chain: list[str], home: _Module | None, local: dict[str, tuple[str, str]]
    ) -> Reference | str | None:
        """What a dotted name stands for: as far as it leads through modules of ours."""
        head, *rest = chain
        if head in local:
            found = self._target(*local[head])
            if isinstance(found, tuple) and not found[1] and not local[head][1]:
                found = (self._bound_package(head, local[head][0]), "")
        elif home is None:
            return None
        elif head in home.imports:
            found = self._target(*home.imports[head])
            if isinstance(found, tuple) and not found[1] and not home.imports[head][1]:
                found = (self._bound_package(head, home.imports[head][0]), "")
        else:
            return (home.name, head) if head in home.definitions else None
        while rest and isinstance(found, tuple) and not found[1]:
            inner = self._resolve(found[0], rest.pop(0))
            if inner is None:
                return found  # made at run time: all of the module counts
            found = inner
        return found

    @staticmethod
    def _bound_package(bound: str, module: str) -> str:
        """What `import a.b` binds is a; what `import a.b as c` binds is a.b."""
        return bound if module.startswith(f"{bound}.") else module

    # ------------------------------------------------------------------ definitions

    def _words_of(self, home: _Module | None, local: dict) -> Callable | None:
        if self.words:
            return None

        def fields(function: ast.expr) -> list[str | None]:
            chain = _dotted(function)
            found = self._lookup(chain, home, local) if chain else None
            return self._word_fields(found) if isinstance(found, tuple) else []

        return fields

    @functools.cache  # noqa: B019 (one instance a process, or a test's)
    def _word_fields(self, reference: Reference) -> list[str | None]:
        """Fields of a class of ours in order: a name where it holds words, else None."""
        module, name = reference
        classes = self.module(module).definitions.get(name, []) if name else []
        if len(classes) != 1 or not isinstance(classes[0], ast.ClassDef):
            return []
        fields: list[str | None] = []
        for base in classes[0].bases:
            chain = _dotted(base)
            found = self._lookup(chain, self.module(module), {}) if chain else None
            fields += self._word_fields(found) if isinstance(found, tuple) else []
        for statement in classes[0].body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                words = _mentions_words(statement.annotation)
                fields.append(statement.target.id if words else None)
        return fields

    def _references(
        self, statements: Iterable[ast.AST], home: _Module | None, package: str
    ) -> tuple[set[Reference], set[str]]:
        """Definitions and libraries that statements refer to."""
        statements = list(statements)
        local = {
            bound: (module, name)
            for statement in statements
            for node in ast.walk(statement)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for bound, module, name in _bound_by(node, package)
        }
        found: set[Reference] = set()
        libraries: set[str] = set()
        for chain in (c for statement in statements for c in _chains(statement)):
            target = self._lookup(chain, home, local)
            if isinstance(target, str):
                libraries.add(target)
            elif target is not None:
                found.add(target)
        # a library may be imported for what it does to others, and never named
        libraries |= {
            top
            for module, _ in local.values()
            if (top := module.partition(".")[0])
            and top not in sys.stdlib_module_names
            and not _is_ours(top)
        }
        return found, libraries

    def _normal(self, statement: ast.stmt, home: _Module | None, package: str) -> ast.AST:
        local = {
            bound: (module, name)
            for node in ast.walk(statement)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for bound, module, name in _bound_by(node, package)
        }
        if not getattr(statement, "normal", False):
            statement = _Normal(self._words_of(home, local)).visit(statement)
            statement.normal = True
        return statement

    def read(self, reference: Reference) -> _Read:
        """A definition; all of a module where no name is given; what runs at import."""
        if reference not in self._read:
            module, name = reference
            home = self.module(module)
            also: set[Reference] = set()
            if name == IMPORT:
                statements, also = self._rest(home)
            elif name:
                statements = home.definitions[name]
            else:
                every = [s for several in home.definitions.values() for s in several]
                statements = list({id(s): s for s in every}.values())
            normal = [self._normal(s, home, home.package) for s in statements]
            references, libraries = self._references(normal, home, home.package)
            references |= also
            text = "\n".join(ast.dump(s) for s in normal)
            self._read[reference] = _Read(
                digest(text)[:32], tuple(sorted(references)), tuple(sorted(libraries))
            )
        return self._read[reference]

    def _rest(self, home: _Module) -> tuple[list[ast.stmt], set[Reference]]:
        """What a module does when it is imported, beyond definitions, and what that runs too.

        A module of ours does nothing (a test holds it). That of a user may, and so may those that
        it imports.
        """
        if home.name.partition(".")[0] == "helpers":
            return home.rest, set()
        targets = [self._target(*t) for t in home.imports.values()]
        return home.rest, {(t[0], IMPORT) for t in targets if isinstance(t, tuple)}

    def code(self, references: Iterable[Reference], libraries: Iterable[str] = ()) -> "Code":
        """All definitions that can be reached from the ones named, these included."""
        queue, seen = list(references), set()
        definitions: dict[str, str] = {}
        used = {*libraries, *COMPUTING_LIBRARIES}
        while queue:
            reference = queue.pop()
            module, name = reference
            if reference in seen or _is_machinery(module):
                continue
            seen.add(reference)
            read = self.read(reference)
            used.update(read.libraries)
            queue += read.references
            if name != IMPORT:
                queue.append((module, IMPORT))
            elif not self.module(module).rest:
                continue  # nothing runs
            definitions[f"{module}:{name}"] = read.digest
        return Code(dict(sorted(definitions.items())), _versions(tuple(sorted(used))))

    def code_of_cells(self, cells: list[str]) -> tuple[str, "Code"]:
        """Digest of a notebook's code, cell by cell, and the code that its names reach."""
        trees = [syntax_tree(cell) for cell in cells]
        statements = [s for tree in trees for s in tree.body]
        references, libraries = self._references(statements, None, "")
        text = [ast.dump(_Normal(None).visit(tree)) for tree in trees]
        return digest(*text), self.code(references, libraries)


def _is_machinery(module: str) -> bool:
    return any(module == m or module.startswith(f"{m}.") for m in MACHINERY)


def _dotted(node: ast.expr) -> list[str]:
    """Names of a.b.c, in order; none where it is no dotted name."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def _chains(node: ast.AST, bound: frozenset[str] = frozenset()) -> Iterator[list[str]]:
    """Dotted names in a tree, each as far as it goes, without those of variables."""
    if isinstance(node, ast.Attribute | ast.Name) and (chain := _dotted(node)):
        if chain[0] not in bound:
            yield chain
        return
    inner = [node.body] if isinstance(node, ast.Lambda) else getattr(node, "body", [])
    body = {id(child) for child in inner} if isinstance(node, _SCOPES) else set()
    variables = bound | _variables(node) if body else bound
    for child in ast.iter_child_nodes(node):
        # decorators and defaults are looked up outside
        yield from _chains(child, variables if id(child) in body else bound)


def _variables(function: ast.AST) -> frozenset[str]:
    """Arguments of a function and names that it assigns; imported names lead elsewhere."""
    arguments = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
    stored, shared = set(), set()
    queue = [function.body] if isinstance(function, ast.Lambda) else list(function.body)
    while queue:
        node = queue.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            stored.add(node.name)  # what it assigns is its own
        elif isinstance(node, ast.Global | ast.Nonlocal):
            shared.update(node.names)
        elif not isinstance(node, ast.Lambda):
            if _is_stored(node):
                stored.add(node.id)
            queue.extend(ast.iter_child_nodes(node))
    return frozenset((arguments | stored) - shared)


# --------------------------------------------------------------------------- as imported

_SNAPSHOTS: dict[Path, str] = {}


def snapshot(path: Path) -> str:
    """Text of a file as this process first saw it: what was imported is what counts."""
    if path not in _SNAPSHOTS:
        _SNAPSHOTS[path] = path.read_text(encoding="utf-8")
    return _SNAPSHOTS[path]


def remember_imported() -> None:
    """Read the source of every module of ours that is imported by now."""
    for name, module in list(sys.modules.items()):
        if name not in _REMEMBERED:
            _REMEMBERED.add(name)
            file = getattr(module, "__file__", None)
            if file and file.endswith(".py") and (name.startswith("helpers.") or _apart(file)):
                snapshot(Path(file))


_REMEMBERED: set[str] = set()


@functools.cache
def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    names = {d for library in libraries for d in _distributions_of(library)}
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in sorted(names)
    }


@functools.cache
def _distributions_of(library: str) -> tuple[str, ...]:
    """Distributions that bring an importable name; most bear its name."""
    name = _SLOW_TO_FIND.get(library, library)
    try:
        return (importlib.metadata.metadata(name)["Name"],)
    except importlib.metadata.PackageNotFoundError:
        return tuple(sorted(set(_every_distribution().get(library, ()))))


@functools.cache
def _every_distribution() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())  # reads a thousand files


@dataclass(frozen=True)
class Code:
    """The code behind a step or a chapter: digests of definitions, versions of libraries."""

    definitions: dict[str, str]
    versions: dict[str, str]

    def __or__(self, other: "Code") -> "Code":
        return Code(
            dict(sorted((self.definitions | other.definitions).items())),
            dict(sorted((self.versions | other.versions).items())),
        )

    @property
    def modules(self) -> list[str]:
        return sorted({name.partition(":")[0] for name in self.definitions})


STEP_SOURCES = Sources(words=False)
PAGE_SOURCES = Sources(words=True)


def unchanged(code: Code) -> bool:
    """Whether the files still hold the definitions of a chapter's code."""
    now = Sources(words=True, text=lambda path: path.read_text(encoding="utf-8"))
    for name, known in code.definitions.items():
        reference = tuple(name.split(":"))
        try:
            if now.read(reference).digest != known:
                return False
        except (KeyError, OSError, SyntaxError, AttributeError):
            return False  # it is not there any more, or cannot be read
    return True
