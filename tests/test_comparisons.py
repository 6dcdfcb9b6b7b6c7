"""Comparisons of models against enumeration, other implementations, and simulation."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.comparisons import (
    as_family,
    compare,
    equivalence_margin,
    paired,
    rank_intervals,
    tie_groups,
)


def rng(seed=0):
    return np.random.default_rng(seed)


def table(n=40, shifts=(0.0, 0.0, 1.0), noise=0.3, seed=0):
    r = rng(seed)
    unit = r.standard_normal((n, 1))
    values = unit + np.array(shifts) + noise * r.standard_normal((n, len(shifts)))
    return pd.DataFrame(values, columns=[f"m{i}" for i in range(len(shifts))])


def test_the_sign_flip_test_is_that_of_all_flips():
    """Nine clusters have 512 flips: the drawn p-value approaches the enumerated one."""
    values = table(n=18, shifts=(0.0, 0.03), seed=3)
    clusters = np.repeat(np.arange(9), 2)
    sums = (values["m0"] - values["m1"]).groupby(clusters).sum().to_numpy()
    flips = np.array(list(product((1, -1), repeat=9)))
    exact = np.mean(np.abs(flips @ sums) >= abs(sums.sum()) - 1e-12)
    found = compare(values, clusters, better="higher", n_resamples=20_000, rng=rng())
    assert 0.02 < exact < 0.98
    assert found["p_value"].item() == pytest.approx(exact, abs=0.012)


def test_the_interval_of_a_difference_is_the_paired_t_interval_for_normal_scores():
    from scipy.stats import ttest_rel

    values = table(n=60, shifts=(0.0, 0.4), seed=1)
    found = compare(values, np.arange(60), better="higher", rng=rng()).iloc[0]
    expected = ttest_rel(values["m0"], values["m1"]).confidence_interval(0.95)
    assert found["difference"] == pytest.approx((values["m0"] - values["m1"]).mean())
    width = expected.high - expected.low
    np.testing.assert_allclose(
        [found["low"], found["high"]], [expected.low, expected.high], atol=0.06 * width
    )


def test_holm_is_that_of_statsmodels_over_all_rows():
    from statsmodels.stats.multitest import multipletests

    found = compare(table(shifts=(0, 0.05, 0.2, 0.3)), np.arange(40), better="higher", rng=rng())
    np.testing.assert_allclose(found["p_holm"], multipletests(found["p_value"], method="holm")[1])


def test_each_verdict_is_reached_and_turns_round_with_the_direction():
    values = pd.DataFrame(
        {
            "a": rng(0).standard_normal(200),
            "wild": 1.5 * rng(1).standard_normal(200),
        }
    )
    values["same"] = values["a"] + 0.01 * rng(2).standard_normal(200)
    values["far"] = values["a"] + 1
    found = compare(values, np.arange(200), better="higher", margin=0.1, reference="a", rng=rng())
    verdict = found.set_index("model")["verdict"]
    assert verdict.to_dict() == {"wild": "undecided", "same": "tied", "far": "better"}
    turned = compare(values, np.arange(200), better="lower", margin=0.1, reference="a", rng=rng())
    assert turned.set_index("model")["verdict"]["far"] == "worse"
    never = compare(values, np.arange(200), better="higher", reference="a", rng=rng())
    assert "tied" not in set(never["verdict"])  # without a margin nothing is


def test_a_clear_but_small_difference_is_tied_not_better():
    values = table(n=300, shifts=(0.0, 0.02), noise=0.01)
    found = compare(values, np.arange(300), better="higher", margin=0.1, rng=rng())
    assert found["p_holm"].item() < 0.05
    assert found["verdict"].item() == "tied"


def test_models_that_agree_everywhere_are_no_evidence():
    values = pd.DataFrame({"a": np.arange(10.0), "b": np.arange(10.0)})
    (row,) = compare(values, np.arange(10), better="higher", margin=0.1, rng=rng()).itertuples()
    assert (row.difference, row.low, row.high, row.p_value) == (0, 0, 0, 1)


def test_repeated_units_do_not_make_a_difference_more_certain():
    values = table(n=20, shifts=(0.0, 0.1))
    thrice = pd.concat([values] * 3, ignore_index=True)
    once = compare(values, np.arange(20), better="higher", rng=rng()).iloc[0]
    again = compare(thrice, np.tile(np.arange(20), 3), better="higher", rng=rng()).iloc[0]
    np.testing.assert_allclose(again["high"] - again["low"], once["high"] - once["low"], rtol=1e-9)
    assert again["p_value"] == once["p_value"]
    naive = compare(thrice, np.arange(60), better="higher", rng=rng()).iloc[0]
    assert naive["high"] - naive["low"] < 0.7 * (once["high"] - once["low"])


def test_holm_keeps_the_family_wise_error():
    """Equal models: a pair is called different in at most about 5 % of the tables."""
    called = 0
    for seed in range(200):
        found = compare(
            table(n=15, shifts=(0,) * 4, seed=seed),
            np.arange(15),
            better="higher",
            n_resamples=400,
            rng=rng(seed),
        )
        called += (found["verdict"] != "undecided").any()
    assert called <= 20  # 0.05 of 200, and three standard errors


def test_rank_intervals_hold_the_true_ranks_where_models_tie():
    """Three equal models take ranks 1 to 3: any order of them is a true one."""
    missed, lengths = 0, []
    for seed in range(150):
        values = table(n=25, shifts=(0, 0, 0, 2), seed=seed)
        found = rank_intervals(
            values, np.arange(25), better="higher", n_resamples=500, rng=rng(seed)
        )
        low, high = found["low"], found["high"]
        tied = ["m0", "m1", "m2"]
        missed += not ((low[tied] <= 2).all() and (high[tied] >= 4).all() and low["m3"] == 1)
        lengths.append(high["m3"])
    assert missed <= 16  # 0.05 of 150, and three standard errors
    assert np.mean(lengths) < 1.1  # and they are not just everything


def test_ranks_are_mid_ranks_of_the_means():
    values = pd.DataFrame({"a": [1.0, 2, 3, 4, 5, 6], "b": [1.0, 2, 3, 4, 5, 6], "c": [9.0] * 6})
    found = rank_intervals(values, np.arange(6), better="lower", rng=rng())
    assert found["rank"].to_dict() == {"a": 1.5, "b": 1.5, "c": 3}
    assert found["share_best"].to_dict() == {"a": 0.5, "b": 0.5, "c": 0}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_models_share_a_letter_unless_one_is_better(data):
    models = [f"m{i}" for i in range(data.draw(st.integers(2, 6)))]
    rows = [
        {
            "model": a,
            "other": b,
            "verdict": data.draw(st.sampled_from(["worse", "undecided", "tied"])),
        }
        for a, b in combinations(models, 2)
    ]
    letters = tie_groups(pd.DataFrame(rows), models)
    assert letters[models[0]].startswith("a")
    for row in rows:
        shared = set(letters[row["model"]]) & set(letters[row["other"]])
        assert bool(shared) == (row["verdict"] != "worse")


def test_letters_of_a_published_kind():
    """a beats c, b is told apart from none: the display a, ab, b."""
    rows = [("a", "b", "undecided"), ("a", "c", "better"), ("b", "c", "tied")]
    frame = pd.DataFrame(rows, columns=["model", "other", "verdict"])
    assert tie_groups(frame, ["a", "b", "c"]).to_list() == ["a", "ab", "b"]
    with pytest.raises(ValueError, match="lack 1 pairs"):
        tie_groups(frame.iloc[:2], ["a", "b", "c"])


# ------------------------------------------------------------------------------ bad input


def scores(**changes):
    rows = [
        {
            "task": "t", "dataset": "d", "split": "s", "protocol": "revised", "metric": "l2",
            "unit_kind": "perturbation", "model": model, "unit": unit, "cluster": unit, "seed": 0,
            "value": value,
        }
        for model, value in (("a", 1.0), ("b", 2.0))
        for unit in "uvw"
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**changes)


def test_a_score_table_is_paired_by_unit_in_any_order():
    whole = scores()
    found = paired(whole.sample(frac=1, random_state=0))
    assert found.table.to_numpy().tolist() == [[1, 2]] * 3
    assert (found.clusters.tolist(), found.n_dropped) == (["u", "v", "w"], 0)


@pytest.mark.parametrize(
    "spoilt, message",
    [
        (scores().iloc[1:], r"1 of 3 units are not scored by every model: a \(1\)"),
        (scores(value=[np.nan, 1, 1, 1, 1, 1]), r"a \(1\)"),
        (scores(value=[np.inf, 1, 1, 1, 1, 1]), "1 scores are infinite"),
        (pd.concat([scores(), scores()]), "6 units are scored twice by a model"),
        (scores(metric=list("xxxyyy")), "2 values of metric"),
        (scores(cluster=list("uvwxyz")), "in several clusters"),
    ],
)
def test_tables_that_are_not_paired_are_refused(spoilt, message):
    with pytest.raises(ValueError, match=message):
        paired(spoilt)


def test_units_that_not_all_share_are_dropped_when_asked_and_counted():
    found = paired(scores().iloc[1:], missing="drop")
    assert (len(found.table), found.n_dropped) == (2, 1)
    with pytest.raises(ValueError, match="no unit is scored by every model"):
        paired(scores().iloc[[0, 4]], missing="drop")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(values=table(n=5), clusters=np.arange(5)), "5 clusters"),
        (dict(values=table()[["m0"]], clusters=np.arange(40)), "two or more"),
        (dict(values=table().assign(m1=np.nan), clusters=np.arange(40)), "NaN or infinite"),
        (dict(values=table(), clusters=np.arange(39)), "39 clusters for 40"),
        (dict(values=table(), clusters=np.arange(40), margin=-1), "margin is -1"),
        (dict(values=table(), clusters=np.arange(40), reference="m9"), "no model 'm9'"),
        (dict(values=table(), clusters=np.arange(40), n_resamples=20), "take at least 60"),
        (dict(values=table(), clusters=np.arange(40), better="up"), "better is 'up'"),
    ],
)
def test_comparisons_that_cannot_be_made_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(**dict(better="higher", rng=rng()) | arguments)


def test_the_region_of_equivalence_needs_a_floor_and_a_ceiling():
    assert equivalence_margin(5.0, 1.0) == pytest.approx(0.4)
    for floor, ceiling in ((1.0, 1.0), (np.nan, 1.0), (0.0, np.inf)):
        with pytest.raises(ValueError, match="finite, different"):
            equivalence_margin(floor, ceiling)
    with pytest.raises(ValueError, match="share is 2"):
        equivalence_margin(0.0, 1.0, share=2)


# --------------------------------------------------------------------------- few clusters


def test_models_far_apart_on_six_clusters_are_not_ranked_and_the_table_says_why():
    """Two of 2^6 flips, three pairs: no p-value after Holm's correction is below .094."""
    values = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 3)), columns=list("abc"))
    values += [0, 1_000, 2_000]
    arguments = {"better": "higher", "rng": np.random.default_rng(0)}
    found = compare(values, np.arange(6), **arguments)
    assert (found["least_p_holm"] == 3 * 2 / 64).all()
    assert (found["p_holm"] == found["least_p_holm"]).all()
    assert (found["verdict"] == "undecided").all()
    ranks = rank_intervals(values, np.arange(6), **arguments)
    assert (ranks[["low", "high"]].to_numpy() == [1, 3]).all()
    eight = pd.concat([values, values.head(2) + 0.1], ignore_index=True)
    found = compare(eight, np.arange(8), **arguments)
    assert (found["least_p_holm"] <= 0.05).all()
    assert set(found["verdict"]) <= {"better", "worse"}
    ranks = rank_intervals(eight, np.arange(8), **arguments)
    assert (ranks["low"] == ranks["high"]).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(6, 12), far=st.floats(0, 1e6))
def test_a_p_value_is_never_below_what_flips_allow(seed, n, far):
    rng = np.random.default_rng(seed)
    values = pd.DataFrame({"a": rng.normal(size=n) + far, "b": rng.normal(size=n)})
    found = compare(values, np.arange(n), better="higher", n_resamples=5_000, rng=rng).iloc[0]
    sums = values["a"].to_numpy() - values["b"].to_numpy()
    flips = np.array(list(product([-1, 1], repeat=n))) @ sums
    assert found["p_value"] == pytest.approx(
        np.mean(np.abs(flips) >= abs(sums.sum()) * (1 - 1e-12)), rel=1e-9
    )
    assert found["p_value"] >= 2 / 2**n


def test_rows_of_several_comparisons_are_corrected_as_one_family():
    def row(p, least, verdict):
        return {"p_value": p, "p_holm": p, "least_p": least, "least_p_holm": least} | {
            "verdict": verdict
        }

    given = pd.DataFrame(
        [
            row(0.01, 0.001, "better"),
            row(0.02, 0.001, "worse"),
            row(0.03, 0.001, "better"),
            row(0.04, 0.001, "tied"),
            row(0.9, 0.03, "undecided"),
            row(np.nan, np.nan, "cannot"),
        ]
    )
    found = as_family(given)
    np.testing.assert_allclose(found["p_holm"][:5], [0.05, 0.08, 0.09, 0.09, 0.9])
    np.testing.assert_allclose(found["least_p_holm"][:5], [0.005] * 4 + [0.03])
    expected = ["better", "undecided", "undecided", "tied", "undecided", "cannot"]
    assert list(found["verdict"]) == expected
    few = pd.DataFrame([row(0.04, 0.03, "better"), row(0.5, 0.03, "undecided")])
    assert list(as_family(few)["verdict"]) == ["cannot", "cannot"]
    assert list(as_family(given[5:])["verdict"]) == ["cannot"]
    one = as_family(given[:1])
    assert one["p_holm"].iloc[0] == 0.01 and one["verdict"].iloc[0] == "better"


def test_a_difference_that_is_the_same_in_all_units_bounds_ranks_beside_one_that_hardly_varies():
    values = pd.DataFrame({"a": np.zeros(30), "b": np.ones(30), "c": np.zeros(30)})
    values.loc[0, "c"] = 0.5  # so that many samples draw no variance of c
    found = rank_intervals(values, np.arange(30), better="higher", n_resamples=500, rng=rng())
    assert list(found.loc["b", ["low", "high"]]) == [1, 2]
    assert list(found.loc["a", ["low", "high"]]) == [2, 3]
