"""Unseen pairs: metrics, baselines and the task, against formulas and planted tables."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import r2_score

from helpers.data.contract import DataError
from helpers.data.discovery.pair_splits import held_out_pairs
from helpers.data.discovery.profiles import CONTROL, Profiles
from helpers.data.discovery.tensor_simulator import TensorKnobs, simulate
from helpers.metrics.discovery import pairs as metrics
from helpers.models.discovery import embedding_boosting as boosting
from helpers.models.discovery import pair_baselines as baselines
from helpers.tasks.discovery import unseen_pairs as task

SMALL = dict(n_genes=40, n_readouts=12, n_contexts=3, n_clusters=8, noise=0.1)


def planted(effect, contexts=("a", "b", "c"), names="pqrstuvwxyz", missing=()):
    """Profiles of `effect(context, perturbation)`, an array over readouts, without `missing`."""
    rows = [(c, n) for c in contexts for n in names if (c, n) not in missing]
    values = np.array([effect(contexts.index(c), names.index(n)) for c, n in rows], np.float32)
    context, name = (np.array(part) for part in zip(*rows, strict=True))
    readout = np.array([f"R{i}" for i in range(values.shape[1])])
    return Profiles(values, np.ones(values.shape, bool), context, name, readout)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# --------------------------------------------------------------------------- metrics


def test_metrics_of_pairs_are_their_formulas(rng):
    a, b = rng.standard_normal((2, 5, 8))
    centre = rng.standard_normal(8)
    found = metrics.pair_metrics(a, b, centre)
    for i in range(5):
        assert found["profile_pearson"][i] == pytest.approx(pearsonr(a[i], b[i])[0])
        r = pearsonr(a[i] - centre, b[i] - centre)[0]
        assert found["profile_pearson_centred"][i] == pytest.approx(r)
        assert found["profile_rmse"][i] == pytest.approx(np.sqrt(((a[i] - b[i]) ** 2).mean()))
        others = np.linalg.norm(np.delete(b, i, axis=0) - a[i], axis=1)
        farther = others > np.linalg.norm(b[i] - a[i])
        assert found["profile_rank"][i] == pytest.approx(farther.sum() / 4)
    flat = metrics.flattened(a, b)
    assert flat["flat_pearson"] == pytest.approx(pearsonr(a.ravel(), b.ravel())[0])
    assert flat["flat_r2"] == pytest.approx(r2_score(b.ravel(), a.ravel()))
    for j in range(8):
        assert metrics.readout_pearson(a, b)[j] == pytest.approx(pearsonr(a[:, j], b[:, j])[0])


def test_the_centre_itself_has_no_correlation_and_an_even_rank(rng):
    observed, centre = rng.standard_normal((6, 8)), rng.standard_normal(8)
    found = metrics.pair_metrics(np.tile(centre, (6, 1)), observed, centre)
    assert np.isnan(found["profile_pearson_centred"]).all()
    assert found["profile_rank"].mean() == pytest.approx(0.5)


# --------------------------------------------------------------------------- baselines


def test_means_and_copies_are_those_of_a_loop(rng):
    effects = rng.standard_normal((3, 11, 4))
    train = planted(lambda c, p: effects[c, p], missing={("a", "p"), ("b", "q")})
    own = train.value[train.context == "a"]
    assert baselines.readout_mean(train, "a", ["p"])[0] == pytest.approx(own.mean(axis=0))
    assert baselines.global_mean(train, "a", ["p"])[0, 0] == pytest.approx(train.value.mean())
    copied = baselines.copied(train, "a", ["p", "q", "new"])
    assert copied[0] == pytest.approx(effects[1:, 0].mean(axis=0), abs=1e-6)
    assert copied[1] == pytest.approx(effects[2, 1], abs=1e-6)
    assert copied[2] == pytest.approx(own.mean(axis=0))
    off = effects[1:, 0] - [train.value[train.context == c].mean(axis=0) for c in "bc"]
    recentred = baselines.recentred_copy(train, "a", ["p"])[0]
    assert recentred == pytest.approx(own.mean(axis=0) + off.mean(axis=0), abs=1e-6)


def test_two_way_effects_are_found_again(rng):
    a, b = rng.standard_normal((3, 4)), rng.standard_normal((11, 4))
    train = planted(lambda c, p: a[c] + b[p], missing={("a", "p"), ("b", "q")})
    found = baselines.additive(train, "a", ["p"], penalty=1e-6)[0]
    assert found == pytest.approx(a[0] + b[0], abs=1e-3)
    shrunk = baselines.additive(train, "a", ["new"], penalty=1.0)[0]
    assert np.isfinite(shrunk).all()


def test_two_way_effects_stand_on_measured_values_alone(rng):
    a, b = rng.standard_normal((3, 4)), rng.standard_normal((11, 4))
    train = planted(lambda c, p: a[c] + b[p], missing={("a", "p")})
    mask = (rng.random(train.mask.shape) < 0.8) | (train.perturbation == "p")[:, None]
    spoiled = Profiles(
        np.where(mask, train.value, 99), mask, train.context, train.perturbation, train.readout
    )
    found = baselines.additive(spoiled, "a", ["p"], penalty=1e-6)[0]
    assert found == pytest.approx(a[0] + b[0], abs=1e-3)


def test_a_linear_relation_of_contexts_is_found_again(rng):
    names = [f"p{i:02}" for i in range(60)]
    low = rng.standard_normal((60, 3)) @ rng.standard_normal((3, 20))
    turn = rng.standard_normal((20, 20))
    effect = lambda c, p: low[p] @ (np.eye(20), turn)[c == 0]  # noqa: E731
    train = planted(effect, ("a", "b"), names, missing={("a", "p00"), ("a", "p01")})
    found = baselines.low_rank_linear(train, "a", ["p00", "p01"])
    assert found == pytest.approx(low[:2] @ turn, abs=0.3)
    new = baselines.low_rank_linear(train, "a", ["new"])[0]
    assert new == pytest.approx(baselines.readout_mean(train, "a", ["new"])[0])


def test_the_nearest_context_is_copied_with_its_factor(rng):
    effects = rng.standard_normal((11, 30))
    effects -= effects.mean(axis=0)
    other = rng.standard_normal((11, 30))
    train = planted(lambda c, p: (2 * effects[p], effects[p], other[p])[c], missing={("a", "p")})
    found = baselines.nearest_context(train, "a", ["p"])[0]
    assert np.corrcoef(found, effects[0])[0, 1] > 0.98
    mean = baselines.readout_means(train, "a")
    theirs = effects[0] - baselines.readout_means(train, "b")
    assert np.linalg.norm(found - mean) == pytest.approx(2 * np.linalg.norm(theirs), rel=0.1)


def test_the_factor_of_a_context_stands_on_what_both_measured(rng):
    base = rng.standard_normal((11, 40))
    train = planted(lambda c, i: (2.0, 1.0)[c] * base[i], contexts=("a", "b"), missing=[("a", "p")])
    whole = baselines.nearest_context(train, "a", ["p"])[0]
    mask = train.mask.copy()
    mask[np.ix_(train.context == "a", np.arange(40) < 20)] = False
    half = Profiles(train.value, mask, train.context, train.perturbation, train.readout)
    found = baselines.nearest_context(half, "a", ["p"])[0]
    np.testing.assert_allclose(found[20:], whole[20:], rtol=0.05, atol=0.05)


def test_both_mistakes_of_the_released_look_up():
    embedding = pd.DataFrame(np.eye(4) + np.arange(4)[:, None] / 10, index=list("ABCD"))
    ask = lambda name, how: boosting.gene_vectors(  # noqa: E731
        embedding, [name], prefix="k_", look_up=how
    )[0]
    assert ask("k_A", "one row off") == pytest.approx(ask("k_B", "repaired"))
    assert ask(CONTROL, "one row off") == pytest.approx(ask("k_A", "repaired"))
    assert not ask(CONTROL, "repaired").any() and not ask("k_new", "repaired").any()
    blind = [ask(f"k_{name}", "without prefix") for name in "ABCD"]
    assert all(np.array_equal(blind[0], one) for one in blind)
    both = ask("k_A+k_C", "repaired")
    assert both == pytest.approx((ask("k_A", "repaired") + ask("k_C", "repaired")) / 2)
    with pytest.raises(DataError, match="look_up is 'none'"):
        ask("k_A", "none")
    with pytest.raises(DataError, match="1 symbols lack the prefix 'k_': A"):
        boosting.bare(["A", CONTROL], "k_")


def test_trees_refuse_a_readout_that_they_never_saw():
    embedding = pd.DataFrame(np.eye(11), index=list("pqrstuvwxyz"))
    train = planted(lambda c, p: np.full(3, c + p), names=[f"k_{n}" for n in "pqrstuvwxyz"])
    trees = boosting.EmbeddingBoosting(embedding, "k_", max_iter=2).fit(train)
    with pytest.raises(DataError, match="readouts were never seen: R9"):
        trees.predict(["a"], ["k_p"], ["R9"])


# --------------------------------------------------------------------------- the task


@pytest.fixture(scope="module")
def data():
    return simulate(TensorKnobs(**SMALL), 0)


def test_every_model_is_scored_and_nothing_of_test_pairs_reaches_it(data):
    profiles = Profiles.from_arrays(data)
    split = held_out_pairs(profiles, task.TARGET)
    spoiled = dict(data)
    spoiled["value"] = data["value"].copy()
    spoiled["value"][split.test | split.validation] = 50
    for model in task.ROLES:
        given = {"size": {"n_epochs": 1}, "n_networks": 1}
        found = task.predictions(data, profiles, split, model, given["size"], 1)
        assert found.shape == (split.test.sum(), 12), model
        again = task.predictions(
            spoiled, Profiles.from_arrays(spoiled), split, model, given["size"], 1
        )
        assert np.array_equal(found, again), model
    with pytest.raises(DataError, match="no model 'magic'"):
        task.predictions(data, profiles, split, "magic", {}, 1)


def test_scores_are_apart_for_covered_pairs(data):
    found = task.pair_scores.function(data, model=task.TRUTH, split_seed=13)
    profiles = Profiles.from_arrays(data)
    split = held_out_pairs(profiles, task.TARGET)
    own = found[found["metric"] == "profile_pearson"]
    n = own["stratum"].value_counts()
    assert n["covered"] == split.covered[split.test].sum() and n.sum() == split.test.sum()
    assert own["value"].mean() > 0.9


def test_the_model_finds_a_gate_that_a_copy_cannot(data):
    knobs = TensorKnobs(**SMALL | {"n_genes": 120, "n_readouts": 30, "n_programs": 4, "noise": 0.3})
    world = simulate(knobs, 1)
    size = {"n_epochs": 40, "embedding_dim": 16, "hidden_dim": 48, "batch": 300}
    found = {
        m: task.pair_scores.function(world, model=m, split_seed=13, size=size, n_networks=1)
        for m in (task.LPM, "copy, recentred", task.DUPLICATE)
    }
    value = {
        m: t[(t["metric"] == "profile_pearson_centred") & (t["stratum"] == "covered")]["value"]
        for m, t in found.items()
    }
    assert value[task.LPM].mean() > value["copy, recentred"].mean() + 0.05
