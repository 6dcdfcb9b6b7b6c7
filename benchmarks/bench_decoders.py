"""Decoders: closed-form ridge against the released MLP, on the same simulated cells."""

import numpy as np

from benchmarks import fastest, row
from helpers.data.normalise import log1p_cp10k
from helpers.data.simulate.screen import simulate_screen
from helpers.metrics.embeddings.reconstruction import gene_correlations
from helpers.models.embeddings.decoders import MLPDecoder, RidgeDecoder
from helpers.models.pca import pca_embedding


def run() -> list[dict]:
    """One row: 3,000 training cells, 64 components, 500 genes, widths as released."""
    screen = simulate_screen(
        rng=np.random.default_rng(0), n_cells=4_000, n_genes=500, n_targets=40, n_batches=8
    )
    embedding = pca_embedding.function(screen, n_components=64, seed=0)
    expression = log1p_cp10k(screen).X.toarray()
    batches = screen.obs["batch"].to_numpy()
    test = np.isin(batches, ["batch7", "batch8"])

    def ridge():
        return RidgeDecoder().fit(embedding[~test], expression[~test], batches[~test])

    def mlp():
        # 30 epochs of so few cells are 180 steps at 1e-4: ten times the rate, so that it learns.
        return MLPDecoder(learning_rate=1e-3).fit(embedding[~test], expression[~test])

    ridge()
    seconds, linear = fastest(ridge, 5)
    reference_seconds, network = fastest(mlp)
    spearman = {
        name: np.nanmean(gene_correlations(decoder.predict(embedding[test]), expression[test]))
        for name, decoder in (("ridge", linear), ("MLP", network))
    }
    assert spearman["ridge"] >= spearman["MLP"], spearman
    scores = ", ".join(f"{name} {value:.3f}" for name, value in spearman.items())
    return [
        row(
            f"ridge decoder / released MLP, 30 epochs, 10 x its rate (Spearman: {scores})",
            seconds,
            reference_seconds,
            20.0,
        )
    ]


if __name__ == "__main__":
    print(*run(), sep="\n")
