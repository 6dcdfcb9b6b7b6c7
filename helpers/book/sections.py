"""Sections of a chapter that a data set cannot answer: a note takes their place, the rest stands.

A cell tagged ``real-data`` that ends in `CannotAnswer` answers for its section. What is left of the
section, up to the next heading of its level or to text that needs no real data, is not executed
and not shown.
"""

import html
import re
from typing import Any

from helpers.book.chapters import has_tag

REAL_DATA = "real-data"  # tag of the cells that need the chapter's data sets
REFUSAL = "CannotAnswer"  # `helpers.tasks.requirements.CannotAnswer`, as a kernel names it
_HEADING = re.compile(r"^(?:\{[^{}\n]*\}\n)?(#{1,6}) ", re.MULTILINE)  # with its classes
_FENCE = re.compile(r"^(`{3,}|:{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)


def _headings(cell) -> list[tuple[int, int]]:
    """Place and level of each heading of a cell of text."""
    if cell.cell_type != "markdown":
        return []
    text = _FENCE.sub(lambda block: " " * len(block[0]), cell.source)  # a # there is a comment
    return [(found.start(), len(found[1])) for found in _HEADING.finditer(text)]


def rest_of_section(cells: list, index: int) -> tuple[range, int]:
    """Cells after one that belong to its section and need real data.

    Parameters
    ----------
    cells : list of cells of a notebook
    index : int
        The cell that could not answer.

    Returns
    -------
    range
        The cells that go whole.
    int
        Of the cell after them, where the next section starts: what stands before it goes, too.
    """
    above = [level for cell in cells[:index] for _, level in _headings(cell)]
    level = above[-1] if above else 1
    for number in range(index + 1, len(cells)):
        if not has_tag(cells[number], REAL_DATA):
            return range(index + 1, number), 0
        starts = [place for place, found in _headings(cells[number]) if found <= level]
        if starts:
            return range(index + 1, number), starts[0]
    return range(index + 1, len(cells)), 0


def sentence(reason: str) -> str:
    """What the page says in place of a section."""
    plain = " ".join(reason.split())
    said = plain if "cannot be answered" in plain else f"This cannot be answered: {plain}"
    return said.rstrip(".") + "."


def note(reason: str) -> dict[str, Any]:
    """Output of a cell: the sentence as an admonition, and as text; the reason as it was given."""
    said = sentence(reason)
    box = (
        '<div class="admonition warning"><p class="admonition-title">Not answered by this data set'
        f"</p><p>{html.escape(said)}</p></div>"
    )
    data = {"text/html": box, "text/markdown": said, "text/plain": said}
    return {"output_type": "display_data", "data": data, "metadata": {"reason": reason}}


def refuse(cells: list, index: int, reason: str) -> None:
    """Say in a cell why its section is not answered; where it is run again, the rest goes on."""
    import nbformat

    cell = cells[index]
    shown = [output for output in cell.outputs if output.output_type != "error"]
    cell.outputs = [*shown, nbformat.from_dict(note(reason))]
    cell.metadata["tags"] = [*cell.metadata["tags"], "raises-exception"]


def end_section(cells: list, index: int) -> range:
    """End a section behind the cell that could not answer; return the cells that go whole."""
    cell = cells[index]
    hiding = ("remove-cell", "remove-output", "hide-output", "hide-cell")
    cell.metadata["tags"] = [tag for tag in cell.metadata["tags"] if tag not in hiding]
    gone, start = rest_of_section(cells, index)
    if start:
        after = cells[gone.stop]
        after.source = after.source[start:]
    return gone


def _codes(cells: list) -> list[int]:
    """Places of the chapter's own cells of code."""
    return [
        i
        for i, cell in enumerate(cells)
        if cell.cell_type == "code" and not has_tag(cell, "injected-parameters")
    ]


def marks(cells: list, refused: set[int], gone: set[int]) -> dict[str, list[int]]:
    """Which cells of code, by number, could not answer, and which went with their sections."""
    numbers = {place: number for number, place in enumerate(_codes(cells))}
    return {
        "refused": sorted(numbers[i] for i in refused),
        "gone": sorted(numbers[i] for i in gone if i in numbers),
    }


def page_cells(cells: list, found: dict[str, list[int]]) -> list:
    """Cells of a chapter as it is today, without the sections that a run could not answer.

    Parameters
    ----------
    cells : list of cells
        Changed: the sections end behind the cells that could not answer.
    found : dict
        `marks` of the run.
    """
    codes = _codes(cells)
    gone = {codes[number] for number in found["gone"]}
    for number in found["refused"]:
        # code as the run had it, whatever is tagged since: outputs are told apart by their order
        rest = end_section(cells, codes[number])
        gone |= {i for i in rest if cells[i].cell_type != "code"}
    return [cell for i, cell in enumerate(cells) if i not in gone]


class KernelDied(RuntimeError):
    """The kernel died in a cell: the notebook as it was, and the number of the cell."""

    def __init__(self, notebook, cell: int):
        super().__init__(f"the kernel died in cell {cell}")
        self.notebook, self.cell = notebook, cell


def engine() -> str:
    """Name of the papermill engine that executes chapters so; it is made known to papermill."""
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine, papermill_engines

    class SectionsClient(PapermillNotebookClient):
        def papermill_execute_cells(self):
            cells, refused, gone = self.nb.cells, set(), set()
            for index, cell in enumerate(cells):
                if index in gone:
                    continue
                try:
                    self.nb_man.cell_start(cell, index)
                    self.execute_cell(cell, index)
                except CellExecutionError as error:
                    if error.ename != REFUSAL or not has_tag(cell, REAL_DATA):
                        self.nb_man.cell_exception(cell, cell_index=index, exception=error)
                        break
                    refuse(cells, index, error.evalue)
                    gone |= set(end_section(cells, index))
                    refused.add(index)
                except DeadKernelError as error:
                    raise KernelDied(self.nb, index) from error
                finally:
                    self.nb_man.cell_complete(cell, cell_index=index)
            else:
                self.nb.metadata["sections"] = marks(cells, refused, gone)
                self.nb.cells = [cell for i, cell in enumerate(cells) if i not in gone]

    class SectionsEngine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, **options):
            names = ("input_path", "execution_timeout", "start_timeout")
            given = {k: v for k, v in options.items() if k not in names}
            client = SectionsClient(
                nb_man,
                kernel_name=kernel_name,
                startup_timeout=options.get("start_timeout", 60),
                **given,
            )
            return client.execute()

    papermill_engines.register("sections", SectionsEngine)
    return "sections"
