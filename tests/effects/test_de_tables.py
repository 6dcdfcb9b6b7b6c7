"""Differential expression tables against scipy, pdex and cell-eval2."""

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import false_discovery_control, mannwhitneyu

from helpers.metrics.de import mann_whitney
from helpers.metrics.effects.de_tables import (
    DETable,
    adjusted,
    differential_expression,
    group_means,
)


def screen(seed=0, n_genes=40, sizes=(12, 25), n_controls=60, depth=400):
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.full(n_genes, 0.7))
    effect = np.exp(rng.normal(0, 0.7, (len(sizes), n_genes)))
    blocks = [rng.poisson(depth * share, (n_controls, n_genes))]
    blocks += [
        rng.poisson(depth * share * e, (n, n_genes)) for n, e in zip(sizes, effect, strict=True)
    ]
    labels = np.repeat([f"p{i}" for i in range(len(sizes))], sizes)
    genes = np.array([f"g{i:02}" for i in range(n_genes)])
    return np.vstack(blocks[1:]), labels, blocks[0], genes


def cpm(counts):
    return counts / counts.sum(axis=1, keepdims=True) * 1e6


@pytest.mark.parametrize("continuity", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_a_table_is_scipys_test_and_the_stated_fold_change(continuity, kind):
    counts, labels, control, genes = screen()
    found = differential_expression(
        kind(counts), labels, kind(control), genes, continuity=continuity, min_control_cpm=-1
    )
    for i, name in enumerate(("p0", "p1")):
        x, c = counts[labels == name], control
        p = mannwhitneyu(
            x / x.sum(axis=1, keepdims=True),
            c / c.sum(axis=1, keepdims=True),
            method="asymptotic",
            use_continuity=continuity,
        ).pvalue
        constant = np.isnan(p)  # scipy has no p-value where all values are equal
        np.testing.assert_allclose(found.p_value[i], np.where(constant, 1, p), atol=1e-12)
        np.testing.assert_allclose(
            found.p_adjusted[i], false_discovery_control(found.p_value[i]), rtol=1e-14
        )
        change = np.log2((cpm(x).mean(axis=0) + 1e-9) / (cpm(c).mean(axis=0) + 1e-9))
        np.testing.assert_allclose(found.log2_fold_change[i], change, atol=1e-12)


def test_the_continuity_correction_only_raises_p_values():
    counts, labels, control, genes = screen()
    with_, without = (
        differential_expression(counts, labels, control, genes, continuity=c).p_value
        for c in (True, False)
    )
    there = ~np.isnan(with_)
    assert (with_[there] >= without[there]).all()
    assert (with_[there] > without[there]).any()


def test_the_gate_asks_controls_alone():
    counts, labels, control, genes = screen()
    control[:, 3], counts[:, 3] = 0, 50  # only perturbed cells express it
    found = differential_expression(counts, labels, control, genes, min_control_cpm=5)
    kept = cpm(control).mean(axis=0) > 5
    assert not kept[3]
    np.testing.assert_array_equal(found.tested, np.broadcast_to(kept, found.tested.shape))
    assert np.isnan(found.p_adjusted[:, ~kept]).all()
    with pytest.raises(ValueError, match="no gene has more than 1e"):
        differential_expression(counts, labels, control, genes, min_control_cpm=1e7)


def test_ties_of_shares_stay_ties_whatever_the_depth():
    control = np.array([[1, 2], [2, 4], [3, 6], [5, 10], [7, 14]])
    found = differential_expression(control[::-1] * 11, ["p"] * 5, control, ["a", "b"])
    np.testing.assert_array_equal(found.p_value, 1.0)


def test_geometric_means_are_of_log1p():
    counts, labels, _, _ = screen()
    shares = sparse.csr_array(counts / counts.sum(axis=1, keepdims=True))
    found = group_means(shares, (labels == "p1").astype(int), 2, mean="geometric")
    for i, name in enumerate(("p0", "p1")):
        expected = np.expm1(np.log1p(cpm(counts[labels == name])).mean(axis=0))
        np.testing.assert_allclose(found[i], expected, rtol=1e-12)


def test_adjusting_holds_out_what_has_no_p_value():
    p = np.array([[0.01, np.nan, 0.02, 0.5], [0.01, 0.02, 0.03, 0.04]])
    tested = np.array([[True, True, True, True], [True, False, False, True]])
    found = adjusted(p, tested)
    np.testing.assert_allclose(found[0], [0.03, np.nan, 0.03, 0.5])
    np.testing.assert_allclose(found[1], [0.02, np.nan, np.nan, 0.04])


def test_an_unbounded_p_value_is_the_approximation_alone():
    values = np.zeros((43, 1))
    values[:3] = 1
    labels, is_control = np.full(43, "p"), np.arange(43) >= 3
    bounded = mann_whitney(values, labels, is_control).p_value[0, 0]
    plain = mann_whitney(values, labels, is_control, bounded=False).p_value[0, 0]
    expected = mannwhitneyu(np.ones(3), np.zeros(40), method="asymptotic").pvalue
    assert plain == pytest.approx(expected, rel=1e-9)
    assert bounded == pytest.approx(2 / (43 * 42 * 41 / 6))  # 2 of C(43, 3) arrangements
    assert plain < bounded


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("empty", "1 cells of counts have no count, the first is number 2"),
        ("negative", "negative, NaN or infinite"),
        ("nan", "1 NaN or infinite values"),
        ("genes", "40 genes of cells, 39 names"),
        ("twice", "1 genes occur twice"),
        ("labels", "labels of shape"),
    ],
)
def test_bad_input_is_refused(what, said):
    counts, labels, control, genes = screen()
    counts, genes = counts.astype(float), genes.astype(object)
    if what == "empty":
        counts[2] = 0
    elif what == "negative":
        counts[0, 0] = -1
    elif what == "nan":
        counts[0, 0] = np.nan
    elif what == "genes":
        genes = genes[1:]
    elif what == "twice":
        genes[0] = genes[1]
    else:
        labels = labels[1:]
    with pytest.raises(ValueError, match=said):
        differential_expression(counts, labels, control, genes)


def test_one_cell_a_perturbation_has_a_test():
    counts, labels, control, genes = screen(sizes=(1, 5))
    found = differential_expression(counts, labels, control, genes)
    assert np.isfinite(found.p_value[0][found.tested[0]]).all()
    assert found.p_value[0][found.tested[0]].min() > 0.05  # one cell proves nothing


def test_a_table_is_brought_into_another_order_and_refuses_other_names():
    counts, labels, control, genes = screen()
    table = differential_expression(counts, labels, control, genes)
    turned = table.aligned(["p1", "p0", "p2"], genes[::-1])
    np.testing.assert_array_equal(turned.p_value[0], table.p_value[1, ::-1])
    assert not turned.tested[2].any()
    assert np.isnan(turned.log2_fold_change[2]).all()
    with pytest.raises(ValueError, match="1 perturbations of the table are none"):
        table.aligned(["p1"], genes)
    with pytest.raises(ValueError, match="p_value has shape"):
        DETable(
            table.perturbations, genes, table.tested, table.p_value, table.p_value[:1],
            table.p_value,
        )  # fmt: skip


def annotated(counts, labels, control, genes):
    from anndata import AnnData

    cells = np.vstack([counts, control]).astype(np.float64)
    groups = np.concatenate([labels, np.full(len(control), "control")])
    adata = AnnData(sparse.csr_matrix(cells))
    adata.obs["target"] = groups
    adata.var_names = genes
    return adata


def test_pdex_agrees_where_definitions_do(peer):
    pdex = peer("pdex").pdex
    counts, labels, control, genes = screen(sizes=(30, 25), n_controls=80)
    adata = annotated(counts, labels, control, genes)
    totals = np.asarray(adata.X.sum(axis=1))
    adata.X = sparse.csr_matrix(np.log1p(adata.X.toarray() / totals * 1e6))
    theirs = pdex(
        adata, groupby="target", mode="ref", reference="control", is_log1p=True, threads=1,
        epsilon=1e-9, geometric_mean=True,
    ).to_pandas()  # fmt: skip
    theirs = theirs.pivot_table(
        index="target", columns="feature", values=["p_value", "fdr", "log2_fold_change"]
    )
    ours = differential_expression(
        counts, labels, control, genes, continuity=True, min_control_cpm=-1, mean="geometric"
    )
    np.testing.assert_allclose(ours.p_value, theirs["p_value"].loc[["p0", "p1"]], atol=1e-8)
    np.testing.assert_allclose(ours.p_adjusted, theirs["fdr"].loc[["p0", "p1"]], atol=1e-8)
    change = theirs["log2_fold_change"].loc[["p0", "p1"]]
    np.testing.assert_allclose(ours.log2_fold_change, change, atol=1e-8)
    plain = differential_expression(counts, labels, control, genes, min_control_cpm=-1)
    # Other definitions: no correction lowers p, and arithmetic means weigh large cells more.
    assert (plain.p_value <= ours.p_value).all()
    assert np.abs(plain.log2_fold_change - ours.log2_fold_change).max() > 0.1


def test_cell_eval2_agrees(peer):
    peer("cell_eval2")
    from cell_eval2.de_compute import compute_de

    counts, labels, control, genes = screen(sizes=(30, 25), n_controls=80)
    theirs = compute_de(
        annotated(counts, labels, control, genes), backend="scanpy", groupby="target",
        reference="control", mean_calc="arithmetic", epsilon=1e-9, input_type="counts",
        filter_gene_min_cpm_cell=5.0,
    ).to_pandas()  # fmt: skip
    ours = differential_expression(counts, labels, control, genes)
    for column, values, atol in (
        ("log2_fold_change", ours.log2_fold_change, 1e-12),
        ("p_value", ours.p_value, 1e-8),
        ("p_adj", ours.p_adjusted, 1e-8),
    ):
        wide = theirs.pivot_table(index="target", columns="feature", values=column)
        there = np.isin(genes, wide.columns)
        np.testing.assert_array_equal(there, ours.tested[0])
        np.testing.assert_allclose(values[:, there], wide[genes[there]].to_numpy(), atol=atol)
