"""Quality of screens: what was planted must be found; real screens against published numbers."""

import numpy as np
import pandas as pd
import pytest

from helpers.data import registry
from helpers.data.contexts import one_context
from helpers.data.contract import CONTROL, DataError
from helpers.data.normalise import log1p_cp10k
from helpers.data.sets.scperturb_edistances import to_control
from helpers.data.simulate.screen import simulate_screen
from helpers.metrics.foundations.facts import METRICS
from helpers.models.pca import pca_embedding
from helpers.scores import check
from helpers.tasks.foundations import screen_quality as sq
from helpers.tasks.foundations import screen_quality_report as report
from helpers.tasks.foundations.effect_sizes import against_published, effect_sizes
from helpers.tasks.foundations.screen_reliability import (
    reliability_by_cells,
    reliability_by_controls,
)

KNOBS = dict(n_genes=500, n_targets=20, unexpressed_share=0.2, control_share=0.2, efficacy=0.6)


def embed(screen):
    return pca_embedding.function(screen, n_components=20, seed=0)


def measure(screen, **arguments):
    arguments = {"n_permutations": 99, "n_splits": 10, "max_cells": 300} | arguments
    return sq.quality.function(screen, embed(screen), **arguments)


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(rng=np.random.default_rng(1), n_cells=4_000, **KNOBS)


@pytest.fixture(scope="module")
def found(screen):
    return measure(screen)


def real(name, context):
    if registry.status(name)["state"] == "absent":
        pytest.skip(f"{name} is not on this machine")
    return one_context.function(registry.load(name).function.function(), context=context)


@pytest.fixture(scope="module")
def papalexi():
    return real("papalexi2021", "THP-1")


# ---------------------------------------------------------------------------- simulated


def test_planted_effects_are_found_and_nothing_else(screen, found):
    effective = screen.uns["truth"]["targets"]["effective"]
    size = np.sqrt((screen.uns["truth"]["effects"] ** 2).sum(1))
    called = found.loc[effective.index, "q_value"] <= 0.05
    assert called[size > 0.4].all()
    assert called[~effective].mean() <= 0.2
    floors = found[found["kind"] == "control-guide"]
    assert len(floors) == 9
    assert abs(floors["reliability"].mean()) < 3 * floors["reliability"].sem() + 0.02
    assert (floors["n_de"] <= 2).all()


def test_what_no_labelling_could_call_is_left_out_and_counted(screen, found):
    assert (found["least_p"] == 0.01).all()  # of 99 permutations
    assert report.out_of_reach({("a", "b"): found}) == (
        "Every unit that was tested has cells enough to be called"
    )
    # Ten cells of a target and one control in the only batch that they share: 11 labellings;
    # of ten cells and two controls in two batches 6 * 6.
    names = np.repeat("a", 10)
    assert sq._least_p(names, np.array(["a", "b", "b"]), 999) == 1 / 11
    assert sq._least_p(np.repeat(["a", "b"], 5), np.array(["a", "b", "b"]), 999) == 1 / (6 * 21)
    few = found.copy()
    few.iloc[[0, -1], few.columns.get_loc("least_p")] = 1 / 11
    few.iloc[0, few.columns.get_loc("q_value")] = np.nan
    said = report.out_of_reach({("a", "b"): few})
    assert said.startswith("1 perturbation and 1 floor share")
    (row,) = report.summary({("a", "b"): few}).to_dict("records")
    n = (found["kind"] == "perturbation").sum()
    assert row["could be called"] == n - 1
    summary = pd.DataFrame([row, row | {"E-test, q ≤ 0.05": 0, "could be called": 0}])
    n_called = (few["q_value"] <= 0.05).sum()
    assert report.called(summary).tolist() == [f"{n_called} of {n - 1}", "none could be"]
    assert row["floors, p ≤ 0.05"].endswith(f" of {len(found) - n - 1}")
    (row,) = report.summary({("a", "b"): found.assign(least_p=0.5)}).to_dict("records")
    assert row["floors, p ≤ 0.05"] == "none"


def test_planted_responders_and_reliability_are_found(screen, found):
    large = simulate_screen(rng=np.random.default_rng(1), n_cells=40_000, **KNOBS)
    beside = sq.planted(screen, found, large)
    clear = beside[beside["effective"] & (beside["separation"] > 1.5)]
    assert len(clear) >= 4
    off = clear["responders"] - clear["planted_responders"]
    assert abs(off.mean()) < 0.06
    assert off.abs().max() < 0.25
    reliable = beside[found["reliability"].reindex(beside.index) > 0.1]
    assert len(reliable) >= 5
    off = reliable["accuracy"] - reliable["predicted_accuracy"]
    assert abs(off.mean()) < 0.04
    assert off.abs().max() < 0.12


def test_knock_down_is_seen_in_the_target_itself(screen, found):
    truth = screen.uns["truth"]
    expressed = truth["targets"].index[truth["targets"]["expressed"]]
    # of the cells, a share of `efficacy` loses a share `knockdown` of the expression
    expected = -truth["knockdown"] * truth["guides"].groupby("target")["efficacy"].mean()
    off = found.loc[expressed, "on_target_change"] - expected[expressed]
    assert abs(off.mean()) < 0.1
    assert found.loc[found["kind"] != "perturbation", "on_target_change"].isna().all()


def test_reliability_grows_with_cells_and_shared_controls_make_it_up(screen):
    nothing = simulate_screen(
        rng=np.random.default_rng(2), n_cells=4_000, **KNOBS | {"effect_size": 0.0}
    )
    curve = reliability_by_cells.function(screen, sizes=[10, 40, 5_000], n_splits=5)
    assert set(curve["n_cells"]) == {10, 40}
    mean = curve[curve["kind"] == "perturbation"].groupby("n_cells")["correlation"].mean()
    assert mean[40] > mean[10]
    made_up = reliability_by_controls.function(nothing, sizes=[20, 200], n_splits=5)
    made_up = made_up[made_up["kind"] == "perturbation"]
    mean = made_up.groupby(["controls", "n_controls"])["correlation"].mean()
    expected = made_up.groupby(["controls", "n_controls"])["expected"].mean()
    np.testing.assert_allclose(mean, expected, atol=0.06)


def test_guides_of_a_target_agree_where_it_has_an_effect(screen, found):
    size = np.sqrt((screen.uns["truth"]["effects"] ** 2).sum(1))
    assert found.loc[size.nlargest(3).index, "guide_concordance"].min() > 0.2
    assert abs(found.loc[size[size == 0].index, "guide_concordance"].mean()) < 0.1
    assert (found.loc[size.index, "n_guide_pairs"] == 3).all()


def test_the_same_seed_gives_the_same(screen, found):
    pd.testing.assert_frame_equal(found, measure(screen))


def test_what_is_not_there_is_said(screen):
    bare = screen.copy()
    del bare.obs["guide"], bare.obs["replicate"]
    bare.obs["batch"] = pd.Categorical(["b"] * bare.n_obs)
    lacks = report.lacks(sq.overview.function(bare)).item()
    assert "guides" in lacks and "replicates" in lacks and "a second batch" in lacks
    seen = sq.overview.function(screen)
    assert report.lacks(seen).item() == "nothing"
    for n, said in ((1, "for 1 perturbation"), (2, "for 2 perturbations")):
        short = report.lacks(seen.assign(measured_targets=seen["perturbations"] - n)).item()
        assert short.endswith(said)
    found = measure(bare)
    assert set(found["kind"]) == {"perturbation", "control-draw"}
    assert found["guide_concordance"].isna().all()
    assert found["n_guides"].isna().all()
    table = check(report.score_rows(found, dataset="simulated", context="simulated", seed=0))
    assert "guide_concordance" not in set(table["metric"])


def test_a_perturbation_of_few_cells_is_counted_and_not_scored(screen):
    name = next(n for n in screen.obs["perturbation"].cat.categories if n != CONTROL)
    keep = np.ones(screen.n_obs, bool)
    keep[np.flatnonzero(screen.obs["perturbation"] == name)[5:]] = False
    row = measure(screen[keep].copy()).loc[name]
    assert row["n_cells"] == 5
    assert row[["n_de", "edistance", "p_value", "reliability", "responders"]].isna().all()


def test_scores_satisfy_the_schema_and_their_facts(found):
    table = check(report.score_rows(found, dataset="simulated", context="simulated", seed=0))
    assert set(table["metric"]) == set(report.METRICS.values()) <= set(METRICS)
    for metric, values in table.groupby("metric")["value"]:
        assert values.dropna().between(METRICS[metric].low, METRICS[metric].high).all()
    assert set(table["role"]) == {"candidate", "floor"}


def test_bad_input_is_named(screen):
    with pytest.raises(DataError, match=r"no cell of context 'K562' \(contexts: simulated\)"):
        one_context.function(screen, context="K562")
    perturbed = screen[(screen.obs["perturbation"] != CONTROL).to_numpy()].copy()
    with pytest.raises(DataError, match="0 controls; two disjoint halves of 2 need 4"):
        sq.quality.function(perturbed, np.zeros((perturbed.n_obs, 2)))
    with pytest.raises(DataError, match="the embedding has 3 rows"):
        sq.quality.function(screen, np.zeros((3, 2)))
    two = screen.copy()
    two.obs["context"] = np.where(np.arange(two.n_obs) % 2, "a", "b")
    with pytest.raises(DataError, match="has 2 contexts"):
        sq.quality.function(two, np.zeros((two.n_obs, 2)))
    with pytest.raises(DataError, match="by is 'donor'"):
        effect_sizes.function(screen, embed(screen), by="donor")


# ---------------------------------------------------------------------------- real screens


def halves(screen):
    names = sorted(set(screen.obs["perturbation"]) - {CONTROL})
    smallest = {"n_permutations": 9, "max_cells": 50, "n_splits": 20}
    return measure(screen, **smallest).loc[names, "reliability"]


def test_papalexi_split_halves_are_those_known(papalexi):
    reliability = halves(papalexi)
    assert set(reliability.nlargest(5).index) == {"STAT1", "JAK2", "IFNGR1", "IFNGR2", "SMAD4"}
    assert reliability.nlargest(5).between(0.85, 0.96).all()
    assert reliability.median() == pytest.approx(0.22, abs=0.15)  # without the target's own gene


def test_papalexi_targets_lose_their_own_expression(papalexi):
    label = papalexi.obs["perturbation"].to_numpy()
    expression = log1p_cp10k(papalexi)
    for target, control_mean, mean in (("STAT1", 6.26, 2.92), ("JAK2", 4.14, 1.49)):
        gene = expression[:, target].X.toarray().ravel()
        assert gene[label == CONTROL].mean() == pytest.approx(control_mean, abs=0.01)
        assert gene[label == target].mean() == pytest.approx(mean, abs=0.01)


@pytest.mark.parametrize(
    ("line", "low", "high"),
    [("K562", 0.7, 0.85), ("A172", -0.1, 0.15), ("T98G", -0.1, 0.15), ("U87MG", -0.1, 0.15)],
)
def test_norman_has_effects_in_k562_and_none_in_glioblastoma(line, low, high):
    found = measure(real("norman2019-subset", line), n_permutations=199)
    perturbed = found[found["kind"] == "perturbation"]
    assert low < perturbed["reliability"].median() < high
    if line == "K562":
        assert (perturbed["q_value"] <= 0.05).sum() >= 20
    else:
        assert (perturbed["q_value"] <= 0.05).sum() <= 1


@pytest.mark.parametrize(
    ("name", "context", "published_name", "by", "known"),
    [
        ("papalexi2021", "THP-1", "papalexi2021", "guide", 0.77),
        ("norman2019-subset", "K562", "norman2019", "perturbation", 0.71),
    ],
)
def test_effect_sizes_rank_as_published_energy_distances(name, context, published_name, by, known):
    if registry.status("scperturb-edistances")["state"] == "absent":
        pytest.skip("scperturb-edistances is not on this machine")
    distances = registry.load("scperturb-edistances").function.function()
    published = to_control(distances, published_name)
    screen = real(name, context)
    sizes = effect_sizes.function(screen, embed(screen), by=by, max_cells=300)
    table = against_published(sizes, published, rng=np.random.default_rng(0), n_resamples=50)
    table = table.set_index("measure")
    assert table.loc["effect_norm", "spearman"] == pytest.approx(known, abs=0.02)
    assert table.loc["edistance", "spearman"] > 0.6
    with pytest.raises(ValueError, match="0 names in common"):
        against_published(sizes, {}, rng=np.random.default_rng(0))


@pytest.fixture
def contexts():
    """Two contexts of one name in two data sets; one is without effects."""
    columns = ["kind", "q_value", "reliability"]
    effects = [("perturbation", 0.01, 0.8), ("perturbation", 0.5, 0.6), ("control-draw", 0.9, 0.0)]
    nothing = [("perturbation", 0.04, 0.0), ("perturbation", np.nan, 0.05)]
    quality = {
        ("a", "K"): pd.DataFrame(effects, columns=columns, index=["X", "Y", "draw"]),
        ("b", "K"): pd.DataFrame(nothing, columns=columns, index=["X", "Z"]),
    }
    summary = pd.DataFrame(
        {"data set": ["b", "a", "c"], "context": "K", "median reliability": [0.025, 0.7, np.nan]}
    )
    return quality, summary


def test_two_contexts_of_one_name_are_told_apart(contexts):
    quality, summary = contexts
    assert report.silent(summary) == [("b", "K")]
    assert report.of_silent(quality, [("b", "K")]) == (
        "Where it is below one tenth (K of b), the energy distance calls 1 of 2 perturbations "
        "(X in K)"
    )


def test_sentences_hold_where_there_is_nothing_to_say(contexts):
    quality, _ = contexts
    assert report.of_silent(quality, []) == "It is below one tenth in none of them"
    quality["b", "K"]["q_value"] = 0.5
    assert report.of_silent(quality, [("b", "K")]).endswith("calls 0 of 2 perturbations")
    assert report.named([]) == "none"


@pytest.mark.parametrize(
    "reliability, said",
    [
        (
            {"X": np.nan},
            "no perturbation has a reliability, for which each half needs cells enough and "
            "controls of their batches",
        ),
        ({"X": 0.5, "Y": np.nan}, "the only reliability is 0.50, of X"),
        ({"X": 0.5, "Y": 0.7, "Z": 0.1}, "the most reliable are Y, X, none of them below 0.50"),
    ],
)
def test_the_most_reliable_are_named_whatever_their_number(reliability, said):
    found = pd.DataFrame({"reliability": reliability, "kind": "perturbation"})
    floor = pd.DataFrame({"reliability": {"draw 1": 0.9}, "kind": "control-draw"})
    assert report.most_reliable(pd.concat([found, floor]), n=2) == said


def test_a_context_without_controls_is_said_and_leaves_the_others_alone(contexts):
    assert report.most_reliable(None) == "nothing is measured, for want of controls"
    quality, _ = contexts
    quality["b", "K"] = quality["b", "K"].rename_axis("unit")
    known = report.effects_of(quality, "b")
    assert list(known["context"].unique()) == ["K"]
    none = report.effects_of(quality, "nobody")
    assert none.empty and {"context", "unit", "q_value"} <= set(none.columns)
    assert report.out_of_reach({}).startswith("Every unit")


def test_ranks_beside_published_ones_are_told_screen_by_screen():
    rows = [("s", "guide", "edistance", 0.5, 90), ("s", "guide", "effect_norm", 0.25, 90)]
    rows += [
        ("t", "perturbation", "edistance", 0.75, 8),
        ("t", "perturbation", "effect_norm", 0, 8),
    ]
    columns = ["screen", "compared", "measure", "spearman", "n"]
    assert report.beside_published(pd.DataFrame(rows, columns=columns)) == (
        "In s the energy distance correlates by 0.50 over 90 guides, the plain norm of the effect "
        "by 0.25; in t the energy distance correlates by 0.75 over 8 perturbations, the plain norm "
        "of the effect by 0.00"
    )
    rows[1] = ("s", "guide", "effect_norm", np.nan, 1)
    said = report.beside_published(pd.DataFrame(rows, columns=columns))
    assert said.startswith("In s no rank correlation over guides could be had; in t the energy")


def reliabilities(*rows):
    return pd.DataFrame(
        [("d", split, role, mean, mean - half, mean + half) for split, role, mean, half in rows],
        columns=["dataset", "split", "role", "mean", "low", "high"],
    )


def test_the_page_in_short():
    floors = [("a", "floor", 0.0, 0.1), ("b", "floor", 0.0, 0.1)]
    told = reliabilities(("a", "candidate", 0.5, 0.1), ("b", "candidate", 0.1, 0.1), *floors)
    answers = pd.DataFrame({"verdict": ["yes", "cannot", "cannot"]})
    assert report.in_short(told, answers) == (
        "Effects come out again, above the floor for certain, in 1 of 2 contexts with intervals, "
        "best in d, a: split-half correlation 0.50 (95 % interval 0.40 to 0.60). Of 3 pairs of a "
        "task and a context, 1 can be answered, 0 with little power, and 2 cannot."
    )
    none = reliabilities(("b", "candidate", 0.1, 0.1), *floors)
    assert report.in_short(none, None).endswith("in 0 of 1 context with intervals.")
    for lost in (
        reliabilities(("a", "candidate", 0.5, np.nan), *floors),
        reliabilities(("a", "candidate", np.nan, 0.1), *floors),
        reliabilities(("a", "candidate", 0.5, 0.1), ("a", "floor", 0.0, np.nan)),
        reliabilities(("a", "candidate", 0.5, 0.1)),
    ):
        assert report.in_short(lost, None).startswith("No context has perturbations and floors")
    assert report.in_short(None, None) == "No real screen was measured."
