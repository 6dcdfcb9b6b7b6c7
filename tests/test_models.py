"""Embeddings and post-processing against their definitions."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from helpers.data.contract import DataError
from helpers.models import pca
from helpers.models.floors import gaussian_noise, latent, permuted_labels, uniform_noise
from helpers.models.pca import pca_embedding
from helpers.models.postprocess import METHODS, postprocess


def counts(rng, n_cells=60, n_genes=20, sparse=True):
    X = rng.poisson(rng.gamma(1, 3, n_genes), (n_cells, n_genes)).astype(np.float32)
    obs = pd.DataFrame(
        {"batch": pd.Categorical(rng.choice(["b1", "b2"], n_cells)), "total_counts": X.sum(1) + 50},
        index=[f"cell{i}" for i in range(n_cells)],
    )
    uns = {"scale": {"kind": "counts", "target_sum": None}, "dataset": {"name": "made up"}}
    return AnnData(csr_matrix(X) if sparse else X, obs=obs, uns=uns)


# --------------------------------------------------------------------------- PCA


@pytest.mark.parametrize("sparse", [True, False])
def test_pca_is_the_svd_of_centred_log_normalised_counts(sparse):
    screen = counts(np.random.default_rng(0), sparse=sparse)
    X = screen.X.toarray() if sparse else screen.X
    expression = np.log1p(X / screen.obs["total_counts"].to_numpy()[:, None] * 1e4)
    centred = expression - expression.mean(axis=0)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    sign = np.sign(vt[np.arange(5), np.abs(vt[:5]).argmax(axis=1)])
    found = pca_embedding.function(screen, n_components=5, seed=0)
    np.testing.assert_allclose(found, u[:, :5] * s[:5] * sign, rtol=1e-3, atol=2e-3)


def test_pca_with_many_genes_is_close_to_exact_and_repeats(monkeypatch):
    rng = np.random.default_rng(1)
    screen = counts(rng, n_cells=300, n_genes=60, sparse=False)
    programs = rng.standard_normal((300, 3)) * [1.5, 1.0, 0.7] @ rng.standard_normal((3, 60))
    screen.X = rng.poisson(np.exp(1 + programs)).astype(np.float32)
    screen.obs["total_counts"] = screen.X.sum(axis=1)
    exact = pca_embedding.function(screen, n_components=3, seed=0)
    monkeypatch.setattr(pca, "MOST_GENES_EXACT", 10)
    random = pca_embedding.function(screen, n_components=3, seed=0)
    for component in range(3):
        assert abs(np.corrcoef(random[:, component], exact[:, component])[0, 1]) > 0.999
    np.testing.assert_array_equal(random, pca_embedding.function(screen, n_components=3, seed=0))


@pytest.mark.parametrize("n_components", [0, 21])
def test_too_many_components_are_refused(n_components):
    with pytest.raises(ValueError, match=f"n_components is {n_components}; .* 1 to 20"):
        pca_embedding.function(counts(np.random.default_rng(0)), n_components=n_components, seed=0)


def test_pca_of_log_data_is_refused():
    screen = counts(np.random.default_rng(0))
    screen.uns["scale"] = {"kind": "log1p", "target_sum": 1e4}
    with pytest.raises(DataError, match="counts"):
        pca_embedding.function(screen, n_components=2, seed=0)


# --------------------------------------------------------------------------- floors, ceiling


def test_shuffled_rows_stay_in_their_batch_and_lose_their_cells():
    screen = counts(np.random.default_rng(2), n_cells=400)
    embedding = np.random.default_rng(3).standard_normal((400, 2))
    found = permuted_labels.function(screen, embedding, seed=0)
    for b in ("b1", "b2"):
        rows = (screen.obs["batch"] == b).to_numpy()
        np.testing.assert_array_equal(np.sort(found[rows, 0]), np.sort(embedding[rows, 0]))
    assert abs(np.corrcoef(found[:, 0], embedding[:, 0])[0, 1]) < 0.2
    assert (found == embedding).all(axis=1).mean() < 0.05
    np.testing.assert_array_equal(found, permuted_labels.function(screen, embedding, seed=0))
    with pytest.raises(ValueError, match="3 rows, the screen 400"):
        permuted_labels.function(screen, embedding[:3], seed=0)


def test_noise_is_standard_normal():
    screen = counts(np.random.default_rng(4), n_cells=5000, n_genes=2)
    found = gaussian_noise.function(screen, n_dims=10, seed=1)
    assert found.shape == (5000, 10)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=5 / np.sqrt(5000))
    np.testing.assert_allclose(found.std(axis=0), 1, atol=5 / np.sqrt(10000))
    np.testing.assert_array_equal(found, gaussian_noise.function(screen, n_dims=10, seed=1))
    with pytest.raises(ValueError, match="n_dims is 0"):
        gaussian_noise.function(screen, n_dims=0, seed=1)


def test_uniform_noise_counts_cells():
    screen = counts(np.random.default_rng(4), n_cells=500, n_genes=2)
    found = uniform_noise.function(screen, n_dims=200, seed=1)
    assert found.shape == (screen.n_obs, 200)
    assert found.min() >= 0 and found.max() < 1
    means = [found[:n].mean(axis=0) for n in (3, screen.n_obs)]
    away = [np.linalg.norm(m / np.linalg.norm(m) - 200**-0.5) for m in means]
    assert away[0] > 3 * away[1]  # a mean of few cells points away from the diagonal
    with pytest.raises(ValueError, match="at least 1"):
        uniform_noise.function(screen, n_dims=0, seed=1)


def test_the_ceiling_is_the_planted_latent_and_real_data_has_none():
    screen = counts(np.random.default_rng(5))
    with pytest.raises(DataError, match="made up has no obsm"):
        latent.function(screen)
    screen.obsm["latent"] = np.ones((60, 3))
    np.testing.assert_array_equal(latent.function(screen), np.ones((60, 3)))


# --------------------------------------------------------------------------- post-processing


def test_center_scaling_of_three_rows():
    # EFAAR_benchmarking, tests: rows 0 and 2 are controls.
    rows = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    found = postprocess(rows, ["b"] * 3, np.array([True, False, True]), "center_scaled")
    np.testing.assert_array_equal(found, [[-1] * 3, [0] * 3, [1] * 3])


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.sampled_from(METHODS))
def test_controls_have_mean_zero_and_unit_sd_in_each_batch(seed, n_batches, method):
    rng = np.random.default_rng(seed)
    batch = np.repeat(np.arange(n_batches), 12)
    is_control = np.tile(np.arange(12) < 6, n_batches)
    embedding = rng.standard_normal((len(batch), 3)) * 5 + 100 * batch[:, None]
    embedding[:, 2] = 0.1  # constant: stays finite, and exactly zero once centred
    before = embedding.copy()
    found = postprocess(embedding, batch, is_control, method)
    np.testing.assert_array_equal(embedding, before)
    for b in range(n_batches):
        controls = found[is_control & (batch == b)]
        if method == "raw":
            np.testing.assert_array_equal(found, embedding)
        else:
            np.testing.assert_allclose(controls.mean(axis=0), 0, atol=1e-12)
            np.testing.assert_array_equal(controls[:, 2], 0)
        if method == "center_scaled":
            np.testing.assert_allclose(controls[:, :2].std(axis=0), 1)


def test_post_processing_says_what_is_wrong():
    embedding, batch = np.ones((4, 2)), np.array(["b1", "b1", "b2", "b2"])
    is_control = np.array([True, False, False, False])
    with pytest.raises(ValueError, match="no control cell in batches b2"):
        postprocess(embedding, batch, is_control, "centered")
    np.testing.assert_array_equal(postprocess(embedding, batch, is_control, "raw"), embedding)
    with pytest.raises(ValueError, match="method is 'tvn'; choose from raw"):
        postprocess(embedding, batch, is_control, "tvn")
    with pytest.raises(ValueError, match="do not fit"):
        postprocess(embedding, batch[:3], is_control, "raw")
    with pytest.raises(ValueError, match="must be boolean"):
        postprocess(embedding, batch, is_control.astype(int), "raw")
