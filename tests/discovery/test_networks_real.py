"""Networks on real cells: readers, the published p-values, sizes and their nulls, sentences."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from helpers.data.contract import DataError
from helpers.data.fetch import DataUnavailable, fetch
from helpers.data.sets import interventions_dixit_sachs as dixit
from helpers.data.sets import results_genernib as genernib
from helpers.metrics.discovery.networks import pair_tests
from helpers.scores import check
from helpers.tasks.discovery import networks_real as real
from helpers.tasks.discovery import networks_real_report as report
from helpers.tasks.requirements import CannotAnswer


@pytest.fixture(scope="module")
def files():
    try:
        return fetch(dixit.DATASET)
    except DataUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def knock_outs(files):
    return dixit.read(files)


def test_published_p_values_are_met(files, knock_outs):
    assert knock_outs.shape == (14_427, 24)
    published = dixit.read_log_p(files)
    cells = real.real_cells(knock_outs)
    tests = pair_tests(cells.expression, cells.target)
    order, met = list(cells.genes), 0
    for gene in set(published.columns) & set(order):
        row, others = order.index(gene), np.array(order) != gene
        expected = np.abs(published.loc[order, gene].to_numpy()[others])
        assert np.abs(expected + np.log(tests.p_value[row][others])).max() < 6e-15
        met += 1
    assert met == 8
    assert (tests.p_value[tests.tested] < 0.05).sum() == 33 and tests.tested.sum() == 184


def test_more_cells_more_calls_and_a_null_at_the_level(knock_outs):
    found = real.called_by_size.function(
        knock_outs, sizes=[50, 4_000], n_draws=4, seed=0
    )  # fmt: skip
    means = found.groupby(["series", "cells"])["share"].mean()
    assert means["pairs", 4_000] == pytest.approx(0.179, abs=1e-3)
    assert 0.03 < means["pairs", 50] < 0.11
    assert means["halves of controls", 4_000] == pytest.approx(0.05, abs=0.025)
    assert means["pairs, corrected", 4_000] < means["pairs", 4_000]


def test_proteins_and_their_consensus(files):
    proteins = dixit.read_sachs(files)
    assert proteins.shape[1] == 11 and np.isfinite(proteins.X).all()
    counts = proteins.obs["perturbation"].value_counts()
    assert counts["control"] == 853 and counts["Akt"] == 911 and len(counts) == 6
    assert len(set(dixit.SACHS_EDGES)) == 17
    assert {g for edge in dixit.SACHS_EDGES for g in edge} == set(proteins.var_names)
    tests = pair_tests(*(lambda c: (c.expression, c.target))(real.real_cells(proteins)))
    assert (tests.p_value[tests.tested] < 0.05).mean() == pytest.approx(0.88)


def test_genernib_controls(files):
    table = genernib.read(fetch(genernib.DATASET))
    assert report.controls_beaten(table) == (66, 84, 96, 737)
    assert check(report.reported_rows(table))["role"].unique().tolist() == ["reported"]


def screen(names, kind="counts"):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"perturbation": names, "context": "x", "batch": "b"})
    obs.index = obs.index.astype(str)
    values = rng.poisson(5, (len(names), 4)).astype(float)
    var = pd.DataFrame(index=list("ABCD"))
    return AnnData(values, obs=obs, var=var, uns={"scale": {"kind": kind}})


NAMES = ["control"] * 60 + ["A"] * 30 + ["B"] * 30


def test_what_real_cells_refuse():
    assert real.real_cells(screen(NAMES), only_perturbed=True).genes == ("A", "B")
    with pytest.raises(DataError, match="no cell is a 'control'"):
        real.real_cells(screen(["A"] * 4))
    with pytest.raises(DataError, match="called like a control"):
        real.real_cells(screen([*NAMES, "Non-Targeting"]))
    with pytest.raises(DataError, match="counts or logarithms"):
        real.real_cells(screen(NAMES, kind="zscore"))


def test_judged_on_cells_ranks_only_what_can_be_judged():
    data = screen(NAMES)
    own = {"seed": 0, "n_edges": 99, "n_cells": 30, "truth": [["A", "C"], ["D", "A"]]}
    found = real.judged_on_cells.function(data, method="correlation", **own)
    found = found.set_index("metric")
    assert found.loc["mean_wasserstein", "n"] == 6  # from A and B only
    assert found.loc["direct_average_precision", "n"] == 1  # D was not perturbed
    assert found.loc["false_omission_rate", "n"] == 0 and np.isnan(
        found.loc["false_omission_rate", "value"]
    )
    arms = real.described.function(data)
    assert arms["cells"].tolist() == [30, 30] and (arms["of"] == 3).all()


def test_known_pairs_both_ways_and_in_capitals():
    known = real.of_names([("A", "B"), ("A", "Z"), ("C", "C")], list("ABC"), both_ways=True)
    assert known.sum() == 2 and known[0, 1] and known[1, 0]
    lists = pd.DataFrame({"database": ["x"], "gene_a": ["A"], "gene_b": ["C"]})
    found = real.listed_pairs(lists, ["x"], ["a", "b", "c"])
    assert found["x"].sum() == 2 and found["x"][0, 2]
    with pytest.raises(DataError, match="no lists y; there are x"):
        real.listed_pairs(lists, ["y"], ["A"])
    sets = pd.DataFrame(
        [("s", "one", g) for g in "AB"] + [("s", "large", g) for g in "ABCD"] + [("t", "two", "A")],
        columns=["source", "set", "gene"],
    )
    more = real.known_lists.function(lists, sets, screen(NAMES), sources=["s"], largest=2)
    assert more.to_numpy().tolist() == [["x", "A", "C"], ["s", "A", "B"]]


def test_known_pairs_of_every_method():
    lists = pd.DataFrame({"database": ["x"], "gene_a": ["A"], "gene_b": ["C"]})
    own = {"seed": 0, "n_edges": 4, "n_cells": 30, "known": lists, "databases": ["x"]}
    for method in ("correlation", "random"):
        found = real.judged_on_cells.function(screen(NAMES), method=method, **own)
        row = found[found["metric"] == "known_pairs_excess"].iloc[0]
        assert row["post"] == "x" and row["n"] == 1 and -1 <= row["value"] <= 1


def test_the_published_split_has_no_room_for_a_duplicate_and_judges_on_a_fifth():
    data = screen(["control"] * 1000 + ["A"] * 200 + ["B"] * 200)
    data.X[1000:1200, 0] = data.X[1200:, 1] = 0
    own = {"seed": 0, "n_edges": 2, "n_cells": None, "shares": [0.8, 0.2]}
    found = real.judged_on_cells.function(data, method="Mean Difference", filtered=True, **own)
    assert found.set_index("metric").loc["mean_wasserstein", "n"] == 2  # A and B alone are left
    with pytest.raises(DataError, match="name three shares"):
        real.judged_on_cells.function(data, method=real.DUPLICATE, **own)


def test_the_filter_keeps_low_cells_and_arms_of_more_than_a_hundred():
    data = screen(["control"] * 200 + ["A"] * 150 + ["B"] * 150)
    data.X[:200, :2] = np.tile([[5], [6], [7], [8]], (50, 2))
    data.X[200:350, 0], data.X[350:, 1] = 1, 9
    data.X[350:450, 1] = 2  # of B only 100 are low
    cells = real.real_cells(data, filtered=True)
    assert [cells.genes[a] for a in cells.arms] == ["A"]
    assert (cells.target == 0).sum() == 150
    data.X[200:350, 0] = 9
    with pytest.raises(CannotAnswer, match="no arm has more than 100 cells"):
        real.real_cells(data, filtered=True)
    data.uns["scale"]["kind"] = "log1p"
    with pytest.raises(CannotAnswer, match="reads raw counts"):
        real.real_cells(data, filtered=True)


def sizes(pairs, null=(0.05, 0.05), corrected=0.02, effect=0.03, half=0.01):
    rows = []
    for i, n in enumerate((50, 800)):
        rows += [[n, real.SERIES[0], pairs[i]], [n, real.SERIES[1], corrected]]
        rows += [[n, real.SERIES[2], effect], [n, real.SERIES[3], null[i]]]
    table = pd.DataFrame(rows, columns=["cells", "series", "mean"])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def test_about_sizes_and_effects():
    assert "grows with the cells: with 50 cells an arm the test calls 6.0 %" in (
        report.about_sizes(sizes((0.06, 0.18)))
    )
    assert report.about_sizes(sizes((0.18, 0.06))).startswith("The rate falls with the cells here:")
    for half in (0.1, np.nan):
        said = report.about_sizes(sizes((0.06, 0.18), half=half))
        assert said.startswith("It is undecided whether the rate grows with the cells: with 50")
    assert "18.0 % are called with the most cells, 2.0 % after" in (
        report.about_effects(sizes((0.06, 0.18)))
    )
    assert "calls no pair" in report.about_effects(sizes((0.0, 0.0)))


def rows(values, metric="mean_wasserstein"):
    asked = {}
    for model, draws in values.items():
        for seed, value in enumerate(draws):
            asked[model, seed] = pd.DataFrame(
                {"post": ["raw"], "metric": [metric], "value": [value], "n": [9]}
            )
    return check(report.score_rows(asked, dataset="cells", split="300 cells an arm"))


DUPLICATE = "Mean Difference, other half"


def test_about_methods_and_duplicate():
    own = {"GuanLab": [0.5, 0.51], "correlation": [0.1, 0.3], "random": [0.2, 0.21]}
    said = report.about_methods(rows(own))
    assert said.startswith("GuanLab has the best mean of 2 methods, 0.505")
    assert said.endswith(
        "over splits, random pairs 0.205; not told from random pairs: correlation."
    )
    sure = {"GuanLab": [0.5, 0.51], "random": [0.2, 0.21]}
    assert "; each method that is compared is better" in report.about_methods(rows(sure))
    lower = report.about_methods(rows(sure, "false_omission_rate"), "false_omission_rate")
    assert lower.endswith(
        "; no method that is compared is shown to be better than random pairs; worse than random "
        "pairs: GuanLab."
    )
    one = report.about_methods(rows({"GuanLab": [0.5], "random": [0.2]}))
    assert "no method that is compared is shown" in one and "nan" not in one
    two = rows({"sparse inverse": [0.9, 0.9]}).assign(n=2)
    said = report.about_methods(pd.concat([rows(sure), two]))
    assert said.startswith("GuanLab has the best mean of 1 methods")
    assert said.endswith("Left out, for fewer edges than were asked in some split: sparse inverse.")
    for duplicate, said in (
        ([0.5, 0.51], "reaches 0.505, random pairs 0.105: edges that other cells give are above"),
        ([0.0, 0.001], "these cells cannot rank methods"),
        ([0.1, 0.3], "is undecided"),
    ):
        room = {DUPLICATE: duplicate, "random": [0.1, 0.11]}
        assert said in report.about_duplicate(rows(room))
        assert "larger" not in report.about_duplicate(rows(room | {"GuanLab": [0.0, 0.0]}))
    more = report.about_duplicate(rows(room | {"GuanLab": [0.5, 0.6]}))
    assert "methods are larger: GuanLab. So the duplicate" in more
    assert "is undecided" in report.about_duplicate(rows({DUPLICATE: [0.5], "random": [0.1]}))


def known_rows(values):
    own = rows(values, "known_pairs_excess")
    return report.known_hits(own.assign(post="CORUM"))


def test_about_known():
    sure = {"GuanLab": [0.3, 0.31], "random": [-0.1, 0.1]}
    said = report.about_known(known_rows(sure))
    assert said.startswith("In 1 of 1 cases (methods: 1; lists: 1) the edges")
    assert "(Holm), most of all GuanLab on CORUM" in said
    many = {"GuanLab": [0.3, 0.31], "random": [-0.1, 0.1]}
    many |= {m: [0.1, 0.114] for m in ("correlation", "NOTEARS", "sortnregress")}
    found = known_rows(many).set_index("model")
    assert found.loc["NOTEARS", "low"] > 0 and found.loc["NOTEARS", "p_holm"] > 0.05
    assert found["p_holm"].isna().tolist() == [m == "random" for m in found.index]
    assert "In 1 of 4 cases" in report.about_known(known_rows(many))
    chance = {"GuanLab": [-0.3, 0.31], "random": [-0.1, 0.1]}
    assert report.about_known(known_rows(chance)).endswith("tell these methods from chance.")
    same = {"GuanLab": [0.3, 0.31], "random": [0.1, 0.11]}
    assert report.about_known(known_rows(same)).endswith("these lists cannot rank methods.")
    assert "known pairs are not asked" in report.about_known(known_rows({"GuanLab": [0.3]}))


def test_about_consensus_and_arms():
    own = rows({"GuanLab": [0.6, 0.7], "random": [0.1, 0.2]}, "direct_average_precision")
    said = report.about_consensus(own, 0.14)
    assert "ranked best by GuanLab, average precision 0.65" in said and "share is 0.14" in said
    arms = {"cells": [20, 90], "own change": [-1.0, 0.5], "p": [0.01, 0.01]}
    said = report.about_described(pd.DataFrame(arms | {"others called": [0.1, 0.3]}))
    assert (
        "with 20 to 90 cells each; in 1 of these arms the gene itself falls" in said
        and "calls 20.0 %" in said
    )


def test_about_reported():
    def of(method, high):
        values = {"positive_control": high, "negative_control": 0.1, "m": method}
        return pd.DataFrame(
            {"dataset": "d", "metric": "x", "method": list(values), "value": list(values.values())}
        )

    assert report.about_controls(of(0.9, 0.5)).endswith("is no ceiling.")
    assert report.about_controls(of(0.4, 0.5)).startswith("In 0 of 1 cells")
    columns = ["left out", "first", "turned"]
    steady = pd.DataFrame([["none", "a", 0], ["b", "a", 0]], columns=columns)
    assert report.about_stability(steady).endswith("and no pair turns round.")
    below = pd.DataFrame([["none", "a", 0], ["b", "a", 2]], columns=columns)
    assert "up to 2 pairs further down" in report.about_stability(below)
    other = pd.DataFrame([["none", "a", 0], ["b", "c", 2]], columns=columns)
    assert "without b another method would be" in report.about_stability(other)


def test_called_rows_and_in_short():
    found = pd.DataFrame(
        [[50, 0, s, 0.1, 184] for s in real.SERIES],
        columns=["cells", "draw", "series", "share", "n"],
    )
    own = check(report.called_rows(found, dataset="cells", seed=0))
    assert own["role"].tolist() == ["candidate"] * 3 + ["floor"]
    assert report.by_size(found)["mean"].tolist() == pytest.approx([0.1] * 4)
    assert "cannot answer" in report.in_short(None)
    sure = rows({"GuanLab": [0.5, 0.51], "random": [0.2, 0.21]})
    assert "By distance, GuanLab" in report.in_short((sizes((0.06, 0.18)), sure))
