"""What the simulator's further knobs plant, read back from the truth and from the counts."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.data.contract import CONTROL, DataError, check
from helpers.data.foundations.truth import (
    bayes_accuracy,
    noiseless_profiles,
    program_moves,
)
from helpers.data.simulate import counts, interactions
from helpers.data.simulate.effects import saturate
from helpers.data.simulate.regimes import REGIMES, regime_knobs, simulated_regime
from helpers.data.simulate.screen import simulate_screen
from helpers.data.simulate.stream import write_simulated_screen

SMALL = {"n_cells": 2_000, "n_genes": 300, "n_targets": 20}
QUIET = {"library_sd": 0.0, "batch_sd": 0.0, "state_sd": 0.0, "cell_sd": 0.0}
ACTING = {"effective_share": 1.0, "unexpressed_share": 0.0, "efficacy": 1.0}


def small_screen(seed=0, **knobs):
    return simulate_screen(rng=np.random.default_rng(seed), **{**SMALL, **knobs})


def z_of_counts(screen, cells, mean):
    """Standardised difference of the mean counts of cells from an expectation, by gene."""
    observed = np.asarray(screen.X[cells].mean(axis=0)).ravel()
    phi = screen.var["dispersion"].to_numpy()
    error = np.sqrt((mean + phi * mean**2) / cells.sum())
    return ((observed - mean) / error)[mean > 0.3]


def test_the_vector_exponential_is_exp():
    x = np.concatenate([np.linspace(-690, 690, 20_001), np.linspace(-1, 1, 20_001)])
    out = np.empty_like(x)
    counts._exponential(x, out)
    np.testing.assert_allclose(out, np.exp(x), rtol=1e-15)


def test_combinations_follow_the_formula_of_their_class():
    rng = np.random.default_rng(0)
    single = rng.standard_normal((6, 4))
    pairs, novel = interactions.draw(
        rng,
        np.array(list("ABCDEF")),
        np.arange(6),
        n_combinations=15,
        interaction_share=0.8,
        n_programs=4,
    )
    assert pairs["name"].is_monotonic_increasing and pairs["name"].is_unique
    assert (pairs["class"] == "additive").sum() == 3
    g = 0.4
    combined = interactions.combine(single, pairs, novel, g)
    for row, effect, v in zip(pairs.itertuples(), combined, novel, strict=True):
        a, b = single[row.first], single[row.second]
        expected = {
            "additive": a + b,
            "synergy": 1.4 * a + 1.4 * b,
            "suppression": 0.6 * a + 0.6 * b,
            "epistasis": a + 0.6 * b,
            "neomorphism": a + b + 0.4 * np.hypot(np.linalg.norm(a), np.linalg.norm(b)) * v,
        }[row._4]
        np.testing.assert_allclose(effect, expected)
    np.testing.assert_allclose(
        interactions.combine(single, pairs, novel, 0.0)[:, 0],
        [single[p.first, 0] + single[p.second, 0] for p in pairs.itertuples()],
    )


def test_combinations_are_in_the_counts_and_satisfy_the_contract():
    screen = check(
        small_screen(
            n_cells=12_000,
            n_combinations=20,
            interaction_share=0.5,
            saturation=0.7,
            **ACTING,
            **QUIET,
        )
    )
    truth = screen.uns["truth"]
    labels = screen.obs["perturbation"].astype(str).to_numpy()
    assert set(truth["combinations"].index) <= set(labels)
    baseline = 2_000 * screen.var["abundance"].to_numpy()
    profiles = noiseless_profiles(screen)
    z = np.concatenate(
        [
            z_of_counts(screen, labels == name, baseline * np.exp(profiles.loc[name].to_numpy()))
            for name in truth["combinations"].index
        ]
    )
    assert abs((z**2).mean() - 1) < 0.1
    assert program_moves(screen).abs().to_numpy().max() <= 0.7


def test_each_guide_of_a_combination_acts_by_itself():
    screen = small_screen(
        n_cells=20_000, n_combinations=20, unexpressed_share=0.0, efficacy=0.6, cell_sd=0.0
    )
    guides, obs = screen.uns["truth"]["guides"], screen.obs
    pairs = guides[guides["efficacy_2"].notna()]
    cells = obs[obs["guide"].isin(pairs.index)]
    expected = (pairs["efficacy"] * pairs["efficacy_2"]).reindex(cells["guide"].astype(str))
    difference = cells["responder"].to_numpy() - expected.to_numpy()
    assert abs(difference.mean()) < 5 * np.sqrt((expected * (1 - expected)).mean() / len(cells))


def test_saturation_is_a_tanh_and_off_at_zero():
    x = np.linspace(-3, 3, 7)
    np.testing.assert_array_equal(saturate(x, 0.0), x)
    np.testing.assert_allclose(saturate(x, 0.5), 0.5 * np.tanh(2 * x))


@pytest.mark.parametrize("sharing", [0.0, 0.5, 1.0])
def test_effects_of_contexts_correlate_by_the_knob(sharing):
    screen = simulate_screen(
        rng=np.random.default_rng(0),
        n_cells=1_000,
        n_genes=700,
        n_targets=300,
        guides_per_target=1,
        n_batches=6,
        n_contexts=3,
        context_sharing=sharing,
        expressed_mean=0.0,
        programs_per_target=20,
    )
    effects = [e.to_numpy() for e in screen.uns["truth"]["context_effects"].values()]
    acting = screen.uns["truth"]["targets"]["effective"].to_numpy()
    r = np.corrcoef(effects[0][acting].ravel(), effects[1][acting].ravel())[0, 1]
    assert r == pytest.approx(sharing, abs=5 / np.sqrt(effects[0][acting].size))
    crossed = screen.obs.groupby(["context", "replicate"], observed=True)["batch"].nunique()
    assert len(crossed) == 6 and (crossed == 1).all()
    assert screen.varm["context_shift"].std() == pytest.approx(0.3, rel=0.2)


def test_half_of_the_cycle_turns_effects_round():
    screen = small_screen(n_cells=6_000, state_dependence=1.0, efficacy=1.0, cell_sd=0.05)
    effects, obs = screen.uns["truth"]["effects"], screen.obs
    treated = (obs["perturbation"] != CONTROL).to_numpy()
    planted = effects.loc[obs["perturbation"][treated]].to_numpy()
    sign = np.where(obs["state"][treated] == "first", 1, -1)[:, None]
    noise = screen.obsm["latent"][treated, :20] - sign * planted
    assert noise.std() == pytest.approx(0.05, rel=0.05)
    assert ((screen.obsm["latent"][:, 21] >= 0) == (obs["state"] == "first")).all()


def test_the_systematic_shift_is_in_every_responding_cell_and_in_no_control():
    screen = small_screen(systematic_shift=0.5, effect_size=0.0, cell_sd=0.0)
    shift, responder = screen.uns["truth"]["systematic"], screen.obs["responder"].to_numpy()
    assert shift.std() == pytest.approx(0.5, rel=0.5)
    np.testing.assert_allclose(
        screen.obsm["latent"][responder, :20], np.tile(shift, (responder.sum(), 1))
    )
    assert not screen.obsm["latent"][~responder, :20].any()


def test_complexes_share_effects_up_to_sign_and_the_database_forgets():
    screen = simulate_screen(
        rng=np.random.default_rng(0),
        n_cells=500,
        n_genes=300,
        n_targets=60,
        guides_per_target=1,
        n_complexes=8,
        complex_size=5,
        complex_similarity=0.9,
        programs_per_target=20,
        database_recall=0.5,
        database_false_share=0.2,
        opposite_share=0.5,
        expressed_mean=0.0,
        effective_share=1.0,
        unexpressed_share=0.0,
    )
    truth = screen.uns["truth"]
    pairs, effects = truth["relationships"], truth["effects"]
    same = pairs[pairs["same_complex"]]
    assert len(same) == 8 * 10
    assert (same["sign"] == -1).any() and (same["sign"] == 1).any()
    r = [
        np.corrcoef(effects.loc[p.gene_a], effects.loc[p.gene_b])[0, 1] * p.sign
        for p in same.itertuples()
    ]
    assert np.mean(r) == pytest.approx(0.9, abs=0.1)
    listed = pairs[pairs["in_database"]]
    assert listed["same_complex"].sum() == 40
    assert (~listed["same_complex"]).sum() == 10
    assert (pairs["gene_a"] < pairs["gene_b"]).all()


def test_hubs_move_many_programs():
    few = small_screen(**ACTING).uns["truth"]["effects"]
    many = small_screen(**ACTING, hub_sd=1.0).uns["truth"]["effects"]
    assert ((few != 0).sum(axis=1) == 3).all()
    degree = (many != 0).sum(axis=1)
    assert degree.max() >= 8 and degree.min() == 1


def test_nuisance_is_as_large_as_its_knobs_and_the_truth_tells_it():
    screen = small_screen(
        n_cells=8_000,
        dead_guide_share=0.25,
        misassigned_share=0.2,
        doublet_share=0.1,
        library_sd=0.0,
    )
    obs, guides = screen.obs, screen.uns["truth"]["guides"]
    assert (guides["efficacy"][9:] == 0).sum() == 15
    assert obs["misassigned"].mean() == pytest.approx(0.2, abs=0.03)
    right = (obs["guide"].astype(str) == obs["true_guide"].astype(str)).to_numpy()
    np.testing.assert_array_equal(right, ~obs["misassigned"])
    assert obs["doublet"].mean() == pytest.approx(0.1, abs=0.02)
    total = obs.groupby("doublet")["total_counts"].mean()
    assert total[True] / total[False] == pytest.approx(2, rel=0.05)
    dead = guides.index[(guides["efficacy"] == 0)]
    assert not obs.loc[obs["true_guide"].isin(dead), "responder"].any()


def test_ambient_rna_is_the_profile_of_the_batch():
    screen = small_screen(n_cells=12_000, ambient_share=0.5, **ACTING, **QUIET)
    labels = screen.obs["perturbation"].astype(str).to_numpy()
    baseline = 2_000 * screen.var["abundance"].to_numpy()
    fold = np.exp(noiseless_profiles(screen))
    z = np.concatenate(
        [
            z_of_counts(screen, labels == t, baseline * (0.5 + 0.5 * fold.loc[t].to_numpy()))
            for t in fold.index
        ]
    )
    assert abs((z**2).mean() - 1) < 0.1


def test_strong_effects_cost_cells():
    knobs = {**ACTING, "effect_size": 0.8, "n_cells": 20_000}
    screen = small_screen(fitness_loss=1.0, **knobs)
    cells = screen.obs["perturbation"].value_counts().drop(CONTROL)
    norm = pd.Series(
        np.linalg.norm(screen.uns["truth"]["effects"], axis=1), cells.sort_index().index
    )
    # with efficacy 1, log cells fall by exactly one per unit of the norm, rounding apart
    slope = np.polyfit(norm, np.log(cells[norm.index].astype(float)), 1)[0]
    assert slope == pytest.approx(-1.0, rel=0.02)
    spread = small_screen(guide_sd=0.5, n_cells=50_000, n_targets=100).obs["guide"].value_counts()
    spread = spread[~spread.index.str.startswith("NTg")]
    assert np.log(spread).std() == pytest.approx(0.5, rel=0.2)


def test_dispersion_varies_between_genes():
    phi = small_screen(dispersion_sd=0.5, n_genes=2_000).var["dispersion"]
    assert np.log(phi).std() == pytest.approx(0.5, rel=0.1)
    assert np.exp(np.log(phi).mean()) == pytest.approx(0.2, rel=0.1)


def test_affected_genes_are_the_members_of_moved_programs():
    screen = small_screen(n_combinations=5, **ACTING)
    affected = noiseless_profiles(screen).abs() >= 1e-4
    loads = screen.varm["programs"][:, :20] != 0
    for name, row in affected.iterrows():
        moved = (screen.uns["truth"]["effects"].loc[name] != 0).to_numpy()
        own = screen.var_names.isin(name.split("+"))
        assert not (row.to_numpy() & ~(loads[:, moved].any(axis=1) | own)).any()
        assert row.to_numpy()[own].all()


def test_bayes_accuracy_of_two_gaussians_is_the_textbook_one():
    screen = small_screen(
        n_cells=20_000,
        n_targets=1,
        n_programs=1,
        programs_per_target=1,
        guides_per_target=1,
        control_share=0.5,
        cell_sd=0.2,
        **ACTING,
    )
    distance = abs(screen.uns["truth"]["effects"].iloc[0, 0]) / 0.2
    best = bayes_accuracy(screen)
    expected = stats.norm.cdf(distance / 2)
    assert best["accuracy"] == pytest.approx(expected, abs=0.01)
    assert best["achieved"] == pytest.approx(expected, abs=5 * 0.5 / np.sqrt(20_000))
    assert best["chance"] == 0.5


def test_bayes_accuracy_of_counts_is_calibrated_and_beats_chance_only_with_effects():
    none = bayes_accuracy(small_screen(effect_size=0.0, **QUIET), given="counts")
    assert none["accuracy"] == pytest.approx(none["chance"], abs=1e-9)
    some = bayes_accuracy(small_screen(**QUIET), given="counts")
    assert some["achieved"] == pytest.approx(some["accuracy"], abs=5 * 0.5 / np.sqrt(2_000))
    assert some["accuracy"] > some["chance"] + 0.1


def test_bayes_accuracy_says_what_hinders_it():
    with pytest.raises(DataError, match="given counts cannot be computed with cell_sd, state_sd"):
        bayes_accuracy(small_screen(), given="counts")
    with pytest.raises(DataError, match="doublet_share"):
        bayes_accuracy(small_screen(doublet_share=0.1))
    with pytest.raises(DataError, match="latent or counts"):
        bayes_accuracy(small_screen(), given="labels")
    with pytest.raises(DataError, match="only simulated screens"):
        bayes_accuracy(anndata.AnnData(np.ones((2, 2))))
    with pytest.raises(DataError, match="effects depend on it"):
        program_moves(small_screen(state_dependence=0.5))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"state_dependence": 0.5, "state_sd": 0.0}, "no gene shows"),
        ({"interaction_share": 0.5}, "nothing can interact"),
        ({"n_contexts": 3, "n_replicates": 2}, "n_contexts x n_replicates = 6"),
        ({"n_complexes": 3, "complex_size": 5}, "need 15 targets that act, but there are 9"),
        ({"n_combinations": 40}, "make only 36 pairs"),
    ],
)
def test_knobs_that_contradict_each_other_are_refused(knobs, message):
    with pytest.raises(ValueError, match=message):
        small_screen(**knobs)


def test_regimes_that_contradict_are_refused_and_others_combine():
    with pytest.raises(ValueError, match="'log-additive' and 'saturating-epistatic' contradict"):
        regime_knobs("log-additive+saturating-epistatic")
    with pytest.raises(ValueError, match=r"saturation = 1\.0 contradicts"):
        simulated_regime("log-additive", 0, saturation=1.0)
    with pytest.raises(ValueError, match="no regime 'dense'; there are log-additive"):
        regime_knobs("dense")
    both = regime_knobs("sparse+nuisance", n_cells=500)
    assert both["doublet_share"] == 0.1 and both["programs_per_target"] == 1
    assert both["n_cells"] == 500
    with pytest.raises(TypeError):
        REGIMES["sparse"].defining["program_share"] = 0.5


@pytest.mark.parametrize("name", [*REGIMES, "sparse+nuisance"])
def test_every_regime_simulates_a_screen_that_satisfies_the_contract(name):
    step = simulated_regime(name, 0, **SMALL, n_batches=2)
    assert check(step.function.function(**step.arguments)).n_obs == 2_000


STREAMED = {
    "n_cells": 700,
    "n_genes": 300,
    "n_targets": 20,
    "doublet_share": 0.1,
    "n_combinations": 5,
}


@pytest.mark.parametrize(("chunk_size", "n_threads"), [(1, 1), (97, 2), (10_000, 3)])
def test_a_streamed_screen_has_the_bytes_of_the_one_in_memory(tmp_path, chunk_size, n_threads):
    path = tmp_path / "screen.h5ad"
    sha256 = write_simulated_screen(
        path, rng=np.random.default_rng(3), chunk_size=chunk_size, n_threads=n_threads, **STREAMED
    )
    memory = simulate_screen(rng=np.random.default_rng(3), **STREAMED)
    disk = check(anndata.read_h5ad(path))
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(disk.X, part), getattr(memory.X, part))
    assert disk.X.dtype == memory.X.dtype
    assert disk.uns["dataset"]["sha256"] == memory.uns["dataset"]["sha256"] == sha256
    pd.testing.assert_frame_equal(disk.obs, memory.obs)
    pd.testing.assert_frame_equal(disk.uns["truth"]["guides"], memory.uns["truth"]["guides"])
    assert [p.name for p in tmp_path.iterdir()] == ["screen.h5ad"]


def test_a_stream_that_fails_leaves_nothing_behind(tmp_path):
    path = tmp_path / "screen.h5ad"
    with pytest.raises(ValueError, match="expected count above 100,000"):
        write_simulated_screen(
            path, rng=np.random.default_rng(0), **SMALL, library_size=1e6, cell_sd=2.0, batch_sd=2.0
        )
    with pytest.raises(ValueError, match="n_threads is 0"):
        write_simulated_screen(path, rng=np.random.default_rng(0), n_threads=0, **SMALL)
    with pytest.raises(TypeError, match="n_cell"):
        write_simulated_screen(path, rng=np.random.default_rng(0), n_cell=10)
    assert not list(tmp_path.iterdir())
