"""Expressions of ``DataFrame.query`` and ``DataFrame.eval``."""

from __future__ import annotations

import ast
import operator
import re
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ._listing import listed

if TYPE_CHECKING:
    from ._frame import DataFrame
    from ._series import Series

__all__ = ["caller_variables", "evaluate", "parse_condition"]

_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def caller_variables() -> Mapping[str, Any]:
    """Return the variables of the caller's caller."""
    frame = sys._getframe(2)
    return {**frame.f_globals, **frame.f_locals}


def parse_condition(frame: DataFrame, text: str, variables: Mapping[str, Any] | None = None) -> Series:
    """Parse a condition over a frame's columns. Names in backticks may contain any characters.

    Raises
    ------
    ValueError
        If the condition is invalid or contains unsupported syntax.
    """
    made: Series = _Reader(frame, text, variables or {}).parse()
    return made


def evaluate(frame: DataFrame, text: str, variables: Mapping[str, Any]) -> Any:
    """Evaluate assignments such as ``c = a + b`` to a new frame, or an expression to a column."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    for line in lines:
        label, sign, expression = line.partition("=")
        if not sign or not label.strip().isidentifier() or expression.startswith("="):
            if len(lines) > 1:
                raise ValueError(
                    f"cannot evaluate {line!r}: with several lines, each must be an assignment to a column"
                )
            return _Reader(frame, line, variables).parse()
        frame = frame.assign(**{label.strip(): _Reader(frame, expression, variables).parse()})
    return frame


class _Reader:
    def __init__(self, frame: DataFrame, text: str, variables: Mapping[str, Any]) -> None:
        self._frame = frame
        self._text = text
        self._variables = variables
        self._names: dict[str, Any] = {}

    def parse(self) -> Any:
        parts = self._text.split("`")
        for at in range(1, len(parts), 2):
            self._names[f"_quoted_{at}"] = parts[at]
            parts[at] = f"_quoted_{at}"
        # A name after @ is a variable, even if a column has the same name.
        text = _with_variables("".join(parts).strip())
        try:
            tree = ast.parse(f"({text})", mode="eval").body
        except SyntaxError as error:
            raise self._refuse(error.msg) from None
        return self.read(tree)

    def _refuse(self, what: str) -> ValueError:
        return ValueError(f"cannot evaluate {self._text!r}: {what}")

    def read(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            if node.id.startswith(_VARIABLE):
                return self._variable(node.id[len(_VARIABLE) :])
            return self._name(self._names.get(node.id, node.id))
        if isinstance(node, ast.Attribute):
            if node.attr.startswith("_"):
                raise self._refuse(f"unsupported syntax `{ast.unparse(node)}`")
            return getattr(self.read(node.value), node.attr)
        if isinstance(node, ast.Call):
            arguments = [self.read(one) for one in node.args]
            named = {str(one.arg): self.read(one.value) for one in node.keywords}
            if not isinstance(node.func, ast.Attribute):
                raise self._refuse(f"unsupported function in `{ast.unparse(node)}`; use methods of columns")
            return self.read(node.func)(*arguments, **named)
        if isinstance(node, (ast.List, ast.Tuple)):
            return [self.read(one) for one in node.elts]
        if isinstance(node, ast.UnaryOp):
            value = self.read(node.operand)
            if isinstance(node.op, (ast.Not, ast.Invert)):
                return ~value
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](self.read(node.left), self.read(node.right))
        if isinstance(node, ast.BoolOp):
            join = operator.and_ if isinstance(node.op, ast.And) else operator.or_
            values = [self.read(one) for one in node.values]
            result = values[0]
            for value in values[1:]:
                result = join(result, value)
            return result
        if isinstance(node, ast.Compare):
            return self._compared(node)
        raise self._refuse(f"unsupported syntax `{ast.unparse(node)}`")

    def _variable(self, name: str) -> Any:
        if name not in self._variables:
            raise self._refuse(f"no variable {name!r}")
        return self._variables[name]

    def _name(self, name: Any) -> Any:
        if name in self._frame._columns:
            return self._frame._column(name)
        if name == "index" or any(level.name == name for level in self._frame._index):
            from ._series import index_of

            return index_of(self._frame)
        raise self._refuse(f"no column {name!r}; columns: {listed(self._frame._columns, name)}")

    def _compared(self, node: ast.Compare) -> Any:
        result = None
        left = self.read(node.left)
        for sign, right_node in zip(node.ops, node.comparators):
            right = self.read(right_node)
            many = isinstance(right, (list, tuple, set))
            if isinstance(sign, (ast.In, ast.NotIn)) or (many and isinstance(sign, (ast.Eq, ast.NotEq))):
                one = left.isin(right)
                one = ~one if isinstance(sign, (ast.NotIn, ast.NotEq)) else one
            else:
                one = _OPERATORS[type(sign)](left, right)
            result = one if result is None else result & one
            left = right
        return result


_VARIABLE = "_variable_"


def _with_variables(text: str) -> str:
    """Replace ``@name`` by valid Python names, except in strings."""
    parts = re.split(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", text)
    for at in range(0, len(parts), 2):
        # In these expressions, & and | have the precedence of `and` and `or`.
        parts[at] = parts[at].replace("@", _VARIABLE).replace("&", " and ").replace("|", " or ")
    return "".join(parts)
