"""The published workbooks, and other implementations, where they are at hand."""

import os
import sys

import pytest

from helpers.data import registry


@pytest.fixture(scope="session")
def paths():
    """Files of Ahlmann-Eltze et al. 2025, by name."""
    status = registry.status("ahlmann-eltze2025-scores")
    if status["state"] == "absent":
        pytest.skip("ahlmann-eltze2025-scores is not on this machine")
    return status["paths"]


@pytest.fixture
def peer(monkeypatch):
    """A package by its name, from the environment or the folder BENCHBOOK_PEERS, or a skip."""

    def found(name: str):
        if folder := os.environ.get("BENCHBOOK_PEERS"):
            monkeypatch.setattr(sys, "path", [*sys.path, folder])
        return pytest.importorskip(name)

    return found
