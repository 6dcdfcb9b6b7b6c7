"""Results of long runs that are kept in the repository, each with the record of how it was made.

A long run asks one step a seed for a small table. `benchbook keep` alone writes `results/NAME`:
`table.csv`, and `record.json` with the command, the commit, the versions, the seconds, and the
definitions that the steps stood on. What has changed since makes it outdated.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.home import root
from helpers.store.disk import StoreError, file_sha256
from helpers.store.steps import Step

MOST_ROWS = 1_000  # of a table that a repository may hold
TOLERANCE = 1e-5  # relative: tables are written with six digits


@dataclass(frozen=True)
class LongRun:
    """A run that is too long for a build of the book.

    Parameters
    ----------
    name : str
        Of its folder below `results`.
    seeds : tuple of int
    ask : callable
        Of a seed, to a step that gives a small table.
    """

    name: str
    seeds: tuple[int, ...]
    ask: Callable[[int], Step]


@dataclass(frozen=True, eq=False)
class Kept:
    """What a long run left.

    Parameters
    ----------
    table : DataFrame
        Tables of all seeds, with the column `seed`.
    record : dict
    changed : tuple of str
        Modules and libraries that have changed since, by name; empty where it is current.
    """

    table: pd.DataFrame
    record: Mapping[str, Any]
    changed: tuple[str, ...]


def files(name: str) -> list[Path]:
    """Files that are kept of a long run; none if it was not kept."""
    folder = root() / "results" / name
    return sorted(folder.iterdir()) if folder.is_dir() else []


def load(run: LongRun) -> Kept | None:
    """What is kept of a long run, and what has changed since; None if it was not kept.

    Raises
    ------
    StoreError
        The table is not the one that was written with its record.
    """
    folder = root() / "results" / run.name
    if not (folder / "record.json").is_file():
        return None
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    if file_sha256(folder / "table.csv") != record["sha256"]:
        raise StoreError(
            f"{folder / 'table.csv'} is not the table that its record is of: "
            f"`{record['command']}` writes both"
        )
    return Kept(pd.read_csv(folder / "table.csv"), record, changed_since(run, record))


def changed_since(run: LongRun, record: Mapping[str, Any]) -> tuple[str, ...]:
    """What a kept result stands on that is no more what it was."""
    steps = {str(seed): run.ask(seed) for seed in run.seeds}
    if {seed: step.key for seed, step in steps.items()} == record["keys"]:
        return ()
    definitions, versions = _stands_on(steps.values())
    modules = {name.partition(":")[0] for name in _differ(definitions, record["definitions"])}
    return tuple(sorted(modules | _differ(versions, record["versions"]))) or ("its arguments",)


def compute(run: LongRun, seeds: tuple[int, ...]) -> pd.DataFrame:
    """Tables of some seeds, with the column `seed`."""
    return pd.concat([run.ask(seed).result().assign(seed=seed) for seed in seeds])


def keep(run: LongRun, command: str) -> Path:
    """Compute a long run and write what it leaves; the folder.

    Raises
    ------
    StoreError
        The table is too large for a repository.
    """
    steps = {str(seed): run.ask(seed) for seed in run.seeds}
    table = compute(run, run.seeds)
    if len(table) > MOST_ROWS:
        raise StoreError(f"{run.name}: {len(table)} rows are kept; at most {MOST_ROWS}, summarise")
    folder = root() / "results" / run.name
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "table.csv", index=False, float_format="%.6g", lineterminator="\n")
    definitions, versions = _stands_on(steps.values())
    record = {
        "command": command,
        "commit": _commit(),
        "day": time.strftime("%Y-%m-%d"),
        "seconds": round(sum(_seconds(steps.values())), 1),
        "sha256": file_sha256(folder / "table.csv"),
        "keys": {seed: step.key for seed, step in steps.items()},
        "versions": versions,
        "definitions": definitions,
    }
    (folder / "record.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return folder


def differences(kept: pd.DataFrame, again: pd.DataFrame) -> list[str]:
    """Where a table that was computed again is not the one that is kept; cells in words."""
    seeds = set(again["seed"])
    kept = kept[kept["seed"].isin(seeds)].reset_index(drop=True)
    again = again.reset_index(drop=True)
    if kept.shape != again.shape or list(kept.columns) != list(again.columns):
        return [f"{again.shape[0]} rows of {list(again.columns)}, kept {kept.shape[0]} of "
                f"{list(kept.columns)}"]  # fmt: skip
    found = []
    for column in kept:
        old, new = kept[column], again[column]
        if pd.api.types.is_numeric_dtype(old):
            same = np.isclose(old, new.astype(float), rtol=TOLERANCE, atol=0, equal_nan=True)
        else:
            same = (old.fillna("") == new.fillna("")).to_numpy()
        found += [f"row {i}, {column}: kept {old[i]}, now {new[i]}" for i in np.flatnonzero(~same)]
    return found


def _differ(now: Mapping[str, str], then: Mapping[str, str]) -> set[str]:
    return {name for name in {*now, *then} if now.get(name) != then.get(name)}


def _tree(steps) -> Iterator[Step]:
    seen, queue = set(), list(steps)
    while queue:
        step = queue.pop()
        if step.key not in seen:
            seen.add(step.key)
            queue += step.inputs
            yield step


def _stands_on(steps) -> tuple[dict[str, str], dict[str, str]]:
    """Definitions and versions of libraries of steps and all that they take."""
    definitions, versions = {}, {}
    for step in _tree(steps):
        definitions |= step.code.definitions
        versions |= step.code.versions
    return dict(sorted(definitions.items())), dict(sorted(versions.items()))


def _seconds(steps) -> Iterator[float]:
    """What each step took when it was computed, also where it was stored already."""
    for step in _tree(steps):
        yield json.loads((step.folder / "meta.json").read_text(encoding="utf-8"))["seconds"]


def _commit() -> str:
    """The commit of the code, marked where files differ from it; empty outside of a checkout."""

    def git(*words):
        asked = ["git", "-C", str(root()), *words]
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip()

    commit = git("rev-parse", "HEAD")
    return f"{commit} (edited)" if commit and git("status", "--porcelain", "helpers") else commit
