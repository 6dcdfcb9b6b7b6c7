"""Files in the layout of GEARS, and the published benchmark on them where they are at hand."""

import zipfile
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from helpers.data import gears, own, own_reader, registry
from helpers.data.contract import DataError
from helpers.data.normalise import log1p_cp10k
from helpers.data.sets import adamson2016_gears
from helpers.tasks.effects import doubles, unseen_perturbations
from helpers.tasks.effects.published_run import published_doubles, published_singles

GENES = [f"G{i:02d}" for i in range(12)]


def layout(folder, conditions, *, n_cells=6, seed=0, **change):
    """A small file in the layout; genes 0 and 11 share a name."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(conditions, n_cells)
    counts = rng.poisson(3.0, (len(labels), 12)).astype(float)
    X = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)
    obs = pd.DataFrame({"condition": labels, "cell_type": "K562", "dose_val": "1", "control": 0})
    obs.index = [f"c{i}" for i in range(len(labels))]
    var = pd.DataFrame({"gene_name": [*GENES[:11], GENES[0]]}, index=[f"E{i}" for i in range(12)])
    adata = AnnData(sparse.csr_matrix(X), obs=obs, var=var)
    for key, value in change.items():
        setattr(adata, key, value(adata))
    path = folder / gears.FILE
    adata.write_h5ad(path)
    return path


SINGLES = ["ctrl", *(f"{g}+ctrl" for g in GENES[:10]), "ctrl+X1"]
DOUBLES = [*SINGLES, *(f"{a}+{b}" for a, b in pairwise(GENES[:9])), "G05+G02"]


def test_conditions_get_the_names_of_the_contract(tmp_path):
    screen = gears.read_gears(layout(tmp_path, DOUBLES))
    names = set(screen.obs["perturbation"])
    assert {"control", "G00", "X1", "G02+G05", "G00+G01"} <= names
    assert not any("ctrl" in n for n in names)
    assert set(screen.obs["condition"]) == set(DOUBLES)
    assert screen.var_names[0] == "G00" and screen.var_names[11] == "G00 (E11)"
    with pytest.raises(DataError, match="G00"):
        gears.read_gears(layout(tmp_path, DOUBLES), duplicates="raise")


@pytest.mark.parametrize(
    "conditions, change, message",
    [
        (["ctrl", "A+B+C"], {}, "no condition"),
        (["ctrl", "A+"], {}, "no condition"),
        (["A+ctrl"], {}, "no cell of condition 'ctrl'"),
        (["ctrl", "A+ctrl"], {"X": lambda a: a.X * 100}, "log1p CP10k lies between"),
        (
            ["ctrl", "A+ctrl"],
            {"obs": lambda a: a.obs.drop(columns="cell_type")},
            "no column cell_type",
        ),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, conditions, change, message):
    with pytest.raises(DataError, match=message):
        gears.read_gears(layout(tmp_path, conditions, **change))


def test_the_published_benchmark_runs_on_a_small_file(tmp_path):
    screen = gears.read_gears(layout(tmp_path, SINGLES))
    table = published_singles(screen)
    assert set(table["seed"]) <= {1, 2} and len(table)
    assert "X1" not in set(table["perturbation"])  # its gene is not measured
    assert np.isfinite(table["ratio"]).all()
    screen = gears.read_gears(layout(tmp_path, DOUBLES))
    table = published_doubles(screen, seeds=(1,))
    dense = pd.DataFrame(screen.X.toarray()).groupby(screen.obs["perturbation"].to_numpy()).mean()
    for row in table.itertuples():
        a, b = row.perturbation.split("+")
        added = dense.loc[a] + dense.loc[b] - dense.loc["control"]
        assert row.additive == pytest.approx(np.linalg.norm(added - dense.loc[row.perturbation]))


@pytest.mark.parametrize(
    "name, ratio",
    [
        ("replogle_k562_essential", 0.993),
        ("replogle_rpe1_essential", 0.976),
        ("adamson", 1.072),
    ],
)
def test_published_ratios_come_out_where_the_files_are(name, ratio):
    path = gears.find(name)
    if path is None:
        pytest.skip(f"{name}/{gears.FILE} is not on this machine")
    table = published_singles(gears.read_gears(path))
    assert table["ratio"].mean() == pytest.approx(ratio, abs=0.005)


def test_published_errors_of_doubles_come_out_where_the_file_is():
    path = gears.find("norman_from_scfoundation")
    if path is None:
        pytest.skip("norman_from_scfoundation is not on this machine")
    table = published_doubles(gears.read_gears(path))
    assert table["additive"].mean() == pytest.approx(2.766, abs=0.005)
    assert table["no change"].mean() == pytest.approx(5.616, abs=0.005)


# Chapters ---------------------------------------------------------------------------------------

MANY = ["ctrl", *(f"{g}+ctrl" for g in GENES[:9]), *(f"{a}+{b}" for a, b in pairwise(GENES[:9]))]


def test_counts_come_back_from_logs(tmp_path):
    """Those that `layout` draws, with the total that they were divided by."""
    screen = gears.read_gears(layout(tmp_path, MANY, n_cells=8))
    found = gears.counts_of(screen)
    drawn = np.random.default_rng(0).poisson(3.0, found.shape)
    np.testing.assert_array_equal(found.X.toarray(), drawn)
    np.testing.assert_array_equal(found.obs["total_counts"], drawn.sum(axis=1))
    again = log1p_cp10k(found).X
    np.testing.assert_allclose(again.toarray(), screen.X.toarray(), rtol=1e-5)


def test_genes_that_were_dropped_count_in_the_total(tmp_path):
    screen = gears.read_gears(layout(tmp_path, MANY, n_cells=8))
    whole, part = gears.counts_of(screen), gears.counts_of(screen[:, :6])
    apart = np.gcd.reduce(whole.X[:, :6].toarray().astype(int), axis=1) == 1  # no common divisor
    assert apart.sum() > 100
    for found in (whole, part):
        total = found.obs["total_counts"].to_numpy()[apart]
        np.testing.assert_array_equal(total, whole.X.sum(axis=1).A1[apart])


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda X: X * 0, "48 cells have no counts, first 'c0'"),
        (lambda X: X * 0.97, "are not log1p of counts per 10,000"),
    ],
)
def test_logs_of_no_counts_are_refused(tmp_path, change, said):
    screen = gears.read_gears(layout(tmp_path, ["ctrl", *(f"{g}+ctrl" for g in GENES[:7])]))
    screen.X = sparse.csr_matrix(change(screen.X.toarray()))
    with pytest.raises(DataError, match=said):
        gears.counts_of(screen)


def test_a_file_of_gears_goes_through_the_tasks_as_a_data_set_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_CACHE", str(tmp_path / "cache"))
    path = layout(tmp_path, MANY, n_cells=10)
    own_reader.add("small", path, own.gears_layout(), registry.names())
    assert "small" in registry.known()
    screen = registry.load("small").result()
    assert set(screen.obs["context"]) == {"K562"}
    for found in (
        doubles.double_scores.function(screen, seed=0),
        unseen_perturbations.unseen_scores.function(screen, seed=0),
    ):
        own_scores = found[found["metric"] == "l2"].set_index("prediction")["value"]
        assert {"mean", "no change", "linear model"} <= set(own_scores.index.unique())
        assert np.isfinite(own_scores["mean"]).all()


def test_registered_sets_say_that_they_are_unverified(tmp_path):
    names = [n for n in registry.names() if n.endswith("-gears")]
    assert len(names) == 4
    for name in names:
        with pytest.raises(DataError, match="is unverified"):
            registry.load(name).result()
    path = layout(tmp_path, SINGLES)
    with zipfile.ZipFile(tmp_path / "adamson.zip", "w") as archive:
        archive.write(path, f"adamson/{gears.FILE}")
    facts = adamson2016_gears.read({"adamson.zip": tmp_path / "adamson.zip"}).iloc[0].to_dict()
    assert facts == {"cells": 72, "genes": 12, "perturbations": 11, "batches": 1, "controls": 6}
    (tmp_path / "c.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match="is no zip archive"):
        gears.summary(tmp_path / "c.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(DataError, match="holds 0 files perturb_processed"):
        gears.summary(tmp_path / "b.zip")


def test_files_are_found_by_their_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_DATA", str(tmp_path))
    assert gears.find("adamson") is None
    (tmp_path / "adamson").mkdir()
    path = layout(tmp_path / "adamson", SINGLES)
    assert gears.find("adamson") == path
