"""The tier's summary and claims: standings, agreement, strata, verdicts, every branch."""

import numpy as np
import pandas as pd
import pytest

from helpers.tasks.effects import claims, findings, summary
from helpers.tasks.prediction_panel import DUPLICATE
from helpers.tasks.requirements import CannotAnswer

ROLES = {DUPLICATE: "ceiling", "no change": "floor", "mean": "floor"} | {
    "mean, own context": "floor"
}


def table(task, values, *, dataset="simulated: w", metric="l2", n=24, third=True):
    """A score table: mean values by model, the same noise for all, and thirds of effects."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.2, n)
    rows = []
    given = {metric: values} | ({"effect_third": {DUPLICATE: None}} if third else {})
    for name, models in given.items():
        for model, mean in models.items():
            for i in range(n):
                value = float(i * 3 // n) if mean is None else mean + noise[i] + rng.normal(0, 0.01)
                rows.append(
                    dict(task=task, dataset=dataset, split="s", protocol="revised", model=model)
                    | dict(params="{}", post="raw", metric=name, unit_kind="perturbation")
                    | dict(role=ROLES.get(model, "candidate"), unit=f"u{i}", seed=0)
                    | dict(cluster=f"u{i}", n=1, value=value)
                )
    return pd.DataFrame(rows)


DOUBLES = {"no change": 9.0, "mean": 8.0, "additive": 5.0, "good": 4.0, DUPLICATE: 3.0}


class TestSummary:
    def test_a_standing_is_between_floor_and_duplicate(self):
        tables = {"effects/doubles": table("doubles", DOUBLES)}
        found = summary.standings(tables).set_index("model")["standing"]
        assert found["mean"] == pytest.approx(0, abs=0.01)
        assert found[DUPLICATE] == 1 and found["good"] == pytest.approx(0.8, abs=0.01)
        assert found["no change"] < 0
        with pytest.raises(CannotAnswer):
            summary.standings({})

    def test_higher_can_be_better(self):
        values = {"no change": 0.5, "good": 0.7, DUPLICATE: 0.9}
        metric = summary.PRIMARY["interactions"]
        tables = {"effects/interactions": table("interactions", values, metric=metric)}
        found = summary.standings(tables).set_index("model")["standing"]
        assert found["good"] == pytest.approx(0.5, abs=0.05)

    def test_no_range_has_no_standing(self):
        values = {"no change": 3.0, "good": 2.0, DUPLICATE: 3.5}
        tables = {"effects/doubles": table("doubles", values)}
        assert summary.standings(tables)["standing"].isna().all()

    def test_leaders(self):
        tables = {"effects/doubles": table("doubles", DOUBLES)}
        found = summary.leaders(summary.standings(tables))
        assert found["best"].tolist() == ["good"] and found["next"].tolist() == ["additive"]
        given = dict(seed=0, n_resamples=1_000)
        found = summary.beside_next(found, tables, **given)
        assert found["verdict"].tolist() == ["better"]
        assert summary.beside_next(found.assign(next=""), tables, **given)["verdict"].item() == ""
        said = summary.leaders_said(found)
        assert said == (
            "Of 1 world, the best mean is that of good in 1. In 1 of these 1 the best model is "
            "shown to be better than the next."
        )
        two = pd.concat([found, found.assign(best="b", verdict="undecided")])
        said = summary.leaders_said(two)
        assert said.startswith("No one model leads: of 2 worlds, the best mean is that of b in 1;")
        assert "In 1 of these 2 the best" in said
        below = summary.leaders_said(found.assign(standing=-0.1))
        assert below == "In 1 no model has a better mean than the floors (doubles: w)."
        unknown = summary.leaders_said(pd.concat([found, found.assign(standing=np.nan)]))
        assert unknown == (
            "Of 2 worlds, the best mean is that of good in 1. In 1 of these 1 the best model is "
            "shown to be better than the next. Not counted, for want of a floor below a ceiling: 1."
        )
        assert summary.leaders_said(found.iloc[:0]).startswith("No model was scored")

    def test_agreement_is_in_the_better_direction(self):
        one = table("doubles", {"a": 1.0, "b": 2.0, "c": 3.0}, third=False)
        two = table("doubles", {"a": 0.9, "b": 0.5, "c": 0.1}, metric="pearson_delta", third=False)
        tau = summary.agreement(pd.concat([one, two]), ("l2", "pearson_delta"))
        assert (tau.to_numpy() == 1).all()
        assert "agree by 1.00 (median of Kendall's tau)" in summary.agreement_said(tau)
        few = summary.agreement(one[one["model"] == "a"], ("l2", "pearson_delta"))
        assert few.isna().all().all()
        assert summary.depends_said({"some-task": tau}).endswith(
            "a median Kendall's tau of 1.00 (some task), where 1 is the same order."
        )
        assert summary.depends_said({"a": few}).startswith("Whether the order of models depends")
        assert summary.agreement_said(few).startswith("Too few models")

    def test_strata_by_effect(self):
        rows = table("doubles", DOUBLES)
        weak = (rows["model"] == "good") & (rows["unit"].isin([f"u{i}" for i in range(8)]))
        rows.loc[weak, "value"] = 9.0
        found = summary.by_effect(rows, floor="no change")
        good = found.set_index("model").loc["good"]
        assert good["weak"] > 0.9 and good["strong"] == pytest.approx(4 / 9, abs=0.05)
        assert found["worlds"].eq(1).all()
        said = summary.effect_said(found, "no change")
        assert "models have a smaller mean error on strong" in said and "worlds" not in said
        assert "good goes from" in said
        more = pd.concat([rows, rows[rows["model"] != "good"].assign(dataset="simulated: v")])
        said = summary.effect_said(summary.by_effect(more, floor="no change"), "no change")
        assert said.endswith("(scored in 1 of 2 worlds).")
        assert summary.effect_said(found.iloc[:0], "x").startswith("Effects of different size")
        with pytest.raises(CannotAnswer, match="was not scored"):
            summary.by_effect(rows, floor="nobody")


class TestClaims:
    @pytest.mark.parametrize(
        "bears, verdict",
        [
            ([True, True], claims.SHOWN),
            ([True, None], claims.IN_PART),
            ([True, False, None], claims.BOTH),
            ([False, None], claims.NOT_SHOWN),
            ([None], claims.UNDECIDED),
            ([], claims.UNTESTABLE),
        ],
    )
    def test_a_verdict_counts_worlds(self, bears, verdict):
        assert claims.verdict_of(bears) == verdict

    def tables(self):
        doubles = [
            table("doubles", DOUBLES, dataset="simulated: saturates"),
            table("doubles", DOUBLES | {"good": 5.0}, dataset="simulated: adds"),
        ]
        unseen = {"mean": 5.0, "linear model": 6.0, "linear model, known P": 4.0}
        unseen |= {"linear model, random G": 5.0, "no change": 7.0, DUPLICATE: 3.0}
        transfer = {"mean, own context": 5.0, "linear model, P of other contexts": 5.0}
        transfer |= {"no change": 7.0, DUPLICATE: 3.0, "copied change": 4.0}
        return {
            "effects/doubles": pd.concat(doubles),
            "effects/unseen-perturbations": table("unseen-perturbations", unseen),
            "effects/transfer": table("transfer", transfer),
        }

    def test_worlds_decide(self):
        found = claims.found_here(self.tables(), n_resamples=2_000).set_index("claim")
        rows = found["verdict"].tolist()
        assert rows[0] == claims.BOTH and "saturates: good better" in found["found"].iloc[0]
        assert rows[1] == rows[2] == claims.UNTESTABLE  # no interactions were scored
        assert rows[3] == claims.SHOWN  # the linear model is worse than the mean
        assert rows[5] == claims.SHOWN  # known P is better
        assert rows[6] == claims.NOT_SHOWN  # tied
        assert set(rows[7:]) == {claims.UNTESTABLE}
        own = pd.DataFrame({"verdict": ["reproduced", "not testable here; why", "reproduced"]})
        said = claims.tally_said(own, found.reset_index())
        assert said.startswith(
            "By the authors' own scores, of 3 claims: 2 reproduced; 1 not testable here. In worlds "
            "whose truth is known, of 9 claims: 1 both ways (borne out in some worlds, turned "
            "around in others);"
        )
        said = claims.tally_said(None, found.reset_index())
        assert said.startswith("The authors' own scores are not at hand. In worlds whose truth")
        assert set(claims.found_here({})["verdict"]) == {claims.UNTESTABLE}

    def test_findings_read_the_scores(self):
        tables = self.tables()
        given = dict(n_resamples=2_000, seed=0)
        by = {one.page: one for one in findings.FINDINGS}
        said = by["effects/doubles"].answer(tables, **given)
        assert said.startswith("Adding the single effects can be beaten where saturates: good")
        said = by["effects/unseen-perturbations"].answer(tables, **given)
        assert "linear model, known P, changes the error of the mean" in said
        assert "copied change changes" in by["effects/transfer"].answer(tables, **given)
        with pytest.raises(CannotAnswer):
            by["effects/doubles"].answer({}, **given)
        ledger = findings.simulated_rows(tables, **given)
        assert len(ledger) == 9 and ledger["why they differ"].str.contains("missing").all()
