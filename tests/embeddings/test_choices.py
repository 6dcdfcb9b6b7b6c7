"""What a table gains that shows the best of several choices."""

import numpy as np
import pandas as pd
import pytest

from helpers.metrics.embeddings.choices import selection_bias


def scores(n_units=100, n_choices=4, shift=(0, 0, 0, 0), seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        rng.standard_normal((n_units, n_choices)) + np.array(shift), columns=list("abcd")
    )


def test_equal_choices_gain_the_expected_maximum_of_their_means():
    """Four equal choices: what is picked on other units has mean 0, the best E max of 4 normals."""
    biases, honest = [], []
    for seed in range(60):
        values = scores(n_units=200, seed=seed)
        found = selection_bias(values, np.arange(200), rng=np.random.default_rng(seed))
        biases.append(found.attrs["bias"])
        honest.append(found.attrs["on_validation"])
    # Validation and test halves of one sample: picking in one half is picking against the other
    # around their common mean, so the mean of the honest pick is 0 over samples.
    assert abs(np.mean(honest)) < 3 * np.std(honest) / np.sqrt(60) + 0.01
    expected = 1.0294 / np.sqrt(100)  # E max of 4 standard normals, means of 100 units
    assert np.mean(biases) == pytest.approx(expected, rel=0.15)


def test_a_clear_winner_leaves_no_bias():
    found = selection_bias(scores(shift=(0, 0, 5, 0)), np.arange(100), rng=np.random.default_rng(0))
    assert found.attrs["bias"] == 0
    assert found.loc["c", "picked_on_validation"] == 1
    assert found["mean"].idxmax() == "c"


def test_units_of_a_cluster_stay_together():
    """Every cluster repeats one value ten times: as if there were only its one unit."""
    few = scores(n_units=12, seed=3)
    many = few.loc[np.repeat(np.arange(12), 10)].reset_index(drop=True)
    alone = selection_bias(few, np.arange(12), rng=np.random.default_rng(1))
    together = selection_bias(many, np.repeat(np.arange(12), 10), rng=np.random.default_rng(1))
    assert together.attrs["bias"] == pytest.approx(alone.attrs["bias"])
    split = selection_bias(many, np.arange(120), rng=np.random.default_rng(1))
    assert split.attrs["bias"] < alone.attrs["bias"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.mask(v > 2), "not finite"),
        (lambda v: v[["a"]], "nothing to pick"),
        (lambda v: v.head(3), "at least 4"),
    ],
)
def test_wrong_input_is_named(change, message):
    values = change(scores(seed=5))
    with pytest.raises(ValueError, match=message):
        selection_bias(values, np.arange(len(values)), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="for 100 rows"):
        selection_bias(scores(), np.arange(5), rng=np.random.default_rng(0))
