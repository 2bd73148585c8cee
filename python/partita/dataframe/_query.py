"""Conditions in the text form of ``DataFrame.query``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._frame import DataFrame
    from ._series import Series

__all__ = ["condition"]

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


def condition(frame: DataFrame, text: str) -> Series:
    """Reads a condition over a frame's columns. Names in backquotes may have anything in them.

    Raises
    ------
    ValueError
        If it is none, or has something that conditions cannot have; the text says what.
    """
    names: dict[str, Any] = {}
    parts = text.split("`")
    for at in range(1, len(parts), 2):
        names[f"_quoted_{at}"] = parts[at]
        parts[at] = f"_quoted_{at}"
    try:
        tree = ast.parse("".join(parts).strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"query {text!r}: {error.msg}") from None
    return _Reader(frame, text, names).read(tree)


class _Reader:
    def __init__(self, frame: DataFrame, text: str, names: dict[str, Any]) -> None:
        self._frame = frame
        self._text = text
        self._names = names

    def _refuse(self, what: str) -> ValueError:
        return ValueError(f"query {self._text!r}: {what}")

    def read(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._name(self._names.get(node.id, node.id))
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
        raise self._refuse(f"`{ast.unparse(node)}` cannot be part of a condition")

    def _name(self, name: Any) -> Any:
        if name in self._frame._columns:
            return self._frame._column(name)
        if name == "index" or any(level.name == name for level in self._frame._index):
            return self._frame.index
        raise self._refuse(f"there is no column {name!r}")

    def _compared(self, node: ast.Compare) -> Any:
        result = None
        left = self.read(node.left)
        for sign, right_node in zip(node.ops, node.comparators):
            right = self.read(right_node)
            if isinstance(sign, (ast.In, ast.NotIn)):
                one = left.isin(right)
                one = ~one if isinstance(sign, ast.NotIn) else one
            else:
                one = _OPERATORS[type(sign)](left, right)
            result = one if result is None else result & one
            left = right
        return result
