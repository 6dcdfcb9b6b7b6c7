"""Chapters: MyST Markdown notebooks with typed parameters."""

import ast
import difflib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from helpers.data import registry
from helpers.data.errors import DataError
from helpers.home import root
from helpers.presets import PRESETS

MOST_SEED = 2**32 - 1  # of numpy's legacy generators, which scikit-learn and others use
EVERY = "every"  # of `needs`: all chapters that save scores
_SETTINGS = ("needs", "requires", "registry", "scores", "cards", "kept")  # in front matter


# the usual form of that cell; jupytext, which reads every form, takes half a second to start
_PARAMETERS = re.compile(
    r"^```\{code-cell\}[^\n]*\n:tags: \[parameters\]\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


class ChapterError(ValueError):
    """An unknown or ill-formed chapter, or parameters that it does not take."""


@dataclass(frozen=True)
class Chapter:
    """One executable page.

    Parameters
    ----------
    name : str
        Path below the book's folder without suffix, as in the table of contents:
        ``chapters/embeddings/consistency``.
    path : Path
        The MyST Markdown file.
    """

    name: str
    path: Path

    @cached_property
    def notebook(self):
        """The source as a notebook without outputs (nbformat)."""
        import jupytext

        return jupytext.read(self.path, fmt="md:myst")

    @cached_property
    def _text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def _settings(self) -> dict[str, Any]:
        head = self._text.removeprefix("---\n").split("\n---", 1)[0]
        settings = yaml.safe_load(head).get("benchbook", {})
        if unknown := set(settings) - set(_SETTINGS):
            raise ChapterError(
                f"{self.name}: front matter has benchbook: {sorted(unknown)}; "
                f"known are {', '.join(_SETTINGS)}"
            )
        return settings

    @property
    def needs(self) -> tuple[str, ...]:
        """Chapters whose scores this one reads, or `EVERY`; see `needs_of`."""
        return tuple(self._settings.get("needs", ()))

    @property
    def requires(self) -> tuple[str, ...]:
        """Data sets of the section on real data, besides the parameter `dataset`.

        In front matter `every KIND` stands for all that the registry has of a kind and that are
        verified.
        """
        found = []
        for name in self._settings.get("requires", ()):
            every, _, kind = name.partition(" ")
            found += _verified(kind) if every == "every" else [name]
        return tuple(dict.fromkeys(found))

    @property
    def shows_registry(self) -> bool:
        """Whether the page is about all entries of the registry."""
        return self._settings.get("registry", False)

    def datasets(self, parameters: dict[str, Any]) -> tuple[str, ...]:
        """Data sets that a run may read: those of front matter and those that parameters name."""
        if self.shows_registry:
            return tuple(registry.names())
        known = set(registry.known())
        named = [v for v in parameters.values() if isinstance(v, str) and v in known]
        return tuple(dict.fromkeys([*named, *self.requires]))

    @property
    def saves_scores(self) -> bool:
        return self._settings.get("scores", True)

    @property
    def kept(self) -> tuple[str, ...]:
        """Long runs whose kept results the page shows (`helpers.store.kept`)."""
        return tuple(self._settings.get("kept", ()))

    @property
    def shows_cards(self) -> bool:
        """Whether the page shows its parameters and where it comes from."""
        return self._settings.get("cards", True)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Parameters with their default values, from the cell tagged ``parameters``."""
        cells = _PARAMETERS.findall(self._text)
        if len(cells) != 1:  # not as usual: who reads notebooks shall say what there is
            cells = [c.source for c in self.notebook.cells if has_tag(c, "parameters")]
        if len(cells) != 1:
            raise ChapterError(
                f"{self.name}: {len(cells)} cells are tagged parameters; a chapter has one"
            )
        found = {}
        for node in ast.parse(cells[0]).body:
            try:
                (target,) = node.targets
                found[target.id] = ast.literal_eval(node.value)
            except (AttributeError, ValueError):
                raise ChapterError(
                    f"{self.name}: the parameters cell holds {ast.unparse(node)!r}; it may hold "
                    "assignments of literals only"
                ) from None
        if missing := {"dataset", "seed", "preset"} - set(found):
            raise ChapterError(f"{self.name}: the parameters cell lacks {sorted(missing)}")
        return found

    @cached_property
    def following(self) -> tuple[str, ...]:
        """Parameters that name further data sets of the kind of `dataset`.

        Where only `dataset` is given, they name the same: each section asks the reader's data.
        """
        known = set(registry.names())
        kind = registry.dataset(self.defaults["dataset"]).kind
        others = {k: v for k, v in self.defaults.items() if k != "dataset" and v in known}
        return tuple(name for name, v in others.items() if registry.dataset(v).kind == kind)

    def check(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """All parameters of a run: the defaults, replaced by the ones given.

        A `dataset` that is given is also what the parameters of `following` name, but those given.

        Raises
        ------
        ChapterError
            A parameter that the chapter does not have, or a value of another type or outside
            its range.
        """
        values = self.defaults
        for name, value in parameters.items():
            if name not in self.defaults:
                known = ", ".join(self.defaults)
                raise ChapterError(f"{self.name} has no parameter {name!r}; it has {known}")
            values = values | {name: _checked(self.name, name, value, self.defaults[name])}
        if values["dataset"] != self.defaults["dataset"]:
            given = {name for name in self.following if name in parameters}
            values = values | dict.fromkeys(set(self.following) - given, values["dataset"])
        return values


def _checked(chapter: str, name: str, value: Any, default: Any) -> Any:
    kind = type(default)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise ChapterError(
            f"{chapter}: parameter {name} is {value!r}; it takes {kind.__name__}, as {default!r}"
        )
    if name == "preset" and value not in PRESETS:
        raise ChapterError(
            f"{chapter}: parameter preset is {value!r}; it is one of {', '.join(PRESETS)}"
        )
    if name == "seed" and value < 0:
        raise ChapterError(f"{chapter}: parameter seed is {value}; it is at least 0")
    if name == "seed" and value > MOST_SEED:
        raise ChapterError(f"{chapter}: parameter seed is {value}; it is at most {MOST_SEED}")
    if name == "n_components" and value < 1:
        raise ChapterError(f"{chapter}: parameter n_components is {value}; it is at least 1")
    if kind is str and default in registry.names():
        try:
            registry.module_name(value)  # an unknown name is refused before a reader is imported
        except DataError as error:
            raise ChapterError(f"{chapter}: parameter {name}: {error}") from None
        kind = registry.dataset(default).kind
        if registry.dataset(value).kind != kind:
            fitting = [n for n in registry.known() if registry.dataset(n).kind == kind]
            raise ChapterError(
                f"{chapter}: parameter {name} is {value!r}; it is one of {', '.join(fitting)}"
            )
    return value


def needs_of(chapter: Chapter, chapters: Mapping[str, Chapter]) -> tuple[str, ...]:
    """Names below ``chapters/`` of those whose scores a chapter reads; they are run first.

    In front matter `every` stands for all chapters that save scores.
    """
    if chapter.needs != (EVERY,):
        return chapter.needs
    prefix = "chapters/"
    return tuple(
        name.removeprefix(prefix)
        for name, one in chapters.items()
        if name.startswith(prefix) and one.saves_scores
    )


def _verified(kind: str) -> list[str]:
    return [name for name in registry.of_kind(kind) if registry.dataset(name).verified]


def parse_value(text: str, default: Any) -> Any:
    """A parameter's value from the command line: text stays text, the rest is a literal."""
    if isinstance(default, str):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text  # of the wrong type: refused with the others


def has_tag(cell, tag: str) -> bool:
    return tag in cell.metadata.get("tags", ())


def _front_matter(file: Path) -> str:
    return file.read_text(encoding="utf-8").split("\n---", 1)[0]


# --------------------------------------------------------------------------- the book


@dataclass(frozen=True)
class Book:
    """The pages of the table of contents, in its order."""

    folder: Path = field(default_factory=root)

    @cached_property
    def toc(self) -> dict[str, Any]:
        file = self.folder / "_toc.yml"
        if not file.is_file():
            raise ChapterError(
                f"{self.folder} is not the book: it holds no _toc.yml; "
                "call benchbook from the book's folder"
            )
        return yaml.safe_load(file.read_text(encoding="utf-8"))

    @cached_property
    def pages(self) -> list[str]:
        """Names of all pages."""

        def files(node):
            if isinstance(node, list):
                return [f for item in node for f in files(item)]
            own = [node["file"]] if "file" in node else []
            parts = (node.get(k, []) for k in ("parts", "chapters", "sections"))
            return own + [f for part in parts for f in files(part)]

        return [self.toc["root"], *files(self.toc)]

    @cached_property
    def chapters(self) -> dict[str, Chapter]:
        """The pages that are executed: those whose front matter names a kernel."""
        return {
            name: Chapter(name, self.page_file(name))
            for name in self.pages
            if "kernelspec:" in _front_matter(self.page_file(name))
        }

    @property
    def tiers(self) -> list[str]:
        """Folders of chapters, in the order of the table of contents."""
        return list(dict.fromkeys(n.split("/")[1] for n in self.pages if n.count("/") == 2))

    def pages_of(self, tier: str) -> list[str]:
        """Pages of a tier.

        Raises
        ------
        ChapterError
            There is no such tier; all are named.
        """
        if tier not in self.tiers:
            raise ChapterError(f"there is no tier {tier!r}; there are {', '.join(self.tiers)}")
        return [n for n in self.pages if n.startswith(f"chapters/{tier}/")]

    def caption(self, tier: str) -> str:
        """What the table of contents calls a tier."""
        first = self.pages_of(tier)[0]
        parts = self.toc.get("parts", [])
        found = (p.get("caption") for p in parts if {"file": first} in p.get("chapters", []))
        return next(found, None) or tier.replace("_", " ").capitalize()

    def page_file(self, name: str) -> Path:
        file = self.folder / f"{name}.md"
        if not file.is_file():
            raise ChapterError(f"_toc.yml names {name}, but there is no file {file}")
        return file

    def chapter(self, name: str) -> Chapter:
        """A chapter by its name or path; ``chapters/`` and ``.md`` may be left out.

        Raises
        ------
        ChapterError
            There is no such chapter; the message names the closest one.
        """
        plain = name.removesuffix(".md").strip("/")
        for candidate in (plain, f"chapters/{plain}"):
            if candidate in self.chapters:
                return self.chapters[candidate]
        close = difflib.get_close_matches(plain, self.chapters, n=1, cutoff=0.3)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ChapterError(f"there is no chapter {name!r}{hint} (`benchbook list` shows all)")


def plain_json(value: Any) -> Any:
    """A copy of nested mappings that holds plain dicts and lists only."""
    return json.loads(json.dumps(value))
