"""Attributions, prediction gaps and agreement against captum and against plain loops."""

import decimal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.metrics.explanation.attribution import (
    CompletenessError,
    class_means,
    gradient_x_input,
    integrated_gradients,
    l2_normalised,
)
from helpers.metrics.explanation.feature_agreement import (
    chance,
    feature_agreement,
    group_agreement,
    top,
    votes,
)
from helpers.metrics.explanation.heads import Head
from helpers.metrics.explanation.prediction_gap import adjusted, prediction_gap


def linear(genes=11, classes=4, seed=0, scale=0.5):
    rng = np.random.default_rng(seed)
    return Head(
        (scale * rng.normal(size=(genes, classes))).astype(np.float32),
        rng.normal(size=classes).astype(np.float32),
    )


def network(genes=11, hidden=6, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    return Head(
        (0.5 * rng.normal(size=(genes, hidden))).astype(np.float32),
        rng.normal(size=hidden).astype(np.float32),
        rng.normal(size=(hidden, classes)).astype(np.float32),
        rng.normal(size=classes).astype(np.float32),
    )


def samples(n=9, genes=11, classes=4, seed=1):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, genes)).astype(np.float32)
    return Z, rng.integers(classes, size=n), rng.normal(size=genes).astype(np.float32)


def as_module(head):
    """The same model in torch, in double precision, for captum."""

    def layer(weights, bias):
        linear = torch.nn.Linear(*weights.shape).double()
        linear.weight.data = torch.from_numpy(weights.T.astype(float))
        linear.bias.data = torch.from_numpy(bias.astype(float))
        return linear

    layers = [layer(head.weights, head.bias)]
    if head.out_weights is not None:
        layers += [torch.nn.ReLU(), layer(head.out_weights, head.out_bias)]
    return torch.nn.Sequential(*layers, torch.nn.Softmax(dim=1))


HEADS = pytest.mark.parametrize("head", [linear(), network()], ids=["softmax", "MLP"])


@HEADS
def test_integrated_gradients_are_captums(head):
    from captum.attr import IntegratedGradients

    Z, targets, baseline = samples()
    reference = IntegratedGradients(as_module(head)).attribute(
        torch.from_numpy(Z).double(),
        baselines=torch.from_numpy(baseline[None]).double(),
        target=torch.from_numpy(targets),
        n_steps=20_000,
        method="riemann_middle",  # a ReLU has kinks, which Gauss-Legendre nodes do not like
    )
    found = integrated_gradients(head, Z, targets, baseline, tolerance=1e-4, first_nodes=16_384)
    np.testing.assert_allclose(found.scores, reference.numpy(), atol=2e-5)


@HEADS
def test_gradient_times_input_is_captums(head):
    from captum.attr import InputXGradient

    Z, targets, _ = samples()
    reference = InputXGradient(as_module(head)).attribute(
        torch.from_numpy(Z).double().requires_grad_(), target=torch.from_numpy(targets)
    )
    found = gradient_x_input(head, Z, targets, np.zeros(11))
    np.testing.assert_allclose(found, reference.detach().numpy(), atol=1e-6)


@given(lead=st.floats(0, 700), rest=st.lists(st.floats(-3, 3), min_size=1, max_size=4))
def test_gradients_are_exact_however_sure_the_model_is(lead, rest):
    """p_k = e^(z_k - z_t) / sum: to the last digits in 60 decimal places, never by 1 - p."""
    z = np.array([lead, *rest])
    head = Head(np.eye(len(z), dtype=np.float32), np.zeros(len(z), dtype=np.float32))
    found = head.gradient(z[None], np.array([0]))[0]
    with decimal.localcontext(prec=400):
        odds = [decimal.Decimal(float(v)).exp() for v in z]
        p = [o / sum(odds) for o in odds]
        expected = [p[0] * sum(p[1:]), *(-p[0] * other for other in p[1:])]
    np.testing.assert_allclose(found, [float(e) for e in expected], rtol=1e-12)


def test_gradients_of_a_sure_model_keep_their_digits():
    head = Head(np.eye(3, dtype=np.float32), np.zeros(3, dtype=np.float32))
    z, target = np.array([[40.0, 0.0, -1.0]]), np.array([0])
    found = head.gradient(z, target)
    np.testing.assert_allclose(found, [[5.811e-18, -4.248e-18, -1.563e-18]], rtol=1e-3)
    far = gradient_x_input(head, z * 4, target, np.zeros(3))  # a lead of 160: below float32
    np.testing.assert_allclose(far[0, 0], 160 * (np.exp(-160) + np.exp(-164)), rtol=1e-6)
    units = l2_normalised(far)
    assert units.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(units), 1, rtol=1e-6)


def test_the_path_between_two_sure_ends_is_exact():
    head = Head(np.array([[1.0, 0.0]], np.float32), np.zeros(2, np.float32))
    found = integrated_gradients(head, np.array([[60.0]]), np.array([0]), np.array([50.0]))
    np.testing.assert_allclose(found.scores[0, 0], np.exp(-50) - np.exp(-60), rtol=1e-6)


def test_two_logits_have_a_closed_form():
    head = linear(classes=2)
    Z, targets, baseline = samples(classes=2)
    closed = integrated_gradients(head, Z, targets, baseline)
    path = integrated_gradients(
        head, Z, targets, baseline, closed_form=False, first_nodes=1_024, tolerance=1e-4
    )
    assert (closed.nodes == 0).all()
    np.testing.assert_allclose(closed.scores, path.scores, atol=1e-6)
    d = (Z @ head.weights + head.bias) @ [1, -1]
    d_b = (baseline @ head.weights + head.bias) @ [1, -1]
    w = head.weights @ [1, -1]
    p, p_b = 1 / (1 + np.exp(-d)), 1 / (1 + np.exp(-d_b))
    expected = (Z - baseline) * w * ((p - p_b) / (d - d_b))[:, None]
    expected[targets == 1] *= -1
    np.testing.assert_allclose(closed.scores, expected, atol=1e-6)


def test_a_sample_at_the_baseline_has_no_attribution():
    head = linear(classes=2)
    _, _, baseline = samples()
    found = integrated_gradients(head, baseline[None], np.array([1]), baseline)
    assert (found.scores == 0).all()
    assert (l2_normalised(found.scores) == 0).all()


def test_saturated_models_are_refined_until_complete():
    head = Head(np.array([[1_500, -1_500]], np.float32), np.zeros(2, np.float32))
    arguments = (head, np.array([[1.0]]), np.array([0]), np.array([-0.9]))
    found = integrated_gradients(*arguments, closed_form=False, tolerance=0.001)
    assert found.nodes[0] > 64
    np.testing.assert_allclose(found.scores, 1, atol=1e-3)


def test_a_gap_that_stays_is_refused_with_its_size():
    head = Head(np.array([[1_500, -1_500]], np.float32), np.zeros(2, np.float32))
    arguments = (head, np.array([[1.0]]), np.array([0]), np.array([-0.9]))
    with pytest.raises(CompletenessError, match=r"misses it by .* percentage points.* 64 nodes"):
        integrated_gradients(*arguments, closed_form=False, most_nodes=64)


def test_attributions_that_overflow_do_not_pass():
    head = Head(np.full((2, 3), 3e38, np.float32), np.zeros(3, np.float32))
    Z = np.array([[3e38, -3e38]], np.float32)
    with pytest.raises(CompletenessError), np.errstate(all="ignore"):
        integrated_gradients(head, Z, np.array([0]), np.zeros(2))


@HEADS
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"baseline": np.zeros((1, 11))}, r"the baseline has shape \(1, 11\); it is one profile"),
        ({"baseline": np.full(11, np.nan)}, "the baseline: 11 values are NaN"),
        ({"Z": np.zeros((9, 10))}, r"profiles have shape \(9, 10\); the model takes"),
        ({"Z": np.full((9, 11), np.inf)}, "profiles: 99 values"),
        ({"targets": np.zeros(3, int)}, "one class number for each sample"),
        ({"targets": np.full(9, 4)}, "classes: 0 to 3"),
        ({"targets": np.zeros(9)}, "one class number"),
    ],
)
def test_what_does_not_fit_is_refused(head, change, said):
    Z, targets, baseline = samples()
    arguments = {"Z": Z, "targets": targets, "baseline": baseline} | change
    for method in (integrated_gradients, gradient_x_input):
        with pytest.raises(ValueError, match=said):
            method(head, **arguments)
    with pytest.raises(ValueError, match=said):
        prediction_gap(head, **arguments, order=np.arange(11))


def test_heads_that_are_none_are_refused():
    weights, bias = np.zeros((4, 3), np.float32), np.zeros(3, np.float32)
    with pytest.raises(ValueError, match="are not"):
        Head(weights, bias[:2])
    with pytest.raises(ValueError, match="come together"):
        Head(weights, bias, np.zeros((3, 2)))
    with pytest.raises(ValueError, match="follow 3 hidden units"):
        Head(weights, bias, np.zeros((4, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="did not converge"):
        Head(weights + np.nan, bias)


def test_rows_get_length_one_whatever_their_size():
    rows = np.array([[3.0, -4.0], [3e-42, -4e-42], [3e30, -4e30], [0.0, 0.0]], np.float32)
    found = l2_normalised(rows)
    np.testing.assert_allclose(found[:3], [[0.6, -0.8]] * 3, rtol=1e-3)
    assert (found[3] == 0).all()


def test_class_means_are_signed_and_absolute_and_missing_where_nobody_is():
    values = np.array([[1.0, -1.0], [-1.0, -1.0], [0.5, 2.0]])
    signed, absolute = class_means(values, np.array(["a", "a", "b"]), ["a", "b", "c"])
    np.testing.assert_array_equal(signed[:2], [[0, -1], [0.5, 2]])
    np.testing.assert_array_equal(absolute[:2], [[1, 1], [0.5, 2]])
    assert np.isnan(signed[2]).all()


# --------------------------------------------------------------------------- prediction gaps


def naive_gap(head, x, target, baseline, order, step, leftover):
    """As the definition has it: change genes, run the model, again and again."""
    model, V = as_module(head), len(x)
    x = torch.from_numpy(x.astype(float))

    def probability(x):
        with torch.no_grad():
            return model(x[None])[0, target].item()

    full, total = probability(x), 0.0
    x = x.clone()
    for i in range(0, V, step):
        block = order[i : i + step]
        if len(block) < step and leftover == "ignore":
            break
        x[block] = torch.from_numpy(baseline.astype(float))[block]
        total += len(block) / V * max(0, full - probability(x))
    return total


@HEADS
@pytest.mark.parametrize("step", [1, 3, 11])
@pytest.mark.parametrize("leftover", ["ignore", "add"])
def test_prediction_gap_is_that_of_the_plain_loop(head, step, leftover):
    """11 genes are no multiple of 3: the last block is counted, or is not."""
    Z, targets, baseline = samples()
    rng = np.random.default_rng(2)
    local = np.array([rng.permutation(11) for _ in Z])
    for order in (local, local[0]):
        found = prediction_gap(head, Z, targets, baseline, order, step=step, leftover=leftover)
        expected = [
            naive_gap(head, x, t, baseline, order[i] if order.ndim == 2 else order, step, leftover)
            for i, (x, t) in enumerate(zip(Z, targets, strict=True))
        ]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_one_sample_with_an_order_of_its_own():
    Z, targets, baseline = samples(n=1)
    order = np.random.default_rng(0).permutation(11)
    one = prediction_gap(linear(), Z, targets, baseline, order)
    np.testing.assert_array_equal(one, prediction_gap(linear(), Z, targets, baseline, order[None]))


def test_gaps_of_a_model_of_one_gene():
    """Replacing the gene first loses all at once; last, only with the last block."""
    head = Head(np.zeros((10, 2), np.float32), np.zeros(2, np.float32))
    head.weights[4] = [30, -30]
    Z = np.ones((1, 10), np.float32)
    first, last = np.r_[4, np.delete(np.arange(10), 4)], np.r_[np.delete(np.arange(10), 4), 4]
    lost = 0.5  # from certain to undecided
    for order, share in ((first, 1.0), (last, 0.1)):
        gap = prediction_gap(head, Z, np.array([0]), np.zeros(10), order, step=1)
        np.testing.assert_allclose(gap, lost * share, atol=1e-9)
    assert (
        prediction_gap(head, Z, np.array([1]), np.zeros(10), first)[0] == 0
    )  # rises count as none


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"order": np.zeros(11, int)}, "each of 11 genes once"),
        ({"order": np.arange(1, 12)}, "each of 11 genes once"),
        ({"order": np.arange(10)}, "the order has shape"),
        ({"step": 0}, "step is 0"),
        ({"step": 12}, "step is 12"),
        ({"leftover": "drop"}, "leftover is 'drop'"),
    ],
)
def test_orders_and_steps_that_make_no_sense_are_refused(change, said):
    Z, targets, baseline = samples()
    with pytest.raises(ValueError, match=said):
        prediction_gap(linear(), Z, targets, baseline, **({"order": np.arange(11)} | change))


def test_adjusted_gap():
    np.testing.assert_allclose(adjusted([0.2, 0.2], [0.0, 0.5]), [0.2, 0.4])
    assert np.isnan(adjusted(0.0, 1.0))


# --------------------------------------------------------------------------- agreement


def plain_agreement(scores, informative, k, rng, n=4_000):
    """Mean over random orders of equal scores."""
    hits = 0
    for _ in range(n):
        shuffled = rng.permutation(len(scores))
        order = shuffled[np.argsort(-scores[shuffled], kind="stable")][:k]
        hits += informative[order].sum()
    return hits / (n * k)


def test_agreement_without_ties_is_the_plain_count():
    rng = np.random.default_rng(0)
    scores, informative = rng.normal(size=(5, 40)), rng.random(40) < 0.3
    k = informative.sum()
    expected = [len({*np.argsort(-s)[:k]} & {*np.flatnonzero(informative)}) / k for s in scores]
    np.testing.assert_allclose(feature_agreement(scores, informative), expected)
    assert feature_agreement(scores[0], informative) == expected[0]


def test_ties_count_as_in_a_random_order():
    scores = np.array([3.0, 1, 1, 1, 1, 0, 0, 2])
    informative = np.array([1, 1, 0, 0, 1, 1, 0, 0], dtype=bool)
    found = feature_agreement(scores, informative)
    expected = plain_agreement(scores, informative, 4, np.random.default_rng(0))
    assert abs(found - expected) < 0.02
    assert found == (1 + 2 * 2 / 4) / 4


def test_the_place_in_the_file_says_nothing():
    """Nothing scored, the informative genes first: chance, not 1."""
    informative = np.arange(50) < 10
    assert feature_agreement(np.zeros(50), informative) == chance(informative) == 0.2


def test_agreement_takes_the_sign():
    informative = np.array([True, True, False, False])
    assert feature_agreement(np.array([1.0, 1, 0, 0]), informative) == 1
    assert feature_agreement(np.array([-1.0, -1, 0, 0]), informative) == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=6, max_size=12), st.integers(1, 6))
def test_the_k_highest_are_k(scores, k):
    inside, share, edge = top(np.array([scores], dtype=float), k)
    assert inside.sum() + share[0] * edge.sum() == pytest.approx(k)
    assert 0 < share[0] <= 1


def test_votes_count_lists_that_hold_a_gene():
    scores = np.array([[3.0, 2, 1, 0], [3, 0, 2, 1], [1, 1, 1, 1]])
    np.testing.assert_allclose(votes(scores, 2), [2.5, 1.5, 1.5, 0.5])


def test_groups_are_ranked_by_the_mean_of_their_genes():
    """A sparse model that takes one of three copies finds all groups and a third of the genes."""
    members = [np.arange(3 * g, 3 * g + 3) for g in range(10)]
    scores = np.zeros(30)
    scores[[1, 4]] = 1.0
    assert group_agreement(scores, members, [0, 1]) == 1
    informative = np.arange(30) < 6
    expected = (2 + 4 * 4 / 28) / 6  # the four places that are left fall to any of 28 genes
    assert feature_agreement(scores, informative) == pytest.approx(expected)
    np.testing.assert_allclose(group_agreement(np.stack([scores, -scores]), members, [0, 1])[0], 1)


def test_a_group_that_shares_a_gene_with_an_informative_one_ranks_below_it():
    members = [np.array([0, 1, 2]), np.array([2, 3, 4]), np.array([5, 6])]
    assert group_agreement(np.array([1.0, 1, 1, 0, 0, 0, 0]), members, [0]) == 1


@pytest.mark.parametrize(
    ("scores", "informative", "k", "said"),
    [
        (np.zeros(5), np.ones(4, bool), None, "not the same genes"),
        (np.zeros(5), np.zeros(5, bool), None, "nothing to agree with"),
        (np.full(5, np.nan), np.ones(5, bool), None, "5 scores are NaN"),
        (np.zeros(5), np.ones(5, bool), 6, "k is 6"),
    ],
)
def test_agreement_refuses_what_it_cannot_score(scores, informative, k, said):
    with pytest.raises(ValueError, match=said):
        feature_agreement(scores, informative, k)
