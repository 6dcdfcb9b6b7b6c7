"""Submissions to a screen: what a model could hand in that knows much, little, or nothing.

All but the leak are made of cells that the reference does not hold. Those built of a profile know
what the mean of independent cells can tell; they differ in the effect's size, or only in the cells
that they are handed in as.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from helpers.data.effects.emission import (
    constant_cells,
    even_cells,
    poisson_cells,
    thinned,
    whole_counts,
)
from helpers.metrics.effects.vcc2026_recipes import scaled_controls
from helpers.metrics.effects.vcc2026_reference import group_sums

PSEUDO_SHARE = 1e-6  # of a cell's counts, so that a gene that no control expresses has an effect


@dataclass(frozen=True)
class Known:
    """What submissions are made of.

    Parameters
    ----------
    names : ndarray of str, shape (n_perturbations,)
        Sorted.
    n_cells : int ndarray of shape (n_perturbations,)
        Measured cells; as many are handed in, unless it is said otherwise.
    measured, repeat, others : tuple of (csr_array, ndarray)
        Counts and perturbation of cells: the reference's own, as many independent ones, and all
        independent ones.
    controls : csr_array
        Control cells that the reference does not use.
    """

    names: np.ndarray
    n_cells: np.ndarray
    measured: tuple
    repeat: tuple
    others: tuple
    controls: sparse.csr_array = field(repr=False)

    @property
    def depths(self) -> np.ndarray:
        """Counts of control cells."""
        return np.asarray(self.controls.sum(axis=1)).ravel()

    @property
    def labels(self) -> np.ndarray:
        """Perturbation of each cell that is handed in, in blocks."""
        return np.repeat(self.names, self.n_cells)

    def shares(self) -> np.ndarray:
        """Share of each gene in the counts of all independent cells, by perturbation."""
        sums = group_sums(*self.others)
        return sums / sums.sum(axis=1, keepdims=True)

    def control_share(self) -> np.ndarray:
        """The same of the independent controls, shape (n_genes,)."""
        sums = np.asarray(self.controls.sum(axis=0), dtype=float).ravel()
        return sums / sums.sum()

    def profile(self, times: float = 1.0, *, of: str = "own") -> np.ndarray:
        """Shares after an effect, its logarithm taken so many times, by perturbation.

        Parameters
        ----------
        times : float
            1 gives what was observed, 0 the controls, -1 the effect turned round.
        of : {"own", "mean"}
            Of the perturbation, or the mean of all others' (the own one left out).
        """
        control = self.control_share() + PSEUDO_SHARE
        effect = np.log((self.shares() + PSEUDO_SHARE) / control)
        if of == "mean":
            n = len(effect)
            effect = (effect.sum(axis=0) - effect) / (n - 1)
        return np.maximum(control * np.exp(times * effect) - PSEUDO_SHARE, 0)


@dataclass(frozen=True)
class Submission:
    """What is handed in.

    Parameters
    ----------
    cells : callable
        Of `Known` and a generator, to counts and the perturbation of each cell.
    means : callable, optional
        Of `Known`, to shares of genes by perturbation: where means are what is predicted, and the
        cells are made of them. Default: the sums of the cells.
    drawn : bool
        Whether the generator decides anything.
    """

    cells: Callable
    means: Callable | None = None
    drawn: bool = True

    def shares(self, known: Known, rng: np.random.Generator) -> np.ndarray:
        """Predicted shares of genes, of each perturbation."""
        if self.means is not None:
            means = np.asarray(self.means(known))
        else:
            means = group_sums(*self.cells(known, rng))
        return means / means.sum(axis=1, keepdims=True)


def _profile(times: float, emit: Callable, of: str = "own") -> Submission:
    """A multiple of an effect, and the cells that it is handed in as."""

    def means(known):
        return known.profile(times, of=of)

    def cells(known, rng):
        if emit is not scaled_controls:
            return emit(means(known), known.n_cells, known.depths, rng), known.labels
        drawn = scaled_controls(
            known.controls, means(known) * known.depths.mean(), known.n_cells, seed=rng
        )
        return whole_counts(drawn, rng), known.labels

    return Submission(cells, means)


def _half(known: Known, n_of: Callable = lambda n: max(n // 2, 1)):
    """The first cells of each perturbation's repeat, so many as `n_of` says of their number."""
    cells, labels = known.repeat
    kept = [np.flatnonzero(labels == name) for name in known.names]
    kept = np.concatenate([at[: n_of(len(at))] for at in kept])
    return cells[kept], labels[kept]


def _constant(known: Known, rng):
    """The means of half a repeat in every cell, at a hundred times the depth of a cell."""
    sums = group_sums(*_half(known))
    return constant_cells(sums, known.n_cells, known.depths * 100, rng), known.labels


def _controls(known: Known, rng):
    drawn = rng.integers(known.controls.shape[0], size=known.n_cells.sum())
    return known.controls[drawn], known.labels


def _pooled(known: Known, rng):
    """Cells drawn from those of all other perturbations."""
    counts, labels = known.others
    drawn = [
        rng.choice(np.flatnonzero(labels != name), size=n)
        for name, n in zip(known.names, known.n_cells, strict=True)
    ]
    return counts[np.concatenate(drawn)], known.labels


def _permuted(known: Known, rng):
    """Cells of another perturbation under each name, by one cycle through all of them."""
    order = rng.permutation(len(known.names))
    other = np.empty(len(order), dtype=object)
    other[order] = known.names[np.roll(order, 1)]
    cells, labels = known.repeat
    return cells, other[np.searchsorted(known.names, labels)].astype(str)


def _inflated(known: Known, rng):
    cells = sparse.csr_array(known.repeat[0], copy=True)
    cells.data = cells.data * 2 * rng.integers(2, size=len(cells.data))
    some = np.asarray(cells.sum(axis=1)).ravel() > 0
    return cells[some], known.repeat[1][some]


def _five_times(known: Known, rng):
    cells, labels = known.repeat
    return sparse.vstack([cells] * 5, format="csr"), np.tile(labels, 5)


SUBMISSIONS: dict[str, Submission] = {
    "the reference's own cells": Submission(lambda k, rng: k.measured, drawn=False),
    "repeat": Submission(lambda k, rng: k.repeat, drawn=False),
    "repeat, half the cells": Submission(lambda k, rng: _half(k), drawn=False),
    "repeat, all other cells": Submission(lambda k, rng: k.others, drawn=False),
    "repeat, half the depth": Submission(
        lambda k, rng: (thinned(k.repeat[0], 0.5, rng), k.repeat[1])
    ),
    "repeat, each cell five times": Submission(_five_times, drawn=False),
    "repeat, counts doubled or dropped": Submission(_inflated),
    "repeat, one cell": Submission(lambda k, rng: _half(k, lambda n: 1), drawn=False),
    "half a repeat, constant cells, depth x 100": Submission(
        _constant, lambda k: group_sums(*_half(k)), drawn=False
    ),
    "half a repeat, one cell": Submission(
        lambda k, rng: (sparse.csr_array(group_sums(*_half(k))), k.names), drawn=False
    ),
    "profile, Poisson cells": _profile(1, poisson_cells),
    "profile, even cells": _profile(1, even_cells),
    "profile, scaled controls": _profile(1, scaled_controls),
    "half the effect, Poisson cells": _profile(0.5, poisson_cells),
    "half the effect, even cells": _profile(0.5, even_cells),
    "half the effect, scaled controls": _profile(0.5, scaled_controls),
    "twice the effect, Poisson cells": _profile(2, poisson_cells),
    "effect turned round, Poisson cells": _profile(-1, poisson_cells),
    "mean response, others' cells": Submission(_pooled),
    "mean response, Poisson cells": _profile(1, poisson_cells, of="mean"),
    "mean response doubled, Poisson cells": _profile(2, poisson_cells, of="mean"),
    "names permuted": Submission(_permuted),
    "controls": Submission(_controls),
}
"""What can be handed in, by name."""


def submission(name: str) -> Submission:
    """The submission of a name.

    Raises
    ------
    ValueError
        There is none.
    """
    if name not in SUBMISSIONS:
        raise ValueError(f"no submission {name!r}; there are {', '.join(SUBMISSIONS)}")
    return SUBMISSIONS[name]
