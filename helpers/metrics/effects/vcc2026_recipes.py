"""The two ends of the `vcc2026` scale: the baseline's cells, and halves of the measured ones."""

import numpy as np
import pandas as pd
from scipy import sparse

from helpers.metrics.effects.vcc2026 import compare, per_perturbation
from helpers.metrics.effects.vcc2026_reference import Reference

N_SPLITS = 5


def generic_profile(measured: Reference) -> np.ndarray:
    """Mean over perturbations of their mean counts, shape (n_genes,).

    Each perturbation counts once. A gene's mean leaves out the perturbation that targets it.

    Raises
    ------
    ValueError
        A gene is the target of every perturbation.
    """
    groups, keep = measured.profiles, measured.not_own
    n = keep.sum(axis=0)
    if not n.all():
        raise ValueError(
            f"every perturbation targets {measured.genes[n == 0][0]}: its mean response over "
            "others is not defined; a baseline needs two different targets"
        )
    means = groups.sums / groups.n_cells[:, None]
    return np.where(keep, means, 0).sum(axis=0) / n


def scaled_controls(
    control_counts, means, n_cells, *, seed: int | np.random.Generator
) -> sparse.csr_array:
    """Cells of given means: control cells, drawn anew, each gene times mean over control mean.

    Parameters
    ----------
    control_counts : csr_array of shape (n_controls, n_genes)
    means : array of shape (n_genes,) or (n_groups, n_genes)
        Mean counts of a cell; one for all groups, or one each.
    n_cells : int array of shape (n_groups,)
    seed : int or numpy.random.Generator
        Groups draw one after the other; 0 is the competition's.

    Returns
    -------
    csr_array of shape (n_cells.sum(), n_genes), float32
        Groups one below the other. No counts: values have fractions. A gene that no control
        expresses stays 0.

    References
    ----------
    cell-eval2 0.20.0, baseline.py (`emit="dispersed"`).
    """
    rng = np.random.default_rng(seed)
    controls = sparse.csr_array(control_counts)
    mean = np.asarray(controls.astype(float).mean(axis=0)).ravel()
    ratio = np.where(mean > 0, np.atleast_2d(means) / np.where(mean > 0, mean, 1), 0)
    drawn = [rng.integers(0, controls.shape[0], size=int(n)) for n in n_cells]
    group = np.repeat(
        np.arange(len(drawn)) if len(ratio) > 1 else np.zeros(len(drawn), int), n_cells
    )
    cells = controls[np.concatenate(drawn)]
    row = np.repeat(group, np.diff(cells.indptr))
    values = (cells.data * ratio[row, cells.indices]).astype(np.float32)
    cells = sparse.csr_array((values, cells.indices, cells.indptr), shape=cells.shape)
    cells.eliminate_zeros()
    return cells


def baseline_cells(measured: Reference, *, seed: int = 0):
    """Cells and perturbations of the competition's recipe of a baseline: the generic profile.

    It knows the answer's mean: the profile is that of the measured perturbations.
    """
    groups = measured.profiles
    means, n_cells = generic_profile(measured), groups.n_cells
    cells = scaled_controls(measured.control_counts, means, n_cells, seed=seed)
    return cells, np.repeat(groups.names, n_cells)


def baseline(measured: Reference, *, seed: int = 0) -> pd.DataFrame:
    """`per_perturbation` of `baseline_cells`."""
    return per_perturbation(measured, *baseline_cells(measured, seed=seed))


def split_seeds(n_splits: int = N_SPLITS) -> list[int]:
    """Seeds of the competition's splits."""
    return [int(seed) for seed in np.random.SeedSequence(0).generate_state(n_splits)]


def halves(labels, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two disjoint halves of the cells of each label, of n // 2 cells each.

    Parameters
    ----------
    labels : array of str, shape (n_cells,)
        Of perturbed cells and controls; labels draw in the order of their names.
    seed : int

    Returns
    -------
    first, second : int ndarray
        Numbers of cells.

    Raises
    ------
    ValueError
        A label with one cell.
    """
    rng = np.random.default_rng(seed)
    labels = np.asarray(labels)
    first, second = [], []
    for name in np.unique(labels):
        cells = rng.permutation(np.flatnonzero(labels == name))
        half = len(cells) // 2
        if not half:
            raise ValueError(f"{name} has one cell: it has no halves; leave it out")
        first.append(cells[:half])
        second.append(cells[half : 2 * half])
    return np.concatenate(first), np.concatenate(second)


def replicate(one: Reference, two: Reference, whole: Reference) -> pd.DataFrame:
    """`per_perturbation` of one half of the cells against the other, each with its own controls.

    `lfc_error` is |difference of the halves| over what the whole screen changes, so that its
    perturbations are those of the submissions.

    Parameters
    ----------
    one, two : Reference
        Of `halves` of the cells; the first is the measured side.
    whole : Reference
        Of all cells.
    """
    rows = compare(one, two.profiles, two.table, two.control.profile[0])
    gate = whole.significant & np.isfinite(whole.table.log2_fold_change)
    change = [np.nan_to_num(half.table.log2_fold_change) for half in (one, two)]
    error = np.where(gate, np.abs(change[0] - change[1]), 0).sum(axis=1)
    size = np.where(gate, np.abs(whole.table.log2_fold_change), 0).sum(axis=1)
    enough = (gate.sum(axis=1) >= whole.rule.min_genes) & (size > 0)
    rows["lfc_error"] = np.where(enough, error / np.where(size > 0, size, 1), np.nan)
    return rows


def halved(counts, labels, control_counts, *, seed: int, control: str = "non-targeting"):
    """Two disjoint halves of the cells and of the controls: (counts, labels, control counts) each.

    Parameters
    ----------
    counts, labels, control_counts
        See `reference`.
    seed : int
        Of `split_seeds`.
    control : str
        Name of controls, which draw in the order of the names.
    """
    labels = np.concatenate([np.asarray(labels), np.full(control_counts.shape[0], control)])
    pooled = sparse.vstack([sparse.csr_array(counts), sparse.csr_array(control_counts)]).tocsr()
    found = []
    for half in halves(labels, seed=seed):
        cells, controls = half[labels[half] != control], half[labels[half] == control]
        found.append((pooled[cells], labels[cells], pooled[controls]))
    return found
