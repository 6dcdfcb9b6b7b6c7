"""Files that pages offer: scores as CSV, all of them in one archive, splits."""

import json
import zipfile
from pathlib import Path

from helpers.book.run import Run
from helpers.score_columns import MEANINGS

SPLITS = "splits.json"  # of a run
ALL_SCORES = ("chapters/results", "scores/all-scores.zip")  # the page that offers it, the file
_FROM = "downloads.json"  # the scores that tables were made from, by their hashes


def scores_file(chapter: str) -> str:
    """Below the site's ``_static``."""
    return f"scores/{_flat(chapter)}.csv"


def splits_file(chapter: str) -> str:
    """Below the site's ``_static``."""
    return f"splits/{_flat(chapter)}.json"


def _flat(chapter: str) -> str:
    return chapter.removeprefix("chapters/").replace("/", "-")


def stage_scores(folder: Path, runs: dict[str, Run], *, archive: bool) -> set[Path]:
    """Write tables of scores below `folder`, and an archive of all; what is there already stays.

    Parameters
    ----------
    folder : Path
        Of the staged pages.
    runs : dict
        Finished runs by chapter name.
    archive : bool
        Whether to write the archive, too.

    Returns
    -------
    set of Path
        All files that belong there.
    """
    now = {}
    for name, run in runs.items():
        if sha256 := run.record["files"].get("scores.parquet"):
            now[scores_file(name)] = sha256
    if archive:
        now[ALL_SCORES[1]] = "".join(now.values()) + _meanings()
    note = folder / _FROM
    before = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
    static = folder / "_static"
    changed = [f for f in now if before.get(f) != now[f] or not (static / f).is_file()]
    if changed:
        from helpers.scores import read

        note.unlink(missing_ok=True)  # who is killed here begins anew
        (static / "scores").mkdir(parents=True, exist_ok=True)
        for name, run in runs.items():
            if (file := scores_file(name)) in changed:
                read(run.folder / "scores.parquet").to_csv(static / file, index=False)
        if ALL_SCORES[1] in changed:
            _write_archive(static / ALL_SCORES[1], [static / f for f in now if f != ALL_SCORES[1]])
        note.write_text(json.dumps(now), encoding="utf-8")
    return {note, *(static / f for f in now)} if now else set()


def _meanings() -> str:
    return "".join(f"{column}: {meaning}\n" for column, meaning in MEANINGS.items())


def _write_archive(target: Path, tables: list[Path]) -> None:
    """All scores in one file, with what their columns mean; the same bytes for the same scores."""
    texts = {"columns.txt": _meanings().encode()} | {t.name: t.read_bytes() for t in tables}
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in texts.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED)
