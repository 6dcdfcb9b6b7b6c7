"""What the pages on simulated drugs and diseases say, branch by branch."""

import numpy as np
import pandas as pd
import pytest

from helpers.scores import check
from helpers.tasks.drug_matching import simulated_report as report


def means(values):
    rows = [["retrieval_map", rho, m, "candidate", v, v - 0.1, v + 0.1] for (rho, m), v in values]
    return pd.DataFrame(
        rows, columns=["metric", "reversal", "model", "role", "mean", "low", "high"]
    )


def world(reverse, learn):
    pairs = [((1.0, "cosine"), reverse[0]), ((1.0, "bilinear ridge"), learn[0])]
    return means([*pairs, ((0.0, "WTCS"), reverse[1]), ((0.0, "bilinear ridge"), learn[1])])


def test_improvements_by_hand():
    found = report.improvements(world((0.6, 0.05), (0.3, 0.2)))
    assert found["improvement (%)"].tolist() == pytest.approx([-50, 300])
    assert found["best reversal"].tolist() == ["cosine", "WTCS"]


@pytest.mark.parametrize(
    "reverse, learn, learning, claim",
    [
        ((0.6, 0.05), (0.3, 0.2), "Learning wins where indications do not", "is seen at 0, and no"),
        ((0.6, 0.3), (0.3, 0.2), "No learned model passes reversal", "is seen nowhere: ~50 % at 1"),
        ((0.1, 0.1), (0.5, 0.9), "A learned model passes reversal at every", "at every value of"),
    ],
)
def test_learning_and_claim(reverse, learn, learning, claim):
    found = report.improvements(world(reverse, learn))
    assert report.about_learning(found).startswith(learning)
    assert claim in report.about_claim(found).replace("\N{MINUS SIGN}", "~")
    assert report.in_short(found).startswith(learning)


@pytest.mark.parametrize(
    "nets, head",
    [
        ((0.9, 0.9), "Networks pass the linear model: "),
        ((0.9, 0.1), "Networks pass the linear model at 1 of 2 values"),
        ((0.1, 0.1), "The networks do not pass the linear model"),
    ],
)
def test_networks(nets, head):
    own = [((rho, "bi-encoder"), v) for rho, v in zip((1.0, 0.0), nets, strict=True)]
    table = pd.concat([world((0.6, 0.05), (0.3, 0.2)), means(own)])
    assert report.about_networks(table).startswith(head)
    assert report.about_networks(world((0.6, 0.1), (0.3, 0.2))) == "No network was trained here."


def test_prototype_and_interval():
    said = report.about_prototype(means([((1.0, "cosine"), 0.559), ((0.5, "random"), 0.05)]))
    assert said.replace("\N{MINUS SIGN}", "~") == (
        "Of 2 values of the prototype the furthest from ours is that of cosine at 1, by ~0.10."
    )
    assert report.about_prototype(means([((0.3, "cosine"), 0.5)])).startswith("No value of the")
    text = report.interval_of(means([((1.0, "cosine"), 0.5)]), 1.0, "cosine")
    assert text == "0.50 (95 % interval 0.40 to 0.60)"


def test_rows_and_means_over_draws():
    found = pd.DataFrame(
        {
            "disease": ["q0", "q1"],
            "metric": "retrieval_map",
            "value": [0.2, np.nan],
            "n": 100,
            "n_treats": 3,
        }
    )
    asked = {
        (1.0, "cosine", seed): found.assign(value=[0.2 + seed / 10, np.nan]) for seed in (0, 1)
    }
    table = check(report.simulated_rows(asked))
    assert set(table["cluster"]) == {"draw 0", "draw 1"}
    (row,) = report.over_draws(table, "retrieval_map").itertuples()
    assert row.reversal == 1.0 and row.mean == pytest.approx(0.25) and row.n_draws == 2
    assert row.n_unscored == 2
