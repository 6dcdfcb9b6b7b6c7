"""All data sets of the book, by name.

Only the edges (chapters, command line) import this module: it reaches every reader, so that a
step which imported it would depend on all of them.
"""

from __future__ import annotations

from difflib import get_close_matches

import pandas as pd

from helpers.data.contract import CONTROL, DataError, check
from helpers.data.dataset import Dataset
from helpers.data.fetch import (
    DataUnavailable,
    WrongFile,
    cache_folder,
    locate,
    sha256,
    unavailable,
)
from helpers.data.sets import (
    ahlmann_eltze2025_scores,
    kang2018_subset,
    known_relationships,
    ljp005,
    nadig2024_hepg2,
    nadig2024_jurkat,
    norman2019_subset,
    papalexi2021,
    replogle2022_rpe1,
    scperturb_edistances,
    tcga_brca,
    tcga_brca_mixomics,
    tcga_kirc,
    tcga_pancan,
)
from helpers.store import Step

_STEPS = {
    papalexi2021: papalexi2021.papalexi2021,
    norman2019_subset: norman2019_subset.norman2019_subset,
    kang2018_subset: kang2018_subset.kang2018_subset,
    replogle2022_rpe1: replogle2022_rpe1.replogle2022_rpe1,
    nadig2024_hepg2: nadig2024_hepg2.nadig2024_hepg2,
    nadig2024_jurkat: nadig2024_jurkat.nadig2024_jurkat,
    ljp005: ljp005.ljp005,
    known_relationships: known_relationships.known_relationships,
    ahlmann_eltze2025_scores: ahlmann_eltze2025_scores.ahlmann_eltze2025_scores,
    scperturb_edistances: scperturb_edistances.scperturb_edistances,
    tcga_brca_mixomics: tcga_brca_mixomics.tcga_brca_mixomics,
    tcga_pancan: tcga_pancan.tcga_pancan,
    tcga_brca: tcga_brca.tcga_brca,
    tcga_kirc: tcga_kirc.tcga_kirc,
}
_MODULES = {module.DATASET.name: module for module in _STEPS}

DATASETS: dict[str, Dataset] = {name: module.DATASET for name, module in _MODULES.items()}
"""Every data set, in the order of the book."""


def dataset(name: str) -> Dataset:
    """Entry of a data set.

    Raises
    ------
    DataError
        There is none of that name; the closest and all names are said.
    """
    if name not in DATASETS:
        close = get_close_matches(str(name), DATASETS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise DataError(f"no data set {name!r}: {hint}known are {', '.join(DATASETS)}")
    return DATASETS[name]


def screens() -> list[str]:
    """Names of the data sets of counts of cells that satisfy the screen contract."""
    return [name for name, entry in DATASETS.items() if entry.kind == "screen"]


def verified() -> list[str]:
    """Names of the data sets the content of whose files is stated."""
    return [name for name, entry in DATASETS.items() if entry.verified]


def load(name: str) -> Step:
    """The step that reads a data set; nothing is read before its result is asked for.

    Raises
    ------
    DataError
        There is no data set of that name.
    """
    return _STEPS[_MODULES[dataset(name).name]]()


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
    entry = dataset(name)
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
        control), `batches`, `contexts`, `controls` (cells); of a large screen the same without
        contexts; of profiles `samples`, `genes`, `classes`; of a table `rows`, and
        `pairs` or `models`.

    Raises
    ------
    DataUnavailable
        A file is not on this machine; nothing is downloaded.
    WrongFile
        A file changed since it was found.
    DataError
        There is no such data set, or what was read breaks the contract.
    """
    entry = dataset(name)
    paths = {file.name: locate(file) for file in entry.files}
    if None in paths.values():
        raise DataUnavailable(unavailable(entry, "a check downloads nothing"))
    for file in entry.files:
        if file.sha256 not in (None, got := sha256(paths[file.name])):
            raise WrongFile(
                f"{paths[file.name]} has sha256 {got}, {file.name} has {file.sha256}: remove it, "
                f"then run `benchbook data get {name}`"
            )
    summary = {"name": name, "kind": entry.kind, "licence": entry.licence, "bytes": entry.size}
    content = _MODULES[name].read(paths)
    facts = {
        "screen": _screen_facts,
        "large-screen": _large_screen_facts,
        "profiles": _profile_facts,
    }
    return summary | facts.get(entry.kind, _table_facts)(content)


def _large_screen_facts(table: pd.DataFrame) -> dict:
    return {name: int(value) for name, value in table.iloc[0].items()}


def _screen_facts(screen) -> dict:
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
        return _screen_facts(profiles)
    obs = check(profiles, screen=False).obs
    return {
        "samples": profiles.n_obs,
        "genes": profiles.n_vars,
        "classes": int(obs["class"].nunique()),
    }


def _table_facts(table: pd.DataFrame) -> dict:
    facts = {"rows": len(table)}
    if "gene_a" in table:
        facts["pairs"] = len(table[["gene_a", "gene_b"]].drop_duplicates())
    if "model" in table:
        facts["models"] = int(table["model"].nunique())
    return facts
