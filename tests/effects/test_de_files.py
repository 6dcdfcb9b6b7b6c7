"""Tables of differential expression, there and back, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from helpers.data.effects.de_files import (
    COLUMNS,
    check_log2,
    format_of,
    frame_of,
    read_de_table,
    table_from,
    write_de_table,
)
from helpers.data.errors import DataError
from helpers.metrics.effects.de_tables import DETable, adjusted


def table():
    rng = np.random.default_rng(0)
    shape = (3, 7)
    tested = np.ones(shape, dtype=bool)
    tested[1, 2:4] = False
    p, change = rng.random(shape), rng.normal(size=shape)
    p[~tested], change[~tested] = np.nan, np.nan
    genes = np.array([f"g{i}" for i in range(7)])
    return DETable(np.array(["a", "b", "c"]), genes, tested, change, p, adjusted(p, tested))


def same(one, other):
    for name in ("perturbations", "genes", "tested"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("log2_fold_change", "p_value", "p_adjusted"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-15)


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_comes_back(kind, ending, tmp_path):
    write_de_table(table(), tmp_path / f"de{ending}", kind)
    same(read_de_table(tmp_path / f"de{ending}"), table())


@pytest.mark.parametrize("kind", COLUMNS)
def test_the_columns_tell_the_format(kind):
    assert format_of(frame_of(table(), kind)) == kind
    assert list(frame_of(table(), kind).columns) == list(COLUMNS[kind])


def test_cell_eval2_tables_may_lack_p_values_and_rows():
    frame = frame_of(table(), "cell-eval").drop(columns="p_value")
    found = table_from(frame)
    assert np.isnan(found.p_value).all()
    np.testing.assert_array_equal(found.tested, table().tested)


def test_scanpys_own_table_is_read():
    sc = pytest.importorskip("scanpy")
    from anndata import AnnData

    rng = np.random.default_rng(1)
    adata = AnnData(np.log1p(rng.poisson(3.0, (60, 6)).astype(float)))
    adata.obs["group"] = pd.Categorical(["a"] * 20 + ["control"] * 40)
    sc.tl.rank_genes_groups(
        adata, "group", method="wilcoxon", reference="control", tie_correct=True
    )
    theirs = sc.get.rank_genes_groups_df(adata, None)
    if "group" not in theirs:  # where there is one group only
        theirs = theirs.assign(group="a")
    found = table_from(theirs)
    assert found.perturbations.tolist() == ["a"]
    first = theirs.set_index("names").loc[found.genes]
    np.testing.assert_array_equal(found.p_value[0], first["pvals"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.rename(columns={"fdr": "q"}), "has columns target, feature"),
        (lambda f: pd.concat([f, f.head(2)]), "2 rows repeat a perturbation and gene"),
        (lambda f: f.assign(p_value=-np.log10(f["p_value"])), r"lie outside \[0, 1\]"),
        (lambda f: f.assign(fdr="much"), "column fdr holds"),
        (
            lambda f: f.assign(
                fold_change=2 ** f["log2_fold_change"],
                log2_fold_change=f["log2_fold_change"] * np.log(2),
            ),
            "they are natural logarithms; divide them by 0.6931",
        ),
        (
            lambda f: f.assign(
                fold_change=2 ** f["log2_fold_change"],
                log2_fold_change=f["log2_fold_change"] * np.log10(2),
            ),
            "they are logarithms to base 10",
        ),
    ],
)
def test_bad_tables_are_refused(change, said):
    with pytest.raises(DataError, match=said):
        table_from(change(frame_of(table(), "pdex")))


def test_logarithms_are_held_against_those_of_cells():
    log2 = table().log2_fold_change[0]
    check_log2(log2, log2)
    check_log2(2 * log2, log2)  # a stronger effect is no other base
    check_log2(log2 * 0, log2 * 0)
    with pytest.raises(DataError, match="natural"):
        check_log2(log2 * np.log(2), log2)


def test_files_that_are_no_tables_are_refused(tmp_path):
    (tmp_path / "x.parquet").write_text("no")
    for name, said in (("x.parquet", "cannot be read"), ("x.txt", "neither"), ("y.csv", "cannot")):
        with pytest.raises(DataError, match=said):
            read_de_table(tmp_path / name)
    with pytest.raises(DataError, match="neither"):
        write_de_table(table(), tmp_path / "x.txt", "pdex")
