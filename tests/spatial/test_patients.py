"""Within against between patients: what trains whom, the parts of the error, what is said."""

import numpy as np
import pandas as pd
import pytest

from helpers import scores
from helpers.data.errors import DataError
from helpers.data.spatial import patches
from helpers.data.spatial.simulate import TissueKnobs, simulate
from helpers.data.spatial.spared import card
from helpers.metrics.spatial.facts import METRICS
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.spatial import patients as task
from helpers.tasks.spatial import patients_report as report


@pytest.fixture(scope="module")
def found():
    knobs = TissueKnobs(side=12, n_genes=40, n_slides=4, patients="pairs", likeness=0.0)
    data = simulate(2, knobs)
    features = patches.features_of(patches.windows(data))
    return {
        one: task.between.function(data, features, one_section=one, n_genes=30)
        for one in (True, False)
    }


def test_sections_train_by_whose_they_are(found):
    one = found[True]
    ridge = one[one["model"] == task.RIDGE]
    assert len(ridge) == 4 * 3 and (ridge["relation"] == task.SAME).sum() == 4
    whole = found[False]
    assert set(whole["train"]) >= {"slide 3, slide 4", "slide 2"}
    assert not any(s in t.split(", ") for s, t in zip(one["slide"], one["train"], strict=True))


def test_the_own_mean_has_no_offset_and_constants_have_no_correlation(found):
    whole = found[False].set_index("model")
    assert whole.loc[task.OWN, "offset"].max() < 1e-12
    for model in (task.OWN, task.MEAN):
        assert (whole.loc[model, "expression_pearson"] == 0).all()
    np.testing.assert_allclose(whole["offset"] + whole["pattern"], whole["expression_mse"])
    assert (
        whole.loc[task.OWN, "expression_mse"] <= whole.loc[task.MEAN, "expression_mse"].to_numpy()
    ).all()


def test_unlike_patients_teach_less(found):
    table = report.means({(0.0, 0): found[False]}, "likeness")
    own = table[table["model"] == task.RIDGE].set_index("relation")
    assert own.loc[task.SAME, "pearson"] > own.loc[task.OTHER, "pearson"]
    assert (own["n"] == 2).all()


def test_rows_are_a_score_table(found):
    parts = [report.rows(t, dataset="s", seed=0, one_section=o) for o, t in found.items()]
    table = scores.check(pd.concat(parts), METRICS)
    assert set(table["role"]) == {"candidate", "floor"}
    assert set(table["cluster"]) == {"patient 1", "patient 2"}
    drawn = report.rows(found[True], dataset="simulated, likeness 0", seed=7, one_section=True)
    assert set(drawn["cluster"]) == {"draw 7"}


def test_one_section_is_refused():
    data = simulate(0, TissueKnobs(side=6, n_genes=20, n_slides=3))
    one = data[(data.obs["slide"] == "slide 1").to_numpy()].copy()
    one.uns["slides"] = {"slide 1": data.uns["slides"]["slide 1"]}
    features = patches.features_of(patches.windows(one))
    with pytest.raises(DataError, match="none is left"):
        task.between.function(one, features, one_section=False, n_genes=10)


def table(same=0.3, other=0.1, offset=0.6, half=0.04):
    rows = [
        (task.SAME, task.RIDGE, same, 0.8, 0.1),
        (task.OTHER, task.RIDGE, other, 1.0, offset),
        (task.OTHER, task.MEAN, 0, 1.2, 0.8),
        (task.OTHER, task.OWN, 0, 0.5, 0.0),
    ]
    found = pd.DataFrame(rows, columns=["relation", "model", "pearson", "mse", "offset"])
    ends = {"low": found["pearson"] - half, "high": found["pearson"] + half}
    return found.assign(pattern=found["mse"] - found["offset"], **ends)


def test_sentences():
    assert "67% of it is lost" in report.about_relation(table())
    assert "More than all" in report.about_relation(table(other=-0.1))
    assert "Nothing is lost" in report.about_relation(table(other=0.4))
    assert "undecided: the intervals overlap" in report.about_relation(table(half=0.2))
    for other in (0.1, 0.4):
        said = report.about_relation(table(other=other, half=np.nan))
        assert said.endswith("as a description: without intervals nothing is claimed.")
        assert "nan" not in said
    assert "description" not in report.about_relation(table())
    with pytest.raises(CannotAnswer):
        report.about_relation(table().iloc[1:])
    assert "60% of the ridge's squared error is offset" in report.about_error(table())
    assert "gains less than the offset costs" in report.about_error(table())
    useless = table()
    useless.loc[useless["model"] == task.RIDGE, "mse"] = 1.2
    assert report.about_error(useless).endswith("by these means the image gains nothing.")
    better = table()
    better.loc[better["model"] == task.RIDGE, "mse"] = 0.3
    assert "gains more than" in report.about_error(better)
    with pytest.raises(CannotAnswer):
        report.about_error(table().head(1))


def test_sentence_on_individuals_counts_them(found):
    said = report.about_individuals(found[True])
    assert said.startswith("2 individuals, 4 sections") and "2 are too few" in said
    one = found[True][found[True]["patient"] == "patient 1"]
    assert report.about_individuals(one).startswith("1 individual, 2 sections")
    assert report.about_individuals(one).endswith("1 is too few for a claim.")
    many = pd.concat(found[True].assign(patient=f"p{i}") for i in range(6))
    assert "too few" not in report.about_individuals(many)


@pytest.mark.parametrize(
    "n, said",
    [
        ({}, "No real patient was scored."),
        ({"a": 2, "b": 9}, "2 in a and 9 in b. Of fewer than 6 nothing is concluded"),
        ({"a": 6, "b": 9}, "Real patients: 6 in a and 9 in b."),
    ],
)
def test_real_patients_are_counted(n, said):
    real = pd.DataFrame({"data": list(n), "n": list(n.values())})
    text = report.about_numbers(real)
    assert said in text and ("concluded" in text) == (2 in n.values())


def test_two_patients_have_no_interval(found):
    two = report.means({("d", 0): found[False]}, "data")
    assert two["low"].isna().all()
    three = report.means({(0.0, d): found[False] for d in range(3)}, "likeness")
    assert three["low"].notna().all()


def test_sentence_on_likeness():
    parts = [table().assign(likeness=0.0), table(other=0.29).assign(likeness=1.0)]
    assert "the others teach less" in report.about_likeness(pd.concat(parts))
    wide = [part.assign(low=-1.0, high=1.0) for part in parts]
    assert "is undecided: the intervals overlap" in report.about_likeness(pd.concat(wide))
    turned = [table(other=0.4).assign(likeness=0.0), parts[1]]
    assert "the others teach more" in report.about_likeness(pd.concat(turned))
    alone = [part.assign(low=np.nan, high=np.nan) for part in parts]
    assert "as a description" in report.about_likeness(pd.concat(alone))


@pytest.mark.parametrize(
    "alike, half, said",
    [
        (0.29, 0.04, "It depends on how alike patients are. Simulated: a correlation of 0.10"),
        (0.02, 0.03, "A model is worth less where patients are alike. "),
        (0.12, 0.04, "That it depends on how alike patients are is not shown. "),
        (0.29, np.nan, "Too few draws say "),
    ],
)
def test_in_short(alike, half, said):
    parts = [table(half=half).assign(likeness=0.0)]
    parts.append(table(other=alike, half=half).assign(likeness=1.0))
    found = pd.concat(parts)
    text = report.in_short(found, pd.DataFrame())
    assert text.startswith(said) and "Real" not in text
    real = table().assign(data="d", n=3)
    text = report.in_short(found, real)
    assert text.endswith("only: d 0.10 (n = 3) on other patients, 0.30 (n = 3) on the same one.")
    assert "Real" not in report.in_short(found, real[real["relation"] == task.OTHER])
    assert " Real sections: d 0.10 (n = 6)" in report.in_short(found, real.assign(n=6))


def test_data_sets_that_do_not_hold_patients_apart_are_counted():
    said = report.about_apart(card())
    assert "26 data sets of SpaRED, 19 do not hold patients apart: 7 of these have a slide" in said
    assert "the other 12 report" in said
