"""Digits are kept where genes are ranked: constants lead nothing, units change nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.metrics.explanation.mutual_information import mutual_information
from helpers.metrics.explanation.retention import balanced_accuracy
from helpers.models.explanation import rankings
from helpers.models.explanation.classifiers import LogisticRegression, standardisation, standardise

RANKINGS = {
    "welch": rankings.welch_t,
    "wilcoxon": rankings.wilcoxon_effect,
    "mutual information": lambda x, y: mutual_information(x, y, 0),
    "variance": lambda x, y: rankings.variance(x),
    "loading": lambda x, y: rankings.first_loading(x),
    "standardised": lambda x, y: standardise(x, *standardisation(x)),
}


def samples(seed=0, n=(61, 83)):
    y = np.repeat(["a", "b"], n)
    x = np.random.default_rng(seed).normal(size=(sum(n), 4)) + (y == "a")[:, None]
    return x, y


def test_a_constant_gene_has_no_welch_statistic():
    y = np.repeat(["a", "b"], [61, 83])
    assert (rankings.welch_t(np.full((144, 1), 1 / 3), y) == 0).all()


@pytest.mark.parametrize("name", RANKINGS)
def test_a_gene_that_is_constant_up_to_rounding_is_last(name):
    x, y = samples()
    for constant in (np.full(144, 1 / 3), np.where(y == "a", 0.1 + 0.2, 0.3)):
        found = np.atleast_2d(RANKINGS[name](np.column_stack([constant, x]), y))
        assert (found[:, 0] == 0).all()
        assert np.abs(found[:, 1:]).max() > 0


@pytest.mark.parametrize("name", RANKINGS)
@settings(max_examples=10, deadline=None)
@given(exponent=st.integers(-14, 14))
def test_ranks_do_not_depend_on_the_unit(name, exponent):
    x, y = samples(1, (20, 25))
    here, there = RANKINGS[name](x, y), RANKINGS[name](x * 10.0**exponent, y)
    if name == "variance":
        there = there / 10.0 ** (2 * exponent)
    np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-6)


def test_a_sample_without_a_class_is_refused():
    x, y = samples(n=(20, 25))
    y = y.astype(object)
    y[3] = np.nan
    for name in ("welch", "wilcoxon", "mutual information"):
        with pytest.raises(ValueError, match="missing for 1 rows, the first in row 3"):
            RANKINGS[name](x, y)
    with pytest.raises(ValueError, match="missing"):
        balanced_accuracy(y, y)
    with pytest.raises(ValueError, match="missing"):
        LogisticRegression().fit(x, y)
