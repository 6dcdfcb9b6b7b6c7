"""Planned screens: power of paired comparisons, verdicts, sentences."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestPower

from helpers.data.simulate.screen import simulate_screen
from helpers.metrics.predicted.facts import PREDICTION_METRICS
from helpers.tasks import screen_design as design
from helpers.tasks import screen_design_report as design_report
from helpers.tasks.prediction_panel import deep_profiles
from helpers.tasks.screen_design import Plan


@pytest.mark.parametrize(("d", "n"), [(0.5, 32), (0.2, 50), (1.0, 6), (0.0, 20)])
def test_power_is_that_of_statsmodels(d, n):
    found = design.paired_power(d, n)
    one_side = TTestPower().power(d, n, 0.025, alternative="larger")
    assert found == pytest.approx(one_side, abs=1e-6)


def test_the_fewest_pairs_have_the_power():
    needed = design.pairs_needed(0.5)
    assert needed == 34  # and 33 fall short, below
    assert design.paired_power(0.5, int(needed)) >= 0.8
    assert design.paired_power(0.5, int(needed) - 1) < 0.8
    assert design.pairs_needed(-0.3) == np.inf
    assert design.pairs_needed(0.001) == np.inf
    assert design.pairs_needed(50.0) == 2
    with pytest.raises(ValueError, match="needs 2"):
        design.paired_power(0.5, 1)


@pytest.mark.parametrize(
    "given",
    [
        {"cells": 3, "controls": 50, "perturbations": 10},
        {"cells": 10, "controls": 1, "perturbations": 10},
        {"cells": 10, "controls": 50, "perturbations": 1},
        {"cells": 10, "controls": 50, "perturbations": 10, "effect_size": 3.0},
    ],
)
def test_plans_that_are_none_are_refused(given):
    with pytest.raises(ValueError, match=r"at least|lies in"):
        Plan(**given)


def scored(cells, effect_size, seed=0):
    """As `differences` asks it, with fewer genes and perturbations."""
    knobs = {
        "n_genes": 100,
        "n_targets": 12,
        "guides_per_target": 1,
        "n_control_guides": 1,
        "n_batches": 1,
        "n_replicates": 1,
        "effect_size": effect_size,
        "effective_share": 1.0,
        "unexpressed_share": 0.0,
        "control_share": 0.3,
    }
    n_cells = round(2 * cells * 12 / 0.7)
    screen = simulate_screen(np.random.default_rng(seed), n_cells=n_cells, **knobs)
    deep = simulate_screen(np.random.default_rng(seed), n_cells=8_000, **knobs)
    return design.model_scores.function(screen, deep_profiles.function(deep), seed=seed)


def test_more_cells_and_stronger_effects_rank_better():
    plans = {
        "clear": (Plan(60, 300, 20), scored(60, 0.6)),
        "few": (Plan(5, 25, 20), scored(5, 0.6)),
    }
    found = {
        name: design.plan_table(plan, [table], design_report.BETTER).set_index("metric")
        for name, (plan, table) in plans.items()
    }
    for metric in ("l2", "l2_top20", "centroid_accuracy"):
        assert found["clear"].loc[metric, "difference"] > found["few"].loc[metric, "difference"]
    assert found["clear"].loc["l2_top20", "power"] > 0.8
    assert found["clear"]["power"].is_monotonic_decreasing
    assert set(found["clear"].index) <= set(PREDICTION_METRICS)


def test_without_effects_nothing_is_known_to_anybody():
    table = design.plan_table(Plan(30, 100, 20, 0.0), [scored(30, 0.0)], design_report.BETTER)
    found = table.set_index("metric")
    assert found.loc["pearson_delta", "power"] < 0.8
    # both models are the mean plus a share of what sets the effect apart from it
    assert found.loc["pearson_delta_mean", ["low", "high"]].tolist() == [0, 0]


def verdict_table():
    rows = {
        "a": (2.0, 1.5, 2.5, 1.0, 0.99, 1.0, 5),
        "b": (0.3, 0.1, 0.5, 0.4, 0.1, 0.7, 90),
        "c": (-0.8, -1.2, -0.4, 0.0, 0.0, 0.0, np.inf),
        "d": (0.05, -0.3, 0.4, 0.05, 0.0, 0.4, 3_000),
        "e": (0.9, 0.4, 1.4, 0.9, 0.3, 1.0, 12),
        "f": (0.0, 0.0, 0.0, 0.03, 0.03, 0.03, np.inf),
    }
    columns = ["difference", "low", "high", "power", "power_low", "power_high", "needed"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("metric")


def test_each_verdict_has_its_case():
    table = verdict_table().reset_index()
    found = design_report.verdicts(table)["verdict"].tolist()
    assert found == [
        "can rank",
        "too few perturbations",
        "ranks wrongly",
        "undecided",
        "can probably rank",
        "sees no difference",
    ]
    needed = design_report.shown(table)["needed"].tolist()
    assert needed == ["5", "90", "never", "3,000", "12", "never"]


def test_a_plan_in_short_for_every_case():
    plan, table = Plan(20, 100, 10), verdict_table().reset_index()
    said = design_report.in_short(plan, table)
    assert (
        "1 of 6 metrics can rank the two models, a with the largest mean difference in standard"
        in said
    )
    assert "ahead by c" in said
    assert "1 of 1 metrics can rank the two models." in design_report.in_short(plan, table[:1])
    large = design_report.in_short(Plan(1_193, 2_000, 10), table)
    assert "of 1,193 cells and 2,000 controls" in large
    weak = design_report.in_short(plan, table[1:2])
    assert "no metric can rank" in weak
    assert "b would need 90 perturbations" in weak
    never = design_report.in_short(plan, table[2:3])
    assert "By none is the model that knows more ahead far enough here for 10,000" in never


def test_the_simulated_screens_have_the_planned_cells():
    plan = Plan(25, 200, 10)
    (asked,) = design.differences(plan, seeds=[3], n_genes=120)
    knobs = asked.arguments["screen"].arguments["knobs"]
    assert knobs["n_cells"] == 2 * 25 * design.SIMULATED + 400
    assert knobs["control_share"] * knobs["n_cells"] == pytest.approx(400)
    deep = asked.arguments["truth"].arguments["screen"].arguments["knobs"]
    assert deep["n_cells"] == 8 * knobs["n_cells"]


def test_a_screen_gives_its_plan():
    screen = simulate_screen(np.random.default_rng(0), n_cells=600, n_genes=60, n_targets=6)
    plan = design_report.plan_of(screen)
    assert plan.perturbations == 2
    assert plan.controls == 45
    assert 40 <= plan.cells <= 43
    bare = screen[(screen.obs["perturbation"] != "control").to_numpy()]
    assert design_report.plan_of(bare[:20]).controls == 4


def test_what_more_cells_do_is_said_by_intervals_that_do_not_overlap():
    ends = {"up": (0, 2), "down": (2, 0), "level": (1, 1), "lost": (1, np.nan)}
    curve = pd.DataFrame(
        {"metric": name, "cells": n, "difference": d, "low": d - 0.5, "high": d + 0.5}
        for name, pair in ends.items()
        for n, d in zip((5, 1_000), pair, strict=True)
    )
    assert design_report.about_cells(curve) == (
        "From 5 to 1,000 cells of a perturbation the difference rises by up; it falls by down; it "
        "is not shown to change by level, lost."
    )
    one = design_report.about_cells(curve[curve["metric"] == "up"])
    assert one.endswith("the difference rises by up.")
