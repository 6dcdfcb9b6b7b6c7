"""Perturbation consistency: closed form against the cosine of every pair."""

import numpy as np

from benchmarks import fastest, row
from helpers.metrics.embeddings.consistency import perturbation_consistency


def pairwise(embedding: np.ndarray) -> float:
    """Mean over pairs of the cosine matrix, as the released benchmark computes it."""
    from sklearn.metrics.pairwise import cosine_similarity

    cosines = cosine_similarity(embedding)
    return cosines[np.tril_indices(len(embedding), k=-1)].mean()


def run() -> list[dict]:
    """One row: one perturbation of 2,000 cells in 256 dimensions."""
    embedding = np.random.default_rng(0).standard_normal((2_000, 256)) + 0.1
    labels = np.full(len(embedding), "A")
    perturbation_consistency(embedding, labels)
    seconds, result = fastest(lambda: perturbation_consistency(embedding, labels), 50)
    reference_seconds, reference = fastest(lambda: pairwise(embedding), 5)
    np.testing.assert_allclose(result["similarity"], reference, rtol=1e-9)
    return [
        row(
            "consistency of 2,000 cells x 256 / cosine of every pair",
            seconds,
            reference_seconds,
            50.0,
        )
    ]


if __name__ == "__main__":
    print(*run(), sep="\n")
