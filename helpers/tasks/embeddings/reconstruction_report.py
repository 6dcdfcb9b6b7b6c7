"""What is said of reconstruction: departures, scores, tables."""

from collections.abc import Mapping

import pandas as pd

from helpers.metrics.embeddings.postprocess import FEW_CONTROLS
from helpers.scores import gather as gather_scores
from helpers.scores import rows
from helpers.store.steps import Step
from helpers.summaries import ROLE_ORDER
from helpers.tasks.departures import Departure
from helpers.tasks.embeddings.reconstruction import REQUIREMENTS, TASK, available
from helpers.tasks.embeddings.representations import Representation, roles_and_params
from helpers.tasks.requirements import unmet

TITLES = {
    "reconstruction_spearman": "Spearman",
    "structural_integrity_overall": "Structural Integrity",
    "profile_integrity": "profile integrity",
}


DEPARTURES = (
    Departure(
        aspect="scored cells",
        published="every hundredth batch of test cells: one or two in a hundred",
        revised="all test cells",
        kind="bug",
        reason="what is left is a handful of cells a batch, and the score is mostly which ones",
    ),
    Departure(
        aspect="batches without controls among the scored cells",
        published="stay uncentred, and are scored",
        revised="not scored, and counted",
        kind="bug",
        reason="an uncentred batch has a norm many times that of an effect: it fills the "
        "denominator, and a prediction without any effect scores far above one half",
    ),
    Departure(
        aspect="size of a batch",
        published="a norm over n rows is divided by n",
        revised="by the root of n",
        kind="design choice",
        reason="a norm grows with the root of n: divided by n, small batches count most",
    ),
    Departure(
        aspect="mean over batches",
        published="ratio of means",
        revised="mean of ratios",
        kind="design choice",
        reason="each batch is one measurement of the same ratio",
    ),
    Departure(
        aspect="scored rows",
        published="code: all rows, controls too (followed); paper: perturbed minus control",
        revised="perturbed cells; Spearman, as published, over these and the test controls",
        kind="paper-code discrepancy",
        reason="a control has no effect to be predicted, but its expression can be decoded",
    ),
    Departure(
        aspect="decoder",
        published="code: three hidden ReLU layers (followed, with fewer genes and smaller "
        "mini-batches); paper: a linear one of two layers",
        revised="ridge in closed form; a log-linear one with the likelihood of counts beside it",
        kind="paper-code discrepancy",
        reason="the section is about what can be read off linearly, and training is one more thing "
        "that can go wrong",
    ),
    Departure(
        aspect="chance level",
        published="random labels as one of the rows",
        revised="0.5, what no effect at all gets, exactly",
        kind="design choice",
        reason="published, random labels are above 0.5 in both screens of the first table; what a "
        "model adds to them is all that it knows",
    ),
    Departure(
        aspect="single cells",
        published="Structural Integrity of single cells",
        revised="that, and of means of a perturbation over the test batches",
        kind="design choice",
        reason="the noise of a single cell cannot be predicted, and keeps the score near one half",
    ),
    Departure(
        aspect="batches with few controls, in post-processing",
        published="centred on what controls they have",
        revised=f"below {FEW_CONTROLS} controls, shrunken towards what all controls say; raw "
        "embeddings and the centring inside Structural Integrity are not",
        kind="design choice",
        reason="the error of a small batch's centre is shared by all of its cells",
    ),
)


def answerable(screen, split) -> str:
    """ "yes", or what the data set lacks."""
    missing = unmet(REQUIREMENTS, available(screen, split))
    return "cannot answer: " + "; ".join(missing) if missing else "yes"


UNIT_KINDS = {
    "reconstruction_spearman": "gene",
    "structural_integrity": "batch",
    "profile_integrity": "perturbation",
    "structural_integrity_overall": "all",
}


def scores(
    result: pd.DataFrame,
    *,
    params: Mapping,
    decoder: str,
    split: str = "unseen perturbations and batches",
    **shared,
) -> pd.DataFrame:
    """Result of `reconstruction` as rows of the score table; `params` tells the decoder."""
    columns = {name: result[name] for name in ("post", "metric", "unit", "n", "value")}
    return rows(
        task=TASK,
        split=split,
        params={**params, "decoder": decoder},
        unit_kind=result["metric"].map(UNIT_KINDS),
        **columns,
        **shared,
    )


def gather(
    asked: Mapping[tuple[str, str, str], Step], roster: Mapping[str, Representation], **shared
) -> pd.DataFrame:
    """Score table of many calls of `reconstruction`, side by side where there is a cluster.

    Parameters
    ----------
    asked : mapping
        Of (model, protocol, decoder) to a call.
    roster : mapping
        Of the model's name to its `Representation`.
    **shared
        The other arguments of `scores`: `dataset`, `seed` among them.
    """
    keys = ("model", "protocol", "decoder")
    return gather_scores(asked, keys, scores, **roles_and_params(roster), **shared)


def overall(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean of each metric of `TITLES` over its units, a row for each combination of `by`.

    Parameters
    ----------
    table : DataFrame
        Score table; NaN (a gene or batch that cannot be scored) is left out of the means.
    by : list of str
        Columns.

    Returns
    -------
    DataFrame
        `by`, then a column for each metric, ceilings first, then candidates from the best Spearman
        down, then floors.
    """
    chosen = table[table["metric"].isin(TITLES)]
    wide = chosen.pivot_table("value", ["role", *by], "metric", observed=True).reset_index()
    rank = wide["role"].map(ROLE_ORDER)
    wide = wide.assign(rank=rank).sort_values(
        ["rank", "reconstruction_spearman"], ascending=[True, False], kind="stable"
    )
    columns = [metric for metric in TITLES if metric in wide]
    return wide[[*by, *columns]].rename(columns=TITLES).reset_index(drop=True)


def unscored(table: pd.DataFrame) -> pd.Series:
    """Number of units without a value, by metric."""
    return table["value"].isna().groupby(table["metric"]).sum()
