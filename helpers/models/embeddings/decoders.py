"""Decoders: from an embedding back to expression.

A decoder is the instrument of the task, not what is judged: it should be as good as its form
allows, the same for every embedding, and quick.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import issparse

from helpers.metrics.arrays import tolerance, varies
from helpers.models.embeddings.schedules import warm_up_cosine

PENALTIES = tuple(10.0**k for k in range(-4, 4))
"""Ridge penalties to choose from, per cell and in units of standardised coordinates."""


class RidgeDecoder:
    """Linear decoder in closed form; the penalty is chosen by leaving batches out in turn.

    All that is needed of the data are products of coordinates with coordinates and with genes,
    batch by batch: they can be added up piece by piece, and held-out errors follow from them.

    Parameters
    ----------
    penalties : tuple of float
        Positive, per cell: coordinates are standardised, and the sum of squares of the weights is
        added `penalty` times the number of cells.

    Attributes
    ----------
    penalty_ : float
        The one with the least held-out squared error, summed over genes.
    weights_ : ndarray of shape (n_dims, n_genes)
    intercept_ : ndarray of shape (n_genes,)
    held_out_ : DataFrame indexed by penalty
        `error`, mean squared error of cells of held-out batches, summed over genes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = rng.standard_normal((60, 2))
    >>> decoder = RidgeDecoder().fit(z, z @ [[1.0], [2.0]], np.arange(60) % 3)
    >>> decoder.weights_.round(2).ravel()
    array([1., 2.])
    """

    def __init__(self, penalties: tuple[float, ...] = PENALTIES):
        self.penalties = penalties

    def fit(self, embedding, expression, batches) -> RidgeDecoder:
        """Fit to cells x dims and cells x genes (dense or sparse); batches of shape (n_cells,).

        Raises
        ------
        ValueError
            Input that does not fit or is not finite, fewer than two batches, or penalties that
            are not positive.
        """
        self._sums = {}
        return self.partial_fit(embedding, expression, batches).solve()

    def partial_fit(self, embedding, expression, batches) -> RidgeDecoder:
        """Add cells; `solve` ends it."""
        embedding = _coordinates(embedding)
        codes, names = pd.factorize(np.asarray(batches, dtype=object), sort=True)
        if not len(embedding) == expression.shape[0] == len(codes) or (codes < 0).any():
            raise ValueError(
                f"embedding {embedding.shape}, expression {expression.shape} and batches "
                f"{codes.shape} do not fit, or a cell has no batch"
            )
        if not getattr(self, "_sums", None):
            # Products of what lies far from zero would lose what they are wanted for.
            self._sums, self._origin = {}, embedding.mean(axis=0)
            self._size = np.zeros(embedding.shape[1])
        self._size = np.maximum(self._size, np.abs(embedding).max(axis=0))
        for b, name in enumerate(names):
            rows = np.flatnonzero(codes == b)
            new = _Products.of(embedding[rows] - self._origin, expression[rows])
            self._sums[name] = self._sums[name] + new if name in self._sums else new
        return self

    def solve(self) -> RidgeDecoder:
        """Choose the penalty, and fit to all cells that were added."""
        if not self.penalties or min(self.penalties) <= 0:
            raise ValueError(f"penalties are {self.penalties}; at least one, all positive")
        sums = list(getattr(self, "_sums", {}).values())
        if len(sums) < 2:
            raise ValueError(f"{len(sums)} batch: at least 2 are needed, to leave one out in turn")
        total = sum(sums[1:], sums[0])
        least_sd = tolerance(self._size) * self._size
        errors = np.zeros(len(self.penalties))
        for held_out in sums:
            for k, (weights, intercept) in enumerate(
                (total - held_out).solve(self.penalties, least_sd)
            ):
                errors[k] += held_out.squared_error(weights, intercept)
        index = pd.Index(self.penalties, name="penalty")
        self.held_out_ = pd.DataFrame({"error": errors / total.n}, index=index)
        self.penalty_ = float(index[errors.argmin()])
        ((self.weights_, at_origin),) = total.solve((self.penalty_,), least_sd)
        self.intercept_ = at_origin - self._origin @ self.weights_
        return self

    def predict(self, embedding) -> np.ndarray:
        """Expression of cells, ndarray of shape (n_cells, n_genes)."""
        return _coordinates(embedding) @ self.weights_ + self.intercept_


class _Products:
    """Sums over cells of everything a linear fit needs."""

    def __init__(self, n, z, y, zz, zy, yy):
        self.n, self.z, self.y, self.zz, self.zy, self.yy = n, z, y, zz, zy, yy

    @classmethod
    def of(cls, z, y):
        y = y if issparse(y) else np.asarray(y, dtype=float)
        values = y.data if issparse(y) else y
        yy = float(np.sum(np.square(values, dtype=float)))
        if not np.isfinite(yy):
            raise ValueError("expression holds NaN or infinite values")
        y_sum = np.asarray(y.sum(axis=0), dtype=float).ravel()
        zy = np.asarray(y.T @ z).T
        return cls(len(z), z.sum(axis=0), y_sum, z.T @ z, zy, yy)

    def __add__(self, other):
        return self._with(other, 1)

    def __sub__(self, other):
        return self._with(other, -1)

    def _with(self, other, sign):
        names = ("n", "z", "y", "zz", "zy", "yy")
        return _Products(*(getattr(self, name) + sign * getattr(other, name) for name in names))

    def solve(self, penalties, least_sd):
        """Weights and intercept for each penalty; the intercept is not penalised.

        A coordinate of a smaller standard deviation is constant: it says nothing, and what rounding
        leaves of it must not.
        """
        z_mean, y_mean = self.z / self.n, self.y / self.n
        gram = self.zz - self.n * np.outer(z_mean, z_mean)
        cross = self.zy - self.n * np.outer(z_mean, y_mean)
        variance = np.diag(gram) / self.n
        rounding = 1e-12 * np.diag(self.zz) / self.n  # of a difference of such large numbers
        constant = variance <= np.maximum(rounding, least_sd**2)
        scale = np.sqrt(np.where(constant, 1.0, variance))
        gram, cross = gram / np.outer(scale, scale), cross / scale[:, None]
        gram[constant], gram[:, constant], cross[constant] = 0.0, 0.0, 0.0
        for penalty in penalties:
            factor = cho_factor(gram + penalty * self.n * np.eye(len(gram)))
            weights = cho_solve(factor, cross) / scale[:, None]
            yield weights, y_mean - z_mean @ weights

    def squared_error(self, weights, intercept) -> float:
        """Sum over these cells and all genes of squared errors of a fit."""
        fitted = (self.zz @ weights) + np.outer(self.z, intercept)
        explained = 2 * ((self.zy * weights).sum() + self.y @ intercept)
        square = (weights * fitted).sum() + self.z @ weights @ intercept
        return self.yy - explained + square + self.n * float(intercept @ intercept)


class NegativeBinomialDecoder:
    """Log-linear decoder of counts: the likelihood that counts have, with the library as offset.

    log mean = log(library size) + intercept + embedding · weights, the variance mean + dispersion ·
    mean²; a penalty on the weights of standardised coordinates. Fitted by L-BFGS from the fit
    without coordinates; the dispersion of each gene is that of moments around the means, first of
    that fit, then of the Poisson-like one.

    Parameters
    ----------
    penalty : float
        Half the sum of squares of the weights, times this, is added to the mean negative log
        likelihood of a gene.
    tolerance : float
        Converged once no derivative of that mean, per cell and gene, is larger.
    max_iterations : int
        Of each of the two fits.

    Attributes
    ----------
    weights_, intercept_ : ndarray of shape (n_dims, n_genes), (n_genes,)
    dispersion_ : ndarray of shape (n_genes,)
    converged_ : bool
    """

    def __init__(self, penalty: float = 1e-3, tolerance: float = 1e-4, max_iterations: int = 200):
        self.penalty = penalty
        self.tolerance = tolerance
        self.max_iterations = max_iterations

    def fit(self, embedding, counts, library_size) -> NegativeBinomialDecoder:
        """Fit to cells x dims, counts (cells x genes, dense or sparse), library (n_cells,).

        Raises
        ------
        ValueError
            Input that does not fit, counts that are negative or no integers, an empty cell, or a
            gene without a count.
        """
        embedding = _coordinates(embedding)
        counts = np.asarray(counts.todense() if issparse(counts) else counts, dtype=float)
        library_size = np.asarray(library_size, dtype=float)
        if not len(embedding) == len(counts) == len(library_size) or library_size.ndim != 1:
            raise ValueError(
                f"embedding {embedding.shape}, counts {counts.shape} and library_size "
                f"{library_size.shape} do not fit"
            )
        if not (counts >= 0).all() or (counts != np.rint(counts)).any():
            raise ValueError("counts are negative, NaN or no integers: pass the raw counts")
        if not (library_size > 0).all():
            raise ValueError(f"{(~(library_size > 0)).sum()} cells have no library size above 0")
        if (silent := counts.sum(axis=0) == 0).any():
            raise ValueError(f"{silent.sum()} genes have no count: leave them out")
        self._centre = embedding.mean(axis=0)
        self._sd = np.where(varies(embedding), embedding.std(axis=0), 1.0)
        design = np.column_stack([np.ones(len(embedding)), (embedding - self._centre) / self._sd])
        offset = np.log(library_size)[:, None]
        start = np.zeros((design.shape[1], counts.shape[1]))
        start[0] = np.log(counts.sum(axis=0) / library_size.sum())
        dispersion = _dispersion(counts, np.exp(offset + start[0]))
        for _ in range(2):
            start, self.converged_ = self._descend(design, counts, offset, dispersion, start)
            dispersion = _dispersion(counts, np.exp(offset + design @ start))
        self.dispersion_ = dispersion
        self.weights_ = start[1:] / self._sd[:, None]
        self.intercept_ = start[0] - self._centre @ self.weights_
        return self

    def _descend(self, design, counts, offset, dispersion, start):
        from scipy.optimize import minimize

        # Far below the smallest dispersion that counts can show, it is Poisson.
        size = 1 / np.maximum(dispersion, 1e-8)
        n = len(counts)

        def objective(flat):
            beta = flat.reshape(start.shape)
            log_mean = np.clip(offset + design @ beta, -30, 30)
            mean = np.exp(log_mean)
            loss = (counts + size) * np.log1p(mean / size) - counts * log_mean
            slope = design.T @ ((mean - counts) / (1 + mean / size)) / n
            slope[1:] += self.penalty * beta[1:]
            value = loss.sum() / n + 0.5 * self.penalty * (beta[1:] ** 2).sum()
            return value, slope.ravel()

        found = minimize(
            objective,
            start.ravel(),
            jac=True,
            method="L-BFGS-B",
            options={
                "maxiter": self.max_iterations, "gtol": self.tolerance, "ftol": 0.0, "maxcor": 20,
            },
        )  # fmt: skip
        return found.x.reshape(start.shape), bool(np.abs(found.jac).max() <= self.tolerance)

    def predict(self, embedding) -> np.ndarray:
        """Expected counts per count of library, ndarray of shape (n_cells, n_genes)."""
        return np.exp(_coordinates(embedding) @ self.weights_ + self.intercept_)


def _dispersion(counts, mean) -> np.ndarray:
    """Moments: sum of (squared residual - mean) over sum of squared means, at least 0."""
    excess = ((counts - mean) ** 2 - mean).sum(axis=0)
    return np.maximum(excess / (mean**2).sum(axis=0), 0.0)


def mlp_widths(n_dims: int, n_genes: int) -> list[int]:
    """Hidden widths of the released decoder: three steps of a quarter from dims to genes.

    Raises
    ------
    ValueError
        More dimensions than genes.

    References
    ----------
    Tx-Evaluation commit 1f24de0, reconstruction.py:89-97, main_eval.py:553.
    """
    if n_dims > n_genes:
        raise ValueError(f"{n_dims} dimensions for {n_genes} genes: widths would shrink")
    return [int(n_dims + (n_genes - n_dims) * i / 4) for i in (1, 2, 3)]


class MLPDecoder:
    """The decoder of the released code: three hidden ReLU layers, mean squared error, AdamW.

    Learning rate 1e-4 with weight decay 1e-6, a linear warm-up from 3e-5 over the first third of
    the epochs (10 of 30), then a cosine to 0; no validation; the last epoch is kept. The paper
    calls it linear.

    Parameters
    ----------
    widths : tuple of int, optional
        Default: those of `mlp_widths`.
    epochs, batch_size : int
    learning_rate : float
    random_state : int

    Attributes
    ----------
    losses_ : ndarray of shape (epochs,)
        Mean squared error of the training batches of each epoch.
    n_steps_ : int
    """

    def __init__(
        self,
        widths: tuple[int, ...] | None = None,
        epochs: int = 30,
        batch_size: int = 512,
        learning_rate: float = 1e-4,
        random_state: int = 0,
    ):
        self.widths = widths
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, embedding, expression) -> MLPDecoder:
        """Fit to cells x dims and cells x genes (dense or sparse)."""
        import torch

        embedding = _coordinates(embedding)
        expression = np.asarray(expression.todense() if issparse(expression) else expression)
        if len(embedding) != len(expression) or not np.isfinite(expression).all():
            raise ValueError(
                f"embedding {embedding.shape} and expression {expression.shape} do not fit, or "
                "expression holds NaN or infinite values"
            )
        generator = torch.Generator().manual_seed(self.random_state)
        x = torch.tensor(embedding, dtype=torch.float32)  # (n, d)
        y = torch.tensor(expression, dtype=torch.float32)  # (n, g)
        widths = self.widths or mlp_widths(x.shape[1], y.shape[1])
        self.network_ = _network([x.shape[1], *widths, y.shape[1]], generator)
        batches = max(1, -(-len(x) // self.batch_size))
        self.n_steps_ = batches * self.epochs
        optimiser = torch.optim.AdamW(
            self.network_.parameters(), lr=self.learning_rate, weight_decay=1e-6, fused=True
        )
        third = round(self.n_steps_ / 3)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser,
            lambda step: warm_up_cosine(step, warm_up=third, n_steps=self.n_steps_, start=0.3),
        )
        losses = []
        for _ in range(self.epochs):
            order = torch.randperm(len(x), generator=generator)
            of_epoch = 0.0
            for rows in order.split(self.batch_size):
                loss = torch.nn.functional.mse_loss(self.network_(x[rows]), y[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                of_epoch += loss.item() * len(rows)
            losses.append(of_epoch / len(x))
        self.losses_ = np.array(losses)
        return self

    def predict(self, embedding) -> np.ndarray:
        """Expression of cells, ndarray of shape (n_cells, n_genes)."""
        import torch

        with torch.no_grad():
            x = torch.tensor(_coordinates(embedding), dtype=torch.float32)
            return self.network_(x).numpy().astype(float)


def _network(sizes: list[int], generator):
    """Linear layers with ReLU between; PyTorch's own initial weights, from this generator."""
    import torch

    layers = []
    for n_in, n_out in pairwise(sizes):
        linear = torch.nn.Linear(n_in, n_out)
        bound = n_in**-0.5
        for values in (linear.weight, linear.bias):
            torch.nn.init.uniform_(values, -bound, bound, generator=generator)
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def _coordinates(embedding) -> np.ndarray:
    embedding = np.asarray(embedding, dtype=float)
    if embedding.ndim != 2 or not embedding.size:
        raise ValueError(f"the embedding has shape {embedding.shape}; pass cells x dimensions")
    if (odd := ~np.isfinite(embedding)).any():
        row, column = np.argwhere(odd)[0]
        raise ValueError(
            f"the embedding holds {odd.sum()} NaN or infinite values, the first in row {row}, "
            f"column {column}"
        )
    return embedding
