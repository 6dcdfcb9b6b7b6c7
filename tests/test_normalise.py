"""log1p CP10k against its formula and scanpy."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.sparse import csc_matrix, csr_matrix

from helpers.data.contract import DataError, check
from helpers.data.normalise import library_size, log1p_cp10k


def counts(X=None, **obs):
    X = np.random.default_rng(0).poisson(1.0, size=(30, 12)) if X is None else np.asarray(X)
    n_cells, n_genes = X.shape
    return AnnData(
        csr_matrix(X.astype(np.float32)),
        obs=pd.DataFrame(obs, index=[f"cell{i}" for i in range(n_cells)]),
        var=pd.DataFrame(index=[f"GENE{i}" for i in range(n_genes)]),
        uns={
            "scale": {"kind": "counts", "target_sum": None},
            "dataset": {"name": "toy", "sha256": "0" * 64, "licence": "CC0", "citation": "none"},
        },
    )


@pytest.mark.parametrize("make", [csr_matrix, csc_matrix, lambda x: x.toarray()])
@pytest.mark.parametrize("target_sum", [1e4, 1e6])
def test_formula_and_scanpy(make, target_sum):
    import scanpy

    adata = counts()
    dense = adata.X.toarray().astype(float)
    adata.X = make(adata.X)
    result = log1p_cp10k(adata, target_sum=target_sum)
    X = result.X if isinstance(result.X, np.ndarray) else result.X.toarray()
    expected = np.log1p(target_sum * dense / dense.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(X, expected, rtol=1e-6)
    oracle = counts()
    scanpy.pp.normalize_total(oracle, target_sum=target_sum)
    scanpy.pp.log1p(oracle)
    np.testing.assert_allclose(X, oracle.X.toarray(), rtol=1e-5)
    assert X.dtype == np.float32
    assert result.uns["scale"] == {"kind": "log1p", "target_sum": target_sum}
    check(result, screen=False)


def test_the_input_stays_as_it_was():
    adata = counts(batch=["a", "b"] * 15)
    before = adata.copy()
    result = log1p_cp10k(adata)
    result.obs["batch"] = "c"
    result.uns["dataset"]["name"] = "changed"
    assert (adata.X != before.X).nnz == 0
    assert adata.obs.equals(before.obs)
    assert adata.uns == before.uns


def test_library_size_is_that_before_genes_were_dropped():
    adata = counts()
    total = np.asarray(adata.X.sum(axis=1)).ravel()
    adata.obs["total_counts"] = total
    dropped = adata[:, :5].copy()
    np.testing.assert_array_equal(library_size(dropped), total)
    whole, part = log1p_cp10k(adata), log1p_cp10k(dropped)
    np.testing.assert_array_equal(part.X.toarray(), whole.X.toarray()[:, :5])
    np.testing.assert_array_equal(part.obs["total_counts"], total)


def test_library_size_is_carried_where_it_was_only_implied():
    result = log1p_cp10k(counts())
    np.testing.assert_array_equal(result.obs["total_counts"], counts().X.toarray().sum(axis=1))


def test_a_panel_uses_its_own_sum_and_stays_a_panel():
    adata = counts()
    adata.uns["panel"] = True
    np.testing.assert_array_equal(library_size(adata), adata.X.toarray().sum(axis=1))
    result = log1p_cp10k(adata)
    assert result.uns["panel"]
    assert "total_counts" not in result.obs


@pytest.mark.parametrize("value", [-1.0, 0.5, np.nan, np.inf])
@pytest.mark.parametrize("sparse", [True, False])
def test_counts_that_are_none_are_refused(value, sparse):
    adata = counts()
    X = adata.X.toarray()
    X[3, 4] = value
    adata.X = csr_matrix(X) if sparse else X
    with pytest.raises(DataError, match="toy: uns\\['scale'\\] says counts, but 1 values"):
        log1p_cp10k(adata)


def test_another_scale_is_refused():
    with pytest.raises(DataError, match="counts are needed, but uns\\['scale'\\] says 'log1p'"):
        log1p_cp10k(log1p_cp10k(counts()))
    adata = counts()
    del adata.uns["scale"]
    with pytest.raises(DataError, match="says None"):
        library_size(adata)


def test_empty_cells_are_counted():
    X = counts().X.toarray()
    X[[2, 7]] = 0
    with pytest.raises(DataError, match="2 of 30 cells have no counts, first 'cell2'"):
        log1p_cp10k(counts(X))


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_impossible_library_size_is_refused(value):
    adata = counts()
    adata.obs["total_counts"] = adata.X.toarray().sum(axis=1)
    adata.obs.loc["cell5", "total_counts"] = value
    with pytest.raises(DataError, match="in 1 cells, first 'cell5'"):
        library_size(adata)


@pytest.mark.parametrize("target_sum", [0, -1, np.inf, np.nan])
def test_an_impossible_target_sum_is_refused(target_sum):
    with pytest.raises(ValueError, match="target_sum must be positive and finite"):
        log1p_cp10k(counts(), target_sum=target_sum)
