"""What the picture of a screen is coloured by, and what it shows."""

import pandas as pd

from helpers.data.contract import CONTROL
from helpers.plots.style import SERIES


def coloured(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells with one column of colours a panel.

    Parameters
    ----------
    cells : DataFrame
        Of `screen_map`.

    Returns
    -------
    DataFrame
        `x`, `y`; `perturbation` where there are as many colours, else `perturbed` or control;
        `context` and `batch` where there are several, the rarest of many as *others*.
    """
    found = cells[["x", "y"]].copy()
    if cells["perturbation"].nunique() <= len(SERIES):
        found["perturbation"] = cells["perturbation"]
    else:
        is_control = cells["perturbation"] == CONTROL
        found["cells"] = is_control.map({True: CONTROL, False: "perturbed"})
    for column in ("context", "batch"):
        names = cells[column].value_counts().index
        if len(names) > len(SERIES):
            kept = cells[column].isin(names[: len(SERIES) - 1])
            found[column] = cells[column].where(kept, "others")
        elif len(names) > 1:
            found[column] = cells[column]
    return found


def described(found: pd.DataFrame) -> str:
    """What a reader who cannot see the picture should know."""
    parts = [f"{c} ({found[c].nunique()} colours)" for c in found.columns.drop(["x", "y"])]
    return f"{len(found):,} cells placed by UMAP, in panels coloured by {', '.join(parts)}."
