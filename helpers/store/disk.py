"""Results on disk: written whole or not at all, checked when they are read, removed when unused."""

import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from helpers.home import home
from helpers.store.source import PARSING

FORMAT = 1
"""What stands in keys for all of the code of the store: a larger number makes every result anew.

It grows when a result of this number would be read as another value, or when a key comes to mean
something else.
"""


_AT_HAND_BYTES = 64_000_000
_AT_HAND: dict[str, tuple[Any, int]] = {}
"""Screens that this process read last, and the sizes of their files, by hash."""


class StoreError(RuntimeError):
    """A result that cannot be written, or that is not what was written."""


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(value: Any, target: Path, description: dict[str, Any]) -> None:
    """Write a result and its description to a folder, whole or not at all.

    Parameters
    ----------
    value : array, dict of arrays, DataFrame, AnnData or JSON value
    target : Path
        What is there without a description is replaced.
    description : dict
        Kept in ``meta.json``, with the result's kind, file, hash and size.

    Raises
    ------
    OSError
        The disk is full, or the folder cannot be written; nothing is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name[:8]}-", dir=target.parent))
    try:
        kind, file = _write(value, partial)
        meta = description | {
            "format": FORMAT,
            "kind": kind,
            "file": file.name,
            "sha256": file_sha256(file),
            "bytes": file.stat().st_size,
        }
        (partial / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
        if target.exists():  # without a description: damaged
            shutil.rmtree(target)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def load(folder: Path) -> Any:
    """Read a stored result, after a check that it is what was written.

    Raises
    ------
    StoreError
        Description or result are missing, cut or changed.
    """
    advice = 'run "benchbook clean --damaged" to remove damaged results, then repeat the command'
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        file = folder / meta["file"]
        sha256, kind = meta["sha256"], meta["kind"]
        intact = file_sha256(file) == sha256
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{folder}: not a stored result ({error}); {advice}") from error
    if not intact:
        raise StoreError(f"{file}: differs from what was written (sha256); {advice}")
    with PARSING:
        return _read_screen(file, sha256) if kind == "anndata" else _READERS[kind](file)


def _write(value: Any, folder: Path) -> tuple[str, Path]:
    import numpy as np
    import pandas as pd

    if isinstance(value, np.ndarray):
        file = folder / "result.npy"
        np.save(file, value, allow_pickle=False)
        return "array", file
    if isinstance(value, dict) and value and all(isinstance(v, np.ndarray) for v in value.values()):
        file = folder / "result.npz"
        np.savez(file, allow_pickle=False, **value)
        return "arrays", file
    if isinstance(value, pd.DataFrame):
        file = folder / "result.parquet"
        value.to_parquet(file)
        return "frame", file
    if type(value).__name__ == "AnnData":
        file = folder / "result.h5ad"
        value.write_h5ad(file, compression="lzf")
        return "anndata", file
    file = folder / "result.json"
    file.write_text(canonical_json(value), encoding="utf-8")
    return "json", file


def _read_array(file: Path):
    import numpy as np

    return np.load(file, allow_pickle=False)


def _read_arrays(file: Path):
    import numpy as np

    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _read_frame(file: Path):
    import pandas as pd

    return pd.read_parquet(file)


def _read_screen(file: Path, sha256: str):
    """A copy of the screen, read from the file or at hand from the last time.

    Most steps of a chapter take the same few screens, and to read one takes ten times as long as
    to copy it. Those read last are kept, by what the file holds, up to `_AT_HAND_BYTES` of files.
    """
    import anndata

    found = _AT_HAND.pop(sha256, None) or (anndata.read_h5ad(file), file.stat().st_size)
    if found[1] > _AT_HAND_BYTES:
        return found[0]
    _AT_HAND[sha256] = found  # the last one asked for stands at the end
    while sum(size for _, size in _AT_HAND.values()) > _AT_HAND_BYTES:
        del _AT_HAND[next(iter(_AT_HAND))]
    return found[0].copy()


def _read_json(file: Path):
    return json.loads(file.read_text(encoding="utf-8"))


_READERS = {
    "array": _read_array,
    "arrays": _read_arrays,
    "frame": _read_frame,
    "json": _read_json,
}


# --------------------------------------------------------------------------- removal


_KEY = re.compile(r"[0-9a-f]{64}")


def stored_steps() -> list[Path]:
    """Folders of all stored results, in order of their keys."""
    folders = (home() / "steps").glob("*/*")
    return sorted(p for p in folders if _KEY.fullmatch(p.name))


def prune(used: set[str]) -> tuple[int, int]:
    """Remove results that are not named in `used` and that no named one was computed from.

    Returns
    -------
    Number of results removed, and bytes freed.
    """
    keep, queue = set(), list(used)
    while queue:
        if (key := queue.pop()) not in keep:
            keep.add(key)
            folder = home() / "steps" / key[:2] / key
            if folder.is_dir() and not _damaged(folder):
                meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
                queue.extend(meta["inputs"])
    for leftover in (home() / "steps").glob("*/.*"):  # of processes that were killed
        shutil.rmtree(leftover)
    return _remove([f for f in stored_steps() if f.name not in keep])


def prune_damaged() -> tuple[int, int]:
    """Remove results that are not what was written; returns their number and bytes."""

    return _remove([f for f in stored_steps() if _damaged(f)])


def _damaged(folder: Path) -> bool:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        return file_sha256(folder / meta["file"]) != meta["sha256"]
    except (OSError, ValueError, KeyError):
        return True


def _remove(folders: list[Path]) -> tuple[int, int]:
    freed = sum(f.stat().st_size for folder in folders for f in folder.iterdir())
    for folder in folders:
        (folder / "meta.json").unlink(missing_ok=True)  # first: without it nothing is stored
        shutil.rmtree(folder)
    return len(folders), freed
