"""Bulk profiles with classes: the real subset, and readers of TCGA's files on small true copies."""

import gzip

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers.data import registry
from helpers.data.contract import DataError, check, violations
from helpers.data.fetch import locate
from helpers.data.sets import tcga_brca, tcga_brca_mixomics, tcga_kirc, tcga_pancan


@pytest.fixture(scope="module")
def tumours():
    status = registry.status("tcga-brca-mixomics")
    if status["state"] == "absent":
        pytest.skip("tcga-brca-mixomics is not on this machine")
    return tcga_brca_mixomics.read(status["paths"])


def test_breast_tumours_have_the_published_numbers(tumours):
    check(tumours, screen=False)
    assert tumours.shape == (220, 200)
    counts = tumours.obs.groupby(["split", "class"], observed=True).size().to_dict()
    assert counts == {
        ("train", "Basal"): 45,
        ("train", "Her2"): 30,
        ("train", "LumA"): 75,
        ("test", "Basal"): 21,
        ("test", "Her2"): 14,
        ("test", "LumA"): 35,
    }
    assert list(tumours.obs["split"].iloc[[0, 149, 150]]) == ["train", "train", "test"]
    facts = registry.verify("tcga-brca-mixomics")
    assert (facts["samples"], facts["genes"], facts["classes"]) == (220, 200, 3)


def test_breast_tumours_equal_another_conversion(tumours):
    """Another program's tables of the same file (R, written as text)."""
    from helpers.data.dataset import File

    for split, size, sha in (
        ("train", 239_669, "c83220b5362de7f2dda2cd4c49a5ac3c60f3587fe6688d4ec01fdc4ecfa74b9b"),
        ("test", 112_477, "94c179df7df435cffc4c76f145a2b7db8c7e89e825a88aa9c3481cf5740965c3"),
    ):
        path = locate(File(f"{split}_mrna.csv", "", size, sha))
        if path is None:
            pytest.skip("the other conversion is not on this machine")
        other = pd.read_csv(path, index_col=0)
        part = tumours[tumours.obs["split"] == split]
        assert list(part.obs_names) == list(other.index)
        assert list(part.var_names) == list(other.columns[1:])
        assert list(part.obs["class"]) == list(other["subtype"])
        np.testing.assert_allclose(part.X, other.iloc[:, 1:].to_numpy(float), rtol=1e-5)


def test_the_subtype_receptors_are_where_biology_puts_them(tumours):
    """Luminal tumours express the oestrogen programme; basal ones proliferate."""
    table = pd.DataFrame(tumours.X, columns=tumours.var_names)
    means = table.groupby(tumours.obs["class"].to_numpy(), observed=True).mean()
    assert means.loc["LumA", "ZNF552"] > means.loc["Basal", "ZNF552"] + 1
    assert means.loc["Basal", "ASPM"] > means.loc["LumA", "ASPM"] + 1


# ---------------------------------------------------------------------------- pan-cancer


BARCODES = [  # two primary solid tumours of one patient, a normal, a leukaemia, one without type
    "TCGA-OR-A5J1-01A-11R-A29S-07",
    "TCGA-OR-A5J1-01B-11R-A29S-07",
    "TCGA-OR-A5J2-11A-11R-A29S-07",
    "TCGA-AB-2803-03A-01T-0734-13",
    "TCGA-ZZ-ZZZZ-01A-11R-A29S-07",
]


@pytest.fixture
def pancan(tmp_path):
    """A file in the layout of EBPlusPlusAdjustPANCAN, and the clinical workbook."""
    expression = pd.DataFrame(
        [
            [0.0, 3.0, 7.0, 15.0, 1.0],
            [1.0, -0.5, 2.0, 0.0, 4.0],
            [1.0, np.nan, 2.0, 3.0, 4.0],  # missing in one sample: left out
            [0.0, 0.0, 0.0, 0.0, 0.0],  # never expressed: left out
            [5.0, 6.0, 7.0, 8.0, 9.0],
            [9.0, 8.0, 7.0, 6.0, 5.0],
        ],
        index=pd.Index(
            ["?|100130426", "TP53|7157", "A1BG|1", "A2M|2", "SLC35E2|728661", "SLC35E2|9906"],
            name="gene_id",
        ),
        columns=BARCODES,
    )
    paths = {file.name: tmp_path / file.name for file in tcga_pancan.DATASET.files}
    first, second = paths.values()
    expression.to_csv(first, sep="\t", na_rep="NA")
    types = {
        "bcr_patient_barcode": ["TCGA-OR-A5J1", "TCGA-OR-A5J2", "TCGA-AB-2803"],
        "type": ["ACC", "ACC", "LAML"],
    }
    with pd.ExcelWriter(second) as book:
        pd.DataFrame(types).to_excel(book, sheet_name="TCGA-CDR")
        pd.DataFrame({"x": [1]}).to_excel(book, sheet_name="ExtraEndpoints")
    return paths


def test_pancan_keeps_primary_tumours_and_whole_genes(pancan):
    found = check(tcga_pancan.read(pancan), screen=False)
    assert list(found.obs_names) == [BARCODES[0], BARCODES[1], BARCODES[3]]
    assert list(found.obs["class"]) == ["ACC", "ACC", "LAML"]
    assert found.obs["patient"].nunique() == 2
    names = ["?|100130426", "TP53", "SLC35E2|728661", "SLC35E2|9906"]
    assert list(found.var_names) == names
    assert list(found.var["entrez_id"]) == ["100130426", "7157", "728661", "9906"]
    np.testing.assert_allclose(found.X[:, 0], [0, 2, 4])  # log2(x + 1)
    assert found.X[1, 1] == pytest.approx(-1)  # batch correction leaves values below 0
    assert found.uns["left_out"] == {"samples": 2, "genes": 2}
    assert len(found.uns["dataset"]["sha256"]) == 64


def test_pancan_refuses_what_has_no_logarithm_and_other_layouts(pancan):
    first, second = pancan.values()
    table = pd.read_csv(first, sep="\t", index_col=0)
    table.iloc[1, 0] = -2.0
    table.to_csv(first, sep="\t", na_rep="NA")
    with pytest.raises(DataError, match=r"1 values are -1 or less.*TP53\|7157"):
        tcga_pancan.read(pancan)
    first.write_text("gene\tTCGA-OR-A5J1-01A-11R-A29S-07\nA\t1\n")
    with pytest.raises(DataError, match="first column is 'gene', expected 'gene_id'"):
        tcga_pancan.read(pancan)
    table.abs().set_axis([b[:12] + "-11A-1" for b in BARCODES], axis=1).to_csv(first, sep="\t")
    with pytest.raises(DataError, match="none of 5 samples is a primary tumour"):
        tcga_pancan.read(pancan)
    pd.DataFrame({"x": [1]}).to_excel(second, sheet_name="TCGA-CDR")
    with pytest.raises(DataError, match="no column bcr_patient_barcode, type"):
        tcga_pancan.read(pancan)


# ---------------------------------------------------------------------------- BRCA and KIRC


COUNTS = np.array([[0, 5, 1_234_567], [10, 0, 3], [0, 0, 0], [99, 98, 97]])
SAMPLES = ["TCGA-E9-A1NI-01A", "TCGA-E9-A1NI-11A", "TCGA-E9-A1NG-06A"]


def write_htseq(folder, module, counts=COUNTS, types=None):
    paths = {file.name: folder / file.name for file in module.DATASET.files}
    first, second = paths.values()
    genes = [f"ENSG0000000000{i}.{i + 1}" for i in range(len(counts))]
    table = pd.DataFrame(
        np.round(np.log2(np.vstack([counts, [[7, 7, 7]]]) + 1), 6),
        index=pd.Index([*genes, "__no_feature"], name="Ensembl_ID"),
        columns=SAMPLES,
    )
    with gzip.open(first, "wt") as file:
        table.to_csv(file, sep="\t")
    types = types or ["Primary Tumor", "Solid Tissue Normal", "Metastatic"]
    phenotype = pd.DataFrame({"submitter_id.samples": SAMPLES, "sample_type.samples": types})
    with gzip.open(second, "wt") as file:
        phenotype.to_csv(file, sep="\t", index=False)
    return paths


@pytest.mark.parametrize("module", [tcga_brca, tcga_kirc])
def test_htseq_files_become_the_counts_that_they_were(tmp_path, module):
    found = check(module.read(write_htseq(tmp_path, module)), screen=False)
    np.testing.assert_array_equal(found.X, COUNTS.T[:2][:, [0, 1, 3]])
    assert list(found.obs["class"]) == ["Primary Tumor", "Solid Tissue Normal"]
    assert list(found.obs["patient"]) == ["TCGA-E9-A1NI"] * 2  # one patient on both sides
    assert list(found.var["ensembl_id"]) == [f"ENSG0000000000{i}" for i in (0, 1, 3)]
    np.testing.assert_array_equal(found.obs["total_counts"], COUNTS.sum(axis=0)[:2])
    assert found.uns["left_out"] == {"samples": 1, "genes": 1}


def test_htseq_files_of_another_kind_are_refused(tmp_path):
    paths = write_htseq(tmp_path, tcga_brca)
    first, second = paths.values()
    lines = gzip.decompress(first.read_bytes()).decode()
    with gzip.open(first, "wt") as file:
        file.write(lines.replace("Ensembl_ID", "gene"))
    with pytest.raises(DataError, match="first column is 'gene'"):
        tcga_brca.read(paths)
    with gzip.open(first, "wt") as file:
        file.write(lines.replace(f"{np.log2(11):.6f}", "0.5"))  # 0.41 counts
    with pytest.raises(DataError, match=r"1 values are not log2\(count \+ 1\), the first 0.5 of"):
        tcga_brca.read(paths)
    with pytest.raises(DataError, match="is Primary Tumor or Solid Tissue Normal"):
        tcga_brca.read(write_htseq(tmp_path, tcga_brca, types=["Metastatic"] * 3))
    with gzip.open(second, "wt") as file:
        file.write("a\tb\n1\t2\n")
    with pytest.raises(DataError, match=r"no column submitter_id.samples, sample_type.samples"):
        tcga_brca.read(paths)


# ---------------------------------------------------------------------------- unverified entries


@pytest.mark.parametrize("name", ["tcga-pancan", "tcga-brca", "tcga-kirc"])
def test_no_page_can_stand_on_unverified_files(name):
    with pytest.raises(DataError, match=f"{name} is unverified.*no page of the book uses it"):
        registry.load(name).function.function()


def test_the_command_line_asks_before_unverified_files(monkeypatch):
    from helpers import cli

    monkeypatch.setenv("BENCHBOOK_DATA", "")
    done = CliRunner().invoke(cli.app, ["data", "get", "tcga-kirc"], input="n\n")
    assert "nobody has stated the sha256 of TCGA-KIRC.htseq_counts.tsv.gz" in done.output
    assert "declined" in str(done.exception)


def test_a_scale_of_logarithms_admits_negative_values(tumours):
    assert tumours.X.min() < 0
    wrong = tumours.copy()
    wrong.uns["scale"] = {"kind": "log1p", "target_sum": None}
    assert any("negative values" in sentence for sentence in violations(wrong))
