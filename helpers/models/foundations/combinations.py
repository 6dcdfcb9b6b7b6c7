"""Effects of combinations from those of their members: additive, scaled, with an interaction."""

import numpy as np


def additive(first, second) -> np.ndarray:
    """a + b, of shape (n_combinations, n_genes): the model that assumes no interaction."""
    return np.asarray(first) + np.asarray(second)


class ScaledAdditive:
    """c (a + b), c by least squares on the combinations that were seen."""

    def fit(self, first, second, observed) -> "ScaledAdditive":
        """Arrays of shape (n_combinations, n_genes): effects of members and of combinations."""
        total = additive(first, second)
        self.scale_ = float((total * observed).sum() / (total * total).sum())
        return self

    def predict(self, first, second) -> np.ndarray:
        return self.scale_ * additive(first, second)


class ProgramInteraction:
    """a + b and, in each gene program, an interaction β x y (x + y) of its two moves x and y.

    It is the first term of saturation: tanh(u + v) = (x + y) / (1 + x y) with x = tanh u and
    y = tanh v, hence β = -1 / s² where no program moves further than s. Where nothing interacts
    β is 0, and the model is the additive one.

    Parameters
    ----------
    programs : ndarray of shape (n_genes, n_programs)
        Loadings, natural log scale: which genes go together is taken as known.
    """

    def __init__(self, programs):
        self.programs = programs

    def fit(self, first, second, observed) -> "ProgramInteraction":
        """Arrays of shape (n_combinations, n_genes): effects of members and of combinations."""
        self.to_programs_ = np.linalg.pinv(np.asarray(self.programs))
        term = self._term(first, second)
        rest = (observed - additive(first, second)) @ self.to_programs_.T
        self.interaction_ = float((term * rest).sum() / (term * term).sum())
        return self

    def predict(self, first, second) -> np.ndarray:
        moved = self.interaction_ * self._term(first, second)
        return additive(first, second) + moved @ np.asarray(self.programs).T

    def _term(self, first, second) -> np.ndarray:
        x, y = (np.asarray(e) @ self.to_programs_.T for e in (first, second))
        return x * y * (x + y)
