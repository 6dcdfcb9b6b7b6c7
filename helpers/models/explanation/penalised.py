"""Logistic regression with an L1 or L2 penalty (scikit-learn), as most people fit it.

The result has the form of the fits in `helpers.models.explanation.classifiers`, so that what
explains those explains these.
"""

from __future__ import annotations

import warnings

import numpy as np

from helpers.data.contract import DataError
from helpers.models.explanation.classifiers import standardisation, standardise
from helpers.store.steps import step


def penalised_logistic_regression(x, y, *, l1_ratio: float, strength: float, seed: int) -> dict:
    """Fit softmax regression on standardised genes.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_genes)
        On any scale; standardised here, constant genes are 0.
    y : array of str of shape (n_samples,)
    l1_ratio : {0.0, 1.0}
        L2 or L1 penalty.
    strength : float
        Inverse of the penalty, scikit-learn's C, > 0.
    seed : int

    Returns
    -------
    dict of arrays
        `weights` (n_genes, n_classes), `bias` (n_classes,), `mean` and `sd` (n_genes,), `classes`
        (n_classes,), `train_accuracy` (a scalar). Of two classes the one weight is shared out as
        -w/2 and w/2, which is the same probability.

    Raises
    ------
    DataError
        The solver did not converge; lower the strength.
    ValueError
        Arguments out of range.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if l1_ratio not in (0.0, 1.0) or not strength > 0:
        raise ValueError(f"l1_ratio is {l1_ratio} and strength {strength}; 0 or 1, and above 0")
    mean, sd = standardisation(x)
    z = standardise(x, mean, sd)
    # lbfgs and liblinear reach the optimum in a fraction of the time of saga.
    solver = "liblinear" if l1_ratio and len(np.unique(y)) == 2 else "saga" if l1_ratio else "lbfgs"
    model = LogisticRegression(
        C=strength, l1_ratio=l1_ratio, solver=solver, max_iter=2000, tol=1e-3, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(z, y)
        except ConvergenceWarning as warning:
            raise DataError(
                f"logistic regression with C = {strength:g} did not converge in 2,000 iterations: "
                "lower the strength"
            ) from warning
    weights, bias = model.coef_.T, model.intercept_
    if weights.shape[1] == 1:
        weights, bias = np.hstack([-weights, weights]) / 2, np.array([-bias[0], bias[0]]) / 2
    return {
        "weights": weights.astype(np.float32),
        "bias": bias.astype(np.float32),
        "mean": mean,
        "sd": sd,
        "classes": np.asarray(model.classes_, dtype=str),
        "train_accuracy": np.array(model.score(z, y)),
    }


@step
def fit_l1(data, *, seed: int, strength: float = 1.0) -> dict[str, np.ndarray]:
    """Logistic regression with an L1 penalty on the training samples; few genes have a weight."""
    return _fitted(data, l1_ratio=1.0, strength=strength, seed=seed)


@step
def fit_l2(data, *, seed: int, strength: float = 0.1) -> dict[str, np.ndarray]:
    """Logistic regression with an L2 penalty on the training samples; the seed changes nothing."""
    return _fitted(data, l1_ratio=0.0, strength=strength, seed=seed)


def _fitted(data, **arguments) -> dict[str, np.ndarray]:
    train = (data.obs["split"] == "train").to_numpy()
    labels = data.obs["class"].astype(str).to_numpy().astype(str)
    return penalised_logistic_regression(data.X[train], labels[train], **arguments)
