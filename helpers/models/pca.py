"""Principal components of expression: the baseline that is hard to beat."""

import numpy as np

from helpers.data.contract import DataError
from helpers.data.genes import columns, training_rows
from helpers.data.matrix import canonical
from helpers.data.normalise import library_size, log1p_cp10k
from helpers.store.steps import step

MOST_GENES_EXACT = 2_500  # beyond, the gene-by-gene covariance costs more than randomised PCA
SCALES = ("log1p", "counts")


@step
def pca_embedding(screen, *, n_components: int, seed: int, scale: str = "log1p") -> np.ndarray:
    """Embed cells by PCA of their own expression; genes are centred and not scaled.

    Up to 2,500 genes the components are exact, from the covariance of genes; with more they come
    from randomised PCA.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
    n_components : int
        1 to min(n_cells, n_genes).
    seed : int
        Used by the randomised solver only.
    scale : {"log1p", "counts"}
        PCA of log1p CP10k, or of the counts as they are, as in Bendidi et al. 2024 (appendix C.3).

    Returns
    -------
    ndarray of shape (n_cells, n_components), float32
        Sorted by variance; each component's sign is such that its largest loading is positive.

    Raises
    ------
    ValueError
        An unknown scale.
    DataError
        The screen holds no counts, or an empty cell, or fewer cells or genes than components.
    """
    expression = _expression(screen, scale)
    # Centred first: in float32, a covariance less the product of means would lose digits.
    expression = expression - expression.mean(axis=0, dtype=float).astype(expression.dtype)
    return _solver(expression, n_components, seed).fit_transform(expression)


@step
def pca_fit(
    screen,
    *,
    n_components: int,
    seed: int,
    scale: str = "log1p",
    split: dict | None = None,
    genes: list | None = None,
) -> dict[str, np.ndarray]:
    """Principal components of some cells and genes, to be applied to others.

    Parameters
    ----------
    screen, n_components, seed, scale
        See `pca_embedding`.
    split : dict of int arrays, optional
        Of `helpers.data.splits`: fit on `train` and `train_controls`; on all cells by default.
    genes : list of str, optional
        Of the screen's; all by default. Cells are normalised by their whole library before.

    Returns
    -------
    dict of arrays
        `components` (n_components, n_genes), `mean` and `genes` (n_genes,), `variance`
        (n_components,), descending, and `scale`.

    Raises
    ------
    ValueError, DataError
        See `pca_embedding`; genes that are not measured, or a split of other cells.
    """
    genes = screen.var_names.tolist() if genes is None else list(genes)
    rows = training_rows(screen, split)
    expression = _expression(screen[rows], scale)[:, columns(screen, genes)]
    mean = expression.mean(axis=0, dtype=float)
    fitted = _solver(expression, n_components, seed).fit(expression - mean.astype(np.float32))
    return {
        "components": fitted.components_,
        "mean": mean,
        "variance": fitted.explained_variance_,
        "genes": np.array(genes),
        "scale": np.array(scale),
    }


@step
def pca_scores(screen, fit) -> np.ndarray:
    """Cells in the coordinates of components that were fitted elsewhere.

    Parameters
    ----------
    screen : AnnData of counts
        With every gene of the fit, in any order.
    fit : dict of arrays
        Of `pca_fit`.

    Returns
    -------
    ndarray of shape (n_cells, n_components), float32

    Raises
    ------
    DataError
        Genes of the fit are not measured; they are counted and the first named.
    """
    expression = _expression(screen, str(fit["scale"]))[:, columns(screen, fit["genes"])]
    return (expression - fit["mean"].astype(np.float32)) @ fit["components"].T.astype(np.float32)


def _expression(screen, scale: str) -> np.ndarray:
    """Dense float32 expression, shape (n_cells, n_genes)."""
    if scale not in SCALES:
        raise ValueError(f"scale is {scale!r}; choose from {', '.join(SCALES)}")
    if scale == "log1p":
        X = log1p_cp10k(screen).X
    else:
        if empty := int((library_size(screen) == 0).sum()):
            raise DataError(f"{empty} of {screen.n_obs} cells have no counts; drop them before")
        X = canonical(screen.X)
    return np.asarray(X.todense() if hasattr(X, "todense") else X, dtype=np.float32)


def _solver(expression: np.ndarray, n_components: int, seed: int):
    from sklearn.decomposition import PCA

    n_cells, n_genes = expression.shape
    most = min(n_cells, n_genes)
    if not 1 <= n_components <= most:
        raise DataError(
            f"n_components is {n_components}; {n_cells} cells x {n_genes} genes allow 1 to {most}"
        )
    exact = n_genes <= MOST_GENES_EXACT
    return PCA(
        n_components,
        svd_solver="covariance_eigh" if exact else "randomized",
        random_state=seed,
    )
