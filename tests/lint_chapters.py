"""Lint and format check of chapters' code cells with ruff; exits 1 with `file: message` lines."""

import ast
import subprocess
import sys
from pathlib import Path

import jupytext

ROOT = Path(__file__).parents[1]
WIDTH = 88  # characters of code that a page shows without scrolling


def code_cells(path: Path) -> str:
    cells = jupytext.read(path, fmt="md:myst").cells
    return "\n\n".join(c.source for c in cells if c.cell_type == "code") + "\n"


def problems(path: Path) -> list[str]:
    """What ruff says of a chapter's code, cell after cell as one file."""
    found = []
    for cell in jupytext.read(path, fmt="md:myst").cells:
        if cell.cell_type == "code":
            command = ["format", "--check", "--diff", f"--line-length={WIDTH}", "-"]
            found += _ruff(command, cell.source + "\n", path)
    found += [
        f"{path.relative_to(ROOT)}: {name} is imported, then assigned" for name in _hidden(path)
    ]
    # Imports stand where they are first needed, and a cell may end with a bare name to show it.
    # Long strings are captions and alt texts.
    ignored = "--ignore=B018,E402,E501,I001"
    return found + _ruff(["check", "--output-format=concise", ignored, "-"], code_cells(path), path)


def _hidden(path: Path) -> list[str]:
    """Names that a chapter imports from the package and later gives to something else."""
    nodes = list(ast.walk(ast.parse(code_cells(path))))
    ours = [
        n for n in nodes if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("helpers")
    ]
    imported = {alias.asname or alias.name for n in ours for alias in n.names}
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return sorted(imported & stored)


def _ruff(arguments: list[str], code: str, path: Path) -> list[str]:
    command = [sys.executable, "-m", "ruff", *arguments, "--quiet"]
    done = subprocess.run(command, input=code, capture_output=True, text=True, cwd=ROOT)
    said = (done.stdout + done.stderr).strip()
    return [f"{path.relative_to(ROOT)}: {said}"] if done.returncode else []


def sources() -> list[Path]:
    every = [ROOT / "intro.md", *sorted((ROOT / "chapters").rglob("*.md"))]
    return [p for p in every if "kernelspec:" in p.read_text().split("\n---", 1)[0]]


if __name__ == "__main__":
    all_problems = [p for source in sources() for p in problems(source)]
    print(*all_problems, sep="\n")
    sys.exit(bool(all_problems))
