"""Submissions, there and back, and every breach of the contract by its name."""

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from helpers.data.effects.vcc2026_submission import Contract, problems, read, write
from helpers.data.errors import DataError

GENES = [f"g{i}" for i in range(6)]
CONTRACT = Contract({"A": ["g0", "g1"], "B": ["g2"]}, GENES, n_cells=3, max_total=1000)


def predictions(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "A": (rng.poisson(3.0, (6, 6)) + 1, ["g0"] * 3 + ["g1"] * 3),
        "B": (sparse.csr_matrix(rng.poisson(3.0, (3, 6)) + 1), ["g2"] * 3),
    }


def submission():
    given = predictions()
    adata = AnnData(
        sparse.csr_matrix(np.vstack([given["A"][0], given["B"][0].toarray()]), dtype=np.float32)
    )
    adata.obs["target_gene"] = [*given["A"][1], *given["B"][1]]
    adata.obs["context"] = ["A"] * 6 + ["B"] * 3
    adata.var_names = GENES
    return adata


def test_a_submission_comes_back(tmp_path):
    write(tmp_path / "s.h5ad", predictions(), CONTRACT)
    found = read(tmp_path / "s.h5ad", CONTRACT)
    assert found.obs["target_gene"].astype(str).tolist() == ["g0"] * 3 + ["g1"] * 3 + ["g2"] * 3
    np.testing.assert_array_equal(found.X.toarray(), submission().X.toarray())
    assert problems(found, CONTRACT) == []


def changed(change):
    adata = submission()
    X = adata.X.toarray()
    if change == "column":
        del adata.obs["context"]
    elif change == "control":
        adata.obs["target_gene"] = ["non-targeting", *adata.obs["target_gene"][1:]]
    elif change == "strange":
        adata.obs["target_gene"] = ["g5", *adata.obs["target_gene"][1:]]
    elif change == "omitted":
        return adata[:6].copy()
    elif change == "cells":
        return adata[:8].copy()
    elif change == "order":
        adata.var_names = GENES[::-1]
    elif change == "renamed":
        adata.var_names = [g.upper() for g in GENES]
    elif change == "fewer genes":
        return adata[:, :5].copy()
    elif change == "log":
        adata.X = sparse.csr_matrix(np.log1p(X))
    elif change == "fraction":
        adata.X = sparse.csr_matrix(X * 10.5)
    elif change == "negative":
        X[0, 0] = -2
        adata.X = X
    elif change == "nan":
        X[0, 0] = np.nan
        adata.X = X
    elif change == "deep":
        adata.X = X * 1000
    elif change == "empty":
        X[0] = 0
        adata.X = sparse.csr_matrix(X)
    elif change == "nothing":
        adata.X = sparse.csr_matrix(X.shape, dtype=np.float32)
    return adata


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("column", "obs has no column context"),
        ("control", "1 control cells (non-targeting)"),
        ("strange", "1 perturbations not asked: g5 in A"),
        ("omitted", "1 perturbations missing: g2 in B"),
        ("cells", "1 perturbations do not have 3 cells, the first g2 in B with 2"),
        ("order", "genes in another order: gene 0 is 'g5', not 'g0'"),
        ("renamed", "genes of other names: gene 0 is 'G0'"),
        ("fewer genes", "5 genes, 6 are asked"),
        ("log", "look like logarithms"),
        ("fraction", "values have fractions"),
        ("negative", "values below 0, the smallest -2"),
        ("nan", "1 values are NaN"),
        ("deep", "9 cells have more than 1,000 counts"),
        ("empty", "1 cells have no count"),
        ("nothing", "no count at all"),
    ],
)
def test_each_breach_has_its_name(change, said):
    assert any(said in problem for problem in problems(changed(change), CONTRACT))


def test_too_many_entries_are_refused():
    tight = Contract(CONTRACT.perturbations, GENES, n_cells=3, max_stored=10)
    assert any("more than 10 entries" in p for p in problems(submission(), tight))


def test_nothing_is_written_that_would_be_rejected(tmp_path):
    given = predictions()
    given["A"] = (given["A"][0] + 0.5, given["A"][1])
    with pytest.raises(DataError, match="the submission would be rejected: 36 values have frac"):
        write(tmp_path / "s.h5ad", given, CONTRACT)
    assert not (tmp_path / "s.h5ad").exists()


def test_other_files_and_breaches_in_files_are_refused(tmp_path):
    (tmp_path / "x.h5ad").write_text("no")
    with pytest.raises(DataError, match="is not an h5ad"):
        read(tmp_path / "x.h5ad")
    submission()[:8].write_h5ad(tmp_path / "y.h5ad")
    assert read(tmp_path / "y.h5ad").n_obs == 8  # as it is, where no contract is given
    with pytest.raises(DataError, match=r"y\.h5ad would be rejected: 1 perturbations"):
        read(tmp_path / "y.h5ad", CONTRACT)
