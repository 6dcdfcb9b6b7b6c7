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
        ((DOWN, UP, MORE), "better at 0 and 0.5, worse at 1.", "at 0: "),
        ((DOWN, DOWN, DOWN), "worse at 0, 0.5 and 1.", "nowhere: "),
        ((MORE, MORE, MORE), "better at 0, 0.5 and 1.", "at 1, 0.5 and 0: "),
        (
            (DOWN, OPEN, MORE),
            "better at 0, worse at 1, not told apart at 0.5.",
            "at 0, undecided at 0",
        ),
        ((OPEN,), "not told apart at 1.", "nowhere, undecided at 1: +270 % at 1."),
        (((300,),), "not told apart at 1.", "nowhere, undecided at 1: +300 % at 1."),
    ],
)
def test_learning_and_claim(gains, learning, claim):
    found = report.improvements(world(0.1, *gains))
    said = report.about_learning(found)
    assert said.endswith(f"(pure reversal) to 0, the best learned model is {learning}")
    assert report.about_claim(found).startswith(f"More than 200 % is seen {claim}")
    assert report.in_short(found).startswith(said)


def test_networks():
    own = means(
        [((1.0, "bi-encoder"), 0.9), ((1.0, "bilinear ridge"), 0.3), ((0.5, "bilinear ridge"), 0.2)]
    )
    assert report.about_networks(own) == (
        "Average precision of the best network and of bilinear ridge: 0.90 and 0.30 at 1."
    )
    assert report.about_networks(own.iloc[1:]) == "No network was trained here."


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
