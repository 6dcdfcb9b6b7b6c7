"""The bilinear linear model of Ahlmann-Eltze et al. 2025, and decoders of embeddings.

Both take embeddings as DataFrames. Where these come from is in `helpers.models.effects.sources`.
"""

from typing import Literal

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve

from helpers.data.contract import DataError
from helpers.models.effects.baselines import embedded
from helpers.models.effects.sources import change_scores, gene_scores
from helpers.models.effects.training import EffectModel, Training


class BilinearModel(EffectModel):
    """Change = G W p + b: genes G and perturbations P are known, W is learnt.

    W = (GᵀG + λ)⁻¹ Gᵀ (Y - b) P (PᵀP + λ)⁻¹, with Y the changes of the training conditions and of
    the controls, which is zero, and b their mean. It is the product of two ridge regressions, not
    the minimum of one penalised objective; with λ = 0 the two are the same.

    Parameters
    ----------
    n_components : int
        Of the default embeddings.
    penalty : float
        λ of both sides, at least 0. Embeddings are not standardised: PCA *scores* carry their
        size; unit loadings would be shrunk to almost nothing.
    genes : DataFrame indexed by gene, optional
        G; by default the scores of genes, PCA of the training profiles with genes as samples.
        Genes that it lacks change as the mean does: all models predict all genes.
    perturbations : DataFrame indexed by perturbation, or "changes", optional
        P; by default the row of the perturbed gene in the scores of genes. "changes": scores of
        the changes of the training singles, which are known for these only. Combinations are the
        sum of their parts. It must not come from cells of held-out conditions.

    Attributes
    ----------
    mean_ : ndarray of shape (n_genes,)
        b.
    n_fitted_ : int
        Training conditions with a row of P; the others are not learnt from.

    Notes
    -----
    A condition without a row of P, such as a perturbed gene that is not measured, is a row of NaN.

    References
    ----------
    Ahlmann-Eltze et al. 2025, run_linear_pretrained_model.R:33-160 (released code f5b6679).
    """

    def __init__(
        self,
        n_components: int = 10,
        penalty: float = 0.1,
        genes: pd.DataFrame | None = None,
        perturbations: pd.DataFrame | Literal["changes"] | None = None,
    ):
        self.n_components = n_components
        self.penalty = penalty
        self.genes = genes
        self.perturbations = perturbations

    def fit(self, training: Training) -> "BilinearModel":
        """Fit W.

        Raises
        ------
        ValueError
            A negative penalty, or less than one component.
        DataError
            No training condition has a row of P, or no gene one of G.
        """
        if self.penalty < 0 or self.n_components < 1:
            raise ValueError(
                f"penalty {self.penalty} and n_components {self.n_components}: at least 0 and 1"
            )
        super().fit(training)
        scores = None
        if self.genes is None or self.perturbations is None:
            scores = gene_scores(training, self.n_components)
        G = scores if self.genes is None else self.genes
        if G.index.has_duplicates:
            raise DataError(f"G names {G.index[G.index.duplicated()][0]!r} more than once")
        self.P_ = scores if self.perturbations is None else self.perturbations
        if isinstance(self.P_, str):
            if self.P_ != "changes":
                raise ValueError(f"perturbations is {self.P_!r}; an embedding, or 'changes'")
            self.P_ = change_scores(training, self.n_components)
        G = G.reindex(training.genes).to_numpy(float)
        has_gene = np.isfinite(G).all(axis=1)
        P = embedded([n.split("+") for n in training.names], self.P_)
        there = np.isfinite(P).all(axis=1)
        if not there.any() or not has_gene.any():
            raise DataError(
                f"{there.sum()} of {len(there)} training conditions are in P and "
                f"{has_gene.sum()} of {len(has_gene)} genes in G; both need one at least"
            )
        # The controls are one condition more: no change, and a row of zeros in P.
        P = np.vstack([P[there], np.zeros(P.shape[1])])
        Y = np.vstack([training.changes[there], np.zeros(len(training.genes))]).T
        self.mean_, self.n_fitted_ = Y.mean(axis=1), int(there.sum())
        Y = Y[has_gene] - self.mean_[has_gene, None]
        left = _ridge(G[has_gene], self.penalty) @ (G[has_gene].T @ Y)
        self.W_ = left @ P @ _ridge(P, self.penalty)
        self.G_ = np.where(has_gene[:, None], G, 0.0)
        return self

    def _changes(self, parts, context):
        P = embedded(parts, self.P_)
        return P @ self.W_.T @ self.G_.T + self.mean_


def _ridge(A: np.ndarray, penalty: float) -> np.ndarray:
    """(AᵀA + λ)⁻¹, or its pseudo-inverse where λ is 0."""
    second = A.T @ A
    if penalty == 0:
        return np.linalg.pinv(second, hermitian=True)
    eye = np.eye(len(second))
    return cho_solve(cho_factor(second + penalty * eye), eye)


PENALTIES = tuple(10.0**k for k in range(-3, 5))


class RidgeOnEmbedding(EffectModel):
    """Ridge regression from an embedding of perturbations to changes.

    Parameters
    ----------
    embedding : DataFrame indexed by perturbation
        Of a foundation model, say. Combinations are the sum of their parts.
    penalties : tuple of float
        The one with the least leave-one-out error, over all genes, is taken. One alone is used as
        it is.
    standardise : bool
        Coordinates by mean and SD of the training conditions. Without it, a fixed penalty on an
        embedding that varies little between perturbations shrinks everything away: `legacy`.

    Attributes
    ----------
    penalty_ : float
    spread_ : float
        Collapse diagnostic: SD over training conditions of what is fitted, over that of their
        changes, in [0, 1]. Near 0, the model is the mean.

    References
    ----------
    Ahlmann-Eltze et al. 2025, run_pretrained... (scikit-learn's `Ridge`, penalty 1).
    """

    def __init__(
        self,
        embedding: pd.DataFrame,
        penalties: tuple[float, ...] = PENALTIES,
        standardise: bool = True,
    ):
        self.embedding = embedding
        self.penalties = penalties
        self.standardise = standardise

    @classmethod
    def legacy(cls, embedding: pd.DataFrame) -> "RidgeOnEmbedding":
        """As published: penalty 1 on the embedding as it is. A cautionary tale."""
        return cls(embedding, penalties=(1.0,), standardise=False)

    def fit(self, training: Training) -> "RidgeOnEmbedding":
        """Fit.

        Raises
        ------
        DataError
            Fewer than three training conditions are in the embedding.
        """
        super().fit(training)
        X = embedded([n.split("+") for n in training.names], self.embedding)
        there = np.isfinite(X).all(axis=1)
        if there.sum() < 3:
            raise DataError(f"{there.sum()} training conditions are in the embedding; 3 are needed")
        X, Y = X[there], training.changes[there]
        self.centre_ = X.mean(axis=0)
        spread = X.std(axis=0)
        # What rounding leaves of a constant coordinate is no scale.
        varies = spread > 1e-9 * np.abs(X).max()
        self.scale_ = np.where(varies & self.standardise, spread, 1.0)
        X = (X - self.centre_) / self.scale_
        self.mean_ = Y.mean(axis=0)
        U, S, Vt = np.linalg.svd(X, full_matrices=False)
        real = 1e-9 * max(S.max(), 1e-300) < S
        U, S, Vt = U[:, real], S[real], Vt[real]
        loaded = U.T @ (Y - self.mean_)
        errors = [_left_out_error(U, S, loaded, Y - self.mean_, p) for p in self.penalties]
        self.penalty_ = float(self.penalties[int(np.argmin(errors))])
        shrunk = S / (S**2 + self.penalty_)
        self.weights_ = Vt.T @ (shrunk[:, None] * loaded)
        fitted, given = (X @ self.weights_).std(axis=0), Y.std(axis=0)
        self.spread_ = float(np.sqrt((fitted**2).sum() / (given**2).sum()))
        return self

    def _changes(self, parts, context):
        X = (embedded(parts, self.embedding) - self.centre_) / self.scale_
        return X @ self.weights_ + self.mean_


def _left_out_error(U, S, loaded, Y, penalty: float) -> float:
    """Mean squared error of each condition when it is left out, all genes; intercept included."""
    kept = S**2 / (S**2 + penalty)
    leverage = (U**2 * kept).sum(axis=1) + 1 / len(Y)
    residual = Y - U @ (kept[:, None] * loaded)
    rest = np.maximum(1 - leverage, 1e-10)
    return float(((residual / rest[:, None]) ** 2).mean())
