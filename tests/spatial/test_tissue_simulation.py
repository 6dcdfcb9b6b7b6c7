"""Simulated tissue: what is planted is there, and only that."""

import numpy as np
import pytest

from helpers.data.contract import DataError
from helpers.data.spatial.simulate import TissueKnobs, _image, kinds, simulate, tissue
from helpers.tasks.spatial import slides


@pytest.fixture(scope="module")
def plain():
    return simulate(0, TissueKnobs(side=16, n_genes=100, slide_shift=0.0, image=False))


def explained(values, by):
    """Share of the variance of each column that a linear fit on `by` explains."""
    design = np.column_stack([by, np.ones(len(by))])
    left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return 1 - left.var(axis=0) / values.var(axis=0)


def test_the_same_seed_gives_the_same_and_another_something_else(plain):
    knobs = TissueKnobs(side=16, n_genes=100, slide_shift=0.0, image=False)
    assert np.array_equal(simulate(0, knobs).X, plain.X)
    assert not np.array_equal(simulate(1, knobs).X, plain.X)


def test_genes_follow_what_their_kind_says(plain):
    assert kinds(plain.var) == {"visible": 45, "hidden": 20, "flat": 35}
    rate = np.asarray(plain.layers["rate"])
    # without the size of the spot, of which all genes of a spot have the same
    log_share = np.log(rate) - np.log(rate[:, plain.var["kind"] == "flat"].mean(axis=1))[:, None]
    domains = np.asarray(plain.obsm["domains"])[:, 1:]
    field = plain.obs[["hidden_field"]].to_numpy()
    kind = plain.var["kind"].to_numpy()
    assert explained(log_share, domains)[kind == "visible"].min() > 0.99
    assert explained(log_share, field)[kind == "hidden"].min() > 0.99
    assert log_share[:, kind == "flat"].std(axis=0).max() < 1e-3


def test_counts_scatter_around_their_expectation(plain):
    rate, counts = np.asarray(plain.layers["rate"], dtype=float), np.asarray(plain.X, dtype=float)
    assert counts.sum() == pytest.approx(rate.sum(), rel=0.02)
    # Poisson with a gamma of shape 5: the variance is m + m ** 2 / 5
    z = (counts - rate) ** 2 / (rate + rate**2 / 5)
    assert z.mean() == pytest.approx(1, abs=0.05)


def test_domains_are_shares_and_the_image_shows_them():
    data = simulate(0, TissueKnobs(side=8, n_genes=20))
    assert np.allclose(np.asarray(data.obsm["domains"]).sum(axis=1), 1)
    image = data.uns["slides"]["slide 1"]["image"]
    assert image.dtype == np.uint8 and image.ndim == 3
    red, green, blue = image.reshape(-1, 3).mean(axis=0)
    assert green < min(red, blue)  # pink and purple: green is what both stains take


def test_light_is_taken_as_beer_and_lambert_say():
    rng = np.random.default_rng(0)
    domains = np.zeros((4, 60, 60))
    domains[0] = 1
    image = _image(rng, domains, 0.0).astype(float)
    optical = -np.log10(np.maximum(image, 1) / 255)
    # where there is no nucleus only eosin is left: the channels stand in its ratio
    clear = optical[..., 0] < 0.06
    assert np.median(optical[clear, 1] / optical[clear, 2]) == pytest.approx(0.99 / 0.11, rel=0.1)


@pytest.mark.parametrize("kind", ["mcar", "mnar"])
def test_counts_are_lost_at_random_or_the_low_ones_first(kind):
    knobs = {"side": 12, "n_genes": 80, "image": False}
    lost = simulate(2, TissueKnobs(dropout=kind, dropout_rate=0.4, **knobs))
    rate, zero = np.asarray(lost.layers["rate"]), np.asarray(lost.X) == 0
    high = rate > np.quantile(rate, 0.95)  # would hardly be zero by chance
    if kind == "mcar":
        assert zero[high].mean() == pytest.approx(0.4, abs=0.05)
    else:
        assert zero[high].mean() < 0.2 < 0.4 < zero[~high].mean()


def test_several_patients_share_effects_only_as_far_as_they_are_alike():
    knobs = {"side": 14, "n_genes": 100, "image": False, "patients": "several", "slide_shift": 0.0}
    correlation = {}
    for likeness in (0.0, 1.0):
        data = simulate(0, TissueKnobs(likeness=likeness, **knobs))
        assert data.obs["patient"].nunique() == 3
        rate = np.log(np.asarray(data.layers["rate"]))
        fits = []
        for name in ("slide 1", "slide 4"):
            own = (data.obs["slide"] == name).to_numpy()
            design = np.column_stack([np.asarray(data.obsm["domains"])[own], np.ones(own.sum())])
            fits.append(np.linalg.lstsq(design[:, 1:], rate[own], rcond=None)[0][:3])
        visible = (data.var["kind"] == "visible").to_numpy()
        first, last = (f[:, visible] - f[:, visible].mean(axis=1, keepdims=True) for f in fits)
        correlation[likeness] = np.corrcoef(np.diff(first, axis=0)[0], np.diff(last, axis=0)[0])[
            0, 1
        ]
    assert correlation[1.0] > 0.9 and abs(correlation[0.0]) < 0.5


def test_the_last_slide_tests_and_the_last_but_one_validates(plain):
    sides = plain.obs.drop_duplicates("slide")["split"].astype(str).tolist()
    assert sides == ["train", "train", "val", "test"]


@pytest.mark.parametrize(
    "knobs, said",
    [
        ({"n_slides": 2}, "takes 3 slides"),
        ({"dropout": "some"}, "dropout is 'some'"),
        ({"patients": "many"}, "patients is 'many'"),
        ({"visible": 0.8, "hidden": 0.4}, "together at most 1"),
        ({"dropout_rate": 1.0}, "lies in"),
    ],
)
def test_knobs_that_make_no_tissue(knobs, said):
    with pytest.raises(DataError, match=said):
        TissueKnobs(**knobs)
    with pytest.raises(DataError, match="no knobs colour"):
        tissue(0, colour="red")


# --------------------------------------------------------------------------- facts of slides


def test_facts_of_slides(plain):
    table = slides.slide_facts.function(plain)
    assert table["slide"].tolist() == [f"slide {i}" for i in (1, 2, 3, 4)]
    assert (table["spots"] == 256).all() and not table["image"].any()
    # of 16 x 16 staggered spots those of the inner 14 x 14 have all six neighbours
    assert (table["inner spots"] == 196).all()
    one = (plain.obs["slide"] == "slide 2").to_numpy()
    assert table["zero"].iloc[1] == pytest.approx((plain.X[one] == 0).mean())


def test_zeros_fall_with_depth_and_chance_explains_most(plain):
    table = slides.zeros_by_depth.function(plain)
    assert table["zero"].iloc[0] > table["zero"].iloc[-1]
    assert (table["zero"] > table["expected zero"]).all()  # cells differ more than Poisson
    assert (table["zero"] - table["expected zero"]).max() < 0.1
    real = plain.copy()
    del real.layers["rate"]
    assert slides.zeros_by_depth.function(real)["expected zero"].isna().all()


def test_places_and_images_of_a_slide(plain):
    frame = slides.places(plain, "slide 3", a=np.arange(plain.n_obs))
    assert frame["a"].tolist() == list(range(512, 768))
    assert slides.image_of(plain, "slide 3") == {}
    name = slides.most_counted(plain, "hidden")
    assert plain.var.loc[name, "kind"] == "hidden"
    assert slides.gene(plain, name).sum() == plain[:, name].X.sum()
