"""Falsification probes: models that are kept from something, and should lose by it."""

from dataclasses import replace

import numpy as np

from helpers.models.effects.training import EffectModel, Training


class _Wrapped(EffectModel):
    def __init__(self, model: EffectModel, seed: int = 0):
        self.model = model
        self.seed = seed

    def fit(self, training: Training) -> "_Wrapped":
        from sklearn.base import clone

        super().fit(training)
        self.model_ = clone(self.model).fit(self._kept_from(training))
        return self

    def _kept_from(self, training: Training) -> Training:
        return training

    def _changes(self, parts, context):
        return self._predicted(parts, context)

    def _predicted(self, parts, context):
        names = ["+".join(own) for own in parts]
        return self.model_.predict(names, context) - self.training_.control(context)


class BlindToPerturbation(_Wrapped):
    """A model that is not told which perturbation is asked: its mean over all that are."""

    def _changes(self, parts, context):
        found = self._predicted(parts, context)
        known = np.isfinite(found).all(axis=1)
        return found[known].mean(axis=0) if known.any() else np.full(found.shape[1], np.nan)


class BlindToContext(_Wrapped):
    """A model that is not told contexts: all are one, with the mean of their controls."""

    def _kept_from(self, training: Training) -> Training:
        controls = {"any": np.mean(list(training.controls.values()), axis=0)}
        names, which = np.unique(training.names, return_inverse=True)
        n = np.bincount(which)
        means = np.array([training.means[which == i].mean(axis=0) for i in range(len(names))])
        cells = np.array([training.n_cells[which == i].sum() for i in range(len(n))], dtype=int)
        return Training(
            means.reshape(len(names), len(training.genes)), names, training.genes, controls, cells
        )

    def _predicted(self, parts, context):
        names = ["+".join(own) for own in parts]
        # The profile, not the change, is what such a model knows.
        return self.model_.predict(names) - self.training_.control(context)


class ShuffledLabels(_Wrapped):
    """A model that is trained on conditions whose names were dealt anew, within their context."""

    def _kept_from(self, training: Training) -> Training:
        rng, order = np.random.default_rng(self.seed), np.arange(len(training.names))
        for context in training.controls:
            rows = np.flatnonzero(training.contexts == context)
            order[rows] = rows[rng.permutation(len(rows))]
        bulks = training.bulks
        if bulks is not None:  # those of the profile that a name got; controls keep theirs
            given = dict(
                zip(
                    zip(training.contexts, training.names[order], strict=True),
                    training.names,
                    strict=True,
                )
            )
            own = zip(bulks.contexts, bulks.names, strict=True)
            bulks = replace(bulks, names=np.array([given.get(key, key[1]) for key in own]))
        return replace(
            training, means=training.means[order], n_cells=training.n_cells[order], bulks=bulks
        )
