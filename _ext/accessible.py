"""Mend what the theme and its libraries leave undone: what is not seen, and how numbers are set."""

import re

from bs4 import BeautifulSoup

_AS_THEY_ARE = ("pre", "code", "script", "style", "svg")
_OPENS = tuple(f"<{name}" for name in _AS_THEY_ARE)
_CLOSES = tuple(f"</{name}" for name in _AS_THEY_ARE)


def mend(app, pagename, templatename, context, doctree):
    """Correct the body of a page."""
    body = context.get("body")
    if not body:
        return
    # a data frame's corner says nothing, so it heads nothing
    body = re.sub(r"<th([^>]*)></th>", r"<td\1></td>", body)
    # a wide formula scrolls in its box, so the box must take the keyboard focus
    body = body.replace('<div class="math">', '<div tabindex="0" class="math">')
    # numbers from cells: a true minus sign, and no line break before per cent
    body = re.sub(r'(<span class="pasted-text">)-(?=[\d.])', r"\1&minus;", body)
    body = body.replace("</span> %", "</span>&nbsp;%")
    body = spaced(body)
    if 'class="citation"' in body or "doc-biblioentry" in body:
        body = _bibliography(body)
    context["body"] = body


def spaced(body: str) -> str:
    """The same with one way to set per cent, "95 %", except in code and drawings."""
    parts, depth = re.split(r"(<[^>]*>)", body), 0
    for i, part in enumerate(parts):
        if i % 2:
            depth += part.startswith(_OPENS) - part.startswith(_CLOSES)
        elif not depth:
            parts[i] = re.sub(r"(?<=\d) ?%", "&nbsp;%", part)
    return "".join(parts)


def _bibliography(body: str) -> str:
    """References as paragraphs: their items claim a list that is not there."""
    soup = BeautifulSoup(body, "html.parser")
    for node in soup.select('[role="doc-biblioentry"]'):
        del node["role"]
    for node in soup.select('div.citation-list[role="list"], div.citation-list'):
        node.attrs.pop("role", None)
    return str(soup)


def setup(app):
    app.connect("html-page-context", mend, priority=850)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
