"""Sentences on products of principal components, branch by branch."""

import numpy as np
import pandas as pd
import pytest

from helpers import scores
from helpers.data.simulate.screen import simulate_screen
from helpers.tasks.embeddings.regimes import (
    PCA,
    PRODUCTS,
    effects_within,
    products_against_pca,
)


def table(products, pca):
    shared = dict(task="consistency", dataset="d", metric="perturbation_consistency", seed=0)
    units = [f"gene {i}" for i in range(len(pca))]
    return pd.concat(
        scores.rows(
            **shared, model=model, role="candidate", unit_kind="perturbation", unit=units, value=v
        )
        for model, v in ((PRODUCTS, products), (PCA, pca))
    )


@pytest.mark.parametrize(
    ("shift", "said"),
    [(0.2, "0.200 .*products are more"), (-0.2, "\N{MINUS SIGN}0.200 .*less"), (0.0, "neither")],
)
def test_the_sentence_is_that_of_the_verdict(shift, said):
    noise = np.random.default_rng(0).normal(0, 0.02, size=30)
    noise -= noise.mean()
    sentence = products_against_pca(table(np.full(30, 0.1) + shift, 0.1 + noise), seed=0)
    assert pd.Series(sentence).str.contains(f"on 30 perturbations .*{said}").all(), sentence


def test_scores_of_several_seeds_are_not_called_perturbations():
    noise = np.random.default_rng(0).normal(0, 0.02, size=30)
    one = table(np.full(30, 0.3), 0.1 + noise)
    both = pd.concat([one, one.assign(seed=one["seed"] + 1)])
    assert products_against_pca(both, seed=0).startswith("on 60 scores of 30 perturbations the")


def test_too_few_units_cannot_be_answered():
    assert "4 perturbations can be scored" in products_against_pca(
        table([0.1] * 4, [0.2] * 4), seed=0
    )
    nothing = table([np.nan] * 9, [np.nan] * 9)
    assert "0 perturbations" in products_against_pca(nothing, seed=0)
    assert "cannot answer" in products_against_pca(nothing[:0], seed=0)


def test_noise_off_the_programs_puts_effects_outside_the_first_components():
    size = dict(n_cells=3_000, n_genes=300, n_targets=20)
    plain, off = (
        simulate_screen(rng=np.random.default_rng(0), **size, **knobs)
        for knobs in ({}, {"off_program_sd": 0.6, "cell_sd": 0.05})
    )
    assert effects_within.function(plain, n_components=20) > 0.5
    assert effects_within.function(off, n_components=20) < 0.2
    assert effects_within.function(off, n_components=300) == pytest.approx(1)
