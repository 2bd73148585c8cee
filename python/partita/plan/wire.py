"""Plans as messages for the scheduler: numbered nodes, each once, which refer to earlier ones by their numbers.

``plan/src/nodes`` reads the messages.
"""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from .._wire import command
from .dtype import arrow_name
from .expr import (
    Aggregate,
    Call,
    Case,
    Cast,
    Column,
    Expr,
    Literal,
    PythonCall,
    SortKey,
    Window,
    postorder,
)
from .layers import layered
from .relation import (
    Distinct,
    Files,
    Filter,
    Grouping,
    Join,
    Named,
    Projection,
    Query,
    Relation,
    Sorting,
    Table,
    Union,
    Values,
    expressions_of,
)
from .rewrite import with_subqueries
from .text import outline

__all__ = ["Request", "create_table", "explain", "rows", "write"]

#: Names of types that values have and that values are not converted to.
_OTHER_NAMES = {pa.null(): "Null", pa.month_day_nano_interval(): "Interval(MonthDayNano)"}


class Request:
    """What the scheduler is asked for: the rows of a relation, or something that is done with them.

    Parameters
    ----------
    relation : Relation
        The relation.
    purpose : str or dict
        What becomes of its rows.
    verb : str
        What listings show before the relation.
    """

    def __init__(self, relation: Relation, purpose: Any = "rows", verb: str = "") -> None:
        self.relation = relation
        self.purpose = purpose
        self.verb = verb
        self._text: str | None = None

    @property
    def reads_rows(self) -> bool:
        """Whether rows are read, and not only a plan of them is made."""
        return bool(self.purpose != "explain")

    def __str__(self) -> str:
        # Listings, errors and the message itself show it.
        if self._text is None:
            self._text = self.verb + outline(self.relation)
        return self._text

    def tables(self) -> list[str]:
        """Return the names of the tables that the relation reads."""
        return [node.name for node in with_subqueries(self.relation) if isinstance(node, Table)]

    def with_relation(self, relation: Relation) -> Request:
        """Return the same request of another relation."""
        return Request(relation, self.purpose, self.verb)

    def encoded(self) -> bytes:
        """Return the command of the request."""
        message = {"text": str(self), "plan": _Encoder(self.relation).plan, "purpose": self.purpose}
        return command("partita.Plan", json.dumps(message, separators=(",", ":")).encode())


def rows(relation: Relation) -> Request:
    """Return the request of the rows of a relation."""
    return Request(relation)


def explain(relation: Relation) -> Request:
    """Return the request of the plan of a relation."""
    return Request(relation, "explain", "explain: ")


def create_table(
    name: str,
    relation: Relation,
    is_temporary: bool = True,
    replace: bool = False,
    partitions: int | None = None,
    splits: Sequence[str] | None = None,
) -> Request:
    """Return the request of a persisted table of the rows.

    Parameters
    ----------
    name : str
        Its name.
    relation : Relation
        The relation.
    is_temporary : bool
        Whether only this session knows it.
    replace : bool
        Whether it replaces a table of this name.
    partitions : int, optional
        Number of partitions of rows without an order.
    splits : sequence of str, optional
        Values of the first sort key between the partitions.
    """
    table = {
        "name": name,
        "temporary": is_temporary,
        "replace": replace,
        "partitions": partitions,
        "splits": None if splits is None else list(splits),
    }
    verb = "persist: " if name.startswith("__") else f"publish {name}: "
    return Request(relation, {"persist": table}, verb)


def write(relation: Relation, target: str, form: str, options: dict[str, str], folders: Sequence[str] = ()) -> Request:
    """Return the request that writes the rows to files.

    Parameters
    ----------
    relation : Relation
        The relation.
    target : str
        The folder, with a slash at its end, or the file.
    form : str
        The format, such as ``"parquet"``.
    options : dict
        Options of the writer.
    folders : sequence of str
        Columns whose values become names of folders.
    """
    files = {"target": target, "format": form, "options": options, "partition_by": list(folders)}
    return Request(relation, {"write": files}, f"write {target}: ")


class _Encoder:
    """Makes the nodes of a relation."""

    def __init__(self, root: Relation) -> None:
        self._types: dict[pa.DataType, int] = {}
        self._expressions: dict[Expr, int] = {}
        self._relations: dict[Relation, int] = {}
        expressions: list[Any] = []
        relations: list[Any] = []
        for node in layered(root):
            for expr in postorder(expressions_of(node), self._is_column):
                if expr not in self._expressions:
                    expressions.append(self._expression(expr))
                    self._expressions[expr] = len(self._expressions)
            relations.append(self._relation(node))
            self._relations[node] = len(self._relations)
        types = [_type_name(kind) for kind in self._types]
        self.plan = {"types": types, "expressions": expressions, "relations": relations}

    def _is_column(self, node: Expr) -> bool:
        """Whether the inputs of a node are not sent: it was sent, or is a column of results of a function."""
        return node in self._expressions or isinstance(node, PythonCall)

    def _type(self, kind: pa.DataType) -> int:
        return self._types.setdefault(kind, len(self._types))

    def _ids(self, expressions: Sequence[Expr]) -> list[int]:
        return [self._expressions[one] for one in expressions]

    def _keys(self, keys: Sequence[SortKey]) -> list[Any]:
        return [[self._expressions[key.expr], *key.way] for key in keys]

    def _columns(self, columns: Sequence[Named]) -> list[Any]:
        return [[name, self._expressions[expr]] for name, expr in columns]

    def _expression(self, node: Expr) -> dict[str, Any]:
        if isinstance(node, (Column, PythonCall)):
            return {"column": node.name}
        if isinstance(node, Literal):
            return {"literal": [self._type(node.dtype), _value(node.value, node.dtype)]}
        inputs = self._ids(node.inputs)
        if isinstance(node, Call):
            return {"call": [_called(node), inputs]}
        if isinstance(node, Cast):
            return {"cast": [inputs[0], self._type(node.dtype), node.is_lenient]}
        if isinstance(node, Case):
            first, last = int(node.has_operand), len(inputs) - int(node.has_otherwise)
            return {
                "case": {
                    "operand": inputs[0] if node.has_operand else None,
                    "branches": list(zip(inputs[first:last:2], inputs[first + 1 : last : 2])),
                    "otherwise": inputs[-1] if node.has_otherwise else None,
                }
            }
        if isinstance(node, Aggregate):
            return {
                "aggregate": {
                    "function": _called(node),
                    "arguments": self._ids(node.args),
                    "order": self._keys(node.order),
                    "condition": None if node.where is None else self._expressions[node.where],
                    "distinct": node.is_distinct,
                }
            }
        assert isinstance(node, Window)
        return {
            "window": {
                "function": _called(node),
                "arguments": self._ids(node.args),
                "partition": self._ids(node.partition),
                "order": self._keys(node.order),
                "frame": None if node.frame is None else list(node.frame),
                "skips_missing": node.skips_missing,
            }
        }

    def _relation(self, node: Relation) -> dict[str, Any]:
        inputs = [self._relations[one] for one in node.inputs]
        if isinstance(node, Table):
            return {"table": node.name}
        if isinstance(node, Files):
            return {"files": node.request}
        if isinstance(node, Query):
            return {"query": node.sql}
        if isinstance(node, Values):
            return {"values": [list(node.schema or ()), [self._ids(row) for row in node.rows]]}
        if isinstance(node, Projection):
            return {"project": [inputs[0], self._columns(node.columns)]}
        if isinstance(node, Filter):
            return {"filter": [inputs[0], self._ids(node.conditions)]}
        if isinstance(node, Grouping):
            return {"group": [inputs[0], self._columns(node.keys), self._columns(node.cells)]}
        if isinstance(node, Distinct):
            return {"distinct": inputs[0]}
        if isinstance(node, Sorting):
            return {"sort": [inputs[0], self._keys(node.order), node.limit]}
        if isinstance(node, Join):
            pairs = [self._ids(pair) for pair in node.keys]
            return {"join": [*inputs, node.how, pairs]}
        assert isinstance(node, Union)
        return {"union": inputs}


def _called(node: Call | Aggregate | Window) -> str:
    """Return the name of a function: an operator's own, or that of the cluster's function."""
    return node.function.wire_name


def _type_name(kind: pa.DataType) -> str:
    return _OTHER_NAMES.get(kind) or arrow_name(kind)


def _value(value: Any, kind: pa.DataType) -> Any:
    """Return a value for JSON: numbers other than integers are strings, which keep all digits."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if pa.types.is_floating(kind):
        return repr(float(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    assert isinstance(value, datetime.date)
    return value.isoformat()
