"""Curation, step by step, against formulas, naive loops and other implementations."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from helpers.data.contract import DataError
from helpers.data.spatial import curation as steps
from helpers.data.spatial.geometry import hops, nearest
from helpers.data.spatial.simulate import TissueKnobs, kinds, simulate
from helpers.data.spatial.splits import check_splits, whole_slides
from helpers.metrics.spatial.moran import moran
from helpers.models.spatial.adaptive_median import adaptive_median
from helpers.models.spatial.combat import combat
from helpers.tasks.spatial import curation as task
from helpers.tasks.spatial import curation_probes as probes
from helpers.tasks.spatial import curation_report as report

SMALL = {"side": 10, "n_genes": 60, "image": False}


@pytest.fixture(scope="module")
def small():
    return simulate(1, TissueKnobs(**SMALL))


def naive_median(values, neighbours, n_hops):
    """As the released code has it: one spot and one gene after the other."""
    near = [set(row) for row in neighbours]
    out = values.copy()
    for gene in range(values.shape[1]):
        measured = values[values[:, gene] != 0, gene]
        for spot in np.flatnonzero(values[:, gene] == 0):
            inside = {spot}
            out[spot, gene] = np.median(measured) if len(measured) else 0
            for _ in range(n_hops):
                inside = inside.union(*(near[i] for i in inside))
                median = np.median(values[sorted(inside), gene])
                if median != 0:
                    out[spot, gene] = median
                    break
    return out


@pytest.mark.parametrize("zeros", [0.2, 0.5, 0.9, 1.0])
def test_the_adaptive_median_is_the_naive_loop(zeros):
    rng = np.random.default_rng(int(10 * zeros))
    values = rng.gamma(3, 1, (70, 6)).astype(np.float32)
    values[rng.random(values.shape) < zeros] = 0
    values[:, 0] = 0
    around = nearest(rng.normal(size=(70, 2)), 5)
    assert np.array_equal(adaptive_median(values, around), naive_median(values, around, 4))


def test_the_adaptive_median_fills_low():
    values = np.array([[0.0], [1], [9], [9], [0], [9], [9]])
    around = np.array([[j for j in range(7) if j != i] for i in range(7)])
    # five of seven are measured: the middle of 0, 0, 1, 9, 9, 9, 9 is 9; of three it is the least
    assert adaptive_median(values, around)[0, 0] == 9
    values[[2, 3]] = 0
    filled = adaptive_median(values, around)
    assert filled[0, 0] == 9  # no median above zero: that of the slide's values 1, 9, 9
    with pytest.raises(DataError, match="negative or missing"):
        adaptive_median(-values, around)


def test_moran_is_the_double_sum():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 4))
    values[:, 3] = 2.0
    around = nearest(rng.normal(size=(30, 2)), 6)
    weights = np.zeros((30, 30))
    for i, row in enumerate(around):
        weights[i, row] = 1 / 6
    z = values - values.mean(axis=0)
    expected = [30 / weights.sum() * (weights * np.outer(g, g)).sum() / (g @ g) for g in z.T[:3]]
    found = moran(values, around)
    assert np.allclose(found[:3], expected) and np.isnan(found[3])


def test_moran_agrees_with_scanpy():
    from scanpy.metrics import morans_i

    rng = np.random.default_rng(1)
    values = rng.normal(size=(50, 5))
    around = nearest(rng.normal(size=(50, 2)), 6)
    pairs = (np.repeat(np.arange(50), 6), around.ravel())
    graph = sparse.csr_matrix((np.full(300, 1 / 6), pairs), shape=(50, 50))
    assert np.allclose(moran(values, around), morans_i(graph, values.T.copy()), atol=1e-6)


def test_combat_is_that_of_scanpy_within_its_ddof():
    from scanpy.pp import combat as scanpys

    rng = np.random.default_rng(2)
    batches = np.repeat(["a", "b", "c"], [150, 200, 250])
    values = rng.normal(size=(600, 40)) * rng.uniform(0.5, 2, 40) + rng.normal(size=40)
    values += 0.7 * rng.normal(size=(3, 40))[pd.factorize(batches)[0]]
    data = ad.AnnData(values.copy(), obs=pd.DataFrame({"batch": pd.Categorical(batches)}))
    theirs = scanpys(data, key="batch", inplace=False)
    ours = combat(values, batches)
    assert np.abs(ours - theirs).max() / values.std() < 0.02
    assert np.abs(ours - theirs).mean() / values.std() < 0.002
    spread = [np.ptp([v[batches == b].mean(axis=0) for b in "abc"], axis=0) for v in (values, ours)]
    assert spread[1].mean() < 0.1 * spread[0].mean()


def test_combat_leaves_what_it_cannot_change_and_refuses_a_batch_of_one():
    values = np.random.default_rng(0).normal(size=(20, 3))
    values[:, 1] = 5
    batches = ["a"] * 10 + ["b"] * 10
    assert (combat(values, batches)[:, 1] == 5).all()
    assert np.array_equal(combat(values, ["a"] * 20), values)
    with pytest.raises(DataError, match="batch b has one spot"):
        combat(values, ["a"] * 19 + ["b"])


# --------------------------------------------------------------------------- genes and spots


def test_the_running_mean_cuts_at_the_last_place():
    table = pd.DataFrame(
        {
            "total": [100.0] * 5 + [5.0, 2e6],
            "exp_frac": [0.9, 0.8, 0.7, 0.6, 0.1, 1.0, 1.0],
            "glob_exp_frac": [0.6, 0.9, 0.6, 0.8, 0.1, 1.0, 1.0],
        },
        index=list("abcdefg"),
    )
    # running means .60, .75, .70, .725, .60: below at the first place, above at the fourth
    assert steps.running_mean_rule(table) == ["a", "b", "c", "d"]
    with pytest.raises(DataError, match="asks for 95%"):
        steps.running_mean_rule(table, share=0.95)


def test_fractions_are_the_least_of_a_slide_and_of_all(small):
    found = steps.count_genes(steps.readers(small), ["slide 1", "slide 3"]).table
    slides = small.obs["slide"].astype(str).to_numpy()
    each = np.stack([(small.X[slides == s] > 0).mean(axis=0) for s in ("slide 1", "slide 3")])
    assert np.allclose(found["exp_frac"], each.min(axis=0))
    assert np.allclose(found["glob_exp_frac"], each.mean(axis=0))


def test_a_slide_without_spots_and_one_of_other_genes_are_named(small):
    empty = small.copy()
    empty.X[(empty.obs["slide"] == "slide 2").to_numpy()] = 0
    with pytest.raises(DataError, match="slide slide 2: none of 100 spots has more than 10"):
        steps.count_genes(steps.readers(empty), ["slide 1"])
    mixed = steps.readers(small)
    mixed["slide 4"] = lambda: small[(small.obs["slide"] == "slide 4").to_numpy(), ::-1]
    with pytest.raises(DataError, match="slide slide 4 has other genes"):
        steps.count_genes(mixed, ["slide 1"])


def test_millionths_with_and_without_lengths():
    counts = np.array([[1.0, 3, 0], [0, 0, 0]])
    assert np.allclose(steps.normalised(counts)[0], np.log2([250_001, 750_001, 1]))
    by_length = steps.normalised(sparse.csr_matrix(counts), [1000, 3000, 500])
    assert np.allclose(by_length[0], np.log2([500_001, 500_001, 1]))
    assert (by_length[1] == 0).all()


def test_genes_without_a_length_are_dropped_and_none_with_one_is_an_error():
    lengths = pd.Series({"ENSG1": 1000.0})
    assert steps.with_lengths(["x", "ENSG1"], lengths) == ["ENSG1"]
    with pytest.raises(DataError, match="none of 2 genes has a length, such as TP53"):
        steps.with_lengths(["TP53", "EGFR"], lengths)


# --------------------------------------------------------------------------- the whole


@pytest.mark.parametrize("protocol", task.PROTOCOLS)
def test_layers_are_what_their_names_say(small, protocol):
    data = task.curated.function(small, protocol=protocol, n_keep=12)
    layers, mask = data.layers, np.asarray(data.layers["mask"])
    assert np.array_equal(mask, layers["counts"] > 0)
    assert np.array_equal(np.asarray(layers["d_log1p"])[mask], np.asarray(layers["log1p"])[mask])
    train = (data.obs["split"] == "train").to_numpy()
    assert np.allclose(np.asarray(layers["d_deltas"])[train].mean(axis=0), 0, atol=1e-4)
    assert (np.asarray(layers["noisy_d_log1p"])[~mask] == 0).all()
    mean = data.var["d_log1p_avg_exp"].to_numpy()
    assert np.allclose(
        np.asarray(layers["noisy_d_deltas"]) + mean, layers["noisy_d_log1p"], atol=1e-4
    )
    assert ("c_d_log1p" in layers) == (protocol == "published")
    assert data.n_vars == 12 and (np.diff(data.var["moran"]) <= 0).all()
    table = task.steps_table(data)
    assert table["genes"].is_monotonic_decreasing and table["genes"].iloc[-1] == 12
    assert np.isclose(table["not measured"].iloc[-1], 1 - mask[train].mean(), atol=0.05)


def test_revised_statistics_do_not_see_the_other_slides(small):
    changed = small.copy()
    test = (changed.obs["split"] != "train").to_numpy()
    changed.X[test] = np.random.default_rng(0).permutation(changed.X[test])
    for protocol, same in (("revised", True), ("published", False)):
        one, two = (
            task.curated.function(d, protocol=protocol, n_keep=12) for d in (small, changed)
        )
        assert (list(one.var_names) == list(two.var_names)) == same


def test_the_bands_of_the_simulation():
    data = simulate(0, TissueKnobs(image=False))
    full = task.curated.function(data, protocol="published", n_keep=64)
    table = task.steps_table(full)
    assert 0.36 < table["not measured"].iloc[0] < 0.46
    assert 270 < table["genes"].iloc[-2] < 330
    found = kinds(full.var)
    assert found["flat"] == 0 and 35 < found["visible"] < 60


def test_sides_of_whole_slides():
    obs = pd.DataFrame(
        {"slide": ["a", "b", "c", "d"], "patient": ["p", "p", "q", "q"]}, index=list("wxyz")
    )
    assert whole_slides(obs, "b", kind="within") == {
        "a": "train", "c": "train", "d": "val", "b": "test",
    }  # fmt: skip
    assert whole_slides(obs, "b", kind="between") == {"c": "train", "d": "val", "b": "test"}
    with pytest.raises(DataError, match="no slide is left to train on where a"):
        whole_slides(obs.iloc[:2], "a", kind="between")
    with pytest.raises(DataError, match="there is no slide 'e'"):
        whole_slides(obs, "e", kind="within")
    with pytest.raises(DataError, match="no side is given for b"):
        check_splits(["a", "b"], {"a": "train"})
    with pytest.raises(DataError, match="no slide is there to train on"):
        check_splits(["a"], {"a": "test"})


def test_slides_that_overlap_in_pixels_are_neighbours_if_nobody_tells_them_apart(small):
    table = probes.other_slides.function(small)
    assert table["share"].between(0.6, 0.8).all()  # four slides, each as near as the own one


def test_the_rule_by_section_counts_each_slide_alone(small):
    table = probes.by_section.function(small)
    assert table["level"].tolist() == ["slide"] * 4 + ["all"]
    assert table["patient"].iloc[-1] == "" and (table["patient"][:4] != "").all()
    genes = steps.count_genes(steps.readers(small), ["slide 1"]).table
    assert table["genes"].iloc[0] == len(steps.running_mean_rule(genes))


def test_hops_and_the_filter_use_the_same_neighbourhood(small):
    one = small[(small.obs["slide"] == "slide 1").to_numpy()]
    members, ends = hops(steps.neighbours_of(one), 1)
    assert (ends[:, 1] - ends[:, 0] == 6).all() and len(members) == 700


def test_the_filter_makes_neighbours_of_nothing_alike(small):
    data = task.curated.function(small, protocol="revised", n_keep=12)
    mean = probes.moran_scores.function(data).groupby("layer")["moran"].mean()
    assert abs(mean["shuffled, normalised"]) < 0.05
    assert mean["shuffled, completed"] > mean["shuffled, normalised"]
    assert mean["latent truth"] > mean["normalised"]


def test_combat_brings_slides_together(small):
    data = task.curated.function(small, protocol="published", n_keep=12)
    spread = probes.batch_offset.function(data).set_index("layer")["spread"]
    assert spread["c_log1p"] < 0.5 * spread["log1p"]
    assert spread["c_d_log1p"] < 0.5 * spread["log1p"]


def test_what_is_said_of_combat():
    def said(raw, completed, before=1.0):
        columns = {"log1p": before, "c_log1p": raw, "c_d_log1p": completed}
        wide = pd.DataFrame(columns, index=pd.Index(range(1, 1 + len(raw)), name="draw"))
        tall = wide.reset_index().melt("draw", var_name="layer", value_name="spread")
        return report.about_combat(tall)

    text = said([1.3, 1.31, 1.32], [0.2, 0.21, 0.22])
    assert "of values as they are 1.31 (95 % interval 1.29 to 1.33): more than before" in text
    assert "of completed values 0.21 (95 % interval 0.19 to 0.23): less than before" in text
    assert "whether that is less than before is undecided" in said([0.8, 1.2, 1.0], [0.2, 0.2, 0.2])
    assert "one draw" in said([1.3], [0.2])
    assert "nothing to compare" in said([0.0], [0.0], before=0.0)


@pytest.mark.all
def test_the_rule_on_breast_cancer_hangs_on_its_sections():
    """281 genes over all 18 sections, 2,761 over C2 to C6."""
    from helpers.data import registry
    from helpers.data.sets import her2st

    if registry.status("her2st")["state"] == "absent":
        pytest.skip("her2st is not on this machine")
    for names, n in ((her2st.SECTIONS, 281), (("C2", "C3", "C4", "C5", "C6"), 2761)):
        data = her2st.read(registry.status("her2st")["paths"], sections=names, longest=50)
        slides = steps.readers(data)
        kept = steps.running_mean_rule(steps.count_genes(slides, list(names)).table)
        assert len(kept) == n


def test_genes_are_kept_by_smoothness_or_by_counts(small):
    data = task.curated.function(small, protocol="revised", n_keep=10, by="counts")
    train = (small.obs["split"] == "train").to_numpy()
    total = pd.Series(small.X[train].sum(axis=0), index=small.var_names)
    assert list(data.var_names) == total.nlargest(10).index.tolist()
    with pytest.raises(DataError, match="by is 'name'"):
        task.curated.function(small, protocol="revised", by="name")


def test_slides_without_coordinates_and_lengths_that_are_none(small):
    bare = small.copy()
    del bare.obsm["spatial"]
    with pytest.raises(DataError, match="slide slide 1 has no coordinates"):
        task.curated.function(bare, protocol="revised", n_keep=8)
    genes = list(small.var_names[:2])
    with pytest.raises(DataError, match="lengths are above 0 bases"):
        steps.with_lengths(genes, pd.Series([1000.0, 0.0], index=genes))
