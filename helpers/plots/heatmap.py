"""A table of numbers as colours."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.plots.style import WIDTH, style


@style()
def heatmap(
    values: pd.DataFrame,
    *,
    rows=None,
    columns=None,
    label: str,
    xlabel: str,
    ylabel: str,
    centre: float | None = None,
    limits: tuple[float, float] | None = None,
    height: float = 3.2,
    title: str | None = None,
) -> Figure:
    """A table of numbers as colours, with blocks of neighbouring rows and columns named.

    Parameters
    ----------
    values : DataFrame
        NaN is left blank.
    rows, columns : sequence of str, optional
        Block of each row and column; neighbours of one name are one block, named at its middle
        ("" is not named). Default: the names of the index and the columns, where there are at
        most 40 of them, else none.
    label, xlabel, ylabel : str
        What the colours, columns and rows are.
    centre : float, optional
        Value of the middle colour of a diverging scale; default: a sequential one.
    limits : (float, float), optional
        Values of the end colours; default: the smallest and largest value.
    height : float
        Inches.
    title : str, optional

    Returns
    -------
    Figure
        Of more than 2,000 cells the colours are drawn as pixels.

    Raises
    ------
    ValueError
        An empty table, nothing finite, or blocks of another length than the table's side.
    """
    import seaborn as sns

    table = values.to_numpy(dtype=float)
    if table.size == 0 or not np.isfinite(table).any():
        raise ValueError(f"heatmap: a table of shape {table.shape} without a number to draw")
    low, high = limits or (np.nanmin(table), np.nanmax(table))
    if centre is not None:
        far = max(centre - low, high - centre) or 1.0
        low, high = centre - far, centre + far
    sides = []
    for given, names, n in ((rows, values.index, len(table)), (columns, values.columns, None)):
        n = table.shape[1] if n is None else n
        blocks = list(map(str, given)) if given is not None else list(map(str, names))
        if len(blocks) != n:
            raise ValueError(f"heatmap: {len(blocks)} blocks for {n} rows or columns")
        sides.append(_blocks(blocks if given is not None or n <= 40 else [""] * n))
    ax = Figure(figsize=(WIDTH, height)).add_subplot()
    sns.heatmap(
        table,
        ax=ax,
        cmap="RdBu_r" if centre is not None else "cividis",
        vmin=low,
        vmax=high,
        rasterized=table.size > 2000,
        xticklabels=False,
        yticklabels=False,
        cbar_kws={"shrink": 0.9, "pad": 0.02, "label": label},
    )
    axes = ((ax.yaxis, ax.axhline, sides[0]), (ax.xaxis, ax.axvline, sides[1]))
    for axis, line, blocks in axes:
        named = [(middle, name) for name, middle, _ in blocks if name]
        axis.set_ticks([m for m, _ in named], [name for _, name in named])
        if len(blocks) < (table.shape[0] if axis is ax.yaxis else table.shape[1]):
            for _, _, end in blocks[:-1]:
                line(end, color="white", linewidth=1)
    if sum(len(name) for name, _, _ in sides[1]) > 60:
        ax.tick_params(axis="x", rotation=90)
    ax.tick_params(length=0)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if title:
        ax.set_title(title)
    return ax.get_figure(root=True)


def _blocks(names: list[str]) -> list[tuple[str, float, int]]:
    """Name, middle and end of each run of equal names."""
    ends = [i + 1 for i in range(len(names)) if i + 1 == len(names) or names[i] != names[i + 1]]
    starts = [0, *ends[:-1]]
    return [(names[a], (a + b) / 2, b) for a, b in zip(starts, ends, strict=True)]
