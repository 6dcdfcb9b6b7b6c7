"""Pseudobulk by one sparse product against one mask a group."""

import numpy as np

from benchmarks import fastest, row
from helpers.data.pseudobulk import pseudobulk
from helpers.data.simulate.screen import simulate_screen


def by_masks(screen, by: list[str]) -> np.ndarray:
    """Mean of each group, its rows picked out by a mask; shape (n_groups, n_genes)."""
    groups = screen.obs.groupby(by, observed=True).ngroup().to_numpy()
    return np.vstack([screen.X[groups == g].mean(axis=0) for g in range(groups.max() + 1)])


def run() -> list[dict]:
    """One row: 20,000 cells x 2,000 genes into guide x batch, 1,236 groups."""
    screen = simulate_screen(rng=np.random.default_rng(0))
    by = ["guide", "batch"]
    seconds, result = fastest(lambda: pseudobulk(screen, by), 4)
    reference_seconds, reference = fastest(lambda: by_masks(screen, by), 4)
    np.testing.assert_allclose(result.X, reference, rtol=1e-4)
    return [
        row(
            "pseudobulk 20,000 x 2,000 into 1,236 groups / one mask a group",
            seconds,
            reference_seconds,
            1.2,
        )
    ]


if __name__ == "__main__":
    print(run())
