"""Retention, retraining and the experiments of tier 4, against plain re-computations."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.explanation.lda import (
    group_members,
    informative_genes,
    informative_groups,
    simulate_lda,
)
from helpers.data.explanation.lda_settings import lda
from helpers.metrics.explanation.heads import Head
from helpers.metrics.explanation.retention import balanced_accuracy, retained_accuracy
from helpers.models.explanation.classifiers import (
    LogisticRegression,
    fit_logistic_regression,
    fit_mlp,
    standardise,
)
from helpers.plots import page
from helpers.plots.heatmap import heatmap
from helpers.scores import check
from helpers.summaries import draw_means
from helpers.tasks.explanation import (
    experiments,
    lda_report,
    practice,
    rankings,
    report,
    retention,
    retraining,
)
from helpers.tasks.explanation import lda as lda_task
from helpers.tasks.explanation.attribution import reference_scores
from helpers.tasks.explanation.explained import explained
from helpers.tasks.explanation.rankings import FAMILIES, gene_rankings
from helpers.tasks.requirements import CannotAnswer


def simulated(name="small SIMU1", **knobs):
    step = lda(name, 3, **knobs)
    return step.function.function(**step.arguments)


SMALL = {"n_genes": 240, "n_groups": 24, "groups_per_kind": 3}


@pytest.fixture(scope="module")
def four():
    """Four classes of 40 samples, three groups of ten genes each, half of the groups nobody's."""
    return simulated(n_per_kind=[40] * 4, **SMALL)


@pytest.fixture(scope="module")
def mixed():
    """Two classes, the first of which hides three kinds."""
    return simulated("small SimuB", n_per_kind=[40] * 4, **SMALL)


@pytest.fixture(scope="module")
def fit(four):
    return fit_logistic_regression.function(four, seed=0)


# ---------------------------------------------------------------------------- retention


def test_retained_accuracy_is_that_of_the_whole_model_on_masked_profiles(four):
    """The model itself, run on profiles whose other genes were overwritten."""
    for train in (fit_logistic_regression, fit_mlp):
        fitted = train.function(four, seed=1)
        head = Head.of(fitted)
        Z = standardise(four.X, fitted["mean"], fitted["sd"])[-30:]
        targets = four.obs["class"].cat.codes.to_numpy()[-30:].astype(int)
        rng = np.random.default_rng(0)
        baseline = rng.normal(size=four.n_vars).astype(np.float32)
        keep = rng.random((4, four.n_vars)) < 0.1
        found = retained_accuracy(head, Z, targets, baseline, keep)
        for mask, value in zip(keep, found, strict=True):
            masked = np.where(mask, Z, baseline)
            predicted = head.probabilities(head.hidden(masked)).argmax(axis=1)
            recalls = [
                np.mean(predicted[targets == c] == c) for c in range(4) if (targets == c).any()
            ]
            assert value == pytest.approx(np.mean(recalls))


def test_balanced_accuracy_weighs_classes_alike():
    truth = np.array([0] * 90 + [1] * 10)
    assert balanced_accuracy(np.zeros(100, int), truth) == 0.5
    with pytest.raises(ValueError, match="predictions for"):
        balanced_accuracy([0], truth)


def test_retention_refuses_masks_and_rankings_of_other_genes(four, fit):
    head = Head.of(fit)
    Z = np.zeros((2, four.n_vars), dtype=np.float32)
    with pytest.raises(ValueError, match="bool, one column for each of 240 genes"):
        retained_accuracy(head, Z, np.array([0, 1]), Z[0], np.ones((1, 240)))
    with pytest.raises(DataError, match="the ranking has 5 genes, the data 240"):
        retention.retention.function(four, fit, np.ones((1, 5)), sizes=[1], n_random=1, seed=0)
    with pytest.raises(DataError, match="the ranking has 5 genes, the data 240"):
        retraining.retrained_mlp.function(four, np.ones((1, 5)), sizes=[1], n_random=1, seed=0)


def test_retention_of_the_truth_beats_random_genes_and_ends_at_the_whole_model(four, fit):
    truth = np.stack([t.astype(float) for t in informative_genes(four).values()])
    table = retention.retention.function(four, fit, truth, sizes=[30, 240], n_random=4, seed=0)
    whole = practice.accuracies.function(four, fit)["test"]
    curve = retention.curve(table).set_index(["selection", "k"])["accuracy"]
    assert curve["best", 240] == pytest.approx(whole)
    assert curve["random", 240] == pytest.approx(whole)
    assert curve["best", 30] > 0.9
    # without the best no informative gene is left: half of the genes tell nothing
    assert curve["random without best", 30] < 0.6
    assert ("all but best", 240) not in curve.index
    assert ("random without best", 240) not in curve.index
    sizes = table[table["k"] == 30].groupby("selection")["n_genes"].unique()
    assert {name: list(n) for name, n in sizes.items()} == {
        "best": [120],
        "all but best": [120],
        "random": [120],
        "random without best": [120],
    }


def test_published_retention_looks_at_correct_samples_only(four, fit):
    ranking = np.ones((1, four.n_vars))
    for protocol, expected in (("published", 1.0), ("revised", None)):
        table = retention.retention.function(
            four, fit, ranking, sizes=[240], n_random=1, seed=0, protocol=protocol
        )
        found = explained(four, fit)
        n = found.correct.sum() if protocol == "published" else len(found.Z)
        assert table["n"].unique() == [n]
        if expected:
            assert (table["accuracy"] == expected).all()


def test_retraining_is_a_plain_fit_on_the_selected_genes(four):
    ranking = np.arange(240.0)
    table = retraining.retrained(
        lambda seed: LogisticRegression(random_state=seed),
        four,
        ranking,
        sizes=[20],
        n_random=2,
        seed=5,
    )
    assert table["selection"].tolist() == ["best", "worst", *["random", "random without best"] * 2]
    rng = np.random.default_rng(5)
    rng.random(240)  # orders ties
    for _ in range(2):
        rng.choice(np.arange(240), 20, replace=False)
        rng.choice(np.arange(220), 20, replace=False)
    seed = int(rng.integers(2**31, size=6)[0])
    train = (four.obs["split"] == "train").to_numpy()
    x = four.X[:, -20:].astype(float)
    z = (x - x[train].mean(axis=0)) / x[train].std(axis=0, ddof=1)
    labels = four.obs["class"].to_numpy().astype(str)
    model = LogisticRegression(random_state=seed).fit(z[train], labels[train])
    predicted = model.predict(z[~train])
    expected = np.mean(
        [(predicted[labels[~train] == c] == c).mean() for c in np.unique(labels[~train])]
    )
    assert table["accuracy"].iloc[0] == pytest.approx(expected)


def test_informative_genes_hold_more_than_others_when_trained_anew(four):
    truth = np.any(list(informative_genes(four).values()), axis=0).astype(float)
    table = retraining.retrained_mlp.function(four, truth, sizes=[60], n_random=2, seed=0)
    mean = table.groupby("selection")["accuracy"].mean()
    assert mean["best"] > 0.8
    assert mean["worst"] < 0.5  # none of the last 60 is informative
    rows = retention.score_rows(
        table,
        task="retraining",
        metric="retrained_accuracy",
        dataset="simulated",
        model="MLP",
        seed=0,
    )
    assert set(check(rows)["role"]) == {"candidate", "floor"}


# ---------------------------------------------------------------------------- what is planted


def test_moments_and_lost_genes_are_those_of_the_model(four):
    table = lda_task.moments.function(four).set_index("quantity")
    assert table.loc["fold change of an over-expressed group", "found"] == pytest.approx(2, abs=0.1)
    known = table.dropna()
    np.testing.assert_allclose(known["found"], known["expected"], rtol=0.1)
    assert len(known) == 5
    bare = four.copy()
    del bare.obsm["theta"]
    with pytest.raises(DataError, match="keep_theta=True"):
        lda_task.moments.function(bare)
    assert lda_task.genes_of_no_group.function(four)["n_lost"] == 0
    random = simulated("small SIMU2", n_per_kind=[2] * 8)
    lost = lda_task.genes_of_no_group.function(random)
    assert lost["n_lost"] == (random.X.sum(axis=0) == 0).sum()
    sizes = np.diff(random.uns["truth"]["indptr"])
    assert lost["expected"] == pytest.approx((1 - sizes.mean() / 1200) ** 240)
    assert lost["low"] - 0.02 < lost["expected"] < lost["high"] + 0.02


def test_what_a_sample_shows_is_counted_gene_by_gene(four, mixed):
    table = lda_task.shown_by_a_sample.function(four).set_index("sample")
    train = (four.obs["split"] == "train").to_numpy()
    mean = four.X[train].astype(float).mean(axis=0)
    truth = informative_genes(four)
    for name in table.index[:5]:
        i = list(four.obs_names).index(name)
        own = np.flatnonzero(truth[four.obs["class"].iloc[i]])
        assert table.loc[name, "share"] == np.mean([four.X[i, g] > mean[g] for g in own])
    two = simulated("small SimuA", n_per_kind=[20, 20])
    fit = {"mean": np.zeros(two.n_vars), "sd": np.ones(two.n_vars)}
    planted = reference_scores.function(two, fit, seed=0)
    ceiling = planted[
        planted["model"].eq("planted truth") & planted["metric"].eq("feature_agreement_local")
    ]
    shown = lda_task.shown_by_a_sample.function(two).groupby("class")["share"].mean()
    assert shown.iloc[0] == pytest.approx(ceiling["value"].item(), abs=0.02)
    check(lda_report.score_rows(table.reset_index(), dataset="simulated", seed=0))
    with pytest.raises(DataError, match="kinds are hidden"):
        lda_task.shown_by_a_sample.function(mixed)


def test_settings_are_those_of_the_published_table():
    table = lda_report.settings().set_index("data set")
    assert table.loc["SIMU1", ["classes", "samples", "genes", "groups"]].tolist() == [
        *(33, 9_900, 15_000, 1_500),
    ]
    assert table["informative genes"].to_dict() == {
        "SIMU1": 370,
        "SIMU2": 365,
        "SimuA": 10_000,
        "SimuB": 10_000,
        "SimuC": 10_000,
    }
    assert table["kinds in the first class"].tolist() == [1, 1, 1, 3, 5]
    assert table["groups share genes"].to_dict()["SIMU2"]


def test_correlations_of_pairs_are_pearsons(four):
    found = lda_task.correlation_of_pairs.function(four, n_pairs=500, seed=0)
    assert (np.diff(found) >= 0).all()
    assert found.min() >= -1 and found.max() <= 1
    alone = four[:, :2].copy()
    from helpers.models.explanation.rankings import expression

    x = expression(alone)[(alone.obs["split"] == "train").to_numpy()]
    pair = lda_task.correlation_of_pairs.function(alone, n_pairs=3, seed=0)
    np.testing.assert_allclose(pair, np.corrcoef(x.T)[0, 1])


# ---------------------------------------------------------------------------- experiments


def test_a_shortcut_raises_genes_of_nobody_and_is_named(four):
    changed = experiments.with_shortcut.function(four, groups_per_class=2, fold=3.0)
    shortcut = changed.var["shortcut"].to_numpy()
    informative = np.any(list(informative_genes(four).values()), axis=0)
    assert shortcut.sum() == 4 * 2 * 10
    assert not (shortcut & informative).any()
    members = group_members(four)
    first = np.concatenate(members[16:18])  # of class 0, the first of eight groups at the end
    own = (four.obs["class"] == "class 0").to_numpy()
    np.testing.assert_array_equal(changed.X[own][:, first], 3 * four.X[own][:, first])
    np.testing.assert_array_equal(changed.X[~own][:, first], four.X[~own][:, first])
    table = experiments.named_genes.function(
        changed, fit_logistic_regression.function(changed, seed=0)
    )
    plain = experiments.named_genes.function(four, fit_logistic_regression.function(four, seed=0))
    np.testing.assert_allclose(table[["informative", "shortcut", "neither"]].sum(axis=1), 1)
    assert (plain["shortcut"] == 0).all()
    assert table["shortcut"].mean() > 0.1
    for groups, fold in ((4, 2.0), (1, 1.0)):
        with pytest.raises(DataError, match="belong to no class"):
            experiments.with_shortcut.function(four, groups_per_class=groups, fold=fold)


def test_noise_goes_into_genes_without_reads_and_no_others():
    shared = simulate_lda(
        np.random.default_rng(0), n_per_kind=[20] * 2, n_genes=200, n_groups=20,
        groups_per_kind=4, design="random", n_reads=20_000,
    )  # fmt: skip
    shared.uns["dataset"] = {"name": "shared"}
    noisy = experiments.with_noise_in_empty_genes.function(shared, seed=1)
    empty = ~shared.X.any(axis=0)
    assert 40 < empty.sum() < 120  # (1 - 10/200)^20 of 200 genes: 72 are expected
    np.testing.assert_array_equal(noisy.var["noise"], empty)
    np.testing.assert_array_equal(noisy.X[:, ~empty], shared.X[:, ~empty])
    assert noisy.X[:, empty].std(axis=0).min() > 0.15e-4  # uniform: 0.29e-4
    assert 0.99e-4 < noisy.X[:, empty].max() <= 1e-4
    with pytest.raises(DataError, match="every gene has reads"):
        experiments.with_noise_in_empty_genes.function(noisy, seed=1)


def test_hidden_kinds_come_back_from_explanations(mixed):
    fitted = fit_mlp.function(mixed, seed=0)
    found = experiments.recovered_kinds.function(mixed, fitted, seed=0)
    assert found["explanations"] > 0.3  # 40 samples a kind; 0 by chance
    assert abs(found["permuted"]) < 0.15
    assert found["n_kinds"] == 3
    table = experiments.levels_of_agreement.function(mixed, fitted, seed=0)
    mean = table.groupby("level")["value"].mean()
    assert mean["average of the kind"] > mean["average of the class"]
    assert mean["average of the kind"] > mean["single samples"]


def test_merged_classes_keep_what_they_were():
    obs = pd.DataFrame(
        {"class": ["a", "b", "c", "a"], "split": "train"}, index=list("wxyz"), dtype="category"
    )
    data = ad.AnnData(np.zeros((4, 1), dtype=np.float32), obs=obs)
    merged = experiments.merged_classes.function(data, merge=["a", "b"], name="ab")
    assert merged.obs["class"].tolist() == ["ab", "ab", "c", "ab"]
    assert merged.obs["kind"].tolist() == ["a", "b", "c", "a"]
    assert data.obs["class"].tolist() == ["a", "b", "c", "a"]
    with pytest.raises(DataError, match=r"there are \['a', 'b', 'c'\]"):
        experiments.merged_classes.function(data, merge=["a", "d"], name="x")


def test_a_part_of_training_keeps_classes_and_all_test_samples(four):
    part = experiments.part_of_training.function(four, share=0.5, seed=0)
    before = four.obs.groupby(["split", "class"], observed=True).size()
    after = part.obs.groupby(["split", "class"], observed=True).size()
    assert (after["test"] == before["test"]).all()
    assert (after["train"] == (before["train"] * 0.5).round()).all()
    other = experiments.part_of_training.function(four, share=0.5, seed=1)
    assert set(other.obs_names) != set(part.obs_names)
    with pytest.raises(DataError, match=r"share is 1.0"):
        experiments.part_of_training.function(four, share=1.0, seed=0)


def test_rankings_of_explanations_are_means_over_correct_samples(four, fit):
    ranking = rankings.attribution_ranking.function(four, fit, split="train")
    found = explained(four, fit, split="train")
    own = (found.labels == "class 2") & found.correct
    np.testing.assert_allclose(
        ranking[2], np.abs(found.attributions[own]).mean(axis=0), rtol=1e-5, atol=1e-9
    )
    shap = rankings.linear_shap_ranking.function(four, fit, split="train")
    weights = fit["weights"].astype(float)
    centred = weights - weights.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        shap[2], np.abs(found.Z[own] * centred[:, 2]).mean(axis=0), rtol=1e-4, atol=1e-9
    )
    np.testing.assert_allclose(
        rankings.weight_ranking.function(four, fit),
        np.abs(centred).T,
        rtol=1e-5,
        atol=1e-7,
    )
    mlp = fit_mlp.function(four, seed=0)
    for ranking_of in (rankings.weight_ranking, rankings.linear_shap_ranking):
        with pytest.raises(DataError, match="hidden layer"):
            ranking_of.function(four, mlp)


def test_a_model_that_does_not_fit_is_refused_or_not_scored(four, fit):
    unfit = fit | {"train_accuracy": np.array(0.8)}
    with pytest.raises(CannotAnswer):
        rankings.attribution_ranking.function(four, unfit)
    nothing = rankings.attribution_ranking.function(four, unfit, unfit="nan")
    assert nothing.shape == (4, 240) and np.isnan(nothing).all()
    found = rankings.ranking_agreement(
        nothing[0],
        informative_genes(four)["class 0"],
        group_members(four),
        informative_groups(four)["class 0"],
    )
    assert all(np.isnan(value) for value in found.values())
    with pytest.raises(DataError, match="unfit is 'drop'"):
        rankings.attribution_ranking.function(four, unfit, unfit="drop")


def test_the_roster_names_one_ranking_a_method():
    steps = gene_rankings(lda("demo", 0), seed=0)
    assert list(steps) == list(FAMILIES)
    assert len({step.key for step in steps.values()}) == len(steps)


# ---------------------------------------------------------------------------- practice


def test_gaps_fall_with_nodes_and_a_fine_grid_closes_them():
    two = simulated("small SimuA", n_per_kind=[40, 40], **SMALL)
    fitted = fit_logistic_regression.function(two, seed=0)
    table = practice.gaps_by_nodes.function(two, fitted, nodes=[5, 2000]).set_index("nodes")
    assert table.loc[2000, "gap"] < 0.01 < table.loc[5, "gap"]
    pairs = practice.two_baselines.function(two, fitted)
    assert pairs["value"].between(0, 1).all() and len(pairs) == 4
    with pytest.raises(DataError, match="where there are two classes"):
        practice.two_baselines.function(simulated(n_per_kind=[10] * 4, **SMALL), fitted)


def test_samples_are_told_apart_by_whether_the_model_is_right(four, fit):
    table = practice.agreement_of_samples.function(four, fit).set_index("samples")
    found = explained(four, fit)
    assert table["n"].to_dict() == {"right": found.correct.sum(), "wrong": (~found.correct).sum()}
    assert np.isnan(table.loc["wrong", "value"]) == (table.loc["wrong", "n"] == 0)
    both = practice.normalised_or_not.function(four, fit)
    assert both["value"].between(0, 1).all() and (both["spread"] >= 1).all()


def test_intervals_are_students_and_count_what_is_missing():
    from scipy import stats

    values = [0.4, 0.5, 0.7, np.nan]
    frame = pd.DataFrame({"model": "a", "value": values})
    row = draw_means(frame, ["model"]).iloc[0]
    expected = stats.t.interval(0.95, 2, np.mean(values[:3]), stats.sem(values[:3]))
    np.testing.assert_allclose([row["low"], row["high"]], np.clip(expected, 0, 1))
    assert (row["n_draws"], row["n_unscored"]) == (3, 1)
    one = draw_means(frame[:1], ["model"]).iloc[0]
    assert one["mean"] == 0.4 and np.isnan(one["low"])


def test_draws_are_averaged_before_their_interval_is_taken():
    values = pd.DataFrame(
        {
            "dataset": "d",
            "model": "m",
            "draw": [0, 0, 1, 1],
            "seed": 0,
            "unit": ["a", "b", "a", "b"],
            "n": 1,
            "value": [0.0, 0.2, 0.4, np.nan],
        }
    )
    table = report.experiment_rows(
        values, task="attribution", metric="feature_agreement_global", unit_kind="class"
    )
    row = report.over_draws(check(table), ["metric", "model"]).iloc[0]
    assert row["mean"] == pytest.approx((0.1 + 0.4) / 2)
    assert (row["n_draws"], row["n_unscored"]) == (2, 1)
    assert (row["low"], row["high"]) == (0, 1)  # cut at the range of the metric
    square = pd.DataFrame(np.eye(2), index=["m", "f"], columns=["m", "f"])
    pairs = report.overlap_rows(
        square, dataset="d", n_top=5, seed=0, roles={"m": "candidate", "f": "floor"}
    )
    assert check(pairs)["role"].tolist() == ["candidate", "floor", "floor"]


# ---------------------------------------------------------------------------- heat maps


def test_a_heatmap_names_blocks_and_refuses_what_it_cannot_draw():
    frame = pd.DataFrame(np.arange(12.0).reshape(3, 4), index=list("abc"))
    figure = heatmap(
        frame, columns=["x", "x", "y", "y"], label="value", xlabel="", ylabel="rows", centre=5.0
    )
    ax = figure.axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["x", "y"]
    assert ax.get_xticks().tolist() == [1, 3]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "c"]
    (mesh,) = ax.collections
    assert mesh.get_clim() == (-1, 11)  # centred
    assert "<svg" in page.svg(figure, alt="A heat map.", name="map")
    for table, columns, said in (
        (frame * np.nan, None, "without a number"),
        (frame, ["x"], "1 blocks for 4"),
    ):
        with pytest.raises(ValueError, match=said):
            heatmap(table, columns=columns, label="v", xlabel="", ylabel="")
