"""Foundation models in this book: what they need of a screen, and how they come in."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from helpers.data.exchange import export, read_embedding
from helpers.data.matrix import canonical
from helpers.models.embeddings.scgpt import bin_values
from helpers.store.steps import step


@step
def coverage(screen) -> dict:
    """What a screen could offer to a model of whole transcriptomes, at best.

    Returns
    -------
    dict
        `cells`, `genes`, `with_ensembl_id` (genes); `detected`, the median over cells of genes
        with a count: no vocabulary can find more.
    """
    detected = float(np.median(np.diff(csr_matrix(canonical(screen.X)).indptr)))
    known = screen.var["ensembl_id"].fillna("").ne("").sum() if "ensembl_id" in screen.var else 0
    return {
        "cells": int(screen.n_obs),
        "genes": int(screen.n_vars),
        "with_ensembl_id": int(known),
        "detected": detected,
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
def bins_of_counts(screen, *, n_draws: int, seed: int) -> pd.DataFrame:
    """What scGPT's binning makes of the counts of a screen's median cell.

    Returns
    -------
    DataFrame
        `count`, 1 to 10; `genes`, how many have it; `median`, `low`, `high`: median, least and
        largest bin (of 50) over genes and draws. Counts that no gene has are left out.
    """
    X = csr_matrix(canonical(screen.X))
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
    X = csr_matrix(canonical(screen.X))
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
