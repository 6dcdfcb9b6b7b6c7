"""Other implementations that tests compare with, where they are installed."""

import os
import sys

import pytest


@pytest.fixture
def peer(monkeypatch):
    """A package by its name, from the environment or the folder BENCHBOOK_PEERS, or a skip."""

    def found(name: str):
        if folder := os.environ.get("BENCHBOOK_PEERS"):
            monkeypatch.setattr(sys, "path", [*sys.path, folder])
        return pytest.importorskip(name)

    return found
