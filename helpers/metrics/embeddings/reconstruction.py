"""Reconstruction: what of expression can be read back from an embedding?"""

import numpy as np
import pandas as pd

from helpers.metrics.arrays import finite_matrix, tolerance, varies


def gene_correlations(predicted, observed, *, method: str = "spearman") -> np.ndarray:
    """Correlation over cells of predicted and observed expression, gene by gene.

    Parameters
    ----------
    predicted, observed : ndarray of shape (n_cells, n_genes)
    method : {"spearman", "pearson"}
        Ranks share their mean where values tie.

    Returns
    -------
    ndarray of shape (n_genes,), in [-1, 1]
        0 expected of predictions that know nothing; NaN for genes that are constant in either.

    Raises
    ------
    ValueError
        Shapes that differ, fewer than two cells, values that are not finite, or another method.
    """
    predicted, observed = _pair(predicted, observed)
    if len(predicted) < 2:
        raise ValueError(f"{len(predicted)} cells: a correlation needs at least 2")
    varying = varies(predicted) & varies(observed)
    if method == "spearman":
        predicted, observed = _ranks(predicted), _ranks(observed)
    elif method != "pearson":
        raise ValueError(f"method is {method!r}; spearman or pearson")
    x, y = predicted - predicted.mean(axis=0), observed - observed.mean(axis=0)
    product, spread = (x * y).sum(axis=0), np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    found = np.full(predicted.shape[1], np.nan)
    np.divide(product, spread, out=found, where=varying & (spread > 0))
    return found.clip(-1, 1)


def structural_integrity(
    predicted, observed, batches, is_control, *, form: str = "revised"
) -> pd.DataFrame:
    """Structural Integrity: is the change from control predicted, in size and direction?

    In each batch the mean predicted control is taken from predictions, and the mean observed one
    from observations. With D the Frobenius norm of the difference and M that of the centred
    observation, the score is 1 - D / 2M: 1 is perfect, 1/2 what *no change at all* gets, exactly,
    and 0 the change turned round; below 0 it can fall.

    *published* scores all rows, controls too; leaves batches without controls uncentred; divides D
    and M of a batch by its number of rows; and takes the ratio of means over batches. *revised*
    scores perturbed rows of batches with controls, divides by the root of their number, which
    takes the size of the batch out of a norm, and leaves the mean of the batches' ratios to whoever
    asks.

    Parameters
    ----------
    predicted, observed : ndarray of shape (n_cells, n_genes)
        On one scale, e.g. log1p of counts per ten thousand.
    batches : array of shape (n_cells,)
    is_control : bool array of shape (n_cells,)
    form : {"revised", "published"}

    Returns
    -------
    DataFrame indexed by batch, sorted
        `distance` (D) and `norm` (M), divided as said; `structural_integrity`, 1 - D / 2M of the
        batch, NaN where it is not scored; `n_rows` that are scored, `n_controls`.

    Raises
    ------
    ValueError
        Input that does not fit, is not finite, or another form.

    References
    ----------
    Bendidi et al. 2024, section 3.6 and appendix B.3; Tx-Evaluation commit 1f24de0,
    utils/metrics.py:121-194.
    """
    predicted, observed = _pair(predicted, observed)
    batch, names = _checked_batches(batches, is_control, len(predicted))
    is_control = np.asarray(is_control)
    if form not in ("published", "revised"):
        raise ValueError(f"form is {form!r}; revised or published")
    rows = []
    for b in range(len(names)):
        inside = batch == b
        controls = inside & is_control
        scored = inside if form == "published" else inside & ~is_control
        guess, truth = _changes(predicted, observed, controls, scored)
        size = len(truth) if form == "published" else np.sqrt(len(truth))
        answerable = len(truth) and (form == "published" or controls.any())
        distance = np.linalg.norm(guess - truth) / size if answerable else np.nan
        norm = np.linalg.norm(truth) / size if answerable else np.nan
        changed = norm > tolerance(observed) * np.linalg.norm(observed[scored]) / size
        ratio = distance / (2 * norm) if answerable and changed else np.nan
        rows.append((distance, norm, 1 - ratio, len(truth), int(controls.sum())))
    columns = ["distance", "norm", "structural_integrity", "n_rows", "n_controls"]
    return pd.DataFrame(rows, index=pd.Index(names, name="batch"), columns=columns)


def overall_integrity(table: pd.DataFrame, *, form: str = "revised") -> float:
    """One number of `structural_integrity`: mean of ratios (*revised*), or ratio of means.

    NaN where no batch is scored.
    """
    if form == "revised":
        return float(table["structural_integrity"].mean())
    norm = table["norm"].mean()
    return float(1 - table["distance"].mean() / (2 * norm)) if norm > 0 else float("nan")


def profile_integrity(predicted, observed, batches, is_control, labels) -> pd.DataFrame:
    """Structural Integrity of the mean change of each perturbation: 1 - |p - a| / (2 |a|).

    The changes p and a are means over the perturbation's cells of predicted and observed expression
    less the mean control of the cell's batch. The noise of single cells, which nobody can predict,
    counts for less in a mean.

    Parameters
    ----------
    predicted, observed, batches, is_control
        See `structural_integrity`.
    labels : array of shape (n_cells,)
        Perturbation of each cell.

    Returns
    -------
    DataFrame indexed by perturbation, sorted
        `profile_integrity`, 1 for a perfect prediction, 1/2 for no change at all, 0 for the change
        turned round, NaN where no cell is in a batch with controls or nothing changed; `n_cells`
        that are scored, `n_unscored`, cells of batches without controls.

    Raises
    ------
    ValueError
        Input that does not fit or is not finite.
    """
    predicted, observed = _pair(predicted, observed)
    batch, names = _checked_batches(batches, is_control, len(predicted))
    is_control = np.asarray(is_control)
    labels = np.asarray(labels, dtype=object)
    if labels.shape != is_control.shape or pd.isna(labels).any():
        raise ValueError(f"{len(labels)} labels for {len(predicted)} rows, or some are missing")
    code, perturbations = pd.factorize(labels[~is_control], sort=True)
    sums = np.zeros((2, len(perturbations), predicted.shape[1]))
    n_scored = np.zeros(len(perturbations), dtype=int)
    of_label = np.full(len(predicted), -1)
    of_label[~is_control] = code
    for b in range(len(names)):
        controls, scored = (batch == b) & is_control, (batch == b) & ~is_control
        if controls.any() and scored.any():
            for k, changes in enumerate(_changes(predicted, observed, controls, scored)):
                np.add.at(sums[k], of_label[scored], changes)
            n_scored += np.bincount(of_label[scored], minlength=len(perturbations))
    difference = np.linalg.norm(sums[0] - sums[1], axis=1)
    size = 2 * np.linalg.norm(sums[1], axis=1)
    largest = np.abs(observed).max(initial=0) * np.sqrt(observed.shape[1]) * n_scored
    value = np.full(len(perturbations), np.nan)
    np.divide(difference, size, out=value, where=size > tolerance(observed) * largest)
    n_cells = np.bincount(code, minlength=len(perturbations))
    return pd.DataFrame(
        {"profile_integrity": 1 - value, "n_cells": n_scored, "n_unscored": n_cells - n_scored},
        index=pd.Index(perturbations, name="perturbation"),
    )


def _changes(predicted, observed, controls, scored) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and observed change from the batch's own controls, if there are any."""
    guess, truth = predicted[scored], observed[scored]
    if controls.any():
        guess = guess - predicted[controls].mean(axis=0)
        truth = truth - observed[controls].mean(axis=0)
    return guess, truth


def _checked_batches(batches, is_control, n: int) -> tuple[np.ndarray, np.ndarray]:
    batch, names = pd.factorize(np.asarray(batches), sort=True)
    is_control = np.asarray(is_control)
    if batch.shape != (n,) or is_control.shape != batch.shape:
        raise ValueError(
            f"batches {batch.shape} and is_control {is_control.shape} do not fit {n} rows"
        )
    if is_control.dtype != bool or (batch < 0).any():
        raise ValueError("is_control must be boolean, and every row needs a batch")
    return batch, names


def _ranks(values) -> np.ndarray:
    """Ranks down the columns, from 0; ties share their mean."""
    columns = np.ascontiguousarray(values.T)
    order = np.argsort(columns, axis=1, kind="stable")
    ordered = np.take_along_axis(columns, order, axis=1)
    first = np.ones(ordered.shape, dtype=bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    # Runs of equal values, over all columns as one: each takes the mean of its positions.
    start = np.flatnonzero(first)
    length = np.diff(np.append(start, first.size))
    mean = start % ordered.shape[1] + (length - 1) / 2
    ranks = np.empty(ordered.shape)
    np.put_along_axis(ranks, order, np.repeat(mean, length).reshape(ordered.shape), axis=1)
    return ranks.T


def _pair(predicted, observed) -> tuple[np.ndarray, np.ndarray]:
    predicted = finite_matrix(predicted, "predicted").astype(float, copy=False)
    observed = finite_matrix(observed, "observed").astype(float, copy=False)
    if predicted.shape != observed.shape:
        raise ValueError(
            f"predicted has shape {predicted.shape}, observed {observed.shape}; pass the same "
            "cells x genes in both"
        )
    return predicted, observed
