"""Embeddings that users brought in, among the representations that a chapter compares."""

from __future__ import annotations

from helpers.data.imported import entries, imported
from helpers.store.steps import Step
from helpers.tasks.embeddings.representations import Representation


def imported_representations(names: str, screen: Step, dataset: str) -> dict[str, Representation]:
    """Candidates for a roster: `roster(screen, ...) | imported_representations(...)`.

    Arguments and errors are those of `helpers.data.imported.imported`. Candidates count
    as fitted on another data set: who brings in a model that has seen the evaluation cells must say
    so where the scores are quoted.
    """
    known = entries()
    return {
        name: Representation(
            name,
            embedding,
            "candidate",
            "another data set",
            {"n_dims": known[name]["n_dims"], "fitted_on": "another data set"},
        )
        for name, embedding in imported(names, screen, dataset).items()
    }
