"""Controls are split within batches, and why: shared controls correlate what is unrelated."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.data.contract import CONTROL, DataError
from helpers.data.controls import assign_controls


def labels(controls_per_batch, others_per_batch=2):
    perturbation, batch = [], []
    for name, n in controls_per_batch.items():
        perturbation += [CONTROL] * n + ["STAT1"] * others_per_batch
        batch += [name] * (n + others_per_batch)
    return np.array(perturbation), np.array(batch)


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(10, 40), min_size=1),
    share=st.floats(0.25, 0.75),
    seed=st.integers(0, 2**32),
)
def test_halves_are_disjoint_complete_and_of_their_share(sizes, share, seed):
    perturbation, batch = labels(sizes)
    order = np.random.default_rng(seed).permutation(len(batch))
    perturbation, batch = perturbation[order], batch[order]
    role = assign_controls(perturbation, batch, rng=np.random.default_rng(seed), share=share)
    frame = pd.DataFrame({"role": role, "control": perturbation == CONTROL, "batch": batch})
    assert (frame["role"].isin(["control_model", "control_truth"]) == frame["control"]).all()
    assert (frame.loc[~frame["control"], "role"] == "").all()
    for name, n in sizes.items():
        n_model = (frame["batch"].eq(name) & frame["role"].eq("control_model")).sum()
        assert abs(n_model - share * n) <= 1
    again = assign_controls(perturbation, batch, rng=np.random.default_rng(seed), share=share)
    np.testing.assert_array_equal(role.codes, again.codes)
    # Neither the type of the labels nor the order of the categories matters.
    categories = sorted(sizes, reverse=True)
    typed = assign_controls(
        pd.Series(perturbation, index=order).astype("category"),
        pd.Categorical(batch, categories=categories),
        rng=np.random.default_rng(seed),
        share=share,
    )
    np.testing.assert_array_equal(role.codes, typed.codes)


def test_every_control_is_equally_likely_to_be_in_either_half():
    perturbation, batch = labels({"a": 10})
    hits = sum(
        (assign_controls(perturbation, batch, rng=np.random.default_rng(s)) == "control_model")[:10]
        for s in range(2_000)
    )
    assert np.abs(hits - 1_000).max() < 5 * np.sqrt(2_000 / 4)


def test_a_batch_with_too_few_controls_is_named():
    perturbation, batch = labels({"a": 10, "b": 3, "c": 0})
    with pytest.raises(DataError, match=r"at share 0.5: b \(3\), c \(0\); merge"):
        assign_controls(perturbation, batch, rng=np.random.default_rng(0))
    role = assign_controls(perturbation, batch, rng=np.random.default_rng(0), missing="drop")
    assert (role[batch != "a"] == "").all()
    assert (role[batch == "a"] != "").sum() == 10
    with pytest.raises(DataError, match=r"a \(10\), b \(3\)"):
        assign_controls(
            perturbation, batch, rng=np.random.default_rng(0), min_controls=6, missing="drop"
        )
    with pytest.raises(DataError, match=r"a \(10\)"):
        assign_controls(*labels({"a": 10}), rng=np.random.default_rng(0), share=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"share": 0.0}, "share must be in"),
        ({"share": float("nan")}, "share must be in"),
        ({"min_controls": 0}, "min_controls must be at least 1"),
        ({"missing": "ignore"}, "missing must be 'raise' or 'drop'"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        assign_controls(*labels({"a": 10}), rng=np.random.default_rng(0), **arguments)


def test_bad_labels_are_refused():
    perturbation, batch = labels({"a": 10})
    with pytest.raises(ValueError, match="of one length, not 12 and 11"):
        assign_controls(perturbation, batch[1:], rng=np.random.default_rng(0))
    batch = batch.astype(object)
    batch[3] = None
    with pytest.raises(DataError, match="batch is missing in 1 of 12 cells"):
        assign_controls(perturbation, batch, rng=np.random.default_rng(0))


def effects_of_two_perturbations_that_do_nothing(shared, n, m, n_genes=20_000, seed=0):
    """Effects of two sets of n cells, on m controls each: the same ones, or others."""
    rng = np.random.default_rng(seed)
    perturbation = np.array(["A"] * n + ["B"] * n + [CONTROL] * (2 * m))
    X = rng.standard_normal((len(perturbation), n_genes))
    role = assign_controls(perturbation, np.zeros(len(perturbation)), rng=rng)
    model, truth = X[role == "control_model"].mean(axis=0), X[role == "control_truth"].mean(axis=0)
    a, b = X[:n].mean(axis=0), X[n : 2 * n].mean(axis=0)
    return a - truth, b - (truth if shared else model)


@pytest.mark.parametrize(("n", "m"), [(50, 50), (100, 20), (85, 50)])
def test_shared_controls_correlate_what_is_unrelated_and_disjoint_ones_do_not(n, m):
    shared = np.corrcoef(effects_of_two_perturbations_that_do_nothing(True, n, m))[0, 1]
    disjoint = np.corrcoef(effects_of_two_perturbations_that_do_nothing(False, n, m))[0, 1]
    assert shared == pytest.approx(n / (n + m), abs=0.03)
    assert abs(disjoint) < 0.03
