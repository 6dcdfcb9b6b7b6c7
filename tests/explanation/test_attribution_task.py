"""The task on the fixture whose values were found independently, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from helpers.data.contract import DataError
from helpers.data.explanation.lda import simulate_lda
from helpers.data.explanation.lda_settings import SETTINGS
from helpers.metrics.explanation.facts import METRICS, PRIMARY
from helpers.models.explanation.classifiers import fit_logistic_regression, fit_mlp
from helpers.models.explanation.gene_graph import correlation_graph
from helpers.scores import check
from helpers.tasks.explanation import attribution_published as published
from helpers.tasks.explanation import attribution_report as report
from helpers.tasks.explanation.attribution import (
    attribution_scores,
    permuted_classes,
    reference_scores,
)
from helpers.tasks.explanation.explained import baseline_of, explained, studied_classes
from helpers.tasks.explanation.rankings import attribution_ranking
from helpers.tasks.requirements import CannotAnswer

MODELS = {"LR": fit_logistic_regression, "MLP": fit_mlp}


def simulated(name, seed=0, **changes):
    return simulate_lda(np.random.default_rng(seed), **{**SETTINGS[name], **changes})


@pytest.fixture(scope="module")
def data():
    return simulated("small SIMU1")


@pytest.fixture(scope="module")
def fits(data):
    return {name: step.function(data, seed=1) for name, step in MODELS.items()}


@pytest.fixture(scope="module")
def tables(data, fits):
    graph = correlation_graph.function(data)
    return {
        name: attribution_scores.function(data, fit, graph, protocol="published", n_random=3)
        for name, fit in fits.items()
    }


@pytest.fixture(scope="module")
def means(tables):
    return {name: t.groupby("metric")["value"].mean() for name, t in tables.items()}


def test_values_of_the_fixture_are_those_found_independently(means):
    """Ranges over two draws and three seeds of an independent numpy implementation."""
    expected = {
        "LR": {
            "balanced_accuracy": (0.98, 1),
            "feature_agreement_local": (0.68, 0.76),
            "feature_agreement_global": (0.97, 1),
            "pgu_local": (0.005, 0.010),
            "pgi_local": (0.935, 0.96),
            "pgu_global": (0.03, 0.08),
            "pgi_global": (0.34, 0.45),
            "pgu_per_class": (0.005, 0.012),
            "pgi_per_class": (0.88, 0.93),
            "pgr": (0.045, 0.095),
        },
        "MLP": {
            "balanced_accuracy": (0.99, 1),
            "feature_agreement_local": (0.73, 0.80),
            "feature_agreement_global": (0.99, 1),
            "pgu_local": (0.009, 0.016),
            "pgi_local": (0.92, 0.95),
            "pgu_global": (0.11, 0.18),
            "pgi_global": (0.39, 0.47),
            "pgu_per_class": (0.013, 0.023),
            "pgi_per_class": (0.84, 0.90),
            "pgr": (0.15, 0.24),
        },
    }
    for model, ranges in expected.items():
        for metric, (low, high) in ranges.items():
            assert low <= means[model][metric] <= high, (model, metric, means[model][metric])


def test_gaps_stand_in_their_order(means):
    for found in means.values():
        assert found["pgu_local"] < found["pgr"] < found["pgi_local"]
        assert found["pgi_per_class"] > found["pgi_global"] + 0.3
        assert found["completeness_gap"] < 0.005
        assert found["pgu_adjusted"] >= found["pgu_local"]


def test_diffusion_over_the_true_groups_helps(means):
    for found in means.values():
        assert found["feature_agreement_local_diffused"] > found["feature_agreement_local"]
        assert found["feature_agreement_global_diffused"] > 0.99


def test_every_metric_is_known_and_every_class_is_scored(tables):
    for table in tables.values():
        assert set(table["metric"]) <= set(METRICS)
        assert (table.groupby("metric")["unit"].nunique() == 8).all()
        for metric, values in table.groupby("metric")["value"]:
            assert values.between(METRICS[metric].low, METRICS[metric].high).all()
    assert PRIMARY["attribution"] in set(tables["LR"]["metric"])


def test_local_agreement_is_that_of_a_plain_loop(data, fits):
    found = explained(data, fits["LR"])
    ours = attribution_scores.function(data, fits["LR"], protocol="revised", n_random=0)
    ours = ours[ours["metric"] == "feature_agreement_local"].set_index("unit")["value"]
    for c in (0, 5):
        own = (found.labels == f"class {c}") & found.correct
        truth = set(range(120 * c, 120 * c + 120))
        lists = np.argsort(-found.attributions[own], axis=1)[:, :120]
        expected = np.mean([len(truth & set(genes)) / 120 for genes in lists])
        assert ours[f"class {c}"] == pytest.approx(expected)


def test_rankings_without_a_model_stand_around_the_models(data, fits, means):
    table = reference_scores.function(data, fits["LR"], seed=0)
    value = table.groupby(["model", "metric"])["value"].mean()
    local = "feature_agreement_local"
    assert abs(value["random order", local] - 0.1) < 0.01
    assert value["expression alone", local] < means["LR"][local] < value["planted truth", local]
    assert 0.85 < value["planted truth", local] < 0.97
    assert value["planted truth", "feature_agreement_global"] == 1


def test_permuted_classes_give_chance_agreement_and_large_gaps(data):
    permuted = permuted_classes.function(data, seed=0)
    assert sorted(permuted.obs["class"]) == sorted(data.obs["class"])
    fit = fit_logistic_regression.function(permuted, seed=0)
    table = attribution_scores.function(permuted, fit, protocol="revised", n_random=1)
    found = table.groupby("metric")["value"].mean()
    assert abs(found["feature_agreement_local"] - 0.1) < 0.04
    assert found["pgi_local"] > 0.8


def test_hidden_kinds_lower_agreement_of_a_class():
    """The mean of the second class is the baseline; the first is explained, kind by kind."""
    one, several = simulated("small SimuA"), simulated("small SimuB")
    assert studied_classes(several) == ["class 0"]
    values = {}
    for name, data in (("one", one), ("several", several)):
        fit = fit_logistic_regression.function(data, seed=0)
        second = (data.obs["class"] == "class 1") & (data.obs["split"] == "train")
        z = (data.X[second.to_numpy()] - fit["mean"]) / fit["sd"]
        np.testing.assert_allclose(baseline_of(data, fit), z.mean(axis=0), atol=1e-4)
        table = attribution_scores.function(data, fit, protocol="published", n_random=1)
        values[name] = table.groupby("metric")["value"].mean()
        units = table.groupby("metric")["unit"].agg(set)
        assert units["balanced_accuracy"] == {"class 0", "class 1"}
        assert units["pgi_local"] == {"class 0"}
    assert units["feature_agreement_global"] == {"kind 0", "kind 1", "kind 2"}
    for metric in ("feature_agreement_local", "feature_agreement_global"):
        assert values["several"][metric] < values["one"][metric] - 0.05


def test_a_constant_gene_gets_nothing_and_spoils_nothing(data):
    constant = data.copy()
    constant.X[:, 7] = 100
    fit = fit_mlp.function(constant, seed=0)
    found = explained(constant, fit)
    assert (found.attributions[:, 7] == 0).all()
    assert np.isfinite(found.attributions).all()


def test_class_attributions_are_means_over_correct_samples(data, fits):
    found = explained(data, fits["MLP"])
    signed, absolute = (
        attribution_ranking.function(data, fits["MLP"], signed=s)[3] for s in (True, False)
    )
    own = found.attributions[(found.labels == "class 3") & found.correct]
    np.testing.assert_allclose(signed, own.mean(axis=0), atol=1e-7)
    np.testing.assert_allclose(absolute, np.abs(own).mean(axis=0), atol=1e-7)


def test_gradient_times_input_is_scored_too(data, fits):
    table = attribution_scores.function(
        data, fits["LR"], protocol="revised", n_random=0, method="gradient x input"
    )
    value = table.groupby("metric")["value"].mean()
    assert np.isnan(value["completeness_gap"])
    assert value["feature_agreement_local"] > 0.3


def test_a_class_that_is_never_right_is_counted_and_not_scored(data, fits):
    fit = dict(fits["LR"])
    fit["bias"] = fit["bias"].copy()
    fit["bias"][2] = -1e4
    table = attribution_scores.function(data, fit, protocol="published", n_random=1)
    lost = table[(table["unit"] == "class 2") & (table["metric"] != "completeness_gap")]
    assert lost.set_index("metric")["value"]["balanced_accuracy"] == 0
    rest = lost[lost["metric"] != "balanced_accuracy"]
    assert rest["value"].isna().all()
    assert (rest["n"] == 0).all()
    fits_table = report.by_draw(rows(table))
    assert fits_table.set_index("metric")["unscored"]["pgi_local"] == 1


def rows(table, **changes):
    named = {"dataset": "small SIMU1", "draw": 0, "model": "LR", "protocol": "published"}
    named |= {"role": "candidate", "params": {}, "seed": 1}
    return report.score_rows(table, **(named | changes))


def test_rows_satisfy_the_score_schema(tables):
    both = [rows(tables["LR"]), rows(tables["MLP"], model="MLP"), rows(tables["LR"], draw=1)]
    found = check(pd.concat(both, ignore_index=True))
    assert set(found["unit_kind"]) == {"class", "kind"}


def test_a_model_that_does_not_fit_is_not_explained(data, fits):
    fit = dict(fits["LR"], train_accuracy=np.array(0.97))
    with pytest.raises(CannotAnswer, match=r"97\.0% of its training samples right"):
        explained(data, fit)


def test_classes_that_cannot_be_separated_are_not_explained():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {"class": ["a", "b"] * 50, "split": ["train"] * 60 + ["test"] * 40}, dtype="category"
    )
    obs.index = obs.index.astype(str)
    X = rng.normal(size=(100, 3)).astype(np.float32)
    data = AnnData(X, obs=obs, uns={"dataset": {"name": "noise"}})
    fit = fit_logistic_regression.function(data, seed=0)
    with pytest.raises(CannotAnswer, match="noise, attribution, revised protocol"):
        attribution_scores.function(data, fit, protocol="revised")


def test_what_the_task_refuses(data, fits):
    fit = fits["LR"]
    with pytest.raises(DataError, match="protocol is 'ours'"):
        explained(data, fit, protocol="ours")
    with pytest.raises(DataError, match="method is 'SHAP'"):
        explained(data, fit, method="SHAP")
    with pytest.raises(DataError, match="has 1199 genes, the model 1200"):
        explained(data[:, 1:], fit)
    with pytest.raises(DataError, match="split 'all' holds no sample"):
        explained(data, fit, split="all")
    broken = data.copy()
    broken.X = broken.X.astype(np.float32)
    broken.X[300, 5] = np.nan
    with pytest.raises(DataError, match="NaN or infinite, first in sample"):
        explained(broken, fit)


# --------------------------------------------------------------------------- report


def fake(values, model="LR", metric="pgr", dataset="SIMU1"):
    """Score table with these macro averages, draws x seeds."""
    tables = []
    for draw, row in enumerate(values):
        for seed, value in enumerate(row):
            table = pd.DataFrame(
                {"metric": metric, "unit_kind": "class", "unit": ["class 0", "class 1"]}
            )
            table = table.assign(n=[9, 9], value=[value / 100 - 0.01, value / 100 + 0.01])
            tables.append(rows(table, dataset=dataset, draw=draw, model=model, seed=seed))
    return pd.concat(tables, ignore_index=True)


def test_prediction_interval_of_a_draw_and_the_two_spreads():
    values = np.array([[3.0, 3.2], [4.0, 4.2], [3.6, 3.4]])
    values = values + 40  # away from the range's end, where intervals are cut
    (found,) = report.spread(fake(values)).itertuples()
    draws = values.mean(axis=1)
    half = 4.302653 * draws.std(ddof=1) * (1 + 1 / 3) ** 0.5  # t with 2 degrees of freedom
    assert found.value == pytest.approx(draws.mean())
    assert (found.low, found.high) == pytest.approx((draws.mean() - half, draws.mean() + half))
    within = values.std(axis=1, ddof=1) ** 2
    assert found.sd_training**2 == pytest.approx(within.mean())
    assert found.sd_draw**2 == pytest.approx(draws.var(ddof=1) - within.mean() / 2)
    assert (found.n_draws, found.n_seeds) == (3, 2)


def test_intervals_are_cut_at_the_range_of_the_metric():
    (found,) = report.spread(fake([[98.0], [99.9], [99.0]])).itertuples()
    assert found.high == 100
    assert found.low < 98


def test_one_draw_has_no_interval():
    (found,) = report.spread(fake([[3.0, 3.5]])).itertuples()
    assert np.isnan([found.low, found.high, found.sd_draw]).all()


def test_a_gap_is_compared_with_that_of_a_random_order_draw_by_draw():
    own, random = np.array([30.0, 34.0, 41.0]), np.array([10.0, 15.0, 20.0])
    table = pd.concat(
        [fake(own[:, None], metric="pgi_local"), fake(random[:, None], metric="pgr")],
        ignore_index=True,
    )
    (found,) = report.above_random(table).itertuples()
    difference = own - random
    half = 4.302653 * difference.std(ddof=1) / 3**0.5  # t with 2 degrees of freedom
    assert (found.model, found.value) == ("LR", pytest.approx(difference.mean()))
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))
    (one,) = report.above_random(table[table["cluster"] == "draw 1"]).itertuples()
    assert one.value == pytest.approx(19)
    assert np.isnan([one.low, one.high]).all()


def test_a_published_value_lies_in_the_interval_or_is_reported_as_missing():
    near = report.reproduction(fake([[3.6], [3.7], [3.75]])).iloc[0]
    assert near["published"] == 3.68
    assert near["inside"]
    far = report.reproduction(fake([[5.0], [5.1], [5.2]])).iloc[0]
    assert not far["inside"]
    assert far["difference"] == pytest.approx(1.42)
    with pytest.raises(ValueError, match="has published values"):
        report.reproduction(fake([[1.0]], dataset="small SIMU1"))


def test_rounding_of_a_printed_value_is_allowed_for():
    found = report.reproduction(
        fake([[99.96]] * 3, model="MLP", metric="feature_agreement_global")
    ).iloc[0]
    assert found["published"] == 100
    assert (found["low"], found["high"]) == pytest.approx((99.96, 99.96))
    assert found["inside"]


def test_diffusion_is_told_apart_by_where_it_happens():
    local = "feature_agreement_local"
    plain = pd.concat([fake([[40.0]], metric=local), fake([[50.0]], metric=f"{local}_diffused")])
    inside = fake([[60.0]], model="LR, diffusing", metric=local)
    table = report.diffusion(plain, inside)
    assert table.set_index("diffusion")["value"].round(6).to_dict() == {
        "not diffused": 40,
        "explanation diffused": 50,
        "profiles diffused": 60,
    }
    assert set(table["model"]) == {"LR"}
    assert set(table["panel"]) == {"SIMU1, sample"}


def test_published_values_are_those_of_the_readme():
    table = published.reported().set_index(["dataset", "model", "metric"])
    assert table.loc[("SIMU1", "LR", "feature_agreement_local"), ["value", "sd"]].tolist() == [
        72.84,
        0.41,
    ]
    assert table.loc[("SimuC", "MLP", "pgr"), "value"] == 64.4
    assert len(table) == 10 * 8 + 5 * 2
    assert table["value"].between(0, 100).all()


def test_departures_are_typed():
    table = published.departures()
    assert set(table["kind"]) == {"bug", "paper-code discrepancy", "design choice"}
    assert table["aspect"].is_unique
