"""The bilinear model after pseudobulk, and pseudobulk against scanpy's aggregation."""

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from benchmarks import fastest, row
from helpers.data.pseudobulk import pseudobulk
from helpers.models.effects.linear import BilinearModel
from helpers.models.effects.training import Training


def by_thin_svd(training: Training, names) -> np.ndarray:
    """The released formula with a thin SVD of genes x conditions."""
    control = training.control()
    X = np.vstack([training.means, control]).T
    centred = X - X.mean(axis=0)
    U, S, _ = np.linalg.svd(centred, full_matrices=False)
    G = U[:, :10] * S[:10]
    P = np.vstack([G[training.genes.get_indexer(training.names)], np.zeros(10)])
    Y = X - control[:, None]
    b = Y.mean(axis=1)
    eye = 0.1 * np.eye(10)
    W = np.linalg.solve(G.T @ G + eye, G.T @ (Y - b[:, None]) @ P)
    W = np.linalg.solve(P.T @ P + eye, W.T).T
    return (G @ W @ G[training.genes.get_indexer(names)].T).T + b + control


def linear_model() -> dict:
    """5,000 genes x 1,000 conditions."""
    rng = np.random.default_rng(0)
    genes = pd.Index([f"g{i:04d}" for i in range(5_000)])
    level, changes = rng.gamma(1, 1, 5_000), 0.1 * rng.standard_normal((1_000, 5_000))
    control = {"cells": level}
    training = Training(level + changes, genes[:1_000], genes, control, np.ones(1_000))
    names = list(genes[1_000:1_100])
    seconds, found = fastest(lambda: BilinearModel().fit(training).predict(names), 3)
    reference_seconds, reference = fastest(lambda: by_thin_svd(training, names), 1)
    np.testing.assert_allclose(found, reference, atol=1e-6)
    return row(
        f"linear model, 5,000 genes x 1,000 conditions ({seconds:.2f} s) / thin SVD",
        seconds,
        reference_seconds,
        1.2,
    )


def against_scanpy() -> dict:
    """20,000 cells x 2,000 genes, 8 % of them counts, into 1,000 groups."""
    import scanpy as sc

    rng = np.random.default_rng(0)
    X = sparse.random_array((20_000, 2_000), density=0.08, format="csr", rng=rng)
    groups = pd.Categorical(rng.integers(0, 1_000, 20_000).astype(str))
    cells = AnnData(sparse.csr_matrix(X), obs=pd.DataFrame({"group": groups}))
    cells.obs_names = [f"c{i}" for i in range(20_000)]
    seconds, found = fastest(lambda: pseudobulk(cells, "group"), 4)
    reference_seconds, reference = fastest(lambda: sc.get.aggregate(cells, "group", "mean"), 4)
    expected = reference[found.obs_names].layers["mean"]
    np.testing.assert_allclose(found.X, expected, atol=1e-10)
    return row(
        "pseudobulk 20,000 x 2,000 into 1,000 groups / scanpy.get.aggregate",
        seconds,
        reference_seconds,
        3.0,
        "half of the time reads cells in the order of their groups, from memory",
    )


def run() -> list[dict]:
    """Two rows."""
    return [linear_model(), against_scanpy()]


if __name__ == "__main__":
    print(run())
