"""Where tests find real data: a folder beside the checkout, if it is there."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

if SHARED.is_dir():
    os.environ.setdefault("BENCHBOOK_DATA", str(SHARED))
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")


@pytest.fixture
def repository_site():
    """Copies what gives the book its look into another book."""

    def copy(folder: Path) -> None:
        for name in ("_config.yml", "references.bib"):
            shutil.copyfile(ROOT / name, folder / name)
        for name in ("_static", "_ext"):
            shutil.copytree(ROOT / name, folder / name)

    return copy
