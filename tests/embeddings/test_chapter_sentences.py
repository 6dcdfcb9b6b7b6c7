"""Sentences of the tier's chapters, branch by branch."""

import numpy as np
import pandas as pd
import pytest

from helpers.tasks.embeddings import sentences
from helpers.tasks.embeddings.batch_mixing_report import controls_of
from helpers.tasks.embeddings.foundation_models_report import in_short, who_can_be_asked

NAN = float("nan")


def test_the_reference_moves_an_embedding_or_none():
    small, large = pd.Series({"a": 0.001, "b": 0.002}), pd.Series({"a": 0.1, "b": 0.002})
    assert sentences.reference_moves(small) == "moves no raw embedding by more than 0.002"
    assert sentences.reference_moves(large) == "moves a most, by 0.10"
    assert sentences.reference_moves(pd.Series({"a": np.nan})) == "was not scored"


@pytest.mark.parametrize(
    "neither, draws, pairs, said",
    [
        (False, True, True, "refute none"),
        (True, False, False, "Either correction alone is not refuted by these guides"),
        (True, False, True, "Leaving draws out alone is not refuted by these guides; counting"),
        (True, True, False, "Counting pairs across replicates alone is not refuted by these"),
        (True, True, True, "Either correction alone is refuted by these guides"),
    ],
)
def test_corrections_alone(neither, draws, pairs, said):
    refuted = {("in-sample", "all"): neither, ("relabelled", "all"): draws}
    refuted["in-sample", "across"] = pairs
    assert said in sentences.corrections_alone(refuted)


def test_the_best_by_post_processing():
    said = sentences.best_by_post({"raw": "PCA", "tvn": "PCA"})
    assert said == "PCA has the highest mean with every post-processing"
    assert sentences.best_by_post({"raw": "PCA", "tvn": "scVI"}).endswith("raw - PCA; tvn - scVI")
    assert sentences.best_by_post({}) == "No model was scored"


@pytest.mark.parametrize("p, said", [(0.2, "does not show"), (0.01, "a hint"), (NAN, "nothing is")])
def test_a_map_beyond_the_size_of_effects(p, said):
    assert said in sentences.beyond_effects(p)


@pytest.mark.parametrize(
    "low, high, said",
    [
        (0.05, 0.2, "holds"),
        (0.2, 0.3, "above"),
        (0.01, 0.09, "below"),
        (NAN, NAN, "not known"),
    ],
)
def test_an_interval_beside_chance(low, high, said):
    assert said in sentences.of_one_tenth(low, high)


def test_highest_with_either_form():
    assert sentences.highest_either_way("a", "a") == "The highest mean is that of a either way"
    said = sentences.highest_either_way("a", "b")
    assert said.endswith("that of a with the fixed form, and of b with the chosen one")


def ends(low, high):
    return pd.Series({"low": low, "high": high})


def test_a_network_and_guides():
    assert "reads more" in sentences.turned_effects(ends(0, 0.1), ends(0.2, 0.3))
    assert "not clearly" in sentences.turned_effects(ends(0, 0.1), ends(0.05, 0.3))
    assert "not clearly" in sentences.turned_effects(ends(NAN, NAN), ends(0.05, 0.3))
    assert "do differ" in sentences.guides_differ(ends(0.2, 0.3), ends(0, 0.1))
    assert "no such" in sentences.guides_differ(ends(0.1, 0.3), ends(0, 0.1))
    assert "no such" in sentences.guides_differ(ends(NAN, NAN), ends(0, 0.1))


def test_the_first_place_of_real_neighbours():
    assert sentences.first_place(["a", "b"], 2).startswith("No candidate")
    assert sentences.first_place(["a"], 2) == "The first place may belong to a"
    assert sentences.first_place(["untrained scVI"], 2).endswith("needs no learning")
    several = sentences.first_place(["a", "untrained scVI"], 3)
    assert several.endswith("may hold it: that training helps is not shown here")
    assert sentences.first_place(["a"], 1).startswith("a is the only candidate")


def test_models_above_the_floors():
    low = pd.Series([0.2, 0.05, NAN])
    assert sentences.above_floors(low, 0.1).startswith("The intervals of 1 of 3 models lie")
    assert sentences.above_floors(low[:1], 0.1) == "Its interval lies above those of all floors"
    assert "does not lie" in sentences.above_floors(low[1:2], 0.1)
    assert sentences.above_floors(low[2:], 0.1).endswith(
        "no model is shown to lie above the floors"
    )


def test_controls_a_batch():
    assert controls_of("mine", pd.Series([5, 5])) == "Each batch of mine has 5 controls."
    assert controls_of("mine", pd.Series([5, 9])) == "Batches of mine have 5 to 9 controls."


def test_who_can_be_put_to_a_foundation_model():
    asked = pd.DataFrame({"detected": [20.0, 900.0]}, index=["poor", "rich"])
    assert who_can_be_asked(asked).startswith("rich can be put to a foundation model, of 2 screens")
    none = who_can_be_asked(asked[:1])
    assert none.startswith("The one screen at hand cannot") and "has 20 detected genes" in none
    assert who_can_be_asked(asked.assign(detected=[20, 30])).startswith("None of 2 screens")


def test_votes_with_controls():
    assert sentences.published_span(pd.Series([0.1, 0.1001])) == "is 0.100"
    assert sentences.published_span(pd.Series([0.1, 0.2])) == "lies between 0.100 and 0.200"
    assert sentences.perturbed_cells(0.02).startswith("At most 0.020")
    assert sentences.perturbed_cells(0.0).startswith("Not one")
    assert sentences.perturbed_cells(NAN).endswith("not scored")


def test_the_ceiling_of_reconstruction():
    def scored(*intervals):
        rows = [("a", "ceiling", 0.5, 0.6), *(("a", "candidate", *ends) for ends in intervals)]
        return pd.DataFrame(rows, columns=["metric", "role", "low", "high"])

    above, below, open_ = (0.7, 0.8), (0.1, 0.2), (0.4, 0.7)
    assert "Of 2 models 1 is above the truth for certain" in sentences.beaten_ceiling(
        scored(above, open_)
    )
    assert "is no ceiling" in sentences.beaten_ceiling(scored(above, open_))
    assert "Of 2 models none is above" in sentences.beaten_ceiling(scored(below, open_))
    assert "is no ceiling" not in sentences.beaten_ceiling(scored(below, open_))
    assert sentences.truth_on_top(scored(below)).startswith("Now the truth is on top")
    other = scored(above).assign(metric="b")
    assert sentences.truth_on_top(pd.concat([scored(below), other])).startswith("Even now")
    assert sentences.truth_on_top(scored(below, open_)).startswith("Whether the truth is on top")
    for said in (sentences.beaten_ceiling, sentences.truth_on_top):
        assert said(scored((NAN, NAN))).startswith("So few units have no interval")


@pytest.mark.parametrize(
    "low, high, said",
    [(0.1, 0.2, "adds to"), (-0.2, -0.1, "takes"), (-0.1, 0.1, "undecided"), (NAN, NAN, "cannot")],
)
def test_training_adds(low, high, said):
    assert said in sentences.training_adds(low, high)


def test_keeping_and_agreeing():
    kept = pd.Series({"a": 0.9, "b": 0.5})
    same = sentences.keeps_and_agrees(kept, pd.Series((3, 2), kept.index))
    assert same == "By their means, a keeps most and is most consistent"
    other = sentences.keeps_and_agrees(kept, pd.Series((2, 3), kept.index))
    assert other == "By their means, a keeps most, and b is most consistent"


@pytest.mark.parametrize(
    "network, linear, said",
    [
        (0.5, 0.5, "has learned"),
        (1.0, 0.5, "more to learn"),
        (1.0, 0.95, "cannot tell"),
        (np.nan, 0.5, "No error"),
    ],
)
def test_guessing_hidden_genes(network, linear, said):
    assert said in sentences.learned_to_guess(network, linear)


@pytest.mark.parametrize(
    "called, n, said",
    [
        (0, 9, "The null is not refuted: of 9 guides that do nothing 0 are called"),
        (4, 9, "The null is refuted: of 9"),
        (0, 200, "The null is too strict: of 200"),
        (0, 0, "No guide that does nothing could be scored."),
    ],
)
def test_a_null_is_judged_by_guides_that_do_nothing(called, n, said):
    assert sentences.null_said(called, n).startswith(said)


def through_the_door(returned, own=None):
    own = np.linspace(0.1, 0.3, len(returned)) if own is None else own
    both = {"PCA": own, "back": own + np.asarray(returned)}
    rows = [
        ("m", "candidate", model, f"u{i}", f"u{i}", value)
        for model, values in both.items()
        for i, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["metric", "role", "model", "unit", "cluster", "value"])


@pytest.mark.parametrize(
    "returned, said, end",
    [
        ([1e-7] * 8, "came back is scored as if it had never left: over 8", "0.200 (95 % interval"),
        ([0.01] * 8, "is not scored as before: over 8", "by at most 0.01,"),
        ([NAN, *[0.0] * 7], "is not scored as before: over 7", "1 more have a score on one side"),
        ([0.0] * 3, "as if it had never left: over 3", "(too few units for an interval)."),
        ([NAN] * 8, "No perturbation was scored both ways", "is not known."),
    ],
)
def test_an_embedding_that_left_and_came_back(returned, said, end):
    text = in_short(through_the_door(returned), "PCA", "back")
    assert said in text and end in text and "nan" not in text
    nothing = through_the_door(returned).iloc[:0]
    assert in_short(nothing, "PCA", "back").startswith("No perturbation was scored both ways")
