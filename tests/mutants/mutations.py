"""From a module's source to its mutants, each with one small fault."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
OPERATIONS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
SWAPPED_CALLS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "minimum": "maximum",
    "maximum": "minimum",
}
# What a log says is not what the product does; types are checked by mypy.
NOT_MUTATED_CALLS = ("log", "TypeVar", "NewType", "getLogger")


@dataclass(frozen=True)
class Mutant:
    """One fault. line : of the file, from 1; before, after : the line or lines, as they stand"""

    path: str
    line: int
    before: str
    after: str
    source: str

    def diff(self, original: str) -> str:
        """As `diff -u` shows it, with a line around."""
        lines = difflib.unified_diff(
            original.splitlines(),
            self.source.splitlines(),
            self.path,
            self.path,
            n=1,
            lineterm="",
        )
        return "\n".join(lines)


@dataclass(frozen=True)
class Edit:
    """Put a text in the place of some bytes of the source."""

    begin: int
    end: int
    line: int
    text: str


def mutants(path: str, source: str) -> list[Mutant]:
    """All of a module, in order of their lines. path : as the report shall name it"""
    text = Text(source)
    finder = Finder(text)
    found = {}
    for statement in ast.parse(source).body:
        methods = _methods(statement)
        for edit in finder.edits(statement):
            mutated = text.put(edit)
            # Its method or statement alone: to read the whole module each time takes much longer.
            inside = [one for one in methods if text.holds(one, edit)]
            if mutated != source and _can_be_read(
                text.put_in(inside[0] if inside else statement, edit)
            ):
                before, after = text.lines_of(edit)
                found[mutated] = Mutant(path, edit.line, before, after, mutated)
    return sorted(found.values(), key=lambda one: one.line)


def _methods(statement: ast.stmt) -> list[ast.stmt]:
    """Each can be read by itself: only its first line has lost its indent."""
    if not isinstance(statement, ast.ClassDef):
        return []
    return [one for one in statement.body if isinstance(one, ast.FunctionDef)]


def _can_be_read(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


class Text:
    """Source whose nodes can be read and replaced."""

    def __init__(self, source: str) -> None:
        self._bytes = source.encode()
        self._starts = [0]
        for line in self._bytes.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def of(self, node: ast.expr | ast.stmt) -> str:
        return self._read(*self._span(node))

    def replaced(self, node: ast.expr | ast.stmt, text: str) -> Edit:
        return Edit(*self._span(node), node.lineno, text)

    def joined(self, left: ast.expr, right: ast.expr, old: str, new: str) -> Edit:
        """Another sign between two operands; brackets and line ends beside it stay."""
        begin, end = self._span(left)[1], self._span(right)[0]
        line = left.end_lineno or left.lineno
        return Edit(begin, end, line, self._read(begin, end).replace(old, new, 1))

    def put(self, edit: Edit) -> str:
        head, tail = self._bytes[: edit.begin], self._bytes[edit.end :]
        return (head + edit.text.encode() + tail).decode()

    def put_in(self, statement: ast.stmt, edit: Edit) -> str:
        """The statement that the edit is in, with it."""
        begin, end = self._span(statement)
        head, tail = self._read(begin, edit.begin), self._read(edit.end, end)
        return f"{head}{edit.text}{tail}"

    def holds(self, statement: ast.stmt, edit: Edit) -> bool:
        begin, end = self._span(statement)
        return begin <= edit.begin and edit.end <= end

    def lines_of(self, edit: Edit) -> tuple[str, str]:
        """The whole lines that it is in, before and after."""
        begin = self._bytes.rfind(b"\n", 0, edit.begin) + 1
        end = self._bytes.find(b"\n", edit.end)
        before = self._read(begin, end)
        head, tail = self._read(begin, edit.begin), self._read(edit.end, end)
        return before.strip(), f"{head}{edit.text}{tail}".strip()

    def _read(self, begin: int, end: int) -> str:
        return self._bytes[begin:end].decode()

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin = self._starts[node.lineno - 1] + node.col_offset
        return begin, self._starts[node.end_lineno - 1] + node.end_col_offset


class Finder:
    """Walks through a module and says what could be put where."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def edits(self, statement: ast.stmt) -> Iterator[Edit]:
        """Of a statement of the module."""
        if is_constant(statement):
            yield from self._constant(statement.value)
        else:
            yield from self._inside(statement)

    def _inside(self, node: ast.AST) -> Iterator[Edit]:
        if self._is_left_alone(node):
            return
        yield from self._of(node)
        for name, child in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            for one in child if isinstance(child, list) else [child]:
                if isinstance(one, ast.AST):
                    yield from self._inside(one)

    def _is_left_alone(self, node: ast.AST) -> bool:
        """Imports, docstrings, assertions for mypy; texts with values in them, whose places Python
        3.11 does not know.
        """
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert | ast.JoinedStr):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return True
        return isinstance(node, ast.Call) and _name(node.func) in NOT_MUTATED_CALLS

    def _of(self, node: ast.AST) -> Iterator[Edit]:
        if isinstance(node, ast.expr):
            yield from self._expression(node)
        elif isinstance(node, ast.stmt):
            yield from self._statement(node)

    def _constant(self, value: ast.expr) -> Iterator[Edit]:
        """Ten times as much, and a tenth."""
        if isinstance(value, ast.Tuple):
            for one in value.elts:
                if is_number(one):
                    yield from self._constant(one)
            return
        if isinstance(value, ast.Constant) and value.value == 0:
            yield self._text.replaced(value, "1")
            return
        text = self._text.of(value)
        yield self._text.replaced(value, f"({text}) * 10")
        yield self._text.replaced(value, f"type({text})(({text}) / 10)")

    def _expression(self, node: ast.expr) -> Iterator[Edit]:
        if isinstance(node, ast.Compare):
            yield from self._compare(node)
        elif isinstance(node, ast.BoolOp):
            yield from self._bool(node)
        elif isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
            yield from self._binary(node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield self._text.replaced(node, f"({self._text.of(node.operand)})")
        elif isinstance(node, ast.Constant):
            yield from self._literal(node)
        elif isinstance(node, ast.IfExp):
            yield from self._turned_round(node.test)
        elif isinstance(node, ast.Call):
            yield from self._call(node)

    def _compare(self, node: ast.Compare) -> Iterator[Edit]:
        parts = [node.left, *node.comparators]
        for left, right, operator in zip(parts, parts[1:], node.ops, strict=False):
            yield self._text.joined(left, right, *COMPARISONS[type(operator)])

    def _bool(self, node: ast.BoolOp) -> Iterator[Edit]:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield self._text.joined(left, right, old, new)

    def _binary(self, node: ast.BinOp) -> Iterator[Edit]:
        if isinstance(node.left, ast.Constant) and isinstance(node.left.value, str):
            return
        yield self._text.joined(node.left, node.right, *OPERATIONS[type(node.op)])

    def _literal(self, node: ast.Constant) -> Iterator[Edit]:
        value = node.value
        if isinstance(value, bool):
            yield self._text.replaced(node, str(not value))
        elif isinstance(value, int):
            yield self._text.replaced(node, str(value + 1))
        elif isinstance(value, float):
            yield self._text.replaced(
                node, "1.0" if value == 0 else f"({self._text.of(node)} * 10)"
            )

    def _call(self, node: ast.Call) -> Iterator[Edit]:
        name = _name(node.func)
        if name not in SWAPPED_CALLS:
            return
        function = self._text.of(node.func)
        yield self._text.replaced(node.func, function[: -len(name)] + SWAPPED_CALLS[name])

    def _statement(self, node: ast.stmt) -> Iterator[Edit]:
        if isinstance(node, ast.If | ast.While):
            yield from self._turned_round(node.test)
        elif isinstance(node, ast.Break | ast.Continue):
            yield self._text.replaced(
                node, "continue" if isinstance(node, ast.Break) else "break"
            )
        elif isinstance(node, ast.AugAssign) and type(node.op) in OPERATIONS:
            target, value = self._text.of(node.target), self._text.of(node.value)
            sign = OPERATIONS[type(node.op)][1]
            yield self._text.replaced(node, f"{target} {sign}= {value}")
            yield self._text.replaced(node, "pass")
        elif isinstance(node, ast.Raise) or _acts(node):
            yield self._text.replaced(node, "pass")
        elif isinstance(node, ast.Return) and node.value and not _is_plain(node.value):
            yield self._text.replaced(node.value, "None")

    def _turned_round(self, test: ast.expr) -> Iterator[Edit]:
        """Tests made of parts are turned round part by part."""
        if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield self._text.replaced(test, f"not ({self._text.of(test)})")


def is_constant(statement: ast.stmt) -> TypeGuard[ast.Assign]:
    """A number, or numbers, that a module names."""
    if not isinstance(statement, ast.Assign):
        return False
    value = statement.value
    if isinstance(value, ast.Tuple):
        return any(is_number(one) for one in value.elts)
    return is_number(value)


def is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    if isinstance(node, ast.BinOp):
        return is_number(node.left) and is_number(node.right)
    return isinstance(node, ast.UnaryOp) and is_number(node.operand)


def _acts(node: ast.stmt) -> bool:
    """A statement that changes something which outlives its function: a call, an attribute, an
    item.
    """
    if isinstance(node, ast.Expr):
        called = node.value
        return isinstance(called, ast.Call) and _name(called.func) not in NOT_MUTATED_CALLS
    if isinstance(node, ast.Assign):
        return any(_outlives(one) for one in node.targets)
    return False


def _outlives(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple):
        return any(_outlives(one) for one in target.elts)
    return isinstance(target, ast.Attribute | ast.Subscript)


def _is_plain(value: ast.expr) -> bool:
    """None already, or a literal that is changed by itself."""
    return isinstance(value, ast.Constant) and not isinstance(value.value, str)


def _name(function: ast.expr) -> str:
    """Of `log.info` it is log, of `np.maximum` it is maximum."""
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute):
        whose = function.value
        is_log = isinstance(whose, ast.Name) and whose.id == "log"
        return "log" if is_log else function.attr
    return ""
