"""What a page shows when it opens: neither code nor long tables, which fold as `<details>`.

Imports go, figures get a number and a link to their code. Nothing here needs a script;
`_static/code.js` adds the switch of the page.
"""

import ast
import re

from docutils import nodes

HIDDEN = {None: "input", "output": "input+output"}  # what of a cell folds, by what its tags fold
MOST_ROWS = 12  # of a table that a page shows; a longer one folds, or scrolls where it is sorted
TABLE = '<div class="bb-table">'
KEEP_OPEN, FOLD = "open-table", "fold-table"  # tags of a cell whose tables are shown, or fold
LOOK = "second-look"  # class of a section of which title and first paragraph are shown
REFUSED = 'class="admonition warning"'  # the note where a data set cannot answer
DEPARTURES = 'download="departures.csv"'  # what differs from a paper's protocol: always folded


def without_imports(source: str) -> str:
    """The lines of a cell, less its imports; a cell that is no plain Python stays as it is."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a magic
        return source
    gone = {
        line
        for one in statements
        if isinstance(one, (ast.Import, ast.ImportFrom))
        for line in range(one.lineno, one.end_lineno + 1)
    }
    kept = [text for line, text in enumerate(source.split("\n"), 1) if line not in gone]
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(kept)).strip("\n")


def fold(app, doctree):
    """Fold code and long tables, number the figures, and lead from each to its code."""
    cells = [c for c in doctree.findall(nodes.container) if c.get("nb_element") == "cell_code"]
    n_figures = 0
    for number, cell in enumerate(cells, 1):
        code = _code(cell)
        if code is not None:
            code["ids"].append(f"code-{number}")
            cell["hide_mode"] = HIDDEN.get(cell.get("hide_mode"), cell.get("hide_mode"))
            cell["prompt_show"], cell["prompt_hide"] = "Code", "Code"
        for raw in [
            r for r in cell.findall(nodes.raw) if '<figure class="bb-figure"' in r.astext()
        ]:
            n_figures += 1
            link = "" if code is None else f'<a class="bb-code" href="#code-{number}">Code</a>'
            raw.children = [nodes.Text(_captioned(raw.astext(), n_figures, link))]
        tags = cell.get("cell_metadata", {}).get("tags", ())
        for raw in [r for r in cell.findall(nodes.raw) if r.astext().startswith(TABLE)]:
            raw.children = [nodes.Text(folded_table(raw.astext(), tags))]
        if not cell.children:
            cell.parent.remove(cell)
    for section in doctree.findall(nodes.section):
        if LOOK in section["classes"]:
            fold_section(section)


def fold_section(section):
    """Fold all of a section but its title and its first paragraph: checks that few look up.

    The paragraph stands under the title, also where what computes its numbers comes before it. A
    section that the data set cannot answer stays open.
    """
    n_shown = 1
    while n_shown < len(section) and isinstance(section[n_shown], nodes.target):
        n_shown += 1
    refused = any(REFUSED in raw.astext() for raw in section.findall(nodes.raw))
    if refused or n_shown == len(section):
        return
    first = next((child for child in section if isinstance(child, nodes.paragraph)), None)
    if first is not None:
        section.remove(first)
        section.insert(n_shown, first)
        n_shown += 1
    if n_shown == len(section):
        return
    opening = '<details class="bb-fold bb-look"><summary>Look closer</summary>'
    section.insert(n_shown, nodes.raw("", opening, format="html"))
    section.append(nodes.raw("", "</details>", format="html"))


def folded_table(markup: str, tags=()) -> str:
    """The table of a page, folded under its caption where it is long or only for who looks it up.

    Parameters
    ----------
    markup : str
        What `helpers.plots.page.table_html` made.
    tags : sequence of str
        Of its cell: `KEEP_OPEN` shows a long table, `FOLD` folds a short one.
    """
    n_rows = markup.count("<tr>") - 1
    if "<table data-sortable" in markup:  # read by sorting and filtering: in a box of its own
        tall = TABLE.replace("bb-table", "bb-table bb-tall")
        return markup.replace(TABLE, tall) if n_rows > MOST_ROWS else markup
    folds = n_rows > MOST_ROWS or DEPARTURES in markup or FOLD in tags
    if not folds or KEEP_OPEN in tags:
        return markup
    caption = re.search(r"<caption>(.*?)</caption>", markup, re.DOTALL)
    rows = f'<span class="bb-count">{n_rows} row{"s" if n_rows > 1 else ""}</span>'
    rest = markup.replace(caption[0], "")
    return f'<details class="bb-fold"><summary>{caption[1]} {rows}</summary>{rest}</details>'


def _code(cell):
    """The code of a cell without its imports; None, and gone, where nothing is left of it."""
    if not cell.children or cell.children[0].get("nb_element") != "cell_code_source":
        return None
    code = cell.children[0]
    for block in code.findall(nodes.literal_block):
        text = without_imports(block.astext())
        block.rawsource, block.children = text, [nodes.Text(text)]
    if code.astext().strip():
        return code
    cell.remove(code)
    return None


def _captioned(markup: str, number: int, link: str) -> str:
    markup = markup.replace(
        '<span class="bb-caption">',
        f'<span class="bb-caption"><span class="caption-number">Figure {number}. </span>',
    )
    return markup.replace('<span class="bb-tools">', f'<span class="bb-tools">{link}')


def setup(app):
    app.connect("doctree-read", fold)
    # another number has pages read anew that an earlier version folded
    return {
        "version": "3",
        "env_version": 3,
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
