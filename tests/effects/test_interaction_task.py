"""Interactions that models find: the published calls on a known truth, the task, what is said."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.simulate.screen import simulate_screen
from helpers.metrics.effects.facts import METRICS
from helpers.metrics.effects.interactions import empirical_null
from helpers.scores import check
from helpers.tasks.effects import held_out_report as shared
from helpers.tasks.effects import interactions as task
from helpers.tasks.effects import interactions_report as words

KNOBS = dict(
    n_cells=4_000,
    n_genes=150,
    n_targets=10,
    n_combinations=24,
    guides_per_target=1,
    n_control_guides=2,
    effective_share=1.0,
    unexpressed_share=0.0,
    efficacy=1.0,
    batch_sd=0.0,
    effect_size=0.3,
    library_size=6_000.0,
)
PLANTED = dict(interaction_share=1.0, interaction_size=1.0)


@pytest.fixture(scope="module")
def planted():
    screen = simulate_screen(np.random.default_rng(1), **KNOBS, **PLANTED)
    return task.interaction_scores.function(screen, seed=1)


@pytest.fixture(scope="module")
def none():
    return task.interaction_scores.function(
        simulate_screen(np.random.default_rng(1), **KNOBS), seed=1
    )


def two_sides(n_cells=100, n_genes=2_000, n_singles=24, n_doubles=32, seed=0):
    """The generator that the calls were calibrated with: additive log fold changes, negative
    binomial counts, and classes of interactions on three tenths of the genes that change.

    Returns observed doubles, their singles, controls, and where an interaction was planted.
    """
    rng = np.random.default_rng(seed)
    mean = rng.lognormal(-1.2, 1.4, n_genes)
    mean *= 8_000 / mean.sum()
    theta = rng.lognormal(1.5, 0.6, n_genes)
    lfc = rng.normal(0, 0.6, (n_singles, n_genes)) * (rng.random((n_singles, n_genes)) < 0.08)
    pairs = [(i, j) for i in range(n_singles) for j in range(i)]
    pairs = [pairs[k] for k in rng.choice(len(pairs), n_doubles, replace=False)]
    both = np.array([lfc[i] + lfc[j] for i, j in pairs])
    hit = (both != 0) & (rng.random(both.shape) < 0.3)
    factor = rng.choice([0.3, 1.8, -0.7], both.shape, p=[0.6, 0.25, 0.15])
    moved = np.where(hit, both * factor, both)

    def profile(change, n):
        size = rng.lognormal(0, 0.17, (n, 1))
        expected = size * mean * np.exp(change)
        counts = rng.poisson(rng.gamma(theta, expected / theta)).astype(np.float32)
        counts *= 1e4 / counts.sum(axis=1, keepdims=True)
        return np.log1p(counts).mean(axis=0)

    control = profile(np.zeros(n_genes), 1_000)
    singles = np.array([profile(change, n_cells) for change in lfc])
    doubles = np.array([profile(change, n_cells) for change in moved])
    genes = np.argsort(-control)[:1_000]
    first, second = (singles[[p[i] for p in pairs]][:, genes] for i in (0, 1))
    return doubles[:, genes], first + second - control[genes], control[genes], hit[:, genes]


def test_calls_have_the_stated_power_and_false_share():
    """Stated at 100 cells: null SD .108, power .29, false share .041; errors 3.5 where it adds."""
    observed, additive, control, hit = two_sides()
    null = empirical_null(observed - additive)
    called = null.called(observed - additive)
    assert null.sd == pytest.approx(0.108, abs=0.02)
    assert called[hit].mean() == pytest.approx(0.29, abs=0.1)
    assert (~hit)[called].mean() < 0.12
    error = [np.linalg.norm(p - observed, axis=1).mean() for p in (additive, control)]
    assert error[0] < error[1]


class TestTask:
    def test_what_was_planted_is_called_and_nothing_else(self, planted, none):
        assert planted["called"] > 10 * none["called"] and none["called"] < 1e-3
        assert planted["power"] > 0.05 and planted["fdp"] < 0.1

    def test_noise_finds_nothing_and_a_duplicate_does(self, planted):
        rows = check(words.score_rows({("simulated: d", 1): planted}), METRICS)
        by = rows.groupby(["metric", "model"])["value"].mean()
        assert by["interaction_auroc_matched"][task.NOISE] == pytest.approx(0.5, abs=0.1)
        duplicate = by["interaction_auroc_matched"]["technical duplicate"]
        assert duplicate > 0.65 and duplicate > by["interaction_auroc_matched"]["no change"]
        assert by["interaction_direction"]["technical duplicate"] > 0.9
        table = words.metric_table(rows)
        assert {"interaction_auroc", "interaction_ap"} <= set(table)

    def test_too_few_doubles(self):
        screen = simulate_screen(
            np.random.default_rng(0), **KNOBS | dict(n_cells=800, n_combinations=3)
        )
        with pytest.raises(DataError, match="8 are needed"):
            task.interaction_scores.function(screen, seed=0)

    def test_every_world_is_a_screen(self):
        for world, knobs in task.WORLDS.items():
            step = task.interaction_screen(world, 0, "tiny")
            assert knobs.items() <= step.arguments["knobs"].items()

    def test_fitness_that_adds_is_seen(self):
        rng = np.random.default_rng(0)
        pairs = pd.DataFrame(rng.normal(0, 1, (50, 2)), columns=["fitness_first", "fitness_second"])
        pairs["fitness"] = 0.8 * pairs.sum(axis=1)
        pairs = pairs.assign(coef_first=1.0, coef_second=0.5, corr_fit=0.9)
        table = task.fitness_additivity.function(pairs)
        by = table.set_index("quantity")["value"]
        assert by["best multiple of the sum"] == pytest.approx(0.8)
        assert by["RMS deviation from that multiple"] == pytest.approx(0, abs=1e-9)
        assert by["sum of both coefficients of profiles, median"] == 1.5
        assert words.fitness_said(table) == (
            "The fitness of 50 pairs follows the sum of both with a correlation of 1.00; the best "
            "multiple of the sum is 0.80, where 1 is additive."
        )


class TestSentences:
    def rows(self, **values):
        return pd.DataFrame(
            [
                dict(dataset="simulated: w", metric=metric, model=model, value=v, role="floor")
                for (metric, model), v in values.items()
            ]
        )

    def test_calls(self):
        def said(called, power=np.nan, false=np.nan):
            table = pd.DataFrame(
                [{"dataset": "d", "called": called, "power": power, "false": false}]
            )
            return words.calls_said(table, "d")

        assert "less than one in a thousand" in said(1e-4)
        assert said(0.02) == "2.00% of pairs are called."
        assert "30% are found, and 2.0% of the calls are false" in said(0.02, 0.3, 0.02)
        assert "no call is made" in said(0.0, 0.0)
        nothing = pd.DataFrame({"dataset": [], "called": []})
        assert words.calls_said(nothing, "d") == "No interaction could be called."

    def test_magnitude(self):
        def said(plain, matched):
            rows = [
                dict(dataset="d", metric="interaction_auroc", model="no change", value=plain),
                dict(dataset="d", metric=words.MATCHED, model="no change", value=matched),
            ]
            return words.magnitude_said(pd.DataFrame(rows), "d")

        assert said(0.8, 0.55).endswith("most of it is size.")
        assert said(0.8, 0.75).endswith("0.75 among genes of one magnitude.")
        assert "finds little" in said(0.52, 0.5)
        assert said(np.nan, np.nan).startswith("No interaction was called")

    def test_direction(self):
        def said(**values):
            rows = [
                dict(dataset="d", metric="interaction_direction", model=m, value=v)
                for m, v in values.items()
            ]
            return words.direction_said(pd.DataFrame(rows), "d")

        head = "The direction is right for more than 55 % of the interactions"
        assert said(a=0.9, b=0.5) == f"{head} by a (0.90), where 0.50 is chance."
        assert said(a=0.5) == f"{head} by no model, where 0.50 is chance."
        assert said(a=np.nan) == "No direction could be judged."
        assert "a technical duplicate 0.95" in said(**{"a": 0.9, "technical duplicate": 0.95})

    @pytest.mark.parametrize(
        "verdict, text",
        [
            ("better", "m finds interactions better than no change"),
            ("worse", "every model finds fewer"),
            ("tied", "every model is tied with no change"),
            ("undecided", "no model is shown to find more"),
            ("cannot", "no model is shown to find more"),
        ],
    )
    def test_in_short(self, verdict, text):
        pairs = pd.DataFrame(
            [dict(dataset="simulated: w", model="m", role="candidate", verdict=verdict)]
        )
        rows = pd.DataFrame(
            [dict(dataset="simulated: w", metric=words.MATCHED, model="m", value=0.7)]
        )
        assert text in words.in_short(pairs.assign(difference=0.1), rows)
        nothing = words.in_short(pairs.assign(difference=np.nan), rows)
        assert nothing == "Where w, there is nothing to find."
        null = {"dataset": words.NOTHING, "difference": 0.1}
        said = words.in_short(pairs.assign(**null), rows.assign(dataset=words.NOTHING))
        assert said == "Where nothing interacts, there is nothing to find."
        assert words.in_short(pairs.iloc[:0], rows).startswith("No model was compared")

    @pytest.mark.parametrize(
        "high, low, text",
        [
            ("better", "worse", "a finds interactions better"),
            ("undecided", "better", "b finds interactions better"),
            ("undecided", "worse", "no model is shown to find more"),
            ("tied", "worse", "no model is shown to find more"),
            ("worse", "worse", "every model finds fewer"),
            ("tied", "tied", "every model is tied with no change"),
        ],
    )
    def test_in_short_names_the_model_that_finds_most(self, high, low, text):
        shared = dict(dataset="simulated: w", model=["a", "b", "c"])
        pairs = pd.DataFrame(
            shared | dict(role="candidate", verdict=[high, low, low], difference=[0.2, 0.1, -0.3])
        )
        rows = pd.DataFrame(shared | dict(metric=words.MATCHED, value=[0.8, 0.7, 0.3]))
        said = words.in_short(pairs, rows)
        assert text in said
        named = "b among genes of one magnitude is 0.70" if text[0] == "b" else "is 0.80"
        assert named in said and "nan" not in said

    def test_comparisons_stand_on_doubles(self, planted):
        rows = words.score_rows({("simulated: d", 1): planted})
        pairs = shared.against(
            rows[rows["metric"] == words.MATCHED].assign(post="raw"),
            "no change",
            metric=words.MATCHED,
            seed=0,
            n_resamples=500,
        )
        assert pairs["n_units"].max() <= 12
        obs = pd.DataFrame({"perturbation": np.repeat(["A", "B", "A+B", "C", "A+C"], 8)})
        part = type("Part", (), {"obs": obs.iloc[:-1]})  # A+C has too few cells
        assert words.available(part) == {"pairs": 1}
