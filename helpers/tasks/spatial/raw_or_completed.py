"""Is it completion, or not training on zeros? Effects of the two by two, model by model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.comparisons import equivalence_margin
from helpers.stats import mean_interval
from helpers.tasks.spatial.histology import CELLS, MASKED, PUBLISHED
from helpers.tasks.spatial.histology_report import by_slide

RAW = ("zeros", "all")
WITHOUT_ZEROS, ADDED = "masked loss instead of all", "completed instead of masked loss"
EFFECTS = {
    "completed instead of zeros": (PUBLISHED, RAW),
    WITHOUT_ZEROS: (MASKED, RAW),
    ADDED: (PUBLISHED, MASKED),
}
"""A pair of cells each: by how much the error of the first is smaller than that of the second.
`ADDED` decides whether completion adds anything.
"""


def errors(tables: dict[tuple, pd.DataFrame], *, of: str = "mse") -> pd.DataFrame:
    """Error of each model in each cell on each held-out slide.

    Parameters
    ----------
    tables : dict
        Of (model, cell) to a result of `scored_genes`.
    of : {"mse", "pearson"}
        The squared error, or one minus the correlation.

    Returns
    -------
    DataFrame
        `model`, `slide`, `patient`, and a column for each cell, named by its two words.
    """
    parts = {}
    for (model, cell), table in tables.items():
        one = by_slide(table).set_index(["slide", "patient"])
        parts.setdefault(model, {})[named(cell)] = one["mse"] if of == "mse" else 1 - one[of]
    wide = {model: pd.DataFrame(cells) for model, cells in parts.items()}
    return pd.concat(wide, names=["model"]).reset_index()


def named(cell: tuple[str, str]) -> str:
    """A cell of the two by two in words."""
    return f"{cell[0]}, loss on {cell[1]}"


def margin(tables: dict[str, pd.DataFrame], floor: str, ceiling: str) -> float:
    """Half the width of the region in which errors are equal: a tenth of the way to the ceiling."""
    ends = [table["squares"].sum() / table["n"].sum() for table in (tables[floor], tables[ceiling])]
    return equivalence_margin(*ends)


def effects(found: pd.DataFrame, *, region: float) -> pd.DataFrame:
    """By how much each choice lowers the error of each model, over held-out slides.

    Parameters
    ----------
    found : DataFrame
        Of `errors`.
    region : float
        Half the width of the region of differences that do not matter.

    Returns
    -------
    DataFrame
        `model`, `effect` (of `EFFECTS`), `difference` (above 0: the first cell has the smaller
        error), `low`, `high` (95 % interval over slides), `patient low`, `patient high` (over the
        means of patients, 95 % for all models of an effect at once, by Bonferroni), `verdict`:
        *equal* where the interval over patients lies within the region, else *lower* or *higher*
        error where it lies beyond zero, else *undecided*; `n_slides`, `n_patients`.
    """
    rows, at_once = [], 1 - 0.05 / found["model"].nunique()
    for model, own in found.groupby("model", sort=False):
        for effect, (first, second) in EFFECTS.items():
            gain = own[named(second)] - own[named(first)]
            patient = gain.groupby(own["patient"]).mean()
            ends, by_patient = _ends(gain), _ends(patient, at_once)
            row = {"model": model, "effect": effect, "difference": gain.mean()}
            row |= {"low": ends[0], "high": ends[1]}
            row |= {"patient low": by_patient[0], "patient high": by_patient[1]}
            row["verdict"] = verdict(*by_patient, region)
            rows.append(row | {"n_slides": len(gain), "n_patients": len(patient)})
    return pd.DataFrame(rows)


def verdict(low: float, high: float, region: float) -> str:
    """What an interval of a reduction of the error says, beside a region of equality."""
    if np.isnan(low) or np.isnan(high):
        return "undecided"
    if -region <= low and high <= region:
        return "equal"
    if low > 0:
        return "lower"
    return "higher" if high < 0 else "undecided"


def _ends(values, confidence: float = 0.95) -> tuple[float, float]:
    values = np.asarray(values, dtype=float)
    return mean_interval(values, confidence=confidence) if len(values) > 1 else (np.nan, np.nan)


def against_mean(found: pd.DataFrame, floor: str) -> pd.DataFrame:
    """By how much the masked loss brings each model below the mean of a gene, over patients.

    Returns
    -------
    DataFrame
        `model`, `difference` (above 0: below the mean of a gene), `low`, `high` (95 % for all
        models at once, by Bonferroni; NaN of one patient).
    """
    cell = found.pivot_table(named(MASKED), "patient", "model", sort=False)
    gains = cell.drop(columns=floor).rsub(cell[floor], axis=0)
    at_once = 1 - 0.05 / gains.shape[1]
    rows = [(m, gain.mean(), *_ends(gain, at_once)) for m, gain in gains.items()]
    return pd.DataFrame(rows, columns=["model", "difference", "low", "high"])


def cell_means(found: pd.DataFrame) -> pd.DataFrame:
    """Mean error of each model in each cell, a row a model."""
    columns = [named(cell) for cell in CELLS]
    return found.groupby("model", sort=False)[columns].mean().reset_index()
