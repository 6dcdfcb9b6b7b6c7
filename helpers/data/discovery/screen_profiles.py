"""Profiles of a screen of single cells, by either preprocessing of the paper.

The z-normalised values that are released were made by the authors of the screen; the second
preprocessing needs counts, which the released loaders do not give. Both are made of counts here.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from helpers.data.contract import CONTROL
from helpers.data.discovery.profiles import Profiles, aggregated, symbols
from helpers.data.errors import DataError
from helpers.data.normalise import library_size, log1p_cp10k

PREPROCESSING = ("z-normalised", "log-normalised")


def screen_profiles(
    screen,
    *,
    preprocessing: Literal["z-normalised", "log-normalised"],
    kind: str = "",
    n_genes: int = 5_000,
    modality: str = "Transcriptome",
) -> Profiles:
    """Mean over the cells of each perturbation in each context.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
        With `obs` perturbation, batch and context.
    preprocessing : str
        "z-normalised": counts scaled to the median library of the context, less the mean and over
        the standard deviation of the controls of the batch; what is not finite is 0. As
        "log-normalised": the logarithm of 1 + scaled counts, the most variable genes of each
        context (scanpy's default), less the controls of the context.
    kind : str
        Of perturbation, before each symbol, such as "CRISPRi".
    n_genes : int
        Variable genes of a context, all where it has fewer; those of other contexts are masked.
    modality : str
        Before each readout.

    Returns
    -------
    Profiles
        Relative to controls; the control itself is one of the profiles.

    Raises
    ------
    DataError
        Another preprocessing, no counts, or a batch or context without controls.
    """
    if preprocessing not in PREPROCESSING:
        raise DataError(f"preprocessing is {preprocessing!r}; {' or '.join(PREPROCESSING)}")
    obs = screen.obs[["perturbation", "batch", "context"]].astype(str)
    parts = []
    for context in sorted(set(obs["context"])):
        own = (obs["context"] == context).to_numpy()
        cells = screen[own]
        control = (obs["perturbation"][own] == CONTROL).to_numpy()
        if not control.any():
            raise DataError(f"{context}: no cell is a {CONTROL!r}; values are relative to controls")
        if preprocessing == "z-normalised":
            batch = obs["batch"][own].to_numpy()
            values = pd.DataFrame(_z(cells, batch, control), columns=screen.var_names)
        else:
            values = _logarithms(cells, control, n_genes)
        parts.append(values)
    at = np.argsort(obs["context"].to_numpy(), kind="stable")  # the order of the parts
    table = pd.concat(parts, ignore_index=True)
    table = table[[gene for gene in screen.var_names.unique() if gene in table.columns]]
    table.columns = f"{modality}_" + table.columns.astype(str)
    name = obs["perturbation"].to_numpy(str)[at]
    symbol = symbols(kind, name, name == CONTROL)
    return _averaged(table, obs["context"].to_numpy(str)[at], symbol)


def _averaged(table: pd.DataFrame, context, symbol) -> Profiles:
    """Cells count each, also where two of them are alike to the last bit."""
    return aggregated(table, context, symbol, weights=np.ones(len(table)))


def _z(cells, batch, control) -> np.ndarray:
    size = library_size(cells)
    if (size == 0).any():
        raise DataError(f"{int((size == 0).sum())} cells have no counts; drop them")
    counts = cells.X.toarray() if issparse(cells.X) else np.asarray(cells.X)
    scaled = counts * (np.median(size) / size)[:, None]
    for name in np.unique(batch):
        own = batch == name
        null = scaled[own & control]
        if len(null) < 2:
            raise DataError(f"batch {name!r} has {len(null)} controls; a deviation needs 2")
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled[own] = (scaled[own] - null.mean(axis=0)) / null.std(axis=0)
    scaled[~np.isfinite(scaled)] = 0
    return scaled


def _logarithms(cells, control, n_genes: int) -> pd.DataFrame:
    import scanpy as sc

    logs = log1p_cp10k(cells, target_sum=float(np.median(library_size(cells))))
    kept = np.ones(cells.n_vars, dtype=bool)
    if n_genes < cells.n_vars:
        found = sc.pp.highly_variable_genes(logs, n_top_genes=n_genes, inplace=False)
        kept = found["highly_variable"].to_numpy()
    x = logs.X.toarray() if issparse(logs.X) else np.asarray(logs.X)
    x = x[:, kept].astype(float)
    return pd.DataFrame(x - x[control].mean(axis=0), columns=cells.var_names[kept])
