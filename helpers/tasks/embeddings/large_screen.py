"""A screen on disk, from its counts to scores: consistency, recall of relationships, a probe.

Counts are read chunk by chunk; after the embedding, cells x components fit into memory, and the
tasks are those of small screens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from helpers.data.contract import CONTROL, DataError, missing_as_text, name_violations
from helpers.data.dataset import File
from helpers.data.exchange import read_embedding
from helpers.data.fetch import locate, sha256
from helpers.data.ondisk import CHUNK, Counts, ScreenOnDisk, first_pass, open_screen
from helpers.data.splits import held_out_split
from helpers.metrics.embeddings.permutation import permutation_consistency
from helpers.metrics.embeddings.postprocess import FEW_CONTROLS
from helpers.metrics.embeddings.similarities import aggregate
from helpers.models.embeddings.streamed_pca import streamed_pca
from helpers.models.embeddings.streamed_postprocess import streamed_postprocess
from helpers.store.steps import step
from helpers.tasks.embeddings.linear_separability import linear_separability
from helpers.tasks.embeddings.readouts import one_readout


@dataclass(frozen=True)
class Columns:
    """Where a file keeps what the screen contract asks for.

    Parameters
    ----------
    perturbation, batch : str
        Columns of `obs`.
    control : str
        What controls are called.
    """

    perturbation: str = "perturbation"
    batch: str = "batch"
    control: str = CONTROL


@dataclass(frozen=True)
class Embedded:
    """A screen after all passes over its counts.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_components), float32
    variance : ndarray of shape (n_components,)
    pseudobulk : DataFrame of shape (n_perturbations, n_genes)
        Mean log1p of normalised counts of each perturbation's cells, controls among them.
    perturbation : ndarray of shape (n_cells,), str
        Controls are called "control".
    batch : ndarray of shape (n_cells,), str
    """

    embedding: np.ndarray
    variance: np.ndarray
    pseudobulk: pd.DataFrame
    perturbation: np.ndarray
    batch: np.ndarray


def embed_screen(
    path: Path,
    *,
    columns: Columns = Columns(),
    n_components: int = 50,
    seed: int = 0,
    n_threads: int = 1,
    chunk_size: int = CHUNK,
    scratch: Path | None = None,
) -> Embedded:
    """Pseudobulks and principal components of an h5ad's counts.

    Parameters
    ----------
    path : Path
        An h5ad with raw counts in `X`, sparse by rows or dense.
    columns : Columns
    n_components, seed : int
        Of PCA.
    n_threads : int
    chunk_size : int
        Cells in memory for each thread.
    scratch : Path, optional
        Folder for a copy of the counts, 4 bytes for each that is not zero; removed afterwards.

    Raises
    ------
    DataError
        See `open_screen` and `first_pass`; or a column or the controls are not there.
    """
    screen = open_screen(path)
    perturbation, batch = labels_of(screen, columns)
    codes, names = pd.factorize(perturbation, sort=True)
    with Counts(scratch) as counts:
        summary = first_pass(screen, codes, counts, chunk_size=chunk_size)
        found = streamed_pca(
            counts,
            summary.mean,
            n_components=n_components,
            rng=np.random.default_rng(seed),
            n_threads=n_threads,
            chunk_size=chunk_size,
        )
    pseudobulk = pd.DataFrame(summary.pseudobulk, index=names, columns=screen.var.index)
    return Embedded(found.embedding, found.variance, pseudobulk, perturbation, batch)


def labels_of(screen: ScreenOnDisk, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    """Perturbation and batch of each cell; controls are called "control".

    Raises
    ------
    DataError
        A column is not there or incomplete, no cell is a control, or names break the contract:
        all that is wrong with them is said at once.
    """
    obs = screen.obs
    wanted = (columns.perturbation, columns.batch)
    absent = [name for name in wanted if name not in obs]
    if absent:
        raise DataError(
            f"{screen.path}: obs has no column {', '.join(absent)} (columns: "
            f"{', '.join(map(str, obs.columns))}); name them in `columns`"
        )
    gaps = {name: int(obs[name].isna().sum()) for name in wanted}
    if any(gaps.values()):
        raise DataError(f"{screen.path}: missing values in obs ({gaps}); name or drop these cells")
    perturbation = obs[columns.perturbation].astype(str).to_numpy(dtype=object)
    is_control = perturbation == columns.control
    if not is_control.any():
        shown = ", ".join(map(repr, pd.unique(perturbation)[:5]))
        raise DataError(
            f"{screen.path}: no cell is called {columns.control!r} in obs"
            f"[{columns.perturbation!r}] (there are {shown}, ...)"
        )
    batch = obs[columns.batch].astype(str).to_numpy(dtype=object)
    wrong = []
    if columns.control != CONTROL and (perturbation == CONTROL).any():
        wrong.append(
            f"obs[{wanted[0]!r}] holds {CONTROL!r} beside {columns.control!r}: two kinds of "
            "control would become one; rename or drop one of them"
        )
    perturbation[is_control] = CONTROL
    for column, labels in zip(wanted, (perturbation, batch), strict=True):
        wrong += filter(None, [missing_as_text(pd.unique(labels), column)])
    wrong += name_violations(pd.unique(perturbation), wanted[0])
    if wrong:
        raise DataError("\n  - ".join([f"{screen.path}: labels break the data contract", *wrong]))
    return perturbation, batch


def processed(embedding, perturbation, batch, post: str = "tvn") -> np.ndarray:
    """Embedding after a post-processing that is fitted on the controls of each batch.

    Batches with few controls get shrunken centres, those without any what all controls say.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
    perturbation, batch : array of shape (n_cells,), str
        Controls are called "control".
    post : {"raw", "centered", "center_scaled", "tvn"}

    Raises
    ------
    DataError
        The controls do not suffice.
    """
    try:
        return streamed_postprocess(
            embedding,
            batch,
            perturbation == CONTROL,
            post,
            shrink_below=FEW_CONTROLS,
            bare="global",
        )
    except ValueError as error:
        raise DataError(f"post-processing by {post!r}: {error}") from error


@step
def large_embedding(
    *,
    file: dict,
    columns: dict,
    embedding: dict | None = None,
    key: str | None = None,
    n_components: int = 50,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Vectors and labels of the cells of a screen on disk, which is known by its content.

    Parameters
    ----------
    file : dict
        `name`, `size`, `sha256`, as `file_of` gives them. It is looked for by size and content.
    columns : dict
        Of `Columns`.
    embedding : dict, optional
        As `file`: an h5ad with vectors of the same cells in `obsm`, to be scored in place of PCA.
    key : str, optional
        Of its `obsm`; needed where it has several.
    n_components, seed : int
        Of PCA; see `embed_screen`.

    Returns
    -------
    dict of arrays
        "embedding", shape (n_cells, n_dims), float32; "perturbation" and "batch", codes of the
        cells; "perturbations" and "batches", their names. Controls are called "control".

    Raises
    ------
    DataError
        A file is not in a folder of BENCHBOOK_DATA nor in the cache; see also `read_embedding`.
    """
    path, named = _located(file), Columns(**columns)
    if embedding is None:
        found = embed_screen(path, columns=named, n_components=n_components, seed=seed)
        vectors, perturbation, batch = found.embedding, found.perturbation, found.batch
    else:
        screen = open_screen(path)
        perturbation, batch = labels_of(screen, named)
        cells = screen.obs.index.astype(str)
        vectors = read_embedding(_located(embedding), cells, key=key).to_numpy()
    return coded(vectors, perturbation, batch)


def coded(embedding, perturbation, batch) -> dict[str, np.ndarray]:
    """Vectors of cells with their labels as numbers and names, as `large_embedding` gives them."""
    perturbations, names = pd.factorize(perturbation, sort=True)
    batches, batch_names = pd.factorize(batch, sort=True)
    return {
        "embedding": embedding,
        "perturbation": perturbations.astype(np.int32),
        "perturbations": names.astype(str),
        "batch": batches.astype(np.int32),
        "batches": batch_names.astype(str),
    }


def _processed(cells, post: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    perturbation = cells["perturbations"].astype(object)[cells["perturbation"]]
    batch = cells["batches"].astype(object)[cells["batch"]]
    return processed(cells["embedding"], perturbation, batch, post), perturbation, batch


@step
def large_consistency(
    cells, *, post: str = "tvn", n_permutations: int = 1000, seed: int = 0, n_threads: int = 1
) -> pd.DataFrame:
    """Consistency of each perturbation across batches, against labels permuted within them.

    Parameters
    ----------
    cells : dict of arrays
        Of `large_embedding`.
    post : str
        See `processed`.
    n_permutations, seed, n_threads : int

    Returns
    -------
    DataFrame indexed by perturbation
        See `permutation_consistency`.
    """
    vectors, perturbation, batch = _processed(cells, post)
    return permutation_consistency(
        vectors,
        perturbation,
        batch,
        where=perturbation != CONTROL,
        n_permutations=n_permutations,
        n_threads=n_threads,
        rng=np.random.default_rng(seed),
    )


@step
def large_means(cells, *, post: str = "tvn") -> dict[str, np.ndarray]:
    """Mean embedding of each perturbation, as `recall` of known relationships takes it.

    Parameters
    ----------
    cells : dict of arrays
        Of `large_embedding`; perturbations are called by the symbol of their gene.
    post : str
        See `processed`.

    Returns
    -------
    dict of arrays
        As of `perturbation_means`, of this post-processing alone.
    """
    vectors, perturbation, _ = _processed(cells, post)
    treated = perturbation != CONTROL
    means, names, n_cells = aggregate(vectors[treated], perturbation[treated])
    return {post: means, "names": names.astype(str), "n_cells": n_cells}


@step
def large_separability(
    cells, *, post: str = "tvn", probe: str = "ridge", n_folds: int = 5, seed: int = 0
) -> pd.DataFrame:
    """Accuracy of a probe in batches that it has not seen, *revised* protocol.

    Parameters
    ----------
    cells : dict of arrays
        Of `large_embedding`.
    post : str
        See `processed`.
    probe : {"ridge", "linear", "mlp"}
        The ridge probe has a closed form: time grows with cells and classes, but not with steps.
    n_folds : int
        Groups of batches, each held out in turn; as many as there are batches at most.
    seed : int

    Returns
    -------
    DataFrame indexed by perturbation, sorted
        `top1`, `top5`, `n_cells`, `n_unscored`; see `linear_separability`.

    Raises
    ------
    DataError
        There is one batch: none can be held out.
    """
    vectors, perturbation, batch = _processed(cells, post)
    screen = AnnData(
        obs=pd.DataFrame(
            {"perturbation": perturbation, "batch": batch, "context": "all"},
            index=pd.RangeIndex(len(batch)).astype(str),
        ),
        uns={"dataset": {"name": "this screen"}},
    )
    n_folds = min(n_folds, len(cells["batches"]))
    if n_folds < 2:
        raise DataError("this screen has one batch: a probe is tested in batches it has not seen")
    splits = [
        held_out_split.function(screen, fold=fold, n_folds=n_folds) for fold in range(n_folds)
    ]
    table = linear_separability.function(
        screen,
        vectors,
        splits,
        protocol="revised",
        readouts=[[probe, "raw"]],  # post-processed already
        seed=seed,
    )
    return one_readout(table)


def _located(file: dict) -> Path:
    path = locate(File(url="", **file))
    if path is None:
        raise DataError(
            f"{file['name']} (sha256 {file['sha256'][:12]}...) is in no folder of BENCHBOOK_DATA "
            "nor in the cache: name its folder there, on every machine that computes"
        )
    return path


def file_of(path: Path) -> dict:
    """What a step needs to know of a file: its name, size and content."""
    path = Path(path)
    return {"name": path.name, "size": path.stat().st_size, "sha256": sha256(path)}
