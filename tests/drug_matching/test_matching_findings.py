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


def learned(gain, spread=0.001, at_one=None):
    found = pd.DataFrame({"disease": ["q0"], "metric": "retrieval_map", "n": 100, "n_treats": 3})
    asked = {
        (rho, model, seed): found.assign(value=value + spread * seed * (model != "cosine"))
        for rho in (1.0, 0.0)
        for model, value in (
            ("cosine", 0.1),
            ("bilinear ridge", 0.1 * (1 + (gain if at_one is None or rho == 0 else at_one))),
        )
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
    near = "Analogues of a test drug in training raise the AUROC of bilinear ridge: 0.680"
    assert found[2].startswith(f"Simulated: {near}")
    given[findings.LEAKAGE] = leakage_report.leak_rows(asked, dataset="d", seed=0)
    assert answers([TIER], given, **GIVEN)["answer"][2].startswith(near)


def test_without_real_data_the_question_is_not_answered():
    given = tables()
    given[findings.MATCHING]["dataset"] = "pure reversal"
    with pytest.raises(CannotAnswer, match="no real drugs"):
        findings.reversal(given, **GIVEN)
    found = ledger([TIER], given, **GIVEN).set_index("claim")["verdict"]
    assert len(found) == 3
    assert (found[[findings.NOVEL, findings.BASELINES]] == "not testable here").all()


PERCENT = "More than 200 % over CMap and Characteristic Direction"


def of_percent(**learning):
    found = ledger([TIER], tables() | {findings.LEARNING: learned(**learning)}, **GIVEN)
    return found.set_index("claim").loc[PERCENT]


@pytest.mark.parametrize(
    "learning, verdict, ours",
    [
        ({"gain": 5.0}, "mechanism shown on other data", "+50"),
        ({"gain": 1.0}, "mechanism not seen on other data", "+10"),
        ({"gain": 5.0, "spread": 0.2}, "undecided", "+"),
        (
            {"gain": 5.0, "at_one": 1.0},
            "both ways on other data: shown at weight 0; not seen at weight 1",
            "+10",
        ),
    ],
)
def test_the_claim_on_percent_is_judged_once_and_names_the_weights(learning, verdict, ours):
    one = of_percent(**learning)
    assert one["verdict"] == verdict and one["ours"].startswith(ours)
    assert "abstract" in one["published"] and one["ours"].count("95 % interval") == 2


def test_a_claim_that_is_open_somewhere_is_undecided():
    found = simulated_report.improvements(learned(5.0))
    found.loc[0, ["low", "high"]] = np.nan
    said = findings._of_percent(found)
    assert said[3] == "undecided: shown at weight 0; undecided at weight 1" and "nan" not in said[1]
    assert "one draw" in said[1]


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
