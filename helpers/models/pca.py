"""Principal components of log-normalised expression: the baseline that is hard to beat."""

import numpy as np

from helpers.data.normalise import log1p_cp10k
from helpers.store import step

MOST_GENES_EXACT = 2_500  # beyond, the gene-by-gene covariance costs more than randomised PCA


@step
def pca_embedding(screen, *, n_components: int, seed: int) -> np.ndarray:
    """Embed cells by PCA of log1p CP10k; genes are centred and not scaled.

    Up to 2,500 genes the components are exact, from the covariance of genes; with more they come
    from randomised PCA.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
    n_components : int
        1 to min(n_cells, n_genes).
    seed : int
        Used by the randomised solver only.

    Returns
    -------
    ndarray of shape (n_cells, n_components), float32
        Sorted by variance; each component's sign is such that its largest loading is positive.

    Raises
    ------
    ValueError
        More components than cells or genes.
    DataError
        The screen holds no counts, or an empty cell.
    """
    from sklearn.decomposition import PCA

    most = min(screen.shape)
    if not 1 <= n_components <= most:
        raise ValueError(
            f"n_components is {n_components}; {screen.n_obs} cells x {screen.n_vars} genes allow "
            f"1 to {most}"
        )
    normalised = log1p_cp10k(screen).X
    expression = np.asarray(normalised.todense() if hasattr(normalised, "todense") else normalised)
    # Centred first: in float32, a covariance less the product of means would lose digits.
    expression = expression - expression.mean(axis=0, dtype=float).astype(expression.dtype)
    exact = screen.n_vars <= MOST_GENES_EXACT
    pca = PCA(
        n_components,
        svd_solver="covariance_eigh" if exact else "randomized",
        random_state=seed,
    )
    return pca.fit_transform(expression)
