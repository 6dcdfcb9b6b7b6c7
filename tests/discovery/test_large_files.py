"""Readers of the published tables, on small files in their layout."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.discovery.large_files import read_lincs, read_replogle_bulk, read_replogle_cells
from helpers.data.discovery.profiles import CONTROL, aggregated
from helpers.data.sets import lincs2020_level5
from helpers.data.sets import replogle2022_znormalised as znormalised

VAR = pd.DataFrame({"gene_name": ["A", "B", "A"]}, index=["e1", "e2", "e3"])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def screen(path, values, obs, index=None, var=VAR):
    names = index or [f"c{i}" for i in range(len(values))]
    ad.AnnData(values.astype(np.float32), pd.DataFrame(obs, index=names), var).write_h5ad(path)
    return path


def test_cells_are_averaged_in_parts_and_readouts_of_one_name_merged(tmp_path, rng):
    gene = np.array(["NAF1", "non-targeting", "TP53", "NAF1", "non-targeting", "NAF1"])
    values = rng.standard_normal((6, 3))
    values[0, 1] = np.inf
    path = screen(tmp_path / "z.h5ad", values, {"gene": gene})
    found = read_replogle_cells(path, context="K562", rows=2)
    assert found.perturbation.tolist() == ["CRISPRi_NAF1", "CRISPRi_TP53", CONTROL]
    assert found.readout.tolist() == ["Transcriptome_A", "Transcriptome_B"]
    mean = np.where(np.isfinite(values), values, 0)[gene == "NAF1"].mean(axis=0)
    assert found.value[0] == pytest.approx([(mean[0] + mean[2]) / 2, mean[1]], rel=1e-5)


def test_pseudobulks_are_weighted_by_cells(tmp_path, rng):
    values = rng.standard_normal((4, 3))
    index = ["1_NAF1_P1_E1", "2_NAF1_P2_E1", "3_non-targeting_x_y", "4_TP53_P1P2_E2"]
    path = screen(tmp_path / "b.h5ad", values, {"num_cells_filtered": [3, 1, 9, 5]}, index)
    found = read_replogle_bulk(path, context="RPE1")
    mean = (3 * values[0] + values[1]) / 4
    assert found.perturbation.tolist() == ["CRISPRi_NAF1", "CRISPRi_TP53", CONTROL]
    assert found.value[0] == pytest.approx([(mean[0] + mean[2]) / 2, mean[1]], rel=1e-5)


def test_other_screens_are_refused(tmp_path, rng):
    values = rng.standard_normal((2, 3))
    path = screen(tmp_path / "z.h5ad", values, {"gene": ["A", "B"]})
    with pytest.raises(DataError, match="no row is 'non-targeting'"):
        read_replogle_cells(path, context="K562")
    with pytest.raises(DataError, match="no column 'num_cells_filtered'"):
        read_replogle_bulk(path, context="K562")
    screen(path, values, {"num_cells_filtered": [1, 2]}, ["1_A_x", "A"])
    with pytest.raises(DataError, match="rows are not named NUMBER_GENE"):
        read_replogle_bulk(path, context="K562")


# --------------------------------------------------------------------------- LINCS


@pytest.fixture
def lincs(tmp_path, rng):
    """A gctx of six signatures over three genes, two of them landmarks, and its tables."""
    values = rng.standard_normal((6, 3)).astype(np.float32)
    gctx = tmp_path / "level5_beta.gctx"
    with h5py.File(gctx, "w") as file:
        file["0/DATA/0/matrix"] = values
        file["0/META/ROW/id"] = np.array(["10", "20", "30"], "S")
        file["0/META/COL/id"] = np.array([f"s{i}" for i in range(6)], "S")
    rows = [
        ("s0", "A375", "simvastatin", 1, "10 uM", "24 h", "trt_cp"),
        ("s1", "A375", "simvastatin", 1, "10 uM", "24 h", "trt_cp"),
        ("s1", "A375", "simvastatin", 1, "10 uM", "24 h", "trt_cp"),
        ("s2", "A375", "simvastatin", 1, "3 uM", "24 h", "trt_cp"),
        ("s3", "A375", "other", 0, "10 uM", "24 h", "trt_cp"),
        ("s4", "A375", "NAF1", 1, "", "96 h", "trt_xpr"),
        ("s5", "HA1E", "simvastatin", 1, "10 uM", "24 h", "trt_cp"),
    ]
    names = ["sig_id", "cell_iname", "cmap_name", "is_hiq", "pert_idose", "pert_itime", "pert_type"]
    signatures, genes = tmp_path / "siginfo_beta.txt", tmp_path / "geneinfo_beta.txt"
    pd.DataFrame(rows, columns=names).to_csv(signatures, sep="\t", index=False)
    facts = {
        "gene_id": [10, 20, 30],
        "gene_symbol": ["HMGCR", "B", "C"],
        "feature_space": ["landmark", "inferred", "landmark"],
    }
    pd.DataFrame(facts).to_csv(genes, sep="\t", index=False)
    return values, gctx, signatures, genes


def test_signatures_are_filtered_and_averaged(lincs):
    values, *paths = lincs
    found = read_lincs(*paths, kind="compound", fewest=2)
    assert found.context.tolist() == ["A375_compound_LINCS"]
    assert found.perturbation.tolist() == ["simvastatin-10uM"]
    assert found.readout.tolist() == ["Transcriptome_HMGCR", "Transcriptome_C"]
    assert found.value[0] == pytest.approx(values[:2, [0, 2]].mean(axis=0))
    found = read_lincs(*paths, kind="CRISPR-KO", fewest=1)
    assert found.perturbation.tolist() == ["CRISPR-KO_NAF1"]
    assert len(read_lincs(*paths, kind="compound", fewest=1)) == 2


def test_registered_sets_read_all_their_files_into_one_table(lincs, tmp_path, rng):
    _, gctx, signatures, genes = lincs
    files = [file.name for file in lincs2020_level5.DATASET.files]
    paths = dict(zip(files, (gctx, gctx, signatures, genes), strict=True))
    with pytest.raises(DataError, match="no CRISPR-KO signature is left"):
        lincs2020_level5.read(paths)  # a context has fifty signatures at least
    paths = {}
    for file, gene in zip(znormalised.DATASET.files, ("NAF1", "TP53"), strict=True):
        obs = {"gene": [gene, "non-targeting"]}
        paths[file.name] = screen(tmp_path / file.name, rng.standard_normal((2, 3)), obs)
    found = znormalised.read(paths)
    assert found["context"].tolist() == ["K562"] * 2 + ["RPE1"] * 2
    again = aggregated(found.iloc[:, 2:], found["context"], found["perturbation"])
    assert len(again) == 4 and again.mask.all()


def test_files_of_lincs_that_cannot_be_used(lincs, tmp_path):
    _, gctx, signatures, genes = lincs
    with pytest.raises(DataError, match="kind is 'shRNA'"):
        read_lincs(gctx, signatures, genes, kind="shRNA")
    with pytest.raises(DataError, match="no compound signature is left"):
        read_lincs(gctx, signatures, genes, kind="compound", fewest=3)
    with pytest.raises(DataError, match="no columns gene_symbol"):
        genes.write_text("gene_id\tfeature_space\n")
        read_lincs(gctx, signatures, genes, kind="compound", fewest=1)
    content = gctx.read_bytes()
    gctx.write_bytes(content[: len(content) // 2])
    genes.write_text("gene_id\tgene_symbol\tfeature_space\n10\tHMGCR\tlandmark\n")
    with pytest.raises(DataError, match="cannot be read to its end"):
        read_lincs(gctx, signatures, genes, kind="compound", fewest=1)


def test_a_compound_named_like_the_control_is_refused(lincs):
    _, gctx, signatures, genes = lincs
    signatures.write_text(signatures.read_text().replace("simvastatin", "control"))
    found = read_lincs(gctx, signatures, genes, kind="compound", fewest=1)
    assert set(found.perturbation) == {"control-10uM"}  # its dose is part of its name
    signatures.write_text(signatures.read_text().replace("NAF1", "Control"))
    with pytest.raises(DataError, match="named 'Control' like the reserved symbol"):
        read_lincs(gctx, signatures, genes, kind="CRISPR-KO", fewest=1)


def test_a_signature_that_comes_twice_in_the_matrix_is_refused(lincs):
    _, gctx, signatures, genes = lincs
    with h5py.File(gctx, "r+") as file:
        ids = file["0/META/COL/id"]
        ids[1] = ids[0]
    with pytest.raises(DataError, match="a sample identifier comes twice"):
        read_lincs(gctx, signatures, genes, kind="compound", fewest=1)
