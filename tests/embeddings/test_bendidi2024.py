"""Reported values: transcribed whole, in one unit, with the cells that contradict each other."""

import pytest

from helpers.tasks.embeddings import bendidi2024
from helpers.tasks.embeddings.bendidi2024 import DATABASES, reported, wide


def test_all_values_are_there_and_in_their_range():
    table = reported()
    assert len(table) == 1080
    assert table["model"].nunique() == 9
    counts = table["paper_table"].value_counts()
    # Table 2: 13 metrics x 9 models x 2 screens.
    assert counts.to_dict() == {
        2: 234, 3: 96, 4: 96, 5: 165, 6: 66, 7: 96, 8: 96, 9: 165, 10: 66,
    }  # fmt: skip
    shares = table[table["metric"].isin([*bendidi2024.PERCENT, "relationship_recall"])]
    assert shares["value"].between(0, 0.6).all()
    assert not table.duplicated(["dataset", "metric", "unit", "model", "post"]).any()


@pytest.mark.parametrize(
    ("dataset", "model", "metric", "unit", "post", "value"),
    [  # read off the paper
        ("replogle", "PCA", "linear_top1", "all", "center_scaled", 0.0327),
        ("replogle", "PCA", "relationship_recall", "CORUM", "best", 0.450),
        ("replogle", "scVI", "relationship_recall", "StringDB", "raw", 0.243),
        ("replogle", "PCA", "share_consistent", "all", "best", 0.119),
        ("l1000", "PCA", "structural_integrity", "all", "tvn", 0.971),
        ("l1000", "random labels", "knn_top1", "all", "raw", 0.25605),
    ],
)
def test_single_values_are_what_the_paper_prints(dataset, model, metric, unit, post, value):
    table = reported(dataset=dataset)
    chosen = table.query(
        "model == @model and metric == @metric and unit == @unit and post == @post"
    )
    assert chosen["value"].item() == pytest.approx(value, abs=1e-4)


def test_eight_cells_of_table_2_contradict_the_appendix():
    table = reported().query("post == 'best' and not agrees")
    found = set(zip(table["dataset"], table["model"], table["metric"], table["unit"], strict=True))
    recall = "relationship_recall"
    assert found == {
        ("replogle", "Geneformer", "spearman", "all"),
        ("l1000", "UCE", "spearman", "all"),
        ("l1000", "UCE", "knn_top5", "all"),
        ("l1000", "random labels", "knn_top5", "all"),
        *(("l1000", "scGPT fine-tuned", recall, d) for d in DATABASES if d != "HuMAP"),
    }


def test_a_task_and_a_data_set_can_be_asked_for():
    table = reported("known-relationships", "l1000")
    assert set(table["unit"]) == set(DATABASES)
    assert set(table["dataset"]) == {"l1000"}
    with pytest.raises(ValueError, match="task is 'recall'; the paper has batch-mixing"):
        reported("recall")
    with pytest.raises(ValueError, match="dataset is 'K562'; the paper has replogle, l1000"):
        reported(dataset="K562")


def test_rows_fit_a_page():
    page = wide(reported("known-relationships", "replogle"))
    assert list(page.columns) == list(DATABASES)
    assert page.loc["scVI", "CORUM"] == 0.503
    with pytest.raises(ValueError, match="2 data sets with 'best'"):
        wide(reported("reconstruction"))
