"""Files in the layouts of L1000 and of DGEM-NN's contrasts, and what is wrong with bad ones."""

import gzip

import h5py
import numpy as np
import pandas as pd
import pytest

from helpers.data.contract import DataError
from helpers.data.drug_matching.contrasts import (
    feature_vector,
    read_contrast,
    signature_key,
    symbols_to_ids,
    without_version,
)
from helpers.data.gct import read_gct, read_gctx

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)  # samples x genes
LEVEL3 = (
    "#1.3\n3\t2\t1\t2\n"
    "id\tpr_gene_symbol\tw1\tw2\n"
    "pert_iname\tna\tdrug_a\tDMSO\n"
    "pert_dose\tna\t0.04\t-666\n"
    "10\tA\t0\t3\n20\tNA\t1\t4\n30\tC\t2\t5\n"
)
LEVEL5 = "#1.2\n3\t2\nName\tDescription\tw1\tw2\n10\tA\t0\t3\n20\tNA\t1\t4\n30\tC\t2\t5\n"


@pytest.mark.parametrize("text", [LEVEL3, LEVEL5])
def test_gct_of_both_versions(tmp_path, text):
    plain, packed = tmp_path / "a.gct", tmp_path / "b.gct.gz"
    plain.write_text(text)
    packed.write_bytes(gzip.compress(text.encode()))
    for path in (plain, packed):
        found = read_gct(path)
        np.testing.assert_array_equal(found.matrix.to_numpy(), VALUES)
        assert found.matrix.columns.tolist() == ["10", "20", "30"]
        assert found.genes.iloc[:, 0].tolist() == ["A", "NA", "C"]  # a gene called NA is a gene
    if text is LEVEL3:
        assert found.samples.loc["w1", "pert_iname"] == "drug_a"


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("3\t2\t1\t2", "4\t2\t1\t2", "holds 3 genes x 2 samples, its header says 4 x 2"),
        ("3\t2\t1\t2", "3\t3\t1\t2", "its header says 3 x 3"),
        ("3\t2\t1\t2", "3\t2", "it holds 4 numbers"),
        ("#1.3", "#1.1", "GCT version '#1.1'"),
        ("30\tC\t2\t5", "30\tC\tx\t5", "a value is no number"),
        ("30\tC\t2\t5", "10\tC\t2\t5", "1 gene identifiers come twice: '10'"),
    ],
)
def test_a_gct_that_lies_is_refused(tmp_path, old, new, said):
    path = tmp_path / "a.gct"
    path.write_text(LEVEL3.replace(old, new))
    with pytest.raises(DataError, match=said):
        read_gct(path)


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.gct", b"\xff\xfe\x00", "is no text, or is cut"),
        ("a.gct.gz", b"#1.3", "is no text, or is cut"),
        ("a.gct.gz", gzip.compress(LEVEL3.encode() * 50, mtime=0)[:60], "is no text, or is cut"),
        ("a.gct", b"#1.3\n3\t2\t1\t2\n", "lines that fit no table"),
        ("a.gct", LEVEL3.encode() + b"40\tD\t1\t2\t3\t4\n", "lines that fit no table"),
    ],
)
def test_a_gct_that_is_damaged_is_refused(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_gct(tmp_path / name)


def write_gctx(path, *, rows=("10", "20", "30"), columns=("w1", "w2"), values=VALUES):
    with h5py.File(path, "w") as file:
        file.attrs["version"] = "GCTX1.0"
        file["0/DATA/0/matrix"] = values
        file["0/META/ROW/id"] = np.array(rows, dtype="S")
        file["0/META/COL/id"] = np.array(columns, dtype="S")
        file["0/META/COL/pert_dose"] = np.arange(len(columns), dtype=float)


def test_gctx_whole_and_in_part(tmp_path):
    path = tmp_path / "a.gctx"
    write_gctx(path)
    np.testing.assert_array_equal(read_gctx(path).matrix.to_numpy(), VALUES)
    part = read_gctx(path, samples=["w2", "w1"])
    np.testing.assert_array_equal(part.matrix.to_numpy(), VALUES[::-1])
    assert part.samples["pert_dose"].tolist() == [1.0, 0.0]
    with pytest.raises(DataError, match=r"1 samples are not there: .'w9'"):
        read_gctx(path, samples=["w1", "w9"])


@pytest.mark.parametrize(
    "change, said",
    [
        ({"rows": ("10", "20")}, "the matrix is 2 x 3, the identifiers name 2 samples and 2 genes"),
        ({"columns": ("w1", "w1")}, "1 sample identifiers come twice"),
    ],
)
def test_a_gctx_that_lies_is_refused(tmp_path, change, said):
    path = tmp_path / "a.gctx"
    write_gctx(path, **change)
    with pytest.raises(DataError, match=said):
        read_gctx(path)
    with h5py.File(tmp_path / "b.gctx", "w") as file:
        file["x"] = 1
    with pytest.raises(DataError, match="not a gctx file"):
        read_gctx(tmp_path / "b.gctx")


CONTRAST = (
    "GeneIndex,Name,Log2FoldChange,AdjustedPValue\n"
    "1,A,1.23456,0.01\n1,A2,1.23456,0.01\n"  # one row under two names
    "2,B,2.0,0.2\n2,B,4.0,0.1\n"  # two values
    "3,C,5.0,0.3\n5,E,,0.01\n"
)


def test_rules_of_a_contrast(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text(CONTRAST)
    found = read_contrast(path, range(6))
    assert found["change"].tolist() == [0, 1.23456, 3.0, 5.0, 0, 0]
    assert found["adjusted_p"].tolist() == pytest.approx([1, 0.01, 0.15, 0.3, 1, 1])
    assert found["measured"].tolist() == [False, True, True, True, False, False]
    # 0.3 is not below 0.3
    np.testing.assert_array_equal(feature_vector(found), np.float32([0, 1.2346, 3, 0, 0, 0]))
    with pytest.raises(DataError, match="1 genes come twice with other values"):
        read_contrast(path, range(6), duplicates="raise")
    with pytest.raises(DataError, match="3 of 6 genes have no value"):
        read_contrast(path, range(6), missing="raise")
    with pytest.raises(DataError, match="names 1 of them twice"):
        read_contrast(path, [1, 1])
    path.write_text(CONTRAST.replace("0.3", "1.3"))
    with pytest.raises(DataError, match="adjusted p outside"):
        read_contrast(path, range(6))
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no columns GeneIndex"):
        read_contrast(path, range(6))


@pytest.mark.parametrize(
    "text, drug, cell, dose",
    [
        ("drugA_HELA_-1_BRD-2_24 h", "drugA_BRD-2", "HELA", "-1"),
        ("a_b_c_MCF7_0.04_BRD-K1_6 h.npy", "a_b_c_BRD-K1", "MCF7", "0.04"),
    ],
)
def test_names_with_separators_inside(text, drug, cell, dose):
    found = signature_key(text)
    assert (found.drug, found.cell, found.dose) == (drug, cell, dose)
    with pytest.raises(DataError, match="not a signature's name"):
        signature_key("drug_HELA_24 h")


def test_versions_of_identifiers():
    assert without_version(["ENSG01.5", "7157", "A.B"]) == ["ENSG01", "7157", "A.B"]
    with pytest.raises(DataError, match="1 genes come in two versions"):
        without_version(["ENSG01.5", "ENSG01.6"])


def test_an_alias_never_replaces_an_official_symbol():
    """The trap: each gene's last name as its symbol loses the names that everybody uses."""
    genes = pd.DataFrame(
        [
            ["1", "TP53", "P53"],
            ["1", "TP53", "LFS1"],
            ["2", "MYC", "TP53"],  # an alias that is another gene's symbol
            ["2", "MYC", "OLD"],
            ["3", "KRAS", "OLD"],  # an alias of two genes
            ["4", "ACTB", None],
        ],
        columns=["id", "symbol", "alias"],
    )
    asked = ["TP53", "P53", "MYC", "OLD", "ACTB", "NONE"]
    found = symbols_to_ids(asked, genes)
    assert found.ids.to_dict() == {"TP53": "1", "P53": "1", "MYC": "2", "ACTB": "4"}
    assert (found.unknown, found.ambiguous) == (["NONE"], ["OLD"])
    trapped = genes.dropna().set_index("id")["alias"].to_dict()
    assert "TP53" not in [trapped["1"]]
    with pytest.raises(DataError, match="1 official symbols name two genes, such as TP53"):
        symbols_to_ids(asked, genes.replace({"MYC": "TP53"}))
