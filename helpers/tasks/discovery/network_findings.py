"""What gene networks answer, and the claims about them."""

import numpy as np
import pandas as pd

from helpers.stats import mean_interval
from helpers.tasks.discovery import networks_real_report as on_cells
from helpers.tasks.discovery import networks_report as planted
from helpers.tasks.discovery import networks_sentences as says
from helpers.tasks.discovery.networks_real import SERIES
from helpers.tasks.findings import Finding, Ledger, with_interval
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.verdicts import NOT_SHOWN, SHOWN

PLANTED = "discovery/networks"
CELLS = "discovery/networks-on-real-data"
PAPER = "Chevalley et al. 2025 (CausalBench)"
FEWEST_DRAWS = 3
HALF = "50% of interventions"


def planted_networks(tables, *, n_resamples: int, seed: int) -> str:
    """Who finds planted edges, and who wins the distance."""
    return says.in_short(tables[PLANTED])


def sizes_of(tables) -> pd.DataFrame:
    """Mean share of pairs that are called by cells of an arm; `CannotAnswer` without real cells."""
    table = tables[CELLS]
    own = table[table["model"].str.startswith("no network, ")]
    if own.empty:
        raise CannotAnswer("no real cells were scored")
    own = own[own["dataset"] == own["dataset"].iloc[0]]
    own = own.assign(
        cells=own["split"].str.split().str[0].astype(int),
        series=own["model"].str.removeprefix("no network, "),
        share=own["value"],
    )
    return on_cells.by_size(own)


def omissions(tables, *, n_resamples: int, seed: int) -> str:
    """What the false omission rate is without a network."""
    return on_cells.about_sizes(sizes_of(tables))


FINDINGS = (
    Finding(
        "Does the benchmark of gene networks reward the network?",
        PLANTED,
        (PLANTED,),
        planted_networks,
        "simulated networks of a few dozen genes, each gene perturbed",
        "a real network that is known",
        front=True,
    ),
    Finding(
        "What does a false omission rate mean?",
        CELLS,
        (CELLS,),
        omissions,
        "24 transcription factors, eight knock-outs in mouse dendritic cells",
        "a screen with as many cells in every arm",
    ),
)


def rows(tables, *, n_resamples: int, seed: int) -> pd.DataFrame:
    """The claims about networks, as `helpers.tasks.findings.Ledger` asks; one row each."""
    table = tables[PLANTED]
    told = [
        _of_interventions(table),
        _of_challenge(table),
        _of_rates(tables),
        _of_imputation(table),
    ]
    columns = ["claim", "published", "ours", "why they differ", "verdict"]
    return pd.DataFrame(told, columns=columns)


def verdict_on(row: pd.Series, *, expected: str) -> str:
    """Verdict on a difference that should be above 0, or not be above 0.

    Parameters
    ----------
    row : Series
        `mean`, `low`, `high`, `n_draws` of `helpers.tasks.discovery.networks_report.gaps`.
    expected : {"above", "not above"}
    """
    if row["n_draws"] < FEWEST_DRAWS or pd.isna(row["low"]):
        return "undecided"
    if expected == "above":
        if row["low"] > 0:
            return SHOWN
        return NOT_SHOWN if row["high"] < 0 else "undecided"
    if row["high"] <= 0:
        return SHOWN
    return NOT_SHOWN if row["low"] > 0 else "undecided"


def _of_interventions(table: pd.DataFrame) -> list[str]:
    """Whether a classical method gains from interventions: GIES-like against NOTEARS."""
    row = planted.gaps(table, planted.PRIMARY, "NOTEARS", kind="linear").loc["GIES-like"]
    said = with_interval(row["mean"], row["low"], row["high"])
    return [
        "Classical methods that use interventions are no better than those that only observe",
        "stated in the abstract",
        f"GIES-like less NOTEARS, average precision of planted edges: {said}",
        "small linear networks with a known truth, not screens of hundreds of genes",
        verdict_on(row, expected="not above"),
    ]


def _of_challenge(table: pd.DataFrame) -> list[str]:
    """Whether Mean Difference passes an observing method, by the benchmark's metric."""
    row = planted.gaps(table, "mean_wasserstein", "NOTEARS", kind="linear").loc["Mean Difference"]
    said = with_interval(row["mean"], row["low"], row["high"])
    return [
        "Methods of the challenge, Mean Difference among them, do better",
        "reported with the challenge; read in a third-party summary",
        f"Mean Difference less NOTEARS, mean Wasserstein distance: {said}",
        "the metric is nearly what the method sorts by",
        verdict_on(row, expected="above"),
    ]


def rank_agreement(table: pd.DataFrame) -> pd.Series:
    """Whether false omission rates order methods as the planted edges that these find do.

    Returns
    -------
    Series
        Rank correlation over candidates, the lower rate with the higher average precision, mean
        over draws: `mean`, `low`, `high` (t distribution, NaN for one draw), `n_draws`.
    """
    rate, found = (
        own[own["role"] == "candidate"].pivot_table("value", "unit", "model")
        for own in (
            planted.of(table, metric, kind="linear")
            for metric in ("false_omission_rate", planted.PRIMARY)
        )
    )
    both = rate.columns.intersection(found.columns)
    by_draw = (-rate[both]).corrwith(found[both], axis=1, method="spearman").dropna()
    ends = mean_interval(by_draw) if len(by_draw) > 1 else (np.nan, np.nan)
    ends = np.clip(ends, -1, 1)
    return pd.Series([by_draw.mean(), *ends, len(by_draw)], ["mean", "low", "high", "n_draws"])


def _of_rates(tables) -> list[str]:
    """Whether false omission rates order methods as planted edges do."""
    row = rank_agreement(tables[PLANTED])
    said = with_interval(*row[["mean", "low", "high"]])
    differ = "small linear networks, one number of cells"
    try:
        value = sizes_of(tables).pivot_table("mean", "cells", "series")[SERIES[0]]
        few, many = value.index[0], value.index[-1]
        differ += (
            f"; without any network the rate is {on_cells.percent(value[few])} at {few} cells an "
            f"arm of real ones, {on_cells.percent(value[many])} at {many}"
        )
    except CannotAnswer:
        pass
    return [
        "The false omission rate ranks networks",
        "its second statistical metric",
        f"rank correlation with the average precision of planted edges: {said}",
        differ,
        verdict_on(row, expected="above"),
    ]


def verdict_on_filled(alone: pd.Series | None, copied: pd.Series | None) -> str:
    """Verdict on arms that a model filled in, by the false omission rate.

    Parameters
    ----------
    alone, copied : Series or None
        Rows of `helpers.tasks.discovery.networks_report.gaps` (above 0 is a lower rate): the model
        against the measured arms alone, and against a copy from another context. None where it was
        not run.

    Returns
    -------
    str
        Shown where the rate is lower than both: if a copy does as well, it is the other context
        that helps, and not the model. Not seen where it is higher than either. Else undecided.
    """
    if alone is None or copied is None:
        return "not testable here"
    found = [verdict_on(row, expected="above") for row in (alone, copied)]
    if NOT_SHOWN in found:
        return NOT_SHOWN
    return "undecided" if "undecided" in found else found[0]


def _of_imputation(table: pd.DataFrame, user: str = "GuanLab") -> list[str]:
    """Whether arms that LPM fills in lower the false omission rate."""
    model, copy = f"{user}, LPM", f"{user}, copy"
    own = planted.of(table, "false_omission_rate", kind="linear", split=HALF)
    there = {model, copy, user} <= set(own.dropna(subset="value")["model"])
    rows: list = [None, None]
    said = "the model was not run at this preset"
    if there:
        rows = [
            planted.gaps(own, "false_omission_rate", other, kind="linear", split=HALF).loc[model]
            for other in (user, copy)
        ]
        alone, copied = (with_interval(-r["mean"], -r["high"], -r["low"], 3) for r in rows)
        said = (
            f"rate of {user} with arms by LPM less that with half of the arms alone: {alone}; less "
            f"that with copied arms: {copied}"
        )
    return [
        "Interventions that LPM fills in lower the false omission rate of GuanLab",
        "read in a third-party summary; absent from the released code",
        said,
        "linear networks of a few dozen genes and two contexts that share most weights, in place "
        "of two screens of essential genes",
        verdict_on_filled(*rows),
    ]


CLAIMS = (Ledger(PAPER, PLANTED, (PLANTED, CELLS), rows),)
