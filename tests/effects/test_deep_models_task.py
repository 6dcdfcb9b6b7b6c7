"""Deep models on unseen conditions: what is shared out, tuned, judged and said."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.effects.condition_splits import read_manifest
from helpers.data.effects.mechanism_worlds import mechanism_world
from helpers.models.effects import tuning
from helpers.models.effects.baselines import MeanChange, NoChange
from helpers.models.effects.training import Training
from helpers.tasks.effects import deep_models as task
from helpers.tasks.effects import deep_models_plan as plan
from helpers.tasks.effects import deep_models_report as words

LETTERS = "ABCDEFGH"
SINGLES = list(LETTERS)
PAIRS = [f"{a}+{b}" for i, a in enumerate(LETTERS) for b in LETTERS[i + 1 :]]


class TestSharedOut:
    @pytest.mark.parametrize("kind", ["doubles", "unseen"])
    def test_what_is_tuned_on_is_never_scored_and_what_is_scored_never_learnt(self, kind):
        found = task.shared_out([*SINGLES, *PAIRS], kind=kind, seed=1)
        splits = [read_manifest(text) for text in found["splits"]]
        inner = read_manifest(found["tuning"])
        scored = [name for split in splits for name in split.test]
        assert len(scored) == len(set(scored))
        assert not set(scored) & (
            {*inner.train, *inner.test} - set(SINGLES if kind == "doubles" else ())
        )
        assert not set(scored) & set(inner.test)
        for split in splits:
            assert not set(split.train) & set(split.test)
            assert set(inner.test) <= set(split.train)
        if kind == "unseen":
            assert all("+" not in n for split in splits for n in [*split.train, *split.test])
        else:
            assert all(set(SINGLES) <= set(split.train) for split in [*splits, inner])

    def test_the_order_of_names_does_not_matter(self):
        names = [*SINGLES, *PAIRS]
        first, second = (task.shared_out(n, kind="doubles", seed=0) for n in (names, names[::-1]))
        assert first == second

    def test_too_few_conditions_are_refused(self):
        with pytest.raises(DataError, match="3 conditions of the kind 'unseen' cannot be shared"):
            task.shared_out(["A", "B", "C"], kind="unseen", seed=0)
        with pytest.raises(ValueError, match="doubles or unseen"):
            task.shared_out(SINGLES, kind="triples", seed=0)


class TestTuning:
    def sets(self):
        rng = np.random.default_rng(0)
        genes, control = pd.Index(list("abc")), {"one": np.zeros(3)}

        def of(names, mean):
            means = mean + 0.01 * rng.normal(size=(len(names), 3))
            return Training(means, np.array(names), genes, control, np.ones(len(names), int))

        return of(["A", "B", "C"], 1.0), of(["D", "E"], 1.0)

    def test_the_best_on_validation_is_kept_and_the_first_trial_is_the_model(self):
        training, validation = self.sets()

        class Scaled(MeanChange):
            def __init__(self, factor=0.0, seed=0):
                super().__init__()
                self.factor, self.seed = factor, seed

            def _changes(self, parts, context):
                return self.factor * super()._changes(parts, context)

        grid = {"factor": (0.0, 0.5, 1.0)}
        found = tuning.trials(Scaled(), grid, training, validation, n_trials=8, seed=0)
        assert found["parameters"].iloc[0] == "{}" and len(found) == 3
        assert tuning.best(found) == {"factor": 1.0}
        assert found["error"].iloc[0] == pytest.approx(np.sqrt(3), abs=0.05)
        assert (found["predicted"] == 1).all()
        assert tuning.best(found.assign(error=np.nan)) == {}

    def test_validation_that_is_learnt_from_is_refused(self):
        training, _ = self.sets()
        with pytest.raises(DataError, match="validation conditions are learnt from: A, B"):
            tuning.trials(NoChange(), {}, training, training, n_trials=1, seed=0)
        with pytest.raises(ValueError, match="n_trials is 0"):
            tuning.trials(NoChange(), {}, *self.sets(), n_trials=0, seed=0)


@pytest.fixture(scope="module")
def judged():
    """Scores of a small world on one split, all by plain functions."""
    screen = mechanism_world.function(
        "graph", seed=0, n_targets=20, n_doubles=2, n_genes=24, n_controls=300, depth=2_000.0
    )
    names = plan.conditions_of(screen)
    manifest = task.shared_out(names, kind="unseen", seed=0)["splits"][0]
    split = read_manifest(manifest)
    sets = task.planted_sets.function(screen)
    arrays = task.training_arrays.function(screen, conditions=list(split.train), seed=0)
    given = {
        task.named(task.GRAPH, i): task.graph_means.function(
            arrays, names=list(split.test), gene_sets=sets, seed=i, n_steps=60
        )
        for i in range(2)
    }
    return task.split_scores.function(
        screen, manifest=manifest, kind="unseen", given=given, gene_sets=sets, seed=0
    )


def test_arrays_are_the_training_set_again():
    screen = mechanism_world.function("latent", seed=0, n_targets=6, n_doubles=3, n_genes=10)
    arrays = task.training_arrays.function(screen, conditions=["G000", "G001"], seed=0)
    found = task.training_from(arrays)
    assert found.names.tolist() == ["G000", "G001"] and found.means.shape == (2, 10)
    assert set(found.bulks.names) == {"G000", "G001", "control"}
    np.testing.assert_array_equal(found.control(), arrays["control"])


def test_a_split_is_scored_with_floors_probes_and_ceiling(judged):
    l2 = judged[judged["metric"] == "l2"].groupby("prediction")["value"].mean()
    assert l2[task.named(task.GRAPH, 0)] < l2["mean"]
    assert l2[task.GRAPH + task.BLIND] > l2[task.named(task.GRAPH, 0)]
    assert {"no change", "linear model", "linear model, gene sets"} <= set(l2.index)
    rows = words.score_rows({("world", 0): [judged]})
    own = rows[(rows["metric"] == "l2") & (rows["post"] == "raw")]
    mean = own[own["model"] == task.GRAPH]["value"].mean()
    both = [l2[task.named(task.GRAPH, i)] for i in (0, 1)]
    assert mean == pytest.approx(np.mean(both))
    role = own.groupby("model")["role"].first()
    assert role[task.GRAPH] == "candidate" and role[task.GRAPH + task.BLIND] == "floor"


def test_fits_are_kept_apart(judged):
    fits = words.fit_means({"world": [judged]})
    assert fits["initialisation"].tolist() == ["1", "2"]
    table = words.spread(fits)
    wanted = fits["mean"].std(ddof=1)
    assert table["between initialisations"].item() == pytest.approx(wanted)
    assert np.isnan(table["between splits"].item())


def test_planted_sets_of_a_screen_are_what_its_database_lists():
    from helpers.data.simulate.screen import simulate_screen

    screen = simulate_screen(np.random.default_rng(0), **plan.knobs_of(plan.SHIFT, "tiny"))
    sets = task.planted_sets.function(screen)
    known = screen.uns["truth"]["relationships"]
    assert len(sets) == known["in_database"].sum()
    assert all(len(pair) == 2 for pair in sets.values())


def test_sets_tell_perturbed_genes_apart():
    table = pd.DataFrame(
        [("GO", "two", g) for g in "AB"]
        + [("GO", "one", g) for g in "AX"]
        + [("GO", "all", f"g{i}") for i in range(200)]
        + [("GO", "all", g) for g in "AB"],
        columns=["source", "set", "gene"],
    )
    assert task.sets_among.function(table, names=["A", "B", "C"]) == {"GO: two": ["A", "B"]}


def luck(within, between):
    return pd.DataFrame(
        {
            "dataset": ["simulated: effects add"],
            "model": [task.GRAPH],
            "mean": [1.0],
            "between initialisations": [within],
            "between splits": [between],
        }
    )


def test_luck_is_said():
    one = words.spread_said(luck(0.1, 1.0))
    assert "is 0.10 (graph network where effects add) times that between splits" in one
    two = pd.concat([luck(0.1, 1.0), luck(1.5, 1.0)], ignore_index=True)
    two = words.spread_said(two)
    assert "is 0.10 (graph network where effects add) to 1.50 (graph network" in two
    assert "cannot be told" in words.spread_said(luck(np.nan, 1.0))


def test_tuning_is_said():
    found = pd.DataFrame(
        {
            "trial": [0, 1, 2],
            "parameters": ["{}", json.dumps({"n_dims": 8}), "{}"],
            "error": [2.0, 1.0, 3.0],
        }
    )
    table = words.trial_table({"world": {task.GRAPH: found, "lost": found.assign(error=np.nan)}})
    assert table[["best", "worst", "chosen"]].iloc[0].tolist() == [1.0, 3.0, '{"n_dims": 8}']
    assert "smaller by 50%" in words.tuning_said(table)
    assert words.tuning_said(table).endswith(
        "above the best by 200% (median), and by 200% at most (graph network)."
    )
    assert words.tuning_said(words.trial_table({})) == "No model was tuned."
    same = words.trial_table({"world": {task.GRAPH: found.iloc[[0]]}})
    assert same["chosen"].item() == "as it is"


def against(*rows):
    columns = ["dataset", "model", "verdict", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(role="candidate", p_holm=0.01, margin=3.0)


def at_home(verdict):
    return against(
        ("world of graph", task.GRAPH, "better", -1.0, -2.0, -0.5),
        ("world of latent", task.LATENT, "better", -1.0, -2.0, -0.5),
        ("world of attention", task.TRANSFORMER, verdict, -1.0, -2.0, 0.5),
    )


def test_home_is_said():
    assert words.home_said(at_home("better")).startswith("At home each of them wins")
    said = words.home_said(at_home("undecided"))
    assert said.startswith("Shown to win at home: graph network")
    assert "Not shown to win at home: masked transformer" in said
    assert "not scored" in words.home_said(at_home("better").iloc[:2])
    open_ = at_home("undecided").assign(high=-0.5, p_holm=0.07, n_clusters=12)
    assert words.home_said(open_).count("p = 0.07, corrected") == 1
    few = at_home("cannot").assign(high=-0.5, p_holm=0.16, n_clusters=6)
    assert "6 conditions are too few for a test." in words.home_said(few)
    assert words.home_said(few.iloc[2:]).startswith("Not shown to win at home")
    assert words.away_said(at_home("better")) == "Away from home no comparison can be tested."
    away = against(("world of graph", task.LATENT, "better", -1.0, -2.0, -0.5))
    assert "1 of 1" in words.away_said(away)
    assert "none of 1 comparisons shows" in words.away_said(away.assign(verdict="worse"))
    both = pd.concat([away.assign(verdict="worse"), away.assign(verdict="cannot")])
    beside = "(of 1 more the conditions are too few for a test)"
    assert f"none of 1 comparisons {beside} shows" in words.away_said(both)
    assert words.away_said(away.assign(verdict="cannot")).endswith(f"can be tested {beside}.")


def test_the_answer_in_short():
    pairs = against(
        ("simulated: effects add", task.LATENT, "worse", 1.0, 0.5, 2.0),
        ("simulated: effects saturate", task.LATENT, "better", -1.0, -2.0, -0.5),
    )
    rival = dict.fromkeys(pairs["dataset"], "additive")
    said = words.in_short(pairs, rival)
    assert (
        "where effects saturate, latent-additive autoencoder changes the error of additive" in said
    )
    assert "None is shown to do so where effects add (against additive)" in said
    assert "No small deep model is shown" in words.in_short(pairs.iloc[:1], rival)
    little = pairs.iloc[1:].assign(verdict="tied")
    assert "(against additive; latent-additive autoencoder is better by less than" in (
        words.in_short(little, rival)
    )
    assert "None is shown" not in words.in_short(pairs.iloc[1:], rival)
    assert "No deep model was compared" in words.in_short(pairs.iloc[:0], rival)


def of_mean(looks, knows):
    return pd.DataFrame(
        {
            "model": "mean",
            "post": "raw",
            "metric": ["pearson_delta", "centroid_accuracy"],
            "value": [looks, knows],
        }
    )


def test_the_mean_is_said():
    assert "0.5 is chance" in words.mean_said(of_mean(0.8, 0.5))
    assert "is small here" in words.mean_said(of_mean(0.1, 0.5))
    assert "look again" in words.mean_said(of_mean(0.8, 0.9))
    assert "could not be scored" in words.mean_said(of_mean(np.nan, 0.5))


def test_probes_are_said():
    lost = against(
        ("d", task.GRAPH + task.SHUFFLED, "worse", 1.0, 0.5, 2.0),
        ("d", task.GRAPH + task.BLIND, "worse", 1.0, 0.5, 2.0),
    )
    kept = lost.assign(verdict=["worse", "tied"])
    assert "Both probes are worse" in words.probes_said({task.GRAPH: lost})
    assert (
        f"Not shown to lose by both, when kept from the names of perturbations: {task.GRAPH}."
        in (words.probes_said({task.GRAPH: kept}))
    )
    ahead = lost.assign(verdict=["worse", "better"], difference=-0.2, low=-0.3, high=-0.1)
    said = words.probes_said({task.GRAPH: ahead})
    assert f"{task.GRAPH} (blind to the perturbation it is better, by" in said
    other = kept.assign(model=kept["model"].str.replace(task.GRAPH, task.LATENT))
    both = words.probes_said({task.GRAPH: lost, task.LATENT: other})
    assert f"perturbations: {task.LATENT}. Shown" in both
    assert f"Shown to lose by both: {task.GRAPH}." in both
    assert words.probes_said({}) == "No probe was run."


def test_published_ratios_are_said(paths):
    from helpers.data.sets import ahlmann_eltze2025_scores as reader

    table = words.published_ratios(reader.read(paths))
    deep = table.set_index("data")
    assert deep.loc["pairs of genes", "rival"] == "additive"
    assert (deep.loc["pairs of genes", ["GEARS", "scGPT", "CPA"]] > 1).all()
    linear = dict(zip(table["data"], table["LM"], strict=True))
    known = sorted(v for v in linear.values() if np.isfinite(v))
    np.testing.assert_allclose(known, [0.976, 0.993, 1.072], atol=0.005)


def test_ratios_below_one_are_counted():
    table = pd.DataFrame({"data": ["K562", "RPE1"], "GEARS": [1.2, 0.9], "scGPT": [1.1, np.nan]})
    said = words.published_said(table)
    assert said.endswith(
        "1 of 3 published cases the mean ratio is below one: GEARS in RPE1 (0.900)."
    )
    assert "In none of 2" in words.published_said(table.iloc[:1])
    assert "no ratio" in words.published_said(table.assign(GEARS=np.nan, scGPT=np.nan))


def test_our_ratios_are_means_of_ratios():
    errors = pd.DataFrame(
        {
            "dataset": "d",
            "split": "s",
            "unit": ["A", "B", "A", "B"],
            "seed": 0,
            "model": [task.GRAPH, task.GRAPH, "mean", "mean"],
            "value": [1.0, 3.0, 2.0, 2.0],
        }
    )
    assert words.our_ratios(errors, {"d": "mean"})[task.GRAPH].item() == pytest.approx(1.0)


def test_what_a_real_screen_must_have():
    part = mechanism_world.function("latent", seed=0, n_targets=6, n_doubles=3, n_genes=10)
    assert words.available(part) == {"single_perturbations": 6}


def test_a_linear_model_whose_embedding_knows_no_perturbation_is_left_out():
    known = {"set one": ["A", "B", "C", "D"], "set two": ["A", "C", "E"], "set three": ["B", "D"]}
    names = ["A", "B", "C", "D"]
    measured = set(task.simple_models("singles", known, train=names, genes=["A", "x"]))
    assert {"linear model", "linear model, gene sets"} <= measured
    numbered = set(task.simple_models("singles", known, train=["1", "2", "3"], genes=["A", "x"]))
    assert measured - numbered == {"linear model", "linear model, gene sets"}
    doubles = set(task.simple_models("doubles", None, train=["1", "1+2"], genes=["x"]))
    assert {"additive", "linear model"} <= doubles
