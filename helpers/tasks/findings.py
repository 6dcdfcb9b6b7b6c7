"""What the book answers: a sentence for each question that people bring, and claims by paper."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.verdicts import NOT_SHOWN, SHOWN
from helpers.words import Words

NO_EVIDENCE = "no evidence in this build"
ANSWER_COLUMNS = ["tier", "question", "answer", "holds for", "would change it", "page", "front"]
LEDGER_COLUMNS = ["paper", "claim", "published", "ours", "why they differ", "verdict", "page"]

_RESERVATIONS = r"^mechanism |^shown (?=in part)| on other data| here(?=$|[:;])| \(.*?\)|[:;].*"

Tables = Mapping[str, pd.DataFrame]
"""Score tables by chapter, such as `embeddings/consistency`."""


@dataclass(frozen=True)
class Finding:
    """A question that people bring, and how it is answered from scores.

    Parameters
    ----------
    question : str
    page : str
        Of the table that the answer comes from, below `chapters`, with its anchor if there is one.
    needs : tuple of str
        Chapters whose scores are read.
    answer : callable
        Of their tables, and the arguments `n_resamples` and `seed`, to one sentence with its
        interval. It raises `CannotAnswer` where they hold nothing to compare.
    holds_for, would_change : str
    front : bool
        Whether the front page gives it.
    """

    question: Words
    page: str
    needs: tuple[str, ...]
    answer: Callable[..., Words]
    holds_for: Words
    would_change: Words
    front: bool = False


@dataclass(frozen=True)
class Ledger:
    """The claims of a paper, judged.

    Parameters
    ----------
    paper : str
    page : str
        Where they are judged at length.
    needs : tuple of str
    rows : callable
        Of the tables, `n_resamples` and `seed`, to `claim`, `published`, `ours`,
        `why they differ`, `verdict`. `CannotAnswer` where there is nothing to judge them by.
    """

    paper: Words
    page: str
    needs: tuple[str, ...]
    rows: Callable[..., pd.DataFrame]


def with_interval(mean: float, low: float, high: float, digits: int = 2) -> str:
    """A value with its 95 % interval in words; NaN ends say that there is none.

    Examples
    --------
    >>> with_interval(0.7, 0.5, 0.9, 1)
    '0.7 (95 % interval 0.5 to 0.9)'
    """

    def text(value):
        return f"{value:z.{digits}f}".replace("-", "\N{MINUS SIGN}")

    if np.isnan(mean):
        return "not scored"
    if np.isnan(low) or np.isnan(high):
        return f"{text(mean)} (too few units for an interval)"
    return f"{text(mean)} (95 % interval {text(low)} to {text(high)})"


def subject(name: str) -> str:
    """A name before its verb: one that holds a comma is closed by one."""
    return name + "," * (", " in name)


def bracketed(name: str) -> str:
    """A name in a sentence: what comes after its comma stands in brackets."""
    head, _, tail = name.partition(", ")
    return f"{head} ({tail})" if tail else head


def listed(names: Iterable[str]) -> str:
    """Names as a phrase: "a", "a and b", "a, b and c"."""
    *others, last = list(names) or ["none"]
    return f"{', '.join(others)} and {last}" if others else last


def answers(tiers: Iterable, tables: Tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """The findings of all tiers, in the order of the book; `ANSWER_COLUMNS`.

    A finding whose scores are not there says so. A tier without findings has no row.
    """
    rows = []
    for tier in tiers:
        for one in tier.findings:
            try:
                _require(one.needs, tables)
                said = one.answer(tables, n_resamples=n_resamples, seed=seed)
            except CannotAnswer as refusal:
                said = f"Not answered in this build: {refusal.reason.rstrip('.')}."
            facts = [one.holds_for, one.would_change, one.page, one.front]
            rows.append([tier.name, one.question, said, *facts])
    return pd.DataFrame(rows, columns=ANSWER_COLUMNS)


def ledger(tiers: Iterable, tables: Tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """The claims of all papers that the tiers judge; `LEDGER_COLUMNS`.

    A claim that nothing was found for has the verdict `NO_EVIDENCE`. A tier without claims has no
    row.
    """
    parts = []
    for tier in tiers:
        for one in tier.claims:
            try:
                _require(one.needs, tables)
                rows = one.rows(tables, n_resamples=n_resamples, seed=seed)
            except CannotAnswer as refusal:
                rows = pd.DataFrame([{"claim": "all of them", "why they differ": refusal.reason}])
            parts.append(rows.assign(paper=one.paper, page=one.page))
    if not parts:
        return pd.DataFrame(columns=LEDGER_COLUMNS)
    table = pd.concat(parts, ignore_index=True).reindex(columns=LEDGER_COLUMNS)
    table["verdict"] = table["verdict"].replace("", np.nan).fillna(NO_EVIDENCE)
    return table.fillna("").replace({"ours": {"": "nothing"}})


def _require(needs: tuple[str, ...], tables: Tables) -> None:
    if absent := [name for name in needs if name not in tables]:
        raise CannotAnswer(f"{listed(absent)} left no scores")


def without(tiers: Iterable, what: str) -> str:
    """Tiers that have no `findings`, or no `claims`, as a phrase."""
    return listed(tier.name.replace("_", " ") for tier in tiers if not getattr(tier, what))


def tally(table: pd.DataFrame) -> str:
    """How many claims of a ledger got which verdict."""
    if table.empty:
        return "No claim is judged yet."
    counts = table["verdict"].str.split("[:;]").str[0].value_counts(sort=False)
    first, *others = (f'{n} "{verdict}"' for verdict, n in counts.items())
    first = first.replace(" ", " is judged " if counts.iloc[0] == 1 else " are judged ", 1)
    papers = table["paper"].nunique()
    return (
        f"Of {len(table)} claim{'s' * (len(table) > 1)} of {papers} paper{'s' * (papers > 1)}, "
        f"{listed([first, *others])}."
    )


def named(table: pd.DataFrame) -> str:
    """Which claims of a ledger have a mechanism that is shown, and which one that is not seen."""
    parts = [
        f"{word}: {'; '.join(claims)}."
        for word, verdict in (("Shown", SHOWN), ("Not seen", NOT_SHOWN))
        if len(claims := table.loc[table["verdict"].str.startswith(verdict), "claim"])
    ]
    return " ".join(parts) or "No claim is shown or not seen for certain."


def by_paper(table: pd.DataFrame) -> pd.DataFrame:
    """Of a ledger, a row a paper and page: its claims by verdict.

    A paper with several pages is named with each. Of a verdict stands what comes before its reason,
    in a word or two: a mechanism is "shown", "not seen", "in part" or goes "both ways".

    Returns
    -------
    DataFrame
        `paper`, `claims` (a number), a column a verdict, the most frequent first, empty where there
        is none, and `page`.
    """
    said = table["verdict"].str.replace(_RESERVATIONS, "", regex=True)
    kinds = list(said.value_counts().index)
    rows, pages = [], table.groupby("paper")["page"].nunique()
    for (paper, page), own in table.groupby(["paper", "page"], sort=False):
        name = page.rpartition("/")[2].replace("-", " ")
        paper = f"{paper}: {name}" if pages[paper] > 1 else paper
        counts = said[own.index].value_counts()
        rows.append([paper, len(own), *(str(counts.get(kind, "")) for kind in kinds), page])
    return pd.DataFrame(rows, columns=["paper", "claims", *kinds, "page"])
