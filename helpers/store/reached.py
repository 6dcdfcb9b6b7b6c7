"""What chapters reach, kept between commands: to read it takes most of the time of a plan.

It is read anew unless the package is the one of an earlier command, byte for byte, and all that was
reached lies in it or in libraries that are installed as they were.

Not for steps: to compare the package is to take all of it as it is now, and a kernel imports some
of it later, when somebody may have edited it.
"""

import contextlib
import json
import os
import shutil
from functools import cache
from pathlib import Path

import helpers
from helpers.home import home, is_claimed
from helpers.store.disk import canonical_json
from helpers.store.reach import PAGE_SOURCES, Code, digest
from helpers.store.source import is_ours, snapshot

_KEPT = 4
"""States of the package of which is kept what chapters reached."""


@cache  # a chapter that many need is planned for each of them
def code_of_page(cells: tuple[str, ...], readers: tuple[str, ...]) -> tuple[str, Code]:
    """Digest of a page's code cells, and the code that they and modules of readers reach.

    Raises
    ------
    SyntaxError
        In a cell.
    """
    name = digest(digest(*cells), digest(*readers))
    file = _folder() / _package()[:16] / f"{name[:32]}.json"
    found = _read(file)
    if found is None:
        text, code = PAGE_SOURCES.code_of_cells(list(cells))
        found = text, code | PAGE_SOURCES.code([(module, "") for module in readers])
        if is_claimed() and all(m.partition(".")[0] == helpers.__name__ for m in code.modules):
            with contextlib.suppress(OSError):  # a full disk: it will be read anew
                _write(file, *found)
    return found


def forget_old() -> None:
    """Keep what was reached in the last states of the package only."""
    states = sorted(_folder().glob("*"), key=lambda state: state.stat().st_mtime)
    for state in states[:-_KEPT]:
        shutil.rmtree(state)


def _folder() -> Path:
    return home() / "reached"


@cache
def _package() -> str:
    """Digest of all modules of the package."""
    folder = Path(helpers.__file__).parent
    files = sorted(folder.rglob("*.py"))
    return digest(*(part for f in files for part in (str(f.relative_to(folder)), snapshot(f))))


def _read(file: Path) -> tuple[str, Code] | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # a ValueError: somebody changed it
        return None
    code = Code(kept["definitions"], tuple(kept["libraries"]))
    if code.versions != kept["versions"] or any(map(is_ours, code.libraries)):
        return None
    return kept["text"], code


def _write(file: Path, text: str, code: Code) -> None:
    kept = {
        "text": text,
        "definitions": code.definitions,
        "libraries": code.libraries,
        "versions": code.versions,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(f".{os.getpid()}")
    partial.write_text(canonical_json(kept), encoding="utf-8")
    partial.replace(file)
