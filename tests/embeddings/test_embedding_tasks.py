"""Batch mixing, linear separability and neighbourhood: protocols, controls, bad input."""

import anndata
import numpy as np
import pandas as pd
import pytest

from helpers import scores as score_table
from helpers.data.contract import CONTROL, DataError
from helpers.data.simulate.screen import simulate_screen
from helpers.data.splits import batch_perturbation_split, guide_split, held_out_split
from helpers.metrics.embeddings.facts import METRICS, PRIMARY
from helpers.models.embeddings.profiles import plate_position, profile_genes, profile_pca
from helpers.models.pca import pca_embedding
from helpers.summaries import group_means
from helpers.tasks.departures import table_of
from helpers.tasks.embeddings import batch_mixing as mixing
from helpers.tasks.embeddings import batch_mixing_report as mixing_report
from helpers.tasks.embeddings import linear_separability as separability
from helpers.tasks.embeddings import linear_separability_report as separability_report
from helpers.tasks.embeddings import neighbourhood as neighbours
from helpers.tasks.embeddings import neighbourhood_report as neighbours_report
from helpers.tasks.embeddings.readouts import one_readout, pooled, prepared
from helpers.tasks.requirements import CannotAnswer


@pytest.fixture(scope="module")
def screen():
    return simulate_screen(
        rng=np.random.default_rng(0), n_cells=2_400, n_genes=150, n_targets=24, n_batches=12,
        effect_size=1.0, unexpressed_share=0.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def embeddings(screen):
    rng = np.random.default_rng(1)
    return {
        "pca": pca_embedding.function(screen, n_components=20, seed=0),
        "truth": screen.obsm["latent"],
        "noise": rng.standard_normal((screen.n_obs, 20)),
        "batch": np.eye(12)[screen.obs["batch"].cat.codes] * 50
        + rng.standard_normal((screen.n_obs, 12)),
    }


@pytest.fixture(scope="module")
def split(screen):
    return batch_perturbation_split.function(screen)


def mixed(screen, embedding, protocol="revised", post="raw", **arguments):
    found = mixing.batch_mixing.function(
        screen, embedding, protocol=protocol, posts=[post], seed=0, **arguments
    )
    return found.drop(columns="post").set_index("batch")


def probed(screen, embedding, split, probe="linear", protocol="revised", post="raw", **arguments):
    found = separability.linear_separability.function(
        screen, embedding, [split], protocol=protocol, readouts=[[probe, post]], seed=0, **arguments
    )
    return found.drop(columns=["probe", "post", "fold"]).set_index("perturbation")


def retrieved(screen, embedding, post="raw", **arguments):
    found = neighbours.neighbourhood.function(screen, embedding, posts=[post], seed=0, **arguments)
    return found.drop(columns="post").set_index("perturbation")


def voted(screen, embedding, split):
    found = neighbours.published_votes.function(screen, embedding, split, posts=["raw"])
    return found.drop(columns="post").set_index("perturbation")


def told_apart(screen, embedding, split):
    found = separability.guides_within_targets.function(
        screen, embedding, [split], post="raw", seed=0
    )
    return found.drop(columns=["post", "fold"]).set_index("perturbation")


# --------------------------------------------------------------------------- batch mixing


def test_noise_is_mixed_as_well_as_chance_and_batches_are_not(screen, embeddings):
    noise = mixed(screen, embeddings["noise"])
    np.testing.assert_allclose(noise["ilisi"].mean() / noise["permuted"].mean(), 1, atol=0.02)
    np.testing.assert_allclose(noise["permuted"].mean(), noise["expected"].iloc[0], rtol=0.03)
    assert noise["n_cells"].sum() == screen.n_obs
    assert noise["n_unscored"].sum() == 0
    apart = mixed(screen, embeddings["batch"])
    # 200 cells a batch and 248 neighbours: those of the own batch have nearly all the weight.
    assert apart["ilisi"].max() < 1.2
    assert apart["permuted"].min() > 6


def test_centring_on_controls_takes_a_batch_effect_out(screen, embeddings):
    shifted = embeddings["noise"].copy()
    shifted[:, :12] += 5 * np.eye(12)[screen.obs["batch"].cat.codes]
    raw = mixed(screen, shifted)["ilisi"].mean()
    centered = mixed(screen, shifted, post="centered")["ilisi"].mean()
    assert centered > raw + 2


def test_the_published_protocol_scores_test_batches_only(screen, embeddings, split):
    found = mixed(screen, embeddings["noise"], protocol="published", split=split)
    tested = screen.obs["batch"].iloc[split["test"]].unique()
    assert set(found.index) == set(tested)
    assert len(found) == 4
    assert found["n_cells"].sum() == len(split["test"]) + len(split["test_controls"])
    assert found["permuted"].max() <= 4
    with pytest.raises(ValueError, match="a split is given in the published protocol"):
        mixed(screen, embeddings["noise"], split=split)
    with pytest.raises(ValueError, match="a split is given"):
        mixed(screen, embeddings["noise"], protocol="published")


def test_components_hold_nine_tenths_of_the_variance():
    rng = np.random.default_rng(2)
    values = rng.standard_normal((500, 60)) * np.r_[np.full(40, 3.0), np.full(20, 0.1)]
    reduced = mixing._reduced(values)
    variance = np.sort(np.linalg.svd(values - values.mean(0), compute_uv=False) ** 2)[::-1]
    needed = np.argmax(np.cumsum(variance) >= 0.9 * variance.sum()) + 1
    assert reduced.shape[1] == max(32, needed) == needed
    np.testing.assert_allclose(np.sort((reduced**2).sum(0))[::-1], variance[:needed])
    assert mixing._reduced(values[:, :40] * np.r_[100, np.ones(39)]).shape[1] == 32
    assert mixing._reduced(values[:, :5]).shape[1] == 5


def test_a_sample_of_cells_is_the_same_for_all_models(screen, embeddings):
    one = mixed(screen, embeddings["noise"], n_cells=600)
    other = mixed(screen, embeddings["pca"], n_cells=600)
    assert one["n_cells"].sum() == 600
    assert one["n_cells"].equals(other["n_cells"])


def test_mixing_cannot_be_answered_with_three_batches_or_few_cells(screen, embeddings):
    rows = screen.obs["batch"].isin(screen.obs["batch"].cat.categories[:3]).to_numpy()
    with pytest.raises(CannotAnswer, match=r"needs 4 batches, has 3"):
        mixed(screen[rows], embeddings["noise"][rows])
    with pytest.raises(CannotAnswer, match=r"needs 250 cells, has 200"):
        mixed(screen, embeddings["noise"], n_cells=200)
    eight = screen.obs["batch"].isin(screen.obs["batch"].cat.categories[:8]).to_numpy()
    few = batch_perturbation_split.function(screen[eight])
    with pytest.raises(CannotAnswer, match=r"needs 4 test batches.*has 3$"):
        mixed(screen[eight], embeddings["noise"][eight], protocol="published", split=few)
    assert mixing.available(screen[eight]) == {
        "batches": 8, "test_batches": 3, "cells": int(eight.sum()),
    }  # fmt: skip


# --------------------------------------------------------------------------- probes


def test_every_treated_cell_is_tested_once_and_truth_beats_noise(screen, embeddings):
    found = {}
    for name in ("truth", "pca", "noise"):
        folds = [
            probed(screen, embeddings[name], held_out_split.function(screen, fold=f, n_folds=3))
            for f in range(3)
        ]
        found[name] = pooled(folds)
        assert found[name]["n_cells"].sum() == (screen.obs["perturbation"] != CONTROL).sum()
    top1 = {name: table["top1"].mean() for name, table in found.items()}
    assert top1["truth"] > 0.3
    assert top1["truth"] > top1["pca"] > 0.15
    assert abs(top1["noise"] - 1 / 24) < 0.02
    assert abs(found["noise"]["top5"].mean() - 5 / 24) < 0.05


def test_pooled_tables_are_means_over_cells():
    columns = ["top1", "n_cells", "n_unscored"]
    a = pd.DataFrame([[0.5, 10, 0], [np.nan, 0, 3]], index=["x", "y"], columns=columns)
    b = pd.DataFrame([[0.0, 30, 0], [1.0, 4, 0]], index=["x", "y"], columns=columns)
    found = pooled([a, b])
    assert found.loc["x"].to_list() == [0.125, 40, 0]
    assert found.loc["y"].to_list() == [1.0, 4, 3]
    assert np.isnan(pooled([a]).loc["y", "top1"])


@pytest.mark.parametrize("probe", separability.PROBES)
def test_guides_that_were_never_seen_are_named_by_their_target(screen, embeddings, probe):
    parts = guide_split.function(screen, seed=0)
    found = probed(screen, embeddings["truth"], parts, probe=probe)
    assert found["top1"].mean() > 0.25
    assert probed(screen, embeddings["truth"], parts, probe=probe).equals(found)


def test_guides_of_one_target_cannot_be_told_apart_where_they_do_the_same(screen, embeddings):
    parts = held_out_split.function(screen, fold=0, n_folds=2)
    found = told_apart(screen, embeddings["truth"], parts)
    np.testing.assert_allclose(found["chance"], 1 / 3)
    assert abs(found["excess"].mean()) < 0.05
    assert (found["n_cells"] + found["n_unscored"]).sum() == len(parts["test"])
    # An embedding that knows the guide tells them all.
    known = np.eye(screen.obs["guide"].nunique())[screen.obs["guide"].cat.codes]
    told = told_apart(screen, known, parts)
    np.testing.assert_allclose(told["accuracy"], 1)


def test_top_shares_are_those_of_sorted_classes():
    rng = np.random.default_rng(3)
    scored, own = rng.integers(6, size=(200, 9)).astype(float), rng.integers(9, size=200)
    expected = np.zeros((2, 200))
    for i in range(200):
        for _ in range(200):  # ties in random order
            order = np.lexsort((rng.random(9), -scored[i]))
            place = np.flatnonzero(order == own[i])[0]
            expected[:, i] += [place < 1, place < 5]
    np.testing.assert_allclose(separability.top_shares(scored, own), expected / 200, atol=0.17)


def test_top_five_is_not_scored_below_twenty_classes(screen, embeddings):
    few = (screen.obs["perturbation"].cat.codes < 12).to_numpy() | (
        screen.obs["perturbation"] == CONTROL
    ).to_numpy()
    part = screen[few]
    found = probed(part, embeddings["pca"][few], held_out_split.function(part, fold=0, n_folds=2))
    assert found["top5"].isna().all()
    assert found["top1"].notna().all()


def test_perturbations_that_training_lacks_are_counted_and_a_wrong_split_is_refused(
    screen, embeddings
):
    parts = held_out_split.function(screen, fold=0, n_folds=2)
    labels = screen.obs["perturbation"].astype(str).to_numpy()
    lost = labels[parts["train"]][0]
    train = parts["train"][labels[parts["train"]] != lost]
    test = parts["test"][labels[parts["test"]] != lost]
    unseen = parts["test"][labels[parts["test"]] == lost]
    honest = parts | {"train": train, "test": test, "unseen": unseen}
    found = probed(screen, embeddings["pca"], honest)
    assert np.isnan(found.loc[lost, "top1"])
    assert found.loc[lost, "n_unscored"] == len(unseen)
    assert found["n_cells"].sum() == len(test)
    with pytest.raises(DataError, match=f"1 perturbations of the test cells.*'{lost}'"):
        probed(screen, embeddings["pca"], parts | {"train": train})
    with pytest.raises(CannotAnswer, match="has no test cells"):
        probed(screen, embeddings["pca"], parts | {"test": np.array([], dtype=int)})
    with pytest.raises(ValueError, match="the published protocol has published"):
        probed(screen, embeddings["pca"], parts, protocol="published")


def test_always_naming_the_largest_perturbation_gets_its_cells_alone():
    table = pd.DataFrame(
        {"top1": [1.0, 0, 0, 0, 0, 0, 0, 0], "top5": np.nan, "n_cells": [93, 1, 1, 1, 1, 1, 1, 1],
         "n_unscored": 0}, index=list("abcdefgh"),
    )  # fmt: skip
    floor = separability_report.majority_floor(table)
    assert floor["top1"].to_list() == [1, 0, 0, 0, 0, 0, 0, 0]
    assert floor["top5"].isna().all()


# --------------------------------------------------------------------------- neighbourhood


def test_the_published_vote_is_the_share_of_controls(split):
    """With controls as many as in the paper, beside each perturbation."""
    screen = simulate_screen(
        rng=np.random.default_rng(4), n_cells=3_000, n_genes=150, n_targets=60, n_batches=12,
        control_share=0.4,
    )  # fmt: skip
    parts = batch_perturbation_split.function(screen)
    for embedding in (screen.obsm["latent"], np.random.default_rng(0).standard_normal((3_000, 9))):
        found = voted(screen, embedding, parts)
        assert found.loc[CONTROL, "top1"] > 0.99
        assert neighbours_report.without_controls(found)["top1"].max() < 0.05
        share = neighbours_report.control_share(parts)
        assert neighbours_report.over_cells(found) == pytest.approx(share, abs=0.005)


def test_published_votes_of_a_class_without_training_cells_are_wrong_and_counted(screen, split):
    """knn.py: every query is in the total, whether or not a vote for its class can be cast."""
    parts = split | {"train_controls": split["train_controls"][:0]}
    latent = screen.obsm["latent"]
    found = neighbours.published_votes.function(screen, latent, parts, posts=["raw"])
    found = found.set_index("perturbation")
    assert found["n_cells"].sum() == len(split["test"]) + len(split["test_controls"])
    assert found.loc[CONTROL, ["top1", "top5"]].tolist() == [0, 0]
    assert found.loc[CONTROL, "n_cells"] == len(split["test_controls"])


def test_neighbours_in_other_batches_find_the_perturbation(screen, embeddings):
    truth, noise = (retrieved(screen, embeddings[name]) for name in ("truth", "noise"))
    assert truth["top1"].mean() > 0.25
    assert truth["rank"].mean() < 6
    assert abs(noise["top1"].mean() - 1 / 24) < 0.02
    assert abs(noise["rank"].mean() - 12.5) < 1.5
    assert truth["average_precision"].mean() > 3 * noise["average_precision"].mean()
    assert truth["n_cells"].sum() == (screen.obs["perturbation"] != CONTROL).sum()
    sample = retrieved(screen, embeddings["truth"], n_queries=500)
    assert sample["n_cells"].sum() == 500


def test_cells_that_know_their_batch_only_find_nothing(screen, embeddings):
    found = retrieved(screen, embeddings["batch"])
    assert abs(found["top1"].mean() - 1 / 24) < 0.02


def test_a_perturbation_of_one_batch_is_not_scored_and_counted(screen, embeddings):
    name = screen.obs["perturbation"].cat.categories[0]
    batch = screen.obs["batch"].cat.categories[0]
    keep = ((screen.obs["perturbation"] != name) | (screen.obs["batch"] == batch)).to_numpy()
    found = retrieved(screen[keep], embeddings["pca"][keep])
    lost = int(((screen.obs["perturbation"] == name) & (screen.obs["batch"] == batch)).sum())
    assert found.loc[name, ["n_cells", "n_unscored"]].to_list() == [0, lost]
    assert found.loc[name, ["top1", "rank", "average_precision"]].isna().all()


# --------------------------------------------------------------------------- all of them


def asked(screen, embedding, split, task):
    if task == "mixing":
        return mixed(screen, embedding)
    if task == "probe":
        return probed(screen, embedding, split)
    if task == "vote":
        return voted(screen, embedding, split)
    return retrieved(screen, embedding)


TASKS = ("mixing", "probe", "vote", "retrieval")


@pytest.mark.parametrize("task", TASKS)
def test_embeddings_that_do_not_fit_are_refused(screen, embeddings, split, task):
    pca = embeddings["pca"]
    gap = pca.copy()
    gap[7, 3] = np.nan
    for wrong, message in (
        (pca[:-1], "2399 rows for 2400 cells"),
        (np.vstack([pca, pca[:2]]), "2402 rows for 2400 cells"),
        (gap, "row 7, column 3"),
        (np.ones_like(pca), "constant"),
        (pca[:, 0], r"shape \(2400,\)"),
    ):
        with pytest.raises(DataError, match=f"simulated: the embedding .*{message}"):
            asked(screen, wrong, split, task)
    with pytest.raises(DataError, match="post is 'best'"):
        prepared(screen, pca, post="best", shrink_below=0)
    with pytest.raises(DataError, match="make it with the same screen"):
        prepared(screen, pca, post="raw", shrink_below=0).positions([screen.n_obs])


@pytest.mark.parametrize("task", TASKS)
def test_one_dimension_and_duplicated_rows_are_scored(screen, embeddings, split, task):
    one = embeddings["truth"][:, :1]
    rounded = np.round(embeddings["truth"][:, :2])  # many cells coincide
    for embedding in (one, rounded):
        found = asked(screen, embedding, split, task)
        assert (found["n_cells"] + found["n_unscored"]).sum() > 0
        assert np.isfinite(found["n_cells"]).all()


def test_rows_in_another_order_score_like_noise(screen, embeddings, split):
    """An array carries no names: what comes from files is aligned by them before it gets here."""
    turned = np.random.default_rng(0).permutation(embeddings["truth"])
    parts = held_out_split.function(screen, fold=0, n_folds=2)
    assert probed(screen, turned, parts)["top1"].mean() < 0.1
    assert retrieved(screen, turned)["top1"].mean() < 0.1


def test_contexts_are_scored_one_at_a_time(screen, embeddings):
    two = screen.copy()
    two.obs["context"] = pd.Categorical(np.where(np.arange(screen.n_obs) % 2, "odd", "even"))
    with pytest.raises(DataError, match="pass context= one of even, odd"):
        retrieved(two, embeddings["pca"])
    with pytest.raises(DataError, match="no context 'old'"):
        retrieved(two, embeddings["pca"], context="old")
    found = retrieved(two, embeddings["pca"], context="even", k=15)
    alone = retrieved(screen[::2], embeddings["pca"][::2], k=15)
    pd.testing.assert_frame_equal(found, alone)


def test_scores_fit_the_schema_and_hold_what_was_found(screen, embeddings, split):
    shared = {
        "dataset": "simulated", "model": "PCA", "params": {"n_dims": 20}, "post": "raw",
        "role": "candidate", "seed": 0, "split": "all",
    }  # fmt: skip
    mixing_table = mixed(screen, embeddings["pca"])
    probe_table = probed(screen, embeddings["pca"], split)
    tables = [
        mixing_report.scores(mixing_table, protocol="revised", **shared),
        separability_report.scores(probe_table, protocol="revised", **shared),
        neighbours_report.scores(
            retrieved(screen, embeddings["pca"]), protocol="revised", **shared
        ),
    ]
    for table in tables:
        checked = score_table.check(table)
        assert PRIMARY[checked["task"].iloc[0]] in set(checked["metric"])
        for metric, values in checked.dropna().groupby("metric")["value"]:
            assert values.between(METRICS[metric].low, METRICS[metric].high).all()
    ratio = tables[0][tables[0]["metric"] == "ilisi_ratio"].set_index("unit")["value"]
    np.testing.assert_allclose(ratio, mixing_table["ilisi"] / mixing_table["permuted"])
    shuffled = mixing_report.scores(mixing_table, shuffled=True, protocol="revised", **shared)
    assert shuffled.query("metric == 'ilisi_ratio'")["value"].mean() == pytest.approx(1, abs=0.01)
    top1 = tables[1][tables[1]["metric"] == "probe_top1"].set_index("unit")["value"]
    pd.testing.assert_series_equal(top1, probe_table["top1"], check_names=False, check_index=False)


@pytest.mark.parametrize(
    ("task", "report"),
    [
        (mixing, mixing_report),
        (separability, separability_report),
        (neighbours, neighbours_report),
    ],
)
def test_each_departure_has_a_kind_and_a_reason(task, report):
    table = table_of(report.DEPARTURES)
    assert table["aspect"].is_unique
    assert set(table["kind"]) <= {"bug", "paper-code discrepancy", "design choice"}
    assert {"bug", "paper-code discrepancy"} <= set(table["kind"])
    assert (table["reason"].str.len() > 20).all()
    assert set(task.PROTOCOLS) == {"published", "revised"}


# --------------------------------------------------------------------------- LJP005


@pytest.fixture(scope="module")
def plate():
    from helpers.data.fetch import locate
    from helpers.data.sets.ljp005 import DATASET, read

    paths = {file.name: locate(file) for file in DATASET.files}
    if None in paths.values():
        pytest.skip("test_l1000.gct of ljp005 is not here: set BENCHBOOK_DATA")
    return read(paths)


def test_the_plate_is_what_its_description_says(plate):
    from helpers.data.contract import check

    assert check(plate).shape == (377, 978)
    obs = plate.obs
    treated = obs[obs["perturbation"] != CONTROL]
    assert treated["perturbation"].nunique() == 59
    assert len(obs) - len(treated) == 26
    assert sorted(treated["dose"].unique()) == [0.04, 0.12, 0.37, 1.11, 3.33, 10.0]
    assert not treated.duplicated(["perturbation", "dose"]).any()
    assert (obs.loc[obs["perturbation"] == CONTROL, "dose"] == 0).all()
    assert obs.loc["LJP005_A375_24H_X1_B19:C19", ["perturbation", "row", "column"]].to_list() == [
        "mitoxantrone", 2, 18,
    ]  # fmt: skip
    assert plate[plate.obs["well"] == "A03", "PSME1"].X.item() == pytest.approx(11.3819)
    # The doses of a compound lie side by side, nearly always in one row of the plate.
    assert (treated.groupby("perturbation", observed=True)["row"].agg(np.ptp) == 0).mean() > 0.9


def test_the_position_on_the_plate_names_compounds_better_than_expression(plate):
    found = {
        name: retrieved(plate, step.function(plate, **arguments), replicate="dose")
        for name, step, arguments in (
            ("position", plate_position, {}),
            ("genes", profile_genes, {}),
            ("pca", profile_pca, {"n_components": 32}),
        )
    }
    assert found["position"]["top1"].mean() > 0.8
    assert 0.1 < found["genes"]["top1"].mean() < 0.3
    assert 0.1 < found["pca"]["top1"].mean() < 0.3


def test_pca_of_profiles_keeps_their_distances(plate):
    whole = profile_pca.function(plate, n_components=377)
    centered = plate.X - plate.X.mean(axis=0)
    np.testing.assert_allclose(whole @ whole.T, centered @ centered.T, atol=0.05)
    variance = whole.var(axis=0)
    assert (np.diff(variance) <= 1e-6).all()
    with pytest.raises(ValueError, match="allow 1 to 377"):
        profile_pca.function(plate, n_components=378)


def test_profiles_are_asked_for_what_they_have(screen):
    with pytest.raises(DataError, match="X holds counts, not log"):
        profile_pca.function(screen, n_components=5)
    with pytest.raises(DataError, match="no column row, column"):
        plate_position.function(screen)


# --------------------------------------------------------------------------- steps and report


def test_pages_show_words_for_columns_and_values():
    from helpers.tasks.embeddings.readouts_report import readable

    table = pd.DataFrame(
        {"probe": ["mlp", "ridge"], "post": ["tvn", "raw"], "metric": "probe_top1", "n_units": 3}
    )
    shown = readable(table)
    assert list(shown) == ["probe", "post", "metric", "units"]
    assert shown.to_numpy().tolist() == [
        ["network", "TVN", "top-1", 3],
        ["ridge", "raw", "top-1", 3],
    ]
    assert list(readable(pd.DataFrame({"model": ["a"]}))) == ["model"]


def test_steps_hold_every_readout_and_gather_pools_their_folds(screen, embeddings, split):
    from helpers.tasks.embeddings.readouts_report import rankings, with_probe

    folds = [held_out_split.function(screen, fold=f, n_folds=2) for f in range(2)]
    readouts = [["linear", "raw"], ["ridge", "center_scaled"]]
    table = separability.linear_separability.function(
        screen, embeddings["pca"], folds, protocol="revised", readouts=readouts, seed=0
    )
    one = table[(table["probe"] == "ridge") & (table["post"] == "center_scaled")]
    expected = pooled(
        [probed(screen, embeddings["pca"], f, probe="ridge", post="center_scaled") for f in folds]
    )
    pd.testing.assert_frame_equal(one_readout(one), expected, check_dtype=False)
    posts = ["raw", "centered"]
    arguments = {"posts": posts, "seed": 0}
    for found, unit in (
        (
            mixing.batch_mixing.function(
                screen, embeddings["pca"], protocol="revised", **arguments
            ),
            "batch",
        ),
        (neighbours.neighbourhood.function(screen, embeddings["pca"], **arguments), "perturbation"),
        (
            neighbours.published_votes.function(screen, embeddings["pca"], split, posts=posts),
            "perturbation",
        ),
    ):
        assert list(found["post"].unique()) == posts
        assert not found.duplicated(["post", unit]).any()

    rows = []
    for model, shift in (("good", 0.5), ("bad", 0.0)):
        values = expected.assign(top1=np.linspace(0, 0.4, len(expected)) + shift)
        rows.append(
            separability_report.scores(
                values, dataset="simulated", model=model, params={"probe": "ridge"}, post="raw",
                protocol="revised", role="candidate", seed=0, split="batches",
            )
        )  # fmt: skip
    scored = with_probe(pd.concat(rows)).query("metric == 'probe_top1'")
    ranks = rankings(scored, "probe").set_index("model")
    assert ranks["rank"].to_dict() == {"good": 1, "bad": 2}
    means = group_means(scored, ["model"]).set_index("model")
    assert means.loc["good", "mean"] == pytest.approx(0.7)
    weighted = group_means(scored, ["model"], weighted=True).set_index("model")
    micro = np.average(scored[scored["model"] == "bad"]["value"], weights=expected["n_cells"])
    assert weighted.loc["bad", "mean"] == pytest.approx(micro)


@pytest.mark.parametrize("probe", ["linear", "ridge"])
def test_a_penalty_is_chosen_by_what_is_scored(probe):
    """Of three classes the first five are always right, whatever the penalty."""
    rng = np.random.default_rng(0)
    y = rng.choice(3, p=[0.8, 0.1, 0.1], size=900)  # a heavy penalty names the large class only
    x = rng.normal(size=(900, 30))
    x[:, :3] += 1.5 * np.eye(3)[y]
    held_out = np.arange(900) % 4 == 0
    fitted = separability._fit(probe, x, y, held_out, 3, 0)
    penalties = {"linear": separability.LINEAR_PENALTIES, "ridge": separability.RIDGE_PENALTIES}
    kinds = {"linear": separability.LinearProbe, "ridge": separability.RidgeProbe}
    reached = {}
    for penalty in penalties[probe]:
        one = kinds[probe](penalty).fit(x[~held_out], y[~held_out], n_classes=3)
        named = one.decision_function(x[held_out]).argmax(axis=1)
        reached[penalty] = np.mean([(named == c)[y[held_out] == c].mean() for c in range(3)])
    assert fitted.penalty == max(reached, key=reached.get)
    assert probe == "ridge" or fitted.penalty != penalties[probe][0]


def test_what_a_probe_needs_is_counted_in_guides_and_batches():
    obs = pd.DataFrame(
        {
            "perturbation": ["control", "control", "A", "A", "B", "B", "C"],
            "batch": list("1212112"),
            "guide": ["n1", "n2", "a1", "a2", "b1", "b1", "c1"],
        }
    )
    screen = anndata.AnnData(np.zeros((7, 1)), obs=obs.set_index(obs.index.astype(str)))
    has = separability.available(screen)
    assert has == {"batches": 2, "guided_targets": 1, "retrieved_classes": 1}
    unknown = screen.copy()
    unknown.obs.loc["2", "guide"] = None
    assert separability.available(unknown)["guided_targets"] == 0
    del screen.obs["guide"]
    assert separability.available(screen)["guided_targets"] == 0


@pytest.mark.parametrize(
    "named_right, said",
    [
        ([0.5, 0.25], "Named best is t0, by 0.50."),
        ([0.0] * 7, "Named best is t0, by 0.00."),
        ([float("nan")] * 7, "No target was scored."),
        (
            [0.9] * 2 + [0.1] * 2,
            "Of 4 targets 2 (t0, t1) make up 90% of that mean; the other 2 have 0.10 on average.",
        ),
        (
            [0.6, 0.6, 0.6, float("nan"), 0.6],
            "Of 4 targets 2 (t0, t1) make up 50% of that mean; the other 2 have 0.60 on average.",
        ),
    ],
)
def test_the_share_of_a_few_targets_is_told_and_with_few_the_best(named_right, said):
    by_target = pd.Series(named_right, index=[f"t{i}" for i in range(len(named_right))])
    found = separability_report.share_of_few(by_target, few=2)
    assert found == said
