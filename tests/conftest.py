"""Where tests find real data: a folder beside the checkout, if it is there."""

import gc
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


# What test modules import stays: the collector of garbage need not look through it.
gc.disable()


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="run the tests that take long, too")


FIRST = ("test_book.py", "test_odd_screens.py", "test_runs.py", "test_warm.py", "test_site.py")
"""They take longest, and one of them at the end would leave the other core idle."""


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda i: FIRST.index(i.path.name) if i.path.name in FIRST else len(FIRST))
    for item in items:
        if item.get_closest_marker("all") and not config.getoption("--all"):
            item.add_marker(pytest.mark.skip(reason="takes long: `make test-all` runs it"))


@pytest.fixture
def every_test(request) -> bool:
    """Whether the tests that take long are run, too."""
    return request.config.getoption("--all")


@pytest.fixture
def repository_site():
    """Copies what gives the book its look into another book."""

    def copy(folder: Path) -> None:
        for name in ("_config.yml", "references.bib"):
            shutil.copyfile(ROOT / name, folder / name)
        for name in ("_static", "_ext"):
            shutil.copytree(ROOT / name, folder / name)

    return copy
