"""What two homes, or two built books, say differently: their scores, row by row."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers.score_columns import COLUMNS
from helpers.scores import read as read_scores

KEYS = ["preset", *(c for c in COLUMNS if c != "value"), "copy"]


class DiffError(ValueError):
    """Two places that hold no scores, or nothing that can be compared."""


@dataclass(frozen=True)
class Difference:
    """Rows that came, went and changed.

    Parameters
    ----------
    chapters : DataFrame indexed by chapter
        Rows in `old` and `new`, and how many of them `came`, `went`, `changed`; `largest` change.
    rows : DataFrame
        Every row that differs: `chapter`, `what` (came, went, changed), the columns of scores but
        the value, `old`, `new` and `change`.
    """

    chapters: pd.DataFrame
    rows: pd.DataFrame

    def __bool__(self) -> bool:
        return len(self.rows) > 0


def diff(old: Path, new: Path, chapter: str | None = None) -> Difference:
    """Compare the scores of two places.

    Rows are matched by all of their columns but the value, and by the preset they were made at;
    chapters do not count, so that a row may move from one to another. Values must be equal to the
    last bit; NaN equals NaN.

    Parameters
    ----------
    old, new : Path
        Homes (`BENCHBOOK_HOME`; of each chapter and set of parameters the newest complete run is
        taken), or built books (the folder of ``index.html``).
    chapter : str, optional
        Part of a chapter's name; all chapters by default.

    Raises
    ------
    DiffError
        A place holds no scores, or the two have no chapter or no preset in common.
    """
    tables = [_scores_of(place) for place in (old, new)]
    if chapter is not None:
        tables = [t[t["chapter"].str.contains(chapter, regex=False)] for t in tables]
        for place, table in zip((old, new), tables, strict=True):
            if table.empty:
                raise DiffError(f"{place} has no scores of a chapter named like {chapter!r}")
    for name, plural in (("preset", "presets"), ("chapter", "chapters")):
        has = [sorted(t[name].unique()) for t in tables]
        if not set(has[0]) & set(has[1]):
            raise DiffError(
                f"{old} and {new} cannot be compared: they have no {name} in common "
                f"({plural} {', '.join(has[0])} there, {', '.join(has[1])} here); build the same "
                "book twice, at one preset"
            )
    both = tables[0].merge(
        tables[1], on=KEYS, how="outer", suffixes=("_old", "_new"), indicator=True
    )
    what = both["_merge"].map({"left_only": "went", "right_only": "came", "both": "same"})
    unequal = (both["value_old"] != both["value_new"]) & ~(
        both["value_old"].isna() & both["value_new"].isna()
    )
    both["what"] = what.astype(object).mask((what == "same") & unequal, "changed")
    both["chapter"] = both["chapter_new"].fillna(both["chapter_old"])
    both["change"] = both["value_new"] - both["value_old"]
    by = both.assign(size=both["change"].abs()).groupby("chapter")
    chapters = pd.DataFrame(
        {
            "old": by["value_old"].size() - by["what"].agg(lambda w: (w == "came").sum()),
            "new": by["value_old"].size() - by["what"].agg(lambda w: (w == "went").sum()),
            **{k: by["what"].agg(lambda w, k=k: (w == k).sum()) for k in _KINDS},
            "largest": by["size"].max(),
        }
    )
    names = {"value_old": "old", "value_new": "new"}
    rows = both[both["what"] != "same"].rename(columns=names)
    shown = ["chapter", "what", *(k for k in KEYS if k != "copy"), "old", "new", "change"]
    return Difference(chapters, rows[shown].reset_index(drop=True))


_KINDS = ("came", "went", "changed")


def _scores_of(place: Path) -> pd.DataFrame:
    """Scores of a home or of a built book, each row once, with `chapter`, `preset` and `copy`."""
    read = _of_site if (place / "index.html").is_file() else _of_home
    tables = read(place)
    if not tables:
        raise DiffError(
            f"{place} holds no scores: name a folder of results (BENCHBOOK_HOME, by default build) "
            "or a built book (the folder of index.html)"
        )
    table = pd.concat(tables, ignore_index=True)
    if lost := [c for c in COLUMNS if c not in table]:
        raise DiffError(f"{place}: its scores have no column {', '.join(lost)}")
    same = [*KEYS[:-1], "value"]
    table = table.drop_duplicates(same)  # a row that two chapters share
    return table.assign(copy=table.groupby(KEYS[:-1], dropna=False).cumcount())


def _of_home(home: Path) -> list[pd.DataFrame]:
    newest: dict[tuple[str, str], tuple[str, dict, Path]] = {}
    for file in sorted((home / "runs").rglob("run.json")):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DiffError(f"{file}: not a record of a run ({error}); remove its folder") from None
        scores = file.with_name("scores.parquet")
        if record["status"] == "done" and scores.is_file():
            name = (record["chapter"], json.dumps(record["parameters"], sort_keys=True))
            if name not in newest or newest[name][0] < record["started"]:
                newest[name] = (record["started"], record, scores)
    return [
        read_scores(scores).assign(
            chapter=record["chapter"].removeprefix("chapters/"),
            preset=record["parameters"]["preset"],
        )
        for _, record, scores in newest.values()
    ]


def _of_site(site: Path) -> list[pd.DataFrame]:
    text = {name: str for name, kind in COLUMNS.items() if kind is str}
    return [
        pd.read_csv(file, dtype=text, keep_default_na=False, na_values={"value": [""]}).assign(
            chapter=file.stem.replace("-", "/", 1), preset="as built"
        )
        for file in sorted((site / "_static" / "scores").glob("*.csv"))
    ]
