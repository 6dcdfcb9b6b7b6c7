"""Sentences of the tier's chapters, branch by branch."""

import numpy as np
import pandas as pd
import pytest

from helpers.tasks.explanation import lda_report, sentences


def agreement(alone=30.0, half=2.0):
    rows = {
        "feature_agreement_local": (50.0, 55.0, alone, 80.0),
        "feature_agreement_global": (90.0, 90.0, 70.0, 99.0),
        "balanced_accuracy": (99.0, 9.0, np.nan, np.nan),
    }
    models = ("LR", "MLP", "expression alone", "planted truth")
    table = pd.DataFrame(
        [
            ("d", m, metric, v)
            for metric, own in rows.items()
            for m, v in zip(models, own, strict=True)
        ],
        columns=["dataset", "model", "metric", "value"],
    )
    return table.assign(low=table["value"] - half, high=table["value"] + half)


def test_the_genes_that_are_named():
    said = sentences.named_genes(agreement(), "d")
    assert said.startswith("In part: the models classify 9.0 and 99.0 % of test samples right")
    assert "50.0 and 55.0 % are planted" in said
    assert said.endswith("over a class it is 90.0 %, and by expression alone 70.0 %.")
    assert "alone has 30.0 % and the planted truth itself 80.0 %" in said
    for unclear in (agreement(alone=47.0), agreement(half=np.nan)):
        assert sentences.named_genes(unclear, "d").startswith("Not shown to do so better")


def test_gaps_of_models_that_learned_nothing():
    floor = pd.DataFrame(
        {"model": ["LR", "MLP"], "PGI, sample": [40.0, 50.0], "PGR": 10.0, "FA, sample": 9.0}
    )

    def above(low, high, value=30.0):
        rows = {"model": ["LR", "MLP"], "value": value, "low": low, "high": high}
        return pd.DataFrame(rows)

    said = sentences.gaps_of_nothing(floor, above([20.0, 1.0], 40.0))
    assert said.startswith("No: models")
    assert "(LR 40 %, in a random order 10 %, with 9 % planted genes" in said
    assert sentences.gaps_of_nothing(floor, above(-9.0, 0.0)).startswith("Here it may")
    for open_ in (above([20.0, -1.0], 40.0), above(-1.0, 3.0)):
        said = sentences.gaps_of_nothing(floor, open_)
        assert (
            said.startswith("Undecided: ")
            and f"30 points, \u22121 to {open_['high'][1]:.0f}" in said
        )
    said = sentences.gaps_of_nothing(floor, above(np.nan, np.nan))
    assert said.startswith("Undecided: ") and said.endswith("(LR 30 points; MLP 30 points).")
    assert "no gap" in sentences.gaps_of_nothing(floor.assign(PGR=np.nan), above(1.0, 2.0))


def test_one_class_cannot_tell_orders_apart():
    assert sentences.explained_classes(1).startswith("Only its first class")
    assert sentences.explained_classes(3).startswith("3 classes")


def test_hidden_kinds():
    def pair(name, explained, profiles):
        rows = [(name, "explanations", *ends) for ends in explained]
        rows += [(name, "profiles", *profiles)] * 2
        return pd.DataFrame(rows, columns=["pair", "source", "low", "high"])

    better = pair("a", [(0.6, 0.8), (0.5, 0.7)], (0.3, 0.4))
    worse = pair("b", [(0.1, 0.2), (0.2, 0.25)], (0.3, 0.4))
    one_of_them = pair("c", [(0.6, 0.8), (0.3, 0.7)], (0.3, 0.4))
    said = sentences.hidden_kinds(pd.concat([better, worse, one_of_them]))
    assert said.startswith("With both models, the subtypes are separated better by explanations")
    assert "in 1 of 3 pairs, and worse in 1" in said and said.endswith("or depends on the model.")
    said = sentences.hidden_kinds(pd.concat([better, worse]))
    assert said.endswith("and worse in 1.")
    assert "One training" in sentences.hidden_kinds(pair("a", [(np.nan, np.nan)], (0.3, 0.3)))
    assert sentences.hidden_kinds(better.iloc[:0]) == "No pair of subtypes was asked."


@pytest.mark.parametrize(
    "unclear, has, said",
    [
        (["a", "b"], True, "chance: a, b."),
        ([], True, "No interval"),
        (["a"], False, "One training"),
    ],
)
def test_chance(unclear, has, said):
    assert said in sentences.chance_not_excluded(unclear, has)


@pytest.mark.parametrize(
    "ahead, said",
    [
        ([0.1, 0.2], "On average, the best are ahead of random ones at every number"),
        ([0.0, 0.2], "with 5 genes"),
        ([np.nan] * 2, "not scored"),
    ],
)
def test_random_genes(ahead, said):
    assert said in sentences.random_genes(pd.Series(ahead, [5, 10]))


def test_the_first_component():
    rows = {"first component": (0.5, 0.6), "a": (0.7, 0.8), "b": (0.2, 0.4), "c": (0.55, 0.9)}
    lists = pd.DataFrame.from_dict(rows, orient="index", columns=["low", "high"])
    said = sentences.first_component(lists, "few samples")
    assert said.startswith(
        "Of 3 lists that see the classes, 1 is shown to name more than it with few"
    )
    assert said.endswith("and 1 to name fewer; of 1 it is undecided.")
    assert "is undecided" not in sentences.first_component(lists.drop("c"), "d")
    assert ", none is shown to name more" in sentences.first_component(lists.drop("a"), "d")
    assert "and none to name fewer" in sentences.first_component(lists.drop("b"), "d")
    assert sentences.first_component(lists * np.nan, "d").startswith("One draw cannot tell")
    assert sentences.first_component(lists.iloc[:1], "d").startswith("No list")


@pytest.mark.parametrize(
    "apart, p, said",
    [
        (0.5, 0.01, "a mechanism shown on other data"),
        (0.5, 0.2, "undecided"),
        (-0.1, 0.5, "undecided"),
        (-0.5, 0.99, "a mechanism not seen on other data"),
        (np.nan, np.nan, "not answered"),
    ],
)
def test_families_of_lists(apart, p, said):
    assert said in sentences.families(apart, p)


@pytest.mark.parametrize(
    "unseen, said",
    [
        ([0.6, 0.7], "a and b lie inside the range of lists that know the class"),
        ([0.1, 0.7], "a lies below the range of lists that know the class, b inside it"),
        ([0.5, 0.99], "class, b above it"),
        ([np.nan, 0.7], "not scored"),
    ],
)
def test_lists_that_never_saw_the_classes(unseen, said):
    assert said in sentences.unseen_lists(pd.Series(unseen, ["a", "b"]), pd.Series([0.5, 0.9]))


def test_how_many_published_values_another_draw_may_have():
    rows = pd.DataFrame(
        {
            "dataset": ["SIMU1", "SIMU2", "SIMU2"], "model": "LR", "metric": "pgi_local",
            "value": [50.0, 60.0, 70.0], "published": [51.0, 40.0, 69.0],
            "low": [48.0, 58.0, 66.0], "high": [52.0, 62.0, 74.0],
            "inside": [True, False, True],
        }
    )  # fmt: skip
    rows["difference"] = rows["value"] - rows["published"]
    said = sentences.reproduced(rows)
    assert (
        said.startswith("2 of 3 published values, give or take")
        and "Outside lie 1 of SIMU2" in said
    )
    assert "LR in SIMU2, where ours is 60.0 % and the published value 40.0 %" in said
    assert sentences.reproduced(rows[rows["inside"]]).endswith("would miss by chance.")
    assert sentences.reproduced(rows.assign(low=np.nan)).startswith("Undecided: one draw")
    assert sentences.reproduced(None).startswith("Not answered in this build")


@pytest.mark.parametrize(
    "move, outside, said",
    [
        (-1.0, [True], "moves 1 of 1 value of SIMU2"),
        (
            1.0,
            [True],
            "towards the published one: it does not explain",
        ),
        (-1.0, [False], "no miss to explain"),
        (np.nan, [True], "it does not explain them"),
    ],
)
def test_noise_as_the_reason_of_a_miss(move, outside, said):
    shift = pd.DataFrame({"LR": [move]}, index=["PGI, sample"])
    rows = pd.DataFrame(
        {"dataset": "SIMU2", "model": "LR", "metric": "pgi_local", "difference": 1.5},
        index=range(len(outside)),
    ).assign(inside=~np.array(outside))
    assert said in sentences.noise_as_reason(shift, rows)
    assert "no miss to explain" in sentences.noise_as_reason(shift, None)
    assert "no miss" in sentences.noise_as_reason(shift, rows.assign(dataset="SIMU1"))


def said_of_habits(**cases):
    numbered = {
        f"{i} {name}": pd.DataFrame({"without": two[0], "with": two[1]})
        for i, (name, two) in enumerate(cases.items(), start=1)
    }
    return sentences.habits(dict.fromkeys(numbered, "a gap"), numbered)


def test_what_habits_change():
    up, down = ([0.1, 0.2, 0.3], [0.6, 0.71, 0.8]), ([0.9, 0.8, 1.0], [0.1, 0.01, 0.2])
    close, one_draw = ([0.5, 0.6, 0.4], [0.6, 0.5, 0.5]), ([0.1], [0.9])
    said = said_of_habits(up=up, down=down, close=close)
    assert said.startswith("Of 3 habits that were tried without and with, 2 change what was")
    # -80, -79, -80 points: their mean and Student's t with 2 degrees at 1 - 0.05 / 3
    assert "down\N{RIGHT DOUBLE QUOTATION MARK} (a gap): 90 % without, 10 % with" in said
    assert "a change of \N{MINUS SIGN}82 to \N{MINUS SIGN}77 points" in said
    assert said.endswith("95 % for all of them together). Undecided: close.")
    # each draw is 1 point above itself, though the draws differ by more than that
    paired = said_of_habits(paired=([0.1, 0.5, 0.9], [0.11, 0.51, 0.911]), one_draw=one_draw)
    assert paired.startswith("Of 1 habit that was tried without and with, 1 changes what was")
    assert paired.endswith("a change of 1 to 1 points (paired by draw; 95 %).")
    assert said_of_habits(close=close).startswith("None of 1 habit that was tried without and")
    one = said_of_habits(one=one_draw, less=([0.1], [0.2]))
    assert one.startswith("Too few draws for an interval; by means, most changes with")
    assert one.endswith("(a gap): 10 % without, 90 % with.")
    assert said_of_habits(lost=([np.nan], [0.9])) == "No habit was scored in both cases."


@pytest.mark.parametrize(
    "rows, said",
    [
        (
            [("a", 0.7, 0.6, 0.8)],
            "sample shows 70.0 % (95 % interval 60.0 to 80.0) with a. So an explanation",
        ),
        ([("a", 0.7, 0.6, 0.8), ("b", 0.99, 0.9, 1.0)], "is not excluded in each design"),
        ([("a", 0.7, np.nan, np.nan)], "too few samples to say whether"),
        ([("a", np.nan, np.nan, np.nan)], "was not scored"),
        ([], "was not scored"),
    ],
)
def test_what_a_single_sample_shows(rows, said):
    shown = pd.DataFrame(rows, columns=["dataset", "mean", "low", "high"])
    shown["dataset"] = "simulated, " + shown["dataset"].astype(str)
    assert said in lda_report.in_short(shown)
