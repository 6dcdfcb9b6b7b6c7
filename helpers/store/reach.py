"""What code a step or a chapter stands on: the definitions that it can reach by name.

A definition is a function, a class or a constant at the top of a module. It reaches the ones whose
names it holds, in its own module or through imports, and these reach others. Whatever lies in the
same file beside them does not count, nor do words where a step is concerned (`helpers.words`).
"""

import ast
import functools
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from helpers.store.source import (
    Module,
    bound_by,
    is_ours,
    is_stored,
    snapshot,
    source_file,
    syntax_tree,
)
from helpers.store.versions import versions
from helpers.store.wordless import Normal, mentions_words

COMPUTING_LIBRARIES = ("numpy", "scipy")  # everything that computes stands on these two
MACHINERY = ("helpers.store", "helpers.home")  # a format number stands for it in keys

IMPORT = "<import>"

Reference = tuple[str, str]
"""Module and name of a definition; the name is empty for all of the module, or `IMPORT`."""


def digest(*parts: str) -> str:
    """SHA-256 (64 hex digits) of texts, each one's length counted in."""
    sha = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        sha.update(f"{len(encoded)}:".encode() + encoded)
    return sha.hexdigest()


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
        self._modules: dict[str, Module] = {}
        self._read: dict[Reference, _Read] = {}

    def is_module(self, name: str) -> bool:
        return is_ours(name.partition(".")[0]) and self.find(name) is not None

    def module(self, name: str) -> Module:
        if name not in self._modules:
            path = self.find(name)
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            self._modules[name] = Module.of(name, syntax_tree(self.text(path)), package)
        return self._modules[name]

    # ------------------------------------------------------------------ names

    def _resolve(
        self, module: str, name: str, asked: frozenset[Reference] = frozenset()
    ) -> Reference | str | None:
        """What a name of a module stands for: a definition of ours, a library, or None."""
        if not name:
            return (module, "")
        home = self.module(module)
        if name in home.definitions:
            return (module, name)
        if name in home.imports and (module, name) not in asked:  # modules may import each other
            return self._target(*home.imports[name], asked | {(module, name)})
        if self.is_module(f"{module}.{name}"):
            return (f"{module}.{name}", "")
        return None

    def _target(
        self, module: str, name: str, asked: frozenset[Reference] = frozenset()
    ) -> Reference | str | None:
        """What an imported name stands for."""
        top = module.partition(".")[0]
        if not top or top in sys.stdlib_module_names:
            return None
        if not is_ours(top):
            return top
        if name and self.is_module(f"{module}.{name}"):
            return (f"{module}.{name}", "")
        if not self.is_module(module):
            return None  # the import will fail, and say so
        if not name or name == "*":
            return (module, "")
        return self._resolve(module, name, asked) or (module, "")

    def _lookup(
        self, chain: list[str], home: Module | None, local: dict[str, tuple[str, str]]
    ) -> Reference | str | None:
        """What a dotted name stands for: as far as it leads through modules of ours."""
        head, *rest = chain
        imports = local if home is None else home.imports | local
        if head in imports:
            module, name = imports[head]
            found = self._target(module, name)
            if isinstance(found, tuple) and not name and module.startswith(f"{head}."):
                found = (head, "")  # `import a.b` binds a
        else:
            return (home.name, head) if home and head in home.definitions else None
        while rest and isinstance(found, tuple) and not found[1]:
            inner = self._resolve(found[0], rest.pop(0))
            if inner is None:
                return found  # made at run time: all of the module counts
            found = inner
        return found

    # ------------------------------------------------------------------ definitions

    def _words_of(self, home: Module | None, local: dict) -> Callable | None:
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
                words = mentions_words(statement.annotation)
                fields.append(statement.target.id if words else None)
        return fields

    def _references(
        self, statements: Iterable[ast.AST], home: Module | None, package: str
    ) -> tuple[set[Reference], set[str]]:
        """Definitions and libraries that statements refer to."""
        statements = list(statements)
        local = _imports(statements, package)
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
            and not is_ours(top)
        }
        return found, libraries

    def _normal(self, statement: ast.stmt, home: Module | None, package: str) -> ast.AST:
        if not getattr(statement, "normal", False):  # a tree is changed in place, once
            words_of = self._words_of(home, _imports([statement], package))
            statement = Normal(words_of).visit(statement)
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

    def _rest(self, home: Module) -> tuple[list[ast.stmt], set[Reference]]:
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
        return Code(dict(sorted(definitions.items())), tuple(sorted(used)))

    def code_of_cells(self, cells: list[str]) -> tuple[str, "Code"]:
        """Digest of a notebook's code, cell by cell, and the code that its names reach."""
        trees = [syntax_tree(cell) for cell in cells]
        statements = [s for tree in trees for s in tree.body]
        references, libraries = self._references(statements, None, "")
        text = [ast.dump(Normal(None).visit(tree)) for tree in trees]
        return digest(*text), self.code(references, libraries)


def _imports(statements: list[ast.stmt], package: str) -> dict[str, tuple[str, str]]:
    """Names that imports in statements bind, with the module and the name that they stand for."""
    return {
        bound: (module, name)
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for bound, module, name in bound_by(node, package)
    }


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
            if is_stored(node):
                stored.add(node.id)
            queue.extend(ast.iter_child_nodes(node))
    return frozenset((arguments | stored) - shared)


@dataclass(frozen=True)
class Code:
    """The code behind a step or a chapter: digests of definitions, names of libraries."""

    definitions: dict[str, str]
    libraries: tuple[str, ...]

    def __or__(self, other: "Code") -> "Code":
        return Code(
            dict(sorted((self.definitions | other.definitions).items())),
            tuple(sorted({*self.libraries, *other.libraries})),
        )

    @property
    def versions(self) -> dict[str, str]:
        """Versions of Python and of the libraries."""
        return versions(self.libraries)

    @property
    def modules(self) -> list[str]:
        return sorted({name.partition(":")[0] for name in self.definitions})


STEP_SOURCES = Sources(words=False)
PAGE_SOURCES = Sources(words=True)


def _as_imported(module: str) -> bool:
    """Whether a module's file holds what it held when this process first saw it."""
    path = source_file(module)
    try:
        return path is not None and path.read_text(encoding="utf-8") == snapshot(path)
    except (OSError, UnicodeDecodeError):
        return False


def unchanged(code: Code) -> bool:
    """Whether the files still hold the definitions of a chapter's code."""
    now = PAGE_SOURCES
    if not all(map(_as_imported, code.modules)):
        now = Sources(words=True, text=lambda path: path.read_text(encoding="utf-8"))
    for name, known in code.definitions.items():
        reference = tuple(name.split(":"))
        try:
            if now.read(reference).digest != known:
                return False
        except (KeyError, OSError, SyntaxError, AttributeError):
            return False  # it is not there any more, or cannot be read
    return True
