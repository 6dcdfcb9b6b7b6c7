"""Chapter runs: a chapter with parameters, kept under its identity."""

import json
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from helpers.book.chapters import Chapter, ChapterError, has_tag, needs_of, plain_json
from helpers.book.sections import REAL_DATA
from helpers.data import registry
from helpers.home import home
from helpers.store.disk import canonical_json, file_sha256
from helpers.store.reach import Code, digest
from helpers.store.reached import code_of_page

FORMAT = 2  # of what a run leaves; a larger number runs every chapter again


def hashes(folder: Path) -> dict[str, str]:
    """Hash of each file that a run leaves."""
    names = ("notebook.ipynb", "scores.parquet", "units.parquet", "splits.json")
    return {n: file_sha256(folder / n) for n in names if (folder / n).is_file()}


@dataclass(frozen=True, eq=False)
class Run:
    """A chapter with all its parameters.

    Parameters
    ----------
    chapter : Chapter
    parameters : dict
        All of them, checked.
    unavailable : dict
        Data sets that cannot be had here, each with the reason and the way to get it.
    needs : tuple of Run
        Runs whose scores the chapter reads.
    """

    chapter: Chapter
    parameters: dict[str, Any]
    unavailable: dict[str, str]
    needs: tuple["Run", ...] = ()

    @cached_property
    def _code(self) -> tuple[str, Code]:
        cells = [c.source for c in self.notebook().cells if c.cell_type == "code"]
        try:
            readers = tuple(map(registry.module_name, self.datasets))
            return code_of_page(tuple(cells), readers)
        except SyntaxError:  # the run will fail in that cell, and say so
            return digest(*cells), Code({}, ())

    @property
    def datasets(self) -> tuple[str, ...]:
        """Data sets that the chapter may read."""
        return self.chapter.datasets(self.parameters)

    @property
    def distributions(self) -> tuple[str, ...]:
        """Libraries that the chapter and its steps use."""
        return tuple(self._code[1].versions)

    @cached_property
    def key(self) -> str:
        """Identity: code cells (not prose), parameters, data at hand, code in reach, needs, and
        results of long runs that the page shows.
        """
        text, code = self._code
        return digest(
            self.chapter.name,
            text,
            canonical_json(self.parameters),
            canonical_json([FORMAT, sorted(self.unavailable), self.chapter.saves_scores]),
            canonical_json([code.definitions, code.versions]),
            *(canonical_json(own) for d in self.datasets if (own := registry.identity(d))),
            *(need.key for need in self.needs),
            *(file_sha256(file) for file in self._kept_files),
        )

    @property
    def _kept_files(self) -> list[Path]:
        if not self.chapter.kept:
            return []  # most chapters: the command does not wait for pandas
        from helpers.store import kept

        return [file for name in self.chapter.kept for file in kept.files(name)]

    @property
    def folder(self) -> Path:
        return home() / "runs" / self.chapter.name.removeprefix("chapters/") / self.key[:16]

    @property
    def record(self) -> dict[str, Any] | None:
        """What ``run.json`` says of the run; None where there is none yet, or a broken one."""
        try:
            return json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    @property
    def done(self) -> bool:
        """Whether the run succeeded and all that it left is as it left it."""
        record = self.record
        return (
            record is not None
            and record["status"] == "done"
            and record["files"] == hashes(self.folder)
        )

    @property
    def overrides(self) -> dict[str, Any]:
        defaults = self.chapter.defaults
        return {k: v for k, v in self.parameters.items() if v != defaults[k]}

    @property
    def command(self) -> str:
        """The command that repeats this run."""
        given = (f"-p {shlex.quote(f'{k}={v}')}" for k, v in self.overrides.items())
        return " ".join(["benchbook run", self.chapter.name, *given])

    def notebook(self):
        """The chapter's notebook; what needs data that cannot be had gives way to a note."""
        notebook = plain_copy(self.chapter.notebook)
        if self.unavailable:
            import nbformat

            note = nbformat.v4.new_markdown_cell(_unavailable_note(self.unavailable), id="no-data")
            first = next((i for i, c in enumerate(notebook.cells) if has_tag(c, REAL_DATA)), None)
            if first is not None:
                notebook.cells.insert(first, note)
                notebook.cells = [c for c in notebook.cells if not has_tag(c, REAL_DATA)]
        return notebook


def plain_copy(notebook):
    import nbformat

    return nbformat.from_dict(plain_json(notebook))


def _unavailable_note(unavailable: dict[str, str]) -> str:
    lines = "\n\n".join(unavailable.values())
    return (
        "## Real data\n\n```{admonition} Not in this build\n:class: warning\n"
        f"The data of this section could not be had. {lines}\n```"
    )


def plan(
    chapter: Chapter,
    chapters: dict[str, Chapter],
    parameters: dict[str, Any],
    unavailable: dict[str, str],
) -> Run:
    """The run of a chapter, with the runs it needs.

    These have its preset, and its dataset, context and seed where they have such a parameter and
    it was given another value than the chapter's own; else their own defaults.

    Raises
    ------
    ChapterError
        Parameters that do not fit; a needed chapter that does not exist; needs that form a ring.
    """

    own = chapter.check(parameters)
    kind = registry.dataset(chapter.defaults["dataset"]).kind
    given = {k: own[k] for k in ("dataset", "context", "seed") if k in own}
    handed = {k: v for k, v in given.items() if v != chapter.defaults[k]}
    handed["preset"] = own["preset"]

    def planned(name: str, above: tuple[str, ...]) -> Run:
        if name in above:
            raise ChapterError(f"chapters need each other: {' -> '.join([*above, name])}")
        if name not in chapters:
            raise ChapterError(f"{above[-1]} needs {name}, which is no chapter of _toc.yml")
        one = chapters[name]
        values = own if not above else one.check(_inherited(handed, kind, one))
        needs = tuple(planned(f"chapters/{n}", (*above, name)) for n in needs_of(one, chapters))
        asked = [*([values["dataset"]] if uses_real_data(one) else []), *one.requires]
        return Run(one, values, {d: unavailable[d] for d in asked if d in unavailable}, needs)

    return planned(chapter.name, ())


def _inherited(handed: dict[str, Any], kind: str, needed: Chapter) -> dict[str, Any]:
    """What a needed chapter takes of the parameters that are handed down."""
    same = registry.dataset(needed.defaults["dataset"]).kind == kind
    of_data = () if same else ("dataset", "context")
    return {k: v for k, v in handed.items() if k in needed.defaults and k not in of_data}


def uses_real_data(chapter: Chapter) -> bool:
    return any(has_tag(c, REAL_DATA) for c in chapter.notebook.cells)
