"""One look for the whole book: figures that follow the page's theme, tables, standard panels."""

import base64
import html
import io
import re
from collections.abc import Callable, Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.summaries import score_summary

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

_MARKERS = {"candidate": "o", "floor": "v", "ceiling": "^", "reported": "D"}
_WIDTH = 5.8  # inches; pages draw it wider on a desk and narrower on a phone
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
    "figure.figsize": (_WIDTH, 3.6),
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


def style():
    """Context manager: matplotlib draws in the book's look inside it.

    Examples
    --------
    >>> with style():
    ...     figure = Figure()
    """
    return mpl.rc_context(_STYLE)


# Showing ------------------------------------------------------------------------------------


def show(fig: Figure, *, alt: str, name: str, data: pd.DataFrame | None = None) -> None:
    """Display a figure once, as a vector image that follows the page's light or dark theme.

    Parameters
    ----------
    fig : Figure
        Closed afterwards. Collections of more than 1,000 points are drawn as pixels.
    alt : str
        What a reader who cannot see the figure should know.
    name : str
        Unique on the page, of letters, digits, ``-`` and ``_``; names the downloaded file.
    data : DataFrame, optional
        The numbers behind the figure, offered as CSV.

    Raises
    ------
    ValueError
        An empty `alt`, or a `name` with other characters.
    """
    from IPython.display import display

    markup = figure_html(fig, alt=alt, name=name, data=data)
    display({"text/html": markup, "text/plain": alt}, raw=True)


def figure_html(fig: Figure, *, alt: str, name: str, data: pd.DataFrame | None = None) -> str:
    """HTML that `show` displays, for a figure that is glued into a page elsewhere.

    Raises
    ------
    ValueError
        See `show`.
    """
    image = svg(fig, alt=alt, name=name)
    caption = "" if data is None else f"<figcaption>{_download(data, name)}</figcaption>"
    # a wide figure scrolls in its own box on a phone, so the box must take the keyboard focus
    return (
        f'<figure class="bb-figure"><div class="bb-scroll" tabindex="0">{image}</div>'
        f"{caption}</figure>"
    )


def svg(fig: Figure, *, alt: str, name: str) -> str:
    """The inline ``<svg>`` element that `show` displays: same figure, same bytes.

    Raises
    ------
    ValueError
        See `show`.
    """
    _check_name(name)
    if not alt or not alt.strip():
        raise ValueError(f"figure {name!r} has no alt text: say in a sentence what it shows")
    for collection in fig.findobj(mpl.collections.PathCollection):
        if len(collection.get_offsets()) > 1000:
            collection.set_rasterized(True)
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    buffer = io.StringIO()
    with style():
        fig.savefig(buffer, format="svg", metadata=no_metadata, dpi=200, transparent=True)
    if fig.canvas.manager is not None:
        import matplotlib.pyplot as plt

        plt.close(fig)
    return _themed(buffer.getvalue(), alt, name)


def _themed(text: str, alt: str, name: str) -> str:
    text = text[text.index("<svg") :]
    # its rule for `*` would reach the whole page; on the root element it is inherited instead
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.S)
    text = re.sub(r" ?font-family: [^;\"]*;?", "", text)
    text = re.sub(rf"{INK}\b", "currentColor", text, flags=re.I)
    for role, colour in ROLES.items():
        text = re.sub(rf"{colour}\b", f"var(--bb-{role}, {colour})", text, flags=re.I)
    used = set(re.findall(r'(?:url\(|href=")#([\w-]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda m: m[0] if m[1] in used else "", text)
    # matplotlib names a clip by a hash of floats, the last digits of which layout does not repeat
    number = {old: i for i, old in enumerate(dict.fromkeys(re.findall(r' id="([^"]+)"', text)))}
    text = re.sub(
        r'( id="|url\(#|href="#)([\w-]+)',
        lambda m: f"{m[1]}{name}-{number.get(m[2], m[2])}",
        text,
    )
    text = re.sub(r"\n\s*", "\n", text)
    width, height = map(float, re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text).groups())
    label = html.escape(alt.strip(), quote=True)
    opening = (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {width:g} {height:g}" '
        f'style="--bb-width: {width * 4 / 3:.0f}px; width: 100%; max-width: {width * 4 / 3:.0f}px; '
        'height: auto; stroke-linejoin: round; stroke-linecap: butt" '
        'fill="currentColor" font-family="system-ui, sans-serif" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return opening + text[text.index(">") + 1 :].rstrip()


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z][\w-]*", name):
        raise ValueError(f"name {name!r}: use letters, digits, - and _, a letter first")


def _download(frame: pd.DataFrame, name: str) -> str:
    named = any(level is not None for level in frame.index.names)
    csv = frame.to_csv(index=named, float_format="%.6g", lineterminator="\n")
    data = base64.b64encode(csv.encode()).decode()
    return (
        f'<a class="bb-download" download="{name}.csv" '
        f'href="data:text/csv;charset=utf-8;base64,{data}">'
        f'Data<span class="bb-hidden"> of {name}</span> (CSV)</a>'
    )


# Tables -------------------------------------------------------------------------------------


def table(
    frame: pd.DataFrame,
    *,
    caption: str,
    name: str,
    digits: int = 3,
    formats: Mapping[str, str | Callable] | None = None,
) -> None:
    """Display a table with caption, row and column headers, and its data as CSV.

    Parameters
    ----------
    frame : DataFrame
        A named index becomes the first columns. The first column heads its rows.
    caption : str
        One sentence above the table.
    name : str
        Unique on the page; names the downloaded file.
    digits : int
        Decimals of fractional numbers; smaller ones are shown as ``4.2e-05``.
    formats : mapping, optional
        Of column to a format specification (``".1%"``) or a function of the value.

    Raises
    ------
    ValueError
        No rows or columns, an empty caption, or a format for a column that is not there.
    """
    from IPython.display import display

    markup = table_html(frame, caption=caption, name=name, digits=digits, formats=formats)
    text = frame.to_string(float_format=lambda v: _number(v, digits))
    display({"text/html": markup, "text/plain": text}, raw=True)


def table_html(
    frame: pd.DataFrame,
    *,
    caption: str,
    name: str,
    digits: int = 3,
    formats: Mapping[str, str | Callable] | None = None,
) -> str:
    """The HTML that `table` displays, for generated pages."""
    _check_name(name)
    if not caption or not caption.strip():
        raise ValueError(f"table {name!r} has no caption: say in a sentence what it shows")
    if frame.empty:
        raise ValueError(f"table {name!r} has no rows or no columns")
    if any(level is not None for level in frame.index.names):
        frame = frame.reset_index()
    formats = dict(formats or {})
    if absent := [c for c in formats if c not in frame.columns]:
        raise ValueError(f"table {name!r}: formats for columns {absent} that are not there")
    numeric = [
        pd.api.types.is_numeric_dtype(frame[c]) and not pd.api.types.is_bool_dtype(frame[c])
        for c in frame.columns
    ]
    columns = [
        [_cell(value, formats.get(c), digits) for value in frame[c].tolist()] for c in frame.columns
    ]
    kind = [
        ' class="bb-number"' if is_number else ' class="bb-text"' if _is_prose(cells) else ""
        for is_number, cells in zip(numeric, columns, strict=True)
    ]
    head = "".join(
        f'<th scope="col"{k}>{html.escape(str(c))}</th>'
        for c, k in zip(frame.columns, kind, strict=True)
    )
    rows = []
    for first, *rest in zip(*columns, strict=True):
        cells = "".join(f"<td{k}>{v}</td>" for k, v in zip(kind[1:], rest, strict=True))
        rows.append(f'<tr><th scope="row"{kind[0]}>{first}</th>{cells}</tr>')
    title = html.escape(caption.strip(), quote=True)
    return (
        f'<div class="bb-table"><div class="bb-scroll" tabindex="0" role="region" '
        f'aria-label="{title}"><table><caption>{title}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{_download(frame, name)}</div>"
    )


def _is_prose(cells: list[str]) -> bool:
    """Whether a column holds text that must not be squeezed to a word a line."""
    return max(map(len, cells)) > 40


def _cell(value: object, fmt: str | Callable | None, digits: int) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return '<span class="bb-missing">n/a</span>'
    if callable(fmt):
        text = str(fmt(value))
    elif fmt is not None:
        text = format(value, fmt)
    elif isinstance(value, (bool, np.bool_)):
        text = "yes" if value else "no"
    elif isinstance(value, (int, np.integer)):
        text = f"{value:,}"
    elif isinstance(value, (float, np.floating)):
        text = _number(value, digits)
    else:
        text = str(value)
    return html.escape(re.sub(r"^-(?=[\d.])", "\N{MINUS SIGN}", text))


def number(value: float, digits: int = 3) -> str:
    """A number as prose and tables show it: fixed decimals, a true minus sign.

    Examples
    --------
    >>> number(-0.03142, 2)
    '\u22120.03'
    >>> number(-0.0003, 2)
    '0.00'
    """
    # the format's z: no minus sign before zeros
    return f"{value:z,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _number(value: float, digits: int) -> str:
    if value != 0 and abs(value) < 0.5 * 10**-digits:
        return f"{value:.1e}"
    return f"{value:z,.{digits}f}"


# Panels -------------------------------------------------------------------------------------


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
    if frame.empty:
        raise ValueError("interval_plot: there is no row to draw")
    if (low is None) != (high is None):
        raise ValueError("interval_plot: give both low and high, or none of them")
    if absent := [c for c in (x, label, low, high) if c is not None and c not in frame.columns]:
        raise ValueError(f"interval_plot: no columns {absent} (columns: {list(frame.columns)})")
    roles = [role] * len(frame) if role in ROLES else list(frame[role]) if role in frame else [role]
    references = dict(references or {})
    _check_roles([*roles, *(r for _, r in references.values())])
    if low is not None:
        upside_down = frame[low] > frame[high]
        if upside_down.any():
            raise ValueError(
                f"interval_plot: {low} is above {high} for {frame.loc[upside_down, label].tolist()}"
            )
    with style():
        if ax is None:
            height = 0.9 + 0.25 * len(frame) + (0.2 if title else 0)
            ax = Figure(figsize=(_WIDTH, height)).add_subplot()
        for name, (value, kind) in references.items():
            ax.axvline(value, color=ROLES[kind], linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
            ax.annotate(
                name,
                (value, 1),
                (0, 3),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=8,
            )
        for y, (_, row) in enumerate(frame.iterrows()):
            _dot(ax, y, row, x, low, high, roles[y])
        ax.set_yticks(range(len(frame)), [str(v) for v in frame[label]])
        ax.set_ylim(len(frame) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(x if xlabel is None else xlabel)
        if title:
            ax.set_title(title, pad=16 if references else None)
    return ax.get_figure(root=True)


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
        Columns of the value, its interval, the text of the row, and the method.
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
    if frame.empty:
        raise ValueError("forest: there is no row to draw")
    columns = [c for c in (x, low, high, label, series, panel) if c is not None]
    if absent := [c for c in columns if c not in frame.columns]:
        raise ValueError(f"forest: no columns {absent} (columns: {list(frame.columns)})")
    if (upside_down := frame[low] > frame[high]).any():
        raise ValueError(
            f"forest: {low} is above {high} for {frame.loc[upside_down, label].tolist()}"
        )
    methods = list(dict.fromkeys(frame[series]))
    colours = _cycle(len(methods))
    panels = [None] if panel is None else list(dict.fromkeys(frame[panel]))
    parts = [frame if name is None else frame[frame[panel] == name] for name in panels]
    labels = [list(dict.fromkeys(part[label])) for part in parts]
    most = max(part.groupby(label, observed=True)[series].nunique().max() for part in parts)
    step = min(0.3, 0.7 / most)  # rows stay further apart than dots of one row
    with style():
        heights = [max(0.3, 0.13 * most + 0.1) * len(rows) + 0.5 for rows in labels]
        figure = Figure(figsize=(_WIDTH, sum(heights) + 0.7))
        axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=heights)
        for ax, name, part, rows in zip(axes[:, 0], panels, parts, labels, strict=True):
            beside = {
                row: [m for m in methods if m in set(own)]
                for row, own in part.groupby(label, observed=True)[series]
            }
            for reference, value in (references or {}).items():
                ax.axvline(
                    value, color=ROLES["floor"], linewidth=1.2, linestyle=(0, (4, 2)), zorder=1
                )
                if ax is axes[0, 0]:
                    ax.annotate(
                        reference,
                        (value, 1),
                        (0, 3),
                        xycoords=("data", "axes fraction"),
                        textcoords="offset points",
                        ha="center",
                        va="bottom",
                        fontsize=8,
                    )
            for method, colour, marker in zip(methods, colours, "osD^v<", strict=False):
                chosen = part[part[series] == method]
                y = [
                    rows.index(row)
                    + (beside[row].index(method) - (len(beside[row]) - 1) / 2) * step
                    for row in chosen[label]
                ]
                ax.hlines(y, chosen[low], chosen[high], color=colour, linewidth=2, alpha=0.55)
                ax.plot(
                    chosen[x], y, marker, color=colour, markersize=4.5, label=method, linestyle=""
                )
            ax.set_yticks(range(len(rows)), [str(v) for v in rows])
            ax.set_ylim(len(rows) - 0.4, -0.6)
            ax.tick_params(axis="y", length=0)
            ax.grid(visible=False, axis="y")
            ax.spines["left"].set_visible(False)
            if name is not None:  # above the names of the lines
                ax.set_title(name, pad=16 if references and ax is axes[0, 0] else None)
        axes[-1, 0].set_xlabel(x if xlabel is None else xlabel)
        handles, names = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=len(methods))
    return figure


def _check_roles(roles: list[str]) -> None:
    if unknown := sorted(set(map(str, roles)) - set(ROLES)):
        raise ValueError(f"roles {unknown} are not among {list(ROLES)}")


def _dot(ax, y: int, row: pd.Series, x: str, low: str | None, high: str | None, role: str) -> None:
    if np.isnan(row[x]):
        ax.annotate(
            "not scored", (0.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=8
        )
        return
    if low is not None:
        ax.plot([row[low], row[high]], [y, y], color=ROLES[role], linewidth=2.2, alpha=0.55)
    ax.plot(row[x], y, _MARKERS[role], color=ROLES[role], markersize=6.5, markeredgewidth=0)


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
        Of metric to the text under its axis.

    Raises
    ------
    ValueError
        No rows, or a role that is not known.
    """
    summary = score_summary(scores, by, confidence=confidence, n_resamples=n_resamples, seed=seed)
    metrics = list(dict.fromkeys(summary["metric"]))
    counts = summary["metric"].value_counts()
    with style():
        heights = [0.25 * counts[m] + 0.9 for m in metrics]
        figure = Figure(figsize=(_WIDTH, sum(heights) + 0.35))
        figure.get_layout_engine().set(h_pad=0.09)
        axes = figure.subplots(len(metrics), 1, squeeze=False, height_ratios=heights)[:, 0]
        for ax, metric in zip(axes, metrics, strict=True):
            rows = summary[summary["metric"] == metric]
            _band(ax, rows)
            label = (xlabels or {}).get(metric, "mean over scored units")
            interval_plot(
                rows,
                x="mean",
                low="low",
                high="high",
                label="label",
                role="role",
                title=metric.replace("_", " "),
                xlabel=label,
                ax=ax,
            )
        present = [r for r in ROLES if (summary["role"] == r).any()]
        handles = [
            mpl.lines.Line2D([], [], marker=_MARKERS[r], color=ROLES[r], linestyle="", label=r)
            for r in present
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(present))
    return figure


def panels(
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
    line: str | None = None,
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
        Of value to the tick label that stands for it, with a line in every panel.
    line : str, optional
        Column with one value a panel, where a line is drawn. Panels then have axes of their own;
        otherwise they share one.
    xlabel : str
    n_columns : int
        Panels beside one another.

    Raises
    ------
    ValueError
        No rows, a missing column, an unknown role, or two dots in one place.
    """
    if frame.empty:
        raise ValueError("panels: there is no row to draw")
    wanted = [column, row, x, low, high, role, *([note] if note else []), *([line] if line else [])]
    if absent := [c for c in wanted if c not in frame.columns]:
        raise ValueError(f"panels: no columns {absent} (columns: {list(frame.columns)})")
    if (twice := frame.duplicated([column, row])).any():
        first = frame[[column, row]].iloc[int(twice.to_numpy().argmax())]
        raise ValueError(f"panels: {first[row]!r} occurs twice in {first[column]!r}")
    _check_roles(frame[role].unique().tolist())
    names, labels = list(dict.fromkeys(frame[column])), list(dict.fromkeys(frame[row]))
    n_rows = -(-len(names) // n_columns)
    with style():
        figure = Figure(figsize=(_WIDTH, n_rows * (0.22 * len(labels) + 0.75)))
        axes = figure.subplots(n_rows, n_columns, sharex=not line, sharey=True, squeeze=False)
        axes = axes.ravel()
        for ax, name in zip(axes, names, strict=False):
            rows = frame[frame[column] == name].set_index(row).reindex(labels)
            for value in [*(references or {}), *(rows[line].dropna().unique() if line else [])]:
                ax.axvline(value, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), alpha=0.5)
            for y, (_, one) in enumerate(rows.iterrows()):
                _dot(ax, y, one, x, low, high, one[role])
                if note and isinstance(one[note], str):
                    ax.annotate(
                        one[note],
                        (1.0, y),
                        (2, 0),
                        xycoords=("axes fraction", "data"),
                        textcoords="offset points",
                        va="center",
                        fontsize=8,
                    )
            ax.set_title(name, fontsize=8)
            ax.set_yticks(range(len(labels)), [str(v) for v in labels])
            ax.set_ylim(len(labels) - 0.4, -0.6)
            ax.tick_params(axis="y", length=0)
            ax.tick_params(axis="x", labelbottom=True)
            ax.grid(visible=False, axis="y")
            ax.spines["left"].set_visible(False)
            if references:
                ax.set_xticks(list(references), list(references.values()), fontsize=8)
        for ax in axes[len(names) :]:
            ax.set_visible(False)
        figure.supxlabel(xlabel, fontsize=9)
    return figure


def _band(ax, rows: pd.DataFrame) -> None:
    floors = rows.loc[rows["role"] == "floor", "mean"].dropna()
    ceilings = rows.loc[rows["role"] == "ceiling", "mean"].dropna()
    if floors.empty or ceilings.empty:
        return
    # with the floors above the ceilings (lower is better) the band is the same, turned round
    upwards = ceilings.mean() >= floors.mean()
    floor = floors.max() if upwards else floors.min()
    ceiling = ceilings.min() if upwards else ceilings.max()
    ax.axvspan(min(floor, ceiling), max(floor, ceiling), color=INK, alpha=0.05, linewidth=0)


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
    if frame.empty:
        raise ValueError("curves: there is no row to draw")
    if (low is None) != (high is None):
        raise ValueError("curves: give both low and high, or none of them")
    if absent := [c for c in (x, y, series, low, high) if c and c not in frame.columns]:
        raise ValueError(f"curves: no columns {absent} (columns: {list(frame.columns)})")
    names = list(dict.fromkeys(frame[series]))
    dashes = ("solid", (0, (5, 2)), (0, (1, 1.5)))  # series differ in more than colour
    with style():
        ax = Figure(figsize=(_WIDTH, 3.6)).add_subplot()
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
            ax.axhline(height, color=INK, linewidth=1, linestyle=(0, (4, 2)), zorder=1)
            ax.annotate(
                name,
                (1, height),
                (-2, 3),
                xycoords=("axes fraction", "data"),
                fontsize=8,
                textcoords="offset points",
                ha="right",
            )
        if log:
            ax.set_xscale("log")
            ticks = sorted(frame[x].unique())
            ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
            ax.minorticks_off()
        ax.set(xlabel=xlabel or x, ylabel=ylabel or y)
        ax.figure.legend(loc="outside right upper")
    return ax.get_figure(root=True)


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
    if absent := [c for c in (x, y) if c not in frame.columns]:
        raise ValueError(f"agreement: no columns {absent} (columns: {list(frame.columns)})")
    points = frame[[x, y]].dropna()
    if points.empty:
        raise ValueError("agreement: there is no row with both values")
    ends = [float(points.to_numpy().min()), float(points.to_numpy().max())]
    with style():
        ax = Figure(figsize=(_WIDTH * 0.6, 3.6)).add_subplot()
        ax.plot(ends, ends, color=INK, linewidth=1, linestyle=(0, (4, 2)), label="equal")
        left_out = len(frame) - len(points)
        label = f"{len(points)} points" + (f", {left_out} not scored" if left_out else "")
        ax.scatter(
            points[x], points[y], s=22, color=ROLES["candidate"], alpha=0.8, lw=0, label=label
        )
        ax.set(xlabel=xlabel or x, ylabel=ylabel or y)
        ax.legend(loc="upper left")
    return ax.get_figure(root=True)


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
    with style():
        ax = Figure(figsize=(_WIDTH, height)).add_subplot()
        image = ax.pcolormesh(
            table,
            cmap="RdBu_r" if centre is not None else "cividis",
            vmin=low,
            vmax=high,
            rasterized=table.size > 2000,
        )
        ax.invert_yaxis()
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
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        if title:
            ax.set_title(title)
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.9, pad=0.02)
        bar.set_label(label)
        bar.outline.set_visible(False)
    return ax.get_figure(root=True)


def _blocks(names: list[str]) -> list[tuple[str, float, int]]:
    """Name, middle and end of each run of equal names."""
    ends = [i + 1 for i in range(len(names)) if i + 1 == len(names) or names[i] != names[i + 1]]
    starts = [0, *ends[:-1]]
    return [(names[a], (a + b) / 2, b) for a, b in zip(starts, ends, strict=True)]


def p_value_histogram(p, *, bins: int = 20, confidence: float = 0.95, title: str | None = None):
    """Histogram of p-values with the height that uniform ones have, and its band.

    Parameters
    ----------
    p : array of shape (n,), in [0, 1]
    bins : int
        Of equal width.
    confidence : float
        Coverage of the band, pointwise: quantiles of Binomial(n, 1/bins).

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        No p-values, NaN, or values outside [0, 1].
    """
    from scipy.stats import binom

    p = _p_values(p)
    low, high = binom.ppf([(1 - confidence) / 2, (1 + confidence) / 2], len(p), 1 / bins)
    with style():
        ax = Figure(figsize=(_WIDTH * 0.8, 2.9)).add_subplot()
        counts, edges = np.histogram(p, bins=bins, range=(0, 1))
        ax.bar(edges[:-1], counts, 0.92 / bins, align="edge", color=ROLES["candidate"], zorder=2)
        band = f"{confidence:.0%} band"
        ax.axhspan(low, high, color=INK, alpha=0.14, linewidth=0, label=band, zorder=3)
        ax.axhline(len(p) / bins, color=INK, linewidth=1.2, label="uniform", zorder=4)
        ax.set(xlim=(0, 1), xlabel="p-value", ylabel="count")
        ax.grid(visible=False, axis="x")
        # never over the bars, which a legend inside would hide where they are tall
        ax.figure.legend(loc="outside upper right", ncols=2)
        if title:
            ax.set_title(title)
    return ax.get_figure(root=True)


def p_value_ecdf(
    p: Mapping[str, np.ndarray], *, confidence: float = 0.95, title: str | None = None
) -> Figure:
    """Share of p-values at or below each threshold, with the uniform line and its band.

    Parameters
    ----------
    p : mapping of name to array of shape (n,), in [0, 1]
        A valid test stays at or below the upper edge of the band.
    confidence : float
        Coverage of the band, simultaneous: Dvoretzky-Kiefer-Wolfowitz inequality with Massart's
        constant, for the fewest p-values among the series.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        No series, no p-values, NaN, or values outside [0, 1].
    """
    series = {name: np.sort(_p_values(values)) for name, values in p.items()}
    if not series:
        raise ValueError("p_value_ecdf: there is no series to draw")
    fewest = min(map(len, series.values()))
    width = np.sqrt(np.log(2 / (1 - confidence)) / (2 * fewest))
    grid = np.linspace(0, 1, 101)
    with style():
        ax = Figure(figsize=(_WIDTH * 0.8, 3.4)).add_subplot()
        ax.fill_between(
            grid,
            np.clip(grid - width, 0, 1),
            np.clip(grid + width, 0, 1),
            color=INK,
            alpha=0.1,
            linewidth=0,
            label=f"{confidence:.0%} band, n = {fewest:,}",
        )
        ax.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 2)), label="uniform")
        for colour, (name, values) in zip(_cycle(len(series)), series.items(), strict=True):
            x = np.concatenate([[0], values, [1]])
            y = np.concatenate([[0], np.arange(1, len(values) + 1) / len(values), [1]])
            ax.step(x, y, where="post", color=colour, label=name)
        ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="p-value", ylabel="share at or below")
        ax.legend(loc="lower right")
        if title:
            ax.set_title(title)
    return ax.get_figure(root=True)


def _p_values(p) -> np.ndarray:
    p = np.asarray(p, dtype=float)
    if p.ndim != 1 or p.size == 0:
        raise ValueError(f"p-values of shape {p.shape}: give a one-dimensional, non-empty array")
    bad = ~((p >= 0) & (p <= 1))
    if bad.any():
        raise ValueError(
            f"{bad.sum()} of {p.size} p-values are NaN or outside [0, 1]: {p[bad][:3]}"
        )
    return p


def _cycle(n: int) -> list[str]:
    if n > len(SERIES):
        raise ValueError(f"{n} series in one panel: draw at most {len(SERIES)}, or several panels")
    return list(SERIES[:n])
