"""Models that know little: no change, means, the additive model, the nearest perturbation."""

import numpy as np

from helpers.models.effects.training import EffectModel, single_changes


class NoChange(EffectModel):
    """The controls."""

    def _changes(self, parts, context):
        return np.zeros(len(self.training_.genes))


class Additive(EffectModel):
    """The sum of the changes of the parts; of a single one, its own, where it was trained on.

    In a context the single changes are those of that context, or where it has none, the mean over
    the others.
    """

    def _changes(self, parts, context):
        known = single_changes(self.training_) | single_changes(self.training_, context)
        nothing = np.full(len(self.training_.genes), np.nan)
        return np.array(
            [np.sum([known.get(part, nothing) for part in those], axis=0) for those in parts]
        ).reshape(len(parts), len(nothing))
