"""The changes that are made to a module, one at a time."""

from __future__ import annotations

import ast
from typing import NamedTuple

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift,
}  # fmt: skip
_SILENT = {"log", "logging", "warn", "note"}


class Change(NamedTuple):
    """Attributes:
    line: where it is.
    what: the statement before and after.
    source: of the whole module with the change.
    """

    line: int
    what: str
    source: str


def count(source: str) -> int:
    """How many changes of a module there are.

    Texts, annotations and logging stay as they are; so do the numbers of constants and caches: any
    near them is as good, and a test could only repeat them.
    """
    walker = _Walker(-1)
    walker.visit(ast.parse(source))
    return walker.count


def change(source: str, number: int) -> Change:
    """The change with this number, from 0."""
    walker = _Walker(number)
    changed = walker.visit(ast.parse(source))
    return Change(*walker.found, ast.unparse(changed))


class _Walker(ast.NodeTransformer):
    def __init__(self, wanted: int) -> None:
        self.wanted, self.count = wanted, 0
        self.found = (0, "")

    def _try(self, node: ast.expr | ast.stmt, changed: ast.AST) -> ast.AST:
        self.count += 1
        if self.count - 1 != self.wanted:
            return node
        self.found = (node.lineno, f"{_short(node)}  ->  {_short(changed)}")
        return ast.copy_location(changed, node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if _is_number(node.value) and any(name.isupper() for name in names):
            return node
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return (
            node
            if ast.unparse(node.func) in {"lru_cache", "dataclass"}
            else self.generic_visit(node)
        )

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        is_constant = isinstance(node.target, ast.Name) and node.target.id.isupper()
        if node.value is not None and not (is_constant and _is_number(node.value)):
            node.value = self.visit(node.value)
        return node

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        node.defaults = [self.visit(default) for default in node.defaults]
        node.kw_defaults = [default and self.visit(default) for default in node.kw_defaults]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.args = self.visit(node.args)
        node.body = [self.visit(statement) for statement in node.body]
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_If(self, node: ast.If) -> ast.AST:
        if "TYPE_CHECKING" in ast.dump(node.test):
            return node
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Constant) or _is_silent(node.value):
            return node
        if isinstance(node.value, ast.Call):
            tried = self._try(node, ast.Pass())
            if tried is not node:
                return tried
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return node  # its text; that it is raised is the condition above it

    def visit_Return(self, node: ast.Return) -> ast.AST:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            tried = self._try(node, ast.Return(ast.Constant(None)))
            if tried is not node:
                return tried
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        kind = type(node.ops[0])
        if len(node.ops) > 1 or kind not in _COMPARE:
            return node
        changed = ast.Compare(node.left, [_COMPARE[kind]()], node.comparators)
        return self._try(node, changed)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        other: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return self._try(node, ast.BoolOp(other, node.values))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return self._try(node, node.operand) if isinstance(node.op, ast.Not) else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        kind = type(node.op)
        if kind not in _ARITHMETIC:
            return node
        return self._try(node, ast.BinOp(node.left, _ARITHMETIC[kind](), node.right))

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            return self._try(node, ast.Constant(not node.value))
        if isinstance(node.value, int | float):
            return self._try(node, ast.Constant(node.value + 1))
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node

    def visit_Break(self, node: ast.Break) -> ast.AST:
        return self._try(node, ast.Continue())

    def visit_Continue(self, node: ast.Continue) -> ast.AST:
        return self._try(node, ast.Break())


def _is_number(node: ast.expr) -> bool:
    """Such as `8 * MIB`, or a table of such."""
    parts = (ast.Constant, ast.Name, ast.BinOp, ast.operator, ast.expr_context, ast.Dict)
    return all(isinstance(part, parts) for part in ast.walk(node))


def _is_silent(node: ast.expr) -> bool:
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    names |= {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
    return bool(names & _SILENT)


def _short(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0][:70]
