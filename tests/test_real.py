"""The one context of a real screen that a chapter asks, and what it lacks."""

import anndata
import numpy as np
import pandas as pd
import pytest

from helpers.data.errors import DataError
from helpers.metrics.embeddings.postprocess import LEAST_CONTROLS
from helpers.tasks import real
from helpers.tasks.requirements import CannotAnswer, Requirement

CONTEXTS = ["b"] * 3 + ["a a"] * 3 + ["c"]


class Loaded:
    """What a step gives, without a store."""

    def __init__(self, contexts, perturbations=None, batches=None):
        n = len(contexts)
        obs = pd.DataFrame(
            {
                "context": contexts,
                "perturbation": perturbations or ["control"] * n,
                "batch": batches or ["1"] * n,
            },
            index=[f"cell {i}" for i in range(n)],
        )
        self.screen = anndata.AnnData(np.zeros((n, 2)), obs=obs)

    def result(self):
        return self.screen


@pytest.fixture
def holding(monkeypatch):
    return lambda *a, **k: monkeypatch.setattr(real.registry, "load", lambda _: Loaded(*a, **k))


@pytest.mark.parametrize("asked, taken", [("", "a a"), ("c", "c"), ("b", "b")])
def test_unasked_the_largest_context_is_taken_and_of_equals_the_first_name(holding, asked, taken):
    holding(CONTEXTS)
    found = real.real_screen("mine", asked)
    assert found.context == taken
    assert list(found.part.obs["context"].unique()) == [taken]


def test_what_is_asked_is_said_with_the_way_to_the_others(holding):
    holding(["T"] * 2)
    assert real.real_screen("mine", n_dims=2).said == "All cells of mine are of one context, T."
    holding(CONTEXTS)
    assert real.real_screen("mine", n_dims=2).said == (
        "mine has 3 contexts: a a (3 cells), b (3 cells), c (1 cells). Asked is a a, the largest; "
        "another is by -p context=b."
    )
    assert real.real_screen("mine", "c", n_dims=2).said.endswith(
        "Asked is c; another is by -p 'context=a a'."
    )


def test_a_context_that_is_not_there_is_refused_with_those_that_are(holding):
    holding(CONTEXTS)
    with pytest.raises(DataError, match=r"mine has no context 'd'; it has 'a a', 'b', 'c'"):
        real.real_screen("mine", "d")


def test_centring_needs_a_control_in_each_batch_and_three_in_all(holding):
    assert real.FEWEST_CONTROLS == LEAST_CONTROLS  # the tiers' own number
    holding(["T"] * 4, ["control", "G", "control", "G"], ["1", "1", "2", "3"])
    found = real.real_screen("mine")
    with pytest.raises(CannotAnswer) as refusal:
        found.require("mixing")
    assert str(refusal.value) == (
        "mine, T: mixing cannot be answered: it needs 3 batches with control cells, has 2; "
        "needs 3 control cells, has 2"
    )
    asked = (Requirement("n", 2, "guides"),)
    with pytest.raises(CannotAnswer, match=r"needs 2 guides, has 1$"):
        found.require("guides", asked, {"n": 1}, controls=False)
    found.require("guides", asked, {"n": 2}, controls=False)


def test_a_small_panel_has_as_many_dimensions_as_it_allows_and_says_so(holding):
    holding(CONTEXTS)  # of 2 genes
    small = real.real_screen("mine", "c")
    assert (small.n_dims, small.n_asked) == (2, 64)
    assert small.said.endswith(
        "-p 'context=a a'. Embeddings have 2 dimensions, not 64: it allows no more."
    )
    enough = real.real_screen("mine", "c", n_dims=2)
    assert (enough.n_dims, "dimensions" in enough.said) == (2, False)
