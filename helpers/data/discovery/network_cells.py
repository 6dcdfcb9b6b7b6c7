"""Cells under interventions on genes that are measured: what network inference is given."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from helpers.data.contract import CONTROL, DataError, looks_like_control

NO_TARGET, OTHER = -1, -2
"""Codes of `Cells.target`: a control, and a perturbation of a gene that is no variable."""


@dataclass(frozen=True)
class Cells:
    """Expression of genes, and which of them was perturbed in each cell.

    Parameters
    ----------
    expression : ndarray of shape (n_cells, n_genes)
        On one scale, log expression by default.
    target : ndarray of int of shape (n_cells,)
        Column of the perturbed gene, or `NO_TARGET`, `OTHER`.
    genes : tuple of str
    """

    expression: np.ndarray
    target: np.ndarray
    genes: tuple[str, ...]

    @property
    def arms(self) -> np.ndarray:
        """Columns of the genes that were perturbed, sorted."""
        return np.unique(self.target[self.target >= 0])

    def of(self, rows: np.ndarray) -> Cells:
        """The cells that a mask names."""
        return replace(self, expression=self.expression[rows], target=self.target[rows])


def cells_of(perturbation, values, genes, *, least: int = 1) -> Cells:
    """Cells with the column of their perturbed gene.

    Parameters
    ----------
    perturbation : sequence of str of shape (n_cells,)
        Name of a gene, or "control". Perturbations of genes that are not measured, of several
        genes, or with too few cells are kept as `OTHER`: no control, and no arm.
    values : array of shape (n_cells, n_genes)
    genes : sequence of str of length n_genes
    least : int
        Cells that an arm has at least. CausalBench keeps genes with more than 100 cells.

    Raises
    ------
    DataError
        Values of another shape, no controls, a perturbation that is called like a control, a gene
        twice, or no arm.
    """
    names, genes = np.asarray(perturbation).astype(str), tuple(map(str, genes))
    if np.shape(values) != (len(names), len(genes)):
        raise DataError(
            f"values are {np.shape(values)}, with {len(names)} perturbations and {len(genes)} genes"
        )
    if len(set(genes)) < len(genes):
        raise DataError(f"{len(genes) - len(set(genes))} genes are there twice; make them unique")
    own = np.unique(names)
    if odd := [n for n in own if n != CONTROL and looks_like_control(n)]:
        raise DataError(
            f"perturbations are called like a control: {', '.join(odd)}; the control is exactly "
            f"{CONTROL!r}: rename them, or they would be taken for a gene that is not measured"
        )
    if CONTROL not in own:
        raise DataError(
            f"no cell is a {CONTROL!r}: every effect is a difference from controls of the same "
            "context; choose a context that has them"
        )
    columns = {gene: i for i, gene in enumerate(genes)} | {CONTROL: NO_TARGET}
    target = np.array([columns.get(name, OTHER) for name in own])[np.searchsorted(own, names)]
    arms, n = np.unique(target[target >= 0], return_counts=True)
    target[np.isin(target, arms[n < least])] = OTHER
    if not (target >= 0).any():
        raise DataError(
            f"no measured gene was perturbed in {least} cells or more: an edge can only be tested "
            "where its parent was perturbed and its child is measured"
        )
    return Cells(np.asarray(values), target, genes)


def closed(cells: Cells) -> Cells:
    """Only genes that were perturbed as variables, as CausalBench keeps them."""
    arms = cells.arms
    place = np.full(len(cells.genes), OTHER)
    place[arms] = np.arange(len(arms))
    target = np.where(cells.target >= 0, place[cells.target], cells.target)
    return Cells(cells.expression[:, arms], target, tuple(cells.genes[i] for i in arms))


def strong(n_de, knock_down, n_cells) -> np.ndarray:
    """Perturbations that CausalBench's filter keeps.

    Parameters
    ----------
    n_de : array of shape (n_perturbations,)
        Genes that change (Anderson-Darling in Replogle et al. 2022).
    knock_down : array of shape (n_perturbations,)
        Change of the target as a share of its expression: -0.3 is 30 % less.
    n_cells : array of shape (n_perturbations,)

    Returns
    -------
    bool ndarray: more than 50 genes, at most -0.3, more than 25 cells.
    """
    return (np.asarray(n_de) > 50) & (np.asarray(knock_down) <= -0.3) & (np.asarray(n_cells) > 25)


def knocked_down(counts, target) -> np.ndarray:
    """Cells that CausalBench's filter keeps: the raw count of the target is low.

    Parameters
    ----------
    counts : array of shape (n_cells, n_genes)
    target : int array of shape (n_cells,)

    Returns
    -------
    bool ndarray of shape (n_cells,)
        Cells of an arm with a count of the target at most the 10th percentile of controls; all
        others.
    """
    counts, target = np.asarray(counts), np.asarray(target)
    if not (target == NO_TARGET).any():
        raise DataError("no control cell: a low count is low beside controls")
    limit = np.percentile(counts[target == NO_TARGET], 10, axis=0)
    arm = np.flatnonzero(target >= 0)
    kept = np.ones(len(target), dtype=bool)
    kept[arm] = counts[arm, target[arm]] <= limit[target[arm]]
    return kept


def parts(target, shares, *, seed: int) -> np.ndarray:
    """Number of the part to which each cell belongs; each arm is shared out alike.

    Parameters
    ----------
    target : int array of shape (n_cells,)
    shares : sequence of float
        Of the parts, to sum to 1: (0.8, 0.2) is CausalBench's split.
    seed : int

    Returns
    -------
    ndarray of int of shape (n_cells,)
    """
    target, rng = np.asarray(target), np.random.default_rng(seed)
    if not np.isclose(sum(shares), 1):
        raise DataError(f"the shares of the parts sum to {sum(shares):g}, not to 1")
    if min(shares) < 0:
        raise DataError(f"a share of the parts is {min(shares):g}, below 0")
    ends, found = np.cumsum(shares)[:-1], np.empty(len(target), dtype=int)
    for code in np.unique(target):
        rows = np.flatnonzero(target == code)
        place = (rng.permutation(len(rows)) + 0.5) / len(rows)
        found[rows] = np.searchsorted(ends, place)
    return found


def regime(target, share: float, *, seed: int) -> np.ndarray:
    """Cells of a training regime: the controls, and the arms of a share of the perturbed genes.

    A share of 0 is observational, 1 is all arms, between them arms are drawn at random; smaller
    shares are nested in larger ones. `OTHER` cells are always there. CausalBench draws among all
    labels, controls included, so that its shares are slightly off.
    """
    if not 0 <= share <= 1:
        raise DataError(f"the share of perturbed genes is {share:g}, not in [0, 1]")
    target = np.asarray(target)
    arms = np.unique(target[target >= 0])
    drawn = np.random.default_rng(seed).permutation(arms)[: round(share * len(arms))]
    return (target < 0) | np.isin(target, drawn)


def equalised(target, n_cells: int, *, seed: int) -> np.ndarray:
    """Cells of which each arm has as many: at most `n_cells`, drawn at random; all controls."""
    if n_cells < 1:
        raise DataError(f"{n_cells} cells of an arm are asked for; at least 1")
    target, rng = np.asarray(target), np.random.default_rng(seed)
    kept = target == NO_TARGET
    for code in np.unique(target[target >= 0]):
        kept[rng.permutation(np.flatnonzero(target == code))[:n_cells]] = True
    return kept
