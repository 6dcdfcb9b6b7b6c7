"""Visible words and screens of every page of a built site: `python benchmarks/page_length.py HTML`.

Code is off, the window is 1440 x 900. Words are those of the article that a reader sees without
opening anything; folded ones stand in details that are closed. Drawings count as no words.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from site_checks import browser, pages, serve

MOST_WORDS, MOST_SCREENS = 2_000, 8
EXEMPT = ("results", "references", "about", "data-sets", "glossary", "search")
WORDS = """() => {
  const article = document.querySelector('.bd-article') || document.body;
  const count = (text) => (text.match(/[\\p{L}\\p{N}][^\\s]*/gu) || []).length;
  const seen = { shown: 0, folded: 0 };
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const own = walker.currentNode.parentElement;
    if (own.closest('svg, script, style, .bb-hidden, mjx-container, .headerlink')) continue;
    const fold = own.closest('details:not([open])');
    const code = own.closest('div.cell_input');
    if (code) continue;
    if (fold && !own.closest('summary')) seen.folded += count(walker.currentNode.data);
    else seen.shown += count(walker.currentNode.data);
  }
  const main = document.querySelector('.bd-article') || document.body;
  return [seen.shown, seen.folded, main.getBoundingClientRect().height / 900];
}"""


def lengths(html: Path) -> list[tuple[str, int, int, float]]:
    """Of each page: its name, words that are seen, words that are folded, and screens."""
    found = []
    with serve(html) as address, browser() as chromium:
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        for name in pages(html):
            page.goto(address + name)
            page.evaluate("() => window.MathJax?.startup?.promise")
            found.append((name, *page.evaluate(WORDS)))
    return found


def too_long(name: str, words: int, folded: int, screens: float) -> bool:
    """Whether a page that is not exempt is longer than a reader should be asked to read."""
    if Path(name).stem in EXEMPT:
        return False
    return words > MOST_WORDS or folded > MOST_WORDS or screens > MOST_SCREENS


def main() -> None:
    found = lengths(Path(sys.argv[1]))
    for name, words, folded, screens in sorted(found, key=lambda row: -row[3]):
        mark = "long" if too_long(name, words, folded, screens) else ""
        print(f"{name:60} {words:6} words {folded:6} folded {screens:5.1f} screens {mark}")
    n = sum(too_long(*row) for row in found)
    print(
        f"{n} of {len(found)} pages are longer than {MOST_WORDS:,} words or {MOST_SCREENS} screens"
    )


if __name__ == "__main__":
    main()
