"""What is said of a predictive check: what its statistics mean, scores, what lies outside."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.plots.page import number

TASK = "predictive-check"
MEANINGS = {
    "library median": "median counts of a cell, over the genes at hand",
    "library sd": "standard deviation of log counts of a cell",
    "abundance sd": "standard deviation of log mean between genes",
    "variance/mean, low": "median log10 of variance over mean, lowest third of genes by mean",
    "variance/mean, mid": "median log10 of variance over mean, middle third",
    "variance/mean, high": "median log10 of variance over mean, highest third",
    "excess zeros, low": "share of zeros above exp(-mean), lowest third of genes by mean",
    "excess zeros, mid": "share of zeros above exp(-mean), middle third",
    "excess zeros, high": "share of zeros above exp(-mean), highest third",
    "eigenvalue 1": "share of variance of log counts on the first principal component",
    "eigenvalues 2-5": "share of variance on components 2 to 5",
    "eigenvalues 6-20": "share of variance on components 6 to 20",
    "replicate share": "share of variance of log counts between replicates (omega squared)",
    "target share": "share of variance of log counts between perturbations (omega squared)",
    "effect norm, median": "norm of effects, from halves of cells that share no noise",
    "effect norm, 90 %": "norm of effects, 90 % quantile over perturbations",
    "effect norm, largest": "norm of the largest effect",
    "guide concordance": "median cosine of effects of guides of one target, strongest quarter",
    "reliability, median": "correlation of effects from halves of cells, disjoint controls",
    "reliability, 75 %": "correlation of effects from halves, 75 % quantile",
    "cosine to mean effect": "median cosine of an effect with the mean of all others",
    "cells against effect": "Spearman correlation of cells and effect norm over perturbations",
}


def score_rows(table: pd.DataFrame, *, dataset: str, preset: str, seed: int) -> pd.DataFrame:
    """Result of `check` as rows of the score table: the percentile of the real screen."""
    return scores.rows(
        task=TASK,
        dataset=dataset,
        model=preset,
        metric="predictive_percentile",
        role="candidate",
        unit_kind="statistic",
        unit=table["statistic"],
        seed=seed,
        n=table["n_draws"],
        value=table["below"],
    )


def outside(table: pd.DataFrame) -> pd.DataFrame:
    """What of a check lies outside the band, farthest first; to stand wherever a preset is used.

    Parameters
    ----------
    table : DataFrame
        Of `check`.

    Returns
    -------
    DataFrame
        `statistic`, `meaning`, `real`, `low`, `high`, `distance`; no row where all lie inside.
    """
    beyond = table[table["verdict"] == "outside"]
    beyond = beyond.reindex(beyond["distance"].abs().sort_values(ascending=False).index)
    beyond = beyond.assign(meaning=beyond["statistic"].map(MEANINGS))
    return beyond[["statistic", "meaning", "real", "low", "high", "distance"]]


def distances(table: pd.DataFrame) -> pd.DataFrame:
    """The distances of a check with the band as an interval from -1 to 1, for a figure."""
    shown = table[table["verdict"] != "not in this screen"]
    roles = np.where(shown["verdict"] == "inside", "candidate", "reported")
    return shown.assign(role=roles)


def in_short(table: pd.DataFrame, dataset: str) -> str:
    """In how much a real screen is like the draws that stand for it, and in what it differs most.

    Parameters
    ----------
    table : DataFrame
        Of `check`.
    dataset : str
        The real screen.
    """
    known = int((table["verdict"] != "not in this screen").sum())
    beyond = outside(table)
    if not known:
        return f"{dataset} has none of the statistics: nothing can be said of likeness."
    said = (
        f"Of {known} statistics of {dataset}, {known - len(beyond)} lie inside the 95 % band of "
        "simulated screens that were fitted to it"
    )
    if beyond.empty:
        return f"{said}."
    first = beyond.iloc[0]
    return (
        f"{said}; farthest out is {first['statistic']}, {number(first['real'])} where the band is "
        f"{number(first['low'])} to {number(first['high'])}."
    )


def of_defaults(table: pd.DataFrame) -> str:
    """Says how far the default knobs are from a real screen, by the check of them.

    Parameters
    ----------
    table : DataFrame
        Of `check_defaults`.
    """
    known = int((table["verdict"] != "not in this screen").sum())
    beyond = outside(table)
    if not known:
        return "This real screen has none of the statistics: it cannot tell how realistic they are."
    if beyond.empty:
        return (
            f"All {known} statistics of the real screen lie inside the band of the default knobs. "
            "It shows no difference, which does not show that they are realistic."
        )
    first = ", ".join(beyond["statistic"].head(3))
    which = "farthest out" if len(beyond) > 3 else "namely"
    return (
        f"Of {known} statistics of the real screen, {len(beyond)} lie outside the band of the "
        f"default knobs, {which}: {first}. What is found in simulated screens holds for screens "
        "that differ from this real one in these respects."
    )
