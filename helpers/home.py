"""Where the book lies, and where its results go."""

import os
from pathlib import Path


def root() -> Path:
    """Folder of the book: the nearest one from here upwards that holds ``_toc.yml``, else here."""
    here = Path.cwd()
    return next((p for p in (here, *here.parents) if (p / "_toc.yml").is_file()), here)


def home() -> Path:
    """Folder of all results: ``BENCHBOOK_HOME``, else ``build`` in the book's folder."""
    if folder := os.environ.get("BENCHBOOK_HOME"):
        return Path(folder).expanduser().resolve()
    return root() / "build"
