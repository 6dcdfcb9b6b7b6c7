"""Answers and tables whose cells lead to other pages of the site."""

import html

import pandas as pd


def answers_html(
    frame: pd.DataFrame, *, question: str, answer: str, link: str, more: list[str]
) -> str:
    """HTML of one block a row: a question, its answer in a sentence, facts about it, a link.

    Parameters
    ----------
    frame : DataFrame
    question, answer, link : str
        Columns; `link` holds the address of the page that has the table.
    more : list of str
        Columns that follow as facts, each under its name.

    Raises
    ------
    ValueError
        No row.
    """
    if frame.empty:
        raise ValueError("there is no answer to show")
    blocks = []
    for row in frame.to_dict("records"):
        facts = "".join(
            f"<div><dt>{_text(name)}</dt><dd>{_text(row[name])}</dd></div>" for name in more
        )
        blocks.append(
            f'<section class="bb-card bb-answer"><h3>{_text(row[question])}</h3>'
            f"<p>{_text(row[answer])}</p>"
            f'<dl class="bb-facts">{facts}</dl>'
            f'<p><a href="{_text(row[link])}">Behind it: {_page(row[link])}</a></p></section>'
        )
    return "\n".join(blocks)


def lines_html(frame: pd.DataFrame, *, question: str, answer: str, link: str) -> str:
    """HTML of a list, a question and its answer a line; columns as in `answers_html`.

    Raises
    ------
    ValueError
        No row.
    """
    if frame.empty:
        raise ValueError("there is no answer to show")
    items = "".join(
        f'<li><a href="{_text(row[link])}">{_text(row[question])}</a> {_text(row[answer])}</li>'
        for row in frame.to_dict("records")
    )
    return f'<ul class="bb-answers">{items}</ul>'


def _page(address: str) -> str:
    """What a page is called: the last part of its address, in words."""
    return _text(address.rpartition("/")[2].removesuffix(".html").replace("-", " "))


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
