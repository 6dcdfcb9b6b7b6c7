"""Effects carried from one context to another: training sets, scores, and what is said."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.simulate.screen import simulate_screen
from helpers.metrics.effects.facts import METRICS
from helpers.models.effects.training import Training, pooled
from helpers.scores import check
from helpers.tasks.effects import held_out_report as report
from helpers.tasks.effects import transfer as task
from helpers.tasks.effects import transfer_report as words
from helpers.tasks.prediction_panel import DUPLICATE

KNOBS = dict(
    n_cells=2_400,
    n_genes=80,
    n_targets=20,
    n_contexts=2,
    guides_per_target=1,
    n_control_guides=4,
    effective_share=1.0,
    unexpressed_share=0.0,
    efficacy=1.0,
    n_programs=8,
    library_size=8_000.0,
    batch_sd=0.05,
)


@pytest.fixture(scope="module")
def shared():
    return simulate_screen(np.random.default_rng(0), context_sharing=1.0, **KNOBS)


@pytest.fixture(scope="module")
def table(shared):
    return task.transfer_scores.function(shared, seed=0)


class TestTask:
    def test_copying_works_where_effects_are_the_same_and_not_where_they_are_not(self, table):
        own = table[table["metric"] == "l2"].groupby("prediction")["value"].mean()
        assert own["copied change"] < 0.9 * own[task.REFERENCE]
        assert own["copied change"] < own["copied change, shuffled labels"]
        assert own["copied change"] < own["copied profile, blind to the context"]
        other = simulate_screen(np.random.default_rng(0), context_sharing=0.0, **KNOBS)
        found = task.transfer_scores.function(other, seed=0)
        found = found[found["metric"] == "l2"].groupby("prediction")["value"].mean()
        assert found["copied change"] > found[task.REFERENCE]

    def test_every_context_is_scored_and_every_arm_there(self, table):
        assert table["context"].nunique() == 2
        assert set(table["trained on"]) == {task.NONE, task.OTHER, task.OWN, task.ALL}
        held_out = table.groupby("context")["perturbation"].nunique()
        assert (held_out == 10).all()

    def test_a_context_that_is_left_out_has_no_mean_of_its_own(self, shared):
        table = task.transfer_scores.function(shared, seed=0, share=1.0)
        assert task.REFERENCE not in set(table["prediction"])
        assert table.groupby("context")["perturbation"].nunique().eq(20).all()

    def test_what_is_not_there_is_refused(self, shared):
        one = shared[(shared.obs["context"] == shared.obs["context"].iloc[0]).to_numpy()]
        with pytest.raises(DataError, match="2 are needed"):
            task.transfer_scores.function(one, seed=0)
        with pytest.raises(DataError, match="in two contexts"):
            task.copied_between_contexts.function(one, seed=0)

    def test_another_way_of_perturbing_is_another_effect(self, shared):
        mixed = shared.copy()
        first = (mixed.obs["context"] == mixed.obs["context"].iloc[0]).to_numpy()
        mixed.obs["perturbation_type"] = np.where(first, "CRISPRa", "CRISPRi")
        for step in (task.transfer_scores, task.copied_between_contexts):
            with pytest.raises(DataError, match="in the same way"):
                step.function(mixed, seed=0)
        assert words.available(mixed) == {"in_common": 0}

    @pytest.mark.parametrize(
        ("ways", "some"),
        [
            (["CRISPRa"] * 4, False),  # nothing is left of the screen
            (["CRISPRa", "CRISPRa", "CRISPRi", "CRISPRi"], True),
            (["CRISPRa", "CRISPRa", "CRISPRi", "drug"], False),  # each in its own way
        ],
    )
    def test_what_the_rest_has_in_common_is_what_is_copied_there(self, shared, ways, some):
        both = ad.concat({"first": shared, "again": shared[::2]}, label="part", index_unique="-")
        where = both.obs["part"].astype(str) + " " + both.obs["context"].astype(str)
        names = sorted(set(where), key=lambda c: (not c.startswith("first"), c))
        both.obs["context"] = where
        both.obs["perturbation_type"] = where.map(dict(zip(names, ways, strict=True)))
        both.uns = shared.uns
        found = words.available(both, rest=True)["in_common"]
        assert bool(found) == some
        if some:
            table = task.copied_between_contexts.function(both, seed=0, rest=True)
            assert found == table["perturbation"].nunique()
            assert set(table["context"]) == set(names[2:])
        else:
            with pytest.raises(DataError, match="in the same way"):
                task.copied_between_contexts.function(both, seed=0, rest=True)

    def test_a_change_is_copied_from_the_other_contexts(self, shared):
        table = task.copied_between_contexts.function(shared, seed=0)
        own = table[table["metric"] == "l2"].groupby("prediction")["value"].mean()
        assert own["copied change"] < own["no change"]
        assert len(set(table.groupby("prediction").size())) == 1
        rows = check(words.context_rows({("simulated: d", 0): table}), METRICS)
        assert "for 4" in words.real_said(rows) or "of 40 pairs" in words.real_said(rows)
        assert words.no_effect_said(rows).startswith("Changes of two halves")


class TestPooled:
    def part(self, genes=("a", "b"), where="x"):
        return Training(np.ones((1, 2)), ["A"], list(genes), {where: np.zeros(2)}, [3])

    def test_contexts_keep_their_controls(self):
        found = pooled({"u": self.part(), "v": self.part(where="y")})
        assert list(found.contexts) == ["u", "v"] and set(found.controls) == {"u", "v"}
        with pytest.raises(DataError, match="other genes"):
            pooled({"u": self.part(), "v": self.part(genes=("a", "c"))})
        with pytest.raises(DataError, match="several contexts"):
            pooled({"w": found})


def pairs_of(verdict, model=words.COPIED, difference=-0.5):
    return pd.DataFrame(
        [
            dict(dataset="simulated: w", model=model, role="candidate", verdict=verdict)
            | dict(difference=difference, low=-0.6, high=-0.4, n_units=9, p_holm=0.01, margin=0.7)
        ]
    )


class TestSentences:
    def test_in_short(self):
        assert "where w, copied change changes its error by" in words.in_short(pairs_of("better"))
        assert "where w, copied change is better by less than matters" in words.in_short(
            pairs_of("tied")
        )
        open_ = pairs_of("tied").assign(high=0.1)
        assert "where w, nothing is shown" in words.in_short(open_)
        both = pd.concat([open_, open_.assign(dataset="simulated: v")])
        assert "where w or v, nothing is shown" in words.in_short(both)
        assert words.in_short(pairs_of("tied").iloc[:0]).startswith("No model")

    @pytest.mark.parametrize(
        "verdict, text",
        [
            ("better", "is better than"),
            ("worse", "is worse than"),
            ("tied", "is tied with"),
            ("undecided", "is not told from"),
        ],
    )
    def test_copying(self, verdict, text):
        assert text in words.copying_said(pairs_of(verdict), "simulated: w")
        nothing = words.copying_said(pairs_of(verdict, difference=np.nan), "simulated: w")
        assert nothing == "Copied changes were not compared."

    def rows(self, **values):
        return pd.DataFrame(
            [
                dict(dataset="d", metric="l2", post="raw", model=m, value=v)
                for m, v in values.items()
            ]
        )

    def test_pooling(self):
        carried, together = "linear model, P of other contexts", "linear model, pooled"
        both = {carried: 2, together: 1}
        said = words.pooling_said(self.rows(**both, **{"linear model, own context": 3}), "d")
        assert "of 1.00 if trained on all contexts together, of 2.00 if trained on the" in said
        assert said.endswith("of 3.00 if trained on the context alone.")
        assert words.pooling_said(self.rows(**both), "d").startswith("The linear model was")

    def test_blind(self):
        rows = self.rows(
            **{words.COPIED: 1, "copied profile, blind to the context": 3, task.REFERENCE: 2}
        )
        said = words.blind_said(rows, "d")
        assert "3.00 blind to the context; the mean of the context has 2.00" in said
        assert words.blind_said(self.rows(x=1), "d") == "Copied changes were not scored."

    def test_real(self):
        def said(copied, duplicate, n=2):
            rows = [
                dict(metric="l2", unit=f"u{i}", cluster=f"p{i}", model=m, value=v)
                for i in range(n)
                for m, v in (("no change", 2), (words.COPIED, copied), (DUPLICATE, duplicate))
            ]
            return words.real_said(pd.DataFrame(rows))

        assert "no change for 2 of 2" in said(1, 1) and "2 perturbations: a description" in said(
            1, 1
        )
        assert "description" not in said(1, 1, n=7) and "for 0 of 7" in said(3, 1, n=7)
        assert "1 perturbation: a description" in said(1, 1, n=1)
        nothing = pd.DataFrame({"metric": ["l2"], "unit": "u", "model": "x", "value": 1.0})
        assert words.real_said(nothing).startswith("No perturbation was made")

    def test_no_effect(self):
        def said(**values):
            return words.no_effect_said(
                pd.DataFrame(
                    [dict(metric="pearson_delta", model=m, value=v) for m, v in values.items()]
                )
            )

        assert said(**{DUPLICATE: 0.05, words.COPIED: -0.01}) == (
            "Changes of two halves of the cells correlate with 0.05 on average; copied changes "
            "with \N{MINUS SIGN}0.01. What does not reproduce cannot be carried over."
        )
        assert said(**{DUPLICATE: 0.5}) == (
            "Changes of two halves of the cells correlate with 0.50 on average. What does not "
            "reproduce cannot be carried over."
        )
        assert said(x=0.5).startswith("Whether changes reproduce")

    def test_lines(self):
        table = words.lines_table(
            {
                ("a", "b"): pd.DataFrame({"auroc": [0.6, 0.8], "known": 0.5}),
                ("b", "a"): pd.DataFrame({"auroc": [0.5], "known": 0.4}),
            }
        )
        assert "0.50 (b to a) to 0.70 (a to b); 40% to 50%" in words.lines_said(table)
        nothing = words.lines_table({("a", "b"): pd.DataFrame({"auroc": [], "known": []})})
        assert words.lines_said(nothing) == "No two lines share a labelled pair."

    def test_arms(self, table):
        found = words.arms_table({("simulated: d", 0): table})
        assert {"trained on", "model", "d"} <= set(found)
        rows = table.assign(perturbation=table["context"] + ": " + table["perturbation"])
        rows = report.score_rows({("simulated: d", 0): rows}, task="transfer", roles=task.ROLES)
        check(rows, METRICS)


def test_what_is_in_common_has_cells_controls_and_one_type(shared):
    assert words.available(shared) == {"in_common": 20}
    first = (shared.obs["context"] == shared.obs["context"].iloc[0]).to_numpy()
    control = (shared.obs["perturbation"] == "control").to_numpy()
    assert words.available(shared[~(first & control)]) == {"in_common": 0}
    mixed = shared.copy()
    mixed.obs["perturbation_type"] = np.where(first, "CRISPRa", "CRISPRi")
    assert words.available(mixed) == {"in_common": 0}
