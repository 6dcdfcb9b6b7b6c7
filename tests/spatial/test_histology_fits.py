"""Ten small models: what each looks at, shown by what a permutation changes; bad input."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.data.errors import DataError
from helpers.models.spatial.histology import fit as fits
from helpers.models.spatial.histology import lesson
from helpers.models.spatial.histology.slide_models import zinb

N_GENES, SIDE = 5, 8
OTHERS = ("HisToGene", "Hist2ST", "EGGN", "SEPAL")  # models that look at the other spots
EXPRESSION = ("EGN", "EGGN", "BLEEP")  # models that look up training expression
QUICK = fits.Budget(n_steps=4, batch=16, check_every=2)


def spots(n=18, slides=("a", "b", "c", "d"), seed=0, side=SIDE):
    rng = np.random.default_rng(seed)
    row, col = np.divmod(np.arange(n), 6)
    array = np.tile(np.column_stack([row, col]).astype(float), (len(slides), 1))
    patches = rng.integers(20, 255, (n * len(slides), side, side, 3)).astype(np.uint8)
    return lesson.Spots(patches, np.repeat(slides, n), array, 10 * array)


@pytest.fixture(scope="module")
def fitted():
    every = spots()
    rng = np.random.default_rng(1)
    target = rng.normal(8, 1, (len(every.slide), N_GENES)).astype(np.float32)
    split = np.repeat(["train", "train", "val", "test"], 18)
    weight = rng.random(target.shape) < 0.8
    found = {
        name: fits.fit(name, every, target, weight, split, budget=QUICK, seed=0)
        for name in fits.MODELS
    }
    for one in found.values():  # what starts at zero would hide what a model looks at
        for name in ("head", "correct"):
            if hasattr(one.model, name):
                torch.nn.init.normal_(getattr(one.model, name).weight, std=0.3)
    return found


@pytest.mark.parametrize("name", list(fits.MODELS))
def test_other_spots_change_only_models_that_look_at_them(fitted, name):
    asked = spots(slides=("e",), seed=5)
    before = fitted[name].predict(asked)
    assert before.shape == (18, N_GENES) and np.isfinite(before).all()
    mixed = asked.patches.copy()
    mixed[1:] = mixed[:0:-1]
    after = fitted[name].predict(replace(asked, patches=mixed))
    moved = np.abs(after[0] - before[0]).max()
    assert moved > 1e-4 if name in OTHERS else moved < 1e-5


@pytest.mark.parametrize("name", list(fits.MODELS))
def test_training_expression_changes_only_models_that_look_it_up(fitted, name):
    asked, one = spots(slides=("e",), seed=5), fitted[name]
    # each gene by itself: BLEEP reads where a spot lies off the same expression
    value = np.random.default_rng(0).permuted(one.memory.value.numpy(), axis=0)
    mixed = replace(one.memory, value=torch.from_numpy(value))
    moved = np.abs(replace(one, memory=mixed).predict(asked) - one.predict(asked)).max()
    assert moved > 1e-4 if name in EXPRESSION else moved == 0


def test_without_its_graph_sepal_is_its_first_stage(fitted):
    one, asked = fitted["SEPAL"], spots(slides=("e",), seed=5)
    view = lesson.view_of(asked)
    with torch.no_grad():
        first = one.model.first_stage(view, torch.arange(18)) + one.model.mean
    assert np.abs(one.predict(asked) - first.numpy()).max() > 1e-3
    one.model.silence()
    np.testing.assert_allclose(one.predict(asked), first.numpy(), atol=1e-5)
    torch.nn.init.normal_(one.model.correct.weight, std=0.3)


def test_st_net_starts_at_the_mean_and_predicts_one_thing_for_all_symmetries(fitted):
    mean = torch.arange(float(N_GENES))
    model = fits.MODELS["ST-Net"](N_GENES, SIDE, mean).eval()
    asked = spots(slides=("e",))
    view = lesson.view_of(asked)
    np.testing.assert_allclose(model.outputs(view, torch.arange(18)).detach(), mean.expand(18, -1))
    turned = replace(asked, patches=np.ascontiguousarray(np.rot90(asked.patches, 1, (1, 2))))
    one = fitted["ST-Net"]
    np.testing.assert_allclose(one.predict(turned), one.predict(asked), atol=1e-4)


def test_fits_are_reproducible_and_deltas_return_to_the_mean(fitted):
    every = spots()
    target = np.full((72, N_GENES), 3.0, dtype=np.float32) + np.arange(N_GENES)
    split = np.repeat(["train", "train", "val", "test"], 18)
    args = (every, target, np.ones(target.shape, bool), split)
    runs = [fits.fit("ViT+delta", *args, budget=QUICK, seed=3) for _ in range(2)]
    asked = spots(slides=("e",))
    assert np.array_equal(runs[0].predict(asked), runs[1].predict(asked))
    np.testing.assert_allclose(runs[0].model.mean, target[0], atol=1e-5)
    assert np.abs(runs[0].predict(asked) - target[0]).max() < 2


def test_what_is_not_learned_from_changes_nothing():
    every = spots()
    rng = np.random.default_rng(1)
    target = rng.normal(8, 1, (72, N_GENES)).astype(np.float32)
    weight = rng.random(target.shape) < 0.7
    split = np.repeat(["train", "train", "val", "test"], 18)
    spoiled = np.where(weight, target, 0).astype(np.float32)
    asked = spots(slides=("e",))
    for name in ("ShuffleNet", "EGN", "BLEEP"):
        a, b = (
            fits.fit(name, every, t, weight, split, budget=QUICK, seed=0).predict(asked)
            for t in (target, spoiled)
        )
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_zero_inflated_counts_sum_to_one():
    counts = torch.arange(200.0)[:, None]
    given = [torch.full((200, 1), value) for value in (1.0, 0.5, -1.0)]
    assert torch.exp(-zinb(counts, *given)).sum() == pytest.approx(1, abs=1e-3)


def test_exemplars_are_never_of_the_own_slide(fitted):
    memory = fitted["EGN"].memory
    found = lesson.nearest_exemplars(memory.key, memory.slide, memory, power=2)
    assert (memory.slide[found.numpy()] != memory.slide[:, None]).all()
    alone = replace(memory, slide=np.repeat("a", len(memory.slide)))
    with pytest.raises(DataError, match="own slide"):
        lesson.nearest_exemplars(memory.key, alone.slide, alone, power=1)


def test_a_spot_without_neighbours_is_predicted(fitted):
    one = spots(n=1, slides=("e",))
    view = lesson.view_of(one)
    assert view.around.tolist() == [[0, 0, 0, 0]]
    for found in fitted.values():
        assert np.isfinite(found.predict(one)).all()


def test_bad_input_is_refused(fitted):
    one = fitted["ViT"]
    with pytest.raises(DataError, match="12 pixels a side; the model was trained on 8"):
        one.predict(spots(slides=("e",), side=12))
    with pytest.raises(DataError, match="slide a was seen in training"):
        one.predict(spots(slides=("a",)))
    with pytest.raises(DataError, match="multiple of 4"):
        lesson.view_of(spots(side=10))
    grey = spots().patches[..., :1]
    with pytest.raises(DataError, match="spots, side, side, 3"):
        replace(spots(), patches=grey)
    with pytest.raises(DataError, match="bytes"):
        replace(spots(), patches=spots().patches / 255)
    every, target = spots(), np.ones((72, N_GENES), np.float32)
    weight, split = np.ones(target.shape, bool), np.repeat(["train", "train", "val", "test"], 18)

    def fit(name="ViT", weight=weight, split=split):
        return fits.fit(name, every, target, weight, split, budget=QUICK, seed=0)

    with pytest.raises(DataError, match="no model"):
        fit("DeepSpot")
    with pytest.raises(DataError, match="no slide is there to val on"):
        fit(split=np.where(split == "val", "test", split))
    with pytest.raises(DataError, match="trains and validates"):
        fit(split=np.tile(["train", "val"], 36))
    with pytest.raises(DataError, match="nothing to be learned"):
        fit(weight=np.zeros_like(weight))


@pytest.mark.parametrize("name", list(fits.MODELS))
def test_the_gradient_is_zero_where_a_model_does_not_look(fitted, name):
    found = fits.looks_at(fitted[name], spots(slides=("e",), seed=5), 8)
    assert found[8] > 0 and (np.delete(found, 8) > 0).any() == (name in OTHERS)


def test_a_trained_model_returns_from_its_arrays_and_no_other_takes_them(fitted):
    one, asked = fitted["EGN"], spots(slides=("e",))
    state = fits.as_arrays(one)
    back = fits.restored("EGN", state, one.memory.slide)
    np.testing.assert_array_equal(back.predict(asked), one.predict(asked))
    with pytest.raises(DataError, match="not of ViT"):
        fits.restored("ViT", state, one.memory.slide)
