"""The published leaderboard: its averages as computed elsewhere, its copies, ties, sentences."""

import numpy as np
import pandas as pd
import pytest

from helpers import scores
from helpers.data.spatial.leaderboard import MODELS, leaderboard
from helpers.data.spatial.spared import card
from helpers.metrics.spatial.facts import METRICS
from helpers.tasks.spatial import leaderboard as task
from helpers.tasks.spatial import leaderboard_report as report


def test_the_table_is_of_all_data_sets_and_models():
    table = leaderboard()
    assert len(table) == 26 * 9 and set(table["data set"]) == set(card()["data set"])
    lacking = table[table["mse"].isna()]
    assert lacking[["data set", "model"]].to_numpy().tolist() == [["VMB", "HisToGene"]]
    assert table["pcc"].dropna().between(-1, 1).all() and (table["mse"].dropna() > 0).all()


def test_averages_are_those_of_the_specification():
    found = task.averages(leaderboard(), without="MHSI").loc[list(MODELS)]
    mean = [1.060, 1.095, 1.063, 1.005, 2.404, 1.149, 0.985, 0.999, 1.421]
    np.testing.assert_allclose(found["mean MSE"], mean, atol=6e-4)
    without = [0.906, 0.897, 0.919, 0.881, 1.471, 0.893, 0.862, 0.868, 1.211]
    np.testing.assert_allclose(found["mean MSE without"], without, atol=6e-4)
    pcc = [0.344, 0.378, 0.337, 0.359, 0.131, 0.343, 0.392, 0.392, 0.274]
    np.testing.assert_allclose(found["mean PCC"], pcc, atol=6e-4)
    assert found["data sets"].tolist() == [26, 26, 26, 26, 25, 26, 26, 26, 26]
    assert found["wins MSE"].sum() == 26


def test_the_copied_cells_are_found():
    found = task.copied(leaderboard())
    cells = set(zip(found["model"], found["data set"], found["same as"], strict=True))
    assert cells == {("HisToGene", "MMBO", "MMBR"), ("EGGN", "10XGMBSP", "MMBO")}
    assert task.copied(leaderboard().drop_duplicates(["model", "mse", "pcc"])).empty


def test_shares_add_up_and_a_constant_data_set_has_none():
    found = task.weights(leaderboard())
    assert found["share"].sum() == pytest.approx(1) and found["data set"].iloc[0] == "MHSI"
    table = pd.DataFrame(
        {"data set": ["a", "a", "b", "b"], "model": ["x", "y"] * 2, "mse": [1, 3, 2, 2.0]}
    )
    assert task.weights(table).set_index("data set")["share"].to_dict() == {"a": 1.0, "b": 0.0}


def test_subsets_are_one_cluster_with_their_set():
    assert task.clusters(["MMBP1", "MMBR", "VKO"]).tolist() == ["MMBR", "MMBR", "VKO"]


def test_ranks_are_over_data_sets_and_bound_by_places():
    asked = {"metric": "mse", "n_resamples": 2_000, "seed": 0}
    pairs = task.pairs(**asked).result()
    found = task.standings(task.pairs(**asked), **asked).result()
    assert found["n"].eq(25).all() and found["n_clusters"].eq(23).all()
    assert found["mean rank"].mean() == pytest.approx(5)
    assert (found["low"] <= found["place"]).all() and (found["place"] <= found["high"]).all()
    assert set(found["model"].iloc[-2:]) == {"HisToGene", "BLEEP"}
    assert len(pairs) == 36


@pytest.mark.parametrize("metric", ["mse", "pcc"])
def test_letters_and_the_count_of_pairs_agree(metric):
    asked = {"metric": metric, "n_resamples": 2_000, "seed": 3}
    pairs = task.pairs(**asked).result()
    letters = task.standings(task.pairs(**asked), **asked).result().set_index("model")["letters"]
    apart = pairs["verdict"].isin(["better", "worse"])
    without = [
        not set(letters[one]) & set(letters[other])
        for one, other in zip(pairs["model"], pairs["other"], strict=True)
    ]
    assert apart.tolist() == without


def test_rows_are_a_score_table():
    table = scores.check(report.rows(leaderboard()), METRICS)
    assert len(table) == 2 * 234 and set(table["role"]) == {"reported"}


def means(first=1.0, second=1.2, without=(0.9, 0.8)):
    return pd.DataFrame(
        {"mean MSE": [first, second], "mean MSE without": without}, index=["A", "B"]
    )


def test_sentence_on_averages():
    assert "without MHSI B" in report.about_average(means())
    assert "it is still A" in report.about_average(means(without=(0.7, 0.8)))
    assert "The mean of B falls by 33%" in report.about_average(means())


def test_sentence_on_weights():
    table = pd.DataFrame({"data set": ["a", "b"], "share": [0.9, 0.1]})
    assert "more than the other 1" in report.about_weights(table)
    assert "no data set" in report.about_weights(table.assign(share=[0.5, 0.5]))


def test_sentence_on_standings():
    found = pd.DataFrame(
        {"model": ["A", "B"], "mean rank": [1.2, 1.8], "letters": ["a", "ab"], "n": 5}
    ).assign(n_clusters=4)
    pairs = pd.DataFrame({"verdict": ["better", "undecided"]})
    assert "1 of 2 pairs" in report.about_standings(found, pairs, "error")
    assert "A ranks first; not told from it: B." in report.about_standings(found, pairs, "error")
    second = report.about_standings(found.assign(letters=["ab", "b"]), pairs, "error")
    assert "not told from it: B." in second
    alone = found.assign(letters=["a", "b"])
    assert "A ranks first, and is told apart from all others." in report.about_standings(
        alone, pairs, "error"
    )


@pytest.mark.parametrize(("verdict", "said"), [("better", "holds"), ("undecided", "not told")])
def test_sentence_on_a_pair(verdict, said):
    pairs = pd.DataFrame(
        {"model": ["A"], "other": ["B"], "difference": [-0.5], "low": [-1.0], "high": [0.2]}
    ).assign(verdict=verdict)
    assert said in report.about_pair(pairs, "A", "B")
    assert "0.5 ranks before B" in report.about_pair(pairs, "A", "B")
    turned = report.about_pair(pairs, "B", "A")
    assert "0.5 ranks behind A" in turned and "\N{MINUS SIGN}0.2 to 1.0" in turned


def test_sentence_on_copies():
    found = task.copied(leaderboard())
    assert "2 cells are copied" in report.about_copies(found)
    assert report.about_copies(found.head(1)).startswith("One cell is copied")
    assert "No cell" in report.about_copies(found.head(0))


def test_sentence_on_what_was_tested():
    def said(first, second):
        rows = [
            (f"{side}{i}", model, value + 0.01 * i * (model == "A"))
            for side, half in (("t", first), ("v", second))
            for i in range(6)
            for model, value in zip("AB", half, strict=True)
        ]
        table = pd.DataFrame(rows, columns=["data set", "model", "pcc"])
        tested = table["data set"].str.startswith("t")
        return report.about_tested(table, tested, rng=np.random.default_rng(0))

    assert said((0.5, 0.3), (0.4, 0.3)).endswith("on the other 6 it has too.")
    assert said((0.5, 0.3), (0.2, 0.4)).endswith("another model leads.")
    assert said((0.28, 0.3), (0.2, 0.4)).endswith("is not shown.")
    assert "A less B: 0.225 (95 % interval" in said((0.5, 0.3), (0.2, 0.4))


def test_the_size_of_the_table_is_counted():
    assert report.about_size(leaderboard()) == (
        "9 models, 26 data sets, 233 pairs of numbers (not printed: HisToGene on VMB)."
    )
    assert "(no cell is empty)" in report.about_size(leaderboard().dropna())
