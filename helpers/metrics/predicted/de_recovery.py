"""Are the genes found that a perturbation changes, and in the right direction?

Rows are perturbations, columns are genes. What a table of tests says is given as arrays: which
genes are significant, and the change of each.
"""

import numpy as np


def overlap(
    observed_change,
    observed_significant,
    predicted_change,
    predicted_significant,
    *,
    k: int | None = None,
    precision: bool = False,
) -> np.ndarray:
    """Share of the strongest significant genes that both lists have.

    Parameters
    ----------
    observed_change, predicted_change : ndarray of shape (n_perturbations, n_genes)
        Log fold changes. Significant genes are ordered by size, of equal ones the first is first.
    observed_significant, predicted_significant : bool ndarray of the same shape
    k : int, optional
        Length of the lists; all that were observed as significant (N), or predicted so for
        `precision`, where it is not given. Never longer than these.
    precision : bool
        Cut both lists at what was predicted, not at what was observed.

    Returns
    -------
    ndarray of shape (n_perturbations,), in [0, 1]; higher is better
        NaN where the lists have no length: nothing significant was observed (or predicted, for
        `precision`).

    References
    ----------
    Arc Institute, cell-eval 0.8.2: overlap_at_k, overlap_at_N, precision_at_k, precision_at_N.
    """
    change = [np.asarray(c, dtype=float) for c in (observed_change, predicted_change)]
    significant = [np.asarray(s) for s in (observed_significant, predicted_significant)]
    _same_shape(*change, *significant)
    if k is not None and k < 1:
        raise ValueError(f"k is {k}; at least 1")
    places = [_places(c, s) for c, s in zip(change, significant, strict=True)]
    length = significant[1 if precision else 0].sum(axis=1)
    length = length if k is None else np.minimum(length, k)
    inside = [p < length[:, None] for p in places]
    both = (inside[0] & inside[1]).sum(axis=1)
    return np.divide(both, length, out=np.full(len(both), np.nan), where=length > 0)


def _places(change: np.ndarray, significant: np.ndarray) -> np.ndarray:
    """Place of each gene in its list, from 0; without significance, the number of genes."""
    order = np.argsort(np.where(significant, -np.abs(change), np.inf), axis=1, kind="stable")
    places = np.empty(change.shape, dtype=int)
    np.put_along_axis(places, order, np.arange(change.shape[1])[None], axis=1)
    return np.where(significant, places, change.shape[1])


def direction_match(observed_change, observed_significant, predicted_change) -> np.ndarray:
    """Share of the significant genes whose change is predicted in its direction.

    Parameters
    ----------
    observed_change, predicted_change : ndarray of shape (n_perturbations, n_genes)
    observed_significant : bool ndarray of the same shape

    Returns
    -------
    ndarray of shape (n_perturbations,), in [0, 1]; higher is better, 1/2 by chance
        A change of exactly 0 counts half; NaN where nothing is significant. cell-eval counts it as
        wrong, and leaves out genes that the prediction does not have.
    """
    observed, predicted = np.asarray(observed_change, float), np.asarray(predicted_change, float)
    significant = np.asarray(observed_significant)
    _same_shape(observed, predicted, significant)
    agree = (1 + np.sign(observed) * np.sign(predicted)) / 2
    n = significant.sum(axis=1)
    found = np.where(significant, agree, 0).sum(axis=1)
    return np.divide(found, n, out=np.full(len(n), np.nan), where=n > 0)


def auroc(label, score) -> np.ndarray:
    """Probability that a gene which changes has a higher score than one which does not.

    Parameters
    ----------
    label : bool ndarray of shape (n_perturbations, n_genes)
        What changes.
    score : ndarray of the same shape
        Say -log10 of a p-value, or the size of a predicted change.

    Returns
    -------
    ndarray of shape (n_perturbations,), in [0, 1]; higher is better, 1/2 by chance
        Ties count half: 1/2 for a constant score. NaN where all genes have one label.
    """
    from scipy.stats import rankdata

    label, score = np.atleast_2d(np.asarray(label)), np.atleast_2d(np.asarray(score, dtype=float))
    _same_shape(label, score)
    _finite(score)
    n_yes = label.sum(axis=1)
    pairs = n_yes * (label.shape[1] - n_yes)
    ranks = np.where(label, rankdata(score, axis=1), 0).sum(axis=1)
    above = ranks - n_yes * (n_yes + 1) / 2
    return np.divide(above, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def average_precision(label, score) -> np.ndarray:
    """Mean precision at each gene that changes, by score from the highest on.

    Parameters
    ----------
    label, score
        As in `auroc`.

    Returns
    -------
    ndarray of shape (n_perturbations,), in [0, 1]; higher is better
        By chance the share of genes that change, which is also the value of a constant score:
        genes of one score are called together. NaN where no gene changes.
    """
    label, score = np.atleast_2d(np.asarray(label)), np.atleast_2d(np.asarray(score, dtype=float))
    _same_shape(label, score)
    _finite(score)
    order = np.argsort(-score, axis=1, kind="stable")
    sorted_label = np.take_along_axis(label, order, axis=1)
    sorted_score = np.take_along_axis(score, order, axis=1)
    hits = np.cumsum(sorted_label, axis=1)
    n = np.arange(1, score.shape[1] + 1)
    last = np.ones(score.shape, dtype=bool)  # of its group of equal scores
    last[:, :-1] = sorted_score[:, 1:] < sorted_score[:, :-1]
    # each gene is called with its group: take hits and calls from the group's last place
    place = np.where(last, np.arange(score.shape[1]), score.shape[1])
    place = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
    precision = np.take_along_axis(hits, place, axis=1) / n[place]
    total = hits[:, -1]
    summed = np.where(sorted_label, precision, 0).sum(axis=1)
    return np.divide(summed, total, out=np.full(len(total), np.nan), where=total > 0)


def _same_shape(*arrays: np.ndarray) -> None:
    shapes = [a.shape for a in arrays]
    if len(set(shapes)) > 1 or arrays[0].ndim != 2:
        raise ValueError(f"shapes {shapes}; all are (n_perturbations, n_genes)")


def _finite(score: np.ndarray) -> None:
    if not np.isfinite(score).all():
        raise ValueError(f"{(~np.isfinite(score)).sum()} scores are NaN or infinite")
