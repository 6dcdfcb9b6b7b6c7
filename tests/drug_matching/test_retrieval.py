"""Second measurements of drugs and diseases, and retrieval on drug signatures alone."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from helpers.data.drug_matching.simulator import MatchingKnobs, simulate
from helpers.data.sets import cmap1_drugvsdisease
from helpers.tasks.drug_matching import matching as task
from helpers.tasks.drug_matching import (
    mechanism,
    mechanism_report,
    replication,
    replication_report,
)
from helpers.tasks.requirements import CannotAnswer, require

SMALL = {"n_genes": 300, "n_diseases": 30, "n_drugs": 80, "n_programs": 12, "n_contrasts": 2}


def test_second_measurements_are_those_measured(data, paths_of):
    """On landmark genes; 9 of 16 and 0.579 on all genes and treatments."""
    reversal = task.reversal_scores.function(data, scorer="cosine")
    paths = paths_of(cmap1_drugvsdisease)
    profiles = cmap1_drugvsdisease.read_diseases(paths)
    assert profiles.shape == (45, 11_709)
    found = replication.disease_replication.function(data, profiles)
    assert len(found) == 16 and (found["place"] == 1).sum() == pytest.approx(9, abs=1)
    assert found["own"].mean() == pytest.approx(0.32, abs=0.02)
    treatments = cmap1_drugvsdisease.read(paths)
    assert len(treatments) == 6_100 and treatments["drug"].nunique() == 1_309
    drugs = replication.drug_replication.function(data, treatments)
    assert len(drugs) == pytest.approx(486, abs=3)
    assert drugs["percentile"].mean() == pytest.approx(0.579, abs=0.02)
    strata = replication.by_reproducibility.function(reversal, data, drugs)
    assert set(strata["stratum"]) == {"replicate better", "replicate worse"}


def test_replication_in_words():
    found = pd.DataFrame({"place": [1] * 8 + [5] * 8, "own": 0.3, "others": 0.0, "n": 49})
    assert replication_report.about_diseases(found).startswith("Diseases replicate: 8 of 16")
    none = found.assign(place=9)
    undecided = "It is undecided whether diseases replicate: 0 of 16"
    assert replication_report.about_diseases(none).startswith(undecided)
    below = pd.concat([none.assign(n=2)] * 2)
    assert replication_report.about_diseases(below).startswith("Diseases do not replicate")
    assert replication_report.about_diseases(found.iloc[:0]) == "No disease was measured twice."
    rng = np.random.default_rng(0)
    drugs = pd.DataFrame({"unit": [f"d{i}" for i in range(40)], "first": 0.0})
    for mean, head in ((0.6, "Drugs replicate: "), (0.3, "Drugs do not replicate: ")):
        own = drugs.assign(percentile=mean + 0.01 * rng.random(40))
        assert replication_report.about_drugs(own, rng=rng).startswith(head)
    own = drugs.assign(percentile=0.4 + 0.2 * rng.random(40))
    for few in (own, own.head(3)):
        said = replication_report.about_drugs(few, rng=rng)
        assert said.startswith("It is undecided whether drugs replicate") and "nan" not in said
    assert replication_report.about_drugs(own.iloc[:0], rng=rng) == "No drug was measured twice."

    def strata(better):
        rows = {"stratum": ["replicate better", "replicate worse"], "mean": [better, 0.5]}
        return pd.DataFrame(rows).assign(
            low=lambda t: t["mean"] - 0.05, high=lambda t: t["mean"] + 0.05
        )

    assert replication_report.about_strata(strata(0.7)).startswith("Reversal is better where")
    assert replication_report.about_strata(strata(0.3)).startswith("Reversal is worse where")
    assert replication_report.about_strata(strata(0.55)).startswith("It is undecided")
    assert replication_report.about_strata(strata(0.5).iloc[:1]).startswith("Too few drugs")


# Retrieval --------------------------------------------------------------------------------------


def test_terms_are_shared_by_name_without_signs():
    annotation = pd.DataFrame(
        {
            "compound": ["Drug-A", "drug b", "c", "c"],
            "kind": "mechanism",
            "term": ["x", "x", "y", "z"],
        }
    )
    found = mechanism.shared_terms(["drug_a", "DrugB", "c", "unknown"], annotation, "mechanism")
    assert found[0, 1] and not found[0, 2] and not found[3].any()
    assert not mechanism.shared_terms(["c"], annotation, "target").any()


def test_families_find_each_other():
    data = simulate(MatchingKnobs(**(SMALL | {"family": 4, "n_drugs": 24})), 0)
    found = mechanism.simulated_retrieval.function(data)
    value = found.groupby(["relation", "model"])["value"].mean()
    assert (value["same compound"] > 0.7).all() and (value["same mechanism"] > 0.6).all()


def of_relation(best, floor, low):
    rows = [["same compound", "cosine", best, low, best + 0.1],
            ["same compound", "random", floor, floor - 0.02, floor + 0.02]]  # fmt: skip
    return pd.DataFrame(rows, columns=["split", "model", "mean", "low", "high"])


def test_retrieval_in_words():
    about = mechanism_report.about_relation
    assert about(of_relation(0.8, 0.5, 0.7), "same compound").endswith("Signatures find it.")
    for floor in (0.69, 0.8, 0.9):
        assert "The two are not told apart" in about(of_relation(0.8, floor, 0.7), "same compound")
    better = about(of_relation(0.7, 0.9, 0.6), "same compound")
    assert better.endswith(
        "The second, a floor, finds it better: the signature gets no credit for it."
    )
    few = of_relation(0.8, 0.5, 0.7).assign(low=np.nan, high=np.nan)
    assert about(few, "same compound").endswith("It is not told from chance.")
    assert about(of_relation(0.6, 0.5, 0.45), "same compound").endswith("not told from chance.")
    assert about(of_relation(0.8, 0.5, 0.7), "same target").startswith("No signature has another")
    only = of_relation(0.8, 0.5, 0.7).iloc[:1]
    assert (
        about(only, "same compound") == "Same compound: cosine 0.80 (95 % interval 0.70 to 0.90)."
    )
    assert mechanism_report.in_short(only, None).startswith("Simulated. Same compound: cosine")
    assert mechanism_report.in_short(only, only).startswith("Same compound: cosine")
    doses = pd.DataFrame({"model": "cosine", "dose": [0.1, 10.0]})
    for values, head in (
        ((0.5, 0.7), "A higher dose is found more easily"),
        ((0.7, 0.5), "A higher dose is found less easily"),
        ((0.5, 0.55), "It is undecided whether a higher dose"),
    ):
        own = doses.assign(mean=values, low=np.array(values) - 0.05, high=np.array(values) + 0.05)
        assert mechanism_report.about_dose(own).startswith(head)
    few = own.assign(low=np.nan, high=np.nan)
    assert mechanism_report.about_dose(few).startswith("It is undecided")
    assert mechanism_report.about_dose(doses.iloc[:0]) == "There are not several doses."


def test_a_plate_without_controls_cannot_answer():
    with pytest.raises(CannotAnswer, match="2 control wells"):
        require("Whether", mechanism.REQUIREMENTS, {"controls": 2, "compounds": 9})


def test_profiles_of_patients_name_no_compound_and_are_no_error():
    patients = ad.AnnData(np.ones((3, 2)), pd.DataFrame({"class": list("abc")}, index=list("xyz")))
    has = mechanism.available(patients)
    assert has == {"controls": 0, "compounds": 0}
    with pytest.raises(CannotAnswer, match="control wells"):
        require("Whether signatures answer", mechanism.REQUIREMENTS, has)
