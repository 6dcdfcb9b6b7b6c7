"""Curves over a quantity, and two quantities against each other."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from helpers.plots.parts import check_columns, check_pair, draw_note
from helpers.plots.style import DASHED, INK, ROLES, SERIES, WIDTH, style


@style()
def curves(
    frame: pd.DataFrame,
    *,
    x: str,
    y: str,
    series: str,
    low: str | None = None,
    high: str | None = None,
    references: Mapping[str, float] | None = None,
    log: bool = False,
    xlabel: str | None = None,
    ylabel: str | None = None,
) -> Figure:
    """Lines with bands, one a series.

    Parameters
    ----------
    frame : DataFrame
        One row a point; a NaN value breaks its line.
    x, y, series : str
        Columns.
    low, high : str, optional
        Columns of the band; both or none. A NaN in either leaves the band out at that point.
    references : mapping, optional
        Of name to height: horizontal lines.
    log : bool
        Logarithmic x axis, labelled at the values that occur.
    xlabel, ylabel : str, optional
        Default to the names of `x` and `y`.

    Raises
    ------
    ValueError
        No rows, a missing column, or one of `low` and `high` alone.
    """
    check_pair("curves", low, high)
    check_columns("curves", frame, x, y, series, low, high)
    names = list(dict.fromkeys(frame[series]))
    dashes = ("solid", (0, (5, 2)), (0, (1, 1.5)))  # series differ in more than colour
    ax = Figure(figsize=(WIDTH, 3.6)).add_subplot()
    for i, name in enumerate(names):
        rows = frame[frame[series] == name].sort_values(x)
        colour = SERIES[i % len(SERIES)]
        dash = dashes[i // len(SERIES) % len(dashes)]
        ax.plot(
            rows[x], rows[y], marker="o", markersize=4, color=colour, linestyle=dash, label=name
        )
        if low is not None:
            ax.fill_between(rows[x], rows[low], rows[high], color=colour, alpha=0.15, lw=0)
    for name, height in (references or {}).items():
        ax.axhline(height, color=INK, linewidth=1, linestyle=DASHED, zorder=1)
        _name_height(ax, name, height, frame, x, y)
    if log:
        ax.set_xscale("log")
        ticks = sorted(frame[x].unique())
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
    ax.set(xlabel=xlabel or x, ylabel=ylabel or y)
    # a short handle holds one dash, under the marker, and looks like a solid line
    dashed = len(names) > len(SERIES)
    ax.figure.legend(loc="outside right upper", handlelength=4 if dashed else None)
    return ax.get_figure(root=True)


def _name_height(ax, name: str, height: float, frame: pd.DataFrame, x: str, y: str) -> None:
    """Name a horizontal line at the end at which the series are further from it."""
    away = (frame[y] - height).abs()
    left, right = (away[frame[x] == end].min() for end in (frame[x].min(), frame[x].max()))
    at, offset, side = (0, 2, "left") if left > right else (1, -2, "right")
    draw_note(ax, name, (at, height), (offset, 3), xycoords=("axes fraction", "data"), ha=side)


@style()
def agreement(
    frame: pd.DataFrame, *, x: str, y: str, xlabel: str | None = None, ylabel: str | None = None
) -> Figure:
    """Points against the line on which both values agree.

    Parameters
    ----------
    frame : DataFrame
        One row a point; rows with NaN are left out, and their number is said.
    x, y : str
        Columns in one unit.
    xlabel, ylabel : str, optional
        Default to the names of `x` and `y`.

    Raises
    ------
    ValueError
        A missing column, or no row with both values.
    """
    check_columns("agreement", frame, x, y)
    points = frame[[x, y]].dropna()
    if points.empty:
        raise ValueError("agreement: there is no row with both values")
    ends = [float(points.to_numpy().min()), float(points.to_numpy().max())]
    ax = Figure(figsize=(WIDTH * 0.6, 3.6)).add_subplot()
    ax.plot(ends, ends, color=INK, linewidth=1, linestyle=DASHED, label="equal")
    left_out = len(frame) - len(points)
    label = f"{len(points)} points" + (f", {left_out} not scored" if left_out else "")
    ax.scatter(points[x], points[y], s=22, color=ROLES["candidate"], alpha=0.8, lw=0, label=label)
    ax.set(xlabel=xlabel or x, ylabel=ylabel or y)
    ax.legend(loc="upper left")
    return ax.get_figure(root=True)
