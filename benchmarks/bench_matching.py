"""Weighted connectivity of many queries, and scores of all pairs by a two-tower network."""

import numpy as np

from benchmarks import fastest, row
from helpers.metrics.drug_matching.connectivity import query_sets, sort_signatures, wtcs


def _plain(values: np.ndarray, up, down) -> float:
    """WTCS of one pair, by the running sum over all genes."""
    order = np.argsort(-values, kind="stable")
    scores = []
    for genes in (up, down):
        hit = np.isin(order, genes)
        size = np.where(hit, np.abs(values[order]), 0)
        sums = np.cumsum(size / size.sum() - ~hit / (~hit).sum())
        scores.append(sums[np.abs(sums).argmax()])
    return (scores[0] - scores[1]) / 2 if scores[0] * scores[1] < 0 else 0.0


def run() -> list[dict]:
    """200 queries x 1,170 signatures x 978 genes; 60 diseases x 400 drugs at published sizes."""
    import torch

    from helpers.models.drug_matching.two_tower import TwoTower

    rng = np.random.default_rng(0)
    signatures = rng.standard_normal((1_170, 978)).astype(np.float32)
    queries = [query_sets(c, n_up=50, n_down=50) for c in rng.standard_normal((200, 978))]

    def all_queries():
        ordered = sort_signatures(signatures)
        return np.stack([wtcs(ordered, *query) for query in queries], axis=1)

    seconds, found = fastest(all_queries)
    some = queries[:2]  # the loop is as long for each query
    reference, expected = fastest(
        lambda: np.array([[_plain(s, *query) for query in some] for s in signatures])
    )
    np.testing.assert_allclose(found[:, :2], expected, atol=1e-5)
    rows = [row("WTCS, 200 queries x 1,170 / pair by pair", seconds, 100 * reference, 20.0)]

    torch.manual_seed(0)
    network = TwoTower(2_000, 1_000)
    diseases, drugs = torch.randn(60, 2_000), torch.randn(400, 1_000)

    def factored():
        with torch.no_grad():
            return network.all_pairs(network.encode_disease(diseases), network.encode_drug(drugs))

    def pairwise():
        with torch.no_grad():
            return torch.stack(
                [
                    network.pair(
                        network.encode_disease(d[None]), network.encode_drug(drugs[j, None])
                    )
                    for d in diseases[:5]
                    for j in range(40)
                ]
            )

    seconds, found = fastest(factored, 3)
    reference, expected = fastest(pairwise)
    torch.testing.assert_close(found[:40, :5].T.reshape(-1, 1), expected, atol=1e-4, rtol=1e-4)
    scale = 60 * 400 / 200
    rows.append(row("two-tower, 60 x 400 pairs / pair by pair", seconds, scale * reference, 50.0))
    return rows


if __name__ == "__main__":
    print(*run(), sep="\n")
