"""Findings on effects say what the table that they link to says."""

import numpy as np
import pandas as pd
import pytest

from helpers.data import registry
from helpers.data.sets import ahlmann_eltze2025_scores as reader
from helpers.metrics.effects.facts import METRICS
from helpers.scores import check
from helpers.tasks.effects import findings
from helpers.tasks.effects import published_claims as claims
from helpers.tasks.effects import published_scores as task
from helpers.tasks.effects.published_scores_report import curve_rows

GIVEN = {"n_resamples": 5000, "seed": 0}


@pytest.fixture(scope="module")
def page():
    """Score tables as the steps of the pages make them, and as the pages leave them."""
    status = registry.status("ahlmann-eltze2025-scores")
    if status["state"] == "absent":
        pytest.skip("ahlmann-eltze2025-scores is not on this machine")
    paths = status["paths"]
    panel_a = reader.read(paths)
    made = {
        "double-perturbations": task.doubles.function(panel_a),
        "single-perturbations": task.singles.function(panel_a),
        "embedding-transfer": task.transfer.function(reader.read_transfer(paths)),
    }
    curves = task.interactions.function(reader.read_interactions(paths))
    doubles, singles, transfer = made.values()
    left = {
        findings.SCORES: [doubles, curve_rows(curves)],
        findings.SINGLE_GENES: [singles, transfer],
    }
    tables = {p: check(pd.concat(own, ignore_index=True), METRICS) for p, own in left.items()}
    return made, curves, tables


def test_comparisons_are_those_of_the_page(page):
    made, _, tables = page
    for name, margin, reference in (
        ("double-perturbations", None, "additive"),
        ("single-perturbations", 0.1, None),
    ):
        if margin is None:
            error = task.scores_of(made[name], task.NORMAN, "l2")
            margin = 0.1 * error.loc[error["model"] == "no change", "value"].mean()
        metric = findings.PRIMARY[name]
        asked = {"metric": metric, "reference": reference, "margin": margin}
        expected = task.verdicts.function(made[name], **asked, **GIVEN)
        found = findings.judged(tables, name, reference=reference, **GIVEN)
        pd.testing.assert_frame_equal(found, expected)


def test_answers_hold_the_numbers_of_the_tables(page):
    made, _, tables = page
    pairs = findings.judged(tables, "double-perturbations", reference="additive", **GIVEN)
    said = findings.adding(tables, **GIVEN)
    nearest = pairs.set_index("model").loc["Geneformer*"]
    assert said.startswith("No: 7 of 7") and f"differs by {nearest['difference']:.2f}" in said
    ratio = made["embedding-transfer"].query("metric == 'l2_ratio'")
    means = ratio[ratio["model"] == task.OTHER_LINE].groupby("dataset")["value"].mean()
    said = findings.another_screen(tables, **GIVEN)
    assert all(f"{mean:.2f} (95 % interval" in said for mean in means)
    assert said.startswith("In part") and "Adamson, K562 (undecided)" in said
    assert findings.averaging(tables, **GIVEN).startswith("No: in one data set at least")


def test_the_ledger_holds_the_sentences_of_the_page(page):
    _, curves, tables = page
    found = findings.published_rows(tables, **GIVEN)
    verdict = dict(zip(found["claim"], found["verdict"], strict=True))
    _, said, judged, _ = claims._interaction_row(curves)
    assert verdict["Pairs of genes: no model finds more interactions than no change"] == judged
    assert said in found["ours"].tolist()
    assert verdict["Embeddings of another cell line: the linear model's error is below the mean's"]
    assert not found.isna().any(axis=None) and np.all(found["ours"].str.len() > 3)
