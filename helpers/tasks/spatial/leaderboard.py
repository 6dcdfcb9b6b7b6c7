"""The published leaderboard read again: ranks, ties, what decides its averages, copied cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.comparisons import compare, rank_intervals, tie_groups
from helpers.data.spatial.leaderboard import leaderboard
from helpers.data.spatial.spared import card
from helpers.store.steps import step

BETTER = {"mse": "lower", "pcc": "higher"}


def copied(table: pd.DataFrame) -> pd.DataFrame:
    """Cells of one model whose two numbers are those of another data set, to the last digit.

    Parameters
    ----------
    table : DataFrame
        `data set`, `model`, `mse`, `pcc`.

    Returns
    -------
    DataFrame
        `model`, `data set`, `same as` (an earlier row), `mse`, `pcc`.
    """
    known = table.dropna(subset=["mse", "pcc"])
    rows = []
    for _, group in known.groupby(["model", "mse", "pcc"], sort=False):
        first, *others = group.to_dict("records")
        rows += [one | {"same as": first["data set"]} for one in others]
    return pd.DataFrame(rows, columns=["model", "data set", "same as", "mse", "pcc"])


def clusters(names) -> np.ndarray:
    """Data sets that share slides are one cluster: MMBP1 and MMBP2 are sub-sets of MMBR."""
    part = card().set_index("data set")["part of"]
    return np.array([part.get(name, "") or name for name in names])


def averages(table: pd.DataFrame, *, without: str) -> pd.DataFrame:
    """Averages of the page, as anyone would form them.

    Parameters
    ----------
    table : DataFrame
        `data set`, `model`, `mse`, `pcc`.
    without : str
        A data set that is left out of the second mean.

    Returns
    -------
    DataFrame indexed by model
        `data sets`, `mean MSE`, `mean MSE without`, `median MSE`, `mean PCC`, `wins MSE`,
        `wins PCC` (of all data sets; those that tie all win).
    """
    mse, pcc = (table.pivot_table(v, "data set", "model", sort=False) for v in ("mse", "pcc"))
    return pd.DataFrame(
        {
            "data sets": mse.notna().sum(),
            "mean MSE": mse.mean(),
            "mean MSE without": mse.drop(index=without).mean(),
            "median MSE": mse.median(),
            "mean PCC": pcc.mean(),
            "wins MSE": mse.eq(mse.min(axis=1), axis=0).sum(),
            "wins PCC": pcc.eq(pcc.max(axis=1), axis=0).sum(),
        }
    ).rename_axis("model")


def weights(table: pd.DataFrame) -> pd.DataFrame:
    """What share each data set has of the differences between the models' mean errors.

    The variance between models of the mean error is a sum over data sets of the covariance of that
    data set's errors with the mean; its share is what the data set contributes.

    Returns
    -------
    DataFrame
        `data set`, `share` (they add up to 1; below 0 where it works against the others), the
        largest first. Of data sets that have a number for every model.
    """
    mse = table.pivot_table("mse", "data set", "model", sort=False).dropna()
    centred = mse.sub(mse.mean(axis=1), axis=0)
    mean = centred.mean()
    share = (centred * mean).sum(axis=1) / len(centred) / (mean**2).sum()
    found = share.rename("share").rename_axis("data set").reset_index()
    return found.sort_values("share", ascending=False, kind="stable", ignore_index=True)


def ranked(metric: str) -> pd.DataFrame:
    """Rank of each model in each data set that all have, 1 the best."""
    wide = leaderboard().pivot_table(metric, "data set", "model", sort=False).dropna()
    return wide.rank(axis=1, ascending=BETTER[metric] == "lower")


@step
def pairs(*, metric: str, n_resamples: int, seed: int) -> pd.DataFrame:
    """Every pair of models over data sets: see `helpers.comparisons.compare`, of ranks."""
    ranks, rng = ranked(metric), np.random.default_rng(seed)
    return compare(ranks, clusters(ranks.index), better="lower", n_resamples=n_resamples, rng=rng)


@step
def standings(pairs, *, metric: str, n_resamples: int, seed: int) -> pd.DataFrame:
    """Ranks of the models over data sets, by a metric, and who is told apart from whom.

    A model is ranked in each data set, so that none decides by its scale; the ranks are compared.

    Parameters
    ----------
    pairs : DataFrame
        Result of `pairs`, by the same metric: letters are of these verdicts.
    metric : {"mse", "pcc"}
    n_resamples, seed : int

    Returns
    -------
    DataFrame
        `model`, `mean rank` (over data sets that all models have), `low`, `high` of its place
        among the models (all models at once), `place`, `letters`, `n` (data sets), `n_clusters`.
    """
    ranks, rng = ranked(metric), np.random.default_rng(seed)
    groups = clusters(ranks.index)
    places = rank_intervals(ranks, groups, better="lower", n_resamples=n_resamples, rng=rng)
    letters = tie_groups(pairs, list(places.index))
    found = places.rename(columns={"mean": "mean rank", "rank": "place"}).drop(columns="share_best")
    found = found.assign(letters=letters, n=len(ranks), n_clusters=len(set(groups)))
    return found.reset_index()
