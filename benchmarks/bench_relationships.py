"""Known relationships: recall and the filter of pairs against the forms of the released code."""

import numpy as np
import pandas as pd

from benchmarks import fastest, row
from helpers.metrics.embeddings.gene_pairs import unordered_pairs
from helpers.metrics.embeddings.relationships import relationship_recall
from helpers.metrics.embeddings.similarities import Similarities


def row_wise(pairs: pd.DataFrame) -> pd.DataFrame:
    """The filter as bmdb.py:200-216 has it: three times a function of each row."""
    pairs = pairs.copy()
    pairs["sorted"] = pairs.apply(lambda row: ",".join(sorted([row["a"], row["b"]])), axis=1)
    pairs["a"] = pairs.apply(lambda row: row["sorted"].split(",")[0], axis=1)
    pairs["b"] = pairs.apply(lambda row: row["sorted"].split(",")[1], axis=1)
    return pairs[pairs["a"] != pairs["b"]][["a", "b"]].drop_duplicates()


def all_pairs(vectors: np.ndarray, i: np.ndarray, j: np.ndarray) -> float:
    """Recall from the whole matrix of cosines, sorted, as bmdb.py:370-386 does."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = pd.DataFrame(unit @ unit.T)
    null = np.sort(cosines.to_numpy()[np.triu_indices(len(cosines), 1)])
    query = cosines.to_numpy()[i, j]
    right = np.searchsorted(null, query, side="right") / len(null)
    left = np.searchsorted(null, query, side="left") / len(null)
    return float(((right <= 0.05) | (left >= 0.95)).mean())


def run() -> list[dict]:
    """Rows: 10,000 perturbations with 300,000 pairs; 117,000 rows of pairs."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((10_000, 256), dtype=np.float32)
    names = np.array([f"GENE{i:05d}" for i in range(10_000)], dtype=object)
    i, j = rng.integers(10_000, size=(2, 310_000))
    first, second = unordered_pairs(names[i], names[j])
    first, second = first[:300_000], second[:300_000]

    def blocked():
        return relationship_recall(Similarities(names, embedding=vectors), first, second)["recall"]

    blocked()  # compiles
    seconds, recall = fastest(blocked, 3)
    index = pd.Index(names)
    positions = index.get_indexer(first), index.get_indexer(second)
    reference_seconds, reference = fastest(lambda: all_pairs(vectors, *positions))
    np.testing.assert_allclose(recall, reference, atol=1e-5)  # ties of float32

    few = rng.integers(7_000, size=(2, 117_000))
    rows = pd.DataFrame({"a": names[few[0]], "b": names[few[1]]})
    filter_seconds, pairs = fastest(lambda: unordered_pairs(rows["a"], rows["b"]), 5)
    row_seconds, expected = fastest(lambda: row_wise(rows))
    assert set(zip(*pairs, strict=True)) == set(expected.itertuples(index=False, name=None))
    return [
        row(
            "recall, 10,000 perturbations x 256, 300,000 pairs / whole matrix, sorted",
            seconds,
            reference_seconds,
            4.0,
        ),
        row("filter of 117,000 pairs / row by row", filter_seconds, row_seconds, 50.0),
    ]


if __name__ == "__main__":
    print(*run(), sep="\n")
