"""What the commands share: where they print, and options that several of them take."""

from typing import Annotated

import typer
from rich.console import Console

console = Console(markup=False, highlight=False, soft_wrap=True)

Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes that compute steps.",
        show_default="the cores; one run alone computes its steps itself",
    ),
]


def plain_table():
    """A table without lines; rich's own module is imported only where there is one."""
    from rich.table import Table

    return Table(box=None, pad_edge=False)
