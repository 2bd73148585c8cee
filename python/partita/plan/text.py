"""Text of expressions and relations for display, with the operators and functions of SQL. Nothing reads it back."""

from __future__ import annotations

import datetime
import decimal
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from .._wire import quote
from .dtype import arrow_name
from .expr import (
    Aggregate,
    Call,
    Case,
    Cast,
    Column,
    Expr,
    Frame,
    Literal,
    PythonCall,
    SortKey,
    Subquery,
    Window,
    postorder,
)
from .functions import Form, Function
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
)
from .relation import postorder as relations_of

__all__ = ["outline", "render", "tree"]

#: Largest number of characters of an outline.
OUTLINE_CHARS_MAX = 300
#: Columns that an outline names.
NAMED_MAX = 3
_INT64_MIN = -(2**63)
#: Types that SQL names itself.
_PLAIN = {pa.int64(): "BIGINT", pa.float64(): "DOUBLE"}


def _string(text: str) -> str:
    """Return a string as a literal."""
    return "'" + text.replace("'", "''") + "'"


# Expressions.


def render(expr: Expr, names: Mapping[Expr, str] | None = None) -> str:
    """Return the SQL of an expression.

    Parameters
    ----------
    expr : Expr
        The expression.
    names : mapping, optional
        The columns of the relation that contain the values of expressions.
    """
    known = names or {}
    texts: dict[Expr, str] = {}
    for node in postorder([expr], lambda one: one in known or isinstance(one, PythonCall)):
        name = known.get(node)
        texts[node] = _form(node, texts) if name is None else quote(name)
    return texts[expr]


def _form(node: Expr, texts: Mapping[Expr, str]) -> str:
    """Return the SQL of a node, given that of its inputs."""
    if isinstance(node, (Column, PythonCall)):
        return quote(node.name)
    if isinstance(node, Literal):
        return _literal(node.value, node.dtype)
    if isinstance(node, Subquery):
        return f"({outline(node.relation)})"
    inputs = [texts[one] for one in node.inputs]
    if isinstance(node, Call):
        return _call(node.function, inputs)
    if isinstance(node, Cast):
        assert node.dtype is not None
        return _cast(inputs[0], node.dtype, node.is_lenient)
    if isinstance(node, Case):
        return _case(node, inputs)
    if isinstance(node, Aggregate):
        return _aggregate(node, inputs)
    assert isinstance(node, Window)
    return _window(node, inputs)


def _literal(value: Any, dtype: pa.DataType) -> str:
    if value is None:
        return "NULL" if pa.types.is_null(dtype) else _cast("NULL", dtype)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if pa.types.is_floating(dtype):
        text = f"CAST('{'-' if value < 0 else ''}Infinity' AS DOUBLE)" if math.isinf(value) else _real(float(value))
        return text if dtype == pa.float64() else f"arrow_cast({text}, '{arrow_name(dtype)}')"
    if isinstance(value, int):
        if dtype == pa.int64():
            return _whole(value)
        return f"arrow_cast({_whole(value)}, '{arrow_name(dtype)}')"
    if isinstance(value, decimal.Decimal):
        return f"arrow_cast('{value}', '{arrow_name(dtype)}')"
    if pa.types.is_interval(dtype):
        return f"INTERVAL {_string(value)}"
    if isinstance(value, datetime.date):
        return f"DATE '{value.isoformat()}'"
    return _string(value)


def _whole(value: int) -> str:
    if value == _INT64_MIN:
        # The parser reads the digits without their sign.
        return f"({value + 1} - 1)"
    return str(value) if value >= 0 else f"({value})"


def _real(value: float) -> str:
    return f"CAST({value!r} AS DOUBLE)"


def _cast(value: str, dtype: pa.DataType, is_lenient: bool = False) -> str:
    function, name = ("TRY_CAST", "arrow_try_cast") if is_lenient else ("CAST", "arrow_cast")
    known = _PLAIN.get(dtype)
    if known is not None:
        return f"{function}({value} AS {known})"
    return f"{name}({value}, '{arrow_name(dtype)}')"


def _call(function: Function, inputs: Sequence[str]) -> str:
    symbol, form = function.symbol, function.form
    if form is Form.CALL:
        return f"{symbol}({', '.join(inputs)})"
    if form is Form.INFIX:
        return f"({f' {symbol} '.join(inputs)})"
    if form is Form.PREFIX:
        return f"({symbol} {inputs[0]})"
    if form is Form.POSTFIX:
        return f"({inputs[0]} {symbol})"
    if form is Form.INDEX:
        return f"{inputs[0]}[{inputs[1]}]"
    if form is Form.STAR:
        return f"{symbol}(*)"
    assert form is Form.AMONG
    return f"({inputs[0]} IN ({', '.join(inputs[1:])}))"


def _case(node: Case, inputs: Sequence[str]) -> str:
    pairs = inputs[int(node.has_operand) : len(inputs) - int(node.has_otherwise)]
    parts = ["CASE", *([inputs[0]] if node.has_operand else [])]
    parts += [f"WHEN {test} THEN {value}" for test, value in zip(pairs[::2], pairs[1::2])]
    parts += [f"ELSE {inputs[-1]}"] if node.has_otherwise else []
    return " ".join([*parts, "END"])


def _aggregate(node: Aggregate, inputs: Sequence[str]) -> str:
    args, keys = inputs[: node.count], inputs[node.count : node.count + len(node.ways)]
    symbol = node.function.symbol
    order = ", ".join(key + direction(*way) for key, way in zip(keys, node.ways))
    if node.function.form is Form.STAR:
        text = f"{symbol}(*)"
    elif node.function.form is Form.WITHIN:
        text = f"{symbol}({', '.join(args[1:])}) WITHIN GROUP (ORDER BY {args[0]})"
    else:
        distinct = "DISTINCT " if node.is_distinct else ""
        text = f"{symbol}({distinct}{', '.join(args)}{f' ORDER BY {order}' if order else ''})"
    return f"{text} FILTER (WHERE {inputs[-1]})" if node.has_condition else text


def _window(node: Window, inputs: Sequence[str]) -> str:
    split = node.count + node.divisions
    args, partition, keys = inputs[: node.count], inputs[node.count : split], inputs[split:]
    text = f"{node.function.symbol}({'*' if node.function.form is Form.STAR else ', '.join(args)})"
    parts = [f"PARTITION BY {', '.join(partition)}"] if partition else []
    if keys:
        parts.append(f"ORDER BY {', '.join(key + direction(*way) for key, way in zip(keys, node.ways))}")
    if node.frame is not None:
        parts.append(_frame(node.frame))
    return f"{text}{' IGNORE NULLS' if node.skips_missing else ''} OVER ({' '.join(parts)})"


def _frame(frame: Frame) -> str:
    first = "UNBOUNDED PRECEDING" if frame.first is None else _bound(frame.first)
    last = "UNBOUNDED FOLLOWING" if frame.last is None else _bound(frame.last)
    return f"ROWS BETWEEN {first} AND {last}"


def _bound(offset: int) -> str:
    if offset == 0:
        return "CURRENT ROW"
    return f"{abs(offset)} {'PRECEDING' if offset < 0 else 'FOLLOWING'}"


def direction(is_descending: bool, nulls_first: bool) -> str:
    """Return the direction of a sort key, with the space before it."""
    return f" {'DESC' if is_descending else 'ASC'} NULLS {'FIRST' if nulls_first else 'LAST'}"


def sort_key(key: SortKey, names: Mapping[Expr, str] | None = None) -> str:
    """Return the SQL of a sort key."""
    return render(key.expr, names) + direction(*key.way)


# Relations.


def tree(relation: Relation) -> str:
    """Return a relation as lines, each followed by those of its inputs. A relation that is used again is only named.

    Examples
    --------
    >>> from partita.plan.expr import comparison
    >>> print(tree(Projection(Filter(Table("t"), [comparison("lt", Column("a"), 1)]), [Named("b", Column("a") * 2)])))
    project "b" = ("a" * 2)
      filter ("a" < 1)
        table t
    """
    numbers: dict[Relation, int] = {}
    uses: dict[Relation, int] = {}
    for node in relations_of([relation]):
        for one in node.inputs:
            uses[one] = uses.get(one, 0) + 1
    lines = []
    stack = [(relation, 0)]
    while stack:
        node, level = stack.pop()
        indent = "  " * level
        if node in numbers:
            lines.append(f"{indent}step {numbers[node]}")
            continue
        name = ""
        if uses.get(node, 0) > 1:
            numbers[node] = len(numbers) + 1
            name = f"step {numbers[node]}: "
        lines.append(f"{indent}{name}{_line(node)}")
        stack.extend((one, level + 1) for one in reversed(node.inputs))
    return "\n".join(lines)


def _line(node: Relation) -> str:
    if isinstance(node, Projection):
        return f"project {_columns(node.columns)}"
    if isinstance(node, Filter):
        return f"filter {' AND '.join(map(render, node.conditions))}"
    if isinstance(node, Grouping):
        cells = _columns(node.cells)
        return f"group by {_columns(node.keys)}: {cells}" if node.keys else f"reduce {cells}"
    if isinstance(node, Sorting):
        return _sorted(node)
    if isinstance(node, Join):
        return f"{node.how} join on {', '.join(f'{a} = {b}' for a, b in node.keys)}"
    return _leaf(node) or type(node).__name__.lower()


def _columns(columns: Sequence[Named]) -> str:
    return ", ".join(
        quote(name) if isinstance(expr, Column) and expr.name == name else f"{quote(name)} = {expr}"
        for name, expr in columns
    )


def _sorted(node: Sorting) -> str:
    by = f"sort by {', '.join(map(sort_key, node.order))}" if node.order else ""
    first = "" if node.limit is None else f"first {node.limit} rows"
    return ", ".join(filter(None, [by, first])) or "rows"


def _leaf(node: Relation) -> str | None:
    if isinstance(node, Table):
        return f"table {node.name}"
    if isinstance(node, Files):
        return f"files {node.request}"
    return f"query {node.sql}" if isinstance(node, Query) else None


def outline(relation: Relation) -> str:
    """Return what a relation does in one line, for listings.

    Examples
    --------
    >>> from partita.plan.expr import aggregate
    >>> rows = Filter(Files("data/flights.csv"), [Column("a")])
    >>> print(outline(Grouping(rows, [Named("k", Column("k"))], [Named("n", aggregate("sum", Column("a")))])))
    data/flights.csv | filter | group by k: n
    """
    made: dict[Relation, str] = {}
    for node in relations_of([relation]):
        parts = [made[one] for one in node.inputs]
        step = _step(node)
        before = parts[0] if len(parts) == 1 else f"({'; '.join(parts)})" if parts else ""
        text = " | ".join(filter(None, [before, step]))
        if len(text) > OUTLINE_CHARS_MAX:
            half = OUTLINE_CHARS_MAX // 2 - 2
            text = f"{text[:half]} .. {text[-half:]}"
        made[node] = text
    return made[relation]


def _step(node: Relation) -> str:
    """Return what a relation does with its inputs; nothing for expressions over rows."""
    if isinstance(node, Files):
        return _path(node.request)
    if isinstance(node, Table):
        return "persisted" if node.name.startswith("__") else node.name
    if isinstance(node, Query):
        return node.sql
    if isinstance(node, Filter):
        return "filter"
    if isinstance(node, Grouping):
        cells = _shown([name for name, _ in node.cells])
        keys = _shown([name for name, _ in node.keys])
        return f"group by {keys}: {cells}" if node.keys else f"reduce {cells}"
    if isinstance(node, Sorting):
        by = f"sort by {_shown([str(key.expr).strip(chr(34)) for key in node.order])}" if node.order else ""
        first = "" if node.limit is None else f"first {node.limit}"
        return " | ".join(filter(None, [by, first]))
    if isinstance(node, Join):
        return f"{node.how} join"
    if isinstance(node, Union):
        return "concatenate"
    if isinstance(node, Distinct):
        return "distinct"
    return "values" if isinstance(node, Values) else ""


def _shown(names: Sequence[str]) -> str:
    shown = [name for name in names if not name.startswith("__")][:NAMED_MAX]
    more = len(names) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more and shown else [f"{more} columns"] if more else [])])


def _path(request: str) -> str:
    """Return the path of a request of files, or the first one of several."""
    before, brace, rest = request.partition("{")
    if not brace or not before.endswith(":"):
        return request
    paths = json.loads(brace + rest).get("paths", [])
    return str(paths[0]) + (f" and {len(paths) - 1} more" if len(paths) > 1 else "") if paths else "files"
