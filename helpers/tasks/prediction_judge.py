"""What metrics read of a prediction: its means, its changes, and cells where it has none."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, eigsh

from helpers.metrics.de import mann_whitney
from helpers.metrics.predicted import expression
from helpers.stats import benjamini_hochberg
from helpers.tasks.prediction_scene import N_COMPONENTS, Scene

LEVEL = 0.05  # false discovery rate of what counts as changed
MOST_CELLS = 4_000  # that principal axes are made of


@dataclass(frozen=True)
class Prediction:
    """Expected expression, and cells where a prediction has any of its own.

    Parameters
    ----------
    means : ndarray of shape (n_perturbations, n_genes)
    cells : list of int arrays, optional
        Rows of the scene that are the predicted cells; without, cells are emitted: see `emitted`.
    stated_change : ndarray of shape (n_perturbations, n_genes), optional
        Change from controls, of a prediction that knows the true controls; by default the means
        less the observed controls of the model's side.
    """

    means: np.ndarray
    cells: list | None = None
    stated_change: np.ndarray | None = None

    def change(self, scene: Scene) -> np.ndarray:
        """Predicted change from controls."""
        known = self.stated_change
        return self.means - scene.predicted_from if known is None else known


class Judge:
    """What metrics read of a scene and a prediction; shared parts are computed once a scene."""

    def __init__(self, scene: Scene, seed: int):
        self.scene, self.seed = scene, seed

    @cached_property
    def weights(self) -> np.ndarray:
        return expression.change_weights(self.scene.observed_t)

    @cached_property
    def change(self) -> np.ndarray:
        """Observed change from the controls that judge."""
        return self.scene.observed - self.scene.observed_from

    @cached_property
    def significant(self) -> np.ndarray:
        """Genes that change against the controls that judge, Mann-Whitney, bool."""
        rows = [self.scene.halves[n][0] for n in self.scene.names]
        return self._tested(rows, self.scene.controls["truth"])

    def _tested(self, rows: list[np.ndarray], controls: np.ndarray) -> np.ndarray:
        values = self.scene.matrix
        stacked = np.concatenate([controls, *rows])
        sizes = [len(r) for r in rows]
        labels = np.repeat(np.arange(-1, len(rows)), [len(controls), *sizes])
        found = mann_whitney(values[stacked], labels, labels < 0)
        return _significant(found.p_value)

    @cached_property
    def axes(self) -> np.ndarray:
        """Principal axes of the cells that predictions may see, (n_genes, n_components)."""
        scene = self.scene
        rows = np.concatenate([scene.controls["model"], *(h[1] for h in scene.halves.values())])
        rng = np.random.default_rng(self.seed)
        return _principal_axes(scene.matrix[np.sort(rng.permutation(rows)[:MOST_CELLS])])

    @cached_property
    def observed_cells(self) -> list[np.ndarray]:
        """Judging cells in principal components, one array a perturbation."""
        return [
            np.asarray(self.scene.matrix[self.scene.halves[n][0]] @ self.axes)
            for n in self.scene.names
        ]

    def cells_of(self, prediction: Prediction) -> list[np.ndarray]:
        """Predicted cells in principal components."""
        if prediction.cells is not None:
            return [np.asarray(self.scene.matrix[rows] @ self.axes) for rows in prediction.cells]
        controls = self._emitting[0]
        return [
            np.asarray(controls @ (ratio[:, None] * self.axes)) + rest @ self.axes
            for ratio, rest in map(self._scaling, prediction.means)
        ]

    @cached_property
    def _emitting(self) -> tuple:
        """Expression of the half of the model's controls that cells are emitted from, its mean."""
        rows = self.scene.controls["model"]
        chosen = self.scene.matrix[rows[: len(rows) // 2]]
        return chosen, np.asarray(chosen.mean(axis=0)).ravel()

    def _scaling(self, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Factor of each gene, and what is added where controls do not express it."""
        base = self._emitting[1]
        positive = np.maximum(means, 0)
        there = base > 0
        ratio = np.divide(positive, base, out=np.zeros_like(base), where=there)
        return ratio, np.where(there, 0, positive)

    def emitted(self, means: np.ndarray) -> np.ndarray:
        """Cells of a prediction that has only a mean: *scaled controls*, (n_cells, n_genes).

        Half of the model's controls, each gene multiplied such that its mean is the predicted one
        (0 where that is negative). Zeros stay zeros. The other half is what such cells are tested
        against, so that a prediction of no change meets noise, not itself.
        """
        ratio, rest = self._scaling(means)
        chosen = self._emitting[0]
        chosen = chosen.toarray() if sparse.issparse(chosen) else np.asarray(chosen)
        return chosen * ratio + rest

    def predicted_significant(self, prediction: Prediction) -> np.ndarray:
        """Genes that change in the predicted cells, against controls of the model, bool."""
        rows = self.scene.controls["model"]
        if prediction.cells is not None:
            return self._tested(prediction.cells, rows)
        tested = self.scene.matrix[rows[len(rows) // 2 :]]
        tested = tested.toarray() if sparse.issparse(tested) else np.asarray(tested)
        p_values = []
        different, which = np.unique(prediction.means, axis=0, return_inverse=True)
        for means in different:
            cells = self.emitted(means)
            is_control = np.arange(len(cells) + len(tested)) >= len(cells)
            found = mann_whitney(np.vstack([cells, tested]), is_control.astype(int), is_control)
            p_values.append(found.p_value[0])
        return _significant(np.array(p_values))[which]


def _principal_axes(values) -> np.ndarray:
    """Principal axes of cells, (n_genes, n_components), without making the cells dense."""
    mean = np.asarray(values.mean(axis=0)).ravel()
    n_cells, n_genes = values.shape
    n_axes = min(N_COMPONENTS, n_cells - 1, n_genes)
    if n_genes <= 1_500:
        second = values.T @ values
        second = second.toarray() if sparse.issparse(second) else np.asarray(second)
        return np.linalg.eigh(second / n_cells - np.outer(mean, mean))[1][:, ::-1][:, :n_axes]

    def second_moments(v: np.ndarray) -> np.ndarray:
        u = values @ v - mean @ v  # centred cells
        return values.T @ u - mean * u.sum()

    moments = LinearOperator((n_genes, n_genes), matvec=second_moments, dtype=float)
    # cells that are few, or copies, leave directions without variance: the solver then starts
    # again from a random vector, of a seed
    start = np.ones(n_genes)
    return eigsh(moments, n_axes, which="LA", v0=start, tol=1e-6, rng=0)[1][:, ::-1]


def _significant(p_values: np.ndarray) -> np.ndarray:
    return np.array([benjamini_hochberg(row) <= LEVEL for row in p_values])
