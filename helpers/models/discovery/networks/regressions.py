"""Networks by regressing each gene on others: boosted trees, or lasso in order of variance."""

import numpy as np


def grnboost_like(
    values, target, *, seed: int = 0, n_trees: int = 100, n_cells: int = 1_000
) -> np.ndarray:
    """Importance of A among the predictors of B, after GRNBoost2.

    Parameters
    ----------
    values : array of shape (n_cells, n_genes)
    target : int array of shape (n_cells,)
        Not used: perturbed cells are cells like others, as in the released method.
    seed : int
    n_trees : int
        Trees a gene. GRNBoost2 takes up to 5,000 of rate 0.01 and stops where ten in a row do not
        help; here the rate is 0.1.
    n_cells : int
        At most so many cells, drawn at random.

    Returns
    -------
    ndarray of shape (n_genes, n_genes), in [0, 1]; columns sum to 1, NaN on the diagonal.

    References
    ----------
    Moerman et al. 2019, Bioinformatics 35.
    """
    from sklearn.ensemble import GradientBoostingRegressor

    values = np.asarray(values, dtype=np.float32)
    rng = np.random.default_rng(seed)
    values = values[rng.permutation(len(values))[:n_cells]]
    n = values.shape[1]
    found = np.full((n, n), np.nan)
    for gene in range(n):
        others = np.delete(np.arange(n), gene)
        model = GradientBoostingRegressor(
            learning_rate=0.1,
            n_estimators=n_trees,
            max_features=min(1.0, max(0.1, 3 / (n - 1))),
            subsample=0.9,
            random_state=seed,
        )
        model.fit(values[:, others], values[:, gene])
        found[others, gene] = model.feature_importances_
    return found


def sortnregress(values, target, *, seed: int = 0) -> np.ndarray:
    """Lasso of each gene on those of smaller variance, in controls.

    Variances grow along a network where nothing standardises them, so that their order alone finds
    it: a baseline that says how much a simulation gives away.

    Returns
    -------
    ndarray of shape (n_genes, n_genes)
        Absolute coefficients of standardised genes, 0 against the order; NaN on the diagonal.

    References
    ----------
    Reisach, Seiler & Weichwald 2021, NeurIPS 34.
    """
    from sklearn.linear_model import LassoLarsIC, LinearRegression

    values = np.asarray(values, dtype=float)[np.asarray(target) == -1]
    deviation = values.std(axis=0)
    order, n = np.argsort(deviation, kind="stable"), values.shape[1]
    x = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    found = np.zeros((n, n))
    for place in range(1, n):
        before, gene = order[:place], order[place]
        weight = np.abs(LinearRegression().fit(x[:, before], x[:, gene]).coef_)
        lasso = LassoLarsIC(criterion="bic").fit(x[:, before] * weight, x[:, gene])
        found[before, gene] = np.abs(lasso.coef_ * weight)
    np.fill_diagonal(found, np.nan)
    return found


def correlation(values, target, *, seed: int = 0) -> np.ndarray:
    """|Pearson| of A and B in controls: it knows no direction. NaN on the diagonal."""
    values = np.asarray(values, dtype=float)[np.asarray(target) == -1]
    x = values - values.mean(axis=0)
    size = np.sqrt((x**2).sum(axis=0))
    x = x / np.where(size > 0, size, 1)
    found = np.abs(x.T @ x)
    np.fill_diagonal(found, np.nan)
    return found
