"""CausalBench's filter: what it keeps, what it makes of controls, sentences."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from helpers.data.discovery.network_simulator import NetworkKnobs, simulate
from helpers.scores import check
from helpers.tasks.discovery import networks_filter as task
from helpers.tasks.discovery import networks_filter_report as report
from helpers.tasks.discovery.networks_real_report import score_rows
from helpers.tasks.requirements import CannotAnswer


def screen(depth: float, kind="counts"):
    """Cells of 60 genes; arms A and B hold nothing down. `depth`: s.d. of log depth."""
    rng = np.random.default_rng(0)
    names = np.repeat(["control", "A", "B"], [1500, 500, 500])
    size = np.exp(rng.normal(0, depth, (len(names), 1)))
    obs = pd.DataFrame({"perturbation": names, "batch": "b", "context": "x"})
    obs.index = obs.index.astype(str)
    var = pd.DataFrame(index=["A", "B", *(f"G{i}" for i in range(58))])
    x = rng.poisson(3 * size, (len(names), 60)).astype(float)
    return AnnData(x, obs=obs, var=var, uns={"scale": {"kind": kind}})


def test_the_filter_by_hand():
    data = screen(0.3)
    arm = (data.obs["perturbation"] == "A").to_numpy()
    data.X[arm] = np.maximum(data.X[arm] - 2, 0)
    found = task.causalbench_filter.function(data).set_index("perturbed")
    assert found["kept by published"].tolist() == [True, False]
    assert found.loc["A", "changed"] == 59 and found.loc["A", "own change"] < -0.3
    controls = data.X[~arm & (data.obs["perturbation"] == "control"), 0]
    assert found.loc["A", "low target"] == (data.X[arm, 0] <= np.percentile(controls, 10)).sum()
    with pytest.raises(CannotAnswer, match="raw counts"):
        task.causalbench_filter.function(screen(0.3, "log1p"))


def test_depth_turns_the_filter_into_effects_and_equal_depth_does_not():
    found = {}
    for depth in (0.0, 0.6):
        table = task.filter_against_null.function(screen(depth), n_cells=40, n_draws=4, seed=0)
        assert set(table["series"]) == set(task.FILTER_SERIES) and (table["n"] == 118).all()
        found[depth] = table.groupby("series")["share"].mean()
    with pytest.raises(CannotAnswer, match="no arm has 750 cells"):
        task.filter_against_null.function(screen(0.0), n_cells=900, n_draws=1, seed=0)
    assert found[0.0].max() < 0.12
    assert found[0.6]["controls"] < 0.3 and found[0.6]["controls, low target"] > 0.6


def test_the_filter_calls_what_acts_on_the_target():
    knobs = NetworkKnobs(
        n_genes=20, n_chains=4, n_controls=800, n_cells=500, escaped=0.8, shift=3.0
    )
    asked = {s: task.filtered_truth.function(simulate(knobs, s), seed=s) for s in range(4)}
    rows = check(report.planted_rows(asked, dataset="simulated"))
    gains = report.planted_gains(rows)
    assert gains.loc[[("filter, upstream", "false_omission_rate")], "mean"].iloc[0] > 0.02
    assert abs(gains.loc[[("filter, unrelated", "false_omission_rate")], "mean"].iloc[0]) < 0.03
    assert report.about_planted(gains)


def gains(edges, calls):
    keys = [
        ("Mean Difference", "direct_average_precision"),
        ("filter, upstream", "false_omission_rate"),
    ]
    rows = [[0.1, np.mean(own), *own] for own in (edges, calls)]
    return pd.DataFrame(
        rows, pd.Index(keys, tupleize_cols=True), columns=["without", "mean", "low", "high"]
    )


@pytest.mark.parametrize(
    "edges, calls, said",
    [
        ((0.1, 0.2), (0.02, 0.04), "raises the average precision"),
        ((-0.2, -0.1), (0.02, 0.04), "lowers the average precision"),
        ((-0.2, 0.1), (0.02, 0.04), "makes calls where there is no effect"),
        ((-0.2, 0.1), (-0.02, 0.04), "whether the filter changes the share is undecided"),
        ((np.nan, np.nan), (np.nan, np.nan), "In one network the filter moves"),
    ],
)
def test_about_planted(edges, calls, said):
    assert said in report.about_planted(gains(edges, calls))


def test_about_filter():
    found = {
        "kept by published": [False, True],
        "own change": [-0.1, -0.5],
        "changed": [3, 60],
        "low target": [90, 200],
    }
    said = report.about_filter(pd.DataFrame(found), 299)
    assert "keeps 1 of 2 arms: 1 fall by less than 30 %" in said
    assert "and 1 change 50 genes or fewer." in said
    few = report.about_filter(pd.DataFrame(found), 24)
    assert "none can change more than 50 other genes, as 24 are measured" in few
    assert said.endswith("are 90 to 200 in an arm, more than 100 in 1 arms.")


def test_about_null():
    def found(made):
        values = {"arms": 0.1, "arms, low target": 0.2, "controls": 0.05}
        values["controls, low target"] = made
        rows = [
            [d, name, v + 0.01 * d * (name != "controls"), 23]
            for name, v in values.items()
            for d in range(3)
        ]
        return pd.DataFrame(rows, columns=["draw", "series", "share", "n"])

    def said(table):
        return report.about_null(report.null_means(table), report.null_gain(table))

    assert "the filter alone makes differences" in said(found(0.3))
    assert "after the filter 31.0 %, a difference of 0.26 (95 % interval" in said(found(0.3))
    assert said(found(0.05)).endswith("by itself is not certain here.")
    assert "not certain" in said(found(0.3).query("draw == 0"))


def judged(values, protocol):
    asked = {}
    for model, own in values.items():
        for seed in range(3):
            asked[model, seed] = pd.DataFrame(
                {
                    "post": "raw",
                    "metric": ["mean_wasserstein", "false_omission_rate"],
                    "value": [own + 0.001 * seed, 0.1],
                    "n": [9, 30],
                }
            )
    return check(score_rows(asked, dataset="cells", split="all", protocol=protocol))


def test_protocols_side_by_side():
    one = judged({"GuanLab": 0.5, "correlation": 0.2, "random": 0.1}, "published")
    other = judged({"GuanLab": 0.1, "correlation": 0.2, "random": 0.1}, "revised")
    said = report.about_protocols(one, other)
    assert "GuanLab is first, 0.50" in said and "in ours correlation; by their means 1 of 1" in said
    assert "Not only the filter" not in said
    assert "as in ours; by their means 0 of 1 pairs" in report.about_protocols(one, judged(
        {"GuanLab": 0.5, "correlation": 0.2, "random": 0.1}, "revised"))  # fmt: skip
    few = pd.concat([one, judged({"sparse inverse": 0.9}, "published").assign(n=2)])
    assert report.about_protocols(few, other).endswith("too few edges: sparse inverse.")
    more = other.assign(n=20, split="300 cells an arm")
    more = more[more["unit"] != "split 0"]
    assert report.about_protocols(one, more).endswith(
        "Not only the filter differs, but also edges of a network (9 against 20), splits (3 "
        "against 2) and cells (all against 300 cells an arm): the filter alone does not explain it."
    )
    assert "sparse inverse" not in report.side_by_side(few, other)["model"].tolist()
    absent = pd.concat([other, judged({"sparse inverse": 0.9}, "revised")])
    assert "left out" in report.side_by_side(few, absent).to_numpy()
    table = report.side_by_side(one, other)
    assert table.shape == (3, 5) and table["model"].tolist() == ["GuanLab", "correlation", "random"]
    assert table["distance, published"].iloc[0].startswith("0.50 (0.50 to")


def test_rows_of_the_null():
    found = pd.DataFrame(
        [[d, s, 0.1, 23] for d in range(2) for s in task.FILTER_SERIES],
        columns=["draw", "series", "share", "n"],
    )
    own = check(report.null_rows(found, dataset="cells", n_cells=90, seed=0))
    assert own["role"].tolist() == ["candidate", "candidate", "floor", "floor"] * 2
    assert report.null_means(found)["mean"].tolist() == pytest.approx([0.1] * 4)
