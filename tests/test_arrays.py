"""One door for arrays, and one word for constant; what lies under no tier and stands on them."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import mannwhitneyu

from helpers.metrics.arrays import finite_matrix, joint_codes, label_codes, tolerance, varies
from helpers.metrics.de import mann_whitney
from helpers.metrics.edistance import edistance_test
from helpers.metrics.labellings import least_p_value

# --------------------------------------------------------------------------- the door

FORMS = [
    np.float32,
    np.float64,
    np.float16,
    ">f8",
    "<f4",
    int,
    object,
    sparse.csr_matrix,
    sparse.csc_array,
    np.asfortranarray,
]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_any_form_of_a_matrix_is_one_matrix_and_what_was_given_stays(form):
    values = np.array([[1.0, -2.0, 0.0], [4.0, 0.0, 6.0]])
    given_ = form(values) if form in FORMS[-3:] else values.astype(form)
    found = finite_matrix(given_)
    np.testing.assert_array_equal(found, values)
    assert found.flags.c_contiguous
    assert found.dtype in (np.float32, np.float64)
    assert found.dtype.isnative


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(3), r"shape \(3,\)"),
        (np.array([["a", "b"]]), "not numbers"),
        (np.array([[1.0, np.nan]]), "1 NaN or infinite values, the first in row 0, column 1"),
        (np.array([[np.inf, -np.inf]]), "2 NaN or infinite"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        finite_matrix(values)


@pytest.mark.parametrize("missing", [None, np.nan])
def test_labels_that_are_missing_are_no_group(missing):
    labels = np.array(["a", missing, "b"], dtype=object)
    with pytest.raises(ValueError, match="missing for 1 rows, the first in row 1"):
        label_codes(labels, 3)
    with pytest.raises(ValueError, match="missing for 1 of 6"):
        joint_codes(labels, np.array(["a", "b", "b"], dtype=object))
    with pytest.raises(ValueError, match="missing"):
        mann_whitney(np.ones((3, 1)), labels, np.array([True, False, False]))
    x = np.random.default_rng(0).normal(size=(3, 2))
    with pytest.raises(ValueError, match="missing"):
        edistance_test(x, x, batch=labels, control_batch=labels, rng=np.random.default_rng(0))


def test_numbers_of_batches_are_one_whatever_their_type():
    first, second = joint_codes([0, 1], [0.0, 1.0, 2.0])
    assert first.tolist() == second[:2].tolist()
    with pytest.raises(ValueError, match="text in one place and numbers in another"):
        joint_codes(["0", "1"], [0, 1])


# --------------------------------------------------------------------------- what is constant


@given(
    exponent=st.integers(-200, 200),
    single=st.booleans(),
    seed=st.integers(0, 10**6),
    offset=st.sampled_from([0.0, 1.0, 1e4]),
)
def test_to_vary_does_not_depend_on_the_unit(exponent, single, seed, offset):
    kind = np.float32 if single else np.float64
    scale = 10.0 ** (exponent / 8 if single else exponent)
    some = np.random.default_rng(seed).normal(size=20) + offset
    same = np.nextafter(np.full(20, 0.3, kind), np.where(np.arange(20) % 2, kind(0), kind(1)))
    columns = np.column_stack([some, same, np.full(20, 1 / 3), np.zeros(20)]) * scale
    assert varies(columns.astype(kind)).tolist() == [True, False, False, False]
    assert varies(columns.T.astype(kind), axis=1).tolist() == [True, False, False, False]


def test_sums_that_differ_by_rounding_are_one_value():
    mixed = np.where(np.arange(9) % 2, 0.1 + 0.2, 0.3)
    assert mixed.std() > 0
    assert not varies(mixed)
    assert varies(np.array([1.0, 1.0 + 20 * tolerance(mixed)]))
    centred = mixed - mixed.mean()
    assert not varies(centred, magnitude=0.3)
    assert not varies(np.empty((0, 2))).any()


# --------------------------------------------------------------------------- Mann-Whitney


def test_p_values_are_above_zero_and_above_what_arrangements_allow():
    """z is 39 with 1,000 against 1,000; four cells have 70 arrangements, whatever z says."""
    for n in (2, 3, 4, 1_000):
        x = np.concatenate([np.arange(n) + 10.0 * n, np.arange(n)])[:, None]
        labels = np.repeat(["g", "control"], n)
        p = mann_whitney(x, labels, labels == "control").p_value[0, 0]
        exact = mannwhitneyu(x[:n, 0], x[n:, 0], method="exact").pvalue if n < 1_000 else 0
        assert 0 < p <= 1
        assert p >= exact * (1 - 1e-9)


def test_a_gene_that_is_constant_up_to_rounding_is_one_value():
    x = np.concatenate([np.full(30, 0.1 + 0.2), np.full(30, 0.3)])[:, None]
    labels = np.repeat(["g", "control"], 30)
    found = mann_whitney(x, labels, labels == "control")
    assert found.p_value[0, 0] == 1
    assert found.u[0, 0] == 450


# --------------------------------------------------------------------------- labellings


@given(sizes=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=3))
def test_the_least_p_value_is_one_over_the_number_of_labellings(sizes):
    n, m = np.array(sizes).T
    ways = len(list(product(*(combinations(range(a + b), a) for a, b in sizes))))
    # To the last bit where the number of ways is exact: shares of labellings are compared with it.
    assert least_p_value(n, n + m) == (1 / ways if ways < 2**50 else pytest.approx(1 / ways))
    assert least_p_value(n, n + m, n_draws=9) == pytest.approx(max(1 / ways, 0.1))


def test_energy_tests_of_few_cells_are_bounded_by_their_labellings():
    """Two cells of each kind, ten apart: of six labellings two are as far as the true one."""
    x, c = np.array([[10.0], [11.0]]), np.array([[0.0], [1.0]])
    for seed in range(5):
        _, p = edistance_test(x, c, n_permutations=99, rng=np.random.default_rng(seed))
        assert p >= 1 / 6
