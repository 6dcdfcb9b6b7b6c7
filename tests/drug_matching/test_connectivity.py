"""Connectivity scores against the formulas, gene by gene, and on examples worked by hand."""

import numpy as np
import pytest

from helpers.metrics.drug_matching import connectivity as c
from helpers.metrics.drug_matching.characteristic_direction import characteristic_direction
from helpers.metrics.drug_matching.similarity import similarity


def running_sum(values, genes):
    """Enrichment score, one gene after the other, as defined."""
    order = np.argsort(-values, kind="stable")
    total = np.abs(values[list(genes)]).sum()
    if total == 0 or len(genes) in (0, len(values)):
        return 0.0
    sums, at = [], 0.0
    for gene in order:
        at += abs(values[gene]) / total if gene in genes else -1 / (len(values) - len(genes))
        sums.append(at)
    return max(sums, key=abs) if max(sums) != -min(sums) else max(sums)


def ks(values, genes):
    order = list(np.argsort(-values, kind="stable"))
    n, t = len(values), len(genes)
    v = sorted(order.index(g) + 1 for g in genes)
    a = max((j + 1) / t - v[j] / n for j in range(t))
    b = max(v[j] / n - j / t for j in range(t))
    return a if a > b else -b


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((6, 40))
    return values, c.sort_signatures(values), [rng.permutation(40)[:n] for n in (1, 5, 12)]


def test_enrichment_and_ks_equal_their_definitions(drawn):
    values, signatures, sets = drawn
    for genes in sets:
        expected = [running_sum(row.astype(np.float32), set(genes.tolist())) for row in values]
        np.testing.assert_allclose(c.enrichment_score(signatures, genes), expected, atol=1e-6)
        expected = [ks(row, genes.tolist()) for row in values]
        np.testing.assert_allclose(c.ks_statistic(signatures, genes), expected, atol=1e-6)


def test_a_query_by_hand():
    """Four genes; the drug moves them 3, 1, -1, -2. Up gene 0, down gene 3: the drug mimics it."""
    signatures = c.sort_signatures([[3.0, 1, -1, -2], [-3, -1, 1, 2], [0, 0, 0, 0]])
    # ES_up 1 at once; ES_down: 3 misses, then the hit: -1
    np.testing.assert_allclose(c.wtcs(signatures, [0], [3]), [1, -1, 0])
    # a = 1 - 1/4 = .75, b = 1/4: ks_up .75; down: a = 0, b = 1: -1; raw 1.75, scaled 1
    np.testing.assert_allclose(c.ks_statistic(signatures, [0]), [0.75, -1, 0])
    np.testing.assert_allclose(c.cmap_score(signatures, [0], [3]), [1, -1, 0])
    np.testing.assert_allclose(c.wtcs(signatures, [0], []), [1, -1, 0])
    np.testing.assert_allclose(c.wtcs(signatures, [], [0]), [-1, 1, 0])
    np.testing.assert_allclose(c.wtcs(signatures, [0], [1]), [0, 0, 0])  # both go up


def test_normalised_scores_and_tau_by_hand():
    found = c.normalised([0.2, 0.4, -0.5, 0.0, 1.0], ["a", "a", "a", "a", "b"])
    np.testing.assert_allclose(found, [0.2 / 0.3, 0.4 / 0.3, -1, 0, 1])
    references = [[0.1, 2.0], [-0.3, -0.1], [0.9, 0.0], [0.2, 0.0]]
    np.testing.assert_allclose(c.tau([0.5, -1.0], references), [75, -75])


def test_sets_and_tables_that_do_not_fit_are_refused():
    """A gene twice would count twice, and give a connectivity of 1.25."""
    signatures = c.sort_signatures([[3.0, 2, 1, -1]])
    for score in (c.wtcs, c.cmap_score):
        with pytest.raises(ValueError, match="1 genes are twice in a set"):
            score(signatures, [0, 0], [3])
        with pytest.raises(ValueError, match="genes -1 to 9 of 4"):
            score(signatures, [-1, 9], [3])
    with pytest.raises(ValueError, match="1 scores are NaN"):
        c.normalised([np.nan, 1.0], ["a", "a"])
    with pytest.raises(ValueError, match="one each a signature"):
        c.normalised([1.0], ["a", "a"])
    for references in (np.zeros((0, 2)), [[1.0]]):
        with pytest.raises(ValueError, match="one query or more"):
            c.tau([1.0, 2.0], references)


def test_the_genes_of_a_query():
    contrast = np.array([0.5, np.nan, -2, 0, 3, -1])
    up, down = c.query_sets(contrast, n_up=1, n_down=5)
    assert up.tolist() == [4] and down.tolist() == [2, 5]
    up, down = c.query_sets(np.array([1.0, 2, 0]), n_up=5, n_down=5)
    assert up.tolist() == [1, 0] and down.tolist() == []
    with pytest.raises(ValueError, match="no gene of 3 goes up or down"):
        c.query_sets(np.array([np.nan, 0, 0]), n_up=5, n_down=5)
    with pytest.raises(ValueError, match="1 values of signatures are not finite"):
        c.sort_signatures([[1.0, np.nan]])


def test_similarity_leaves_out_what_a_contrast_does_not_have():
    from scipy.stats import pearsonr, spearmanr

    rng = np.random.default_rng(0)
    drugs, contrasts = rng.standard_normal((4, 20)), rng.standard_normal((3, 20))
    contrasts[0, :5] = np.nan
    drugs[3] = 0
    for kind, other in (("pearson", pearsonr), ("spearman", spearmanr)):
        found = similarity(drugs, contrasts, kind=kind)
        for i, j in ((0, 0), (2, 1)):
            ok = ~np.isnan(contrasts[j])
            assert found[i, j] == pytest.approx(other(drugs[i, ok], contrasts[j, ok])[0])
        assert (found[3] == 0).all()
    found = similarity(drugs, contrasts, kind="cosine")
    a, b = drugs[1, 5:], contrasts[0, 5:]
    assert found[1, 0] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    with pytest.raises(ValueError, match="fewer than two genes"):
        similarity(drugs, np.full((1, 20), np.nan), kind="cosine")


def published_direction(first, second, gamma):
    """The formula of the released code, with matrices of genes x genes and no shortcut."""
    x = np.concatenate([first, second])
    x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
    centred = x - x.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    kept = values > 0.001 * values.sum()
    v = vectors[:, kept]
    scores = centred @ v
    n1, n = len(first), len(x)
    sigma = scores[:n1].T @ scores[:n1] + scores[n1:].T @ scores[n1:]
    sigma = sigma / (n - 2)
    shrunk = gamma * sigma + (1 - gamma) * np.mean(np.diag(sigma)) * np.eye(len(sigma))
    b = v @ np.linalg.inv(shrunk) @ v.T @ (x[n1:].mean(axis=0) - x[:n1].mean(axis=0))
    return b / np.linalg.norm(b)


def test_characteristic_direction_is_the_published_one():
    rng = np.random.default_rng(0)
    controls, cases = rng.standard_normal((8, 200)), rng.standard_normal((7, 200))
    cases[:, :20] += 1.5
    for gamma in (1.0, 0.5, 0.0):
        expected = published_direction(controls, cases, gamma)
        found = characteristic_direction(controls, cases, shrinkage=gamma, within=False)
        np.testing.assert_allclose(found, expected, atol=1e-8)
    expected = published_direction(controls, cases, 0.5)
    assert characteristic_direction(controls, cases) @ expected > 0.9999
    with pytest.raises(ValueError, match="no inverse: pass shrinkage below 1"):
        characteristic_direction(controls, cases, shrinkage=1.0)


def test_one_sample_has_no_characteristic_direction():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="take the cosine of the contrast"):
        characteristic_direction(rng.random((1, 9)), rng.random((4, 9)))
    with pytest.raises(ValueError, match="same value in all genes"):
        characteristic_direction(np.zeros((2, 9)), rng.random((4, 9)))
    with pytest.raises(ValueError, match=r"in .0, 1."):
        characteristic_direction(rng.random((3, 9)), rng.random((4, 9)), shrinkage=2)
