"""Defects of released image models, each against a count that is made by hand."""

import numpy as np
import pytest

from helpers.tasks.spatial import histology_defects as defects


def test_exemplars_are_right_only_where_training_slides_come_first_by_name():
    right = defects.exemplar_rows({"a": "train", "b": "val", "c": "test"}, n_spots=5)
    assert right == {"another spot": 0.0, "not training": 0.0, "test": 0.0}
    last = defects.exemplar_rows({"a": "test", "b": "val", "c": "train"}, n_spots=5)
    assert last == {"another spot": 1.0, "not training": 1.0, "test": 1.0}
    half = defects.exemplar_rows({"a": "test", "b": "train", "c": "train"}, n_spots=5)
    assert half == {"another spot": 1.0, "not training": 0.5, "test": 0.5}


def test_in_256_columns_a_row_holds_two_spots_of_128_genes():
    table = defects.reshaped_scores(n_spots=256, n_genes=128, seed=0)
    assert table.loc["spots x genes", "PCC-Patch"] == pytest.approx(1)
    # half of the variance of a row of two spots is their difference in depth, which is not known
    assert 0.4 < table.loc["256 columns", "PCC-Patch"] < 0.9
    assert table["MSE"].nunique() == 1 and table["MAE"].round(9).nunique() == 1


def test_the_last_incomplete_batch():
    assert defects.dropped(1_355) == 1_355 - 5 * 256 == 75
    assert defects.dropped(512) == 0


def test_a_turned_window_is_another_to_the_network():
    assert defects.turned_predictions(n_spots=40, seed=1) > 0.5


def test_the_last_batch_is_a_worse_judge_than_all_batches():
    loss = defects.last_batch_choices(n_draws=500, seed=0)
    assert 0.2 < loss < 0.9


@pytest.mark.parametrize("n_hops", [1, 2, 3])
def test_edges_of_the_power_graph_are_all_members(n_hops):
    found = defects.edges(side=9, n_hops=n_hops)
    assert found["members"] == 2 * n_hops * (n_hops + 1)  # a diamond around the centre
    assert found["lattice"] == found["element-wise"] == 4
    assert found["released"] == found["members"]


def test_the_table_names_each_defect_once_and_has_numbers():
    table = defects.minimal_examples.function(seed=0)
    assert np.isfinite(table[["as released", "here"]].to_numpy()).all()
    assert (table["as released"] != table["here"]).all()
    assert not table.duplicated(["defect", "what is counted"]).any()
