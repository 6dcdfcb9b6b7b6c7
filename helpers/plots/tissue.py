"""Spots at their places on a section, over its image."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from helpers.plots.parts import check_columns
from helpers.plots.style import INK, SERIES, WIDTH, style


@style()
def tissue(
    frame,
    *,
    values: Sequence[str],
    images: Mapping[str, tuple] | None = None,
    label: str = "",
    columns: int = 2,
    limits: tuple[float, float] | None = None,
    hidden: str | None = None,
    diameter: float | None = None,
    panel: str | None = None,
    plain: str = "",
) -> Figure:
    """Spots coloured by numbers or names, one panel a column or a section, on one scale.

    Parameters
    ----------
    frame : DataFrame
        One row a spot: `x`, `y` in pixels of the full image, and the columns of `values`.
    values : sequence of str
        Columns; each has a panel of its own. Numbers share one colour scale; NaN is drawn as an
        empty ring: not measured. Names have at most six values.
    images : mapping, optional
        Of a panel's name, or "": the image (bytes, RGB) and its pixels for one of x.
    label : str
        Of the colour scale.
    columns : int
        Panels side by side.
    limits : (float, float), optional
        Of the colours; default: 2nd and 98th percentile of all panels.
    hidden : str, optional
        Boolean column: spots that are drawn with a ring in a colour of their own, as hidden.
    diameter : float, optional
        Of a spot, in units of x; default: 0.7 of the median distance between neighbours.
    panel : str, optional
        Column that names the section of a spot; then `values` is one column, and each section has
        its panel.

    plain : str
        Title of a first panel that shows the image alone; "": none, as where there is no image.

    Raises
    ------
    ValueError
        No row, a missing column, or too many names.
    """
    check_columns("tissue", frame, "x", "y", *values, hidden, panel)
    names = list(values) if panel is None else list(dict.fromkeys(frame[panel]))
    number = [frame[v].dtype.kind in "fiu" for v in values]
    if any(number):
        every = np.concatenate([frame[v].to_numpy(float) for v in values])
        every = every[np.isfinite(every)]
        low, high = limits or (np.quantile(every, [0.02, 0.98]) if len(every) else (0, 1))
    if plain and "" in (images or {}):
        names.insert(0, plain)
    rows = -(-len(names) // columns)
    first = frame if panel is None else frame[frame[panel] == names[-1]]
    aspect = (np.ptp(first["y"]) + 1) / (np.ptp(first["x"]) + 1)
    height = rows * (0.85 * WIDTH / columns * np.clip(aspect, 0.4, 1.6) + 0.3) + 0.4
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    drawn = None
    for ax, name in zip(axes, names, strict=False):
        part = frame if panel is None else frame[frame[panel] == name]
        column = name if panel is None else values[0]
        _image(ax, (images or {}).get(name, (images or {}).get("")), 1.0 if name == plain else 0.55)
        if name == plain:
            _frame(ax, part, plain, columns)
            continue
        size = _size(figure, columns, part, diameter)
        if number[values.index(column)]:
            shown = part[column].to_numpy(float)
            there = np.isfinite(shown)
            drawn = ax.scatter(
                part["x"][there], part["y"][there], c=shown[there], s=size, lw=0,
                cmap="viridis", vmin=low, vmax=high,
            )  # fmt: skip
            ax.scatter(
                part["x"][~there], part["y"][~there], s=size, facecolors="none",
                edgecolors=INK, lw=0.4,
            )  # fmt: skip
        else:
            _names(ax, part, column, size)
        if hidden is not None:
            at = part[hidden].to_numpy(bool)
            ax.scatter(
                part["x"][at], part["y"][at], s=size, facecolors="none",
                edgecolors=SERIES[1], lw=0.8, label="hidden",
            )  # fmt: skip
        _frame(ax, part, str(name), columns)
    for ax in axes[len(names) :]:
        ax.set_axis_off()
    if drawn is not None:
        figure.colorbar(drawn, ax=axes.tolist(), label=label, shrink=0.7, pad=0.02, aspect=30)
    handles, labels = axes[0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _image(ax, image: tuple | None, alpha: float) -> None:
    if image is not None:
        pixels, scale = image
        height, width = pixels.shape[:2]
        ax.imshow(pixels, extent=(0, width / scale, height / scale, 0), alpha=alpha, aspect="equal")


def _size(figure, columns: int, part, diameter: float | None) -> float:
    """Area of a marker in points: that of a spot at the scale of the panel."""
    from scipy.spatial import cKDTree

    places = part[["x", "y"]].to_numpy(float)
    if diameter is None:
        near = cKDTree(places).query(places, k=2)[0][:, 1] if len(places) > 1 else [1.0]
        diameter = 0.7 * float(np.median(near))
    inches = 0.8 * figure.get_figwidth() / columns
    across = max(np.ptp(places[:, 0]), np.ptp(places[:, 1]), diameter)
    return float((72 * inches * diameter / across) ** 2)


def _names(ax, part, column: str, size: float) -> None:
    names = sorted(part[column].astype(str).unique())
    if len(names) > len(SERIES):
        raise ValueError(f"tissue: {len(names)} names in {column}; draw at most {len(SERIES)}")
    for name, colour in zip(names, SERIES, strict=False):
        own = (part[column].astype(str) == name).to_numpy()
        ax.scatter(part["x"][own], part["y"][own], s=size, lw=0, color=colour, label=name)


def _frame(ax, part, title: str, columns: int) -> None:
    """Only the section is shown, y down, as in the image."""
    margin = 0.04 * max(np.ptp(part["x"]), np.ptp(part["y"]), 1)
    ax.set(
        xlim=(part["x"].min() - margin, part["x"].max() + margin),
        ylim=(part["y"].max() + margin, part["y"].min() - margin),
        aspect="equal",
        xticks=[],
        yticks=[],
    )
    ax.set_title(title, fontsize=8 if columns > 2 else None)  # names of genes are long
    ax.grid(visible=False)
    for side in ax.spines.values():
        side.set_visible(False)
