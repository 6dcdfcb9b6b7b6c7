"""What is said of a planned screen: which metrics can rank models, and what it takes."""

import numpy as np
import pandas as pd

from helpers import scores
from helpers.data.contract import CONTROL
from helpers.metrics.predicted.facts import PREDICTION_METRICS
from helpers.tasks.screen_design import ASKED, Plan

BETTER = {name: fact.better for name, fact in PREDICTION_METRICS.items()}
TASK = "screen-design"
ENOUGH, LIKELY, WEAK = "can rank", "can probably rank", "too few perturbations"
WRONG, OPEN, BLIND = "ranks wrongly", "undecided", "sees no difference"


def verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """A plan's table with a verdict a metric.

    "can rank": power of 80 % also at the low end of its interval; "can probably rank": the right
    model is ahead, with that power but not at the low end; "too few perturbations": it is ahead,
    and the power is lower; "ranks wrongly": the model that knows less is ahead; "sees no
    difference": both have the same score for all; "undecided": either may be ahead.
    """
    conditions = [
        table["power_low"] >= ASKED,
        table["high"] < 0,
        (table["low"] > 0) & (table["power"] >= ASKED),
        table["low"] > 0,
        (table["low"] == 0) & (table["high"] == 0),
    ]
    said = np.select(conditions, [ENOUGH, WRONG, LIKELY, WEAK, BLIND], OPEN)
    return table.assign(verdict=said)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table as a page and the command line show it."""
    needed = table["needed"].map(lambda n: f"{n:,.0f}" if np.isfinite(n) else "never")
    columns = ["metric", "difference", "low", "high", "power", "needed", "verdict"]
    return verdicts(table).assign(needed=needed)[columns]


def in_short(plan: Plan, table: pd.DataFrame) -> str:
    """A plan's answer in a sentence or two."""
    judged = verdicts(table)
    able = list(judged.loc[judged["verdict"] == ENOUGH, "metric"])
    wrong = list(judged.loc[judged["verdict"] == WRONG, "metric"])
    what = (
        f"With {plan.perturbations:,} held-out perturbations of {plan.cells:,} cells and "
        f"{plan.controls:,} controls"
    )
    if able:
        said = f"{what}, {len(able)} of {len(judged)} metrics can rank the two models"
        most = f", {able[0]} with the largest mean difference in standard deviations"
        said += f"{most}." if len(able) < len(judged) else "."
    else:
        finite = judged["needed"].replace(np.inf, np.nan)
        said = f"{what}, no metric can rank the two models with a power of {ASKED:.0%}."
        if finite.notna().any():
            best = finite.idxmin()
            said += f" {judged.loc[best, 'metric']} would need {finite[best]:,.0f} perturbations."
        else:
            said += (
                " By none is the model that knows more ahead far enough here for 10,000 "
                "perturbations to show it."
            )
    if wrong:
        said += f" The model that knows less is ahead by {', '.join(wrong)}."
    return said


def about_cells(curve: pd.DataFrame) -> str:
    """What more cells do to the difference, by metric: intervals at both ends that do not overlap.

    Parameters
    ----------
    curve : DataFrame
        `metric`, `cells`, `difference`, `low`, `high`.
    """
    fewest, most = curve["cells"].min(), curve["cells"].max()
    ends = [curve[curve["cells"] == n].set_index("metric") for n in (fewest, most)]
    first, last = ends[0], ends[1].reindex(ends[0].index)
    rises = first["high"] < last["low"]
    falls = last["high"] < first["low"]
    parts = [
        f"{words} by {', '.join(first.index[there])}"
        for words, there in (
            ("rises", rises),
            ("falls", falls),
            ("is not shown to change", ~(rises | falls)),
        )
        if there.any()
    ]
    return (
        f"From {fewest:,} to {most:,} cells of a perturbation the difference {'; it '.join(parts)}."
    )


def plan_of(part) -> Plan:
    """A plan with the size of a screen of one context.

    Half of the cells of the median perturbation judge, half of the controls, and a third of the
    perturbations is held out; never fewer than a plan needs.
    """
    labels = part.obs["perturbation"].astype(str)
    sizes = labels[labels != CONTROL].value_counts()
    n_controls = int((labels == CONTROL).sum())
    return Plan(
        cells=max(4, int(sizes.median()) // 2),
        controls=max(4, n_controls // 2),
        perturbations=max(2, len(sizes) // 3),
    )


def score_rows(tables: list[pd.DataFrame], plan: Plan, *, seeds: list[int]) -> pd.DataFrame:
    """Scores of both models as a score table."""
    name = f"planned, {plan.cells} cells, {plan.controls} controls, effect {plan.effect_size:g}"
    parts = [
        scores.rows(
            task=TASK,
            dataset=name,
            split="halves of cells",
            model=table["prediction"],
            metric=table["metric"],
            role="candidate",
            unit_kind="perturbation",
            unit=table["perturbation"],
            cluster=f"{name} {seed} " + table["perturbation"].astype(str),
            seed=seed,
            n=table["n_cells"],
            value=table["value"],
        )
        for seed, table in zip(seeds, tables, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)
