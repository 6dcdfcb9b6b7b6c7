"""Bilinear ridge regression: a drug's signature answers a disease's contrast through one matrix."""

import numpy as np


class BilinearRidge:
    """Score of a pair = drug' W disease, with W fitted to known pairs by ridge regression.

    Both sides are reduced to principal components of the training rows. The minimum of
    ||Y - A W B'||² + penalty ||W||² over W is exact, from the singular values of both sides.

    Parameters
    ----------
    n_components : int
        Of each side, at most.
    penalty : float, above 0
        Relative to the mean square of the products of singular values.
    centre : bool
        Take each drug's own rate of indications out of Y, so that W says nothing of popularity.

    Attributes
    ----------
    coef_ : ndarray of shape (n_drug_genes, n_disease_genes)
    intercept_ : float
    """

    def __init__(self, n_components: int = 60, penalty: float = 1.0, centre: bool = True):
        self.n_components = n_components
        self.penalty = penalty
        self.centre = centre

    def fit(self, drugs, diseases, treats):
        """Fit W.

        Parameters
        ----------
        drugs : array of shape (n_drugs, n_drug_genes)
        diseases : array of shape (n_diseases, n_disease_genes)
        treats : bool array of shape (n_drugs, n_diseases)

        Raises
        ------
        ValueError
            Shapes that do not fit, values that are not finite, or pairs of one class only.
        """
        drugs, diseases = np.asarray(drugs, float), np.asarray(diseases, float)
        Y = np.asarray(treats, float)
        if Y.shape != (len(drugs), len(diseases)):
            raise ValueError(f"pairs {Y.shape} of {len(drugs)} drugs and {len(diseases)} diseases")
        if not (np.isfinite(drugs).all() and np.isfinite(diseases).all()):
            raise ValueError("drugs or diseases hold values that are NaN or infinite")
        if Y.min() == Y.max():
            raise ValueError("all pairs are of one class: there is nothing to learn")
        left, s, right = self._reduced(drugs)
        above, t, below = self._reduced(diseases)
        if self.centre:
            Y = Y - Y.mean(axis=1, keepdims=True)
        Y = Y - Y.mean()
        product = np.outer(s, t)
        shrunk = product / (product**2 + self.penalty * np.mean(product**2))
        self.coef_ = right.T @ (shrunk * (left.T @ Y @ above)) @ below
        return self

    def _reduced(self, values):
        """The largest singular values and their vectors, from the smaller matrix of products."""
        wide = values.shape[0] < values.shape[1]
        square, vectors = np.linalg.eigh(values @ values.T if wide else values.T @ values)
        order = np.argsort(-square)[: self.n_components]
        order = order[square[order] > 1e-10 * square.max()]
        s, own = np.sqrt(square[order]), vectors[:, order]
        if wide:
            return own, s, (own.T @ values) / s[:, None]
        return values @ own / s, s, own.T

    def predict(self, drugs, diseases) -> np.ndarray:
        """Scores of all pairs, shape (n_drugs, n_diseases); higher for a likelier indication."""
        return np.asarray(drugs, float) @ self.coef_ @ np.asarray(diseases, float).T
