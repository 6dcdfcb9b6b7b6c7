"""Foundation models in this book: what they need, how they come in, and what is turned away."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from helpers.data.contract import DataError
from helpers.data.exchange import export, read_embedding
from helpers.models.embeddings.scgpt import bin_values
from helpers.models.embeddings.vocabulary import LEAST_GENES
from helpers.store import step
from helpers.tasks.departures import Departure, table_of

# Bendidi et al. 2024, arXiv 2410.13956 v2, table 2: genome-wide K562 screen, for each metric the
# best of four post-processings on the scored data.
_COLUMNS = ("iLISI (norm.)", "linear top-1", "consistency", "CORUM", "StringDB", "Spearman")
_REPORTED = {
    "PCA": (0.919, 0.033, 0.119, 0.450, 0.475, 0.215),
    "scVI": (0.874, 0.016, 0.102, 0.503, 0.497, 0.265),
    "scGPT": (0.941, 0.004, 0.115, 0.389, 0.402, 0.180),
    "CellPLM": (0.839, 0.003, 0.111, 0.284, 0.305, 0.169),
    "UCE": (0.931, 0.003, 0.105, 0.366, 0.329, 0.172),
    "Geneformer": (0.979, 0.002, 0.063, 0.149, 0.148, 0.001),
    "random labels": (1.000, 0.001, 0.051, 0.107, 0.102, 0.000),
}

_RECIPES = (
    ("Geneformer", "ctheodoris/Geneformer", "7cf49a3", "Ensembl id", "computed here"),
    ("scGPT", "bowang-lab/scGPT", "21be64b", "symbol", "computed here"),
    ("UCE", "snap-stanford/UCE", "04e826d", "symbol", "X_uce"),
    ("CellPLM", "OmicsML/CellPLM", "2e11863", "Ensembl id", "X_CellPLM"),
    ("scFoundation", "biomap-research/scFoundation", "69b0710", "symbol", "X_scFoundation"),
)

DEPARTURES = (
    Departure(
        aspect="weights that do not fit (scGPT)",
        published="weights whose name or shape differs from the model's are left out, and what "
        "they should have filled stays random",
        revised="an error that names them; flash-attention's names are translated",
        kind="bug",
        reason="without flash-attention installed the names differ, and a random network embeds "
        "cells without complaint",
    ),
    Departure(
        aspect="switching a filter off (UCE)",
        published="--filter False is read as true",
        revised="the door refuses what comes back without some cells",
        kind="bug",
        reason="argparse calls bool on the text, and a text that is not empty is true",
    ),
    Departure(
        aspect="tied counts (scGPT)",
        published="spread over their tied bins at random, from a state that nobody sets",
        revised="spread in the same way, from a seed and for each cell by itself",
        kind="design choice",
        reason="the same cell gets other inputs at every run",
    ),
    Departure(
        aspect="cells with more than 1,199 genes (scGPT)",
        published="a random sample, unseeded",
        revised="a random sample, seeded; the highest bins on request",
        kind="design choice",
        reason="as above",
    ),
    Departure(
        aspect="equal values (Geneformer)",
        published="in the order that an unstable sort leaves",
        revised="the smaller token first",
        kind="design choice",
        reason="the order of genes in a file should not move a cell",
    ),
    Departure(
        aspect="Ensembl ids that were replaced (Geneformer)",
        published="mapped to their successors by a third dictionary, then added up",
        revised="taken as they are; equal ids are added up",
        kind="design choice",
        reason="a data set states the ids that it has; how many counts are known is checked",
    ),
    Departure(
        aspect="what stands for a cell (Geneformer)",
        published="mean over its genes in V1; the state of <cls> by default in V2's code",
        revised="mean over its genes in both, <cls> on request; layer before the last",
        kind="design choice",
        reason="the paper of this task used V1, and one rule serves both",
    ),
    Departure(
        aspect="cells without a known gene (Geneformer)",
        published="dropped with a warning",
        revised="an error that counts them",
        kind="design choice",
        reason="rows that vanish shift all that follow, if nobody matches names",
    ),
    Departure(
        aspect="precision (scGPT)",
        published="half precision, by autocast",
        revised="single precision",
        kind="design choice",
        reason="it runs without a GPU; differences are rounding",
    ),
)


def reported() -> pd.DataFrame:
    """Published scores of seven representations, one row a model."""
    table = pd.DataFrame.from_dict(_REPORTED, orient="index", columns=list(_COLUMNS))
    return table.rename_axis("model").reset_index()


def recipes() -> pd.DataFrame:
    """Where each model's own code is, at the commit that was read; GPU time is nobody's guess."""
    columns = ["model", "repository", "commit", "genes by", "key"]
    return pd.DataFrame(_RECIPES, columns=columns).assign(**{"GPU time": "not measured"})


def departures() -> pd.DataFrame:
    """Departures as a table, one row each."""
    return table_of(DEPARTURES)


@step
def coverage(screen) -> dict:
    """What a screen could offer to a model of whole transcriptomes, at best.

    Returns
    -------
    dict
        `cells`, `genes`, `with_ensembl_id` (genes); `detected`, the median over cells of genes
        with a count: no vocabulary can find more; `answer`, "yes" or why not.
    """
    detected = float(np.median(np.diff(csr_matrix(screen.X).indptr)))
    known = screen.var["ensembl_id"].fillna("").ne("").sum() if "ensembl_id" in screen.var else 0
    answer = "yes" if detected >= LEAST_GENES else f"cannot answer: needs {LEAST_GENES} detected"
    return {
        "cells": int(screen.n_obs),
        "genes": int(screen.n_vars),
        "with_ensembl_id": int(known),
        "detected": detected,
        "answer": answer,
    }


@step
def outside_pca(screen, *, n_components: int, seed: int) -> np.ndarray:
    """An embedding that went through the door: PCA by somebody who has the exported file only.

    The file is written, read by scanpy, normalised there by its own `n_counts`, its rows shuffled,
    its vectors written to `obsm` of a new file, and that read back by cell name.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
    n_components, seed : int

    Returns
    -------
    ndarray of shape (n_cells, n_components), float32
    """
    import anndata as ad
    import scanpy as sc

    with tempfile.TemporaryDirectory() as folder:
        path, _ = export(screen, Path(folder))
        given = ad.read_h5ad(path)
        given = given[np.random.default_rng(seed).permutation(given.n_obs)].copy()
        given.X = given.X.multiply(1e4 / given.obs["n_counts"].to_numpy()[:, None]).tocsr()
        sc.pp.log1p(given)
        sc.pp.pca(given, n_comps=n_components, svd_solver="arpack", random_state=seed)
        back = Path(folder, "back.h5ad")
        ad.AnnData(obs=given.obs[[]], obsm={"X_outside": given.obsm["X_pca"]}).write_h5ad(back)
        return read_embedding(back, screen.obs_names).to_numpy()


@step
def refusals(screen, embedding, *, seed: int) -> pd.DataFrame:
    """What the door says to files that are wrong in one way each.

    Returns
    -------
    DataFrame
        `file`, what is wrong with it; `how it happens`; `answer`, the door's sentence.
    """
    rng = np.random.default_rng(seed)
    names = screen.obs_names.to_numpy(dtype=object)
    holed = embedding.copy()
    holed[rng.integers(len(names)), 0] = np.nan
    one_more = np.vstack([embedding, embedding[:1]])
    alike = np.repeat(embedding[:1], len(names), axis=0)
    numbered = np.arange(len(names)).astype(str)
    files = (
        ("cells are missing", "a filter in the model's code", embedding[:-7], names[:-7]),
        ("an unknown cell", "an older export", one_more, [*names, "stranger"]),
        ("a cell twice", "a last batch that was padded", one_more, [*names, names[0]]),
        ("numbered cells", "vectors saved without names", embedding, numbered),
        ("a value is not finite", "a cell without any known gene", holed, names),
        ("all cells alike", "genes under other names", alike, names),
        ("one dimension", "a score, not an embedding", embedding[:, :1], names),
    )
    rows = []
    for what, how, values, cells in files:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "back.h5ad")
            _write(path, values, cells)
            try:
                read_embedding(path, names)
                said = "taken in"
            except DataError as error:
                said = str(error).replace(f"{path}, obsm['X_model']", "the file")
        rows.append({"file": what, "how it happens": how, "answer": said})
    return pd.DataFrame(rows)


def _write(path: Path, values, cells) -> None:
    """The parts of an h5ad that are read; AnnData would warn of names that are not unique."""
    import h5py
    from anndata.io import write_elem

    with h5py.File(path, "w") as file:
        write_elem(file, "obs", pd.DataFrame(index=pd.Index(cells).astype(str)))
        write_elem(file, "obsm", {"X_model": np.asarray(values)})


@step
def bins_of_counts(screen, *, n_draws: int, seed: int) -> pd.DataFrame:
    """What scGPT's binning makes of the counts of a screen's median cell.

    Returns
    -------
    DataFrame
        `count`, 1 to 10; `genes`, how many have it; `median`, `low`, `high`: median, least and
        largest bin (of 50) over genes and draws. Counts that no gene has are left out.
    """
    X = csr_matrix(screen.X)
    detected = np.diff(X.indptr)
    cell = int(np.argsort(detected, kind="stable")[len(detected) // 2])
    counts = X.data[X.indptr[cell] : X.indptr[cell + 1]].astype(float)
    rng = np.random.default_rng(seed)
    bins = np.stack([bin_values(counts, rng) for _ in range(n_draws)])
    rows = []
    for count in range(1, 11):
        own = bins[:, counts == count]
        if own.size:
            rows.append(
                {
                    "count": count,
                    "genes": int((counts == count).sum()),
                    "median": float(np.median(own)),
                    "low": int(own.min()),
                    "high": int(own.max()),
                }
            )
    return pd.DataFrame(rows)


@step
def agreement_of_draws(screen, *, n_cells: int, seed: int) -> dict:
    """How far two draws of scGPT's bins for the same cell agree.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
    n_cells : int
        Cells that are drawn from the screen, fewer where it has fewer.
    seed : int

    Returns
    -------
    dict
        `cells`; `ones`, share of a cell's detected genes with a count of one; `correlation`,
        Pearson's between two draws; both are means over cells with at least two different counts,
        `unscored` the others.
    """
    X = csr_matrix(screen.X)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(X.shape[0], size=min(n_cells, X.shape[0]), replace=False)
    ones, correlations = [], []
    for cell in np.sort(chosen):
        counts = X.data[X.indptr[cell] : X.indptr[cell + 1]].astype(float)
        if len(np.unique(counts)) < 2:
            continue
        first, second = (bin_values(counts, rng) for _ in range(2))
        if first.std() and second.std():
            ones.append((counts == 1).mean())
            correlations.append(np.corrcoef(first, second)[0, 1])
    return {
        "cells": len(ones),
        "unscored": len(chosen) - len(ones),
        "ones": float(np.mean(ones)) if ones else float("nan"),
        "correlation": float(np.mean(correlations)) if ones else float("nan"),
    }
