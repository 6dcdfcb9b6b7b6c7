"""Every step of the book: what an edit computes anew, and what it leaves alone."""

import ast
import dis
import importlib
import inspect
import pkgutil
import types
from functools import cache
from pathlib import Path

import pytest

import helpers
from helpers.store.reach import STEP_SOURCES, Sources
from helpers.store.source import Module, snapshot
from helpers.store.steps import StepFunction

ROOT = Path(__file__).parents[1]
ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM")
WORDS = ("facts", "plots", "scores", "summaries", "answerability", "catalogue")


@cache
def modules() -> dict[str, types.ModuleType]:
    names = [m.name for m in pkgutil.walk_packages(helpers.__path__, "helpers.")]
    return {name: importlib.import_module(name) for name in names}


@cache
def steps() -> list[StepFunction]:
    found = {
        id(value): value
        for name, module in modules().items()
        for value in vars(module).values()
        if isinstance(value, StepFunction) and value.__module__ == name
    }
    return list(found.values())


def name_of(step: StepFunction) -> str:
    return f"{step.__module__}:{step.__qualname__}"


def test_there_are_steps_to_look_at():
    assert len(steps()) > 100


@pytest.mark.parametrize("step", steps(), ids=name_of)
def test_a_step_reaches_no_words_facts_plots_or_scores(step):
    for module in step.code.modules:
        parts = module.split(".")
        wordy = [p for p in parts if p in WORDS or p.endswith("_report")]
        assert not wordy, (
            f"{name_of(step)} reaches {module}: move what it computes out of there, so that an "
            "edit of words does not compute it anew"
        )


@pytest.mark.parametrize("name", sorted(modules()))
def test_modules_do_nothing_when_they_are_imported(name):
    if name == "helpers.cli":  # its commands are registered by decorators
        return
    rest = STEP_SOURCES.module(name).rest
    assert not [ast.unparse(s) for s in rest], f"{name}: only imports, definitions and constants"


# ------------------------------------------------------- against what Python itself would call


class Called:
    """Functions and classes of ours that can be called from one: read from compiled code.

    An independent way to the same answer: names are looked up in the modules as they are loaded.
    """

    def __init__(self, start):
        self.found: set[tuple[str, str]] = set()
        self.read: set[types.CodeType] = set()
        self.add(start)

    def add(self, value) -> None:
        value = getattr(value, "py_func", value)  # numba
        if isinstance(value, StepFunction):
            value = value.function
        value = inspect.unwrap(value) if callable(value) else value
        module = getattr(value, "__module__", None)
        if not isinstance(module, str) or not module.startswith("helpers."):
            return
        if module.startswith("helpers.store") or module == "helpers.home":
            return
        if isinstance(value, type):
            if (module, value.__qualname__) in self.found:
                return
            self.found.add((module, value.__qualname__))
            for base in value.__bases__:
                self.add(base)
            for member in vars(value).values():
                inner = getattr(member, "__func__", None) or getattr(member, "fget", None)
                inner = inner or getattr(member, "func", None) or member
                if isinstance(inner, types.FunctionType):
                    self.code(inner.__code__, inner.__globals__)
        elif isinstance(value, types.FunctionType):
            top = value.__qualname__.partition(".")[0]
            if value.__code__ in self.read:  # of a name there may be several closures
                return
            self.read.add(value.__code__)
            self.found.add((module, top))
            self.code(value.__code__, value.__globals__)

    def code(self, code: types.CodeType, names: dict) -> None:
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self.code(constant, names)
        words = spoken(code.co_filename)
        used = [
            i
            for i in dis.get_instructions(code)
            if not any(
                start <= (i.positions.lineno or 0, i.positions.col_offset or 0) < end
                for start, end in words
            )
        ]
        attributes = {i.argval for i in used if i.opname in ATTRIBUTES}
        for i in used:
            if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                self.value(names.get(i.argval), attributes)
            elif i.opname == "IMPORT_NAME" and i.argval.startswith("helpers."):
                self.value(modules()[i.argval], attributes)

    def value(self, value, names) -> None:
        if isinstance(value, types.ModuleType) and value.__name__.startswith("helpers."):
            for other in names:
                inner = getattr(value, other, None)
                if not isinstance(inner, types.ModuleType):
                    self.value(inner, names)
        elif isinstance(value, dict):
            for item in value.values():
                self.value(item, names)
        elif isinstance(value, tuple | list | set | frozenset):
            for item in value:
                self.value(item, names)
        elif callable(value):
            self.add(value)
        elif type(value).__module__.startswith("helpers."):
            self.add(type(value))
            self.value(list(vars(value).values()) if hasattr(value, "__dict__") else None, names)


def definitions(*layers: str) -> list[tuple[str, str]]:
    """Functions and classes of layers."""
    return [
        (name, definition)
        for name in sorted(modules())
        if name.split(".")[1] in layers
        for definition, found in STEP_SOURCES.module(name).definitions.items()
        if isinstance(found[0], ast.FunctionDef | ast.ClassDef)
    ]


def edited(module: str, name: str) -> Sources:
    """The sources with one more line in a function or class."""
    tree = ast.parse(snapshot(STEP_SOURCES.find(module)))
    (target,) = [
        n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == name
    ]
    target.body.append(ast.parse("edited = True").body[0])
    sources = Sources(words=False)
    sources._modules = dict(STEP_SOURCES._modules)
    sources._modules[module] = Module.of(module, tree, module.rpartition(".")[0])
    sources._read = {k: v for k, v in STEP_SOURCES._read.items() if k[0] != module}
    return sources


@cache
def called() -> dict[str, set[tuple[str, str]]]:
    return {name_of(step): Called(step).found for step in steps()}


@cache
def before() -> dict[str, dict]:
    return {name_of(step): step.code.definitions for step in steps()}


@cache
def spoken(filename: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where in a file words stand: from (line, column) to the same.

    Arguments of raised errors, and formatted texts in functions that return Words.
    """
    if filename == "<string>":  # made by dataclasses
        return []
    tree = ast.parse(Path(filename).read_text())
    found = [
        ((a.lineno, a.col_offset), (node.end_lineno, node.end_col_offset))
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        for a in [*node.exc.args, *(k.value for k in node.exc.keywords)][:1]
    ]
    return found + [
        ((text.lineno, text.col_offset), (text.end_lineno, text.end_col_offset))
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.returns
        and "Words" in ast.unparse(node.returns)
        for text in ast.walk(node)
        if isinstance(text, ast.JoinedStr)
    ]


@cache
def makes_constants() -> set[str]:
    """Functions that are called where a constant is stated: their results cannot be followed."""
    statements = [
        part
        for module in modules()
        for several in STEP_SOURCES.module(module).definitions.values()
        for statement in several
        for part in (statement.body if isinstance(statement, ast.ClassDef) else [statement])
        if isinstance(part, ast.Assign | ast.AnnAssign)
    ]
    return {n.id for s in statements for n in ast.walk(s) if isinstance(n, ast.Name)}


@pytest.mark.parametrize("layer", ["models", "metrics", "data", "stats", "tasks"])
def test_a_step_reaches_what_it_can_call_and_nothing_else(layer):
    for module, name in definitions(layer):
        reached = {step for step, found in before().items() if f"{module}:{name}" in found}
        expected = {step for step, found in called().items() if (module, name) in found}
        assert expected <= reached, f"{module}.{name}: {expected - reached} would keep its results"
        if name not in makes_constants():
            assert reached <= expected, (
                f"{module}.{name}: {reached - expected} would be computed anew"
            )


@pytest.mark.parametrize("layer", ["models", "metrics"])
def test_an_edit_changes_the_steps_that_call_what_was_edited_and_no_others(layer):
    before()
    first = dict(reversed(definitions(layer)))
    assert len(first) > 10
    for module, name in first.items():
        sources = edited(module, name)
        changed = {
            name_of(s) for s in steps() if sources.code([(s.__module__, s.__qualname__)]) != s.code
        }
        expected = {step for step, found in called().items() if (module, name) in found}
        assert changed == expected, f"{module}.{name}"
