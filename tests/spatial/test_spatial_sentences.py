"""What pages say of tissue, branch by branch."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from helpers.data.spatial.spared import card, good_for
from helpers.tasks.spatial import curation_report, slides, slides_report


def facts(*rows):
    return pd.DataFrame(
        [("hex", *row) for row in rows], columns=["geometry", "slide", "patient", "image"]
    )


@pytest.mark.parametrize(
    "rows, said",
    [
        (
            [("a", "p", True)],
            "x has 1 slide of 1 patient or animal on a hex array, with its image.",
        ),
        (
            [("a", "p", True), ("b", "q", True)],
            "2 patients or animals on a hex array, with an image",
        ),
        ([("a", "p", True), ("b", "p", False)], "1 of them with an image"),
        ([("a", "p", False)], "without an image, so that spots are drawn alone"),
    ],
)
def test_slides_are_counted(rows, said):
    assert said in slides_report.about_slides(facts(*rows), "x")


@pytest.mark.parametrize(
    "rows, said",
    [
        ([("a", "p", True)], "With one slide nothing can be held out"),
        ([("a", "p", True), ("b", "p", True)], "a patient cannot"),
        ([("a", "p", True), ("b", "q", True)], "Each slide is of another patient"),
        ([("a", "p", True), ("b", "p", True), ("c", "q", True)], "Some patients have several"),
    ],
)
def test_what_can_be_held_out(rows, said):
    assert said in slides_report.about_patients(facts(*rows))


@pytest.mark.parametrize(
    "expected, said",
    [(np.nan, "nobody knows here"), (0.3, "Counting alone would leave 30% and 30%")],
)
def test_zeros(expected, said):
    table = pd.DataFrame(
        {"counts": [100, 900], "zero": [0.8, 0.4], "expected zero": [expected, expected]}
    )
    text = slides_report.about_zeros(table)
    assert said in text and "the lowest (median 100) has 80% zeros" in text


def test_the_card_adds_up_as_the_sources_do():
    table = card()
    assert len(table) == 26 and table["spots"].sum() == 308_843
    assert table[["train", "val", "test"]].to_numpy().sum() == 105
    assert (table["test"] == 0).sum() == 15 and (table["patients"] == "between").sum() == 7
    assert table.loc[table["image"] != "H&E", "data set"].tolist() == ["10XGHB", "10XGMBC"]
    assert (table["processed"] < table["raw"]).all()
    said = slides_report.about_card(table)
    assert "15 have no slide to test on" in said and "10XGHB and 10XGMBC are stained" in said
    assert "MMBP2 and MMBP1 are slides of MMBR again" in said


@pytest.mark.parametrize(
    "row, said",
    [
        ({"test": 0, "patients": "within", "image": "H&E", "part of": ""}, "selection only"),
        ({"test": 1, "patients": "between", "image": "H&E", "part of": ""}, "new patients"),
        ({"test": 1, "patients": "within", "image": "IF", "part of": "A"}, "not H&E; not beside A"),
    ],
)
def test_what_a_set_is_good_for(row, said):
    assert said in good_for(row)


def test_sizes_of_neighbourhoods_are_those_of_the_formula():
    table = slides.hop_sizes()
    assert table.iloc[:, 1:].to_numpy().tolist() == [[6, 7, 19, 37, 61], [4, 5, 13, 25, 41]]
    # centred hexagonal numbers, and centred squares
    h = np.arange(1, 5)
    assert (table.iloc[0, 2:] == 3 * h * (h + 1) + 1).all()
    assert (table.iloc[1, 2:] == 2 * h * (h + 1) + 1).all()


def left(*rows):
    return pd.DataFrame(rows, columns=["step", "spots", "genes", "not measured"])


def test_what_the_rule_left():
    first = ("as read", 10, 400, 0.4)
    rule, moran = ("running mean", 10, 300, 0.3), ("Moran's I", 10, 64, 0.2)
    said = curation_report.about_rule(left(first, rule, moran))
    assert "Of 400 genes the rule keeps 300" in said and "then chooses 64" in said
    lengths = ("genes with a length", 10, 290, 0.3)
    said = curation_report.about_rule(left(first, rule, lengths, moran))
    assert "10 of them have no known length" in said
    said = curation_report.about_rule(left(first, rule, ("Moran's I", 10, 300, 0.3)))
    assert "all of these stay" in said


def test_smoothness():
    means = {
        "normalised": 0.3,
        "adaptive median": 0.5,
        "shuffled, normalised": 0.0,
        "shuffled, adaptive median": 0.1,
    }
    table = pd.DataFrame({"dataset": "x", "model": means.keys(), "mean": means.values()})
    table = table.assign(low=table["mean"] - 0.04, high=table["mean"] + 0.04)
    text = curation_report.about_smoothness(table, "x")
    assert "of shuffled spots it is 0.00 and 0.10. What shuffled spots show after" in text
    ends = {0.1: "smoothness of nothing is not shown.", np.nan: "So few units do not say whether"}
    for wide, end in ends.items():
        unsure = table.assign(low=table["mean"] - wide, high=table["mean"] + wide)
        assert end in curation_report.about_smoothness(unsure, "x")
    assert "latent" not in text
    truth = pd.DataFrame([{"dataset": "x", "model": "latent truth", "mean": 0.8}])
    assert "0.80" in curation_report.about_smoothness(pd.concat([table, truth]), "x")


def sections(*genes, whole):
    rows = [("slide", f"s{i}", g) for i, g in enumerate(genes)] + [("all", "all slides", whole)]
    return pd.DataFrame(rows, columns=["level", "name", "genes"])


@pytest.mark.parametrize(
    "table, said",
    [
        (sections(50, whole=50), "With one slide the rule keeps 50"),
        (sections(50, 90, whole=40), "keep fewer than any of them alone"),
        (sections(50, 90, whole=60), "1 of them keeps more genes alone"),
        (sections(80, 90, whole=90), "0 of them keep more genes alone"),
    ],
)
def test_genes_by_section(table, said):
    assert said in curation_report.about_sections(table)


def sections(genes, patients, whole=5):
    alone = pd.DataFrame({"level": "slide", "patient": patients, "genes": genes})
    every = pd.DataFrame({"level": ["all"], "patient": [""], "genes": [whole]})
    return pd.concat([alone, every]).assign(**{"not measured": 0.5})


def test_intervals_over_sections_and_over_the_means_of_patients():
    found = curation_report.over_sections(sections([10, 20, 30, 60], list("aabb")))
    by = found.set_index(["of", "over"]).loc["genes"]
    assert by["n"].tolist() == [4, 2] and by["mean"].tolist() == [30, 30]
    half = t.ppf(0.975, 3) * np.std([10, 20, 30, 60], ddof=1) / 2
    assert by.loc["sections", "high"] == pytest.approx(30 + half)
    half = t.ppf(0.975, 1) * np.std([15, 45], ddof=1) / 2**0.5
    assert by.loc["patients", "low"] == pytest.approx(30 - half)


@pytest.mark.parametrize(
    "genes, patients, said",
    [
        ([10], ["a"], "set has one section"),
        ([10, 20], ["a", "a"], "They are of one patient"),
        ([10, 11, 30, 31], list("aabb"), "the interval over patients is the wider one"),
        ([10, 20, 30, 60], list("abcd"), "the interval over patients is not the wider"),
    ],
)
def test_what_the_rule_keeps_of_patients(genes, patients, said):
    assert said in curation_report.about_patients(sections(genes, patients), "set")


@pytest.mark.parametrize(
    "shares, said",
    [([0.0], "There is one slide"), ([0.0, 0.0], "do not overlap"), ([0.5, 0.7], "60% of the 18")],
)
def test_strangers(shares, said):
    assert said in curation_report.about_foreign(pd.DataFrame({"share": shares}))


def test_lengths_and_choices():
    bias = pd.DataFrame(
        {"gene": list("ab"), "rank by counts": [1.0, 2], "rank by length": [2.0, 1]}
    )
    assert "1 of the 1 most counted genes" in curation_report.about_lengths(bias)
    assert "keep 2 and 3 genes; 1 are the same" in curation_report.about_choice(
        ["a", "b"], ["b", "c", "d"]
    )


def test_rows_and_means_over_draws():
    found = pd.DataFrame(
        {"gene": ["a", "b"] * 2, "layer": ["normalised"] * 2 + ["latent truth"] * 2,
         "moran": [0.1, 0.3, 0.5, 0.7]}
    )  # fmt: skip
    table = pd.concat(curation_report.score_rows(found, dataset="x", seed=s) for s in (0, 1))
    assert set(table["role"]) == {"candidate", "ceiling"}
    means = curation_report.over_draws(table)
    assert means["mean"].round(9).tolist() == [0.2, 0.6] and means["low"].notna().all()
    assert curation_report.over_draws(table[table["seed"] == 0])["low"].isna().all()


@pytest.mark.parametrize(
    "zeros, said",
    [
        (
            [0.8, 0.6, 0.4],
            "80% of the entries are zero in the spots with the fewest counts, and 40%",
        ),
        ([0.8, 0.4], "A zero is first of all a statement about depth."),
        ([0.4, 0.4], "That zeros follow depth is not seen here."),
        ([0.0, 0.0], "Not one entry is zero"),
        ([0.4], "could not be asked"),
        ([0.4, np.nan], "could not be asked"),
        ([], "could not be asked"),
    ],
)
def test_what_a_zero_is_in_short(zeros, said):
    table = pd.DataFrame({"counts": np.arange(len(zeros)) + 1.0, "zero": zeros})
    assert said in slides_report.in_short(table)


@pytest.mark.parametrize(
    "made, half, said",
    [
        (0.1, 0.02, "to 0.10 (95 % interval 0.08 to 0.12): some of the smoothness is made by"),
        (0.1, 0.2, "that the filter makes smoothness itself is not shown"),
        (0.1, np.nan, "so few draws do not say"),
        (np.nan, 0.1, "was not scored"),
    ],
)
def test_curation_in_short(made, half, said):
    means = {
        "normalised": 0.3,
        "adaptive median": 0.5,
        "shuffled, normalised": 0.0,
        "shuffled, adaptive median": made,
    }
    table = pd.DataFrame({"model": means.keys(), "mean": means.values()})
    table = table.assign(low=table["mean"] - half, high=table["mean"] + half)
    steps = left(("as read", 10, 4000, 0.4), ("Moran's I", 10, 64, 0.2))
    text = curation_report.in_short(steps, table)
    assert text.startswith(
        "Choosing genes leaves 64 of 4,000, and the share of zeros goes from 40%"
    )
    assert said in text
