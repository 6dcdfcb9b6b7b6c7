"""Task: two ways to be too certain of a screen, cells taken for replicates and winners believed."""

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.data.controls import assign_controls
from helpers.data.normalise import log1p_cp10k
from helpers.store.steps import step
from helpers.tasks.requirements import Requirement

MIN_MEAN = 0.25  # counts a cell: rarer genes have no normal z
MIN_CELLS = 10

GUIDES = (
    Requirement(
        "calibrated_guides", 2, f"non-targeting guides with {MIN_CELLS} cells in a replicate"
    ),
)
"""What `control_guides` needs."""


def available(screen) -> dict[str, int]:
    """Counts of a screen of one context that `GUIDES` and `winners_need` name.

    Guides and replicates that are not known of every control count as none.
    """
    label = screen.obs["perturbation"].astype(str)
    controls = screen.obs[(label == CONTROL).to_numpy()]
    per_batch = controls["batch"].astype(str).value_counts()
    sizes = label[label != CONTROL].value_counts()
    guides = 0
    columns = [name for name in ("guide", "replicate") if name in controls]
    if len(columns) == 2 and controls[columns].notna().all(axis=None):
        cells = pd.crosstab(controls["guide"].astype(str), controls["replicate"].astype(str))
        others = cells.sum() - cells
        guides = int((np.minimum(cells, others) >= MIN_CELLS).any(axis=1).sum())
    return {
        "calibrated_guides": guides,
        "batches_with_four_controls": int((per_batch >= 4).sum()),
        "halved_targets": int((sizes >= 2 * MIN_CELLS).sum()),
    }


def winners_need(screen) -> tuple[Requirement, ...]:
    """What `winners` needs to compare a quarter of the targets with the others."""
    n_batches = int(screen.obs["batch"].nunique())
    return (
        Requirement("batches_with_four_controls", n_batches, "batches with at least 4 controls"),
        Requirement("halved_targets", 4, f"perturbations with {2 * MIN_CELLS} cells"),
    )


@step
def control_guides(screen, *, min_cells: int = MIN_CELLS) -> pd.DataFrame:
    """Each non-targeting guide against all others, gene by gene, as if it had a target.

    Cells are taken for independent, so that z has its standard error from their variance. *Pooled*
    compares the guide's cells with all other controls; *within replicates* compares in each
    replicate, and weights by the guide's cells.

    Parameters
    ----------
    screen : AnnData of counts
        With `obs["guide"]` and `obs["replicate"]`.
    min_cells : int
        Of a guide, and of the other controls, in each replicate that counts.

    Returns
    -------
    DataFrame
        `guide`, `gene`, `n_cells`, `pooled` and `within replicates` (z; normal with variance 1 if
        cells were independent and guides did nothing).

    Raises
    ------
    DataError
        Fewer than two non-targeting guides with enough cells.
    """
    controls = screen[(screen.obs["perturbation"] == CONTROL).to_numpy()]
    expressed = np.asarray(controls.X.mean(axis=0)).ravel() >= MIN_MEAN
    expression = np.asarray(log1p_cp10k(controls).X[:, expressed].todense())
    guide = controls.obs["guide"].astype(str).to_numpy()
    replicate = controls.obs["replicate"].astype(str).to_numpy()
    frames = []
    for name in np.unique(guide):
        own = guide == name
        strata = [
            r
            for r in np.unique(replicate)
            if min((own & (replicate == r)).sum(), (~own & (replicate == r)).sum()) >= min_cells
        ]
        if not strata:
            continue
        kept = np.isin(replicate, strata)
        parts = [
            _difference(expression, own & (replicate == r), ~own & (replicate == r)) for r in strata
        ]
        weight = np.array([(own & (replicate == r)).sum() for r in strata], dtype=float)
        weight /= weight.sum()
        within = sum(w * d for w, (d, _) in zip(weight, parts, strict=True))
        variance = sum(w**2 * v for w, (_, v) in zip(weight, parts, strict=True))
        pooled, pooled_variance = _difference(expression, own & kept, ~own & kept)
        frames.append(
            pd.DataFrame(
                {
                    "guide": name,
                    "gene": controls.var_names[expressed],
                    "n_cells": int((own & kept).sum()),
                    "pooled": pooled / np.sqrt(pooled_variance),
                    "within replicates": within / np.sqrt(variance),
                }
            )
        )
    if len(frames) < 2:
        raise DataError(
            f"{screen.uns['dataset']['name']}: {len(frames)} non-targeting guides have {min_cells} "
            "cells in a replicate; to calibrate takes two or more"
        )
    return pd.concat(frames, ignore_index=True)


def _difference(values: np.ndarray, left, right) -> tuple[np.ndarray, np.ndarray]:
    """Difference of means over cells, and its variance if cells are independent."""
    a, b = values[left], values[right]
    variance = a.var(axis=0, ddof=1) / len(a) + b.var(axis=0, ddof=1) / len(b)
    return a.mean(axis=0) - b.mean(axis=0), variance


def called(calibration: pd.DataFrame, *, threshold: float = 1.96) -> pd.DataFrame:
    """Share of genes with |z| above a threshold, by guide and way to compare.

    Returns
    -------
    DataFrame
        `guide`, `n_cells`, `pooled`, `within replicates`, in [0, 1]; 0.05 is expected at 1.96.
    """
    z = calibration.set_index(["guide", "n_cells"])[["pooled", "within replicates"]]
    return (z.abs() > threshold).groupby(level=[0, 1]).mean().reset_index()


@step
def winners(screen, *, seed: int, min_cells: int = 2 * MIN_CELLS) -> pd.DataFrame:
    """The most changed gene of each target in one half of its cells, and its change in the other.

    Halves of the cells of each batch, with the disjoint halves of the controls. The target's own
    gene is left out.

    Parameters
    ----------
    screen : AnnData of counts
    seed : int
    min_cells : int
        Targets with fewer cells are left out.

    Returns
    -------
    DataFrame indexed by target
        `gene`, `selected` (its absolute change where it was chosen, log1p of CP10k), `replicated`
        (its change in the other half, in the same direction), `n_cells`.

    Raises
    ------
    DataError
        No target has enough cells, or a batch too few controls.
    """
    rng = np.random.default_rng(seed)
    role = np.asarray(assign_controls(screen.obs["perturbation"], screen.obs["batch"], rng=rng))
    expressed = np.asarray(screen.X.mean(axis=0)).ravel() >= MIN_MEAN
    expression = log1p_cp10k(screen).X[:, expressed].tocsr()
    genes = screen.var_names[expressed]
    label = screen.obs["perturbation"].astype(str).to_numpy()
    batch = screen.obs["batch"].astype(str).to_numpy()
    base = [
        np.asarray(expression[role == name].mean(axis=0)).ravel()
        for name in ("control_model", "control_truth")
    ]
    rows = {}
    for target in np.unique(label[label != CONTROL]):
        cells = np.flatnonzero(label == target)
        if len(cells) < min_cells:
            continue
        order = rng.permutation(cells)
        order = order[np.argsort(batch[order], kind="stable")]  # batch by batch, shuffled within
        first, second = (
            np.asarray(expression[np.sort(half)].mean(axis=0)).ravel() - mean
            for half, mean in zip((order[::2], order[1::2]), base, strict=True)
        )
        chosen = np.argmax(np.where(genes == target, 0, np.abs(first)))
        rows[target] = {
            "gene": genes[chosen],
            "selected": abs(first[chosen]),
            "replicated": second[chosen] * np.sign(first[chosen]),
            "n_cells": len(cells),
        }
    if not rows:
        raise DataError(
            f"{screen.uns['dataset']['name']}: no target has {min_cells} cells to be halved"
        )
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("target")
