"""All data sets of the book, by name.

Each module of `helpers/data/sets` is one: `DATASET`, a step of the module's name, and `read`. They
are imported by name, the one place where that is done, so that who loads one does not stand on the
others. A chapter's run is told which ones its front matter and its parameters name; it may read
these, and its key holds their code.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
from difflib import get_close_matches
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from helpers.data import own, sets
from helpers.data.dataset import KINDS, Dataset
from helpers.data.errors import DataError

if TYPE_CHECKING:  # who asks for names only does not wait for what reads
    import pandas as pd

    from helpers.store.steps import Step


def names() -> list[str]:
    """Names of the book's data sets, sorted; none of them is imported."""
    return list(_modules(tuple(sets.__path__)))


@cache  # a plan asks for the names some thousand times
def _modules(folders: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(folders)))


def known() -> list[str]:
    """Names of all data sets: the book's, then those that were added here."""
    return [*names(), *(name for name in own.names() if is_own(name))]


def is_own(name: str) -> bool:
    """Whether a name is that of a data set that was added here by `benchbook data add`."""
    return name in own.names() and name not in names()


def module_name(name: str) -> str:
    """Module that reads a data set.

    Raises
    ------
    DataError
        There is no data set of that name; the closest one is said.
    """
    if is_own(name):
        return "helpers.data.own_reader"
    if name not in names():
        close = get_close_matches(str(name), known(), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise DataError(f"no data set {name!r}: {hint}`benchbook data list` shows all")
    return f"helpers.data.sets.{name.replace('-', '_')}"


def _named() -> list[str]:
    """What the chapter that is running names; outside of a run, all data sets."""
    named = os.environ.get("BENCHBOOK_DATASETS")
    return known() if named is None else json.loads(named)


def _module(name: str) -> ModuleType:
    module = module_name(name)
    if name not in _named():
        raise DataError(
            f"this run does not name the data set {name!r}: add it to `requires` under `benchbook` "
            "in the chapter's front matter, so that the run is repeated when its reader changes"
        )
    return importlib.import_module(module)


def identity(name: str) -> list | None:
    """What runs of one's own data set stand on beside its reader; None for one of the book."""
    return own.identity(name) if is_own(name) else None


def bring(name: str) -> None:
    """Have the files of a data set on this machine, downloaded where they are missing.

    Raises
    ------
    DataError
        See `helpers.data.fetch.fetch`, and `helpers.data.own.located` of one's own.
    """
    from helpers.data.fetch import fetch

    if is_own(name):
        own.located(name)
    else:
        fetch(dataset(name))


def dataset(name: str) -> Dataset:
    """Entry of a data set.

    Raises
    ------
    DataError
        There is none of that name, or the chapter that is running does not name it.
    """
    module = _module(name)
    return own.dataset(name) if is_own(name) else module.DATASET


def datasets() -> dict[str, Dataset]:
    """Data sets by name, sorted by kind and name: all, or those that the running chapter names."""
    entries = [dataset(name) for name in names() if name in _named()]
    order = list(KINDS)
    return {e.name: e for e in sorted(entries, key=lambda e: (order.index(e.kind), e.name))}


def of_kind(kind: str) -> list[str]:
    """Names of the data sets of a kind, sorted."""
    return [name for name, entry in datasets().items() if entry.kind == kind]


def screens() -> list[str]:
    """Names of the data sets of counts of cells that satisfy the screen contract."""
    return of_kind("screen")


def verified() -> list[str]:
    """Names of the data sets the content of whose files is stated."""
    return [name for name, entry in datasets().items() if entry.verified]


def load(name: str) -> Step:
    """The step that reads a data set; nothing is read before its result is asked for.

    Raises
    ------
    DataError
        There is no data set of that name.
    """
    module = _module(name)
    return module.load(name) if is_own(name) else getattr(module, name.replace("-", "_"))()


def status(name: str) -> dict:
    """Whether a data set is on this machine.

    Returns
    -------
    dict
        `state`: "here" (all files in folders the user named), "cached" (some in the cache) or
        "absent" (some nowhere); `paths`, of those found; `bytes`, of all files (None: unknown).

    Raises
    ------
    DataError
        There is no data set of that name.
    """
    from helpers.data.fetch import cache_folder, locate

    entry = dataset(name)
    if is_own(name):
        return {
            "state": "here",
            "paths": {entry.files[0].name: own.located(name)},
            "bytes": entry.size,
        }
    paths = {file.name: path for file in entry.files if (path := locate(file))}
    if len(paths) < len(entry.files):
        state = "absent"
    elif any(path.is_relative_to(cache_folder()) for path in paths.values()):
        state = "cached"
    else:
        state = "here"
    return {"state": state, "paths": paths, "bytes": entry.size}


def verify(name: str) -> dict:
    """Hash every file of a data set anew, read them, and check what was read.

    Returns
    -------
    dict
        `name`, `kind`, `licence`, `bytes`; of a screen `cells`, `genes`, `perturbations` (without
        control), `batches`, `contexts`, `controls` (cells); of a large screen, or of one
        of logs, the same without contexts; of profiles `samples`, `genes`, `classes`; of tissue
        `spots`, `genes`, `slides`, `patients`; of drugs and diseases `drugs`, `diseases`, `genes`,
        `pairs`; of a table `rows`, and `pairs` or `models`.

    Raises
    ------
    DataUnavailable
        A file is not on this machine; nothing is downloaded.
    WrongFile
        A file changed since it was found.
    DataError
        There is no such data set, or what was read breaks the contract.
    """
    from helpers.data.fetch import DataUnavailable, WrongFile, locate, sha256, unavailable

    entry = dataset(name)
    summary = {"name": name, "kind": entry.kind, "licence": entry.licence, "bytes": entry.size}
    if is_own(name):
        return summary | screen_facts(_module(name).read_again(name))
    paths = {file.name: locate(file) for file in entry.files}
    if None in paths.values():
        raise DataUnavailable(unavailable(entry, "a check downloads nothing"))
    for file in entry.files:
        if file.sha256 not in (None, got := sha256(paths[file.name])):
            raise WrongFile(
                f"{paths[file.name]} has sha256 {got}, {file.name} has {file.sha256}: remove it, "
                f"then run `benchbook data get {name}`"
            )
    content = _module(name).read(paths)
    facts = {
        "screen": screen_facts,
        "large-screen": _largescreen_facts,
        "log-screen": _largescreen_facts,
        "profiles": _profile_facts,
        "matching": _matching_facts,
        "tissue": _tissue_facts,
    }
    return summary | facts.get(entry.kind, _table_facts)(content)


def _largescreen_facts(table: pd.DataFrame) -> dict:
    return {name: int(value) for name, value in table.iloc[0].items()}


def screen_facts(screen) -> dict:
    """Counts of what a screen has, after a check of its contract."""
    from helpers.data.contract import CONTROL, check

    obs = check(screen).obs
    is_control = obs["perturbation"] == CONTROL
    return {
        "cells": screen.n_obs,
        "genes": screen.n_vars,
        "perturbations": int(obs.loc[~is_control, "perturbation"].nunique()),
        "batches": int(obs["batch"].nunique()),
        "contexts": int(obs["context"].nunique()),
        "controls": int(is_control.sum()),
    }


def _profile_facts(profiles) -> dict:
    if "perturbation" in profiles.obs:
        return screen_facts(profiles)
    from helpers.data.contract import check

    obs = check(profiles, screen=False).obs
    return {
        "samples": profiles.n_obs,
        "genes": profiles.n_vars,
        "classes": int(obs["class"].nunique()),
    }


def _matching_facts(content) -> dict:
    return {
        "drugs": content.n_obs,
        "diseases": content.varm["diseases"].shape[1],
        "genes": content.n_vars,
        "pairs": int(sum(table.to_numpy().sum() for table in content.obsm.values())),
    }


def _tissue_facts(tissue) -> dict:
    obs = tissue.obs
    return {"spots": tissue.n_obs, "genes": tissue.n_vars} | {
        f"{name}s": int(obs[name].nunique()) for name in ("slide", "patient")
    }


def _table_facts(table: pd.DataFrame) -> dict:
    facts = {"rows": len(table)}
    if "gene_a" in table:
        facts["pairs"] = len(table[["gene_a", "gene_b"]].drop_duplicates())
    if "model" in table:
        facts["models"] = int(table["model"].nunique())
    return facts
