"""From counts to log1p CP10k, by the library size that each cell had before genes were dropped."""

from copy import deepcopy

import numpy as np
from anndata import AnnData
from scipy.sparse import csr_matrix, issparse

from helpers.data.contract import DataError
from helpers.data.matrix import canonical


def library_size(adata: AnnData) -> np.ndarray:
    """Counts of each cell before any gene was dropped.

    Parameters
    ----------
    adata : AnnData of counts, shape (n_cells, n_genes)
        `obs["total_counts"]` is used where it exists. Otherwise no gene was dropped, or
        `uns["panel"]` says that the library size is unknown: the sum over the measured genes.

    Returns
    -------
    ndarray of shape (n_cells,), float64, counts

    Raises
    ------
    DataError
        Where `X` is not counts, or `obs["total_counts"]` is below the counts that the cell holds,
        negative or missing.
    """
    return _library_size(adata, _counts(adata))


def _library_size(adata: AnnData, X) -> np.ndarray:
    measured = np.asarray(X.sum(axis=1, dtype=np.float64)).ravel()
    if "total_counts" not in adata.obs:
        return measured
    total = adata.obs["total_counts"].to_numpy(dtype=np.float64)
    # Written so that a missing size is wrong too; a mean of counts may be off by rounding.
    wrong = np.flatnonzero(~(total >= measured * (1 - 1e-6)))
    if wrong.size:
        cell = wrong[0]
        raise DataError(
            f"{_name(adata)}: obs['total_counts'] is missing or below the counts of the cell in "
            f"{wrong.size} cells, first {adata.obs_names[cell]!r} ({total[cell]:g} against "
            f"{measured[cell]:g}); it is the library size before genes were dropped"
        )
    return total


def log1p_cp10k(adata: AnnData, *, target_sum: float = 1e4) -> AnnData:
    """Log of 1 + counts per `target_sum` counts of the cell's library.

    Parameters
    ----------
    adata : AnnData of counts, shape (n_cells, n_genes)
    target_sum : float
        Library size that every cell is brought to, counts, > 0.

    Returns
    -------
    AnnData of shape (n_cells, n_genes)
        A new object: `X` float32, sparse (CSR) or dense as it came, `uns["scale"]` log1p with its
        target sum; everything else as it was, except layers and `raw`, which are left out.
        `obs["total_counts"]` stays the library size in counts, also where it was not stated and
        no panel is declared, so that genes can be dropped afterwards.

    Raises
    ------
    DataError
        Where `X` is not counts, or cells have a library size of zero (they say how many).

    See Also
    --------
    scanpy.pp.normalize_total, scanpy.pp.log1p : the same where no gene was dropped.
    """
    if not 0 < target_sum < np.inf:
        raise ValueError(f"target_sum must be positive and finite, not {target_sum!r}")
    X = _counts(adata)
    size = _library_size(adata, X)
    empty = np.flatnonzero(size == 0)
    if empty.size:
        raise DataError(
            f"{_name(adata)}: {empty.size} of {adata.n_obs} cells have no counts, first "
            f"{adata.obs_names[empty[0]]!r}; drop them before normalising"
        )
    factor = target_sum / size
    if issparse(X):
        values = X.data * np.repeat(factor, np.diff(X.indptr))
        normalised = csr_matrix(
            (np.log1p(values, out=values).astype(np.float32), X.indices.copy(), X.indptr.copy()),
            shape=X.shape,
        )
    else:
        normalised = np.log1p(X * factor[:, None]).astype(np.float32)
    result = AnnData(
        normalised,
        obs=adata.obs.copy(),
        var=adata.var.copy(),
        obsm={key: value.copy() for key, value in adata.obsm.items()},
        varm={key: value.copy() for key, value in adata.varm.items()},
        uns={
            **deepcopy(dict(adata.uns)),
            "scale": {"kind": "log1p", "target_sum": float(target_sum)},
        },
    )
    if not adata.uns.get("panel", False):
        result.obs["total_counts"] = size
    return result


def _counts(adata: AnnData) -> np.ndarray | csr_matrix:
    """`X` in its canonical form, where it holds counts."""
    kind = adata.uns.get("scale", {}).get("kind")
    if kind != "counts":
        raise DataError(
            f"{_name(adata)}: counts are needed, but uns['scale'] says {kind!r}; "
            "go back to the counts, or set uns['scale'] = {'kind': 'counts', 'target_sum': None}"
        )
    X = canonical(adata.X, where=f"{_name(adata)}: X", cells=adata.obs_names, genes=adata.var_names)
    values = X.data if issparse(X) else X
    wrong = int(np.count_nonzero(~((values >= 0) & (values == np.floor(values)))))
    if wrong or not np.isfinite(values).all():
        raise DataError(
            f"{_name(adata)}: uns['scale'] says counts, but {max(wrong, 1)} values are negative, "
            "not integer or not finite; state the scale they are on"
        )
    return X


def _name(adata: AnnData) -> str:
    return adata.uns.get("dataset", {}).get("name", "this AnnData")
