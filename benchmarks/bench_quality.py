"""Quality of screens: Mann-Whitney against scipy, E-distance against sklearn, permutations."""

import numpy as np

from benchmarks import fastest, row
from helpers.metrics.de import mann_whitney
from helpers.metrics.edistance import edistance, edistance_test


def run() -> list[dict]:
    """Three rows: many groups against one set of controls, one distance, one permutation test."""
    return [_mann_whitney(), _edistance(), _permutations()]


def _mann_whitney() -> dict:
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(0.5, 1, 200), (5_800, 200)).astype(float)
    labels = np.repeat([f"g{i:02d}" for i in range(60)] + ["control"], [80] * 60 + [1_000])
    is_control = labels == "control"
    mann_whitney(counts[:, :2], labels, is_control)
    seconds, found = fastest(lambda: mann_whitney(counts, labels, is_control), 3)

    def scipys():
        controls = counts[is_control]
        return [
            mannwhitneyu(counts[labels == group], controls, method="asymptotic").pvalue
            for group in found.groups
        ]

    reference_seconds, reference = fastest(scipys)
    np.testing.assert_allclose(found.p_value, reference, rtol=1e-8)
    name = "Mann-Whitney, 60 x 80 + 1,000 controls x 200 genes / scipy"
    return row(name, seconds, reference_seconds, 2.0)


def _edistance() -> dict:
    from sklearn.metrics import pairwise_distances

    rng = np.random.default_rng(0)
    x, c = rng.normal(0.1, 1, (2_500, 50)), rng.normal(size=(2_500, 50))
    edistance(x, c)
    seconds, found = fastest(lambda: edistance(x, c, estimator="biased"), 5)

    def sklearns():
        between, *within = (pairwise_distances(a, b) for a, b in ((x, c), (x, x), (c, c)))
        return 2 * between.mean() - within[0].mean() - within[1].mean()

    reference_seconds, reference = fastest(sklearns, 3)
    np.testing.assert_allclose(found, reference, rtol=1e-3)
    return row("E-distance 2,500 + 2,500 x 50 / sklearn", seconds, reference_seconds, 1.5)


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
