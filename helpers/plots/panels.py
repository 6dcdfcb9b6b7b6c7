"""Models beside one another, one panel a metric or a task."""

from collections.abc import Mapping, Sequence
from functools import partial
from textwrap import fill

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.plots.intervals import interval_plot
from helpers.plots.parts import (
    check_columns,
    check_roles,
    draw_absent,
    draw_dot,
    draw_note,
    name_rows,
)
from helpers.plots.style import DASHED, INK, MARKERS, ROLES, WIDTH, style
from helpers.summaries import score_summary

TITLE = 54  # characters of titles that stand beside one another
BAND = 0.05  # how dark the room between floor and ceiling is
MOST_ROWS = 60  # below one another, of a drawing for phones


@style()
def scores(
    scores: pd.DataFrame,
    by: str | list[str] = "model",
    *,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
    xlabels: Mapping[str, str] | None = None,
) -> Figure:
    """The house's panel: candidates between floors and ceilings, one panel a metric.

    Each dot is the mean over scored units, with a bootstrap-t interval over clusters. The
    shaded part lies between the best floor and the nearest ceiling.

    Parameters
    ----------
    scores : DataFrame
        Score table.
    by : str or list of str
        Columns whose values name a row.
    confidence : float
        Coverage of the intervals.
    n_resamples, seed : int
        Of the bootstrap.
    xlabels : mapping, optional
        Of metric to the text under its axis, which then stands for a title.

    Raises
    ------
    ValueError
        No rows, or a role that is not known.
    """
    summary = score_summary(scores, by, confidence=confidence, n_resamples=n_resamples, seed=seed)
    metrics = list(dict.fromkeys(summary["metric"]))
    counts = summary["metric"].value_counts()
    heights = [0.25 * counts[m] + 0.9 for m in metrics]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.35))
    figure.get_layout_engine().set(h_pad=0.09)
    axes = figure.subplots(len(metrics), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, metric in zip(axes, metrics, strict=True):
        rows = summary[summary["metric"] == metric]
        _band(ax, rows)
        label = (xlabels or {}).get(metric)
        interval_plot(
            rows,
            x="mean",
            low="low",
            high="high",
            label="label",
            role="role",
            title=None if label else metric.replace("_", " "),
            xlabel=label or "mean over scored units",
            ax=ax,
        )
    present = [r for r in ROLES if (summary["role"] == r).any()]
    handles = [
        mpl.lines.Line2D([], [], marker=MARKERS[r], color=ROLES[r], linestyle="", label=r)
        for r in present
    ]
    if any(ax.patches for ax in axes):
        named = {"color": INK, "alpha": BAND, "label": "best floor to nearest ceiling"}
        handles.append(mpl.patches.Patch(**named))
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    return figure


@style()
def side_by_side(
    frame: pd.DataFrame,
    *,
    column: str,
    row: str,
    x: str,
    low: str,
    high: str,
    role: str = "role",
    note: str | None = None,
    references: Mapping[float, str] | None = None,
    unnamed: Sequence[str] = (),
    line: str | None = None,
    leftmost: float | None = None,
    xlabel: str = "",
    n_columns: int = 3,
) -> Figure:
    """The same rows in several panels side by side: models in tasks, say.

    Parameters
    ----------
    frame : DataFrame
        One row a dot. Panels and rows keep the order in which they first occur.
    column, row : str
        Columns whose values are panels and rows. What is missing says "not scored".
    x, low, high, role : str
        Columns of the value, its interval (NaN: none) and its role.
    note : str, optional
        Column of a short text at the right edge, such as the letter of a tie group.
    references : mapping, optional
        Of value to its name, which stands below its number, with a line in every panel.
    unnamed : sequence of str
        Panels in which the references are something else: they keep the lines, without names.
    line : str, optional
        Column with one value a panel, where a line is drawn. Panels then have axes of their own;
        otherwise they share one.
    leftmost : float, optional
        Where an axis that would reach further to the left is cut, and intervals with it.
    xlabel : str
    n_columns : int
        Panels beside one another. On a phone they stand below one another, where that is not too
        long.

    Raises
    ------
    ValueError
        No rows, a missing column, an unknown role, or two dots in one place.
    """
    check_columns("side_by_side", frame, column, row, x, low, high, role, note, line)
    if (twice := frame.duplicated([column, row])).any():
        first = frame[[column, row]].iloc[int(twice.to_numpy().argmax())]
        raise ValueError(f"side_by_side: {first[row]!r} occurs twice in {first[column]!r}")
    check_roles(frame[role].unique().tolist())
    names, labels = list(dict.fromkeys(frame[column])), list(dict.fromkeys(frame[row]))
    n_rows = -(-len(names) // n_columns)
    titles = [_title(str(name), TITLE // n_columns) for name in names]
    n_lines = max(title.count("\n") for title in titles) + 1
    height = 0.22 * len(labels) + 0.6 + 0.15 * n_lines
    figure = Figure(figsize=(WIDTH, n_rows * height))
    share = not line and not unnamed
    axes = figure.subplots(n_rows, n_columns, sharex=share, sharey=True, squeeze=False)
    axes = axes.ravel()
    absent = []
    for ax, name, title in zip(axes, names, titles, strict=False):
        rows = frame[frame[column] == name].set_index(row).reindex(labels)
        lines = [*(references or {}), *(rows[line].dropna().unique() if line else [])]
        for value in lines:
            ax.axvline(value, color=INK, linewidth=0.9, linestyle=DASHED, alpha=0.5)
        for y, (_, one) in enumerate(rows.iterrows()):
            if np.isnan(one[x]):
                absent.append((ax, y, lines))
            else:
                draw_dot(ax, y, one, x, low, high, one[role])
            if note and isinstance(one[note], str):
                edge = ("axes fraction", "data")
                draw_note(ax, one[note], (1.0, y), (2, 0), xycoords=edge, va="center")
        ax.set_title(title, fontsize=8)
        name_rows(ax, labels)
        ax.tick_params(axis="x", labelbottom=True)
    for ax in axes[: len(names)]:
        if leftmost is not None and ax.get_xlim()[0] < leftmost:
            ax.set_xlim(left=leftmost)
    # the limits of shared axes are known now
    if unnamed and not line:  # axes that share their limits, and not their ticks
        ends = np.array([ax.get_xlim() for ax in axes[: len(names)]])
        for ax in axes:
            ax.set_xlim(ends[:, 0].min(), ends[:, 1].max())
    for ax, name in zip(axes, names if references else (), strict=False):
        _name_ticks(ax, dict.fromkeys(references, "") if name in unnamed else references)
    for found in absent:
        draw_absent(*found)
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    figure.supxlabel(xlabel, fontsize=9)
    if n_columns > 1 and len(names) * len(labels) <= MOST_ROWS:
        given = dict(x=x, low=low, high=high, role=role, note=note, references=references)
        given |= dict(unnamed=unnamed, leftmost=leftmost)
        given |= dict(column=column, row=row, line=line, xlabel=fill(xlabel, 40), n_columns=1)
        figure.for_phone = partial(side_by_side, frame, **given)
    return figure


def _three_digits(value: float) -> str:
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}", 1)


def _name_ticks(ax, references: Mapping[float, str]) -> None:
    """Ticks of references, a name below each number, and of other numbers that leave room."""
    low, high = ax.get_xlim()
    room = 0.15 * (high - low)
    ticks = {t: _three_digits(t) for t in ax.get_xticks() if low <= t <= high}
    ticks = {t: s for t, s in ticks.items() if min(abs(t - value) for value in references) > room}
    ticks |= {v: f"{_three_digits(v)}\n{name}".rstrip() for v, name in references.items()}
    ax.set_xticks(list(ticks), list(ticks.values()), fontsize=8)
    ax.set_xlim(low, high)


def _title(name: str, width: int) -> str:
    """A title whose own lines stay apart, each broken where it is long."""
    return "\n".join(fill(line, width) for line in name.split("\n"))


def _band(ax, rows: pd.DataFrame) -> None:
    floors = rows.loc[rows["role"] == "floor", "mean"].dropna()
    ceilings = rows.loc[rows["role"] == "ceiling", "mean"].dropna()
    if floors.empty or ceilings.empty:
        return
    # with the floors above the ceilings (lower is better) the band is the same, turned round
    upwards = ceilings.mean() >= floors.mean()
    floor = floors.max() if upwards else floors.min()
    ceiling = ceilings.min() if upwards else ceilings.max()
    ax.axvspan(min(floor, ceiling), max(floor, ceiling), color=INK, alpha=BAND, linewidth=0)
