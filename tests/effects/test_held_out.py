"""Models on conditions that they have not seen: what is shared out, scored and said."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.effects import condition_splits as splits
from helpers.data.simulate.screen import simulate_screen
from helpers.metrics.effects.facts import METRICS
from helpers.models.effects.baselines import Additive, MeanChange, NoChange
from helpers.models.effects.training import EffectModel, Training
from helpers.scores import check
from helpers.tasks.effects import doubles, doubles_report
from helpers.tasks.effects import held_out as task
from helpers.tasks.effects import held_out_report as report
from helpers.tasks.prediction_panel import DUPLICATE
from helpers.tasks.prediction_scene import make_scene

KNOBS = dict(
    n_cells=900,
    n_genes=60,
    n_targets=6,
    n_combinations=10,
    guides_per_target=1,
    n_control_guides=2,
    effective_share=1.0,
    unexpressed_share=0.0,
    n_batches=2,
)


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(np.random.default_rng(0), **KNOBS)


@pytest.fixture(scope="module")
def scene(screen):
    return make_scene(screen, seed=0)


class Sees(EffectModel):
    """Says whether the observation of a scored condition reached it."""

    def _changes(self, parts, context):
        assert not {"+".join(p) for p in parts} & set(self.training_.names)
        return np.full(len(self.training_.genes), np.nan)


class TestScoresOf:
    def test_nothing_that_judges_is_seen(self, scene):
        split = splits.combinations(scene.names, seed=0)
        labels = task.seen_labels(scene)
        for name in split.test:
            assert not (labels[scene.halves[name][0]] == name).all() or name not in split.train
        training = task.training_of(scene, split.train)
        assert not set(split.test) & set(training.names)
        truth = set(scene.controls["truth"])
        assert not truth & set(np.flatnonzero(labels == "control"))
        half = task.seen_labels(scene, cells="half")
        assert (half != "").sum() < (labels != "").sum()

    def test_gaps_are_nan_and_the_mean_is_beside_them(self, scene):
        split = splits.combinations(scene.names, seed=0)
        table = task.scores_of(
            scene, split, {"sees": Sees(), "mean": MeanChange(), "no change": NoChange()}, seed=0
        )
        rows = report.score_rows({("toy", 0): table}, task="doubles", roles={"mean": "floor"})
        check(rows, METRICS)
        sees = rows[(rows["model"] == "sees") & (rows["metric"] == "l2")]
        mean = rows[(rows["model"] == "mean") & (rows["metric"] == "l2")]
        assert sees.loc[sees["post"] == "raw", "value"].isna().all()
        filled = sees.loc[sees["post"] == report.IMPUTED, "value"].to_numpy()
        assert filled == pytest.approx(mean["value"].to_numpy())
        assert set(rows.loc[rows["model"] == DUPLICATE, "role"]) == {"ceiling"}
        both = report.chosen(rows, "l2", post=report.IMPUTED)
        assert both["value"].notna().all() and set(both["model"]) >= {"sees", "mean"}
        assert "sees lacks 100%" in report.gaps_said(rows)
        assert report.gaps_said(rows[rows["model"] != "sees"]).startswith("Every model")

    def test_scored_conditions_must_be_there(self, scene):
        with pytest.raises(DataError, match="too few cells: NOBODY"):
            task.held_out(scene, ["NOBODY"], task.training_of(scene, scene.names[:3]))

    def test_predictions_of_another_split_are_refused(self, scene):
        one, two = (splits.combinations(scene.names, seed=s) for s in (0, 1))
        training = task.training_of(scene, one.train)
        with pytest.raises(DataError, match="may have seen"):
            task.predicted({}, training, one.test, digest=two.digest, split=one)


def table(values: dict, n=40, role=None, dataset="d", metric="l2", seed=0):
    """A score table with values around the given means."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, n)
    found = []
    for model, mean in values.items():
        own = mean + 0.3 * noise + rng.normal(0, 0.05, n)
        kind = {"no change": "floor", DUPLICATE: "ceiling"} | (role or {})
        found.append(
            pd.DataFrame(
                {
                    "task": "doubles",
                    "dataset": dataset,
                    "split": "both parts seen",
                    "protocol": "revised",
                    "model": model,
                    "params": "{}",
                    "post": "raw",
                    "metric": metric,
                    "role": kind.get(model, "candidate"),
                    "unit_kind": "perturbation",
                    "unit": [f"u{i}" for i in range(n)],
                    "cluster": [f"u{i}" for i in range(n)],
                    "seed": 0,
                    "n": 10,
                    "value": own,
                }
            )
        )
    return pd.concat(found, ignore_index=True)


class TestAgainst:
    rows = table({"additive": 5, "good": 4, "same": 5.01, "bad": 6, "no change": 9, DUPLICATE: 3})

    def test_verdicts_have_every_branch(self):
        pairs = report.against(self.rows, "additive", metric="l2", seed=0)
        verdict = pairs.set_index("model")["verdict"]
        assert verdict[["good", "same", "bad"]].tolist() == ["better", "tied", "worse"]
        said = report.verdict_said(pairs, "the sum")
        assert said.startswith("Better than the sum: good (\N{MINUS SIGN}1.0")
        assert "Tied with the sum: same." in said and "Worse than the sum: bad (+" in said
        few = report.against(
            self.rows[self.rows["unit"].isin(["u0", "u1"])], "additive", metric="l2", seed=0
        )
        assert set(few["verdict"]) == {"cannot"} and few["p_value"].isna().all()
        assert "for want of conditions" in report.verdict_said(few, "the sum")
        wide = table({"additive": 5, "close": 5.0}, n=8)
        wide.loc[wide["model"] == "close", "value"] += np.tile([3.0, -3.0], 4)
        said = report.verdict_said(report.against(wide, "additive", metric="l2", seed=0), "it")
        assert said.startswith("Undecided against it: close")
        both = pd.concat([pairs, few.assign(dataset="simulated: few")])
        cells = report.verdicts_by_world(both[both["model"] != "bad"]).set_index("model")
        assert cells.columns.tolist() == [
            pairs["dataset"].iloc[0].removeprefix("simulated: "),
            "few",
        ]
        assert cells.iloc[:, 0]["good"].startswith("better (\N{MINUS SIGN}1.0")
        assert cells["few"]["good"].startswith("cannot say (\N{MINUS SIGN}")
        assert cells.index.tolist() == ["good", "same"]  # no floor
        one = report.verdicts_by_world(
            both[(both["model"] == "good") | (both["dataset"] != "simulated: few")]
        )
        assert one.set_index("model").loc["bad", "few"] == ""
        none = pairs[pairs["role"] == "ceiling"]
        assert report.verdict_said(none, "it") == "No model was compared with it."

    def test_certain_gains_that_do_not_matter_are_said(self):
        rows = table({"additive": 5, "slight": 4.9, "no change": 9, DUPLICATE: 3})
        pairs = report.against(rows, "additive", metric="l2", seed=0)
        assert pairs.set_index("model").loc["slight", "verdict"] == "tied"
        said = report.by_little_said(pairs)
        assert said.startswith("slight is better by less than matters (\N{MINUS SIGN}0.1")
        assert said.endswith(f"within the margin of {pairs['margin'].iloc[0]:.2f})")
        assert report.by_little_said(pairs.assign(high=0.1)) == ""
        assert report.by_little_said(pairs.assign(p_holm=0.2)) == ""
        short = doubles_report.in_short(pairs)
        assert short.startswith("In no simulated world") and f"Where d, {said}." in short

    @pytest.mark.parametrize(
        "pearson, text",
        [
            (0.9, "better by pearson delta."),
            (0.5, "worse by pearson delta."),
            (0.7, "the same by pearson delta."),
            (np.nan, "not to be tested by pearson delta."),
        ],
    )
    def test_other_metrics_may_say_otherwise(self, pearson, text):
        pairs = report.against(self.rows, "additive", metric="l2", seed=0)
        other = table({"additive": 0.7, "good": pearson, "no change": 0}, metric="pearson_delta")
        if pearson == 0.7:
            other = other.assign(value=0.7)
        given = dict(seed=0, n_resamples=500, metrics=("l2", "pearson_delta"))
        rows = pd.concat([self.rows, other])
        said = report.other_metrics_said(rows, pairs, **given)
        assert said.startswith("By the other metrics of the table: Where d, good against additive")
        assert said.endswith(text)
        none = report.other_metrics_said(rows, pairs[pairs["model"] == "bad"], **given)
        assert none.startswith("By error no model is shown")

    def test_a_mean_over_few_conditions_is_none(self):
        rows = pd.concat([table({"m": 2}), table({"m": 0.5}, metric="pearson_delta")])
        few = rows["metric"].eq("pearson_delta") & (rows["unit"] != "u0")
        shown = report.metric_table(
            rows.assign(value=rows["value"].mask(few)), ("l2", "pearson_delta")
        )
        assert shown["l2"].notna().all() and shown["pearson_delta"].isna().all()
        assert report.metric_table(rows, ("l2", "pearson_delta"))["pearson_delta"].notna().all()

    def test_a_model_without_values_cannot_be_compared(self):
        rows = pd.concat([self.rows, table({"empty": np.nan})])
        pairs = report.against(rows, "additive", metric="l2", seed=0).set_index("model")
        assert pairs.loc["empty", "verdict"] == "cannot"
        assert pairs.loc["good", "verdict"] == "better"


class TestSentences:
    def test_the_ceiling(self):
        rows = table({"m": 2, DUPLICATE: 3})
        said = report.ceiling_said(rows, "l2")
        assert said.startswith("By its mean the best model is m, 2.00 (")
        assert said.endswith(
            "; a technical duplicate, as noisy as what it is compared with, has 2.98."
        )
        assert report.ceiling_said(table({"m": 4}), "l2").startswith("How much is left")

    def test_agreement_of_metrics(self):
        one = table({"a": 1, "b": 2})
        two = table({"a": 0.1, "b": 0.9}, metric="pearson_delta")
        assert (
            report.ranks_said(one) == "The best mean is that of a, by the one metric of the table."
        )
        said = report.ranks_said(pd.concat([one, one.assign(metric="weighted_mse")]))
        assert said == "The best mean is that of a, by all 2 metrics of the table."
        said = report.ranks_said(pd.concat([one, two]))
        assert said == "Of 2 metrics of the table, the best mean is that of a by 1 and of b by 1."
        assert report.ranks_said(table({DUPLICATE: 1})).startswith("No metric")

    def test_in_short_of_doubles(self):
        pairs = report.against(
            pd.concat(
                [
                    table({"additive": 5, "good": 4, "no change": 9, DUPLICATE: 3}),
                    table({"additive": 5, "good": 5, "no change": 9, DUPLICATE: 3}, dataset="e"),
                ]
            ),
            "additive",
            metric="l2",
            seed=0,
        )
        said = doubles_report.in_short(pairs)
        assert said.startswith("Adding the single effects can be beaten where d: good")
        assert said.endswith("Where e, no model is shown to be better.")
        said = doubles_report.in_short(pairs[pairs["dataset"] == "e"])
        assert said.startswith("In no simulated world")
        assert doubles_report.in_short(pairs.iloc[:0]).startswith("No model was compared")

    def test_noise_where_effects_add(self):
        rows = table({"additive": 2, "no change": 8, DUPLICATE: 2.5})
        assert "no sign of interactions" in doubles_report.noise_said(rows, "d")
        assert "of that of no change" in doubles_report.noise_said(rows, "d")
        assert doubles_report.noise_said(rows, "other").startswith("The additive model or")

    def test_shape_of_real_doubles(self):
        said = doubles_report.shape_said
        assert said(["A", "B"]).startswith("There is no double")
        assert "hang together" in said(["A", "B", "C", "A+B", "B+C"])
        assert "1 double, in 1 group that" in said(["A", "B", "A+B"])
        assert "in 2 groups that share no gene" in said(["A", "B", "C", "D", "A+B", "C+D"])
        many = [*"ABCDEFGHI", *(f"A+{c}" for c in "BCDEFGHI")]
        assert said(many).endswith("half of them are learnt from.")

    def test_real_doubles(self):
        rows = table({"additive": 2, "no change": 8, "mean": 7, DUPLICATE: 2.5}, n=5)
        said = doubles_report.real_said(rows)
        assert "5 of 5 better than no change" in said and "than a duplicate" in said
        rows.loc[rows["model"] == "additive", "value"] = np.nan
        assert doubles_report.real_said(rows).endswith("none of these doubles.")

    def test_strata(self):
        rows = table({"m": 2, "mean": 4}, role={"mean": "floor"})
        less = table({"m": 3, "mean": 4}, role={"mean": "floor"}).assign(split="one part seen")
        said = doubles_report.strata_said(pd.concat([rows, less]))
        assert "0.5" in said and "with one part seen (m)" in said
        assert doubles_report.strata_said(rows.assign(split="other")).startswith("What was seen")


def test_doubles_of_a_simulated_screen(screen):
    table = doubles.double_scores.function(screen, seed=0)
    own = table[table["metric"] == "l2"].set_index("prediction")["value"]
    assert own["additive"].mean() < own["no change"].mean()
    with pytest.raises(DataError, match="0 combinations"):
        doubles.double_scores.function(
            screen[~screen.obs["perturbation"].astype(str).str.contains("+", regex=False)], seed=0
        )
    partly = doubles.double_scores.function(screen, seed=0, unseen_share=0.3)
    assert len(set(partly["stratum"])) > 1


def test_published_means_are_those_of_the_paper(paths):
    from helpers.data.sets.ahlmann_eltze2025_scores import read

    published = read(paths)
    means = doubles.published_means.function(published).set_index("model")["l2"]
    assert means["additive_model"] == pytest.approx(2.766, abs=0.005)
    assert means["no_change"] == pytest.approx(5.616, abs=0.005)
    shared = doubles.published_splits.function(published)
    assert shared["held out"].tolist() == [62] * 5
    assert "310 doubles" in doubles_report.splits_said(shared)


def test_additive_with_an_unseen_part():
    rng = np.random.default_rng(0)
    t = Training(rng.random((2, 3)), ["A", "B"], list("xyz"), {"c": np.zeros(3)}, [5, 5])
    got = Additive(unseen="mean").fit(t).predict(["A+C"])[0]
    assert got == pytest.approx(t.means[0] + t.means.mean(axis=0))
