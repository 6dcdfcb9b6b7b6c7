"""What is said of simulated networks, branch by branch."""

import numpy as np
import pandas as pd
import pytest

from helpers.scores import check
from helpers.tasks.discovery import networks_report as report
from helpers.tasks.discovery import networks_sentences as says

METRIC = report.PRIMARY


def table(values, kind="linear", metric=METRIC, post="as predicted"):
    """Score rows from draws of each model."""
    asked = {}
    for model, draws in values.items():
        for seed, value in enumerate(draws):
            rows = [(post, metric, value, 30)]
            found = pd.DataFrame(rows, columns=["post", "metric", "value", "n"])
            asked[kind, model, seed, report.WHOLE] = found
    return report.score_rows(asked)


GOOD = {m: [0.6, 0.7, 0.65] for m in report.METHODS} | {"random": [0.1, 0.12, 0.08]}


def test_score_rows_are_a_score_table_with_floors():
    own = check(pd.concat([table(GOOD), table(GOOD, post="rewired")], ignore_index=True))
    assert set(own.loc[own["post"] == "rewired", "role"]) == {"floor"}
    assert set(own.loc[own["model"] == "GuanLab", "role"]) == {"candidate", "floor"}


def test_about_random():
    found = report.gaps(table(GOOD), METRIC, "random", kind="linear")
    said = says.about_random(found)
    assert said.startswith("Every method is better than random order over 3 draws")
    assert "0.55 (95 % interval" in said
    poor = GOOD | {"GuanLab": [0.1, 0.2, 0.0]}
    said = says.about_random(report.gaps(table(poor), METRIC, "random", kind="linear"))
    assert "draws of a linear network, GuanLab cannot be told from random order" in said
    one = {model: draws[:1] for model, draws in GOOD.items()}
    said = says.about_random(report.gaps(table(one), METRIC, "random", kind="linear"))
    assert said.startswith("One draw has no interval")


def test_gaps_turn_round_where_lower_is_better():
    own = table({"GuanLab": [0.1, 0.2], "random": [0.3, 0.5]}, metric="false_omission_rate")
    found = report.gaps(own, "false_omission_rate", "random", kind="linear")
    assert found.loc["GuanLab", "mean"] == pytest.approx(0.25)


def test_about_direct():
    sure = {"sparse inverse": [0.9, 0.91, 0.92], "GuanLab": [0.5, 0.51, 0.52]}
    close = {"sparse inverse": [0.5, 0.9, 0.2], "GuanLab": [0.6, 0.4, 0.5]}
    own = pd.concat([table(sure), table(close, kind="cyclic")], ignore_index=True)
    said = says.about_direct(own)
    assert "linear: sparse inverse (0.91), ahead of GuanLab" in said
    assert "cyclic: sparse inverse (0.53), not told apart from GuanLab" in said
    assert said.endswith("The lead is certain over draws in 1 of 2 kinds.")


def distances(difference, planted, other=0.5, kind="linear", spread=0.01):
    own = {"Mean Difference": difference, "planted edges": planted, "GuanLab": other}
    own = {m: [v, v + spread * (m == "Mean Difference")] for m, v in own.items()}
    return table(own, kind=kind, metric="mean_wasserstein")


@pytest.mark.parametrize(
    "rows, said",
    [
        ([(0.9, 0.8, 0.5)], "in 1 of 1 kinds of network. Its distance is larger than that of"),
        ([(0.9, 0.8, 0.5)], "A perfect network would lose this ranking."),
        ([(0.7, 0.8, 0.9)], "in 0 of 1 kinds of network. In none is its distance shown to be"),
        ([(0.9, 0.8, 0.5), (0.7, 0.8, 0.5)], "themselves in linear networks, and is not shown to"),
    ],
)
def test_about_distance(rows, said):
    kinds = ("linear", "cyclic")
    own = pd.concat([distances(*r, kind=k) for r, k in zip(rows, kinds, strict=False)])
    assert said in says.about_distance(own)


def test_a_distance_that_draws_do_not_tell_apart_is_not_larger():
    wide = says.about_distance(distances(0.9, 0.8, spread=0.4))
    assert "In none is its distance shown to be larger" in wide
    one = distances(0.9, 0.8)
    said = says.about_distance(one[one["unit"] == one["unit"].iloc[0]])
    assert "In none is its distance shown to be larger" in said and "nan" not in said


def test_about_construction():
    rng = np.random.default_rng(0)
    judge = rng.random(200)
    pairs = pd.DataFrame({"mean difference": judge, "mean difference, judge": judge})
    said = says.about_construction(pairs.assign(distance=judge + 0.01))
    assert "is never below" in said and "Of this tenth, 100% are also" in said
    assert "is almost never below" in says.about_construction(pairs.assign(distance=judge - 0.1))


@pytest.mark.parametrize(
    "far, edges, said",
    [
        ((1.5, 1.0), (0.3, 0.9), "wins the distance and loses the direct edges."),
        ((1.5, 1.0), (0.9, 0.3), "it wins the distance; that it loses the direct edges is not"),
        ((1.0, 1.5), (0.3, 0.9), "it loses the direct edges; that it wins the distance is not"),
        ((1.0, 1.5), (0.9, 0.3), "neither that it wins"),
    ],
)
def test_about_mediators(far, edges, said):
    def of(pair, metric):
        steps = (0.0, 0.01, 0.02)
        own = dict(zip(("Mean Difference", "sparse inverse"), pair, strict=True))
        return table({m: [v + i * (1 + v) for i in steps] for m, v in own.items()}, metric=metric)

    own = pd.concat(
        [of(far, "mean_wasserstein"), of(edges, METRIC), of((0.6, 0.1), "mediated_share")]
    )
    found = says.about_mediators(own)
    assert said in found and "of 62% of the planted chains, sparse inverse of 11%" in found
    assert "a difference of 0.5" in found


def floors(own, same, rewired):
    parts = [table(own, metric="mean_wasserstein")]
    for post, values in (("same parents", same), ("rewired", rewired)):
        parts.append(table(values, metric="mean_wasserstein", post=post))
    return report.floor_gains(pd.concat(parts))


def test_floors_are_paired_and_named():
    own = {"GuanLab": [1.0, 2.0, 3.0], "correlation": [1.0, 2.0, 3.0]}
    less = {m: [v - 0.5 + 0.01 * i for i, v in enumerate(own[m])] for m in own}
    found = floors(own, less, own)
    row = found[(found["model"] == "GuanLab") & (found["floor"] == "same parents")].iloc[0]
    assert row["mean"] == pytest.approx(0.49) and row["low"] > 0.4 and row["own"] == 2
    wide = report.floor_table(found)
    assert wide.columns.tolist() == ["model", "rewired", "same parents"]
    assert wide["same parents"].iloc[0].startswith("0.49 (0.4")
    said = says.about_floors(found)
    assert "random children for the same parents are passed by all of them (least 0.49" in said
    assert "rewired networks with the same parents and children are passed by none of them" in said
    mixed = floors(own, less, less | {"correlation": own["correlation"]})
    assert "are passed by all but correlation" in says.about_floors(mixed)
    one = {m: v[:1] for m, v in own.items()}
    assert says.about_floors(floors(one, one, one)).startswith("One draw has no interval")


def test_ranks_of_single_draws():
    values = {
        "GuanLab": [0.9, 0.9, 0.9],
        "correlation": [0.5, 0.5, 0.5],
        "NOTEARS": [0.1, 0.1, 0.1],
    }
    parts = [table(values, metric=m) for m in report.RANKED[:3]]
    low = {model: [1 - v for v in own] for model, own in values.items()}
    found = report.left_out_by_draw(pd.concat([*parts, table(low, metric=report.RANKED[3])]))
    assert (found["turned"] == 0).all() and (found["first stays"] == 1).all()
    assert found["left out"].tolist() == ["none", "GuanLab", "NOTEARS", "correlation"]
    whole = pd.DataFrame({"left out": ["none", "NOTEARS"], "turned": [0, 0]})
    assert report.with_draws(whole, found)["turned, in a draw"].tolist() == ["0.0 (0.0 to 0.0)"] * 2


@pytest.mark.parametrize(
    "draws, said",
    [
        ([1.0, 1.2, 0.8], "are not told apart: the difference is"),
        ([1.5, 1.5, 1.52], "lies above it by 0.507"),
        ([0.5, 0.5, 0.52], "lies below it by"),
        ([1.0], "One draw has no interval"),
    ],
)
def test_about_ceiling(draws, said):
    own = {"Mean Difference": [1.0] * len(draws), report.DUPLICATE: draws}
    found = report.gaps(
        table(own, metric="mean_wasserstein"), "mean_wasserstein", "Mean Difference", kind="linear"
    )
    assert said in says.about_ceiling(found)


def test_about_parents():
    def of(own, same, free):
        parts = [
            table({"Mean Difference": [own], "random": [free]}, metric="mean_wasserstein"),
            table({"Mean Difference": [same]}, metric="mean_wasserstein", post="same parents"),
        ]
        return pd.concat(parts)

    assert "the choice of parents alone is 40% of the gain" in says.about_parents(of(1, 0.7, 0.5))
    assert "does not pass random pairs" in says.about_parents(of(0.4, 0.7, 0.5))


def test_left_out_by_hand():
    # b beats a by the rank that c takes from it; without c they tie or turn round
    values = pd.DataFrame(
        {"a": [3.0, 1.0, 2.0], "b": [2.0, 3.0, 1.0], "c": [1.0, 2.0, 3.0]}, index=["m", "m", "m"]
    )
    found = report.left_out(values, {"m": "higher"})
    assert found["left out"].tolist() == ["none", "a", "b", "c"]
    assert found["turned"].tolist() == [0, 1, 1, 1]  # all tie; any two do not
    steady = pd.DataFrame({"a": [3.0, 3], "b": [2.0, 2], "c": [1.0, 1]}, index=["m", "n"])
    found = report.left_out(steady, {"m": "higher", "n": "higher"})
    assert found["turned"].sum() == 0 and found["order"].iloc[0] == "a, b, c"
    turned = report.left_out(steady, {"m": "lower", "n": "lower"})
    assert turned["first"].iloc[0] == "c"
    part = pd.DataFrame({"a": [1.0, np.nan], "b": [2.0, 2.0]}, index=["m", "m"])
    assert report.left_out(part, {"m": "higher"})["first"].iloc[0] == "b"


@pytest.mark.parametrize(
    "rows, said",
    [
        ([("none", "a", 0), ("a", "b", 0), ("b", "a", 0)], "No pair of methods turns round"),
        ([("none", "a", 0), ("a", "b", 2), ("b", "a", 0)], "up to 2 pairs of the others turn"),
        ([("none", "a", 0), ("a", "b", 1), ("b", "c", 1)], "Without b another method is first"),
    ],
)
def test_about_left_out(rows, said):
    found = pd.DataFrame(rows, columns=["left out", "first", "turned"])
    columns = ["left out", "turned", "low", "high", "first stays"]
    drawn = pd.DataFrame([["none", 0, 0, 0, 1.0], ["b", 1.5, 1.0, 2.0, 0.5]], columns=columns)
    told = says.about_left_out(found, drawn)
    assert said in told and told.startswith("By mean rank over 4 metrics and all kinds a is")
    assert (
        "are 1.5 (95 % interval 1.0 to 2.0), where b is left out; the first place stays in 50%"
        in told
    )
    told = says.about_left_out(found, drawn.assign(low=np.nan, high=np.nan))
    assert told.endswith("One draw of all kinds has no interval.")


def test_about_shares():
    def of(a, b, draws=3):
        parts = []
        for share, one, other in zip((0.5, 1.0), a, b, strict=True):
            own = {"Mean Difference": one, "sparse inverse": other}
            grown = {m: [v * (1 + 0.01 * i) for i in range(draws)] for m, v in own.items()}
            parts.append(table(grown).assign(share=share))
        return report.share_gains(pd.concat(parts))

    said = says.about_shares(of((0.1, 0.3), (0.2, 0.5)))
    assert said.startswith("More interventions help: Mean Difference from 0.10 at 50% to 0.30")
    assert "a gain of 0.20 (95 % interval" in said
    found = says.about_shares(of((0.3, 0.1), (0.2, 0.5)))
    assert found.startswith("More interventions do not certainly")
    none = of((np.nan, 0.1), (np.nan, 0.5))
    assert says.about_shares(none).startswith("Too few shares")


@pytest.mark.parametrize(
    "row, filled, chosen",
    [
        ((0.1, 0.05, 0.15), "arms by LPM: better, 0.10", "LPM are better than copied ones"),
        ((-0.1, -0.15, -0.05), "arms by LPM: worse", "LPM are worse than copied ones"),
        ((0.0, -0.1, 0.1), "arms by LPM: not told apart", "copied ones cannot be told apart"),
        ((0.0, np.nan, np.nan), "One draw has no interval", "are not compared at this preset"),
    ],
)
def test_about_imputed(row, filled, chosen):
    columns = ["mean", "low", "high"]
    found = pd.DataFrame([row], index=["GuanLab, LPM"], columns=columns)
    assert filled in says.about_imputed(found, "GuanLab")
    assert chosen in says.about_model_or_copy(found, "GuanLab")
    assert "No arm was filled" in says.about_imputed(found, "Mean Difference")
    assert "not compared" in says.about_model_or_copy(found, "Mean Difference")


def test_in_short():
    planted = {"sparse inverse": [0.9, 0.92], "Mean Difference": [0.6, 0.6]}
    far = {"sparse inverse": [1.0, 1.1], "Mean Difference": [1.4, 1.5], "planted edges": [1.2, 1.2]}
    own = pd.concat([table(planted), table(far, metric="mean_wasserstein")])
    said = says.in_short(own)
    assert said.startswith("In 1 of 1 kinds of simulated network the method with the largest")
    assert "sparse inverse finds edges best (average precision 0.91)" in said
    assert "plus 0.25 (95 % interval" in said


def test_a_cell_without_interval_says_its_value_alone():
    assert report.as_text(0.25, 0.1, 0.5) == "0.25 (0.10 to 0.50)"
    assert report.as_text(1.0, np.nan, np.nan, 1) == "1.0"
    assert report.as_text(np.nan, np.nan, np.nan) == "n/a"
