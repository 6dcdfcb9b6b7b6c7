"""The published scores: every printed value of a recomputation of ours, and mechanisms shown."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.sets import ahlmann_eltze2025_scores as reader
from helpers.metrics.effects.facts import METRICS, PRIMARY
from helpers.scores import check
from helpers.tasks.effects import published_scores as task
from helpers.tasks.effects import published_scores_report as report

ADAMSON, K562, RPE1 = task.CELL_LINES


@pytest.fixture(scope="module")
def panel_a(paths):
    return reader.read(paths)


@pytest.fixture(scope="module")
def doubles(panel_a):
    return task.tidy(panel_a[panel_a["setting"] == "double"], task="double-perturbations")


@pytest.fixture(scope="module")
def singles(panel_a):
    return task.tidy(panel_a[panel_a["setting"] == "single"], task="single-perturbations")


@pytest.fixture(scope="module")
def transfer(paths):
    return task.tidy(reader.read_transfer(paths), task="embedding-transfer")


def wide(scores, metric):
    chosen = scores[scores["metric"] == metric]
    return chosen.set_index(["dataset", "seed", "unit", "model"])["value"].unstack("model")  # noqa: PD010


DOUBLES = {  # mean L2; splits 1 to 5; Pearson delta; share of rows better than additive
    "additive": (2.766, (2.833, 2.692, 2.840, 2.555, 2.910), 0.892, 0),
    "Geneformer*": (3.478, (3.193, 3.135, 3.248, 4.240, 3.577), 0.773, 0.271),
    "GEARS": (4.096, (5.479, 3.508, 3.856, 3.585, 4.050), 0.631, 0.119),
    "scBERT*": (4.279, (4.492, 4.179, 4.312, 4.079, 4.335), 0.610, 0.119),
    "UCE*": (4.279, (4.492, 4.179, 4.311, 4.079, 4.336), 0.610, 0.119),
    "scGPT": (4.616, (4.848, 4.292, 4.357, 4.745, 4.838), 0.527, 0.103),
    "scFoundation": (4.722, (4.274, 5.030, 4.213, 4.676, 5.415), 0.537, 0.055),
    "no change": (5.616, (5.976, 5.529, 5.557, 5.518, 5.503), np.nan, 0.065),
    "CPA": (12.205, (12.527, 12.489, 12.233, 12.110, 11.664), 0.146, 0),
}


def test_double_perturbations_to_the_printed_digit(doubles):
    l2, pearson = wide(doubles, "l2"), wide(doubles, "pearson_delta")
    assert len(l2) == 310
    for model, (mean, by_split, delta, better) in DOUBLES.items():
        assert round(l2[model].mean(), 3) == mean
        assert tuple(l2[model].groupby("seed").mean().round(3)) == by_split
        if np.isnan(delta):
            assert pearson[model].isna().all()
        else:
            assert round(pearson[model].mean(), 3) == delta
        assert round((l2[model] < l2["additive"]).mean(), 3) == better
    assert round(l2["additive"].median(), 3) == 2.419
    assert round((l2["UCE*"] - l2["scBERT*"]).abs().max(), 4) == 0.0086
    for unit, no_change, additive, correlation in (
        ("CEBPB+CEBPE", 8.50012, 4.66079, 0.92707),
        ("AHR+FEV", 8.33458, 3.68143, 0.90409),
        ("AHR+KLF1", 4.08296, 2.89879, 0.86603),
    ):
        row = (task.NORMAN, 1, unit)
        assert round(l2.loc[row, "no change"], 5) == no_change
        assert round(l2.loc[row, "additive"], 5) == additive
        assert round(pearson.loc[row, "additive"], 5) == correlation


BY_EXPRESSION = {  # mean L2 over the 20, 100, 991, 5001, 19201 most expressed genes, as printed
    "additive": "0.32 0.72 2.76 4.01 4.30",
    "no change": "0.58 1.38 5.60 7.17 7.49",
    "Geneformer*": "0.42 0.95 3.47 4.83 5.17",
    "GEARS": "0.51 1.18 4.08 5.86 6.57",
    "UCE*": "0.51 1.15 4.27 5.64 5.98",
    "scBERT*": "0.51 1.15 4.27 5.64 5.98",
    "scGPT": "0.92 1.66 4.61 5.98 6.32",
    "scFoundation": "0.57 1.31 4.71 10.11 12.5",
    "CPA": "3.15 4.56 12.15 20.9 23.95",
}
BY_CHANGE = {  # over the 20, 100, 991 most changed genes
    "additive": "1.00 1.55 2.85",
    "Geneformer*": "1.38 2.10 3.62",
    "GEARS": "1.97 2.83 4.62",
    "scFoundation": "2.05 2.95 5.42",
    "scGPT": "2.70 3.68 5.35",
    "UCE*": "2.74 3.61 5.08",
    "no change": "3.31 4.58 6.75",
}


@pytest.fixture(scope="module")
def by_genes(paths):
    return task.errors_by_genes.function(reader.read_errors_by_genes(paths))


@pytest.mark.parametrize("order, printed", [("expression", BY_EXPRESSION), ("change", BY_CHANGE)])
def test_errors_over_other_numbers_of_genes_to_the_printed_digit(by_genes, order, printed):
    own = by_genes[by_genes["ordered_by"] == order]
    assert not own.duplicated(["model", "n_genes"]).any()
    mean = own.set_index(["model", "n_genes"])["mean"]
    for model, line in printed.items():
        for n_genes, value in zip((20, 100, 991, 5001, 19201), line.split(), strict=False):
            digits = len(value.split(".")[1])
            assert f"{mean[model, n_genes]:.{digits}f}" == value, (model, n_genes)


def test_the_sheet_of_gene_numbers_agrees_with_the_rows(by_genes, doubles):
    """One gene apart, mean and recovered standard deviation are those of the 310 rows."""
    l2 = wide(doubles, "l2")
    own = by_genes[(by_genes["ordered_by"] == "expression") & (by_genes["n_genes"] == 1001)]
    own = own.set_index("model").loc[l2.columns]
    np.testing.assert_allclose(own["mean"], l2.mean(), rtol=2e-3)
    np.testing.assert_allclose(own["sd"], l2.std(), rtol=2e-3)
    assert (own["mean"] >= l2.mean()).all()  # a sum of squares over one gene more
    assert (by_genes.loc[by_genes["model"] == "additive", "ratio"] == 1).all()
    assert (by_genes.loc[by_genes["model"] != "additive", "ratio"] > 1).all()
    whole = by_genes[by_genes["n_genes"] == 19201]  # nearly all genes: hardly an order left
    totals = whole.set_index(["model", "ordered_by"])["mean"].unstack()  # noqa: PD010
    np.testing.assert_allclose(totals["change"], totals["expression"], rtol=1e-3)


SINGLES = {  # L2, ratio, Pearson delta in Adamson, K562, RPE1
    "mean": ((3.936, 1, 0.724), (4.193, 1, 0.408), (5.534, 1, 0.678)),
    "LM": ((4.081, 1.072, 0.717), (4.097, 0.993, 0.436), (5.390, 0.976, 0.680)),
    "GEARS": ((3.867, 0.989, 0.726), (4.079, 0.998, 0.388), (6.113, 1.155, 0.636)),
    "scBERT*": ((3.878, 0.965, 0.728), (4.192, 0.999, 0.408), (5.528, 0.998, 0.678)),
    "Geneformer*": ((3.908, 0.984, 0.726), (4.236, 1.009, 0.404), (5.494, 0.996, 0.678)),
    "UCE*": ((3.936, 1.000, 0.724), (4.200, 1.003, 0.409), (5.507, 0.992, 0.680)),
    "scGPT": ((4.951, 1.353, 0.595), (4.437, 1.087, 0.316), (5.991, 1.090, 0.588)),
}


def test_single_perturbations_to_the_printed_digit(singles):
    tables = [wide(singles, metric) for metric in ("l2", "l2_ratio", "pearson_delta")]
    assert tables[0].groupby("dataset").size().to_dict() == {ADAMSON: 48, K562: 262, RPE1: 413}
    for model, expected in SINGLES.items():
        for dataset, values in zip(task.CELL_LINES, expected, strict=True):
            found = tuple(round(table.loc[dataset, model].mean(), 3) for table in tables)
            assert found == values, (model, dataset)


TRANSFER = {  # ratio and Pearson delta in Adamson, K562, RPE1
    task.OTHER_LINE: ((0.858, 0.860), (0.886, 0.546), (0.894, 0.790)),
    "LM, genes of scFoundation": ((0.961, 0.778), (0.946, 0.428), (0.953, 0.762)),
    "LM, genes of scGPT": ((0.983, 0.769), (0.974, 0.436), (0.959, 0.761)),
    "LM": ((1.030, 0.762), (0.991, 0.441), (0.958, 0.766)),
    "LM, perturbations of GO graph": ((1.014, 0.776), (1.003, 0.418), (0.989, 0.760)),
    "LM, random genes": ((1.000, None), (1.004, None), (0.994, None)),
    "LM, random perturbations": ((1.106, None), (1.003, None), (1.003, None)),
    "UCE*": ((1.000, None), (1.004, None), (0.994, None)),
    "scBERT*": ((1.003, 0.771), (0.999, 0.412), (0.998, 0.761)),
    "Geneformer*": ((1.002, 0.778), (1.009, 0.408), (0.981, 0.763)),
    "GEARS": ((0.943, 0.811), (1.001, 0.379), (1.096, 0.714)),
    "scGPT": ((1.286, 0.648), (1.091, 0.316), (1.138, 0.664)),
    task.SAME_CELLS: (None, (0.710, 0.680), (0.641, 0.853)),
    "mean": ((1, 0.784), (1, 0.412), (1, 0.760)),
}


def test_carried_over_embeddings_to_the_printed_digit(transfer):
    ratio, pearson, l2 = (wide(transfer, m) for m in ("l2_ratio", "pearson_delta", "l2"))
    assert ratio.groupby("dataset").size().to_dict() == {ADAMSON: 20, K562: 214, RPE1: 224}
    assert tuple(l2["mean"].groupby("dataset").mean().round(3)) == (4.196, 4.136, 5.982)
    for model, expected in TRANSFER.items():
        for dataset, values in zip(task.CELL_LINES, expected, strict=True):
            if values is None:
                assert ratio.loc[dataset, model].isna().all()
                continue
            assert round(ratio.loc[dataset, model].mean(), 3) == values[0], (model, dataset)
            if values[1] is not None:
                assert round(pearson.loc[dataset, model].mean(), 3) == values[1], (model, dataset)
    assert tuple(ratio["CPA"].groupby("dataset").mean().round(2)) == (6.53, 4.24, 3.94)
    assert tuple(pearson["CPA"].groupby("dataset").mean().round(3)) == (0.161, 0.023, 0.058)


def test_adamson_with_the_embedding_of_rpe1_to_the_printed_digit(paths, transfer):
    published = reader.read_transfer(paths)
    scores = task.tidy(published, task="embedding-transfer", unplotted=True)
    own = scores[scores["model"] == task.OF_RPE1]
    assert set(own["dataset"]) == {ADAMSON}
    assert task.OF_RPE1 not in set(transfer["model"])
    assert len(scores) == len(transfer) + len(own)
    means = own.groupby("metric")["value"].agg(["size", "mean"])
    assert means["size"].eq(20).all()
    assert round(means.loc["l2_ratio", "mean"], 3) == 1.037
    assert round(means.loc["pearson_delta", "mean"], 3) == 0.789
    found = task.adamson_of_rpe1.function(published, n_resamples=2000, seed=0).set_index("method")
    assert found["n"].tolist() == [20, 20]
    assert round(found.loc["authors", "mean"], 3) == 1.037
    # 0.855 to 1.219 by the normal approximation: the percentile bootstrap lies a little inside
    assert found.loc["authors", "low"] == pytest.approx(0.855, abs=0.03)
    assert found.loc["authors", "high"] == pytest.approx(1.219, abs=0.03)


def test_scores_of_single_perturbations_that_were_checked_by_hand(singles):
    l2, pearson = wide(singles, "l2"), wide(singles, "pearson_delta")
    for dataset, unit, mean, lm in (
        (ADAMSON, "CREB1", 9.84093, 9.75481),
        (ADAMSON, "DDIT3", 9.93119, 7.90023),
        (K562, "TIMM9", 2.4508, 2.48926),
        (K562, "HNRNPH1", 3.43703, 3.71372),
        (RPE1, "RRP12", 6.21028, 5.83707),
        (RPE1, "TFAM", 6.87357, 8.44085),
    ):
        found = l2.loc[(dataset, 1, unit), ["mean", "LM"]]
        np.testing.assert_allclose(found, (mean, lm), atol=6e-6)
    for dataset, unit, mean, lm in (
        (ADAMSON, "CREB1", -0.44178, -0.42627),
        (K562, "TIMM9", 0.26924, 0.18071),
        (RPE1, "RRP12", 0.89593, 0.89633),
    ):
        found = pearson.loc[(dataset, 1, unit), ["mean", "LM"]]
        np.testing.assert_allclose(found, (mean, lm), atol=6e-6)


@pytest.mark.parametrize(
    "dataset, rows, clusters",
    [
        (ADAMSON, (0.758, 0.952), (0.737, 0.965)),
        (K562, (0.863, 0.911), (0.859, 0.916)),
        (RPE1, (0.865, 0.925), (0.861, 0.930)),
    ],
)
def test_intervals_agree_with_those_of_independent_bootstraps(transfer, dataset, rows, clusters):
    for unit, expected in (("row", rows), ("perturbation", clusters)):
        found = task.intervals(
            transfer,
            dataset=dataset,
            metric="l2_ratio",
            unit=unit,
            interval="percentile",
            n_resamples=10_000,
            seed=0,
        ).loc[task.OTHER_LINE]
        np.testing.assert_allclose(found[["low", "high"]].tolist(), expected, atol=0.01)


def test_intervals_of_panel_a_agree_too(singles):
    for dataset, model, expected in (
        (ADAMSON, "LM", (1.020, 1.125)),
        (RPE1, "LM", (0.965, 0.988)),
        (K562, "GEARS", (0.976, 1.019)),
        (ADAMSON, "scBERT*", (0.943, 0.986)),
    ):
        found = task.intervals(
            singles,
            dataset=dataset,
            metric="l2_ratio",
            unit="row",
            interval="percentile",
            n_resamples=10_000,
            seed=0,
        )
        np.testing.assert_allclose(found.loc[model, ["low", "high"]].tolist(), expected, atol=0.01)


def test_perturbations_that_both_splits_hold_out_are_counted(singles, transfer):
    found = report.repeated(singles, captions={ADAMSON: 24, K562: 134, RPE1: 210})
    assert found["repeated"].tolist() == [8, 46, 60]
    assert found["rows"].tolist() == [48, 262, 413]
    again = report.repeated(transfer)
    assert again["perturbations"].tolist() == [17, 174, 192]
    assert again["rows"].tolist() == [20, 214, 224]


def test_rows_and_pairs_are_counted_in_words():
    one = pd.DataFrame({"dataset": "d", "unit": ["a+b", "a+c", "a+b"], "seed": [1, 1, 2]})
    said = report.counted(one)
    assert said == "There are 3 rows of 2 pairs, 1 of which several splits held out."
    assert report.counted(one[:2]) == "There are 2 rows, one for each pair."


def test_interactions_have_the_values_of_the_published_curve(paths):
    curve = reader.read_interactions(paths).set_index(["model", "fdp"])["tpr"]
    for model, expected in {
        "no_change": (0.0066, 0.097, 0.272, 0.481, 0.808),
        "scgpt": (0.0034, 0.065, 0.210, 0.418, 0.746),
        "gears": (0.0013, 0.019, 0.061, 0.217, 0.614),
        "cpa": (0.0006, 0.0008, 0.0011, 0.046, 0.438),
    }.items():
        digits = [len(str(e)) - 2 for e in expected]
        found = [
            round(curve[model, f], d)
            for f, d in zip((0.1, 0.3, 0.5, 0.7, 0.9), digits, strict=True)
        ]
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_sheets_without_the_columns_are_refused(tmp_path):
    for name in ("perturbation_prediction.xlsx", "single_perturbation_prediction.xlsx"):
        pd.DataFrame({"seed": [1]}).to_excel(tmp_path / name, sheet_name="Panel C", index=False)
    paths = {path.name: path for path in tmp_path.iterdir()}
    with pytest.raises(DataError, match="Panel C: no column dataset_name, method"):
        reader.read_transfer(paths)
    with pytest.raises(DataError, match="Panel C: no column method, fdp, tpr"):
        reader.read_interactions(paths)
    name = "suppl-pearson_delta_performance.xlsx"
    paths = {name: tmp_path / name}
    sheet = pd.DataFrame({"method": ["cpa"], "rank": [1], "sorted_by": ["name"], "dist_mean": [1]})
    sheet.to_excel(paths[name], sheet_name="Panel B", index=False)
    with pytest.raises(DataError, match="Panel B: no column dist_se"):
        reader.read_errors_by_genes(paths)
    sheet.assign(dist_se=1).to_excel(paths[name], sheet_name="Panel B", index=False)
    with pytest.raises(DataError, match=r"orders \['name'\], expected \['de', 'expr'\]"):
        reader.read_errors_by_genes(paths)


def test_a_sum_over_fewer_genes_is_smaller_for_everybody():
    found = task.fewer_genes.function(missing_share=0.06, n_perturbations=400, n_genes=1000, seed=0)
    found = found.set_index("prediction")
    random = found.loc["baseline, random genes missing"]
    # a sum of squares over 94 % of the genes
    assert random["ratio"] == pytest.approx(np.sqrt(0.94), abs=0.005)
    assert random["share_lower"] == 1
    model = found.loc["model that knows a tenth, no gene missing"]
    assert model["sd"] > 5 * random["sd"]
    assert model["share_lower"] < 1
    kept = check(report.duel_rows(found.reset_index(), seed=0), METRICS).set_index("model")
    assert kept["value"].equals(found["ratio"].rename_axis("model").rename("value"))
    assert kept["role"].tolist() == ["floor", "floor", "candidate"]
    with pytest.raises(ValueError, match="missing_share is 2"):
        task.fewer_genes.function(missing_share=2.0, n_perturbations=4, n_genes=10, seed=0)


def test_scores_are_tables_of_scores_and_each_task_has_its_metric(doubles, singles, transfer):
    from helpers.metrics.facts import primary_metric

    for scores in (doubles, singles, transfer):
        checked = check(scores)
        (name,) = checked["task"].unique()
        assert primary_metric(name, PRIMARY) in set(checked["metric"]) <= set(METRICS)
    assert set(PRIMARY.values()) <= set(METRICS)
    with pytest.raises(ValueError, match="no primary metric; declare it"):
        primary_metric("guessing", PRIMARY)
