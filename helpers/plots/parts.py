"""What several drawings share: checks of what they are given, rows, dots, lines of reference."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.plots.style import DASHED, MARKERS, ROLES


def check_columns(drawing: str, frame: pd.DataFrame, *columns: str | None) -> None:
    """Pass where there are rows and every column that is named.

    Raises
    ------
    ValueError
    """
    if frame.empty:
        raise ValueError(f"{drawing}: there is no row to draw")
    if absent := [c for c in columns if c is not None and c not in frame.columns]:
        raise ValueError(f"{drawing}: no columns {absent} (columns: {list(frame.columns)})")


def check_pair(drawing: str, low: str | None, high: str | None) -> None:
    """Pass where both ends of an interval are named, or none.

    Raises
    ------
    ValueError
    """
    if (low is None) != (high is None):
        raise ValueError(f"{drawing}: give both low and high, or none of them")


def check_intervals(drawing: str, frame: pd.DataFrame, low: str, high: str, label: str) -> None:
    """Pass where no interval is upside down.

    Raises
    ------
    ValueError
    """
    if (upside_down := frame[low] > frame[high]).any():
        raise ValueError(
            f"{drawing}: {low} is above {high} for {frame.loc[upside_down, label].tolist()}"
        )


_WORDS = 0.45  # of a panel's width, of three beside one another, that "not scored" takes


def check_roles(roles: Sequence) -> None:
    """Pass where every role has a colour.

    Raises
    ------
    ValueError
    """
    if unknown := sorted(set(map(str, roles)) - set(ROLES)):
        raise ValueError(f"roles {unknown} are not among {list(ROLES)}")


def draw_note(ax, text: str, at: tuple[float, float], offset: tuple[float, float], **where) -> None:
    """Small text beside a place: `offset` in points, `where` as `Axes.annotate` has it."""
    ax.annotate(text, at, offset, textcoords="offset points", fontsize=8, **where)


def draw_reference(ax, value: float, role: str, name: str | None = None) -> None:
    """A line across all rows, named above the panel."""
    ax.axvline(value, color=ROLES[role], linewidth=1.2, linestyle=DASHED, zorder=1)
    if name is not None:
        above = ("data", "axes fraction")
        draw_note(ax, name, (value, 1), (0, 3), xycoords=above, ha="center", va="bottom")


def draw_absent(ax, y: int, lines: Sequence[float] = ()) -> None:
    """That a row is not scored, where none of the vertical `lines` crosses the words, if it can."""
    low, high = ax.get_xlim()
    at = [(value - low) / (high - low) for value in lines]
    starts = (
        start
        for start in (0.01, *(place + 0.03 for place in sorted(at)))
        if 0 < start < 1 - _WORDS and not any(start <= a <= start + _WORDS for a in at)
    )
    where = ("axes fraction", "data")
    ax.annotate("not scored", (next(starts, 0.01), y), xycoords=where, va="center", fontsize=8)


def draw_dot(
    ax, y: int, row: pd.Series, x: str, low: str | None, high: str | None, role: str
) -> None:
    """A dot with its interval, or that there is none."""
    if np.isnan(row[x]):
        draw_absent(ax, y)
        return
    if low is not None:
        ax.plot([row[low], row[high]], [y, y], color=ROLES[role], linewidth=2.2, alpha=0.55)
    ax.plot(row[x], y, MARKERS[role], color=ROLES[role], markersize=6.5, markeredgewidth=0)


LONGEST_NAME = 60  # of a row: a longer one leaves no room for what is drawn


def name_rows(ax, labels: Sequence) -> None:
    """Rows with their names on the left, the first on top; the end of a long name is left out."""
    names = [str(v) for v in labels]
    short = [
        v if len(v) <= LONGEST_NAME else f"{v[: LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"
        for v in names
    ]
    ax.set_yticks(range(len(labels)), short)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
