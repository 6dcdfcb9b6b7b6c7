"""A picture of a screen: cells placed by their principal components, or by UMAP of these."""

import numpy as np
import pandas as pd

from helpers.data.normalise import log1p_cp10k
from helpers.store.steps import step


@step
def screen_map(screen, *, n_cells: int, seed: int, basis: str) -> pd.DataFrame:
    """Place cells in a plane, with the defaults of scanpy: 15 neighbours, 50 components.

    Parameters
    ----------
    screen : AnnData of counts
    n_cells : int
        Cells that are drawn from the screen at most.
    seed : int
    basis : {"UMAP", "PCA"}
        PCA takes no time; UMAP compiles for twenty seconds before it begins.

    Returns
    -------
    DataFrame, one row a cell, in the order of the screen
        `x`, `y`, without a unit; `perturbation`, `context` and `batch`, as text.

    Raises
    ------
    ValueError
        Another basis.

    References
    ----------
    McInnes, Healy & Melville 2018, arXiv:1802.03426; Wolf et al. 2018, Genome Biology 19.
    """
    import scanpy as sc

    if basis not in ("UMAP", "PCA"):
        raise ValueError(f"basis is {basis!r}; it is UMAP or PCA")
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(screen.n_obs)[:n_cells])
    cells = log1p_cp10k(screen[rows])
    sc.pp.pca(cells, n_comps=min(50, *(side - 1 for side in cells.shape)), random_state=seed)
    if basis == "UMAP":
        sc.pp.neighbors(cells, random_state=seed)
        sc.tl.umap(cells, random_state=seed)
    x, y = cells.obsm[f"X_{basis.lower()}"][:, :2].T
    labels = cells.obs[["perturbation", "context", "batch"]].astype(str).reset_index(drop=True)
    return pd.DataFrame({"x": x, "y": y}).join(labels)
