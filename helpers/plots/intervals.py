"""Dots with intervals, a row each."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from helpers.plots.parts import (
    check_columns,
    check_intervals,
    check_pair,
    check_roles,
    draw_dot,
    draw_reference,
    name_rows,
)
from helpers.plots.style import MARKERS, ROLES, WIDTH, series_colours, style


@style()
def interval_plot(
    frame: pd.DataFrame,
    *,
    x: str,
    label: str,
    low: str | None = None,
    high: str | None = None,
    role: str = "candidate",
    references: Mapping[str, tuple[float, str]] | None = None,
    xlabel: str | None = None,
    title: str | None = None,
    ax=None,
) -> Figure:
    """Dots with intervals, one row each, the first row on top.

    Parameters
    ----------
    frame : DataFrame
        One row a dot, in the order in which they are drawn.
    x, label : str
        Columns of the value and of the text beside it.
    low, high : str, optional
        Columns of the interval; both or none.
    role : str
        A role of `ROLES`, or a column of roles, one a row: colour and marker of the dot.
    references : mapping, optional
        Of name to (value, role): lines across all rows, e.g. floors and ceilings.
    xlabel, title : str, optional
        `xlabel` defaults to the name of `x`.
    ax : Axes, optional
        Drawn into; else a figure of its own whose height grows with the rows.

    Returns
    -------
    Figure
        Rows whose value is NaN keep their place and say "not scored".

    Raises
    ------
    ValueError
        No rows, a missing column, an unknown role, one of `low` and `high` alone, or `low`
        above `high`.
    """
    check_pair("interval_plot", low, high)
    check_columns("interval_plot", frame, x, label, low, high)
    roles = [role] * len(frame) if role in ROLES else list(frame[role]) if role in frame else [role]
    references = dict(references or {})
    check_roles([*roles, *(r for _, r in references.values())])
    if low is not None:
        check_intervals("interval_plot", frame, low, high, label)
    if ax is None:
        height = 0.9 + 0.25 * len(frame) + (0.2 if title else 0)
        ax = Figure(figsize=(WIDTH, height)).add_subplot()
    for name, (value, kind) in references.items():
        draw_reference(ax, value, kind, name)
    for y, (_, row) in enumerate(frame.iterrows()):
        draw_dot(ax, y, row, x, low, high, roles[y])
    name_rows(ax, frame[label])
    ax.set_xlabel(x if xlabel is None else xlabel)
    if title:
        ax.set_title(title, pad=16 if references else None)
    return ax.get_figure(root=True)


@style()
def forest(
    frame: pd.DataFrame,
    *,
    x: str,
    low: str,
    high: str,
    label: str,
    series: str,
    panel: str | None = None,
    references: Mapping[str, float] | None = None,
    xlabel: str | None = None,
) -> Figure:
    """Dots with intervals, several a row: the same quantity by several methods.

    Parameters
    ----------
    frame : DataFrame
        One row a dot. Labels, series and panels keep the order in which they come.
    x, low, high, label, series : str
        Columns of the value, its interval, the text of the row, and the method. Where all methods
        are roles, they have the colours and markers of roles.
    panel : str, optional
        Column of titles; each has a panel of its own, one under the other, on one scale.
    references : mapping, optional
        Of name to value: lines across all rows.
    xlabel : str, optional

    Raises
    ------
    ValueError
        No rows, a column that is not there, `low` above `high`, or more series than colours.
    """
    check_columns("forest", frame, x, low, high, label, series, panel)
    check_intervals("forest", frame, low, high, label)
    methods = list(dict.fromkeys(frame[series]))
    dots = list(zip(series_colours(len(methods)), "osD^v<", strict=False))
    if set(methods) <= set(ROLES):  # as everywhere in the book
        dots = [(ROLES[role], MARKERS[role]) for role in methods]
    panels = [None] if panel is None else list(dict.fromkeys(frame[panel]))
    parts = [frame if name is None else frame[frame[panel] == name] for name in panels]
    labels = [list(dict.fromkeys(part[label])) for part in parts]
    most = max(part.groupby(label, observed=True)[series].nunique().max() for part in parts)
    step = min(0.3, 0.7 / most)  # rows stay further apart than dots of one row
    heights = [max(0.25, 0.1 * most + 0.1) * len(rows) + 0.5 for rows in labels]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.7))
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=heights)
    for ax, name, part, rows in zip(axes[:, 0], panels, parts, labels, strict=True):
        for reference, value in (references or {}).items():
            draw_reference(ax, value, "floor", reference if ax is axes[0, 0] else None)
        at = _heights(part[label], part[series], rows, methods, step)
        for method, (colour, marker) in zip(methods, dots, strict=True):
            chosen = part[part[series] == method]
            y = at[part[series] == method]
            ax.hlines(y, chosen[low], chosen[high], color=colour, linewidth=2, alpha=0.55)
            ax.plot(chosen[x], y, marker, color=colour, markersize=4.5, label=method, linestyle="")
        name_rows(ax, rows)
        if name is not None:  # above the names of the lines
            ax.set_title(name, pad=16 if references and ax is axes[0, 0] else None)
    axes[-1, 0].set_xlabel(x if xlabel is None else xlabel)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=len(methods))
    return figure


def _heights(row, method, rows: list, methods: list, step: float) -> pd.Series:
    """Height of each dot: the methods of one row stand `step` apart around it."""
    taken = method.map(methods.index).astype(int).groupby(row, observed=True)
    place = taken.rank(method="dense") - 1
    return row.map(rows.index).astype(float) + (place - (taken.transform("nunique") - 1) / 2) * step
