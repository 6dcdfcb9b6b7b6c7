"""Pseudobulk against pandas' groupby."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_matrix, csr_matrix

from helpers.data.contract import DataError
from helpers.data.normalise import log1p_cp10k
from helpers.data.pseudobulk import pseudobulk


def screen(X, obs):
    obs = pd.DataFrame(obs)
    obs.index = [f"cell{i}" for i in range(len(obs))]
    return AnnData(
        X,
        obs=obs,
        var=pd.DataFrame(index=[f"GENE{i}" for i in range(X.shape[1])]),
        uns={"scale": {"kind": "counts", "target_sum": None}, "dataset": {"name": "toy"}},
    )


def toy():
    rng = np.random.default_rng(0)
    X = rng.poisson(0.5, size=(40, 6)).astype(np.float32)
    target = pd.Categorical(rng.choice(["B", "A", "control"], 40), ["control", "B", "A", "unused"])
    return screen(
        csr_matrix(X),
        {"perturbation": target, "batch": rng.choice(["b2", "b1"], 40), "total_counts": 9.0},
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_equals_pandas_groupby(data):
    n_cells = data.draw(st.integers(1, 30))
    cells = st.lists(st.integers(0, 50), min_size=3, max_size=3)
    X = np.array(data.draw(st.lists(cells, min_size=n_cells, max_size=n_cells)), dtype=np.float32)
    labels = st.lists(st.sampled_from("abcd"), min_size=n_cells, max_size=n_cells)
    first, second = data.draw(labels), data.draw(labels)
    order = data.draw(st.permutations("abcd"))
    obs = {"first": pd.Categorical(first, categories=list(order)), "second": second}
    by = data.draw(st.sampled_from([["first"], ["second", "first"], ["first", "second"]]))
    statistic = data.draw(st.sampled_from(["mean", "sum"]))
    make = data.draw(st.sampled_from([csr_matrix, csc_matrix, np.asarray]))

    result = pseudobulk(screen(make(X), obs), by, statistic=statistic)

    frame = pd.DataFrame(X.astype(float)).assign(**obs)
    grouped = frame.groupby(by, observed=True, sort=True)[[0, 1, 2]]
    expected = getattr(grouped, statistic)()
    np.testing.assert_allclose(result.X, expected.to_numpy(), rtol=1e-12)
    np.testing.assert_array_equal(result.obs["n_cells"], grouped.size().to_numpy())
    groups = expected.index.to_frame(index=False).astype(str).to_numpy()
    np.testing.assert_array_equal(result.obs[by].astype(str).to_numpy(), groups)
    assert result.obs["n_cells"].sum() == n_cells
    assert result.obs_names.is_unique


def test_rows_follow_the_categories_and_empty_groups_have_none():
    result = pseudobulk(toy(), "perturbation")
    assert list(result.obs["perturbation"]) == ["control", "B", "A"]
    assert list(result.obs_names) == ["control", "B", "A"]
    both = pseudobulk(toy(), ["perturbation", "batch"])
    assert list(both.obs_names[:2]) == ["control|b1", "control|b2"]


def test_scale_and_description_are_carried():
    result = pseudobulk(toy(), ["perturbation"], statistic="sum")
    assert result.uns["scale"] == {"kind": "counts", "target_sum": None}
    assert result.uns["pseudobulk"] == {"by": ["perturbation"], "statistic": "sum"}
    assert result.X.dtype == np.float64


def test_sums_of_counts_can_be_normalised_by_the_libraries_of_their_cells():
    adata = toy()
    total = log1p_cp10k(pseudobulk(adata, "batch", statistic="sum"))
    cells = (adata.obs["batch"] == "b1").to_numpy()
    expected = np.log1p(1e4 * adata.X[cells].toarray().sum(axis=0) / (9.0 * cells.sum()))
    np.testing.assert_allclose(total.X[0], expected, rtol=1e-6)
    assert (pseudobulk(adata, "batch").obs["total_counts"] == 9.0).all()


def test_sums_beyond_single_precision_are_exact():
    X = csr_matrix(np.array([[2**24], [1], [1]], dtype=np.float32))
    assert pseudobulk(screen(X, {"g": ["a"] * 3}), "g", statistic="sum").X[0, 0] == 2**24 + 2


def test_groups_that_spell_alike_stay_apart():
    obs = {"x": ["a|b", "a"], "y": ["c", "b|c"]}
    result = pseudobulk(screen(np.eye(2), obs), ["x", "y"])
    assert result.n_obs == 2
    assert result.obs_names.is_unique


def test_bad_input_is_refused():
    with pytest.raises(DataError, match=r"toy: obs has no column \['donor'\] \(columns: pert"):
        pseudobulk(toy(), ["batch", "donor"])
    adata = toy()
    adata.obs.loc["cell3", "batch"] = None
    with pytest.raises(DataError, match="1 in 'batch' of 40 cells"):
        pseudobulk(adata, "batch")
    for by in ([], ["batch", "batch"], "n_cells"):
        with pytest.raises(ValueError, match=r"^by "):
            pseudobulk(toy(), by)
    with pytest.raises(ValueError, match="statistic must be 'mean' or 'sum', not 'median'"):
        pseudobulk(toy(), "batch", statistic="median")


def test_the_order_and_the_zeros_of_a_sparse_matrix_do_not_matter():
    """Genes out of order, one place in two entries, a stored zero, integers."""
    values, genes = np.array([1, 2, 0, 3, 4]), np.array([2, 0, 1, 1, 1])
    X = csr_matrix((values, genes, np.array([0, 2, 5])), shape=(2, 3))
    before = [part.copy() for part in (X.data, X.indices, X.indptr)]
    found = pseudobulk(screen(X, {"group": ["a", "a"]}), "group", statistic="sum")
    np.testing.assert_array_equal(found.X, [[2, 7, 1]])
    for part, old in zip((X.data, X.indices, X.indptr), before, strict=True):
        np.testing.assert_array_equal(part, old)
