"""What gene networks answer, and the claims about them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from helpers.stats import mean_interval
from helpers.tasks.discovery import networks_real_report as on_cells
from helpers.tasks.discovery import networks_report as planted
from helpers.tasks.discovery import networks_sentences as says
from helpers.tasks.discovery.networks_real import SERIES
from helpers.tasks.findings import Finding, Ledger, listed, with_interval
from helpers.tasks.requirements import CannotAnswer
from helpers.tasks.verdicts import BOTH, NOT_SHOWN, SHOWN, UNTESTABLE

PLANTED = "discovery/networks"
CELLS = "discovery/networks-on-real-data"
PAPER = "Chevalley et al. 2025 (CausalBench)"
FEWEST_DRAWS = 3
HALF = "50% of interventions"
USERS = ("GIES-like", "sparse inverse")
"""Methods that use interventions and were not made for the challenge."""
OBSERVERS = ("NOTEARS", "sortnregress", "GRNBoost-like", "correlation")


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
        _of_challenge(tables),
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


def together(verdicts: Iterable[str]) -> str:
    """One verdict of several: both ways where they contradict, undecided where one is open."""
    found = set(verdicts)
    if {SHOWN, NOT_SHOWN} <= found:
        return BOTH
    return found.pop() if len(found) == 1 else "undecided"


def against_observers(table: pd.DataFrame) -> pd.DataFrame:
    """Each method of `USERS` against all of `OBSERVERS`, by planted edges, in each kind of network.

    Returns
    -------
    DataFrame
        `kind`, `model`, `said`, `verdict` on "no better than those that only observe": not seen
        where the model is better than all of them, shown where it is worse than one. Intervals are
        wider for as many comparisons as a kind has (Bonferroni).
    """
    rows = []
    for kind in planted.kinds_of(table):
        there = set(planted.of(table, planted.PRIMARY, kind=kind)["model"])
        users, observers = ([m for m in names if m in there] for names in (USERS, OBSERVERS))
        level = 1 - 0.05 / max(1, len(users) * len(observers))
        by = {
            other: planted.gaps(table, planted.PRIMARY, other, kind=kind, confidence=level)
            for other in observers
        }
        for model in users:
            found = {o: verdict_on(by[o].loc[model], expected="not above") for o in observers}
            worse = [other for other, verdict in found.items() if verdict == SHOWN]
            if worse:
                rows.append([kind, model, f"worse than {listed(worse)}", SHOWN])
            elif found and set(found.values()) == {NOT_SHOWN}:
                rows.append([kind, model, f"better than {listed(observers)}", NOT_SHOWN])
            else:
                rows.append([kind, model, "undecided", "undecided"])
    return pd.DataFrame(rows, columns=["kind", "model", "said", "verdict"])


def _of_interventions(table: pd.DataFrame) -> list[str]:
    """Whether methods gain from interventions: all that use them against all that observe."""
    found = against_observers(table)
    told = [
        f"{kind}: {'; '.join(f'{row.model} {row.said}' for row in own.itertuples())}"
        for kind, own in found.groupby("kind", sort=False)
    ]
    return [
        "Classical methods that use interventions are no better than those that only observe",
        "stated in the abstract",
        f"average precision of planted edges, {'. '.join(told)}" if told else "not run here",
        "small networks with a known truth, not screens of hundreds of genes; sparse inverse, "
        "after inspre, is not a method of the paper",
        together(found["verdict"]) if told else UNTESTABLE,
    ]


def _of_challenge(tables) -> list[str]:
    """Whether Mean Difference passes an observing method: by distance, by edges, and on cells."""
    table, metric, verdicts, told = tables[PLANTED], "mean_wasserstein", [], []
    for asked, name in ((metric, "mean Wasserstein distance"), (planted.PRIMARY, "planted edges")):
        row = planted.gaps(table, asked, "NOTEARS", kind="linear").loc["Mean Difference"]
        verdicts.append(verdict_on(row, expected="above"))
        told.append(f"{name} {with_interval(row['mean'], row['low'], row['high'])}")
    said = f"Mean Difference minus NOTEARS, simulated linear networks: {'; '.join(told)}"
    cells = tables[CELLS]
    cells = cells[
        (cells["task"] == on_cells.TASK)
        & (cells["metric"] == metric)
        & (cells["protocol"] == "revised")
        & cells["model"].isin(["Mean Difference", "NOTEARS"])
    ]
    gained = {}
    for dataset, own in cells.groupby("dataset", sort=False):
        wide = own.pivot_table("value", "unit", "model").dropna()
        if wide.shape == (len(wide), 2) and len(wide):
            gained[dataset] = (wide["Mean Difference"] - wide["NOTEARS"]).mean()
    if gained:
        means = "; ".join(f"{name} {planted.number(gap, 3)}" for name, gap in gained.items())
        said += f"; distance on real cells, means over splits of the same cells: {means}"
        verdicts.append("undecided")  # one set of cells each
    return [
        "Methods of the challenge, Mean Difference among them, do better",
        "reported with the challenge; read in a third-party summary",
        said,
        "the distance is nearly what Mean Difference sorts by; splits of the same cells decide "
        "nothing of others",
        together(verdicts),
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
        return UNTESTABLE
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
            f"rate of {user} with arms by LPM minus that with half of the arms alone: {alone}; "
            f"minus that with copied arms: {copied}"
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
