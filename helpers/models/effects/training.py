"""What a model of effects may learn from, and the one form that all such models have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator

from helpers.data.contract import CONTROL, DataError, name_violations

ONE_CONTEXT = "one context"
"""Name of the context where a data set does not tell contexts apart."""


@dataclass(frozen=True)
class Bulks:
    """Means of several cells each, controls among them: more rows than conditions.

    Parameters
    ----------
    means : ndarray of shape (n_bulks, n_genes)
        Log1p CP10k.
    names : array of str, shape (n_bulks,)
        A condition, or "control"; repeated.
    contexts : array of str, shape (n_bulks,)
    """

    means: np.ndarray
    names: np.ndarray
    contexts: np.ndarray


@dataclass(frozen=True)
class Training:
    """Conditions of a training set, as pseudobulks.

    Parameters
    ----------
    means : ndarray of shape (n_conditions, n_genes)
        Mean log1p CP10k of the cells of each condition.
    names : array of str, shape (n_conditions,)
        "A", or "A+B" sorted; never a control. No name twice in one context.
    genes : Index of length n_genes, unique
    controls : mapping of str to ndarray of shape (n_genes,)
        Of each context, the mean of its controls of role `control_model`. A context may be there
        without a condition: it is then to be predicted.
    n_cells : int array of shape (n_conditions,)
    contexts : array of str, shape (n_conditions,), optional
        Keys of `controls`; may be left out where there is one.
    bulks : Bulks, optional
        Of the same conditions and contexts, and of their controls.

    Raises
    ------
    DataError
        Names that are none, a name twice in a context, duplicated genes, a context without
        controls, shapes that do not fit, or means that are not finite.
    """

    means: np.ndarray
    names: np.ndarray
    genes: pd.Index
    controls: Mapping[str, np.ndarray]
    n_cells: np.ndarray
    contexts: np.ndarray | None = None
    bulks: Bulks | None = None

    def __post_init__(self) -> None:
        means = np.asarray(self.means, dtype=float)
        names = np.asarray(self.names, dtype=str)
        genes = pd.Index(self.genes)
        if genes.has_duplicates:
            again = sorted(set(genes[genes.duplicated()].astype(str)))
            raise DataError(
                f"genes named more than once: {', '.join(again[:5])}; sum them or rename them"
            )
        if means.shape != (len(names), len(genes)):
            raise DataError(
                f"means are {means.shape}, with {len(names)} names and {len(genes)} genes"
            )
        if len(self.n_cells) != len(names):
            raise DataError(f"n_cells has {len(self.n_cells)} values for {len(names)} names")
        checked(names)
        controls = {k: np.asarray(v, dtype=float) for k, v in sorted(self.controls.items())}
        contexts = self.contexts
        if contexts is None:
            if len(controls) != 1:
                raise DataError(f"contexts are not given, and there are {len(controls)}")
            contexts = np.repeat(next(iter(controls)), len(names))
        contexts = np.asarray(contexts, dtype=str)
        if bare := sorted(set(contexts) - set(controls)):
            raise DataError(f"contexts without controls: {', '.join(bare)}")
        pairs = pd.MultiIndex.from_arrays([contexts, names])
        if pairs.has_duplicates:
            context, name = pairs[pairs.duplicated()][0]
            raise DataError(f"{name} is there twice in {context}; one row a condition and context")
        for what, values in [("means", means), *controls.items()]:
            if not np.isfinite(values).all():
                raise DataError(f"{what} of the training conditions: values that are not finite")
        for field, value in (
            ("means", means),
            ("names", names),
            ("genes", genes),
            ("controls", controls),
            ("n_cells", np.asarray(self.n_cells)),
            ("contexts", contexts),
        ):
            object.__setattr__(self, field, value)

    @property
    def changes(self) -> np.ndarray:
        """Means less the controls of their context, (n_conditions, n_genes)."""
        if not len(self.names):
            return self.means
        return self.means - np.array([self.controls[c] for c in self.contexts])

    def control(self, context: str | None = None) -> np.ndarray:
        """Controls of a context, which may be left out where there is one; (n_genes,).

        Raises
        ------
        DataError
            No such context, or several and none is named.
        """
        if context is None and len(self.controls) == 1:
            return next(iter(self.controls.values()))
        if context not in self.controls:
            raise DataError(
                f"no controls of context {context!r}; there are {', '.join(self.controls)}"
            )
        return self.controls[context]

    def having(self, rows) -> "Training":
        """The same with these conditions only (int or bool index); controls stay, bulks follow."""
        kept = [self.names[rows], self.contexts[rows]]
        bulks = self.bulks
        if bulks is not None:
            known = set(zip(*kept, strict=True))
            stay = np.array(
                [
                    name == CONTROL or (name, context) in known
                    for name, context in zip(bulks.names, bulks.contexts, strict=True)
                ],
                dtype=bool,
            )
            bulks = Bulks(bulks.means[stay], bulks.names[stay], bulks.contexts[stay])
        return replace(
            self,
            means=self.means[rows],
            names=kept[0],
            contexts=kept[1],
            n_cells=self.n_cells[rows],
            bulks=bulks,
        )


def checked(names: Sequence[str]) -> list[list[str]]:
    """Parts of each condition: ["A"] or ["A", "B"].

    Raises
    ------
    DataError
        A control, `B+A` instead of `A+B`, `ctrl+A`, an empty or repeated part.
    """
    names = [str(name) for name in names]
    if CONTROL in names:
        raise DataError(f"{CONTROL!r} is no condition to learn or predict")
    if wrong := list(name_violations({*names, CONTROL})):
        raise DataError("; ".join(wrong))
    return [name.split("+") for name in names]


class EffectModel(BaseEstimator):
    """What all models of effects share: `fit(training)`, `predict(names, context)`.

    A model states its change from the controls of a context in `_changes`; a row that it cannot
    predict is NaN, and the caller counts it.
    """

    def fit(self, training: Training) -> "EffectModel":
        """Keep what is needed; a model that learns more overrides this and calls it first."""
        self.training_ = training
        return self

    def predict(self, names: Sequence[str], context: str | None = None) -> np.ndarray:
        """Expected log1p CP10k of conditions, (n_names, n_genes); rows of NaN where it has none.

        Parameters
        ----------
        names : sequence of str
            "A", or "A+B" sorted.
        context : str, optional
            Whose controls the prediction starts from.

        Raises
        ------
        DataError
            Names that are no conditions, or a context without controls.
        """
        start = self.training_.control(context)
        parts = checked(names)
        found = np.full((len(parts), len(start)), np.nan)
        found[:] = start + self._changes(parts, context)
        return found

    def _changes(self, parts: list[list[str]], context: str | None) -> np.ndarray:
        """Changes, (n, n_genes) or (n_genes,) for all alike."""
        raise NotImplementedError


def single_changes(training: Training, context: str | None = None) -> dict[str, np.ndarray]:
    """Change of each single perturbation, in a context or as the mean over contexts."""
    changes = training.changes
    found: dict[str, list[np.ndarray]] = {}
    for row, (name, where) in enumerate(zip(training.names, training.contexts, strict=True)):
        if "+" not in name and context in (None, where):
            found.setdefault(name, []).append(changes[row])
    return {name: np.mean(rows, axis=0) for name, rows in found.items()}


def training_of_cells(
    expression,
    labels,
    genes,
    *,
    controls,
    conditions: Sequence[str],
    contexts=None,
    cells_a_bulk: int | None = None,
    rng: np.random.Generator | None = None,
) -> Training:
    """Pseudobulks of some conditions of a screen.

    Parameters
    ----------
    expression : ndarray or sparse matrix of shape (n_cells, n_genes)
        Log1p CP10k.
    labels : array of str, shape (n_cells,)
    genes : Index
    controls : bool array of shape (n_cells,)
        Cells of role `control_model`.
    conditions : sequence of str
        Those to learn from; all their cells are used.
    contexts : array of str, shape (n_cells,), optional
    cells_a_bulk : int, optional
        Also make bulks of so many cells (the last of a condition may have more), dealt by `rng`.
    rng : Generator, optional

    Raises
    ------
    DataError
        See `Training`; or a condition has no cell.
    """
    labels = np.asarray(labels, dtype=str)
    controls = np.asarray(controls, dtype=bool)
    where = np.repeat(ONE_CONTEXT, len(labels)) if contexts is None else np.asarray(contexts, str)
    if absent := sorted(set(conditions) - set(labels)):
        raise DataError(f"conditions without a cell: {', '.join(absent[:5])}")
    known = np.isin(labels, np.asarray(list(conditions), dtype=str)) & ~controls
    keys = sorted(set(zip(where[known], labels[known], strict=True)))
    cells = {k: np.flatnonzero(known & (where == k[0]) & (labels == k[1])) for k in keys}
    bare = {c: np.flatnonzero(controls & (where == c)) for c in sorted(set(where))}
    bare = {context: rows for context, rows in bare.items() if len(rows)}
    bulks = None
    if cells_a_bulk is not None:
        if rng is None:
            raise ValueError("bulks are dealt at random: pass rng")
        dealt = []
        for (context, name), rows in [
            *cells.items(),
            *(((c, CONTROL), r) for c, r in bare.items()),
        ]:
            n = max(1, len(rows) // cells_a_bulk)
            dealt += [(name, context, part) for part in np.array_split(rng.permutation(rows), n)]
        bulks = Bulks(
            _means(expression, [part for _, _, part in dealt]),
            np.array([name for name, _, _ in dealt], dtype=str),
            np.array([context for _, context, _ in dealt], dtype=str),
        )
    return Training(
        means=_means(expression, list(cells.values())),
        names=np.array([name for _, name in keys], dtype=str),
        genes=pd.Index(genes),
        controls=dict(zip(bare, _means(expression, list(bare.values())), strict=True)),
        n_cells=np.array([len(rows) for rows in cells.values()], dtype=int),
        contexts=np.array([context for context, _ in keys], dtype=str),
        bulks=bulks,
    )


def pooled(parts: Mapping[str, Training]) -> Training:
    """Training sets of one context each as one, by the name of the context.

    Bulks are left out.

    Raises
    ------
    DataError
        Their genes differ, or a part has several contexts.
    """
    several = [name for name, part in parts.items() if len(part.controls) != 1]
    first = next(iter(parts.values()))
    differ = [name for name, part in parts.items() if not part.genes.equals(first.genes)]
    if several or differ:
        raise DataError(
            f"contexts cannot be put together: {', '.join([*several, *differ])} "
            f"{'have several contexts' if several else 'have other genes'}"
        )
    return Training(
        means=np.vstack([part.means for part in parts.values()]),
        names=np.concatenate([part.names for part in parts.values()]),
        genes=first.genes,
        controls={name: part.control() for name, part in parts.items()},
        n_cells=np.concatenate([part.n_cells for part in parts.values()]),
        contexts=np.repeat(list(parts), [len(part.names) for part in parts.values()]),
    )


def _means(expression, groups: list[np.ndarray]) -> np.ndarray:
    """Mean of each group of rows, by one sparse product; (n_groups, n_genes)."""
    sizes = np.array([len(g) for g in groups], dtype=int)
    if not len(groups):
        return np.empty((0, expression.shape[1]))
    rows = np.concatenate(groups)
    weights = np.repeat(1 / sizes, sizes)
    indicator = sparse.csr_matrix(
        (weights, (np.repeat(np.arange(len(groups)), sizes), rows)),
        shape=(len(groups), expression.shape[0]),
    )
    found = indicator @ expression
    return np.asarray(found.todense() if sparse.issparse(found) else found, dtype=float)
