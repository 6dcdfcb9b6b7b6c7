"""Where the book lies, and where its results go."""

import os
from pathlib import Path

_MARK = ".benchbook"


def root() -> Path:
    """Folder of the book: the nearest one from here upwards that holds ``_toc.yml``, else here."""
    here = Path.cwd()
    return next((p for p in (here, *here.parents) if (p / "_toc.yml").is_file()), here)


def claim() -> Path:
    """Folder of all results, made and marked as ours.

    Raises
    ------
    FileExistsError
        It holds somebody's files: building there could remove some.
    """
    folder = home()
    mark = folder / _MARK
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: name a folder in BENCHBOOK_HOME")
    if folder.is_dir() and any(folder.iterdir()) and not mark.is_file():
        raise FileExistsError(
            f"{folder} holds files that are not this book's: name another folder in BENCHBOOK_HOME"
        )
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return folder


def is_claimed() -> bool:
    """Whether the folder of results is marked as ours."""
    return (home() / _MARK).is_file()


def home() -> Path:
    """Folder of all results: ``BENCHBOOK_HOME``, else ``build`` in the book's folder."""
    if folder := os.environ.get("BENCHBOOK_HOME"):
        return Path(folder).expanduser().resolve()
    return root() / "build"
