"""Task: how many cells, and how many controls, does an effect need to come out again?"""

import numpy as np
import pandas as pd

from helpers.metrics.foundations.reliability import split_half_correlations
from helpers.store.steps import step
from helpers.tasks.foundations.screen_quality import known_mean, log_expression, units


@step
def reliability_by_cells(
    screen, *, sizes: list[int], n_splits: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Split-half correlation against the number of cells of a half, with disjoint controls.

    Parameters
    ----------
    screen : AnnData of counts, one context
    sizes : list of int
        Cells of each half.
    n_splits, seed : int

    Returns
    -------
    DataFrame
        `unit`, `kind`, `n_cells` (of a half), `correlation` (mean over splits). A perturbation
        appears at the sizes for which it has two halves.
    """
    return _by_number(screen, "n_cells", sizes, n_splits, seed, shared=(False,)).drop(
        columns="controls"
    )


@step
def reliability_by_controls(
    screen, *, sizes: list[int], n_splits: int = 20, seed: int = 0
) -> pd.DataFrame:
    """Split-half correlation against the number of controls, shared by the halves or disjoint.

    Parameters
    ----------
    screen : AnnData of counts, one context
    sizes : list of int
        Controls of each half.
    n_splits, seed : int

    Returns
    -------
    DataFrame
        `unit`, `kind`, `n_controls`, `controls` (shared or disjoint), `correlation`, `expected`:
        that of shared controls where nothing has an effect, (1/m) / (1/n + 1/m), or 0. A number
        of controls for which there are no two disjoint halves is left out.
    """
    return _by_number(screen, "n_controls", sizes, n_splits, seed, shared=(True, False))


def _by_number(screen, what: str, sizes, n_splits: int, seed: int, shared) -> pd.DataFrame:
    expression = log_expression(screen)
    batch = screen.obs["batch"].astype(str).to_numpy()
    rows = []
    for i, unit in enumerate(units(screen, seed)):
        rng = np.random.default_rng([seed, i])
        own = np.isin(screen.var_names, unit.target.split("+"))
        x, c = expression[unit.cells][:, ~own], expression[unit.controls][:, ~own]
        for size in sizes:
            available = len(x) if what == "n_cells" else len(c)
            if 2 * size > available or len(x) < 2:
                continue
            for is_shared in shared:
                correlations = split_half_correlations(
                    x,
                    c,
                    batch=batch[unit.cells],
                    control_batch=batch[unit.controls],
                    n_splits=n_splits,
                    shared_controls=is_shared,
                    rng=rng,
                    **{what: size},
                )
                row = {
                    "unit": unit.name,
                    "kind": unit.kind,
                    what: size,
                    "controls": "shared" if is_shared else "disjoint",
                    "correlation": known_mean(correlations),
                }
                if what == "n_controls":
                    half = len(x) // 2
                    row["expected"] = (1 / size) / (1 / half + 1 / size) if is_shared else 0.0
                rows.append(row)
    columns = ["unit", "kind", what, "controls", "correlation"]
    return pd.DataFrame(rows, columns=None if rows else columns)
