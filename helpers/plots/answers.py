"""Answers and tables whose cells lead to other pages of the site."""

import html
import re
from collections.abc import Sequence

import pandas as pd

_SENTENCE = re.compile(r"(?<=[.?!])(?<!al\.)\s+(?=[A-Z])")  # but not after "et al."


def answers_html(
    frame: pd.DataFrame,
    *,
    question: str,
    answer: str,
    link: str,
    more: list[str],
    behind: Sequence[str] = (),
) -> str:
    """HTML of one block a row: a question that leads to its page, an answer, facts about it.

    Parameters
    ----------
    frame : DataFrame
    question, answer, link : str
        Columns; `link` holds the address of the page that has the table, where the question leads.
    more : list of str
        Columns that follow as facts, each under its name.
    behind : sequence of str
        Columns that fold, with all that the answer says after its first interval; brackets then
        hold intervals without saying so each time.

    Raises
    ------
    ValueError
        No row.
    """
    if frame.empty:
        raise ValueError("there is no answer to show")
    blocks = []
    for row in frame.to_dict("records"):
        said, rest = lead(row[answer]) if behind else (row[answer], "")
        said = said.replace("(95 % interval ", "(") if behind else said
        folded = (f"<p>{_text(rest)}</p>" if rest else "") + _facts(row, behind)
        if folded:  # beside the facts, so that a folded block takes no line of its own
            folded = f"<details><summary>More</summary>{folded}</details>"
        blocks.append(
            f'<section class="bb-card bb-answer">'
            f'<h3><a href="{_text(row[link])}">{_text(row[question])}</a></h3>'
            f"<p>{_text(said)}</p>"
            f'<div class="bb-behind">{_facts(row, more)}{folded}</div></section>'
        )
    return "\n".join(blocks)


def lead(answer: str) -> tuple[str, str]:
    """An answer up to the end of the first sentence with an interval, and the rest.

    One without an interval is whole: no sentence of it can stand for the others.

    Examples
    --------
    >>> lead("Yes. By 1 (95 % interval 0 to 2). In one screen.")
    ('Yes. By 1 (95 % interval 0 to 2).', 'In one screen.')
    """
    sentences = _SENTENCE.split(answer)
    n = next((i for i, s in enumerate(sentences, 1) if "interval" in s), len(sentences))
    return " ".join(sentences[:n]), " ".join(sentences[n:])


def _facts(row: dict, names: Sequence[str]) -> str:
    facts = "".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(row[name])}</dd></div>" for name in names
    )
    return f'<dl class="bb-facts">{facts}</dl>' if facts else ""


def lines_html(frame: pd.DataFrame, *, question: str, answer: str, link: str) -> str:
    """HTML of a list, a question and the first sentence of its answer; as `answers_html`.

    Raises
    ------
    ValueError
        No row.
    """
    if frame.empty:
        raise ValueError("there is no answer to show")
    items = "".join(
        f'<li><a href="{_text(row[link])}">{_text(row[question])}</a> '
        f"{_text(_SENTENCE.split(row[answer])[0])}</li>"
        for row in frame.to_dict("records")
    )
    return f'<ul class="bb-answers">{items}</ul>'


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
