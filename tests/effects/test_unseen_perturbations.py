"""Unseen perturbations: the task on simulated screens, labels within genes, and what is said."""

import numpy as np
import pandas as pd
import pytest

from helpers.data import registry
from helpers.data.contract import DataError
from helpers.data.simulate.screen import simulate_screen
from helpers.metrics.effects.facts import METRICS
from helpers.metrics.effects.within_gene import auroc_by_gene
from helpers.scores import check
from helpers.tasks.effects import held_out_report as report
from helpers.tasks.effects import perturbation_labels as labels_task
from helpers.tasks.effects import unseen_perturbations as task
from helpers.tasks.effects import unseen_perturbations_report as words

KNOBS = dict(
    n_cells=2_000,
    n_genes=90,
    n_targets=32,
    guides_per_target=1,
    n_control_guides=4,
    effective_share=1.0,
    unexpressed_share=0.0,
    efficacy=1.0,
    n_programs=12,
    library_size=8_000.0,
    n_complexes=8,
    opposite_share=0.0,
    complex_similarity=0.9,
    database_recall=1.0,
    database_false_share=0.0,
)


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(np.random.default_rng(0), **KNOBS)


@pytest.fixture(scope="module")
def rows(screen):
    table = task.unseen_scores.function(screen, seed=0, n_folds=2)
    assert table.groupby(["prediction", "metric"])["perturbation"].nunique().eq(32).all()
    return check(
        report.score_rows({("simulated: d", 0): table}, task=task.TASK, roles=task.ROLES), METRICS
    )


class TestTask:
    def test_what_is_known_helps_and_what_is_not_does_not(self, rows):
        own = rows[(rows["metric"] == "l2") & (rows["post"] == "raw")]
        error = own.groupby("model")["value"].mean()
        assert error["linear model, known P"] < 0.95 * error["mean"]
        for probe in ("linear model, shuffled labels", "linear model, random P"):
            assert error[probe] > 0.97 * error["mean"]
        blind = error["linear model, blind to the perturbation"]
        assert blind == pytest.approx(error["mean"], rel=0.1)

    def test_a_split_by_similarity_is_no_more_similar_than_asked(self, screen):
        table = task.unseen_scores.function(screen, seed=0, similarity=0.5)
        assert table["similarity"].max() <= 0.5
        leak = task.leakage_table.function(screen, seed=0, similarity=0.5, n_random=5)
        assert leak["nearest"].iloc[1] < leak["nearest"].iloc[0]
        assert "below all 0." in words.leakage_said(leak)
        leak.loc[1, "nearest"] = leak.loc[1, "high"]
        assert "within the range of" in words.leakage_said(leak)
        leak.loc[1, "nearest"] = leak.loc[1, "high"] + 0.1
        assert "above all 0." in words.leakage_said(leak)

    def test_a_gene_that_is_not_measured_is_counted(self, screen):
        table = task.unseen_scores.function(screen, seed=0, n_genes=30)
        own = table[(table["prediction"] == "linear model") & (table["metric"] == "l2")]
        assert 0 < own["imputed"].sum() < 32
        rows = report.score_rows({("d", 0): table}, task=task.TASK, roles=task.ROLES)
        pairs, filled = (
            report.against(
                report.chosen(rows, "l2", post=post), "mean", metric="l2", seed=0, n_resamples=500
            )
            for post in ("raw", report.IMPUTED)
        )
        selection = words.selection_table(pairs, filled)
        assert set(selection["scored"]) == {"predicted", report.IMPUTED}
        assert "linear model" in set(selection["model"])

    def test_too_few_perturbations(self, screen):
        few = screen[
            screen.obs["perturbation"].isin(["control", *screen.uns["truth"]["effects"].index[:5]])
        ]
        with pytest.raises(DataError, match="8 are needed"):
            task.unseen_scores.function(few, seed=0)

    def test_penalty_one_collapses(self, screen):
        table = task.collapse_table.function(screen, seed=0)
        assert "Penalty" not in words.collapse_said(table).split(",")[0]
        same = table.assign(spread=1.0)
        assert words.collapse_said(same).startswith("Penalty 1 does not collapse")

    def test_every_world_is_a_screen(self):
        for world in task.WORLDS:
            knobs = task.unseen_screen(world, 0, "tiny").arguments["knobs"]
            assert ("n_complexes" in knobs) == (world == "complexes act alike")


class TestWithinGene:
    def test_is_the_probability_of_a_right_order(self):
        rng = np.random.default_rng(0)
        gene = np.repeat(["a", "b", "c"], 20)
        label = rng.integers(0, 2, 60)
        label[40:] = 0  # c never changes
        score = rng.integers(0, 5, 60).astype(float)
        found = auroc_by_gene(gene, label, score)
        assert list(found.index) == ["a", "b"]
        for name, row in found.iterrows():
            own = gene == name
            up, down = score[own & (label == 1)], score[own & (label == 0)]
            wins = (up[:, None] > down).mean() + (up[:, None] == down).mean() / 2
            assert row["auroc"] == pytest.approx(wins)
        with pytest.raises(ValueError, match="finite"):
            auroc_by_gene(["a"], [1], [np.nan])

    def test_a_rate_of_the_gene_ranks_nothing(self):
        found = auroc_by_gene(np.repeat(["a", "b"], 4), [0, 1, 0, 1] * 2, np.repeat([0.1, 0.9], 4))
        assert (found["auroc"] == 0.5).all()


class TestLabels:
    def toy(self):
        rng = np.random.default_rng(0)
        names = [f"p{i:02d}" for i in range(40)]
        embedding = pd.DataFrame(rng.standard_normal((40, 3)), index=names)
        W = rng.standard_normal((3, 15))
        table = [
            (line, p, f"g{j:02d}", int((embedding.loc[p] @ W[:, j]) + rng.normal(0, 0.3) > 0.4))
            for line in ("x", "y")
            for p in names
            for j in range(15)
        ]
        labels = pd.DataFrame(table, columns=["line", "perturbation", "gene", "label"])
        labels["part"] = np.where(labels["perturbation"] < "p25", "train", "test")
        return labels, embedding

    def test_an_embedding_that_tells_is_found(self):
        labels, embedding = self.toy()
        table = labels_task.label_scores.function(labels, embedding, line="x", seed=0)
        means = table[table["gene"] != words.POOLED].groupby("model")["auroc"].mean()
        assert means[labels_task.RATE] == 0.5
        assert means["linear model, P of gene sets"] > 0.8
        assert means[labels_task.COPIED] > 0.8  # both lines follow one rule
        assert means["linear model, shuffled labels"] < 0.7
        rows = check(words.label_rows({"x": table}, seed=0), METRICS)
        within = rows[rows["metric"] == "gene_auroc"]
        pairs = report.against(within, labels_task.RATE, metric="gene_auroc", seed=0)
        said = words.labels_said(pairs, report.means(within))
        assert "in x (" in said and "above one half; knowing the perturbation's strength" in said
        for verdict, text in words._AGAINST_CHANCE.items():
            assert text in words.labels_said(pairs.assign(verdict=verdict), report.means(within))
        assert words.labels_said(pairs, report.means(within).iloc[:0]).startswith("No model of")
        found = report.means(within)
        copy = found["model"] == labels_task.COPIED
        assert words.labels_said(pairs, found.assign(mean=found["mean"].mask(copy, 0.7))).endswith(
            "A copy of the label that was measured in another line has 0.70 in x."
        )
        without = found.assign(mean=found["mean"].mask(copy))
        assert words.labels_said(pairs, without) == words.labels_said(pairs, found[~copy])
        assert "another line" not in words.labels_said(pairs, found[~copy])
        assert "AUROC of 0." in words.pooled_said(rows)
        assert words.pooled_said(within).startswith("The pooled AUROC was not")
        with pytest.raises(DataError, match="no line"):
            labels_task.label_scores.function(labels, embedding, line="z", seed=0)
        copied = labels_task.copied_scores.function(labels, line="x", source="y")
        assert copied["auroc"].mean() > 0.7

    def test_the_stated_rates_of_genes_come_out(self):
        status = registry.status("perturbqa-labels")
        if status["state"] == "absent":
            pytest.skip("perturbqa-labels is not on this machine")
        from helpers.data.sets.perturbqa_labels import read

        labels = read(status["paths"])
        stated = {"K562": 0.957, "RPE1": 0.978, "HepG2": 0.961, "Jurkat": 0.963}
        for line, value in stated.items():
            own = labels[labels["line"] == line]
            train, test = own[own["part"] == "train"], own[own["part"] == "test"]
            rate = train.groupby("gene")["label"].mean()
            score = test["gene"].map(rate).fillna(0).to_numpy()
            from helpers.metrics.predicted.de_recovery import auroc

            got = auroc(test["label"].to_numpy(bool)[None], score[None])[0]
            assert got == pytest.approx(value, abs=0.004)
            n = len(auroc_by_gene(test["gene"], test["label"], score))
            assert 665 <= n <= 750


def pairs_of(verdicts: dict, dataset="simulated: w"):
    rows = [
        dict(dataset=dataset, model=m, role="candidate", verdict=v, difference=-0.5)
        | dict(low=-0.6, high=-0.4, n_units=9, p_holm=0.01, margin=0.7)
        for m, v in verdicts.items()
    ]
    return pd.DataFrame(rows)


class TestSentences:
    def test_in_short(self):
        said = words.in_short(pairs_of({"a": "better", "b": "worse"}))
        assert said.startswith("Where w, a changes the error of the mean by \N{MINUS SIGN}0.50")
        assert "no model is shown" in words.in_short(pairs_of({"a": "undecided"}))
        open_ = pairs_of({"a": "undecided"})
        both = pd.concat([open_, open_.assign(dataset="simulated: v")])
        assert words.in_short(both).startswith("Where w or v, no model is shown")
        said = words.in_short(pairs_of({"a": "tied", task.OWN_GENE: "better"}))
        assert said.startswith("Where w, a is better by less than matters (\N{MINUS SIGN}0.50, ")
        assert said.endswith("is better than the mean in 1 of 1 worlds.")
        slight = pairs_of({task.OWN_GENE: "tied"})
        assert words.in_short(slight).endswith(
            "in 0 of 1 worlds, and by less than matters in 1 (within a margin of 0.70)."
        )
        two = pd.concat([slight, slight.assign(dataset="simulated: v", margin=0.2)])
        assert words.in_short(two.reset_index(drop=True)).endswith("of 0.20 to 0.70).")
        assert words.in_short(slight.assign(high=0.1)).endswith("in 0 of 1 worlds.")
        assert words.in_short(pairs_of({task.OWN_GENE: "worse"})).startswith("To know no more")
        assert words.in_short(pairs_of({"a": "better"}).iloc[:0]).startswith("No model")

    @pytest.mark.parametrize("verdict", ["better", "worse", "tied", "undecided", "cannot"])
    def test_information(self, verdict):
        said = words.information_said(
            pairs_of({"k": verdict, "m": verdict}), "simulated: w", "k", "m"
        )
        start = {"better": "helps", "worse": "does harm", "tied": "no difference"}
        assert start.get(verdict, "is undecided") in said
        nothing = words.information_said(pairs_of({"m": "tied"}), "simulated: w", "k", "m")
        assert nothing.startswith("Nothing is known")

    def test_the_mean_where_all_cells_shift(self, rows):
        said = words.shift_said(rows, "simulated: d")
        assert said.startswith("By correlation of the change from controls the mean has")
        assert words.shift_said(rows, "other").endswith("all cells shift.")
        unranked = rows[rows["metric"] != "discrimination_cosine"]
        assert "nan" not in words.shift_said(unranked, "simulated: d")

    def test_selection(self):
        table = pd.DataFrame(
            [
                dict(dataset="d", model="m", scored="predicted", verdict="better"),
                dict(dataset="d", model="m", scored=report.IMPUTED, verdict="tied"),
            ]
        )
        assert "m from better to tied" in words.selection_said(table)
        assert "all 1 verdicts stay" in words.selection_said(table.assign(verdict="tied"))
        assert words.selection_said(table.iloc[:0]).startswith("No model has gaps")

    def test_gaps_are_shown_beside_the_verdict_without_them(self):
        row = dict(dataset="simulated: d", model="m", difference=-1.0, low=-2.0, high=0.1)
        table = pd.DataFrame(
            [
                row | dict(scored="predicted", verdict="better"),
                row | dict(scored=report.IMPUTED, verdict="undecided"),
            ]
        )
        (shown,) = words.filled_table(table).to_dict("records")
        assert shown["dataset"] == "d" and shown["low"] == -2.0
        assert (shown["before"], shown["verdict"]) == ("better", "undecided")

    def test_what_an_embedding_knows(self):
        embedding = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=["A", "B", "C"])
        assert words.matched_said([*"ABCD"], embedding).startswith("P is known of 3 of 4 single")
        assert "too few to learn from" in words.matched_said(["A", "D"], embedding)


def test_reported_ratios_are_those_of_the_workbooks(paths):
    from helpers.data.sets import ahlmann_eltze2025_scores as reader
    from helpers.tasks.effects import published_scores as published

    carried = published.transfer.function(reader.read_transfer(paths))
    reported = words.REPORTED.set_index("model")
    names = {
        "K562": "replogle_k562_essential",
        "RPE1": "replogle_rpe1_essential",
        "Adamson": "adamson",
    }
    own = carried[carried["metric"] == "l2_ratio"]
    means = own.groupby(["model", "dataset"])["value"].mean()
    for model, name in (
        ("LM", "linear model"),
        (published.OTHER_LINE, "linear model, P of another screen"),
    ):
        for line, dataset in names.items():
            stated = reported.loc[name, line]
            assert means[model, dataset] == pytest.approx(stated, abs=0.0005)
