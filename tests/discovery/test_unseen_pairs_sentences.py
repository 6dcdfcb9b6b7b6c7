"""What the page of unseen pairs says, branch by branch, and the rows that it reads."""

import numpy as np
import pandas as pd
import pytest

from helpers import scores
from helpers.metrics.discovery.facts import METRICS
from helpers.tasks.discovery import findings
from helpers.tasks.discovery import unseen_pairs as task
from helpers.tasks.discovery import unseen_pairs_report as report
from helpers.tasks.requirements import CannotAnswer

NAN = float("nan")
GATE, OWN = task.WORLDS
LPM, COPY, DUPLICATE, TRUTH = task.LPM, task.COPY, task.DUPLICATE, task.TRUTH
MOVED = "copy, recentred"


def rows(values, *, metric="profile_pearson_centred", world=GATE, stratum="covered", n=12):
    """Rows of `score_rows` in which each model has a mean of its own."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, n)
    parts = []
    for k, (model, value) in enumerate(values.items()):
        found = pd.DataFrame(
            {
                "unit_kind": "perturbation",
                "unit": [f"p{i:02}" for i in range(n)],
                "metric": metric,
                "value": value + noise * (1 + k % 2),
                "n": 5,
                "stratum": stratum,
            }
        )
        parts.append(report.score_rows(found, world=world, model=model, seed=1))
    return pd.concat(parts, ignore_index=True)


def both(gate, own=None, **given):
    return pd.concat([rows(gate, world=GATE, **given), rows(own or gate, world=OWN, **given)])


BASE = {LPM: 0.5, COPY: 0.3, MOVED: 0.35, "low-rank linear": 0.4, DUPLICATE: 0.6, TRUTH: 0.8}


def test_rows_are_scores_and_metrics_are_in_range():
    table = rows(BASE)
    scores.check(table, METRICS)
    assert set(table["role"]) == {"candidate", "floor", "ceiling"}


def verdicts(table, **given):
    return report.against_lpm(table, seed=0, n_resamples=2_000, **given)


def test_lpm_is_compared_with_all_but_ceilings_and_differences_are_its_own_less_the_other():
    found = verdicts(rows(BASE)).set_index("other")
    assert set(found.index) == {COPY, MOVED, "low-rank linear"}
    assert found.loc[COPY, "difference"] == pytest.approx(0.2, abs=0.01)
    assert (found["verdict"] == "better").all()
    few = verdicts(rows(BASE, n=4))
    assert (few["verdict"] == "cannot").all() and few["difference"].isna().all()
    gaps = rows(BASE)
    gaps.loc[gaps["model"] == COPY, "value"] = NAN
    assert verdicts(gaps).set_index("other").loc[COPY, "verdict"] == "cannot"


@pytest.mark.parametrize(
    "lpm, word",
    [(0.5, "better than"), (0.1, "worse than"), (0.352, "tied with")],
)
def test_the_sentence_on_copies_names_the_better_one(lpm, word):
    said = report.about_copy(verdicts(rows(BASE | {LPM: lpm})), GATE)
    assert said.startswith(f"LPM is {word} a copy that is moved to the mean of the context")


def test_an_open_comparison_and_none_at_all():
    found = verdicts(rows(BASE)).assign(verdict="undecided")
    assert "not told apart from" in report.about_copy(found, GATE)
    assert "too few pairs" in report.about_copy(verdicts(rows(BASE, n=4)), GATE)


@pytest.mark.parametrize(
    "gate, own, said",
    [
        (0.5, 0.1, "better than a copy where contexts let programs through in part, and worse"),
        (0.5, 0.5, "better than a copy in both worlds"),
        (0.1, 0.1, "A copy from another context predicts a pair better than the model in both"),
        (0.352, 0.5, "not told apart (context gate) and better (effects of their own)"),
    ],
)
def test_the_answer_in_short(gate, own, said):
    found = verdicts(both(BASE | {LPM: gate}, BASE | {LPM: own}))
    text = report.in_short(found, [GATE, OWN])
    assert said in text
    assert ("linear model of the same table is better still" in text) == (gate == 0.352)


def test_linear_models_by_verdict():
    found = verdicts(rows(BASE | {"additive two-way": 0.6}))
    assert report.about_linear(found, GATE) == (
        "LPM is better than the low-rank linear model (+0.10) and worse than the additive "
        "two-way model (\N{MINUS SIGN}0.10)."
    )
    few = verdicts(rows(BASE, n=4))
    assert report.about_linear(few, GATE) == "LPM is not compared with the low-rank linear model."
    with pytest.raises(CannotAnswer, match="no linear model"):
        report.about_linear(found[found["other"] == COPY], GATE)


@pytest.mark.parametrize(
    "changed, said",
    [
        ({}, "to a second measurement LPM goes 67% of the way"),
        ({LPM: 0.7}, "goes 133% of the way. The planted truth itself has 0.80 against one noisy"),
        ({LPM: 0.1}, "LPM (0.10) lies below the plain copy (0.30)"),
        ({DUPLICATE: 0.2}, "nothing is left to be won"),
    ],
)
def test_where_the_model_stands(changed, said):
    assert said in report.about_ceiling(rows(BASE | changed), GATE)
    unrepeated = rows({k: v for k, v in BASE.items() if k != DUPLICATE})
    assert report.about_ceiling(unrepeated, GATE).startswith("A copy, a second measurement or")
    averages = "averages over many profiles" in report.about_ceiling(rows(BASE | changed), GATE)
    assert averages == (changed.get(LPM) == 0.7)


def test_uncovered_pairs_are_told_apart():
    rank = {"metric": "profile_rank"}
    table = pd.concat([rows({LPM: 0.8}, **rank), rows({LPM: 0.5}, stratum="uncovered", **rank)])
    said = report.about_uncovered(table)
    assert "80% of the other profiles" in said and "12 uncovered pairs 50%" in said
    assert report.about_uncovered(rows({LPM: 0.8}, **rank)) == "No test perturbation is uncovered."


def test_flattened_values_beside_the_mean_of_the_context():
    flat = {"metric": "flat_pearson"}
    said = report.about_flattened(rows({LPM: 0.6, "readout mean": 0.5}, **flat), GATE)
    assert "the mean of the context correlates by 0.50, LPM by 0.60. The first knows no" in said


@pytest.mark.parametrize(
    "off, uncovered, said",
    [
        (0.6, 0.6, "the share is lower for covered pairs (repaired less one row off: 0.20"),
        (
            0.9,
            0.6,
            "higher for covered pairs (repaired less one row off: \N{MINUS SIGN}0.10",
        ),
        (0.6, None, "is lower for covered pairs"),
        (0.6, 0.8, "; not shown to differ for uncovered pairs."),
    ],
)
def test_what_two_mistakes_cost(off, uncovered, said):
    rank = {"metric": "profile_rank"}
    parts = [rows(dict(zip(task.BOOSTED, (0.8, off, 0.5), strict=True)), **rank)]
    if uncovered:
        values = dict(zip(task.BOOSTED, (0.8, uncovered, 0.5), strict=True))
        parts.append(rows(values, stratum="uncovered", **rank))
    found = report.about_mistakes(pd.concat(parts), GATE)
    assert said in found and f"in the world {GATE}" in found and "of 12 covered pairs" in found
    assert ("uncovered" in found) == bool(uncovered) and "nan" not in found


def test_too_few_pairs_show_no_cost_of_a_mistake():
    values = dict(zip(task.BOOSTED, (0.8, 0.6, 0.5), strict=True))
    said = report.about_mistakes(rows(values, n=4, metric="profile_rank"), GATE)
    assert said.endswith("is not shown to differ for covered pairs.") and "nan" not in said


def test_intervals_of_means_stay_in_the_range_of_the_metric():
    table = rows({LPM: 0.8}, metric="profile_rank")
    table["value"] = [*[1.0] * (len(table) - 1), 0.0]
    found = report.means(table)
    assert found["low"].min() >= 0 and found["high"].max() <= 1


# --------------------------------------------------------------------------- transfer


def agreement(n=60, between=0.3, donors=0.5):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "perturbation": [f"g{i}" for i in range(n)],
            "state": "Rest",
            "between": between + rng.normal(0, 0.01, n),
            "random": rng.normal(0, 0.01, n),
            "donors": donors + rng.normal(0, 0.01, n),
            "n_changed_k562": np.repeat([5, 20, 80], n // 3),
        }
    )
    table.loc[0, "donors"] = NAN
    return table


def test_shares_are_of_means_where_the_ceiling_is_known():
    found = report.transfer_shares(agreement()).set_index("changed in K562")
    known = agreement().dropna()[["random", "between", "donors"]].mean()
    share = (known["between"] - known["random"]) / (known["donors"] - known["random"])
    assert found.loc["all", "share"] == pytest.approx(share)
    assert found.loc["all", "n"] == 59 and found.loc["10 or fewer", "n"] == 19
    assert found.loc["all", "low"] < share < found.loc["all", "high"]
    none = report.transfer_shares(agreement(donors=-0.5))
    assert none["share"].isna().all() and none["low"].isna().all()
    scores.check(report.transfer_rows(agreement(), "d"), METRICS)


def test_what_is_said_of_transfer():
    table = agreement()
    said = report.about_transfer(report.transfer_shares(table))
    assert "a plain copy goes 60% of the way" in said and "59 to 59 a state" in said
    table["between"] += table["n_changed_k562"] / 1_000
    said = report.about_transfer(report.transfer_shares(table))
    known = table.dropna().groupby("n_changed_k562")["between"].mean()
    assert f"is {known[5]:.2f} where ten or fewer genes change in K562, {known[80]:.2f}" in said
    assert known[80] - known[5] > 0.05  # each number in its place
    table["donors"] = 0.0  # no ceiling above the floor
    said = report.about_transfer(report.transfer_shares(table))
    assert "a plain copy" not in said and "nan" not in said
    assert "No state has enough" in report.about_transfer(report.transfer_shares(table[:3]))


# --------------------------------------------------------------------------- findings


def test_the_finding_reads_covered_pairs_only():
    table = pd.concat([both(BASE), both(BASE | {LPM: 0.0}, stratum="uncovered")])
    said = findings.model_or_copy({findings.PAIRS: table}, n_resamples=2_000, seed=0)
    assert said.startswith("A large perturbation model predicts a pair better than a copy in both")
    with pytest.raises(CannotAnswer, match="no covered pair"):
        findings.model_or_copy({findings.PAIRS: table[:0]}, n_resamples=2_000, seed=0)
