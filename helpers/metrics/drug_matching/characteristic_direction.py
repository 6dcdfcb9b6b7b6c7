"""Characteristic Direction: the normal of the plane that separates two groups of samples."""

import numpy as np


def characteristic_direction(
    first, second, *, shrinkage: float = 0.5, within: bool = True, least_variance: float = 0.001
) -> np.ndarray:
    """Direction from the first group to the second, of unit length.

    Samples are standardised over their genes and reduced to principal components; there the
    difference of means is divided by a covariance that is shrunk towards a multiple of the
    identity.

    Parameters
    ----------
    first, second : arrays of shape (n_samples, n_genes)
        Controls and cases, for instance, on a logarithmic scale.
    shrinkage : float in [0, 1]
        gamma: weight of the covariance against the identity. 1 means *no* shrinkage, 0 the
        difference of means. L1000 pipelines take 0.5.
    within : bool
        Covariance around the mean of each group; the published code takes it around the mean of
        all samples, which changes the scale of the identity only.
    least_variance : float
        Components with a smaller share of variance are left out.

    Returns
    -------
    ndarray of shape (n_genes,)

    Raises
    ------
    ValueError
        Fewer than two samples in a group (there is no covariance: use the cosine, and call it so),
        values that are not finite, a sample without variation, or a covariance without inverse.

    References
    ----------
    Clark et al. 2014, BMC Bioinformatics 15; wangz10/geode d59a7c0.
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"groups of shapes {first.shape} and {second.shape}: samples x genes")
    n1, n2 = len(first), len(second)
    if min(n1, n2) < 2:
        raise ValueError(
            f"{n1} and {n2} samples: a group of one has no covariance, so that there is no "
            "characteristic direction; take the cosine of the contrast, and call it so"
        )
    if not 0 <= shrinkage <= 1:
        raise ValueError(f"shrinkage is {shrinkage}; in [0, 1]")
    samples = np.concatenate([first, second])
    spread = samples.std(axis=1, keepdims=True)
    if not np.isfinite(samples).all() or (spread == 0).any():
        raise ValueError("samples hold values that are not finite, or the same value in all genes")
    samples = (samples - samples.mean(axis=1, keepdims=True)) / spread
    centred = samples - samples.mean(axis=0)
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    kept = values**2 > least_variance * (values**2).sum()
    scores, loadings = left[:, kept] * values[kept], right[kept]
    means = [scores[:n1].mean(axis=0), scores[n1:].mean(axis=0)]
    inner = scores - np.repeat(means, [n1, n2], axis=0) if within else scores
    covariance = inner.T @ inner / (n1 + n2 - 2)
    identity = np.diag(np.full(len(covariance), np.trace(covariance) / len(covariance)))
    shrunk = shrinkage * covariance + (1 - shrinkage) * identity
    if np.linalg.cond(shrunk) > 1e12:
        raise ValueError(
            "the covariance within groups has no inverse: pass shrinkage below 1, or within=False"
        )
    direction = np.linalg.solve(shrunk, means[1] - means[0]) @ loadings
    return direction / np.linalg.norm(direction)
