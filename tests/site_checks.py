"""What is asked of every page of the built site, in a real browser."""

import os
import re
import threading
from collections.abc import Container
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

import pytest

WIDTHS = (1440, 390)
THEMES = ("light", "dark")
FLAGS = (
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ALLOWED: dict[str, str] = {}
"""Rules of axe-core that may fail, each with the reason; there are none."""
CUT = """() => [...document.querySelectorAll('.bb-figure svg, svg[role=img]')].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const own = text.getBoundingClientRect();
    return own.width && (own.left < box.left - 1 || own.right > box.right + 1
      || own.top < box.top - 1 || own.bottom > box.bottom + 1);
  }).map(text => text.textContent);
})"""
"""Texts of figures of which a part lies outside of the drawing, and is not seen."""


def check_site(
    html_dir: Path, axe_at: tuple[int, ...] = WIDTHS, axe_on: Container[str] | None = None
) -> list[str]:
    """Problems of a built site, page by page; none means that it may be published.

    Every HTML page is opened at the first width and resized to the others (opened there, too, where
    axe looks), light and dark. Reported: console errors, failed or outgoing requests, sideways
    scroll, tracebacks, dead links within the site, and at the widths of `axe_at`, on the pages of
    `axe_on` (by default all), violated axe rules.
    """
    html_dir = Path(html_dir)
    problems = dead_links(html_dir)
    with serve(html_dir) as address, browser() as chromium:
        page, log = _open(chromium, address)
        for name in pages(html_dir):
            for width in WIDTHS:
                axe = width in axe_at and (axe_on is None or name in axe_on)
                problems += _page_problems(page, log, address, name, width, axe)
        for width in WIDTHS:
            problems += _missing_page_problems(page, log, address, width)
    return problems


def pages(html_dir: Path) -> list[str]:
    """Addresses of the site's own pages, search included, relative to its folder."""
    # `index.html` only forwards to the first page, `genindex.html` is an empty form
    skip = {"index.html", "404.html", "genindex.html"}
    names = sorted(f.relative_to(html_dir).as_posix() for f in html_dir.rglob("*.html"))
    return [n for n in names if n not in skip and not n.startswith(("_static/", "_sources/"))]


def dead_links(html_dir: Path) -> list[str]:
    """Links of pages to files or sections of the site that are not there."""
    found = {page: _Anchors((html_dir / page).read_text()) for page in pages(html_dir)}
    problems = []
    for page, anchors in found.items():
        for address in anchors.links:
            link = urlsplit(address)
            if link.scheme or link.netloc:
                continue
            target = os.path.normpath(os.path.join(os.path.dirname(page), link.path or page))  # noqa: PTH118, PTH120
            target = page if not link.path else target
            if not (html_dir / target).exists():
                problems.append(f"{page}: link to {link.geturl()}, which is not there")
            elif link.fragment and target in found and link.fragment not in found[target].ids:
                problems.append(f"{page}: link to {link.geturl()}, a section that is not there")
    return problems


class _Anchors(HTMLParser):
    """What a page links to and can be linked at; a tree of each page takes seven times as long."""

    def __init__(self, html: str):
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.add(given["id"])
        link = given.get({"a": "href", "link": "href", "img": "src", "script": "src"}.get(tag))
        if link is not None:
            self.links.append(link)


@contextmanager
def serve(html_dir: Path):
    """Serve a folder as a project page does: below its prefix, with its own 404 page."""
    not_found = html_dir / "404.html"
    found = re.search(r'href="(/[^"]*?)_static/', not_found.read_text())
    prefix = found[1] if found else "/"
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Handler, prefix, not_found.read_bytes(), directory=html_dir)
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{prefix}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, prefix, not_found, *args, **kwargs):
        self.prefix, self.not_found = prefix, not_found
        super().__init__(*args, **kwargs)

    def translate_path(self, path):
        if not path.startswith(self.prefix):
            return str(Path(self.directory, "outside-the-prefix"))
        return super().translate_path("/" + path.removeprefix(self.prefix))

    def send_error(self, code, message=None, explain=None):
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.not_found)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.not_found)

    def log_message(self, *args):
        """Nothing: what went wrong is told by the checks."""


@contextmanager
def browser():
    """Chromium, or a skipped test; with ``CI=true`` a failed one."""
    executable = which("chromium") or which("chromium-browser") or which("google-chrome")
    if executable is None:
        reason = "no Chromium on the PATH: `apt-get install chromium` runs the browser tests"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        # root, as in a container, cannot use the sandbox
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = driver.chromium.launch(executable_path=executable, args=[*FLAGS, *sandbox])
        try:
            yield chromium
        finally:
            chromium.close()


def _open(chromium, address: str):
    """A page, and the list that its console and its requests add problems to."""
    context = chromium.new_context(color_scheme="light", reduced_motion="reduce")
    page = context.new_page()
    problems: list[str] = []

    def outgoing(request):
        if not request.url.startswith((address, "data:", "blob:")):
            problems.append(f"request to {request.url}")

    def response(answer):
        if answer.status >= 400:
            problems.append(f"{answer.status} for {answer.url}")

    def console(message):
        if message.type == "error":
            problems.append(f"console: {message.text}")

    page.on("request", outgoing)
    page.on("response", response)
    page.on("console", console)
    page.on("requestfailed", lambda r: problems.append(f"failed request {r.url}"))
    page.on("pageerror", lambda e: problems.append(f"script error {e}"))
    return page, problems


def _page_problems(
    page, problems: list[str], address: str, name: str, width: int, axe: bool
) -> list[str]:
    problems.clear()
    page.set_viewport_size({"width": width, "height": 900})
    if axe or width == WIDTHS[0]:
        page.goto(address + name)
        # colours as they end up
        page.add_style_tag(content="* { transition: none !important }")
    for theme in THEMES:
        page.evaluate("t => { document.documentElement.dataset.theme = t }", theme)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            problems.append(f"in {theme} it scrolls sideways ({wide} px of {width})")
        problems += [f"cut in a figure: {text!r}" for text in page.evaluate(CUT)]
        # a theme changes colours and nothing else
        rules = ["color-contrast"] if theme == "dark" else None
        if axe:
            problems += [f"in {theme} {v}" for v in axe_violations(page, rules)]
    if page.query_selector(".output.traceback") or "Traceback (most" in page.inner_text("main"):
        problems.append("holds a traceback")
    return [f"{name} at {width} px: {p}" for p in dict.fromkeys(problems)]


def _missing_page_problems(page, problems: list[str], address: str, width: int) -> list[str]:
    problems.clear()
    page.set_viewport_size({"width": width, "height": 900})
    name = "no/such/page.html"
    page.goto(address + name)
    # the page itself is the one answer that is not found; what it loads must be
    expected = f"404 for {address}{name}"
    found = [p for p in problems if p != expected and "status of 404" not in p]
    if not page.query_selector("main h1"):
        found.append("has no heading")
    if "system-ui" not in page.evaluate("getComputedStyle(document.body).fontFamily"):
        found.append("is not styled")
    return [f"page for missing pages: {p}" for p in found]


def axe_violations(page, rules: list[str] | None = None) -> list[str]:
    """Violated rules of axe-core (all, or those asked for) on an open page, less `ALLOWED`."""
    import axe_playwright_python

    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text())
    options = {"resultTypes": ["violations"], "preload": False}
    if rules:
        options["runOnly"] = rules
    result = page.evaluate(
        "async options => (await axe.run(document, options)).violations"
        ".map(v => [v.id, v.impact, v.nodes.map(n => n.target.join(' '))])",
        options,
    )
    return [
        f"axe {rule} ({impact}) on {', '.join(nodes[:3])}"
        for rule, impact, nodes in result
        if rule not in ALLOWED
    ]
