"""What pages say of completion, branch by branch, and the rows that they read."""

import numpy as np
import pandas as pd
import pytest

from helpers import scores
from helpers.metrics.spatial.facts import METRICS
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.spatial import completion_report as report
from helpers.tasks.spatial import completion_sentences as says
from helpers.tasks.spatial import findings

NAN = float("nan")
P, C = report.PUBLISHED, report.CLEAN


def table(errors, *, draws=3, rates=(0.3,), kind="mask_prob", metric="masked_mse", noise=0.01):
    """Rows of `score_rows` with an error for each model, a little different in each draw."""
    parts = []
    for model, error in errors.items():
        for draw in range(draws):
            found = pd.DataFrame(
                {
                    "masking": kind,
                    "rate": list(rates),
                    "repeat": 0,
                    "n": 10,
                    "n_genes": 5,
                    "masked_mse": error * (1 + noise * draw),
                    "masked_pearson": 0.5,
                    "truth_mse": NAN,
                }
            )
            last = {"masking": "none", "repeat": 0, "n": 9, "truth_mse": 2 * error}
            found = pd.concat([found, pd.DataFrame([last])], ignore_index=True)
            parts.append(
                report.score_rows(
                    found, model=model, dataset="simulated", split="t", seed=draw, cluster=f"{draw}"
                )
            )
    every = pd.concat(parts, ignore_index=True)
    return every[every["metric"] == metric]


ERRORS = {"zeros": 140.0, "adaptive median": 3.0, "gene mean": 1.5, "18 neighbours": 0.9}


def test_rows_are_a_score_table():
    every = table(ERRORS | {P: 1.4})
    checked = scores.check(every, METRICS)
    assert set(checked["role"]) == {"floor", "candidate"}
    chosen = report.of_masks(every, **report.MAIN)
    assert len(chosen) == 15 and (chosen["rate"] == 0.3).all()
    assert report.of_masks(every, "prob_median").empty
    truth = scores.check(table({"zeros": 1.0}, metric="truth_mse"), METRICS)
    assert (truth["value"] == 2).all()


def test_kinds_of_masks_are_read_off_the_scores():
    every = pd.concat(
        [table(ERRORS, rates=(0.1, 0.3)), table(ERRORS, rates=(0.0,), kind="prob_median")]
    )
    kinds = report.kinds_of_masks(every)
    assert kinds == [("mask_prob", 0.1), ("mask_prob", 0.3), ("prob_median", 0.0)]
    assert [report.name_of_mask(*k) for k in kinds] == [
        "hidden: 10% of all",
        "hidden: 30% of all",
        "hidden: as many as are not measured",
    ]


def test_means_and_reductions_are_over_draws():
    every = table(ERRORS | {P: 0.45})
    means = report.by_cluster(every).set_index("model")
    assert means.loc["gene mean", "mean"] == pytest.approx(1.5 * 1.01)
    assert means["n_draws"].eq(3).all() and means["low"].notna().all()
    found = report.reductions(every, P).set_index("comparator")
    assert found.loc["18 neighbours", "mean"] == pytest.approx(0.5)
    assert found.index[-1] == "18 neighbours" and found.index[0] == "zeros"
    with pytest.raises(CannotAnswer, match="clean was not scored"):
        report.reductions(every, C)
    exact = table({"gene mean": 1.0, report.LATENT: 0.0}, draws=1)
    assert report.reductions(exact, "gene mean").empty
    assert report.by_cluster(exact)["low"].isna().all()


def wiring(a, b, c, d):
    return pd.DataFrame(
        {
            "attention": ["batch", "batch", "neighbours", "neighbours"],
            "changed": ["neighbour", "other spot"] * 2,
            "moves its output by": [a, b, c, d],
        }
    )


@pytest.mark.parametrize(
    "moves, said",
    [((0.0, 0.2, 0.3, 0.0), "exactly 0, and a change"), ((0.1, 0.2, 0.3, 0.0), "is an error of")],
)
def test_whom_it_listens_to(moves, said):
    assert said in says.about_wiring(wiring(*moves))


@pytest.mark.parametrize(
    "errors, said",
    [
        (ERRORS, "18 neighbours has the smallest error"),
        (ERRORS, "3.3 times as large."),
        ({"adaptive median": 0.5, "gene mean": 1.0}, "adaptive median has the smallest error"),
        (ERRORS | {P: 1.4, C: 0.8}, f"The best network, {C}, has 0.81"),
        (ERRORS | {P: 1.4}, f"The best network, {P}, has 1.41"),
    ],
)
def test_who_fills_best(errors, said):
    assert said in says.about_order(report.by_cluster(table(errors)))


@pytest.mark.parametrize(
    "row, said",
    [
        (
            (0.2, 0.1, 0.3),
            "20% smaller than that of x (95 % interval of the reduction 10% to 30%).",
        ),
        (
            (-0.2, -0.3, -0.1),
            "20% larger than that of x (95 % interval of the increase 10% to 30%).",
        ),
        ((0.2, -0.1, 0.5), "reduction \N{MINUS SIGN}10% to 50%): undecided."),
        ((0.2, NAN, NAN), "in one draw"),
    ],
)
def test_a_pair(row, said):
    found = pd.DataFrame([("x", *row)], columns=["comparator", "mean", "low", "high"])
    assert said in says.about_pair(found, "m", "x")


@pytest.mark.parametrize(
    "factor, half, said",
    [
        (3.0, 0.01, "fills too high where it is used"),
        (1.0, 0.01, "1.0 times that at hidden"),
        (0.5, 0.01, "larger for 0 of"),
        (1.3, 9.0, "larger for 0 of"),
        (1.3, NAN, "One draw has no interval"),
    ],
)
def test_hidden_and_missing(factor, half, said):
    masked = report.by_cluster(table(ERRORS))
    masked = masked.assign(low=masked["mean"] - half, high=masked["mean"] + half)
    truth = masked.assign(**{c: masked[c] * factor for c in ("mean", "low", "high")})
    text = says.about_truth(masked, truth)
    assert said in text and "18 neighbours has the smallest mean" in text
    assert ("fills too high" in text) == (factor == 3.0)


@pytest.mark.parametrize(
    "errors, said",
    [
        ([[0.5, 1.0], [0.9, 1.0]], "at every share"),
        ([[1.5, 1.0], [1.9, 1.0]], "at no share"),
        ([[0.5, 1.0], [1.9, 1.0]], "at 10% its mean is below"),
        ([[0.5, 1.0]], "One share was hidden"),
    ],
)
def test_rates(errors, said):
    rows = [
        (rate, model, value)
        for rate, pair in zip((0.1, 0.7), errors, strict=False)
        for model, value in zip("ab", pair, strict=True)
    ]
    curve = pd.DataFrame(rows, columns=["rate", "model", "mean"])
    assert said in says.about_rates(curve, "a", "b")


@pytest.mark.parametrize(
    "smooth, half, said",
    [
        (0.5, 0.1, "one molecule is a poor measurement"),
        (2.0, 0.1, "does harm here"),
        (0.9, 0.2, "is undecided here"),
        (0.5, NAN, "is undecided here"),
    ],
)
def test_molecules(smooth, half, said):
    means = pd.DataFrame(
        [("a", "filled", 1.0), ("b", "filled", 1.2), ("a", "smoothed", smooth)],
        columns=["model", "post", "mean"],
    )
    means = means.assign(low=means["mean"] - half, high=means["mean"] + half)
    assert said in says.about_molecules(means)


def test_labels():
    model = ["raw", "smoothed raw", "gene mean", "low rank"]
    said = says.about_labels(pd.DataFrame({"model": model, "mean": [0.1, 0.2, 0.12, 0.3]}))
    assert "10.0% of the variance of raw values, 12.0% with the mean of a gene in place" in said
    assert "20.0% after smoothing alone, which fills nothing, and 30.0% after low rank" in said


@pytest.mark.parametrize(
    "shares, said",
    [
        ((0.1, 0.2), "a mean error 10% smaller than that of the gene's mean, and a smaller one"),
        ((0.1, 0.2), "than x."),
        ((0.1, -0.2), "and a smaller one than no method"),
        ((-0.1, -0.2), "10% larger than"),
    ],
)
def test_depth(shares, said):
    found = pd.DataFrame({"comparator": ["gene mean", "x"], "mean": shares})
    assert said in says.about_depth(found, "these genes")


def test_values_below_zero_are_counted():
    filled = np.array([[1.0, -1.0], [-2.0, 3.0]])
    assert "Of 3 filled values 1 are below" in says.about_below_zero(
        filled, np.array([[True, True], [False, True]])
    )
    assert "none is below" in says.about_below_zero(abs(filled), filled < 0)


@pytest.mark.parametrize(
    "means, half, said",
    [
        ((0.99, 0.5, 0.1), 0.05, "reaches 82.5% against x. Against z it is 10%."),
        ((0.99, 0.9, -0.1), 0.05, "against x and y. The error is not smaller than that of z."),
        ((0.5, 0.4, 0.3), 0.05, "is shown to reach 82.5% against no comparator. Against z it is"),
        ((0.99, 0.98, 0.9), 0.05, "against x, y and z."),
        ((0.99, 0.85, 0.8), 0.05, "against x. Whether it does against y and z is undecided."),
        ((0.99, 0.5, 0.01), 0.05, "Against z it is 1%."),
        ((0.99, 0.5, -0.1), NAN, "In one draw the reduction reaches 82.5% against x. The error is"),
    ],
)
def test_the_published_number(means, half, said):
    found = pd.DataFrame({"comparator": list("xyz"), "mean": means})
    found = found.assign(low=found["mean"] - half, high=found["mean"] + half)
    assert said in says.about_published_number(found)


@pytest.mark.parametrize(
    "zeros, said", [(140.0, "against what, not how well"), (3.0, "so cheaply")]
)
def test_the_floor(zeros, said):
    assert said in says.about_floor(table(ERRORS | {"zeros": zeros}))


def test_entries_and_comparators():
    said = says.about_entries(pd.DataFrame([[0.9, 0.1], [0.91, 0.12]]))
    assert said.endswith("by up to 2 points, by the choice of the comparator by at least 79.")


# --------------------------------------------------------------------------- findings, claims


def answer(errors, **more):
    tables = {findings.PAGE: table(errors, **more)}
    return findings.simple_or_network(tables, n_resamples=100, seed=0)


@pytest.mark.parametrize(
    "clean, draws, said",
    [
        (0.5, 3, "A network: of the ways without one 18 neighbours has the smallest mean error"),
        (1.4, 3, "Not a network: "),
        (0.5, 1, "One draw does not tell a network from simple ways: "),
    ],
)
def test_the_finding(clean, draws, said):
    assert answer(ERRORS | {C: clean}, draws=draws).startswith(said)
    undecided = findings.about_network(
        pd.Series({"mean": 0.0, "low": -0.1, "high": 0.1}), "18 neighbours", 3.0
    )
    assert undecided.startswith("Undecided between a network and simple ways: ")


def test_a_finding_without_scores():
    with pytest.raises(CannotAnswer, match="clean was not scored"):
        answer(ERRORS)
    with pytest.raises(CannotAnswer, match="no simulated slide was scored with 30% hidden"):
        answer(ERRORS, rates=(0.5,))


@pytest.mark.parametrize(
    "published, verdicts",
    [
        (1.49, [findings.NOT_SHOWN, findings.NOT_SHOWN, findings.SHOWN]),
        (0.01, [findings.SHOWN] * 3),
        (1.8, [findings.NOT_SHOWN] * 3),
    ],
)
def test_claims(published, verdicts):
    every = table(ERRORS | {P: published}, rates=(0.3, 0.7), noise=0.001)
    found = findings.claims({findings.PAGE: every}, n_resamples=100, seed=0)
    assert found["verdict"].tolist() == verdicts
    assert f"error of {P} " in found["ours"].iloc[0]
    both = table(ERRORS | {P: published, C: 0.8})
    found = findings.claims({findings.PAGE: both}, n_resamples=100, seed=0)
    assert found["ours"].iloc[0] == (
        f"error of {C} 73% smaller than that of the adaptive median, 47% smaller than that of the "
        "mean of a gene"
    )
    one = table(ERRORS | {P: published}, draws=1)
    found = findings.claims({findings.PAGE: one}, n_resamples=100, seed=0)
    assert len(found) == 2 and found["verdict"].iloc[1] == findings.OPEN
