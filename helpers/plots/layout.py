"""How a figure is laid out: labels that fit, what is drawn beyond it, and once more for a phone."""

import warnings
from textwrap import fill

import numpy as np
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

PHONE = 3.7  # inches: the column of a page that is 390 px wide
_LABEL = 18  # letters of a row's name in one line
_TITLE = 28  # letters of a title in one line
_LINE = 0.14  # inches that a further line takes


def wrap_labels(fig: Figure) -> None:
    """Break labels of axes that are longer than the drawing, as an axis cannot be moved for them.

    Widths are those of matplotlib's font. The page's own may be wider: hence the tenth. The figure
    is laid out afterwards.
    """
    _lay_out(fig)
    broken = False
    for ax in fig.axes:
        for axis, start, end in ((ax.xaxis, "x0", "x1"), (ax.yaxis, "y0", "y1")):
            label, text = axis.label, axis.label.get_text()
            own, all_of = label.get_window_extent(), fig.bbox
            if not text or "\n" in text:
                continue
            middle = (getattr(own, start) + getattr(own, end)) / 2
            last = min(getattr(all_of, end), _below_legends(fig, own) if end == "y1" else np.inf)
            room = 2 * min(middle - getattr(all_of, start), last - middle)
            length = getattr(own, end) - getattr(own, start)
            if length > 0.9 * room > 0:
                label.set_text(fill(text, max(12, int(len(text) * 0.9 * room / length))))
                broken = True
    if broken:
        _lay_out(fig)


def _below_legends(fig: Figure, label: Bbox) -> float:
    """Where the legend that stands over a label begins."""
    boxes = [legend.get_window_extent() for legend in fig.legends]
    over = [b for b in boxes if b.x0 < label.x1 and label.x0 < b.x1 and b.y0 > label.y0]
    return min((box.y0 for box in over), default=np.inf)


def _lay_out(fig: Figure) -> None:
    """Place all that is drawn; axes of one scale in x and y find their place by the third try."""
    fixed = any(ax.get_aspect() != "auto" for ax in fig.axes)
    for _ in range(3 if fixed else 1):
        fig.draw_without_rendering()


def drawn_sides(fig: Figure) -> tuple[float, float]:
    """Left and right end of what is drawn, in points: the laid out figure, or what is beyond."""
    ticks = {t for ax in fig.axes for t in (*ax.get_xticklabels(), *ax.get_yticklabels())}
    # tick labels beyond the limits of an axis are not drawn, and only the whole knows them
    texts = [t for t in fig.findobj(Text) if t.get_visible() and t.get_text()]
    boxes = [t.get_window_extent().transformed(fig.dpi_scale_trans.inverted()) for t in texts]
    boxes = [box for t, box in zip(texts, boxes, strict=True) if t not in ticks]
    drawn = Bbox.union([fig.get_tightbbox(), *boxes])
    # a page's font may be wider than matplotlib's: what ends close to the edge gets some room
    margin = 0.06
    return 72 * min(0.0, drawn.x0 - margin), 72 * max(fig.get_figwidth(), drawn.x1 + margin)


def narrow(fig: Figure) -> tuple[float, float] | None:
    """Lay a figure out again for a phone; its `drawn_sides`, or None where that is of no use.

    Legends get one column, long titles and names of rows several lines. Not for panels side by
    side, images, thousands of points, and figures whose texts then need more than the width: these
    scroll.
    """
    grids = [ax.get_subplotspec() for ax in fig.axes]
    one_column = all(grid is not None and grid.get_gridspec().ncols == 1 for grid in grids)
    heavy = any(
        ax.images or any(isinstance(c, QuadMesh) or c.get_rasterized() for c in ax.collections)
        for ax in fig.axes
    )
    if not one_column or heavy or fig.get_figwidth() <= PHONE or fig.get_layout_engine() is None:
        return None
    for ax in fig.axes:  # broken for the wide drawing
        for axis in (ax.xaxis, ax.yaxis):
            axis.label.set_text(axis.label.get_text().replace("\n", " "))
    more = sum(map(_wrap_rows, fig.axes)) + sum(map(_one_column, list(fig.legends)))
    more += sum(map(_wrap_title, fig.axes))
    fig.set_size_inches(PHONE, fig.get_figheight() + more)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "constrained_layout not applied")
        try:
            wrap_labels(fig)
        except UserWarning:  # its texts leave no room for the axes
            return None
    left, right = drawn_sides(fig)
    return (left, right) if right - left <= 1.1 * 72 * PHONE else None


def _wrap_rows(ax) -> float:
    """Break long names of rows; the inches that the axes need more."""
    names = [label.get_text() for label in ax.get_yticklabels()]
    if max(map(len, names), default=0) <= _LABEL:
        return 0.0
    broken = [_broken(name) for name in names]
    ax.set_yticks(ax.get_yticks(), broken)
    return _LINE * len(names) * max(name.count("\n") for name in broken)


def _wrap_title(ax) -> float:
    """Break a long title of axes, wherever it stands; the inches that it needs more."""
    titles = [t for t in ax.get_children() if isinstance(t, Text) and t not in ax.texts]
    for title in titles:
        title.set_text(fill(title.get_text(), _TITLE))
    return _LINE * max(title.get_text().count("\n") for title in titles)


def _broken(name: str) -> str:
    """A name in lines; a word that is too long for one breaks behind an underscore."""
    if max(map(len, name.split()), default=0) > _LABEL:
        return fill(name.replace("_", "_ "), _LABEL).replace("_ ", "_")
    return fill(name, _LABEL)


def _one_column(legend) -> float:
    """Put the entries of a figure's legend below each other; the inches that it needs more."""
    fig, handles = legend.figure, legend.legend_handles
    names = [text.get_text() for text in legend.get_texts()]
    legend.remove()
    fig.legend(handles, names, loc="outside upper left", ncols=1)
    return 1.4 * _LINE * (len(names) - 1)
