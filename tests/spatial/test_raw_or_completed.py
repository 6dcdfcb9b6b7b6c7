"""Effects of the two by two: differences, verdicts, the masked loss on planted data, sentences."""

import numpy as np
import pandas as pd
import pytest

from helpers.models.spatial.histology import ridge
from helpers.tasks.spatial import raw_or_completed as task
from helpers.tasks.spatial import raw_or_completed_report as report
from helpers.tasks.spatial.histology import CELLS, MASKED, PUBLISHED

NAN = float("nan")


def genes(error, slides=4):
    """A result of `scored_genes` with an error for each slide."""
    return pd.DataFrame(
        {
            "slide": [f"s{i}" for i in range(slides)],
            "patient": [f"p{i // 2}" for i in range(slides)],
            "gene": "g",
            "pearson": 0.3,
            "squares": [10 * (error + 0.01 * i) for i in range(slides)],
            "n": 10,
            "constant": 0,
        }
    )


def tables(raw=9.0, masked=1.4, completed=1.5, both=1.4, models=("ViT", "ridge on stain")):
    errors = dict(zip(CELLS, (raw, masked, completed, both), strict=True))
    return {(m, cell): genes(e) for m in models for cell, e in errors.items()}


def test_effects_are_differences_slide_by_slide():
    found = task.errors(tables())
    assert len(found) == 8 and found[task.named(MASKED)].iloc[0] == pytest.approx(1.4)
    effects = task.effects(found, region=0.2).set_index(["model", "effect"])
    row = effects.loc["ViT", task.ADDED]
    assert row["difference"] == pytest.approx(-0.1) and row["verdict"] == "equal"
    row = effects.loc["ViT", "completed instead of zeros"]
    assert row["difference"] == pytest.approx(7.5) and row["verdict"] == "lower"
    assert (row["n_slides"], row["n_patients"]) == (4, 2)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(-0.1, 0.1, "equal"), (0.1, 0.5, "lower"), (-0.5, -0.1, "higher"), (-0.5, 0.5, "undecided")],
)
def test_verdicts(low, high, said):
    assert task.verdict(low, high, 0.2) == said
    assert task.verdict(NAN, NAN, 0.2) == "undecided"


def test_the_region_is_a_tenth_of_the_way_to_the_ceiling():
    assert task.margin({"a": genes(2), "b": genes(1)}, "a", "b") == pytest.approx(0.1, abs=1e-6)


def test_a_masked_loss_closes_the_gap_that_zeros_make():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    y = 8 + x @ rng.normal(size=(3, 10)) + rng.normal(size=(400, 10))
    measured = rng.random(y.shape) < 0.7
    half, zeros = np.arange(400) < 200, np.where(measured, y, 0)

    def error(mask):
        found = ridge.fit(x[half], zeros[half], alpha=1.0, mask=mask[half]).predict(x[~half])
        return ((found - y[~half]) ** 2)[measured[~half]].mean()

    assert error(measured) < 1.3 < 5 < error(np.ones_like(measured))


def test_sentence_on_the_gap():
    means = task.cell_means(task.errors(tables()))
    assert "101% of the gap" in report.about_gap(means)
    turned = report.about_gap(task.cell_means(task.errors(tables(completed=12.0))))
    assert "12.0" in turned and "gap" not in turned and "falls" not in turned


def test_sentence_on_what_completion_adds():
    effects = task.effects(task.errors(tables()), region=0.2)
    assert "For no model" in report.about_added(effects, 0.2)
    better = task.effects(task.errors(tables(completed=1.0)), region=0.2)
    said = report.about_added(better, 0.2)
    assert "better: ViT and ridge on stain" in said and "For 2 of 2" in said
    worse = task.effects(task.errors(tables(completed=2.0)), region=0.2)
    assert "worse: ViT" in report.about_added(worse, 0.2)
    one = {k: t.head(1) for k, t in tables().items()}
    open_ = task.effects(task.errors(one), region=0.2)
    said = report.about_added(open_, 0.2)
    assert (
        "undecided: ViT" in said
        and "is completion shown" in said
        and "\N{PLUS-MINUS SIGN}0.20" in said
    )


def test_intervals_hold_for_all_models_at_once():
    one, many = (task.errors(tables(models=names)) for names in (("ViT",), ("ViT", "EGN", "BLEEP")))
    for found in (one, many):
        found[task.named(MASKED)] += 0.01 * (found["patient"] == "p1")
    widths = [
        (own["patient high"] - own["patient low"]).iloc[-1]
        for own in (task.effects(found, region=0.2) for found in (one, many))
    ]
    assert widths[1] == pytest.approx(3 * widths[0], rel=0.01)  # one degree of freedom: 1 / alpha


@pytest.mark.parametrize(
    ("vit", "patients", "said"),
    [
        (2.5, 4, "for 1 of 2 models: ViT. By intervals"),
        (1.4, 4, "below that of the mean of a gene for all 2 models."),
        (1.4, 4, "it is below for ViT and EGN, above for none, and undecided for 0."),
        (2.5, 4, "it is below for EGN, above for ViT, and undecided for 0."),
        (2.5, 2, "Of one patient there is no interval."),
    ],
)
def test_what_is_above_the_mean_of_a_gene(vit, patients, said):
    cells = {"ViT": vit, "EGN": 1.4, "gene mean": 2.0}
    every = {(m, c): genes(e).head(patients) for m, e in cells.items() for c in CELLS}
    text = report.about_learned(task.against_mean(task.errors(every), "gene mean"))
    assert said in text
    none = pd.DataFrame({"model": ["A"], "difference": 0.1, "low": -0.1, "high": 0.2})
    assert "below for none, above for none, and undecided for 1." in report.about_learned(none)


@pytest.mark.parametrize(
    "completed, said",
    [
        (1.0, "lower still for 2, equal for 0, higher for 0 and undecided for 0"),
        (2.0, "lower still for 0, equal for 0, higher for 2 and undecided for 0"),
        (1.45, "lower still for 0, equal for 2, higher for 0 and undecided for 0"),
    ],
)
def test_in_short(completed, said):
    effects = task.effects(task.errors(tables(completed=completed)), region=0.2)
    text = report.in_short(effects)
    assert text.startswith("Leaving zeros out of the loss is shown to lower") and said in text
    assert "of 2 of 2 models" in text
    one = {k: t.head(1) for k, t in tables().items()}
    text = report.in_short(task.effects(task.errors(one), region=0.2))
    assert "of 0 of 2 models" in text and "undecided for 2" in text


def test_correlations_are_paired_too():
    found = task.errors(tables(), of="pearson")
    assert found[task.named(MASKED)].eq(0.7).all()
    for change, said in (
        (
            -0.1,
            "of 2 of 2 models; by intervals over patients (95 %, for all models at once) a rise",
        ),
        (-0.1, "is shown for ViT and ridge on stain, a fall for none."),
        (0.1, "a rise is shown for none, a fall for ViT and ridge on stain."),
    ):
        moved = found.assign(**{task.named(PUBLISHED): found[task.named(MASKED)] + change})
        assert said in report.about_correlation_added(task.effects(moved, region=0.0))
    one = task.effects(found[found["patient"] == "p0"], region=0.0)
    assert report.about_correlation_added(one).endswith("one patient has no interval.")


def test_sentence_on_correlations():
    wide = pd.DataFrame({task.named(c): [0.2, 0.3] for c in CELLS})
    assert report.about_correlation(wide).endswith(
        "0.25 with the masked loss (medians over models)."
    )
    wide[task.named(PUBLISHED)] = 0.5
    assert "0.25 on zeros, 0.50 completed" in report.about_correlation(wide)
