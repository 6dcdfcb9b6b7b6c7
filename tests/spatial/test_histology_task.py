"""The task of the small models: sides, cells, baselines, scores, and what is said of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers import scores
from helpers.data.errors import DataError
from helpers.data.spatial import curation as steps
from helpers.data.spatial import patches
from helpers.data.spatial.simulate import TissueKnobs, simulate
from helpers.metrics.spatial.facts import METRICS
from helpers.models.spatial.histology.plain import BASELINES
from helpers.store.kept import Kept
from helpers.tasks.spatial import histology as task
from helpers.tasks.spatial import histology_report as report
from helpers.tasks.spatial import long_runs
from helpers.tasks.spatial.curation import curate
from helpers.tasks.spatial.tier import TIER

QUICK = {"n_steps": 2, "batch": 8, "check_every": 1, "rate": 1e-3}


@pytest.fixture(scope="module")
def made():
    source = simulate(0, TissueKnobs(side=7, n_genes=60, n_slides=6, patients="pairs"))
    split = task.sides([f"slide {i + 1}" for i in range(6)], 2)
    kept = curate(steps.readers(source), split, statistics="train", batch="", n_keep=16)
    return source, kept, task.matched_windows.function(source, kept)


@pytest.fixture(scope="module")
def tables(made):
    _, kept, sheets = made
    ask = {"filled": "completed", "loss": "all"}
    names = [*BASELINES, task.LATENT]
    found = {m: task.baselines.function(kept, sheets, model=m, **ask) for m in names}
    state = task.fitted.function(kept, sheets, model="SEPAL", budget=QUICK, seed=0, **ask)
    found["SEPAL"] = task.predictions.function(kept, sheets, state, model="SEPAL")
    return {m: task.scored_genes.function(kept, p) for m, p in found.items()}, found, state


def test_sides_are_whole_slides():
    named = task.sides(list("abcde"), 2)
    assert list(named.values()) == ["train", "train", "val", "test", "test"]
    for names, n in (("abc", 2), ("abcd", 1)):
        with pytest.raises(DataError, match="2 or more train"):
            task.sides(list(names), n)


def test_windows_are_those_of_the_curated_spots(made):
    source, kept, sheets = made
    at = list(source.obs_names).index(kept.obs_names[5])
    np.testing.assert_array_equal(sheets[5], patches.windows(source)[at])
    with pytest.raises(DataError, match="have no image"):
        task.matched_windows.function(source[10:], kept)


def test_cells_differ_in_what_was_not_measured(made):
    kept = made[1]
    mask = np.asarray(kept.layers["mask"])
    zeros, every = task.targets(kept, "zeros", "all")
    filled, own = task.targets(kept, "completed", "measured")
    assert (zeros[~mask] == 0).all() and (filled[~mask] > 0).any() and every.all()
    np.testing.assert_array_equal(own, mask)
    np.testing.assert_allclose(zeros[mask], filled[mask])
    with pytest.raises(DataError, match="filled is"):
        task.targets(kept, "spackle", "all")


def test_baselines_know_what_they_say(tables, made):
    predicted = tables[1]
    kept = made[1]
    test = (kept.obs["split"].astype(str) == "test").to_numpy()
    slide = kept.obs["slide"].astype(str).to_numpy()[test]
    for name in ("gene mean", "slide constant", "own slide's mean (oracle)"):
        for rows in steps.by_slide(slide).values():
            assert np.ptp(predicted[name][rows], axis=0).max() < 1e-9
    assert np.ptp(predicted["gene mean"], axis=0).max() < 1e-9
    truth, mask = task.targets(kept, "zeros", "measured")
    first = steps.by_slide(slide)[slide[0]]
    own = truth[test][first, 0][mask[test][first, 0]].mean()
    assert predicted["own slide's mean (oracle)"][first, 0] == pytest.approx(own)
    with pytest.raises(DataError, match="no baseline"):
        task.baselines.function(kept, made[2], model="kNN", filled="zeros", loss="all")


def test_scores_are_of_measured_entries_and_a_constant_has_zero(tables, made):
    found, predicted, _ = tables
    kept = made[1]
    assert (found["gene mean"]["pearson"].dropna() == 0).all()
    assert found["gene mean"]["constant"].eq(16).all()
    one = found["SEPAL"]
    row = one[(one["slide"] == "slide 5") & (one["gene"] == kept.var_names[3])].iloc[0]
    test = (kept.obs["split"].astype(str) == "test").to_numpy()
    rows = (kept.obs["slide"].astype(str)[test] == "slide 5").to_numpy()
    mask = np.asarray(kept.layers["mask"])[test][rows, 3]
    off = (predicted["SEPAL"][rows, 3] - np.asarray(kept.layers["log1p"])[test][rows, 3])[mask]
    assert row["squares"] == pytest.approx((off**2).sum()) and row["n"] == mask.sum()
    released = task.as_published.function(kept, predicted["gene mean"])
    assert released["Global"] is None and released["MSE"] > 0
    latent = report.means(found).set_index("model")["mean"]
    assert latent.idxmax() == task.LATENT


def test_rows_are_a_score_table(tables):
    found = tables[0]
    parts = [report.rows(t, model=m, dataset="s", cell=task.MASKED) for m, t in found.items()]
    table = scores.check(pd.concat(parts), METRICS)
    assert set(table["cluster"]) == {"patient 2", "patient 3"}
    means = report.means(found, "mse")
    assert (means["patients"] == 2).all() and (means["slides"] == 3).all()


def test_rates_are_searched_by_the_validation_slide(made):
    _, kept, sheets = made
    asked = {"model": "ST-Net", "filled": "zeros", "loss": "measured", "seed": 0}
    found = task.searched.function(kept, sheets, budget=QUICK, rates=[1e-4, 1e-2], **asked)
    assert found["rate"].tolist() == [1e-4, 1e-2] and np.isfinite(found["error"]).all()
    world = task.simulated("tiny", 0)
    few = replace(world, budget={k: v for k, v in QUICK.items() if k != "rate"})
    best = few.rates(["ST-Net", "gene mean"], [task.MASKED], (1e-3, 1e-2))
    assert set(best) == {("ST-Net", task.MASKED)} and best["ST-Net", task.MASKED] in (1e-3, 1e-2)
    assert world.rates(["ViT"], task.CELLS, ()) == {
        ("ViT", c): task.RATES["ViT"] for c in task.CELLS
    }


def test_kept_rates_are_the_best_of_their_cell_and_the_masked_cells_share_one():
    errors = {("zeros", "all"): [3, 2, 1], ("zeros", "measured"): [1, 2, 3],
              ("completed", "all"): [2, 1, 3]}  # fmt: skip
    searches = {
        f"ViT, {filled}, {loss}": pd.DataFrame({"rate": [0.1, 0.2, 0.3], "error": found})
        for (filled, loss), found in errors.items()
    }
    table = long_runs.rates_table.function(searches)
    assert table.columns.tolist() == ["model", "target", "loss", "rate", "error"]
    best = task.simulated("tiny", 0).rates(["ViT", "gene mean"], task.CELLS, (), table)
    assert best == {
        ("ViT", ("zeros", "all")): 0.3,
        ("ViT", ("zeros", "measured")): 0.1,
        ("ViT", ("completed", "measured")): 0.1,
        ("ViT", ("completed", "all")): 0.2,
    }


def test_the_long_run_asks_each_model_in_each_cell_of_its_own():
    step = long_runs.histology_rates(0, preset="tiny", models=("ViT", "BLEEP"), grid=(1e-3,))
    assert len({s.key for s in step.inputs}) == 2 * 3
    assert long_runs.RATES in TIER.long_runs


def test_states_and_windows_of_other_spots_are_refused(made):
    _, kept, sheets = made
    asked = {"model": "ViT", "filled": "zeros", "loss": "all", "budget": QUICK, "seed": 0}
    with pytest.raises(DataError, match="windows are given for"):
        task.fitted.function(kept, sheets[:-1], **asked)
    state = task.fitted.function(kept, sheets, **asked)
    with pytest.raises(DataError, match="no model 'Foo'"):
        task.predictions.function(kept, sheets, state, model="Foo")
    turned = kept.copy()
    turned.obs["split"] = kept.obs["split"].astype(str).replace({"train": "test", "test": "train"})
    with pytest.raises(DataError, match="other sides than in training"):
        task.predictions.function(turned, sheets, state, model="ViT")


def held(*rows):
    return pd.DataFrame(rows, columns=["split", "slide", "patient"])


@pytest.mark.parametrize(
    "obs, said",
    [
        (
            held(("train", "a", "p"), ("val", "b", "q"), ("test", "c", "q")),
            "Of x 1 section is held out, of 1 patient or animal; sections of 1 of these also train "
            "or validate. This is a description, and no ranking.",
        ),
        (
            held(("train", "a", "p"), ("test", "b", "q"), ("test", "c", "r")),
            "Of x 2 sections are held out, of 2 patients or animals; sections of none of these",
        ),
        (held(*(("test", f"s{i}", f"p{i}") for i in range(6))), "these also train or validate."),
    ],
)
def test_held_out_sections_are_counted(obs, said):
    text = report.about_held_out(obs, "x")
    assert said in text and ("ranking" in text) == (obs["patient"].nunique() < 6)


def test_where_rates_are_from():
    table = pd.DataFrame({"rate": [1e-3, 1e-2], "error": [1.0, 2.0]})
    record = {"command": "benchbook keep histology-rates", "day": "2026-11-27"}
    assert "searched here" in report.about_rates(None, "full")
    assert "no search of rates is read" in report.about_rates(None, "book")
    assert "no search of rates is read" in report.about_rates(Kept(table, record, ()), "tiny")
    current = report.about_rates(Kept(table, record, ()), "book")
    assert "best of 2 rates" in current and "nothing that it stands on" in current
    assert "numpy changed since" in report.about_rates(Kept(table, record, ("numpy",)), "book")


def test_what_a_model_looks_at_is_drawn_around_the_middle(tables, made):
    _, kept, sheets = made
    found = task.looked_at.function(kept, sheets, tables[2], model="SEPAL")
    assert found["size"].max() == 1 and found["asked"].sum() == 1
    assert found["size"][found["asked"]].iloc[0] > 0


def order(**values):
    base = {"ridge on stain": 0.2, task.LATENT: 0.5, "ViT": 0.1, "ViT+delta": 0.3} | values
    table = pd.Series(base, name="mean").rename_axis("model").reset_index()
    ends = {"patient low": table["mean"] - 0.01, "patient high": table["mean"] + 0.01}
    return table.assign(**ends, slides=3, patients=2)


def test_models_are_set_against_the_ridge_over_patients():
    def slides(*values):
        rows = [(f"s{i}", f"p{i // 2}", r) for i, r in enumerate(values)]
        found = pd.DataFrame(rows, columns=["slide", "patient", "pearson"])
        return found.assign(squares=1.0, n=1, constant=0)

    ridge = slides(0.1, 0.1, 0.2, 0.2, 0.0, 0.0)
    tables = {"ViT": slides(0.5, 0.7, 0.4, 0.4, 0.35, 0.35), "ridge on stain": ridge}
    (row,) = report.against_ridge(tables | {"EGN": tables["ViT"]}).head(1).to_dict("records")
    assert row["model"] == "ViT" and row["difference"] == pytest.approx(0.35)
    half = 6.2053 * np.std([0.5, 0.2, 0.35], ddof=1) / 3**0.5  # t at 98.75 %: two models at once
    assert row["high"] - row["difference"] == pytest.approx(half, rel=1e-3)
    two = {m: t.head(4) for m, t in tables.items()}
    assert report.against_ridge(two)["low"].isna().all()
    assert report.means(two)["patient low"].isna().all()


def test_sentences():
    pairs = pd.DataFrame(
        {"model": ["ViT", "ViT+delta", "EGN"], "low": [-0.2, 0.05, -0.1], "high": [-0.1, 0.2, 0.1]}
    )
    said = report.about_order(order(), pairs)
    assert "ViT+delta has the highest correlation, 0.30 (95 % interval 0.29 to 0.31)" in said
    assert said.endswith("above: ViT+delta; below: ViT; undecided: EGN.")
    assert "above: none; below: none; undecided: EGN." in report.about_order(order(), pairs.tail(1))
    said = report.about_order(order(), pairs.assign(low=np.nan, high=np.nan))
    assert said.endswith("Too few patients tell the models from the ridge.")

    def delta(half, **values):
        own = order(**values)
        ends = {"patient low": own["mean"] - half, "patient high": own["mean"] + half}
        return report.about_delta(own.assign(**ends))

    assert "spends its steps" in delta(0.05)
    assert "deltas do harm" in delta(0.02, ViT=0.4)
    for open_ in (delta(0.2), delta(np.nan)):
        assert open_.endswith("these patients do not tell them apart.")
    lines = pd.DataFrame({"model": ["ViT"], "hidden": [0.0], "line": [0.2], "above": [0.4]})
    assert "ViT has the largest share of visible genes" in report.about_line(
        lines.assign(n_hidden=4)
    )
    assert "No hidden gene" in report.about_line(lines.assign(n_hidden=0))
    released = pd.DataFrame({"model": ["a", "b"], "Global": [1.0, np.nan]})
    assert "As released, Global is not defined for b:" in report.about_published(released)
    assert "Global is not defined for a and b:" in report.about_published(
        released.assign(Global=np.nan)
    )
    two = released.assign(**{"PCC-Gene": [1.0, np.nan], "MSE": 1.0})
    assert "Global and PCC-Gene are not defined for b:" in report.about_published(two)
    assert "scores every model" in report.about_published(released.assign(Global=1.0))


def test_cards_are_of_all_models():
    found = report.cards(dict.fromkeys(task.NAMES, 10))
    assert found["model"].tolist() == list(task.NAMES)


def test_the_gene_that_is_shown_is_measured_on_the_slide():
    table = pd.DataFrame(
        {
            "slide": ["s"] * 3 + ["t"] * 3,
            "gene": list("abc") * 2,
            "pearson": [0.9, 0.3, 0.5, 0.9, 0.3, 0.5],
            "n": [5, 40, 31, 50, 50, 50],
        }
    )
    assert report.gene_to_show(table, "s") == ("c", 31)
    assert report.gene_to_show(table, "s", fewest=100) == ("b", 40)
