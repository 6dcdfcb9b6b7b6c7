"""The simulator against the plain numpy way: gamma rates, then Poisson counts."""

import numpy as np
from scipy.sparse import csr_matrix, vstack

from benchmarks import fastest, row
from helpers.data.simulate.screen import simulate_screen


def gamma_poisson(screen, *, dispersion: float, rng, rows: int = 1_000) -> csr_matrix:
    """Counts of a screen with the same expected counts, `rows` cells at a time."""
    batch = screen.obs["batch"].cat.codes.to_numpy()
    log_depth = np.log(screen.obs["depth"].to_numpy())
    log_mean = np.log(screen.var["abundance"].to_numpy()) + screen.varm["batch_shift"].T
    blocks = []
    for start in range(0, screen.n_obs, rows):
        cells = slice(start, start + rows)
        shift = screen.obsm["latent"][cells] @ screen.varm["programs"].T
        mean = np.exp(log_depth[cells, None] + log_mean[batch[cells]] + shift)
        counts = rng.poisson(rng.gamma(1 / dispersion, dispersion * mean))
        blocks.append(csr_matrix(counts.astype(np.float32)))
    return vstack(blocks, format="csr")


def run() -> list[dict]:
    """One row: 20,000 cells x 2,000 genes, whole screen against counts alone."""
    warm = {"n_cells": 200, "n_genes": 100, "n_targets": 5}
    simulate_screen(rng=np.random.default_rng(0), **warm)
    seconds, screen = fastest(
        lambda: simulate_screen(rng=np.random.default_rng(0), dispersion=0.2), 2
    )
    reference_seconds, reference = fastest(
        lambda: gamma_poisson(screen, dispersion=0.2, rng=np.random.default_rng(0)), 2
    )
    np.testing.assert_allclose(reference.sum(), screen.X.sum(), rtol=0.01)
    return [row("simulate 20,000 x 2,000 / numpy gamma-Poisson", seconds, reference_seconds, 1.5)]


if __name__ == "__main__":
    print(run())
