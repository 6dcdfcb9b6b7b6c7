"""Task: does a simulated screen look like the one whose knobs it has?"""

from dataclasses import fields

import numpy as np
import pandas as pd

from helpers.data.contract import CONTROL
from helpers.data.foundations.fitted import FITTED, design_of, simulated_preset
from helpers.data.foundations.screen_statistics import STATISTICS, screen_statistics
from helpers.data.simulate.knobs import Knobs
from helpers.data.simulate.screen import simulated_screen
from helpers.store.steps import Step, results, step
from helpers.tasks.requirements import CannotAnswer, Requirement

LEVEL = 0.95


def available(screen) -> dict[str, int]:
    """Counts of a screen of one context that `requirements` name."""
    label, batch = (screen.obs[c].astype(str) for c in ("perturbation", "batch"))
    n_cells = label[label != CONTROL].value_counts()
    return {
        "batches_with_four_controls": int((batch[label == CONTROL].value_counts() >= 4).sum()),
        "repeated_perturbations": int((n_cells >= 2).sum()),
    }


def requirements(screen) -> tuple[Requirement, ...]:
    """What the statistics of a screen of one context, and a simulated one of its design, need."""
    n_batches = int(screen.obs["batch"].nunique())
    return (
        Requirement("batches_with_four_controls", n_batches, "batches with at least 4 controls"),
        Requirement("repeated_perturbations", 2, "perturbations with at least 2 cells"),
    )


@step
def statistics(screen, *, seed: int) -> pd.DataFrame:
    """`screen_statistics` of the cells that have counts, as a table.

    Returns
    -------
    DataFrame indexed by statistic
        `value`, NaN where the screen cannot say; `n_cells`.
    """
    cells = np.asarray(screen.X.sum(axis=1)).ravel() > 0
    found = screen_statistics(screen[cells], seed=seed)
    return pd.DataFrame(
        {"value": found, "n_cells": int(cells.sum())}, index=found.index.rename("statistic")
    )


def draws(preset: str, *, seeds: list[int]) -> list[Step]:
    """Statistics of screens drawn with a fitted preset, one step a seed."""
    return [statistics(simulated_preset(preset, seed), seed=seed) for seed in seeds]


def check_table(real: pd.DataFrame, drawn: list[pd.DataFrame]) -> pd.DataFrame:
    """The real screen's statistics against those of draws.

    The band holds the next draw with a probability of 95 %: mean ± t s sqrt(1 + 1/n), for
    statistics that are about normal between draws.

    Parameters
    ----------
    real : DataFrame
        Of `statistics`.
    drawn : list of DataFrame
        At least 3, of the same statistics.

    Returns
    -------
    DataFrame, one row a statistic
        `statistic`, `real`, `mean`, `low`, `high`, `verdict` ("inside", "outside" or "not in this
        screen"), `distance` ((real - mean) in half-widths of the band: outside beyond ±1),
        `below` (share of draws below the real value, ties half), `n_draws`.

    Raises
    ------
    ValueError
        Fewer than 3 draws.
    """
    from scipy.stats import t

    if len(drawn) < 3:
        raise ValueError(f"{len(drawn)} draws; at least 3 are needed for a band")
    values = pd.concat([d["value"] for d in drawn], axis=1).loc[list(STATISTICS)].to_numpy()
    value = real["value"].loc[list(STATISTICS)].to_numpy()
    n = values.shape[1]
    mean, sd = values.mean(axis=1), values.std(axis=1, ddof=1)
    half = t.ppf((1 + LEVEL) / 2, n - 1) * sd * np.sqrt(1 + 1 / n)
    difference = value - mean
    distance = np.divide(difference, half, out=np.full(len(value), np.nan), where=half > 0)
    known = np.isfinite(value) & np.isfinite(mean)
    inside = np.abs(difference) <= half
    below = (values < value[:, None]).mean(axis=1) + 0.5 * (values == value[:, None]).mean(axis=1)
    return pd.DataFrame(
        {
            "statistic": list(STATISTICS),
            "real": value,
            "mean": mean,
            "low": mean - half,
            "high": mean + half,
            "verdict": np.where(known, np.where(inside, "inside", "outside"), "not in this screen"),
            "distance": np.where(known, distance, np.nan),
            "below": np.where(known, below, np.nan),
            "n_draws": n,
        }
    )


@step
def calibration(draws: list, *, preset: str) -> pd.DataFrame:
    """Each draw against the others: how often a screen of the preset itself falls outside.

    Parameters
    ----------
    draws : list of DataFrame
        Of `statistics`, at least 4.
    preset : str
        Names the row.

    Returns
    -------
    DataFrame of one row
        `preset`, `outside` (statistics of left-out draws outside the band of the others), `n`.
    """
    tables = [check_table(d, draws[:i] + draws[i + 1 :]) for i, d in enumerate(draws)]
    verdicts = pd.concat(tables)["verdict"]
    known = verdicts != "not in this screen"
    return pd.DataFrame(
        {"preset": [preset], "outside": [int((verdicts == "outside").sum())], "n": [known.sum()]}
    )


def check(preset: str, real_screen: Step, *, seeds: list[int]) -> pd.DataFrame:
    """The predictive check of a preset; draws are computed side by side on a cluster."""
    real, *drawn = results([statistics(real_screen, seed=0), *draws(preset, seeds=seeds)])
    return check_table(real, drawn)


@step
def design(screen) -> dict[str, float]:
    """Sizes, guides and batches of a screen, as knobs of the simulator."""
    return design_of(screen)


def check_defaults(real_screen: Step, *, seeds: list[int]) -> pd.DataFrame:
    """The predictive check of the knobs that nobody fitted, in the real screen's own design.

    These are the knobs of the screens on which models of embeddings are compared. What lies outside
    is what of those is not realistic, as far as this real screen can tell.

    Parameters
    ----------
    real_screen : Step
        Of one context, as `part_of_screen` gives it.
    seeds : list of int
        One draw each, at least 3.

    Returns
    -------
    DataFrame
        As of `check_table`.
    """
    sizes = design(real_screen).result()
    drawn = [statistics(simulated_screen(seed=s, **sizes), seed=s) for s in seeds]
    real, *drawn = results([statistics(real_screen, seed=0), *drawn])
    return check_table(real, drawn)


def preset_of(dataset: str, context: str) -> str:
    """Name of the preset that was fitted to a context of a data set.

    Raises
    ------
    CannotAnswer
        None was.
    """
    for name, preset in FITTED.items():
        if preset.dataset == dataset and preset.context in (None, context):
            return name
    fitted = "; ".join(
        p.dataset if p.context is None else f"{p.dataset}, {p.context}" for p in FITTED.values()
    )
    raise CannotAnswer(f"no preset was fitted to {dataset}, {context}; there are those of {fitted}")


def knob_table() -> pd.DataFrame:
    """Every knob of the simulator: its default, its range and what it is."""
    rows = []
    for f in fields(Knobs):
        about = f.metadata["about"]
        numbers = (f"{v:,.10g}" for v in (f.default, about.low, about.high))
        rows.append([f.name, *numbers, about.text])
    return pd.DataFrame(rows, columns=["knob", "default", "from", "to", "what it is"])


@step
def realised(screen) -> pd.DataFrame:
    """What knobs of a simulated screen ask for, and what its cells have.

    Parameters
    ----------
    screen : AnnData
        Simulated, without doublets, of one context.

    Returns
    -------
    DataFrame
        `what`, `asked`, `realised`: the median depth, which shifts, programs and effects multiply,
        and the median counts of a cell; the share of counts that are ambient, whose profile has
        neither programs nor effects in it; the variance over batches of a guide's cells, were they
        drawn, and as they are dealt (mean over guides).
    """
    knobs, obs = screen.uns["truth"]["knobs"], screen.obs
    profile = np.exp(screen.varm["batch_shift"]).T @ screen.var["abundance"].to_numpy()
    background = obs["depth"].to_numpy() * profile[obs["batch"].cat.codes.to_numpy()]
    share = knobs["ambient_share"] * background.sum() / obs["total_counts"].sum()
    of_batch = pd.crosstab(obs["guide"], obs["batch"]).to_numpy()
    n_batches = of_batch.shape[1]
    drawn = of_batch.sum(axis=1).mean() / n_batches  # multinomial, ddof 1
    rows = [
        ("median counts of a cell", knobs["library_size"], obs["total_counts"].median()),
        ("share of counts that is ambient", knobs["ambient_share"], share),
        ("variance of a guide's cells over batches", drawn, of_batch.var(axis=1, ddof=1).mean()),
    ]
    return pd.DataFrame(rows, columns=["what", "asked", "realised"])


def sweep(knob: str, values, statistic: str, *, seed: int, **size) -> pd.DataFrame:
    """One statistic of screens that differ in one knob only.

    Returns
    -------
    DataFrame
        `knob`, `setting`, `statistic`, `value`.
    """
    asked = [
        statistics(simulated_screen(seed=seed, **size, **{knob: value}), seed=seed)
        for value in values
    ]
    found = [table["value"][statistic] for table in results(asked)]
    return pd.DataFrame(
        {"knob": knob, "setting": list(values), "statistic": statistic, "value": found}
    )
