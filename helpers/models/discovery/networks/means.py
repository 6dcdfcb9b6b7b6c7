"""Networks from the mean of each arm alone, so that imputed arms can be used like measured ones."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ArmMeans:
    """Mean expression of controls and of each arm.

    Parameters
    ----------
    control : ndarray of shape (n_genes,)
    arms : ndarray of shape (n_genes, n_genes)
        Row of the perturbed gene; NaN where it was not perturbed.
    """

    control: np.ndarray
    arms: np.ndarray

    @property
    def changes(self) -> np.ndarray:
        """Arms less controls, (n_genes, n_genes)."""
        return self.arms - self.control


def arm_means(values, target) -> ArmMeans:
    """Means of the controls (target -1) and of the arms; cells below -1 are in neither."""
    values, target = np.asarray(values, dtype=float), np.asarray(target)
    n = values.shape[1]
    sums, own = np.zeros((n, n)), target >= 0
    np.add.at(sums, target[own], values[own])
    size = np.bincount(target[own], minlength=n)[:, None]
    with np.errstate(invalid="ignore"):
        arms = np.where(size > 0, sums / size, np.nan)
    return ArmMeans(values[target == -1].mean(axis=0), arms)


def filled(means: ArmMeans, predicted) -> ArmMeans:
    """Arms that were not measured, filled with what was predicted for them.

    Parameters
    ----------
    means : ArmMeans
    predicted : array of shape (n_genes, n_genes)
        Changes from controls, by any model or by another context; NaN is left as it is. Measured
        arms are kept.
    """
    open_ = np.isnan(means.arms)
    return ArmMeans(means.control, np.where(open_, means.control + predicted, means.arms))


def mean_difference(means: ArmMeans) -> np.ndarray:
    """Score of A -> B: the size of the change of B under a perturbation of A.

    Returns
    -------
    ndarray of shape (n_genes, n_genes), at least 0; NaN on the diagonal and in rows without an arm.

    References
    ----------
    Kowiel, Kotlowski & Brzezinski, in Chevalley et al. 2023, arXiv 2308.15395.
    """
    found = np.abs(means.changes)
    np.fill_diagonal(found, np.nan)
    return found
