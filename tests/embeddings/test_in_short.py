"""The answer of a task's chapter in one sentence, branch by branch."""

import numpy as np
import pandas as pd
import pytest

from helpers.tasks.embeddings.in_short import about_standing, in_short
from helpers.tasks.embeddings.questions import QUESTIONS, primary_scores
from helpers.tasks.embeddings.summary import standings

COLUMNS = ["model", "role", "standing", "standing_low", "standing_high", "group"]


def found(*rows):
    return pd.DataFrame(list(rows), columns=COLUMNS)


TRUTH = ("planted truth", "ceiling", 1.0, 0.9, 1.1, None)
FLOOR = ("permuted labels", "floor", 0.0, -0.1, 0.1, None)
CONSISTENCY = next(q for q in QUESTIONS if q.task == "consistency")
MIXING = next(q for q in QUESTIONS if q.task == "batch-mixing")
GOOD = ("scVI", "candidate", 0.7, 0.6, 0.8, "a")


@pytest.mark.parametrize(
    "rows, said",
    [
        ([GOOD, ("PCA", "candidate", 0.6, 0.5, 0.7, "ab")], "2 of 2 representations lie above"),
        ([GOOD, ("PCA", "candidate", 0.6, 0.5, 0.7, "ab")], "undecided): PCA."),
        ([GOOD, ("PCA", "candidate", 0.0, -0.1, 0.1, "b")], "1 of 2 representations lies above"),
        ([GOOD, ("PCA", "candidate", 0.0, -0.1, 0.1, "b")], "it is told from all others."),
        ([GOOD, ("PCA", "candidate", 0.2, 0.05, 0.3, "b")], "1 of 2 representations lies above"),
        ([(*GOOD[:3], np.nan, np.nan, None)], "so few units have no interval. scVI gets"),
        ([(*GOOD[:3], np.nan, np.nan, None)], "so few units cannot tell who leads."),
        ([(*GOOD[:2], np.nan, np.nan, np.nan, None)], "No representation was scored"),
        ([], "No representation was scored"),
    ],
)
def test_each_branch(rows, said):
    assert said in about_standing(found(TRUTH, FLOOR, *rows), CONSISTENCY)


def test_what_the_scale_ends_at_is_named():
    said = about_standing(found(TRUTH, FLOOR, GOOD), MIXING)
    ends = "from batches apart to permuted batch labels"
    assert f"{ends}, 0.70 (95 % interval 0.60 to 0.80)" in said


def test_the_post_processing_is_said():
    said = about_standing(found(TRUTH, FLOOR, GOOD), MIXING)
    assert said.startswith("On simulated screens, center-scaled, 1 of 1")
    raw = next(q for q in QUESTIONS if q.task == "reconstruction")
    said = about_standing(found(TRUTH, FLOOR, GOOD), raw)
    assert said.startswith("On simulated screens, embeddings as they are, 1 of 1")


def test_floors_that_stand_high_are_not_passed_by_what_lies_above_zero():
    high = (FLOOR[0], "floor", 0.65, 0.6, 0.7, None)
    assert "0 of 1 representations lie above all floors" in about_standing(
        found(TRUTH, FLOOR, high, GOOD), MIXING
    )
    assert "no floor was scored. scVI gets" in about_standing(found(TRUTH, GOOD), MIXING)


def test_it_is_read_off_the_scores_of_a_chapter():
    from test_summary import table

    said = in_short(table(), "consistency", seed=0)
    rows = primary_scores(table(), CONSISTENCY, protocol="revised", **CONSISTENCY.chosen)
    ours = standings(rows, CONSISTENCY, rng=np.random.default_rng(0))
    assert said == about_standing(ours, CONSISTENCY)  # as the summary draws them
    assert "3 of 3 representations lie above" in said and "to the planted truth" in said
