"""Every script comes from the site itself, once, and only where a page uses it."""

import re
from pathlib import Path

# 1.5 MB that draw again the icons which the theme's fonts draw; the index of all pages, which
# the theme loads everywhere for a search within the page that this site does not have
UNUSED = ("scripts/fontawesome.js", "searchtools.js", "language_data.js", "searchindex.js")
# what asks for a script while the page is read: an inline one names the options of the page
AT_ONCE = "documentation_options.js"
NOT_DEFERRED = re.compile(
    rf"<script(?![^>]*\b(?:defer|async)\b)(?![^>]*{re.escape(AT_ONCE)})([^>]* src=)"
)
TAG = r'[ \t]*<script[^>]*? src="[^"]*?(?:%s)[^"]*"></script>\n?'


def drop_thebe(app, config):
    """Jupyter Book loads sphinx-thebe, on or off, and with it a script from elsewhere."""
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if one.handler.__module__ != "sphinx_thebe"]
    app.registry.css_files[:] = [f for f in app.registry.css_files if f[0] != "sphinx-thebe.css"]


def load_once(app, pagename, templatename, context, doctree):
    """Extensions that each ask for a script get it once."""
    kept = {}
    for script in context.get("script_files", []):
        name = getattr(script, "filename", None)
        kept.setdefault(name or id(script), script)
    context["script_files"] = list(kept.values())


def drop_unused(app, exception):
    """Take out the scripts that the theme's own templates load without being asked.

    The others run, in their order, when the page is read: a reader need not wait for them.
    """
    if exception is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        unused = UNUSED[:1] if page.name == "search.html" else UNUSED
        text = page.read_text(encoding="utf-8")
        lighter = re.sub(TAG % "|".join(map(re.escape, unused)), "", text)
        if page.name != "search.html":  # whose inline scripts call the search
            lighter = NOT_DEFERRED.sub(r"<script defer\1", lighter)
        if lighter != text:
            page.write_text(lighter, encoding="utf-8")


def setup(app):
    app.connect("config-inited", drop_thebe)
    app.connect("html-page-context", load_once, priority=900)
    app.connect("build-finished", drop_unused)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
