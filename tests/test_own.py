"""A screen of one's own: taken in by a command, known by name, content and mapping."""

import hashlib
import re

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from typer.testing import CliRunner

from helpers import cli
from helpers.book.chapters import Book
from helpers.book.run import plan
from helpers.data import own, own_reader, registry
from helpers.data.contract import CONTROL, DataError, violations

GIVEN = ("--perturbation", "gene", "--control", "NTC", "--batch", "well")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path


def made(n_cells=40, n_genes=6):
    rng = np.random.default_rng(0)
    X = csr_matrix(rng.poisson(3, (n_cells, n_genes)).astype(np.float32) + np.float32(1))
    obs = pd.DataFrame(
        {
            "gene": np.resize(["NTC", "KLF1", "GATA1_KLF1", "KLF1_GATA1", "NTC_TP53"], n_cells),
            "well": np.resize([1, 1, 1, 1, 1, 2, 2, 2, 2, 2], n_cells),
            "line": "K562",
            "sg": np.resize(list("abcde"), n_cells),
            "mouse": np.resize([1, 1, 1, 1, 1, 2, 2, 2, 2, 2], n_cells),
            "size": 1_000,
        },
        index=[f"cell{i}" for i in range(n_cells)],
    )
    return ad.AnnData(X, obs, pd.DataFrame(index=[f"G{i}" for i in range(n_genes)]))


def written(folder, screen, name="mine.h5ad"):
    path = folder / name
    screen.write_zarr(path) if path.suffix == ".zarr" else screen.write_h5ad(path)
    return path


def add(path, *options, name="mine"):
    return CliRunner().invoke(cli.app, ["data", "add", name, str(path), *options])


def test_a_file_is_taken_in_and_read_by_its_name(folder):
    path = written(folder, made())
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    done = add(
        *(path, *GIVEN, "--combination-separator", "_", "--context", "line"),
        *("--guide", "sg", "--total-counts", "size"),
        *("--replicate", "mouse", "--donor", "mouse"),
    )
    assert done.exit_code == 0, done.exception
    assert "40 cells, 6 genes, 3 perturbations, 2 batches, 1 context, 8 controls" in done.output
    screen = registry.load("mine").result()
    assert violations(screen) == []
    assert sorted(set(screen.obs["perturbation"])) == ["GATA1+KLF1", "KLF1", "TP53", CONTROL]
    assert set(screen.obs["batch"]) == {"1", "2"} and set(screen.obs["guide"]) == set("abcde")
    assert set(screen.obs["replicate"]) == set(screen.obs["donor"]) == {"1", "2"}
    assert screen.obs["total_counts"].tolist() == [1_000] * 40 and not screen.uns["panel"]
    assert np.array_equal(screen.X.toarray(), made().X.toarray())
    assert registry.dataset("mine").sha256 == screen.uns["dataset"]["sha256"] == before
    assert registry.verify("mine")["controls"] == 8
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert not list((folder / "cache").rglob("*.h5ad"))
    listed = CliRunner().invoke(cli.app, ["data", "list"]).output
    assert re.search(r"^mine +screen .*here", listed, re.MULTILINE)
    assert "mine" not in [*registry.names(), *registry.screens()]  # no page stands on it
    got = CliRunner().invoke(cli.app, ["data", "get", "mine"])
    assert str(path.resolve()) in got.output

    assert CliRunner().invoke(cli.app, ["data", "remove", "mine"]).exit_code == 0
    assert path.is_file() and own.names() == []
    with pytest.raises(DataError, match="no data set 'mine'"):
        registry.load("mine")


@pytest.mark.parametrize("where", ["layer", "raw", "zarr", "csc", "dense", "int64"])
def test_counts_are_taken_from_where_they_are(folder, where):
    screen, options = made(), []
    counts = screen.X.toarray()
    if where == "layer":
        screen.layers["umi"] = screen.X.copy()
        screen.X, options = np.log1p(screen.X), ["--layer", "umi"]
    elif where == "raw":
        screen.raw = screen.copy()
        screen, options = screen[:, :3].copy(), ["--raw"]
        screen.X = np.log1p(screen.X)
    elif where == "csc":
        screen.X = screen.X.tocsc()
    elif where == "dense":
        screen.X = counts.astype(np.float16)
    elif where == "int64":
        screen.X = csr_matrix(counts.astype(np.int64))
    path = written(folder, screen, "mine.zarr" if where == "zarr" else "mine.h5ad")
    done = add(path, *GIVEN, "--combination-separator", "_", *options)
    assert done.exit_code == 0, done.exception
    found = registry.load("mine").result()
    X = found.X if isinstance(found.X, np.ndarray) else found.X.toarray()
    assert np.array_equal(X, counts) and found.uns["panel"] is True
    assert set(found.obs["context"]) == {own_reader.ONE_CONTEXT}


def test_everything_that_is_wrong_is_said_at_once(folder):
    screen = made()
    screen.layers["umi"] = screen.X.copy()
    screen.X = np.log1p(screen.X)
    screen.obs.loc["cell1", "gene"] = "nan"
    screen.var_names = ["G0", "G0", *screen.var_names[2:]]
    path = written(folder, screen)
    done = add(path, "--perturbation", "gene", "--control", "ntc", "--batch", "wells")
    said = str(done.exception)
    for part in (
        *("obs has no column 'wells' for batch: did you mean 'well'?", "no cell is called 'ntc'"),
        *("did you mean 'NTC'?", "the text 'nan'", "gene names that occur twice", "no integers"),
        "by --layer NAME or --raw: it holds X, layer 'umi'",
    ):
        assert part in said
    assert own.names() == []
    with pytest.raises(DataError, match="beside 'NTC'"):
        screen.obs["gene"] = np.resize(["NTC", "control", "KLF1"], 40)
        mapping = own.Mapping("gene", ("NTC",), "well")
        own_reader.read(written(folder, screen), mapping, "x", "0" * 64)


@pytest.mark.parametrize("name", ["papalexi2021", "Mine", "../x", "a b", ""])
def test_names_that_are_taken_or_none_are_refused(folder, name):
    done = add(written(folder, made()), *GIVEN, name=name)
    assert isinstance(done.exception, DataError)
    assert own.names() == []


def test_a_changed_or_lost_file_is_noticed(folder):
    path = written(folder, made())
    assert add(path, *GIVEN, "--combination-separator", "_").exit_code == 0
    loaded = registry.load("mine")
    more = made()
    more.X[0, 0] += 1
    written(folder, more)
    with pytest.raises(DataError, match="has changed since it was added"):
        own_reader.own_screen.function(**loaded.arguments)
    path.unlink()
    with pytest.raises(DataError, match="is not there any more"):
        registry.bring("mine")


def test_a_run_stands_on_content_and_mapping(folder):
    book = Book()
    chapter = book.chapter("embeddings/consistency")

    def key():
        return plan(chapter, book.chapters, {"dataset": "mine"}, {}).key

    path, separated = written(folder, made()), ("--combination-separator", "_")
    assert add(path, *GIVEN, *separated).exit_code == 0
    first, step = key(), registry.load("mine").key
    assert add(path, *GIVEN, *separated).exit_code == 0
    assert (key(), registry.load("mine").key) == (first, step)
    assert add(path, *GIVEN, *separated, "--guide", "sg").exit_code == 0
    second = (key(), registry.load("mine").key)
    assert second[0] != first and second[1] != step
    more = made()
    more.X[0, 0] += 1
    assert add(written(folder, more), *GIVEN, *separated, "--guide", "sg").exit_code == 0
    assert key() != second[0] and registry.load("mine").key != second[1]
