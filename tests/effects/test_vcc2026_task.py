"""Submissions of known worth under the published score and the revised one, and what is said."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from helpers import scores
from helpers.data.contract import CONTROL, DataError
from helpers.data.effects.emission import (
    constant_cells,
    even_cells,
    poisson_cells,
    thinned,
    whole_counts,
)
from helpers.data.simulate.knobs import Knobs
from helpers.data.simulate.screen import simulated_screen
from helpers.metrics.effects.facts import METRICS
from helpers.metrics.effects.vcc2026 import MEMBERS, aggregate, per_perturbation
from helpers.metrics.effects.vcc2026_reference import Rule, group_sums
from helpers.models.effects.vcc2026_submissions import SUBMISSIONS, submission
from helpers.tasks.effects import vcc2026 as task
from helpers.tasks.effects import vcc2026_intervals as certainty
from helpers.tasks.effects import vcc2026_order as order
from helpers.tasks.effects import vcc2026_report as report
from helpers.tasks.requirements import CannotAnswer

HOW = dict(n_reference=30, seed=0)
SAMPLING = dict(n_resamples=200, seed=0)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHBOOK_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def screen(home):
    return task.tier_screen(0, "tiny")


@pytest.fixture(scope="module")
def telling(home):
    """A screen that is large enough for intervals to say something."""
    knobs = Knobs.read(task.tier_screen(0, "tiny").result()).changed()
    return simulated_screen(
        seed=0, **knobs | dict(n_cells=2_100, n_targets=12, n_genes=240, control_share=0.14)
    )


NAMES = sorted({name for gain in report.GAINS for name in gain[:2]} | set(report.FEW))
OF_TELLING = dict(n_reference=40, seed=0)


@pytest.fixture(scope="module")
def published(telling):
    both_ends = task.ends(telling, n_emissions=2, n_splits=2, **OF_TELLING)
    return task.panel(telling, submissions=NAMES, n_emissions=1, **OF_TELLING), both_ends


@pytest.fixture(scope="module")
def revised(telling):
    rows = task.revised(telling, submissions=list(SUBMISSIONS), **OF_TELLING)
    return rows, certainty.ends_of_revised(rows)


def total(asked, protocol):
    table = certainty.judged(*asked, protocol=protocol, **SAMPLING).result()
    return table[table["member"] == "score"].set_index("submission")["scaled"]


# ------------------------------------------------------------------------------- emissions


@pytest.mark.parametrize("emit", [poisson_cells, even_cells, constant_cells])
def test_emissions_have_the_asked_means_and_are_counts(emit):
    means = np.array([[50.0, 30, 20, 0], [10, 10, 40, 40]])
    cells = emit(means, [300, 200], [1_000, 3_000], rng())
    assert cells.shape == (500, 4)
    assert np.issubdtype(cells.dtype, np.integer)
    found = group_sums(cells, ["a"] * 300 + ["b"] * 200)
    np.testing.assert_allclose(found / found.sum(axis=1, keepdims=True), means / 100, atol=0.01)


def test_even_cells_differ_by_one_count_at_most_and_keep_the_total():
    means = np.array([[7.3, 2.7]])
    cells = even_cells(means, [7], [10], rng()).toarray()
    assert cells.sum(axis=0).tolist() == [51, 19]
    assert (np.ptp(cells, axis=0) <= 1).all()


def test_rounding_at_random_keeps_means_and_thinning_halves_them():
    cells = sparse.csr_array(np.full((4_000, 2), 1.25))
    whole = whole_counts(cells, rng())
    assert set(np.unique(whole.toarray())) == {1, 2}
    np.testing.assert_allclose(whole.mean(axis=0), 1.25, atol=0.03)
    less = thinned(sparse.csr_array(np.full((2_000, 2), 10)), 0.5, rng())
    np.testing.assert_allclose(less.mean(axis=0), 5, atol=0.2)


@pytest.mark.parametrize("means", [[[np.nan, 1]], [[-1, 1]], [[0, 0]]])
def test_means_that_no_cell_can_have_are_refused(means):
    with pytest.raises(ValueError, match="no cell can have them"):
        poisson_cells(means, [3], [10], rng())


# ----------------------------------------------------------------------------- submissions


def test_shares_of_a_screen_are_disjoint(screen):
    loaded = screen.result()
    measured, known = task.shared_out(loaded, rule=Rule(), **HOW)
    n = (loaded.obs["perturbation"].astype(str) != CONTROL).sum()
    assert known.measured[0].shape[0] == known.repeat[0].shape[0] == 30 * len(known.names)
    assert known.others[0].shape[0] == n - 30 * len(known.names)
    assert measured.control_counts.shape[0] + known.controls.shape[0] == len(loaded) - n
    whole = loaded.X.sum()
    parts = known.measured[0], known.others[0], measured.control_counts, known.controls
    assert sum(part.sum() for part in parts) == pytest.approx(whole)


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_every_submission_has_counts_of_every_perturbation(screen, name):
    _, known = task.shared_out(screen.result(), rule=Rule(), **HOW)
    one = submission(name)
    cells, labels = one.cells(known, rng())
    shares = one.shares(known, rng())
    assert shares.shape == (len(known.names), cells.shape[1])
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    again, names = one.cells(known, rng(1))
    same = again.shape == cells.shape and (again != cells).nnz == 0 and (names == labels).all()
    assert bool(same) is not one.drawn
    assert cells.shape[0] == len(labels)
    assert set(labels) == set(known.names)
    assert (cells.data == np.rint(cells.data)).all()
    assert cells.data.min() >= 0
    assert np.asarray(cells.sum(axis=1)).min() > 0


def test_an_unknown_submission_is_refused():
    with pytest.raises(ValueError, match="no submission 'x'; there are"):
        submission("x")


def test_a_profile_is_what_other_cells_have_or_a_multiple_of_their_effect(screen):
    _, known = task.shared_out(screen.result(), rule=Rule(), **HOW)
    np.testing.assert_allclose(known.profile(1.0), known.shares(), atol=1e-12)
    np.testing.assert_allclose(known.profile(0.0)[3], known.control_share(), atol=1e-12)
    pseudo = 1e-6
    effect = np.log((known.profile(2.0) + pseudo) / (known.control_share() + pseudo))
    once = np.log((known.shares() + pseudo) / (known.control_share() + pseudo))
    kept = known.profile(2.0) > 0
    np.testing.assert_allclose(effect[kept], 2 * once[kept], atol=1e-6)


def test_too_few_cells_are_refused(screen):
    loaded = screen.result()
    for n in (0, 1_000):  # at most half of the cells are the reference
        _, known = task.shared_out(loaded, n_reference=n, seed=0, rule=Rule())
        assert known.repeat[0].shape[0] == known.measured[0].shape[0] == known.n_cells.sum()
    controls = loaded[(loaded.obs["perturbation"] == CONTROL).to_numpy()]
    with pytest.raises(DataError, match="no perturbation has 20 cells"):
        task.shared_out(controls, n_reference=0, seed=0, rule=Rule())
    assert task.available(controls) == {"perturbations": 0, "controls": controls.n_obs}
    assert task.available(loaded)["perturbations"] == 8


# ------------------------------------------------------------------------ the two protocols


def test_a_repeat_of_equal_depth_is_above_one_where_halves_are_the_end(published):
    found = total(published, "published")
    assert found["repeat"] > 1.05
    assert found["repeat, half the cells"] < 1


def test_in_the_revised_protocol_the_ends_are_the_ends(revised):
    found = total(revised, "revised")
    assert found["baseline"] == 0
    assert found["replicate"] == 1
    assert found["repeat"] == 1
    assert found.between(-1, 1).all()


def test_the_same_means_have_the_same_revised_score_whatever_the_cells(revised):
    found = total(revised, "revised")
    for cells, as_measured in (
        ("half a repeat, constant cells, depth x 100", "repeat, half the cells"),
        ("half a repeat, one cell", "repeat, half the cells"),
        ("repeat, each cell five times", "repeat"),
        ("profile, even cells", "profile, scaled controls"),
        ("half the effect, even cells", "half the effect, Poisson cells"),
    ):
        assert found[cells] == pytest.approx(found[as_measured], abs=1e-12)


def test_what_gains_without_a_better_prediction_gains_no_longer(published, revised):
    pairs = [list(gain[:2]) for gain in report.GAINS]
    one, other = (
        certainty.differences(*asked, pairs=pairs, protocol=protocol, **SAMPLING).result()
        for asked, protocol in ((published, "published"), (revised, "revised"))
    )
    gains = report.gains_table(one, other)
    assert len(gains) == len(report.GAINS)
    assert gains["wins published"].sum() >= 2
    assert ((gains["through"] != "") == (gains["published"] > 1e-9)).all()
    assert not gains["wins revised"].any()
    assert "In the revised protocol none of them wins any more." in report.gains_said(gains)


def test_more_knowledge_scores_more_in_the_revised_protocol(revised):
    found = total(revised, "revised")
    order = ["repeat, half the cells", "half the effect, Poisson cells",
             "mean response, Poisson cells", "effect turned round, Poisson cells"]  # fmt: skip
    assert found[order].is_monotonic_decreasing
    assert found["names permuted"] < found["mean response, others' cells"]
    assert found["mean response doubled, Poisson cells"] < found["mean response, Poisson cells"]


def test_intervals_hold_their_scores_and_the_same_seed_gives_the_same(published):
    first, again = (
        certainty.judged(*published, protocol="published", **SAMPLING).result() for _ in range(2)
    )
    pd.testing.assert_frame_equal(first, again)
    known = first[first["low"].notna()]
    assert (known["low"] <= known["high"]).all()
    inside = known["scaled"].between(known["low"] - 0.1, known["high"] + 0.1)
    assert inside.mean() > 0.9


def test_scores_are_rows_of_the_score_table_within_their_ranges(published, revised):
    for asked, protocol in ((published, "published"), (revised, "revised")):
        judged = certainty.judged(*asked, protocol=protocol, **SAMPLING).result()
        rows = report.score_rows(
            asked[0].result(), judged, dataset="simulated", protocol=protocol, seed=0
        )
        scores.check(rows, METRICS)
        assert set(rows["metric"]) <= set(METRICS)


def test_what_a_rule_does_not_change_is_what_it_was(screen):
    names = ["as published", "significant at 1 %", "continuity correction"]
    found = task.variants(screen, names=names, **HOW).result().set_index(["variant", "submission"])
    assert set(found.index.get_level_values(1)) == {*task.RANKED, "baseline", "replicate"}
    first = found.loc["as published"]
    pd.testing.assert_frame_equal(
        found.loc["significant at 1 %"][["pds", "mse"]], first[["pds", "mse"]]
    )
    assert (found.loc["significant at 1 %"]["jaccard"] != first["jaccard"]).any()
    # The memory of what was computed gives what a whole computation does.
    measured, known = task.shared_out(screen.result(), rule=task.VARIANTS[names[2]], **HOW)
    cells = submission(task.RANKED[0]).cells(known, rng([0, 0]))
    expected = aggregate(per_perturbation(measured, *cells))
    np.testing.assert_allclose(
        found.loc[names[2], task.RANKED[0]].to_numpy(dtype=float), expected.to_numpy()
    )


# ------------------------------------------------------------------------------- sentences


def score_of(**by_name):
    """A table of `judged` with scores and limits only."""
    return pd.DataFrame(
        [
            {"submission": name.replace("_", " "), "member": "score", "scaled": value,
             "low": low, "high": high}
            for name, (value, low, high) in by_name.items()
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((1.2, 1.1, 1.3), "is not as good as the experiment, but what one half"),
        ((0.8, 0.7, 0.9), "stays below what half of the cells reach"),
        ((1.0, 0.9, 1.1), "is undecided here"),
        (
            (1.2, np.nan, np.nan),
            "1.20; it has no interval here: in more than one of twenty samples",
        ),
    ],
)
def test_the_ceiling_is_said(row, said):
    assert said in report.ceiling_said(score_of(repeat=row))


def test_without_a_repeat_there_is_no_ceiling():
    assert "there is no repeat" in report.ceiling_said(score_of(controls=(0, 0, 0)))


@pytest.mark.parametrize(
    ("none", "wrong", "said"),
    [
        ((-0.8, -0.9, -0.7), (0, -0.1, 0.1), "to abstain is worse than to guess"),
        (
            (0.1, 0.05, 0.2),
            (-0.3, -0.4, -0.2),
            "above real effects under wrong names (\N{MINUS SIGN}0.30)",
        ),
        ((0, -1, 1), (0.1, -1, 1), "the intervals overlap"),
        ((-1, np.nan, np.nan), (0.1, -1, 1), "effects under wrong names 0.10."),
    ],
)
def test_silence_is_said(none, wrong, said):
    table = score_of(controls=none, names_permuted=wrong)
    assert said in report.silence_said(table)


def gain(name, published, revised):
    return {
        "submission": name, "other": "o", "what": "w", "published": published,
        "published low": published - 0.05, "published high": published + 0.05,
        "wins published": published > 0, "wins revised": revised, "through": "direction",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "None of these pairs can be compared here."),
        ([gain("a", -1, False)], "None of 1 submissions scores clearly above"),
        ([gain("a", 0.3, False), gain("b", 0.1, False)], "none of them wins any more"),
        (
            [gain("a", 0.3, True), gain("b", 0.1, False)],
            "In the revised protocol 1 still win: “a”.",
        ),
    ],
)
def test_gains_are_said(rows, said):
    found = report.gains_said(pd.DataFrame(rows))
    assert said in found
    if len(rows) == 2:
        assert "2 of 2 submissions score clearly above" in found
        assert (
            "largest gain is 0.30 (95 % interval 0.25 to 0.35), of “a” against “o” (w), most"
            in found
        )


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ([(0.1, 0.3), (-0.2, 0.1)], "“a” over “o” (+0.20) (1 of 2 pairs, 0 clearly below)"),
        ([(-0.3, -0.1), (-0.2, 0.1)], "predicts no worse: none (0 of 2 pairs, 1 clearly below)"),
        ([(np.nan, np.nan)], "None of the 1 gains has an interval on this screen; 0 of them"),
        ([], "None of these pairs can be compared here."),
    ],
)
def test_gains_on_a_real_screen_are_said(limits, said):
    table = pd.DataFrame(
        [
            {"submission": "abc"[i], "other": "o", "member": "score", "difference": low + 0.1,
             "low": low, "high": high}
            for i, (low, high) in enumerate(limits)
        ],
        columns=["submission", "other", "member", "difference", "low", "high"],
    )  # fmt: skip
    assert said in report.real_gains_said(table)
    if limits == [(np.nan, np.nan)]:
        below = report.real_gains_said(table.assign(difference=-0.07))
        assert below.endswith("1 of them are below 0 there (“a” over “o” (\N{MINUS SIGN}0.07)).")


def test_what_has_no_value_is_counted():
    rows = pd.DataFrame({"draw": 0, "submission": "a", "perturbation": ["p", "q"], "pds": 0.5})
    assert report.scored_said(rows) == "Every member has a value for each of 2 perturbations."
    said = report.scored_said(rows.assign(reach=[np.nan, 0.5]))
    assert said.endswith("of 2 perturbations, reach for 1 at most.")


def variant(name, submissions):
    ends = {"baseline": 0.0, "replicate": 1.0}
    rows = []
    for who, values in (ends | submissions).items():
        values = np.broadcast_to(values, 6).astype(float)
        row = dict(zip(MEMBERS, values, strict=True))
        for error in ("mse", "lfc_error"):
            row[error] = 1 - row[error]
        rows.append({"variant": name, "submission": who} | row)
    return pd.DataFrame(rows)


def test_the_order_of_submissions_is_compared():
    first = variant("as published", {"a": 0.9, "b": 0.6, "c": [0.9, 0, 0, 0, 0, 0]})
    turned = variant("other", {"a": 0.2, "b": 0.6, "c": [0.9, 0, 0, 0, 0, 0]})
    flat = variant("flat", {"a": 0.9, "b": 0.6, "c": 0.1})
    flat.loc[flat["submission"] == "replicate", "pds"] = -1.0
    table = order.order_table(pd.concat([first, turned, flat])).set_index("changed")
    assert table.loc["other", "turned"] == 1
    assert table.loc["other", "pair"] == "a / b"
    assert table.loc["other", "before"] == pytest.approx(0.3)
    assert table.loc["other", "after"] == pytest.approx(-0.4)
    assert table.loc["other", "tau"] == pytest.approx(1 / 3)
    assert table.loc["without discrimination", "turned"] == 0
    assert np.isnan(table.loc["flat", "tau"])
    said = order.order_said(table.reset_index())
    assert said == (
        "1 of 8 changes turn a pair round. Most pairs are turned by “other”: 1 "
        "(Kendall's tau 0.33). The widest turn is that of “other”: “a” over “b”, from +0.30 to "
        "\N{MINUS SIGN}0.40."
    )
    wide = dict(changed="wide", tau=0.3, turned=1, pair="c / d", before=0.9, after=-0.9)
    both = pd.concat([table.reset_index(), pd.DataFrame([wide])], ignore_index=True)
    said = order.order_said(both)
    assert "turned by “other” and “wide”: 1" in said and "“wide”: “c” over “d”, from +0.90" in said


def test_orders_that_hold_and_scales_that_are_not_there_are_said():
    table = pd.DataFrame({"changed": ["x"], "tau": [1.0], "turned": [0]})
    assert order.order_said(table) == "None of 1 changes turns a pair of submissions round."
    assert order.order_said(table.assign(tau=np.nan)) == "No variant has a scale here."


def test_the_seed_of_the_baseline_is_said(published):
    rows, both_ends = (asked.result() for asked in published)
    table = report.by_baseline(rows, both_ends)
    assert (table["spread"] >= 0).all()
    assert table["spread"].max() > 0
    said = report.baseline_said(table, 2)
    assert f"moves by up to {table['spread'].iloc[0]:.2f}" in said
    assert "is not known" in report.baseline_said(table, 1)


def test_both_ends_stand_with_their_spread(published):
    table = report.ends_table(published[1].result()).set_index("member")
    assert list(table.index) == [report.TITLES[m] for m in MEMBERS]
    assert (table["replicate"] - table["baseline"])["discrimination"] > 0
    assert (table[["over seeds", "over splits"]] >= 0).all().all()


def test_protocols_stand_side_by_side():
    one = score_of(a=(0.1, 0, 1), b=(0.9, 0, 1))
    two = score_of(a=(0.8, 0, 1), b=(0.2, 0, 1), baseline=(0, 0, 0))
    both = report.protocols(one, two)
    assert both["submission"].tolist() == ["a", "a", "b", "b"]
    assert both["protocol"].tolist() == ["published", "revised"] * 2


# ------------------------------------------------------------------------- cannot be answered


def ends_table(effect, replicate):
    rows = []
    for end, value in (("baseline", 0.5), ("replicate", replicate)):
        for p in ("a", "b"):
            row = dict.fromkeys(MEMBERS, value) | {"lfc_error": 1 - value}
            row |= {"excess": 1 - value, "effect": effect}
            rows.append({"end": end, "draw": 0, "perturbation": p} | row)
    return pd.DataFrame(rows).drop(columns="mse")


def test_a_screen_without_effects_or_agreement_cannot_answer():
    certainty.require_scale(ends_table(1.0, 0.9), "x")
    with pytest.raises(CannotAnswer, match="no larger than their own noise"):
        certainty.require_scale(ends_table(-0.1, 0.9), "x")
    with pytest.raises(CannotAnswer, match=r"x: in pds, mse, .* there is no scale"):
        certainty.require_scale(ends_table(1.0, 0.4), "x")
