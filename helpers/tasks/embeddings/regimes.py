"""Regimes in which PCA must lose: where effects lie, and what is said of a real screen."""

import numpy as np
import pandas as pd

from helpers.comparisons import compare, paired
from helpers.data.normalise import log1p_cp10k
from helpers.stats import MIN_UNITS
from helpers.store.steps import step

PCA, PRODUCTS = "PCA", "products of PCs"


@step
def effects_within(screen, *, n_components: int) -> float:
    """Share of the planted effects that lies within the first principal components of cells.

    Parameters
    ----------
    screen : AnnData
        Simulated.
    n_components : int

    Returns
    -------
    float in [0, 1]
        Of the squared norms of effects on log expression, summed over perturbations.
    """
    cells = np.asarray(log1p_cp10k(screen).X.todense(), dtype=float)
    cells -= cells.mean(axis=0)
    _, directions = np.linalg.eigh(cells.T @ cells)
    effects = screen.uns["truth"]["effects"].to_numpy()
    effects = effects @ np.asarray(screen.varm["programs"])[:, : effects.shape[1]].T
    held = effects @ directions[:, ::-1][:, :n_components]
    return float((held**2).sum() / (effects**2).sum())


def products_against_pca(scores: pd.DataFrame, *, seed: int) -> str:
    """One sentence on a real screen: what products of components add to PCA there, if anything.

    Parameters
    ----------
    scores : DataFrame
        Score table of `perturbation_consistency`; may be empty.
    seed : int
        Of the comparison's resamples.
    """
    rows = scores[scores["model"].isin([PCA, PRODUCTS])]
    both = paired(rows, missing="drop") if rows["value"].notna().any() else None
    n_units = 0 if both is None else len(set(both.clusters))
    if n_units < MIN_UNITS:
        return (
            f"{n_units} perturbation{'s' * (n_units != 1)} can be scored there, and a comparison "
            f"takes {MIN_UNITS}: cannot answer"
        )
    (found,) = compare(
        both.table[[PRODUCTS, PCA]],
        both.clusters,
        better="higher",
        rng=np.random.default_rng(seed),
    ).itertuples()
    says = {
        "better": "products are more consistent: some effects of the screen depend on the state of "
        "the cell, or on each other",
        "worse": "products are less consistent, as where there is nothing to gain",
        "undecided": "neither can be called more consistent",
    }[found.verdict]
    n = len(both.table)  # a perturbation can be scored in the screens of several seeds
    scores_of = f"{n} scores of " if n != n_units else ""
    return (
        f"on {scores_of}{n_units} perturbations the mean consistency of products less that of PCA "
        f"is {found.difference:.3f} (95 % interval {found.low:.3f} to {found.high:.3f}): {says}"
    ).replace("-0.", "\N{MINUS SIGN}0.")
