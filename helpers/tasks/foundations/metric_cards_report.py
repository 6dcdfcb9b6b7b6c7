"""The report card of metrics: a row a metric, every cell of it computed."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.metrics.facts import Metric
from helpers.metrics.predicted.facts import PREDICTION_METRICS
from helpers.plots.small import strip
from helpers.tasks.foundations.metric_cards import (
    AS_IT_IS,
    BASE,
    CONDITIONS,
    DOUBLED,
    FEW_CELLS,
    HALVED,
    ONE_VALUE,
    SPARSE,
)
from helpers.tasks.prediction_panel import DUPLICATE, INTERPOLATED, NEGATIVE, PLANTED, SHUFFLED
from helpers.tasks.prediction_panel_report import (
    INVERTED,
    SEPARATES,
    UNDEFINED,
    calibration,
    dynamic_range_fraction,
    wide,
)
from helpers.tasks.prediction_scene import RAW, RESIDUALS

NOT_ASKED = "not asked"
CLEAR = 0.02  # of the way from floor to perfect: what differs by less is the same

BLIND, PAYS_MORE, PAYS_LESS = "blind to size", "pays for doubled changes", "pays for halved changes"
FREE = "doubling costs nothing"
FLAT, INVERTS, SILENT = (
    "pays for one value",
    "puts a duplicate below ignorance",
    "not shown to separate",
)
NEEDS_CELLS, NEEDS_COUNTS = "needs cells", "needs counts"
BY_SCALE = "verdict changes with normalisation"
LIKES_NOISE, GAPS = "prefers noise", "often undefined"
BAD = (INVERTS, SILENT, FLAT)
"""Flags with which a metric should not rank models."""


def cards(
    tables: Mapping[str, pd.DataFrame],
    bent: pd.DataFrame,
    facts: Mapping[str, Metric] = PREDICTION_METRICS,
) -> pd.DataFrame:
    """One row a metric: what it is, its floors and ceilings, and what it does under stress.

    Parameters
    ----------
    tables : mapping
        Of conditions, "plain" among them, to score tables (`prediction_panel_report.score_rows`).
    bent : DataFrame
        Of `bent_scores`.
    facts : mapping of str to PredictionMetric

    Returns
    -------
    DataFrame, in the order of `facts`
        `metric`, `needs`, `chance` (stated), `at chance` (another perturbation's profile), `floor`,
        `at floor`, the ceilings, `drf`, `low`, `high`, a column for each condition with the verdict
        there ("not asked" where it was not) and one with the range there, `halved`, `doubled`,
        `one value` (dynamic range fractions of bent predictions), `flags` and `advice`.
    """
    found = {name: calibration(table, facts).set_index("metric") for name, table in tables.items()}
    plain = found[BASE]
    rows = []
    for name, base in plain.iterrows():
        fact = facts[name]
        values = wide(tables[BASE], name)
        row = {
            "metric": name,
            "needs": fact.needs,
            "chance": fact.chance,
            "at chance": values[SHUFFLED].mean() if SHUFFLED in values else np.nan,
        }
        keys = ("floor", "at floor", DUPLICATE, INTERPOLATED, PLANTED, "noise-free")
        row |= {key: base[key] for key in keys if key in plain}
        row |= {key: base[key] for key in ("drf", "low", "high")}
        row["undefined"] = base["n_undefined"] / max(base["n"] + base["n_undefined"], 1)
        for condition in CONDITIONS:
            there = condition in found and name in found[condition].index
            row[condition] = found[condition].loc[name, "verdict"] if there else NOT_ASKED
            row[_reach(condition)] = found[condition].loc[name, "drf"] if there else np.nan
        row |= _bent(bent[bent["metric"] == name], base["at floor"], fact.perfect)
        row["flags"] = flags(row)
        rows.append(row | {"advice": advice(row["flags"], row["needs"])})
    return pd.DataFrame(rows)


def _reach(condition: str) -> str:
    return f"range, {condition}"


def strips(table: pd.DataFrame) -> list[str]:
    """The small figure of each row of `shown`: its range in the plain screen and under stress."""
    return [
        strip({c: row[_reach(c)] for c in CONDITIONS if _reach(c) in row}, low=low, high=high)
        for row in _ordered(table).to_dict("records")
        for low, high in [(row["low"], row["high"])]
    ]


def _bent(own: pd.DataFrame, floor: float, perfect: float) -> dict[str, float]:
    """Where bent predictions stand between floor and perfect, by their means."""
    means = own.groupby("prediction")["value"].mean()
    names = {AS_IT_IS: AS_IT_IS, HALVED: HALVED, DOUBLED: DOUBLED, ONE_VALUE: "one value"}
    asked = [means.get(name, np.nan) for name in names]
    placed = dynamic_range_fraction(asked, np.full(len(asked), floor), perfect)
    return dict(zip(names.values(), placed, strict=True))


def flags(row: Mapping) -> list[str]:
    """What a reader should be warned of, from measured behaviour only.

    Parameters
    ----------
    row : mapping
        A row of `cards`, without flags and advice.
    """
    found = []
    if row[BASE] == INVERTED:
        found.append(INVERTS)
    elif row[BASE] != SEPARATES:
        found.append(SILENT)
    right = row[AS_IT_IS]
    if row["one value"] > max(right, 0) + CLEAR:
        found.append(FLAT)
    if abs(row[DOUBLED] - right) <= CLEAR:
        found.append(BLIND if abs(row[HALVED] - right) <= CLEAR else FREE)
    if row[DOUBLED] > right + CLEAR:
        found.append(PAYS_MORE)
    if row[HALVED] > right + CLEAR:
        found.append(PAYS_LESS)
    if row[BASE] == SEPARATES:
        if row[FEW_CELLS] not in (SEPARATES, NOT_ASKED):
            found.append(NEEDS_CELLS)
        if row[SPARSE] not in (SEPARATES, NOT_ASKED):
            found.append(NEEDS_COUNTS)
    scales = {row[c] for c in (BASE, RESIDUALS, RAW)} - {NOT_ASKED}
    if len(scales) > 1:
        found.append(BY_SCALE)
    if _worse(row.get(INTERPOLATED, np.nan), row[DUPLICATE], row["at floor"]):
        found.append(LIKES_NOISE)
    if row["undefined"] > 0.1:
        found.append(GAPS)
    return found


def _worse(denoised: float, noisy: float, floor: float) -> bool:
    """Whether the denoised duplicate is clearly closer to the floor than the noisy one."""
    span = noisy - floor
    return bool(abs(span) > 1e-12 and (denoised - noisy) / span < -0.1)


def advice(flagged: list[str], needs: str) -> str:
    """When to use a metric, a sentence that follows from its flags."""
    if INVERTS in flagged:
        return (
            "Do not rank models by it here: a right answer with noise scores below one that knows "
            "nothing."
        )
    if SILENT in flagged:
        return "Do not rank models by it here: it is not shown to tell knowledge from ignorance."
    if FLAT in flagged:
        return "Do not rank models by it: one value for all genes beats the truth."
    if PAYS_MORE in flagged:
        return "Never alone: exaggerated changes raise it. Show an error of size beside it."
    if FREE in flagged:
        return "Never alone: exaggerated changes cost nothing. Show an error of size beside it."
    if LIKES_NOISE in flagged:
        return "With care: it pays for noise, so that a mean looks worse than it is."
    if PAYS_LESS in flagged:
        return "With care: timid predictions raise it. Show a correlation of change beside it."
    lacking = {NEEDS_CELLS: "cells", NEEDS_COUNTS: "counts a cell"}
    if needed := " and ".join(word for flag, word in lacking.items() if flag in flagged):
        return f"With many {needed} only: with few, it is not shown to separate."
    if BLIND in flagged:
        return "For the pattern of a change. Show an error beside it: it does not see the size."
    if needs != "means":
        return "For models that predict cells. Show the score of their means beside it."
    return "For ranking models: it pays for the pattern of a change and for its size."


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The card as a page shows it, sorted by dynamic range."""
    columns = ["metric", "drf", "low", "high", *(c for c in CONDITIONS if c in table)]
    return _ordered(table)[columns]


def advised(table: pd.DataFrame) -> pd.DataFrame:
    """What to be warned of in each metric, and when to use it; in the order of `shown`."""
    said = table["flags"].map(lambda f: ", ".join(f) or "none")
    return _ordered(table.assign(flags=said))[["metric", "flags", "advice"]]


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("drf", ascending=False, kind="stable", na_position="last")


def rewards(table: pd.DataFrame, facts: Mapping[str, Metric] = PREDICTION_METRICS) -> pd.DataFrame:
    """What is stated of each metric of a card before it is measured, a row a metric."""
    rows = [
        {
            "metric": name,
            "what it is": facts[name].title,
            "what it rewards": facts[name].rewards,
            "not defined where": facts[name].undefined,
            "ties": facts[name].ties,
            "better": facts[name].better,
            "chance": facts[name].chance,
            "measured": measured,
            "source": facts[name].source,
        }
        for name, measured in zip(table["metric"], table["at chance"], strict=True)
    ]
    return pd.DataFrame(rows)


def places(score_table: pd.DataFrame, facts: Mapping[str, Metric] = PREDICTION_METRICS):
    """Where all controls stand in each metric, from its floor (0) to perfect (1), for a figure.

    Returns
    -------
    DataFrame
        `metric`, `prediction`, `place` in [-1, 1] (of the means over perturbations), `low` and
        `high`, which are the place itself: a row a metric is its small figure.
    """
    rows = []
    for base in calibration(score_table, facts).itertuples():
        means = wide(score_table, base.metric).mean()
        floor = means.get(base.floor, np.nan)
        if np.isnan(floor):
            continue
        at = dynamic_range_fraction(means, np.full(len(means), floor), facts[base.metric].perfect)
        rows += [
            {"metric": base.metric, "prediction": name, "place": place}
            for name, place in zip(means.index, at, strict=True)
            if np.isfinite(place) and (name not in NEGATIVE or name == base.floor)
        ]
    table = pd.DataFrame(rows)
    named = table["prediction"].where(~table["prediction"].isin(NEGATIVE), "best floor")
    return table.assign(prediction=named, low=table["place"], high=table["place"])


def in_short(table: pd.DataFrame) -> str:
    """The card in a sentence or two."""
    n = len(table)
    bad = [r.metric for r in table.itertuples() if set(r.flags) & set(BAD)]
    clean = [r.metric for r in table.itertuples() if not r.flags]
    said = (
        f"All {n} metrics tell what knows from what does not."
        if not bad
        else f"{len(bad)} of {n} metrics should not rank models here: {', '.join(bad)}."
    )
    inflated = [r.metric for r in table.itertuples() if PAYS_MORE in r.flags]
    if inflated:
        said += f" Doubling a right answer raises {', '.join(inflated)}."
    if clean:
        return f"{said} Without any flag: {', '.join(clean)}."
    left = [r.metric for r in table.itertuples() if r.metric not in bad]
    if not left:
        return f"{said} None is left to rank by."
    if len(left) == 1:
        return f"{said} The one that is left, {left[0]}, has flags too."
    return f"{said} None is without a flag: show two that fail differently."


def undefined_share(table: pd.DataFrame) -> str:
    """Says in which metrics some perturbations have no dynamic range fraction."""
    lost = table[(table["undefined"] > 0) & (table[BASE] != UNDEFINED)]
    if lost.empty:
        return "Every perturbation has a dynamic range fraction in every metric."
    parts = [f"{r.metric} ({r.undefined:.0%})" for r in lost.itertuples()]
    return (
        "Perturbations without a dynamic range fraction (the metric has no value, or its floor is "
        f"perfect there): {', '.join(parts)}."
    )
