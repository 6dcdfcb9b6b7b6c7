"""One look for the whole book: colours, roles, and how matplotlib draws."""

import warnings
from contextlib import contextmanager

import matplotlib as mpl

INK = "#1e2930"  # becomes the colour of the text around the figure
ROLES = {
    "candidate": "#0072b2",
    "floor": "#7c8792",
    "ceiling": "#009e73",
    "reported": "#d55e00",
}
"""Colour of each role: colour-blind safe, contrast above 3:1 on the light and the dark page."""
SERIES = ("#0072b2", "#d55e00", "#009e73", "#b0679a", "#8a7a1f", "#7c8792")
"""Colours of unordered series that are not roles, under the same two constraints."""

MARKERS = {"candidate": "o", "floor": "v", "ceiling": "^", "reported": "D"}
DASHED = (0, (4, 2))
WIDTH = 6.9  # inches; on a desk letters are then a little smaller than those of the text
_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.prop_cycle": mpl.cycler(color=SERIES),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "figure.figsize": (WIDTH, 3.6),
    "font.size": 9,
    "grid.alpha": 0.14,
    "grid.color": INK,
    "grid.linewidth": 0.7,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "patch.edgecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",  # text stays text: selectable, searchable, in the page's font
    "svg.hashsalt": "perturbation-benchbook",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 9,
    "xtick.major.size": 3,
    "xtick.major.width": 0.7,
    "ytick.color": INK,
    "ytick.labelsize": 9,
    "ytick.major.size": 3,
    "ytick.major.width": 0.7,
}


@contextmanager
def style():
    """Context manager and decorator: matplotlib draws in the book's look inside it.

    Letters that matplotlib's font lacks are the page's to draw: figures hold their text as text.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> with style():
    ...     figure = Figure()
    """
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        yield


def series_colours(n: int) -> list[str]:
    """Colours of `n` series of one panel.

    Raises
    ------
    ValueError
        There are more series than colours.
    """
    if n > len(SERIES):
        raise ValueError(f"{n} series in one panel: draw at most {len(SERIES)}, or several panels")
    return list(SERIES[:n])
