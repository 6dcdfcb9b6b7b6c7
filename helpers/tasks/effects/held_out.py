"""Models of effects on conditions that they have not seen: training set, predictions, metrics.

Every task of the tier shares a screen out in the same way: half of the cells of a condition judge,
half of the controls too. A condition that is learnt from is never scored, so that a model may see
all of its cells; of one that is scored, a technical duplicate (the ceiling) sees the other half.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL, DataError
from helpers.data.effects.condition_splits import ConditionSplit
from helpers.data.effects.split_reports import split_report
from helpers.models.effects.training import EffectModel, Training, training_of_cells
from helpers.tasks.prediction_judge import Prediction
from helpers.tasks.prediction_panel import DUPLICATE, by_means, judged
from helpers.tasks.prediction_scene import Scene

MEASURES = {"means": by_means}
WEAK, MIDDLE, STRONG = "weak", "middle", "strong"


@dataclass(frozen=True)
class HeldOut(Scene):
    """A scene of the scored conditions, whose mean is that of the training conditions."""

    training_mean: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """What a model that knows nothing of a condition can predict, (n_genes,)."""
        return self.training_mean


def seen_labels(scene: Scene, *, cells: str = "all") -> np.ndarray:
    """Condition of each cell of a scene that models may see, (n_cells,); "" of the others.

    Parameters
    ----------
    scene : Scene
    cells : {"all", "half"}
        All cells of a condition, or the half that does not judge.
    """
    if cells not in ("all", "half"):
        raise ValueError(f"cells is {cells!r}; all or half")
    labels = np.full(scene.matrix.shape[0], "", dtype=object)
    for name, (judging, seen) in scene.halves.items():
        labels[seen] = name
        if cells == "all":
            labels[judging] = name
    labels[scene.controls["model"]] = CONTROL
    return labels.astype(str)


def training_of(
    scene: Scene,
    train,
    *,
    cells: str = "all",
    cells_a_bulk: int | None = None,
    seed: int = 0,
) -> Training:
    """The training set of a scene: conditions by name, and the controls of the model's side."""
    labels = seen_labels(scene, cells=cells)
    return training_of_cells(
        scene.matrix,
        labels,
        scene.genes,
        controls=labels == CONTROL,
        conditions=list(train),
        cells_a_bulk=cells_a_bulk,
        rng=np.random.default_rng(seed),
    )


def held_out(scene: Scene, test, training: Training, context: str | None = None) -> HeldOut:
    """The scene of the scored conditions.

    Raises
    ------
    DataError
        A scored condition is not in the scene.
    """
    rows = scene.names.get_indexer(list(test))
    if (rows < 0).any():
        absent = [n for n, r in zip(test, rows, strict=True) if r < 0]
        raise DataError(f"scored conditions that have too few cells: {', '.join(absent[:5])}")
    by_row = ("observed", "seen", "observed_t", "seen_t", "seen_p", "own_gene", "names")
    given = {f.name: getattr(scene, f.name) for f in fields(Scene)}
    given |= {name: given[name][rows] for name in by_row}
    mean = training.control(context)
    if len(training.names):
        mean = mean + training.changes.mean(axis=0)
    return HeldOut(**given, training_mean=mean)


def predicted(
    models: Mapping[str, EffectModel],
    training: Training,
    test,
    *,
    digest: str,
    split: ConditionSplit,
    context: str | None = None,
) -> dict[str, np.ndarray]:
    """What each model predicts, (n_test, n_genes) with rows of NaN where it cannot.

    Raises
    ------
    DataError
        The digest is that of another split.
    """
    split.accept(digest)
    return {
        name: model.fit(training).predict(list(test), context) for name, model in models.items()
    }


def scores_of(
    scene: Scene,
    split: ConditionSplit,
    models: Mapping[str, EffectModel],
    *,
    seed: int,
    training: Training | None = None,
    context: str | None = None,
) -> pd.DataFrame:
    """Every metric of means, for models, and for a technical duplicate.

    Parameters
    ----------
    scene : Scene
    split : ConditionSplit
        Of conditions of the scene.
    models : mapping of name to EffectModel
    seed : int
    training : Training, optional
        By default the conditions of the split; several contexts are put together before.
    context : str, optional
        Of the scene, where the training set has several.

    Returns
    -------
    DataFrame
        `prediction`, `metric`, `perturbation`, `n_cells`, `value`; `imputed`: the model has no
        prediction, and the value is that of the mean of the training conditions; `stratum` of the
        split; `effect`: weak, middle or strong, a third each, by the size of the change in the
        cells that do not judge; `split_report`: manifest and leakage report of the split.
    """
    training = training_of(scene, split.train) if training is None else training
    held = held_out(scene, split.test, training, context)
    given = dict(digest=split.digest, split=split, context=context)
    found = predicted(models, training, split.test, **given)
    lost = {name: ~np.isfinite(means).all(axis=1) for name, means in found.items()}
    predictions = {
        name: Prediction(np.where(lost[name][:, None], held.mean, means))
        for name, means in found.items()
    }
    predictions[DUPLICATE] = Prediction(held.seen)
    lost[DUPLICATE] = np.zeros(len(held.names), dtype=bool)
    table = judged(held, predictions, seed=seed, measures=MEASURES)
    rows = held.names.get_indexer(table["perturbation"])
    size = np.linalg.norm(held.seen - held.predicted_from, axis=1)
    third = np.argsort(np.argsort(size, kind="stable"), kind="stable") * 3 // len(size)
    effect = pd.Series(np.array([WEAK, MIDDLE, STRONG])[third], index=held.names)
    return table.assign(
        imputed=[lost[name][row] for name, row in zip(table["prediction"], rows, strict=True)],
        stratum=table["perturbation"].map(dict(split.strata)).fillna(split.kind),
        effect=table["perturbation"].map(effect),
        split_report=_report(held, split, training),
    )


def _report(held: HeldOut, split: ConditionSplit, training: Training) -> str:
    """Effects of scored conditions are those of the cells that do not judge."""
    several = len(training.controls) > 1
    names = [
        f"{name} in {context}" if several else str(name)
        for name, context in zip(training.names, training.contexts, strict=True)
    ]
    effects = held.seen - held.predicted_from
    return split_report(split, effects, np.asarray(training.changes), names)
