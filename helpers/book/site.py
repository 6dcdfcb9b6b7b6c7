"""From executed chapters to a website: pages staged as notebooks, rendered by Jupyter Book."""

import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import yaml

from helpers.book.cards import parameters_card, provenance_card
from helpers.book.chapters import Book, has_tag
from helpers.book.downloads import ALL_SCORES, SPLITS, scores_file, splits_file, stage_scores
from helpers.book.run import Run
from helpers.book.sections import page_cells
from helpers.store.versions import versions

NOTEBOOKS_BRANCH = "notebooks"  # executed notebooks are published there, for Colab and Binder
PLACEHOLDER = "OWNER"  # of the repository's address, while nobody has set it
_ABOUT = "about"
GLOSSARY = "glossary"  # the page that terms lead to
_RENDERERS = ("jupyter_book", "sphinx", "sphinx_book_theme", "pydata_sphinx_theme", "myst_nb")
_ASSETS = ("_static", "_ext", "references.bib")


class SiteError(RuntimeError):
    """The site was not built, or not without warnings."""


def citation(book: Book) -> dict[str, Any]:
    """Title, authors and address of the project, from the one file that holds them."""
    return yaml.safe_load((book.folder / "CITATION.cff").read_text(encoding="utf-8"))


def repository(facts: dict[str, Any]) -> str | None:
    """Address of the project's repository; None while its owner is not set.

    Raises
    ------
    SiteError
        What stands there is no address of a repository.
    """
    url = str(facts.get("repository-code", ""))
    found = re.fullmatch(r"https://[\w.-]+/([\w.-]+)/[\w.-]+", url)
    if not found:
        raise SiteError(
            f"repository-code of CITATION.cff is {url!r}; it is https://HOST/{PLACEHOLDER}/NAME, "
            "with the owner in its place"
        )
    return None if found[1] == PLACEHOLDER else url


def stage(
    book: Book,
    runs: dict[str, Run],
    folder: Path,
    *,
    pages: list[str] | None = None,
    front: str | None = None,
) -> None:
    """Write everything that Jupyter Book reads into a folder; what has not changed stays.

    Parameters
    ----------
    book : Book
    runs : dict
        Finished runs by chapter name.
    folder : Path
    pages : list of str, optional
        The pages to show, the first one being the root; by default the whole table of contents.
        Links to other pages become text.
    front : str, optional
        Markdown of a front page that stands before `pages`.
    """
    shown = book.pages if pages is None else pages
    whole = pages is None or shown == book.pages
    alone = len(shown) == 1 and front is None
    files: dict[Path, str | bytes] = {folder / "_config.yml": _config(book)}
    files[folder / "_toc.yml"] = _toc(book, None if whole else shown, front is not None)
    if not whole:
        # Of a page alone, only what it cites: to format all takes as long as the page.
        every = "" if alone else ":all:\n"
        files[folder / f"{_ABOUT}.md"] = f"# References\n\n```{{bibliography}}\n{every}```\n"
    if front is not None:
        files[folder / f"{book.toc['root']}.md"] = front
    for name in shown:
        if name in runs:
            page = _page(book, runs[name])
            for cell in page.cells:
                if cell.cell_type == "markdown":
                    cell.source = _without_dead_links(cell.source, name, book, shown)
            files[folder / f"{name}.ipynb"] = nbformat.writes(page) + "\n"
        else:
            text = book.page_file(name).read_text(encoding="utf-8")
            files[folder / f"{name}.md"] = _without_dead_links(text, name, book, shown)
    for asset in _ASSETS:
        source = book.folder / asset
        for file in [source, *source.rglob("*")]:
            if file.is_file() and "__pycache__" not in file.parts:
                files[folder / file.relative_to(book.folder)] = file.read_bytes()
    finished = {name: runs[name] for name in shown if name in runs}
    downloads = stage_scores(folder, finished, archive=ALL_SCORES[0] in shown)
    for name, one in finished.items():
        if (splits := one.folder / SPLITS).is_file():
            files[folder / "_static" / splits_file(name)] = splits.read_bytes()
    for path, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for path in folder.rglob("*"):
        if path.is_file() and path not in files and path not in downloads:
            path.unlink()


def front_of_tier(book: Book, tier: str) -> str:
    """Front page of a build of one tier: what is in it, and what is not."""
    title = citation(book)["title"]
    absent = ", ".join(book.caption(t) for t in book.tiers if t != tier)
    return (
        f"# {title}: {book.caption(tier)}\n\nThis site holds one tier. Not in it: {absent}. Where "
        "a page of these is named, there is no link. `benchbook build` makes the whole book.\n\n"
        "```{tableofcontents}\n```\n"
    )


_LINK = re.compile(r"\[([^\]\[]+)\]\(([\w./-]+?)(?:\.md|\.html)?(#[\w-]*)?\)")


_TERM = re.compile(r"\{term\}`([^`<]+?)(?: <[^`>]+>)?`")


def _without_dead_links(text: str, page: str, book: Book, shown: list[str]) -> str:
    """A page's Markdown, where links to pages and terms that are not shown are text."""

    def link(found: re.Match) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), found[2]))
        return found[1] if target in book.pages and target not in shown else found[0]

    text = _LINK.sub(link, text)
    return text if GLOSSARY in shown else _TERM.sub(r"\1", text)


def _toc(book: Book, shown: list[str] | None, front: bool) -> str:
    if shown is None:
        return yaml.safe_dump(book.toc, sort_keys=False)
    root, *others = [*([book.toc["root"]] if front else []), *shown, _ABOUT]
    toc = {"format": "jb-book", "root": root, "chapters": [{"file": name} for name in others]}
    return yaml.safe_dump(toc, sort_keys=False)


def _config(book: Book) -> str:
    facts = citation(book)
    config = yaml.safe_load((book.folder / "_config.yml").read_text(encoding="utf-8"))
    config["title"] = facts["title"]
    config["author"] = ", ".join(
        a.get("name") or f"{a['given-names']} {a['family-names']}" for a in facts["authors"]
    )
    if url := repository(facts):
        config["repository"] = {"url": url, "branch": NOTEBOOKS_BRANCH, "path_to_book": ""}
    else:  # no button that leads to nobody's notebooks
        buttons = ("use_repository_button", "use_edit_page_button", "use_issues_button")
        config["html"] |= dict.fromkeys(buttons, False)
        config["sphinx"]["config"]["html_theme_options"]["use_source_button"] = False
        config.pop("launch_buttons")
    return yaml.safe_dump(config, sort_keys=False)


# --------------------------------------------------------------------------- pages


def _page(book: Book, run: Run):
    """A chapter's page: today's prose, the run's outputs, cards for parameters and provenance."""
    record = run.record
    page = run.notebook()
    file = run.folder / "notebook.ipynb"  # a run that was never started leaves none
    executed = nbformat.read(file, as_version=4) if file.is_file() else None
    page.cells = _with_outputs(page, executed, record)
    _insert_cards(page, run, record)
    address = citation(book)["repository-code"]
    page.cells.insert(0, _install_cell(address))
    page.metadata = nbformat.from_dict(
        {"kernelspec": page.metadata["kernelspec"], "language_info": {"name": "python"}}
    )
    for i, cell in enumerate(page.cells):
        cell["id"] = f"cell-{i}"
    return page


def _with_outputs(page, executed, record: dict) -> list:
    """The page's cells with the outputs of the run; after a failed cell there are none."""
    if executed is None:
        outputs = []
    else:
        outputs = [
            c
            for c in executed.cells
            if c.cell_type == "code"
            and not has_tag(c, "injected-parameters")
            and not has_tag(c, "papermill-error-cell-tag")
        ]
    done = iter(outputs)
    cells = []
    asked = page.cells
    if executed is not None and (found := executed.metadata.get("sections")):
        asked = page_cells(asked, found)
    for cell in asked:
        if cell.cell_type == "code" and (ran := next(done, None)) is not None:
            cell.outputs = [o for o in ran.outputs if o.output_type != "error"]
            cell.execution_count = None
        cells.append(cell)
    if record["status"] == "failed":
        error = record["error"]
        note = (
            "```{admonition} This run failed\n:class: danger\n"
            f"`{error['name']}: {error['message']}`\n\n"
            f"Cell {error.get('cell', 'unknown')}. Repeat it with `{record['command']}`.\n```"
        )
        cells.insert(1, nbformat.v4.new_markdown_cell(note))
    return cells


def _insert_cards(page, run: Run, record: dict) -> None:
    """Show parameters and provenance as cards; the parameters cell stays in the notebook."""
    at = next(i for i, c in enumerate(page.cells) if has_tag(c, "parameters"))
    cell = page.cells[at]
    cell.source = "\n".join(f"{k} = {v!r}" for k, v in run.parameters.items())
    cell.metadata["tags"] = ["parameters", "remove-cell"]
    if not run.chapter.shows_cards:
        return
    types = {k: type(v).__name__ for k, v in run.chapter.defaults.items()}
    card = parameters_card(run.parameters, run.chapter.defaults, types)
    page.cells.insert(at, nbformat.v4.new_markdown_cell(card))
    depth = run.chapter.name.count("/")
    links = {}
    if (run.folder / "scores.parquet").is_file():
        links["scores (CSV)"] = f"{'../' * depth}_static/{scores_file(run.chapter.name)}"
    if (run.folder / SPLITS).is_file():
        links["splits (JSON)"] = f"{'../' * depth}_static/{splits_file(run.chapter.name)}"
    page.cells.append(nbformat.v4.new_markdown_cell(provenance_card(record, links)))


def _install_cell(address: str):
    """First cell of a published notebook: installs the package where it is not (Colab)."""
    source = (
        "import importlib.util\n\n"
        'if importlib.util.find_spec("helpers") is None:\n'
        f'    %pip install -q "perturbation-benchbook @ git+{address}"'
    )
    return nbformat.v4.new_code_cell(source, metadata={"tags": ["remove-cell"]})


# --------------------------------------------------------------------------- rendering


def render(folder: Path, output: Path, *, strict: bool = True) -> Path:
    """Build the staged pages; return the folder of the HTML, ``_build/html`` below `output`.

    Nothing is done where the last build is whole and was of the same files.

    Parameters
    ----------
    folder : Path
        What `stage` wrote.
    output : Path
        Folder outside of it.
    strict : bool
        Warnings are errors.

    Raises
    ------
    SiteError
        With what Sphinx said.
    """
    log, note = output / "site.log", output / "site.json"
    html = output / "_build" / "html"
    asked = {"staged": _state(folder), "strict": strict, "versions": versions(_RENDERERS)}
    pages = [p.relative_to(folder) for p in (*folder.rglob("*.md"), *folder.rglob("*.ipynb"))]
    whole = log.is_file() and all((html / p).with_suffix(".html").is_file() for p in pages)
    if whole and note.is_file() and json.loads(note.read_text(encoding="utf-8")) == asked:
        return html
    note.unlink(missing_ok=True)
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(folder)]
    command += ["--path-output", str(output)]
    flags = ["-W", "--keep-going", "-n"] if strict else []
    environment = os.environ | {"PYTHONHASHSEED": "0", "NO_COLOR": "1"}
    if not log.is_file():  # the last build was cut: Sphinx would take its pages for whole
        shutil.rmtree(output / "_build", ignore_errors=True)
    log.unlink(missing_ok=True)
    done = subprocess.run([*command, *flags], capture_output=True, text=True, env=environment)
    said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)
    log.write_text(said, encoding="utf-8")
    if done.returncode or not (html / "index.html").is_file():
        shutil.rmtree(output / "_build", ignore_errors=True)  # its warnings would not come again
        found = re.findall(r"^.*(?:WARNING|ERROR|sphinx\.errors).*$", said, re.MULTILINE)
        raise SiteError(
            "the site was not built: "
            + ("; ".join(found[:5]) or f"exit code {done.returncode}")
            + f" (all in {log})"
        )
    note.write_text(json.dumps(asked), encoding="utf-8")
    return html


def _state(folder: Path) -> list[list]:
    """Files below a folder, with the time of their last change."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return [[str(p.relative_to(folder)), p.stat().st_mtime_ns] for p in files]


def render_page(book: Book, run: Run) -> Path:
    """HTML of one run, beside its notebook; returns the page."""
    target = run.folder / "page"
    with tempfile.TemporaryDirectory(prefix=".page-", dir=run.folder.parent) as folder:
        work = Path(folder)
        stage(book, {run.chapter.name: run}, work / "book", pages=[run.chapter.name])
        html = render(work / "book", work, strict=False)
        shutil.rmtree(target, ignore_errors=True)
        html.replace(target)
    return target / f"{run.chapter.name}.html"
