"""What `vcc2026` compares with: its constants, profiles of groups of cells, the measured side.

References
----------
cell-eval2 0.20.0 (Arc Institute), rule version 3: vcc2026-metrics.md and the package's source.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy import sparse

from helpers.metrics.arrays import label_codes
from helpers.metrics.effects.de_tables import DETable, differential_expression, library_sizes

_BLOCK = 32  # cells made dense at a time


@dataclass(frozen=True)
class Rule:
    """Constants of the metrics; the defaults are those of the competition.

    Parameters
    ----------
    target_sum : float
        Counts that a profile is scaled to before ln(1 + x).
    level : float in (0, 1)
        Adjusted p-value below which a gene is significant.
    purity : float in (0, 1]
        Share of right signs up to which a ranking counts in `reach`.
    min_genes : int
        Significant genes below which a perturbation has no `lfc_error`.
    min_control_cpm, continuity, mean
        Of `differential_expression`. The continuity correction is the engine's: scanpy has none,
        pdex and gpudge (the organisers') have it.
    excluded : {"panel", "own", "none"}
        Genes left out of `pds`: the targets of all perturbations, the own one, none.
    """

    target_sum: float = 50_000.0
    level: float = 0.05
    purity: float = 0.9
    min_genes: int = 10
    min_control_cpm: float = 5.0
    continuity: bool = False
    mean: Literal["arithmetic", "geometric"] = "arithmetic"
    excluded: Literal["panel", "own", "none"] = "panel"

    @property
    def engine(self) -> dict:
        """Arguments of `differential_expression`."""
        return {
            "mean": self.mean,
            "continuity": self.continuity,
            "min_control_cpm": self.min_control_cpm,
        }


@dataclass(frozen=True)
class Profiles:
    """Groups of cells as one profile each.

    Parameters
    ----------
    names : ndarray of str, shape (n_groups,)
        Sorted.
    n_cells : int ndarray of shape (n_groups,)
    sums : ndarray of shape (n_groups, n_genes)
        Counts of all cells of the group.
    profile : ndarray of shape (n_groups, n_genes)
        ln(1 + target_sum * share of the gene in the group's counts).
    noise : ndarray of shape (n_groups,), at least 0
        Sampling variance of the profile, summed over genes; 0 for one cell.
    """

    names: np.ndarray
    n_cells: np.ndarray
    sums: np.ndarray
    profile: np.ndarray
    noise: np.ndarray


def profiles(counts, labels, *, target_sum: float = Rule.target_sum) -> Profiles:
    """Profile of each group's summed counts, and its delete-one-cell jackknife variance.

    Parameters
    ----------
    counts : array or sparse matrix of shape (n_cells, n_genes)
    labels : array of shape (n_cells,)

    Raises
    ------
    ValueError
        Cells without counts; labels that are missing or do not fit.
    """
    total = library_sizes(counts)
    code, names = label_codes(labels, counts.shape[0])
    counts, sums = sparse.csr_array(counts, dtype=float), group_sums(counts, labels)
    noise = np.zeros(len(names))
    for group in range(len(names)):
        cells = np.flatnonzero(code == group)
        if len(cells) > 1:
            noise[group] = _jackknife(counts[cells], total[cells], sums[group], target_sum)
    profile = profile_of(sums, target_sum=target_sum)
    return Profiles(np.asarray(names).astype(str), np.bincount(code), sums, profile, noise)


def group_sums(counts, labels) -> np.ndarray:
    """Summed counts of the cells of each label, sorted by name; shape (n_groups, n_genes).

    Raises
    ------
    ValueError
        Labels that are missing or do not fit.
    """
    code, names = label_codes(labels, counts.shape[0])
    shape = len(names), len(code)
    one = sparse.csr_array((np.ones(len(code)), (code, np.arange(len(code)))), shape)
    return (one @ sparse.csr_array(counts, dtype=float)).toarray()


def profile_of(sums, *, target_sum: float = Rule.target_sum) -> np.ndarray:
    """ln(1 + target_sum * share) of summed counts or mean counts, shape (n_groups, n_genes)."""
    sums = np.atleast_2d(np.asarray(sums, dtype=float))
    return np.log1p(target_sum / sums.sum(axis=1, keepdims=True) * sums)


def _jackknife(cells, total, sums, target_sum: float) -> float:
    """(n - 1) / n * sum over genes and cells of (v - mean v)^2, v the profile without the cell.

    v is taken less the profile of all cells, so that the squares lose no digits.
    """
    n, whole = len(total), sums.sum()
    all_cells = np.log1p(target_sum * sums / whole)
    first, second = np.zeros(len(sums)), np.zeros(len(sums))
    for start in range(0, n, _BLOCK):
        rest = (whole - total[start : start + _BLOCK])[:, None]
        without = sums - cells[start : start + _BLOCK].toarray()
        without *= target_sum
        without /= np.where(rest > 0, rest, 1)
        without = np.where(rest > 0, np.log1p(without), 0) - all_cells
        first += without.sum(axis=0)
        second += np.einsum("ij,ij->j", without, without)
    return max((n - 1) / n * float((second - first**2 / n).sum()), 0.0)


@dataclass(frozen=True)
class Reference:
    """What is measured: profiles, controls, tests. Submissions are compared with it.

    Parameters
    ----------
    genes : ndarray of str, shape (n_genes,)
    own : int ndarray of shape (n_perturbations,)
        Number of the gene that the perturbation targets, -1 where it is not measured.
    profiles : Profiles
        Of the perturbations.
    control : Profiles
        Of the controls, one group.
    control_counts : csr_array of shape (n_controls, n_genes)
    table : DETable
    rule : Rule
    """

    genes: np.ndarray
    own: np.ndarray
    profiles: Profiles
    control: Profiles
    control_counts: sparse.csr_array = field(repr=False)
    table: DETable
    rule: Rule

    @property
    def not_own(self) -> np.ndarray:
        """(n_perturbations, n_genes): False at the perturbation's own gene."""
        mask = np.ones((len(self.own), len(self.genes)), dtype=bool)
        there = np.flatnonzero(self.own >= 0)
        mask[there, self.own[there]] = False
        return mask

    @property
    def significant(self) -> np.ndarray:
        """(n_perturbations, n_genes): genes that change, the own one left out."""
        called = self.table.p_adjusted < self.rule.level
        return called & self.not_own & ~np.isnan(self.table.log2_fold_change)


def reference(
    counts,
    labels,
    control_counts,
    genes,
    *,
    targets: Mapping[str, str] | None = None,
    rule: Rule | None = None,
) -> Reference:
    """The measured side.

    Parameters
    ----------
    counts, labels, control_counts, genes
        See `differential_expression`.
    targets : mapping, optional
        Of a perturbation to the gene that it targets. Default: the gene of its name. A target
        that is not among the genes excludes nothing.
    rule : Rule, optional

    Raises
    ------
    ValueError
        See `differential_expression`; or no perturbation has its own gene measured, which looks
        like names of two kinds (pass `targets`).
    """
    rule = rule or Rule()
    table = differential_expression(counts, labels, control_counts, genes, **rule.engine)
    own_gene = {name: name for name in table.perturbations} if targets is None else dict(targets)
    number = {gene: i for i, gene in enumerate(table.genes)}
    own = np.array([number.get(own_gene.get(p), -1) for p in table.perturbations])
    if targets is None and (own < 0).all():
        raise ValueError(
            f"none of {len(own)} perturbations ({table.perturbations[0]}, ...) is the name of a "
            f"gene ({table.genes[0]}, ...): pass targets, or {{}} if they target no gene"
        )
    control = np.full(control_counts.shape[0], "control")
    return Reference(
        table.genes,
        own,
        profiles(counts, labels, target_sum=rule.target_sum),
        profiles(control_counts, control, target_sum=rule.target_sum),
        sparse.csr_array(control_counts),
        table,
        rule,
    )


def check_panel(measured: Reference, labels, n_genes: int, genes=None) -> None:
    """Pass where a prediction has the reference's perturbations and genes.

    Raises
    ------
    ValueError
        Naming what is missing, unknown or in another order.
    """
    asked, given = set(measured.profiles.names), set(np.asarray(labels).astype(str))
    if missing := sorted(asked - given):
        raise ValueError(
            f"{len(missing)} of {len(asked)} perturbations are not predicted "
            f"({', '.join(missing[:3])}); predict every one"
        )
    if strange := sorted(given - asked):
        raise ValueError(
            f"{len(strange)} predicted perturbations are none of the reference's "
            f"({', '.join(strange[:3])}): control cells or other names; leave them out"
        )
    if n_genes != len(measured.genes):
        raise ValueError(f"{n_genes} predicted genes, {len(measured.genes)} of the reference")
    if genes is None:
        return
    genes = np.asarray(genes).astype(str)
    if (genes != measured.genes).any():
        first = int((genes != measured.genes).argmax())
        same = set(genes) == set(measured.genes)
        raise ValueError(
            f"gene {first} of the prediction is {genes[first]!r}, of the reference "
            f"{measured.genes[first]!r}: " + ("reorder the genes" if same else "other names")
        )
