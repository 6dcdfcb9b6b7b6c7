"""Metrics of predicted expression, against loops over entries and the formulas of the release."""

import numpy as np
import pytest
from scipy.stats import pearsonr

from helpers.metrics.spatial.histology import (
    constant_genes,
    correlations,
    determinations,
    error_parts,
    published,
    scored_correlations,
)


@pytest.fixture
def slide():
    rng = np.random.default_rng(0)
    truth = rng.normal(8, 2, (30, 6))
    mask = rng.random(truth.shape) < 0.7
    mask[:, 3:] = True
    return truth, truth + rng.normal(0, 1, truth.shape), mask


def test_correlations_are_those_of_scipy_over_measured_entries(slide):
    truth, found, mask = slide
    of_genes = [pearsonr(truth[m, g], found[m, g])[0] for g, m in enumerate(mask.T)]
    np.testing.assert_allclose(correlations(truth, found, mask), of_genes)
    of_spots = [pearsonr(truth[i, m], found[i, m])[0] for i, m in enumerate(mask)]
    np.testing.assert_allclose(correlations(truth, found, mask, axis=1), of_spots)


def test_published_metrics_are_those_of_a_loop(slide):
    truth, found, mask = slide
    scores = published(truth, found, mask)
    off = (found - truth)[mask]
    assert scores["MSE"] == pytest.approx((off**2).mean())
    assert scores["MAE"] == pytest.approx(np.abs(off).mean())
    r2 = [
        1 - ((found - truth)[m, g] ** 2).sum() / ((truth[m, g] - truth[m, g].mean()) ** 2).sum()
        for g, m in enumerate(mask.T)
    ]
    assert scores["R2-Gene"] == pytest.approx(np.mean(r2))
    good = sum(scores[k] for k in ("PCC-Gene", "PCC-Patch", "R2-Gene", "R2-Patch"))
    assert scores["Global"] == pytest.approx(good - scores["MSE"] - scores["MAE"])


def test_one_constant_gene_makes_the_published_table_nan_and_ours_not(slide):
    truth, found, mask = slide
    found[:, 2] = 5.0
    scores = published(truth, found, mask)
    assert np.isnan(scores["PCC-Gene"]) and np.isnan(scores["Global"])
    assert np.isfinite(scores["PCC-Patch"]) and np.isfinite(scores["R2-Gene"])
    ours = scored_correlations(truth, found, mask)
    assert ours[2] == 0 and np.isfinite(ours).all() and constant_genes(found, mask) == 1


def test_what_cannot_be_asked_is_nan_and_a_constant_prediction_of_it_is_no_zero(slide):
    truth, found, mask = slide
    truth[:, 0], found[:, 0] = 3.0, 3.0
    mask[:, 1] = False
    mask[:2, 1] = True
    ours = scored_correlations(truth, found, mask)
    assert np.isnan(ours[:2]).all() and np.isfinite(ours[2:]).all()


def test_genes_without_a_measured_entry_are_dropped_and_with_one_have_no_r2(slide):
    truth, found, mask = slide
    mask[:, 0] = False
    mask[:, 1] = False
    mask[4, 1] = True
    assert len(determinations(truth, found, mask)) == 4
    scores = published(truth, found, mask)
    assert np.isnan(scores["PCC-Gene"])  # one entry is constant, as released
    mask[:, 1] = False
    whole = published(truth, found, mask)
    assert whole["PCC-Gene"] == pytest.approx(correlations(truth, found, mask)[2:].mean())


def test_offset_and_pattern_add_up_to_the_error(slide):
    truth, found, mask = slide
    parts = error_parts(truth, found, mask)
    assert parts["offset"] + parts["pattern"] == pytest.approx(parts["mse"])
    shifted = error_parts(truth, truth + np.arange(6.0), mask)
    assert shifted["pattern"] == pytest.approx(0) and shifted["offset"] > 1
    own = np.where(mask, truth, 0).sum(0) / mask.sum(0)
    assert error_parts(truth, np.broadcast_to(own, truth.shape), mask)["offset"] < 1e-20
    with pytest.raises(ValueError, match="no entry"):
        error_parts(truth, found, np.zeros_like(mask))
