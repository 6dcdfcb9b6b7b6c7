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
    assert replication_report.about_diseases(found).startswith(
        "Diseases replicate: 8 of 16 diseases (95 % interval 28% to 72%) find"
    )
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


def retrieved(floor, score=0.8, *, spread=0.0, n=8):
    """Score rows of `n` compounds; their values are `score` and `floor` on average.

    The score spreads by `spread` from compound to compound, and the floor with it.
    """
    shift = spread * np.linspace(-1, 1, n)
    parts = [
        pd.DataFrame({"relation": "same compound", "model": model, "value": mean + shift})
        for model, mean in (("cosine", score), ("random", floor))
        if mean is not None
    ]
    found = pd.concat(parts).rename_axis("well").reset_index()
    found = found.assign(compound=found["well"], n=9)
    return mechanism_report.retrieval_rows(found, dataset="d", seed=0)


@pytest.mark.parametrize(
    "table, whole, short",
    [
        (
            retrieved(0.75, spread=0.15),  # the intervals of both overlap, their difference is told
            "a difference of 0.05 (95 % interval 0.05 to 0.05). Signatures find it.",
            "Signatures find the same compound better than any floor (AUROC 0.80 against 0.75).",
        ),
        (
            retrieved(0.9, spread=0.05),
            "The second, a floor, finds it better: the signature gets no credit for it.",
            "The same compound is found better by random, a floor, than by any score (AUROC "
            "0.90 against 0.80).",
        ),
        (
            retrieved(0.4, 0.55, spread=0.3),
            "It is not told from chance.",
            "The same compound is not told from chance (cosine, AUROC 0.55).",
        ),
        (
            retrieved(0.5, n=3),
            "It is not told from chance.",
            "The same compound is not told from chance (cosine, AUROC 0.80).",
        ),
        (
            retrieved(None),
            "Same compound: cosine 0.80 (95 % interval 0.80 to 0.80).",
            "The same compound is found by cosine (AUROC 0.80), and no floor stands beside it.",
        ),
    ],
)
def test_retrieval_in_words(table, whole, short):
    assert mechanism_report.about_relation(table, "same compound", n_resamples=500).endswith(whole)
    assert mechanism_report.in_short(table, table, n_resamples=500) == short
    said = mechanism_report.in_short(table, None, n_resamples=500)
    assert said.startswith("Simulated: ") and "nan" not in said


def test_a_relation_that_no_floor_is_told_from():
    table = retrieved(0.8, spread=0.05)
    noise = 0.05 * np.tile([1.0, -1.0], 4)
    table.loc[table["model"] == "random", "value"] += noise
    about = mechanism_report.about_relation
    assert "The two are not told apart" in about(table, "same compound", n_resamples=500)
    short = mechanism_report.in_short(table, table, n_resamples=500)
    assert short.startswith("It is undecided whether signatures find the same compound better")
    assert about(table, "same target", n_resamples=500).startswith("No signature has another")


def of_doses(*means, n=8, place=None):
    rows = [
        ["same compound", model, f"c{i}", dose, mean + 0.01 * ((i * k) % 3)]
        for model, own in (("cosine", means), ("place on the plate", place or ()))
        for k, (dose, mean) in enumerate(zip((0.1, 1.0, 10.0), own, strict=False))
        for i in range(n)
    ]
    return pd.DataFrame(rows, columns=["relation", "model", "compound", "dose", "value"])


@pytest.mark.parametrize(
    "found, said",
    [
        (of_doses(0.5, 0.8, 0.6), "1 µM is found best (cosine, 0.81): it is found more easily than "
         "the lowest (0.1 µM, 0.50), a difference of"),
        (of_doses(0.5, 0.8, 0.6), "it is found more easily than the highest (10 µM, "),
        (of_doses(0.5, 0.8, 0.795), "it is not told from the highest (10 µM, "),
        (of_doses(0.5, 0.6, 0.8), "10 µM is found best (cosine, 0.81): it is found more easily "
         "than the lowest"),
        (of_doses(0.5, 0.8, 0.6, n=3), "it is not told from the highest"),
        (of_doses(0.5, 0.8, 0.6, place=(0.9, 0.95, 0.9)), "with 0.90 to 0.96, so that where"),
        (of_doses(0.5), "There are not several doses of one compound."),
    ],
)  # fmt: skip
def test_doses_in_words(found, said):
    text = mechanism_report.about_dose(found, n_resamples=500)
    assert said in text and "nan" not in text
    assert ("so that where a dose lies" in text) == ("place on the plate" in set(found["model"]))


def test_a_plate_without_controls_cannot_answer():
    with pytest.raises(CannotAnswer, match="needs 6 control wells, has 2"):
        require("Whether", mechanism.REQUIREMENTS, {"controls": 2, "compounds": 9})


def test_profiles_of_patients_name_no_compound_and_are_no_error():
    patients = ad.AnnData(np.ones((3, 2)), pd.DataFrame({"class": list("abc")}, index=list("xyz")))
    has = mechanism.available(patients)
    assert has == {"controls": 0, "compounds": 0}
    with pytest.raises(CannotAnswer, match="control wells"):
        require("Whether signatures answer", mechanism.REQUIREMENTS, has)
