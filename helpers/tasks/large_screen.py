"""A screen on disk, from its counts to a score: embedding, post-processing, consistency.

Everything after the embedding takes arrays, as it does for small screens: a probe, a vote of
neighbours or the recall of known relationships needs cells x components, which fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.data.dataset import File
from helpers.data.exchange import read_embedding
from helpers.data.fetch import locate, sha256
from helpers.data.ondisk import CHUNK, Counts, ScreenOnDisk, first_pass, open_screen
from helpers.metrics.permutation import permutation_consistency
from helpers.models.streamed_pca import streamed_pca
from helpers.models.streamed_postprocess import streamed_postprocess
from helpers.store import step


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
        A column is not there or incomplete, or no cell is a control.
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
    perturbation[is_control] = CONTROL
    return perturbation, obs[columns.batch].astype(str).to_numpy(dtype=object)


def score(
    embedding,
    perturbation,
    batch,
    *,
    post: str = "tvn",
    shrink_below: int = 30,
    n_permutations: int = 1000,
    seed: int = 0,
    n_threads: int = 1,
) -> pd.DataFrame:
    """Consistency of each perturbation across batches, against permuted labels.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
    perturbation, batch : array of shape (n_cells,), str
        Controls are called "control".
    post : {"raw", "centered", "center_scaled", "tvn"}
    shrink_below : int
        See `postprocess`; batches without controls get what all controls say.
    n_permutations, seed, n_threads : int

    Returns
    -------
    DataFrame indexed by perturbation
        See `permutation_consistency`.

    Raises
    ------
    DataError
        The controls do not suffice for the post-processing.
    """
    is_control = perturbation == CONTROL
    try:
        processed = streamed_postprocess(
            embedding,
            batch,
            is_control,
            post,
            shrink_below=shrink_below,
            bare="global" if shrink_below else "raise",
        )
    except ValueError as error:
        raise DataError(f"post-processing by {post!r}: {error}") from error
    return permutation_consistency(
        processed,
        perturbation,
        batch,
        where=~is_control,
        n_permutations=n_permutations,
        n_threads=n_threads,
        rng=np.random.default_rng(seed),
    )


@step
def large_screen(
    *,
    file: dict,
    columns: dict,
    embedding: dict | None = None,
    key: str | None = None,
    post: str = "tvn",
    n_components: int = 50,
    n_permutations: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Consistency of a screen on disk, known by its content; see `embed_screen` and `score`.

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
    post, n_components, n_permutations, seed

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
    return score(vectors, perturbation, batch, post=post, n_permutations=n_permutations, seed=seed)


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
