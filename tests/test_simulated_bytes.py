"""A simulated screen is what it was when its digest was taken: knobs name screens for good."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from helpers.data.embeddings.sister import sister_screen
from helpers.data.simulate.regimes import regime_knobs
from helpers.data.simulate.screen import simulate_screen

SMALL = {"n_cells": 2_000, "n_genes": 300, "n_targets": 20}
PAIRS = {**SMALL, "n_cells": 3_000, "n_combinations": 30}
EVERYTHING = {
    **{"n_contexts": 2, "n_complexes": 2, "n_batches": 6, "n_replicates": 3},
    **{"opposite_share": 0.4, "hub_sd": 0.5, "dispersion_sd": 0.3},
}
SCREENS = {
    "plain": SMALL,
    "contexts and complexes": SMALL | EVERYTHING,
    "no effect": SMALL | {"effect_size": 0.0, "efficacy": 1.0},
    **{name: regime_knobs(name, **SMALL) for name in ("state-dependent", "sparse", "nuisance")},
    **{name: regime_knobs(name, **PAIRS) for name in ("log-additive", "saturating-epistatic")},
}
DIGESTS = {  # of counts, cells, truth
    "plain": ("b37179f7b89e5718", "24079c49c46e2efc", "62afb20577faf6a5"),
    "contexts and complexes": ("c27ebbe9d8d058cd", "2d1e9fc466fb94bb", "7b280d1ddd6f6acd"),
    "no effect": ("51a0b71e745606cb", "d6ad0911072ff1e2", "a38d4226b0f3bb67"),
    "state-dependent": ("7e87f9405fc3a6e7", "90cccbb18c505197", "edad235ef6169ebf"),
    "sparse": ("339710a351246a92", "1f14b5df145c0332", "25be8017270b8735"),
    "nuisance": ("22a5694a774704c9", "7ffb989bda08c437", "e650fcdeff82864e"),
    "log-additive": ("d08f10f8c8f873e4", "0f151830bfee4553", "5a8fb66bf8fbe6ab"),
    "saturating-epistatic": ("6c94c35058f6d211", "94629be2ffc00a76", "46d85cd7702db786"),
    "sister": ("fe61a3ad789f4f3d", "4343fb55d862e562", "08cf8d70ab69f7b0"),
}


def feed(sha, value) -> None:
    """Hash a value of any kind that a screen holds; fractions to single precision."""
    if isinstance(value, pd.DataFrame):
        for part in (value.index.to_series(), *(value[c] for c in value)):
            feed(sha, [part.name, part])
    elif isinstance(value, pd.Series):
        feed(sha, value.astype(str).tolist() if value.dtype == "category" else value.to_numpy())
    elif isinstance(value, dict):
        feed(sha, sorted(value.items()))
    elif isinstance(value, np.ndarray) and value.dtype != object:
        kind = {"f": "<f4", "i": "<i8", "b": "?"}[value.dtype.kind]
        sha.update(value.astype(kind).tobytes())
    elif isinstance(value, list | tuple | np.ndarray):
        for one in value:
            feed(sha, one)
    else:
        sha.update(f"{value!s};".encode())


ADDED = {"off_program_sd": 0.0}
"""Knobs that came after the digests, at the default that changes nothing."""


def digests(screen) -> tuple[str, ...]:
    """Of the counts, of the cells, and of everything that was planted."""
    X = screen.X
    uns = dict(screen.uns)
    if "truth" in uns:
        knobs = dict(uns["truth"]["knobs"])
        assert {name: knobs.pop(name) for name in ADDED} == ADDED
        uns["truth"] = uns["truth"] | {"knobs": knobs}
    truth = [uns, screen.var, dict(screen.obsm), dict(screen.varm)]
    found = []
    for part in ([X.indptr, X.indices, X.data], screen.obs, truth):
        sha = hashlib.sha256()
        feed(sha, part)
        found.append(sha.hexdigest()[:16])
    return tuple(found)


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_the_one_that_its_knobs_have_always_named(name):
    screen = simulate_screen(rng=np.random.default_rng(7), **SCREENS[name])
    assert digests(screen) == DIGESTS[name]


def test_a_sister_is_the_one_that_it_has_always_been():
    screen = simulate_screen(rng=np.random.default_rng(7), **SCREENS["contexts and complexes"])
    size = dict(n_cells=900, n_targets=15, n_batches=3)
    assert digests(sister_screen.function(screen, seed=3, **size)) == DIGESTS["sister"]
