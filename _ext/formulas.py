"""Formulas are drawn when the site is built: nobody waits for a script that typesets them.

A browser draws MathML well only with a font for formulas, which many systems lack. So it is drawn
here, with such a font, and stands behind the drawing for screen readers and to be copied.
"""

import re

import ziamath
from docutils import nodes
from latex2mathml.converter import convert
from sphinx.errors import ExtensionError

SIZE = 24.0  # of letters, in the units of a drawing; the page scales it to its own
# beside these, delimiters without a partner would grow as high as a page
NORM = re.compile(r"<mo>(&#x02016;|&#x0007C;)</mo>")


def formula(tex: str, *, inline: bool) -> str:
    """HTML of a formula: a drawing in the colour of the text, as large as it, and its MathML.

    Raises
    ------
    ExtensionError
        The formula has a command that is not known, or columns.
    """
    mathml = convert(tex, display="inline" if inline else "block")
    if unknown := re.search(r">(\\[^<]*|&amp;|&)<", mathml):
        raise ExtensionError(
            f"the formula {tex!r} cannot be drawn, for {unknown[1]!r}: of what LaTeX has, most "
            "symbols are known, lines one below the other are not"
        )
    mathml = NORM.sub(r'<mo stretchy="false">\1</mo>', mathml)
    drawn = ziamath.Math(mathml, size=SIZE, margin=0)
    drawing = re.sub(
        r'^<svg([^>]*?) width="([\d.]+)" height="([\d.]+)"',
        lambda found: (
            f'<svg{found[1]} width="{_em(found[2])}" height="{_em(found[3])}" aria-hidden="true" '
            f'fill="currentColor" style="vertical-align: {_em(drawn.getyofst())}"'
        ),
        drawn.svg(),
    )
    hidden = mathml.replace("<math ", '<math class="visually-hidden" ', 1)
    return drawing.replace(' fill="black"', "") + hidden


def _em(length: float | str) -> str:
    return f"{float(length) / SIZE:.3f}em"


def inline_math(self, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{formula(node.astext(), inline=True)}</span>')
    raise nodes.SkipNode


def block_math(self, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{formula(node.astext(), inline=False)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    ziamath.config.svg2 = False  # glyphs in place: symbols would bear one name in many formulas
    app.add_html_math_renderer("drawn", (inline_math, None), (block_math, None))
    app.config.html_math_renderer = "drawn"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
