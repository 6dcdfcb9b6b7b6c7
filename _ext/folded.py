"""Code is off until a reader asks for it: cells fold, imports go, figures get a number and a link.

Cells fold as `<details>`, which need no script; `_static/code.js` adds the switch of the page.
"""

import ast
import re

from docutils import nodes

HIDDEN = {None: "input", "output": "input+output"}  # what of a cell folds, by what its tags fold


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
    """Fold the code of a page, number its figures, and lead from each to the cell that drew it."""
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
        if not cell.children:
            cell.parent.remove(cell)


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
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
