"""Data sets of one's own: where the file lies and which columns hold what, under a name.

`benchbook data add` checks a file and keeps the mapping in a folder of the user; the file stays
where it is, known by its content. Nothing heavy is imported here: every look-up of a name passes.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from hashlib import file_digest
from hashlib import sha256 as _digest
from pathlib import Path

from platformdirs import user_data_path

from helpers.data.dataset import Dataset, File
from helpers.data.errors import DataError

_KEPT = ("name", "path", "size", "mtime_ns", "sha256")


@dataclass(frozen=True)
class Mapping:
    """Where a file keeps what the screen contract asks for.

    Parameters
    ----------
    perturbation, batch : str
        Columns of `obs`.
    control : tuple of str
        What controls are called; several names become one.
    context, guide, replicate, donor, total_counts : str or None
        Columns of `obs`. Without a context all cells are of one, "all"; without total counts
        nobody knows the library sizes before genes were dropped (`uns["panel"]`).
    combination_separator : str or None
        Between the names of a combination ("_" in "KLF1_GATA1"); controls in it are left out.
    layer : str or None
        Of `layers`, that holds counts; `X` by default.
    raw : bool
        Counts are in `raw`, with its genes.
    layout : str or None
        "gears": the file is in the layout of GEARS, which fixes all of the above.
    """

    perturbation: str
    control: tuple[str, ...]
    batch: str
    context: str | None = None
    guide: str | None = None
    replicate: str | None = None
    donor: str | None = None
    total_counts: str | None = None
    combination_separator: str | None = None
    layer: str | None = None
    raw: bool = False
    layout: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "control", tuple(self.control))
        if self.raw and self.layer is not None:
            raise DataError("counts are in a layer or in raw: name one of them")


def gears_layout() -> Mapping:
    """Mapping of a file in the layout of GEARS."""
    shared = {"perturbation": "condition", "batch": "cell_type", "context": "cell_type"}
    return Mapping(**shared, control=("ctrl",), combination_separator="+", layout="gears")


def folder() -> Path:
    """Where mappings are kept: in ``BENCHBOOK_CACHE``, or the system's folder for user data."""
    named = os.environ.get("BENCHBOOK_CACHE")
    base = Path(named).expanduser() if named else user_data_path("perturbation-benchbook")
    return base / "own"


def names() -> list[str]:
    """Names of one's own data sets, sorted."""
    return sorted(file.stem for file in folder().glob("*.json"))


def entry(name: str) -> dict:
    """What is kept of a data set: `name`, `path`, `size`, `mtime_ns`, `sha256`, `mapping`.

    Raises
    ------
    DataError
        There is none, or what was kept cannot be read.
    """
    file = folder() / f"{name}.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        Mapping(**found["mapping"])
        return {key: found[key] for key in (*_KEPT, "mapping")}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{file} cannot be read ({error}): `benchbook data remove {name}`, then add it again"
        ) from error


def keep(name: str, path: Path, mapping: Mapping, facts: dict) -> dict:
    """Keep a mapping under a name; `facts` are those of its content, of `content`."""
    folder().mkdir(parents=True, exist_ok=True)
    kept = {"name": name, "path": str(path.resolve()), "mapping": asdict(mapping)} | facts
    partial = folder() / f".{name}.part"
    partial.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder() / f"{name}.json")
    return kept


def check_name(name: str, taken: list[str]) -> None:
    """Pass where a new data set may be called so.

    Raises
    ------
    DataError
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise DataError(f"a data set cannot be called {name!r}: use a-z, 0-9 and -")
    if name in taken:
        raise DataError(f"{name!r} is a data set of the book: choose another name")


def remove(name: str) -> None:
    """Forget a mapping; the file stays.

    Raises
    ------
    DataError
        There is none of that name.
    """
    if name not in names():
        known = ", ".join(names()) or "none"
        raise DataError(f"no data set {name!r} was added (there are: {known})")
    (folder() / f"{name}.json").unlink()


def content(path: Path) -> dict:
    """Size, time and hash of a file, or of all files of a folder (zarr)."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    states = [file.stat() for file in files]
    hashes = []
    for file in files:
        with file.open("rb") as stream:
            hashes.append(file_digest(stream, "sha256").hexdigest())
    if path.is_dir():
        listed = [f"{h} {f.relative_to(path)}" for h, f in zip(hashes, files, strict=True)]
        hashes = [_digest("\n".join(listed).encode()).hexdigest()]
    return {
        "size": sum(s.st_size for s in states),
        "mtime_ns": max((s.st_mtime_ns for s in states), default=0),
        "sha256": hashes[0],
    }


def located(name: str) -> Path:
    """Path of the file of a data set, which holds what it held when it was added.

    Raises
    ------
    DataError
        It is gone or has changed.
    """
    kept = entry(name)
    path = Path(kept["path"])
    again = f"`benchbook data add {name} FILE ...` takes in another place or content"
    if not path.exists():
        raise DataError(f"{name}: {path} is not there any more; {again}")
    if path.is_file():  # size and time tell without reading it
        state = path.stat()
        if (state.st_size, state.st_mtime_ns) == (kept["size"], kept["mtime_ns"]):
            return path
    if content(path)["sha256"] != kept["sha256"]:
        raise DataError(f"{name}: {path} has changed since it was added; {again}")
    return path


def dataset(name: str) -> Dataset:
    """Entry of a data set, as the registry has them."""
    kept = entry(name)
    return Dataset(
        name=name,
        title=f"A screen of one's own ({Path(kept['path']).name})",
        kind="screen",
        files=(File(Path(kept["path"]).name, "", kept["size"], kept["sha256"]),),
        licence="not stated",
        licence_url="",
        citation=f"A file of one's own, {Path(kept['path']).name}.",
        doi="",
        citation_key="",
        description="Added by `benchbook data add`.",
    )


def identity(name: str) -> list:
    """What a run of the data set stands on: its name, content and mapping."""
    kept = entry(name)
    return [name, kept["sha256"], kept["mapping"]]
