"""Claims and findings of the tier, each branch, from score tables."""

import numpy as np
import pandas as pd
import pytest

from helpers import scores
from helpers.store.kept import Kept
from helpers.tasks.explanation import claims, findings
from helpers.tasks.explanation.attribution_published import reported
from helpers.tasks.explanation.claims import CLASS, NOT_SHOWN, ONE, SHOWN, UNDECIDED, UNTESTABLE
from helpers.tasks.explanation.rankings import FAMILIES
from helpers.tasks.explanation.report import families_apart
from helpers.tasks.explanation.tier import TIER
from helpers.tasks.findings import answers, ledger
from helpers.tasks.requirements import CannotAnswer

GIVEN = {"n_resamples": 100, "seed": 0}
JITTER = (0.0, 0.001, 0.002)


def table(means, *, draws=JITTER, task="attribution", protocol="revised", params=None):
    """Score table of (data set, model, metric) to mean, on several draws and as many seeds."""
    return pd.concat(
        scores.rows(
            task=task,
            dataset=dataset,
            split="test",
            protocol=protocol,
            model=model,
            params=params or {},
            metric=metric,
            role="candidate",
            unit_kind="class",
            unit="class 0",
            cluster=f"draw {i}",
            seed=i,
            n=10,
            value=mean + step,
        )
        for (dataset, model, metric), mean in means.items()
        for i, step in enumerate(draws)
    ).reset_index(drop=True)


def spread(mean, half):
    return pd.Series({"mean": mean, "low": mean - half, "high": mean + half})


@pytest.mark.parametrize(
    "changes, above, verdict",
    [
        ([spread(0.2, 0.1)], 0.0, SHOWN),
        ([spread(0.2, 0.1), spread(0.1, 0.2)], 0.0, UNDECIDED),
        ([spread(0.2, 0.1), spread(-0.2, 0.1)], 0.0, NOT_SHOWN),
        ([spread(0.2, np.nan)], 0.0, UNDECIDED),
        ([spread(np.nan, np.nan)], 0.0, UNDECIDED),
        ([spread(-0.02, 0.01)], -0.05, SHOWN),
        ([spread(-0.2, 0.1)], -0.05, NOT_SHOWN),
        ([spread(0.0, 0.0)], 0.0, UNDECIDED),
    ],
)
def test_verdicts_have_three_values(changes, above, verdict):
    assert claims.verdict_of(changes, above=above) == verdict


@pytest.mark.parametrize(
    "mean, half, verdict",
    [
        (0.01, 0.02, SHOWN),
        (0.06, 0.02, UNDECIDED),
        (0.1, 0.02, NOT_SHOWN),
        (-0.1, 0.02, NOT_SHOWN),
        (0.0, np.nan, UNDECIDED),
    ],
)
def test_alike_needs_the_whole_interval(mean, half, verdict):
    assert claims.alike(spread(mean, half)) == verdict


def test_changes_are_paired_by_draw():
    first, last = pd.Series([0.1, 0.5, 0.3], list("abc")), pd.Series([0.2, 0.6, 0.9], list("abd"))
    found = claims.change(first, last)
    assert found["mean"] == pytest.approx(0.1)
    assert found["low"] == pytest.approx(0.1) and found["high"] == pytest.approx(0.1)
    assert np.isnan(claims.change(first[:1], last)["low"])
    with pytest.raises(CannotAnswer, match="same draws"):
        claims.change(first[2:], last)


def of_sharing(mlp, ceiling=0.95, easy=0.7, hard=0.5, draws=JITTER):
    shared, none = "2 groups a gene", "no gene shared"
    means = {(shared, "MLP", CLASS): mlp, (shared, "planted truth", CLASS): ceiling}
    means |= {(shared, "MLP", claims.PGI): 0.98}
    for model in claims.NAMES:
        means |= {(none, model, ONE): easy, (shared, model, ONE): hard}
    made = table(means, draws=draws)
    # a ceiling and a model that move together would have an interval of no width
    made.loc[(made["model"] == "planted truth") & (made["seed"] == 1), "value"] += 0.01
    made.loc[(made["dataset"] == none) & (made["seed"] == 1), "value"] += 0.01
    return {claims.FAITHFUL: made}


@pytest.mark.parametrize(
    "mlp, draws, verdict",
    [(0.8, JITTER, SHOWN), (0.99, JITTER, NOT_SHOWN), (0.95, JITTER, UNDECIDED),
     (0.8, (0.0,), UNDECIDED)],
)  # fmt: skip
def test_a_ranking_is_not_enough(mlp, draws, verdict):
    ours, found = claims.not_enough(of_sharing(mlp, draws=draws))
    assert found == verdict and "PGI of the MLP 98%" in ours


@pytest.mark.parametrize(
    "easy, hard, verdict", [(0.7, 0.5, SHOWN), (0.5, 0.7, NOT_SHOWN), (0.5, 0.5, UNDECIDED)]
)
def test_shared_genes(easy, hard, verdict):
    ours, found = claims.shared_genes(of_sharing(0.8, easy=easy, hard=hard))
    assert found == verdict and "LR" in ours and "MLP" in ours


@pytest.mark.parametrize(
    "regression, network, falls, less",
    [(0.8, 0.9, SHOWN, SHOWN), (0.9, 0.8, SHOWN, NOT_SHOWN), (1.2, 0.9, NOT_SHOWN, NOT_SHOWN),
     (0.9, 0.9, SHOWN, UNDECIDED)],
)  # fmt: skip
def test_hidden_subtypes(regression, network, falls, less):
    means = {("one kind", m, CLASS): 1.0 for m in claims.NAMES}
    means |= {("five kinds", "logistic regression", CLASS): regression}
    means |= {("five kinds", "MLP", CLASS): network}
    made = table(means)
    made.loc[(made["dataset"] == "five kinds") & (made["seed"] == 1), "value"] += 0.01
    given = {claims.MIXED: made}
    assert claims.mixed_classes(given)[1] == falls
    assert claims.network_loses_less(given)[1] == less


@pytest.mark.parametrize("gain, verdict", [(0.05, SHOWN), (-0.05, NOT_SHOWN), (0.0, UNDECIDED)])
def test_smoothing_over_a_graph(gain, verdict):
    means = {}
    for model in ("LR", "MLP"):
        means |= {
            ("small SIMU1", model, ONE): 0.7,
            ("small SIMU1", model, f"{ONE}_diffused"): 0.7 + gain,
        }
    given = {claims.ATTRIBUTION: table(means, protocol="published")}
    assert claims.diffusion(given)[1] == verdict


@pytest.mark.parametrize(
    "n_out, verdict", [(0, "reproduced"), (1, UNDECIDED), (12, "contradicted")]
)
def test_the_published_tables(n_out, verdict):
    own = reported()
    means = {
        (row.dataset, row.model, row.metric): row.value / 100 - (0.3 if i < n_out else 0)
        for i, row in enumerate(own.itertuples())
    }
    given = {claims.ATTRIBUTION: table(means, draws=(-0.01, 0.0, 0.01), protocol="published")}
    ours, found = claims.published_tables(given)
    assert found == verdict and ours.startswith(f"{len(own) - n_out} of {len(own)} values")


def test_the_published_tables_are_asked_of_draws_that_are_kept(monkeypatch):
    own = reported().iloc[:6]
    rows = own[["dataset", "model", "metric"]].assign(value=own["value"] / 100)
    moves = {0: -0.01, 1: 0.0, 2: 0.01}
    draws = pd.concat(rows.assign(value=rows["value"] + m, seed=d) for d, m in moves.items())
    given = {claims.ATTRIBUTION: table({("small SIMU1", "LR", ONE): 0.5}, protocol="published")}

    def keep(changed):
        monkeypatch.setattr(claims.kept, "load", lambda run: Kept(draws, {}, changed))

    keep(())
    ours, found = claims.published_tables(given)
    assert (ours[:30], found) == ("6 of 6 values lie inside what ", "reproduced")
    assert "our kept draws would give" in ours
    keep(("torch",))
    assert "our kept draws, which are outdated, would" in claims.published_tables(given)[0]


def test_published_tables_without_runs_of_their_size_or_with_one_draw(monkeypatch):
    monkeypatch.setattr(claims.kept, "load", lambda run: None)
    own = reported().iloc[:1]
    means = {(own["dataset"][0], "LR", own["metric"][0]): 0.9}
    one = {claims.ATTRIBUTION: table(means, draws=(0.0,), protocol="published")}
    with pytest.raises(CannotAnswer, match="one draw"):
        claims.published_tables(one)
    with pytest.raises(CannotAnswer, match="full"):
        claims.published_tables({claims.ATTRIBUTION: one[claims.ATTRIBUTION].assign(dataset="x")})


def overlaps(inside, between):
    names = list(FAMILIES)
    kinds = pd.Series(FAMILIES).replace("model", "explanation")
    values = np.where(np.equal.outer(kinds.to_numpy(), kinds.to_numpy()), inside, between)
    values = values + 0.001 * np.add.outer(np.arange(len(names)), np.arange(len(names)))
    return pd.DataFrame(values, names, names)


def test_families_are_told_apart_by_dealing_the_methods_anew():
    # twelve methods, three of them tests: 220 ways to deal them, and the true one is the best
    apart, p = families_apart(overlaps(0.8, 0.3))
    assert apart == pytest.approx(0.5, abs=0.01) and p == pytest.approx(1 / 220)
    # tests that agree with models read directly, which explanations do not
    mixed = overlaps(0.8, 0.3)
    models = [name for name, family in FAMILIES.items() if family == "model"]
    tests = [name for name, family in FAMILIES.items() if family == "test"]
    mixed.loc[tests, models] = mixed.loc[models, tests] = 0.8
    others = [name for name, family in FAMILIES.items() if family == "explanation"]
    mixed.loc[models, others] = mixed.loc[others, models] = 0.3
    assert families_apart(mixed)[1] > 0.05
    apart, p = families_apart(overlaps(0.3, 0.8))
    assert apart < 0 and p > 0.9
    hole = overlaps(0.8, 0.3)
    hole.loc["Welch t", "Wilcoxon"] = np.nan
    assert np.isnan(families_apart(hole)).all()
    assert np.isnan(families_apart(hole.drop("Welch t"))).all()


def listed(wide):
    from helpers.tasks.explanation.report import overlap_rows

    roles = dict.fromkeys(FAMILIES, "candidate")
    pairs = overlap_rows(wide, dataset="d", n_top=20, seed=0, roles=roles)
    anew = table({("d", "MLP on genes of Welch t", "retrained_accuracy"): 0.9}, task="retraining")
    return {claims.METHODS: pd.concat([pairs, anew], ignore_index=True)}


def test_lists_of_tests_and_of_explanations():
    ours, found = claims.families(listed(overlaps(0.8, 0.3)))
    assert found == SHOWN and "49 points more" in ours and "p = 0.005" in ours
    assert claims.families(listed(overlaps(0.3, 0.8)))[1] == NOT_SHOWN
    noise = np.random.default_rng(1).random((15, 15))
    wide = overlaps(0.52, 0.5) + 0.1 * (noise + noise.T)
    assert families_apart(wide)[0] > 0 and families_apart(wide)[1] > 0.05
    assert claims.families(listed(wide))[1] == UNDECIDED
    wide = overlaps(0.5, 0.501) + 0.1 * (noise + noise.T)
    assert families_apart(wide)[0] < 0 and families_apart(wide)[1] < 0.95
    assert claims.families(listed(wide))[1] == UNDECIDED
    hole = overlaps(0.8, 0.3)
    hole.loc["Wilcoxon", "Welch t"] = np.nan
    with pytest.raises(CannotAnswer, match="not made"):
        claims.families(listed(hole))
    given = listed(overlaps(0.8, 0.3))[claims.METHODS]
    with pytest.raises(CannotAnswer, match="no lists"):
        claims.families({claims.METHODS: given[given["task"] == "retraining"]})


def anew(best, others, everything, lists=()):
    chosen = {("best", 10): best, ("random without best", 50): others}
    practice = pd.concat(
        table(
            {("d", "MLP", "retrained_accuracy"): value},
            task="retraining",
            params={"k": k, "selection": selection},
        )
        for (selection, k), value in chosen.items()
        if value is not None
    )
    of_lists = {("d", f"MLP on genes of {name}", "retrained_accuracy"): v for name, v in lists}
    given = {"k": 20, "selection": "best"}
    methods = table(of_lists, task="retraining", params=given, draws=(0.0,)) if lists else practice
    means = {("d, true classes", "MLP", claims.ACCURACY): everything}
    means |= {("d, true classes", "logistic regression", claims.ACCURACY): 0.9}
    return {
        claims.PRACTICE: practice.reset_index(drop=True),
        claims.FAITHFUL: table(means),
        claims.METHODS: methods,
    }


@pytest.mark.parametrize(
    "best, others, small, lower",
    [
        (0.9, 0.88, SHOWN, SHOWN),
        (0.7, 0.6, NOT_SHOWN, NOT_SHOWN),
        (0.85, 0.8, UNDECIDED, UNDECIDED),
    ],
)
def test_few_genes_and_lower_ones(best, others, small, lower):
    given = anew(best, others, 0.9)
    wide = given[claims.PRACTICE]
    if small == UNDECIDED:  # draws that lie on both sides of the margin
        wide.loc[wide["params"].str.contains('"best"'), "value"] += np.array([-0.03, 0, 0.03])
    assert claims.small_sets(given)[1] == small
    assert claims.lower_ranks(given)[1] == lower


@pytest.mark.parametrize(
    "best, lists, verdict, said",
    [
        (
            0.9,
            [("Welch t", 0.89)],
            SHOWN,
            "of 1 other choice of list and number",
        ),
        (0.9, [("Welch t", 0.7)], UNDECIDED, "0 are less than"),
        (0.7, [("Welch t", 0.89), ("weights", 0.7)], UNDECIDED, "1 is less than"),
        (0.7, [("Welch t", 0.7), ("weights", 0.6)], NOT_SHOWN, "of 2 other choices"),
        (0.7, [("random order", 0.9), ("weights", 0.6)], NOT_SHOWN, "of 1 other choice"),
        (0.7, [("variance", 0.9), ("IG, MLP", 0.9), ("weights", 0.6)], NOT_SHOWN, "of 1 other"),
    ],
)
def test_a_small_set_is_judged_by_all_lists(best, lists, verdict, said):
    ours, found = claims.small_sets(anew(best, 0.9, 0.9, lists))
    assert found == verdict and said in ours and "10 genes" in ours


def test_without_others_or_without_training_anew_there_is_nothing_to_judge_by():
    given = anew(0.9, None, 0.9)
    with pytest.raises(CannotAnswer, match="too few real genes"):
        claims.lower_ranks(given)
    for page in (claims.PRACTICE, claims.METHODS):
        with pytest.raises(CannotAnswer, match="trained anew"):
            claims.small_sets(given | {page: given[page].assign(task="x")})
    large = given[claims.PRACTICE].assign(params='{"k": 500, "selection": "best"}')
    with pytest.raises(CannotAnswer, match="10 or 20 best genes"):
        claims.small_sets(given | {claims.PRACTICE: large})


@pytest.mark.parametrize("deep, verdict", [(0.91, SHOWN), (0.7, NOT_SHOWN)])
def test_simple_and_deep_models(deep, verdict):
    assert claims.simple_and_deep(anew(0.9, 0.9, deep))[1] == verdict


def test_a_claim_without_scores_says_so_and_leaves_the_others():
    found = ledger([TIER], of_sharing(0.8), **GIVEN).set_index("claim")
    n = len(claims.OF_2023) + len(claims.OF_2025)
    assert len(found) == n and found["published"].ne("").all()
    judged = found[found["verdict"] != UNTESTABLE]
    assert set(judged["verdict"]) == {SHOWN} and len(judged) == 2
    missing = found[found["verdict"] == UNTESTABLE]
    assert (missing["ours"] == "nothing").all()
    assert missing["why they differ"].str.contains("left no scores|not scored").all()


# Findings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, head",
    [
        ({"a": spread(0.2, 0.1), "b": spread(0.3, 0.1)}, "Yes"),
        ({"a": spread(0.2, 0.1), "b": spread(0.0, 0.1)}, "Shown in some comparisons only"),
        ({"a": spread(0.2, 0.1), "b": spread(-0.3, 0.1)}, "It depends on the design"),
        ({"a": spread(-0.2, 0.1), "b": spread(-0.3, 0.1)}, "No, the test is better"),
        ({"a": spread(-0.2, 0.1), "b": spread(0.0, 0.1)}, "Not shown in any comparison"),
        ({"a": spread(0.0, 0.1), "b": spread(0.0, np.nan)}, "It is undecided"),
    ],
)
def test_tests_and_explanations(changes, head):
    assert findings.claims.points(spread(0.2, 0.1)) == "20.0 points (95 % interval 10.0 to 30.0)"
    said = findings.about_tests({("MLP", design): found for design, found in changes.items()})
    assert said.startswith(head) and "is for the MLP " in said
    assert "with a and" in said and "with b. " in said
    assert ("for all 2 together" in said) == all(np.isfinite(v["low"]) for v in changes.values())


def test_an_explanation_of_each_model_is_told_of_and_the_intervals_hold_together():
    truth = {"IG, MLP": (0.5, 0.54, 0.58), "IG, L2 regression": (0.8, 0.84, 0.88)}
    truth["Welch t"] = (0.6, 0.6, 0.6)
    rows = [
        table({("d", name, CLASS): value}, draws=(0.0,)).assign(seed=i, cluster=f"draw {i}")
        for name, values in truth.items()
        for i, value in enumerate(values)
    ]
    said = findings.tests_or_explanations({claims.METHODS: pd.concat(rows)}, **GIVEN)
    # -10, -6, -2: mean -6, standard error 2.309; t of 2 degrees at 1 - 0.05 / 2 is 6.205
    assert "for the MLP \N{MINUS SIGN}6.0 points (\N{MINUS SIGN}20.3 to 8.3) with d" in said
    assert "for the L2 regression 24.0 points (9.7 to 38.3) with d" in said
    assert said.startswith("Shown in some comparisons only")


def test_no_list_no_answer():
    with pytest.raises(CannotAnswer):
        findings.about_tests({})


@pytest.mark.parametrize(
    "gain, head",
    [
        (spread(0.2, 0.1), "All its subtypes at once"),
        (spread(-0.2, 0.1), "Each of its subtypes, better"),
        (spread(0.0, 0.1), "It is undecided"),
        (spread(0.2, np.nan), "It is undecided"),
    ],
)
def test_averages_over_a_mixed_class(gain, head):
    said = findings.about_averages(gain, 0.4, 0.7)
    assert said.startswith(head) and "names 40 %, and explanations of single samples 70 %" in said


def test_findings_from_tables():
    explained = [(f"IG, {model}", 0.5) for model in findings.EXPLAINED]
    means = {("d", m, CLASS): v for m, v in (("Welch t", 0.9), *explained)}
    mixed = {
        ("five kinds", f"MLP, average of {what}", CLASS): v
        for what, v in (("the class", 0.4), ("its cluster", 0.8))
    }
    mixed["five kinds", "MLP, single samples", CLASS] = 0.6  # fmt: skip
    given = {claims.METHODS: table(means), claims.MIXED: table(mixed)}
    found = answers([TIER], given, **GIVEN)["answer"]
    assert found[0].startswith("Not answered in this build")
    assert found[1].startswith("No, the test is better") and "40.0" in found[1]
    assert found[2].startswith("All its subtypes at once") and "40 %, and" in found[2]


def test_the_page_on_faithfulness_opens_with_its_answer_or_says_that_there_is_none():
    rows = [
        (metric, dataset, seed, value + 0.01 * seed)
        for metric, (easy, hard) in {
            findings.TRUE: (1.0, 0.7),
            findings.ONE: (0.8, 0.4),
            findings.FAITHFUL: (0.9, 0.9),
        }.items()
        for dataset, value in ((findings.EASY, easy), (findings.HARD, hard))
        for seed in range(3)
    ]
    table = pd.DataFrame(rows, columns=["metric", "dataset", "seed", "value"])
    table = table.assign(model=findings.MODEL)
    said = findings.faith_in_short(table)
    assert said.startswith("Not for being faithful to its model")
    said = findings.faith_in_short(table[table["dataset"] == findings.EASY])
    assert said.startswith("Not answered in this build: agreement with planted genes was not")
