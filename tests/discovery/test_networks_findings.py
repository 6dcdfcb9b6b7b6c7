"""What the front pages say of gene networks, and the verdicts on claims."""

import numpy as np
import pandas as pd
import pytest

from helpers.scores import rows
from helpers.tasks.discovery import network_findings as findings
from helpers.tasks.discovery.networks_real import SERIES
from helpers.tasks.discovery.networks_report import PRIMARY, WHOLE, score_rows
from helpers.tasks.requirements import CannotAnswer


def planted(gies=0.8, difference=1.5, rate=0.2):
    asked = {}
    for seed in range(4):
        for metric, own in (
            (PRIMARY, {"GIES-like": gies, "NOTEARS": 0.5, "Mean Difference": 0.4}),
            ("false_omission_rate", {"GIES-like": rate, "NOTEARS": 0.5, "Mean Difference": 0.6}),
            (
                "mean_wasserstein",
                {"Mean Difference": difference, "NOTEARS": 1.0, "planted edges": 1.2},
            ),
        ):
            for model, value in own.items():
                rows_ = [("as predicted", metric, value + 0.01 * seed * len(model), 9)]
                found = pd.DataFrame(rows_, columns=["post", "metric", "value", "n"])
                key = ("linear", model, seed, WHOLE)
                asked[key] = pd.concat([asked.get(key), found])
    return score_rows(asked)


def called(pairs=(0.06, 0.18)):
    parts = [
        rows(
            task="networks-on-cells",
            dataset="cells",
            split=f"{n} cells an arm",
            model=f"no network, {series}",
            metric="false_omission_rate",
            role="candidate",
            unit_kind="draw",
            unit=["draw 0", "draw 1"],
            seed=0,
            value=[value, value],
        )
        for series in SERIES
        for n, value in zip((50, 800), pairs, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


GIVEN = {"n_resamples": 100, "seed": 0}


def test_findings_answer_from_tables():
    tables = {findings.PLANTED: planted(), findings.CELLS: called()}
    first, second = (one.answer(tables, **GIVEN) for one in findings.FINDINGS)
    assert first.startswith("In 1 of 1 kinds of simulated network")
    assert second.startswith("The false omission rate of a network without edges grows")
    with pytest.raises(CannotAnswer, match="no real cells"):
        findings.FINDINGS[1].answer({findings.CELLS: planted()}, **GIVEN)


@pytest.mark.parametrize(
    "ends, expected, verdict",
    [
        ((0.1, 0.3), "above", "mechanism shown on other data"),
        ((-0.3, -0.1), "above", "mechanism not seen on other data"),
        ((-0.1, 0.3), "above", "undecided"),
        ((-0.3, -0.1), "not above", "mechanism shown on other data"),
        ((0.1, 0.3), "not above", "mechanism not seen on other data"),
        ((-0.1, 0.3), "not above", "undecided"),
        ((np.nan, np.nan), "above", "undecided"),
    ],
)
def test_verdicts(ends, expected, verdict):
    row = pd.Series({"mean": np.mean(ends), "low": ends[0], "high": ends[1], "n_draws": 6})
    assert findings.verdict_on(row, expected=expected) == verdict
    assert findings.verdict_on(row.replace(6, 2), expected=expected) == "undecided"


@pytest.mark.parametrize(
    "verdicts, one",
    [
        ([findings.SHOWN, findings.SHOWN], findings.SHOWN),
        ([findings.NOT_SHOWN], findings.NOT_SHOWN),
        ([findings.SHOWN, findings.NOT_SHOWN, "undecided"], findings.BOTH),
        ([findings.SHOWN, "undecided"], "undecided"),
        ([], "undecided"),
    ],
)
def test_one_verdict_of_several(verdicts, one):
    assert findings.together(verdicts) == one


def of_edges(**values):
    return score_rows(
        {
            (kind, model, seed, WHOLE): pd.DataFrame(
                [("as predicted", PRIMARY, value + 0.001 * seed * len(model), 9)],
                columns=["post", "metric", "value", "n"],
            )
            for kind, by_model in values.items()
            for model, value in by_model.items()
            for seed in range(4)
        }
    )


def test_users_of_interventions_are_judged_against_all_observers_in_each_kind():
    asked = {"NOTEARS": 0.5, "correlation": 0.3}
    found = findings.against_observers(
        of_edges(
            linear=asked | {"GIES-like": 0.4, "sparse inverse": 0.9},
            cyclic=asked | {"GIES-like": 0.5},
        )
    )
    assert found.to_numpy().tolist() == [
        ["linear", "GIES-like", "worse than NOTEARS", findings.SHOWN],
        ["linear", "sparse inverse", "better than NOTEARS and correlation", findings.NOT_SHOWN],
        ["cyclic", "GIES-like", "undecided", "undecided"],
    ]
    assert findings.against_observers(of_edges(linear=asked)).empty


def test_claim_on_interventions():
    row = findings._of_interventions(of_edges(linear={"NOTEARS": 0.5, "GIES-like": 0.4}))
    assert row[2] == "average precision of planted edges, linear: GIES-like worse than NOTEARS"
    assert row[-1] == findings.SHOWN
    assert findings._of_interventions(of_edges(linear={"NOTEARS": 0.5}))[2:5:2] == [
        "not run here",
        "not testable here",
    ]


def on_cells(gap):
    return rows(
        task="networks-on-cells",
        dataset="cells",
        model=["Mean Difference"] * 3 + ["NOTEARS"] * 3,
        metric="mean_wasserstein",
        protocol="revised",
        role="candidate",
        unit_kind="split",
        unit=["a", "b", "c"] * 2,
        seed=0,
        value=[1 + gap, 2 + gap, 3 + gap, 1, 2, 3],
    )


def test_claim_on_the_challenge_rests_on_distance_edges_and_cells():
    def claim(cells, edges):
        table = planted()
        best = (table["metric"] == PRIMARY) & (table["model"] == "Mean Difference")
        table.loc[best, "value"] += edges
        return findings._of_challenge({findings.PLANTED: table, findings.CELLS: cells})

    assert claim(called(), 0.5)[-1] == findings.SHOWN
    assert claim(called(), -0.5)[-1] == findings.BOTH
    own = claim(on_cells(-0.1), 0.5)
    assert own[-1] == "undecided"
    assert own[2].endswith("splits of the same cells: cells \N{MINUS SIGN}0.100")


GAPS = {"better": (0.02, 0.04), "worse": (-0.04, -0.02), "open": (-0.02, 0.04)}


@pytest.mark.parametrize(
    "alone, copied, verdict",
    [
        ("better", "better", "mechanism shown on other data"),
        ("better", "open", "undecided"),
        ("better", "worse", "mechanism not seen on other data"),
        ("worse", "better", "mechanism not seen on other data"),
        ("open", "better", "undecided"),
        (None, None, "not testable here"),
        ("better", None, "not testable here"),
    ],
)
def test_verdict_on_filled_arms(alone, copied, verdict):
    def row(name):
        if name is None:
            return None
        low, high = GAPS[name]
        return pd.Series({"mean": (low + high) / 2, "low": low, "high": high, "n_draws": 6})

    assert findings.verdict_on_filled(row(alone), row(copied)) == verdict


def filled(model=0.1, copy=0.2, alone=0.3):
    asked = {}
    for name, value in (("GuanLab, LPM", model), ("GuanLab, copy", copy), ("GuanLab", alone)):
        for seed in range(4):
            rows_ = [("as predicted", "false_omission_rate", value + 0.001 * seed * len(name), 9)]
            found = pd.DataFrame(rows_, columns=["post", "metric", "value", "n"])
            asked["linear", name, seed, findings.HALF] = found
    return score_rows(asked)


def test_the_claim_on_filled_arms_is_judged_by_simulated_networks():
    def row(table):
        tables = {findings.PLANTED: pd.concat([planted(), table]), findings.CELLS: called()}
        return findings.rows(tables, **GIVEN).iloc[3]

    own = row(filled())
    assert own["verdict"] == "mechanism shown on other data"
    assert "the arms alone: \N{MINUS SIGN}0.19" in own["ours"]
    assert row(filled(copy=0.05))["verdict"] == "mechanism not seen on other data"
    assert row(filled(model=0.5))["verdict"] == "mechanism not seen on other data"


def test_claims_with_and_without_real_cells():
    found = findings.rows({findings.PLANTED: planted(), findings.CELLS: called()}, **GIVEN)
    assert found["verdict"].tolist() == [
        "mechanism not seen on other data",
        "undecided",
        "mechanism shown on other data",
        "not testable here",
    ]
    assert (
        "6.0 % at 50 cells an arm of real ones, 18.0 % at 800" in found["why they differ"].iloc[2]
    )
    none = findings.rows({findings.PLANTED: planted(), findings.CELLS: planted()}, **GIVEN)
    assert none["why they differ"].iloc[2] == "small linear networks, one number of cells"


@pytest.mark.parametrize(
    "rates, verdict",
    [
        ([0.2] * 4, "mechanism shown on other data"),
        ([0.9] * 4, "mechanism not seen on other data"),
        ([0.2, 0.9, 0.2, 0.9], "undecided"),
        ([0.2], "undecided"),
    ],
)
def test_rates_are_judged_by_the_order_of_planted_edges(rates, verdict):
    parts = [planted(rate=rate) for rate in rates]
    units = sorted(parts[0]["unit"].unique())[: len(rates)]
    table = pd.concat([p[p["unit"] == u] for p, u in zip(parts, units, strict=True)])
    row = findings.rank_agreement(table)
    assert findings.verdict_on(row, expected="above") == verdict
    assert -1 <= row["mean"] <= 1
