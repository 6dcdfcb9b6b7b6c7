"""The score of the Virtual Cell Challenge 2026 against cell-eval2."""

import logging
import warnings

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from benchmarks import fastest, missing, row
from helpers.metrics.effects.vcc2026 import aggregate, per_perturbation
from helpers.metrics.effects.vcc2026_reference import reference

ASKED = 4.0  # processor seconds of both sides


def run() -> list:
    """Rows: all six metrics, both sides, 60 x 80 cells and 1,000 controls x 1,500 genes."""
    sides, labels, control, genes = _screen()

    def ours():
        measured = reference(sides[0], labels, control, genes)
        return aggregate(per_perturbation(measured, sides[1], labels))

    ours()
    seconds, found = fastest(ours, 2)
    what = "vcc2026, both sides, 60 x 80 cells + 1,000 controls x 1,500 genes"
    rows = [row(f"{what} / {ASKED:g} s", seconds, ASKED, 1)]
    peer = f"{what} / cell-eval2"
    if said := missing(peer, "cell_eval2"):
        return [*rows, said]
    reference_seconds, theirs = _cell_eval2(sides, labels, control, genes)
    np.testing.assert_allclose(found.to_numpy(), theirs, atol=1e-10)
    return [*rows, row(peer, seconds, reference_seconds, 5)]


def _screen():
    """Counts whose effects are partly shared, measured and predicted, with their labels."""
    rng = np.random.default_rng(0)
    n_groups, n_cells, n_controls, n_genes = 60, 80, 1_000, 1_500
    base = rng.gamma(0.5, 4.0, n_genes)
    effects = rng.normal(0, 0.5, (n_groups, n_genes)) * (rng.random((n_groups, n_genes)) < 0.1)

    def cells(mean, n):
        return sparse.csr_matrix(rng.poisson(rng.gamma(5, 1 / 5, (n, 1)) * mean), dtype=np.float64)

    control = cells(base, n_controls)
    sides = [
        sparse.vstack([cells(base * np.exp(times * e), n_cells) for e in effects], format="csr")
        for times in (1.0, 0.5)
    ]
    genes = np.array([f"g{i:04}" for i in range(n_genes)])
    return sides, np.repeat(genes[:n_groups], n_cells), control, genes


def _cell_eval2(sides, labels, control, genes):
    """Seconds and the six values of the package, with scanpy's test, which has no correction."""
    from dataclasses import replace

    from cell_eval2.config import EvalConfig
    from cell_eval2.run import aggregate_metrics, compute_metrics

    logging.disable(logging.WARNING)
    obs = np.concatenate([labels, np.full(control.shape[0], "non-targeting")])
    real, predicted = (
        AnnData(
            sparse.vstack([cells, control], format="csr"),
            obs=pd.DataFrame(
                {"target": pd.Categorical(obs)}, index=np.arange(len(obs)).astype(str)
            ),
            var=pd.DataFrame(index=genes),
        )
        for cells in sides
    )
    config = EvalConfig.from_preset("vcc2026")
    config = replace(config, num_threads=1, de=replace(config.de, backend="scanpy"))
    with warnings.catch_warnings(action="ignore"):
        seconds, tidy = fastest(lambda: compute_metrics(predicted, real, config=config))
    logging.disable(logging.NOTSET)
    names = ["pds_cosine", "expr_mse_unbiased_capped_norm",
             "de_wilcoxon_direction_fidelity_yield_raw", "de_wilcoxon_direction_reach_raw",
             "de_wilcoxon_sig_jaccard", "de_wilcoxon_lfc_nmae"]  # fmt: skip
    return seconds, aggregate_metrics(tidy).to_pandas().set_index("metric")["mean"][names]


if __name__ == "__main__":
    print(*run(), sep="\n")
