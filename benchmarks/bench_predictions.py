"""Metrics of predictions: discrimination against a loop over pairs, and the whole panel."""

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from benchmarks import fastest, row
from helpers.metrics.predicted.discrimination import discrimination
from helpers.tasks.prediction_panel import DUPLICATE, MEAN, MEASURES, judged, known_predictions
from helpers.tasks.prediction_scene import make_scene


def run() -> list:
    """Rows: three distances of 200 perturbations, and all metrics of one prediction."""
    return [*_discrimination(), _panel()]


def _discrimination() -> list:
    rng = np.random.default_rng(0)
    observed = rng.standard_normal((200, 5_000))
    predicted = observed + rng.standard_normal(observed.shape)
    loops = {
        "l1": lambda a, b: np.abs(a - b).sum(),
        "l2": lambda a, b: np.linalg.norm(a - b),
        "cosine": lambda a, b: 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b),
    }
    genes = rng.integers(0, 5_000, 200)

    def loop(of_pair):
        keep = np.ones(5_000, dtype=bool)
        found = []
        for p in range(200):
            keep[genes[p]] = False  # its own gene is left out
            d = np.array([of_pair(predicted[p, keep], observed[q, keep]) for q in range(200)])
            found.append((d > d[p]).sum() / 199)
            keep[genes[p]] = True
        return np.array(found)

    rows = []
    for name, of_pair in loops.items():
        seconds, found = fastest(
            lambda name=name: discrimination(predicted, observed, distance=name, own_gene=genes), 3
        )
        slow, expected = fastest(lambda of_pair=of_pair: loop(of_pair))
        np.testing.assert_allclose(found, expected)
        rows.append(row(f"discrimination, {name}, 200 x 5,000 / loop", seconds, slow, 50))
    return rows


def _panel() -> dict:
    """200 perturbations x 5,000 genes, 50 cells a half, without tests: at most 20 s."""
    rng = np.random.default_rng(0)
    n_cells, n_genes = 21_000, 5_000
    labels = np.repeat([*(f"P{i:03d}" for i in range(200)), "control"], [100] * 200 + [1_000])
    X = sparse.random(n_cells, n_genes, 0.1, "csr", np.float32, rng=rng)
    X.data = np.ceil(4 * X.data)
    obs = pd.DataFrame(
        {"perturbation": pd.Categorical(labels), "batch": "1"}, index=list(map(str, range(n_cells)))
    )
    uns = {"scale": {"kind": "counts", "target_sum": None}}
    scene = make_scene(AnnData(X, obs=obs, uns=uns), seed=0)
    asked = {name: MEASURES[name] for name in ("means", "cells")}  # no tests of genes
    known = known_predictions(scene, seed=0)
    chosen = {name: known[name] for name in (MEAN, DUPLICATE)}
    seconds, found = fastest(lambda: judged(scene, chosen, seed=0, measures=asked))
    assert len(found) == 2 * 200 * found["metric"].nunique()
    n = found["metric"].nunique()
    return row(f"{n} metrics, 200 x 5,000, a prediction / 20 s", seconds / 2, 20, 1)
