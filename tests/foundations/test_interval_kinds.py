"""Coverage of intervals and level of the paired test, by the kind of data; what is said of them."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from helpers.stats import wilson_interval
from helpers.tasks import interval_kinds as task
from helpers.tasks import interval_kinds_report as report


@pytest.fixture(scope="module")
def coverage():
    return task.coverage_by_kind.function(n_simulations=200, n_resamples=100, seed=0)


@pytest.fixture(scope="module")
def errors():
    return task.errors_of_comparisons.function(n_simulations=1000, n_resamples=499, seed=0)


@pytest.mark.parametrize("kind", task.KINDS)
def test_the_truth_of_each_kind_is_its_mean_and_median(kind):
    values = task.drawn(kind, (1_000_000,), np.random.default_rng(0))
    mean, median = task.KINDS[kind]
    assert values.mean() == pytest.approx(mean, abs=4 * values.std() / 1000)
    assert np.median(values) == pytest.approx(median, abs=4e-3)
    share = {
        "normal": values > 0,
        "skewed": values > 0,
        "tied at zero": values != 0,
        "rare disasters": values < -2.5,
    }[kind].mean()
    assert share == pytest.approx(task.SHARES[kind], abs=2e-3)


def test_coverage_is_that_of_theory_where_there_is_one(coverage):
    share = coverage.set_index(["interval", "data", "n"])["share"]
    for n in task.SIZES:  # Student's interval is exact for normal data
        assert abs(share["mean (t)", "normal", n] - 0.95) < 4 * np.sqrt(0.05 * 0.95 / 200)
    # Wilson's, summed by hand: of two units none, one or both are 1.
    limits = [wilson_interval(k, 2) for k in range(3)]
    held = [low <= 0.3 <= high for low, high in limits]
    expected = binom.pmf(range(3), 2, 0.3)[held].sum()
    assert share["share of units (Wilson)", "tied at zero", 2] == pytest.approx(expected)
    # Without a disaster among n units, no interval of their mean reaches the truth.
    assert share["mean, clusters (bootstrap-t)", "rare disasters", 12] < 1 - 0.97**12 + 0.12


def test_what_is_not_stated_is_nan_and_counts_no_simulation(coverage):
    resampled = ~coverage["interval"].isin(["mean (t)", "share of units (Wilson)"])
    few = coverage["n"] < 6
    assert coverage.loc[resampled & few, "share"].isna().all()
    assert (coverage.loc[resampled & few, "n_simulations"] == 0).all()
    assert coverage.loc[~(resampled & few), "share"].between(0, 1).all()
    table = report.coverage_table(coverage)
    assert (table.loc[table["interval"].str.startswith("mean, cl"), "n = 3"] == "cannot").all()
    assert list(table["data"][:4]) == list(task.KINDS)
    assert table.shape == (9 * 4, 2 + 6)


def test_the_paired_test_keeps_its_level_on_symmetric_differences_only(errors):
    share = errors.set_index(["data", "n"])
    normal = share.loc["normal"]
    assert np.isnan(normal.loc[3, "called"]) and normal.loc[3, "least_p"] == 0.25
    assert (normal["called"].dropna() <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 1000)).all()
    # Without a disaster the differences are all alike but for a little noise: 0.97^n of tables.
    rare = share.loc["rare disasters"]
    for n in (10, 17):
        assert rare.loc[n, "called"] >= 0.97**n - 0.06
        assert rare.loc[n, "above"] > 0.9
    assert 0.2 < rare.loc[40, "called"] < 0.4
    table = report.error_table(errors)
    assert table.loc[0, "told apart"] == "cannot"


def covered(*rows):
    columns = ["interval", "data", "n", "share", "high"]
    return pd.DataFrame(rows, columns=columns)


def test_what_is_said_of_an_interval():
    said = report.says_coverage(covered(("t", "normal", 6, np.nan, np.nan)), "t")
    assert said == "t: never stated here"
    said = report.says_coverage(covered(("t", "normal", 6, 0.89, 0.91)), "t")
    assert said == "t: in no setting clearly below 90%"
    rows = [("t", "skewed", 6, 0.7, 0.8), ("t", "skewed", 100, 0.85, 0.88)]
    said = report.says_coverage(covered(*rows, ("t", "normal", 6, 0.95, 0.97)), "t")
    assert said == "t: too short for skewed (down to 70%, with 6 units, with 100 still 85%)"
    said = report.says_coverage(covered(rows[0], ("t", "skewed", 100, 0.95, 0.97)), "t")
    assert said == "t: too short for skewed (down to 70%, with 6 units)"
    said = report.says_coverage(covered(rows[1]), "t")
    assert said == "t: too short for skewed (down to 85%, with 100 units)"


def called(*rows):
    return pd.DataFrame(rows, columns=["data", "n", "called", "above"])


def test_what_is_said_of_rare_disasters():
    rare = "rare disasters"
    said = report.says_disasters(called((rare, 3, np.nan, np.nan), (rare, 10, 0.08, 0.5)))
    assert said.startswith("With rare disasters the test calls no more than 8%")
    said = report.says_disasters(called((rare, 10, 0.6, 1.0), (rare, 40, 0.3, 1.0)))
    assert said == (
        "With rare disasters, models that are equal on average are told apart in 60% of "
        "comparisons of 10 units, with 40 still 30%. With 10 units 100% of these calls are for the "
        "model whose disasters were not drawn. So the test does not err on the side of undecided: "
        "it is too sure, in favour of who has been lucky"
    )
    said = report.says_disasters(called((rare, 10, 0.6, 0.2)))
    assert "80% of these calls are against the model that has disasters" in said
    assert said.endswith("So the test is too sure")
    assert "still" not in said


def test_what_is_said_of_the_other_kinds():
    said = report.says_others(called(("normal", 10, 0.06, 0.5), ("rare disasters", 10, 0.6, 1)))
    assert said == "On data of the other kinds it calls at most 6%, where 5 % are promised"
    said = report.says_others(called(("tied at zero", 10, 0.22, 0.0)))
    many = "It calls more than twice the promised 5 % as well for tied at zero, 10 units (22%)"
    assert said == many
    said = report.says_others(called(("tied at zero", 10, 0.22, 0.0), ("normal", 10, 0.06, 0.5)))
    assert said == f"{many}; elsewhere at most 6%"


@pytest.mark.parametrize(
    "ends, said",
    [
        (
            (0.90, 0.94),
            "0.920 (95 % interval 0.900 to 0.940), fewer than the 95% that are promised",
        ),
        ((0.96, 0.98), "more than the 95% that are promised"),
        ((0.94, 0.96), "to 0.960), where 95 % are promised; plain percentile intervals in a share"),
        ((np.nan, np.nan), "do not say whether that is kept"),
    ],
)
def test_the_page_in_short(ends, said):
    rows = [
        ("cluster", "studentised", np.nanmean(ends) if ends[0] > 0 else 0.92, *ends),
        ("cluster", "percentile", 0.87, 0.86, 0.88),
        ("row", "studentised", 0.6, 0.5, 0.7),
    ]
    table = pd.DataFrame(rows, columns=["unit", "interval", "share", "low", "high"])
    assert said in report.in_short(table)
    assert "percentile" not in report.in_short(table.drop(index=1))
    for nothing in (table.iloc[:0], table.assign(share=np.nan)):
        assert (
            report.in_short(nothing) == "How often an interval holds the truth was not simulated."
        )
