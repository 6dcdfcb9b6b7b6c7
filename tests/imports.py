"""What a file imports."""

import ast
from collections.abc import Iterator

from helpers.store.source import bound_by


def imported_names(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Dotted names that a syntax tree imports, functions' own imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for _, module, name in bound_by(node, package):
                yield module
                if name:
                    yield f"{module}.{name}"
