"""Probes: minima that are minima, closed forms, and the published schedule."""

import numpy as np
import pytest
import torch

from helpers.models.embeddings.probes import (
    LinearProbe,
    MLPProbe,
    PublishedProbe,
    RidgeProbe,
    Standardiser,
    _cross_entropy_gradient,
)
from helpers.tasks.embeddings.probe_units import accuracy_by_unit


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    labels = rng.integers(8, size=600)
    centres = rng.standard_normal((8, 10))
    return (centres[labels] + rng.standard_normal((600, 10))) * 3 + 7, labels


def accuracy(probe, data):
    x, y = data
    return (probe.decision_function(x).argmax(axis=1) == y).mean()


def test_the_linear_probe_reaches_the_minimum_that_scikit_learn_reaches(data):
    from sklearn.linear_model import LogisticRegression

    x, y = data
    penalty = 1e-2
    probe = LinearProbe(penalty, gap=1e-7).fit(x, y)
    design = Standardiser().fit(x).transform(x)
    peer = LogisticRegression(
        C=1 / (penalty * len(x)), fit_intercept=False, tol=1e-10, max_iter=10_000
    ).fit(design, y)

    def loss(weights):
        logits = design.astype(float) @ weights
        top = logits.max(axis=1, keepdims=True)
        log_total = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
        own = logits[np.arange(len(y)), y]
        return (log_total - own).mean() + penalty / 2 * (weights**2).sum()

    assert loss(probe.weights_) == pytest.approx(loss(peer.coef_.T), abs=2e-7)
    np.testing.assert_allclose(probe.weights_, peer.coef_.T, atol=2e-3)
    rough = LinearProbe(penalty, gap=1e-2).fit(x, y)
    assert rough.n_iter_ < probe.n_iter_
    # The bound holds: what is left is no more than it says.
    assert loss(rough.weights_) - loss(peer.coef_.T) <= rough.gap_ <= 1e-2


def test_the_linear_probe_does_not_depend_on_units(data):
    x, y = data
    scaled = (x - 5) * np.logspace(-3, 3, x.shape[1])
    one, other = LinearProbe(gap=1e-7).fit(x, y), LinearProbe(gap=1e-7).fit(scaled, y)
    np.testing.assert_allclose(one.decision_function(x), other.decision_function(scaled), atol=2e-3)
    # The published probe does.
    large, small = 10 * (x - x.mean(axis=0)), (x - x.mean(axis=0)) / 100
    first, second = (
        PublishedProbe().fit(e, y).decision_function(e).argmax(1) for e in (large, small)
    )
    assert (first != second).mean() > 0.3


def test_a_constant_dimension_and_a_class_without_cells_do_no_harm(data):
    x, y = data
    wide = np.column_stack([x, np.full(len(x), 3.0)])
    np.testing.assert_allclose(
        LinearProbe().fit(wide, y, n_classes=9).decision_function(wide)[:, :8].argmax(axis=1),
        LinearProbe().fit(x, y, n_classes=9).decision_function(x)[:, :8].argmax(axis=1),
    )
    assert (LinearProbe().fit(x, y, n_classes=9).decision_function(x).argmax(axis=1) < 8).all()


def test_a_warm_start_ends_at_the_same_minimum(data):
    x, y = data
    cold = LinearProbe(1e-2, gap=1e-7).fit(x, y)
    start = LinearProbe(1e-1).fit(x, y).weights_
    warm = LinearProbe(1e-2, gap=1e-7).fit(x, y, start=start)
    np.testing.assert_allclose(cold.weights_, warm.weights_, atol=2e-3)


def test_a_probe_that_does_not_converge_says_so(data):
    with pytest.raises(ValueError, match="not converged after 2 steps"):
        LinearProbe(1e-3, gap=1e-9, max_iter=2).fit(*data)
    with pytest.raises(ValueError, match="penalty is 0"):
        LinearProbe(0).fit(*data)
    with pytest.raises(ValueError, match="penalty is -1"):
        RidgeProbe(-1).fit(*data)


def test_the_ridge_probe_is_ridge_regression_of_zeros_and_ones(data):
    from sklearn.linear_model import Ridge

    x, y = data
    probe = RidgeProbe(0.3).fit(x, y)
    design = Standardiser().fit(x).transform(x).astype(float)
    peer = Ridge(alpha=0.3 * len(x), fit_intercept=False).fit(design, np.eye(8)[y])
    np.testing.assert_allclose(probe.weights_, peer.coef_.T, atol=1e-8)


def test_the_mlp_finds_what_no_line_separates():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3_000, 2))
    y = ((x[:, 0] > 0) == (x[:, 1] > 0)).astype(int)
    line = LinearProbe().fit(x[:2000], y[:2000])
    assert abs(accuracy(line, (x, y)) - 0.5) < 0.1
    mlp = MLPProbe().fit(x[:2000], y[:2000], x[2000:], y[2000:], n_classes=2)
    assert accuracy(mlp, (x, y)) > 0.9
    again = MLPProbe().fit(x[:2000], y[:2000], x[2000:], y[2000:], n_classes=2)
    assert mlp.losses_ == again.losses_


def test_the_mlp_keeps_its_best_epoch_and_stops(data):
    x, y = data
    rng = np.random.default_rng(2)
    noise = rng.permutation(y)  # nothing to learn: the loss rises
    probe = MLPProbe(patience=3).fit(x[:400], noise[:400], x[400:], noise[400:], n_classes=8)
    assert len(probe.losses_) < 60
    assert len(probe.losses_) - 1 - int(np.argmin(probe.losses_)) == 3


def test_the_published_learning_rate_rises_and_falls():
    probe = PublishedProbe()
    assert probe.learning_rate(0) == pytest.approx(3e-5)
    assert probe.learning_rate(5) == pytest.approx(3e-5 + 5 / 9 * (1e-3 - 3e-5))
    assert probe.learning_rate(9) == pytest.approx(1e-3)
    assert probe.learning_rate(10) == pytest.approx(1e-3)
    assert probe.learning_rate(29, n_batches=3) == pytest.approx(1e-3)
    assert probe.learning_rate(15, n_batches=3) == pytest.approx(3e-5 + 15 / 29 * (1e-3 - 3e-5))
    assert probe.learning_rate(130) == pytest.approx(5e-4)
    assert probe.learning_rate(250) == pytest.approx(0, abs=1e-12)


def test_the_published_probe_takes_250_steps_of_adamw(data):
    """Its own update by hand, full batch: Adam with decoupled decay."""
    x, y = data
    x = x[:60].astype(np.float32)
    y = y[:60]
    probe = PublishedProbe(max_epochs=12, random_state=3).fit(x, y, n_classes=8)
    start = PublishedProbe(max_epochs=10**9, random_state=3)
    start.max_epochs = 0
    begun = start.fit(x, y, n_classes=8).net_
    w = np.column_stack([begun.weight.detach(), begun.bias.detach()]).astype(float)
    assert np.abs(w).max() <= 10**-0.5
    design, m, v = np.column_stack([x, np.ones(60)]), 0, 0
    for step in range(12):
        rate = PublishedProbe(max_epochs=12).learning_rate(step)
        p = np.exp(design @ w.T - (design @ w.T).max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        gradient = (p - np.eye(8)[y]).T @ design / 60
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        w *= 1 - rate * 1e-6
        corrected = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
        w -= rate * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
    np.testing.assert_allclose(probe.decision_function(x), design @ w.T, atol=1e-3)


def test_batches_of_the_published_probe_include_the_last_one(data):
    x, y = data
    one = PublishedProbe(max_epochs=3, batch_size=600).fit(x, y)
    many = PublishedProbe(max_epochs=3, batch_size=250).fit(x, y)  # 250, 250, 100
    assert many.loss_ < one.loss_


def test_the_unit_moves_the_published_probe_and_not_the_one_at_its_minimum():
    found = accuracy_by_unit.function(seed=0, n_classes=5, n_dims=4, n_cells=100)
    right = found.pivot_table("cells named right", "factor", "probe")
    assert right["published"].max() - right["published"].min() > 0.2
    at_minimum = right.loc[[0.1, 1.0, 10.0], "run to its minimum"]
    assert at_minimum.max() - at_minimum.min() < 0.05


def test_the_gradient_by_blocks_of_cells_is_that_of_the_cross_entropy():
    rng = np.random.default_rng(0)
    x = torch.as_tensor(rng.standard_normal((2_300, 5)).astype(np.float32))
    y = torch.as_tensor(rng.integers(7, size=len(x)))
    linear = torch.nn.Linear(5, 7)
    torch.nn.functional.cross_entropy(linear(x), y).backward()
    expected = linear.weight.grad.clone(), linear.bias.grad.clone()
    _cross_entropy_gradient(linear, x, y)
    for found, one in zip((linear.weight.grad, linear.bias.grad), expected, strict=True):
        torch.testing.assert_close(found, one, rtol=1e-5, atol=1e-7)
