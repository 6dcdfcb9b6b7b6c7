"""iLISI and votes of neighbours: one graph and compiled loops against the published forms."""

import numpy as np
import pandas as pd

from benchmarks import fastest, missing, row
from helpers.metrics.embeddings.knn_vote import knn_vote
from helpers.metrics.embeddings.lisi import lisi
from helpers.metrics.embeddings.neighbours import nearest_neighbours
from helpers.models.embeddings.probes import LinearProbe


def published_lisi(cells: np.ndarray, batch: pd.Categorical, perplexity: int) -> np.ndarray:
    """iLISI as released: a tree, and a loop over cells with another one over batches."""
    from sklearn.neighbors import NearestNeighbors

    tree = NearestNeighbors(n_neighbors=3 * perplexity, algorithm="kd_tree").fit(cells)
    distances, indices = (found[:, 1:] for found in tree.kneighbors(cells))
    target = np.log(perplexity)
    result = np.empty(len(cells))
    for i in range(len(cells)):
        beta, low, high = 1.0, -np.inf, np.inf
        for _ in range(51):
            weights = np.exp(-distances[i] * beta)
            total = weights.sum()
            excess = np.log(total) + beta * (distances[i] * weights).sum() / total - target
            if abs(excess) < 1e-5:
                break
            if excess > 0:
                low, beta = beta, beta * 2 if high == np.inf else (beta + high) / 2
            else:
                high, beta = beta, beta / 2 if low == -np.inf else (beta + low) / 2
        weights /= total
        simpson = 0.0
        for name in batch.categories:
            simpson += weights[batch[indices[i]] == name].sum() ** 2
        result[i] = 1 / simpson
    return result


def published_vote(reference, labels, queries, own, n_classes: int, k: int) -> np.ndarray:
    """Votes as released: few queries at a time, one-hot votes over all classes, a full sort."""
    import torch

    reference, queries = torch.from_numpy(reference), torch.from_numpy(queries)
    labels, own = torch.from_numpy(labels), torch.from_numpy(own)
    size = max(1, 5_000_000 // len(reference))
    hits = []
    for start in range(0, len(queries), size):
        weights = 1 / (torch.cdist(queries[start : start + size], reference) + 1e-5)
        weights, nearest = weights.topk(k)
        one_hot = torch.zeros(len(weights) * k, n_classes)
        one_hot.scatter_(1, labels[nearest].reshape(-1, 1), 1)
        votes = (one_hot.view(len(weights), k, n_classes) * weights[:, :, None]).sum(1)
        _, order = votes.sort(1, descending=True)
        hits.append(order[:, 0] == own[start : start + size])
    return torch.cat(hits).numpy()


def run() -> list[dict]:
    """Rows: iLISI, votes, and the probe against scikit-learn's."""
    rng = np.random.default_rng(0)
    rows = []

    cells, batch = rng.standard_normal((8_000, 32)), rng.integers(81, size=8_000)
    lisi(nearest_neighbours(cells[:300], k=248), batch[:300], perplexity=83)
    ours, found = fastest(lambda: lisi(nearest_neighbours(cells, k=248), batch, perplexity=83), 3)
    theirs, reference = fastest(lambda: published_lisi(cells, pd.Categorical(batch), 83))
    np.testing.assert_allclose(found.per_cell, reference, rtol=1e-3)
    rows.append(row("iLISI of 8,000 cells x 32, 248 neighbours / released loop", ours, theirs, 10))

    name = "LISI of 20,000 cells, 249 neighbours, graph given / scib-metrics"
    rows.append(missing(name, "scib_metrics") or _lisi(name, rng))

    n_classes = 6_900  # about as many as a genome-wide screen has; the one-hot votes are as wide
    labels, own = rng.integers(n_classes, size=20_000), rng.integers(n_classes, size=400)
    labels[:n_classes] = np.arange(n_classes)
    reference = rng.standard_normal((20_000, 32), dtype=np.float32)
    queries = (reference[rng.permutation(20_000)[:400]] + 0.5).astype(np.float32)
    ours, found = fastest(
        lambda: knn_vote(nearest_neighbours(reference, queries, k=251), labels, own), 3
    )
    theirs, hits = fastest(
        lambda: published_vote(reference, labels, queries, own, n_classes, 251), 2
    )
    np.testing.assert_array_equal(found["top1"] == 1, hits)
    rows.append(row("vote of 251 among 20,000, 6,900 classes / released loop", ours, theirs, 20))

    rows += _neighbour_votes(rng)

    centres, labels = rng.standard_normal((200, 64)), rng.integers(200, size=4_000)
    cells = centres[labels] + 2 * rng.standard_normal((4_000, 64))
    penalty = 1e-2
    ours, probe = fastest(lambda: LinearProbe(penalty).fit(cells, labels), 3)
    theirs, peer = fastest(lambda: _scikit_learn(cells, labels, penalty), 3)
    right = (probe.decision_function(cells).argmax(1) == labels).mean()
    np.testing.assert_allclose(right, peer, atol=0.01)
    rows.append(row("linear probe, 4,000 x 64, 200 classes / scikit-learn", ours, theirs, 1))
    return rows


def _neighbour_votes(rng) -> list[dict]:
    """Search and vote, against scikit-learn's class and its votes of all classes (for top 5)."""
    from sklearn.neighbors import KNeighborsClassifier

    reference = rng.standard_normal((20_000, 32), dtype=np.float32)
    queries = (reference[rng.permutation(20_000)[:2_000]] + 0.5).astype(np.float32)
    labels, own = rng.integers(500, size=20_000), rng.integers(500, size=2_000)
    ours, found = fastest(
        lambda: knn_vote(nearest_neighbours(reference, queries, k=251), labels, own), 3
    )
    peer = KNeighborsClassifier(251, weights=lambda d: 1 / (d + 1e-5), algorithm="brute")
    peer.fit(reference, labels)
    title = "vote of 251 among 20,000, 500 classes / scikit-learn's"
    one, classes = fastest(lambda: peer.predict(queries), 3)
    np.testing.assert_array_equal(found["top1"] == 1, classes == own)
    every, _ = fastest(lambda: peer.predict_proba(queries), 3)
    limit = "(both search with scikit-learn's own brute force, nearly all of the time)"
    return [
        row(f"{title} predict", ours, one, 2),
        row(f"{title} predict_proba", ours, every, 2, limit),
    ]


def _lisi(name: str, rng) -> dict:
    from scib_metrics import lisi_knn
    from scib_metrics.nearest_neighbors import NeighborsResults

    graph = nearest_neighbours(rng.standard_normal((20_000, 50)), k=249)
    batch = rng.integers(81, size=20_000)
    ours, found = fastest(lambda: lisi(graph, batch, perplexity=83), 5)
    theirs = NeighborsResults(indices=graph.indices, distances=graph.distances)
    lisi_knn(theirs, batch, perplexity=83)  # compiles
    seconds, reference = fastest(lambda: np.asarray(lisi_knn(theirs, batch, perplexity=83)), 5)
    np.testing.assert_allclose(found.per_cell, reference, rtol=1e-3)
    return row(name, ours, seconds, 1.5)


def _scikit_learn(cells, labels, penalty: float) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaled = StandardScaler().fit_transform(cells)
    model = LogisticRegression(C=1 / (penalty * len(cells)), max_iter=1000)
    return model.fit(scaled, labels).score(scaled, labels)


if __name__ == "__main__":
    print(*run(), sep="\n")
