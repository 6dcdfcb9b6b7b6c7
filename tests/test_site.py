"""The site: what is staged is built without a warning, and stands up to a real browser."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont
from site_checks import ALLOWED, browser, check_site, dead_links, pages, serve

from helpers.book.cards import parameters_card, provenance_card
from helpers.plots import intervals
from helpers.plots.page import figure_html, table_html

ROOT = Path(__file__).resolve().parents[1]

INTRO = """# A small book

:::::{div} bb-hero
::::{div} bb-lead
What the front page says.

{bdg-ref-primary}`Read <chapters/sample>`
::::
::::{div} bb-hero-figure
A figure.
::::
:::::

::::{grid} 1 2 2 2
:::{grid-item-card} A tier
:link: chapters/sample
:link-type: doc
What it asks.
:::
::::
"""

RUN = {
    "status": "done",
    "command": "benchbook run chapters/embeddings/consistency -p dataset=papalexi2021 -p seed=3",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "dirty": True,
    "seconds": 83.4,
    "peak_memory_mb": 1480.2,
    "python": "3.11.7",
    "versions": {"numpy": "2.4.6", "scanpy": "1.11.5"},
    "device": "cpu",
    "threads": 1,
    "datasets": [
        {
            "name": "papalexi2021",
            "sha256": "a7d93e1bda6da5a6",
            "licence": "MIT",
            "citation": "Papalexi et al. 2021, <Nature Genetics>",
        }
    ],
    "steps": [{"name": "pca_embedding", "key": "9f8e7d", "seconds": 1.25, "stored": False}],
    "helpers_hash": "abcdef0123456789",
    "started": "2026-11-21T11:53:04+00:00",
}


def sample_notebook() -> nbformat.NotebookNode:
    """A page with one of everything that chapters hold."""
    rng = np.random.default_rng(0)
    effects = pd.DataFrame(
        {
            "target": ["STAT1", "JAK2", "SMAD4", "IFNGR2", "non-targeting"],
            "similarity": [0.09, 0.071, 0.055, 0.048, 0.001],
            "low": [0.08, 0.06, 0.04, 0.03, -0.01],
            "high": [0.1, 0.08, 0.07, 0.06, 0.012],
            "role": ["candidate"] * 4 + ["floor"],
        }
    )
    figure = figure_html(
        intervals.interval_plot(
            effects, x="similarity", low="low", high="high", label="target", role="role"
        ),
        alt="Five targets with intervals.",
        name="forest",
        data=effects,
    )
    wide = pd.DataFrame(rng.normal(size=(3, 12)), columns=[f"a column {i}" for i in range(12)])
    table = table_html(wide.rename_axis("row"), caption="A table wider than a phone", name="wide")
    long = pd.DataFrame({"target": [f"T{i}" for i in range(40)], "value": range(40)})
    code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell

    def shown(source: str, markup: str, plain: str = "shown"):
        data = {"text/html": markup, "text/plain": plain}
        return code(source, outputs=[nbformat.v4.new_output("display_data", data)])

    return nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3"},
            "language_info": {"name": "python"},
        },
        cells=[
            text("# Consistency\n\nDo cells with one perturbation agree {cite:p}`celik2024`?"),
            text(parameters_card({"seed": 3}, {"seed": 0}, {"seed": int})),
            text("The share of pairs is $p_i$:\n\n$$\\frac{1 + b}{1 + B} \\mathbf{x}$$"),
            code("import numpy as np\nfrom helpers.plots import page"),
            shown(
                "import numpy as np\n\nfigure = 1\npage.show("
                + "'a long line of code', " * 8
                + ")",
                figure,
                "Five targets.",
            ),
            shown("page.table(wide)", table),
            shown("page.table(long)", table_html(long, caption="All targets", name="long")),
            shown(
                "page.table(long)",
                table_html(long, caption="To sort", name="to-sort", sortable=["target"]),
            ),
            shown(
                "%matplotlib inline\nimport os\npage.show(figure)",
                figure.replace("forest", "again"),
            ),
            nbformat.v4.new_code_cell(
                "page.show(figure)",
                metadata={"tags": ["remove-input"]},
                outputs=[
                    nbformat.v4.new_output(
                        "display_data", {"text/html": figure.replace("forest", "third")}
                    )
                ],
            ),
            shown("wide", wide.to_html()),
            text("{.second-look}\n## Other seeds\n\nThey agree."),
            text("In all of ten.\n\n### Of one more\n\nThis one too."),
            text(
                "## Exercises\n\n```{exercise}\n:label: one\n\nWhy?\n```\n\n"
                "```{solution} one\n:class: dropdown\n\nBecause.\n```"
            ),
            text(provenance_card(RUN, {"Executed notebook": "../_sources/chapters/sample.ipynb"})),
        ],
    )


def stage(folder: Path) -> None:
    """A book of two pages with the real configuration, style and extensions."""
    for name in ("_static", "_ext"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "references.bib", folder)
    shutil.copy(ROOT / "references.md", folder)
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    url = "https://github.com/SOMEBODY/sample-book"
    config |= {
        "author": "The authors",
        "repository": {"url": url, "branch": "notebooks", "path_to_book": ""},
    }
    (folder / "_config.yml").write_text(yaml.safe_dump(config))
    toc = {
        "format": "jb-book",
        "root": "intro",
        "parts": [
            {
                "caption": "Sample",
                "chapters": [{"file": "chapters/sample"}, {"file": "references"}],
            }
        ],
    }
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc))
    (folder / "intro.md").write_text(INTRO)
    (folder / "chapters").mkdir()
    nbformat.write(sample_notebook(), folder / "chapters" / "sample.ipynb")


@pytest.fixture(scope="module")
def built_site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    stage(folder)
    program = Path(sys.executable).with_name("jupyter-book")
    command = [program, "build", "-W", "--keep-going", "-n", "."]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, (run.stdout + run.stderr)[-3000:]
    return folder / "_build" / "html"


@pytest.fixture(scope="module")
def soup(built_site) -> BeautifulSoup:
    return BeautifulSoup((built_site / "chapters/sample.html").read_text(), "html.parser")


@pytest.mark.browser
def test_pages_stand_up_to_a_browser(built_site):
    assert check_site(built_site) == []


def test_no_script_or_style_from_elsewhere(built_site):
    for page in pages(built_site):
        tags = BeautifulSoup((built_site / page).read_text(), "html.parser").select(
            "script[src], link[rel=stylesheet], img[src], iframe"
        )
        outside = [t for t in tags if "//" in (t.get("src") or t.get("href"))]
        assert outside == [], page


def test_scripts_are_loaded_once(soup):
    sources = [tag["src"] for tag in soup.select("script[src]")]
    assert len(sources) == len(set(sources))
    assert "thebe" not in str(soup).lower()


def test_a_page_loads_no_script_that_it_does_not_use(built_site):
    """Formulas are drawn by then, the index is read where one searches."""
    for page in pages(built_site):
        soup = BeautifulSoup((built_site / page).read_text(), "html.parser")
        sources = " ".join(tag["src"] for tag in soup.select("script[src]"))
        assert "mathjax" not in sources
        assert ("searchindex" in sources) == (page == "search.html"), page
        assert "fontawesome" not in sources


def height(drawing: str) -> float:
    return float(re.search(r'height="([\d.]+)em"', drawing)[1])


def test_a_formula_is_drawn_as_large_as_the_text_and_can_be_read_aloud(soup):
    inline, block = soup.select("span.math, div.math")
    for formula in (inline, block):
        drawing, spoken = formula.find_all(recursive=False)
        assert (drawing.name, drawing["aria-hidden"]) == ("svg", "true")
        assert drawing["fill"] == "currentColor"
        assert "black" not in str(drawing)
        assert (spoken.name, spoken["class"]) == ("math", ["visually-hidden"])
    assert inline.math.get_text() == "pi"  # p with an index
    assert len(inline.select("path")) == 2
    assert 0.4 < height(str(inline)) < 1
    assert 1.5 < height(str(block)) < 3
    assert block["tabindex"] == "0"  # it may be wider than the page


@pytest.mark.browser
def test_a_formula_stands_on_its_line_or_in_the_middle_of_its_own(built_site):
    with serve(built_site) as address, browser() as chromium:
        opened = chromium.new_page()
        opened.goto(address + "chapters/sample.html")
        line, bottom = opened.evaluate(
            "() => { const formula = document.querySelector('span.math');"
            " const mark = document.createElement('span');"  # without height, on the line
            " mark.style.display = 'inline-block'; formula.before(mark);"
            " return [mark, formula.querySelector('svg')]"
            "   .map(e => e.getBoundingClientRect().bottom) }"
        )
        assert 2 < bottom - line < 6  # the index hangs below
        box = opened.locator("div.math").bounding_box()
        drawing = opened.locator("div.math svg").bounding_box()
        middle, of_box = (b["x"] + b["width"] / 2 for b in (drawing, box))
        assert middle == pytest.approx(of_box, abs=2)


def test_a_formula_hangs_at_its_line_and_no_norm_grows(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "_ext")
    from formulas import formula

    def below(tex: str) -> float:
        return -float(re.search(r"vertical-align: (-?[\d.]+)em", formula(tex, inline=True))[1])

    assert abs(below("x")) < 0.05
    assert below("x_i") > 0.1
    for tex in (r"\lVert \sum_i u_i \rVert^2", r"\lvert x \rvert", "|x|"):
        assert height(formula(tex, inline=False)) < 3.5


@pytest.mark.parametrize("tex", [r"\nosuch x", r"\begin{aligned} a &= b \\ c &= d \end{aligned}"])
def test_a_formula_that_cannot_be_drawn_is_refused(tex, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "_ext")
    from formulas import formula
    from sphinx.errors import ExtensionError

    with pytest.raises(ExtensionError, match="cannot be drawn"):
        formula(tex, inline=False)


def test_no_script_keeps_a_reader_waiting(soup):
    waiting = [
        tag["src"]
        for tag in soup.select("script[src]")
        if not tag.has_attr("defer") and not tag.has_attr("async")
    ]
    assert [src.split("?")[0] for src in waiting] == ["../_static/documentation_options.js"]


@pytest.mark.browser
def test_icons_are_drawn_and_the_search_finds(built_site):
    with serve(built_site) as address, browser() as chromium:
        page = chromium.new_page()
        page.goto(address + "chapters/sample.html")
        drawn = page.evaluate(
            "async () => { await document.fonts.ready;"
            " return [...document.fonts].filter(f => f.status == 'loaded').map(f => f.family) }"
        )
        assert any("Font Awesome" in family for family in drawn)
        asked = page.evaluate(
            "[...document.querySelectorAll('i[class*=fa-]'), ...document.querySelectorAll("
            "'.admonition-title')].flatMap(e => ['::before', '::after'].map(part =>"
            " getComputedStyle(e, part).content)).filter(c => /[\\ue000-\\uf8ff]/.test(c))"
        )
        fonts = list((built_site / "_static/vendor/fontawesome/webfonts").glob("*.woff2"))
        assert sum(font.stat().st_size for font in fonts) < 20_000  # all icons have 300 KB
        shapes = {chr(code) for font in fonts for code in TTFont(font).getBestCmap()}
        assert len(asked) > 10 and {c.strip('"') for c in asked} <= shapes
        page.goto(address + "search.html?q=perturbation")
        page.wait_for_selector("#search-results li a")


def test_edit_and_source_lead_to_the_chapter_on_main(soup):
    links = {tag["href"] for tag in soup.select("a[href*='github.com/SOMEBODY']")}
    base = "https://github.com/SOMEBODY/sample-book"
    assert f"{base}/edit/main/chapters/sample.md" in links
    assert f"{base}/blob/main/chapters/sample.md?plain=1" in links


def test_launch_buttons_open_the_notebook_of_the_branch_notebooks(soup):
    links = [tag["href"] for tag in soup.select("a[href]")]
    assert (
        "https://colab.research.google.com/github/SOMEBODY/sample-book/blob/notebooks/"
        "chapters/sample.ipynb"
    ) in links
    assert (
        "https://mybinder.org/v2/gh/SOMEBODY/sample-book/notebooks"
        "?urlpath=lab/tree/chapters/sample.ipynb"
    ) in links


def test_page_describes_itself(soup):
    description = soup.select_one("meta[name=description]")["content"]
    assert description.startswith("Do cells with one perturbation agree")


def test_one_header_with_one_search(built_site, soup):
    assert soup.select(".bd-header__inner") == []
    assert len(soup.select(".bd-sidebar-primary .search-button-field")) == 1


def test_page_for_missing_pages_is_linked_from_the_project_folder(built_site):
    soup = BeautifulSoup((built_site / "404.html").read_text(), "html.parser")
    styles = [tag["href"] for tag in soup.select("link[rel=stylesheet]")]
    assert styles
    assert all(s.startswith("/sample-book/_static/") for s in styles)


def test_search_index_knows_the_words_of_a_page(built_site):
    index = (built_site / "searchindex.js").read_text()
    terms = json.loads(index[index.index("(") + 1 : index.rindex(")")])["terms"]
    assert "perturb" in terms


def test_dead_links_are_found(built_site, tmp_path):
    broken = tmp_path / "html"
    shutil.copytree(built_site, broken)
    page = broken / "intro.html"
    page.write_text(page.read_text().replace("</main>", '<a href="gone.html">x</a></main>'))
    assert dead_links(broken) == ["intro.html: link to gone.html, which is not there"]


@pytest.mark.browser
def test_browser_checks_can_fail(built_site, tmp_path):
    broken = tmp_path / "html"
    broken.mkdir()
    (broken / "404.html").write_text("<main><h1>x</h1></main>")
    (broken / "page.html").write_text(
        "<html><body><main><p style='width:3000px'>Traceback (most recent call last)</p>"
        "<svg role='img' aria-label='x' width='90' height='20' style='overflow: visible'>"
        "<text x='60' y='15'>a label that is cut</text><text x='2' y='15'>whole</text></svg>"
        "<img src='gone.png'><script>throw Error('boom')</script>"
        "<script src='https://example.org/x.js'></script></main></body></html>"
    )
    text = "\n".join(check_site(broken))
    assert "whole" not in text
    for sign in (
        "scrolls sideways",
        "traceback",
        "script error boom",
        "404 for",
        "request to https://example.org",
        "axe image-alt",
        "cut in a figure: 'a label that is cut'",
    ):
        assert sign in text, sign


def test_code_folds_without_a_script_and_imports_are_not_shown(soup):
    folds = soup.select("details.above-input")
    assert len(folds) == len(soup.select("div.cell_input")) == 6
    assert not any(fold.has_attr("open") for fold in folds)
    assert [f.summary.get_text(" ", strip=True) for f in folds] == ["Code Code"] * 6
    shown = [fold.pre.get_text() for fold in folds]
    assert shown[0].startswith("figure = 1\npage.show(")
    assert not any("import numpy" in text for text in shown)
    # what is no plain Python is left as it is
    assert shown[4].startswith("%matplotlib inline\nimport os")


def test_figures_have_a_number_a_caption_an_anchor_and_lead_to_their_code(soup):
    figures = soup.select("figure.bb-figure")
    assert [f["id"] for f in figures] == ["fig-forest", "fig-again", "fig-third"]
    for number, figure in enumerate(figures, 1):
        caption = figure.select_one(".bb-caption")
        assert caption.get_text() == f"Figure {number}. Five targets with intervals."
        name = figure.svg["aria-labelledby"]
        assert soup.find(id=name).get_text() == "Five targets with intervals."
        assert figure.select_one("a.bb-download")["download"] == f"{figure['id'][4:]}.csv"
    links = [figure.select_one("a.bb-code") for figure in figures]
    assert links[2] is None  # its cell shows no code
    for link, figure in zip(links[:2], figures, strict=False):
        code = soup.find(id=link["href"][1:])
        assert figure in code.find_parent(class_="cell").select("figure")


def test_per_cent_is_set_in_one_way_outside_code_and_drawings(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "_ext"))
    from accessible import spaced

    kept = '<pre>5%<code>6%</code>7%</pre><svg width="8%"><text>9%</text></svg>'
    body = f'<p style="width: 3%">87.6% and 95 %</p>{kept}<td>4%</td>'
    found = f'<p style="width: 3%">87.6&nbsp;% and 95&nbsp;%</p>{kept}<td>4&nbsp;%</td>'
    assert spaced(body) == found


def folded(n_rows: int, tags=(), **more):
    sys.path.insert(0, str(ROOT / "_ext"))
    from folded import folded_table

    frame = pd.DataFrame({"target": [f"T{i}" for i in range(n_rows)]})
    markup = table_html(frame, caption="All > some", **{"name": "all", **more})
    return BeautifulSoup(folded_table(markup, tags), "html.parser")


def test_a_long_table_folds_under_its_caption():
    found = folded(13)
    fold = found.select_one("details.bb-fold")
    assert not fold.has_attr("open") and found.select("caption") == []
    assert fold.summary.get_text(" ", strip=True) == "All > some 13 rows"
    assert len(fold.select("tbody tr")) == 13 and fold.select_one("a.bb-download")
    assert fold.select_one("[role=region]")["aria-label"] == "All > some"


def test_what_folds_is_chosen_by_rows_by_name_and_by_the_tag_of_the_cell():
    assert not folded(12).select("details")
    assert folded(2, name="departures").select("details")
    assert folded(1, ["fold-table"]).summary.get_text().endswith("1 row")
    assert not folded(13, ["open-table"]).select("details")
    tall = folded(13, sortable=["target"])
    assert tall.select("div.bb-table.bb-tall table caption") and not tall.select("details")
    assert not folded(12, sortable=["target"]).select(".bb-tall")


def test_a_second_look_shows_its_title_and_what_it_finds(soup):
    section = soup.select_one("section#other-seeds")
    fold = section.select_one("details.bb-look")
    assert not fold.has_attr("open") and fold.summary.get_text() == "Look closer"
    shown = [tag.get_text() for tag in section.find_all("p") if fold not in tag.parents]
    assert shown == ["They agree."]
    assert [p.get_text() for p in fold.find_all("p")] == ["In all of ten.", "This one too."]
    assert fold.select_one("section#of-one-more h3")
    assert soup.select_one(".exercise") not in list(fold.descendants)  # the fold ends with it


def test_a_second_look_without_a_paragraph_folds_whole_and_a_refused_one_stays_open():
    sys.path.insert(0, str(ROOT / "_ext"))
    from docutils import nodes
    from folded import fold_section

    from helpers.book.sections import note

    refusal = note("too few guides")["data"]["text/html"]
    said, table = nodes.paragraph("", "It holds."), nodes.raw("", "<table></table>", format="html")
    for rest, place in (
        ([said, table], 2),
        ([table, said], 2),
        ([table], 1),
        ([nodes.target(), said, table], 3),
        ([said], None),
        ([said, nodes.raw("", refusal, format="html")], None),
    ):
        section = nodes.section("", nodes.title("", "Other seeds"), *(n.deepcopy() for n in rest))
        fold_section(section)
        folds = [i for i, n in enumerate(section.children) if "details" in n.astext()]
        assert folds == ([] if place is None else [place, len(rest) + 2])
        assert said not in rest or place is None or section[place - 1].astext() == "It holds."


@pytest.mark.browser
def test_a_link_opens_what_it_leads_to(built_site):
    with serve(built_site) as address, browser() as chromium:
        opened = chromium.new_page()
        opened.goto(f"{address}chapters/sample.html#of-one-more")
        assert opened.get_by_text("This one too.").is_visible()


@pytest.mark.browser
def test_a_table_to_sort_scrolls_under_its_head_and_prints_whole(built_site):
    with serve(built_site) as address, browser() as chromium:
        opened = chromium.new_page(viewport={"width": 1440, "height": 500})
        opened.goto(f"{address}chapters/sample.html")
        box = opened.locator(".bb-tall > .bb-scroll")
        assert box.bounding_box()["height"] <= 0.8 * 500 + 1
        box.focus()
        opened.keyboard.press("End")
        opened.wait_for_function(
            "() => { const b = document.querySelector('.bb-tall > .bb-scroll');"
            " return b.scrollTop + b.clientHeight >= b.scrollHeight - 2 }"
        )
        head, top = opened.locator(".bb-tall thead th").first.bounding_box(), box.bounding_box()
        assert head["y"] == pytest.approx(top["y"], abs=2)
        assert not opened.get_by_text("T39").first.is_visible()  # of the folded one
        opened.emulate_media(media="print")
        whole = opened.locator(".bb-tall table").bounding_box()["height"]
        assert box.bounding_box()["height"] >= whole
        assert opened.get_by_text("T39").first.is_visible()


@pytest.mark.browser
def test_one_switch_shows_all_code_by_keyboard_and_is_remembered(built_site):
    with serve(built_site) as address, browser() as chromium:
        opened = chromium.new_context(viewport={"width": 1440, "height": 900}).new_page()
        name = f"{address}chapters/sample.html"
        opened.goto(name)
        inputs = opened.locator("div.cell_input")
        switch = opened.get_by_role("switch", name="Code")

        def seen() -> int:
            return sum(one.is_visible() for one in inputs.all())

        assert switch.count() == 1 and seen() == 0
        opened.locator("a.bb-code").first.click()  # a figure's link opens its cell alone
        assert seen() == 1 and opened.locator("#code-2").is_visible()
        switch.focus()
        opened.keyboard.press("Space")
        assert switch.get_attribute("aria-checked") == "true" and seen() == inputs.count() == 6
        opened.goto(name)
        assert seen() == 6
        opened.get_by_role("switch", name="Code").press("Enter")
        assert seen() == 0
        opened.goto(name)
        assert seen() == 0
        opened.emulate_media(media="print")
        assert not opened.get_by_role("switch", name="Code").is_visible()
        figure = opened.locator("figure.bb-figure").first.bounding_box()
        drawing = opened.locator("figure.bb-figure svg").first.bounding_box()
        assert drawing["width"] == pytest.approx(figure["width"], abs=1)

        off = chromium.new_context(java_script_enabled=False).new_page()
        off.goto(name)
        assert off.locator("[role=switch]").count() == 0
        off.locator("details.above-input > summary").first.click()
        assert off.locator("div.cell_input").first.is_visible()


@pytest.mark.browser
def test_a_reader_sorts_numbers_as_numbers_and_filters_words(tmp_path):
    frame = pd.DataFrame(
        {
            "metric": ["c", "a", "b", "d"],
            "value_of": [10.0, np.nan, 0.0001, -2000.0],
            "kind": ["x", "y", "x", "y"],
        }
    )
    table = table_html(frame, caption="All", name="all", sortable=list(frame))
    script = (ROOT / "_static" / "results.js").read_text()
    (tmp_path / "page.html").write_text(
        f"<html><body>{table}<script>{script}</script></body></html>"
    )
    with browser() as chromium:
        opened = chromium.new_page()
        opened.goto((tmp_path / "page.html").as_uri())

        def column() -> list[str]:
            return [c.inner_text() for c in opened.locator("tbody th").all() if c.is_visible()]

        button = opened.get_by_role("button", name="value of")
        button.click()
        assert column() == ["d", "b", "c", "a"]
        assert opened.locator("th[aria-sort=ascending]").inner_text() == "value of"
        button.click()
        assert column() == ["c", "b", "d", "a"]
        opened.get_by_role("button", name="metric").click()
        assert column() == ["a", "b", "c", "d"]
        menus = opened.locator("select")
        assert menus.count() == 1  # neither of numbers nor of what is different in each row
        menus.first.select_option("y")
        assert column() == ["a", "d"]
        assert opened.get_by_role("status").inner_text() == "2 of 4 rows"


@pytest.mark.browser
def test_of_a_long_table_a_hundred_rows_are_laid_out_until_more_are_asked_for(tmp_path):
    frame = pd.DataFrame({"n": range(150), "kind": ["x", "y", "y"] * 50})
    table = table_html(frame, caption="All", name="all", sortable=list(frame))
    for name in ("results.js", "custom.css"):
        shutil.copy(ROOT / "_static" / name, tmp_path / name)
    (tmp_path / "page.html").write_text(
        '<html><head><link rel="stylesheet" href="custom.css"></head>'
        f'<body>{table}<script src="results.js"></script></body></html>'
    )
    address = (tmp_path / "page.html").as_uri()
    with browser() as chromium:
        opened = chromium.new_page()
        opened.goto(address)
        said, more = opened.get_by_role("status"), opened.get_by_role("button", name="show all")

        def column() -> list[int]:
            return opened.evaluate(
                "[...document.querySelectorAll('tbody tr')].filter(r => r.offsetHeight)"
                ".map(r => +r.cells[0].textContent)"
            )

        assert (column(), said.inner_text()) == ([*range(100)], "the first 100 of 150 rows")
        for _ in range(2):
            opened.get_by_role("button", name="n", exact=True).click()
        assert column() == [*range(149, 49, -1)]
        opened.locator("select").select_option("x")
        assert (column(), said.inner_text()) == ([*range(147, -1, -3)], "50 of 150 rows")
        assert not more.is_visible()
        opened.locator("select").select_option("")
        opened.emulate_media(media="print")
        assert len(column()) == 150
        opened.emulate_media(media="screen")
        more.click()
        assert (len(column()), said.inner_text()) == (150, "150 of 150 rows")
        plain = chromium.new_context(java_script_enabled=False).new_page()
        plain.goto(address)
        assert plain.locator("tbody tr:visible").count() == 150


def test_parameters_that_differ_from_their_default_are_marked():
    card = parameters_card(
        {"seed": 3, "preset": "tiny"}, {"seed": 0, "preset": "tiny"}, {"seed": int, "preset": "str"}
    )
    rows = BeautifulSoup(card, "html.parser").select("dl > div")
    assert [" ".join(r.get_text(" ").split()) for r in rows] == [
        "seed 3 int default 0",
        "preset tiny str",
    ]


def test_parameters_fold_unless_one_differs_from_the_chapter():
    for seed, is_open in ((0, False), (3, True)):
        card = parameters_card({"seed": seed}, {"seed": 0}, {"seed": int})
        fold = BeautifulSoup(card, "html.parser").select_one("details.bb-params")
        assert fold.has_attr("open") is is_open
        assert fold.summary.get_text() == "Parameters of this page"


def test_parameter_without_default_is_refused():
    with pytest.raises(ValueError, match="'seed'"):
        parameters_card({"seed": 3}, {}, {"seed": int})


def test_provenance_card_shows_the_run():
    card = provenance_card(RUN, {"scores": "scores.csv"})
    soup = BeautifulSoup(card, "html.parser")
    assert soup.select_one(".bb-command").text == RUN["command"]
    assert soup.select_one("time")["datetime"] == RUN["started"]
    for text in (
        "1 min 23 s",
        "1.4 GB",
        "with changes not committed",
        "<Nature Genetics>",
        "1 step",
    ):
        assert text in soup.text
    assert soup.select_one(".bb-links a")["href"] == "scores.csv"


def test_steps_of_one_name_are_one_line_of_the_card():
    def step(name, key, seconds, stored):
        return {"name": name, "key": key, "seconds": seconds, "stored": stored}

    steps = [
        step("fit(seed=1)", "aaaa", 1.5, False),
        step("read(x=1)", "bbbb", 0.2, True),
        step("fit(seed=2)", "cccc", 2.0, False),
        step("fit", "dddd", 9.0, True),
        step("draw", "eeee", None, False),
        step("fit", "ffff", None, False),
        step("plot", "0000", 3.25, False),
    ]
    card = BeautifulSoup(provenance_card(RUN | {"steps": steps}, {}), "html.parser")
    assert not card.select_one("details.bb-provenance").has_attr("open")
    lines = [li.get_text() for li in card.select("li")][-4:]
    assert lines == [
        "fit 1 from the store, 2 in 3.5 s, 1 not finished",
        "read(x=1) bbbb from the store",
        "draw eeee not finished",
        "plot 0000 3.2 s",
    ]
    assert "7 steps, 2 of them found in the store" in card.get_text()


def test_cards_are_one_block_of_html():
    run = RUN | {"command": "line one\n\n<b>line two</b>"}
    card = provenance_card(run, {})
    assert "\n\n" not in card
    assert "<b>" not in card


def test_every_allowed_rule_says_why():
    assert len(ALLOWED) <= 2
    assert all(len(reason) > 20 for reason in ALLOWED.values())


def test_buttons_appear_only_where_the_address_of_the_repository_is_set():
    from helpers.book import site
    from helpers.book.chapters import Book

    book = Book(ROOT)
    facts = site.citation(book)
    placeholder = facts | {"repository-code": "https://github.com/OWNER/a-book"}
    address = "https://github.com/somebody/a-book"
    assert site.repository(placeholder) is None
    assert site.repository(facts | {"repository-code": address}) == address
    for wrong in ("", "a-book", "http://github.com/a/b", "https://github.com/OWNER"):
        with pytest.raises(site.SiteError, match=r"repository-code of CITATION\.cff is"):
            site.repository(facts | {"repository-code": wrong})
    set_up = {True: facts | {"repository-code": address}, False: placeholder}
    for has_address, known in set_up.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(site, "citation", lambda book, known=known: known)
            config = yaml.safe_load(site._config(book))
        assert ("repository" in config) is ("launch_buttons" in config) is has_address
        assert config["html"]["use_edit_page_button"] is has_address
        assert config["html"]["use_repository_button"] is has_address


def test_scores_are_offered_as_tables_and_as_one_archive_made_anew_where_they_changed(tmp_path):
    import zipfile
    from types import SimpleNamespace

    import pandas as pd

    from helpers.book import downloads

    def run(value: float):
        folder = tmp_path / str(value)
        folder.mkdir(exist_ok=True)
        pd.DataFrame({"task": ["x"], "value": [value]}).to_parquet(folder / "scores.parquet")
        return SimpleNamespace(folder=folder, record={"files": {"scores.parquet": str(value)}})

    def stage(runs):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("helpers.scores.read", pd.read_parquet)
            return downloads.stage_scores(tmp_path / "book", runs, archive=True)

    runs = {"chapters/a/b": run(1.5), "chapters/c": SimpleNamespace(record={"files": {}})}
    written = stage(runs)
    static = tmp_path / "book" / "_static" / "scores"
    table, packed = static / "a-b.csv", static / "all-scores.zip"
    assert written == {tmp_path / "book" / "downloads.json", table, packed}
    assert table.read_text() == "task,value\nx,1.5\n"
    with zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ["columns.txt", "a-b.csv"]
        assert "cluster: rows of one cluster" in archive.read("columns.txt").decode()
        assert archive.read("a-b.csv").decode() == table.read_text()

    def times():
        return [file.stat().st_mtime_ns for file in (table, packed)]

    before, same = times(), packed.read_bytes()
    assert stage(runs) == written
    assert times() == before  # nothing is written twice
    stage({"chapters/a/b": run(2.5)})
    assert table.read_text() == "task,value\nx,2.5\n"
    stage(runs)
    assert packed.read_bytes() == same  # the same scores, the same bytes
    assert downloads.stage_scores(tmp_path / "no scores", {}, archive=False) == set()


def test_a_site_is_rendered_again_only_where_something_changed(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from helpers.book import site

    folder, html = tmp_path / "book", tmp_path / "_build" / "html"
    (folder / "chapters").mkdir(parents=True)
    page = folder / "chapters" / "one.md"
    for file in (folder / "index.md", page):
        file.write_text("# A page")
    rendered = []

    def jupyter_book(*_, **__):
        rendered.append(1)
        for name in ("index.html", "chapters/one.html"):
            (html / name).parent.mkdir(parents=True, exist_ok=True)
            (html / name).touch()
        return SimpleNamespace(returncode=0, stdout="", stderr="")

    monkeypatch.setattr(site.subprocess, "run", jupyter_book)

    def builds(**how) -> bool:
        before = len(rendered)
        assert site.render(folder, tmp_path, **how) == html
        return len(rendered) > before

    assert builds()
    assert not builds()
    page.write_text("# Another page")
    assert builds()
    (html / "chapters" / "one.html").unlink()
    assert builds()
    assert builds(strict=False)
    (tmp_path / "site.log").unlink()  # a build that was cut
    assert builds(strict=False)
    monkeypatch.setattr(site, "versions", lambda libraries: {"sphinx": "0"})
    assert builds(strict=False)
    assert not builds(strict=False)
    monkeypatch.setattr(
        site.subprocess,
        "run",
        lambda *_, **__: SimpleNamespace(returncode=1, stdout="WARNING: no", stderr=""),
    )
    page.write_text("# A page that does not build")
    for _ in range(2):  # a failure is not taken for a build
        with pytest.raises(site.SiteError, match="WARNING: no"):
            site.render(folder, tmp_path)


@pytest.mark.browser
def test_words_and_screens_of_a_page_are_counted_as_a_reader_sees_them(tmp_path):
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from page_length import lengths, too_long

    (tmp_path / "404.html").write_text("<main><h1>x</h1></main>")
    (tmp_path / "page.html").write_text(
        "<html><body><article class='bd-article' style='height: 1800px'><p>Two words</p>"
        "<details><summary>Code</summary><p>three folded words</p>"
        "<div class='cell_input'>code = 1</div></details><svg><text>drawn</text></svg>"
        "<span class='bb-hidden'>of it</span></article></body></html>"
    )
    assert lengths(tmp_path) == [("page.html", 3, 3, pytest.approx(2.0))]
    assert not too_long("chapters/x.html", 2_000, 2_000, 8.0)
    assert too_long("chapters/x.html", 2_001, 0, 1.0) and too_long("chapters/x.html", 1, 1, 8.1)
    assert not too_long("glossary.html", 9_000, 0, 30.0)
