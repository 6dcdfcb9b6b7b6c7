"""One ridge under several protocols: scales, the guard of splits, selection, and what is said."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge

from helpers import scores
from helpers.data.errors import DataError
from helpers.data.spatial import patches
from helpers.data.spatial.simulate import TissueKnobs, simulate
from helpers.metrics.spatial.facts import METRICS
from helpers.models.spatial.histology import ridge
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.spatial import protocols as task
from helpers.tasks.spatial import protocols_report as report


@pytest.fixture(scope="module")
def data():
    return simulate(1, TissueKnobs(side=8, n_genes=40, n_slides=4, patients="pairs"))


@pytest.fixture(scope="module")
def features(data):
    return patches.features_of(patches.windows(data))


def test_ridge_is_that_of_scikit_learn_and_a_mask_is_leaving_spots_out():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(50, 3))
    theirs = Ridge(alpha=3.0).fit(x, y).predict(x)
    np.testing.assert_allclose(ridge.fit(x, y, alpha=3.0).predict(x), theirs)
    mask = rng.random(y.shape) < 0.6
    np.testing.assert_allclose(
        ridge.fit(x, y, alpha=3.0, mask=np.ones_like(mask)).predict(x), theirs
    )
    spoiled = np.where(mask, y, 99.0)
    found = ridge.fit(x, spoiled, alpha=3.0, mask=mask).predict(x)
    for g, own in enumerate(mask.T):
        one = Ridge(alpha=3.0).fit(x[own], y[own, g]).predict(x)
        np.testing.assert_allclose(found[:, g], one, atol=0.1)
    with pytest.raises(ValueError, match="nothing to learn"):
        ridge.fit(x, y, alpha=1.0, mask=np.zeros_like(mask))
    with pytest.raises(ValueError, match="above 0"):
        ridge.fit(x, y, alpha=0)


def test_inner_folds_choose_more_penalty_where_there_is_only_noise():
    rng = np.random.default_rng(1)
    x, groups = rng.normal(size=(60, 20)), np.repeat(["a", "b", "c"], 20)
    assert ridge.chosen(x, rng.normal(size=(60, 5)), groups) == max(ridge.ALPHAS)
    assert ridge.chosen(x, x[:, :5] * 3, groups) == min(ridge.ALPHAS)
    assert ridge.chosen(x[:20], x[:20, :5] * 3, groups[:20]) == min(ridge.ALPHAS)


def test_scales_are_what_they_say():
    counts = np.array([[1.0, 4, 0], [2, 2, 0], [0, 6, 1]])
    total, slide = np.array([10.0, 20, 5]), np.repeat("a", 3)
    cp = task.rescaled(counts, total, slide, "CP10k")
    assert cp[0, 1] == pytest.approx(np.log1p(4000))
    assert task.rescaled(counts, total, slide, "log counts")[2, 1] == pytest.approx(np.log(7))
    rank = task.rescaled(counts, total, slide, "rank on the slide")
    assert rank[:, 1].tolist() == pytest.approx([2 / 3, 1 / 3, 1.0])
    residual = task.rescaled(counts, total, slide, "Pearson residuals")
    mean = 10 * 12 / 35
    assert residual[0, 1] == pytest.approx((4 - mean) / np.sqrt(mean + mean**2 / 100))
    assert np.isfinite(residual).all()
    with pytest.raises(DataError, match="no scale"):
        task.rescaled(counts, total, slide, "log")


def test_the_guard_refuses_what_was_seen(data):
    obs = data.obs[["slide", "patient"]].astype(str)
    slide, patient = obs["slide"].to_numpy(), obs["patient"].to_numpy()
    test = slide == "slide 4"
    task.guard(obs, ~test, test, split="sections")
    with pytest.raises(DataError, match="patient patient 2 of the test was seen"):
        task.guard(obs, ~test, test, split="patients")
    task.guard(obs, patient == "patient 1", test, split="patients")
    half = test & (np.arange(len(obs)) % 2 == 0)
    with pytest.raises(DataError, match="slide slide 4 of the test was seen"):
        task.guard(obs, ~half, half, split="sections")
    with pytest.raises(DataError, match="spots train and are tested"):
        task.guard(obs, test, test, split="spots")
    with pytest.raises(DataError, match="no patient"):
        task.guard(obs.drop(columns="patient"), ~test, test, split="sections")
    with pytest.raises(DataError, match="seen in pre-training"):
        task.guard(obs, ~test, test, split="sections", pretrained=["patient 2"])
    with pytest.raises(DataError, match="split is"):
        task.guard(obs, ~test, test, split="slides")


def test_folds_hold_out_what_they_say_and_a_single_patient_leaves_nothing(data):
    obs = data.obs[["slide", "patient"]].astype(str)
    assert len(task.folds(obs, "spots", seed=0)) == 5
    assert [f[0] for f in task.folds(obs, "patients", seed=0)] == ["patient 1", "patient 2"]
    with pytest.raises(DataError, match="nothing is left"):
        task.folds(obs.assign(patient="one"), "patients", seed=0)
    with pytest.raises(DataError, match="no patient"):
        task.folds(obs.assign(patient=None), "sections", seed=0)


def test_a_protocol_is_all_that_changes_the_number(data, features):
    found = {
        name: task.scored.function(data, features, protocol=name, split="sections", n_genes=30)
        for name in task.PROTOCOLS
    }
    mean = {name: t["expression_pearson"].mean() for name, t in found.items()}
    assert mean["best genes on test"] > mean["revised"]
    assert mean[report.TOGETHER] > mean["smoothed truth"]
    own = found["revised"]
    np.testing.assert_allclose(own["offset"] + own["pattern"], own["expression_mse"])
    assert len(own) == 4 and len(found["pooled"]) == 1
    table = scores.check(
        report.rows(own, dataset="simulated", protocol="revised", split="sections", seed=0),
        METRICS,
    )
    assert len(table) == 8
    means = report.over({(n, 0): t for n, t in found.items()}, ("protocol",))
    assert means["n"].iloc[0] == 4 and means["low"].notna().iloc[0]
    assert len(report.card(30)) == len(task.PROTOCOLS)


def test_choosing_on_the_test_fold_never_loses(data, features):
    wide = patches.features_of(patches.windows(data, width=2))
    found = task.selection.function(data, [features, wide], split="sections", n_genes=30)
    assert (found["test"] >= found["inner"] - 1e-12).all() and len(found) == 8
    with pytest.raises(DataError, match="2 are needed"):
        task._inner_genes(features[:9], features[:9], np.repeat("a", 9), 1.0)


def test_genes_are_told_with_their_nuclei_and_depth(data, features):
    found = task.by_gene.function(data, features, scale="log counts", n_genes=10)
    raw = np.log1p(np.asarray(data[:, found["gene"].iloc[0]].X).ravel())
    depth = np.log1p(data.obs["total_counts"].to_numpy(float))
    by_hand = [
        np.corrcoef(raw[rows], depth[rows])[0, 1]
        for rows in patches.by_slide(data.obs["slide"]).values()
    ]
    assert found["depth"].iloc[0] == pytest.approx(np.mean(by_hand))
    assert np.isfinite(spearmanr(found["pearson"], found["nuclei"])[0])


def protocols(**values):
    base = {report.OURS: 0.3, "pooled": 0.2, report.CONSTANT: 0.25, "smoothed truth": 0.45}
    table = pd.Series(base | values, name="pearson").rename_axis("protocol").reset_index()
    return table


def test_sentences_on_protocols():
    assert "0.20 to 0.45" in report.about_protocols(protocols())
    both = protocols(**{report.TOGETHER: 0.7})
    assert "with three changed at once it has 0.70" in report.about_protocols(both)
    assert "The ridge, pooled, has 0.30" in report.about_constant(protocols(pooled=0.3))


def test_sentences_on_splits():
    table = pd.DataFrame({"split": task.SPLITS, "pearson": [0.4, 0.3, 0.1], "mse": [1, 1.1, 1.5]})

    def said(half, **more):
        own = table.assign(**more)
        own = own.assign(low=own["pearson"] - half, high=own["pearson"] + half)
        return report.about_splits(own)

    assert said(0.1).endswith("With patients held out the correlation is lower than with spots.")
    assert said(0.1, pearson=[0.1, 0.3, 0.4]).endswith("the correlation is higher than with spots.")
    for open_ in (said(0.2), said(np.nan), said(0.1, pearson=0.2)):
        assert open_.endswith("is lower with patients held out than with spots is undecided.")
    with pytest.raises(CannotAnswer):
        report.about_splits(table.head(1))


def test_sentences_on_selection_and_scales():
    table = pd.DataFrame({"what": "genes", "inner": [0.1, 0.2, 0.3], "test": [0.3, 0.42, 0.5]})
    assert report.about_selection(table, "genes").endswith("to the correlation.")
    assert "add 0.207 (95 % interval" in report.about_selection(table, "genes")
    assert "too few units" in report.about_selection(table.head(1), "genes")
    level = table.assign(test=[0.1, 0.2, 0.31])
    assert report.about_selection(level, "genes").endswith("anything is not shown.")
    scales = pd.DataFrame(
        {"scale": ["a", "b"], "pearson": [0.2, 0.3], "follows nuclei": 0.1, "follows depth": 0.8}
    )
    said = report.about_scales(scales)
    assert "correlation, 0.30, is on the scale \N{LEFT DOUBLE QUOTATION MARK}b" in said
    assert "follows the depth of its spots, and of 0.10 with" in said


def test_a_gene_that_one_slide_cannot_score_is_not_the_worse_for_it():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((180, 1))
    slides = np.repeat(["a", "b", "c"], 60)
    noisy = x + 0.6 * rng.standard_normal((180, 1))  # correlates by .86 on all three
    y = np.hstack([noisy, x, np.ones((180, 1))])
    y[:60, 1] = 0.5  # constant on one slide, exact on two
    assert list(task._inner_genes(x, y, slides, 1e-6)) == [1, 0, 2]
