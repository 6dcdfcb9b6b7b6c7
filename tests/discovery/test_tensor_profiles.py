"""Profiles, vocabularies, splits, the simulated tensor: formulas, reference vectors, bad input."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.discovery import pair_splits
from helpers.data.discovery.profiles import CONTROL, Profiles, Vocabulary, aggregated, symbols
from helpers.data.discovery.tensor_simulator import TensorKnobs, simulate


def table(n=6, readouts=("R2", "R0", "R1")):
    rng = np.random.default_rng(0)
    return Profiles(
        rng.standard_normal((n, len(readouts))).astype(np.float32),
        np.ones((n, len(readouts)), bool),
        np.array(["b", "b", "b", "a", "a", "a"][:n]),
        np.array([CONTROL, "k_G1", "k_G1+k_G2", CONTROL, "k_G2", "k_G3"][:n]),
        np.array(readouts),
    )


# --------------------------------------------------------------------------- symbols


def test_each_component_carries_the_kind_and_controls_are_one():
    found = symbols("CRISPRi", ["NAF1", "TP53+NAF1", "non-targeting", "A+Control"], [0, 0, 1, 0])
    assert found.tolist() == ["CRISPRi_NAF1", "CRISPRi_NAF1+CRISPRi_TP53", CONTROL, "CRISPRi_A"]
    assert symbols("", ["simvastatin-10uM"], [0]).tolist() == ["simvastatin-10uM"]


@pytest.mark.parametrize("name", ["Control", "control"])
def test_a_perturbation_named_like_the_control_is_refused(name):
    with pytest.raises(DataError, match="like the reserved symbol of controls"):
        symbols("", [name], [False])
    with pytest.raises(DataError, match="a component without a name"):
        symbols("k", ["A+"], [False])


# --------------------------------------------------------------------------- aggregation


def test_means_are_those_of_a_loop_and_columns_of_one_name_are_merged():
    rng = np.random.default_rng(1)
    values = pd.DataFrame(rng.standard_normal((40, 4)), columns=["R0", "R1", "R0", "R2"])
    context, names = rng.choice(["x", "y"], 40), rng.choice(["p", "q", CONTROL], 40)
    weights = rng.integers(1, 9, 40)
    found = aggregated(values, context, names, weights=weights)
    assert found.readout.tolist() == ["R0", "R1", "R2"]
    for i in range(len(found)):
        own = (context == found.context[i]) & (names == found.perturbation[i])
        mean = np.average(values[own], axis=0, weights=weights[own])
        expected = [(mean[0] + mean[2]) / 2, mean[1], mean[3]]
        assert found.value[i] == pytest.approx(expected, rel=1e-5)


def test_duplicated_signatures_count_once_and_gaps_are_masked():
    values = pd.DataFrame([[1.0, 2.0], [1.0, 2.0], [4.0, np.nan]], columns=["R0", "R1"])
    found = aggregated(values, ["x"] * 3, ["p"] * 3)
    assert found.value.tolist() == [[2.5, 2.0]] and found.mask.all()
    found = aggregated(values.iloc[2:], ["x"], ["p"])
    assert found.mask.tolist() == [[True, False]] and found.value[0, 1] == 0


def test_tables_that_are_none():
    good = table()
    with pytest.raises(DataError, match="a readout comes twice"):
        Profiles(good.value, good.mask, good.context, good.perturbation, np.array(["R"] * 3))
    with pytest.raises(DataError, match="a perturbation comes twice in a context"):
        Profiles(good.value, good.mask, good.context, np.array(["p"] * 6), good.readout)
    with pytest.raises(DataError, match="1 values are NaN"):
        values = good.value.copy()
        values[0, 0] = np.nan
        Profiles(values, good.mask, good.context, good.perturbation, good.readout)


# --------------------------------------------------------------------------- vocabularies


def test_vocabularies_are_sorted_the_control_first_and_combinations_taken_apart():
    found = Vocabulary.of(table())
    assert found.context == ("a", "b") and found.readout == ("R0", "R1", "R2")
    assert found.perturbation == (CONTROL, "k_G1", "k_G2", "k_G3")


def test_unknown_symbols_under_each_policy():
    known = Vocabulary.of(table())
    asked = (["a", "a", "b"], ["k_G1+k_G3", "k_new", "k_G1+k_new"], ["R1", "R0"])
    with pytest.raises(DataError, match=r"not in the vocabulary: k_new \(perturbations: 1\)"):
        known.encode(*asked)
    context, components, readout, kept = known.encode(*asked, unknown="drop")
    assert kept.tolist() == [True, False, False] and components.tolist() == [[1, 3]]
    context, components, readout, kept = known.encode(*asked, unknown="control")
    assert kept.all() and components.tolist() == [[1, 3], [0, -1], [1, 0]]
    assert context.tolist() == [0, 0, 1] and readout.tolist() == [1, 0]
    with pytest.raises(DataError, match="unknown is 'ignore'"):
        known.encode(*asked, unknown="ignore")


@pytest.mark.parametrize("policy", ["raise", "drop", "control"])
def test_readouts_and_contexts_never_seen_are_refused_whatever_the_policy(policy):
    known = Vocabulary.of(table())
    with pytest.raises(DataError, match=r"not in the vocabulary: R9 \(readouts: 1\)"):
        known.encode(["a"], ["k_G1"], ["R9"], unknown=policy)
    with pytest.raises(DataError, match=r"not in the vocabulary: z \(contexts: 1\)"):
        known.encode(["z"], ["k_G1"], ["R0"], unknown=policy)


def test_coverage_counts_symbols():
    known = Vocabulary.of(table().take(np.arange(3)))
    found = known.coverage(table()).set_index("kind")
    assert found["known"].to_dict() == {"context": 1, "perturbation": 3, "readout": 3}
    assert found["unknown"].to_dict() == {"context": 1, "perturbation": 1, "readout": 0}
    assert found.loc["perturbation", "such as"] == "k_G3"


# --------------------------------------------------------------------------- splits


def test_the_split_is_the_released_one():
    """Reference vectors of perturblib's `data/utils.py`."""
    found = pair_splits.split_names([f"g{i:03}" for i in range(20)] + [CONTROL])
    assert found == (["g008", "g009", "g005"], ["g011", "g012", "g013"])
    validation, test = pair_splits.split_names([f"g{i:04}" for i in range(2057)])
    assert (len(validation), len(test), 2057 - 616) == (308, 308, 1441)


def test_pairs_are_held_out_of_one_context_and_other_contexts_train_whole():
    profiles = Profiles.from_arrays(simulate(TensorKnobs(n_genes=40, n_readouts=5), 0))
    found = pair_splits.held_out_pairs(profiles, "gene-0")
    parts = np.array([found.train, found.validation, found.test])
    assert (parts.sum(axis=0) == 1).all()
    assert (profiles.context[found.test | found.validation] == "gene-0").all()
    assert found.train[profiles.context != "gene-0"].all()
    elsewhere = set(profiles.perturbation[profiles.context != "gene-0"])
    for i in np.flatnonzero(found.test):
        assert found.covered[i] == (profiles.perturbation[i] in elsewhere)
    with pytest.raises(DataError, match="no context 'gene-9'"):
        pair_splits.held_out_pairs(profiles, "gene-9")
    with pytest.raises(DataError, match="of which 15% is none"):
        pair_splits.held_out_pairs(table(), "a")


# --------------------------------------------------------------------------- simulated tensor


def singular(truth, k):
    """Share of the squares that k components hold, of a context less its mean."""
    s = np.linalg.svd(truth - truth.mean(axis=0), compute_uv=False) ** 2
    return s[:k].sum() / s.sum()


def test_one_regime_is_of_low_rank_and_the_other_is_not():
    k = dict(n_genes=60, n_readouts=50, n_programs=4, n_clusters=10)
    for regime, low in (("gate", True), ("own", False)):
        found = simulate(TensorKnobs(regime=regime, **k), 0)
        share = singular(found["truth"][found["context"] == "gene-0"], 4)
        assert share > 0.9999 if low else share < 0.35


def test_planted_clusters_share_their_programs_and_gates_hide_them():
    k = dict(n_genes=60, n_readouts=200, n_clusters=10, own_share=0.1, gate=0.0)
    found = simulate(TensorKnobs(**k), 0)
    own = found["context"] == "gene-0"
    centred = found["truth"][own] - found["truth"][own].mean(axis=0)
    same = found["cluster"][:, None] == found["cluster"]
    r = np.corrcoef(centred)
    off = ~np.eye(60, dtype=bool)
    assert r[same & off].mean() > 0.8 > 0.3 > np.abs(r[~same]).mean()


def test_compounds_hit_their_targets_in_contexts_without_genes():
    k = dict(n_genes=30, n_readouts=200, n_compounds=20, compound_own=0.0, gate=0.0, shared=0.0)
    found = simulate(TensorKnobs(**k, compound_offset=0.0), 0)
    is_compound = np.char.startswith(found["context"], "compound")
    assert not set(found["perturbation"][is_compound]) & set(found["gene"])
    for name, target in zip(found["compound"], found["target"], strict=True):
        ours = found["truth"][is_compound & (found["perturbation"] == name)][0]
        theirs = found["truth"][found["perturbation"] == target][0]
        assert np.corrcoef(ours, theirs)[0, 1] > 0.8


def test_noise_has_its_size_and_measurements_are_independent():
    found = simulate(TensorKnobs(noise=0.5), 0)
    errors = [found[name] - found["truth"] for name in ("value", "second")]
    assert np.allclose([e.std() for e in errors], 0.5, atol=0.01)
    assert abs(np.corrcoef(errors[0].ravel(), errors[1].ravel())[0, 1]) < 0.02


def test_knobs_out_of_range_are_all_named():
    with pytest.raises(DataError, match=r"regime is 'x'.*n_genes is 0.*gate is 2"):
        TensorKnobs(regime="x", n_genes=0, gate=2)


def test_labels_that_do_not_fit_and_components_named_like_the_control():
    with pytest.raises(DataError, match="1 names, and 2 marks"):
        symbols("", ["A"], [False, True])
    with pytest.raises(DataError, match="named 'control' like the reserved symbol"):
        symbols("k", ["A+control"], [False])
    assert symbols("k", ["A+Control"], [False]).tolist() == ["k_A"]
    frame = pd.DataFrame([[1.0]], columns=["R"])
    with pytest.raises(DataError, match="1 rows, 2 contexts, 1 perturbations and 1 weights"):
        aggregated(frame, ["a", "b"], ["p"])
    with pytest.raises(DataError, match="at least one"):
        aggregated(frame.iloc[:0], [], [])
    with pytest.raises(DataError, match="1 weights are below 0"):
        aggregated(frame, ["a"], ["p"], weights=[-1])
    with pytest.raises(DataError, match="2 contexts for 1 perturbations"):
        Vocabulary.of(table()).encode(["a", "a"], ["k_G1"], ["R0"])
