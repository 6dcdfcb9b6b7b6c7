"""Cluster bootstrap of a score table: products of matrices against drawing rows in a loop."""

import numpy as np

from benchmarks import fastest, row
from helpers.stats import cluster_means

N_CLUSTERS, N_MODELS, N_RESAMPLES = 200, 20, 10_000
LOOPED = 200  # resamples that the plain loop is timed on


def loop(table: np.ndarray, n_resamples: int, rng) -> np.ndarray:
    """Means of resampled rows, model by model, as benchmarks' notebooks do it."""
    means = np.empty((n_resamples, table.shape[1]))
    for draw in range(n_resamples):
        for model in range(table.shape[1]):
            rows = rng.integers(len(table), size=len(table))
            means[draw, model] = table[rows, model].mean()
    return means


def run() -> list[dict]:
    """One row; asked is what makes 10,000 resamples a matter of less than a second."""
    table = np.random.default_rng(0).standard_normal((N_CLUSTERS, N_MODELS))
    clusters = np.arange(N_CLUSTERS)
    rng = np.random.default_rng(0)
    seconds, found = fastest(
        lambda: cluster_means(table, clusters, n_resamples=N_RESAMPLES, rng=rng), 3
    )
    looped, means = fastest(lambda: loop(table, LOOPED, rng))
    reference_seconds = looped * N_RESAMPLES / LOOPED
    np.testing.assert_allclose(found["se"], means.std(axis=0), rtol=0.25)
    return [
        row(
            "10,000 resamples of 200 clusters x 20 models / loop over draws and models",
            seconds,
            reference_seconds,
            20.0,
        )
    ]


if __name__ == "__main__":
    print(*run(), sep="\n")
