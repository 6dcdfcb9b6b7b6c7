"""Cells of a screen, centred on the controls of their batch, in the order in which tests walk."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from helpers.metrics.arrays import finite_matrix, label_codes
from helpers.metrics.embeddings.postprocess import control_moments

POSTS = ("raw", "centered", "center_scaled")


@dataclass(frozen=True)
class CentredCells:
    """Cells less the controls of their batch; those of a label lie together, by batch.

    Parameters
    ----------
    points : float64 ndarray of shape (n_cells, n_dims)
        Less the mean of the controls of the batch, unless `post` is "raw"; not scaled.
    sd : ndarray of shape (n_batches, n_dims)
        What scales a batch; 1 where nothing does.
    label, batch : int ndarray of shape (n_cells,)
    names : Index
        Of labels, sorted.
    control : str
        One of them.
    replicate : int ndarray of shape (n_batches,)
    across : bool
        Pairs of different replicates count, or all pairs.
    n_cells : int ndarray of shape (n_labels,)
        Cells of each label, those of batches that were left out among them.
    post : str
    """

    points: np.ndarray
    sd: np.ndarray
    label: np.ndarray
    batch: np.ndarray
    names: pd.Index
    control: str
    replicate: np.ndarray
    across: bool
    n_cells: np.ndarray
    post: str

    def rows(self, name) -> slice:
        """Cells of a label."""
        code = self.names.get_loc(name)
        return slice(*np.searchsorted(self.label, (code, code + 1)))

    def n_of_batch(self, rows: slice) -> np.ndarray:
        """Number of some cells in each batch."""
        return np.bincount(self.batch[rows], minlength=len(self.replicate))

    def scaled(self, rows: slice) -> np.ndarray:
        """Some cells as they are scored."""
        return self.points[rows] / self.sd[self.batch[rows]]

    def n_ordered_pairs(self, n_of_batch: np.ndarray) -> int:
        """Pairs that count among so many cells of each batch, in both orders."""
        n = int(n_of_batch.sum())
        of_replicate = np.bincount(self.replicate, n_of_batch)
        return n * n - (int((of_replicate**2).sum()) if self.across else n)


def centred_cells(
    embedding,
    labels,
    batches,
    *,
    replicates=None,
    control="control",
    post="center_scaled",
    missing_controls="raise",
) -> CentredCells:
    """Centre, and scale, the cells of a screen on the controls of their batch, for a test.

    Parameters
    ----------
    embedding : ndarray of shape (n_cells, n_dims)
        Not yet centred.
    labels, batches : array of shape (n_cells,)
    replicates : array of shape (n_cells,), optional
        Count only pairs of cells of different replicates; a batch lies within one. Default: all
        pairs.
    control : str
        Label of the controls.
    post : {"center_scaled", "centered", "raw"}
        Subtract the mean of a batch's controls and divide by their standard deviation (ddof 0; 1
        where it is 0); subtract only; neither.
    missing_controls : {"raise", "drop"}
        What to do with a batch that has target cells and fewer than 2 controls: an error, or its
        cells are not used (`n_used` of the test tells).

    Raises
    ------
    ValueError
        Bad input, or too few controls in a batch (named).
    """
    _check_choice("post", post, POSTS)
    _check_choice("missing_controls", missing_controls, ("raise", "drop"))
    embedding = finite_matrix(embedding)
    label, names = label_codes(labels, len(embedding))
    batch, batch_names = label_codes(batches, len(embedding), "batches")
    if control not in names:
        raise ValueError(f"no cell is labelled {control!r}: there are no controls")
    is_control = label == names.get_loc(control)
    n_controls = np.bincount(batch[is_control], minlength=len(batch_names))
    usable = n_controls >= 2
    bare = np.unique(batch[~is_control & ~usable[batch]])
    if missing_controls == "raise" and bare.size:
        found = ", ".join(f"{batch_names[b]} ({n_controls[b]})" for b in bare)
        raise ValueError(
            f"batches with fewer than 2 {control} cells: {found}; leave these batches out, or pass "
            "missing_controls='drop' to test targets without them"
        )
    replicate = _replicate_of_batch(batch, batch_names, replicates)
    order = np.lexsort((batch, label))
    order = order[usable[batch[order]]]
    kept, in_kept = np.unique(batch[order], return_inverse=True)
    cells = CentredCells(
        embedding[order].astype(float),
        np.ones((len(kept), embedding.shape[1])),
        label[order],
        in_kept,
        names,
        control,
        replicate[kept],
        replicates is not None,
        np.bincount(label, minlength=len(names)),
        post,
    )
    return cells if post == "raw" else _centred(cells, is_control[order])


def _centred(cells: CentredCells, is_control) -> CentredCells:
    own = np.ones(len(cells.replicate))
    mean, sd = control_moments(cells.points, cells.batch, is_control, own)
    points = cells.points - mean[cells.batch]
    return replace(cells, points=points, sd=sd if cells.post == "center_scaled" else cells.sd)


def _check_choice(name: str, value, choices: tuple) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; choose from {', '.join(choices)}")


def _replicate_of_batch(batch, batch_names, replicates) -> np.ndarray:
    if replicates is None:
        return np.arange(len(batch_names))
    replicate, names = label_codes(replicates, len(batch), "replicates")
    pairs = np.unique(np.column_stack([batch, replicate]), axis=0)
    if len(pairs) > len(batch_names):
        torn = np.flatnonzero(np.bincount(pairs[:, 0]) > 1)[0]
        found = ", ".join(str(names[r]) for b, r in pairs if b == torn)
        raise ValueError(
            f"batch {batch_names[torn]} spans the replicates {found}; a batch lies within one, so "
            "that draws of controls match targets in both: pass finer batches"
        )
    return pairs[:, 1]
