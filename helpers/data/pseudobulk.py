"""Pseudobulk: one profile for each group of cells."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from anndata import AnnData
from anndata.utils import make_index_unique
from numba import njit
from scipy.sparse import csr_matrix

from helpers.data.contract import DataError
from helpers.data.matrix import parts_by_cells


def pseudobulk(
    adata: AnnData, by: str | Sequence[str], *, statistic: Literal["mean", "sum"] = "mean"
) -> AnnData:
    """Mean or sum of the cells of each group, by one sparse product.

    Parameters
    ----------
    adata : AnnData of shape (n_cells, n_genes), `X` sparse or dense
    by
        Grouping column or columns of `obs`. A group is a combination of their values.
    statistic
        Taken of `X`, gene by gene, and of `obs["total_counts"]` where it exists.

    Returns
    -------
    AnnData of shape (n_groups, n_genes)
        `X` dense, float64. One row for each group that has cells, sorted by the columns in the
        order given (a categorical sorts by its categories). `obs` holds the grouping columns as
        categoricals and `n_cells`. `uns["scale"]` is that of the cells, also for means of counts,
        which are counts in unit but no integers; `uns["pseudobulk"]` says `by` and `statistic`.

    Raises
    ------
    DataError
        Where a column is not there or has missing values.
    """
    by = [by] if isinstance(by, str) else list(by)
    if not by or len(set(by)) < len(by):
        raise ValueError(f"by must name one or more different columns, not {by}")
    if {"n_cells", "total_counts"} & set(by):
        raise ValueError(f"by names {by}, but 'n_cells' and 'total_counts' describe the groups")
    if statistic not in ("mean", "sum"):
        raise ValueError(f"statistic must be 'mean' or 'sum', not {statistic!r}")
    keys = _grouping(adata, by)
    sizes = [len(key.categories) for key in keys]
    combination = np.ravel_multi_index([key.codes for key in keys], sizes)
    groups, group, n_cells = np.unique(combination, return_inverse=True, return_counts=True)
    obs = pd.DataFrame(
        {
            name: pd.Categorical.from_codes(codes, dtype=key.dtype)
            for name, key, codes in zip(by, keys, np.unravel_index(groups, sizes), strict=True)
        }
    )
    texts = [obs[name].astype(str) for name in by]
    names = pd.Index(texts[0].str.cat(texts[1:], sep="|") if len(texts) > 1 else texts[0])
    # Two groups may spell the same name, such as ("a|b", "c") and ("a", "b|c").
    obs.index = make_index_unique(names)
    obs["n_cells"] = n_cells

    cells = parts_by_cells(adata.X, cells=adata.obs_names, genes=adata.var_names)
    divisors = n_cells if statistic == "mean" else np.ones_like(n_cells)
    if isinstance(cells, tuple):
        X = np.zeros((len(groups), adata.n_vars))
        order = np.argsort(group, kind="stable")
        _add_up(*cells, order, np.cumsum(n_cells), divisors, X)
    else:
        X = np.asarray(_indicator(group, len(groups)) @ cells) / divisors[:, None]
    if "total_counts" in adata.obs:
        total = adata.obs["total_counts"].to_numpy(dtype=np.float64)
        obs["total_counts"] = _indicator(group, len(groups)) @ total
        obs["total_counts"] /= divisors
    result = AnnData(X, obs=obs, var=adata.var.copy())
    for key in ("scale", "dataset", "panel"):
        if key in adata.uns:
            result.uns[key] = adata.uns[key]
    result.uns["pseudobulk"] = {"by": by, "statistic": statistic}
    return result


@njit(cache=True)
def _add_up(data, indices, indptr, order, ends, divisors, sums):
    """Add cells to their groups, group by group, so that the sums at hand stay in the cache.

    `order` holds the cells of the first group, which ends at `ends[0]`, then those of the second.
    Within a group cells keep their order, as in the product with the indicator. Indices are
    unsigned for the compiler, which would else ask of each whether it counts from the end.
    """
    first = 0
    for group in range(len(ends)):
        row = sums[group]
        for cell in order[first : ends[group]]:
            values = data[indptr[cell] : indptr[cell + 1]]
            genes = indices[indptr[cell] : indptr[cell + 1]]
            for k in range(np.uint64(len(values))):
                row[np.uint64(genes[k])] += values[k]
        first = ends[group]
        row /= divisors[group]


def _indicator(group: np.ndarray, n_groups: int) -> csr_matrix:
    n = len(group)
    return csr_matrix((np.ones(n), (group, np.arange(n))), shape=(n_groups, n))


def _grouping(adata: AnnData, by: list[str]) -> list[pd.Categorical]:
    name = adata.uns.get("dataset", {}).get("name", "this AnnData")
    columns = ", ".join(map(str, adata.obs.columns))
    absent = [column for column in by if column not in adata.obs]
    if absent:
        raise DataError(f"{name}: obs has no column {absent} (columns: {columns}); pass by=...")
    missing = {column: int(adata.obs[column].isna().sum()) for column in by}
    if any(missing.values()):
        counts = ", ".join(f"{n} in {column!r}" for column, n in missing.items() if n)
        raise DataError(
            f"{name}: missing values in grouping columns ({counts} of {adata.n_obs} cells); "
            "drop these cells or name their group"
        )
    return [adata.obs[column].astype("category").array for column in by]
