"""NOTEARS: a linear network without circles, found by continuous optimisation."""

import numpy as np

MOST_GENES = 100


def notears(
    values,
    target,
    *,
    seed: int = 0,
    penalty: float = 1e-3,
    n_outer: int = 20,
    tolerance: float = 1e-8,
    most_rho: float = 1e16,
    n_inner: int = 15_000,
) -> np.ndarray:
    """Absolute weights of the linear network that explains the controls.

    Minimises |X - X W|^2 / 2n + penalty |W|_1 under tr exp(W * W) = n_genes, which holds for
    networks without circles only, by augmented Lagrangians. Constants are those of CausalBench.

    Parameters
    ----------
    values : array of shape (n_cells, n_genes)
        At most `MOST_GENES` genes: each step takes the exponential of a matrix.
    target : int array of shape (n_cells,)
        Only controls are used.
    seed : int
        Not used.
    penalty : float
    n_outer : int
        Of the rounds that raise the multiplier.
    tolerance : float
        Of the constraint.
    most_rho : float
        Of its weight.
    n_inner : int
        Steps of a minimisation, at most.

    Returns
    -------
    ndarray of shape (n_genes, n_genes); NaN on the diagonal.

    Raises
    ------
    ValueError
        Too many genes.

    References
    ----------
    Zheng, Aragam, Ravikumar & Xing 2018, NeurIPS 31.
    """
    from scipy.optimize import minimize

    values = np.asarray(values, dtype=float)[np.asarray(target) == -1]
    n = values.shape[1]
    if n > MOST_GENES:
        raise ValueError(f"{n} genes: NOTEARS is run with at most {MOST_GENES}; choose some")
    covariance = np.cov(values, rowvar=False, bias=True)
    bounds = [(0, 0) if i == j else (0, None) for _ in range(2) for i in range(n) for j in range(n)]
    both, alpha, rho, before = np.zeros(2 * n * n), 0.0, 1.0, np.inf
    for _ in range(n_outer):
        while rho < most_rho:
            found = minimize(
                _objective,
                both,
                args=(covariance, penalty, alpha, rho),
                method="L-BFGS-B",
                jac=True,
                bounds=bounds,
                options={"maxiter": n_inner},
            ).x
            circles = _circles(_weights(found, n))[0]
            if circles <= 0.25 * before:
                break
            rho *= 10
        both, before = found, circles
        alpha += rho * circles
        if circles <= tolerance or rho >= most_rho:
            break
    weights = np.abs(_weights(both, n))
    np.fill_diagonal(weights, np.nan)
    return weights


def _weights(both: np.ndarray, n: int) -> np.ndarray:
    return (both[: n * n] - both[n * n :]).reshape(n, n)


def _circles(weights: np.ndarray) -> tuple[float, np.ndarray]:
    """tr exp(W * W) - n, 0 without circles, and its gradient."""
    from scipy.linalg import expm

    grown = expm(weights * weights)
    return float(np.trace(grown) - len(weights)), grown.T * weights * 2


def _objective(both, covariance, penalty, alpha, rho):
    n = len(covariance)
    weights = _weights(both, n)
    rest = np.eye(n) - weights
    loss = 0.5 * np.trace(rest.T @ covariance @ rest)
    circles, slope = _circles(weights)
    gradient = -covariance @ rest + (rho * circles + alpha) * slope
    value = loss + alpha * circles + 0.5 * rho * circles**2 + penalty * both.sum()
    return value, np.concatenate([gradient + penalty, penalty - gradient], axis=None)
