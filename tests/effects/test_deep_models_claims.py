"""The finding and the claims of the page of small deep models, each branch, from score tables."""

import numpy as np
import pandas as pd
import pytest

from helpers.tasks.effects import claims
from helpers.tasks.effects import deep_models_claims as deep
from helpers.tasks.effects.deep_models import BLIND, GRAPH, LATENT, TRANSFORMER
from helpers.tasks.effects.deep_models_plan import ADD, SATURATE, SHIFT
from helpers.tasks.effects.tier import TIER
from helpers.tasks.findings import NO_EVIDENCE, answers, ledger
from helpers.tasks.prediction_panel import DUPLICATE
from helpers.tasks.requirements import CannotAnswer

GIVEN = {"n_resamples": 2_000, "seed": 0}
SIMPLE = {"no change": 9.0, "mean": 6.0, "additive": 5.0, "linear model": 5.0, DUPLICATE: 3.0}
SIMPLE |= {"linear model, gene sets": 5.0}
ROLES = {"no change": "floor", "mean": "floor", DUPLICATE: "ceiling"}
BETTER, TIED, WORSE = 4.0, 5.0, 6.0


def world(dataset, models, *, task=deep.TASK, n=20, noise=0.01):
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.2, n)
    return pd.concat(
        pd.DataFrame(
            dict(task=task, dataset=dataset, split="s", protocol="revised", model=model)
            | dict(params="{}", post="raw", metric="l2", role=ROLES.get(model, "candidate"))
            | dict(unit_kind="perturbation", unit=[f"u{i}" for i in range(n)], seed=0, n=1)
            | dict(cluster=[f"u{i}" for i in range(n)])
            | dict(value=mean + shared + rng.normal(0, noise, n))
        )
        for model, mean in (SIMPLE | models).items()
    )


def tables(add=TIED, saturate=TIED, shift=TIED, home=BETTER, **given):
    parts = [
        world(f"simulated: {ADD}", {GRAPH: add, TRANSFORMER: add}, **given),
        world(f"simulated: {SATURATE}", {LATENT: saturate}, **given),
        world(f"simulated: {SHIFT}", {GRAPH: shift, GRAPH + BLIND: 1.0}, **given),
        *(
            world(f"world of {name}", {model: home}, task=deep.AT_HOME, **given)
            for name, model in (("graph", GRAPH), ("latent", LATENT), ("attention", TRANSFORMER))
        ),
    ]
    return {deep.PAGE: pd.concat(parts, ignore_index=True)}


def verdicts(**given):
    return deep.rows(tables(**given), **GIVEN)["verdict"].tolist()


def test_claims_of_models_made_small():
    shown, hidden = claims.SHOWN, claims.NOT_SHOWN
    # Of all, of the graph against the mean, against the sets and at home; then two of each other.
    assert verdicts() == [shown, shown, hidden, shown, hidden, shown, hidden, shown]
    assert verdicts(shift=BETTER, saturate=BETTER)[:5] == [claims.BOTH, shown, shown, shown, shown]
    assert verdicts(shift=WORSE)[1:3] == [hidden, hidden]
    assert verdicts(add=BETTER, saturate=BETTER, shift=BETTER, home=WORSE) == [
        hidden, shown, shown, hidden, shown, hidden, shown, hidden,
    ]  # fmt: skip


def test_at_home_the_graph_network_is_compared_with_what_has_its_sets():
    pairs = deep.pairs_of(tables(), **GIVEN)
    other = pairs.set_index("world")["other"]
    assert other["world of graph"] == "linear model, gene sets"
    assert other["world of latent"] == other["world of attention"] == "linear model"


def test_what_is_open_is_undecided_and_too_few_conditions_are_no_evidence():
    assert set(verdicts(noise=12.0)) <= {claims.UNDECIDED, claims.IN_PART}
    assert set(verdicts(n=4)[1:]) == {claims.UNDECIDED}
    unscored = tables()[deep.PAGE]
    unscored["value"] = np.nan
    assert set(deep.rows({deep.PAGE: unscored}, **GIVEN)["verdict"][1:]) == {claims.UNDECIDED}


def test_an_interval_without_zero_that_decides_nothing_says_why():
    row = dict(model=GRAPH, other="linear model", world=SHIFT, difference=-4.0, low=-9.0)
    pairs = pd.DataFrame([row | dict(high=-1.0, p_holm=0.16, n_clusters=6, verdict="cannot")])
    said, verdict = deep.one_better(pairs, GRAPH, SHIFT)
    assert said.endswith("; 6 conditions are too few for a test") and verdict == claims.UNDECIDED
    said, verdict = deep.one_better(pairs.assign(verdict="undecided"), GRAPH, SHIFT)
    assert said.endswith("; p = 0.16, corrected for all models of the world")
    assert verdict == claims.UNDECIDED
    wide, _ = deep.one_better(pairs.assign(high=1.0), GRAPH, SHIFT)
    assert "too few" not in wide


def test_a_world_that_was_not_scored_is_not_testable():
    rows = tables()[deep.PAGE]
    home = {deep.PAGE: rows[rows["task"] == deep.AT_HOME].reset_index(drop=True)}
    found = deep.rows(home, **GIVEN)["verdict"].tolist()
    none, shown = claims.UNTESTABLE, claims.SHOWN
    assert found == [none, none, none, shown, none, shown, none, shown]
    with pytest.raises(CannotAnswer, match="simulated"):
        deep.answer(home, **GIVEN)


def test_nothing_to_compare_is_refused_and_the_ledger_says_why():
    rows = tables()[deep.PAGE]
    simple = rows[rows["model"].isin(SIMPLE)].reset_index(drop=True)
    for given in ({deep.PAGE: simple}, {}):
        with pytest.raises(CannotAnswer, match="no deep model"):
            deep.answer(given, **GIVEN)
    found = ledger([TIER], {deep.PAGE: simple}, **GIVEN)
    own = found[found["page"] == deep.PAGE]
    assert own["verdict"].tolist() == [NO_EVIDENCE]
    assert own["why they differ"].str.contains("no deep model").all()


def test_the_finding_says_where():
    said = deep.answer(tables(shift=BETTER), **GIVEN)
    assert said.startswith(f"Small deep models can beat simple ones: where {SHIFT}, {GRAPH}")
    assert ADD in said.split("None is shown to do so where")[1]
    assert deep.answer(tables(), **GIVEN).startswith("No small deep model is shown to beat")
    found = answers([TIER], tables(), **GIVEN).set_index("page")["answer"]
    assert found[deep.PAGE].startswith("No small deep model")
