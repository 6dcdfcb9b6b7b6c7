"""Quality of screens: Mann-Whitney against pdex and scanpy, E-distance, permutations."""

import contextlib
import io
import warnings

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse
from scipy.stats import mannwhitneyu

from benchmarks import fastest, missing, row
from helpers.metrics.de import mann_whitney
from helpers.metrics.edistance import edistance, edistance_test


def run() -> list:
    """Rows: many groups against one set of controls, one distance, one permutation test."""
    return [*_mann_whitney(), _edistance(), _permutations()]


def _mann_whitney() -> list:
    """Against pdex and scanpy, dense and CSR; the p-values are scipy's."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(0.5, 1, 1_500), (5_800, 1_500))
    labels = rng.permutation(np.repeat([*map(str, range(60)), "control"], [80] * 60 + [1_000]))
    is_control = labels == "control"
    cells = [str(i) for i in range(len(labels))]
    obs = pd.DataFrame({"group": pd.Categorical(labels)}, index=cells)
    dense = np.log1p(counts).astype(np.float32)
    rows = []
    for name, values in (("dense", dense), ("CSR", sparse.csr_matrix(dense))):
        mann_whitney(values[:, :2], labels, is_control)
        seconds, found = fastest(lambda values=values: mann_whitney(values, labels, is_control), 3)
        for i in (0, 30, 59):
            group = counts[labels == found.groups[i]].astype(float)
            controls = counts[is_control].astype(float)
            reference = mannwhitneyu(group, controls, method="asymptotic").pvalue
            np.testing.assert_allclose(found.p_value[i], reference, rtol=0, atol=1e-10)
        screen = AnnData(values, obs=obs)
        title = f"Mann-Whitney, 60 x 80 + 1,000 controls x 1,500 genes, {name}"
        for peer, times, asked in (("pdex", _pdex, 8), ("scanpy", _scanpy, 10)):
            what = f"{title} / {peer}"
            rows.append(missing(what, peer) or row(what, seconds, times(screen), asked))
    return rows


def _pdex(screen) -> float:
    from pdex import pdex

    with contextlib.redirect_stderr(io.StringIO()):  # its progress
        return fastest(
            lambda: pdex(screen, "group", reference="control", is_log1p=True, threads=1), 2
        )[0]


def _scanpy(screen) -> float:
    import scanpy as sc

    with warnings.catch_warnings(action="ignore"):  # a frame in pieces, genes that are constant
        return fastest(
            lambda: sc.tl.rank_genes_groups(
                screen, "group", method="wilcoxon", reference="control", tie_correct=True
            )
        )[0]


def _edistance() -> dict:
    """Against the formula of scPerturb (edistance.py), Euclidean."""
    from sklearn.metrics import pairwise_distances

    rng = np.random.default_rng(0)
    x, c = rng.normal(0.1, 1, (2_500, 50)), rng.normal(size=(2_500, 50))
    edistance(x, c)
    seconds, found = fastest(lambda: edistance(x, c), 9)

    def scperturbs():
        n, m = len(x), len(c)
        within_x = pairwise_distances(x, x).sum() / n / (n - 1)
        within_c = pairwise_distances(c, c).sum() / m / (m - 1)
        return 2 * pairwise_distances(x, c).mean() - within_x - within_c

    reference_seconds, reference = fastest(scperturbs, 5)
    np.testing.assert_allclose(found, reference, rtol=1e-10)
    return row("E-distance 2,500 + 2,500 x 50 / scPerturb's formula", seconds, reference_seconds, 3)


def _permutations() -> dict:
    rng = np.random.default_rng(0)
    x, c = rng.normal(0.1, 1, (300, 50)), rng.normal(size=(500, 50))
    seconds, _ = fastest(lambda: edistance_test(x, c, n_permutations=999, rng=rng), 3)

    def one_after_the_other():
        pooled = np.vstack([x, c])
        for _ in range(50):
            order = rng.permutation(len(pooled))
            edistance(pooled[order[:300]], pooled[order[300:]])

    fifty, _ = fastest(one_after_the_other, 2)
    name = "E-test 300 + 500, 999 permutations / a distance each"
    return row(name, seconds, fifty / 50 * 999, 3.0)


if __name__ == "__main__":
    print(*run(), sep="\n")
