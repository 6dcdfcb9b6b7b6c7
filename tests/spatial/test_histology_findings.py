"""Answers and claims on predictors from the image, branch by branch, from rows of scores."""

import pandas as pd
import pytest

from helpers.data.spatial.leaderboard import leaderboard
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.spatial import histology_findings as findings
from helpers.tasks.spatial import histology_report as models_report
from helpers.tasks.spatial import leaderboard_report, patients_report, protocols_report
from helpers.tasks.spatial import raw_or_completed_report as cells_report
from helpers.tasks.spatial.histology import CELLS, LATENT, MASKED
from helpers.tasks.spatial.patients import OTHER, RIDGE, SAME

GIVEN = {"n_resamples": 100, "seed": 0}


def genes(error):
    return pd.DataFrame(
        {
            "slide": [f"s{i}" for i in range(4)],
            "patient": [f"p{i // 2}" for i in range(4)],
            "gene": "g",
            "kind": "visible",
            "pearson": 0.3,
            "squares": [10 * (error + 0.01 * i) for i in range(4)],
            "n": 10,
            "constant": 0,
        }
    )


def cells(raw=9.0, masked=1.4, completed=1.45, models=("ViT", "EGN", "ridge on stain")):
    parts = []

    def add(error, model, cell):
        found = genes(error)
        parts.append(
            models_report.rows(
                found, model=model, dataset="simulated", cell=cell, task=cells_report.TASK
            )
        )

    for model in models:
        for cell, error in zip(CELLS, (raw, masked, completed, masked), strict=True):
            add(error, model, cell)
    add(2.0, "gene mean", MASKED)
    add(1.0, LATENT, MASKED)
    return {findings.CELLS_PAGE: pd.concat(parts, ignore_index=True)}


def test_completion_or_zeros():
    said = findings.completion_or_zeros(cells(), **GIVEN)
    assert said.startswith("No; what helps is not to train on zeros") and "7.60" in said
    assert findings.region_of(cells()[findings.CELLS_PAGE]) == pytest.approx(0.1, abs=1e-6)
    assert findings.completion_or_zeros(cells(completed=1.0), **GIVEN).startswith("Yes: ")


@pytest.mark.parametrize(
    "zeros, added, said",
    [
        (["lower", "lower"], ["lower", "lower"], "Yes: without zeros"),
        (["lower", "lower"], ["lower", "equal"], "For some: without zeros"),
        (["lower", "lower"], ["equal", "higher"], "No; what helps is not to train on zeros: "),
        (
            ["lower", "higher"],
            ["equal", "equal"],
            "No: without zeros in the loss the squared error",
        ),
        (["lower", "lower"], ["equal", "undecided"], "Shown for none: without zeros"),
    ],
)
def test_completion_is_judged_beside_zeros(zeros, added, said):
    found = pd.DataFrame(
        {
            "effect": ["masked loss instead of all"] * 2 + [findings.ADDED] * 2,
            "difference": [3.0, -1.0, 0.0, 0.1],
            "verdict": [*zeros, *added],
        }
    )
    text = findings.about_completion(found)
    n = zeros.count("lower")
    assert text.startswith(said)
    assert f"is lower for {n} of 2 models (median change \N{MINUS SIGN}1.00)" in text


def test_without_models_there_is_no_error():
    with pytest.raises(CannotAnswer):
        findings.errors_of(cells(models=())[findings.CELLS_PAGE].head(1))


def test_claims_are_judged_by_the_control():
    tables = cells() | {findings.LEADERBOARD_PAGE: leaderboard_report.rows(leaderboard())}
    found = findings.claims(tables, **GIVEN).set_index("claim")["verdict"]
    assert found.tolist() == [findings.SHOWN, findings.NOT_SHOWN, "reproduced (names only)"]
    ours = findings.claims(tables, **GIVEN)["ours"]
    assert ours.iloc[0].endswith("3 of 3 models (2 small networks; others are simple)")
    assert "lower for 0 of 3, equal or higher for 3" in ours.iloc[1]
    assert ours.iloc[2].startswith("26 by name, 24 that share no slide")
    better = findings.claims(tables | cells(completed=1.0), **GIVEN)["verdict"]
    assert better.tolist()[:2] == [findings.SHOWN, findings.SHOWN]
    table = tables[findings.CELLS_PAGE]
    one = table[(table["cluster"] == table["cluster"].iloc[0])]  # no interval over patients
    open_ = findings.claims(tables | {findings.CELLS_PAGE: one}, **GIVEN)["verdict"]
    assert open_.tolist()[:2] == [findings.OPEN, findings.OPEN]
    worse = findings.claims(tables | cells(completed=12.0), **GIVEN)["verdict"]
    assert worse.tolist()[:2] == [findings.NOT_SHOWN, findings.NOT_SHOWN]


@pytest.mark.parametrize(
    "n, apart, said", [(26, 26, "reproduced"), (26, 24, "names only"), (25, 25, "contradicted")]
)
def test_data_sets_are_counted(n, apart, said):
    table = leaderboard_report.rows(leaderboard())
    names = table["unit"].unique()
    assert (len(names), len(set(findings.clusters(names)))) == (26, 24)
    assert said in findings.count_verdict(n, apart)


def protocols(revised=0.3, together=0.7, dataset="mob"):
    parts = []
    for name, value in ((protocols_report.OURS, revised), (protocols_report.TOGETHER, together)):
        one = pd.DataFrame({"slide": ["a"], "fold": "a", "patient": "p", "n_genes": 5})
        one = one.assign(expression_pearson=value, expression_mse=1.0)
        parts.append(
            protocols_report.rows(one, dataset=dataset, protocol=name, split="sections", seed=0)
        )
    return {findings.PROTOCOLS_PAGE: pd.concat(parts, ignore_index=True)}


def test_protocol_or_model():
    said = findings.protocol_or_model(protocols(together=-0.1), **GIVEN)
    assert said.startswith("On real sections one ridge has a correlation of 0.30 as revised")
    assert "\N{MINUS SIGN}0.10 with raw counts" in said
    simulated = protocols(dataset="simulated")
    assert findings.protocol_or_model(simulated, **GIVEN).startswith("On simulated slides")
    with pytest.raises(CannotAnswer):
        table = protocols()[findings.PROTOCOLS_PAGE]
        findings.protocol_or_model({findings.PROTOCOLS_PAGE: table.head(1)}, **GIVEN)


def patients(dataset, relations=(SAME, OTHER)):
    found = pd.DataFrame({"relation": list(relations), "slide": "s", "patient": "p", "train": "t"})
    found = found.assign(model=RIDGE, expression_pearson=[0.4, 0.1][: len(found)], n_genes=3)
    found = found.assign(expression_mse=1.0)
    return {
        findings.PATIENTS_PAGE: patients_report.rows(
            found, dataset=dataset, seed=0, one_section=False
        )
    }


def test_on_another_patient():
    said = findings.on_another_patient(patients("mob"), **GIVEN)
    assert said == (
        "The correlation is 0.10 on another patient (n = 1) and 0.40 on the same one (n = 1), in "
        "mob: n counts patients, who are few: described only."
    )
    one = patients("mob")[findings.PATIENTS_PAGE]
    many = pd.concat([one.assign(cluster=f"p{i}", unit=f"u{i}") for i in range(6)])
    said = findings.on_another_patient({findings.PATIENTS_PAGE: many}, **GIVEN)
    assert said.endswith("(n = 6), in mob: n counts patients.")
    for tables in (patients("simulated, likeness 1"), patients("mob", (SAME,))):
        with pytest.raises(CannotAnswer):
            findings.on_another_patient(tables, **GIVEN)


def test_best_predictor():
    table = leaderboard_report.rows(leaderboard())
    said = findings.best_predictor({findings.LEADERBOARD_PAGE: table}, **GIVEN)
    assert said.startswith("ViT-B+Δ") and "of the other 8 models" in said
    with pytest.raises(CannotAnswer):
        findings.best_predictor({findings.LEADERBOARD_PAGE: table.head(0)}, **GIVEN)
    found = pd.DataFrame({"model": ["A", "B"], "mean rank": [1.2, 1.8], "letters": "a", "n": 5})
    said = findings.about_first(found, pd.Series({"A": 0.5, "B": 0.4}))
    assert "and the highest mean correlation; 1 of the other 1 models is not" in said
    both = findings.about_first(found.assign(letters=["ab", "b"]), pd.Series({"A": 0.5, "B": 0.4}))
    assert "1 of the other 1 models is not told apart" in both
    said = findings.about_first(found.assign(letters=["a", "b"]), pd.Series({"A": 0.4, "B": 0.5}))
    assert "while B has the highest mean correlation; 0 of the other 1 models are" in said
