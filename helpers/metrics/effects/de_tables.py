"""Tables of differential expression: each perturbation against the controls, gene by gene.

Engines differ in what they call a log fold change, in the continuity correction of the test, and
in the genes that they adjust over. Here each of these is an argument, and a table says which genes
were tested.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from helpers.metrics.arrays import finite_matrix, label_codes
from helpers.metrics.de import mann_whitney

CPM = 1e6


@dataclass(frozen=True)
class DETable:
    """Differential expression of perturbations against controls.

    Parameters
    ----------
    perturbations : ndarray of str, shape (n_perturbations,)
    genes : ndarray of str, shape (n_genes,)
    tested : bool ndarray of shape (n_perturbations, n_genes)
        False where a table has no row; NaN in all other arrays there.
    log2_fold_change, p_value, p_adjusted : ndarray of shape (n_perturbations, n_genes)
        p-values in [0, 1]; adjusted within the perturbation, over the genes that were tested.

    Raises
    ------
    ValueError
        Shapes that do not fit, or names that occur twice.
    """

    perturbations: np.ndarray
    genes: np.ndarray
    tested: np.ndarray
    log2_fold_change: np.ndarray
    p_value: np.ndarray
    p_adjusted: np.ndarray

    def __post_init__(self) -> None:
        shape = len(self.perturbations), len(self.genes)
        for name in ("tested", "log2_fold_change", "p_value", "p_adjusted"):
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} has shape {getattr(self, name).shape} in a table of {shape[0]} "
                    f"perturbations x {shape[1]} genes"
                )
        for what, names in (("perturbations", self.perturbations), ("genes", self.genes)):
            if (twice := len(names) - len(set(names))) > 0:
                raise ValueError(f"{twice} {what} occur twice; a table has one row for each")

    def aligned(self, perturbations, genes) -> "DETable":
        """The rows of these perturbations and genes, in this order; what is missing is not tested.

        Raises
        ------
        ValueError
            Perturbations or genes that are not asked for: another panel or other names.
        """
        at, of = {}, {}
        for found, own, asked, what in (
            (at, self.perturbations, perturbations, "perturbations"),
            (of, self.genes, genes, "genes"),
        ):
            found |= {name: i for i, name in enumerate(own)}
            if strange := sorted(set(own) - set(asked)):
                raise ValueError(
                    f"{len(strange)} {what} of the table are none of the reference's "
                    f"({', '.join(map(str, strange[:3]))}): other names, or another panel"
                )
        rows = np.array([at.get(name, -1) for name in perturbations], dtype=int)
        columns = np.array([of.get(name, -1) for name in genes], dtype=int)
        there = (rows >= 0)[:, None] & (columns >= 0)
        arrays = {}
        for name in ("log2_fold_change", "p_value", "p_adjusted"):
            arrays[name] = np.where(there, getattr(self, name)[np.ix_(rows, columns)], np.nan)
        tested = there & self.tested[np.ix_(rows, columns)]
        return DETable(np.asarray(perturbations), np.asarray(genes), tested, **arrays)


def adjusted(p_value, tested) -> np.ndarray:
    """Benjamini-Hochberg within each perturbation, over the genes that were tested.

    Parameters
    ----------
    p_value : ndarray of shape (n_perturbations, n_genes)
        NaN is held out.
    tested : bool ndarray of the same shape

    Returns
    -------
    ndarray of the same shape
        NaN where not tested or without a p-value.

    Raises
    ------
    ValueError
        Values outside [0, 1].

    References
    ----------
    Benjamini & Hochberg 1995, Journal of the Royal Statistical Society B 57.
    """
    from scipy.stats import false_discovery_control

    p_value = np.asarray(p_value, dtype=float)
    found = np.full(p_value.shape, np.nan)
    for row, values, there in zip(found, p_value, tested & ~np.isnan(p_value), strict=True):
        if there.any():
            row[there] = false_discovery_control(values[there], method="bh")
    return found


def library_sizes(counts, name: str = "counts") -> np.ndarray:
    """Total of each cell, shape (n_cells,), above 0.

    Raises
    ------
    ValueError
        Cells without a count, which have no composition; or counts that are negative, NaN or
        infinite.
    """
    data = counts.data if sparse.issparse(counts) else finite_matrix(counts, name)
    if not np.isfinite(data).all() or (data.size and data.min() < 0):
        raise ValueError(f"{name} hold negative, NaN or infinite values; give counts, not effects")
    # A sparse sum adds in the type of its values: float32 loses digits.
    total = np.asarray(counts.astype(float).sum(axis=1)).ravel()
    if (empty := total == 0).any():
        raise ValueError(
            f"{empty.sum()} cells of {name} have no count, the first is number {empty.argmax()}: "
            "they have no composition; leave them out"
        )
    return total


def compositions(counts, name: str = "counts") -> sparse.csr_array:
    """Share of each gene in its cell's counts, shape (n_cells, n_genes).

    One division a value, so that equal shares are equal numbers, and ties stay ties.

    Raises
    ------
    ValueError
        See `library_sizes`.
    """
    total = library_sizes(counts, name)
    shares = sparse.csr_array(counts, dtype=float, copy=True)
    shares.data /= np.repeat(total, np.diff(shares.indptr))
    return shares


def group_means(
    shares, code, n_groups: int, *, mean: Literal["arithmetic", "geometric"] = "arithmetic"
) -> np.ndarray:
    """Mean counts per million of groups of cells, shape (n_groups, n_genes).

    Parameters
    ----------
    shares : csr_array of shape (n_cells, n_genes)
        Of `compositions`.
    code : int array of shape (n_cells,)
        Group of each cell.
    mean : {"arithmetic", "geometric"}
        Of CPM, or exp(mean of ln(1 + CPM)) - 1, which shrinks genes with many zeros.
    """
    values = shares * CPM
    if mean == "geometric":
        values = sparse.csr_array((np.log1p(values.data), values.indices, values.indptr))
        values.resize(shares.shape)
    size = np.bincount(code, minlength=n_groups).astype(float)
    ones = np.ones(len(code))
    indicator = sparse.csr_array((ones, (code, np.arange(len(code)))), (n_groups, len(code)))
    found = (indicator @ values).toarray() / size[:, None]
    return np.expm1(found) if mean == "geometric" else found


def log2_fold_changes(means, control, *, pseudocount: float = 1e-9) -> np.ndarray:
    """log2((mean + pseudocount) / (control + pseudocount)), of means in one unit."""
    return np.log2((np.asarray(means) + pseudocount) / (np.asarray(control) + pseudocount))


def differential_expression(
    counts,
    labels,
    control_counts,
    genes,
    *,
    mean: Literal["arithmetic", "geometric"] = "arithmetic",
    pseudocount: float = 1e-9,
    continuity: bool = False,
    min_control_cpm: float = 5.0,
) -> DETable:
    """Each group of cells against the controls: Mann-Whitney of CPM, and log2 fold changes.

    Parameters
    ----------
    counts : array or sparse matrix of shape (n_cells, n_genes)
    labels : array of str, shape (n_cells,)
    control_counts : array or sparse matrix of shape (n_controls, n_genes)
    genes : sequence of str
    mean : {"arithmetic", "geometric"}
        Of CPM, for the fold change; see `group_means`.
    pseudocount : float
        CPM, added to both means.
    continuity : bool
        See `helpers.metrics.de.mann_whitney`.
    min_control_cpm : float
        Genes whose mean CPM in *controls* is above it are tested. Were perturbed cells asked too,
        that a gene is tested would tell the sign of its change.

    Returns
    -------
    DETable
        Perturbations sorted by name; one set of tested genes for all.

    Raises
    ------
    ValueError
        Cells without counts, labels that are missing or do not fit, no gene above the gate.

    References
    ----------
    cell-eval2 0.20.0, de_compute.py (arithmetic, 1e-9, gate of 5 CPM).
    """
    genes = np.asarray(genes).astype(str)
    for name, part in (("cells", counts), ("controls", control_counts)):
        if part.shape[1] != len(genes):
            raise ValueError(f"{part.shape[1]} genes of {name}, {len(genes)} names")
    code, names = label_codes(labels, counts.shape[0])
    shares, control = compositions(counts), compositions(control_counts, "controls")
    n_controls = control.shape[0]
    reference = group_means(control, np.zeros(n_controls, dtype=int), 1, mean="arithmetic")[0]
    kept = np.flatnonzero(reference > min_control_cpm)
    if not len(kept):
        raise ValueError(
            f"no gene has more than {min_control_cpm:g} CPM in controls (the highest has "
            f"{reference.max():.3g}); lower min_control_cpm"
        )
    pooled = sparse.vstack([shares[:, kept], control[:, kept]], format="csc")
    is_control = np.arange(pooled.shape[0]) >= len(code)
    found = mann_whitney(
        pooled,
        np.concatenate([code, np.full(n_controls, -1)]),
        is_control,
        continuity=continuity,
        bounded=False,
    )
    if mean == "geometric":
        reference = group_means(control, np.zeros(n_controls, dtype=int), 1, mean=mean)[0]
    change = log2_fold_changes(
        group_means(shares, code, len(names), mean=mean), reference, pseudocount=pseudocount
    )
    tested = np.zeros(change.shape, dtype=bool)
    tested[:, kept] = True
    p_value = np.full(change.shape, np.nan)
    p_value[:, kept] = found.p_value
    return DETable(
        np.asarray(names).astype(str),
        genes,
        tested,
        np.where(tested, change, np.nan),
        p_value,
        adjusted(p_value, tested),
    )
