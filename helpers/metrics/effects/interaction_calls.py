"""How well a prediction's deviations from additivity find the interactions that were observed."""

from typing import Literal

import numpy as np

from helpers.metrics.predicted.de_recovery import auroc


def discovery_curve(truth, score) -> tuple[np.ndarray, np.ndarray]:
    """Share of interactions found against share of false ones, as more and more are called.

    Parameters
    ----------
    truth : bool array of shape (n_pairs,)
        What is an interaction; at least one.
    score : array of shape (n_pairs,)
        Size of the predicted deviation; what has one score is called together.

    Returns
    -------
    fdp, tpr : ndarray of shape (n_scores,), in [0, 1]
        False discovery proportion and true positive rate, from the fewest calls on.

    Raises
    ------
    ValueError
        Shapes that do not fit, scores that are not finite, or no interaction.
    """
    truth, score = np.asarray(truth, dtype=bool), np.asarray(score, dtype=float)
    if truth.shape != score.shape or truth.ndim != 1 or not np.isfinite(score).all():
        raise ValueError(
            f"{truth.shape} truths, {score.shape} scores, {(~np.isfinite(score)).sum()} of them "
            "not finite; give one finite score for each pair of a double and a gene"
        )
    if not truth.any():
        raise ValueError(f"none of {len(truth)} pairs is an interaction: nothing can be found")
    order = np.argsort(-score, kind="stable")
    found = np.cumsum(truth[order])
    last = np.append(np.flatnonzero(np.diff(score[order]) < 0), len(score) - 1)
    calls = last + 1
    return (calls - found[last]) / calls, found[last] / truth.sum()


def tpr_at_fdp(truth, score, grid, *, ties: Literal["best", "mean"] = "best") -> np.ndarray:
    """Share of interactions found at false discovery proportions, of shape (n_points,).

    The curve made monotone (the best so far) and interpolated, 0 left of it and 1 right of it. Of
    points with one proportion (the first calls, all true) the best counts, or as published their
    mean, as R's `approx` takes it.

    References
    ----------
    Ahlmann-Eltze et al. 2025, figure 1d; released code f5b6679, :716-742.
    """
    fdp, tpr = discovery_curve(truth, score)
    order = np.lexsort((tpr, fdp))
    fdp, best = fdp[order], np.maximum.accumulate(tpr[order])
    if ties not in ("best", "mean"):
        raise ValueError(f"ties is {ties!r}; best or mean")
    last = np.append(np.flatnonzero(np.diff(fdp) > 0), len(fdp) - 1)
    at = best[last]
    if ties == "mean":
        first = np.append(0, last[:-1] + 1)
        at = np.add.reduceat(best, first) / (last - first + 1)
    return np.interp(grid, fdp[last], at, left=0, right=1)


def legacy_auprc(truth, score) -> float:
    """Area under precision and recall after sorting by precision, as the released code has it.

    Not the average precision (`average_precision` of `helpers.metrics.predicted.de_recovery`):
    points change places, and the area is that of another curve.

    References
    ----------
    Released code f5b6679, double_perturbation_analysis.Rmd:831-851.
    """
    fdp, recall = discovery_curve(truth, score)
    precision = 1 - fdp
    order = np.lexsort((-recall, precision))
    precision, recall = precision[order], recall[order]
    middle = (precision[1:] + precision[:-1]) / 2
    return float(-(middle * np.diff(recall)).sum())


def magnitude_matched_auroc(truth, score, magnitude, *, n_strata: int = 20) -> float:
    """Probability that an interaction scores higher than a pair that adds, of the same magnitude.

    A large additive effect has large deviations of any kind. So predicting the controls, whose
    deviation is that effect, finds interactions without knowing of any. Here pairs are compared
    within strata of the additive change only.

    Parameters
    ----------
    truth : bool array of shape (n_pairs,)
    score, magnitude : array of shape (n_pairs,)
        Size of the predicted deviation, and of the additive change.
    n_strata : int, at least 1
        Of equal numbers of pairs; of equal magnitudes the first is first.

    Returns
    -------
    float in [0, 1]
        Higher is better, 1/2 by chance. Mean over strata, weighted by their interactions; NaN
        where no stratum has both kinds.
    """
    truth, score = np.asarray(truth, dtype=bool), np.asarray(score, dtype=float)
    magnitude = np.asarray(magnitude, dtype=float)
    if not truth.shape == score.shape == magnitude.shape or truth.ndim != 1 or n_strata < 1:
        raise ValueError(
            f"truth {truth.shape}, score {score.shape}, magnitude {magnitude.shape} in {n_strata} "
            "strata; give one of each for each pair, and a stratum at least"
        )
    parts = np.array_split(np.argsort(magnitude, kind="stable"), n_strata)
    values = np.array([auroc(truth[None, p], score[None, p])[0] for p in parts if len(p)])
    weights = np.array([truth[p].sum() for p in parts if len(p)])
    known = np.isfinite(values)
    return float(np.average(values[known], weights=weights[known])) if known.any() else np.nan
