"""What a page shows: figures that follow its theme, tables, numbers, and their data to download."""

import base64
import html
import io
import re
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from helpers.plots.layout import drawn_sides, narrow, wrap_labels
from helpers.plots.style import INK, ROLES, WIDTH, style

# Figures ------------------------------------------------------------------------------------


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

    The sentence `alt` is its caption, which the site numbers; `#fig-NAME` leads to it.

    Raises
    ------
    ValueError
        See `show`.
    """
    # what is read below the figure names it for those who cannot see it, once
    label = f'aria-labelledby="fig-{name}-caption"'
    image = _image(fig, alt, name, label)
    redrawn = getattr(fig, "for_phone", None)  # panels that stood side by side
    small = redrawn() if redrawn else fig
    with style():
        sides = narrow(small)
    if sides is not None:
        image += _image(small, alt, f"{name}-narrow", label, sides)
    tools = "" if data is None else _download(data, name)
    # a wide figure scrolls in its own box on a phone, so the box must take the keyboard focus
    return (
        f'<figure class="bb-figure" id="fig-{name}"><div class="bb-scroll" tabindex="0">{image}'
        f'</div><figcaption><span class="bb-caption"><span id="fig-{name}-caption">'
        f'{html.escape(alt.strip())}</span></span><span class="bb-tools">{tools}</span>'
        "</figcaption></figure>"
    )


def svg(fig: Figure, *, alt: str, name: str) -> str:
    """The inline ``<svg>`` element that `show` displays: same figure, same bytes.

    Raises
    ------
    ValueError
        See `show`.
    """
    return _image(fig, alt, name, f'aria-label="{html.escape(alt.strip(), quote=True)}"')


def _image(
    fig: Figure, alt: str, name: str, label: str, sides: tuple[float, float] | None = None
) -> str:
    """The figure; with `sides` it is laid out already."""
    _check_name(name)
    if not alt or not alt.strip():
        raise ValueError(f"figure {name!r} has no alt text: say in a sentence what it shows")
    for collection in fig.findobj(mpl.collections.PathCollection):
        if len(collection.get_offsets()) > 1000:
            collection.set_rasterized(True)
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    buffer = io.StringIO()
    with style():
        if sides is None:
            wrap_labels(fig)
            sides = drawn_sides(fig)
        if fig.canvas.manager is not None:
            import matplotlib.pyplot as plt

            plt.close(fig)
        # It is laid out; savefig would draw it once more before the drawing that it writes.
        for ground in (fig, *fig.axes):
            ground.set_facecolor("none")  # the page's own
        canvas, engine, dpi = fig.canvas, fig.get_layout_engine(), fig.dpi
        fig.set_layout_engine("none")
        fig.dpi = 150  # of what is drawn as pixels
        FigureCanvasSVG(fig).print_svg(buffer, metadata=no_metadata)
        fig.set_canvas(canvas)
        fig.dpi = dpi
        fig.set_layout_engine(engine)
    return _themed(buffer.getvalue(), label, name, sides)


def _light(encoded: str) -> str:
    """Address of what is drawn as pixels: where it is large, photographs as WebP, the rest with 256
    colours.
    """
    png = base64.b64decode(encoded)
    if len(png) < 20_000:
        return f"data:image/png;base64,{encoded}"
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGBA")
    solid = len(np.unique(np.asarray(picture)[..., 3])) == 1
    photograph = solid and picture.getcolors(maxcolors=4_000) is None
    data = io.BytesIO()
    if photograph:
        picture.save(data, "WEBP", quality=80, method=6)
    else:
        few = picture.quantize(256, method=Image.Quantize.FASTOCTREE)
        few.save(data, "PNG", optimize=True)
    kind = "webp" if photograph else "png"
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"


def _themed(text: str, label: str, name: str, sides: tuple[float, float]) -> str:
    text = text[text.index("<svg") :]
    # its rule for `*` would reach the whole page; on the root element it is inherited instead
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.S)
    text = re.sub(r" ?font-family: [^;\"]*;?", "", text)
    text = re.sub(rf"{INK}\b", "currentColor", text, flags=re.I)
    for role, colour in ROLES.items():
        text = re.sub(rf"{colour}\b", f"var(--bb-{role}, {colour})", text, flags=re.I)
    text = re.sub(r"data:image/png;base64,([\w+/=\s]+)", lambda m: _light(m[1]), text)
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
    height = float(re.search(r'height="([\d.]+)pt"', text)[1])
    left, right = (round(side, 1) for side in sides)
    width = right - left
    # a figure of the usual width fills the column, a narrower one its share of it
    share = min(100.0, 100 * width / (72 * WIDTH))
    opening = (
        f'<svg role="img" {label} viewBox="{left:g} 0 {width:g} {height:g}" '
        f'style="--bb-width: {width * 4 / 3:.0f}px; width: {share:.0f}%; height: auto; '
        'stroke-linejoin: round; stroke-linecap: butt" '
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


HEADINGS = {
    "p_value": "p",
    "p_holm": "p (Holm)",
    "q_value": "q",
    "n_units": "units",
    "n_clusters": "clusters",
    "n_unscored": "not scored",
    "n_draws": "draws",
    "sd": "standard deviation",
    "se": "standard error",
    "low": "from",
    "high": "to",
    "share_best": "share of resamples in which it is best",
    "share_lower": "share of rows with a lower error",
    "pearson_gain": "gain in correlation",
    "group": "letters",
}
"""Columns as people call them."""

# Tables -------------------------------------------------------------------------------------


def table(
    frame: pd.DataFrame,
    *,
    caption: str,
    name: str,
    digits: int = 3,
    formats: Mapping[str, str | Callable] | None = None,
    links: Mapping[str, Sequence[str]] | None = None,
    drawings: Mapping[str, Sequence[str]] | None = None,
    sortable: Sequence[str] = (),
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
        Decimals of fractional numbers below 100; smaller ones are shown as ``< 0.001``.
    formats : mapping, optional
        Of column to a format specification (``".1%"``) or a function of the value.
    links : mapping, optional
        Of column to the address that each of its cells leads to.
    drawings : mapping, optional
        Of column to the SVG that stands behind each of its values (`small.strip`).
    sortable : sequence of str
        Columns by which a reader may sort the rows, and filter them where they hold few words.

    Raises
    ------
    ValueError
        No rows or columns, an empty caption, or something asked for a column that is not there.
    """
    from IPython.display import display

    shown = {"caption": caption, "name": name, "digits": digits, "formats": formats}
    markup = table_html(frame, **shown, links=links, drawings=drawings, sortable=sortable)
    text = frame.to_string(float_format=lambda v: _number(v, digits))
    display({"text/html": markup, "text/plain": text}, raw=True)


def table_html(
    frame: pd.DataFrame,
    *,
    caption: str,
    name: str,
    digits: int = 3,
    formats: Mapping[str, str | Callable] | None = None,
    links: Mapping[str, Sequence[str]] | None = None,
    drawings: Mapping[str, Sequence[str]] | None = None,
    sortable: Sequence[str] = (),
) -> str:
    """The HTML that `table` displays, for generated pages."""
    _check_name(name)
    if not caption or not caption.strip():
        raise ValueError(f"table {name!r} has no caption: say in a sentence what it shows")
    if frame.empty:
        raise ValueError(f"table {name!r} has no rows or no columns")
    if any(level is not None for level in frame.index.names):
        frame = frame.reset_index()
    formats = ({"verdict": _verdict} if "verdict" in frame else {}) | dict(formats or {})
    asked_for = [*formats, *(links or {}), *(drawings or {}), *sortable]
    if absent := [c for c in asked_for if c not in frame.columns]:
        raise ValueError(f"table {name!r}: formats for columns {absent} that are not there")
    numeric = [
        pd.api.types.is_numeric_dtype(frame[c]) and not pd.api.types.is_bool_dtype(frame[c])
        for c in frame.columns
    ]
    columns = [
        [_cell(v, formats.get(c), _decimals(frame[c], digits)) for v in frame[c].tolist()]
        for c in frame.columns
    ]
    kind = [
        ' class="bb-number"' if is_number else ' class="bb-text"' if _is_prose(cells) else ""
        for is_number, cells in zip(numeric, columns, strict=True)
    ]
    for column, addresses in (links or {}).items():
        at = list(frame.columns).index(column)
        columns[at] = [
            f'<a href="{html.escape(to, quote=True)}">{cell}</a>'
            for to, cell in zip(addresses, columns[at], strict=True)
        ]
    for column, drawn in (drawings or {}).items():
        at = list(frame.columns).index(column)
        columns[at] = [f"{cell} {svg}" for cell, svg in zip(columns[at], drawn, strict=True)]
    head = "".join(
        f'<th scope="col"{k}>{html.escape(_heading(c))}</th>'
        for c, k in zip(frame.columns, kind, strict=True)
    )
    rows = []
    for first, *rest in zip(*columns, strict=True):
        cells = "".join(f"<td{k}>{v}</td>" for k, v in zip(kind[1:], rest, strict=True))
        rows.append(f'<tr><th scope="row"{kind[0]}>{first}</th>{cells}</tr>')
    title = html.escape(caption.strip(), quote=True)
    named = html.escape("|".join(map(_heading, sortable)), quote=True)
    asked = f' data-sortable="{named}"' if sortable else ""
    return (
        f'<div class="bb-table"><div class="bb-scroll" tabindex="0" role="region" '
        f'aria-label="{title}"><table{asked}><caption>{title}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{_download(frame, name)}</div>"
    )


def _heading(column: object) -> str:
    """A column's name in words; the download keeps the name itself."""
    return HEADINGS.get(column, str(column).replace("_", " "))


def _is_prose(cells: list[str]) -> bool:
    """Whether a column holds text that must not be squeezed to a word a line."""
    return max(map(len, cells)) > 40


def _verdict(value: object) -> str:
    """A comparison's verdict: the word of the code is no answer by itself."""
    return "cannot say" if value == "cannot" else str(value)


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
    return html.escape(re.sub(r"(^|(?<=[\[(\s]))-(?=[\d.])", "\N{MINUS SIGN}", text))


def number(value: float, digits: int = 3) -> str:
    """A number as prose and tables show it: fixed decimals, a true minus sign.

    Examples
    --------
    >>> number(-0.03142, 2)
    '\u22120.03'
    >>> number(-0.0003, 2)
    '0.00'
    >>> number(float("nan"))
    'n/a'
    """
    if np.isnan(value):
        return "n/a"
    # the format's z: no minus sign before zeros
    return f"{value:z,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _number(value: float, digits: int) -> str:
    if value != 0 and abs(value) < 0.5 * 10**-digits:
        least = f"{10**-digits:.{digits}f}"
        return f"< {least}" if value > 0 else f"> -{least}"
    return f"{value:z,.{0 if abs(value) >= 100 else digits}f}"


def _decimals(column: pd.Series, digits: int) -> int:
    """Decimals of a column: none where all are whole, and not just 0 and 1, which may be shares."""
    if not pd.api.types.is_float_dtype(column):
        return digits
    known = column[np.isfinite(column)]
    return 0 if (known == known.round()).all() and (known.abs() > 1).any() else digits
