"""Embeddings that came from elsewhere, kept under a name and known by their content.

`benchbook import` checks one and keeps it in the cache; a chapter takes it by its name, and the
step that reads it is identified by the array's sha256.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.data.dataset import File
from helpers.data.exchange import cells_sha256, check_manifest, read_embedding
from helpers.data.fetch import cache_folder, locate, sha256
from helpers.store.steps import Step, step


@step
def imported_embedding(screen, *, name: str, sha256: str, size: int, cells: str) -> np.ndarray:
    """An embedding that was imported, one row a cell of the screen.

    Parameters
    ----------
    screen : AnnData
    name : str
        File name, for messages.
    sha256 : str
        Of the stored array.
    size : int
        Bytes of the stored array.
    cells : str
        sha256 of the names of the cells that it was aligned to.

    Returns
    -------
    ndarray of shape (n_cells, n_dims), float32

    Raises
    ------
    DataError
        The array is not on this machine, or it belongs to other cells.
    """
    if cells_sha256(screen.obs_names) != cells:
        raise DataError(f"{name} was imported for other cells than this screen has")
    path = locate(File(name=name, url="", size=size, sha256=sha256))
    if path is None:
        raise DataError(
            f"{name} (sha256 {sha256[:12]}...) is not in the cache nor in a folder of "
            "BENCHBOOK_DATA: import it again, or put the file there"
        )
    return np.load(path, allow_pickle=False)


def add(name: str, path: Path, manifest: dict, screen, *, key: str | None = None) -> dict:
    """Check an embedding and keep it under a name.

    Parameters
    ----------
    name : str
        Letters, digits, "-", "_" and ".". A name means one content: runs are known by it.
    path : Path
        The h5ad that a model gave back.
    manifest : dict
        What `export` wrote.
    screen : AnnData
        The data set that was exported.
    key : str, optional
        Of `obsm`; needed where the file has several.

    Returns
    -------
    dict
        The entry: `name`, `dataset`, `key`, `n_cells`, `n_dims`, `constant_dims` (the same in
        every cell), `repeated_rows` (cells whose vector another cell has too), `cells`,
        `sha256`, `size`, `source_sha256` (of the h5ad).

    Raises
    ------
    DataError
        See `read_embedding` and `check_manifest`; or the name cannot be one, or is taken by
        other values.
    """
    check_manifest(manifest, screen)
    found = read_embedding(path, screen.obs_names, key=key)
    facts = {"key": found.attrs["key"], "source_sha256": sha256(path)}
    return keep(name, found.to_numpy(), screen, facts)


def keep(name: str, values: np.ndarray, screen, facts: dict) -> dict:
    """Keep an embedding of a screen's cells under a name; see `add`."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise DataError(f"an embedding cannot be called {name!r}: use letters, digits and - _ .")
    folder = cache_folder() / "embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.npy"
    partial = folder / f".{name}.part.npy"
    np.save(partial, values, allow_pickle=False)
    known = entries().get(name)
    new = (screen.uns["dataset"]["name"], sha256(partial))
    if known and (known["dataset"], known["sha256"]) != new:
        partial.unlink()
        raise DataError(
            f"an embedding {name!r} of {known['dataset']} with other values is there already: "
            "choose another name, so that a name means one thing in every run"
        )
    partial.replace(file)
    entry = facts | {
        "name": name,
        "dataset": screen.uns["dataset"]["name"],
        "n_cells": len(values),
        "n_dims": values.shape[1],
        "constant_dims": int((values == values[0]).all(axis=0).sum()),
        "repeated_rows": int(pd.DataFrame(values).duplicated(keep=False).sum()),
        "cells": cells_sha256(screen.obs_names),
        "sha256": sha256(file),
        "size": file.stat().st_size,
    }
    (folder / f"{name}.json").write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")
    return entry


def entries() -> dict[str, dict]:
    """Everything that was imported, by name."""
    files = sorted((cache_folder() / "embeddings").glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


def asked(names: str, dataset: str) -> dict[str, dict]:
    """What is kept of embeddings of a data set, by name; see `imported`.

    Raises
    ------
    DataError
    """
    known = {name: e for name, e in entries().items() if e["dataset"] == dataset}
    found = {}
    for name in filter(None, map(str.strip, names.split(","))):
        if name not in known:
            raise DataError(
                f"no embedding {name!r} was imported for {dataset} (there are: "
                f"{', '.join(known) or 'none'}); `benchbook import` takes one in"
            )
        found[name] = known[name]
    return found


def imported(names: str, screen: Step, dataset: str) -> dict[str, Step]:
    """Steps of embeddings that were imported for a data set.

    Parameters
    ----------
    names : str
        Separated by commas, as a chapter's parameter `embedding` has them; none where empty.
    screen : Step
        That reads the data set.
    dataset : str
        Its name.

    Returns
    -------
    dict of name to Step

    Raises
    ------
    DataError
        There is none of that name for this data set; the ones that there are are said.
    """
    return {
        name: imported_embedding(
            screen,
            name=f"{name}.npy",
            sha256=entry["sha256"],
            size=entry["size"],
            cells=entry["cells"],
        )
        for name, entry in asked(names, dataset).items()
    }
