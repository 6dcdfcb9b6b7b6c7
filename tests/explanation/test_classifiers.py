"""Classifiers against plain torch modules, and what they refuse."""

import numpy as np
import pytest
import torch
from anndata import AnnData
from scipy import sparse
from torch import nn

from helpers.data.contract import DataError
from helpers.data.explanation.lda import simulate_lda
from helpers.data.explanation.lda_settings import SETTINGS
from helpers.models.explanation.classifiers import (
    MLP,
    LogisticRegression,
    fit_logistic_regression,
    fit_mlp,
    standardisation,
    standardise,
)
from helpers.models.explanation.gene_graph import as_sparse, correlation_graph


@pytest.fixture(scope="module")
def data():
    return simulate_lda(np.random.default_rng(0), **SETTINGS["small SIMU1"])


def blobs(n=97, genes=12, seed=0):
    rng = np.random.default_rng(seed)
    y = np.array(["a", "b", "c"])[rng.integers(3, size=n)]
    X = rng.normal(size=(n, genes)).astype(np.float32)
    X[y == "a", :4] += 1.5
    X[y == "b", 4:8] += 1.5
    return X, y


def plain_training(network, X, codes, model):
    """The recipe as torch's own modules have it, batch after batch in one order."""
    optimiser = torch.optim.SGD(
        network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, fused=False, foreach=False
    )
    network.train()
    X, codes = torch.from_numpy(X), torch.from_numpy(codes)
    for epoch in range(model.n_epochs):
        for group in optimiser.param_groups:
            group["lr"] = 0.1 * 0.1 ** ((epoch >= 12) + (epoch >= 22))
        starts = range(0, len(X) - 1, 32)  # one left over joins the batch before it
        for i in starts:
            j = len(X) if i == starts[-1] else i + 32
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(X[i:j]), codes[i:j]).backward()
            optimiser.step()
    return network.eval()


@pytest.mark.parametrize("kind", [LogisticRegression, MLP])
def test_training_is_that_of_torchs_own_modules(kind):
    X, y = blobs()
    codes = np.unique(y, return_inverse=True)[1]
    fit_options = {"random_state": 3} | (
        {"input_dropout": 0.0} if kind is LogisticRegression else {}
    )
    model = kind(**fit_options).fit(X, y)
    layers = model._network(12, 3)
    seed = np.random.SeedSequence(3).spawn(2)[0].generate_state(1)[0]
    generator = torch.Generator().manual_seed(int(seed))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            bound = 1 / layer.in_features**0.5
            for values in (layer.weight, layer.bias):
                nn.init.uniform_(values, -bound, bound, generator=generator)
    trained = plain_training(layers, X, codes, model)
    expected = trained(torch.from_numpy(X)).softmax(1).detach().numpy()
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=2e-4)


def test_initial_weights_are_torchs_default():
    torch.manual_seed(0)
    default = nn.Linear(4_000, 50)
    ours = LogisticRegression(n_epochs=0)
    X = np.zeros((4, 4_000), np.float32)
    ours.fit(X, np.repeat([f"c{i}" for i in range(2)], 2))
    assert np.abs(ours.weights_).max() <= 4_000**-0.5
    sd = default.weight.std().item()
    np.testing.assert_allclose(ours.weights_.std(), sd, rtol=0.02)


def test_dropout_drops_its_share_and_keeps_the_mean():
    model = LogisticRegression(input_dropout=0.2)
    rng = np.random.Generator(np.random.SFC64(0))
    dropped = model._dropped(torch.ones(300, 1_001), rng).numpy()
    assert set(np.unique(dropped).round(3)) == {0.0, 1.25}
    assert abs((dropped == 0).mean() - 0.2) < 0.003
    assert abs(dropped.mean() - 1) < 0.004
    columns = (dropped == 0).mean(axis=0)
    assert np.abs(columns - 0.2).max() < 0.12  # no gene is dropped more than another


def test_the_same_seed_gives_the_same_model_and_another_one_another():
    X, y = blobs()
    one, two, other = (LogisticRegression(random_state=s).fit(X, y) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.weights_, two.weights_)
    assert (one.weights_ != other.weights_).any()


def test_estimators_keep_scikit_learns_manners():
    from sklearn.base import clone

    model = MLP(hidden=7, random_state=4)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert copy.set_params(hidden=9).hidden == 9
    with pytest.raises(ValueError, match="no parameters"):
        model.set_params(width=3)


@pytest.mark.parametrize("kind", [LogisticRegression, MLP])
def test_diffusion_in_the_model_is_diffusion_of_its_input(kind):
    X, y = blobs()
    rng = np.random.default_rng(0)
    S = sparse.csr_array(np.eye(12) + 0.2 * (rng.random((12, 12)) > 0.6))
    inside = kind(graph=S, random_state=1).fit(X, y)
    outside = kind(random_state=1).fit(np.ascontiguousarray(X @ S, np.float32), y)
    np.testing.assert_allclose(
        inside.predict_proba(X), outside.predict_proba((X @ S).astype(np.float32)), atol=1e-5
    )


def test_correlation_graph_is_that_of_numpy(data):
    found = as_sparse(correlation_graph.function(data)).toarray()
    train = data.X[(data.obs["split"] == "train").to_numpy()].astype(float)
    A = np.corrcoef(train.T)
    A = np.where(A > 0.5, A, 0)
    np.fill_diagonal(A, 1)
    scale = 1 / np.sqrt(A.sum(axis=1))
    np.testing.assert_allclose(found, scale[:, None] * A * scale, atol=1e-5)


def test_correlation_graph_finds_the_planted_groups_exactly(data):
    S = as_sparse(correlation_graph.function(data)).tocoo()
    group = np.arange(data.n_vars) // 10
    assert (group[S.coords[0]] == group[S.coords[1]]).all()
    assert S.nnz == 120 * 100


def test_standardisation_is_numpys_and_a_constant_gene_is_zero():
    rng = np.random.default_rng(0)
    X = rng.poisson(50, size=(700, 6)).astype(np.uint16)
    X[:, 2] = 17
    mean, sd = standardisation(X)
    np.testing.assert_allclose(mean, X.mean(axis=0))
    np.testing.assert_allclose(sd, X.std(axis=0, ddof=1))
    Z = standardise(X, mean, sd)
    assert (Z[:, 2] == 0).all()
    rest = np.delete(Z, 2, axis=1)
    np.testing.assert_allclose(rest.std(axis=0, ddof=1), 1, rtol=1e-5)
    other = standardise(X + 3, mean, sd)
    assert np.isfinite(other).all()
    assert (other[:, 2] == 0).all()  # also in samples where it takes another value


@pytest.mark.parametrize("step", [fit_logistic_regression, fit_mlp])
def test_both_fit_the_fixture_and_classify_what_they_have_not_seen(data, step):
    fit = step.function(data, seed=0)
    assert fit["train_accuracy"] > 0.99
    test = (data.obs["split"] == "test").to_numpy()
    z = standardise(data.X[test], fit["mean"], fit["sd"]) @ fit["weights"] + fit["bias"]
    if "out_weights" in fit:
        z = np.maximum(z, 0) @ fit["out_weights"] + fit["out_bias"]
    predicted = fit["classes"][z.argmax(axis=1)]
    assert (predicted == data.obs["class"].to_numpy()[test].astype(str)).mean() > 0.97


@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        (np.zeros((4, 2)), ["a", "a", "a", "a"], "at least two are needed"),
        (np.zeros((4, 2)), ["a", "a", "a", "b"], "class 'b' has one sample"),
        (np.full((4, 2), np.nan), ["a", "a", "b", "b"], "of sample 0, gene 0"),
        (np.zeros((4, 2)), ["a", "a", "b"], "3 labels for 4 samples"),
        (np.zeros(4), ["a", "a", "b", "b"], r"\(n_samples, n_genes\)"),
    ],
)
def test_bad_training_data_are_refused(X, y, said):
    with pytest.raises(ValueError, match=said):
        MLP().fit(X, y)


def small(X, labels, split):
    import pandas as pd

    obs = pd.DataFrame({"class": labels, "split": split}, dtype="category")
    obs.index = [f"s{i}" for i in range(len(X))]
    uns = {"dataset": {"name": "toy"}}
    return AnnData(X, obs=obs, var=pd.DataFrame(index=["g0", "g1"]), uns=uns)


def test_a_class_without_training_samples_and_infinite_expression_are_named():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, 2)).astype(np.float32)
    split = ["train"] * 4 + ["test"] * 2
    with pytest.raises(DataError, match="toy: no training sample of class c"):
        fit_mlp.function(small(X, ["a", "a", "b", "b", "c", "c"], split), seed=0)
    X[2, 1] = np.inf
    with pytest.raises(DataError, match="sample 's2', gene 'g1'"):
        fit_mlp.function(small(X, ["a", "a", "b", "b", "a", "b"], split), seed=0)
    with pytest.raises(DataError, match="toy: class 'b' has one sample"):
        X[2, 1] = 0
        fit_mlp.function(small(X, ["a", "a", "a", "b", "b", "b"], split), seed=0)


def test_a_single_sample_left_over_does_not_break_batch_norm():
    X, y = blobs(n=65)
    assert np.isfinite(MLP(n_epochs=2).fit(X, y).weights_).all()
