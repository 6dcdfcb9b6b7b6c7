"""Findings and claims of all tiers, and the table of results: every branch, every bad input."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from helpers.book.chapters import Book
from helpers.metrics.facts import Metric
from helpers.scores import COLUMNS, check, params
from helpers.tasks import findings, results
from helpers.tasks import verdicts as verdicts_of
from helpers.tasks.catalogue import METRICS, TIERS
from helpers.tasks.effects import findings as effects
from helpers.tasks.effects.published_scores_report import curve_rows, curves_of
from helpers.tasks.embeddings import findings as embeddings
from helpers.tasks.explanation import findings as explanation
from helpers.tasks.findings import Finding, Ledger
from helpers.tasks.foundations import findings as foundations
from helpers.tasks.requirements import CannotAnswer

GIVEN = {"n_resamples": 600, "seed": 0}
B, W, T, U, C = "better", "worse", "tied", "undecided", "cannot"


def tier(name="new_tier", **given):
    nothing = {"findings": (), "claims": (), "declared": {}, "scales": {}}
    return SimpleNamespace(**{"name": name} | nothing | given)


def says(text, needs=()):
    return Finding("Is it?", "a/page", needs, lambda tables, **_: text, "these data", "others")


def refuses(tables, **_):
    raise CannotAnswer("there is nothing to compare.")


def test_a_tier_to_come_appears_by_itself_and_one_without_findings_has_no_row():
    found = findings.answers([tier(), tier("spatial", findings=(says("Yes."),))], {}, **GIVEN)
    assert found["tier"].tolist() == ["spatial"] and found["answer"].tolist() == ["Yes."]
    assert findings.without([tier(), tier("b", findings=(says("x"),))], "findings") == "new tier"
    assert findings.without([tier("b", findings=(says("x"),))], "findings") == "none"


def test_an_answer_without_scores_says_so():
    absent = says("Yes.", needs=("a/page", "b/page"))
    refused = Finding("Is it?", "a/page", (), refuses, "these", "others")
    found = findings.answers([tier(findings=(absent, refused))], {"b/page": None}, **GIVEN)
    assert found["answer"].tolist() == [
        "Not answered in this build: a/page left no scores.",
        "Not answered in this build: there is nothing to compare.",
    ]


def claims(*verdicts, **columns):
    table = pd.DataFrame({"claim": list("abc")[: len(verdicts)], "verdict": verdicts, **columns})
    return Ledger("A paper", "a/page", (), lambda tables, **_: table)


def test_claims_without_evidence_have_a_verdict_of_their_own():
    given = tier(claims=(claims("reproduced", np.nan, "", ours=["x", np.nan, ""]),))
    found = findings.ledger([tier(), given], {}, **GIVEN)
    assert found["verdict"].tolist() == ["reproduced", *[findings.NO_EVIDENCE] * 2]
    assert found["ours"].tolist() == ["x", "nothing", "nothing"]
    assert list(found.columns) == findings.LEDGER_COLUMNS
    said = findings.tally(found)
    assert said == (
        'Of 3 claims of 1 paper, 1 is judged "reproduced" and 2 "no evidence in this build".'
    )


def test_a_ledger_that_nothing_can_be_judged_by_stands_there_and_says_why():
    one = Ledger("A paper", "a/page", ("a/page",), refuses)
    for tables in ({}, {"a/page": None}):
        found = findings.ledger([tier(claims=(one,))], tables, **GIVEN)
        assert found["verdict"].tolist() == [findings.NO_EVIDENCE]
        assert found["why they differ"][0] != ""


def test_a_paper_is_one_row_with_its_claims_by_verdict():
    judged = pd.DataFrame(
        {
            "paper": ["B", "B", "A", "B"],
            "page": ["b", "b", "a", "b"],
            "verdict": ["undecided", "reproduced", "contradicted", "reproduced"],
        }
    )
    found = findings.by_paper(judged)
    assert list(found.columns) == [
        "paper",
        "claims",
        "reproduced",
        "undecided",
        "contradicted",
        "page",
    ]
    assert found.to_numpy().tolist() == [
        ["B", 3, "2", "1", "", "b"],
        ["A", 1, "", "", "1", "a"],
    ]
    assert findings.by_paper(judged.iloc[:0]).empty
    told = [
        "x: one",
        "both ways on other data",
        "shown in part on other data",
        "x (means only); two",
    ]
    apart = findings.by_paper(judged.assign(page=["b", "t/b-c", "a", "b"], verdict=told))
    assert apart.set_index("paper")[["x", "in part", "both ways"]].to_numpy().tolist() == [
        ["2", "", ""],
        ["", "", "1"],
        ["", "1", ""],
    ]
    untested = judged.assign(verdict=["not testable here", "not testable here: x", "y", "y"])
    assert list(findings.by_paper(untested).columns[2:-1]) == ["not testable", "y"]
    assert list(apart["paper"]) == ["B: b", "B: b c", "A"]


def test_claims_that_are_shown_or_not_seen_are_named():
    verdicts = [f"{verdicts_of.NOT_SHOWN}: why", verdicts_of.SHOWN, verdicts_of.BOTH]
    judged = pd.DataFrame({"claim": ["a", "b", "c"], "verdict": verdicts})
    assert findings.named(judged) == "Shown: b. Not seen: a."
    assert findings.named(judged.iloc[2:]) == "No claim is shown or not seen for certain."


def test_tiers_without_claims_make_an_empty_ledger():
    found = findings.ledger([tier()], {}, **GIVEN)
    assert found.empty and list(found.columns) == findings.LEDGER_COLUMNS
    assert findings.tally(found) == "No claim is judged yet."


def test_a_name_with_a_comma_is_closed_before_its_verb():
    assert [findings.subject(n) for n in ("GEARS", "ridge, as published", "scVI 1,000")] == [
        "GEARS",
        "ridge, as published,",
        "scVI 1,000",
    ]


def test_intervals_and_lists_in_words():
    assert findings.with_interval(-0.5, -1, 0.004) == (
        "\N{MINUS SIGN}0.50 (95 % interval \N{MINUS SIGN}1.00 to 0.00)"
    )
    assert findings.with_interval(0.5, np.nan, np.nan) == "0.50 (too few units for an interval)"
    assert findings.with_interval(np.nan, 0, 1) == "not scored"
    assert [findings.listed(n) for n in ("", "a", "ab", "abc")] == [
        "none", "a", "a and b", "a, b and c",
    ]  # fmt: skip


def test_every_finding_and_every_ledger_names_chapters_and_pages_that_are_there():
    chapters = Book(Path(__file__).parents[1]).chapters
    for one in TIERS:
        for found in (*one.findings, *one.claims):
            assert f"chapters/{found.page}" in chapters
            for name in found.needs:
                assert chapters[f"chapters/{name}"].saves_scores, name


# Effects ------------------------------------------------------------------------------------


def pair(model, other, verdict, dataset="replogle_k562_essential", difference=None):
    p = 0.001 if verdict in (B, W) else 0.5
    sign = {B: -0.1, W: 0.1}.get(verdict, 0.01)
    return {
        "model": model, "other": other, "dataset": dataset, "verdict": verdict, "p_holm": p,
        "difference": sign if difference is None else difference, "low": sign - 0.05,
        "high": sign + 0.05, "least_p_holm": 1e-4,
    }  # fmt: skip


def of_additive(**verdicts):
    return pd.DataFrame([pair(m, "additive", v) for m, v in verdicts.items()])


@pytest.mark.parametrize(
    "verdicts, head",
    [
        ({"GEARS": W, "CPA": W}, "No: 2 of 2 have a larger error"),
        ({"GEARS": W, "CPA": U}, "None is shown to: 1 of 2"),
        ({"GEARS": T, "CPA": U}, "None is shown to: 0 of 2"),
        ({"GEARS": B, "CPA": W}, "Some do: GEARS have a smaller error"),
    ],
)
def test_deep_models_against_adding(verdicts, head):
    said = effects.about_adding(of_additive(**verdicts), 2.8)
    assert said.startswith(head) and "where the additive model's error is 2.80" in said
    assert "95 % interval" in said


def test_nothing_to_compare_with_adding_is_refused():
    with pytest.raises(CannotAnswer, match="no deep-learning model"):
        effects.about_adding(pd.DataFrame([pair("no change", "additive", W)]), 2.8)


def of_mean(verdict):
    datasets = effects.TITLES
    return pd.DataFrame(
        [pair("GEARS", "mean", verdict, d) for d in datasets]
        + [pair("mean", "scGPT", {B: W, W: B}.get(verdict, verdict), d) for d in datasets]
    )


@pytest.mark.parametrize(
    "verdict, head", [(W, "No"), (T, "No"), (U, "It is undecided"), (B, "Some do")]
)
def test_deep_models_against_averaging(verdict, head):
    said = effects.about_averaging(of_mean(verdict))
    assert said.startswith(head)
    assert "in Adamson, K562 (" in said and "95 % interval" in said


def test_no_deep_model_against_averaging_is_refused():
    with pytest.raises(CannotAnswer, match="on single genes"):
        effects.about_averaging(pd.DataFrame([pair("LM", "mean", W)]))


def ratio(low, high):
    return pd.Series({"mean": (low + high) / 2, "low": low, "high": high})


@pytest.mark.parametrize(
    "verdicts, head",
    [
        ([B, B], "Yes"),
        ([U, B], "In part"),
        ([B, W], "In part"),
        ([U, W], "It is undecided"),
        ([T, W], "No"),
        ([np.nan, np.nan], "It is undecided"),
    ],
)
def test_an_embedding_of_another_screen(verdicts, head):
    found = dict(zip(effects.TITLES, (ratio(0.8, 0.9), ratio(np.nan, np.nan)), strict=False))
    said = effects.about_another_screen(found, dict(zip(found, verdicts, strict=True)))
    assert said.startswith(f"{head}: the error")
    with pytest.raises(CannotAnswer):
        effects.about_another_screen({}, {})


def test_scores_that_could_not_be_had_are_a_refusal():
    with pytest.raises(CannotAnswer, match="not at hand"):
        other = {effects.SCORES: pd.DataFrame({"task": ["other"]})}
        effects.of_task(other, "double-perturbations")


def test_curves_are_kept_as_scores_and_come_back():
    curves = pd.DataFrame(
        {"model": ["no change", "GEARS"], "fdp": [0.1, 0.29], "tpr": [0.2, np.nan]}
    )
    kept = check(curve_rows(curves), METRICS)
    assert kept["role"].tolist() == ["floor", "reported"]
    pd.testing.assert_frame_equal(curves_of(kept), curves)


# Embeddings ---------------------------------------------------------------------------------


def test_a_tally_of_tasks_says_what_is_decided_and_what_is_not():
    judged = {"a": B, "b": W, "c": T, "d": U, "e": C}
    said = embeddings.said_of(judged, {name: f"x{name}" for name in judged})
    assert said == (
        "better in a, by xa; worse in b, by xb; tied in c, by xc; undecided in d; "
        "too little data in e"
    )


@pytest.mark.parametrize(
    "verdict, scale, said",
    [
        ("worse", 2.0, "0.40 (95 % interval 0.20 to 0.60)"),
        ("better", -1.0, "0.20 (95 % interval 0.10 to 0.30)"),
        ("tied", 1.0, "-0.20 (95 % interval -0.30 to -0.10)"),
        ("undecided", 0.0, "0.00 (too few units for an interval)"),
    ],
)
def test_better_and_worse_are_by_a_size(verdict, scale, said):
    row = {"difference": -0.2, "low": -0.3, "high": -0.1}
    found = embeddings.difference_said(row, scale, verdict)
    assert found == said.replace("-", "\N{MINUS SIGN}")


def test_names_are_left_out_of_tallies():
    said = "against them: better in 1 (PCA (raw); PCA), tied in 2 (a; b); and 3 (c)"
    assert embeddings.without_names(said) == "against them: better in 1, tied in 2; and 3 (c)"


def test_the_papers_tables_are_counted_without_an_interval():
    said = embeddings.foundation_models({}, **GIVEN)
    assert "they do not: PCA or an scVI leads in 11 of 12 columns against 0 in" in said
    assert "without intervals" in said
    assert "in some they do:" in embeddings.about_leads({"a": (3, 1, 4), "b": (1, 3, 4)})
    assert embeddings.about_leads({"a": (2, 1, 4)}).endswith("against 1 in a (level in 1).")
    assert "they do, or as much:" in embeddings.about_leads({"a": (2, 2, 4)})


@pytest.mark.parametrize(
    "judged, head",
    [
        ([B, W, U], "It depends on the task"),
        ([B, B], "Yes"),
        ([B, U], "In some tasks"),
        ([W, T], "No"),
        ([W, U], "In no task for certain, and in some less"),
        ([W, C], "In no task for certain, and in some less"),
        ([T, T], "No, they are alike"),
        ([T, U], "It is undecided"),
        ([C], "It is undecided"),
    ],
)
def test_verdicts_by_task_come_to_a_word(judged, head):
    assert embeddings.head_of(dict(enumerate(judged))) == head


def test_a_letter_shared_among_all_models_is_said_beside_a_decided_comparison():
    letters = {"a": [{"a"}, {"a", "b"}], "b": [{"a"}, {"b"}], "c": [set(), set()]}
    said = embeddings.among_all({"a": W, "b": B, "c": B}, letters)
    assert said.endswith("the two are not told apart in a.")
    assert embeddings.among_all({"a": U, "b": B, "c": B}, letters) == ""


def test_the_untrained_network_stands_beside_a_difference_from_pca():
    said = embeddings.beside_untrained({"a": B, "b": U}, {"a": W, "b": C})
    assert "untrained is, against PCA, better in a; undecided in b. Against itself" in said
    assert said.endswith("scVI is worse in a; too little data in b.")
    assert embeddings.beside_untrained({}, {}) == ""


# Foundations and explanation ----------------------------------------------------------------


def controls(shared, disjoint):
    rows = {"shared controls": shared, "disjoint controls": disjoint}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "low", "high"])


@pytest.mark.parametrize(
    "shared, disjoint, head",
    [
        ((0.8, 0.7, 0.9), (0.0, -0.1, 0.1), "Yes: effects"),
        ((0.1, 0.0, 0.2), (0.0, -0.1, 0.1), "It is not shown here: effects"),
        ((0.8, np.nan, np.nan), (0.0, -0.1, 0.1), "Too few draws"),
    ],
)
def test_shared_controls(shared, disjoint, head):
    assert foundations.about_controls(controls(shared, disjoint)).startswith(head)


def change(mean, low, high):
    return pd.Series({"mean": mean, "low": low, "high": high, "easy": 0.9, "hard": 0.9 + mean})


@pytest.mark.parametrize(
    "true, faithful, head",
    [
        ((-0.3, -0.4, -0.2), (0.0, -0.1, 0.1), "Not for being faithful"),
        ((-0.3, -0.4, -0.2), (-0.2, -0.3, -0.1), "As far as faithfulness warns"),
        ((-0.3, -0.4, -0.2), (-0.02, -0.03, -0.01), "Not for being faithful"),
        ((-0.3, -0.4, -0.2), (0.0, -0.3, 0.3), "Whether faithfulness warns of it is undecided"),
        ((0.0, -0.1, 0.1), (0.0, -0.1, 0.1), "It is undecided"),
        ((0.2, 0.1, 0.3), (0.0, -0.1, 0.1), "Nothing here speaks against it"),
        ((-0.3, np.nan, np.nan), (0.0, -0.1, 0.1), "Too few draws"),
    ],
)
def test_an_explanation_that_is_faithful_need_not_be_true(true, faithful, head):
    said = explanation.about_faith(change(*true), change(-0.2, -0.3, -0.1), change(*faithful))
    assert said.startswith(head) and "a single sample names 90 % and 70 %" in said


def explained(n_draws, hard=0.6):
    rows = [
        {"metric": m, "dataset": d, "model": "MLP", "seed": seed, "value": v + 0.01 * (seed % 2)}
        for m, values in (
            (explanation.TRUE, (0.9, hard)),
            (explanation.ONE, (0.7, 0.4)),
            (explanation.FAITHFUL, (0.9, 0.9)),
        )
        for d, v in zip((explanation.EASY, explanation.HARD), values, strict=True)
        for seed in range(n_draws)
    ]
    return {"explanation/faithful-is-not-true": pd.DataFrame(rows)}


def test_draws_of_an_explanation_are_paired():
    said = explanation.faithful_and_true(explained(6), **GIVEN)
    assert said.startswith("Not for being faithful") and "names 91 % where" in said
    assert explanation.faithful_and_true(explained(1), **GIVEN).startswith("Too few draws")
    with pytest.raises(CannotAnswer, match="was not scored"):
        explanation.faithful_and_true(
            {k: t[t["dataset"] == explanation.EASY] for k, t in explained(3).items()}, **GIVEN
        )


# Results ------------------------------------------------------------------------------------

FACT = Metric("m", "A metric", 0.0, 1.0, "higher", 0.1, "here")


def table(n_units=20, **columns):
    rng = np.random.default_rng(0)
    models = {
        "truth": ("ceiling", 0.9), "good": ("candidate", 0.7), "as good": ("candidate", 0.7),
        "poor": ("candidate", 0.3), "noise": ("floor", 0.1),
    }  # fmt: skip
    return pd.concat(
        pd.DataFrame(
            {
                "task": "t", "dataset": "d", "split": "all", "protocol": "revised", "model": name,
                "params": params({}), "post": "raw", "metric": "m", "role": role,
                "unit_kind": "unit", "unit": [f"u{i}" for i in range(n_units)],
                "cluster": [f"u{i}" for i in range(n_units)], "seed": 0, "n": 1,
                "value": mean + 0.02 * rng.standard_normal(n_units), **columns,
            }
        )
        for name, (role, mean) in models.items()
    )  # fmt: skip


def of(*tables, declared=None, **given):
    one = tier("a", primary={"t": "m"}, metrics={"m": FACT}, declared=declared or {}, **given)
    return results.results([one], {f"a/{i}": t for i, t in enumerate(tables)}, **GIVEN)


def test_results_hold_every_model_with_interval_and_letter_and_are_not_sorted_by_score():
    found = of(table())
    assert found["model"].tolist() == ["truth", "as good", "good", "poor", "noise"]
    assert found["group"].tolist() == ["", "a", "a", "b", ""]
    assert (found["low"] < found["mean"]).all() and (found["mean"] < found["high"]).all()


def test_letters_take_the_scale_of_a_metric_whose_floors_and_ceilings_are_not_its_ends():
    near = table()
    floors = near["role"] == "floor"
    near.loc[floors, "value"] = near.loc[floors, "value"] + 0.8  # as in batch mixing
    near.loc[near["model"] == "poor", "value"] += 0.35  # 0.05 below the good ones
    assert of(near)["group"].tolist() == ["", "a", "a", "b", ""]
    assert of(near, scales={"m": (0.0, 1.0)})["group"].tolist() == ["", "a", "a", "a", ""]


def test_a_published_split_is_not_taken_for_a_published_protocol():
    found = results.readable(of(table(split="published")), {"m": FACT})
    assert set(found["setting"]) == {"published split, revised, raw"}


def test_few_units_and_what_is_not_scored_have_no_letters():
    assert set(of(table(n_units=4))["group"]) == {""}
    assert of(table(n_units=4))["low"].isna().all()
    lost = table()
    lost.loc[lost["model"] == "poor", "value"] = np.nan
    found = of(lost).set_index("model")
    assert found.loc["poor", "group"] == "" and np.isnan(found.loc["poor", "mean"])
    assert found.loc["good", "group"] == "a"
    assert of().empty and list(of().columns) == results.COLUMNS


def test_declared_settings_are_taken_and_others_kept_apart():
    both = pd.concat([table(), table(post="centred"), table(protocol="published")])
    assert set(of(both)["protocol"]) == {"revised"}
    assert set(of(both)["post"]) == {"raw", "centred"}
    assert set(of(both, declared={"t": {"post": "raw"}})["post"]) == {"raw"}
    assert set(of(table(protocol="published"))["protocol"]) == {"published"}
    assert set(of(table(protocol="published"), table())["protocol"]) == {"revised"}
    probes = pd.concat([table(params=params({"probe": p})) for p in ("ridge", "linear")])
    assert set(of(probes)["setting"]) == {"probe linear", "probe ridge"}
    (only,) = set(of(probes, declared={"t": {"probe": "ridge"}})["setting"])
    assert only == ""


def test_repeats_under_seeds_of_their_own_are_pooled():
    draws = [
        table(seed=i, split=f"split {i}", params=params({"draw": i}), cluster=f"c{i}")
        for i in range(3)
    ]
    found = of(pd.concat(draws))
    assert set(found["split"]) == {"3 splits"} and set(found["setting"]) == {""}
    assert set(found["n_units"]) == {60} and set(found["n_clusters"]) == {3}


def test_a_parameter_that_counts_draws_is_no_setting_and_one_that_crosses_them_is():
    draws = [
        table(seed=seed, params=params({"draw": i, "k": k}), cluster=f"draw {i}")
        for i in range(2)
        for k in (5, 10)
        for seed in (0, 1)  # the same trainings of each draw
    ]
    found = of(pd.concat(draws))
    assert set(found["setting"]) == {"k 5", "k 10"} and set(found["n_clusters"]) == {2}


def test_units_that_are_other_things_for_each_model_are_not_paired():
    apart = table()
    apart["cluster"] = apart["model"] + apart["unit"]
    assert set(of(apart)["group"]) == {""}


def test_the_same_rows_of_two_chapters_count_once():
    assert len(of(table(), table())) == 5
    assert of(table(), table())["n_units"].tolist() == [20] * 5


def test_columns_of_the_download_are_explained_and_metrics_have_bounds_in_words():
    assert list(results.MEANINGS) == list(COLUMNS)
    assert results.dictionary()["meaning"].str.len().min() > 10
    found = results.readable(of(table()), {"m": FACT})
    assert found["95 % interval"].str.contains(" to ").all()
    assert set(found["task"]) == {"t (0)"}  # asked on another page than its own
    own = results.results(
        [tier("a", primary={"t": "m"}, metrics={"m": FACT})], {"a/t": table()}, **GIVEN
    )
    assert set(results.readable(own, {"m": FACT})["task"]) == {"t"}
    few = results.readable(of(table(n_units=4)), {"m": FACT})
    assert (few["95 % interval"] == "none").all()
    wide = results.readable(of(table()).assign(low=-0.1, high=1.2), {"m": FACT})
    assert set(wide["95 % interval"]) == {"0.000 to 1.000"}  # no mean lies beyond the range
    free = Metric("m", "A metric", 0.0, np.inf, "lower", np.nan, "here")
    (row,) = results.metrics_of(of(table()), {"m": free}).to_dict("records")
    assert (row["range"], row["by chance"]) == ("0 to no bound", "depends on the data")


def test_tasks_without_a_primary_metric_are_named():
    one = tier("a", primary={"t": "m"})
    tables = {"a/0": table(), "a/1": table(task="screen-quality")}
    assert results.left_out([one], tables) == "screen quality"
    assert results.left_out([one], {"a/0": table()}) == "none"


def test_the_front_page_has_what_its_answers_read_and_a_card_for_each_page_of_a_tier():
    book = Book(Path(__file__).parents[1])
    asked = {n for tier in TIERS for f in tier.findings if f.front for n in f.needs}
    assert asked <= set(book.chapters["intro"].needs)
    text = (book.folder / "intro.md").read_text()
    pages = {n for tier in book.tiers for n in book.pages_of(tier) if not n.endswith("/index")}
    assert {n for n in pages if f":link: {n}\n" not in text} == set()
