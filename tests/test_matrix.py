"""One door for matrices: the same values whatever way they are stored, and nothing is touched."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from helpers.data.contract import DataError, check
from helpers.data.exchange import counts_sha256, export, manifest_of
from helpers.data.matrix import canonical
from helpers.data.normalise import library_size, log1p_cp10k
from helpers.data.pseudobulk import pseudobulk
from helpers.models.pca import pca_embedding

KINDS = ("i1", "u1", ">i2", "<i4", "i8", "u4", "f2", "f4", ">f4", "f8", ">f8", "g")


def raw(form, data, indices, indptr, shape):
    """A sparse matrix with the arrays as they are, past scipy's own care."""
    X = form(shape)
    X.data, X.indices, X.indptr = data, indices, indptr
    return X


@st.composite
def matrices(draw):
    """A dense matrix of counts and the same stored in one of the ways that people have."""
    n_rows, n_columns = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = rng.poisson(0.8, (n_rows, n_columns))
    kind = np.dtype(draw(st.sampled_from(KINDS)))
    way = draw(st.sampled_from(["dense", "fortran", "csr", "csc", "coo", "csr_array"]))
    if way in ("dense", "fortran"):
        return values, np.array(values, dtype=kind, order="F" if way == "fortran" else "C")
    rows, columns = np.nonzero(values + rng.integers(0, 2, values.shape))  # stored zeros
    stored = values[rows, columns]
    if draw(st.booleans()):  # each value in two entries of one place
        part = rng.integers(0, stored + 1)
        rows, columns = np.tile(rows, 2), np.tile(columns, 2)
        stored = np.concatenate([part, stored - part])
    order = rng.permutation(len(rows))
    rows, columns, stored = rows[order], columns[order], stored[order]
    if way == "coo":
        plain = np.dtype("f4") if kind == np.float16 else kind.newbyteorder("=")
        return values, sparse.coo_matrix((stored.astype(plain), (rows, columns)), values.shape)
    major, minor = (columns, rows) if way == "csc" else (rows, columns)
    order = np.argsort(major, kind="stable")
    ends = np.searchsorted(major[order], np.arange(values.shape[way == "csc"] + 1))
    ends = ends.astype(draw(st.sampled_from(["<i4", "<i8"])))
    form = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}.get(way, sparse.csr_array)
    indices = minor[order].astype(draw(st.sampled_from(["<i4", "<i8"])))
    return values, raw(form, stored[order].astype(kind), indices, ends, values.shape)


def parts(X):
    if not sparse.issparse(X):
        return [X.copy()]
    names = ("row", "col", "data") if X.format == "coo" else ("indptr", "indices", "data")
    return [np.array(getattr(X, name)) for name in names]


@settings(deadline=None, max_examples=80)
@given(matrices())
def test_every_way_of_storing_gives_the_same_and_stays_as_it_was(drawn):
    values, X = drawn
    before = parts(X)
    found = canonical(X)
    for then, now in zip(before, parts(X), strict=True):
        assert then.dtype == now.dtype and np.array_equal(then, now)
    dense = found.toarray() if sparse.issparse(found) else found
    assert np.array_equal(dense, values) and found.dtype.isnative and found.dtype.kind in "iuf"
    assert found.dtype.kind != "f" or found.dtype.itemsize in (4, 8)
    if sparse.issparse(found):
        assert found.nnz == np.count_nonzero(values)
        assert (np.diff(found.indices) > 0).sum() >= found.nnz - found.shape[0]
        assert found.indices.dtype == found.indptr.dtype == np.int32
    assert counts_sha256(X) == counts_sha256(values)


def screen(X):
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(["control", "A", "control", "B"]),
            "batch": pd.Categorical(["b1"] * 4),
            "context": pd.Categorical(["K562"] * 4),
        },
        index=[f"c{i}" for i in range(4)],
    )
    uns = {
        "scale": {"kind": "counts", "target_sum": None},
        "panel": True,
        "dataset": {"name": "toy", "sha256": "0" * 64, "licence": "CC0", "citation": "none"},
    }
    return ad.AnnData(X, obs, pd.DataFrame(index=["G0", "G1", "G2"]), uns=uns)


def test_duplicate_entries_are_one_value_everywhere(tmp_path):
    data = np.array([1, 2, 4, 0, 5, 6, 1], dtype=np.float32)
    ends = np.array([0, 2, 4, 5, 7], dtype=np.int64)
    indices = np.array([0, 0, 1, 2, 2, 1, 0], dtype=np.int32)
    plain = screen(np.array([[3, 0, 0], [0, 4, 0], [0, 0, 5], [1, 6, 0]], dtype=np.float32))
    odd = screen(sparse.csr_matrix((4, 3), dtype=np.float32))
    odd.X = raw(sparse.csr_matrix, data, indices, ends, (4, 3))
    held = parts(odd.X)

    check(odd)
    assert library_size(odd).tolist() == [3, 4, 5, 7]
    assert log1p_cp10k(odd).X.toarray()[0, 0] == pytest.approx(np.log1p(1e4))  # 9.21, not 16.92
    assert np.array_equal(pseudobulk(odd, "batch").X, pseudobulk(plain, "batch").X)
    for scale in ("log1p", "counts"):
        one, other = (
            pca_embedding.function(s, n_components=2, seed=0, scale=scale) for s in (odd, plain)
        )
        assert np.allclose(one, other, atol=1e-6)
    assert manifest_of(odd)["counts_sha256"] == manifest_of(plain)["counts_sha256"]
    path, _ = export(odd, tmp_path)
    back = ad.read_h5ad(path)
    assert back.obs["n_counts"].tolist() == [3, 4, 5, 7]
    assert np.array_equal(back.X.toarray(), plain.X)
    assert all(np.array_equal(a, b) for a, b in zip(held, parts(odd.X), strict=True))
    again, _ = export(back, tmp_path / "again")  # what the book wrote is read by the book
    assert np.array_equal(ad.read_h5ad(again).X.toarray(), plain.X)


@pytest.mark.parametrize(
    "data, indices, ends, message",
    [
        ([1.0, 2], [0, 9], [0, 1, 2], "cell 'c1' has a value at gene number 9, of 3 genes"),
        ([1.0, 2], [-1, 0], [0, 1, 2], "cell 'c0' has a value at gene number -1"),
        ([1.0, 2], [0, 1], [0, 2, 1], "cell 'c1' ends at value 1, begun at 2"),
        ([1.0, 2], [0, 1], [0, 7, 2], "cell 'c0' ends at value 7, begun at 0, of 2 values"),
        ([1.0, 2], [0, 1], [1, 1, 2], "starts at 1"),
        ([1.0, 2], [0, 1], [0, 2], "2 cells need 3 integers"),
        ([1.0, 2], [0, 1.5], [0, 1, 2], "indices are float64"),
        ([1j, 2], [0, 1], [0, 1, 2], "complex128, not numbers"),
    ],
)
def test_a_matrix_that_would_end_the_process_is_refused(data, indices, ends, message):
    X = raw(sparse.csr_matrix, np.array(data), np.array(indices), np.array(ends), (2, 3))
    with pytest.raises(DataError, match=message):
        canonical(X, cells=["c0", "c1"], genes=["G0", "G1", "G2"])


def test_a_column_wise_matrix_names_the_gene():
    X = raw(
        sparse.csc_matrix, np.ones(2), np.array([0, 10_000_000]), np.array([0, 1, 2, 2]), (2, 3)
    )
    with pytest.raises(DataError, match="gene 'G1' has a value at cell number 10000000"):
        canonical(X, genes=["G0", "G1", "G2"])


def test_a_name_that_leads_elsewhere_is_not_exported(tmp_path):
    made = screen(np.ones((4, 3)))
    made.uns["dataset"] = dict(made.uns["dataset"], name="../../x")
    with pytest.raises(DataError, match="cannot be called so"):
        export(made, tmp_path / "a" / "b")
    assert not list(tmp_path.rglob("*.h5ad"))
