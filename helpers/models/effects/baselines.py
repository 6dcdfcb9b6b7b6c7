"""Models that know little: no change, means, the additive model, the nearest perturbation."""

from typing import Literal

import numpy as np
import pandas as pd

from helpers.data.contract import DataError
from helpers.models.effects.training import EffectModel, Training, single_changes


class NoChange(EffectModel):
    """The controls."""

    def _changes(self, parts, context):
        return np.zeros(len(self.training_.genes))


class Additive(EffectModel):
    """The sum of the changes of the parts; of a single one, its own, where it was trained on.

    In a context the single changes are those of that context, or where it has none, the mean over
    the others: of a single perturbation that is the change copied from another context.

    Parameters
    ----------
    unseen : {"nan", "mean"}
        What a part that was not trained on is: not predicted, or the mean single perturbation.
    """

    def __init__(self, unseen: Literal["nan", "mean"] = "nan"):
        self.unseen = unseen

    def _changes(self, parts, context):
        if self.unseen not in ("nan", "mean"):
            raise ValueError(f"unseen is {self.unseen!r}; nan or mean")
        known = single_changes(self.training_) | single_changes(self.training_, context)
        nothing = np.full(len(self.training_.genes), np.nan)
        if self.unseen == "mean" and known:
            nothing = np.mean(list(known.values()), axis=0)
        sums = [np.sum([known.get(part, nothing) for part in own], axis=0) for own in parts]
        return np.array(sums).reshape(len(parts), len(nothing))


class ScaledAdditive(Additive):
    """c times the sum of the changes of the parts, c by least squares on training combinations.

    Without combinations to learn from c is 1.
    """

    def fit(self, training: Training) -> "ScaledAdditive":
        super().fit(training)
        pairs = np.flatnonzero(np.char.find(training.names, "+") >= 0)
        self.scale_ = 1.0
        sums = [
            super(ScaledAdditive, self)._changes(
                [training.names[row].split("+")], training.contexts[row]
            )[0]
            for row in pairs
        ]
        known = [np.isfinite(s).all() for s in sums]
        if any(known):
            total = np.array(sums)[known]
            observed = training.changes[pairs[known]]
            self.scale_ = float((total * observed).sum() / (total * total).sum())
        return self

    def _changes(self, parts, context):
        return self.scale_ * super()._changes(parts, context)


class MeanChange(EffectModel):
    """Controls and the mean change of the training conditions, over all contexts.

    Parameters
    ----------
    with_control : bool
        Whether the controls are one of the conditions that the mean is taken of, as published:
        it shrinks the change by one over the number of conditions.
    weights : {"conditions", "cells"}
        Each condition counts once, or by its cells (Systema's perturbed mean).
    of : {"all", "singles", "combinations"}
        Which training conditions.

    References
    ----------
    Ahlmann-Eltze et al. 2025, run_mean_prediction.R:29-58; Viñas Torné et al. 2025.
    """

    def __init__(
        self,
        with_control: bool = False,
        weights: Literal["conditions", "cells"] = "conditions",
        of: Literal["all", "singles", "combinations"] = "all",
    ):
        self.with_control = with_control
        self.weights = weights
        self.of = of

    def fit(self, training: Training) -> "MeanChange":
        super().fit(training)
        self.mean_ = self._mean(np.ones(len(training.names), dtype=bool))
        return self

    def _mean(self, rows: np.ndarray) -> np.ndarray:
        """Mean change of rows; NaN where there is none."""
        training = self.training_
        if self.of not in ("all", "singles", "combinations"):
            raise ValueError(f"of is {self.of!r}; all, singles or combinations")
        if self.weights not in ("conditions", "cells"):
            raise ValueError(f"weights is {self.weights!r}; conditions or cells")
        if self.of != "all":
            is_pair = np.char.find(training.names, "+") >= 0
            rows = rows & (is_pair == (self.of == "combinations"))
        weight = np.where(rows, training.n_cells if self.weights == "cells" else 1, 0).astype(float)
        # one more condition whose change is zero
        total = weight.sum() + (weight[rows].mean() if self.with_control and rows.any() else 0)
        if total == 0:
            return np.full(len(training.genes), np.nan)
        return weight @ training.changes / total

    def _changes(self, parts, context):
        return self.mean_


class ContextMean(MeanChange):
    """The mean change of the training conditions of the context that is asked; else NaN."""

    def _changes(self, parts, context):
        where = next(iter(self.training_.controls)) if context is None else context
        return self._mean(self.training_.contexts == where)


class MatchingMean(EffectModel):
    """Of a combination the mean of its parts' profiles; an unseen part is the mean perturbation.

    References
    ----------
    Viñas Torné et al. 2025 (Systema), run_matching-mean.py.
    """

    def _changes(self, parts, context):
        known = single_changes(self.training_) | single_changes(self.training_, context)
        usual = MeanChange(weights="cells").fit(self.training_).mean_
        found = [np.mean([known.get(part, usual) for part in own], axis=0) for own in parts]
        return np.array(found).reshape(len(parts), len(usual))


class CrisprInformedMean(MeanChange):
    """The mean, and the perturbed gene itself set to what such perturbations do to it.

    Parameters
    ----------
    own_gene : {"knock-out", "activation", "learnt"}
        Its expression becomes 0, is doubled (as published, of log1p values), or changes by the
        mean ratio, on the scale of CP10k, that it has in the training conditions.

    Notes
    -----
    Where the perturbed gene is not measured the prediction is the mean; `n_not_measured` counts.

    References
    ----------
    Wong et al. 2025, "CRISPR-informed mean".
    """

    def __init__(self, own_gene: Literal["knock-out", "activation", "learnt"] = "learnt"):
        super().__init__()
        self.own_gene = own_gene

    def fit(self, training: Training) -> "CrisprInformedMean":
        if self.own_gene not in ("knock-out", "activation", "learnt"):
            raise ValueError(f"own_gene is {self.own_gene!r}; knock-out, activation or learnt")
        super().fit(training)
        places = training.genes.get_indexer(training.names)
        rows = np.flatnonzero(places >= 0)
        before = np.array([training.controls[training.contexts[r]][places[r]] for r in rows])
        after = training.means[rows, places[rows]]
        there = before > 0
        ratio = np.expm1(after[there]).sum() / np.expm1(before[there]).sum() if any(there) else 1.0
        self.ratio_ = float(ratio)
        return self

    def n_not_measured(self, names) -> int:
        """Conditions of which no part is a measured gene."""
        return sum((self.training_.genes.get_indexer(name.split("+")) < 0).all() for name in names)

    def _changes(self, parts, context):
        start = self.training_.control(context)
        found = np.tile(self.mean_, (len(parts), 1))
        for row, own in zip(found, parts, strict=True):
            places = self.training_.genes.get_indexer(own)
            places = places[places >= 0]
            level = {
                "knock-out": np.zeros(len(places)),
                "activation": 2 * start[places],
                "learnt": np.log1p(self.ratio_ * np.expm1(start[places])),
            }[self.own_gene]
            row[places] = level - start[places]
        return found


class NearestPerturbation(EffectModel):
    """The change of the training perturbation that is most similar by an embedding.

    Parameters
    ----------
    embedding : DataFrame indexed by perturbation, (n_perturbations, n_dims)
        Similarity is the cosine; a combination is the sum of its parts. It must not come from the
        cells of held-out conditions.
    """

    def __init__(self, embedding: pd.DataFrame):
        self.embedding = embedding

    def _changes(self, parts, context):
        from helpers.data.effects.similarity import cosines

        training = self.training_
        known = embedded([n.split("+") for n in training.names], self.embedding)
        there = np.isfinite(known).all(axis=1) & (known != 0).any(axis=1)
        if not there.any():
            raise DataError("no training condition is in the embedding")
        wanted = embedded(parts, self.embedding)
        nearest = cosines(np.nan_to_num(wanted), known[there]).argmax(axis=1)
        found = training.changes[there][nearest]
        lost = ~(np.isfinite(wanted).all(axis=1) & (np.nan_to_num(wanted) != 0).any(axis=1))
        found[lost] = np.nan
        return found


def embedded(parts: list[list[str]], embedding: pd.DataFrame) -> np.ndarray:
    """Sum of the rows of each condition's parts, (n, n_dims); NaN where one is not there.

    Raises
    ------
    DataError
        The embedding names a perturbation twice.
    """
    if embedding.index.has_duplicates:
        twice = embedding.index[embedding.index.duplicated()][0]
        raise DataError(f"the embedding names {twice!r} more than once")
    place = {name: i for i, name in enumerate(embedding.index)}
    values = np.vstack([embedding.to_numpy(float), np.full(embedding.shape[1], np.nan)])
    rows = [values[[place.get(part, -1) for part in own]].sum(axis=0) for own in parts]
    return np.array(rows).reshape(len(parts), embedding.shape[1])
