"""Findings and claims of the tier, from score tables."""

import numpy as np
import pandas as pd
import pytest

from helpers.tasks.drug_matching import findings, leakage_report, matching_report, simulated_report
from helpers.tasks.drug_matching.tier import TIER
from helpers.tasks.findings import answers, ledger
from helpers.tasks.requirements import CannotAnswer

GIVEN = {"n_resamples": 2_000, "seed": 0}


def real(**means):
    rng = np.random.default_rng(0)
    parts = []
    for model, mean in means.items():
        values = pd.DataFrame(
            {
                "candidates": np.repeat(["all", "curated", "treating"], 12),
                "disease": [f"q{i}" for i in range(12)] * 3,
                "value": mean + 0.01 * rng.random(36),
                "n": 100,
            }
        )
        for metric in (matching_report.PRIMARY, "degree_matched_auroc"):
            own = values.assign(metric=metric)
            parts.append(matching_report.score_rows(own, dataset="d", model=model, seed=0))
    return pd.concat(parts, ignore_index=True)


def learned(gain, spread=0.001):
    found = pd.DataFrame({"disease": ["q0"], "metric": "retrieval_map", "n": 100, "n_treats": 3})
    asked = {
        (rho, model, seed): found.assign(value=value + spread * seed * (model != "cosine"))
        for rho in (1.0, 0.0)
        for model, value in (("cosine", 0.1), ("bilinear ridge", 0.1 * (1 + gain)))
        for seed in (0, 1)
    }
    return simulated_report.simulated_rows(asked)


MODELS = {
    "reversal, CMap 2006": 0.49,
    "reversal, cosine": 0.48,
    "bilinear ridge, siblings held out": 0.52,
    "bilinear ridge, diseases held out": 0.6,
    "popularity": 0.75,
}


def tables(gain=5.0, **more):
    return {findings.MATCHING: real(**(MODELS | more)), findings.LEARNING: learned(gain)}


def test_every_finding_is_a_sentence():
    leak = pd.DataFrame(
        {"disease": [f"q{i}" for i in range(8)], "metric": matching_report.PRIMARY, "n": 60}
    )
    asked = {
        (scheme, model): leak.assign(value=0.7 - 0.02 * k)
        for k, scheme in enumerate(leakage_report.HELD_OUT)
        for model in ("bilinear ridge", "popularity")
    }
    given = tables() | {
        findings.LEAKAGE: leakage_report.leak_rows(asked, dataset="families", seed=0)
    }
    found = answers([TIER], given, **GIVEN)["answer"]
    assert "worse than popularity" in found[0]
    assert "bilinear ridge is better at 0 and 1." in found[1]
    near = "Analogues of a test drug in training raise the score of bilinear ridge: 0.680"
    assert found[2].startswith(f"Simulated: {near}")
    given[findings.LEAKAGE] = leakage_report.leak_rows(asked, dataset="d", seed=0)
    assert answers([TIER], given, **GIVEN)["answer"][2].startswith(near)


def test_without_real_data_the_question_is_not_answered():
    given = tables()
    given[findings.MATCHING]["dataset"] = "pure reversal"
    with pytest.raises(CannotAnswer, match="no real drugs"):
        findings.reversal(given, **GIVEN)
    found = ledger([TIER], given, **GIVEN).set_index("claim")["verdict"]
    assert found["It identifies novel indications"] == "not testable here"


@pytest.mark.parametrize(
    "gain, verdict",
    [(5.0, "mechanism shown on other data"), (1.0, "mechanism not seen on other data")],
)
def test_the_claim_on_percent_gets_a_verdict_for_each_value_of_the_knob(gain, verdict):
    found = ledger([TIER], tables(gain), **GIVEN)
    own = found[found["claim"].str.startswith("More than 200 %")]
    assert own["claim"].str.extract(r"reversal ([\d.]+)")[0].tolist() == ["1", "0"]
    assert set(own["verdict"]) == {verdict}
    assert own["published"].str.contains("abstract").all()
    assert own["ours"].str.startswith("+10" if gain == 1 else "+50").all()
    open_ = tables(gain) | {findings.LEARNING: learned(gain, spread=0.2)}
    found = ledger([TIER], open_, **GIVEN)
    own = found[found["claim"].str.startswith("More than 200 %")]
    assert set(own["verdict"]) == {"undecided"} and own["ours"].str.contains(" to ").all()


@pytest.mark.parametrize(
    "apart, popular, learns, baselines",
    [
        (0.52, 0.75, "mechanism not seen on other data", "mechanism not seen on other data"),
        (0.85, 0.75, "mechanism shown on other data", "mechanism not seen on other data"),
        (0.52, 0.4, "mechanism shown on other data", "mechanism shown on other data"),
        (0.52, 0.4902, "mechanism shown on other data", "undecided"),
    ],
)
def test_claims_on_real_diseases(apart, popular, learns, baselines):
    given = tables(**{"bilinear ridge, siblings held out": apart, "popularity": popular})
    found = ledger([TIER], given, **GIVEN).set_index("claim")["verdict"]
    assert found["A model that learns from indications identifies novel ones"] == learns
    assert found["Connectivity scores are the baselines to pass"] == baselines
