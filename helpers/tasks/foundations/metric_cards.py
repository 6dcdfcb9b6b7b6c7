"""Task: what every metric of predictions does, asked of predictions whose quality is known."""

import numpy as np
import pandas as pd

from helpers.store.steps import Step, step
from helpers.tasks.prediction_judge import Prediction
from helpers.tasks.prediction_panel import MEASURES, OF_MEANS, control_scores, judged
from helpers.tasks.prediction_scene import RAW, RESIDUALS, make_scene

BASE, FEW_CELLS, SPARSE, FEW_GENES = "plain", "few cells", "sparse", "few genes"
CONDITIONS = (BASE, FEW_CELLS, SPARSE, FEW_GENES, RESIDUALS, RAW)
"""Under which each metric must separate; the last two are other normalisations than log1p CP10k."""
FEW = 8  # cells of each half
SHALLOW = 0.1  # of the counts, in the sparse screen
AS_IT_IS, HALVED, DOUBLED, ONE_VALUE = "as it is", "halved", "doubled", "one value in all genes"


def conditions(
    screen: Step,
    sparse: Step | None,
    *,
    seed: int,
    truth: Step | None = None,
    context: str | None = None,
    n_few_genes: int = 50,
    **most,
) -> dict[str, Step]:
    """Calls of `control_scores` under each condition.

    Parameters
    ----------
    screen : Step
        Of counts.
    sparse : Step, optional
        The same screen with fewer counts a cell.
    seed : int
    truth : Step, optional
        Of `planted_profiles`, for the plain condition.
    context : str, optional
    n_few_genes : int
    **most
        Limits of `control_scores`: cells, controls, perturbations, genes.

    Returns
    -------
    dict of str to Step
        A condition without its screen is left out.
    """
    common = dict(seed=seed, context=context)
    found = {
        BASE: control_scores(screen, truth=truth, **common, **most),
        FEW_CELLS: control_scores(screen, **common, **(most | {"n_cells": FEW})),
    }
    if sparse is not None:
        found[SPARSE] = control_scores(sparse, **common, **most)
    found[FEW_GENES] = control_scores(screen, **common, **(most | {"n_genes": n_few_genes}))
    for other in (RESIDUALS, RAW):
        found[other] = control_scores(screen, normalisation=other, needs=OF_MEANS, **common, **most)
    return found


@step
def thinned(screen, *, share: float, seed: int):
    """A screen with a share of its counts, drawn at random molecule by molecule.

    Parameters
    ----------
    screen : AnnData of counts
    share : float in (0, 1)
    seed : int

    Returns
    -------
    AnnData
        Cells and genes as they were; the library size is the thinned one. A panel stays a panel.
    """
    rng = np.random.default_rng(seed)
    result = screen.copy()
    counts = result.X.copy().tocsr()
    total = np.asarray(counts.sum(axis=1)).ravel()
    counts.data = rng.binomial(counts.data.astype(np.int64), share).astype(np.float32)
    counts.eliminate_zeros()
    if "total_counts" in result.obs:
        # what the genes at hand do not hold is thinned as a whole
        rest = result.obs["total_counts"].to_numpy() - total
        kept = np.asarray(counts.sum(axis=1)).ravel()
        drawn = rng.binomial(np.maximum(np.rint(rest), 0).astype(np.int64), share)
        result.obs["total_counts"] = kept + drawn
    result.X = counts
    return result


@step
def bent_scores(
    screen,
    *,
    seed: int,
    truth=None,
    context: str | None = None,
    n_cells: int | None = None,
    n_controls: int | None = None,
    n_perturbations: int | None = None,
    n_genes: int | None = None,
) -> pd.DataFrame:
    """Every metric on predictions that know the answer and state it wrongly.

    Parameters
    ----------
    screen, seed, truth, context, n_cells, n_controls, n_perturbations, n_genes
        See `helpers.tasks.prediction_panel.control_scores`. Without planted truth, the other half
        of the cells is what is bent.

    Returns
    -------
    DataFrame
        Of `judged`: predictions whose change is right, half and twice as large, and one value in
        all genes and for all perturbations, the mean expression of controls.
    """
    scene = make_scene(
        screen,
        seed=seed,
        context=context,
        n_cells=n_cells,
        n_controls=n_controls,
        n_perturbations=n_perturbations,
        n_genes=n_genes,
    )
    return judged(scene, bent_predictions(scene, truth), seed=seed, measures=MEASURES)


def bent_predictions(scene, truth: pd.DataFrame | None = None) -> dict[str, Prediction]:
    """Right answers, stated as they are, halved, doubled; and one value for all."""
    change = scene.seen - scene.predicted_from
    if truth is not None:
        own = truth.loc[scene.names, scene.genes] - truth.loc["control", scene.genes]
        change = own.to_numpy()
    factors = {AS_IT_IS: 1.0, HALVED: 0.5, DOUBLED: 2.0}
    found = {name: Prediction(scene.predicted_from + f * change) for name, f in factors.items()}
    flat = np.full(change.shape, scene.predicted_from.mean())
    return found | {ONE_VALUE: Prediction(flat)}
