"""What metrics can tell: floors against ceilings, from tables whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from helpers.metrics.facts import Metric, by_name
from helpers.tasks import metric_reach
from helpers.tasks.metric_reach import in_words, reach

METRICS = by_name(
    Metric("recall", "Recall", 0, 1, "higher", 0.1, "made"),
    Metric("error", "Error", 0, np.inf, "lower", np.nan, "made"),
    Metric("depth", "Depth", 0, np.inf, "higher", np.nan, "made"),
)


def rows(metric, values, *, n=8, role=None, **more):
    """Score rows of models, `n` clusters each."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.001, n)
    role = role or {"floor": "floor", "other floor": "floor", "ceiling": "ceiling"}
    facts = {"task": "made", "dataset": "made", "split": "all", "protocol": "revised", "post": ""}
    facts |= {"params": "{}", "seed": 0, "metric": metric, "unit_kind": "unit"} | more
    return pd.DataFrame(
        [
            {"model": m, "role": role.get(m, "candidate"), "unit": f"u{i}", "cluster": f"u{i}"}
            | {"value": v + noise[i] * (j + 1)}
            | facts
            for j, (m, v) in enumerate(values.items())
            for i in range(n)
        ]
    )


def found(*tables):
    return reach({"page": pd.concat(tables)}, METRICS, n_resamples=999, seed=0)


def test_the_range_goes_from_the_best_floor_to_the_perfect_value():
    table = found(rows("recall", {"floor": 0.1, "other floor": 0.2, "ceiling": 0.6, "m": 0.9}))
    row = table.iloc[0]
    assert (row["asked"], row["told_apart"], row["too_few"], row["reversed"]) == (1, 1, 0, 0)
    assert row["range_fraction"] == pytest.approx((0.6 - 0.2) / (1 - 0.2), abs=0.01)
    assert row["off_chance"] == pytest.approx(0.1, abs=0.01)


def test_lower_is_better_where_the_facts_say_so():
    row = found(rows("error", {"floor": 4.0, "other floor": 8.0, "ceiling": 1.0})).iloc[0]
    assert row["told_apart"] == 1
    assert row["range_fraction"] == pytest.approx(0.75, abs=0.01) and np.isnan(row["off_chance"])
    back = found(rows("error", {"floor": 1.0, "ceiling": 4.0})).iloc[0]
    assert (back["told_apart"], back["reversed"]) == (0, 1) and back["range_fraction"] < 0


def test_without_a_perfect_value_there_is_no_share_of_the_range():
    row = found(rows("depth", {"floor": 1.0, "ceiling": 2.0})).iloc[0]
    assert row["told_apart"] == 1 and np.isnan(row["range_fraction"])


def test_five_clusters_cannot_tell():
    row = found(rows("recall", {"floor": 0.1, "ceiling": 0.9}, n=5)).iloc[0]
    assert (row["asked"], row["told_apart"], row["too_few"]) == (1, 0, 1)


def test_settings_are_asked_one_by_one_and_those_without_both_ends_not_at_all():
    apart = rows("recall", {"floor": 0.1, "ceiling": 0.9})
    same = rows("recall", {"floor": 0.5, "ceiling": 0.5}, dataset="other")
    half = rows("recall", {"floor": 0.5, "m": 0.5}, dataset="third")
    others = rows("error", {"m": 0.5})
    row = found(apart, same, half, others)
    assert len(row) == 1 and tuple(row.iloc[0][["asked", "told_apart"]]) == (2, 1)
    nothing = found(half, others)
    assert nothing.empty and list(nothing) == list(row)
    lost = rows("recall", {"floor": np.nan, "ceiling": 0.9})
    assert found(lost).empty


def test_units_that_only_one_end_has_are_left_out():
    table = rows("recall", {"floor": 0.1, "ceiling": 0.9})
    table.loc[(table["model"] == "ceiling") & (table["unit"] > "u4"), "value"] = np.nan
    assert found(table).iloc[0]["too_few"] == 1
    table.loc[table["model"] == "ceiling", "unit"] += "x"
    assert found(table).empty


def test_the_sentence_says_what_the_table_shows():
    apart = rows("recall", {"floor": 0.1, "ceiling": 0.9})
    same = rows("error", {"floor": 0.5, "ceiling": 0.5})
    depth = rows("depth", {"floor": 0.5, "ceiling": 0.5})
    few = rows("recall", {"floor": 0.1, "ceiling": 0.9}, n=5)
    assert in_words(found(apart), METRICS).endswith("Each metric does in some setting.")
    one = in_words(found(apart, same), METRICS)
    assert one.startswith("In 1 of 2 settings") and "One never does" in one
    assert "ranks nothing there: Error in made (page)." in one
    two = in_words(found(apart, same, depth), METRICS)
    assert "2 never do, and rank nothing there: Depth in made (page); Error in made (page)." in two
    for none in (found(few), found(rows("recall", {"m": 0.5}))):
        assert in_words(none, METRICS).startswith("No setting")


def test_the_table_of_the_page_counts_only_what_could_be_decided():
    table = found(
        rows("recall", {"floor": 0.1, "ceiling": 0.9}),
        rows("recall", {"floor": 0.1, "ceiling": 0.9}, n=5, dataset="other"),
        rows("error", {"floor": 0.1, "ceiling": 0.9}, n=5),
    )
    shown = metric_reach.readable(table, METRICS).set_index("metric")
    assert shown.loc["Recall", "told apart"] == "1 of 1"
    assert shown.loc["Error", "told apart"] == "cannot"
    assert set(shown["task"]) == {"made (page)"}
