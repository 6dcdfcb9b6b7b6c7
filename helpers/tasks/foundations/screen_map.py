"""A picture of a screen: cells placed by UMAP of their principal components."""

import numpy as np
import pandas as pd

from helpers.data.normalise import log1p_cp10k
from helpers.store.steps import step


@step
def screen_map(screen, *, n_cells: int, seed: int) -> pd.DataFrame:
    """Place cells in a plane, with the defaults of scanpy: 15 neighbours, 50 components.

    Parameters
    ----------
    screen : AnnData of counts
    n_cells : int
        Cells that are drawn from the screen at most.
    seed : int

    Returns
    -------
    DataFrame, one row a cell, in the order of the screen
        `x`, `y`, without a unit; `perturbation`, `context` and `batch`, as text.

    References
    ----------
    McInnes, Healy & Melville 2018, arXiv:1802.03426; Wolf et al. 2018, Genome Biology 19.
    """
    import scanpy as sc

    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(screen.n_obs)[:n_cells])
    cells = log1p_cp10k(screen[rows])
    sc.pp.pca(cells, n_comps=min(50, *(side - 1 for side in cells.shape)), random_state=seed)
    sc.pp.neighbors(cells, random_state=seed)
    sc.tl.umap(cells, random_state=seed)
    x, y = cells.obsm["X_umap"].T
    labels = cells.obs[["perturbation", "context", "batch"]].astype(str).reset_index(drop=True)
    return pd.DataFrame({"x": x, "y": y}).join(labels)
