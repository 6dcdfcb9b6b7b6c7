"""Statistics of screens, presets fitted to them, and models that must win somewhere."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import CONTROL, DataError
from helpers.data.foundations.fitted import FITTED, fit_preset, part_of_screen, simulated_preset
from helpers.data.foundations.screen_statistics import (
    STATISTICS,
    _variance_share,
    screen_statistics,
)
from helpers.data.simulate.regimes import regime_knobs
from helpers.data.simulate.screen import screen_of_knobs, simulate_screen, simulated_screen
from helpers.metrics.foundations.errors import relative_error
from helpers.models.foundations.combinations import ProgramInteraction, ScaledAdditive
from helpers.tasks.foundations import predictive_check
from helpers.tasks.foundations.combinations import ROLES, combination_errors, score_rows
from helpers.tasks.foundations.predictive_check_report import (
    MEANINGS,
    in_short,
    of_defaults,
    outside,
)
from helpers.tasks.requirements import CannotAnswer, unmet

SMALL = {"n_cells": 3_000, "n_genes": 200, "n_targets": 15}


def simulate(seed=0, **knobs):
    return simulate_screen(rng=np.random.default_rng(seed), **{**SMALL, **knobs})


@pytest.fixture(scope="module")
def screen():
    return simulate()


def test_variance_share_is_omega_squared_of_a_one_way_anova():
    rng = np.random.default_rng(0)
    groups = np.repeat(list("abcd"), 50)
    x = rng.standard_normal((200, 1)) + np.repeat(rng.standard_normal(4), 50)[:, None]
    frame = pd.DataFrame({"x": x[:, 0], "g": groups})
    within = frame.groupby("g")["x"].var().mean()
    between = 50 * ((frame.groupby("g")["x"].mean() - x.mean()) ** 2).sum()
    expected = (between - 3 * within) / (((x - x.mean()) ** 2).sum() + within)
    assert _variance_share(x, groups) == pytest.approx(expected)
    chance = [_variance_share(rng.standard_normal((200, 5)), groups) for _ in range(200)]
    assert abs(np.mean(chance)) < 3 * np.std(chance) / np.sqrt(200)


def test_without_effects_nothing_is_reliable_and_nothing_correlates():
    knobs = {"effect_size": 0.0, "batch_sd": 0.0}
    found = pd.DataFrame([screen_statistics(simulate(s, **knobs)) for s in range(12)])
    error = found.std() / np.sqrt(len(found))
    names = ["reliability, median", "cosine to mean effect", "target share", "replicate share"]
    for name in names:
        assert abs(found[name].mean()) < 4 * error[name], name


def test_statistics_answer_to_their_knobs(screen):
    base = screen_statistics(screen)
    assert list(base.index) == list(STATISTICS) == list(MEANINGS)
    for knobs, statistic in (
        ({"batch_sd": 0.5}, "replicate share"),
        ({"effect_size": 0.5}, "target share"),
        ({"systematic_shift": 0.4}, "cosine to mean effect"),
        ({"dispersion": 1.0}, "variance/mean, high"),
        ({"library_sd": 0.6}, "library sd"),
        ({"cell_sd": 0.35}, "eigenvalues 2-5"),
    ):
        assert screen_statistics(simulate(**knobs))[statistic] > base[statistic], knobs
    panel = screen.copy()
    panel.obs = panel.obs.drop(columns="guide")
    assert np.isnan(screen_statistics(panel)["guide concordance"])


def test_a_screen_that_cannot_be_described_is_refused(screen):
    treated = screen[(screen.obs["perturbation"] != CONTROL).to_numpy()].copy()
    with pytest.raises(DataError, match="0 control cells; at least 4"):
        screen_statistics(treated)
    with pytest.raises(DataError, match=r"holds no 'control' cell.*use a screen with controls"):
        fit_preset(treated)
    with pytest.raises(ValueError, match="rounds is 0"):
        fit_preset(screen, rounds=0)
    empty = screen.copy()
    empty.X.data[empty.X.indptr[5] : empty.X.indptr[6]] = 0
    with pytest.raises(DataError, match="1 cells have no counts"):
        screen_statistics(empty)
    with pytest.raises(DataError, match="no context 'K562'; there are simulated"):
        part_of_screen.function(screen, context="K562")


def test_a_fit_recovers_what_was_planted():
    planted = {
        "n_cells": 6_000,
        "n_genes": 200,
        "n_targets": 20,
        "guides_per_target": 2,
        "library_size": 600.0,
        "library_sd": 0.5,
        "abundance_sd": 1.2,
        "dispersion": 0.4,
        "effective_share": 1.0,
        "unexpressed_share": 0.0,
        "state_sd": 0.3,
        "expressed_mean": 0.0,
    }
    screen = simulate_screen(rng=np.random.default_rng(5), **planted)
    fitted = fit_preset(screen, rounds=8)
    for knob in ("n_cells", "n_genes", "n_targets", "guides_per_target"):
        assert fitted[knob] == planted[knob]
    assert fitted["control_share"] == pytest.approx(0.15, abs=0.001)
    assert fitted["library_size"] == pytest.approx(600, rel=0.25)
    assert fitted["library_sd"] == pytest.approx(0.5, abs=0.1)
    assert fitted["abundance_sd"] == pytest.approx(1.2, rel=0.2)
    assert fitted["batch_sd"] == pytest.approx(0.2, rel=0.35)
    assert fitted["effect_size"] == pytest.approx(0.4, rel=0.5)
    other = simulate_screen(rng=np.random.default_rng(6), **fitted)
    real, drawn = screen_statistics(screen), screen_statistics(other)
    for name in ("library median", "library sd", "abundance sd"):
        assert drawn[name] == pytest.approx(real[name], rel=0.2), name


def test_fitted_presets_name_knobs_within_their_ranges():
    for name in FITTED:
        step = simulated_preset(name, 0)
        assert step.function is screen_of_knobs
    with pytest.raises(ValueError, match="no fitted preset 'replogle'; there are papalexi2021"):
        simulated_preset("replogle", 0)
    with pytest.raises(CannotAnswer, match=r"fitted to kang, B cells; .* of papalexi"):
        predictive_check.preset_of("kang", "B cells")
    with pytest.raises(CannotAnswer, match="norman2019-subset, A549"):
        predictive_check.preset_of("norman2019-subset", "A549")
    assert predictive_check.preset_of("norman2019-subset", "K562") == "norman2019-K562"
    assert predictive_check.preset_of("papalexi2021", "THP-1") == "papalexi2021"
    drawn = simulate_screen(
        rng=np.random.default_rng(0), **{**FITTED["norman2019-K562"].knobs, "n_cells": 3_375}
    )
    assert drawn.obs["perturbation"].nunique() == 34


def tables(values):
    frame = pd.DataFrame({"n_cells": 10}, index=pd.Index(STATISTICS, name="statistic"))
    return [frame.assign(value=v) for v in values]


def test_the_band_is_the_prediction_interval_of_the_next_draw():
    rng = np.random.default_rng(0)
    verdicts = []
    for _ in range(100):
        real, *drawn = tables(rng.standard_normal((21, len(STATISTICS))))
        verdicts.append(predictive_check.check_table(real, drawn)["verdict"].to_numpy())
    share = (np.array(verdicts) == "outside").mean()
    assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / (100 * len(STATISTICS)))


def test_what_lies_outside_is_listed_and_what_is_unknown_is_counted_apart():
    real, *drawn = tables([np.full(len(STATISTICS), v) for v in (9.0, 0.0, 1.0, 2.0)])
    real.iloc[0, real.columns.get_loc("value")] = np.nan
    real.iloc[1, real.columns.get_loc("value")] = 1.0
    table = predictive_check.check_table(real, drawn)
    assert list(table["verdict"][:3]) == ["not in this screen", "inside", "outside"]
    assert table["below"][1] == 0.5 and table["below"][2] == 1.0
    assert np.isnan(table["distance"][0])
    beyond = outside(table)
    assert len(beyond) == len(STATISTICS) - 2 and beyond["meaning"].notna().all()
    with pytest.raises(ValueError, match="2 draws; at least 3"):
        predictive_check.check_table(real, drawn[:2])


def test_the_interaction_model_finds_the_first_term_of_saturation():
    rng = np.random.default_rng(0)
    programs = rng.standard_normal((80, 5))
    u, v = 0.3 * rng.standard_normal((2, 60, 5))
    limit = 2.0
    moves = [limit * np.tanh(x / limit) for x in (u, v, u + v)]
    a, b, ab = (m @ programs.T for m in moves)
    model = ProgramInteraction(programs).fit(a, b, ab)
    assert model.interaction_ == pytest.approx(-1 / limit**2, rel=0.1)
    assert relative_error(model.predict(a, b), ab).max() < 1e-3
    assert ProgramInteraction(programs).fit(a, b, a + b).interaction_ == pytest.approx(0, abs=1e-9)
    assert ScaledAdditive().fit(a, b, 0.7 * (a + b)).scale_ == pytest.approx(0.7)


def test_an_interaction_model_beats_additive_only_where_something_interacts():
    size = {"n_cells": 8_000, "n_genes": 300, "n_targets": 14, "n_combinations": 40}
    gain = {}
    for name in ("log-additive", "saturating-epistatic"):
        knobs = regime_knobs(name, **size)
        screen = simulate_screen(rng=np.random.default_rng(1), **knobs)
        errors = combination_errors.function(screen, seed=0)
        assert (errors["no effect"] == 1).all()
        gain[name] = (errors["additive"] - errors["program interaction"]) / errors["additive"]
        assert errors["additive"].mean() < 1
    assert gain["saturating-epistatic"].mean() > 0.02
    assert (gain["saturating-epistatic"] > 0).mean() > 0.7
    assert abs(gain["log-additive"].mean()) < 0.02
    table = score_rows({("simulated", 0): errors})
    assert len(table) == len(ROLES) * 20


def test_too_few_combinations_are_refused(screen):
    with pytest.raises(DataError, match=r"0 combinations.*8 are needed"):
        combination_errors.function(screen, seed=0)
    with pytest.raises(ValueError, match="not both"):
        relative_error(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="NaN or infinite"):
        relative_error(np.full((1, 2), np.nan), np.ones((1, 2)))
    assert np.isnan(relative_error(np.ones((1, 2)), np.zeros((1, 2)))).all()


def test_what_knobs_ask_for_and_what_cells_have():
    size = dict(n_cells=4_000, n_genes=300, n_targets=20)
    plain = dict(batch_sd=0.0, cell_sd=0.0, state_sd=0.0, effect_size=0.0)
    screen = simulate_screen(rng=np.random.default_rng(0), **size, **plain, ambient_share=0.3)
    found = predictive_check.realised.function(screen).set_index("what")
    # Where nothing multiplies the depth, counts and ambient share are those that are asked for.
    exact = found.loc[["median counts of a cell", "share of counts that is ambient"]]
    np.testing.assert_allclose(exact["realised"], exact["asked"], rtol=0.03)
    screen = simulate_screen(rng=np.random.default_rng(0), **size, ambient_share=0.3)
    found = predictive_check.realised.function(screen).set_index("what")["realised"]
    assert found["median counts of a cell"] > 2_040
    assert 0.26 < found["share of counts that is ambient"] < 0.295
    assert found["variance of a guide's cells over batches"] < 0.5


def checked(verdicts: list[str]) -> pd.DataFrame:
    """A check of as many statistics, the later the farther out."""
    n = len(verdicts)
    return pd.DataFrame(
        {
            "statistic": list(MEANINGS)[:n],
            "real": 1.0,
            "low": 0.0,
            "high": 0.5,
            "verdict": verdicts,
            "distance": np.arange(n) + 1.5,
        }
    )


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["not in this screen"] * 3, "mine has none of the statistics"),
        (["inside"] * 4 + ["not in this screen"], "Of 4 statistics of mine, 4 lie inside the 95 %"),
        (["inside", "outside", "outside"], "Of 3 statistics of mine, 1 lie inside"),
        (["outside"] * 5, "that were fitted to it; farthest out is "),
    ],
)
def test_the_answer_counts_what_lies_inside_and_names_what_is_farthest_out(verdicts, said):
    assert said in in_short(checked(verdicts), "mine")


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["not in this screen"] * 3, "has none of the statistics"),
        (["inside"] * 4 + ["not in this screen"], "All 4 statistics of the real screen lie inside"),
        (["inside", "outside", "outside"], "Of 3 statistics of the real screen, 2 lie outside"),
        (["outside"] * 5, "5 lie outside the band of the default knobs, farthest out: "),
    ],
)
def test_what_the_default_knobs_are_like_is_said_for_each_case(verdicts, said):
    assert said in of_defaults(checked(verdicts))
    shows_nothing = "does not show that they are realistic" in of_defaults(checked(verdicts))
    assert shows_nothing == said.startswith("All")


def test_default_knobs_are_checked_in_the_design_of_the_real_screen(tmp_path, monkeypatch):
    """A screen that the default knobs drew lies inside; one of ten times the depth does not."""
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path / "home"))
    sizes = dict(n_cells=600, n_genes=60, n_targets=6, n_batches=2, n_replicates=2)
    seeds = [11, 12, 13, 14, 15, 16]
    own = predictive_check.check_defaults(simulated_screen(seed=1, **sizes), seeds=seeds)
    deep = simulated_screen(seed=1, **sizes, library_size=20_000.0)
    far = predictive_check.check_defaults(deep, seeds=seeds).set_index("statistic")
    assert far.loc["library median", "verdict"] == "outside"
    assert own.set_index("statistic").loc["library median", "verdict"] == "inside"


def test_what_a_check_needs_of_a_screen_is_counted(screen):
    def met(part):
        return not unmet(predictive_check.requirements(part), predictive_check.available(part))

    assert met(screen)
    is_control = (screen.obs["perturbation"] == CONTROL).to_numpy()
    first = (screen.obs["batch"] == screen.obs["batch"].iloc[0]).to_numpy()
    assert not met(screen[~(is_control & first)])  # a batch without controls
    once = ~screen.obs["perturbation"].duplicated().to_numpy()
    assert not met(screen[is_control | once])  # a cell a perturbation
    names = screen.obs["perturbation"].astype(str)
    both = screen.copy()
    both.obs["perturbation"] = np.where(is_control, CONTROL, "A+" + names)
    assert met(both)
    n = names.nunique() - 1
    sizes = predictive_check.design.function(both)
    assert (sizes["n_targets"], sizes["n_combinations"]) == (n + 1, n)
    simulate_screen(rng=np.random.default_rng(0), **sizes)
