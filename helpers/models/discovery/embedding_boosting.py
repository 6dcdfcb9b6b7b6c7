"""Gradient boosting on embeddings of genes: as it was released, and with two mistakes repaired.

Features of a value are its context (one-hot), principal components of an embedding of the perturbed
gene, and a fixed random vector of its readout. In the released code (perturblib 9e79ae3) the rows
of the embedding are bare names while symbols of the data carry a prefix, so that every perturbation
becomes the control unless a prefix is passed; and the reserved control takes the first number while
the embedding has no row for it, so that each gene gets its successor's vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from helpers.data.discovery.profiles import CONTROL, Profiles
from helpers.data.errors import DataError

LOOK_UPS = ("repaired", "one row off", "without prefix")
_READOUT_SEED, _READOUT_DIMS, _COMPONENTS = 13, 20, 20


def gene_vectors(
    embedding: pd.DataFrame, names: Sequence[str], *, prefix: str, look_up: str
) -> np.ndarray:
    """Vectors of perturbations, the mean over components of a combination.

    Parameters
    ----------
    embedding : DataFrame
        Indexed by bare names of genes.
    names : sequence of str
        Symbols of perturbations.
    prefix : str
        That symbols of the data carry, such as "CRISPRi_".
    look_up : {"repaired", "one row off", "without prefix"}

    Returns
    -------
    ndarray of shape (n_names, at most 20)
        Standardised principal components. "repaired": zero for controls and for genes that the
        embedding lacks.
    """
    if look_up not in LOOK_UPS:
        raise DataError(f"look_up is {look_up!r}; choose from {', '.join(LOOK_UPS)}")
    table = embedding.sort_index()
    values = table.to_numpy(float)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
    u, s, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    k = min(_COMPONENTS, len(s))
    scores = u[:, :k] * s[:k]
    zero = np.zeros(k)
    number = {(prefix + g): i for i, g in enumerate(table.index)}

    def vector(part: str) -> np.ndarray:
        if look_up == "repaired":
            return scores[number[part]] if part in number else zero
        # as released: Control is number 0, a gene one more than its row; there is no row for it
        code = number[part] + 1 if part in number and look_up != "without prefix" else 0
        return scores[min(code, len(scores) - 1)]

    return np.array([np.mean([vector(p) for p in name.split("+")], axis=0) for name in names])


@dataclass
class EmbeddingBoosting:
    """Boosted trees of scikit-learn in place of CatBoost.

    Parameters
    ----------
    embedding : DataFrame
        Indexed by bare names of genes.
    prefix : str
    look_up : str
        Of `LOOK_UPS`.
    max_iter : int
    random_state : int
    """

    embedding: pd.DataFrame
    prefix: str
    look_up: Literal["repaired", "one row off", "without prefix"] = "repaired"
    max_iter: int = 150
    random_state: int = 0

    def fit(self, profiles: Profiles) -> EmbeddingBoosting:
        """Fit the trees to all measured values."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        self.contexts_ = sorted(set(profiles.context.tolist()))
        self.readouts_ = sorted(profiles.readout.tolist())
        rng = np.random.RandomState(_READOUT_SEED)
        self.vectors_ = rng.uniform(-1, 1, (len(self.readouts_), _READOUT_DIMS))
        rows, columns = np.nonzero(profiles.mask)
        x = self._features(profiles.context, profiles.perturbation, profiles.readout)
        y = profiles.value[profiles.mask]  # row by row, as `nonzero` counts
        self.trees_ = HistGradientBoostingRegressor(
            max_iter=self.max_iter, learning_rate=0.2, random_state=self.random_state
        ).fit(x(rows, columns), y)
        return self

    def _features(self, context, perturbation, readout):
        contexts = np.array([[c == own for own in self.contexts_] for c in context], float)
        genes = gene_vectors(self.embedding, perturbation, prefix=self.prefix, look_up=self.look_up)
        absent = sorted(set(readout) - set(self.readouts_))
        if absent:
            raise DataError(f"readouts were never seen: {', '.join(map(str, absent[:3]))}")
        at = [self.readouts_.index(r) for r in readout]
        left, right = np.concatenate([contexts, genes], axis=1), self.vectors_[at]
        return lambda i, j: np.concatenate([left[i], right[j]], axis=1).astype(np.float32)

    def predict(self, context, perturbation, readout) -> np.ndarray:
        """Profiles, shape (n_profiles, n_readouts)."""
        x = self._features(context, perturbation, readout)
        n, m = len(perturbation), len(readout)
        rows, columns = np.repeat(np.arange(n), m), np.tile(np.arange(m), n)
        return self.trees_.predict(x(rows, columns)).reshape(n, m)


def bare(names: Sequence[str], prefix: str) -> list[str]:
    """Names without their prefix; controls stay.

    Raises
    ------
    DataError
        A name without the prefix.
    """
    wrong = [n for n in names if n != CONTROL and not n.startswith(prefix)]
    if wrong:
        raise DataError(f"{len(wrong)} symbols lack the prefix {prefix!r}: {', '.join(wrong[:3])}")
    return [n if n == CONTROL else n.removeprefix(prefix) for n in names]
