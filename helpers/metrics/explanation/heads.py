"""The part of a classifier that follows its first affine map: from few hidden numbers to classes.

A gene acts on the prediction through z = x W + b only, with H hidden units (the classes of a
logistic regression, the hidden units of an MLP). Whoever changes genes need not run the model: the
change of z is enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Head:
    """Affine map to z, then a softmax, of z itself or of relu(z) U + c.

    Parameters
    ----------
    weights, bias : ndarray of shape (n_genes, n_units), (n_units,)
    out_weights, out_bias : ndarray of shape (n_units, n_classes), (n_classes,), optional

    Raises
    ------
    ValueError
        Shapes that do not fit each other, or values that are not finite.
    """

    weights: np.ndarray
    bias: np.ndarray
    out_weights: np.ndarray | None = None
    out_bias: np.ndarray | None = None

    def __post_init__(self) -> None:
        given = [v for v in vars(self).values() if v is not None]
        if self.weights.ndim != 2 or self.bias.shape != self.weights.shape[1:]:
            raise ValueError(
                f"weights {self.weights.shape} and bias {self.bias.shape} are not (n_genes, "
                "n_units) and (n_units,)"
            )
        if (self.out_weights is None) != (self.out_bias is None):
            raise ValueError("out_weights and out_bias come together, or not at all")
        if self.out_weights is not None and (
            self.out_weights.shape != (len(self.bias), len(self.out_bias))
        ):
            raise ValueError(
                f"out_weights {self.out_weights.shape} and out_bias {self.out_bias.shape} do not "
                f"follow {len(self.bias)} hidden units"
            )
        if not all(np.isfinite(v).all() for v in given):
            raise ValueError("the model has weights that are NaN or infinite: it did not converge")

    @classmethod
    def of(cls, fit: Mapping[str, np.ndarray]) -> "Head":
        """Head of a fitted classifier's arrays."""
        return cls(fit["weights"], fit["bias"], fit.get("out_weights"), fit.get("out_bias"))

    @property
    def n_classes(self) -> int:
        return len(self.bias if self.out_bias is None else self.out_bias)

    def hidden(self, Z) -> np.ndarray:
        """z of profiles (n, n_genes), float64, shape (n, n_units)."""
        return (Z @ self.weights).astype(float) + self.bias

    def probabilities(self, z) -> np.ndarray:
        """Class probabilities, shape (n, n_classes)."""
        logits = z if self.out_weights is None else np.maximum(z, 0) @ self.out_weights
        logits = logits if self.out_bias is None else logits + self.out_bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def probability(self, z, targets) -> np.ndarray:
        """Probability of each sample's own class, shape (n,)."""
        return self.probabilities(z)[np.arange(len(z)), targets]

    def gradient(self, z, targets) -> np.ndarray:
        """Gradient of `probability` by z, shape (n, n_units).

        Exact to the last digits also where the model is sure: 1 - p is the sum of the other
        classes' probabilities, which are smaller than what 1 less a number near 1 could tell.
        """
        p = self.probabilities(z)
        rows = np.arange(len(z))
        by_logits = -p
        by_logits[rows, targets] = 0
        by_logits[rows, targets] = -by_logits.sum(axis=1)
        by_logits *= p[rows, targets][:, None]
        if self.out_weights is None:
            return by_logits
        return (by_logits @ self.out_weights.T) * (z > 0)
