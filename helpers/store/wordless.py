"""Definitions without what cannot change a value."""

import ast
from collections.abc import Callable


def mentions_words(annotation: ast.expr | None) -> bool:
    return annotation is not None and any(
        isinstance(n, ast.Name) and n.id == "Words" for n in ast.walk(annotation)
    )


class Normal(ast.NodeTransformer):
    """Takes out of a definition what cannot change a value.

    Docstrings and annotations of arguments always; words where asked: arguments of errors that are
    raised, messages of assertions, what is given to a name or field annotated `Words`, and texts in
    functions that return `Words`.
    """

    def __init__(self, words_of: Callable[[ast.expr], list[str | None]] | None):
        self.words_of = words_of  # None: words are kept

    def _docstring(self, node):
        body = node.body
        if (
            body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            node.body = body[1:] or [ast.Pass()]

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._docstring(node)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._docstring(node)
        says_words = self.words_of is not None and mentions_words(node.returns)
        node.returns = None
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
        node = self.generic_visit(node)
        return _Wordless().visit(node) if says_words else node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if self.words_of is None:
            return self.generic_visit(node)
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return ast.Raise(exc=raised, cause=None)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        if self.words_of is not None:
            node.msg = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if self.words_of is not None and node.value and mentions_words(node.annotation):
            node.value = ast.Constant("")
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        fields = self.words_of(node.func) if self.words_of is not None else []
        if any(fields) and not any(isinstance(a, ast.Starred) for a in node.args):
            words = {name for name in fields if name}
            node.args = [
                a for i, a in enumerate(node.args) if i >= len(fields) or fields[i] is None
            ]
            node.keywords = [k for k in node.keywords if k.arg not in words]
        return self.generic_visit(node)


class _Wordless(ast.NodeTransformer):
    """Takes the texts out of a function that returns words; what it decides by stays.

    Texts are formatted ones, those of several words, and what is returned or yielded.
    """

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) and " " in node.value else node

    def visit_Yield(self, node: ast.Yield) -> ast.AST:
        return _Textless().visit(self.generic_visit(node))

    def visit_Return(self, node: ast.Return) -> ast.AST:
        return _Textless().visit(self.generic_visit(node))


class _Textless(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node
