"""What a run says of a data set: answered, not answered and why, or failed."""

import json
from types import SimpleNamespace

import pytest

from helpers import scores
from helpers.book.tried import told

CANNOT = "Consistency cannot be answered: it needs 2 batches, has 1"


def run_of(folder, *, error=None, dataset="mine", values=(0.5,), said=""):
    folder.mkdir()
    output = {"output_type": "display_data", "data": {"text/markdown": ["Words.\n", said]}}
    notebook = {"cells": [{"outputs": [output]}, {"source": "prose"}]}
    (folder / "notebook.ipynb").write_text(json.dumps(notebook))
    shared = dict(task="t", model="m", role="floor", unit_kind="gene", seed=0, metric="r")
    units = [f"g{i}" for i in range(len(values))]
    table = scores.rows(**shared, dataset=dataset, unit=units, value=list(values))
    table.to_parquet(folder / "scores.parquet")
    record = {"status": "failed" if error else "done", "error": error}
    return SimpleNamespace(
        folder=folder, record=record, chapter=SimpleNamespace(name="chapters/t/one")
    )


@pytest.mark.parametrize(
    "given, verdict, reason",
    [
        (dict(values=(0.5, 0.1, float("nan"))), "answered", "2 scores"),
        (dict(said=CANNOT), "answered", f"1 scores; {CANNOT}"),
        (dict(dataset="simulated", said=CANNOT), "not answered", CANNOT),
        (dict(values=(float("nan"),)), "not answered", "every score of it is missing"),
        (dict(dataset="simulated"), "answered", "shown, without scores of it"),
        (dict(error={"name": "CannotAnswer", "message": CANNOT}), "not answered", CANNOT),
        (dict(error={"name": "KeyError", "message": "'THP-1'"}), "failed", "'THP-1'"),
        (dict(error={"name": "MemoryError", "message": ""}), "failed", "MemoryError"),
    ],
)
def test_a_run_is_told_by_its_scores_words_and_errors(tmp_path, given, verdict, reason):
    found = told(run_of(tmp_path / "run", **given), "mine")
    assert (found.chapter, found.verdict, found.reason) == ("chapters/t/one", verdict, reason)
