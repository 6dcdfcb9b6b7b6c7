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


CAUTION = {
    "UMAP": "UMAP draws neighbouring cells next to one another. It shows whether cells lie apart "
    "by batch, by context or by perturbation. It cannot tell how large an effect is: distances "
    "between clouds, their sizes and the space between them mean nothing, and perturbations that "
    "lie on one another here can still be told apart by a test.",
    "PCA": "The first two principal components hold what differs most between cells, most often "
    "their depth and their state. Perturbations that lie on one another here can still be told "
    "apart by a test.",
}
"""What a picture of a basis can show, and what it cannot."""


def described(found: pd.DataFrame, basis: str) -> str:
    """What a reader who cannot see the picture should know."""
    n = found.drop(columns=["x", "y"]).nunique()
    parts = [f"{c} ({k} colour{'s' * (k != 1)})" for c, k in n.items()]
    return f"{len(found):,} cells placed by {basis}, in panels coloured by {', '.join(parts)}."
