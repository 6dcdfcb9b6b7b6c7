"""The consistency metric against pairwise loops, and its null against screens without effect."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from helpers.metrics.embeddings.centred_cells import centred_cells
from helpers.metrics.embeddings.consistency import empirical_p_value, perturbation_consistency
from helpers.metrics.embeddings.consistency_null import Relabelling, _relabelled, consistency_test
from helpers.metrics.embeddings.facts import METRICS
from helpers.metrics.embeddings.postprocess import postprocess
from helpers.metrics.facts import Metric
from helpers.stats import benjamini_hochberg


def pairwise(embedding, labels, replicates=None) -> dict[str, tuple[float, int]]:
    """Mean cosine and number of pairs, one pair after the other."""
    result = {}
    for label in sorted(set(labels)):
        rows = [i for i in range(len(labels)) if labels[i] == label]
        cosines = []
        for a, i in enumerate(rows):
            for j in rows[a + 1 :]:
                if replicates is not None and replicates[i] == replicates[j]:
                    continue
                norm = np.linalg.norm(embedding[i]) * np.linalg.norm(embedding[j])
                cosines.append(embedding[i] @ embedding[j] / norm if norm > 0 else 0.0)
        result[label] = (np.mean(cosines) if cosines else np.nan, len(cosines))
    return result


def screen(rng, *, n_targets=1, n=40, n_controls=60, batches=3, n_dims=8, effect=0.0):
    """Gaussian embedding with batch shifts; every target is moved by `effect` along one axis."""
    labels, batch = [], []
    for b in range(batches):
        for label, size in [("control", n_controls), *((f"T{t}", n) for t in range(n_targets))]:
            labels += [label] * size
            batch += [f"b{b}"] * size
    labels, batch = np.array(labels), np.array(batch)
    shift = rng.standard_normal((batches, n_dims))
    embedding = (
        rng.standard_normal((len(labels), n_dims)) + shift[np.unique(batch, return_inverse=True)[1]]
    )
    embedding[labels != "control", 0] += effect
    return embedding, labels, batch


# --------------------------------------------------------------------------- closed form


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 25),
    n_dims=st.integers(1, 6),
    n_labels=st.integers(1, 4),
    n_replicates=st.integers(1, 4),
    share_zero=st.sampled_from([0.0, 0.3]),
    across=st.booleans(),
)
def test_closed_form_is_the_pairwise_loop(
    seed, n, n_dims, n_labels, n_replicates, share_zero, across
):
    rng = np.random.default_rng(seed)
    embedding = rng.standard_normal((n, n_dims)) * rng.uniform(1e-3, 1e3, (n, 1))
    embedding[rng.random(n) < share_zero] = 0
    labels = rng.choice([f"P{i}" for i in range(n_labels)], n)
    replicates = rng.choice([f"r{i}" for i in range(n_replicates)], n) if across else None
    found = perturbation_consistency(embedding, labels, replicates=replicates)
    expected = pairwise(embedding, labels, replicates)
    assert list(found.index) == list(expected)
    np.testing.assert_allclose(
        found["similarity"], [s for s, _ in expected.values()], rtol=0, atol=1e-12
    )
    assert list(found["n_pairs"]) == [n for _, n in expected.values()]
    zero = pd.Series((embedding == 0).all(axis=1)).groupby(labels).sum()
    assert list(found["n_zero"]) == list(zero)
    assert found["n_cells"].sum() == n


def test_identical_rows_are_consistent_and_not_significant_against_larger_values():
    found = perturbation_consistency(np.tile([1.0, 2.0, 3.0], (5, 1)), ["A"] * 5)
    assert found.loc["A", "similarity"] == pytest.approx(1, abs=1e-15)
    assert found.loc["A", "similarity"] <= 1
    assert empirical_p_value(found.loc["A", "similarity"], [1.1, 2, 3, 4, 5]) == 1
    # Published form of the same: all five of the null are at least as large.
    assert empirical_p_value(1.0, [1, 2, 3, 4, 5], add_one=False) == 1


def test_opposite_rows_and_single_precision():
    found = perturbation_consistency(np.float32([[1, 0], [-2, 0]]), ["A", "A"])
    assert found.loc["A", "similarity"] == -1


def test_pairs_within_a_replicate_never_count():
    rng = np.random.default_rng(0)
    embedding = np.concatenate([np.tile([1.0, 0], (10, 1)), np.tile([0, 1.0], (10, 1))])
    replicates = np.repeat(["r1", "r2"], 10)
    found = perturbation_consistency(embedding, ["A"] * 20, replicates=replicates)
    assert found.loc["A", "similarity"] == pytest.approx(0, abs=1e-15)
    assert found.loc["A", "n_pairs"] == 100
    alone = perturbation_consistency(rng.normal(size=(5, 2)), ["A"] * 5, replicates=["r1"] * 5)
    assert np.isnan(alone.loc["A", "similarity"])
    assert alone.loc["A", "n_pairs"] == 0


def test_one_cell_has_no_pair():
    found = perturbation_consistency(np.eye(3), ["A", "B", "B"])
    assert np.isnan(found.loc["A", "similarity"])
    assert found.loc["B", "similarity"] == 0


@pytest.mark.parametrize(
    ("embedding", "labels", "message"),
    [
        (np.zeros(3), ["A"] * 3, "shape"),
        (np.array([[1.0], [np.nan]]), ["A"] * 2, "row 1, column 0"),
        (np.array([[np.inf], [1.0]]), ["A"] * 2, "NaN or infinite"),
        (np.ones((3, 2)), ["A"] * 2, "3 rows"),
        (np.ones((2, 2)), ["A", None], "missing"),
    ],
)
def test_bad_input_is_refused(embedding, labels, message):
    with pytest.raises(ValueError, match=message):
        perturbation_consistency(embedding, labels)


# --------------------------------------------------------------------------- p-values


@given(
    null=st.lists(st.integers(-5, 5), min_size=1, max_size=30),
    statistic=st.integers(-6, 6),
    add_one=st.booleans(),
)
def test_p_value_counts_what_is_at_least_as_large(null, statistic, add_one):
    b = sum(value >= statistic for value in null)
    expected = (1 + b) / (1 + len(null)) if add_one else b / len(null)
    assert empirical_p_value(statistic, null, add_one=add_one) == pytest.approx(expected)


@pytest.mark.parametrize("n", [20, 40, 60, 80, 100, 1000])
def test_published_p_values_round_as_the_released_code_does(n):
    """bmdb.py:56: 1 - searchsorted(null, value) / len(null)."""
    null = np.random.default_rng(n).normal(size=n)
    released = 1 - np.searchsorted(np.sort(null), null, side="left") / n
    assert (empirical_p_value(null, null, add_one=False) == released).all()
    at_level = np.sort(null)[-n // 20]
    called = empirical_p_value(at_level, null, add_one=False) <= 0.05
    assert called == (1 - (n - n // 20) / n <= 0.05)
    assert n > 40 or not called


def test_p_value_of_arrays_and_what_is_undefined():
    p = empirical_p_value([np.nan, 2.0, 9.0], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(p, [np.nan, 3 / 4, 1 / 4])
    with pytest.raises(ValueError, match="empty"):
        empirical_p_value(1.0, [])
    with pytest.raises(ValueError, match="1 NaN"):
        empirical_p_value(1.0, [1.0, np.nan])


# --------------------------------------------------------------------------- the test


def against_controls(
    embedding, labels, batches, *, rng, pairs="across", replicates=None, null="matched",
    n_draws=1000, n_bootstrap=1000, **centring,
):  # fmt: skip
    """The test of a screen; pairs across batches count unless something else is asked for."""
    replicates = batches if replicates is None else replicates
    cells = centred_cells(
        embedding, labels, batches, replicates=replicates if pairs == "across" else None, **centring
    )
    labellings = Relabelling(n_draws, in_sample=null == "in-sample")
    return consistency_test(cells, null=labellings, n_bootstrap=n_bootstrap, rng=rng)


def test_similarity_is_that_of_the_postprocessed_embedding():
    embedding, labels, batch = screen(np.random.default_rng(1), n_targets=3, effect=0.5)
    for post in ("raw", "centered", "center_scaled"):
        for pairs in ("across", "all"):
            found = against_controls(
                embedding,
                labels,
                batch,
                post=post,
                pairs=pairs,
                n_draws=1,
                n_bootstrap=0,
                rng=np.random.default_rng(0),
            )
            treated = postprocess(embedding, batch, labels == "control", post)
            expected = perturbation_consistency(
                treated, labels, replicates=batch if pairs == "across" else None
            ).drop("control")
            columns = ["similarity", "n_cells", "n_pairs", "n_zero"]
            pd.testing.assert_frame_equal(found[columns], expected[columns], rtol=1e-10)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("across", [True, False])
def test_downdated_statistics_are_the_recomputed_ones(scale, across):
    rng = np.random.default_rng(2)
    taken, n_dims = np.array([15, 4]), 5
    pool = rng.standard_normal((51, n_dims)) * 3
    pool[:, 4] = 0  # what centring leaves of a constant column
    pool[3, 3], pool[:3, 3], pool[4:30, 3] = 1.0, 0, 0  # constant once row 3 is taken
    starts = np.array([0, 30, 51])
    n = taken.sum()
    n_ordered = n**2 - (taken**2).sum() if across else n**2 - n
    none, result = np.zeros((0, n), dtype=np.int64), np.empty(6)
    _relabelled(
        pool, starts, taken, np.array([0, 1]), across, n_ordered, True, scale, none, result,
        np.random.default_rng(9),
    )  # fmt: skip

    again, order = np.random.default_rng(9), list(range(51))
    for k in range(6):
        rows, replicates = [], []
        for b in range(2):
            start, stop = starts[b], starts[b + 1]
            for i in range(start, start + taken[b] if k else start):
                j = i + int(again.random() * (stop - i))
                order[i], order[j] = order[j], order[i]
            drawn = order[start : start + taken[b]]
            rest = pool[[i for i in range(start, stop) if i not in drawn]]
            sd = rest.std(axis=0) if scale else np.ones(n_dims)
            sd[sd == 0] = 1
            rows.append((pool[drawn] - rest.mean(axis=0)) / sd)
            replicates += [str(b)] * taken[b]
        ((expected, _),) = pairwise(
            np.concatenate(rows), ["A"] * n, replicates if across else None
        ).values()
        assert result[k] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.tuples(st.integers(1, 2), st.integers(2, 3)), min_size=2, max_size=3),
    post=st.sampled_from(["center_scaled", "centered", "raw"]),
)
def test_few_labellings_are_all_computed_and_bound_the_p_value(seed, sizes, post):
    """Every way to call n of the n + N cells of each batch the target, one after the other."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([["T"] * n + ["control"] * m for n, m in sizes])
    batch = np.repeat(np.arange(len(sizes)), [n + m for n, m in sizes])
    embedding = rng.standard_normal((len(labels), 3))
    found = against_controls(embedding, labels, batch, post=post, n_bootstrap=0, rng=rng).loc["T"]
    ways = [list(combinations(np.flatnonzero(batch == b), n)) for b, (n, _) in enumerate(sizes)]
    values = []
    for chosen in product(*ways):
        other = np.full(len(labels), "control")
        other[np.concatenate(chosen)] = "T"
        treated = postprocess(embedding, batch, other == "control", post)
        scored = perturbation_consistency(treated, other, replicates=batch)
        values.append(scored.loc["T", "similarity"])
    true = found["similarity"]
    assert found["least_p"] == pytest.approx(1 / len(values))
    assert found["p_value"] == pytest.approx(np.mean(np.array(values) >= true - 1e-9))
    assert found["p_value"] >= found["least_p"]


@pytest.mark.parametrize(("controls", "batches", "n"), [(4, 2, 1), (8, 2, 1), (4, 4, 1), (3, 4, 5)])
@pytest.mark.parametrize("post", ["center_scaled", "raw"])
def test_few_controls_do_not_make_discoveries(controls, batches, n, post):
    """25 targets without effect: of 40 screens at most 6 have one at q <= .05 (expected: 2)."""
    called, first = 0, []
    for stream in np.random.default_rng(controls).spawn(40):
        embedding, labels, batch = screen(
            stream, n_targets=25, n=n, n_controls=controls, batches=batches
        )
        found = against_controls(
            embedding, labels, batch, post=post, n_draws=400, n_bootstrap=0, rng=stream
        )
        called += bool((benjamini_hochberg(found["p_value"]) <= 0.05).any())
        first.append(found["p_value"].iloc[0])
    assert called <= 6
    assert np.mean(np.array(first) <= 0.05) <= 0.175


def p_values_without_effect(*, null, pairs, n_screens=20):
    """p-values of screens in which no target has an effect; targets as large as the controls."""
    rng = np.random.default_rng(3)
    found = []
    for stream in rng.spawn(n_screens):
        embedding, labels, batch = screen(stream, n_targets=5, n=60, n_controls=60)
        found.append(
            against_controls(
                embedding,
                labels,
                batch,
                null=null,
                pairs=pairs,
                n_draws=200,
                n_bootstrap=0,
                rng=stream,
            )["p_value"]
        )
    return found


def test_relabelling_is_uniform_without_effect_and_in_sample_is_not():
    matched = p_values_without_effect(null="matched", pairs="across")
    # Targets of one screen share their controls, so one of each is what is independent.
    assert kstest([p.iloc[0] for p in matched], "uniform").pvalue > 0.01
    pooled = np.concatenate(matched)
    assert 0.0 <= np.mean(pooled <= 0.05) <= 0.12
    wrong = np.concatenate(p_values_without_effect(null="in-sample", pairs="all"))
    assert np.mean(wrong <= 0.05) > 0.5
    assert kstest(wrong, "uniform").pvalue < 1e-6


def test_an_effect_is_found_and_the_interval_holds_it():
    rng = np.random.default_rng(4)
    effect, n_dims = 1.0, 8
    covered = 0
    big = rng.standard_normal((200_000, n_dims))
    big[:, 0] += effect
    truth = (((big / np.linalg.norm(big, axis=1, keepdims=True)).mean(axis=0)) ** 2).sum()
    for stream in rng.spawn(40):
        embedding, labels, batch = screen(stream, n=40, n_controls=2000, effect=effect)
        found = against_controls(
            embedding, labels, batch, post="centered", n_draws=50, n_bootstrap=300, rng=stream
        ).loc["T0"]
        assert found["p_value"] == 1 / 51
        assert found["low"] < found["similarity"] < found["high"]
        covered += found["low"] <= truth <= found["high"]
    assert covered >= 33  # 38 of 40 expected


def test_one_seed_one_result_and_rows_in_any_order_one_similarity():
    rng = np.random.default_rng(5)
    embedding, labels, batch = screen(rng, n_targets=3, effect=0.4)

    def scored(rows, seed=0):
        return against_controls(
            embedding[rows], labels[rows], batch[rows], n_draws=300, n_bootstrap=300,
            rng=np.random.default_rng(seed),
        )  # fmt: skip

    rows = np.arange(len(labels))
    first = scored(rows)
    pd.testing.assert_frame_equal(first, scored(rows))
    shuffled = scored(rng.permutation(rows))
    exact = ["similarity", "n_cells", "n_used", "n_pairs"]
    pd.testing.assert_frame_equal(first[exact], shuffled[exact], rtol=1e-10)
    # Draws go by row: other draws, the same null.
    np.testing.assert_allclose(first["null_mean"], shuffled["null_mean"], atol=0.003)
    assert not first["null_mean"].equals(scored(rows, seed=1)["null_mean"])


def test_what_has_no_pair_is_nan_and_counted():
    embedding, labels, batch = screen(np.random.default_rng(6))
    labels = labels.astype(object)
    labels[np.flatnonzero(labels == "T0")[0]] = "alone"
    one_batch = np.flatnonzero((labels == "T0") & (batch == "b1"))
    labels[one_batch] = "in one batch"
    found = against_controls(
        embedding, labels, batch, n_draws=5, n_bootstrap=5, rng=np.random.default_rng(0)
    )
    for name in ("alone", "in one batch"):
        assert found.loc[name, ["similarity", "low", "p_value", "null_mean"]].isna().all()
        assert found.loc[name, "n_pairs"] == 0
    assert found.loc["alone", "n_cells"] == 1
    assert found.loc["T0"].notna().all()


def test_a_target_larger_than_its_controls_enters_with_all_cells():
    embedding, labels, batch = screen(np.random.default_rng(7), n=40, n_controls=21)
    found = against_controls(
        embedding, labels, batch, n_draws=20, n_bootstrap=0, rng=np.random.default_rng(0)
    ).loc["T0"]
    assert (found["n_cells"], found["n_used"], found["n_pairs"]) == (120, 120, 3 * 1600)


def test_a_batch_without_controls_is_named_or_left_out():
    embedding, labels, batch = screen(np.random.default_rng(8), effect=1)
    controls = np.flatnonzero((labels == "control") & (batch == "b1"))
    for kept in (0, 1):
        rows = np.delete(np.arange(len(labels)), controls[kept:])
        arguments = (embedding[rows], labels[rows], batch[rows])
        with pytest.raises(ValueError, match=rf"b1 \({kept}\)"):
            against_controls(*arguments, n_draws=5, rng=np.random.default_rng(0))
        found = against_controls(
            *arguments, n_draws=5, missing_controls="drop", rng=np.random.default_rng(0)
        ).loc["T0"]
        assert (found["n_cells"], found["n_used"]) == (120, 80)
        assert found["n_pairs"] == 1600


def test_zero_cells_are_counted():
    embedding, labels, batch = screen(np.random.default_rng(9))
    embedding[np.flatnonzero(labels == "T0")[:2]] = 0
    found = against_controls(
        embedding, labels, batch, post="raw", n_draws=5, rng=np.random.default_rng(0)
    )
    assert found.loc["T0", "n_zero"] == 2


def test_replicates_of_several_batches():
    embedding, labels, batch = screen(np.random.default_rng(10), batches=4)
    replicate = np.where(np.isin(batch, ["b0", "b1"]), "r1", "r2")
    found = against_controls(
        embedding, labels, batch, replicates=replicate, n_draws=5, rng=np.random.default_rng(0)
    )
    assert found.loc["T0", "n_pairs"] == 80 * 80
    torn = replicate.copy()
    torn[0] = "r2"
    with pytest.raises(ValueError, match="b0 spans the replicates r1, r2"):
        against_controls(
            embedding, labels, batch, replicates=torn, n_draws=5, rng=np.random.default_rng(0)
        )


@pytest.mark.parametrize(
    "argument",
    [{"post": "tvn"}, {"missing_controls": "guess"}],
)
def test_unknown_choices_are_refused_with_the_known_ones(argument):
    ((name, value),) = argument.items()
    with pytest.raises(ValueError, match=f"{name} is '{value}'; choose from"):
        against_controls(
            np.ones((2, 1)), ["control", "A"], ["b", "b"], rng=np.random.default_rng(0), **argument
        )


def test_no_controls_and_no_draws_are_refused():
    arguments = (np.ones((2, 1)), ["A", "A"], ["b", "b"])
    with pytest.raises(ValueError, match="no cell is labelled 'control'"):
        against_controls(*arguments, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="n_draws is 0"):
        Relabelling(0)


# --------------------------------------------------------------------------- facts


def test_facts_name_each_metric_once_and_refuse_nonsense():
    assert all(name == metric.name for name, metric in METRICS.items())
    facts = {"name": "m", "title": "m", "low": 0, "high": 1, "chance": 0.5, "source": "s"}
    Metric(**facts, better="higher")
    for wrong in ({"better": "up"}, {"chance": 2}, {"low": 1}):
        with pytest.raises(ValueError, match="m: "):
            Metric(**({"better": "higher"} | facts | wrong))
