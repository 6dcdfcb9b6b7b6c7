"""Screens as nobody wrote the chapters for, each odd in one way; as h5ad files and mappings."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from helpers.data import own, own_reader, registry
from helpers.data.contract import CONTROL
from helpers.data.sets import known_relationships
from helpers.data.simulate.screen import simulate_screen

ROOT = Path(__file__).parents[1]
KNOBS = {
    "n_cells": 1_600,
    "n_genes": 200,
    "n_targets": 20,
    "n_batches": 4,
    "guides_per_target": 3,
    "n_control_guides": 6,
    "control_share": 0.25,
    "library_size": 1_500.0,
}


def _simulated(**knobs) -> ad.AnnData:
    screen = simulate_screen(np.random.default_rng(0), **KNOBS | knobs)
    obs = screen.obs[["perturbation", "batch", "context", "guide"]].astype(str)
    return ad.AnnData(screen.X, obs, pd.DataFrame(index=screen.var_names))


def ordinary() -> ad.AnnData:
    return _simulated()


def no_guides() -> ad.AnnData:
    screen = _simulated()
    del screen.obs["guide"]
    return screen


def one_batch() -> ad.AnnData:
    screen = _simulated()
    screen.obs["batch"] = "all"
    return screen


def two_contexts() -> ad.AnnData:
    """The second, smaller one has its own batches."""
    screen = _simulated()
    second = screen.obs["batch"].isin(sorted(screen.obs["batch"].unique())[3:])
    screen.obs["context"] = np.where(second, "Jurkat cells, resting", "K562")
    return screen


def two_perturbations() -> ad.AnnData:
    screen = _simulated()
    names = sorted(set(screen.obs["perturbation"]) - {CONTROL})[:2]
    return screen[screen.obs["perturbation"].isin([CONTROL, *names])].copy()


def own_batches() -> ad.AnnData:
    """All perturbations in batches of their own, where no control is."""
    screen = _simulated()
    screen.obs["batch"] = "of " + screen.obs["perturbation"]
    return screen


def half_controlled() -> ad.AnnData:
    """Half of the batches without controls."""
    screen = _simulated()
    bare = screen.obs["batch"].isin(sorted(screen.obs["batch"].unique())[:2])
    return screen[~(bare & (screen.obs["perturbation"] == CONTROL))].copy()


def numeric() -> ad.AnnData:
    """Perturbations are called 1 to 20, genes 1001 to 1200: as identifiers are."""
    screen = _simulated()
    names = sorted(set(screen.obs["perturbation"]) - {CONTROL})
    numbers = {name: str(i + 1) for i, name in enumerate(names)} | {CONTROL: CONTROL}
    screen.obs["perturbation"] = screen.obs["perturbation"].map(numbers)
    screen.var_names = [str(1001 + i) for i in range(screen.n_vars)]
    del screen.obs["guide"]
    return screen


def long_names() -> ad.AnnData:
    """Names of 120 characters, not ASCII, with what HTML and Markdown take for their own."""
    screen = _simulated()
    names = sorted(set(screen.obs["perturbation"]) - {CONTROL})
    long = {n: f"β-катенин_|*<b>{n}</b>*|_" + "長" * 90 for n in names} | {CONTROL: CONTROL}
    screen.obs["perturbation"] = screen.obs["perturbation"].map(long)
    return screen


def combinations_only() -> ad.AnnData:
    screen = _simulated()
    names = sorted(set(screen.obs["perturbation"]) - {CONTROL})
    pairs = {n: "+".join(sorted([n, names[(i + 1) % len(names)]])) for i, n in enumerate(names)}
    screen.obs["perturbation"] = screen.obs["perturbation"].map(pairs | {CONTROL: CONTROL})
    return screen


def one_cell() -> ad.AnnData:
    """One cell a perturbation."""
    screen = _simulated()
    first = ~screen.obs["perturbation"].duplicated()
    screen = screen[(screen.obs["perturbation"] == CONTROL) | first].copy()
    del screen.obs["guide"]
    return screen


def small_panel() -> ad.AnnData:
    return _simulated(n_genes=60)


def no_effect() -> ad.AnnData:
    return _simulated(effect_size=0.0, knockdown=0.0)


def no_controls_here() -> ad.AnnData:
    """Two contexts, and all controls in the smaller one."""
    screen = two_contexts()
    largest = screen.obs["context"] == "K562"
    return screen[~(largest & (screen.obs["perturbation"] == CONTROL))].copy()


def known_genes(n: int = 240) -> ad.AnnData:
    """Perturbed are genes of which databases know pairs, six cells each."""
    pairs = known_relationships.known_relationships().result()
    genes = pd.concat([pairs["gene_a"], pairs["gene_b"]]).value_counts().index[:n]
    screen = _simulated(n_cells=8 * n, n_genes=2 * n, n_targets=n, guides_per_target=1)
    names = sorted(set(screen.obs["perturbation"]) - {CONTROL})
    called = dict(zip(names, sorted(genes), strict=True)) | {CONTROL: CONTROL}
    screen.obs["perturbation"] = screen.obs["perturbation"].map(called)
    return screen


MADE = {
    "ordinary": ordinary,
    "no-guides": no_guides,
    "one-batch": one_batch,
    "two-contexts": two_contexts,
    "two-perturbations": two_perturbations,
    "own-batches": own_batches,
    "half-controlled": half_controlled,
    "numeric": numeric,
    "long-names": long_names,
    "combinations-only": combinations_only,
    "one-cell": one_cell,
    "small-panel": small_panel,
    "no-effect": no_effect,
    "no-controls-here": no_controls_here,
    "known-genes": known_genes,
}


def added(name: str, folder: Path) -> None:
    """Write one of them, and take it in as `benchbook data add` does; it is known in the folder."""
    screen = MADE[name]()
    path = folder / f"{name}.h5ad"
    screen.write_h5ad(path)
    guide = "guide" if "guide" in screen.obs else None
    mapping = own.Mapping("perturbation", (CONTROL,), "batch", context="context", guide=guide)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHBOOK_CACHE", str(folder))
        own_reader.add(name, path, mapping, registry.names())


# --------------------------------------------------------------------------- what is answered

_NO_CONTROLS = ("half-controlled", "own-batches", "no-controls-here")  # in some batch
_BY_BATCH = dict.fromkeys(_NO_CONTROLS, "batches with control cells")
_ALL_BATCHES = dict.fromkeys(_NO_CONTROLS, "batches with at least 4 controls")
_REPLICATES = {
    "one-batch": "replicates with at least 4 control cells a batch, has 1",
    "own-batches": "replicates with at least 4 control cells a batch, has 1",
    "no-controls-here": "replicates with at least 4 control cells a batch, has 0",
    "one-cell": "no perturbations with cells in two such replicates",
}
_FEW = dict.fromkeys(("known-genes", "one-cell"), "perturbations of 8 cells or more, has 0") | {
    "two-perturbations": "perturbations of 8 cells or more, has 2"
}
_HALVES = {  # each batch needs controls on both sides
    "own-batches": "needs 21 batches with control cells, has 1",
    "half-controlled": "needs 4 batches with control cells, has 2",
    "no-controls-here": "batches with control cells, has 0",
}
CANNOT = {
    "foundations/data": _ALL_BATCHES,
    "foundations/simulator": _ALL_BATCHES
    | {"one-cell": "perturbations with at least 2 cells, has 0"},
    "foundations/regimes": dict.fromkeys(MADE, "the gene programs, which nobody knows of it"),
    # a file of one's own names no replicates
    "foundations/statistics": dict.fromkeys(
        MADE, "non-targeting guides with 10 cells in a replicate, has 0"
    ),
    "foundations/screen-quality": {"one-cell": "every score of it is missing"},
    "embeddings/batch-mixing": _BY_BATCH
    | {"one-batch": "needs 4 batches, has 1", "two-contexts": "needs 4 batches, has 3"},
    "embeddings/linear-separability": _BY_BATCH
    | {"one-cell": "perturbations with cells in two batches, has 0"},
    "embeddings/what-a-probe-reads": _BY_BATCH
    | {"one-batch": "needs 2 batches, has 1"}
    | dict.fromkeys(
        ("no-guides", "numeric", "one-cell", "known-genes"),
        "perturbations with two guides or more, has 0",
    ),
    "embeddings/neighbourhood": _BY_BATCH
    | {"one-cell": "perturbations with cells in two batches, has 0"},
    "embeddings/consistency": _REPLICATES,
    "embeddings/regimes": _REPLICATES,
    "embeddings/foundation-models": _REPLICATES,
    "embeddings/ablations": _REPLICATES
    | {
        "half-controlled": "batches with control cells, has 2",
        "two-perturbations": "perturbations with cells to train on, has 1",
    },
    "embeddings/known-relationships": dict.fromkeys(
        [name for name in MADE if name != "known-genes"], "needs 200 perturbed genes, has "
    ),
    # halves of a perturbation's cells, one judging and one judged
    "foundations/metrics": _FEW | _HALVES,
    "foundations/design": _HALVES,
    "effects/calibration": _FEW | _HALVES,
    # 60 cells of 200 genes with 1,500 counts: their effects are small beside counting noise
    "effects/vcc2026": dict.fromkeys(MADE, "no larger than their own noise")
    | {
        **dict.fromkeys(("known-genes", "one-cell"), "needs 8 perturbations with 20 cells, has 0"),
        "two-perturbations": "needs 8 perturbations with 20 cells, has 2",
        "no-controls-here": "needs 40 control cells, has 0",
        "small-panel": "a half of the experiment does not agree better",
    },
    # no two of their perturbations were made together and alone, or in one context
    "effects/doubles": dict.fromkeys(
        MADE, "pairs of genes perturbed together and each alone, has 0"
    ),
    "effects/interactions": dict.fromkeys(
        MADE, "pairs of genes perturbed together and each alone, has 0"
    ),
    "effects/transfer": dict.fromkeys(
        [name for name in MADE if name != "two-contexts"],
        "no perturbations that were made in two contexts",
    ),
    "effects/unseen-perturbations": _BY_BATCH
    | {"two-perturbations": "single perturbations of four cells in each half, has 2"}
    | dict.fromkeys(
        ("one-cell", "combinations-only", "known-genes"),
        "single perturbations of four cells in each half, has 0",
    ),
    "effects/deep-models": _HALVES
    | {"two-perturbations": "three in five of them to be scored, has 2"}
    | dict.fromkeys(
        ("one-cell", "combinations-only", "known-genes"),
        "three in five of them to be scored, has 0",
    ),
    "embeddings/reconstruction": {
        "one-batch": "batches with perturbed cells, has 1",
        "own-batches": "no test batches with at least 4 controls",
        "no-controls-here": "no test batches with at least 4 controls",
        "one-cell": "test cells of perturbations that were not trained on",
        "two-perturbations": "test cells of perturbations that were not trained on",
    },
}
"""Of a chapter the screens that it cannot answer for, and what of its reason says why: from what
the contract asks (controls of batches, replicates, guides, cells), not from what was seen. Every
other pair is answered."""


# --------------------------------------------------------------------------- what is said


def tried(name: str, *options: str, home: Path, cache: Path) -> dict[str, tuple[str, str]]:
    """Of each chapter what `benchbook data try` says: verdict and reason."""
    done = subprocess.run(
        [sys.executable, "-m", "helpers.cli", "data", "try", name, *options],
        cwd=ROOT,
        env=os.environ | {"BENCHBOOK_HOME": str(home), "BENCHBOOK_CACHE": str(cache)},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    found = re.findall(
        r"^chapters/(\S+): (answered|not answered|failed): (.*)$", done.stdout, re.MULTILINE
    )
    assert found, done.stdout[-3000:] + done.stderr[-3000:]
    return {chapter: (verdict, reason) for chapter, verdict, reason in found}


def wrong(name: str, found: dict[str, tuple[str, str]]) -> list[str]:
    """Pairs that are not as the table expects them."""
    problems = []
    for chapter, (verdict, reason) in found.items():
        expected = CANNOT.get(chapter, {}).get(name)
        if verdict != ("answered" if expected is None else "not answered"):
            problems.append(f"{chapter} on {name} is {verdict}: {reason}")
        elif expected and expected not in reason:
            problems.append(f"{chapter} on {name}: not said is {expected!r}: {reason}")
    return problems


OF_EVERY_SCREEN = (
    *("screen-quality", "known-relationships", "simulator", "data-sets"),
    *("reconstruction", "foundation-models"),
)
"""Chapters that ask all screens of the registry, whatever `dataset` is."""


def odd_words(home: Path, name: str) -> list[str]:
    """Words in what the runs of a data set show that no page may have: nothings, other sets."""
    found = []
    for record in (home / "runs").rglob("run.json"):
        asked = json.loads(record.read_text())["parameters"]
        if asked.get("dataset") != name:
            continue
        chapter = record.parent.parent.name
        # a second set that a parameter of its own names, such as `batches`, is no slip
        others = [n for n in registry.screens() if n not in asked.values()]
        others = [] if chapter in OF_EVERY_SCREEN else others
        for cell in json.loads(record.with_name("notebook.ipynb").read_text())["cells"]:
            if "real-data" not in cell["metadata"].get("tags", ()):
                continue
            for output in cell.get("outputs", ()):
                data = output.get("data", {})
                text = "".join(data.get("text/markdown", data.get("text/plain", "")))
                words = re.findall(r"\bnan\b|\bNone\b|\b0 of 0\b", text)
                words += [other for other in others if other in text]
                found += [f"{chapter}: {word} in {text[:200]}" for word in words]
    return found
