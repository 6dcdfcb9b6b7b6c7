"""Completion: masks, metrics, comparators and SpaCKLE, against formulas."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import mean_poisson_deviance

from helpers.data.contract import DataError
from helpers.data.spatial import masks as masking
from helpers.data.spatial.simulate import TissueKnobs, simulate
from helpers.metrics.spatial.masked import (
    masked_mse,
    masked_pearson,
    poisson_deviance,
    pooled_mse,
)
from helpers.models.spatial import completion as models
from helpers.models.spatial import spackle
from helpers.tasks.spatial import completion as task
from helpers.tasks.spatial.curation import curated

TINY = {"feed_forward": 32, "batch": 16, "n_steps": 12, "check_every": 4}


@pytest.fixture(scope="module")
def small():
    data = simulate(3, TissueKnobs(side=10, n_genes=80, image=False))
    return curated.function(data, protocol="revised", n_keep=16)


@pytest.fixture(scope="module")
def masks(small):
    return task.frozen_masks.function(small, masking="mask_prob", rate=0.3, n_repeats=2, seed=0)


# --------------------------------------------------------------------------- masks


def test_hidden_shares_are_of_all_entries_where_that_many_are_measured():
    rng = np.random.default_rng(0)
    f = np.array([0.25, 0.5, 0.9])
    measured = rng.random((20_000, 3)) < f
    (mask,) = masking.draw(measured, "mask_prob", 0.3, n_repeats=1, seed=1)
    assert np.allclose(mask.mean(axis=0), [0.25, 0.3, 0.3], atol=0.01)
    assert not (mask & ~measured).any()
    (mask,) = masking.draw(measured, "prob_median", 0.0, n_repeats=1, seed=1)
    assert np.allclose(mask.mean(axis=0), [0.25, 0.5, 0.1], atol=0.01)


def test_masks_are_frozen_and_a_repeat_does_not_hang_on_their_number():
    measured = np.random.default_rng(0).random((50, 4)) < 0.8
    two, three = (masking.draw(measured, "mask_prob", 0.3, n_repeats=n, seed=5) for n in (2, 3))
    assert np.array_equal(two, three[:2])
    # the hash that others have downloaded
    assert masking.digest(two[0]) == masking.digest(two[0].copy())
    assert masking.digest(two[0]) != masking.digest(two[0].T)


def test_masks_travel_as_text_and_damage_is_seen():
    mask = np.random.default_rng(0).random((7, 5)) < 0.5
    table = masking.to_share({("mask_prob", 0.3): mask[None]})
    row = table.iloc[0]
    again = masking.from_text(row["bits"], (row["spots"], row["genes"]), row["sha256"])
    assert np.array_equal(again, mask) and row["hidden"] == mask.sum()
    with pytest.raises(DataError, match="the mask has the sha256"):
        masking.from_text(masking.as_text(~mask), (7, 5), row["sha256"])
    with pytest.raises(DataError, match="the text holds 40 entries, the shape 99"):
        masking.from_text(row["bits"], (9, 11), row["sha256"])


@pytest.mark.parametrize(
    "measured, kind, rate, said",
    [
        (np.ones((4, 2), bool), "prob_median", 0.0, "hides nothing"),
        (np.array([[True, False]] * 4), "mask_prob", 0.3, "1 genes are not measured"),
        (np.ones((4, 2), bool), "mask_prob", 1.0, "lies between 0 and 1"),
        (np.ones((4, 2), bool), "other", 0.3, "masking is 'other'"),
    ],
)
def test_masks_that_cannot_be_drawn(measured, kind, rate, said):
    with pytest.raises(DataError, match=said):
        masking.draw(measured, kind, rate, n_repeats=1, seed=0)


# --------------------------------------------------------------------------- metrics


def test_metrics_are_their_formulas():
    rng = np.random.default_rng(0)
    truth, found = rng.normal(size=(2, 40, 3))
    mask = rng.random((40, 3)) < 0.5
    by_gene = masked_mse(truth, found, mask)
    for g in range(3):
        own = mask[:, g]
        assert by_gene[g] == pytest.approx(((truth - found)[own, g] ** 2).mean())
        assert masked_pearson(truth, found, mask)[g] == pytest.approx(
            pearsonr(truth[own, g], found[own, g])[0]
        )
    assert pooled_mse(truth, found, mask) == pytest.approx(((truth - found)[mask] ** 2).mean())


def test_what_cannot_be_scored_is_nan_and_says_nothing_of_the_others():
    truth = np.arange(12.0).reshape(4, 3)
    found = truth.copy()
    found[:, 1] = 7.3
    mask = np.ones((4, 3), bool)
    mask[:, 2] = [True, True, False, False]
    assert np.isfinite(masked_pearson(truth, found, mask)).tolist() == [True, False, False]
    mask[:, 0] = False
    assert np.isnan(masked_mse(truth, found, mask)[0])
    assert np.isnan(pooled_mse(truth, found, np.zeros_like(mask)))


def test_deviance_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    counts, expected = rng.poisson(2, 100), rng.gamma(2, 1, 100)
    assert poisson_deviance(counts, expected) == pytest.approx(
        mean_poisson_deviance(counts, expected)
    )
    with pytest.raises(ValueError, match="above zero"):
        poisson_deviance(counts, expected * 0)


# --------------------------------------------------------------------------- comparators


def on_a_line(values, seen, train=None, k=4):
    """Spots on a square array of four rows."""
    n = len(values)
    places = np.column_stack([np.arange(n) % 5, np.arange(n) // 5]).astype(float)
    return models.Seen(
        matrix=np.where(seen, values, 0).astype(np.float32),
        seen=seen,
        slide=np.repeat("s", n),
        places=places,
        depth=np.arange(n) + 10.0,
        train=np.ones(n, bool) if train is None else train,
        k=k,
    )


@pytest.fixture
def grid():
    rng = np.random.default_rng(0)
    values = rng.gamma(5, 2, (25, 3)) + 1
    return values, rng.random((25, 3)) < 0.7


def test_the_mean_of_a_gene_is_that_of_seen_training_spots(grid):
    values, seen = grid
    train = np.arange(25) < 15
    filled = models.gene_mean(on_a_line(values, seen, train))
    for g in range(3):
        assert filled[0, g] == pytest.approx(values[:15][seen[:15, g], g].mean(), rel=1e-5)


def test_neighbours_average_what_is_seen(grid):
    values, seen = grid
    seen[7] = False
    data = on_a_line(values, seen)
    filled = models.neighbours(data, k=4)
    middle, around = 12, [7, 11, 13, 17]
    for g in range(3):
        own = [values[i, g] for i in around if seen[i, g]]
        expected = np.mean(own) if own else models.gene_mean(data)[0, g]
        assert filled[middle, g] == pytest.approx(expected, rel=1e-5)


def test_nothing_seen_around_gives_the_mean_of_the_gene(grid):
    values, seen = grid
    seen[[7, 11, 13, 17], 0] = False
    data = on_a_line(values, seen)
    assert models.neighbours(data, k=4)[12, 0] == pytest.approx(models.gene_mean(data)[0, 0])


def test_smoothing_solves_its_equations(grid):
    values, seen = grid
    data = on_a_line(values, seen)
    surface = models.smoothing(data, n_steps=600) - models.gene_mean(data)
    offset = np.where(seen, data.matrix - models.gene_mean(data), 0)
    middle, around = 12, [7, 11, 13, 17]
    left = seen[middle] * (offset[middle] - surface[middle])
    left = left + (surface[around] - surface[middle]).sum(axis=0) - 1e-3 * surface[middle]
    assert np.abs(left).max() < 1e-4


def test_a_matrix_of_low_rank_is_found_again():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(25, 2)) @ rng.normal(size=(2, 12)) + 20
    seen = rng.random(values.shape) < 0.8
    filled = models.low_rank(on_a_line(values, seen), rank=3, shrink=0.01, n_steps=200)
    mean = models.gene_mean(on_a_line(values, seen))
    off, floor = (((m - values)[~seen] ** 2).mean() for m in (filled, mean))
    assert off < 0.1 * floor


def test_depth_is_a_line_by_gene(grid):
    values, seen = grid
    data = on_a_line(values, seen)
    x = np.log2(data.depth + 1)
    filled = models.depth(data)
    for g in range(3):
        slope, start = np.polyfit(x[seen[:, g]], values[seen[:, g], g], 1)
        assert np.allclose(filled[:, g], start + slope * x, rtol=1e-4)


def test_nothing_that_is_hidden_reaches_a_method(small, masks):
    found = task.scene(small)
    seen = task.seen_by(found, masks[0])
    spoiled = task.Scene(**{**found.__dict__, "matrix": found.matrix.copy()})
    rows = np.flatnonzero(found.test)
    part = spoiled.matrix[rows]
    part[masks[0]] = 99
    spoiled.matrix[rows] = part
    for name, fill in models.COMPARATORS.items():
        assert np.array_equal(fill(seen), fill(task.seen_by(spoiled, masks[0]))), name


def test_methods_of_one_slide_need_no_other(small, masks):
    found = task.scene(small)
    for name in models.LOCAL:
        (alone,) = task.filler(small, found, name, spackle.Size(), 0)(masks[:1])
        among = models.COMPARATORS[name](task.seen_by(found, masks[0]))
        assert np.allclose(alone, among[found.test], atol=1e-5), name


def test_a_gene_that_no_training_spot_shows_is_refused(grid):
    values, seen = grid
    seen[:15, 1] = False
    with pytest.raises(DataError, match="1 genes are not seen in any training spot"):
        on_a_line(values, seen, np.arange(25) < 15)


# --------------------------------------------------------------------------- SpaCKLE


def test_the_published_network_has_its_published_size():
    net = spackle.network(128, spackle.WIRINGS["SpaCKLE, as published"], spackle.Size())
    n = sum(p.numel() for p in net.parameters())
    assert n == 1_219_072 and round(n / 1e6, 2) == 1.22


def test_the_wiring_decides_whom_a_spot_listens_to():
    batch, near = (spackle.perturbed(axis) for axis in ("batch", "neighbours"))
    assert batch["neighbour"] == 0.0 and batch["other spot"] > 1e-3
    assert near["other spot"] == 0.0 and near["neighbour"] > 1e-3


def test_windows_are_the_spot_and_its_nearest_of_the_slide(small):
    found = task.scene(small)
    wiring = spackle.WIRINGS["SpaCKLE, as published"]
    at = spackle.windows(found.places, found.slide, wiring, spackle.Size())
    assert at.shape == (len(found.matrix), 19) and (at[:, 0] == np.arange(len(at))).all()
    assert (found.slide[at] == found.slide[:, None]).all()
    pooled = spackle.Wiring("batch", "all", across_slides=True)
    at = spackle.windows(found.places, found.slide, pooled, spackle.Size())
    assert (found.slide[at] != found.slide[:, None]).mean() > 0.5


def test_training_hides_the_share_that_the_rule_says():
    measured = np.random.default_rng(0).random((1000, 2)) < [0.2, 0.6]
    p = spackle.hide_probability(measured)
    assert p[0] == 1 and p[1] == pytest.approx(0.3 / measured[:, 1].mean())


@pytest.mark.parametrize("model", ["SpaCKLE, as published", "SpaCKLE, clean"])
def test_a_network_is_fitted_once_and_the_same_again(small, masks, model):
    def scores():
        return task.completed_scores.function(
            small, model=model, masks=[masks], names=[["mask_prob", 0.3]], size=TINY
        )

    one = scores()
    pd.testing.assert_frame_equal(one, scores())
    assert one["repeat"].tolist() == [0, 1, 0] and one["masking"].iloc[-1] == "none"
    assert np.isfinite(one["truth_mse"].iloc[-1]) and np.isfinite(one["masked_mse"][:2]).all()


@pytest.mark.parametrize("name", ["SpaCKLE, as published", "SpaCKLE, centred, over neighbours",
                                  "SpaCKLE, clean"])  # fmt: skip
def test_centres_are_those_of_whole_windows_batch_by_batch(name):
    """The short ways, against the network that is given every slot of every window."""
    import torch

    rng = np.random.default_rng(0)
    n, n_genes = 37, 6
    wiring, size = spackle.WIRINGS[name], spackle.Size(feed_forward=8, batch=16)
    places = np.column_stack([np.arange(n) % 7, np.arange(n) // 7]).astype(float)
    at = torch.as_tensor(spackle.windows(places, np.repeat("s", n), wiring, size))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = spackle.network(n_genes, wiring, size).eval()
    values = torch.as_tensor(rng.normal(size=(3, n, n_genes)), dtype=torch.float32)
    seen = torch.as_tensor(rng.random(values.shape) < 0.6, dtype=torch.float32)
    quick = spackle._centres(net, values * seen, seen, at, wiring, size)
    with torch.no_grad():
        for mask in range(3):
            own, shown = (values * seen)[mask], seen[mask]
            slow = [net(own[rows], shown[rows])[:, 0] for rows in torch.split(at, size.batch)]
            assert torch.allclose(quick[mask], torch.cat(slow), atol=1e-5)


def test_the_clean_form_starts_from_its_neighbours(small, masks):
    (clean, near, mean) = (
        task.completed_scores.function(
            small, model=m, masks=[masks], names=[["mask_prob", 0.3]], size=TINY
        )["masked_mse"][:2].mean()
        for m in ("SpaCKLE, clean", "18 neighbours", "gene mean")
    )
    assert clean < mean and clean < 1.5 * near


def test_wirings_that_are_none():
    with pytest.raises(DataError, match="attend is 'rows'"):
        spackle.Wiring("rows", "all")
    with pytest.raises(DataError, match="loss is 'some'"):
        spackle.Wiring("batch", "some")
    with pytest.raises(DataError, match="it attends to them"):
        spackle.Wiring("batch", "masked", clean=True)


@pytest.mark.parametrize("knob", ["batch", "n_steps", "n_neighbours", "check_every"])
def test_sizes_are_at_least_one(knob):
    with pytest.raises(DataError, match=f"{knob} is 0: at least 1"):
        spackle.Size(**{knob: 0})


def test_a_gene_that_no_training_spot_has_is_refused(small):
    found = task.scene(small)
    measured = found.measured.copy()
    measured[found.split == "train", 3] = False
    args = (found.target, measured, found.slide, found.places, found.split)
    with pytest.raises(DataError, match="1 genes are not measured in any training spot"):
        spackle.fit(*args, wiring=spackle.WIRINGS["SpaCKLE, clean"], size=spackle.Size(), seed=0)


# --------------------------------------------------------------------------- the task


@pytest.mark.parametrize("model", ["18 neighbours", "gene mean", task.LATENT])
def test_masks_of_other_data_are_refused(small, masks, model):
    fill = task.filler(small, task.scene(small), model, spackle.Size(), 0)
    with pytest.raises(DataError, match="draw masks of these data"):
        fill(masks[:, :, :-1])


def test_the_order_of_the_simulation(small, masks):
    asked = ["zeros", "adaptive median", "gene mean", "18 neighbours", task.LATENT]
    table = {
        m: task.completed_scores.function(small, model=m, masks=[masks], names=[["mask_prob", 0.3]])
        for m in asked
    }
    mse = {m: t["masked_mse"][:2].mean() for m, t in table.items()}
    assert mse["zeros"] > 20 * mse["adaptive median"] > 20 * mse["gene mean"]
    assert mse["gene mean"] > mse["18 neighbours"]
    assert table[task.LATENT]["truth_mse"].iloc[-1] == 0
    assert table["18 neighbours"]["truth_mse"].iloc[-1] < table["zeros"]["truth_mse"].iloc[-1]


def test_without_a_test_slide_the_validation_slide_is_scored_and_training_alone_is_refused():
    assert task.scored_side(["train", "val"]) == "val"
    assert task.scored_side(["train", "val", "test"]) == "test"
    with pytest.raises(DataError, match="every slide trains"):
        task.scored_side(["train"])


def test_held_out_molecules_prefer_what_is_closer_to_the_truth(small):
    table = {
        m: task.held_out_molecules.function(small, model=m, n_repeats=2, seed=0)
        .groupby("post")["thinned_deviance"]
        .mean()
        for m in ("zeros", "gene mean", "18 neighbours", task.LATENT)
    }
    assert table["18 neighbours"]["filled"] < table["zeros"]["filled"]
    assert table[task.LATENT]["smoothed"] < table["gene mean"]["smoothed"]


def test_shares_between_labels_are_those_of_an_analysis_of_variance():
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], [10, 20, 30])
    values = rng.normal(size=(60, 2)) + (labels == "a")[:, None]
    values[:, 1] = 1
    share = task.between_share(values, labels)
    within = sum(
        ((values[labels == n, 0] - values[labels == n, 0].mean()) ** 2).sum() for n in "abc"
    )
    total = ((values[:, 0] - values[:, 0].mean()) ** 2).sum()
    assert share[0] == pytest.approx(1 - within / total) and np.isnan(share[1])


def test_labels_on_tissue(small):
    labelled = small.copy()
    domains = np.asarray(small.obsm["domains"]).argmax(axis=1)
    labelled.obs["label"] = np.array(list("abcd"))[domains]
    shares = {
        m: task.by_labels.function(labelled, model=m)["label_share"].mean()
        for m in ("raw", "smoothed raw", "18 neighbours")
    }
    assert shares["raw"] < min(shares["smoothed raw"], shares["18 neighbours"])
    labelled.obs["label"] = "one"
    with pytest.raises(DataError, match="has 1 labels of 10 spots or more"):
        task.by_labels.function(labelled, model="raw")


def test_an_unknown_method_is_named(small):
    with pytest.raises(DataError, match="no method 'magic'; there are zeros"):
        task.filler(small, task.scene(small), "magic", spackle.Size(), 0)
