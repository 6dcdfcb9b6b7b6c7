"""A section that a data set cannot answer gives way to a note; nothing else does."""

import ast
import json
import re

import jupytext
import pytest
from lint_chapters import sources
from minibook import SAVE, USES_OTHER, MiniBook, chapter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, output_from_msg

from helpers.book import sections
from helpers.book.chapters import has_tag

ERROR = {
    "header": {"msg_type": "error"},
    "content": {"ename": "CannotAnswer", "evalue": "no", "traceback": []},
}


def cells(*sources):
    """Text starts with a heading or a word, code with `=`; a leading `-` needs no real data."""
    made = []
    for text in sources:
        metadata = {} if text.startswith("-") else {"tags": ["real-data"]}
        new = new_code_cell if text.lstrip("-").startswith("=") else new_markdown_cell
        made.append(new(text.lstrip("-="), metadata=metadata))
    return made


@pytest.mark.parametrize(
    "sources, index, gone, start",
    [
        # the next section of the same level stays, and those below it go
        (["## A", "=1", "=2", "text", "## B", "=3"], 1, [2, 3], 0),
        (["## A", "=1", "### a", "=2", "## B"], 1, [2, 3], 0),
        # a part of a section ends with the part
        (["## A", "=1", "### a", "=2", "text", "### b", "=3"], 3, [4], 0),
        # text before a heading in one cell goes, from the heading on it stays
        (["## A", "=1", "says 5.\n\n## B\n\nmore", "=3"], 1, [], 9),
        (["## A", "=1", "says 5.\n\n{.second-look}\n## B\n\nmore", "=3"], 1, [], 9),
        # what needs no real data stays, and ends the section
        (["## A", "=1", "=2", "-text", "=3"], 1, [2], 0),
        (["## A", "=1", "=2"], 1, [2], 0),
        # a comment in a block of code is no heading
        (["## A", "=1", "```bash\n# comment\n```", "=2"], 1, [2, 3], 0),
        (["=1", "=2"], 0, [1], 0),
    ],
)
def test_a_section_ends_with_the_next_heading_of_its_level(sources, index, gone, start):
    found, place = sections.rest_of_section(cells(*sources), index)
    assert (list(found), place) == (gone, start)


@pytest.mark.parametrize(
    "reason, said",
    [
        (
            "x, consistency: cannot be answered: 1 of\n 2",
            "x, consistency: cannot be answered: 1 of 2.",
        ),
        ("too few cells.", "This cannot be answered: too few cells."),
    ],
)
def test_a_note_says_that_it_cannot_be_answered_and_why(reason, said):
    assert sections.sentence(reason) == said
    shown = sections.note("<b> & c")["data"]
    assert "&lt;b&gt; &amp; c" in shown["text/html"]
    assert shown["text/markdown"] == "This cannot be answered: <b> & c."


def test_the_cell_shows_what_it_had_shown_and_the_note_though_it_was_to_be_hidden():
    found = cells("## A", "=1", "says 5.\n\n## B", "=3")
    found[1].metadata["tags"] = ["real-data", "remove-cell"]
    table = new_output("display_data", {"text/html": "table"})
    found[1].outputs = [table, output_from_msg(ERROR)]
    sections.refuse(found, 1, "why")
    assert list(sections.end_section(found, 1)) == []
    assert [o["data"]["text/html"][:5] for o in found[1].outputs] == ["table", "<div "]
    assert found[1].metadata["tags"] == ["real-data", "raises-exception"]
    assert found[2].source == "## B"


CANNOT = """
+++ {"tags": ["real-data"]}

## Guides

```{code-cell}
:tags: [real-data]
from helpers.tasks.requirements import Requirement, require

require("x, guides,", (Requirement("n", 2, "guides"),), {"n": 1})
found = 1
```

```{code-cell}
:tags: [real-data]
print("of guides", found)
```

+++ {"tags": ["real-data"]}

Of {glue:text}`found` guides.

## Batches

```{code-cell}
:tags: [real-data]
print("batches", number)
```

+++

## Limits
"""


def test_a_run_goes_on_behind_a_section_that_cannot_be_answered(tmp_path):
    book = MiniBook(tmp_path)
    pages = {
        "cannot": chapter("Cannot", USES_OTHER, SAVE, CANNOT),
        # what is no cell of real data must answer
        "must": chapter("Must", USES_OTHER, SAVE, CANNOT.replace(":tags: [real-data]\n", "")),
    }
    for name, text in pages.items():
        (book.folder / "chapters" / "lab" / f"{name}.md").write_text(text)
    book.contents(*pages)
    book.python(
        """
        from helpers.book.execute import execute
        from helpers.book.run import plan

        import nbformat
        from helpers.book import site

        for name in ("lab/cannot", "lab/must"):
            chapter = book.chapter(name)
            run = plan(chapter, book.chapters, {}, {})
            execute(run)
            if name == "lab/cannot":
                nbformat.write(site._page(book, run), "page.ipynb")
        """
    )
    told = {}
    for name in pages:
        (folder,) = (book.home / "runs" / "lab" / name).iterdir()
        told[name] = json.loads((folder / "run.json").read_text())
        if name == "cannot":
            notebook = json.loads((folder / "notebook.ipynb").read_text())
    assert told["cannot"]["error"] is None and "scores.parquet" in told["cannot"]["files"]
    assert told["must"]["error"]["name"] == "CannotAnswer"
    outputs = [o for c in notebook["cells"] for o in c.get("outputs", ())]
    assert not [o for o in outputs if o["output_type"] == "error"]
    said = "".join(t for o in outputs for t in o.get("data", {}).get("text/markdown", ()))
    assert said == "x, guides, cannot be answered: it needs 2 guides, has 1."
    text = "".join("".join(c["source"]) for c in notebook["cells"])
    assert "found`" not in text and "## Batches" in text and "## Limits" in text
    assert any("batches 3" in "".join(o.get("text", "")) for o in outputs)
    page = json.loads((book.folder / "page.ipynb").read_text())["cells"]
    text = "".join("".join(c["source"]) for c in page if c["cell_type"] == "markdown")
    assert "found`" not in text and "## Batches" in text and "## Limits" in text
    assert not [c for c in page if "of guides" in "".join(c["source"])]
    shown = {"".join(c["source"]): json.dumps(c.get("outputs", [])) for c in page}
    (refusing,) = [out for source, out in shown.items() if "Requirement" in source]
    (batches,) = [out for source, out in shown.items() if "batches" in source]
    assert "needs 2 guides, has 1" in refusing and "batches 3" not in refusing
    assert "batches 3" in batches


def assigned(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    defined = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return (
        stored
        | defined
        | {
            a.asname or a.name
            for n in nodes
            for a in getattr(n, "names", ())
            if isinstance(a, ast.alias)
        }
    )


def loaded(source: str) -> set[str]:
    nodes = ast.walk(ast.parse(source))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def leaks(cells: list) -> list[str]:
    """What a page misses where a cell of real data cannot answer: names, and glued texts."""
    problems = []
    for i, cell in enumerate(cells):
        if not (has_tag(cell, "real-data") and REFUSES.search(cell.source)):
            continue
        gone, start = sections.rest_of_section(cells, i)
        lost = [c for c in (cell, *cells[gone.start : gone.stop]) if c.cell_type == "code"]
        kept = [c for j, c in enumerate(cells) if j != i and j not in gone]
        there = set().union(*(assigned(c.source) for c in kept if c.cell_type == "code"))
        missing = set().union(*(assigned(c.source) for c in lost)) - there
        glued = {key for c in lost[1:] for key in GLUED.findall(c.source)}
        glued -= {key for c in kept for key in GLUED.findall(c.source)}
        for later in cells[gone.stop :]:
            text = later.source[start:] if later is cells[gone.stop] else later.source
            if later.cell_type == "code":
                problems += [f"cell {i}: {name}" for name in missing & loaded(text)]
            else:
                problems += [f"cell {i}: glue {key}" for key in glued & set(SHOWN.findall(text))]
    return problems


REFUSES = re.compile(r"\.require\(|CannotAnswer\(|preset_of\(")
GLUED = re.compile(r'\bglue\(\s*f?"([^"]+)"')
SHOWN = re.compile(r"\{glue:\w+\}`([^`]+)`")


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.stem)
def test_what_stands_behind_a_section_does_not_need_it(path):
    assert leaks(jupytext.read(path, fmt="md:myst").cells) == []


def test_a_leak_is_found():
    found = cells(
        "## A", "=x.require()\none = 1", '=glue("x", one)', "{glue:text}`x`", "## B", "=print(one)"
    )
    found.append(new_markdown_cell("-{glue:text}`x`"))
    assert leaks(found) == ["cell 1: one", "cell 1: glue x"]
