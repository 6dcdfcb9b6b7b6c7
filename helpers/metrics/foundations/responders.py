"""Which share of the cells of a perturbation responded?"""

from dataclasses import dataclass

import numpy as np

from helpers.metrics.arrays import varies


@dataclass(frozen=True)
class Responders:
    """Estimate of a responder fraction.

    Parameters
    ----------
    fraction : float in [0, 1]
        NaN where the two kinds of cells are too close to be told apart.
    separation : float
        Distance of responders from the others, in standard deviations of controls.
    shift : float
        Distance of all perturbed cells from controls, in the same unit.
    """

    fraction: float
    separation: float
    shift: float


def cross_fitted_projection(
    x, controls, *, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinate of each cell along the effect that the other half of the cells shows.

    Cells and controls are halved at random; each half is projected on the difference of means of
    the other, and standardised by the mean and standard deviation of its own controls. No cell
    helps to find the direction on which it is placed.

    Parameters
    ----------
    x : ndarray of shape (n, n_genes), n >= 2
        Perturbed cells, on a log scale.
    controls : ndarray of shape (m, n_genes), m >= 4
    rng

    Returns
    -------
    projection, control_projection : ndarray of shape (n,) and (m,)
        In standard deviations of controls, whose mean is 0 in each half. NaN where a half shows no
        effect, or its controls do not vary along it.

    Raises
    ------
    ValueError
        Shapes that do not fit, or too few cells.
    """
    x, controls = np.asarray(x, dtype=float), np.asarray(controls, dtype=float)
    if x.ndim != 2 or controls.ndim != 2 or x.shape[1] != controls.shape[1]:
        raise ValueError(
            f"cells and controls have shapes {x.shape} and {controls.shape}; pass "
            "(n_cells, n_genes) each, of the same genes"
        )
    if len(x) < 2 or len(controls) < 4:
        raise ValueError(f"{len(x)} cells and {len(controls)} controls; needed are 2 and 4")
    halves = [np.array_split(rng.permutation(len(group)), 2) for group in (x, controls)]
    placed, placed_controls = np.full(len(x), np.nan), np.full(len(controls), np.nan)
    for here, there in ((0, 1), (1, 0)):
        direction = x[halves[0][there]].mean(0) - controls[halves[1][there]].mean(0)
        of_controls = controls[halves[1][here]] @ direction
        size = np.abs(controls[halves[1][here]]).max(initial=0) * np.linalg.norm(direction, 1)
        if varies(of_controls, magnitude=size):
            of_cells = x[halves[0][here]] @ direction
            placed[halves[0][here]] = (of_cells - of_controls.mean()) / of_controls.std()
            placed_controls[halves[1][here]] = (of_controls - of_controls.mean()) / (
                of_controls.std()
            )
    return placed, placed_controls


def responder_fraction(
    projection, *, min_separation: float = 1.0, n_iterations: int = 500
) -> Responders:
    """Share of cells in the shifted part of a two-component normal mixture.

    The cells that did not respond are like controls, N(0, 1); those that did are N(d, 1). The share
    and d > 0 are found by expectation maximisation, as Mixscape does with controls in place of
    N(0, 1). A response that widens the distribution, or that differs between cells, biases it.

    Parameters
    ----------
    projection : array of shape (n,)
        Perturbed cells along the held-out effect, in standard deviations of controls.
    min_separation : float
        Least d at which a share is stated: below, a weak response of all cells and a strong one of
        a few look alike.
    n_iterations : int

    Returns
    -------
    Responders
        All NaN where a projection is NaN.

    Raises
    ------
    ValueError
        No cell, or infinite values.

    References
    ----------
    Papalexi et al. 2021, Nature Genetics 53 (Mixscape).
    """
    z = np.asarray(projection, dtype=float)
    if z.ndim != 1 or z.size == 0 or np.isinf(z).any():
        raise ValueError(f"projection has shape {z.shape}; pass one finite number a cell")
    if np.isnan(z).any():
        return Responders(np.nan, np.nan, np.nan)
    shift = float(z.mean())
    share, d = 0.5, max(2 * shift, 1e-3)
    for _ in range(n_iterations):
        odds = np.clip(d * z - d * d / 2, -700, 700)  # log density ratio of the two components
        weight = share / (share + (1 - share) * np.exp(-odds))
        before = share, d
        share, d = float(weight.mean()), float((weight * z).sum() / weight.sum())
        if d <= 0:  # the cells lie behind the controls: nothing was found in the other half
            return Responders(np.nan, 0.0, shift)
        if max(abs(share - before[0]), abs(d - before[1])) < 1e-9:
            break
    return Responders(share if d >= min_separation else np.nan, d, shift)
