"""Lint and format check of chapters' code cells with ruff; exits 1 with `file: message` lines."""

import ast
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import jupytext

from helpers.data import registry

ROOT = Path(__file__).parents[1]
WIDTH = 88  # characters of code that a page shows without scrolling


def code_cells(path: Path) -> str:
    cells = jupytext.read(path, fmt="md:myst").cells
    return "\n\n".join(c.source for c in cells if c.cell_type == "code") + "\n"


def problems(paths: list[Path]) -> list[str]:
    """What ruff says of chapters' code: each cell's format, and each chapter's code as one file."""
    found = (
        [
            f"{path.relative_to(ROOT)}: {name} is imported, then assigned"
            for path in paths
            for name in _hidden(path)
        ]
        + [
            f"{path.relative_to(ROOT)}: a cell names the data set {name}: it is the reader's choice"
            for path in paths
            for name in named_data_sets(path)
        ]
        + [
            f"{path.relative_to(ROOT)}: {name} is of real data, and used by a cell without that tag"
            for path in paths
            for name in left_behind(path)
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        cells, whole = Path(folder, "cells"), Path(folder, "whole")
        for path in paths:
            name = path.relative_to(ROOT).with_suffix("")
            for i, cell in enumerate(jupytext.read(path, fmt="md:myst").cells):
                if cell.cell_type == "code":
                    _write(cells / f"{name}.md" / f"cell{i}.py", cell.source + "\n")
            _write(whole / name.with_suffix(".md.py"), code_cells(path))
        found += _ruff(["format", "--check", "--diff", f"--line-length={WIDTH}"], cells)
        # Imports stand where they are first needed, and a cell may end with a bare name to show it.
        # Long strings are captions and alt texts.
        ignored = "--ignore=B018,E402,E501,I001,INP001"
        return found + _ruff(["check", "--output-format=concise", ignored], whole)


def left_behind(path: Path) -> list[str]:
    """What only cells of real data make, and cells use that stay where a set cannot answer."""
    made, kept, used = set(), set(), set()
    for cell in jupytext.read(path, fmt="md:myst").cells:
        real = "real-data" in cell.metadata.get("tags", ())
        if cell.cell_type == "code":
            nodes = list(ast.walk(ast.parse(cell.source)))
            names = [n for n in nodes if isinstance(n, ast.Name)]
            stored = {n.id for n in names if isinstance(n.ctx, ast.Store)}
            arguments = {n.arg for n in nodes if isinstance(n, ast.arg)}
            glued = set(re.findall(r'glue\(\s*"([^"]+)"', cell.source))
            (made if real else kept).update(stored, glued)
            if not real and "in globals()" not in cell.source:  # which asks whether it is there
                used |= {n.id for n in names} - stored - arguments
        elif not real:
            used.update(re.findall(r"\{glue(?::\w+)?\}`([^`:]+)", cell.source))
    return sorted((made - kept) & used)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _hidden(path: Path) -> list[str]:
    """Names that a chapter imports from the package and later gives to something else."""
    nodes = list(ast.walk(ast.parse(code_cells(path))))
    ours = [
        n for n in nodes if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("helpers")
    ]
    imported = {alias.asname or alias.name for n in ours for alias in n.names}
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return sorted(imported & stored)


def named_data_sets(path: Path) -> list[str]:
    """Data sets that cells name, other than as a parameter or as what the front matter requires."""
    notebook = jupytext.read(path, fmt="md:myst")
    required = notebook.metadata.get("benchbook", {}).get("requires", [])
    code = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", [])
    ]
    nodes = ast.walk(ast.parse("\n\n".join(code)))
    strings = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return sorted(strings & set(registry.names()) - set(required))


def _ruff(arguments: list[str], folder: Path) -> list[str]:
    rules = f"--config={ROOT / 'pyproject.toml'}"
    command = [sys.executable, "-m", "ruff", *arguments, rules, "--quiet", "--no-cache", "."]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    return [(done.stdout + done.stderr).strip()] if done.returncode else []


def sources() -> list[Path]:
    every = [ROOT / "intro.md", *sorted((ROOT / "chapters").rglob("*.md"))]
    return [p for p in every if "kernelspec:" in p.read_text().split("\n---", 1)[0]]


if __name__ == "__main__":
    all_problems = problems(sources())
    print(*all_problems, sep="\n")
    sys.exit(bool(all_problems))
