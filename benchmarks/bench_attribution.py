"""Explanations: against captum, prediction gaps and simulator against plain loops."""

from functools import partial

import numpy as np

from benchmarks import fastest, row
from helpers.data.explanation.lda import simulate_lda
from helpers.metrics.explanation.attribution import integrated_gradients
from helpers.metrics.explanation.heads import Head
from helpers.metrics.explanation.prediction_gap import prediction_gap

GENES, CLASSES, HIDDEN = 15_000, 33, 20  # SIMU1
TOLERANCE = 0.01


def run() -> list[dict]:
    """Five rows: attributions and gaps of both kinds of model, and the simulator."""
    rng = np.random.default_rng(0)
    heads = {"LR": _head(rng, CLASSES), "MLP": _head(rng, HIDDEN, CLASSES)}
    rows = [_attributions(name, head) for name, head in heads.items()]
    rows += [_gaps(name, head) for name, head in heads.items()]
    return [*rows, _simulator()]


def _head(rng, n_units: int, n_classes: int | None = None) -> Head:
    weights = (0.08 * rng.normal(size=(GENES, n_units))).astype(np.float32)  # as trained on SIMU1
    bias = np.zeros(n_units, np.float32)
    if n_classes is None:
        return Head(weights, bias)
    out = rng.normal(size=(n_units, n_classes)).astype(np.float32)
    return Head(weights, bias, out, np.zeros(n_classes, np.float32))


def _samples(n: int):
    rng = np.random.default_rng(1)
    Z = rng.normal(size=(n, GENES)).astype(np.float32)
    return Z, rng.integers(CLASSES, size=n), np.zeros(GENES, np.float32)


def _module(head: Head):
    import torch

    def layer(weights, bias):
        linear = torch.nn.Linear(*weights.shape)
        linear.weight.data = torch.from_numpy(np.ascontiguousarray(weights.T))
        linear.bias.data = torch.from_numpy(bias)
        return linear

    layers = [layer(head.weights, head.bias)]
    if head.out_weights is not None:
        layers += [torch.nn.ReLU(), layer(head.out_weights, head.out_bias)]
    return torch.nn.Sequential(*layers, torch.nn.Softmax(dim=1))


def _attributions(name: str, head: Head) -> dict:
    """Seconds a sample for the same completeness: captum with as many nodes as it needs."""
    import torch
    from captum.attr import IntegratedGradients

    Z, targets, baseline = _samples(960)
    integrated_gradients(head, Z[:2], targets[:2], baseline)
    seconds, found = fastest(
        lambda: integrated_gradients(head, Z, targets, baseline, tolerance=TOLERANCE), 3
    )
    n, nodes = 32, 50  # a published batch
    peer = IntegratedGradients(_module(head))
    while True:
        attribute = partial(
            peer.attribute,
            torch.from_numpy(Z[:n]),
            baselines=torch.zeros(1, GENES),
            target=torch.from_numpy(targets[:n]),
            n_steps=nodes,
            internal_batch_size=n,
            return_convergence_delta=True,
        )
        reference, (scores, gap) = fastest(attribute)
        if gap.abs().max() <= TOLERANCE:
            break
        nodes *= 2
    np.testing.assert_allclose(found.scores[:n], scores.numpy(), atol=2 * TOLERANCE)
    title = f"Integrated Gradients, {name}, {GENES:,} genes, one sample / captum, {nodes} nodes"
    limit = "(64 softmaxes a sample, and the product that spreads them over the genes)"
    return row(title, seconds / len(Z), reference / n, 100, limit)


def _gaps(name: str, head: Head) -> dict:
    """Against running the model on a batch after every ten genes."""
    import torch

    Z, targets, baseline = _samples(32)
    order = np.random.default_rng(2).permutation(GENES)
    prediction_gap(head, Z[:1], targets[:1], baseline, order)
    seconds, found = fastest(lambda: prediction_gap(head, Z, targets, baseline, order), 3)
    model, rows = _module(head), np.arange(len(Z))

    def loop():
        x = torch.from_numpy(Z.copy())
        with torch.no_grad():
            full = model(x).numpy()[rows, targets]
            total = np.zeros(len(Z))
            for i in range(0, GENES, 10):
                x[:, order[i : i + 10]] = 0
                total += np.maximum(0, full - model(x).numpy()[rows, targets])
        return total * 10 / GENES

    reference, total = fastest(loop)
    np.testing.assert_allclose(total, found, atol=1e-4)
    title = f"prediction gap, {name}, {GENES:,} genes, 32 samples / model run after each block"
    return row(title, seconds, reference, 50)


def _simulator() -> dict:
    """Against drawing the group, then the gene, of every read, as the published code does."""
    knobs = {"n_genes": GENES, "n_groups": 1_500, "groups_per_kind": 37}
    seconds, _ = fastest(
        lambda: simulate_lda(np.random.default_rng(0), n_per_kind=[10] * CLASSES, **knobs), 2
    )
    rng = np.random.default_rng(0)
    theta = rng.dirichlet(np.full(1_500, 4.0))
    groups = [np.zeros(GENES) for _ in range(1_500)]
    for g, beta in enumerate(groups):
        beta[10 * g : 10 * g + 10] = rng.dirichlet(np.full(10, 5.0))

    def one_sample():
        genes = np.zeros(GENES)
        for reads, beta in zip(rng.multinomial(1_500_000, theta), groups, strict=True):
            genes += rng.multinomial(reads, beta)
        return genes

    reference, _ = fastest(one_sample, 2)
    title = f"LDA simulator, {GENES:,} genes, one sample / a multinomial a group"
    return row(title, seconds / (10 * CLASSES), reference, 50)


if __name__ == "__main__":
    print(*run(), sep="\n")
