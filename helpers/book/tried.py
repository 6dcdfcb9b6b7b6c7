"""Every chapter on one data set: what it answers, and why not the rest."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rich.console import Console

from helpers.book import build
from helpers.book.chapters import Book, Chapter, ChapterError
from helpers.book.cluster import run_all
from helpers.book.run import Run, uses_real_data
from helpers.data import registry
from helpers.scores import read
from helpers.tasks.real import real_screen

_NOT = ("cannot be answered", "cannot answer", "Not in this build")


@dataclass(frozen=True)
class Tried:
    """What came of a chapter.

    Parameters
    ----------
    chapter : str
    verdict : {"answered", "not answered", "failed"}
    reason : str
        Why not; scores of the data set, where it was answered.
    """

    chapter: str
    verdict: Literal["answered", "not answered", "failed"]
    reason: str


def tried(
    book: Book,
    name: str,
    *,
    chapters: Iterable[Chapter],
    context: str = "",
    console: Console,
    workers: int | None = None,
) -> list[Tried]:
    """Run the chapters that take data sets of this kind, at preset tiny; no page is rendered.

    Parameters
    ----------
    book : Book
    name : str
        Of the data set.
    chapters : iterable of Chapter
        The others of them are left out.
    context : str
        Of the data set; by default the one with most cells.
    console : Console
        Where it is seen how far the runs are.
    workers : int, optional

    Raises
    ------
    DataError
        There is no data set or context of that name, or its file is gone.
    """
    kind = registry.dataset(name).kind
    if context and kind == "screen":
        real_screen(name, context)
    answers: dict[str, Tried] = {}
    runs = []
    given = {"dataset": name, "preset": "tiny"} | ({"context": context} if context else {})
    for chapter in chapters:
        own_kind = registry.dataset(chapter.defaults["dataset"]).kind
        if own_kind != kind or not uses_real_data(chapter):
            continue
        grid = {key: [value] for key, value in given.items() if key in chapter.defaults}
        answers[chapter.name] = Tried(chapter.name, "not answered", "")
        try:
            runs += build.plan_grid(book, chapter.name, grid)
        except ChapterError as refused:  # before anything ran: the next chapter may take it
            answers[chapter.name] = Tried(chapter.name, "not answered", str(refused))
    with build.at_work():
        run_all(runs, workers=workers, address=None, console=console)
    answers |= {run.chapter.name: told(run, name) for run in runs}
    return list(answers.values())


def told(run: Run, name: str) -> Tried:
    """What a finished run says of a data set."""
    record = run.record
    if record["status"] == "failed":
        error = record["error"]
        said = str(error.get("message", "")).strip().splitlines() or [""]
        kind = "not answered" if error.get("name") == "CannotAnswer" else "failed"
        return Tried(run.chapter.name, kind, said[-1] or str(error.get("name", "")))
    reasons = _reasons(run)
    file = run.folder / "scores.parquet"
    scores = read(file) if file.is_file() else None
    if scores is None:
        return Tried(run.chapter.name, "answered", "it saves no scores")
    n = int(scores.loc[scores["dataset"] == name, "value"].notna().sum())
    if not n and not reasons:
        rows = (scores["dataset"] == name).sum()
        said = "every score of it is missing" if rows else "shown, without scores of it"
        return Tried(run.chapter.name, "not answered" if rows else "answered", said)
    if not n:
        return Tried(run.chapter.name, "not answered", "; ".join(reasons))
    return Tried(run.chapter.name, "answered", "; ".join([f"{n} scores", *reasons]))


def _reasons(run: Run) -> list[str]:
    """Sentences of a run's outputs that say what cannot be answered."""
    notebook = json.loads((run.folder / "notebook.ipynb").read_text(encoding="utf-8"))
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", ())]
    texts = ["".join(o.get("data", {}).get("text/markdown", o.get("text", ""))) for o in outputs]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return list(dict.fromkeys(line for line in lines if any(said in line for said in _NOT)))
