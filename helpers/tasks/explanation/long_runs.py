"""Long runs of the tier: the published data sets at their size, drawn anew, as published."""

from collections.abc import Sequence

import pandas as pd

from helpers.data.explanation.lda_settings import lda
from helpers.models.explanation.classifiers import fit_logistic_regression, fit_mlp
from helpers.store.kept import LongRun
from helpers.store.steps import Step, step
from helpers.tasks.explanation.attribution import attribution_scores, designs

PUBLISHED = designs(0, "full").names
MODELS = {"LR": fit_logistic_regression, "MLP": fit_mlp}


@step
def macro_averages(scored: dict) -> pd.DataFrame:
    """Mean of each metric over the classes that were scored.

    Parameters
    ----------
    scored : dict of "data set, model" to the DataFrame of `attribution_scores`

    Returns
    -------
    DataFrame
        `dataset`, `model`, `metric`, `value` (a share).
    """
    parts = []
    for name, table in scored.items():
        dataset, model = name.split(", ")
        means = table.groupby("metric", sort=False)["value"].mean().reset_index()
        parts.append(means.assign(dataset=dataset, model=model))
    return pd.concat(parts, ignore_index=True)[["dataset", "model", "metric", "value"]]


def published_sizes(seed: int, *, names: Sequence[str] = PUBLISHED, n_random: int = 3) -> Step:
    """One draw of each published data set, with one training of both models on it.

    Parameters
    ----------
    seed : int
        Of the draw, of the training, and of the random orders.
    names : sequence of str
    n_random : int
        Random orders of PGR.
    """
    drawn = {name: lda(name, seed) for name in names}
    scored = {
        f"{name}, {model}": attribution_scores(
            data, fit(data, seed=seed), protocol="published", n_random=n_random, seed=seed
        )
        for name, data in drawn.items()
        for model, fit in MODELS.items()
    }
    return macro_averages(scored)


ATTRIBUTIONS = LongRun("published-attributions", (0, 1, 2, 3, 4), published_sizes)
LONG_RUNS = (ATTRIBUTIONS,)
