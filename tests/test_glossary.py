"""The glossary: terms that pages link to have an entry, and one of it is enough."""

import re
from pathlib import Path

import pytest

from helpers.book.chapters import Book
from helpers.book.site import _without_dead_links

ROOT = Path(__file__).parents[1]
TERM = re.compile(r"\{term\}`(?:[^`<]+<)?([^`<>]+)>?`")


def entries(text: str) -> list[str]:
    """Terms of the glossary: lines that are not indented, each followed by one that is."""
    inside = text.split(":::{glossary}\n", 1)[1].split("\n:::", 1)[0]
    return re.findall(r"^(\S.*)\n  \S", inside, re.MULTILINE)


def unknown(pages: dict[str, str], glossary: str) -> list[str]:
    """Terms that pages link to and that have no entry, each with its page."""
    known = entries(glossary)
    found = ((name, term) for name, text in pages.items() for term in TERM.findall(text))
    return [f"{name}: {term}" for name, term in found if term not in known]


def test_terms_have_one_entry_each_and_no_page_links_to_one_without():
    glossary = (ROOT / "glossary.md").read_text()
    found = entries(glossary)
    assert len(found) == len(set(found)) > 10
    pages = {name: Book(ROOT).page_file(name).read_text() for name in Book(ROOT).pages}
    assert "glossary" in pages
    assert unknown(pages, glossary) == []
    assert sum(len(TERM.findall(text)) for text in pages.values()) > 10


def test_a_term_without_an_entry_is_named():
    glossary = "# G\n\n:::{glossary}\nfloor\n  It knows nothing.\n:::\n"
    pages = {"a": "{term}`floor` {term}`Floors <floor>`", "b": "{term}`the roof <roof>`"}
    assert unknown(pages, glossary) == ["b: roof"]


@pytest.mark.parametrize("shown, expected", [(["glossary"], "{term}`Ties <tied>`"), ([], "Ties")])
def test_terms_are_text_where_the_glossary_is_not_shown(shown, expected):
    text = _without_dead_links("{term}`Ties <tied>`", "chapters/a/b", Book(ROOT), shown)
    assert text == expected
    plain = _without_dead_links("{term}`tied`, and", "chapters/a/b", Book(ROOT), shown)
    assert plain == ("{term}`tied`, and" if shown else "tied, and")
