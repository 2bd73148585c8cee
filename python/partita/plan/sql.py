"""Rendering of expressions and relations as SQL in the dialect of DataFusion. No other module writes SQL for nodes.

An expression that is used several times becomes a column of an inner query, and a relation that is used several times a
common table expression, so that the length of a statement is proportional to the number of distinct nodes.
"""

from __future__ import annotations

import datetime
import decimal
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

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
    Trait,
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

__all__ = ["quote", "render", "sort_key", "source", "statement", "string"]

#: Prefix of the columns of inner queries, followed by a number.
SHARED = "__shared_"
#: Prefix of common table expressions, followed by a number.
RELATION = "__relation_"
#: Largest depth of an expression in one query. Deeper ones continue in an inner query.
DEPTH_MAX = 40
#: Largest depth of an expression whose parts are used once: the planner merges its inner queries in cubic time.
LEVELS_MAX = 1500
#: Depth of conditions at which an expression continues in an inner query: the planner copies their values at each level.
CONDITIONS_MAX = 2
#: Depth up to which an expression is repeated rather than shared: a function of columns and literals.
REPEATED_DEPTH_MAX = 2
_INT64_MIN = -(2**63)
#: Types that SQL names itself.
_PLAIN = {pa.int64(): "BIGINT", pa.float64(): "DOUBLE"}

_JOINS = {
    "inner": "INNER JOIN",
    "left": "LEFT JOIN",
    "right": "RIGHT JOIN",
    "outer": "FULL JOIN",
    "cross": "CROSS JOIN",
    "leftsemi": "LEFT SEMI JOIN",
    "leftanti": "LEFT ANTI JOIN",
}


def string(text: str) -> str:
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
        return source(node.relation)
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
        return f"INTERVAL {string(value)}"
    if isinstance(value, datetime.date):
        return f"DATE '{value.isoformat()}'"
    return string(value)


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


# Expressions that become columns of inner queries.


class Layers(NamedTuple):
    """The expressions that are computed in inner queries, from the inside out, and the names of their columns."""

    levels: list[list[Expr]]
    names: dict[Expr, str]


def layers_of(outputs: Sequence[Expr], plain: Iterable[Expr] = ()) -> Layers:
    """Return which parts of expressions inner queries compute.

    These are the parts that are used several times, window functions where SQL does not allow them, and parts at which an
    expression would become too deep.

    Parameters
    ----------
    outputs : sequence of Expr
        The expressions of a query.
    plain : iterable of Expr
        Those of them that must not contain window functions.

    Raises
    ------
    ValueError
        If an expression is too deep to be planned.
    """
    nodes = list(postorder(outputs, lambda one: isinstance(one, PythonCall)))
    uses = Counter(outputs)
    required = {one for one in plain if one.traits & Trait.WINDOW}
    for node in nodes:
        if isinstance(node, PythonCall):
            continue
        uses.update(node.inputs)
        if node.traits & (Trait.WINDOW | Trait.AGGREGATE) and isinstance(node, (Window, Aggregate)):
            required.update(one for one in node.inputs if one.traits & Trait.WINDOW)
    last = set(outputs)
    levels: list[list[Expr]] = []
    names: dict[Expr, str] = {}
    level: dict[Expr, int] = {}
    depth: dict[Expr, int] = {}
    #: The depth in the query that the planner merges: it does not copy values that are used several times.
    merged: dict[Expr, int] = {}
    conditions: dict[Expr, int] = {}
    for node in nodes:
        if isinstance(node, PythonCall) or not node.inputs:
            level[node], depth[node], merged[node], conditions[node] = 0, 1, 1, 0
            continue
        at = max(level[one] for one in node.inputs)
        deep = 1 + max(depth[one] for one in node.inputs)
        whole = 1 + max(merged[one] for one in node.inputs)
        nested = max(conditions[one] for one in node.inputs) + _copies(node)
        is_costly = node.depth > REPEATED_DEPTH_MAX or node.traits & (Trait.WINDOW | Trait.VOLATILE)
        is_shared = uses[node] > 1 and is_costly
        is_deep = (deep > DEPTH_MAX or nested >= CONDITIONS_MAX) and (uses[node] > 1 or node not in last)
        if (is_shared or is_deep or node in required) and not node.traits & Trait.AGGREGATE:
            names[node] = f"{SHARED}{len(names)}"
            if at == len(levels):
                levels.append([])
            levels[at].append(node)
            at, deep, nested, whole = at + 1, 1, 0, 1 if is_shared else whole
        if whole > LEVELS_MAX:
            raise ValueError(
                f"an expression has more than {LEVELS_MAX} levels; persist the frame or column after some of its operations"
            )
        level[node], depth[node], merged[node], conditions[node] = at, deep, whole, nested
    return Layers(levels, names)


def _copies(node: Expr) -> bool:
    """Whether the planner of the cluster copies the inputs of a node."""
    return isinstance(node, Case) or (isinstance(node, Call) and node.function.copies)


# Relations.


def statement(relation: Relation) -> str:
    """Return the query of the rows of a relation.

    Examples
    --------
    >>> from partita.plan.expr import comparison
    >>> rows = Table("t")
    >>> print(statement(Projection(Filter(rows, [comparison("lt", Column("a"), 1)]), [Named("b", Column("a") * 2)])))
    SELECT ("a" * 2) AS "b" FROM "t" WHERE ("a" < 1)
    """
    return _Writer(relation).statement()


def source(relation: Relation) -> str:
    """Return a relation as it appears after ``FROM``."""
    found = _leaf(relation)
    return f"({statement(relation)})" if found is None else found


def _leaf(relation: Relation) -> str | None:
    if isinstance(relation, Table):
        return quote(relation.name)
    if isinstance(relation, Files):
        return string(relation.request)
    return f"({relation.sql})" if isinstance(relation, Query) else None


class _Writer:
    """Writes the statement of a relation."""

    def __init__(self, root: Relation) -> None:
        self._nodes = list(relations_of([root]))
        self._uses = Counter(one for node in self._nodes for one in node.inputs)
        #: The relations as they appear after FROM.
        self._sources: dict[Relation, str] = {}
        self._definitions: list[str] = []

    def statement(self) -> str:
        text = ""
        absorbed = {one for node in self._nodes for one in self._absorbed(node)}
        for node in self._nodes:
            found = _leaf(node)
            if found is not None and not (isinstance(node, Query) and self._uses[node] > 1):
                self._sources[node] = found
                text = f"SELECT * FROM {found}"
                continue
            if node in absorbed:
                continue
            text = node.sql if isinstance(node, Query) else self._select(node)
            if self._uses[node] > 1:
                name = quote(f"{RELATION}{len(self._definitions)}")
                self._definitions.append(f"{name} AS ({text})")
                self._sources[node] = name
            else:
                self._sources[node] = f"({text})"
        return f"WITH {', '.join(self._definitions)} {text}" if self._definitions else text

    def _absorbed(self, node: Relation) -> list[Relation]:
        """Return the inputs that are parts of the query of a node: a filter, or an order by columns that it leaves out."""
        if isinstance(node, Projection):
            (rows,) = node.inputs
            is_selection = all(isinstance(expr, Column) and expr.name == name for name, expr in node.columns)
            if isinstance(rows, Sorting) and is_selection and self._uses[rows] == 1:
                return [rows]
        if isinstance(node, (Projection, Grouping)):
            (rows,) = node.inputs
            if isinstance(rows, Filter) and self._uses[rows] == 1:
                return [rows]
        return []

    def _select(self, node: Relation) -> str:
        if isinstance(node, Sorting):
            return self._sorted(node)
        if isinstance(node, Join):
            return f"SELECT * FROM {self._joined(node)}"
        if isinstance(node, Union):
            return " UNION ALL ".join(f"SELECT * FROM {self._sources[one]}" for one in node.inputs)
        if isinstance(node, Distinct):
            return f"SELECT DISTINCT * FROM {self._sources[node.inputs[0]]}"
        if isinstance(node, Values):
            return _values(node)
        if isinstance(node, Filter):
            return self._query(node.inputs[0], None, node.conditions)
        assert isinstance(node, (Projection, Grouping))
        (rows,) = node.inputs
        conditions: tuple[Expr, ...] = ()
        is_absorbed = bool(self._absorbed(node))
        if is_absorbed and isinstance(rows, Sorting):
            return self._sorted(rows, ", ".join(map(quote, node.schema or ())))
        if is_absorbed and isinstance(rows, Filter):
            conditions, rows = rows.conditions, rows.inputs[0]
        if isinstance(node, Projection):
            return self._query(rows, node.columns, conditions)
        groups = f" GROUP BY {', '.join(str(at + 1) for at in range(len(node.keys)))}" if node.keys else ""
        return self._query(rows, [*node.keys, *node.cells], conditions, len(node.keys)) + groups

    def _sorted(self, node: Sorting, columns: str = "*") -> str:
        by = f" ORDER BY {', '.join(map(sort_key, node.order))}" if node.order else ""
        limit = f" LIMIT {node.limit}" if node.limit is not None else ""
        return f"SELECT {columns} FROM {self._sources[node.inputs[0]]}{by}{limit}"

    def _joined(self, node: Join) -> str:
        left, right = (self._sources[one] for one in node.inputs)
        tests = [f"({render(a)} IS NOT DISTINCT FROM {render(b)})" for a, b in node.keys]
        return f"{left} {_JOINS[node.how]} {right}" + (f" ON {' AND '.join(tests)}" if tests else "")

    def _query(self, rows: Relation, columns: Sequence[Named] | None, conditions: Sequence[Expr], keys: int = 0) -> str:
        """Return the query of columns, or all of them, of the rows for which conditions are true.

        The first ones are keys of a grouping.
        """
        text = self._sources[rows]
        outputs = [expr for _, expr in columns or ()]
        layers = layers_of(outputs, outputs[:keys])
        if conditions and layers.levels:
            # Window functions are computed over the rows that remain.
            text = f"({_filtered(text, rows, _as_columns(_read(outputs, {})), conditions, outputs)})"
            conditions = ()
        if conditions:
            return _filtered(text, rows, columns, conditions, outputs)
        text = _with_layers(text, layers, outputs)
        return f"SELECT {_columns(columns, layers.names)} FROM {text}"


def _values(node: Values) -> str:
    if not node.rows:
        nothing = ", ".join(f"NULL AS {quote(name)}" for name in node.schema or ()) or "1 AS one"
        return f"SELECT {nothing} WHERE FALSE"
    rows = ", ".join(f"({', '.join(map(render, row))})" for row in node.rows)
    names = ", ".join(f"column{at + 1} AS {quote(name)}" for at, name in enumerate(node.schema or ()))
    return f"SELECT {names} FROM (VALUES {rows})"


def _columns(columns: Sequence[Named] | None, names: Mapping[Expr, str]) -> str:
    if columns is None:
        return "*"
    return ", ".join(f"{render(expr, names)} AS {quote(name)}" for name, expr in columns) or "1 AS one"


def _as_columns(names: Iterable[str]) -> list[Named]:
    return [Named(name, Column(name)) for name in names]


def _filtered(
    text: str, rows: Relation, columns: Sequence[Named] | None, conditions: Sequence[Expr], outputs: Sequence[Expr]
) -> str:
    """Return the query of columns, or all of them, of the rows for which conditions are true."""
    layers = layers_of(conditions, conditions)
    if layers.levels and columns is None:
        # Without the columns of the layers.
        columns = _as_columns(rows.schema or ())
    text = _with_layers(text, layers, [*conditions, *outputs, *(expr for _, expr in columns or ())])
    tests = " AND ".join(render(one, layers.names) for one in conditions)
    return f"SELECT {_columns(columns, layers.names)} FROM {text} WHERE {tests}"


def _with_layers(text: str, layers: Layers, outputs: Sequence[Expr]) -> str:
    """Return a relation with the columns of layers, as it appears after ``FROM``."""
    # From the outside in: the columns that a layer passes on are those that the layers around it read.
    wanted = _read(outputs, layers.names)
    passed: list[list[str]] = []
    for level in reversed(layers.levels):
        own = {layers.names[node] for node in level}
        passed.append([name for name in wanted if name not in own])
        inner = _read([one for node in level for one in node.inputs], layers.names)
        wanted = dict.fromkeys([*passed[-1], *inner])
    names: dict[Expr, str] = {}
    for level, carried in zip(layers.levels, reversed(passed)):
        added = [f"{render(node, names)} AS {quote(layers.names[node])}" for node in level]
        names.update((node, layers.names[node]) for node in level)
        text = f"(SELECT {', '.join([*map(quote, carried), *added])} FROM {text})"
    return text


def _read(outputs: Sequence[Expr], names: Mapping[Expr, str]) -> dict[str, None]:
    """Return the columns that expressions read, of the relation and of layers."""
    found: dict[str, None] = {}
    for node in postorder(outputs, lambda one: one in names or isinstance(one, PythonCall)):
        if node in names:
            found.setdefault(names[node])
        elif isinstance(node, (Column, PythonCall)):
            found.setdefault(node.name)
    return found
