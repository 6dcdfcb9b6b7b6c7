"""What goes out to a model and what may come back."""

import hashlib
import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_matrix
from typer.testing import CliRunner

from helpers import cli
from helpers.data import imported as embeddings
from helpers.data import registry
from helpers.data.contract import DataError
from helpers.data.exchange import (
    check_manifest,
    counts_sha256,
    export,
    manifest_of,
    read_embedding,
    read_manifest,
)
from helpers.store.steps import step
from helpers.tasks.embeddings.imported import imported_representations


def screen(n_cells=30, n_genes=8, seed=0):
    rng = np.random.default_rng(seed)
    X = csr_matrix(rng.poisson(2, (n_cells, n_genes)).astype(np.float32))
    obs = pd.DataFrame(
        {"total_counts": np.asarray(X.sum(axis=1)).ravel() + 5},
        index=[f"cell{i}" for i in range(n_cells)],
    )
    var = pd.DataFrame(
        {"ensembl_id": ["ENSG1", None, *[f"ENSG{i}" for i in range(3, n_genes + 1)]]},
        index=[f"G{i}" for i in range(n_genes)],
    )
    uns = {
        "scale": {"kind": "counts", "target_sum": None},
        "dataset": {"name": "made-up", "sha256": "0" * 64, "licence": "", "citation": ""},
    }
    return ad.AnnData(X, obs=obs, var=var, uns=uns)


@pytest.fixture
def cells():
    return screen().obs_names


def returned(folder, values, names, key="X_model", **more):
    """A file as a model gives it back."""
    made = ad.AnnData(
        csr_matrix((len(names), 1), dtype=np.float32),
        obs=pd.DataFrame(index=pd.Index(names).astype(str)),
        obsm={key: values} | more,
    )
    path = folder / "embedded.h5ad"
    made.write_h5ad(path)
    return path


def test_everything_goes_out_under_the_names_that_models_read(tmp_path):
    made = screen()
    path, facts = export(made, tmp_path / "out")
    back = ad.read_h5ad(path)
    np.testing.assert_array_equal(back.X.toarray(), made.X.toarray())
    assert list(back.obs_names) == list(made.obs_names)
    assert list(back.var["gene_name"]) == list(made.var_names) == list(back.var["feature_name"])
    assert list(back.var["ensembl_id"])[:3] == ["ENSG1", "", "ENSG3"]
    np.testing.assert_array_equal(back.obs["n_counts"], made.obs["total_counts"])
    manifest = read_manifest(facts)
    assert manifest["genes_without_ensembl_id"] == 1
    assert (manifest["n_cells"], manifest["n_genes"], manifest["dataset"]) == (30, 8, "made-up")
    assert (
        manifest["cells_sha256"] == hashlib.sha256("\n".join(made.obs_names).encode()).hexdigest()
    )
    check_manifest(manifest, made)


def test_the_hash_of_counts_is_of_counts_not_of_their_storage():
    X = screen().X
    stored = X.copy()
    stored.data = np.append(stored.data, 0.0)  # an explicit zero in the last row
    stored.indices = np.append(stored.indices, 7 if X[-1, 7] == 0 else 0)
    same = counts_sha256(X)
    assert counts_sha256(X.toarray()) == counts_sha256(csc_matrix(X)) == same
    assert counts_sha256(X.astype(np.float64)) == same
    changed = X.copy()
    changed.data[0] += 1
    assert counts_sha256(changed) != same
    assert counts_sha256(X[:, ::-1]) != same


def test_a_manifest_of_other_counts_or_cells_is_refused():
    made = screen()
    manifest = manifest_of(made)
    other = made.copy()
    other.X[0, 0] += 1
    with pytest.raises(DataError, match=r"other counts than made-up .* export the data set again"):
        check_manifest(manifest, other)
    with pytest.raises(DataError, match="other cells"):
        check_manifest(manifest, made[::-1].copy())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "benchbook-export-0"}'])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(DataError, match="is not a manifest"):
        read_manifest(path)


def test_cells_that_share_a_name_are_not_exported(tmp_path):
    made = screen()
    made.obs_names = ["a"] * 2 + list(made.obs_names[2:])
    with pytest.raises(DataError, match="cell 'a' occurs twice"):
        export(made, tmp_path)


# ------------------------------------------------------------------------ what comes back


def test_rows_come_back_in_the_order_of_the_cells(tmp_path, cells):
    values = np.arange(60, dtype=np.float64).reshape(30, 2)
    order = np.random.default_rng(1).permutation(30)
    path = returned(tmp_path, values[order], cells[order])
    found = read_embedding(path, cells)
    np.testing.assert_array_equal(found.to_numpy(), values)
    assert list(found.index) == list(cells)
    assert found.to_numpy().dtype == np.float32
    assert found.attrs["key"] == "X_model"


def test_frames_and_sparse_arrays_are_read_too(tmp_path, cells):
    values = np.random.default_rng(1).standard_normal((30, 3)).astype(np.float32)
    frame = pd.DataFrame(values, index=cells, columns=list("abc"))
    for kind in (frame, csr_matrix(values)):
        path = returned(tmp_path, kind, cells)
        np.testing.assert_array_equal(read_embedding(path, cells).to_numpy(), values)


def bad(case, values, names):
    values, names = values.copy(), list(names)
    if case == "missing":
        return values[:-2], names[:-2]
    if case == "extra":
        return np.vstack([values, values[:1]]), [*names, "stranger"]
    if case == "twice":
        return values, [names[0], *names[:-1]]
    if case == "numbered":
        return values, [str(i) for i in range(len(names))]
    if case == "nan":
        values[3, 1] = np.nan
    if case == "infinite":
        values[4, 0] = np.inf
    if case == "constant":
        values[:] = values[0]
    if case == "one dimension":
        return values[:, :1], names
    if case == "three axes":
        return values[:, :, None], names
    return values, names


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("missing", r"2 of 30 cells are missing \('cell28', 'cell29'\) and 0 are not"),
        ("extra", r"0 of 30 cells are missing .* and 1 are not in the screen \('stranger'\)"),
        ("twice", r"cells that occur twice or more: 1 \('cell0'\)"),
        ("numbered", "as many cells as the screen, but none of its names .* Position does not"),
        ("nan", "1 NaN or infinite values in 1 cells, the first in cell 'cell3', dimension 1"),
        ("infinite", "the first in cell 'cell4', dimension 0"),
        ("constant", "every cell the same vector"),
        ("one dimension", "has 1 dimension"),
        ("three axes", r"has shape \(30, 4, 1\)"),
    ],
)
def test_bad_embeddings_are_refused_with_advice(tmp_path, cells, case, message):
    values = np.random.default_rng(0).standard_normal((30, 4))
    path = returned(tmp_path, *bad(case, values, cells))
    with pytest.raises(DataError, match=message):
        read_embedding(path, cells)


def test_cells_of_one_name_get_no_vector(tmp_path, cells):
    path = returned(tmp_path, np.random.default_rng(0).normal(size=(30, 3)), cells)
    with pytest.raises(DataError, match="that occur twice or more in the screen: 1"):
        read_embedding(path, [*cells[:-1], cells[0]])


def test_values_beyond_single_precision_are_called_so(tmp_path, cells):
    values = np.random.default_rng(0).normal(size=(30, 3))
    values[1, 2] = 1e39
    path = returned(tmp_path, values, cells)
    with pytest.raises(DataError, match=r"too large for float32.*dimension 2 \(1e\+39\)"):
        read_embedding(path, cells)


def test_keys_are_said(tmp_path, cells):
    values = np.random.default_rng(0).standard_normal((30, 4))
    path = returned(tmp_path, values, cells, X_other=values)
    with pytest.raises(DataError, match=r"more than one embedding.*X_model, X_other"):
        read_embedding(path, cells)
    with pytest.raises(DataError, match=r"no obsm\['X_scGPT'\].*X_model, X_other"):
        read_embedding(path, cells, key="X_scGPT")
    assert read_embedding(path, cells, key="X_other").attrs["key"] == "X_other"
    text = tmp_path / "text.h5ad"
    text.write_text("no")
    with pytest.raises(DataError, match="is not an h5ad"):
        read_embedding(text, cells)


# ------------------------------------------------------------------------ kept under a name


@step
def the_screen():
    return screen()


def test_an_embedding_is_kept_and_known_by_its_content(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BENCHBOOK_DATA", raising=False)
    made = screen()
    values = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    values[:, 3], values[1] = 1, values[0]
    values[1, 3] = 1
    path = returned(tmp_path, values[::-1], made.obs_names[::-1])
    entry = embeddings.add("mine", path, manifest_of(made), made)
    assert (entry["n_cells"], entry["n_dims"]) == (30, 4)
    assert (entry["constant_dims"], entry["repeated_rows"]) == (1, 2)
    (found,) = embeddings.imported("mine", the_screen(), "made-up").values()
    np.testing.assert_array_equal(found.result(), values)
    assert embeddings.add("mine", path, manifest_of(made), made) == entry  # the same again
    values[5] += 1
    with pytest.raises(DataError, match="'mine' of made-up with other values is there already"):
        embeddings.keep("mine", values, made, {})
    embeddings.keep("next", values, made, {})
    both = embeddings.imported("mine, next", the_screen(), "made-up")
    changed = both["next"]
    assert changed.key != found.key == both["mine"].key
    assert embeddings.imported("", the_screen(), "made-up") == {}
    one = imported_representations("mine", the_screen(), "made-up")["mine"]
    assert (one.role, one.params["n_dims"], one.embedding.key) == ("candidate", 4, found.key)
    with pytest.raises(
        DataError, match=r"no embedding 'other' .* for made-up \(there are: mine, next\)"
    ):
        embeddings.imported("mine,other", the_screen(), "made-up")
    with pytest.raises(DataError, match=r"for papalexi2021 \(there are: none\)"):
        embeddings.imported("mine", the_screen(), "papalexi2021")
    with pytest.raises(DataError, match="imported for other cells"):
        embeddings.imported_embedding.function(made[:-1], **changed_arguments(changed))
    (tmp_path / "cache" / "embeddings" / "next.npy").unlink()
    with pytest.raises(DataError, match="import it again"):
        embeddings.imported_embedding.function(made, **changed_arguments(changed))
    with pytest.raises(DataError, match=r"cannot be called '\.\./x'"):
        embeddings.keep("../x", values, made, {})


def changed_arguments(found):
    return {k: v for k, v in found.arguments.items() if k != "screen"}


def test_the_commands_lead_out_and_back(tmp_path, monkeypatch):
    if registry.status("kang2018-subset")["state"] == "absent":
        pytest.skip("kang2018-subset is not on this machine")
    monkeypatch.setenv("BENCHBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHBOOK_HOME", str(tmp_path / "home"))

    def benchbook(*words):
        return CliRunner().invoke(cli.app, [str(word) for word in words])

    assert "1556 cells x 1267" in benchbook("export", "kang2018-subset", "--out", tmp_path).stdout
    out = ad.read_h5ad(tmp_path / "kang2018-subset.h5ad")
    assert out.var["ensembl_id"].str.startswith("ENSG").mean() > 0.9
    out.obsm["X_model"] = np.random.default_rng(0).standard_normal((out.n_obs, 4))
    out[::-1].write_h5ad(tmp_path / "back.h5ad")
    manifest = tmp_path / "kang2018-subset.manifest.json"
    took_in = "import", "mine", tmp_path / "back.h5ad", "--manifest", manifest
    said = benchbook(*took_in).stdout
    assert "mine: 1556 cells x 4 dimensions of kang2018-subset" in said
    assert embeddings.entries()["mine"]["key"] == "X_model"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(facts | {"counts_sha256": "0" * 64}))
    assert "written for other counts" in str(benchbook(*took_in).exception)
    refused = benchbook("export", "nadig2024-hepg2", "--out", tmp_path).exception
    assert "stays on disk: give the model the file itself" in str(refused)
    refused = benchbook("export", "known-relationships", "--out", tmp_path).exception
    assert isinstance(refused, DataError) and "has no cells" in str(refused)
