"""Screens on disk against the same computed in memory."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_matrix
from typer.testing import CliRunner

from helpers import cli
from helpers.data import registry, tx_evaluation
from helpers.data.contract import CONTROL, DataError
from helpers.data.normalise import log1p_cp10k
from helpers.data.ondisk import Counts, first_pass, open_screen
from helpers.data.pseudobulk import pseudobulk
from helpers.data.splits import held_out_split
from helpers.metrics.embeddings.consistency import perturbation_consistency
from helpers.metrics.embeddings.permutation import permutation_consistency
from helpers.metrics.embeddings.postprocess import postprocess
from helpers.models.embeddings import streamed_pca as module
from helpers.models.embeddings import streamed_postprocess
from helpers.models.pca import pca_embedding
from helpers.tasks.embeddings import large_screen as large
from helpers.tasks.embeddings.known_relationships import UNION, recall
from helpers.tasks.embeddings.linear_separability import linear_separability
from helpers.tasks.embeddings.readouts import pooled


def screen(n_cells=600, n_genes=90, seed=0):
    """Counts with a few programs, batches, and one cell with more counts than the table holds."""
    rng = np.random.default_rng(seed)
    programs = rng.standard_normal((n_cells, 4)) * [1.0, 0.8, 0.6, 0.5]
    mean = np.exp(rng.normal(-0.5, 1, n_genes) + programs @ rng.standard_normal((4, n_genes)) * 0.5)
    X = rng.poisson(mean).astype(np.float32)
    X[0, 0] = 3_000
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(rng.choice([CONTROL, "A", "B", "C"], n_cells)),
            "batch": pd.Categorical(rng.choice(["b1", "b2", "b3"], n_cells)),
            "total_counts": X.sum(axis=1) + rng.integers(0, 40, n_cells),
        },
        index=[f"cell{i}" for i in range(n_cells)],
    )
    uns = {"scale": {"kind": "counts", "target_sum": None}, "dataset": {"name": "made up"}}
    var = pd.DataFrame(index=[f"G{i}" for i in range(n_genes)])
    return ad.AnnData(csr_matrix(X), obs, var, uns=uns)


def written(folder, made, layout="csr"):
    path = folder / f"{layout}.h5ad"
    made = made.copy()
    made.X = {"csr": made.X, "dense": made.X.toarray(), "csc": csc_matrix(made.X)}[layout]
    made.write_h5ad(path, compression="lzf" if layout == "csr" else None)
    return path


# ------------------------------------------------------------------------ one pass


@pytest.mark.parametrize("layout", ["csr", "dense"])
@pytest.mark.parametrize("stated", [True, False])
def test_one_pass_gives_sizes_moments_and_pseudobulks(tmp_path, layout, stated):
    made = screen()
    if not stated:
        del made.obs["total_counts"]
    normalised = log1p_cp10k(made)
    codes, names = pd.factorize(made.obs["perturbation"], sort=True)
    opened = open_screen(written(tmp_path, made, layout))
    assert opened.shape == made.shape and opened.layout == layout
    with Counts(tmp_path) as counts:
        found = first_pass(opened, codes, counts, chunk_size=97)
        dense = normalised.X.toarray().astype(float)
        np.testing.assert_allclose(found.mean, dense.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(found.variance, dense.var(axis=0, ddof=1), rtol=1e-4)
        np.testing.assert_allclose(found.library_size, normalised.obs["total_counts"])
        expected = pseudobulk(normalised, "perturbation")
        assert list(names) == list(expected.obs["perturbation"])
        np.testing.assert_allclose(found.pseudobulk, expected.X, rtol=1e-5)
        np.testing.assert_array_equal(found.n_cells, expected.obs["n_cells"])
        ends, genes, values, factor = counts.rows(100, 350)
        again = csr_matrix((values, genes.astype(int), ends), shape=(250, made.n_vars))
        np.testing.assert_array_equal(again.toarray(), made.X[100:350].toarray())
        np.testing.assert_allclose(factor, 1e4 / found.library_size[100:350], rtol=1e-6)
        assert list(tmp_path.glob("tmp*"))
    assert not list(tmp_path.glob("tmp*")), "the copy of the counts is removed"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("fraction", r"cell 'cell123', gene 'G5' has 1.5, which is no count"),
        ("negative", r"cell 'cell123', gene 'G5' has -1"),
        ("nan", r"cell 'cell123', gene 'G5' has nan"),
        ("huge", r"has 70000, which is no count from 0 to 65,535"),
        ("empty", r"1 cells of a chunk have a library size .* first 'cell123' \(0 against 0"),
        ("short", r"first 'cell123' \(1 against"),
    ],
)
def test_what_is_no_count_is_named(tmp_path, spoil, message):
    made = screen()
    dense = made.X.toarray()
    values = {"fraction": 1.5, "negative": -1, "nan": np.nan, "huge": 70_000}
    if spoil in values:
        dense[123, 5] = values[spoil]
        made.obs["total_counts"] = 100_000.0
    elif spoil == "empty":
        dense[123] = 0
        del made.obs["total_counts"]
    else:
        made.obs.loc["cell123", "total_counts"] = 1
    made.X = csr_matrix(dense)
    opened = open_screen(written(tmp_path, made))
    with Counts() as counts, pytest.raises(DataError, match=message):
        first_pass(opened, np.zeros(made.n_obs, dtype=int), counts, chunk_size=100)


def test_files_that_cannot_be_streamed_are_refused(tmp_path):
    with pytest.raises(DataError, match="X is a csc_matrix, which cannot be read cell by cell"):
        open_screen(written(tmp_path, screen(), "csc"))
    (tmp_path / "x.h5ad").write_text("no")
    with pytest.raises(DataError, match="is not an h5ad"):
        open_screen(tmp_path / "x.h5ad")
    opened = open_screen(written(tmp_path, screen()))
    with Counts() as counts, pytest.raises(ValueError, match="without gaps"):
        first_pass(opened, np.full(600, 3), counts)


def spoilt(path, part, value, place=None):
    """Change a part of the file: one value of it, or all of it."""
    with h5py.File(path, "r+") as file:
        if value is None:
            del file[part]
        elif place is not None:
            file[part][place] = value
        else:
            attributes = dict(file[part].attrs)
            del file[part]
            file[part] = value
            file[part].attrs.update(attributes)


DAMAGES = {
    "X/indices one far": (
        *("X/indices", 10_000_000, 5_000),
        r"cell 'cell\d+' has a value at gene number 10000000, of 90 genes",
    ),
    "X/indices below": ("X/indices", -3, 5_000, "has a value at gene number -3"),
    "X/indices cut": ("X/indices", np.zeros(7, "i4"), None, r"indices of shape \(7,\)"),
    "X/indices float": ("X/indices", np.zeros(3), None, "indices of shape"),
    "X/indptr back": ("X/indptr", 0, 9, r"cell 'cell8' ends at value 0, begun at \d+"),
    "X/indptr far": ("X/indptr", 2**30, 600, "cell 'cell599' ends at value 1073741824"),
    "X/indptr short": ("X/indptr", np.zeros(9, "i4"), None, "600 cells need 601 integers"),
    "X/data text": ("X/data", np.array([b"x"] * 3), None, "not numbers"),
    "X/data gone": ("X/data", None, None, "lacks data"),
    "X gone": ("X", None, None, "has no 'X'"),
    "obs gone": ("obs", None, None, "has no 'obs'"),
    "obs cut": ("obs/batch/codes", np.zeros(5, "i1"), None, "obs cannot be read"),
    "obs codes": ("obs/batch/codes", 99, 3, "obs cannot be read"),
    "var cut": ("var/_index", np.array([b"G0", b"G1"]), None, "600 cells and 2 genes|var cannot"),
    "totals text": ("obs/total_counts", np.array([b"x"] * 600), None, "not numbers|cannot be read"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_refused_by_place(tmp_path, name):
    part, value, place, message = DAMAGES[name]
    path = written(tmp_path, screen())
    spoilt(path, part, value, place)
    with pytest.raises(DataError, match=message):
        large.embed_screen(path, n_components=3, chunk_size=150)


def test_a_file_cut_short_is_refused(tmp_path):
    path = written(tmp_path, screen())
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DataError):
            large.embed_screen(path, n_components=3)


def test_old_files_and_odd_entries_are_read(tmp_path):
    made = screen()
    path = tmp_path / "old.h5ad"
    X = made.X
    with h5py.File(path, "w") as file:  # as anndata 0.6 wrote it, each value in two entries
        group = file.create_group("X")
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = b"csr", made.shape
        group["data"] = np.column_stack([X.data - 1, np.ones(X.nnz)]).ravel().astype(">f4")
        group["indices"] = np.repeat(X.indices, 2)
        group["indptr"] = X.indptr.astype(np.int64) * 2
        codes = made.obs["perturbation"].cat.codes.to_numpy("i1")
        file["uns/perturbation_categories"] = made.obs["perturbation"].cat.categories.tolist()
        names = np.array(made.obs_names.tolist(), "S8")
        batch = np.array(made.obs["batch"].tolist(), "S2")
        obs = np.zeros(600, [("index", "S8"), ("perturbation", "i1"), ("batch", "S2")])
        obs["index"], obs["perturbation"], obs["batch"] = names, codes, batch
        file["obs"] = obs
        file["var"] = np.array([(g.encode(),) for g in made.var_names], [("index", "S3")])
    del made.obs["total_counts"]
    old, new = (large.embed_screen(p, n_components=3) for p in (path, written(tmp_path, made)))
    assert np.array_equal(old.pseudobulk, new.pseudobulk)
    assert np.array_equal(old.perturbation, new.perturbation)
    assert np.array_equal(old.embedding, new.embedding)


@pytest.mark.parametrize(
    "rename, message",
    [
        ({"A": "TP53+ctrl", "B": "ctrl+TP53"}, "with a control in them: 'TP53[+]ctrl', 'ctrl"),
        ({"A": "KLF1+GATA1", "B": "GATA1+KLF1"}, "not sorted: 'KLF1[+]GATA1'"),
        ({"A": "A+B ", "B": " A"}, "blanks at an end: ' A', 'A[+]B '"),
        ({"A": "non-targeting"}, "calls controls 'non-targeting'"),
        ({"A": "nan"}, "holds the text 'nan'"),
    ],
)
def test_large_knows_the_names_of_the_contract(tmp_path, rename, message):
    made = screen()
    made.obs["perturbation"] = made.obs["perturbation"].cat.rename_categories(rename)
    with pytest.raises(DataError, match=message):
        large.embed_screen(written(tmp_path, made), n_components=3)


def asked(folder, monkeypatch, made, *options):
    monkeypatch.setenv("BENCHBOOK_HOME", str(folder / "home"))
    path = written(folder, made)
    arguments = ["large", str(path), "--out", str(folder / "out"), "--permutations", "9"]
    return CliRunner().invoke(cli.app, [*arguments, "--n-components", "3", *options])


def test_one_control_makes_no_typical_variation(tmp_path, monkeypatch):
    made = screen(200)
    control = made.obs["perturbation"] == CONTROL
    made = made[~control | (np.cumsum(control) == 1)].copy()
    done = asked(tmp_path, monkeypatch, made)
    assert isinstance(done.exception, DataError)
    assert "1 control cells in all; typical variation" in str(done.exception)


@pytest.mark.parametrize("n_cells, n_genes", [(30, 90), (600, 30)])
def test_fewer_cells_or_genes_than_components_are_said(tmp_path, monkeypatch, n_cells, n_genes):
    done = asked(tmp_path, monkeypatch, screen(n_cells, n_genes), "--n-components", "50")
    assert isinstance(done.exception, DataError)
    assert f"{n_cells} cells x {n_genes} genes allow 1 to 30" in str(done.exception)


def test_a_consistency_of_nothing_is_said(tmp_path, monkeypatch):
    made = screen(200)
    made.obs["batch"] = "batch of " + made.obs["perturbation"].astype(str)
    done = asked(tmp_path, monkeypatch, made, "--task", "consistency")
    assert done.exit_code == 1
    assert "nothing is scored: no perturbation has cells in two batches" in done.output
    assert "nan" not in done.output
    done = asked(tmp_path, monkeypatch, made, "--task", "linear-separability")
    assert done.exit_code == 1 or isinstance(done.exception, DataError)
    assert "nan" not in done.output


def test_two_kinds_of_control_are_not_taken_as_one(tmp_path):
    made = screen()
    made.obs["perturbation"] = made.obs["perturbation"].cat.rename_categories({"A": "safe"})
    columns = large.Columns(control="safe")
    with pytest.raises(DataError, match="two kinds of control would become one"):
        large.embed_screen(written(tmp_path, made), columns=columns, n_components=3)


# ------------------------------------------------------------------------ PCA


def angles(a, b):
    """Cosines of the principal angles between two column spaces."""
    return np.linalg.svd(np.linalg.qr(a)[0].T @ np.linalg.qr(b)[0], compute_uv=False)


@pytest.mark.parametrize("warm_cells", [10**9, 150])
def test_streamed_components_span_what_exact_ones_span(tmp_path, monkeypatch, warm_cells):
    monkeypatch.setattr(module, "WARM_CELLS", warm_cells)
    made = screen(n_cells=2_000)
    exact = pca_embedding.function(made, n_components=8, seed=0)
    opened = open_screen(written(tmp_path, made))
    results = []
    for n_threads, chunk_size in ((1, 100), (2, 130)):
        with Counts() as counts:
            summary = first_pass(opened, np.zeros(2_000, dtype=int), counts)
            found = module.streamed_pca(
                counts,
                summary.mean,
                n_components=8,
                rng=np.random.default_rng(0),
                n_threads=n_threads,
                chunk_size=chunk_size,
            )
        results.append(found)
        np.testing.assert_allclose(found.embedding.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(found.variance, found.embedding.var(axis=0, ddof=1), rtol=1e-4)
        np.testing.assert_allclose(found.loadings.T @ found.loadings, np.eye(8), atol=1e-8)
        # Four programs stand out; what follows is noise of nearly equal variance.
        np.testing.assert_allclose(found.variance[:4], exact.var(axis=0, ddof=1)[:4], rtol=1e-3)
        # Two rounds over all cells settle what stands out, and not yet the noise.
        share = 0.995 if warm_cells == 10**9 else 0.985
        assert found.variance.sum() > share * exact.var(axis=0, ddof=1).sum()
        assert angles(found.embedding[:, :4], exact[:, :4]).min() > 0.999
        for k in range(4):
            assert np.corrcoef(found.embedding[:, k], exact[:, k])[0, 1] > 0.999  # sign included
    if warm_cells == 10**9:
        np.testing.assert_allclose(results[0].variance, results[1].variance, rtol=1e-5)


def test_too_many_components_are_refused(tmp_path):
    opened = open_screen(written(tmp_path, screen()))
    with Counts() as counts:
        summary = first_pass(opened, np.zeros(600, dtype=int), counts)
        for n_components in (0, 91):
            with pytest.raises(ValueError, match=f"n_components is {n_components}; .* 1 to 90"):
                module.streamed_pca(
                    counts,
                    summary.mean,
                    n_components=n_components,
                    rng=np.random.default_rng(0),
                )


# ------------------------------------------------------------------------ post-processing


@pytest.mark.parametrize("method", ["raw", "centered", "center_scaled", "tvn"])
@pytest.mark.parametrize("shrink_below", [0, 30])
def test_streamed_post_processing_is_post_processing(monkeypatch, method, shrink_below):
    monkeypatch.setattr(streamed_postprocess, "_CHUNK", 50)
    rng = np.random.default_rng(0)
    embedding = (rng.standard_normal((900, 7)) @ rng.standard_normal((7, 7)) + 40).astype("float32")
    embedding[:, 3] = 2.5  # a constant dimension
    batch = rng.choice(["x", "y", "z"], 900, p=[0.5, 0.45, 0.05])
    is_control = rng.random(900) < 0.3
    kwargs = {"shrink_below": shrink_below, "bare": "global" if shrink_below else "raise"}
    expected = postprocess(embedding, batch, is_control, method, **kwargs)
    found = streamed_postprocess.streamed_postprocess(
        embedding, batch, is_control, method, **kwargs
    )
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)
    if method != "raw":
        embedding[~is_control & (batch == "y"), 0] = np.nan
        with pytest.raises(ValueError, match="NaN or infinite"):
            streamed_postprocess.streamed_postprocess(
                embedding, batch, is_control, method, **kwargs
            )


# ------------------------------------------------------------------------ permutations


def embedded(n_cells=400, seed=0, effect=1.0):
    rng = np.random.default_rng(seed)
    label = rng.choice(list("ABCDEFGH"), n_cells)
    batch = rng.choice(["x", "y", "z"], n_cells)
    cells = rng.standard_normal((n_cells, 6)) + 0.4
    cells[label == "A"] += effect * np.array([1, -1, 1, 0, 0, 0])
    return cells, label, batch


@pytest.mark.parametrize("pairs", ["across", "all"])
def test_similarity_is_that_of_the_plain_metric(pairs):
    cells, label, batch = embedded()
    cells[5] = 0
    found = permutation_consistency(
        cells, label, batch, pairs=pairs, n_permutations=5, rng=np.random.default_rng(0)
    )
    replicates = batch if pairs == "across" else None
    expected = perturbation_consistency(cells, label, replicates=replicates)
    np.testing.assert_allclose(found["similarity"], expected["similarity"], atol=2e-6)
    np.testing.assert_array_equal(found["n_cells"], expected["n_cells"])
    assert list(found.index) == list(expected.index)


@pytest.mark.parametrize("pairs", ["across", "all"])
def test_the_null_is_that_of_labels_shuffled_within_batches(pairs):
    cells, label, batch = embedded()
    found = permutation_consistency(
        cells, label, batch, pairs=pairs, n_permutations=2_000, rng=np.random.default_rng(0)
    )
    rng = np.random.default_rng(1)
    plain = []
    for _ in range(400):
        shuffled = label.copy()
        for b in "xyz":
            shuffled[batch == b] = rng.permutation(shuffled[batch == b])
        replicates = batch if pairs == "across" else None
        scored = perturbation_consistency(cells, shuffled, replicates=replicates)
        plain.append(scored["similarity"].to_numpy())
    plain = np.array(plain)
    error = plain.std(axis=0) * (1 / np.sqrt(400) + 1 / np.sqrt(2_000))
    assert (np.abs(found["null_mean"] - plain.mean(axis=0)) < 4 * error).all()
    np.testing.assert_allclose(found["null_sd"], plain.std(axis=0), rtol=0.15)


def test_planted_effects_are_found_and_nothing_else():
    cells, label, batch = embedded(n_cells=4_000)
    found = permutation_consistency(
        cells, label, batch, n_permutations=999, rng=np.random.default_rng(0)
    )
    assert found.loc["A", "p_value"] == 0.001
    p_values = []
    for seed in range(60):
        cells, label, batch = embedded(n_cells=300, seed=seed, effect=0.0)
        rng = np.random.default_rng(seed)
        p_values += list(
            permutation_consistency(cells, label, batch, n_permutations=99, rng=rng)["p_value"]
        )
    share = (np.array(p_values) <= 0.05).mean()  # 480 p-values, 5 % expected
    assert 0.02 < share < 0.09


def test_cells_that_are_left_out_take_no_part():
    cells, label, batch = embedded()
    scored = label != "H"
    left_out = permutation_consistency(
        cells, label, batch, where=scored, n_permutations=9, rng=np.random.default_rng(0)
    )
    without = permutation_consistency(
        cells[scored],
        label[scored],
        batch[scored],
        n_permutations=9,
        rng=np.random.default_rng(0),
    )
    pd.testing.assert_frame_equal(left_out, without)


def test_threads_and_rest_of_the_permutations_change_nothing():
    cells, label, batch = embedded()
    one, two = (
        permutation_consistency(
            cells, label, batch, n_permutations=21, n_threads=n, rng=np.random.default_rng(3)
        )
        for n in (1, 2)
    )
    pd.testing.assert_frame_equal(one, two)
    assert one["null_sd"].gt(0).all()


def test_perturbations_without_pairs_are_not_scored():
    cells, label, batch = embedded()
    label, batch = label.astype(object), batch.astype(object)
    label[0], batch[0] = "lonely", "x"
    one_batch = np.flatnonzero(batch == "y")[:3]
    label[one_batch] = "y only"
    rng = np.random.default_rng(0)
    found = permutation_consistency(cells, label, batch, n_permutations=9, rng=rng)
    assert found.loc[["lonely", "y only"], ["similarity", "p_value"]].isna().all(axis=None)
    assert found.loc["y only", "n_cells"] == 3
    assert found.loc["A"].notna().all()


def test_bad_input_is_refused():
    cells, label, batch = embedded()

    def ask(cells=cells, label=label, batch=batch, **more):
        arguments = {"n_permutations": 2, "rng": np.random.default_rng(0)} | more
        return permutation_consistency(cells, label, batch, **arguments)

    with pytest.raises(ValueError, match="pairs is 'some'"):
        ask(pairs="some")
    with pytest.raises(ValueError, match="n_permutations is 0"):
        ask(n_permutations=0)
    with pytest.raises(ValueError, match=r"labels of shape \(399,\) for 400 rows"):
        ask(label=label[:-1])
    missing = label.astype(object)
    missing[3] = None
    with pytest.raises(ValueError, match="labels are missing for 1 rows, the first in row 3"):
        ask(label=missing)
    holed = cells.copy()
    holed[17, 2] = np.inf
    with pytest.raises(ValueError, match="the first in row 17"):
        ask(cells=holed)


# ------------------------------------------------------------------------ the whole


def test_a_screen_on_disk_scores_as_in_memory(tmp_path, monkeypatch):
    made = screen(n_cells=3_000)
    path = written(tmp_path, made)
    embedded = large.embed_screen(path, n_components=5, n_threads=2, chunk_size=700)
    assert embedded.pseudobulk.shape == (4, 90)
    assert list(embedded.pseudobulk.index) == ["A", "B", "C", CONTROL]
    exact = pca_embedding.function(made, n_components=5, seed=0)
    is_control = (made.obs["perturbation"] == CONTROL).to_numpy()
    white = postprocess(exact, made.obs["batch"], is_control, "tvn")
    labels = made.obs["perturbation"].to_numpy(object)
    batch = made.obs["batch"].to_numpy(object)
    expected = perturbation_consistency(
        white[~is_control], labels[~is_control], replicates=batch[~is_control]
    )

    monkeypatch.setenv("BENCHBOOK_DATA", str(tmp_path))
    monkeypatch.setenv("BENCHBOOK_CACHE", str(tmp_path / "cache"))
    file, columns = large.file_of(path), {"perturbation": "perturbation", "batch": "batch"}
    cells = large.large_embedding.function(file=file, columns=columns, n_components=5)
    found = large.large_consistency.function(cells, n_permutations=50)
    np.testing.assert_allclose(found["similarity"], expected["similarity"], atol=2e-3)

    made.obs["context"] = "all"
    splits = [held_out_split.function(made, fold=f, n_folds=3) for f in range(3)]
    probed = linear_separability.function(
        made, exact, splits, protocol="revised", readouts=[["ridge", "tvn"]], seed=0
    )
    probed = probed.drop(columns=["probe", "post"]).set_index("perturbation")
    folds = [fold.drop(columns="fold") for _, fold in probed.groupby("fold")]
    named = large.large_separability.function(cells, n_folds=9)
    pd.testing.assert_frame_equal(named, pooled(folds), atol=0.01)

    treated = labels[~is_control]
    means = {name: white[~is_control][treated == name].mean(axis=0) for name in "ABC"}
    known = pd.DataFrame({"gene_a": ["A", "A"], "gene_b": ["B", "C"], "database": "X"})
    asked = {"posts": ["tvn"], "protocol": "revised", "union": True}
    mean_of = large.large_means.function(cells)
    recalled = recall.function(mean_of, known, **asked, min_perturbations=3, min_pairs=2)
    cosine = {
        pair: means[pair[0]] @ means[pair[1]] / np.prod([np.linalg.norm(means[g]) for g in pair])
        for pair in ("AB", "AC", "BC")
    }
    # Of three pairs the largest and the least are the tails.
    upper = np.mean([cosine[pair] == max(cosine.values()) for pair in ("AB", "AC")])
    assert recalled.set_index("database")["upper"].to_dict() == {"X": upper, UNION: upper}
    few = recall.function(mean_of, known, **asked)
    assert few["recall"].isna().all() and (few["n_perturbed"] == 3).all()

    shuffled = np.random.default_rng(0).permutation(3_000)
    back = tmp_path / "back.h5ad"
    obsm = {"X_model": embedded.embedding[shuffled]}
    ad.AnnData(obs=made.obs[[]].iloc[shuffled], obsm=obsm).write_h5ad(back)
    returned = large.large_embedding.function(
        file=file, columns=columns, embedding=large.file_of(back)
    )
    np.testing.assert_array_equal(returned["embedding"], embedded.embedding)
    path.rename(tmp_path / "elsewhere.h5ad")  # known by content, not by name
    again = large.large_embedding.function(file=file, columns=columns, n_components=5)
    np.testing.assert_array_equal(again["perturbation"], cells["perturbation"])
    (tmp_path / "elsewhere.h5ad").unlink()
    with pytest.raises(DataError, match="is in no folder of BENCHBOOK_DATA nor in the cache"):
        large.large_embedding.function(file=file, columns=columns)
    one = cells | {"batch": np.zeros(3_000, dtype=int), "batches": np.array(["1"])}
    with pytest.raises(DataError, match="has one batch"):
        large.large_separability.function(one)


def test_columns_of_other_names_and_missing_controls(tmp_path):
    made = screen()
    made.obs = made.obs.rename(columns={"perturbation": "gene_name", "batch": "gem"})
    made.obs["gene_name"] = made.obs["gene_name"].astype(str).replace(CONTROL, "non-targeting")
    path = written(tmp_path, made)
    columns = large.Columns("gene_name", "gem", "non-targeting")
    embedded = large.embed_screen(path, columns=columns, n_components=3)
    assert CONTROL in embedded.pseudobulk.index
    with pytest.raises(DataError, match=r"obs has no column perturbation, batch \(columns: gene"):
        large.embed_screen(path)
    with pytest.raises(DataError, match=r"no cell is called 'control' in obs\['gene_name'\]"):
        large.embed_screen(path, columns=large.Columns("gene_name", "gem"))


# ------------------------------------------------------------------------ the reference screens


def tx_evaluation_file(folder, **changes):
    """A small file in the layout of the set: dense float32 counts, its columns, empty obsm."""
    rng = np.random.default_rng(0)
    target = rng.choice(["non-targeting", "AARS", "ABCB7", "ZZZ3"], 400)
    obs = pd.DataFrame(
        {
            "gene_name": pd.Categorical(target),
            "is_control": target == "non-targeting",
            "dataset_batch_num": pd.Categorical(rng.integers(1, 5, 400).astype(str)),
        },
        index=[f"AAAC{i}-1" for i in range(400)],
    ).assign(**changes)
    var = pd.DataFrame(index=[f"G{i}" for i in range(60)])
    X = rng.poisson(1.5, (400, 60)).astype(np.float32)
    path = folder / "replogle_2022_rpe1_e.h5ad"
    ad.AnnData(X, obs, var).write_h5ad(path)
    return path


def test_the_layout_of_the_reference_screens_is_read_and_checked(tmp_path, monkeypatch):
    path = tx_evaluation_file(tmp_path)
    monkeypatch.setenv("BENCHBOOK_DATA", str(tmp_path))
    facts = registry.verify("replogle2022-rpe1")
    expected = {"cells": 400, "genes": 60, "perturbations": 3, "batches": 4}
    assert {name: facts[name] for name in expected} == expected
    assert facts["controls"] == (ad.read_h5ad(path).obs["gene_name"] == "non-targeting").sum()
    with pytest.raises(DataError, match="replogle2022-rpe1 is unverified"):
        registry.load("replogle2022-rpe1").function.function()
    with pytest.raises(DataError, match=r"disagree in \d+ cells"):
        tx_evaluation.summary(tx_evaluation_file(tmp_path, is_control=False))
    renamed = ad.read_h5ad(tx_evaluation_file(tmp_path))
    renamed.obs = renamed.obs.drop(columns="dataset_batch_num")
    renamed.write_h5ad(path)
    with pytest.raises(DataError, match="no column dataset_batch_num"):
        tx_evaluation.summary(path)


def test_the_command_scores_a_reference_screen(tmp_path, monkeypatch):
    tx_evaluation_file(tmp_path)
    monkeypatch.setenv("BENCHBOOK_DATA", str(tmp_path))
    monkeypatch.setenv("BENCHBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BENCHBOOK_SCHEDULER", raising=False)
    out = tmp_path / "scores"
    words = ["large", "replogle2022-rpe1", "--out", str(out), "--permutations", "20"]
    words += ["--task", "consistency", "--task", "linear-separability"]
    done = CliRunner().invoke(cli.app, words, input="y\n")
    assert done.exit_code == 0, done.exception
    table = pd.read_csv(out / "consistency.csv", index_col="perturbation")
    assert list(table.index) == ["AARS", "ABCB7", "ZZZ3"]
    assert table["p_value"].between(1 / 21, 1).all()
