"""The door for models that run elsewhere: counts go out with a manifest, embeddings come back.

Whoever embeds the cells gets all counts, under the names that released models look for, and gives
back an h5ad with the vectors in `obsm`. Cells are matched by name, never by position.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from helpers.data.contract import DataError
from helpers.data.h5ad import read_table, reading
from helpers.data.matrix import canonical
from helpers.data.normalise import library_size

if TYPE_CHECKING:
    from anndata import AnnData

FORMAT = "benchbook-export-1"
_FACTS = ("format", "dataset", "counts_sha256", "cells_sha256", "n_cells", "n_genes")


def cells_sha256(cells) -> str:
    """Hash of cell names in their order."""
    return hashlib.sha256("\n".join(map(str, cells)).encode()).hexdigest()


def counts_sha256(X) -> str:
    """Hash of a matrix of counts, of shape (n_cells, n_genes), whatever way it is stored."""
    X = csr_matrix(canonical(X))
    sha = hashlib.sha256(f"{X.shape[0]} {X.shape[1]}".encode())
    for values, kind in ((X.indptr, "<i8"), (X.indices, "<i4"), (X.data, "<f4")):
        sha.update(np.ascontiguousarray(values, dtype=kind))
    return sha.hexdigest()


def manifest_of(screen: AnnData) -> dict:
    """What identifies the cells and counts of a screen.

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)

    Returns
    -------
    dict
        `format`; `dataset` and `dataset_sha256`, as ``uns["dataset"]`` has them; `counts_sha256`,
        `cells_sha256`; `n_cells`, `n_genes`; `genes_without_ensembl_id`; `versions`, of the
        libraries that wrote it.
    """
    dataset = dict(screen.uns.get("dataset", {}))
    return {
        "format": FORMAT,
        "dataset": str(dataset.get("name", "")),
        "dataset_sha256": str(dataset.get("sha256", "")),
        "counts_sha256": counts_sha256(screen.X),
        "cells_sha256": cells_sha256(screen.obs_names),
        "n_cells": int(screen.n_obs),
        "n_genes": int(screen.n_vars),
        "genes_without_ensembl_id": int((_ensembl_ids(screen) == "").sum()),
        "versions": {name: importlib.metadata.version(name) for name in ("anndata", "numpy")},
    }


def export(screen: AnnData, folder: Path) -> tuple[Path, Path]:
    """Write a screen's counts and its manifest for a model that runs elsewhere.

    Every gene that the data set has is written. Beside the contract's columns there are the ones
    that released models read: `var["ensembl_id"]` (empty where unknown), `var["gene_name"]` and
    `var["feature_name"]` (the symbol), `obs["n_counts"]` (library size).

    Parameters
    ----------
    screen : AnnData of counts, shape (n_cells, n_genes)
    folder : Path
        Made if it is missing; files of the same name are replaced.

    Returns
    -------
    Paths of the h5ad and of the manifest.

    Raises
    ------
    DataError
        The screen holds no counts, cells share a name, or its own name is none of a file.
    """
    from anndata import AnnData

    if not screen.obs_names.is_unique:
        twice = screen.obs_names[screen.obs_names.duplicated()][0]
        raise DataError(
            f"cell {twice!r} occurs twice: embeddings come back by cell name; call "
            "adata.obs_names_make_unique()"
        )
    name = str(dict(screen.uns.get("dataset", {})).get("name", "")) or "screen"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise DataError(
            f"uns['dataset']['name'] is {name!r}: a file cannot be called so; use letters, "
            "digits and - _ ."
        )
    counts = csr_matrix(
        canonical(screen.X, cells=screen.obs_names, genes=screen.var_names), dtype=np.float32
    )
    symbols = screen.var_names.astype(str)
    var = screen.var.assign(
        ensembl_id=_ensembl_ids(screen), gene_name=symbols, feature_name=symbols
    )
    written = AnnData(
        counts,
        obs=screen.obs.assign(n_counts=library_size(screen)),
        var=var,
        uns={
            name: screen.uns[name] for name in ("scale", "dataset", "panel") if name in screen.uns
        },
    )
    manifest = manifest_of(screen)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.h5ad"
    written.write_h5ad(path, compression="gzip")
    facts = path.with_suffix(".manifest.json")
    facts.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return path, facts


def read_manifest(path: Path) -> dict:
    """A manifest that `export` wrote.

    Raises
    ------
    DataError
        The file is not one.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} is not a manifest ({error}); `benchbook export` writes one beside the counts"
        ) from error
    missing = [f for f in _FACTS if not isinstance(manifest, dict) or f not in manifest]
    if missing or manifest["format"] != FORMAT:
        raise DataError(
            f"{path} is not a manifest of this version (lacks {', '.join(missing) or 'nothing'}, "
            f"expects format {FORMAT}): export the data set again"
        )
    return manifest


def check_manifest(manifest: dict, screen: AnnData) -> None:
    """Pass where a manifest was written for this screen.

    Raises
    ------
    DataError
        Cells or counts are not those that were exported.
    """
    now = manifest_of(screen)
    for fact, what in (("cells_sha256", "cells"), ("counts_sha256", "counts")):
        if manifest[fact] != now[fact]:
            raise DataError(
                f"the manifest of {manifest['dataset'] or 'the export'} was written for other "
                f"{what} than {now['dataset'] or 'this screen'} has now (there "
                f"{manifest['n_cells']} cells x {manifest['n_genes']} genes, here "
                f"{now['n_cells']} x {now['n_genes']}): export the data set again and embed that"
            )


def read_embedding(path: Path, cells, *, key: str | None = None) -> pd.DataFrame:
    """Read an embedding from an h5ad and bring it into the order of a screen's cells.

    Parameters
    ----------
    path : Path
        An h5ad whose `obs_names` are the cells' names; in any order. Its `X` is not read.
    cells : sequence of str
        The screen's cells.
    key : str, optional
        Of `obsm`; needed where the file has several.

    Returns
    -------
    DataFrame of shape (n_cells, n_dims), float32, indexed by cell
        Rows in the order of `cells`; ``attrs["key"]`` is the key that was read.

    Raises
    ------
    DataError
        Cells are missing, unknown or there twice, or are numbered instead of named; values are
        missing or infinite; all rows are the same; there is one dimension only; there is no such
        key; the file is not an h5ad.
    """
    names, values, key = _stored(Path(path), key)
    where = f"{path}, obsm[{key!r}]"
    if values.ndim != 2 or len(values) != len(names):
        raise DataError(f"{where} has shape {values.shape}; it is cells x dimensions")
    order = _order(names, pd.Index(np.asarray(cells).astype(str)), where)
    if values.shape[1] < 2:
        raise DataError(
            f"{where} has {values.shape[1]} dimension: cosine and distance rankings of a line say "
            "nothing; give the whole embedding"
        )
    if values.dtype.kind not in "iuf":
        raise DataError(f"{where} holds {values.dtype}, not numbers")
    values = values[order]
    large = np.isfinite(values) & ~(np.abs(values) <= np.finfo(np.float32).max)
    if large.any():
        row, column = np.argwhere(large)[0]
        raise DataError(
            f"{where} holds {large.sum()} values too large for float32, the first in cell "
            f"{cells[row]!r}, dimension {column} ({values[row, column]:g}); rescale the embedding"
        )
    values = values.astype(np.float32)
    odd = ~np.isfinite(values)
    if odd.any():
        row, column = np.argwhere(odd)[0]
        raise DataError(
            f"{where} holds {odd.sum()} NaN or infinite values in {odd.any(axis=1).sum()} cells, "
            f"the first in cell {cells[row]!r}, dimension {column}: cells that the model cannot "
            "embed must be left out of the data set, not scored"
        )
    if (values == values[0]).all():
        raise DataError(f"{where} gives every cell the same vector: the model saw no expression")
    embedding = pd.DataFrame(values, index=pd.Index(cells, name="cell"))
    embedding.attrs["key"] = key
    return embedding


def _stored(path: Path, key: str | None) -> tuple[pd.Index, np.ndarray, str]:
    """Names of cells and the one array that was asked for; counts stay on disk."""
    import h5py
    from anndata.io import read_elem

    try:
        with h5py.File(path) as file:
            keys = sorted(file["obsm"]) if "obsm" in file else []
            if key is None and len(keys) == 1:
                key = keys[0]
            if key not in keys:
                said = f"no obsm[{key!r}]" if key else "more than one embedding; name its key"
                raise DataError(
                    f"{path} has {said if keys else 'no embedding'} (obsm: "
                    f"{', '.join(keys) or 'empty'}); write the vectors to adata.obsm[KEY]"
                )
            names = read_table(file, "obs", path).index
            with reading(path, f"obsm[{key!r}]"):
                values = read_elem(file["obsm"][key])
    except OSError as error:
        raise DataError(f"{path} is not an h5ad ({error}); write it with write_h5ad") from error
    if isinstance(values, pd.DataFrame):
        values = values.to_numpy()
    if hasattr(values, "toarray"):
        values = canonical(values, where=f"{path}, obsm[{key!r}]").toarray()
    return names, np.asarray(values), key


def _order(names: pd.Index, cells: pd.Index, where: str) -> np.ndarray:
    """Row of the file for each cell."""
    shared = cells[cells.duplicated()].unique()
    if len(shared):
        raise DataError(
            f"cell names that occur twice or more in the screen: {len(shared)} ({_some(shared)}); "
            "vectors are matched by name; call adata.obs_names_make_unique() before embedding"
        )
    twice = names[names.duplicated()].unique()
    if len(twice):
        raise DataError(
            f"{where}: cells that occur twice or more: {len(twice)} ({_some(twice)}); give each "
            "cell one row"
        )
    missing, extra = cells.difference(names), names.difference(cells)
    if len(missing) == len(cells) and len(names) == len(cells):
        raise DataError(
            f"{where}: the file has as many cells as the screen, but none of its names (there "
            f"{_some(names)}, here {_some(cells)}). Position does not tell a cell: set "
            "adata.obs_names to the names that were exported"
        )
    if len(missing) or len(extra):
        raise DataError(
            f"{where}: {len(missing)} of {len(cells)} cells are missing ({_some(missing)}) and "
            f"{len(extra)} are not in the screen ({_some(extra)}); embed every exported cell, and "
            "switch off filters of cells in the model's own code"
        )
    return names.get_indexer(cells)


def _some(names, shown: int = 3) -> str:
    text = ", ".join(repr(str(name)) for name in names[:shown])
    return text + (", ..." if len(names) > shown else "") if len(names) else "none"


def _ensembl_ids(screen: AnnData) -> np.ndarray:
    if "ensembl_id" not in screen.var:
        return np.full(screen.n_vars, "", dtype=object)
    return screen.var["ensembl_id"].astype(object).fillna("").astype(str).to_numpy(dtype=object)
