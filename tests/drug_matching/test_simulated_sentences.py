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


def drawn(values):
    """Rows of the score table: of each value of the knob and model the score in each draw."""
    found = pd.DataFrame({"disease": ["q0"], "metric": "retrieval_map", "n": 100, "n_treats": 3})
    asked = {
        (rho, model, draw): found.assign(value=value)
        for (rho, model), own in values.items()
        for draw, value in enumerate(own)
    }
    return report.simulated_rows(asked)


def world(old, *gains):
    """One score of reversal, and a learned one that gains so much on it in each draw."""
    values = {}
    for rho, gain in zip((1.0, 0.5, 0.0), gains, strict=False):
        values[rho, "cosine"] = [old] * len(gain)
        values[rho, "bilinear ridge"] = [old * (1 + one / 100) for one in gain]
    return drawn(values)


def test_improvements_by_hand():
    table = drawn(
        {
            (1.0, "cosine"): [0.1, 0.2, 0.2],
            (1.0, "WTCS"): [0.1, 0.1, 0.1],
            (1.0, "bilinear ridge"): [0.2, 0.3, 0.2],
            (1.0, "bi-encoder"): [0.9, 0.9],  # not trained on all draws
        }
    )
    (row,) = report.improvements(table).to_dict("records")
    assert (row["best reversal"], row["best learned"]) == ("cosine", "bilinear ridge")
    assert row["its value"] == pytest.approx(0.5 / 3) and row["value"] == pytest.approx(0.7 / 3)
    gains = [100, 50, 0]
    assert row["improvement (%)"] == pytest.approx(50) and row["draws"] == 3
    half = 4.302653 * np.std(gains, ddof=1) / 3**0.5  # t with two degrees of freedom
    assert [row["low"], row["high"]] == pytest.approx([50 - half, 50 + half], rel=1e-4)
    (one,) = report.improvements(table[table["cluster"] == "draw 0"]).to_dict("records")
    assert np.isnan([one["low"], one["high"]]).all()


UP, MORE, DOWN, OPEN = (50, 52, 54), (300, 310, 320), (-50, -51, -52), (-90, 0, 900)


@pytest.mark.parametrize(
    "gains, learning, claim",
    [
        ((DOWN, UP, MORE), "better at 0 and 0.5, worse at 1.", "at 0. "),
        ((DOWN, DOWN, DOWN), "worse at 0, 0.5 and 1.", "nowhere. "),
        ((MORE, MORE, MORE), "better at 0, 0.5 and 1.", "at 1, 0.5 and 0. "),
        (
            (DOWN, OPEN, MORE),
            "better at 0, worse at 1, not told apart at 0.5.",
            "at 0, undecided at 0",
        ),
        ((OPEN,), "not told apart at 1.", "nowhere, undecided at 1. The mean gains are +270 % at"),
        (((300,),), "not told apart at 1.", "nowhere, undecided at 1. The mean gains are +300 % "),
    ],
)
def test_learning_and_claim(gains, learning, claim):
    found = report.improvements(world(0.1, *gains))
    said = report.about_learning(found)
    assert said.startswith(f"Against the best score of reversal bilinear ridge is {learning} The ")
    assert report.about_claim(found).startswith(f"A gain of more than 200 % is seen {claim}")
    assert report.in_short(found).startswith(said)


def test_learned_models_are_named():
    found = report.improvements(world(0.1, DOWN, UP))
    found.loc[0, "best learned"] = "bi-encoder"
    who = "the best learned model (bilinear ridge and bi-encoder) is better at 0.5"
    assert who in report.about_learning(found)


@pytest.mark.parametrize(
    "net, said",
    [
        ((0.90, 0.91), "at 1 bi-encoder 0.91 and bilinear ridge 0.30 (2 draws), a difference of "
         "0.60 (95 % interval 0.60 to 0.60), better."),
        ((0.10, 0.11), "worse."),
        ((0.10, 0.90), "not told apart."),
        ((0.90,), "(1 draw), a difference of 0.60 (too few units for an interval), not told "
         "apart."),
    ],
)  # fmt: skip
def test_networks_in_the_same_draws(net, said):
    table = drawn(
        {
            (1.0, "bi-encoder"): net,
            (1.0, "bilinear ridge"): [0.30, 0.31, 0.9, 0.9],  # the last two have no network
            (0.5, "bilinear ridge"): [0.2] * 4,
        }
    )
    text = report.about_networks(table)
    assert text.endswith(said) and "at 0.5" not in text and "nan" not in text
    alone = table[table["model"] == "bilinear ridge"]
    assert report.about_networks(alone) == "No network was trained here."


def test_interval():
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
