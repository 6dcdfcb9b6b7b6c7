"""The four layouts in which tissue comes, and the data sets of the registry."""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.data import registry
from helpers.data.contract import DataError
from helpers.data.fetch import data_folders
from helpers.data.sets import gene_lengths_spared, her2st, mob_stutility, pdac_moncada2020
from helpers.data.spatial import readers
from helpers.data.spatial.contract import violations


@cache
def folder(name):
    for place in data_folders():
        for found in (place / name, *place.glob(f"*/{name}")):
            if found.is_dir():
                return found
    return None


def here(name):
    return folder(name) or pytest.skip(f"{name} is not on this machine")


def paths(name):
    status = registry.status(name)
    return status["paths"] if status["state"] != "absent" else pytest.skip(f"{name} is not here")


def without_provenance(data):
    return [v for v in violations(data) if "uns['dataset']" not in v]


# --------------------------------------------------------------------------- Space Ranger


def test_space_ranger_1_has_an_h5_and_places_without_a_header():
    data = readers.read_visium(
        here("visium-reader-fixtures") / "scanpy-1.0.0", slide="s", patient="p"
    )
    assert data.shape == (100, 100) and data.uns["n_without_place"] == 0
    facts = data.uns["slides"]["s"]
    assert facts["spot_diameter"] == pytest.approx(89.4275) and facts["image"].dtype == np.uint8
    assert without_provenance(data) == []
    first = readers.read_positions(here("visium-reader-fixtures") / "scanpy-1.0.0" / "spatial").loc[
        "TACCGATCCAACACTT-1"
    ]
    assert first[["in_tissue", "array_row", "array_col", "x", "y"]].tolist() == [
        False, 1, 1, 2848, 2666,
    ]  # fmt: skip


def test_space_ranger_2_has_three_files_and_places_with_a_header():
    data = readers.read_visium(here("visium-embryo-cytassist"), slide="s", patient="p")
    assert data.shape == (2898, 19465)
    assert np.median(data.obs["total_counts"]) == 226
    assert 1 - data.X.nnz / np.prod(data.shape) == pytest.approx(0.981, abs=5e-4)
    assert data.obs["in_tissue"].all() and without_provenance(data) == []


def test_visium_hd_has_places_in_parquet_on_a_square_array():
    root = here("visium-reader-fixtures") / "seurat-visium-hd"
    data = readers.read_visium(root, slide="s", patient="p", geometry="square", image=None)
    assert data.n_obs + data.uns["n_without_place"] == 2695
    assert data.n_obs == 642 and data.n_vars == 100
    # Its matrix repeats the barcodes of another array: the layout is read, the places hold.
    assert without_provenance(data) == []


def test_an_anndata_collection_brings_its_image():
    path = here("visium-reader-fixtures") / "squidpy_test_data.h5ad"
    data = readers.read_collection(path, patients={"V1_Adult_Mouse_Brain": "mouse"})
    assert data.shape == (49, 1999) and list(data.uns["slides"]) == ["V1_Adult_Mouse_Brain"]
    assert data.uns["slides"]["V1_Adult_Mouse_Brain"]["image"].shape == (100, 100, 3)
    with pytest.raises(DataError, match="no patient is given for V1_Adult"):
        readers.read_collection(path, patients={})


def test_a_probe_matrix_is_read_by_probe():
    data = readers.read_10x_h5(
        here("visium-reader-fixtures") / "scanpy-2.1.0" / "raw_probe_bc_matrix.h5"
    )
    assert data.shape == (4987, 1000) and "gene_id" in data.var


@pytest.fixture
def broken(tmp_path):
    copied = tmp_path / "outs"
    shutil.copytree(here("visium-reader-fixtures") / "scanpy-1.0.0", copied)
    for path in [copied, *copied.rglob("*")]:
        path.chmod(0o755)
    return copied


def test_what_is_missing_or_cut_is_named(broken):
    def read():
        return readers.read_visium(broken, slide="s", patient="p")

    image = broken / "spatial" / "tissue_lowres_image.png"
    image.write_bytes(image.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"tissue_lowres_image\.png is cut or no image"):
        read()
    image.unlink()
    with pytest.raises(DataError, match="there is no image"):
        read()
    positions = broken / "spatial" / "tissue_positions_list.csv"
    text = positions.read_text()
    positions.write_text("\n".join(line.rsplit(",", 1)[0] for line in text.splitlines()))
    with pytest.raises(DataError, match="has no columns barcode"):
        read()
    positions.write_text(text.replace("-1,", "-2,"))
    with pytest.raises(DataError, match="no barcode of the counts has a place"):
        read()
    positions.unlink()
    with pytest.raises(DataError, match=r"has no coordinates: none of tissue_positions\.parquet"):
        read()
    (broken / "filtered_feature_bc_matrix.h5").unlink()
    with pytest.raises(DataError, match="has no counts: neither filtered"):
        read()


# --------------------------------------------------------------------------- older arrays


def test_the_olfactory_bulb_is_as_its_makers_count_it():
    data = mob_stutility.read(paths("mob-stutility"), longest=200)
    assert data.obs["slide"].value_counts(sort=False).to_dict() == {
        "MOB1": 379, "MOB2": 407, "MOB3": 438, "MOB4": 403,
    }  # fmt: skip
    assert data.obs.groupby("patient", observed=True)["slide"].nunique().to_dict() == {
        "mouse 1": 2, "mouse 2": 2,
    }  # fmt: skip
    assert data.n_vars == 1000 and violations(data) == []
    medians = data.obs.groupby("slide", observed=True)["total_counts"].median()
    assert medians.between(2260, 3350).all()
    image = data.uns["slides"]["MOB1"]["image"]
    assert max(image.shape) == 200
    x, y = (data.obsm["spatial"] * data.uns["slides"]["MOB1"]["image_scale"]).T.astype(int)
    mine = (data.obs["slide"] == "MOB1").to_numpy()
    assert image[y[mine], x[mine]].mean() < image.mean() - 10  # on tissue, which is darker


def test_spots_beside_the_tissue_are_an_own_choice():
    one = paths("mob-stutility")
    table = readers.read_legacy(
        one["MOB1.tsv"], one["alignment_table_MOB1.tsv"], slide="s", patient="p", only_tissue=False
    )
    totals = table.obs.groupby("in_tissue")["total_counts"].median()
    assert (table.obs["in_tissue"].sum(), totals[False] < 700, totals[True] > 2000) == (
        379, True, True,
    )  # fmt: skip


def test_breast_cancer_sections_join_on_shared_genes_and_keep_labels():
    data = her2st.read(paths("her2st"), sections=("A1", "B4"), longest=200)
    assert data.obs["patient"].unique().tolist() == ["patient A", "patient B"]
    assert (data.obs["slide"] == "B4").sum() == 283 and violations(data) == []
    assert data.n_vars < min(data.uns["n_genes_by_section"].values())
    labels = data.obs["label"].value_counts()
    assert labels["invasive cancer"] > 250 and labels[""] == 283
    assert set(her2st.SECTIONS) >= set(her2st.IMAGES) and len(her2st.SECTIONS) == 18


def test_the_pancreas_has_a_label_for_every_spot():
    data = pdac_moncada2020.read(paths("pdac-moncada2020"))
    assert data.shape == (428, 19738) and violations(data) == []
    counts = data.obs["label"].str.lower().value_counts()
    assert sorted(counts) == [56, 58, 141, 173]
    assert np.median(data.obs["total_counts"]) == 1167


def test_lengths_are_of_two_organisms_and_each_gene_once():
    table = gene_lengths_spared.read(paths("gene-lengths-spared"))
    assert not table.duplicated(["organism", "gene"]).any()
    assert table["organism"].value_counts().to_dict() == {"human": 62_619, "mouse": 56_847}
    assert (table["length"] > 0).all() and not table["gene"].str.contains(".", regex=False).any()


# --------------------------------------------------------------------------- joining


def section(name, genes):
    from anndata import AnnData

    data = AnnData(
        np.ones((3, len(genes)), dtype=np.float32),
        obs=pd.DataFrame(index=list("abc")),
        var=pd.DataFrame(index=genes),
    )
    places = pd.DataFrame({"array_row": [0, 0, 1], "array_col": [0, 1, 0]})
    places[["y", "x"]] = places[["array_row", "array_col"]]
    return readers.placed(data, places, name, "p", {"geometry": "square"})


def test_sections_keep_the_genes_that_all_have():
    data = readers.join([section("s", ["g1", "g2", "g3"]), section("t", ["g3", "g2"])])
    assert list(data.var_names) == ["g2", "g3"] and data.n_obs == 6
    assert data.uns["n_genes_by_section"] == {"s": 3, "t": 2}


def test_sections_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="share no gene"):
        readers.join([section("s", ["g1"]), section("t", ["ENSG1"])])
    with pytest.raises(DataError, match="share a name"):
        readers.join([section("s", ["g1"]), section("s", ["g1"])])


def test_tables_of_other_spots_are_refused(tmp_path):
    counts, spots = tmp_path / "c.tsv", tmp_path / "s.tsv"
    counts.write_text("\tg1\n1x1\t2\n")
    spots.write_text("x\ty\tpixel_x\tpixel_y\n5\t5\t1\t1\n")
    with pytest.raises(DataError, match="share no spot"):
        readers.read_legacy(counts, spots, slide="s", patient="p")
    spots.write_text("x\ty\n5\t5\n")
    with pytest.raises(DataError, match="no columns pixel_x, pixel_y"):
        readers.read_legacy(counts, spots, slide="s", patient="p")
    assert isinstance(Path(counts), Path)
    counts.write_text("\tg1\tg2\n1x1\t2\n")
    with pytest.raises(DataError, match="the row of 1x1 holds 1 numbers for 2 genes"):
        readers.read_legacy(counts, spots, slide="s", patient="p")


def test_a_check_of_a_data_set_of_tissue_counts_slides_and_patients():
    paths("pdac-moncada2020")
    facts = registry.verify("pdac-moncada2020")
    assert (facts["spots"], facts["genes"], facts["slides"], facts["patients"]) == (
        428, 19738, 1, 1,
    )  # fmt: skip
