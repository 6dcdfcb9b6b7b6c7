"""Of the theme's two thousand icons a reader loads those that the site shows."""

import io
import re
from pathlib import Path

import pydata_sphinx_theme
from fontTools import subset, ttLib

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
STYLE = "styles/pydata-sphinx-theme.css"
FONTS = "vendor/fontawesome/webfonts"
ALL = "scripts/fontawesome.js"  # draws each icon; no page loads it
RULE = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"\\([0-9a-f]+)"\}')
ESCAPED = re.compile(r'content: ?"\\([ef][0-9a-f]{3})"')
PRIVATE = re.compile("[\ue000-\uf8ff]")  # where fonts of icons have theirs


def keep_used(app, exception):
    """Write the theme's style and fonts of icons without those that no page or script names."""
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    named = [*Path(app.outdir).rglob("*.html"), *static.rglob("*.js")]
    texts = (p.read_text(encoding="utf-8") for p in named if p != static / ALL)
    used = {name for text in texts for name in re.findall(r"\bfa-[a-z0-9-]+", text)}

    def rule(found: re.Match) -> str:
        return found[0] if used.intersection(re.findall(r"fa-[\w-]+", found[1])) else ""

    style = RULE.sub(rule, (THEME / STYLE).read_text(encoding="utf-8"))
    other = [p.read_text(encoding="utf-8") for p in static.rglob("*.css") if p != static / STYLE]
    shapes = {ord(c) for text in (style, *other) for c in PRIVATE.findall(text)}
    shapes |= {int(code, 16) for text in (style, *other) for code in ESCAPED.findall(text)}
    (static / STYLE).write_text(style, encoding="utf-8")
    for font in (THEME / FONTS).glob("*.woff2"):
        (static / FONTS / font.name).write_bytes(_with(shapes, font))


def _with(shapes: set[int], file: Path) -> bytes:
    font = ttLib.TTFont(file, recalcTimestamp=False)
    chosen = subset.Subsetter(subset.Options(layout_features=[]))
    chosen.populate(unicodes=shapes)
    chosen.subset(font)
    font.flavor = "woff2"
    written = io.BytesIO()
    font.save(written)
    return written.getvalue()


def setup(app):
    app.connect("build-finished", keep_used)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
