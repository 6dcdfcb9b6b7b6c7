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
        "10% hidden",
        "30% hidden",
        "as many hidden as are not measured",
    ]


def test_means_and_reductions_are_over_draws():
    every = table(ERRORS | {P: 0.45})
    means = report.by_cluster(every).set_index("model")
    assert means.loc["gene mean", "mean"] == pytest.approx(1.5 * 1.01)
    assert means["n_clusters"].eq(3).all() and means["low"].notna().all()
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
        ((0.2, NAN, NAN), "too few draws or patients for an interval"),
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
        (1.3, NAN, "Too few draws for an interval"),
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
    said = says.about_below_zero(filled, np.array([[True, True], [False, True]]), "m")
    assert "Of 3 values that m fills 1 is below zero" in said
    said = says.about_below_zero(filled, filled < 5, "SpaCKLE, clean")
    assert "Of 4 values that SpaCKLE, clean, fills 2 are below" in said
    assert "none is below" in says.about_below_zero(abs(filled), filled < 0, "m")


@pytest.mark.parametrize(
    "means, half, said",
    [
        ((0.99, 0.5, 0.1), 0.05, "reaches 82.5% against x. Against z it is 10%."),
        ((0.99, 0.9, -0.1), 0.05, "against x and y. The error is larger than that of z."),
        ((0.5, 0.4, 0.3), 0.05, "is shown to reach 82.5% against no comparator. Against z it is"),
        ((0.99, 0.98, 0.9), 0.05, "against x, y and z."),
        ((0.99, 0.85, 0.8), 0.05, "against x. Whether it does against y and z is undecided."),
        ((0.99, 0.5, 0.01), 0.05, "Against z it is 1%."),
        ((0.99, 0.5, -0.1), NAN, "by means the reduction is above 82.5% against x."),
        ((0.5, 0.4, -0.1), NAN, "by means the reduction is above it nowhere."),
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


def reduced(mean, half):
    row = {"comparator": "low rank", "mean": mean, "low": mean - half, "high": mean + half}
    return pd.Series(row | {"n_clusters": 6})


@pytest.mark.parametrize(
    "hidden, never, said",
    [
        (0.2, 0.3, "A network, by"),
        (-0.2, -0.3, "Not a network, by"),
        (0.0, 0.01, "Undecided between a network and simple ways, by"),
        (NAN, NAN, "Too few draws tell a network from simple ways, by"),
        (-0.2, 0.3, "It depends on the entries, by"),
        (0.0, 0.3, "It depends on the entries, by"),
    ],
)
def test_the_finding(hidden, never, said):
    found = {"hidden": reduced(hidden, 0.1), "never": reduced(never, 0.1)}
    found[findings.REAL] = reduced(0.5, NAN)
    text = findings.about_network(found, 3.0, "low rank")
    assert text.startswith(said)
    assert "50% smaller than that of low rank (too few draws or patients" in text
    if hidden == -0.2:
        assert "20% larger than that of low rank (95 % interval 10% to 30%)" in text
    if never == 0.01:
        assert "interval \N{MINUS SIGN}9% to 11%, undecided)" in text


def test_the_finding_reads_all_kinds_of_entries():
    def rows(errors, **more):
        return pd.concat([table(errors, metric=m, **more) for m in ("masked_mse", "truth_mse")])

    every = pd.concat([rows(ERRORS | {C: 0.5}), rows(ERRORS | {C: 0.8}).assign(dataset="real")])
    text = findings.simple_or_network({findings.PAGE: every}, n_resamples=100, seed=0)
    assert text.startswith("A network, by") and "44% smaller than that of 18 neighbours" in text
    assert "at hidden entries of real slides it is 11% smaller" in text
    alone = pd.concat([rows(ERRORS | {C: 0.5}), rows(ERRORS).assign(dataset="real")])
    assert "real" not in findings.simple_or_network({findings.PAGE: alone}, n_resamples=100, seed=0)


def test_what_replaces_nothing_is_not_among_the_smoothed():
    rows = [(m, "u", "d", post, 1.0 + (m == "b") * (post == "smoothed"))
            for m in "ab" for post in ("filled", "smoothed")]  # fmt: skip
    thinned = pd.DataFrame(rows, columns=["model", "unit", "cluster", "post", "value"])
    left = report.replacing(thinned)
    assert left[["model", "post"]].to_numpy().tolist() == [
        ["a", "filled"], ["b", "filled"], ["b", "smoothed"],
    ]  # fmt: skip
    assert "nothing to compare" in says.about_molecules(left[left["post"] == "filled"])


@pytest.mark.parametrize(
    "low, high, said",
    [
        ([0.9, 0.9], [0.95, 0.95], "by 82.5% or more against x at all 2 kinds of entries."),
        ([0.9, 0.1], [0.95, 0.2], "or more against x at 10% hidden."),
        ([0.9, 0.7], [0.95, 0.9], "against x at 10% hidden (undecided at 70% hidden)."),
        ([0.1, 0.7], [0.2, 0.9], "against x shown at none (undecided at 70% hidden)."),
        ([0.1, 0.1], [0.2, 0.2], "against no comparator, at no kind of entry."),
        ([NAN, NAN], [NAN, NAN], "in too few draws"),
    ],
)
def test_where_the_number_is_reached(low, high, said):
    found = pd.DataFrame(
        {"comparator": "x", "entries": ["10% hidden", "70% hidden"], "low": low, "high": high}
    )
    assert said in says.about_where(found, "m")
    if low[0] == 0.9:
        never = found.assign(comparator="y", low=0.1, high=0.2)
        assert says.about_where(pd.concat([found, never]), "m").endswith("Against y it is nowhere.")


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
    assert found["ours"].iloc[0].startswith(f"The error of {P} is smaller by 82.5% or more")
    one = table(ERRORS | {P: published}, draws=1)
    found = findings.claims({findings.PAGE: one}, n_resamples=100, seed=0)
    assert len(found) == 2 and found["verdict"].iloc[1] == findings.OPEN


def test_the_claim_of_the_size_goes_both_ways():
    every = table(ERRORS | {P: 0.4, C: 0.4}, rates=(0.3,), noise=0.001)
    found = findings.claims({findings.PAGE: every}, n_resamples=100, seed=0)
    assert found["verdict"].iloc[0].startswith("both ways on other data: by the comparator")
    assert "against adaptive median at the one kind of entry" in found["ours"].iloc[0]


def test_what_is_left_out_and_what_is_lost():
    means = pd.DataFrame({"model": ["zeros", "median", "x"], "mean": [144.81, 4.47, 1.0]})
    assert says.left_out(means, ["zeros", "median"]) == "zeros (144.8) and median (4.5)"
    found = pd.DataFrame(
        {"lost": ["nothing"] * 2 + ["the low ones"] * 2, "method": list("abab"),
         "never measured": [2.0, 3.0, 1.5, 1.25]}
    )  # fmt: skip
    assert says.about_lost(found).endswith(
        "that of a where nothing is lost (2.00) and b where low counts are lost more often (1.25)."
    )
