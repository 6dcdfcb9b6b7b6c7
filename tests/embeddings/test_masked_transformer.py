"""The small transformer against plain formulas: attention, what is hidden, what it learns."""

import numpy as np
import pytest
from scipy.special import erf, softmax

from helpers.data.contract import DataError
from helpers.data.simulate.screen import simulate_screen
from helpers.models.embeddings import masked_transformer as mt
from helpers.models.embeddings.masked_transformer import (
    masked_transformer_embedding,
    masked_transformer_fit,
)
from helpers.models.reproducible import reproducible


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(
        rng=np.random.default_rng(0), n_cells=600, n_genes=40, n_targets=5, n_batches=2,
        library_size=4_000.0, abundance_sd=0.5, n_programs=2, program_share=0.5, cell_sd=0.5,
    )  # fmt: skip


def fit(screen, **arguments):
    genes = screen.var_names[:20].tolist()
    return masked_transformer_fit.function(
        screen,
        **{"genes": genes, "seed": 1, "n_steps": 3, "n_tokens": 12, "n_dims": 16, "n_heads": 2}
        | arguments,
    )


@pytest.fixture(scope="module")
def fitted(screen):
    return fit(screen, n_steps=250)


def plain_forward(p, value):
    """One cell, nothing hidden: tokens after the last norm, by loops over heads in numpy."""

    def linear(x, name):
        return x @ p[f"network.{name}.weight"].T + p[f"network.{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        return scaled * p[f"network.{name}.weight"] + p[f"network.{name}.bias"]

    def gelu(x):
        return x * (1 + erf(x / np.sqrt(2))) / 2

    amount = np.column_stack([value, np.zeros(len(value))])
    tokens = p["network.gene.weight"] + linear(gelu(linear(amount, "amount.0")), "amount.2")
    x = np.vstack([p["network.cell"][0], tokens])
    n_dims, n_heads, n_layers = p["sizes"]
    d = n_dims // n_heads
    for i in range(n_layers):
        qkv = linear(norm(x, f"layers.{i}.norm_1"), f"layers.{i}.qkv")
        q, k, v = np.split(qkv, 3, axis=1)
        heads = []
        for h in range(n_heads):
            s = slice(h * d, (h + 1) * d)
            heads.append(softmax(q[:, s] @ k[:, s].T / np.sqrt(d), axis=1) @ v[:, s])
        x = x + linear(np.hstack(heads), f"layers.{i}.out")
        inner = gelu(linear(norm(x, f"layers.{i}.norm_2"), f"layers.{i}.mlp.0"))
        x = x + linear(inner, f"layers.{i}.mlp.2")
    return norm(x, "norm")


def test_it_is_the_transformer_of_the_formulas(screen, fitted):
    values = (mt._expression(screen[:3], fitted["genes"]) - fitted["mean"]) / fitted["sd"]
    expected = np.stack([plain_forward(fitted, value) for value in values])
    for pooling, wanted in (("cell", expected[:, 0]), ("mean", expected[:, 1:].mean(axis=1))):
        found = masked_transformer_embedding.function(screen[:3], fitted, pooling=pooling)
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_what_is_hidden_is_not_seen():
    import torch

    with reproducible(0):
        network = mt._network(10, 16, 2, 2)
        gene = torch.arange(10)[None]
        value = torch.randn(1, 10)
        hidden = torch.zeros(1, 10)
        hidden[0, 3] = 1
        other = value.clone()
        other[0, 3] = 9.0
        seen = value.clone()
        seen[0, 4] = 9.0
        first, same, different = (network(gene, v, hidden) for v in (value, other, seen))
    assert torch.equal(first, same)
    assert not torch.allclose(first, different)


def test_it_learns_to_guess_and_the_embedding_holds_what_is_planted(screen, fitted):
    assert fitted["validation_loss"][-1] < 0.97  # 1 is the mean of each gene
    assert fitted["validation_loss"][-1] < fitted["validation_loss"][0]
    z = masked_transformer_embedding.function(screen, fitted).astype(float)
    design = np.column_stack([np.ones(len(z)), z])
    truth = screen.obsm["latent"]
    rest = truth - design @ np.linalg.lstsq(design, truth, rcond=None)[0]
    assert 1 - rest.var(axis=0).sum() / truth.var(axis=0).sum() > 0.4


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(screen):
    first, second, other = fit(screen), fit(screen), fit(screen, seed=2)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert not np.array_equal(first["network.cell"], other["network.cell"])
    assert not len(fit(screen, n_steps=0)["step"])


def test_cells_are_embedded_one_by_one_and_genes_by_name(screen, fitted):
    whole = masked_transformer_embedding.function(screen, fitted)
    assert whole.shape == (600, 16) and whole.dtype == np.float32
    few = screen[[4, 99]].copy()[:, ::-1].copy()
    found = masked_transformer_embedding.function(few, fitted, batch_size=1)
    np.testing.assert_allclose(found, whole[[4, 99]], atol=1e-4)


def test_bad_input_is_refused(screen, fitted):
    for arguments, message in (
        ({"n_dims": 15}, "n_dims is a multiple of n_heads"),
        ({"masked_share": 1.0}, "the share lies in"),
        ({"n_tokens": 21}, "n_tokens is 21; 2 to the 20 genes"),
        ({"batch_size": 700}, "fewer than batch_size 700"),
        ({"genes": ["GENE01", "nowhere"], "n_tokens": 2}, "lacks 1 of 2 genes"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(screen, **arguments)
    with pytest.raises(ValueError, match="choose from cell, mean"):
        masked_transformer_embedding.function(screen, fitted, pooling="max")
    flat = screen.copy()
    X = flat.X.tolil()
    X[:, 7] = 0
    flat.X = X.tocsr()
    with pytest.raises(DataError, match="1 genes of the vocabulary never vary, first GENE08"):
        fit(flat)
