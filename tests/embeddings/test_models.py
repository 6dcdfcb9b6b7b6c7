"""Embeddings and post-processing against their definitions."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.sparse import csr_matrix

from helpers.data.contract import DataError
from helpers.metrics.embeddings.postprocess import METHODS, postprocess
from helpers.models import pca
from helpers.models.floors import gaussian_noise, latent, permuted_labels, uniform_noise
from helpers.models.pca import pca_embedding


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


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.sampled_from(("raw", "centered", "center_scaled")),
)
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
    is_control = np.array([True, True, False, False])
    for method in METHODS[1:]:
        with pytest.raises(ValueError, match=r"fewer than . control cells in batches b2 \(0\);"):
            postprocess(embedding, batch, is_control, method)
    one = np.array([True, True, True, False])
    with pytest.raises(ValueError, match=r"fewer than 2 control cells in batches b2 \(1\);"):
        postprocess(embedding, batch, one, "tvn")
    np.testing.assert_array_equal(postprocess(embedding, batch, is_control, "raw"), embedding)
    with pytest.raises(ValueError, match="method is 'pca'; choose from raw"):
        postprocess(embedding, batch, is_control, "pca")
    with pytest.raises(ValueError, match="do not fit"):
        postprocess(embedding, batch[:3], is_control, "raw")
    with pytest.raises(ValueError, match="must be boolean"):
        postprocess(embedding, batch, is_control.astype(int), "raw")
    for shrink_below, bare in ((-1, "raise"), (0, "global"), (30, "drop")):
        with pytest.raises(ValueError, match=f"shrink_below is {shrink_below}, bare '{bare}'"):
            postprocess(embedding, batch, one, "raw", shrink_below=shrink_below, bare=bare)
    with pytest.raises(ValueError, match="1 cells have NaN or infinite coordinates, the first is"):
        postprocess([[1, np.nan], *embedding[1:]], batch, one, "centered")
    apart = np.array([True, False, True, False])
    with pytest.raises(ValueError, match="no batch has two controls"):
        postprocess(embedding, batch, apart, "center_scaled", shrink_below=30)


# --------------------------------------------------------------------------- TVN


def batches_and_controls(seed, n_dims=4, sizes=(60, 45)):
    rng = np.random.default_rng(seed)
    batch = np.repeat(np.arange(len(sizes)), sizes)
    is_control = rng.permutation(len(batch)) < 0.7 * len(batch)
    embedding = rng.standard_normal((len(batch), n_dims)) @ rng.standard_normal((n_dims, n_dims))
    return embedding + 3 * batch[:, None], batch, is_control


def inverse_root(matrix):
    return np.linalg.inv(sqrtm(matrix).real)


@pytest.mark.parametrize("seed", range(3))
def test_tvn_is_what_the_released_code_computes(seed):
    embedding, batch, is_control = batches_and_controls(seed)
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    # post_process.py:94-129 in plain form: scale, rotate, scale, then CORAL batch by batch.
    rows = StandardScaler().fit(embedding[is_control]).transform(embedding)
    rows = PCA().fit(rows[is_control]).transform(rows)
    rows = StandardScaler().fit(rows[is_control]).transform(rows)
    for b in np.unique(batch):
        covariance = np.cov(rows[is_control & (batch == b)], rowvar=False, ddof=1)
        rows[batch == b] = rows[batch == b] @ inverse_root(covariance + 0.5 * np.eye(4))
    found = postprocess(embedding, batch, is_control, "tvn")
    signs = np.sign((found * rows).sum(axis=0))
    np.testing.assert_allclose(found, rows * signs, atol=1e-8)


def test_in_one_batch_tvn_multiplies_white_controls_by_one_over_the_root_of_one_and_a_half():
    embedding, _, is_control = batches_and_controls(5)
    found = postprocess(embedding, np.zeros(len(embedding)), is_control, "tvn")
    n = is_control.sum()
    expected = np.eye(4) / (n / (n - 1) + 0.5)
    np.testing.assert_allclose(np.cov(found[is_control].T, ddof=0), expected, atol=1e-10)
    np.testing.assert_allclose(found[is_control].mean(axis=0), 0, atol=1e-10)


def test_tvn_of_fewer_controls_than_dimensions_stays_finite():
    embedding, batch, is_control = batches_and_controls(6, n_dims=90)
    found = postprocess(embedding, batch, is_control, "tvn")
    assert found.shape == (len(embedding), is_control.sum())
    assert np.abs(found).max() < 1e3  # the direction that centring used up is not blown up
    constant = np.column_stack([embedding[:, :3], np.ones(len(embedding))])
    assert np.isfinite(postprocess(constant, batch, is_control, "tvn")).all()
    # In controls, coordinates that say the same up to the rounding of float32 (as those of a
    # collapsed posterior): what other cells do there must not be measured by that rounding.
    rng = np.random.default_rng(1)
    twice = 3000 + np.column_stack([embedding[:, :3], embedding[:, :3] @ rng.random((3, 40))])
    twice[~is_control, 3:] += 0.1 * rng.standard_normal(((~is_control).sum(), 40))
    found = postprocess(twice.astype(np.float32), batch, is_control, "tvn")
    assert np.abs(found).max() < 100
    line = postprocess(embedding[:, :1], batch, is_control, "tvn")
    assert line.shape == (len(embedding), 1)


# --------------------------------------------------------------------------- few controls


def test_a_small_batch_is_shrunken_by_the_formula_and_a_large_one_left_alone():
    embedding, batch, _ = batches_and_controls(7)
    is_control = np.zeros(len(batch), dtype=bool)
    is_control[:40] = is_control[60:66] = True  # batch 0 has 40 controls, batch 1 has 6
    large, small = embedding[:40], embedding[60:66]
    found = postprocess(embedding, batch, is_control, "center_scaled", shrink_below=30)
    as_published = postprocess(embedding, batch, is_control, "center_scaled")
    np.testing.assert_array_equal(found[batch == 0], as_published[batch == 0])
    centre = 0.2 * small.mean(axis=0) + 0.8 * np.vstack([large, small]).mean(axis=0)
    within = (40 * large.var(axis=0) + 6 * small.var(axis=0)) / (46 - 2)
    sd = np.sqrt(0.2 * small.var(axis=0) + 0.8 * within)
    np.testing.assert_allclose(found[batch == 1], (embedding[batch == 1] - centre) / sd)


@pytest.mark.parametrize("method", METHODS[1:])
def test_a_batch_without_controls_takes_what_all_controls_say(method):
    embedding, batch, is_control = batches_and_controls(8)
    bare = is_control & (batch == 0)
    with pytest.raises(ValueError, match=r"batches 1 \(0\)"):
        postprocess(embedding, batch, bare, method, shrink_below=30)
    found = postprocess(embedding, batch, bare, method, shrink_below=30, bare="global")
    if method == "centered":
        np.testing.assert_allclose(found, embedding - embedding[bare].mean(axis=0))
    if method == "tvn":  # white cells over the root of I + I / 2
        white = postprocess(embedding, np.zeros(len(batch)), bare, "tvn")
        n = bare.sum()
        ratio = np.sqrt(n / (n - 1) + 0.5) / np.sqrt(1.5)
        np.testing.assert_allclose(found[batch == 1], white[batch == 1] * ratio)
    assert np.isfinite(found).all()


def test_shrinking_a_noisy_batch_brings_its_centre_nearer_to_the_truth():
    rng = np.random.default_rng(9)
    errors = {0: [], 30: []}
    batch = np.repeat(np.arange(6), [200, 200, 200, 4, 4, 4])
    for _ in range(20):
        truth = 0.2 * rng.standard_normal((6, 5))
        controls = truth[batch] + rng.standard_normal((len(batch), 5))
        for shrink_below, found in errors.items():
            rest = postprocess(
                controls, batch, np.full(len(batch), True), "centered", shrink_below=shrink_below
            )
            found.append(np.square((controls - rest)[-1] - truth[5]).mean())
    assert np.mean(errors[30]) < 0.5 * np.mean(errors[0])
