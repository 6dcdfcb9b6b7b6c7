"""Graph of genes that are correlated in training samples, and diffusion over it."""

import numpy as np
from scipy import sparse

from helpers.data.contract import DataError
from helpers.store.steps import step

_BLOCK = 1_024  # genes: the matrix of all pairs is never held


@step
def correlation_graph(data, *, threshold: float = 0.5) -> dict[str, np.ndarray]:
    """Diffusion matrix of the graph of correlated genes.

    S = D^-1/2 (A + I) D^-1/2, where A holds the Pearson correlations of two genes over training
    samples that exceed the threshold, its diagonal is 0, and D are the row sums of A + I.

    Parameters
    ----------
    data : AnnData of shape (n_samples, n_genes)
        With `obs["split"]`.
    threshold : float in (0, 1)
        Smaller and negative correlations are no edge.

    Returns
    -------
    dict of arrays
        `data`, `indices`, `indptr` of S in compressed rows; see `as_sparse`. Genes that do not
        vary keep to themselves.

    References
    ----------
    Bontonou et al. 2023; mbonto/XAI_for_genomics 36de591, infer_graph.py:38-67, graphs.py:132-138.
    """
    if not 0 < threshold < 1:
        raise DataError(f"threshold is {threshold}; a correlation between 0 and 1")
    X = np.asarray(data.X[(data.obs["split"] == "train").to_numpy()], dtype=np.float32).T.copy()
    X -= X.mean(axis=1, dtype=float)[:, None].astype(np.float32)
    norm = np.sqrt(np.einsum("ij,ij->i", X, X))
    X /= np.where(norm > 0, norm, 1)[:, None]
    rows, columns, values = [], [], []
    for i in range(0, len(X), _BLOCK):
        for j in range(i, len(X), _BLOCK):
            r = X[i : i + _BLOCK] @ X[j : j + _BLOCK].T
            a, b = np.nonzero(r > threshold)
            above = a + i < b + j
            a, b = a[above], b[above]
            rows.append(a + i)
            columns.append(b + j)
            values.append(r[a, b])
    edges = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    upper = sparse.coo_array(edges, shape=(len(X), len(X))).tocsr()
    A = upper + upper.T + sparse.eye_array(len(X), dtype=np.float32, format="csr")
    scale = sparse.diags_array(1 / np.sqrt(A.sum(axis=1)))
    S = (scale @ A @ scale).tocsr().astype(np.float32)
    return {"data": S.data, "indices": S.indices, "indptr": S.indptr}


def as_sparse(graph: dict[str, np.ndarray] | None):
    """Stored graph as a sparse array of shape (n_genes, n_genes); None stays None."""
    if graph is None:
        return None
    n = len(graph["indptr"]) - 1
    return sparse.csr_array((graph["data"], graph["indices"], graph["indptr"]), shape=(n, n))
